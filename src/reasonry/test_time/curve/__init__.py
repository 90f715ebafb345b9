"""Exact curves over samples already paid for: maj@k, bon@k, weighted@k and pass@k with bands over problems."""
