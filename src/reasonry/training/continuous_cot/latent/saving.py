"""Folders of models with thoughts: a plain checkpoint of transformers, and what it lacks.

    model.safetensors, config.json, ...    as transformers writes them; everything else loads these
    continuous_cot.json                    latent token and markers, feedback, number of thoughts
    packed_edges.safetensors               the maps of packed edges, if there are any

A folder without a tokenizer is a model of symbols.
"""

from __future__ import annotations

import copy
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from reasonry.core import optional
from reasonry.core.atomic import write_json
from reasonry.core.models.config import ModelConfig
from reasonry.core.models.device import best_device, device_error, torch_dtype
from reasonry.core.models.find import find_model
from reasonry.core.models.load import load_causal_lm
from reasonry.core.models.quiet import quiet_transformers
from reasonry.core.models.source import Source
from reasonry.core.whole_folder import whole_folder
from reasonry.errors import ConfigError, DataError, ReasonryError, ResourceError
from reasonry.training.continuous_cot.latent.chain_inputs import Feedback
from reasonry.training.continuous_cot.latent.edges import PackedEdges
from reasonry.training.continuous_cot.latent.tokens import LatentTokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from reasonry.training.continuous_cot.latent.model import LatentCausalLM

SETTINGS, EDGES = "continuous_cot.json", "packed_edges.safetensors"
_FORMAT = 1
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.json", "tokenizer.model")


