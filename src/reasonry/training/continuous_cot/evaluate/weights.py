"""Loading a model for evaluation, and which weights it has, as JSON: content and number format, not the folder's name.

A model from training is run in the format it was saved in, unless another is named: rounding to bfloat16, which is fast
on many machines, would make ties of small differences, and another model of a small one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import torch

from reasonry.core.models.config import Dtype, ModelConfig
from reasonry.core.models.load import content_hash
from reasonry.core.models.quiet import quiet_transformers
from reasonry.core.run import read_json
from reasonry.training.continuous_cot.evaluate.locate import Located
from reasonry.training.continuous_cot.latent.model import LatentCausalLM


def load(located: Located, options: ModelConfig) -> LatentCausalLM:
    """The model.

    Raises:
        ReasonryError: As `LatentCausalLM.from_pretrained`.
    """
    if located.trained is not None and options.dtype == "auto":
        saved = read_json(Path(located.name).expanduser() / "config.json")
        dtype = saved.get("dtype") or saved.get("torch_dtype")
        if dtype in get_args(Dtype):
            options = options.with_(dtype=dtype)
    with quiet_transformers():
        return LatentCausalLM.from_pretrained(located.name, options)


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
