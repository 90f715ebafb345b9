"""From settings to what is trained on what: encoded examples, and a model with tokens for their codes.

The model's tokenizer must be the one that the codes were learnt with, since rows hold its ids; another is refused by
fingerprint, and a folder of other codes by hash. All methods have the same vocabulary, with rows for codes and a pause
whether they use them or not, so that they begin with the same weights.

Number format, where none is named: that of the frozen weights on an accelerator where adapters are trained, else
float32. All weights in half precision would lose most updates to rounding.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from reasonry.core import seeds
from reasonry.core.learning import say_nothing
from reasonry.core.models.config import ModelConfig
from reasonry.core.models.context import context_tok as model_context_tok
from reasonry.core.models.device import best_device
from reasonry.core.models.load import load_causal_lm, on_device
from reasonry.core.models.quiet import quiet_transformers
from reasonry.core.models.tokenizer import load_tokenizer
from reasonry.core.work import Say
from reasonry.training.latent_tokens.codes.saving import TOKENIZER, read_codes_info
from reasonry.training.latent_tokens.encoded import EncodedInfo, EncodedRow, EncodedSet, check_codes, read_encoded
from reasonry.training.latent_tokens.finetune.config import SCRATCH, FinetuneConfig
from reasonry.training.latent_tokens.finetune.examples import (
    Examples,
    chosen,
    length_of,
    longest_row_tok,
    mix_settings,
    settings_json,
)
from reasonry.training.latent_tokens.finetune.task import ROOM, Task
from reasonry.training.latent_tokens.fingerprint import check_fingerprint
from reasonry.training.latent_tokens.mixing.adapters import add_latent_adapters
from reasonry.training.latent_tokens.mixing.latent_ids import LatentIds
from reasonry.training.latent_tokens.mixing.vocabulary import extend

if TYPE_CHECKING:
    from torch import Tensor

_SPARE = 1.25  # of the longest row: context of a model from scratch, so that what it writes may be longer
_ROUND_TOK = 64


class Extended(NamedTuple):
    """A model that is ready to learn.

    Attributes:
        model: With rows for the added tokens, and adapters where they are wanted.
        tokenizer: With the added tokens.
        ids: Of them.
    """

    model: Any
    tokenizer: Any
    ids: LatentIds


class Prepared(NamedTuple):
    """What a run trains.

    Attributes:
        task: Examples, numbers, settings.
        info: What made the examples.
        make_model: A new model, with the same weights whenever it is asked.
        identity: What decides rows and weights, as JSON.
        device: Where it is trained.
    """

    task: Task
    info: EncodedInfo
    make_model: Callable[[], Extended]
    identity: dict[str, Any]
    device: str


class _Base(NamedTuple):
    model: Any
    tokenizer: Any
    identity: dict[str, Any]


def prepare(config: FinetuneConfig, *, say: Say = say_nothing) -> Prepared:
    """Read the examples and find the model.

    Args:
        config: Of the run.
        say: Told of examples that are left out, and of unwise number formats.

    Raises:
        ReasonryError: As `read_encoded` and `load_causal_lm`.
        ConfigError: The model has another tokenizer than the codes, or the codes are not those of the examples.
        DataError: No example fits.
    """
    encoded = read_encoded(config.encoded)
    vectors, device = _vectors(config, encoded.info), device_of_run(config)
    _check_tokenizer(config, encoded.info)
    context_tok = _scratch_context(config, encoded)

    def make_base(*, tell: Say = say_nothing) -> _Base:
        if config.model == SCRATCH:
            return _from_scratch(config, encoded.info, context_tok, device=device)
        return _pretrained(config, encoded.info, say=tell)

    base = make_base(tell=say)
    limit_tok = model_context_tok(base.model)
    first = [_extended(base, config, encoded.info, vectors)]
    ids = first[0].ids

    def make_model() -> Extended:
        return first.pop() if first else _extended(make_base(), config, encoded.info, vectors)

    examples = _examples(config, encoded, limit_tok or None, say=say)
    length = length_of(config, num_train=len(examples.train))
    sizes = {"chunk_tok": encoded.info.chunk_tok, "codes_per_chunk": encoded.info.codes_per_chunk}
    mixing = mix_settings(config, examples.train, length, **sizes)
    found = {
        "model": base.identity,
        "codes": encoded.info.codes_hash,
        "examples": _fingerprint([*examples.train, *examples.held_out]),
        "num_train": len(examples.train),
        "mixing": settings_json(mixing),
    }
    return Prepared(Task(config, examples, mixing, length, ids, config.seed), encoded.info, make_model, found, device)


def device_of_run(config: FinetuneConfig) -> str:
    """Where a model is trained: small ones from scratch on the processor unless a device is named."""
    if config.model_options.device != "auto":
        return config.model_options.device
    return "cpu" if config.model == SCRATCH and config.shape.width < 256 else best_device()


# ---------------------------------------------------------------- examples


def _examples(config: FinetuneConfig, encoded: EncodedSet, context_tok: int | None, *, say: Say) -> Examples:
    info = encoded.info
    return chosen(
        encoded.of("train"),
        encoded.of("validation"),
        config,
        chunk_tok=info.chunk_tok,
        codes_per_chunk=info.codes_per_chunk,
        context_tok=context_tok,
        place=config.encoded,
        say=say,
    )


def _fingerprint(rows: Sequence[EncodedRow]) -> str:
    """32 hex digits over examples."""
    total = hashlib.blake2b(digest_size=16)
    for row in rows:
        total.update(json.dumps(row, ensure_ascii=True).encode())
    return total.hexdigest()


def _vectors(config: FinetuneConfig, info: EncodedInfo) -> Tensor | None:
    """Vectors of the codebook, where embeddings begin as they do."""
    if config.init != "codebook":
        return None
    codes = read_codes_info(info.codes_folder)
    check_codes(info, codes.hash, place=str(info.codes_folder))
    return codes.vectors()


# ---------------------------------------------------------------- models


def _check_tokenizer(config: FinetuneConfig, info: EncodedInfo) -> None:
    """Refuse a model whose ids are not those of the rows; before its weights are loaded."""
    if config.model != SCRATCH:
        tokenizer = load_tokenizer(config.model, config.model_options).tokenizer
        check_fingerprint(tokenizer, info.tokenizer_fingerprint, place=config.model)


def _codes_tokenizer(info: EncodedInfo) -> Any:
    """The tokenizer that the codes were learnt with, which their folder keeps."""
    codes = read_codes_info(info.codes_folder)
    check_codes(info, codes.hash, place=str(info.codes_folder))
    tokenizer = load_tokenizer(str(codes.folder / TOKENIZER)).tokenizer
    check_fingerprint(tokenizer, info.tokenizer_fingerprint, place=str(codes.folder / TOKENIZER))
    return tokenizer


def _scratch_context(config: FinetuneConfig, encoded: EncodedSet) -> int | None:
    """Longest row of a model from scratch; None for others, which have their own."""
    if config.model != SCRATCH:
        return None
    if config.shape.context_tok:
        return config.shape.context_tok
    info, pauses = encoded.info, config.mix.num_pauses or 0
    sizes = [
        longest_row_tok(row, chunk_tok=info.chunk_tok, codes_per_chunk=info.codes_per_chunk, num_pauses=pauses)
        for row in encoded.rows
    ]
    longest = max((size for size in sizes if not config.max_row_tok or size <= config.max_row_tok), default=0)
    return max(_ROUND_TOK, -(-int(longest * _SPARE) // _ROUND_TOK) * _ROUND_TOK)


def _from_scratch(config: FinetuneConfig, info: EncodedInfo, context_tok: int | None, *, device: str) -> _Base:
    from reasonry.training.latent_tokens.finetune.scratch import make_model

    assert context_tok is not None
    tokenizer = _codes_tokenizer(info)
    model = make_model(config.shape, tokenizer, context_tok=context_tok, seed=config.seed)
    identity = {"shape": config.shape.model_dump(), "context_tok": context_tok, "seed": config.seed}
    return _Base(on_device(model, device), tokenizer, identity)


def _pretrained(config: FinetuneConfig, info: EncodedInfo, *, say: Say) -> _Base:
    options, rank = config.model_options, config.adapter.rank
    if options.dtype == "auto" and (not rank or _is_cpu(options)):
        options = options.with_(dtype="float32")
    elif not rank and options.dtype not in ("auto", "float32"):
        say(f"warning: all weights are trained in {options.dtype}, which rounds away most updates as small as these")
    with quiet_transformers():
        loaded = load_causal_lm(config.model, options)
    return _Base(loaded.model, loaded.tokenizer, loaded.identity)


def _extended(base: _Base, config: FinetuneConfig, info: EncodedInfo, vectors: Tensor | None) -> Extended:
    seed = seeds.derive(config.seed, ROOM, "new tokens")
    ids = extend(
        base.tokenizer,
        base.model,
        num_codes=info.num_codes,
        init=config.init,
        vectors=vectors,
        seed=seed,
        with_pause=True,
    )
    model = base.model
    if config.gradient_checkpointing:
        # Under the method's new name, where transformers has it.
        enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
        enable({"use_reentrant": False})
    if config.adapter.rank:
        given = config.adapter
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by a name that will go
            model = add_latent_adapters(
                model, ids, rank=given.rank, alpha=given.alpha, targets=given.targets, seed=seed
            )
    return Extended(model, base.tokenizer, ids)


def _is_cpu(options: ModelConfig) -> bool:
    return (best_device() if options.device == "auto" else options.device).startswith("cpu")