@dataclass(frozen=True)
class Loaded:
    """What a name stands for.

    Attributes:
        model: On its device, in eval mode.
        tokenizer: None where there is none.
        tokens: None for a model that was never wrapped.
        edges: Maps of packed edges, if there are any.
        feedback: What a thought is made of.
        num_thoughts: How many a prompt is answered with.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase | None
    tokens: LatentTokens | None
    edges: PackedEdges | None
    feedback: Feedback
    num_thoughts: int


def load(name: str, options: ModelConfig | None = None) -> Loaded:
    """Load a model with its settings.

    Args:
        name: Hub id, local folder, or packaged alias.
        options: Dtype, device, revision, trust.

    Raises:
        ReasonryError: As `load_causal_lm`; or a damaged file of settings (DataError).
    """
    options = options or ModelConfig()
    folder = Path(name).expanduser() if name and Path(name).expanduser().is_dir() else None
    path = folder / SETTINGS if folder is not None else _fetched(name, SETTINGS, options)
    settings = None if path is None or not path.is_file() else _read(path)
    if folder is not None and settings is not None and not any((folder / file).is_file() for file in _TOKENIZER_FILES):
        model, tokenizer = _load_without_tokenizer(name, options), None
    else:
        loaded = load_causal_lm(name, options)
        model, tokenizer = loaded.model, loaded.tokenizer
    if path is None or settings is None:
        return Loaded(model, tokenizer, None, None, Feedback(), 0)
    try:
        tokens, feedback = LatentTokens(**settings["tokens"]), Feedback(**settings["feedback"])
        num_thoughts, has_edges = int(settings["num_thoughts"]), bool(settings["pack_edges"])
    except (KeyError, TypeError, ValueError) as e:
        raise DataError(f"lacks or misstates {e}", place=str(path), remedy="Save the model once more.") from e
    edges = None
    if has_edges:
        file = folder / EDGES if folder is not None else _fetched(name, EDGES, options)
        edges = _read_edges(file, place=str(path.parent)).to(model.device)
    return Loaded(model, tokenizer, tokens, edges, feedback, num_thoughts)


def save(latent: LatentCausalLM, folder: Path) -> None:
    """Write a model's folder; it appears whole or not at all.

    Raises:
        ConfigError: The folder exists and holds something else.
        ResourceError: The disk is full or not writable.
    """
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / "config.json").is_file())):
        raise ConfigError("it holds something else than a model", place=str(folder), remedy="Give a new folder.")
    with whole_folder(folder, "the model") as tmp:
        _write(latent, tmp)


def push(latent: LatentCausalLM, repo_id: str, *, private: bool, message: str) -> str:
    """Upload a model's folder to the hub; the address of the commit.

    Raises:
        MissingDependencyError: huggingface_hub is not installed.
        ResourceError: The hub cannot be reached, or refuses.
    """
    optional.need("huggingface_hub", extra="hf", why="to upload a model")
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError

    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "model"
        save(latent, folder)
        hub = huggingface_hub.HfApi()
        try:
            hub.create_repo(repo_id, private=private, exist_ok=True)
            commit = hub.upload_folder(repo_id=repo_id, folder_path=folder, commit_message=message)
        except (HfHubHTTPError, HFValidationError, LocalTokenNotFoundError, OSError) as e:
            text = " ".join(str(e).split())[:300].rstrip(". ")
            raise ResourceError(
                f"the hub does not take the model: {text}", place=repo_id, remedy="Check name, token and network."
            ) from e
    return str(commit.commit_url)


# ---------------------------------------------------------------- parts


def _write(latent: LatentCausalLM, folder: Path) -> None:
    from safetensors.torch import save_file

    model: Any = latent.model
    if hasattr(model, "merge_and_unload"):
        model = copy.deepcopy(model).merge_and_unload()
    with quiet_transformers():
        model.save_pretrained(folder)
    if latent.tokenizer is not None:
        latent.tokenizer.save_pretrained(folder)
    if latent.edges is not None:
        save_file({key: value.cpu().contiguous() for key, value in latent.edges.state_dict().items()}, folder / EDGES)
    write_json(
        folder / SETTINGS,
        {
            "format": _FORMAT,
            "tokens": latent.tokens._asdict(),
            "feedback": latent.feedback._asdict(),
            "num_thoughts": latent.num_thoughts,
            "pack_edges": latent.edges is not None,
        },
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        settings = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as e:
        raise DataError(f"cannot be read: {e}", place=str(path), remedy="Save the model once more.") from e
    if not isinstance(settings, dict) or settings.get("format") != _FORMAT:
        raise DataError(
            f"not settings of format {_FORMAT}", place=str(path), remedy="Was it written by a newer version?"
        )
    return settings


def _read_edges(path: Path | None, *, place: str) -> PackedEdges:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if path is None or not path.is_file():
        raise DataError(f"no {EDGES}", place=place, remedy="Copy all files of the model.")
    try:
        tensors = load_file(path)
        edges = PackedEdges(len(tensors["source"]))
        edges.load_state_dict(tensors)
    except (OSError, KeyError, RuntimeError, SafetensorError) as e:
        raise DataError(f"cannot be read: {e}"[:300], place=str(path), remedy="Copy the model once more.") from e
    return edges


def _fetched(name: str, file: str, options: ModelConfig) -> Path | None:
    """A file of a hub model; None where it has none, and for names that are no hub id."""
    if find_model(name, options) != name:
        return None
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        with Source(name, name, False, options.revision).loading():
            return Path(hf_hub_download(name, file, revision=options.revision or None))
    except ReasonryError as e:
        if isinstance(e.__cause__, EntryNotFoundError):
            return None
        raise


def _load_without_tokenizer(name: str, options: ModelConfig) -> PreTrainedModel:
    """A model of symbols."""
    optional.need("transformers", extra="hf", why="to run a local model")
    from transformers import AutoModelForCausalLM

    source = Source.of(name, options)
    device = best_device() if options.device == "auto" else options.device
    with source.loading():
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            source.where,
            dtype=torch_dtype(options.dtype, device),
            use_safetensors=True,
            output_loading_info=True,
            **source.keywords,
        )
    model, info = loaded
    if missing := sorted(info["missing_keys"]):
        raise DataError(
            f"the weights lack {len(missing)} tensors, such as {missing[0]}", place=name, remedy="Copy all its files."
        )
    try:
        return model.to(torch.device(device)).eval()
    except (RuntimeError, AssertionError) as e:  # AssertionError: torch was built without that kind of device
        raise device_error(device, e) from e
