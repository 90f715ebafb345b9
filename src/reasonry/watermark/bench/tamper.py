"""Tamper-resistance: how much of a watermark attacks can remove at how much loss of quality (Piet et al. 2023).

Each attack leaves texts of mean quality q' of which a share w' is still detected; without an attack these are q and w.
Plotted are the points (min(q' / q, 1), w'), and three that everybody can reach:

    (1, w)   no attack            (0, w)   a worthless text that is still marked            (0, 0)   no text at all

    resistance = max(0, w - area of the convex hull of all these points)

An attacker can mix attacks, text by text, which gives every point of the hull. With useless attacks only the corners
remain, the triangle has area w / 2 and the resistance is w / 2, its largest value; an attack that removes the mark at
no cost, (1, 0), makes it 0. The measure is the authors', with what their code settles: quality above the baseline
counts as equal to it, the axis of detection is not normalised, and attacks that raise the share of detected texts
enlarge the hull, too. Nothing detected at the outset gives resistance 0.

Next to it stands the worst attack: of those that keep at least 80 % of the baseline's quality, the one that leaves the
fewest texts detected; of several, the one with the best quality. The authors leave paraphrases by another language
model out of both figures; that is the caller's choice here.
"""

# pyright: strict, reportMissingTypeStubs=false
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.errors import ConfigError, DataError

FloatArray = NDArray[np.float64]

DEFAULT_KEEP = 0.8


class Outcome(NamedTuple):
    """What an attack, or none, leaves.

    Attributes:
        quality: Mean quality of the texts, on any scale with 0 for worthless.
        share_detected: Share of the texts in which the watermark is detected, 0 to 1.
    """

    quality: float
    share_detected: float


class Resistance(NamedTuple):
    """Result of `tamper_resistance`.

    Attributes:
        value: Tamper-resistance, 0 to half the baseline's share.
        hull_area: Area that attackers can reach.
        worst: Name of the worst attack that keeps the quality, None when none does.
        worst_share_detected: Share still detected after it; the baseline's when there is none.
        num_attacks: Attacks looked at.
    """

    value: float
    hull_area: float
    worst: str | None
    worst_share_detected: float
    num_attacks: int


def tamper_resistance(baseline: Outcome, attacks: Mapping[str, Outcome], *, keep: float = DEFAULT_KEEP) -> Resistance:
    """Tamper-resistance of a watermark from measured attacks.

    Args:
        baseline: Marked texts without an attack.
        attacks: The same texts after each attack, by name.
        keep: Share of the baseline's quality that the worst attack must keep.

    Raises:
        ConfigError: ``keep`` is not between 0 and 1.
        DataError: A share is not between 0 and 1, a quality is negative or not a number, or the baseline's is 0.
    """
    if not 0.0 <= keep <= 1.0:
        raise ConfigError(f"keep={keep} is not between 0 and 1")
    for name, outcome in {"the baseline": baseline, **attacks}.items():
        if not (0.0 <= outcome.share_detected <= 1.0 and 0.0 <= outcome.quality < np.inf):
            raise DataError(f"{outcome} is not a quality and a share", place=name)
    if not baseline.quality > 0:
        raise DataError("the baseline has quality 0", remedy="Rate it on a scale with 0 for worthless texts.")
    reached = [(min(a.quality / baseline.quality, 1.0), a.share_detected) for a in attacks.values()]
    base = baseline.share_detected
    area = hull_area([*reached, (1.0, base), (0.0, base), (0.0, 0.0)])
    worst = worst_attack(baseline, attacks, keep=keep)
    return Resistance(
        max(0.0, base - area),
        area,
        worst,
        base if worst is None else attacks[worst].share_detected,
        len(attacks),
    )


def worst_attack(baseline: Outcome, attacks: Mapping[str, Outcome], *, keep: float = DEFAULT_KEEP) -> str | None:
    """The attack after which the fewest texts are detected, of those that keep ``keep`` of the baseline's quality.

    Ties go to the better quality, then to the attack listed first.

    Args:
        baseline: Marked texts without an attack.
        attacks: The same texts after each attack, by name.
        keep: Share of the baseline's quality.
    """
    able = [name for name, outcome in attacks.items() if outcome.quality >= keep * baseline.quality]
    return min(able, key=lambda name: (attacks[name].share_detected, -attacks[name].quality), default=None)


def hull_area(point_N2: ArrayLike) -> float:
    """Area of the convex hull of points in the plane; 0 for points on a line.

    Args:
        point_N2: Shape (N, 2), finite.

    Raises:
        DataError: Not such points.
    """
    from scipy import spatial

    point = np.asarray(point_N2, dtype=np.float64)
    if point.size and (point.ndim != 2 or point.shape[1] != 2 or not np.isfinite(point).all()):
        raise DataError(f"an array of shape {point.shape} does not hold finite points in the plane")
    if len(point) < 3:
        return 0.0
    centred: FloatArray = point - point.mean(axis=0)
    spread = np.linalg.svd(centred, compute_uv=False)
    if spread[1] <= 1e-12 * spread[0]:
        return 0.0
    qhull = cast(Any, spatial)
    try:
        return float(qhull.ConvexHull(centred).volume)
    except qhull.QhullError:
        return 0.0  # flat to Qhull's tolerance, which depends on the coordinates' size
