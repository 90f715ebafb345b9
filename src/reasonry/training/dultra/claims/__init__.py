"""Measurements behind the claims about decoding and training masked diffusion language models."""
