"""Loads a model of any kind and its tokenizer, and says which weights they are.

``use_safetensors`` is always on, so that nothing unpickles. Weights that lack a tensor are refused: transformers would
fill it with random numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from reasonry.core import optional
from reasonry.core.models.adapter import adapter_folder, base_of, merge
from reasonry.core.models.config import Dtype, ModelConfig
from reasonry.core.models.device import best_device, device_error, torch_dtype
from reasonry.core.models.find import find_model
from reasonry.core.models.packaged import PACKAGED, check_causal_lm
from reasonry.core.models.source import Source
from reasonry.errors import DataError

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


ModuleT = TypeVar("ModuleT", bound="nn.Module")
AutoClass = Literal["AutoModelForCausalLM", "AutoModelForMaskedLM", "AutoModelForSequenceClassification"]


@dataclass(frozen=True)
class LoadedModel:
    """A model with its tokenizer.

    Attributes:
        model: In eval mode, on its device.
        tokenizer: Left padding is the sampler's business; nothing is changed here.
        name: As the user named it.
        identity: Name, revision or content hash, dtype: what decides its outputs.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    name: str
    identity: dict[str, Any]


def load_pretrained(
    name: str,
    options: ModelConfig | None = None,
    *,
    auto_class: AutoClass,
    if_incomplete: str,
    why: str = "to run a local model",
    float32_below: int = 0,
) -> LoadedModel:
    """Load a model and its tokenizer with one of transformers' auto classes.

    Args:
        name: Hub id, local folder or packaged alias.
        options: Dtype, device, revision, trust.
        auto_class: Name of the auto class, which decides the model's head.
        if_incomplete: Remedy to show when the weights lack tensors of that class, such as those of its head.
        why: What torch and transformers are needed for, shown when they are not installed.
        float32_below: Parameters below which ``dtype`` auto is float32; see `weights_dtype`.

    Raises:
        ConfigError: Unknown model.
        MissingDependencyError: torch, transformers or the packaged model is not installed.
        UnsafeArtifactError: The model has only pickled weights, or its config would run code.
        DataError: The folder's files are damaged, incomplete, or not those of a model of that class.
        ResourceError: The hub cannot be reached, or the device is not there.
    """
    options = options or ModelConfig()
    find_model(name, options)  # every cheap mistake is found before torch is imported
    optional.need("torch", extra="hf", why=why)
    optional.need("transformers", extra="hf", why=why)
    source = Source.of(name, options)
    import transformers

    device = best_device() if options.device == "auto" else options.device
    model_class: Any = getattr(transformers, auto_class)
    with source.loading():
        tokenizer = transformers.AutoTokenizer.from_pretrained(source.where, **source.keywords)
        config = transformers.AutoConfig.from_pretrained(source.where, **source.keywords)
        dtype = weights_dtype(
            model_class, config, options.dtype, device=device, float32_below=float32_below, trust=source.trust
        )
        model = load_weights(
            model_class, source, config=config, dtype=dtype, device=device, if_incomplete=if_incomplete
        )
    revision = options.revision or getattr(config, "_commit_hash", None) or ""
    return LoadedModel(model, tokenizer, name, identity_of(source, revision=revision, dtype=dtype, device=device))


def identity_of(source: Source, *, revision: str, dtype: torch.dtype, device: str) -> dict[str, Any]:
    """What decides the outputs of a model: name, revision or content hash, dtype, kind of device."""
    identity = {
        # A local folder's name may be used again for other weights, and it may carry a person's: its content counts.
        "model": source.name if source.name in PACKAGED or not source.is_local else "local",
        "revision": revision,
        "dtype": str(dtype).removeprefix("torch."),
        "device": device.split(":")[0],
    }
    if source.is_local and source.name not in PACKAGED:
        identity["weights"] = content_hash(Path(source.where))
    return identity


