"""Rules that choose which masked positions to reveal after a forward pass."""
