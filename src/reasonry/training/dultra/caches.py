"""What decoding calls at each step: the denoiser's word on the answer, with or without kept keys and values.

    session = start_session(denoiser, answer_len=L, block_len=32, cache="dual")
    said = session.denoise(tokens_BN, attend_BN, eligible_BL)      once a step, for all rows of the batch
    session.keep(rows_K)                                           after rows that are done were taken out of the batch

A decoder needs nothing else: `Session` gives logits and hidden states at the L positions of the answer, which are the
last L columns of the canvas, and counts its passes. Two caches (Fast-dLLM, arXiv 2505.22618), for answers that are
filled block by block, read fewer columns at a step. With [s, e) the open blocks of a row, those that hold its eligible
positions,

    none      reads all N columns
    prefix    reads [s, N) and keeps the keys and values of what is before
    dual      reads [s, e) and keeps those of what is before and after

What is read overwrites its own keys and values and attends to all columns, kept ones included. Both caches are
approximations: with attention in both directions, keys and values of a column depend on all others, which have changed
since. A row's whole canvas is read again when a token outside what would be read is not the one that its keys were
computed from, which happens once a block, when the last tokens of the block before have been filled in; and with
``refresh_every = R`` at every R-th step besides. R = 1 is no cache.

Each row has its own open blocks and its own refreshes: at a step, rows that read everything and rows that read their
blocks are two passes over parts of the batch, and blocks are gathered row by row, so that a row's result does not
depend on the rows beside it. A row that is refreshed or not has made one forward pass at this step either way; what
caches save shows in ``num_token_forwards`` alone.

Shapes: B rows, N canvas, L answer, W columns read, V vocabulary, D width, K rows kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from reasonry.errors import ConfigError
from reasonry.training.dultra.columns import CachingDenoiser, KeyValues
from reasonry.training.dultra.denoiser import Denoised, Denoiser

CacheKind = Literal["none", "prefix", "dual"]


class Session(Protocol):
    """A batch under way.

    Attributes:
        num_passes: Calls of the network so far.
        num_token_forwards: Columns read so far, summed over rows, without padding.
    """

    num_passes: int
    num_token_forwards: int

    def denoise(
        self, tokens_BN: Tensor, attend_BN: Tensor, eligible_BL: Tensor, *, with_hidden: bool = False
    ) -> Denoised:
        """The denoiser's word on the answer, without gradients.

        Args:
            tokens_BN: The canvas, int64.
            attend_BN: False on padding, the same at every step.
            eligible_BL: Positions that may be revealed at this step. Only for these and for the other positions of
                their blocks is what is given up to date: other positions keep what the last pass that read them said.
            with_hidden: Give hidden states too; at every step of a session, or at none.

        Returns:
            Logits (B, L, V) and hidden states (B, L, D), float32; not to be written into.
        """
        ...

    def keep(self, rows_K: Tensor) -> None:
        """Go on with these rows of the batch, in this order; their indices, int64."""
        ...


def start_session(
    denoiser: Denoiser,
    *,
    answer_len: int,
    block_len: int,
    cache: CacheKind = "none",
    refresh_every: int | None = None,
) -> Session:
    """A session of a new batch.

    Args:
        denoiser: Of any kind without a cache; a `CachingDenoiser` with one.
        answer_len: L.
        block_len: Tokens of a block.
        cache: What is kept.
        refresh_every: Steps after which a row's whole canvas is read again in any case; None leaves it at once a block.

    Raises:
        ConfigError: The denoiser keeps no keys and values, or ``refresh_every`` is below 1 or given without a cache.
    """
    if refresh_every is not None and (refresh_every < 1 or cache == "none"):
        why = "it is at least 1" if cache != "none" else "without a cache every step reads everything"
        raise ConfigError(f"refresh_every = {refresh_every}: {why}", remedy="Leave it out, or set cache and a number.")
    if cache == "none":
        return _PlainSession(denoiser, answer_len)
    if not isinstance(denoiser, CachingDenoiser):
        raise ConfigError(
            f"cache = {cache!r}: {denoiser.name} keeps no keys and values",
            remedy="Use cache = 'none', or a decoder-style model (LLaDA, Dream, tiny).",
        )
    return _CachedSession(denoiser, cache, answer_len=answer_len, block_len=block_len, refresh_every=refresh_every)


class _PlainSession:
    """Reads everything at every step."""

    def __init__(self, denoiser: Denoiser, answer_len: int) -> None:
        self.num_passes = 0
        self.num_token_forwards = 0
        self._denoiser, self._answer_len = denoiser, answer_len
        self._columns = denoiser if isinstance(denoiser, CachingDenoiser) else None

    @torch.no_grad()
    def denoise(
        self, tokens_BN: Tensor, attend_BN: Tensor, eligible_BL: Tensor, *, with_hidden: bool = False
    ) -> Denoised:
        self.num_passes += 1
        self.num_token_forwards += int(attend_BN.sum())
        L = self._answer_len
        if self._columns is not None:  # logits of a long prompt would fill the memory
            return self._columns.denoise_columns(
                tokens_BN, attend_BN, None, cache=None, num_last=L, with_hidden=with_hidden
            )
        said = self._denoiser.denoise(tokens_BN, attend_BN, with_hidden=with_hidden)
        return Denoised(said.logits_BNV[:, -L:], None if said.hidden_BND is None else said.hidden_BND[:, -L:])

    def keep(self, rows_K: Tensor) -> None:
        pass


@dataclass
class _Kept:
    """What a cached session remembers of its rows."""

    keys: KeyValues
    read_BN: Tensor
    """The token that each column's keys were computed from."""
    age_B: Tensor
    """Steps since a row's whole canvas was read, that one included."""
    said: Denoised
    """What was last said of each position of the answer."""

    def rows(self, rows_K: Tensor) -> _Kept:
        logits, hidden = self.said
        said = Denoised(logits[rows_K], None if hidden is None else hidden[rows_K])
        return _Kept(self.keys.rows(rows_K), self.read_BN[rows_K], self.age_B[rows_K], said)


