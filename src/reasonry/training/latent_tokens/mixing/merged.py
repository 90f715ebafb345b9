"""Folders of models with codes: plain checkpoints, and beside them what the codes mean.

    model.safetensors, config.json, ...    as transformers writes them, adapters merged into the weights
    tokenizer.json, ...                    with markers and codes among the tokens
    generation_config.json                 forbids the padding rows, so that no sampler takes one
    latent_config.json                     ids, chunk, codebook; for reading codes back and for counting them

transformers and vLLM load such a folder without this package and without peft: nothing but the vocabulary has grown.
The number of its rows is a multiple of 64, as engines want it.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from reasonry.core.atomic import write_json
from reasonry.core.models.quiet import quiet_transformers
from reasonry.core.scoped_random import drawing_from
from reasonry.core.whole_folder import whole_folder
from reasonry.errors import ConfigError, DataError
from reasonry.training.latent_tokens.mixing.latent_ids import LatentIds
from reasonry.training.latent_tokens.mixing.new_rows import mean_row
from reasonry.training.latent_tokens.mixing.vocabulary import PAD_TO_MULTIPLE_OF, latent_ids

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

FILE = "latent_config.json"
_FORMAT, _KIND = 1, "model"


class LatentConfig(NamedTuple):
    """What a model's codes mean.

    Attributes:
        method: That it was trained by.
        ids: Of the added tokens; None for a method without any.
        chunk_tok: Text tokens that a chunk stands for.
        codes_per_chunk: Codes of each.
        codes_hash: Of the codebook's weights; empty where there is none.
        tokenizer_fingerprint: Of the tokenizer before it was extended.
        num_pauses: That prompts end in.
        max_codes: Most codes of any training row.
        more: Anything else to keep, as JSON.
    """

    method: str
    ids: LatentIds | None
    chunk_tok: int
    codes_per_chunk: int = 1
    codes_hash: str = ""
    tokenizer_fingerprint: str = ""
    num_pauses: int = 0
    max_codes: int = 0
    more: dict[str, Any] = {}  # noqa: RUF012  # never written to


def save_merged(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    *,
    config: LatentConfig,
    pad_to_multiple_of: int | None = PAD_TO_MULTIPLE_OF,
) -> None:
    """Write a model's folder; it appears whole or not at all, and takes the place of an older one.

    Args:
        model: Of transformers or, with adapters, of peft; it stays as it is.
        tokenizer: With the added tokens.
        folder: Where to.
        config: What the codes mean.
        pad_to_multiple_of: What the number of embeddings is rounded up to; None: it stays as it is.

    Raises:
        ConfigError: The folder holds something else than a model, or the ids are not the tokenizer's.
        ResourceError: The disk is full or not writable.
    """
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / "config.json").is_file())):
        raise ConfigError("it holds something else than a model", place=str(folder), remedy="Give a new folder.")
    check_tokenizer(config, tokenizer, place="tokenizer")

    plain = merged(model, num_tokens=_num_tokens(tokenizer), pad_to_multiple_of=pad_to_multiple_of)
    with whole_folder(folder, "the model") as tmp:
        with quiet_transformers():
            plain.save_pretrained(tmp)
            tokenizer.save_pretrained(tmp)
        write_json(tmp / FILE, _as_json(config))


def merged(model: Any, *, num_tokens: int, pad_to_multiple_of: int | None = None) -> PreTrainedModel:
    """A plain model of the same logits: adapters merged, vocabulary padded, padding forbidden in generation.

    Args:
        model: Stays as it is; a copy is made where anything has to change.
        num_tokens: Ids that the tokenizer has; rows from there on are padding.
        pad_to_multiple_of: What the number of embeddings is rounded up to; None: it stays as it is.
    """
    plain: Any = model
    if hasattr(model, "merge_and_unload"):
        plain = copy.deepcopy(model).merge_and_unload()
    num_rows = int(plain.get_input_embeddings().weight.shape[0])
    wanted = -(-num_rows // pad_to_multiple_of) * pad_to_multiple_of if pad_to_multiple_of else num_rows
    if plain is model and (wanted > num_rows or num_tokens < num_rows):
        plain = copy.deepcopy(model)
    if wanted > num_rows:
        _pad(plain, wanted, num_tokens)
    if num_tokens < wanted and plain.generation_config is not None:
        forbidden = {*(plain.generation_config.suppress_tokens or ()), *range(num_tokens, wanted)}
        plain.generation_config.suppress_tokens = sorted(forbidden)
    return plain


def check_tokenizer(config: LatentConfig, tokenizer: PreTrainedTokenizerBase, *, place: str) -> None:
    """Refuse a tokenizer whose added tokens are not those that a model was trained with.

    Raises:
        ConfigError: They are others, or none.
    """
    if config.ids is None:
        return
    found = latent_ids(tokenizer)
    if found._replace(pad=0) != config.ids._replace(pad=0):
        raise ConfigError(
            f"the tokenizer has {found}, the model was trained with {config.ids}",
            place=place,
            remedy="Use the tokenizer in the model's folder.",
        )


def is_latent(folder: Path) -> bool:
    """Whether a folder is that of a model with codes."""
    return (folder / FILE).is_file() and (folder / "config.json").is_file()


def read_latent_config(folder: Path) -> LatentConfig:
    """What a model's codes mean.

    Raises:
        DataError: There is no such file, it is damaged, or it is that of a codebook.
    """
    path = folder / FILE
    try:
        found = json.loads(path.read_text("utf-8"))
        if found["kind"] != _KIND or found["format"] != _FORMAT:
            raise DataError(
                f"it is a {found['kind']!r} of format {found['format']!r}",
                place=str(path),
                remedy="Give the folder of a model trained with codes.",
            )
        fields = {name: found[name] for name in LatentConfig._fields}
        ids = None if fields["ids"] is None else LatentIds(**fields["ids"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as e:
        if isinstance(e, DataError):
            raise
        raise DataError(
            f"cannot be read: {e!r}", place=str(path), remedy="Give the folder of a model trained with codes."
        ) from e
    return LatentConfig(**{**fields, "ids": ids})


def _as_json(config: LatentConfig) -> dict[str, Any]:
    ids = None if config.ids is None else config.ids._asdict()
    return {"format": _FORMAT, "kind": _KIND, **config._asdict(), "ids": ids}


def _num_tokens(tokenizer: PreTrainedTokenizerBase) -> int:
    return max(tokenizer.get_vocab().values()) + 1


def _pad(model: Any, num_rows: int, num_tokens: int) -> None:
    """More rows, each the mean of those of tokens."""
    before = int(model.get_input_embeddings().weight.shape[0])
    with quiet_transformers(), drawing_from(0, "resize"):
        model.resize_token_embeddings(num_rows, mean_resizing=False)
    with torch.no_grad():
        for part in (model.get_input_embeddings(), model.get_output_embeddings()):
            weights: list[Tensor | None] = [part.weight, getattr(part, "bias", None)]
            for weight in weights:
                if weight is not None:
                    weight[before:] = (
                        mean_row(weight[:num_tokens].reshape(min(num_tokens, before), -1)).to(weight).squeeze()
                    )
