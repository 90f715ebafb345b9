"""What a detector asks of an anchor."""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from reasonry.watermark.prf import Words


class Keyed(NamedTuple):
    """Text symbol against keyed symbol, for S scored tokens under K keys.

    Attributes:
        match_SK: Whether they agree.
        p_SK: The anchor's probability of the text's symbol: that of agreement, if the text knows nothing of the key.
            One number when it is the same everywhere.
    """

    match_SK: NDArray[np.bool_]
    p_SK: NDArray[np.float64] | float


class Anchor(Protocol):
    """The law of the keyed symbol, given the text before it."""

    def read(
        self, ids_T: NDArray[np.int64], position_S: NDArray[np.int64], words_K: Sequence[Words], num_bins: int
    ) -> Keyed:
        """Compare a text with the keyed symbols.

        Args:
            ids_T: The text's tokens, as far back as the anchor looks.
            position_S: Indices in ``ids_T`` of the tokens to score.
            words_K: For each key the words of the contexts of those tokens.
            num_bins: Symbols; 0 when every token is its own symbol.
        """
        ...

    @property
    def context_tok(self) -> int | None:
        """How many tokens back the law looks; None for the whole text so far."""
        ...
