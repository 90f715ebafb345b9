"""The detector: a profile, keys, an error probability that is fixed before looking."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from numpy.typing import NDArray

from reasonry.errors import ConfigError
from reasonry.watermark.anchors import Anchor, UniformAnchor
from reasonry.watermark.bets import make_bets
from reasonry.watermark.contexts import DEFAULT_CAPACITY, SeenContexts
from reasonry.watermark.detection.result import Detection
from reasonry.watermark.detection.state import DetectorState
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.prf import make_prf
from reasonry.watermark.profile import Profile


class WatermarkDetector:
    """Finds text that was marked under a profile with one of several keys.

    Args:
        profile: How the text was marked.
        keys: Whose marks to look for; with several, the average of their e-values is tested, so that alpha holds for
            all of them together.
        alpha: Probability of calling text marked that knows nothing of the keys.
        bet: ``mixture`` needs no parameter; ``paper:0.3`` is the paper's e-value with delta 0.3.
        anchor: Law of the keyed symbol; made from the profile when it is uniform.
        late_start: Average over the token at which the mark begins: for text with an unmarked beginning.
        stops: Stop reading a text where E reaches 1/alpha. Without, the text is read to its end; a threshold once
            passed counts, whatever comes later.
        max_contexts: Distinct contexts kept per text (or for all texts, as the profile says); beyond, the oldest may
            count again.

    Raises:
        ConfigError: No key, alpha outside (0, 1), a scheme that this detector does not read, or no anchor given where
            the profile names a model.
    """

    def __init__(
        self,
        profile: Profile,
        keys: Sequence[SecretKey],
        *,
        alpha: float = 0.02,
        bet: str = "mixture",
        anchor: Anchor | None = None,
        late_start: bool = False,
        stops: bool = True,
        max_contexts: int = DEFAULT_CAPACITY,
    ) -> None:
        if not keys:
            raise ConfigError("no key to look for", place="keys", remedy="Name a key ring that holds one.")
        if not 0 < alpha < 1:
            raise ConfigError(f"alpha is {alpha}", place="alpha", remedy="Use a probability, such as 0.02.")
        if profile.scheme != "anchored":
            raise ConfigError(f"this detector reads scheme 'anchored', not {profile.scheme!r}", place="profile.scheme")
        if anchor is None:
            if profile.anchor.kind != "uniform":
                raise ConfigError(
                    f"the profile's anchor is a model ({profile.anchor.model})",
                    place="anchor",
                    remedy="Load it: reasonry.watermark.anchors.model.load_anchor(profile).",
                )
            anchor = UniformAnchor(profile.vocab_size)
        self.profile = profile
        self.anchor = anchor
        self.alpha = alpha
        self.bets = make_bets(bet, n=profile.num_bins or profile.vocab_size)
        self.key_ids = tuple(key.key_id for key in keys)
        self._prfs = [(key.key_id, make_prf(profile.prf, key)) for key in keys]
        self._late_start = late_start
        self._stops = stops
        self._max_contexts = max_contexts
        self._profile_id = profile.profile_id
        self._shared = SeenContexts(max_contexts) if profile.dedup == "corpus" else None

    def start(self) -> DetectorState:
        """Begin to read a text."""
        return self._start(stops=self._stops, trace=False)

    def traced(self, ids: Sequence[int] | NDArray[Any]) -> Detection:
        """Read one text to its end and keep the evidence of every token; contexts are the text's own."""
        state = self._start(stops=False, trace=True)
        state.push(ids)
        return state.result()

    def _start(self, *, stops: bool, trace: bool) -> DetectorState:
        seen = None
        if self.profile.dedup != "none":
            seen = SeenContexts(self._max_contexts) if trace or self._shared is None else self._shared
        return DetectorState(
            self.profile,
            self._prfs,
            self.anchor,
            self.bets,
            alpha=self.alpha,
            late_start=self._late_start,
            stops=stops,
            trace=trace,
            seen=seen,
            profile_id=self._profile_id,
        )

    def detect(self, ids: Sequence[int] | NDArray[Any]) -> Detection:
        """Read one text. Raises DataError for an id outside the vocabulary."""
        state = self.start()
        state.push(ids)
        return state.result()

    def detect_all(self, texts: Iterable[Sequence[int] | NDArray[Any]]) -> Iterator[Detection]:
        """Read texts one after the other."""
        for ids in texts:
            yield self.detect(ids)