class _CachedSession:
    """Reads blocks, and everything where blocks are not enough."""

    def __init__(
        self, denoiser: CachingDenoiser, kind: CacheKind, *, answer_len: int, block_len: int, refresh_every: int | None
    ) -> None:
        self.num_passes = 0
        self.num_token_forwards = 0
        self._denoiser, self._kind = denoiser, kind
        self._answer_len, self._block_len, self._refresh_every = answer_len, block_len, refresh_every
        self._kept: _Kept | None = None

    @torch.no_grad()
    def denoise(
        self, tokens_BN: Tensor, attend_BN: Tensor, eligible_BL: Tensor, *, with_hidden: bool = False
    ) -> Denoised:
        if self._kept is None:
            keys = KeyValues()
            said = self._read_all(tokens_BN, attend_BN, keys=keys, with_hidden=with_hidden)
            age_B = torch.ones(len(tokens_BN), dtype=torch.int64, device=tokens_BN.device)
            self._kept = _Kept(keys, tokens_BN.clone(), age_B, said)
            return said
        kept = self._kept
        if (kept.said.hidden_BND is not None) != with_hidden or kept.read_BN.shape != tokens_BN.shape:
            raise ValueError("a session's rows and its with_hidden stay what they were, but for what keep() takes out")
        # What earlier steps gave is the caller's, who may have stored it.
        logits, hidden = kept.said
        kept.said = Denoised(logits.clone(), None if hidden is None else hidden.clone())
        first_B, last_B = self._spans(eligible_BL, prompt_len=tokens_BN.shape[1] - self._answer_len)
        columns_N = torch.arange(tokens_BN.shape[1], device=tokens_BN.device)
        is_kept_BN = (columns_N < first_B[:, None]) | (columns_N > last_B[:, None])
        reads_all_B = ((tokens_BN != kept.read_BN) & attend_BN & is_kept_BN).any(1)
        if self._refresh_every is not None:
            reads_all_B |= kept.age_B >= self._refresh_every
        is_open_B = eligible_BL.any(1)
        if len(rows_K := (is_open_B & reads_all_B).nonzero()[:, 0]):
            self._refresh(kept, rows_K, tokens_BN[rows_K], attend_KN=attend_BN[rows_K])
        if len(rows_K := (is_open_B & ~reads_all_B).nonzero()[:, 0]):
            span = (first_B[rows_K], last_B[rows_K])
            self._read_span(kept, rows_K, tokens_BN[rows_K], attend_KN=attend_BN[rows_K], span=span)
        return kept.said

    def keep(self, rows_K: Tensor) -> None:
        if self._kept is not None:
            self._kept = self._kept.rows(rows_K)

    def _spans(self, eligible_BL: Tensor, *, prompt_len: int) -> tuple[Tensor, Tensor]:
        """First and last column of what each row reads when it is not refreshed."""
        L, size = self._answer_len, self._block_len
        places_L = torch.arange(L, device=eligible_BL.device)
        first_B = torch.where(eligible_BL, places_L, L - 1).amin(1) // size * size
        if self._kind == "prefix":
            last_B = torch.full_like(first_B, L - 1)
        else:
            last_B = (torch.where(eligible_BL, places_L, 0).amax(1) // size * size + size - 1).clamp(max=L - 1)
        return prompt_len + first_B, prompt_len + last_B

    def _read_all(self, tokens_BN: Tensor, attend_BN: Tensor, *, keys: KeyValues, with_hidden: bool) -> Denoised:
        self.num_passes += 1
        self.num_token_forwards += int(attend_BN.sum())
        return self._denoiser.denoise_columns(
            tokens_BN, attend_BN, None, cache=keys, num_last=self._answer_len, with_hidden=with_hidden
        )

    def _refresh(self, kept: _Kept, rows_K: Tensor, tokens_KN: Tensor, *, attend_KN: Tensor) -> None:
        keys = KeyValues()
        said = self._read_all(tokens_KN, attend_KN, keys=keys, with_hidden=kept.said.hidden_BND is not None)
        kept.keys.put(rows_K, keys)
        kept.read_BN[rows_K] = tokens_KN
        kept.age_B[rows_K] = 1
        _put(kept.said, (rows_K,), said)

    def _read_span(
        self, kept: _Kept, rows_K: Tensor, tokens_KN: Tensor, *, attend_KN: Tensor, span: tuple[Tensor, Tensor]
    ) -> None:
        first_K, last_K = span
        lookback = self._denoiser.lookback
        num_columns = int((last_K - first_K).max()) + 1
        offsets_W = torch.arange(-lookback, num_columns, device=tokens_KN.device)
        # Rows with a shorter span name their last column again: it is computed twice, to the same effect.
        columns_KW = torch.minimum((first_K[:, None] + offsets_W).clamp(min=0), last_K[:, None])
        is_everyone = len(rows_K) == len(kept.read_BN)
        keys = kept.keys if is_everyone else kept.keys.rows(rows_K)
        said = self._denoiser.denoise_columns(
            tokens_KN,
            attend_KN,
            columns_KW,
            cache=keys,
            num_last=num_columns,
            with_hidden=kept.said.hidden_BND is not None,
        )
        self.num_passes += 1
        self.num_token_forwards += int((last_K - (first_K - lookback).clamp(min=0) + 1).sum())
        if not is_everyone:
            kept.keys.put(rows_K, keys)
        rows_K1 = rows_K[:, None]
        kept.read_BN[rows_K1, columns_KW] = tokens_KN.gather(1, columns_KW)
        kept.age_B[rows_K] += 1
        places_KW = columns_KW[:, lookback:] - (tokens_KN.shape[1] - self._answer_len)
        _put(kept.said, (rows_K1, places_KW), said)


def _put(kept: Denoised, index: tuple[Tensor, ...], said: Denoised) -> None:
    for old, new in zip(kept, said, strict=True):
        if old is not None and new is not None:
            old[index] = new
