"""dUltra (arXiv 2512.21446): a learned unmasking planner for masked diffusion language models."""
