"""What detection says about a text."""

# pyright: strict
from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

Verdict = Literal["detected", "not detected", "nothing to score"]


@dataclass(frozen=True)
class Trace:
    """Evidence token by token, for figures; arrays are aligned with the scored tokens.

    Attributes:
        position_S: Index of the token in the text.
        match_S: Whether text symbol and keyed symbol agree, under the key with most evidence.
        p_S: Null probability of agreement.
        log_e_S: log E after the token, averaged over keys.
    """

    position_S: NDArray[np.int64]
    match_S: NDArray[np.bool_]
    p_S: NDArray[np.float64]
    log_e_S: NDArray[np.float64]


@dataclass(frozen=True)
class Detection:
    """Evidence for a watermark in one text.

    Attributes:
        verdict: ``nothing to score`` when no token had a fresh context: no answer, rather than "no".
        log_e: Logarithm (nats) of the e-value at the token where detection stopped, or at the end. An e-value of
            1/alpha or more is as rare as alpha in text that knows nothing of the key, however often it was looked at.
        p_anytime: min(1, 1 / largest e-value so far); valid however often it was looked at.
        p_fixed: Exact p-value of the number of matches, valid only if the length was fixed beforehand and the text is
            looked at once; None where the text decided its own length (detection stopped early), and for very long
            ones with a model as anchor. With several keys it is that of ``key_id`` times their number (Bonferroni).
        alpha: Error probability the verdict is for, fixed before looking.
        num_tok: Tokens read.
        num_scored: Tokens that carried evidence.
        num_short_context: Skipped: fewer tokens before them than the context takes.
        num_duplicate: Skipped: their context occurred before.
        num_match: Scored tokens that agree with the keyed symbol of ``key_id``.
        stop_index: Tokens of the text read when E reached 1/alpha; None when it did not.
        key_id: The key with most evidence.
        log_e_of_key: Its own log e-value; equal to ``log_e`` when one key was asked for.
        num_keys: Keys asked for; ``log_e`` is the average of their e-values.
        best_bet: The bet that won most.
        profile_id: The profile the text was read with.
        trace: Token by token; None unless asked for.
    """

    verdict: Verdict
    log_e: float
    p_anytime: float
    p_fixed: float | None
    alpha: float
    num_tok: int
    num_scored: int
    num_short_context: int
    num_duplicate: int
    num_match: int
    stop_index: int | None
    key_id: str
    log_e_of_key: float
    num_keys: int
    best_bet: str
    profile_id: str
    trace: Trace | None = None

    @property
    def is_watermarked(self) -> bool:
        """True when E reached 1/alpha."""
        return self.verdict == "detected"

    @property
    def e_value(self) -> float:
        """exp(log_e); infinite where that does not fit a float."""
        return math.exp(self.log_e) if self.log_e < 709 else math.inf

    def to_json(self) -> dict[str, Any]:
        """Plain values; the trace is left out."""
        return {
            "verdict": self.verdict,
            "is_watermarked": self.is_watermarked,
            "log_e": self.log_e,
            "e_value": self.e_value if math.isfinite(self.e_value) else None,
            "p_anytime": self.p_anytime,
            "p_fixed": self.p_fixed,
            "alpha": self.alpha,
            "num_tok": self.num_tok,
            "num_tokens_scored": self.num_scored,
            "num_short_context": self.num_short_context,
            "num_duplicates": self.num_duplicate,
            "num_matches": self.num_match,
            "stop_index": self.stop_index,
            "key_id": self.key_id,
            "log_e_of_key": self.log_e_of_key,
            "num_keys": self.num_keys,
            "best_bet": self.best_bet,
            "profile_id": self.profile_id,
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave; further keys are ignored."""
        names = {f.name: _JSON_NAMES.get(f.name, f.name) for f in fields(cls) if f.name != "trace"}
        return cls(**{name: row[key] for name, key in names.items()})


_JSON_NAMES = {"num_scored": "num_tokens_scored", "num_duplicate": "num_duplicates", "num_match": "num_matches"}
