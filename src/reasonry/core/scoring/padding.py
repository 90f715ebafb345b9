"""Padding that does not change a score.

Rows are padded on the right, so that positions start at 0 and causal attention never sees the padding. The classifiers
of causal models then read the score at the last token that is not ``config.pad_token_id``, and that is where scores
quietly go wrong:

    config.pad_token_id         the row is padded with
    a token id                  that id, whatever the tokenizer's own pad token is: with another one the score would be
                                read from the padding
    missing, or not a token     an id that occurs in no row of the batch, set in the config for the time of the pass:
                                with the end token, rows that end in it would be read one token early

Either way a padded row is read where the model reads the row alone; that is the definition of its score. `is_inert`
checks it on the model itself. Models that fail (those that read the last column, or mix across it) score row by row.

Legend: B rows, T tokens.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from reasonry.core.scoring.conversation import Row

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

_PROBE_PAD_TOK = 5
# Far above rounding, far below the difference that a score read at the wrong token makes.
_TOLERANCE = {4: 1e-3, 2: 5e-2}


def num_embeddings(model: PreTrainedModel) -> int:
    """Token ids the model has an embedding for."""
    embedding: Any = model.get_input_embeddings()
    return int(embedding.weight.shape[0])


def config_pad_id(model: PreTrainedModel) -> int | None:
    """The model's own pad token, None when it has none or names an id without an embedding (such as -1)."""
    pad: Any = model.config.get_text_config().pad_token_id
    return pad if isinstance(pad, int) and 0 <= pad < num_embeddings(model) else None


def pad_id(model: PreTrainedModel, rows: Sequence[Row]) -> int | None:
    """What to pad ``rows`` with; None when every id of the vocabulary occurs in them."""
    own = config_pad_id(model)
    if own is not None:
        return own
    used = {i for row in rows for i in row.ids}
    return next((i for i in range(num_embeddings(model)) if i not in used), None)


@contextlib.contextmanager
def padded_with(model: PreTrainedModel, pad: int) -> Iterator[None]:
    """The model's config with this pad token."""
    configs: list[Any] = [model.config]
    if model.config.get_text_config() is not model.config:
        configs.append(model.config.get_text_config())
    before = [getattr(c, "pad_token_id", None) for c in configs]
    for c in configs:
        c.pad_token_id = pad
    try:
        yield
    finally:
        for c, own in zip(configs, before, strict=True):
            c.pad_token_id = own


def forward(model: PreTrainedModel, rows: Sequence[Row], *, pad: int | None, longest: int = 0) -> torch.Tensor:
    """Logits, shape (B, labels), float32.

    Args:
        model: A sequence classifier.
        rows: One or more.
        pad: Token to pad with; may be None for a single row.
        longest: Pad at least to this length.
    """
    import torch

    width = max(longest, *(len(row.ids) for row in rows))
    device = model.device
    fill = 0 if pad is None else pad
    inputs = {
        "input_ids": [row.ids + [fill] * (width - len(row.ids)) for row in rows],
        "attention_mask": [[1] * len(row.ids) + [0] * (width - len(row.ids)) for row in rows],
    }
    if all(row.type_ids is not None for row in rows):
        inputs["token_type_ids"] = [(row.type_ids or []) + [0] * (width - len(row.ids)) for row in rows]
    tensors = {name: torch.tensor(value, device=device) for name, value in inputs.items()}
    guard = contextlib.nullcontext() if pad is None else padded_with(model, pad)
    with torch.inference_mode(), guard:
        return model(**tensors).logits.float()


def is_inert(model: PreTrainedModel, row: Row, *, limit_tok: int = 0) -> bool:
    """Does padding leave this row's logits alone, up to rounding? False where that cannot be tried.

    Args:
        model: A sequence classifier.
        row: Any row that fits.
        limit_tok: Longest row the model takes, tokens; 0 without a limit.
    """
    if model.config.is_encoder_decoder:  # these read at the end token and refuse rows with different numbers of it
        return False
    pad = pad_id(model, [row])
    if pad is None or 0 < limit_tok < len(row.ids) + _PROBE_PAD_TOK:
        return False
    own = config_pad_id(model)
    alone = forward(model, [row], pad=own)
    padded = forward(model, [row], pad=pad, longest=len(row.ids) + _PROBE_PAD_TOK)
    scale = 1 + alone.abs().max()
    return bool((padded - alone).abs().max() <= _TOLERANCE.get(model.dtype.itemsize, 5e-2) * scale)
