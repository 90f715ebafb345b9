"""The symbolic task, its maximum-margin solutions, and small models that are trained on it."""
