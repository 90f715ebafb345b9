"""ITS of Kuditipudi et al. (arXiv 2307.15593): a cycle of keyed uniforms and one keyed order of the vocabulary.

    u_j, pi     uniforms, one for every position j < N of the key; a permutation of the vocabulary
    token       pi^-1( min{ i : q(pi(v) <= i) >= u_j } )      inverse transform sampling in the keyed order: a draw of q
    cost        | u_j - eta(y) |,   eta(y) = pi(y) / (V - 1), ranks from 0
    ITS-edit    with a ``gap``: Levenshtein alignments

The alignments and the p-value: `reasonry.watermark.baselines.alignment`.

The e-process bets on the rank of each token when it occurs for the first time [ours]:

    f_m(eta; u)   density of Beta(k + 1, m - k) at eta, k = floor(m u):
                  the law of the winner's rank, for a large vocabulary, if the model is undecided between m equally
                  probable tokens: the one whose interval of length 1/m holds u is (k+1)-th among m uniform ranks
    e             1 - s + s f_m(eta(y); u_j) / (mean of f_m( . ; u_j) over the ranks no earlier token has)

Given the u and the ranks of the tokens before, the rank of a new token is even over those that are left, so e has mean
exactly 1 at every position, at any size of the vocabulary; `reasonry.watermark.baselines.offset_bets` has the rest of
the proof (the column of y is a function of u, known from the start, and of this rank). The bets are m in 2 .. 17 times
two stakes s; a step of low entropy says nothing, and the smaller stake loses little there.

A rank tells less than a vector of uniforms. With m equally probable tokens the best bet grows by .193, .522 or 1.050
nats a token for m = 2, 5, 17 (the divergence of the Beta densities from the even one); that of EXP by
log m - 1 + 1/m = .193, .809, 1.892.
"""

# pyright: strict, reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from reasonry.watermark.baselines.alignment import Alignment, CostArray
from reasonry.watermark.baselines.base import Floats, Ints, draw
from reasonry.watermark.baselines.key_sequence import KeySequenceScheme, positions_of_runs, text_of_lengths
from reasonry.watermark.baselines.key_words import KeyWords, open_uniforms
from reasonry.watermark.baselines.parsing import text_form
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.prf import token_words

UNDECIDED = (2, 3, 5, 9, 17)
STAKES = (0.3, 0.9)


