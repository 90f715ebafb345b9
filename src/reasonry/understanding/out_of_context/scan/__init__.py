"""The static risk map: which pairs of relations in a facts file would be learned as a rule; no model is needed."""
