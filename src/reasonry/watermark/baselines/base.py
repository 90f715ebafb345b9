"""What every scheme of the field looks like from here: it marks a step, and it reads a text.

A reading carries two paths, one entry per scored token: the p-value as if the text had been meant to end there (valid
for one length that was fixed beforehand), and the logarithm of an e-process (valid at any moment, however often it was
looked at). `sequential` makes an anytime rule of the first by paying for every look: reject at the first k with
p_k < alpha / (k (k + 1)).

Legend: T scored tokens, V vocabulary.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Reading:
    """What a scheme finds in a text under one key.

    Attributes:
        position_T: Index in the text of each scored token.
        p_T: p-value of the text up to and including it, for a length fixed beforehand; NaN where a scheme computes it
            at some lengths only.
        log_e_T: Logarithm of the e-process after it.
        num_tok: Tokens of the text.
        num_short_context: Tokens skipped because too little text stands before them.
        num_duplicate: Tokens skipped because their context (or, for a fixed list, the token) occurred before.
    """

    position_T: Ints
    p_T: Floats
    log_e_T: Floats
    num_tok: int
    num_short_context: int = 0
    num_duplicate: int = 0


class Marker(Protocol):
    """Marks one text, token by token."""

    def step(self, q_V: Floats, history: Sequence[int], rng: np.random.Generator) -> int:
        """Draw the next token.

        Args:
            q_V: The law to draw from, after temperature, top-k and top-p; sums to one.
            history: The tokens drawn so far (output only, never the prompt).
            rng: Ordinary randomness, independent of the key.
        """
        ...


class Scheme(Protocol):
    """A way to mark text under a key, with the tests that find the mark."""

    name: str
    is_distortion_free: bool

    def start(self) -> Marker:
        """A marker for a new text."""
        ...

    def read(self, ids: Sequence[int] | NDArray[Any]) -> Reading:
        """Test a text."""
        ...


def draw(q_V: Floats, u: float) -> int:
    """Inverse-CDF draw of a token with the uniform ``u``; never one of probability zero."""
    cumulative_V: Floats = np.cumsum(q_V, dtype=np.float64)
    goal = u * float(cumulative_V[-1])
    token = int(np.searchsorted(cumulative_V, goal, side="right"))
    if token >= len(q_V) or q_V[token] <= 0:  # u at the very end of the last step
        token = int(np.flatnonzero(q_V > 0)[-1])
    return token


def sequential_p(p_T: Floats) -> Floats:
    """Anytime p-values from fixed-length ones: running minimum of k (k + 1) p_k at the k-th look, at most 1.

    NaN entries are no looks and cost nothing.
    """
    is_look_T = ~np.isnan(p_T)
    k_T: Floats = np.cumsum(is_look_T, dtype=np.float64)
    paid_T = np.where(is_look_T, p_T * k_T * (k_T + 1), 1.0)
    return np.minimum.accumulate(np.minimum(paid_T, 1.0)) if len(p_T) else p_T.copy()
