"""Tasks whose prompts and answers are short rows of symbols, for models trained from scratch."""