class InverseTransform(KeySequenceScheme):
    """ITS, and with a ``gap`` ITS-edit.

    Args:
        key: The secret.
        vocab_size: Tokens that the model chooses from.
        num_positions: Length N of the key.
        num_runs: Reference keys of the p-value, which is at least 1 / (num_runs + 1).
        lengths: Where p is computed: every so many tokens and at the end, or after exactly these numbers of tokens.
        block_tok: Test the best block of so many tokens in place of the whole text.
        gap: Cost of leaving out a token or a key position; None for ITS. The paper's ITS-edit has 0.4.
        band_tok: With a gap: most tokens by which an alignment drifts; None for Levenshtein's whole table.
        slip_rate: Chance of a slip at a token, for the e-process; None for 0.02 with a gap and 0 without.

    Raises:
        ConfigError: A parameter is out of range.
    """

    def __init__(
        self,
        key: SecretKey,
        *,
        vocab_size: int,
        num_positions: int = 256,
        num_runs: int = 100,
        lengths: int | Sequence[int] = 50,
        block_tok: int | None = None,
        gap: float | None = None,
        band_tok: int | None = 16,
        slip_rate: float | None = None,
    ) -> None:
        super().__init__(
            vocab_size=vocab_size,
            num_positions=num_positions,
            num_runs=num_runs,
            lengths=lengths,
            alignment=Alignment(gap=gap, band_tok=band_tok, block_tok=block_tok),
            slip_rate=(0.0 if gap is None else 0.02) if slip_rate is None else slip_rate,
        )
        self.name = text_form(
            "inverse-transform",
            InverseTransform,
            num_positions=num_positions,
            num_runs=num_runs,
            lengths=text_of_lengths(lengths),
            block_tok=block_tok,
            gap=gap,
            band_tok=band_tok,
            slip_rate=slip_rate,
        )
        self._u_N = open_uniforms(KeyWords(key, "baselines/inverse_transform/key")(np.arange(num_positions)))
        order_word = KeyWords(key, "baselines/inverse_transform/order")(np.zeros(1, np.int64))
        self._order_V = np.argsort(token_words(order_word, np.arange(vocab_size)), kind="stable")
        self._rank_V = np.empty(vocab_size, np.int64)
        self._rank_V[self._order_V] = np.arange(vocab_size)
        self._reference_words = KeyWords(key, "baselines/inverse_transform/reference")
        self._reference_order_words = KeyWords(key, "baselines/inverse_transform/reference_order")

    def choose(self, q_V: Floats, position: int) -> int:
        """The token that a position of the key makes of the law ``q_V``."""
        return int(self._order_V[draw(q_V[self._order_V], float(self._u_N[position]))])

    def costs(self, token_U: Ints) -> CostArray:
        """The costs |u - eta|, shape (U, N)."""
        return np.abs(self._u_N - self._eta(self._rank_V[token_U])[:, None]).astype(np.float32)

    def reference_costs(self, token_U: Ints, run_X: NDArray[np.int64]) -> CostArray:
        """The same under reference keys, each with uniforms and an order of its own, shape (U, X, N)."""
        u_XN = open_uniforms(self._reference_words(positions_of_runs(run_X, self.num_positions)))
        rank_UX = np.empty((len(token_U), len(run_X)), np.int64)
        for i, word in enumerate(self._reference_order_words(run_X)):
            words_V = token_words(np.array([word]), np.arange(self.vocab_size))
            rank_UX[:, i] = np.searchsorted(np.sort(words_V), words_V[token_U])
        return np.abs(u_XN - self._eta(rank_UX)[:, :, None]).astype(np.float32)

    def log_bets(self, token_U: Ints) -> Floats:
        """The logarithm of e for each m and stake, shape (U, G, N)."""
        return rank_log_bets(self._rank_V[token_U], self._u_N, self.vocab_size)

    def _eta(self, rank: Ints) -> Floats:
        return rank / (self.vocab_size - 1)


def rank_log_bets(rank_U: Ints, u_N: Floats, vocab_size: int) -> Floats:
    """The logarithm of e for ranks that are revealed one after the other, at each position, shape (U, G, N).

    Args:
        rank_U: Ranks of distinct tokens, in order of appearance.
        u_N: The key's uniforms.
        vocab_size: Ranks there are.
    """
    num_left_U = vocab_size - np.arange(len(rank_U))
    is_free_V = np.ones(vocab_size, dtype=np.bool_)
    is_free_V[rank_U] = False
    log_bets: list[Floats] = []
    for num_undecided in UNDECIDED:
        density_KV = rank_densities(vocab_size, num_undecided)
        density_UK = density_KV[:, rank_U].T
        # Sum over the ranks left at each token, added up from the end: a difference would lose its digits when the
        # few ranks that are left are improbable.
        left_UK = density_KV[:, is_free_V].sum(axis=1) + np.cumsum(density_UK[::-1], axis=0)[::-1]
        mean_UK = left_UK / num_left_U[:, None]
        # No rank that is left has any density: no bet.
        ratio_UK = np.divide(density_UK, mean_UK, out=np.ones_like(density_UK), where=mean_UK > 0)
        ratio_UN = ratio_UK[:, np.floor(num_undecided * u_N).astype(np.int64)]
        log_bets += [np.log1p(stake * (ratio_UN - 1)) for stake in STAKES]
    return np.stack(log_bets, axis=1)


@lru_cache(maxsize=16)
def rank_densities(vocab_size: int, num_undecided: int) -> Floats:
    """Density of Beta(k + 1, m - k) at every rank, for k = 0 .. m - 1, shape (m, V)."""
    from scipy.special import gammaln, xlog1py, xlogy

    eta_V = np.arange(vocab_size) / max(1, vocab_size - 1)
    k_K1 = np.arange(num_undecided)[:, None]
    log_scale = gammaln(num_undecided + 1) - gammaln(k_K1 + 1) - gammaln(num_undecided - k_K1)
    density_KV = np.exp(log_scale + xlogy(k_K1, eta_V) + xlog1py(num_undecided - k_K1 - 1, -eta_V))
    density_KV.setflags(write=False)
    return density_KV
