"""Superposition probes: which vertices a continuous thought holds at once, and which edges made it."""
