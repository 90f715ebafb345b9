"""How many samples a vote, or a verifier, needs: bounds, exact probabilities, hard instances and ceilings."""
