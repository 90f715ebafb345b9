"""Measurement behind the claim that a verdict makes a second attempt right where one attempt stays at copying."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reasonry.core.claims import Measurement
from reasonry.core.stats import bootstrap

if TYPE_CHECKING:
    from reasonry.test_time.sat_copy.train import Trained

_PLATEAU = (0.57, 0.68)  # around 0.625, the accuracy of copying strings of 5
_FLAT = 0.05  # largest distance from copying on the same prompts


def feedback_gain(*, seed: int, folder: str = "", **settings: Any) -> Measurement:
    """Accuracy of the second attempt with feedback minus that of one answer without, on the same test prompts.

    Two models are trained alike. The gain counts only if one answer is really stuck: on the test, and at every
    evaluation in the second half of training, the accuracies of the answer without feedback and of the first attempt
    with it must be those of copying every string (within 0.05 on the same prompts; between 0.57 and 0.68 on the test).
    Else the interval is [-1, 1].

    Args:
        seed: Root of every random stream.
        folder: Checkpoints go here; none are kept when empty.
        **settings: Fields of `SatCopyConfig`.
    """
    from reasonry.core.config import from_dict
    from reasonry.test_time.sat_copy.config import SatCopyConfig
    from reasonry.test_time.sat_copy.train import train

    with_, without = (
        train(
            from_dict(SatCopyConfig, {**settings, "feedback": feedback, "seed": seed}),
            folder=Path(folder) / feedback if folder else None,
        )
        for feedback in ("verifier", "none")
    )
    assert np.array_equal(with_.test.is_sat_B, without.test.is_sat_B), "the same prompts"
    gain_B = with_.test.second_right_B.astype(float) - without.test.first_right_B
    found = bootstrap(gain_B, lambda gain_RB: gain_RB.mean(axis=1), seed=seed, vectorized=True, method="percentile")
    low, high = found.interval.low, found.interval.high
    detail = (
        f"second attempt {with_.test.second:.3f}, its first {with_.test.first:.3f}, one answer without feedback "
        f"{without.test.first:.3f}, copying {with_.test.copying:.3f}; 95 % percentile bootstrap over prompts"
    )
    if moved := _not_flat([with_, without]):
        low, high, detail = -1.0, 1.0, f"no interval, {moved}; {detail}"
    return Measurement(float(found.estimate), low, high, with_.test.num, seed, detail)


def _not_flat(models: Sequence[Trained]) -> str:
    """Why the accuracy of one answer is not that of copying; empty when it is."""
    for trained in models:
        half = trained.config.num_steps / 2
        seen = [(f"step {r.step}", r.first, r.copying) for r in trained.history if r.step >= half]
        for where, first, copying in [*seen, ("the test", trained.test.first, trained.test.copying)]:
            if abs(first - copying) > _FLAT:
                return f"one answer is right at {first:.3f} and copying at {copying:.3f}, at {where}"
        if not _PLATEAU[0] <= trained.test.first <= _PLATEAU[1]:
            return f"the plateau {trained.test.first:.3f} is not within {_PLATEAU}"
    return ""
