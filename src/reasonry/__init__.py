"""reasonry: post-train, study, scale, evaluate and sign language models."""

__version__ = "0.1.0"
