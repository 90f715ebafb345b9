"""Rates of false alarms on windows of human text: pure counting, no files.

Every window is read under every key as a detector reads it: one token after the other, with a look at the e-value
after each. An alarm is a window whose e-value reaches 1/alpha at any token of it.

    rate = alarms / (windows x keys),   Clopper-Pearson interval

Three ways to treat contexts that occurred before are counted side by side on the same windows and keys:

    document   the first occurrence in the window counts: the guarantee holds, P(alarm) <= alpha for a random key
    none       every occurrence counts: one keyed symbol is counted several times, and there is no guarantee
    corpus     the first occurrence in the whole corpus counts: moreover windows do not repeat each other's luck

Legend: N windows, T tokens of each, S tokens of one that have a whole context, K keys.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from reasonry.core.stats import clopper_pearson
from reasonry.watermark.anchors import Anchor
from reasonry.watermark.contexts import SeenContexts
from reasonry.watermark.detection.detector import WatermarkDetector
from reasonry.watermark.e_process import log_e_path
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.prf import contexts_of, make_prf
from reasonry.watermark.profile import Profile

Dedup = Literal["document", "none", "corpus"]
DEDUPS: tuple[Dedup, ...] = get_args(Dedup)
_MOST_SHOWN = 12


class Rate(NamedTuple):
    """A rate of alarms.

    Attributes:
        num_alarms: How many.
        num_trials: Of how many.
        value: Their ratio.
        low: Lower end of the 95 % Clopper-Pearson interval.
        high: Upper end.
    """

    num_alarms: int
    num_trials: int
    value: float
    low: float
    high: float

    @classmethod
    def of(cls, alarms: NDArray[np.bool_]) -> Rate:
        """The rate in an array of outcomes."""
        num, total = int(alarms.sum()), alarms.size
        interval = clopper_pearson(num, total)
        return cls(num, total, num / total, interval.low, interval.high)


@dataclass(frozen=True)
class Outcome:
    """What one way to treat repeated contexts gives, on N windows under K keys.

    Attributes:
        max_log_e_NK: Largest log E (nats) in each window, at least 0.
        alarm_NK: Whether it reached log(1/alpha).
        num_scored_N: Tokens that counted.
    """

    max_log_e_NK: NDArray[np.float64]
    alarm_NK: NDArray[np.bool_]
    num_scored_N: NDArray[np.int64]

    @property
    def rate(self) -> Rate:
        """Over all windows and keys."""
        return Rate.of(self.alarm_NK)

    @property
    def rate_of_key(self) -> list[Rate]:
        """Over the windows, for each key."""
        return [Rate.of(column) for column in self.alarm_NK.T]

    @property
    def spread(self) -> float | None:
        """Standard deviation of the rate between keys over that of independent windows; None where there is none."""
        rate_K = self.alarm_NK.mean(axis=0)
        expected = math.sqrt(rate_K.mean() * (1 - rate_K.mean()) / len(self.alarm_NK))
        return float(rate_K.std(ddof=1)) / expected if len(rate_K) > 1 and expected > 0 else None


class SharedContext(NamedTuple):
    """A context that several windows hold."""

    ids: tuple[int, ...]
    num_windows: int


def measure(
    windows_NT: NDArray[np.int64],
    profile: Profile,
    keys: Sequence[SecretKey],
    *,
    alpha: float,
    bet: str = "mixture",
    anchor: Anchor | None = None,
    tick: Callable[[], None] = lambda: None,
) -> dict[Dedup, Outcome]:
    """Read every window under every key, for each way to treat repeated contexts.

    The anchor is asked once per window, for all keys and ways.

    Args:
        windows_NT: Token ids, N windows of T tokens.
        profile: How text would be marked; its own ``dedup`` is not looked at.
        keys: K of them.
        alpha: Error probability.
        bet: As `WatermarkDetector` takes it.
        anchor: Needed where the profile names a model.
        tick: Called after every window.

    Raises:
        ConfigError: As `WatermarkDetector`.
    """
    # The detector's own checks, bets and anchor; side by side with K keys its e-values would be averaged.
    detector = WatermarkDetector(profile, keys, alpha=alpha, bet=bet, anchor=anchor)
    prfs = [make_prf(profile.prf, key) for key in keys]
    num, h = len(windows_NT), profile.context_tok
    in_corpus = SeenContexts()
    max_log_e = {dedup: np.zeros((num, len(keys))) for dedup in DEDUPS}
    num_scored = {dedup: np.zeros(num, dtype=np.int64) for dedup in DEDUPS}
    for i, ids_T in enumerate(windows_NT):
        contexts = contexts_of(ids_T, h)
        position_S = np.arange(h, len(ids_T))
        keyed = detector.anchor.read(ids_T, position_S, [prf.words(contexts) for prf in prfs], profile.num_bins)
        p_SK = np.broadcast_to(keyed.p_SK, keyed.match_SK.shape)
        counts: dict[Dedup, NDArray[np.bool_]] = {
            "document": SeenContexts().first_seen(contexts.hash_N),
            "none": np.ones(len(position_S), dtype=np.bool_),
            "corpus": in_corpus.first_seen(contexts.hash_N),
        }
        known: dict[bytes, NDArray[np.float64]] = {}
        for dedup, counts_S in counts.items():
            num_scored[dedup][i] = counts_S.sum()
            if counts_S.tobytes() not in known:  # without repetition the three are one
                log_e_SK = log_e_path(keyed.match_SK[counts_S], p_SK[counts_S], detector.bets)
                known[counts_S.tobytes()] = log_e_SK.max(axis=0, initial=0.0)
            max_log_e[dedup][i] = known[counts_S.tobytes()]
        tick()
    return {d: Outcome(max_log_e[d], max_log_e[d] >= -math.log(alpha), num_scored[d]) for d in DEDUPS}


def shared_contexts(windows_NT: NDArray[np.int64], context_tok: int) -> tuple[SharedContext, ...]:
    """The contexts that occur in most windows, if in more than one."""
    per_window = [np.unique(np.lib.stride_tricks.sliding_window_view(ids, context_tok), axis=0) for ids in windows_NT]
    contexts, count = np.unique(np.concatenate(per_window), axis=0, return_counts=True)
    order = np.argsort(-count, kind="stable")[:_MOST_SHOWN]
    return tuple(SharedContext(tuple(contexts[i].tolist()), int(count[i])) for i in order if count[i] > 1)
