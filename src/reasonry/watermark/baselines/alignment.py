"""How well a text lies along a key sequence: least alignment costs, and permutation p-values of them.

A key is a cycle of N positions. c(j, y) is the cost of token y at position j, small where the mark put y there.

    offset      S_n(j) = sum_{t < n} c(j + t, y_t)                              the text from position j on
    edit        D_j(i, k) = min( D_j(i-1, k-1) + c(j + k - 1, y_i),             token and position together
                                 D_j(i-1, k) + gap,  D_j(i, k-1) + gap )        a token, or a position, left out
                D_j(i, 0) = i gap,  D_j(0, k) = k gap;  the cost of n tokens is D_j(n, n)      Levenshtein's distance
    statistic   phi_n = min over j (all of the first n tokens), or over j and all blocks of b tokens among them
    p           (1 + #{r : phi_n^(r) <= phi_n}) / (1 + R),  phi^(r) of the same text under R fresh keys

Under the null the text knows nothing of the key, which is then one of R + 1 exchangeable keys, so P(p <= a) <= a for
every a and whatever the text. Without the two ones p would be 0 with probability 1 / (R + 1).

Kuditipudi, Thickstun, Hashimoto and Liang, "Robust distortion-free watermarks for language models" (arXiv 2307.15593).
Ours: a band. With ``band_tok`` = w only |i - k| <= w is filled in, so a text may gain or lose at most w tokens; the
statistic is another one and the p-value as exact. All prefixes of a text are read off one pass, because
D_j(n, n) depends on nothing beyond n tokens and n positions.

Legend: U distinct tokens, T tokens, X keys side by side, N key positions, L lengths, R reference keys. Positions are
taken modulo N.
"""

# pyright: strict
from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reasonry.errors import ConfigError
from reasonry.watermark.baselines.base import Floats, Ints

CostArray = NDArray[np.floating[Any]]

_CELLS_AT_ONCE = 8192  # of one row of a table: what stays in a processor's nearest cache


