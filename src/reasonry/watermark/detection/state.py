"""One text being read: push tokens as they come, stop when the evidence is enough."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reasonry.errors import DataError
from reasonry.watermark.anchors.base import Anchor
from reasonry.watermark.bets import Bets
from reasonry.watermark.contexts import SeenContexts
from reasonry.watermark.detection.result import Detection, Trace
from reasonry.watermark.detection.wealth import Wealth
from reasonry.watermark.prf import Prf, Words, contexts_of
from reasonry.watermark.profile import Profile

_CHUNK_TOK = 1 << 15  # fits the processor's cache; results do not depend on it
_CHUNK_WORDS = 1 << 19  # tokens by keys: bounds memory whatever the number of keys
_EQUAL = 1e-10
_EXACT_UP_TO = 20_000  # scored tokens; the exact law of unequal matches takes time quadratic in them


class DetectorState:
    """Streaming detection of one text. Memory does not grow with the text, unless a trace is kept or a model as
    anchor looks at the whole of it.

    Made by `WatermarkDetector.start`.
    """

    def __init__(
        self,
        profile: Profile,
        prfs: Sequence[tuple[str, Prf]],
        anchor: Anchor,
        bets: Bets,
        *,
        alpha: float,
        late_start: bool,
        stops: bool,
        trace: bool,
        seen: SeenContexts | None,
        profile_id: str,
    ) -> None:
        self._profile = profile
        self._prfs = prfs
        self._anchor = anchor
        self._alpha = alpha
        self._seen = seen
        self._profile_id = profile_id
        # Texts that share contexts: those behind the token at which this one stops were not read, and stay fresh.
        self._peeks = seen is not None and stops and profile.dedup == "corpus"
        self._chunk_tok = max(1 << 8, min(_CHUNK_TOK, _CHUNK_WORDS // len(prfs)))
        self._wealth = Wealth(
            bets,
            num_keys=len(prfs),
            log_threshold=-math.log(alpha),
            stops=stops,
            late_start=late_start,
        )
        self._tail = np.empty(0, dtype=np.int64)
        self._num_tok = self._num_short = self._num_duplicate = 0
        self._crossed: int | None = None
        self._trace: list[tuple[NDArray[Any], ...]] | None = [] if trace else None
        self._fixed: list[tuple[NDArray[np.bool_], NDArray[np.float64]]] = []
        self._constant_p: float | None = None

    @property
    def is_stopped(self) -> bool:
        """True once E has reached 1/alpha: more tokens are not looked at."""
        return self._wealth.is_stopped

    @property
    def num_tok(self) -> int:
        """Tokens read so far."""
        return self._num_tok

    @property
    def log_e(self) -> float:
        """Log E now, nats."""
        return self._wealth.log_e

    def push(self, ids: Sequence[int] | NDArray[Any]) -> bool:
        """Read the next tokens of the text; True when the evidence is enough and reading can stop.

        Raises:
            DataError: An id outside the profile's vocabulary: another tokenizer, or not a text. Nothing was read then.
        """
        ids_T = _one_text(ids)
        self._check(ids_T)
        for start in range(0, len(ids_T), self._chunk_tok):
            if self.is_stopped:
                break
            self._push(ids_T[start : start + self._chunk_tok])
        return self.is_stopped

    def result(self) -> Detection:
        """What the tokens so far say."""
        wealth = self._wealth
        log_e_K = wealth.log_e_K
        log_e = wealth.average(log_e_K)
        # Of equal keys the first, whatever rounding made of the order in which the text came.
        key = int((log_e_K >= log_e_K.max() - _EQUAL * (1 + abs(log_e))).argmax())
        if wealth.num_scored == 0:
            verdict = "nothing to score"
        else:
            verdict = "detected" if self._crossed is not None else "not detected"
        return Detection(
            verdict=verdict,
            log_e=log_e,
            p_anytime=min(1.0, math.exp(-wealth.max_log_e)),
            p_fixed=self._p_fixed(key),
            alpha=self._alpha,
            num_tok=self._num_tok,
            num_scored=wealth.num_scored,
            num_short_context=self._num_short,
            num_duplicate=self._num_duplicate,
            num_match=int(wealth.num_match_K[key]),
            stop_index=self._crossed,
            key_id=self._prfs[key][0],
            log_e_of_key=float(log_e_K[key]),
            num_keys=len(self._prfs),
            best_bet=wealth.best_bet(key),
            profile_id=self._profile_id,
            trace=self._traced(key),
        )

    # ------------------------------------------------------------

    def _check(self, ids_T: NDArray[np.int64]) -> None:
        size = self._profile.vocab_size
        as_words_T = ids_T.view(np.uint64)  # negative ids become the largest: one comparison for both ends
        if len(ids_T) and as_words_T.max() >= size:
            at = int((as_words_T >= size).argmax())
            raise DataError(
                f"token id {int(ids_T[at])} is outside the vocabulary of {size} tokens",
                place=f"token {self._num_tok + at + 1}",
                remedy="Use the tokenizer named in the profile, and text without padding or placeholder ids.",
            )

    def _push(self, ids_T: NDArray[np.int64]) -> None:
        h = self._profile.context_tok
        joined_T = np.concatenate([self._tail, ids_T])
        first = len(self._tail)  # index in joined_T of the first new token
        offset = self._num_tok - first  # index in the text of joined_T[0]
        start = max(first, h)
        contexts = contexts_of(joined_T[start - h :], h) if len(joined_T) > start else None
        position_S = np.arange(start, len(joined_T))
        num_short = min(start, len(joined_T)) - first
        hash_S = contexts.hash_N if contexts is not None else np.empty(0, np.uint64)
        is_new_S = np.ones(len(position_S), dtype=np.bool_)
        if self._seen is not None:
            is_new_S = self._seen.would_be_new(hash_S) if self._peeks else self._seen.first_seen(hash_S)
        num_used = len(joined_T) - first
        num_new = int(np.count_nonzero(is_new_S))
        if contexts is not None and num_new:
            if num_new < len(is_new_S):
                contexts = type(contexts)(contexts.hash_N[is_new_S], contexts.ids_NH[is_new_S])
            scored_S = position_S[is_new_S] if num_new < len(is_new_S) else position_S
            words_K: list[Words] = [prf.words(contexts) for _, prf in self._prfs]
            keyed = self._anchor.read(joined_T, scored_S, words_K, self._profile.num_bins)
            pushed = self._wealth.push(keyed.match_SK, keyed.p_SK, path=self._trace is not None)
            done = slice(0, pushed.num_used)
            p_SK = keyed.p_SK
            if not isinstance(p_SK, np.ndarray):
                self._constant_p = p_SK
            elif self._wealth.num_scored <= _EXACT_UP_TO:
                self._fixed.append((keyed.match_SK[done], p_SK[done]))
            if self._trace is not None:
                full = p_SK if isinstance(p_SK, np.ndarray) else np.full(keyed.match_SK.shape, p_SK)
                row = (scored_S[done] + offset, keyed.match_SK[done], full[done], pushed.log_e_S)
                self._trace.append(row)
            if pushed.crossed is not None:
                self._crossed = int(scored_S[pushed.crossed - 1]) + offset + 1
            if self._wealth.is_stopped:
                num_used = int(scored_S[pushed.num_used - 1]) - first + 1
        used = slice(0, max(0, first + num_used - start))
        if self._seen is not None and self._peeks:
            self._seen.first_seen(hash_S[used])
        self._num_duplicate += len(position_S[used]) - int(np.count_nonzero(is_new_S[used]))
        self._num_short += num_short
        self._num_tok += num_used
        back = max(h, self._anchor.context_tok) if self._anchor.context_tok is not None else len(joined_T)
        self._tail = joined_T[max(0, len(joined_T) - back) :]

    def _p_fixed(self, key: int) -> float | None:
        num = self._wealth.num_scored
        if num == 0 or self._wealth.is_stopped:  # a length that depends on the data is not fixed
            return None
        if self._constant_p is not None:
            from scipy.special import betainc

            num_match = int(self._wealth.num_match_K[key])
            p = float(betainc(num_match, num - num_match + 1, self._constant_p)) if num_match else 1.0
        elif num > _EXACT_UP_TO:
            return None
        else:
            from reasonry.watermark.baselines.seal import poisson_binomial_p_path

            match_S = np.concatenate([m[:, key] for m, _ in self._fixed])
            p_S = np.concatenate([p[:, key] for _, p in self._fixed])
            p = float(poisson_binomial_p_path(match_S, p_S)[-1])
        return min(1.0, p * len(self._prfs))  # Bonferroni: the key was chosen after looking

    def _traced(self, key: int) -> Trace | None:
        if self._trace is None:
            return None
        if not self._trace:
            none = np.empty(0)
            return Trace(none.astype(np.int64), none.astype(np.bool_), none, none)
        position, match, p, log_e = (np.concatenate(part) for part in zip(*self._trace, strict=True))
        return Trace(position, match[:, key], p[:, key], log_e)


def _one_text(ids: Sequence[int] | NDArray[Any]) -> NDArray[np.int64]:
    array = np.asarray(ids)
    if array.size and array.dtype.kind not in "iu":
        raise DataError(
            f"token ids are integers, not {array.dtype}", remedy="Give the ids that the tokenizer made of the text."
        )
    if array.ndim > 1 and array.size != array.shape[-1]:
        raise DataError(
            f"token ids of shape {array.shape} are not one text", remedy="Read texts one by one, without padding."
        )
    return array.reshape(-1).astype(np.int64)
