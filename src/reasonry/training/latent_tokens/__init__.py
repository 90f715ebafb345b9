"""Latent tokens (Token Assorted, arXiv 2502.03275): codes of reasoning text in the place of some of it."""
