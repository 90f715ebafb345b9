"""Rows in which codes stand for reasoning: what is replaced, by what, and the vocabulary that this takes."""
