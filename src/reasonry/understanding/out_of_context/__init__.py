"""Out-of-context reasoning (arXiv 2506.10887): what a fine-tune on facts makes a model infer, and hallucinate."""
