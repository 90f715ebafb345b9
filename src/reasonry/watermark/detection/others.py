"""Detection of the other schemes: the baselines of this package, and what vLLM and SGLang mark by themselves.

Each is read whole; evidence is the scheme's own e-process, averaged over keys, and a fixed-length p-value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reasonry.errors import ConfigError, DataError
from reasonry.watermark.baselines import SCHEMES
from reasonry.watermark.baselines.base import Reading
from reasonry.watermark.baselines.calibrators import averaged_log_e_path
from reasonry.watermark.baselines.gumbel import gumbel_p_path
from reasonry.watermark.combine import average_log_e
from reasonry.watermark.detection.result import Detection, Trace
from reasonry.watermark.engines import sglang, vllm
from reasonry.watermark.engines.reading import PivotReading
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.profile import Profile

ENGINES = ("vllm-gumbel", "vllm-dual-gumbel", "sglang-gumbel", "sglang-dual-gumbel")

Ids = Sequence[int] | NDArray[Any]


class SchemeDetector:
    """Finds text marked by another scheme. The same face as `WatermarkDetector`, without streams.

    Args:
        profile: Scheme, context width and the scheme's ``options``.
        keys: Whose marks to look for; engines take integer keys. SGLang's dual scheme takes two keys as one pair.
        alpha: Probability of calling text marked that knows nothing of the keys.

    Raises:
        ConfigError: A scheme that is not here, no key, or not two of them for a pair.
    """

    def __init__(self, profile: Profile, keys: Sequence[SecretKey], *, alpha: float = 0.02) -> None:
        if not keys:
            raise ConfigError("no key to look for", place="keys", remedy="Name a key ring that holds one.")
        if profile.scheme not in (*SCHEMES, *ENGINES):
            known = ", ".join((*SCHEMES, *ENGINES))
            raise ConfigError(f"no reader for scheme {profile.scheme!r}", place="profile.scheme", remedy=known)
        if profile.scheme == "sglang-dual-gumbel" and len(keys) != 2:
            raise ConfigError(
                f"{len(keys)} keys for a scheme that uses two",
                place="key_id",
                remedy="Name both, key a first: --key-id A B.",
            )
        self.profile = profile
        self.alpha = alpha
        self._keys = list(keys)

    def detect(self, ids: Ids) -> Detection:
        """Read one text.

        Raises:
            DataError: Ids that are no token ids.
        """
        return self._detect(ids, trace=False)

    def traced(self, ids: Ids) -> Detection:
        """Read one text and keep the evidence of every token."""
        return self._detect(ids, trace=True)

    def _detect(self, ids: Ids, *, trace: bool) -> Detection:
        size = self.profile.vocab_size
        array = np.asarray(ids, dtype=np.int64).reshape(-1)
        if len(array) and not 0 <= int(array.min()) <= int(array.max()) < size:
            raise DataError(
                f"token ids from {array.min()} to {array.max()}, the vocabulary has {size} tokens",
                remedy="Use the tokenizer of the marked model, and text without padding.",
            )
        readings = self._readings(array)
        first = readings[0]
        log_e_KT = np.stack([r.log_e_T for r in readings])
        num = log_e_KT.shape[1]
        log_e_T = np.asarray(average_log_e(log_e_KT)) if num else np.empty(0)
        reached_T = log_e_T >= math.log(1 / self.alpha)
        stop = int(reached_T.argmax()) if reached_T.any() else None
        at = (stop if stop is not None else num - 1) if num else None
        best = int(log_e_KT[:, at].argmax()) if at is not None else 0
        p_T = readings[best].p_T
        known = p_T[~np.isnan(p_T)]
        return Detection(
            verdict="nothing to score" if not num else "detected" if stop is not None else "not detected",
            log_e=float(log_e_T[at]) if at is not None else 0.0,
            p_anytime=min(1.0, math.exp(-float(log_e_T.max()))) if num else 1.0,
            p_fixed=float(known[-1]) if len(known) else None,
            alpha=self.alpha,
            num_tok=first.num_tok,
            num_scored=num,
            num_short_context=first.num_short_context,
            num_duplicate=first.num_duplicate,
            num_match=0,
            stop_index=int(first.position_T[stop]) + 1 if stop is not None else None,
            key_id=self._key_ids()[best],
            log_e_of_key=float(log_e_KT[best, at]) if at is not None else 0.0,
            num_keys=len(readings),
            best_bet=self.profile.scheme,
            profile_id=self.profile.profile_id,
            trace=_trace(first, log_e_T) if trace else None,
        )

    def _key_ids(self) -> list[str]:
        if self.profile.scheme == "sglang-dual-gumbel":
            return ["+".join(key.key_id for key in self._keys)]
        return [key.key_id for key in self._keys]

    def _readings(self, ids: NDArray[np.int64]) -> list[Reading]:
        profile = self.profile
        options: dict[str, Any] = dict(profile.options)
        match profile.scheme:
            case "vllm-gumbel":
                read = [
                    vllm.pivots(ids, k.to_integer(), context_tok=profile.context_tok, **options) for k in self._keys
                ]
            case "vllm-dual-gumbel":
                read = [
                    vllm.dual_pivots(ids, k.to_integer(), context_tok=profile.context_tok, **options)
                    for k in self._keys
                ]
            case "sglang-gumbel":
                read = [
                    sglang.pivots(ids, k.to_integer(), context_tok=profile.context_tok, **options) for k in self._keys
                ]
            case "sglang-dual-gumbel":
                a, b = (key.to_integer() for key in self._keys)
                read = [sglang.dual_pivots(ids, (a, b), context_tok=profile.context_tok, **options)]
            case _:
                make = SCHEMES[profile.scheme]
                return [make(k, vocab_size=profile.vocab_size, **options).read(ids) for k in self._keys]
        return [_from_pivots(pivots) for pivots in read]


def _from_pivots(read: PivotReading) -> Reading:
    return Reading(
        read.position_T,
        gumbel_p_path(read.r_T),
        averaged_log_e_path(read.r_T),
        read.num_tok,
        read.num_short_context,
        read.num_duplicate + read.num_past_cap,
    )


def _trace(reading: Reading, log_e_T: NDArray[np.float64]) -> Trace:
    grows = np.diff(log_e_T, prepend=0.0) > 0
    return Trace(reading.position_T, grows, np.full(len(grows), np.nan), log_e_T)
