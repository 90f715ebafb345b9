"""Aaronson's Gumbel watermark: the next token is the one whose keyed Gumbel number plus log-probability is largest.

    r_v      = u(key, context, v)                          uniform, one for every token v of the vocabulary
    token    = argmax_v  log q_v - log(-log r_v)           = argmax_v r_v^(1/q_v): a draw from q, over keys
    score    = -log(1 - r_token)                           of the text: Exponential(1) without the mark

    p-value of T scored tokens                   P(Gamma(T, 1) >= sum of scores)
    E[score | the token had probability p]       sum_k 1 / (k (1 + k p)) = psi(1 + 1/p) + Euler's gamma;  H_m at p = 1/m
    density of r given probability p             r^(1/p - 1) / p, so that the best bet grows by H(q) - 1 + sum q^2 nats
    e-process                                    mean over ten kappas of prod kappa r^(kappa-1); others on request

Aaronson, "My AI safety lecture for UT Effective Altruism" (2022); statistics as in Fernandez et al. (arXiv 2308.00113)
and Li et al. (arXiv 2404.01245). The e-processes: see `reasonry.watermark.baselines.calibrators`.

The mark leaves the law of one step as it is. For it to leave the law of a text as it is too, no context may be used
twice: a token whose context occurred before is drawn with ordinary randomness and not scored. Here u comes from the
integer keyed functions of `reasonry.watermark.prf`: u = 53 upper bits of token_words(draw word of the context, v).

Legend: T scored tokens, V vocabulary, N contexts, R texts side by side.
"""

# pyright: strict, reportMissingTypeStubs=false, reportUnknownMemberType=false
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from reasonry.errors import ConfigError, nearest
from reasonry.watermark.baselines.base import Floats, Ints, Reading, draw
from reasonry.watermark.baselines.calibrators import (
    adaptive_log_e_path,
    averaged_log_e_path,
    checked_pivots,
    grenander_log_e_path,
    mixture_log_e_path,
    per_step_log_e_path,
)
from reasonry.watermark.baselines.parsing import text_form
from reasonry.watermark.baselines.scored import Ids, check_vocab_size, context_before, token_ids
from reasonry.watermark.contexts import SeenContexts
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.prf import Contexts, contexts_of, make_prf, token_words, uniforms

_special = cast(Any, special)
_LEAST = 2.0**-54  # stands for r = 0, half a step of the grid

LogEPath = Callable[[ArrayLike], Floats]


def gumbel_p_path(r_T: ArrayLike) -> Floats:
    """p-value after each token, for a length fixed beforehand.

    Args:
        r_T: Pivots, uniform on [0, 1) without the mark; shape (T,) or (T, R).

    Returns:
        P(Gamma(t, 1) >= sum of -log(1 - r) so far), the same shape.

    Raises:
        DataError: A pivot is outside [0, 1].
    """
    r = checked_pivots(r_T)
    t = np.arange(1, len(r) + 1, dtype=np.float64).reshape(-1, *[1] * (r.ndim - 1))
    return np.asarray(_special.gammaincc(t, np.cumsum(-np.log1p(-r), axis=0)), dtype=np.float64)


def gumbel_log_e_path(r_T: ArrayLike) -> Floats:
    """Evidence log E after each token, the average over kappa of whole products; shape (T,) or (T, R) in and out, nats.

    Raises:
        DataError: A pivot is outside [0, 1].
    """
    return mixture_log_e_path(r_T)


def gumbel_expected_score(p: ArrayLike) -> Floats:
    """Mean score of a marked token that had probability ``p``: 1 at p = 1, the harmonic number H_m at p = 1/m."""
    return np.asarray(_special.digamma(1 + 1 / np.asarray(p, dtype=np.float64)) + np.euler_gamma, dtype=np.float64)


def gumbel_growth_nats(q_V: ArrayLike) -> float:
    """Mean log-growth per token of the bet that knows the law ``q_V`` of every step: H(q) - 1 + sum q^2, nats."""
    q = np.asarray(q_V, dtype=np.float64)
    return float(_special.entr(q).sum() - 1 + (q**2).sum())


