"""What the schemes with a key sequence share: a cycle of N keyed positions, a random start, a search over the offsets.

A text begins at a position that is drawn afresh for it, and its token t is made by position (start + t) mod N. The
reader knows neither the start nor the prompt; it compares all offsets for the p-value, and bets on all of them for the
e-process (`reasonry.watermark.baselines.alignment`, `reasonry.watermark.baselines.offset_bets`).

A text of up to N tokens has exactly the model's law, over keys; beyond N tokens, and among the texts of one key,
positions are used again. This is why N is not small, and a larger N makes the search longer and the evidence weaker.

The reference keys of the p-value are made of the secret as well, for another purpose: over keys they are R fresh ones,
and reading a text twice gives the same p. What they give for a text is kept, for the last texts read; it belongs to
the very text and not to its length, because a token that occurs twice meets the same columns twice.

Legend: T tokens, U distinct tokens in order of appearance, X keys side by side, N key positions, G bets, V vocabulary.
"""

# pyright: strict
from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reasonry.errors import ConfigError
from reasonry.watermark.baselines.alignment import (
    Alignment,
    CostArray,
    check_lengths,
    lengths_within,
    permutation_p,
)
from reasonry.watermark.baselines.base import Floats, Ints, Reading
from reasonry.watermark.baselines.offset_bets import first_occurrences, log_e_path, slip_kernel
from reasonry.watermark.baselines.scored import Ids, check_vocab_size, token_ids

_TEXTS_KEPT = 32
_COSTS_AT_ONCE = 1 << 22


class KeySequenceScheme(ABC):
    """A scheme with a cycle of keyed positions.

    Args:
        vocab_size: Tokens that the model chooses from.
        num_positions: N.
        num_runs: R, reference keys of the p-value, which is at least 1 / (R + 1).
        lengths: Where p is computed: every so many tokens and at the end, or after exactly these numbers of tokens.
        alignment: Which alignments are compared.
        slip_rate: Chance of a slip at a token, for the e-process.

    Raises:
        ConfigError: A parameter is out of range.
    """

    name: str
    is_distortion_free = True

    def __init__(
        self,
        *,
        vocab_size: int,
        num_positions: int,
        num_runs: int,
        lengths: int | Sequence[int],
        alignment: Alignment,
        slip_rate: float,
    ) -> None:
        if num_positions < 1 or num_runs < 1:
            raise ConfigError(
                f"{num_positions} key positions and {num_runs} reference runs", remedy="Use at least 1 of each."
            )
        check_lengths(lengths)
        self.vocab_size = check_vocab_size(vocab_size)
        self.num_positions = num_positions
        self.num_runs = num_runs
        self.lengths = lengths
        self.alignment = alignment
        self._kernel_NN = slip_kernel(num_positions, slip_rate)
        self._references: OrderedDict[bytes, Floats] = OrderedDict()

    def __reduce__(self) -> str:
        raise TypeError("a scheme holds a key: it is not serialised")

    @abstractmethod
    def choose(self, q_V: Floats, position: int) -> int:
        """The token that a position of the key makes of the law ``q_V``."""

    @abstractmethod
    def costs(self, token_U: Ints) -> CostArray:
        """Cost of each token at each position, shape (U, N); small where the mark puts it."""

    @abstractmethod
    def reference_costs(self, token_U: Ints, run_X: NDArray[np.int64]) -> CostArray:
        """The same under these reference keys, numbered from 1, shape (U, X, N)."""

    @abstractmethod
    def log_bets(self, token_U: Ints) -> Floats:
        """The bets log e_g(position, token), for each token given the columns of those before it, shape (U, G, N)."""

    def start(self) -> KeySequenceMarker:
        """A marker for a new text."""
        return KeySequenceMarker(self)

    def least_costs(self, ids: Ids) -> Floats:
        """The statistic phi after each length at which p is computed."""
        token_U, place_T = first_occurrences(token_ids(ids, self.vocab_size))
        return self._observed(token_U, place_T, lengths_within(self.lengths, len(place_T)))

    def read(self, ids: Ids) -> Reading:
        """Test a text.

        The p-value takes in every token and the e-process the first occurrence of each; the others count as
        duplicates.

        Raises:
            DataError: ``ids`` are not token ids of the vocabulary.
        """
        ids_T = token_ids(ids, self.vocab_size)
        token_U, place_T = first_occurrences(ids_T)
        length_L = lengths_within(self.lengths, len(ids_T))
        p_T = np.full(len(ids_T), np.nan)
        if length_L:
            reference_RL = self._reference(ids_T, token_U, place_T, length_L)
            p_T[np.array(length_L) - 1] = permutation_p(self._observed(token_U, place_T, length_L), reference_RL)
        return Reading(
            position_T=np.arange(len(ids_T)),
            p_T=p_T,
            log_e_T=log_e_path(self.log_bets(token_U), place_T, self._kernel_NN),
            num_tok=len(ids_T),
            num_duplicate=len(ids_T) - len(token_U),
        )

    def _observed(self, token_U: Ints, place_T: Ints, length_L: list[int]) -> Floats:
        return self.alignment.least_costs(self.costs(token_U)[:, None], place_T, length_L)[0]

    def _reference(self, ids_T: Ints, token_U: Ints, place_T: Ints, length_L: list[int]) -> Floats:
        name = hashlib.blake2b(ids_T.tobytes(), digest_size=16).digest()
        found = self._references.get(name)
        if found is None:
            at_once = max(1, _COSTS_AT_ONCE // (2 * self.num_positions * max(1, len(token_U))))
            run_R = np.arange(1, self.num_runs + 1)
            found = np.concatenate(
                [
                    self.alignment.least_costs(self.reference_costs(token_U, run_X), place_T, length_L)
                    for run_X in np.split(run_R, range(at_once, self.num_runs, at_once))
                ]
            )
            self._references[name] = found
            if len(self._references) > _TEXTS_KEPT:
                self._references.popitem(last=False)
        self._references.move_to_end(name)
        return found


class KeySequenceMarker:
    """Marks one text along the key, from a start that is drawn at its first step."""

    def __init__(self, scheme: KeySequenceScheme) -> None:
        self._scheme = scheme
        self._start: int | None = None

    def step(self, q_V: Floats, history: Sequence[int], rng: np.random.Generator) -> int:
        """See `reasonry.watermark.baselines.base.Marker`."""
        if self._start is None:
            self._start = int(rng.integers(self._scheme.num_positions))
        return self._scheme.choose(q_V, (self._start + len(history)) % self._scheme.num_positions)


def text_of_lengths(lengths: int | Sequence[int]) -> int | str:
    """The lengths for a scheme's name, which has no commas within a value."""
    return lengths if isinstance(lengths, int) else " ".join(map(str, lengths))


def positions_of_runs(run_X: NDArray[np.int64], num_positions: int) -> NDArray[Any]:
    """A number for each position of each reference key, shape (X, N)."""
    return run_X[:, None] * num_positions + np.arange(num_positions)
