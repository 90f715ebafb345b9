"""Test-time scaling: spend samples well (Huang et al. 2025, arXiv 2506.05295)."""
