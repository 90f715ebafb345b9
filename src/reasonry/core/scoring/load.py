"""Loads a sequence classifier (a reward model) and its tokenizer, as safely as any other model.

Safety is that of `reasonry.core.models`: safetensors only, no remote code without a pinned commit, configs that would
run code are refused before anything is loaded. Added here:

* Weights without a trained head are refused. The library would give a language model a random head without a word, and
  every score would be noise.
* In a 16-bit format the head computes in float32. A score of about 12 in bfloat16 is a multiple of 1/16, so that many
  replies would tie, and ties are decided by chance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reasonry.core.models import PACKAGED, LoadedModel, ModelConfig, load_pretrained
from reasonry.errors import ConfigError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

_HEADS = ("score", "classifier", "classification_head", "logits_proj")


def load_reward_model(name: str, options: ModelConfig | None = None) -> LoadedModel:
    """Load a model for sequence classification and its tokenizer.

    Args:
        name: Hub id or local folder.
        options: Dtype, device, revision, trust.

    Raises:
        ConfigError: Unknown model, or one of the packaged models, none of which is a reward model.
        MissingDependencyError: torch or transformers is not installed.
        UnsafeArtifactError: The model has only pickled weights, or its config would run code.
        DataError: The files are damaged, or hold no trained head, as those of a plain language model.
        ResourceError: The hub cannot be reached, or the device is not there.
    """
    if name in PACKAGED:
        raise ConfigError(
            f"{name!r} is no reward model: {PACKAGED[name].about}",
            place="scorer",
            remedy="Give the hub id or the folder of a sequence classifier, or use judge:MODEL.",
        )
    loaded = load_pretrained(
        name,
        options,
        auto_class="AutoModelForSequenceClassification",
        why="to run a reward model",
        if_incomplete="A reward model has a trained head; this may be a plain language model, which can be a judge: "
        f"judge:{name}.",
    )
    loaded.model.config.use_cache = False  # one forward pass: keys and values would only fill memory
    if loaded.identity["dtype"] != "float32":
        _widen_head(loaded.model)
    return loaded


def _widen_head(model: PreTrainedModel) -> None:
    import torch

    def widen(_: torch.nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(x.float() if isinstance(x, torch.Tensor) and x.is_floating_point() else x for x in inputs)

    for name in _HEADS:
        head = getattr(model, name, None)
        if isinstance(head, torch.nn.Module):
            head.float().register_forward_pre_hook(widen)
