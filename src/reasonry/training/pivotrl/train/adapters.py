"""Low-rank adapters inside a model: put in place, switched off for the reference, written in peft's format.

    W x  ->  W x + (alpha / rank) B A x        A uniform within 1 / sqrt(inputs) of 0, B zero: at first nothing changes

LoRA (Hu et al., arXiv 2106.09685). The starting model is the one whose adapters are switched off: no second copy of the
weights is held. What `save_adapter` writes, ``peft.PeftModel.from_pretrained`` reads.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reasonry.core import optional, seeds
from reasonry.core.models.adapter import WEIGHTS, portable_name
from reasonry.training.pivotrl.config import LoraConfig

_NAME = "default"
_PREFIX = "base_model.model."


def peft_config(lora: LoraConfig) -> Any:
    """The settings as peft has them.

    Raises:
        MissingDependencyError: peft is not installed.
    """
    optional.need("peft", extra="train", why="for adapters; --lora.rank 0 trains all weights without it")
    import peft

    return peft.LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # pyright: ignore[reportArgumentType]
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets) or "all-linear",
        task_type="CAUSAL_LM",
    )


def add_adapters(model: Any, lora: LoraConfig, *, seed: int) -> None:
    """Put adapters into the linear layers of a model, in float32; all other weights are frozen.

    Args:
        model: Changed in place.
        lora: Their settings.
        seed: Root of their initial weights, each from its own name.
    """
    settings = peft_config(lora)
    import peft

    model.requires_grad_(False)
    peft.inject_adapter_in_model(settings, model, _NAME)
    with torch.no_grad():
        for name, weight in _adapter_weights(model).items():
            weight.data = weight.data.float()
            weight.requires_grad_(True)
            if "lora_A" in name:
                generator = torch.Generator().manual_seed(seeds.derive(seed, "lora", name))
                draw = torch.rand(weight.shape, generator=generator, dtype=torch.float32) * 2 - 1
                weight.copy_(draw / weight.shape[1] ** 0.5)
            else:
                weight.zero_()


@contextlib.contextmanager
def without_adapters(model: Any) -> Iterator[None]:
    """Within the block the model is the one that it was before `add_adapters`."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]
    for layer in layers:
        layer.enable_adapters(enabled=False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(enabled=True)


def save_adapter(model: Any, lora: LoraConfig, folder: Path, *, base: str) -> None:
    """Write the adapters: ``adapter_config.json`` and ``adapter_model.safetensors``.

    Args:
        model: With adapters.
        lora: Their settings.
        folder: Exists.
        base: How the folder names the model that they were trained on.
    """
    from safetensors.torch import save_file

    settings = peft_config(lora)
    settings.base_model_name_or_path = portable_name(base)
    settings.inference_mode = True
    settings.target_modules = sorted(_adapted(model))
    settings.save_pretrained(str(folder))
    tensors = {
        _PREFIX + name.replace(f".{_NAME}", ""): weight.detach().cpu().contiguous()
        for name, weight in _adapter_weights(model).items()
    }
    save_file(tensors, str(folder / WEIGHTS), metadata={"format": "pt"})


def _adapter_weights(model: Any) -> dict[str, Tensor]:
    return {name: weight for name, weight in model.named_parameters() if f".{_NAME}." in name and "lora_" in name}


def _adapted(model: Any) -> set[str]:
    """Last names of the layers that have adapters."""
    return {name.split(".lora_A.")[0].rsplit(".", 1)[-1] for name in _adapter_weights(model) if ".lora_A." in name}
