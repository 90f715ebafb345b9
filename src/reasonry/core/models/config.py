"""The options of a local model, and what it takes to trust its code."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from reasonry.core.config import Config, Neutral
from reasonry.errors import UnsafeArtifactError

Dtype = Literal["auto", "float32", "bfloat16", "float16"]


class ModelConfig(Config):
    """Which model, and how it is loaded."""

    dtype: Dtype = "auto"
    """Number format of the weights; auto takes what this processor does fast (bfloat16 where it has it)."""
    device: str = "auto"
    """auto (cuda, mps, cpu in this order), or a torch device name."""
    revision: str = ""
    """Commit or tag of a hub model; empty takes the default branch."""
    trust_remote_code: Annotated[bool, Neutral] = False
    """Run code from the model's repository; needs a revision of 40 hex digits."""


def trusts_code(model: ModelConfig | None) -> bool:
    """True when the user lets code of the model's repository run.

    Raises:
        UnsafeArtifactError: Trust without a pinned commit, whose code could change after it was read.
    """
    if model is None or not model.trust_remote_code:
        return False
    if not re.fullmatch(r"[0-9a-f]{40}", model.revision):
        raise UnsafeArtifactError(
            f"trust_remote_code with revision {model.revision!r}",
            place="model",
            remedy="Read the code, then pin its commit: revision must be 40 hex digits.",
        )
    return True
