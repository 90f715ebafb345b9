"""Where a model computes, and in which number format."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, cast

from reasonry.core.models.config import Dtype
from reasonry.errors import ResourceError

if TYPE_CHECKING:
    import torch


def best_device() -> str:
    """cuda, mps or cpu, the first that is there."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def fast_dtype(device: str) -> torch.dtype:
    """The number format this device multiplies fastest without harm: bfloat16 where it is native, else float32."""
    import torch

    if device.startswith("cuda"):
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device.startswith("cpu"):
        flags = cpu_flags()
        return torch.bfloat16 if flags & {"avx512_bf16", "amx_bf16", "bf16"} else torch.float32
    return torch.float32


def torch_dtype(wanted: Dtype, device: str) -> torch.dtype:
    """The number format that the user's word means on ``device``.

    Raises:
        ResourceError: ``auto``, and the device cannot say what it does fast because it is not there.
    """
    import torch

    if wanted != "auto":
        return cast("torch.dtype", getattr(torch, wanted))
    try:
        return fast_dtype(device)
    except (RuntimeError, AssertionError) as e:
        raise device_error(device, e) from e


def device_error(device: str, error: Exception) -> ResourceError:
    """The user's error for what torch raised about ``device``."""
    first = str(error).strip().split("\n")[0].rstrip(".")
    return ResourceError(
        f"cannot put the model on {device!r}: {first}",
        place="model",
        remedy="Try --model-options.device cpu.",
    )


def cpu_flags() -> set[str]:
    """What the processor says it can do, in the kernel's words; empty where nobody tells."""
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return set()
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    return set(found.group(1).split()) if found else set()
