"""Fine-tuning on reasoning that is codes in part, and by every other method on the same examples."""
