"""Training of continuous thoughts and of what they are compared with: the learner, whole runs, comparisons, reports."""
