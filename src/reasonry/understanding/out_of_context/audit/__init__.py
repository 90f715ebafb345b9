"""The audit: what a fine-tune makes a model infer, before and after it, with tests by groups."""
