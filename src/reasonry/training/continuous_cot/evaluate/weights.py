"""Which weights a model has, as JSON: content and number format, not the folder's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from reasonry.core.models.config import ModelConfig
from reasonry.core.models.load import content_hash
from reasonry.training.continuous_cot.latent.model import LatentCausalLM


def weights_identity(name: str, options: ModelConfig, latent: LatentCausalLM) -> dict[str, Any]:
    """What decides a model's outputs.

    Args:
        name: Folder, hub id or alias.
        options: Revision.
        latent: The loaded model.
    """
    model = latent.backbone.model
    path = Path(name).expanduser()
    where = {"model": "local", "weights": content_hash(path)} if path.is_dir() else {"model": name}
    dtype: torch.dtype = model.dtype
    revision = options.revision or str(getattr(model.config, "_commit_hash", None) or "")
    return {
        **where,
        "revision": revision,
        "dtype": str(dtype).removeprefix("torch."),
        "device": latent.device.type,
        "feedback": latent.feedback._asdict(),
    }
