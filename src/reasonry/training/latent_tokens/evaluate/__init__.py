"""Generated answers: graded, their tokens counted by what they are, their codes read back as text."""
