"""What a model with thoughts answers, with how many of them, and what becomes of it when they are replaced."""
