"""EXP and EXP-edit of Kuditipudi et al. (arXiv 2307.15593): a cycle of keyed vectors, exponential minimum sampling.

    xi[j, v]    uniform, one for every position j < N of the key and every token v
    token       argmin_v  -log(xi[j, v]) / q_v            a draw from q: the exponential of rate q_v that rings first
    cost        log(1 - xi[j, y])                         strongly negative where xi is near 1
    EXP         one offset for the whole text
    EXP-edit    Levenshtein alignments with gap cost 0: a token or a key position left out costs only what it would win
    e-process   bets 1 - s + s kappa xi^(kappa-1) on the first occurrence of each token, over offsets (EXP-edit: which
                may slip); the xi of a token of probability 1/kappa has density kappa xi^(kappa-1)             [ours]

The alignments and the p-value: `reasonry.watermark.baselines.alignment`. The e-process, with the proof that it is one:
`reasonry.watermark.baselines.offset_bets`; each bet has mean 1 for xi uniform, and the column xi[., y] of a token that
did not occur before is uniform and independent of all other columns. A stake s below 1 is for text in which certain and
uncertain steps alternate: on a step of no entropy it loses at most -log(1 - s) nats, however small xi.

Where a step has the context hash in place of the position the same rule is Aaronson's Gumbel scheme, which needs no
search over offsets but loses every token after an edit of its context.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reasonry.watermark.baselines.alignment import Alignment, CostArray
from reasonry.watermark.baselines.base import Floats, Ints
from reasonry.watermark.baselines.key_sequence import KeySequenceScheme, positions_of_runs, text_of_lengths
from reasonry.watermark.baselines.key_words import KeyWords, open_uniforms
from reasonry.watermark.baselines.parsing import text_form
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.prf import token_words

KAPPAS = np.array([2.5, 6.0, 15.0, 45.0])
STAKES = (0.15, 0.35, 0.75)


class Exponential(KeySequenceScheme):
    """EXP.

    Args:
        key: The secret.
        vocab_size: Tokens that the model chooses from.
        num_positions: Length N of the key.
        num_runs: Reference keys of the p-value, which is at least 1 / (num_runs + 1).
        lengths: Where p is computed: every so many tokens and at the end, or after exactly these numbers of tokens.
        block_tok: Test the best block of so many tokens in place of the whole text.

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
    ) -> None:
        super().__init__(
            vocab_size=vocab_size,
            num_positions=num_positions,
            num_runs=num_runs,
            lengths=lengths,
            alignment=Alignment(block_tok=block_tok),
            slip_rate=0.0,
        )
        self.name = text_form(
            "exp",
            Exponential,
            num_positions=num_positions,
            num_runs=num_runs,
            lengths=text_of_lengths(lengths),
            block_tok=block_tok,
        )
        self._set_key(key)

    def _set_key(self, key: SecretKey) -> None:
        self._seed_N = KeyWords(key, "baselines/exponential/key")(np.arange(self.num_positions))
        self._reference_words = KeyWords(key, "baselines/exponential/reference")

    def uniforms(self, token_U: Ints, position_K: Ints) -> Floats:
        """The numbers xi of tokens at positions, shape (U, K)."""
        return open_uniforms(token_words(self._seed_N[position_K], token_U[:, None]))

    def choose(self, q_V: Floats, position: int) -> int:
        """The token that a position of the key makes of the law ``q_V``."""
        token_K = np.flatnonzero(q_V > 0)
        xi_K = self.uniforms(token_K, np.array([position]))[:, 0]
        return int(token_K[np.argmin(-np.log(xi_K) / q_V[token_K])])

    def costs(self, token_U: Ints) -> CostArray:
        """The costs log(1 - xi), shape (U, N)."""
        return _log_complement(self.uniforms(token_U, np.arange(self.num_positions)))

    def reference_costs(self, token_U: Ints, run_X: NDArray[np.int64]) -> CostArray:
        """The same under reference keys, shape (U, X, N)."""
        seed_XN = self._reference_words(positions_of_runs(run_X, self.num_positions))
        return _log_complement(open_uniforms(token_words(seed_XN, token_U[:, None, None])))

    def log_bets(self, token_U: Ints) -> Floats:
        """The logarithm of the bet of each kappa and stake, shape (U, G, N)."""
        xi_U1N = self.uniforms(token_U, np.arange(self.num_positions))[:, None]
        excess_UKN = KAPPAS[:, None] * xi_U1N ** (KAPPAS[:, None] - 1) - 1
        return np.concatenate([np.log1p(stake * excess_UKN) for stake in STAKES], axis=1)


class ExponentialEdit(Exponential):
    """EXP-edit: survives tokens that were left out or put in.

    Args:
        key: The secret. Text that `Exponential` marked under it is found, too: only the reader differs.
        vocab_size: Tokens that the model chooses from.
        num_positions: Length N of the key.
        num_runs: Reference keys of the p-value.
        lengths: Where p is computed; see `Exponential`.
        block_tok: Test the best block of so many tokens; blocks then overlap by three quarters.
        gap: Cost of leaving out a token or a key position.
        band_tok: Most tokens by which an alignment drifts within a block; None for Levenshtein's whole table, which
            takes the time of a band as wide as the text.
        slip_rate: Chance of a slip at a token, for the e-process.

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
        gap: float = 0.0,
        band_tok: int | None = 16,
        slip_rate: float = 0.02,
    ) -> None:
        KeySequenceScheme.__init__(
            self,
            vocab_size=vocab_size,
            num_positions=num_positions,
            num_runs=num_runs,
            lengths=lengths,
            alignment=Alignment(gap=gap, band_tok=band_tok, block_tok=block_tok),
            slip_rate=slip_rate,
        )
        self.name = text_form(
            "exp-edit",
            ExponentialEdit,
            num_positions=num_positions,
            num_runs=num_runs,
            lengths=text_of_lengths(lengths),
            block_tok=block_tok,
            gap=gap,
            band_tok=band_tok,
            slip_rate=slip_rate,
        )
        self._set_key(key)


def _log_complement(xi: Floats) -> CostArray:
    # Half the memory traffic of the tables; the text's own key and the reference keys are rounded alike.
    return np.log1p(-xi).astype(np.float32)
