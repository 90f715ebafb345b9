"""Every unmasking policy on one denoiser and the same prompts: accuracy against forward passes."""
