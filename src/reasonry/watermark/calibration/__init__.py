"""The realised rate of false alarms on human text, with and without skipping repeated contexts."""
