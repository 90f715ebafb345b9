"""Measurements behind the claim cards of test-time scaling."""
