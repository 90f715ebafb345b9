"""Generation: the law of the next token is coupled with a keyed symbol, and stays the same on average over keys.

Needs torch, except for its configs.
"""
