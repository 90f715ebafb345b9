"""``reasonry watermark calibrate``: how often human text is called marked, counted on the user's own.

The guarantee is about a random key. One key is the same for all texts, and texts that share contexts (boilerplate,
quotations) share its luck there: its rate on a corpus may lie above alpha or below, the more the more they share. Hence
several keys, the rate of each, and how much more they differ than windows without common contexts would make them.

Files: ``results.json`` (rates), ``calibrations.json`` (of each key).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from reasonry.core import atomic, seeds
from reasonry.core.progress import Progress
from reasonry.core.run import Run, default_folder
from reasonry.errors import ConfigError
from reasonry.watermark.calibration.corpus import Corpus, read_corpus
from reasonry.watermark.calibration.rates import DEDUPS, Dedup, Outcome, SharedContext, measure, shared_contexts
from reasonry.watermark.config import CalibrateConfig
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.keys.ring import open_ring
from reasonry.watermark.profile import read_profile

_MUCH_SHARED = 0.05


class Remark(NamedTuple):
    """What the reader should know; a warning when it bears on what the rates say."""

    text: str
    is_warning: bool = False


@dataclass(frozen=True)
class Calibrated:
    """A finished calibration.

    Attributes:
        corpus: The windows.
        key_ids: Of the K keys.
        is_drawn: They were drawn for the occasion.
        alpha: Error probability that was checked.
        bet: The bets.
        outcomes: For each way to treat repeated contexts.
        shared: Contexts in most windows, most frequent first.
        remarks: What the reader should know.
        folder: The run directory.
    """

    corpus: Corpus
    key_ids: tuple[str, ...]
    is_drawn: bool
    alpha: float
    bet: str
    outcomes: dict[Dedup, Outcome]
    shared: tuple[SharedContext, ...]
    remarks: tuple[Remark, ...]
    folder: Path

    @property
    def shared_share(self) -> float:
        """Share of the tokens that count in their window whose context occurred in an earlier window."""
        scored = int(self.outcomes["document"].num_scored_N.sum())
        return 1 - int(self.outcomes["corpus"].num_scored_N.sum()) / scored

    @property
    def is_above(self) -> bool:
        """Whether the rate, with contexts treated as the profile says, lies above alpha with its whole interval."""
        return self.outcomes[self.corpus.profile.dedup].rate.low > self.alpha


def calibrate(
    config: CalibrateConfig,
    *,
    say: Callable[[str], None] = lambda line: None,
    open_run: Callable[[Run, str], None] = lambda run, determinism: None,
) -> Calibrated:
    """Run ``reasonry watermark calibrate``.

    Args:
        config: The resolved config.
        say: Called with a line for people: what to beware of.
        open_run: Called once with the open run and its determinism level.

    Raises:
        ConfigError: No such key, a scheme that is not read here, or windows too short to score.
        ProfileMismatchError: The tokenizer or the anchor is not the profile's.
        DataError: The corpus cannot be read or holds no window.
        ReasonryError: As `reasonry.core.models.load_tokenizer`, `reasonry.watermark.keys.ring.open_ring`.
    """
    given = read_profile(config.profile) if config.profile else None
    keys = _keys(config)
    corpus = read_corpus(config, given)
    label = Path(config.corpus).stem if config.corpus else "python-docs"
    folder = config.run or default_folder("watermark-calibrate", config, label)
    with Run("watermark calibrate", config, folder=folder, seed=config.seed, warn=say) as run:
        run.record_environment("bitwise")
        open_run(run, "bitwise")
        anchor = None
        if corpus.profile.anchor.kind != "uniform":
            from reasonry.watermark.anchors.model import load_anchor

            anchor = load_anchor(corpus.profile, config.model_options)
        with Progress("calibrating", total=len(corpus.windows_NT), unit="windows") as progress:
            outcomes = measure(
                corpus.windows_NT,
                corpus.profile,
                keys,
                alpha=config.alpha,
                bet=config.bet,
                anchor=anchor,
                tick=progress.advance,
            )
        calibrated = Calibrated(
            corpus=corpus,
            key_ids=tuple(key.key_id for key in keys),
            is_drawn=not _wants_ring(config),
            alpha=config.alpha,
            bet=config.bet,
            outcomes=outcomes,
            shared=shared_contexts(corpus.windows_NT, corpus.profile.context_tok),
            remarks=(),
            folder=run.folder,
        )
        calibrated = replace(calibrated, remarks=tuple(_remarks(calibrated)))
        for remark in calibrated.remarks:
            say(f"{'warning' if remark.is_warning else 'note'}: {remark.text}")
        atomic.write_json(run.path("calibrations.json"), {"keys": per_key(calibrated)})
        atomic.write_json(run.path("results.json"), results_json(calibrated))
    return calibrated


def per_key(calibrated: Calibrated) -> list[dict[str, Any]]:
    """The rates of each key, the content of ``calibrations.json``."""
    rates = {dedup: outcome.rate_of_key for dedup, outcome in calibrated.outcomes.items()}
    return [
        {"key_id": key_id, **{dedup: rates[dedup][k]._asdict() for dedup in DEDUPS}}
        for k, key_id in enumerate(calibrated.key_ids)
    ]


def results_json(calibrated: Calibrated) -> dict[str, Any]:
    """The content of ``results.json``."""
    corpus, profile = calibrated.corpus, calibrated.corpus.profile
    return {
        "corpus": corpus.name,
        "num_documents": corpus.num_documents,
        "num_documents_too_short": corpus.num_short,
        "is_cut": corpus.is_cut,
        "num_windows": len(corpus.windows_NT),
        "window_tok": corpus.windows_NT.shape[1],
        "num_keys": len(calibrated.key_ids),
        "are_keys_drawn": calibrated.is_drawn,
        "alpha": calibrated.alpha,
        "bet": calibrated.bet,
        "profile_id": profile.profile_id,
        "dedup": profile.dedup,
        "is_above_alpha": calibrated.is_above,
        "rates": {
            dedup: {
                **outcome.rate._asdict(),
                "mean_num_scored": float(outcome.num_scored_N.mean()),
                "num_windows_without_score": int((outcome.num_scored_N == 0).sum()),
                "spread_between_keys": outcome.spread,
            }
            for dedup, outcome in calibrated.outcomes.items()
        },
        "shared_share": calibrated.shared_share,
        "remarks": [remark.text for remark in calibrated.remarks],
    }


# ---------------------------------------------------------------- keys and remarks


def _wants_ring(config: CalibrateConfig) -> bool:
    return config.ring is not None or bool(config.key_id)


def _keys(config: CalibrateConfig) -> list[SecretKey]:
    if not _wants_ring(config):
        return [_drawn_key(config.seed, number) for number in range(config.num_keys)]
    ring = open_ring(config.ring)
    keys = [ring.get(key_id) for key_id in dict.fromkeys(config.key_id)] or list(ring.all_keys())
    if not keys:
        raise ConfigError("the key ring holds no key", place=ring.source, remedy="Leave --ring out to try new keys.")
    return keys


def _drawn_key(seed: int, number: int) -> SecretKey:
    """A key that anybody can draw again: for measuring only, it hides nothing."""
    words = [seeds.derive(seed, "calibration key", number, word).to_bytes(8, "little") for word in range(4)]
    return SecretKey(b"".join(words))


def _remarks(c: Calibrated) -> list[Remark]:
    remarks: list[Remark] = []
    dedup = c.corpus.profile.dedup
    if c.is_above:
        rate = c.outcomes[dedup].rate
        text = (
            f"human text is called marked more often than alpha = {c.alpha:g} allows: {rate.value:.2%} "
            f"[{rate.low:.2%}, {rate.high:.2%}] with dedup {dedup!r}"
        )
        remarks.append(Remark(text, True))
    if dedup == "none":
        text = "the profile counts repeated contexts, which voids the guarantee; it is for measuring only"
        remarks.append(Remark(text, True))
    if c.shared_share > _MUCH_SHARED:
        spread = c.outcomes[dedup].spread
        found = (
            f"; here keys differ {spread:.2f} times as much as independent windows would make them" if spread else ""
        )
        text = (
            f"{c.shared_share:.0%} of the tokens that count have a context that occurred in an earlier window "
            f"(boilerplate, quotations): under one key such windows can err together{found}; dedup 'corpus' counts "
            "each context once"
        )
        remarks.append(Remark(text, True))
    if c.corpus.is_cut:
        remarks.append(Remark(f"read up to {len(c.corpus.windows_NT)} windows of the corpus; --max-windows takes more"))
    if c.corpus.num_short:
        text = (
            f"{c.corpus.num_short} of {c.corpus.num_documents} documents are shorter than a window of "
            f"{c.corpus.windows_NT.shape[1]} tokens and are left out"
        )
        remarks.append(Remark(text))
    return remarks
