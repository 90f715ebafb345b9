"""Which tokens of the reasoning are replaced or removed, by every method; nothing here knows what stands there instead.

With n = floor(t_c / L) full chunks of L tokens among t_c, and x in [0, 1) the share of training that is done:

    drawn       chunks 0 .. m/L - 1                                          m of a law
    every       chunks 0 .. n - 1
    growing     chunks 0 .. min(n, ceil(N s / (S - 1))) - 1                  s = floor(S x), N chunks of the longest
    some        each chunk with probability p; chunks side by side are one run
    whole       t_c tokens
    shrinking   min(t_c, floor(D e) + o) tokens, P(o) ~ exp(-lambda o)       e epochs done

Stage 0 of S is plain CoT, the last one replaces everything: like the stages of Coconut, which is what the paper says of
its curriculum. RECONSTRUCTED: that stages are equally long, that chunks come from the left, and p = 0.5. S = 1 is the
last stage alone. `shrinking` is iCoT's (Deng et al., arXiv 2405.14838, D = 8 tokens per epoch, lambda = 4), whose
authors reset the optimizer each time floor(D e) changes: `num_removed`.

Degenerate: without a full chunk nothing is ever replaced; `whole` and `shrinking` do not look at chunks.
"""

# pyright: strict
from __future__ import annotations

import math
from typing import NamedTuple

from reasonry.errors import ConfigError
from reasonry.training.latent_tokens.mixing.draws import Random
from reasonry.training.latent_tokens.mixing.laws import Law
from reasonry.training.latent_tokens.mixing.methods import Method

_EPSILON = 1e-9  # step / steps per epoch may be rounded to just below a whole number of tokens


class MixSettings(NamedTuple):
    """How rows are mixed.

    Attributes:
        law: Of m, with the size of a chunk.
        codes_per_chunk: Codes of each.
        probability: p, that `poisson` replaces a chunk.
        num_stages: S, of `curriculum`.
        longest_tok: The longest reasoning of the training data, tokens; `curriculum` ends there.
        removed_per_epoch_tok: D, of `icot`.
        smoothing: lambda, of `icot`; infinity: no tokens are removed at random.
        num_pauses: Of `pause`.
        empty_markers: Whether rows in which no chunk is replaced have the markers all the same, around nothing, where
            a method has codes. RECONSTRUCTED: not, so that they are plain CoT.
    """

    law: Law = Law()
    codes_per_chunk: int = 1
    probability: float = 0.5
    num_stages: int = 8
    longest_tok: int = 0
    removed_per_epoch_tok: float = 8.0
    smoothing: float = 4.0
    num_pauses: int = 0
    empty_markers: bool = False

    def check(self) -> None:
        """Refuse numbers that mean nothing.

        Raises:
            ConfigError: One of them.
        """
        for name, is_right, remedy in (
            ("codes_per_chunk", self.codes_per_chunk >= 1, "Give 1 or more."),
            ("probability", 0 <= self.probability <= 1, "Give a number from 0 to 1."),
            ("num_stages", self.num_stages >= 1, "Give 1 or more."),
            ("removed_per_epoch_tok", 0 <= self.removed_per_epoch_tok < math.inf, "Give a number from 0 on."),
            ("smoothing", self.smoothing > 0, "Give a number above 0; inf for no smoothing."),
            ("num_pauses", self.num_pauses >= 0, "Give 0 or more."),
        ):
            if not is_right:
                raise ConfigError(f"{name} {getattr(self, name)}", place=name, remedy=remedy)


class Moment(NamedTuple):
    """How far training is.

    Attributes:
        epoch: Epochs done, with a fraction; the whole part names random streams.
        progress: Share of the training that is done, 0 to 1.
    """

    epoch: float = 0.0
    progress: float = 0.0


START, END = Moment(), Moment(1.0, 1.0)
"""Of a training of one epoch."""


class Gone(NamedTuple):
    """What of the reasoning is not written.

    Attributes:
        runs: Replaced chunks as (first, behind the last), ascending, apart from each other.
        removed_tok: Tokens removed from the left; 0 where there are runs.
    """

    runs: tuple[tuple[int, int], ...] = ()
    removed_tok: int = 0


_NOTHING = Gone()


def gone(method: Method, cot_tok: int, *, settings: MixSettings, rng: Random, moment: Moment = START) -> Gone:
    """Choose what of an example's reasoning is not written.

    Args:
        method: Says how.
        cot_tok: Tokens of the reasoning.
        settings: Numbers.
        rng: Draws: one number for a law, one for each chunk where chunks are drawn apart.
        moment: How far training is.
    """
    law = settings.law
    if method.goes == "drawn":
        m_tok = law.distribution(cot_tok).quantile(rng.random())
        return first_tok(m_tok, method, settings=settings)
    if method.goes == "every":
        return _first_chunks(law.num_chunks(cot_tok))
    if method.goes == "growing":
        return _first_chunks(min(law.num_chunks(cot_tok), cap_chunks(settings, moment.progress)))
    if method.goes == "some":
        return Gone(runs_of([rng.random() < settings.probability for _ in range(law.num_chunks(cot_tok))]))
    if method.goes == "whole":
        return Gone((), cot_tok)
    if method.goes == "shrinking":
        more = int(-math.log1p(-rng.random()) / settings.smoothing)
        return Gone((), min(cot_tok, num_removed(settings, moment.epoch) + more))
    return _NOTHING


def first_tok(m_tok: int, method: Method, *, settings: MixSettings) -> Gone:
    """The first ``m_tok`` tokens: as a run of chunks, or as tokens where nothing stands for them."""
    if method.instead == "nothing":
        return Gone((), m_tok)
    return _first_chunks(m_tok // settings.law.chunk_tok)


def _first_chunks(num: int) -> Gone:
    return Gone(((0, num),)) if num else _NOTHING


def stage(settings: MixSettings, progress: float) -> int:
    """The stage of a curriculum, 0 to S - 1."""
    return min(settings.num_stages - 1, int(settings.num_stages * progress + _EPSILON))


def cap_chunks(settings: MixSettings, progress: float) -> int:
    """Most chunks that a curriculum replaces."""
    longest, last = settings.law.num_chunks(settings.longest_tok), settings.num_stages - 1
    return longest if not last else -(-longest * stage(settings, progress) // last)


def num_removed(settings: MixSettings, epoch: float) -> int:
    """Tokens that `icot` removes for certain after so many epochs; the optimizer is reset when it changes."""
    return int(settings.removed_per_epoch_tok * epoch + _EPSILON)


def epochs_until_removed(settings: MixSettings, cot_tok: int) -> float:
    """Epochs until `icot` has removed reasoning of so many tokens; infinity where it never will."""
    return (
        cot_tok / settings.removed_per_epoch_tok if settings.removed_per_epoch_tok else (math.inf if cot_tok else 0.0)
    )


def runs_of(is_replaced: list[bool]) -> tuple[tuple[int, int], ...]:
    """Neighbouring True as (first, behind the last)."""
    runs: list[tuple[int, int]] = []
    for at, replaced in enumerate(is_replaced):
        if not replaced:
            continue
        if runs and runs[-1][1] == at:
            runs[-1] = runs[-1][0], at + 1
        else:
            runs.append((at, at + 1))
    return tuple(runs)
