"""SynthID-Text: the token that wins a tournament of m keyed rounds (Dathathri et al., Nature 634 (2024) 818).

    hash     h <- (h + x) A + 1 over the H context tokens, the token and a round's key, from h = 1, in 64-bit integers
             that wrap around, A = 6364136223846793005                     the arithmetic of transformers' SynthID
    cell     h mod C;  g = table[cell], a keyed fair bit                   C = 65536
    mark     p_0 = q,  p_l(v) = p_{l-1}(v) (1 + g_l(v) - sum_u g_l(u) p_{l-1}(u))   l = 1..m, tournaments of two
             token ~ p_m; where too little text stands before, or the context occurred already, token ~ q
    scores, p-values, e-process        `reasonry.watermark.baselines.tournament`

Only the lower 16 bits of the hash choose a cell, so after t tokens the expected number of distinct cells is
C (1 - exp(-m t / C)) and not m t. A bit that is read again is no new evidence: counted twice it would inflate the
variance of the sum, by about 1 + m t / C (+9 % at 200 tokens, +46 % at 1000). Here a cell counts where it is read
first [ours]: which cells are read is settled by the text and the round keys, the bits in distinct cells are fair and
independent of both, and so p and e are exact. A text exhausts the table after some ten thousand tokens; ``num_cells``
makes it larger. Rounds of one key are never given equal cells.

With bits that are fair and independent the mean of p_m over the key is q. Tokens v, v' for which
A (v - v') = key_l' - key_l (mod C) share a bit between rounds l and l', so this holds up to about m (m - 1) / C of the
pairs of tokens. Bits of a table that is public (transformers takes them from a seeded generator) are fixed: validity
then rests on the round keys alone, and the table's share of ones must be near a half.

transformers starts from a context of zeros, the same for every text; the first H tokens are not marked here.

Legend: T tokens of a text, M rounds (m), V vocabulary, N scored tokens, G bets.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.errors import ConfigError, nearest
from reasonry.watermark.baselines.base import Floats, Ints, Reading, draw
from reasonry.watermark.baselines.key_words import KeyWords
from reasonry.watermark.baselines.parsing import text_form
from reasonry.watermark.baselines.scored import Ids, check_vocab_size, context_before, token_ids
from reasonry.watermark.baselines.tournament import (
    MULTIPLIER,
    Bits,
    TournamentScores,
    first_reads,
    hash_tokens,
    score_bits,
    tournament,
)
from reasonry.watermark.contexts import SeenContexts
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.prf import contexts_of

Statistic = Literal["mean", "weighted"]


class SynthID:
    """Tournament marks.

    Args:
        key: The secret; it makes the table and the round keys.
        vocab_size: Tokens in the vocabulary (the width of the logits).
        num_rounds: Rounds m of the tournament.
        context_tok: Tokens H that seed a step (transformers' ``ngram_len - 1``).
        num_cells: Size C of the table, a power of two of at least 64.
        statistic: Which score the p-value of `read` is of.
        table: Bits in place of the key's own, e.g. those of transformers' ``sampling_table``; any length.
        keys: Round keys in place of the key's own; their number replaces ``num_rounds``.

    Raises:
        ConfigError: A parameter is out of range.
    """

    is_distortion_free = True

    def __init__(
        self,
        key: SecretKey,
        *,
        vocab_size: int,
        num_rounds: int = 30,
        context_tok: int = 4,
        num_cells: int = 65536,
        statistic: Statistic = "mean",
        table: ArrayLike | None = None,
        keys: Sequence[int] | NDArray[Any] | None = None,
    ) -> None:
        if context_tok < 1:
            raise ConfigError(f"a context of {context_tok} tokens", place="context_tok", remedy="Use at least 1.")
        if statistic not in ("mean", "weighted"):
            raise ConfigError(
                f"unknown statistic {statistic!r}",
                place="statistic",
                remedy=f"{nearest(statistic, ['mean', 'weighted'])} Use mean or weighted.",
            )
        self.vocab_size = check_vocab_size(vocab_size)
        self.context_tok = context_tok
        self.statistic: Statistic = statistic
        self._table = _own_table(key, num_cells) if table is None else _given_table(table)
        if keys is None:
            self._keys = _own_round_keys(key, num_rounds, len(self._table))
        else:
            self._keys = np.asarray(keys, dtype=np.int64).reshape(-1)
        self.num_rounds = len(self._keys)
        self.name = text_form(
            "synthid",
            SynthID,
            num_rounds=self.num_rounds,
            context_tok=context_tok,
            num_cells=len(self._table),
            statistic=statistic,
        )
        if self.num_rounds < 1:
            raise ConfigError("a tournament without rounds", place="keys", remedy="Use at least 1.")

    def __reduce__(self) -> str:
        raise TypeError("a scheme holds a key: it is not serialised")

    def start(self) -> TournamentMarker:
        """A marker for a new text."""
        return TournamentMarker(self)

    def step_g_values(self, context_1H: Ints, token_K: Ints) -> Bits:
        """g-values of candidate tokens after a context, shape (K, M)."""
        hash_1 = hash_tokens(np.ones(1, np.int64), context_1H)
        return self._table[self._cells(hash_tokens(hash_1, token_K[:, None]))]

    def g_values(self, ids: Ids) -> Bits:
        """g-values of every token of a text that has a context, repeated contexts included, shape (T - H, M)."""
        ids_T = token_ids(ids, self.vocab_size)
        return self._table[self._text_cells(ids_T)]

    def scores(self, ids: Ids) -> TournamentScores:
        """Both scores of a text with their p-values, and the e-process."""
        return self._score(token_ids(ids, self.vocab_size))[0]

    def read(self, ids: Ids) -> Reading:
        """Test a text."""
        ids_T = token_ids(ids, self.vocab_size)
        scores, new_N = self._score(ids_T)
        return Reading(
            position_T=np.flatnonzero(new_N) + self.context_tok,
            p_T=scores.p_mean_N if self.statistic == "mean" else scores.p_weighted_N,
            log_e_T=scores.log_e_N,
            num_tok=len(ids_T),
            num_short_context=min(self.context_tok, len(ids_T)),
            num_duplicate=int((~new_N).sum()),
        )

    def _score(self, ids_T: Ints) -> tuple[TournamentScores, NDArray[np.bool_]]:
        new_N = SeenContexts().first_seen(contexts_of(ids_T, self.context_tok).hash_N)
        cell_NM = self._text_cells(ids_T)[new_N]
        return score_bits(self._table[cell_NM], first_reads(cell_NM)), new_N

    def _text_cells(self, ids_T: Ints) -> Ints:
        contexts_NH = contexts_of(ids_T, self.context_tok).ids_NH
        hash_N = hash_tokens(np.ones(len(contexts_NH), np.int64), contexts_NH)
        return self._cells(hash_tokens(hash_N, ids_T[self.context_tok :, None]))

    def _cells(self, hash_N: Ints) -> Ints:
        hash_NM = (hash_N[:, None] + self._keys) * MULTIPLIER + 1
        # The sign of the remainder is the divisor's, in numpy as in torch.
        return hash_NM % len(self._table)


class TournamentMarker:
    """Marks one text; knows which contexts it has used."""

    def __init__(self, scheme: SynthID) -> None:
        self._scheme = scheme
        self._seen = SeenContexts()

    def step(self, q_V: Floats, history: Sequence[int], rng: np.random.Generator) -> int:
        """See `Marker.step`."""
        u = float(rng.random())
        context = context_before(history, self._scheme.context_tok)
        if context is None or not self._seen.first_seen(context.hash_N)[0]:
            return draw(q_V, u)
        token_K = np.flatnonzero(q_V > 0)
        marked_K = tournament(q_V[token_K], self._scheme.step_g_values(context.ids_NH, token_K))
        return int(token_K[draw(marked_K, u)])


def _own_table(key: SecretKey, num_cells: int) -> Bits:
    if num_cells < 64 or num_cells & (num_cells - 1):
        raise ConfigError(
            f"a table of {num_cells} cells", place="num_cells", remedy="Use a power of two of at least 64."
        )
    words = KeyWords(key, "baselines/synthid/table")(np.arange(num_cells // 64))
    return np.unpackbits(words.astype("<u8").view(np.uint8))


def _given_table(table: ArrayLike) -> Bits:
    bits = np.asarray(table)
    if bits.ndim != 1 or not len(bits) or not np.isin(bits, (0, 1)).all():
        raise ConfigError("the table is not a list of zeros and ones", place="table", remedy="Pass sampling_table.")
    return bits.astype(np.uint8)


def _own_round_keys(key: SecretKey, num_rounds: int, num_cells: int) -> Ints:
    """Keys of distinct residues: two rounds of one residue would be one round played twice, which distorts."""
    if not 1 <= num_rounds <= num_cells // 2:
        raise ConfigError(
            f"a tournament of {num_rounds} rounds", place="num_rounds", remedy=f"Use 1 to {num_cells // 2}."
        )
    candidates = KeyWords(key, "baselines/synthid/rounds")(np.arange(8 * num_rounds + 64)).astype(np.int64)
    first = np.sort(np.unique(candidates % num_cells, return_index=True)[1])
    return candidates[first][:num_rounds]
