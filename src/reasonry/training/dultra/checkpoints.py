"""Loads and saves denoisers: tiny ones, masked language models of transformers, and published diffusion models.

``oracle:TASK`` is no model but an `OracleDenoiser`. What any other name stands for is read from its ``config.json``:

    reasonry-tiny-denoiser         a `TinyDenoiser`
    llada, Dream, a2d-*            a `DecoderDenoiser`, see `published`; aliases llada-8b, llada-1.5, dream-7b
    anything else                  an `HfDenoiser`, if transformers has a masked language model for it

and from a ``denoiser.json`` beside it, which `save_denoiser` writes so that what was trained here comes back as it was.
Weights are safetensors; no code of a repository runs, also where a config asks for it. A model of less than a billion
parameters computes in float32 unless told otherwise: in 16 bits, ties and thresholds fall differently from one machine
to the next. A loaded model is tried out on a few random tokens first, see `conduct`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast

from reasonry.core import optional
from reasonry.core.atomic import write_json
from reasonry.core.models.config import ModelConfig
from reasonry.core.models.device import best_device
from reasonry.core.models.find import find_model
from reasonry.core.models.load import identity_of, load_pretrained, load_weights, on_device, weights_dtype
from reasonry.core.models.quiet import quiet_transformers
from reasonry.core.models.safety import check_folder
from reasonry.core.models.source import Source
from reasonry.core.whole_folder import whole_folder
from reasonry.errors import ConfigError, DataError
from reasonry.tasks.token_tasks.find import make_task
from reasonry.tasks.token_tasks.ledger import Ledger
from reasonry.tasks.token_tasks.pairs import Pairs
from reasonry.training.dultra.conduct import examine, refuse
from reasonry.training.dultra.decoder_denoiser import KNOWN, DecoderDenoiser
from reasonry.training.dultra.denoiser import Denoiser, oracle_task
from reasonry.training.dultra.hf_denoiser import HfDenoiser, SpecialTokens
from reasonry.training.dultra.oracle import OracleDenoiser
from reasonry.training.dultra.published import PUBLISHED, StandIn, stand_in
from reasonry.training.dultra.tiny_denoiser import MODEL_TYPE, TinyDenoiser

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_SAVED = "denoiser.json"
_SMALL = 1_000_000_000
_INCOMPLETE = "Is it a masked language model, and were all its files copied?"
_TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "vocab.txt", "tokenizer.model")


DenoiserT = TypeVar("DenoiserT", bound=Denoiser, covariant=True)


@dataclass(frozen=True)
class LoadedDenoiser(Generic[DenoiserT]):
    """A denoiser that was loaded.

    Attributes:
        denoiser: On its device, in eval mode.
        tokenizer: Its tokenizer; None where the folder has none, as tiny denoisers' have not.
        identity: Name, revision or content hash, dtype, device: what decides its outputs.
    """

    denoiser: DenoiserT
    tokenizer: PreTrainedTokenizerBase | None
    identity: dict[str, Any]


def open_denoiser(
    name: str, options: ModelConfig | None = None, *, task: str = "", learns: bool = False
) -> LoadedDenoiser[Denoiser]:
    """What a denoiser's name on the command line stands for: a model, or the exact laws of a task.

    Args:
        name: A folder, a hub id, an alias; ``oracle:TASK``, or ``oracle`` for that of ``task``.
        options: As of `load_denoiser`.
        task: What shall be decoded, where a task is named besides.
        learns: Its weights shall learn.

    Raises:
        ConfigError: An oracle of another task, of one whose laws are not known, or that shall learn.
        ReasonryError: As `load_denoiser`.
    """
    known = oracle_task(name, task)
    if known is None:
        return load_denoiser(name, options)
    made = make_task(known)
    if not isinstance(made, Pairs | Ledger):
        raise ConfigError(
            f"no exact laws are known for {made.name}", place="denoiser", remedy="Use pairs:N or ledger:N."
        )
    oracle = OracleDenoiser(made)
    if learns:
        raise ConfigError(f"{oracle.name} has no weights that could learn", place="freeze", remedy="Use --freeze lm.")
    return LoadedDenoiser(oracle, None, {"model": oracle.name})


def load_denoiser(
    name: str, options: ModelConfig | None = None, *, check: bool = True
) -> LoadedDenoiser[TinyDenoiser | HfDenoiser | DecoderDenoiser]:
    """Load a model.

    Args:
        name: A folder, a hub id, or an alias.
        options: Dtype, device, revision.
        check: Refuse a model that padding changes or that cannot look ahead, see `examine`.

    Raises:
        ConfigError: Unknown name, or ``options`` that let code of a repository run.
        MissingDependencyError: transformers is not installed.
        UnsafeArtifactError: Only pickled weights, or a config that would run code.
        DataError: Files are damaged or incomplete, the model is of another kind, or `examine` found fault with it.
        ResourceError: The hub cannot be reached, or the device is not there.
    """
    options = options or ModelConfig()
    if options.trust_remote_code:
        raise ConfigError(
            "no code of a denoiser's repository runs here",
            place="model_options.trust_remote_code",
            remedy="Leave it out: LLaDA, Dream and masked language models run without theirs.",
        )
    where = PUBLISHED.get(name, name)
    folder = _folder(where)
    if folder is None:
        found = find_model(where, options)
        if found.endswith(".gguf"):
            raise ConfigError(f"{name!r} writes from left to right; it is no denoiser", place="model")
        folder = Path(found) if Path(found).is_dir() else None
    source = Source(where, str(folder or where), False, "" if folder is not None else options.revision)
    device = best_device() if options.device == "auto" else options.device
    config = _hub_config(source) if folder is None else _read_json(folder / "config.json")
    if folder is not None and config.get("model_type") == MODEL_TYPE:
        denoiser, tokenizer = on_device(TinyDenoiser.load(folder), device), None
    else:
        optional.need("transformers", extra="hf", why="to run a local model")
        denoiser, tokenizer = _load_with_transformers(source, folder, config, options=options, device=device)
    dtype = next(denoiser.parameters()).dtype
    if check:
        refuse(examine(denoiser), dtype=dtype, name=name)
    identity = identity_of(source, revision=options.revision, dtype=dtype, device=device)
    return LoadedDenoiser(denoiser, tokenizer, identity)


def save_denoiser(
    denoiser: TinyDenoiser | HfDenoiser | DecoderDenoiser,
    folder: Path,
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
) -> None:
    """Write a denoiser so that `load_denoiser` gives it back; the folder appears whole or not at all.

    Args:
        denoiser: The model.
        folder: Where to; replaced when it holds one already.
        tokenizer: Saved beside it.

    Raises:
        ConfigError: The folder exists and holds no denoiser.
        ResourceError: The disk is full or not writable.
    """
    if folder.exists() and not (folder / "config.json").is_file() and any(folder.iterdir()):
        raise ConfigError("the folder holds something else", place=str(folder), remedy="Give a new one.")
    with whole_folder(folder, "the denoiser") as tmp:
        if isinstance(denoiser, TinyDenoiser):
            denoiser.save(tmp)
        else:
            with quiet_transformers():  # its own names: a translated model would be written under the published ones
                denoiser.model.save_pretrained(tmp, save_original_format=False)
            write_json(tmp / _SAVED, _saved(denoiser))
        if tokenizer is not None:
            tokenizer.save_pretrained(tmp)


# --- loading with transformers ------------------------------------------------------------------------


def _load_with_transformers(
    source: Source, folder: Path | None, config: Mapping[str, Any], *, options: ModelConfig, device: str
) -> tuple[HfDenoiser | DecoderDenoiser, PreTrainedTokenizerBase | None]:
    saved = _read_json(folder / _SAVED) if folder is not None and (folder / _SAVED).is_file() else None
    place = f"{source.where}/config.json"
    known = stand_in(config, place=place)
    # A folder's path is of this machine; its name is enough to know a model by.
    name = source.name if folder is None else folder.resolve().name
    has_tokenizer = folder is None or any((folder / file).is_file() for file in _TOKENIZER_FILES)
    if known is None and saved is None:
        if not has_tokenizer:
            raise DataError("no tokenizer says which token the mask is", place=name, remedy="Copy its files too.")
        loaded = load_pretrained(
            source.where,
            options,
            auto_class="AutoModelForMaskedLM",
            if_incomplete=_INCOMPLETE,
            float32_below=_SMALL,
        )
        return HfDenoiser(loaded.model, loaded.tokenizer, name=name), loaded.tokenizer
    # The configs of published models ask for code of their own, which is let pass here, and not run.
    asks_for_code = known is not None
    if folder is not None:
        check_folder(folder, trust=asks_for_code)
    with replace(source, trust=asks_for_code).loading():
        model_class, model_config = _network(known, saved, config, source)
        tokenizer = _tokenizer(source, known.tokenizer_class if known else "AutoTokenizer") if has_tokenizer else None
        dtype = weights_dtype(model_class, model_config, options.dtype, device=device, float32_below=_SMALL)
        model = load_weights(
            model_class,
            source,
            config=model_config,
            dtype=dtype,
            device=device,
            if_incomplete=_INCOMPLETE,
            key_mapping=known.key_mapping if known else None,
        )
    if saved is not None:
        return _restored(model, saved, folder), tokenizer
    assert known is not None
    special = _special(known, config, tokenizer, place=place)
    shifted, max_len = known.is_shifted, known.max_len
    return DecoderDenoiser(model, special, is_shifted=shifted, max_len=max_len, name=name), tokenizer


def _network(
    known: StandIn | None, saved: Mapping[str, Any] | None, config: Mapping[str, Any], source: Source
) -> tuple[Any, Any]:
    """The class that runs the model, and its config."""
    import transformers

    if known is not None:
        model_class = getattr(transformers, known.model_class)
        return model_class, model_class.config_class.from_dict(dict(known.config))
    own_config = transformers.AutoConfig.from_pretrained(source.where, **source.keywords)
    if saved is not None and saved.get("kind") == "decoder":
        written = (config.get("architectures") or [""])[0]
        if written not in KNOWN:
            raise DataError(f"{_SAVED} is of a decoder, config.json of {written!r}", place=source.where)
        return getattr(transformers, written), own_config
    return transformers.AutoModelForMaskedLM, own_config


def _tokenizer(source: Source, class_name: str) -> PreTrainedTokenizerBase:
    import transformers

    return getattr(transformers, class_name).from_pretrained(source.where, **source.keywords)


def _special(
    known: StandIn, config: Mapping[str, Any], tokenizer: PreTrainedTokenizerBase | None, *, place: str
) -> SpecialTokens:
    """Special tokens of a published model: the config's, and where it is silent its tokenizer's."""
    if known.mask_id is None:
        if tokenizer is None:
            raise DataError("neither the config nor a tokenizer names the mask token", place=place)
        return SpecialTokens.of(tokenizer)
    ends = config.get("eos_token_id")
    end_id = cast("int | None", ends[0] if isinstance(ends, list) and ends else ends)
    pad_id: int | None = config.get("pad_token_id")
    if pad_id is None:
        pad_id = known.mask_id if end_id is None else end_id
    return SpecialTokens(known.mask_id, pad_id, end_id)


# --- what is saved here -------------------------------------------------------------------------------


def _saved(denoiser: HfDenoiser | DecoderDenoiser) -> dict[str, Any]:
    kind: Literal["decoder", "masked-lm"] = "decoder" if isinstance(denoiser, DecoderDenoiser) else "masked-lm"
    return {
        "format": 1,
        "kind": kind,
        "name": denoiser.name,
        "mask_id": denoiser.mask_id,
        "pad_id": denoiser.pad_id,
        "end_id": denoiser.end_id,
        "max_len": denoiser.max_len,
        "is_shifted": isinstance(denoiser, DecoderDenoiser) and denoiser.is_shifted,
    }


def _restored(model: PreTrainedModel, saved: Mapping[str, Any], folder: Path | None) -> HfDenoiser | DecoderDenoiser:
    try:
        special = SpecialTokens(saved["mask_id"], saved["pad_id"], saved["end_id"])
        name, max_len, is_shifted, kind = (saved[key] for key in ("name", "max_len", "is_shifted", "kind"))
    except KeyError as e:
        raise DataError(f"{_SAVED} lacks {e}", place=str(folder), remedy="Save the denoiser once more.") from e
    if kind == "decoder":
        return DecoderDenoiser(model, special, is_shifted=is_shifted, max_len=max_len, name=name)
    return HfDenoiser(model, special, name=name)


def _folder(where: str) -> Path | None:
    try:
        path = Path(where).expanduser()
        return path if where and path.is_dir() else None
    except (OSError, RuntimeError):  # no path at all: `find_model` says why
        return None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as e:
        raise DataError(f"the model folder has no {path.name}", place=str(path.parent)) from e
    except (OSError, ValueError, RecursionError) as e:
        raise DataError(f"cannot be read: {e}", place=str(path)) from e
    if not isinstance(value, dict):
        raise DataError("holds no JSON object", place=str(path))
    return value


def _hub_config(source: Source) -> dict[str, Any]:
    from huggingface_hub import hf_hub_download

    with replace(source, trust=True).loading():  # what it says decides whether the code that it asks for is needed
        path = hf_hub_download(source.where, "config.json", revision=source.revision or None)
    return _read_json(Path(path))
