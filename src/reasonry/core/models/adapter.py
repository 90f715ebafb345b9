"""Low-rank adapters: a folder of peft's format stands for its base model with the adapter merged into the weights.

The folder names its base model: a hub id, a local folder or a packaged alias. Weights are merged in the number format
that the model is loaded in; in bfloat16 a small change of a weight may be rounded away.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reasonry.core import optional
from reasonry.errors import DataError, UnsafeArtifactError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from reasonry.core.models.config import ModelConfig

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def adapter_folder(name: str) -> Path | None:
    """The folder behind ``name`` when it holds an adapter and no model; None otherwise."""
    try:
        path = Path(name).expanduser()
        is_adapter = bool(name) and (path / CONFIG).is_file() and not (path / "config.json").is_file()
    except (OSError, RuntimeError):  # a name too long for a file, a home directory that is not there
        return None
    return path if is_adapter else None


def base_of(folder: Path, options: ModelConfig | None = None) -> str:
    """The base model that an adapter names; a relative folder is looked for beside the adapter too.

    Raises:
        DataError: The config is damaged, names none, or is not of a low-rank adapter.
        UnsafeArtifactError: The weights are pickled; or code is trusted, which would be that of whatever model the
            adapter names.
    """
    if options is not None and options.trust_remote_code:
        raise UnsafeArtifactError(
            "an adapter with trust_remote_code: the code would be that of the model it names",
            place=str(folder),
            remedy="Merge it into its base model (PEFT's merge_and_unload), save that, and give that folder.",
        )
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8"))
        base, kind = config.get("base_model_name_or_path"), config.get("peft_type")
    except (OSError, ValueError, AttributeError) as e:
        raise DataError(f"the adapter's config cannot be read: {e}", place=str(folder / CONFIG)) from e
    if kind != "LORA":
        raise DataError(f"an adapter of type {kind!r}", place=str(folder / CONFIG), remedy="LORA is what is read here.")
    if not isinstance(base, str) or not base:
        raise DataError(
            "the adapter does not name its base model",
            place=str(folder / CONFIG),
            remedy="Set base_model_name_or_path to a hub id, a folder or a packaged alias.",
        )
    if not (folder / WEIGHTS).is_file():
        if (folder / "adapter_model.bin").is_file():
            raise UnsafeArtifactError(
                "the adapter has only pickled weights, which can run code when loaded",
                place=str(folder),
                remedy="Convert them to safetensors where you trust them.",
            )
        raise DataError(f"the adapter has no {WEIGHTS}", place=str(folder))
    beside = folder / base
    return str(beside) if not Path(base).exists() and beside.is_dir() else base


def portable_name(name: str) -> str:
    """How an adapter should name its base model: a folder by its whole path, anything else as it is."""
    path = Path(name).expanduser()
    return str(path.resolve()) if path.is_dir() else name


def merge(model: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """The model with an adapter merged into its weights; ``model`` is used up.

    Raises:
        MissingDependencyError: peft is not installed.
        DataError: The adapter does not fit the model.
    """
    optional.need("peft", extra="train", why="to load an adapter")
    peft: Any = importlib.import_module("peft")
    try:
        adapted = peft.PeftModel.from_pretrained(model, str(folder))
    except (RuntimeError, ValueError) as e:
        raise DataError(f"the adapter does not fit its base model: {e}"[:300], place=str(folder)) from e
    return adapted.merge_and_unload().eval()
