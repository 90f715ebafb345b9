"""The explicit transformer of "Reasoning by Superposition" (arXiv 2505.12514): exact search of a graph."""
