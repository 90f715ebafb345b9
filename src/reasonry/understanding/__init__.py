"""Understanding: what a model takes from what it is taught or shown."""
