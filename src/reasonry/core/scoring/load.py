"""Loads a sequence classifier (a reward model) and its tokenizer, as safely as any other model.

Safety is that of `reasonry.core.models`: safetensors only, no remote code without a pinned commit, configs that would
run code are refused before anything is loaded. Added here:

* Weights without a trained head are refused. The library would give a language model a random head without a word, and
  every score would be noise.
* In a 16-bit format the head computes in float32. A score of about 12 in bfloat16 is a multiple of 1/16, so that many
  replies would tie, and ties are decided by chance.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from reasonry.core import models, optional
from reasonry.core.models import PACKAGED, LoadedModel, ModelConfig
from reasonry.errors import ConfigError, DataError

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
    options = options or ModelConfig()
    if name in PACKAGED:
        raise ConfigError(
            f"{name!r} is no reward model: {PACKAGED[name].about}",
            place="scorer",
            remedy="Give the hub id or the folder of a sequence classifier, or use judge:MODEL.",
        )
    trust = models._trusts(options)
    where = models.find_model(name, options)  # every cheap mistake is found before torch is imported
    optional.need("torch", extra="hf", why="to run a reward model")
    optional.need("transformers", extra="hf", why="to run a reward model")
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    device = models.best_device() if options.device == "auto" else options.device
    dtype = models._dtype(options.dtype, device)
    is_local = Path(where).is_dir()
    revision = {"revision": options.revision} if options.revision and not is_local else {}
    with models._load_errors(name, where), models.quiet_transformers():
        if not is_local:
            models._check_hub_configs(where, trust=trust, revision=options.revision or None)
        tokenizer = AutoTokenizer.from_pretrained(where, trust_remote_code=trust, **revision)
        config = AutoConfig.from_pretrained(where, trust_remote_code=trust, **revision)
        loaded = AutoModelForSequenceClassification.from_pretrained(
            where,
            config=config,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=trust,
            output_loading_info=True,
            **revision,
        )
    model, info = cast("tuple[PreTrainedModel, dict[str, Any]]", loaded)
    if missing := sorted(info["missing_keys"]):
        raise DataError(
            f"the weights lack {len(missing)} tensors of {type(model).__name__}, such as {missing[0]}",
            place=name,
            remedy="A reward model has a trained head; this may be a plain language model, which can be a judge: "
            f"judge:{name}.",
        )
    try:
        model = cast("PreTrainedModel", model.to(torch.device(device)).eval())  # pyright: ignore[reportArgumentType]
    except (RuntimeError, AssertionError) as e:  # AssertionError: torch was built without that kind of device
        raise models._device_error(device, e) from e
    model.config.use_cache = False  # one forward pass: keys and values would only fill memory
    if dtype.itemsize < 4:
        _widen_head(model)
    identity = {
        # A local folder's name may be used again for other weights, and it may carry a person's: its content counts.
        "model": "local" if is_local else name,
        "revision": options.revision or getattr(config, "_commit_hash", None) or "",
        "dtype": str(dtype).removeprefix("torch."),
        "device": device.split(":")[0],
    }
    if is_local:
        identity["weights"] = models.content_hash(Path(where))
    return LoadedModel(model, tokenizer, name, identity)


def _widen_head(model: PreTrainedModel) -> None:
    import torch

    def widen(_: torch.nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(x.float() if isinstance(x, torch.Tensor) and x.is_floating_point() else x for x in inputs)

    for name in _HEADS:
        head = getattr(model, name, None)
        if isinstance(head, torch.nn.Module):
            head.float().register_forward_pre_hook(widen)
