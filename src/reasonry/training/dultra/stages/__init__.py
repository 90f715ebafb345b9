"""Training in stages: a denoiser from scratch, a planner that imitates a rule, a planner that learns from decodings."""