def weights_dtype(
    model_class: Any, config: Any, wanted: Dtype, *, device: str, float32_below: int = 0, trust: bool = False
) -> torch.dtype:
    """The number format of a model's weights.

    Args:
        model_class: Of transformers: an auto class, or a model's own.
        config: Of the model.
        wanted: The user's word.
        device: Where it will compute.
        float32_below: Models of fewer parameters than this are float32 where ``wanted`` is auto: they are fast enough,
            and in 16 bits ties and thresholds fall differently from one machine to the next.
        trust: Whether code of the repository may run.

    Raises:
        ResourceError: As `torch_dtype`.
    """
    import torch

    if wanted == "auto" and float32_below:
        with torch.device("meta"):
            is_auto = hasattr(model_class, "from_config")
            model = model_class.from_config(config, trust_remote_code=trust) if is_auto else model_class(config)
        if sum(weight.numel() for weight in model.parameters()) < float32_below:
            return torch.float32
    return torch_dtype(wanted, device)


def load_weights(
    model_class: Any,
    source: Source,
    *,
    config: Any,
    dtype: torch.dtype,
    device: str,
    if_incomplete: str,
    key_mapping: Mapping[str, str] | None = None,
) -> PreTrainedModel:
    """A model with the weights of a source, in eval mode. To be called within the source's ``loading``.

    Args:
        model_class: Of transformers: an auto class, or a model's own.
        source: Where from, and whether its code may run.
        config: Of the model.
        dtype: Number format of the weights.
        device: Where they shall be.
        if_incomplete: Remedy to show when the weights lack tensors of the class.
        key_mapping: Names of tensors as regular expressions, and those of the class.

    Raises:
        DataError: The weights lack a tensor.
        ResourceError: The device is not there.
    """
    loaded = model_class.from_pretrained(
        source.where,
        config=config,
        dtype=dtype,
        use_safetensors=True,
        output_loading_info=True,
        **({"key_mapping": dict(key_mapping)} if key_mapping else {}),
        **source.keywords,
    )
    model, info = cast("tuple[PreTrainedModel, dict[str, Any]]", loaded)
    if missing := sorted(info["missing_keys"]):  # transformers would fill them with random numbers
        raise DataError(
            f"the weights lack {len(missing)} tensors of {type(model).__name__}, such as {missing[0]}",
            place=source.name,
            remedy=if_incomplete,
        )
    return on_device(model, device)


def on_device(model: ModuleT, device: str) -> ModuleT:
    """A module on a device, in eval mode.

    Raises:
        ResourceError: The device is not there.
    """
    import torch

    try:
        return model.to(torch.device(device)).eval()
    except (RuntimeError, AssertionError) as e:  # AssertionError: torch was built without that kind of device
        raise device_error(device, e) from e


def load_causal_lm(name: str, options: ModelConfig | None = None) -> LoadedModel:
    """Load a causal language model and its tokenizer.

    Args:
        name: Hub id, local folder, packaged alias, or a folder with an adapter, which is merged into its base model.
        options: Dtype, device, revision, trust.

    Raises:
        ConfigError: Unknown model, or a packaged encoder where a language model is needed.
        ReasonryError: As `load_pretrained`.
    """
    check_causal_lm(name)
    if (adapter := adapter_folder(name)) is not None:
        return adapted(load_causal_lm(base_of(adapter, options), options), adapter, name=name)
    return load_pretrained(
        name,
        options,
        auto_class="AutoModelForCausalLM",
        if_incomplete="Is it a causal language model, and were all its files copied?",
    )


def adapted(base: LoadedModel, adapter: Path, *, name: str = "") -> LoadedModel:
    """The model with an adapter merged into its weights. ``base`` is used up.

    Args:
        base: The model that the adapter was trained on.
        adapter: Its folder.
        name: Of the result; that of the base when empty.

    Raises:
        MissingDependencyError: peft is not installed.
        DataError: The adapter does not fit.
    """
    identity = {**base.identity, "adapter": content_hash(adapter)}
    return LoadedModel(merge(base.model, adapter), base.tokenizer, name or base.name, identity)


def content_hash(folder: Path) -> str:
    """32 hex digits over every file of a model folder that can decide an output; names and bytes, not times."""
    total = hashlib.blake2b(digest_size=16)
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in (".safetensors", ".json", ".jinja", ".model", ".txt", ".py"):
            with open(path, "rb") as f:
                digest = hashlib.file_digest(f, "sha256").hexdigest()
            total.update(f"{path.name}\0{digest}\0".encode("utf-8", "surrogateescape"))
    return total.hexdigest()
