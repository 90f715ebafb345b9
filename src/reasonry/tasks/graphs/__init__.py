"""Directed graphs with a root, a vertex that it reaches and one that it does not: reachability as a reasoning task."""
