"""Measurements behind the claims about continuous chains of thought."""
