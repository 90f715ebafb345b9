"""The shared nouns. Knows no method."""
