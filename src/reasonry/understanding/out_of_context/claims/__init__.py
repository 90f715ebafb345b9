"""Measurements behind the claim cards."""
