"""How many samples a question needs, from a pilot: intervals, strategies, costs, ceilings and advice."""
