"""The vocabulary of a model with codes: markers, codes and where it is needed a pause, behind the tokens it has.

    <boLatent> <eoLatent> <|latent_0|> .. <|latent_{K-1}|> [<|pause|>]      special tokens, never split

Old rows of embedding and head stay as they are, bit for bit; tied matrices stay tied. The number of rows is rounded up
to a multiple of 64, which some kernels and serving engines want; what lies behind the last token is padding.

Padding rows begin as the mean of the old rows. So their logit is the mean of the others: greedy decoding never takes
one, sampling takes each with a probability of at most one in the number of tokens, and training pushes it down.
`CodeConstraint` and the generation config of an exported model forbid them altogether.

A text that holds one of these tokens in so many letters would be read as the token: `LatentIds.names` tells what texts
to refuse.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from reasonry.core.models.quiet import quiet_transformers
from reasonry.core.scoped_random import drawing_from
from reasonry.errors import ConfigError
from reasonry.training.latent_tokens.mixing.latent_ids import BEGIN, END, PAUSE, LatentIds, code_name
from reasonry.training.latent_tokens.mixing.new_rows import (
    Init,
    check_init,
    from_codebook,
    mean_cov,
    mean_row,
    random_rows,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PAD_TO_MULTIPLE_OF = 64


def extend(
    tokenizer: PreTrainedTokenizerBase,
    model: PreTrainedModel,
    *,
    num_codes: int,
    init: Init = "mean_cov",
    vectors: Tensor | None = None,
    spread: float = 1.0,
    seed: int = 0,
    pad_to_multiple_of: int | None = PAD_TO_MULTIPLE_OF,
    with_pause: bool = False,
) -> LatentIds:
    """Add the tokens to a tokenizer and their rows to its model; both are changed in place.

    Tokens that are there already, in the same number, are left as they are.

    Args:
        tokenizer: Of the model.
        model: Of transformers, with or without tied embeddings; without adapters.
        num_codes: K.
        init: What rows begin as; see `new_rows`.
        vectors: Of the codes, (K, any), for `codebook`.
        spread: Of `mean_cov`, in standard deviations of the old rows.
        seed: Root of the draws.
        pad_to_multiple_of: What the number of rows is rounded up to; None: it is not.
        with_pause: Whether there is a pause too.

    Raises:
        ConfigError: Another number of codes is there already, the initialisation cannot be made, or neither padding nor
            end token is known.
    """
    if num_codes < 1:
        raise ConfigError(f"{num_codes} codes", place="num_codes", remedy="Give 1 or more.")
    if pad_to_multiple_of is not None and pad_to_multiple_of < 1:
        raise ConfigError(f"pad_to_multiple_of {pad_to_multiple_of}", place="pad_to_multiple_of", remedy="1 or more.")
    if hasattr(model, "peft_config"):
        raise ConfigError("the model has adapters already", place="model", remedy="Extend it first, then adapt it.")
    check_init(init, num_codes=num_codes, vectors_KC=vectors)
    known = tokenizer.get_vocab()
    num_there = _num_codes(known)
    if num_there is not None and num_there != num_codes:
        raise ConfigError(
            f"the tokenizer has {num_there} codes already, {num_codes} are wanted",
            place="num_codes",
            remedy="Start from a model without codes, or encode with as many.",
        )
    _pad_id(tokenizer)
    wanted = [BEGIN, END, *map(code_name, range(num_codes)), *([PAUSE] if with_pause else [])]
    new = [name for name in wanted if name not in known]
    tokenizer.add_tokens(new, special_tokens=True)
    ids = latent_ids(tokenizer)
    matrices = _matrices(model)
    num_rows = len(matrices["embedding"])
    old_ids = sorted(i for i in known.values() if i < num_rows)
    is_new = set(_ids_of(tokenizer, new))
    new_ids = [i for i in ids.added if i in is_new]
    _resize(
        model, needed=max(known.values(), default=-1) + 1, ids=ids, pad_to_multiple_of=pad_to_multiple_of, seed=seed
    )
    for name, weight in _matrices(model).items():
        _fill(weight, name, ids, new_ids, old_ids, init=init, vectors=vectors, spread=spread, seed=seed, model=model)
        with torch.no_grad():
            first_padding = max(num_rows, max(ids.added) + 1)
            weight[first_padding:] = mean_row(weight[old_ids]).to(weight)
    _fill_bias(model, old_ids, new_ids, num_rows)
    return ids


def latent_ids(tokenizer: PreTrainedTokenizerBase) -> LatentIds:
    """Read the ids of a tokenizer that has the tokens.

    Raises:
        ConfigError: It has none, or some of them are missing; or neither padding nor end token is known.
    """
    known = tokenizer.get_vocab()
    num_codes = _num_codes(known)
    if num_codes is None:
        raise ConfigError(
            "the tokenizer has no codes", place="tokenizer", remedy="Give the folder of a model trained with codes."
        )
    first = known[code_name(0)]
    return LatentIds(known[BEGIN], known[END], first, num_codes, known.get(PAUSE), _pad_id(tokenizer))


# ---------------------------------------------------------------- parts


def _num_codes(known: dict[str, int]) -> int | None:
    """Codes of a vocabulary; None where nothing of them is there."""
    codes = [name for name in known if name.startswith("<|latent_") and name[9:-2].isdecimal()]
    if not codes and BEGIN not in known and END not in known:
        return None
    ids = [known.get(code_name(code)) for code in range(len(codes))]
    is_whole = bool(codes) and BEGIN in known and END in known and ids[0] is not None
    if not is_whole or ids != list(range(ids[0] or 0, (ids[0] or 0) + len(ids))):
        raise ConfigError(
            f"the tokenizer has some of {BEGIN}, {END}, {code_name(0)} .. and lacks others",
            place="tokenizer",
            remedy="Start from a tokenizer without them.",
        )
    return len(codes)


def _ids_of(tokenizer: PreTrainedTokenizerBase, names: Sequence[str]) -> list[int]:
    known = tokenizer.get_vocab()
    return [known[name] for name in names]


def _pad_id(tokenizer: PreTrainedTokenizerBase) -> int:
    for token_id in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if isinstance(token_id, int):
            return token_id
    raise ConfigError(
        "the tokenizer has neither a padding nor an end token", place="tokenizer", remedy="Set eos_token or pad_token."
    )


def _matrices(model: PreTrainedModel) -> dict[str, Tensor]:
    """Embedding and head, the head where it is another matrix."""
    embedding: Any = model.get_input_embeddings()
    head: Any = model.get_output_embeddings()
    matrices: dict[str, Tensor] = {"embedding": embedding.weight}
    if head is not None and head.weight is not embedding.weight:
        matrices["head"] = head.weight
    return matrices


def _resize(model: PreTrainedModel, *, needed: int, ids: LatentIds, pad_to_multiple_of: int | None, seed: int) -> None:
    num_rows = len(_matrices(model)["embedding"])
    wanted = max(num_rows, needed, max(ids.added) + 1)
    multiple = pad_to_multiple_of or 1
    wanted = -(-wanted // multiple) * multiple
    if wanted > num_rows:
        # transformers fills new rows from the shared generator; they are all written over.
        with quiet_transformers(), drawing_from(seed, "resize"):
            model.resize_token_embeddings(wanted, mean_resizing=False)


@torch.no_grad()
def _fill(
    weight: Tensor,
    name: str,
    ids: LatentIds,
    new_ids: list[int],
    old_ids: list[int],
    *,
    init: Init,
    vectors: Tensor | None,
    spread: float,
    seed: int,
    model: PreTrainedModel,
) -> None:
    """Write the rows of new tokens into a matrix."""
    if not new_ids:
        return
    old_ND, added = weight[old_ids], ids.added
    if init == "random":
        std = float(getattr(model.config.get_text_config(), "initializer_range", 0.02))
        rows_MD = random_rows(len(added), weight.shape[1], seed=seed, name=name, std=std)
    else:
        spread = 0.0 if init == "mean" else spread
        rows_MD = mean_cov(old_ND, len(added), seed=seed, name=name, spread=spread)
    if init == "codebook" and vectors is not None:
        rows_MD[2 : 2 + ids.num_codes] = from_codebook(old_ND, vectors, seed=seed, name=name)
    place = {token_id: at for at, token_id in enumerate(added)}
    weight[new_ids] = rows_MD[[place[i] for i in new_ids]].to(weight)


@torch.no_grad()
def _fill_bias(model: PreTrainedModel, old_ids: list[int], new_ids: list[int], num_rows: int) -> None:
    """A head's bias, where it has one: the mean of the old ones, for new tokens and padding."""
    head: Any = model.get_output_embeddings()
    bias = getattr(head, "bias", None)
    if bias is not None:
        padding = range(num_rows, len(bias))
        bias[sorted({*new_ids, *padding})] = bias[old_ids].float().mean().to(bias)