@dataclass(frozen=True)
class Alignment:
    """Which alignments are compared.

    Attributes:
        gap: Cost of leaving out a token or a position; None for none to be left out.
        band_tok: Most tokens by which an alignment may drift; None for any number. Only with a gap.
        block_tok: Length of the blocks; None for the whole text. A shorter text is one block.

    Raises:
        ConfigError: A value is out of range.
    """

    gap: float | None = None
    band_tok: int | None = None
    block_tok: int | None = None

    def __post_init__(self) -> None:
        if self.gap is not None and not 0 <= self.gap < np.inf:
            raise ConfigError(f"a gap of cost {self.gap}", place="gap", remedy="Use 0 or more.")
        if self.band_tok is not None and self.band_tok < 0:
            raise ConfigError(f"a band of {self.band_tok} tokens", place="band_tok", remedy="Use 0 or more.")
        if self.block_tok is not None and self.block_tok < 1:
            raise ConfigError(f"blocks of {self.block_tok} tokens", place="block_tok", remedy="Use 1 or more.")

    def least_costs(self, cost_UXN: CostArray, token_T: Ints, length_L: Sequence[int]) -> Floats:
        """The statistic phi for each key after each of the lengths.

        Args:
            cost_UXN: Cost of each distinct token at each position of each key.
            token_T: The text, as rows of ``cost_UXN``.
            length_L: Lengths from 1 to T, ascending.

        Returns:
            Shape (X, L).
        """
        num_keys = cost_UXN.shape[1]
        if not len(length_L):
            return np.empty((num_keys, 0))
        # Twice in a row, a cyclic shift of the positions is a slice.
        ring_UXN = np.concatenate([cost_UXN, cost_UXN], axis=2)
        if self.gap is None:
            return _offset_costs(ring_UXN, token_T, length_L, self.block_tok)
        step = max(1, _CELLS_AT_ONCE // cost_UXN.shape[2])
        parts = [
            self._edit_costs(np.ascontiguousarray(ring_UXN[:, i : i + step]), token_T, length_L)
            for i in range(0, num_keys, step)
        ]
        return np.concatenate(parts)

    def _edit_costs(self, ring_UXN: CostArray, token_T: Ints, length_L: Sequence[int]) -> Floats:
        last = length_L[-1]
        block = min(self.block_tok or last, last)
        # Every block is one table, so blocks overlap by three quarters instead of starting at every token.
        starts = range(0, last - block + 1, max(1, block // 4))
        least_XT = np.full((ring_UXN.shape[1], last + 1), np.inf)
        for start in starts:
            path_XB = _edit_path(ring_UXN, token_T[start : start + block], self.gap or 0.0, self.band_tok)
            if start == 0:
                least_XT[:, 1 : block + 1] = path_XB
            else:
                least_XT[:, start + block] = path_XB[:, -1]
        # Up to the first whole block the text itself is the block; from there on the best block so far.
        least_XT[:, block:] = np.minimum.accumulate(least_XT[:, block:], axis=1)
        return least_XT[:, list(length_L)]


def _offset_costs(ring_UXN: CostArray, token_T: Ints, length_L: Sequence[int], block_tok: int | None) -> Floats:
    num_keys, num_positions = ring_UXN.shape[1], ring_UXN.shape[2] // 2
    total_XN = np.zeros((num_keys, num_positions))
    least_X = np.full(num_keys, np.inf)
    column = {length: i for i, length in enumerate(length_L)}
    least_XL = np.empty((num_keys, len(length_L)))
    for t in range(length_L[-1]):
        begin = t % num_positions
        total_XN += ring_UXN[token_T[t], :, begin : begin + num_positions]
        is_block = block_tok is not None and t + 1 >= block_tok
        if block_tok is not None and t >= block_tok:
            begin = (t - block_tok) % num_positions
            total_XN -= ring_UXN[token_T[t - block_tok], :, begin : begin + num_positions]
        if is_block:
            least_X = np.minimum(least_X, total_XN.min(axis=1))
        if t + 1 in column:
            least_XL[:, column[t + 1]] = least_X if is_block else total_XN.min(axis=1)
    return least_XL


def _edit_path(ring_UXN: CostArray, token_T: Ints, gap: float, band_tok: int | None) -> Floats:
    """Least edit cost over the offsets of each key after each token, shape (X, T)."""
    last = len(token_T)
    num_keys, num_positions = ring_UXN.shape[1], ring_UXN.shape[2] // 2
    band = last if band_tok is None else min(band_tok, last)
    # Row d + band holds D(i, i + d) for all keys and offsets at once.
    table = np.full((2 * band + 1, num_keys, num_positions), np.inf, dtype=ring_UXN.dtype)
    for drift in range(band + 1):
        table[drift + band] = drift * gap
    other = np.empty_like(table[0])
    least_XT = np.empty((num_keys, last))
    for i, token in enumerate(token_T, start=1):
        # Drifts beyond what the remaining tokens can bring back cannot reach D(n, n).
        low, high = max(-band, -i), min(band, last - i)
        for drift in range(low, high + 1):
            here = table[drift + band]
            begin = (i + drift - 1) % num_positions
            here += ring_UXN[token, :, begin : begin + num_positions]  # still of row i - 1; infinite where k = 0
            if drift < band:  # the row above, not yet overwritten: the token is left out
                np.minimum(here, np.add(table[drift + band + 1], gap, out=other), out=here)
            if drift > low:  # the row below, already of token i: the position is left out
                np.minimum(here, np.add(table[drift + band - 1], gap, out=other), out=here)
        least_XT[:, i - 1] = table[band].min(axis=1)
    return least_XT


def permutation_p(observed_L: Floats, reference_RL: Floats) -> Floats:
    """P-values of costs among those of fresh keys, (1 + #{reference <= observed}) / (1 + R); shape (L,)."""
    return (1 + (reference_RL <= observed_L).sum(axis=0)) / (1 + len(reference_RL))


def check_lengths(lengths: int | Sequence[int]) -> None:
    """Refuse what names no lengths.

    Raises:
        ConfigError: A number below 1, or a list that does not ascend from at least 1.
    """
    given = [lengths] if isinstance(lengths, int) else list(lengths)
    if not given or given[0] < 1 or any(b <= a for a, b in itertools.pairwise(given)):
        raise ConfigError(
            f"lengths={lengths!r}", place="lengths", remedy="Use a number of tokens, or an ascending list of them."
        )


def lengths_within(lengths: int | Sequence[int], num_tok: int) -> list[int]:
    """The lengths at which a text of ``num_tok`` is tested: those of a list, or every so many tokens and the end."""
    if isinstance(lengths, int):
        return sorted({*range(lengths, num_tok + 1, lengths), num_tok} - {0})
    return [length for length in lengths if length <= num_tok]
