"""Tries a denoiser out: does padding change what it says, and does it look ahead?

Models that ignore their attention mask give results that depend on the batch, and decoders that were not freed of their
causal mask give nonsense without a word of warning. Both are seen in three passes over a dozen tokens.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from reasonry.core import seeds
from reasonry.errors import DataError
from reasonry.training.dultra.denoiser import Denoiser


class Conduct(NamedTuple):
    """What `examine` saw.

    Attributes:
        padding_change: Largest change of a log-probability that padding on the left makes, nats; 0 but for rounding.
        lookahead_change: Largest change of a log-probability at the first position that the last token makes, nats.
    """

    padding_change: float
    lookahead_change: float


@torch.no_grad()
def examine(denoiser: Denoiser, *, seed: int = 0) -> Conduct:
    """Try a denoiser out on a few random tokens, among them masks.

    Args:
        denoiser: The model.
        seed: Of the tokens.
    """
    rng = seeds.stream(seed, "examine denoiser")
    device = next(denoiser.parameters()).device if isinstance(denoiser, nn.Module) else torch.device("cpu")
    num_tok, num_pad = min(12, denoiser.max_len or 12), 5
    tokens = rng.integers(0, denoiser.vocab_size, (1, num_tok))
    tokens[(tokens == denoiser.pad_id) | (rng.random(tokens.shape) < 0.3)] = denoiser.mask_id
    text = torch.as_tensor(tokens, device=device)
    everything = torch.ones_like(text, dtype=torch.bool)
    logp = denoiser.denoise(text, everything).logits_BNV.log_softmax(-1)
    pads = text.new_full((1, num_pad), denoiser.pad_id)
    padded = denoiser.denoise(
        torch.cat([pads, text], 1), torch.cat([torch.zeros_like(pads, dtype=torch.bool), everything], 1)
    ).logits_BNV[:, num_pad:]
    others = [t for t in range(denoiser.vocab_size) if t not in (int(text[0, -1]), denoiser.pad_id)][:1]
    changed = text.clone()
    changed[0, -1] = others[0] if others else int(text[0, -1])
    ahead = denoiser.denoise(changed, everything).logits_BNV.log_softmax(-1)
    return Conduct(float((padded.log_softmax(-1) - logp).abs().max()), float((ahead[:, 0] - logp[:, 0]).abs().max()))


def refuse(seen: Conduct, *, dtype: torch.dtype, name: str) -> None:
    """Refuse a denoiser that padding changes by more than rounding, or that cannot look ahead.

    Raises:
        DataError: It is one of these.
    """
    tolerance = 1e-3 if dtype.itemsize >= 4 else 0.25
    if not seen.padding_change <= tolerance:
        raise DataError(
            f"padding on the left changes log-probabilities by {seen.padding_change:.2g} nats",
            place=name,
            remedy="Its results would depend on the batch. Load it with check=False to use it one row at a time.",
        )
    if seen.lookahead_change == 0:
        raise DataError(
            "the model does not look ahead: a later token changes nothing before it",
            place=name,
            remedy="Is it a decoder (is_decoder in its config)? A denoiser needs attention in both directions.",
        )
