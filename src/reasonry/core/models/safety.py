"""What is refused before anything is loaded: code in a config, pickled weights, adapters that name another model.

A ``config.json`` can make its loader run code of the model's repository: by ``auto_map`` (only with the user's trust),
by a nested ``trust_remote_code``, or by an attention implementation that is the name of a repository of kernels.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from reasonry.errors import DataError, UnsafeArtifactError

_CONFIG_FILES = ("config.json", "tokenizer_config.json", "generation_config.json")


def check_folder(folder: Path, *, trust: bool) -> None:
    """Refuse a folder without a model, with an adapter only, with pickled weights only, or whose configs run code.

    Raises:
        DataError: No ``config.json``, one that is no JSON object, or an adapter.
        UnsafeArtifactError: Only pickled weights, or a config that would run code.
    """
    if not (folder / "config.json").is_file():
        is_adapter = (folder / "adapter_config.json").is_file()
        remedy = "Give the folder that `save_pretrained` wrote."
        if is_adapter:
            remedy = "It holds an adapter, which only a causal language model takes here: merge it and save that."
        raise DataError("the model folder has no config.json", place=str(folder), remedy=remedy)
    check_configs(folder, trust=trust)
    files = {p.suffix for p in folder.iterdir()}
    if files & {".bin", ".pt", ".pth", ".pkl", ".ckpt"} and ".safetensors" not in files:
        raise UnsafeArtifactError(
            "the model has only pickled weights, which can run code when loaded",
            place=str(folder),
            remedy="Convert them to safetensors where you trust them, then give that folder.",
        )
    if (folder / "adapter_config.json").is_file():  # with PEFT installed, the base model it names would be loaded
        raise DataError(
            "the model folder holds an adapter beside the model",
            place=str(folder),
            remedy="Merge it (PEFT's merge_and_unload) and give that folder, or remove adapter_config.json.",
        )


def check_configs(folder: Path, *, trust: bool) -> None:
    """`check_config` on each config that a folder holds.

    Raises:
        DataError: One is no JSON object.
        UnsafeArtifactError: One would run code.
    """
    for name in _CONFIG_FILES:
        if (folder / name).is_file():
            check_config(_read_config(folder / name), place=str(folder / name), trust=trust)


def check_hub_configs(hub_id: str, *, trust: bool, revision: str | None) -> None:
    """`check_config` on each config of a hub model, fetched one by one before any weight.

    Raises:
        UnsafeArtifactError: A config would run code.
        Exception: What the hub's client raises when it cannot be reached or has no such model.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    for name in _CONFIG_FILES:
        try:
            path = Path(hf_hub_download(hub_id, name, revision=revision))
        except EntryNotFoundError:
            if name == "config.json":
                raise
            continue  # the others are optional
        check_config(_read_config(path), place=f"{hub_id}/{name}", trust=trust)


def check_config(config: Mapping[str, Any], *, place: str, trust: bool = False) -> None:
    """Refuse a model config that would run code of its repository.

    Raises:
        UnsafeArtifactError: ``auto_map`` without trust, or a nested key that turns on remote code by itself.
    """
    for dotted, key, value in _walk(config):
        # An attention (or experts) implementation may name a repository of kernels, which is code; also per sub-model.
        smuggled = (key == "trust_remote_code" and value) or (
            key.strip("_").removesuffix("_internal").endswith("_implementation") and _names_repository(value)
        )
        if smuggled or (key in ("auto_map", "custom_pipelines") and value and not trust):
            raise UnsafeArtifactError(
                f"the model config sets {dotted!r}, which runs code from the model's repository",
                place=place,
                remedy="Use a model of a built-in architecture, or read the code and opt in with "
                "--model-options.trust-remote-code and a pinned --model-options.revision.",
            )


def _read_config(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as e:
        raise DataError(f"cannot be read: {e}", place=str(path)) from e
    if not isinstance(value, dict):
        raise DataError(f"holds a {type(cast('object', value)).__name__}, not an object", place=str(path))
    return cast("dict[str, Any]", value)


def _names_repository(value: Any) -> bool:
    return any(isinstance(leaf, str) and "/" in leaf for _, _, leaf in _walk({"": value}))


def _walk(value: Any) -> Iterator[tuple[str, str, Any]]:
    """Every ``(dotted key, key, value)`` at any depth. With its own stack: a config may be nested to spite a reader."""
    stack: list[tuple[str, Any]] = [("", value)]
    while stack:
        prefix, node = stack.pop()
        if isinstance(node, Mapping):
            for key, inner in cast("Mapping[str, Any]", node).items():
                dotted = f"{prefix}.{key}" if prefix else str(key)
                yield dotted, str(key), inner
                stack.append((dotted, inner))
        elif isinstance(node, list):
            stack += [(f"{prefix}[{i}]", inner) for i, inner in enumerate(cast("list[Any]", node))]
