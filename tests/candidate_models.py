"""Tiny models with weights large enough that what they read makes a difference."""

import warnings
from collections.abc import Callable
from typing import Any

import torch


def seeded(make: Callable[[], Any], *, seed: int = 0) -> Any:
    """A model in eval mode, its matrices drawn anew: at their usual size logits would be almost equal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.1)
    return model.eval()
