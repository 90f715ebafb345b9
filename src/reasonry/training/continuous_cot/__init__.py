"""Continuous chain of thought (arXiv 2412.06769, 2505.12514, 2509.23365): models that reason in hidden states."""
