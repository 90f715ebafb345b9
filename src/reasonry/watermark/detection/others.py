"""Detection of the other schemes: the baselines of this package, and what vLLM and SGLang mark by themselves.

Each is read whole; evidence is the scheme's own e-process, averaged over keys, and a fixed-length p-value.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reasonry.errors import ConfigError, DataError, ReasonryError, nearest
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

ENGINES: Mapping[str, Callable[..., PivotReading]] = {
    "vllm-gumbel": vllm.pivots,
    "vllm-dual-gumbel": vllm.dual_pivots,
    "sglang-gumbel": sglang.pivots,
    "sglang-dual-gumbel": sglang.dual_pivots,
}
"""What reads the keyed numbers of a text of an engine, by the name of the scheme."""

Ids = Sequence[int] | NDArray[Any]
Read = Callable[[NDArray[np.int64]], Reading]


class SchemeDetector:
    """Finds text marked by another scheme. The same face as `WatermarkDetector`, without streams.

    The profile's ``options`` are the scheme's own settings; its ``context_tok`` and ``prf`` are handed on to schemes
    that have such a setting, unless the options say otherwise.

    Args:
        profile: Scheme, context width and the scheme's ``options``.
        keys: Whose marks to look for; engines take integer keys. SGLang's dual scheme takes two keys as one pair.
        alpha: Probability of calling text marked that knows nothing of the keys.
        stops: Take the e-value of the token at which it reached 1/alpha; without, that of the end of the text. Either
            way the text is read to its end, and a threshold once passed counts.

    Raises:
        ConfigError: A scheme that is not here, no key, not two of them for a pair, or an option that the scheme does
            not have or cannot take.
    """

    def __init__(self, profile: Profile, keys: Sequence[SecretKey], *, alpha: float = 0.02, stops: bool = True) -> None:
        if not keys:
            raise ConfigError("no key to look for", place="keys", remedy="Name a key ring that holds one.")
        if profile.scheme == "sglang-dual-gumbel" and len(keys) != 2:
            raise ConfigError(
                f"{len(keys)} keys for a scheme that uses two",
                place="key_id",
                remedy="Name both, key a first: --key-id A B.",
            )
        self.profile = profile
        self.alpha = alpha
        self.key_ids = tuple(key.key_id for key in keys)
        if profile.scheme == "sglang-dual-gumbel":
            self.key_ids = ("+".join(self.key_ids),)
        self._stops = stops
        self._read_K = _readers(profile, keys)

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
            at = int(((array < 0) | (array >= size)).argmax())
            raise DataError(
                f"token id {int(array[at])} is outside the vocabulary of {size} tokens",
                place=f"token {at + 1}",
                remedy="Use the tokenizer of the marked model, and text without padding.",
            )
        readings = [read(array) for read in self._read_K]
        first = readings[0]
        log_e_KT = np.stack([r.log_e_T for r in readings])
        num = log_e_KT.shape[1]
        log_e_T = np.asarray(average_log_e(log_e_KT)) if num else np.empty(0)
        reached_T = log_e_T >= math.log(1 / self.alpha)
        stop = int(reached_T.argmax()) if reached_T.any() else None
        at = (stop if stop is not None and self._stops else num - 1) if num else None
        best = int(log_e_KT[:, at].argmax()) if at is not None else 0
        p_T = readings[best].p_T
        known = p_T[~np.isnan(p_T)]
        return Detection(
            verdict="nothing to score" if not num else "detected" if stop is not None else "not detected",
            log_e=float(log_e_T[at]) if at is not None else 0.0,
            p_anytime=math.exp(-max(0.0, float(log_e_T.max()))) if num else 1.0,
            # Of the whole text, whose length was fixed; the key was chosen after looking (Bonferroni).
            p_fixed=min(1.0, float(known[-1]) * len(readings)) if len(known) else None,
            alpha=self.alpha,
            num_tok=first.num_tok,
            num_scored=num,
            num_short_context=first.num_short_context,
            num_duplicate=first.num_duplicate,
            num_match=0,
            stop_index=int(first.position_T[stop]) + 1 if stop is not None else None,
            key_id=self.key_ids[best],
            log_e_of_key=float(log_e_KT[best, at]) if at is not None else 0.0,
            num_keys=len(readings),
            best_bet=self.profile.scheme,
            profile_id=self.profile.profile_id,
            trace=_trace(first, log_e_T) if trace else None,
        )


def _readers(profile: Profile, keys: Sequence[SecretKey]) -> list[Read]:
    """What reads a text, one for each key."""
    make = _maker(profile)
    groups = [list(keys)] if profile.scheme == "sglang-dual-gumbel" else [[key] for key in keys]
    # An option that does not fit is found here, with an empty text and keys that are nobody's: whatever is raised can
    # be logged with all its locals.
    nobodys = [SecretKey.from_integer(i) for i, _ in enumerate(groups[0])]
    try:
        make(nobodys)(np.empty(0, dtype=np.int64))
    except ReasonryError:
        raise
    except (TypeError, ValueError) as e:  # of another kind than the scheme's own code expects
        raise ConfigError(f"an option has a value that does not fit: {e}"[:300], place="profile.options") from e
    return [make(group) for group in groups]


def _maker(profile: Profile) -> Callable[[Sequence[SecretKey]], Read]:
    name = profile.scheme
    if name in SCHEMES:
        kind = SCHEMES[name]
        options = _options(profile, kind.maker())
        return lambda keys: kind(keys[0], vocab_size=profile.vocab_size, **options).read
    if name not in ENGINES:
        known = ", ".join((*SCHEMES, *ENGINES))
        raise ConfigError(f"no reader for scheme {name!r}", place="profile.scheme", remedy=f"Known: {known}.")
    pivots: Callable[..., PivotReading] = ENGINES[name]
    options = _options(profile, pivots)

    def reader(keys: Sequence[SecretKey]) -> Read:
        for key in keys:
            if key.kind != "integer":  # it could only be looked for under bits that the engine never saw
                raise ConfigError(
                    f"the key {key.key_id} is not an integer key, and {profile.scheme} marks with integers",
                    place="key_id",
                    remedy="Put the engine's key into a ring: reasonry watermark key import --integer.",
                )
            key.to_integer()  # an integer beyond 64 bits is refused before anything is read
        # The integers are as secret as the keys: they are made for each text, and kept nowhere.
        if len(keys) == 1:
            return lambda ids: _from_pivots(pivots(ids, keys[0].to_integer(), **options))
        return lambda ids: _from_pivots(pivots(ids, tuple(key.to_integer() for key in keys), **options))

    return reader


def _options(profile: Profile, maker: Callable[..., Any]) -> dict[str, Any]:
    """The settings of a scheme that a profile makes."""
    parameters = inspect.signature(maker).parameters.values()
    known = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY} - {"vocab_size"}
    stated = {"context_tok": profile.context_tok, "prf": profile.prf}
    options = {**{name: value for name, value in stated.items() if name in known}, **profile.options}
    for name in options:
        if name not in known:
            raise ConfigError(
                f"scheme {profile.scheme!r} has no option {name!r}",
                place="profile.options",
                remedy=nearest(name, known) or f"Options: {', '.join(sorted(known)) or 'none'}.",
            )
    return options


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