BETS: Mapping[str, LogEPath] = {
    "mixture": gumbel_log_e_path,
    "per-step": per_step_log_e_path,
    "adaptive": adaptive_log_e_path,
    "grenander": grenander_log_e_path,
    "averaged": averaged_log_e_path,
}
"""E-processes on pivots by name; see `reasonry.watermark.baselines.calibrators`."""


class Pivots(NamedTuple):
    """The keyed uniform numbers of a text's tokens.

    Attributes:
        r_T: One for each scored token.
        position_T: Their indices in the text.
        num_short_context: Tokens with fewer than ``context_tok`` tokens before them.
        num_duplicate: Tokens whose context occurred before.
    """

    r_T: Floats
    position_T: Ints
    num_short_context: int
    num_duplicate: int


class Gumbel:
    """The scheme under a key.

    Args:
        key: The secret.
        vocab_size: Tokens that the model chooses from.
        context_tok: Tokens before the next one on which its keyed numbers depend.
        bets: Which e-process a reading carries, a name in `BETS`.
        prf: The keyed function.

    Raises:
        ConfigError: An argument is out of range or unknown.
    """

    is_distortion_free = True

    def __init__(
        self,
        key: SecretKey,
        *,
        vocab_size: int,
        context_tok: int = 4,
        bets: str = "mixture",
        prf: str = "mix64-v1",
    ) -> None:
        check_vocab_size(vocab_size)
        if context_tok < 1:
            raise ConfigError(f"a context of {context_tok} tokens", remedy="Use at least 1.")
        if bets not in BETS:
            raise ConfigError(f"unknown bets={bets!r}", remedy=nearest(bets, BETS) or f"There are {', '.join(BETS)}.")
        self.name = text_form("gumbel", Gumbel, context_tok=context_tok, bets=bets, prf=prf)
        self.vocab_size = vocab_size
        self.context_tok = context_tok
        self._log_e_path = BETS[bets]
        self._prf = make_prf(prf, key)

    def start(self) -> GumbelMarker:
        """A marker for a new text."""
        return GumbelMarker(self)

    def uniforms(self, context: Contexts, token_N: NDArray[np.int64]) -> Floats:
        """The keyed numbers r of tokens: of one context, or of as many contexts as tokens."""
        return uniforms(token_words(self._prf.words(context).draw_N, token_N))

    def pivots(self, ids: Ids) -> Pivots:
        """The keyed numbers of a text's tokens, where their context is whole and occurs for the first time.

        Raises:
            DataError: ``ids`` are not token ids of the vocabulary.
        """
        ids_T = token_ids(ids, self.vocab_size)
        contexts = contexts_of(ids_T, self.context_tok)
        row_N = np.flatnonzero(SeenContexts().first_seen(contexts.hash_N))
        position_N = row_N + self.context_tok
        r_N = self.uniforms(Contexts(contexts.hash_N[row_N], contexts.ids_NH[row_N]), ids_T[position_N])
        num_context = len(contexts.hash_N)
        return Pivots(r_N, position_N, len(ids_T) - num_context, num_context - len(row_N))

    def read(self, ids: Ids) -> Reading:
        """Test a text.

        Raises:
            DataError: ``ids`` are not token ids of the vocabulary.
        """
        found = self.pivots(ids)
        return Reading(
            found.position_T,
            gumbel_p_path(found.r_T),
            self._log_e_path(found.r_T),
            num_tok=len(ids),
            num_short_context=found.num_short_context,
            num_duplicate=found.num_duplicate,
        )


class GumbelMarker:
    """Marks one text; knows which contexts it has used."""

    def __init__(self, scheme: Gumbel) -> None:
        self._scheme = scheme
        self._seen = SeenContexts()

    def step(self, q_V: Floats, history: Sequence[int], rng: np.random.Generator) -> int:
        """Draw the next token; see `reasonry.watermark.baselines.base.Marker`."""
        context = context_before(history, self._scheme.context_tok)
        if context is None or not self._seen.first_seen(context.hash_N)[0]:
            return draw(q_V, rng.random())
        token_N = np.flatnonzero(q_V > 0)  # after top-p these are few
        r_N = self._scheme.uniforms(context, token_N)
        return int(token_N[np.argmin(-np.log(np.maximum(r_N, _LEAST)) / q_V[token_N])])
