"""An LLM compares two replies in both orders.

    P(first wins) = 1, 1/2 or 0   as   sign(v_1) + sign(v_2)   is positive, zero or negative
    v_g           = how far the first reply is ahead in game g; it is shown as A in game 1 and as B in game 2

Judges prefer a place on the page, often the first (Zheng et al. 2023, "Judging LLM-as-a-Judge", arXiv 2306.05685; both
orders is their remedy). A verdict that flips with the order says nothing about the replies: it is a half, and how often
that happens is reported. A game that cannot be read makes its pair a half too, and is counted: the other game alone
would bring the place back in.

Comparing (a, b) and (b, a) costs two games, not four, and the two results are exactly opposite.
"""

# pyright: strict
from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.core.messages import Message
from reasonry.core.sampling.base import Sampler
from reasonry.core.scoring import judge_prompts as prompts
from reasonry.core.scoring.base import FloatArray
from reasonry.core.scoring.judge import Judging
from reasonry.core.scoring.verdicts import ReadVerdict, read_pick
from reasonry.core.stats import Interval, clopper_pearson


class Pair(NamedTuple):
    """Two replies to one prompt."""

    messages: tuple[Message, ...]
    first: str
    second: str


class Comparisons(NamedTuple):
    """Result of `PairwiseJudge.compare` for N pairs.

    Attributes:
        wins: Shape (N,): probability that the first wins: 1, 0.5 or 0.
        margins: Shape (N, 2): how far the first is ahead in each game, -2..2 (2: much better); NaN when unreadable.
        texts: What the judge wrote in the two games; empty for two equal replies, which are not judged.
    """

    wins: FloatArray
    margins: FloatArray
    texts: list[tuple[str, str]]

    @property
    def is_read(self) -> NDArray[np.bool_]:
        """Shape (N,): both games could be read, so that a half is a verdict."""
        unread = np.isnan(self.margins)
        return ~(unread[:, 0] | unread[:, 1])


class PositionBias(NamedTuple):
    """How often a verdict followed the place on the page.

    Attributes:
        num_pairs: Pairs judged in both orders and readable in both; equal replies are left out.
        num_same: The two orders agree.
        num_first_shown: Both games went to the reply shown first.
        num_second_shown: Both games went to the reply shown second.
        num_half: One game was a tie, the other was not.
        num_unreadable: Pairs with a game that could not be read (not in ``num_pairs``).
        share_first_shown: Of the pairs that followed their place, the share that went to the first; NaN when none did.
        interval: Clopper-Pearson interval of that share. Without a preference for a place it is 1/2.
    """

    num_pairs: int
    num_same: int
    num_first_shown: int
    num_second_shown: int
    num_half: int
    num_unreadable: int
    share_first_shown: float
    interval: Interval


class PairwiseJudge(Judging):
    """An LLM compares two replies, in both orders.

    Args:
        sampler: Any sampler.
        criteria: What the replies are judged by; completes "Judge the replies by ...".
        levels: 3 for A, tie, B; 5 to tell "much better" apart (kept in ``margins``, no weight in ``wins``).
        require_code: As for `Judge`.
        name: For tables.
    """

    def __init__(
        self,
        sampler: Sampler,
        *,
        criteria: str = prompts.CRITERIA,
        levels: Literal[3, 5] = 3,
        require_code: bool = False,
        name: str = "pairwise judge",
    ) -> None:
        super().__init__(sampler, num_samples=1, criteria=criteria, require_code=require_code)
        self.name = name
        self._levels: Literal[3, 5] = levels
        self._bias: Counter[str] = Counter()

    @property
    def identity(self) -> dict[str, Any]:
        """Sampler and wording."""
        return self.describe("pairwise judge", levels=self._levels)

    def compare(self, pairs: Sequence[Pair]) -> Comparisons:
        """Judge every pair in both orders.

        A tie in one game and a win in the other is a win: nothing speaks against it.

        Raises:
            DataError: The sampler left out a sample.
            EndpointError: From the sampler.
        """
        start_s = time.perf_counter()
        games: dict[str, prompts.JudgePrompt] = {}
        played: list[tuple[str, str] | None] = []
        for pair in pairs:
            if pair.first == pair.second:
                played.append(None)
                continue
            one, two = (
                prompts.pair_prompt(pair.messages, a, b, criteria=self._criteria, levels=self._levels)
                for a, b in ((pair.first, pair.second), (pair.second, pair.first))
            )
            games |= {one.text: one, two.text: two}
            played.append((one.text, two.text))
        completions = [each[0] for each in self.ask(list(games.values()))]
        verdicts = [self.read(c, p, read_pick) for c, p in zip(completions, games.values(), strict=True)]
        self.count(verdicts)
        text_of = {game: c.text for game, c in zip(games, completions, strict=True)}
        ahead_of = {game: _ahead(verdict) for game, verdict in zip(games, verdicts, strict=True)}

        margins = np.zeros((len(pairs), 2))
        for i, keys in enumerate(played):
            self.stats.num_items += 1
            if keys is None:
                self.stats.warned["equal replies, not judged"] += 1
                continue
            if games[keys[0]].num_broken:
                self.stats.warned["chat-control words in a judged text"] += 1
            margins[i] = ahead_of[keys[0]], -ahead_of[keys[1]]
            self._note(margins[i])
        ahead = np.sign(margins).sum(-1)
        wins = np.where(np.isnan(ahead), 0.5, (1 + np.sign(ahead)) / 2)
        texts = [("", "") if keys is None else (text_of[keys[0]], text_of[keys[1]]) for keys in played]
        self.stats.seconds += time.perf_counter() - start_s
        return Comparisons(wins, margins, texts)

    def _note(self, margin: FloatArray) -> None:
        one, two = np.sign(margin)
        if np.isnan(one) or np.isnan(two):
            self._bias["unreadable"] += 1
            self.stats.warned["a game unreadable, counted as a half"] += 1
        elif one == two:
            self._bias["same"] += 1
        else:
            self._bias["half" if one == 0 or two == 0 else "first" if one > 0 else "second"] += 1

    def position_bias(self, *, level: float = 0.95) -> PositionBias:
        """How often verdicts followed the order, over all comparisons so far."""
        b = self._bias
        num_flips = b["first"] + b["second"]
        share = b["first"] / num_flips if num_flips else float("nan")
        return PositionBias(
            b["same"] + b["half"] + num_flips,
            b["same"],
            b["first"],
            b["second"],
            b["half"],
            b["unreadable"],
            share,
            clopper_pearson(b["first"], num_flips, level=level),
        )


def _ahead(verdict: ReadVerdict | str) -> float:
    """Margin of the reply shown as A; NaN when unreadable."""
    return float("nan") if isinstance(verdict, str) or verdict.value is None else verdict.value
