"""Measurements behind the claim cards of watermarking."""
