"""Measurements behind the claims about training on the desk.

All of them read a comparison (`desk.compare`) of the arms that they need. With a folder it is kept there: measuring a
second claim with the same arms and sizes trains nothing again. Intervals are Student's t over repetitions.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reasonry.core.claims import Measurement

if TYPE_CHECKING:
    from reasonry.core.stats import Spread
    from reasonry.training.pivotrl.desk.results import Comparison, Course


def functional_beats_strict(*, seed: int, folder: str = "", **settings: Any) -> Measurement:
    """Sampled desk success of functional minus strict rewards, the smaller difference of random turns and pivots.

    The full 2 x 2 of {random turns, pivots} x {functional, strict}: the paper's table lacks pivots with strict rewards.

    Args:
        seed: Root of every random stream.
        folder: Run directory; a temporary one when empty.
        **settings: Fields of `DeskConfig`.
    """
    from reasonry.training.pivotrl.desk.results import paired

    arms = ("random-functional", "random-strict", "pivots-functional", "pivots-strict")
    found = _compare({"arms": arms, **settings}, seed=seed, folder=folder)

    def gain(turns: str) -> Spread:
        return paired(found.of(f"{turns}-functional"), found.of(f"{turns}-strict"), _sampled)

    of = {turns: gain(turns) for turns in ("random", "pivots")}
    least = min(of.values(), key=lambda s: s.mean)
    style = ", ".join(f"{arm} {_mean(found, arm, _inside):.2f}" for arm in arms)
    detail = (
        f"desk success {', '.join(f'{arm} {_mean(found, arm, _sampled):.3f}' for arm in arms)}; KL inside M(s), nats: "
        f"{style}; t interval over {least.num} repetitions, the smaller of random {of['random'].mean:+.3f} and pivots "
        f"{of['pivots'].mean:+.3f}"
    )
    return Measurement(least.mean, least.low, least.high, least.num, seed, detail)


def ood_retention(*, level: float, seed: int, folder: str = "", **settings: Any) -> Measurement:
    """KL outside the domain of imitation over that of RL on pivots, where both reach the same desk success.

    Imitation is swept over learning rates, and the one that moves least at the level counts.

    Args:
        level: Sampled desk success at which they are compared.
        seed: Root of every random stream.
        folder: Run directory; a temporary one when empty.
        **settings: Fields of `DeskConfig`.
    """
    from reasonry.core.stats import spread
    from reasonry.training.pivotrl.desk.results import value_at

    found = _compare({"arms": ("sft", "pivots-functional"), **settings}, seed=seed, folder=folder)

    def kl(course: Course) -> float:
        return value_at(course, found.base, level, lambda look: look.found.kl_ood)

    def far(course: Course) -> float:
        return value_at(course, found.base, level, lambda look: look.found.far) - found.base.found.far

    logs: list[float] = []
    for course in found.of("pivots-functional"):
        rivals = [kl(c) for c in found.of("sft") if c.repetition == course.repetition]
        least = min((x for x in rivals if not math.isnan(x)), default=math.nan)
        logs.append(math.log(least / kl(course)))
    ratio = spread(logs)
    lost = {arm: spread(far(c) for c in found.of(arm)).mean for arm in ("sft", "pivots-functional")}
    detail = (
        f"geometric mean over {ratio.num} of {len(logs)} repetitions that reach {level:.0%}, t interval of the "
        f"logarithm; far skills {lost['sft']:+.3f} by imitation, {lost['pivots-functional']:+.3f} by RL on pivots"
    )
    if ratio.num < len(logs):
        return Measurement(math.exp(ratio.mean), 0.0, math.inf, ratio.num, seed, f"no interval; {detail}")
    return Measurement(math.exp(ratio.mean), math.exp(ratio.low), math.exp(ratio.high), ratio.num, seed, detail)


def zero_variance_share(
    *, reward: str, seed: int, num_demos: int = 300, k: int = 8, world: str = "plain"
) -> Measurement:
    """Share of the demonstrations' turns whose rewards under the base model do not vary.

    Args:
        reward: functional or strict.
        seed: Root of every random stream.
        num_demos: Demonstrations.
        k: Samples of each turn.
        world: plain or hard.
    """
    from reasonry.core.config import from_dict
    from reasonry.core.stats import wilson
    from reasonry.training.pivotrl.desk.config import DeskConfig
    from reasonry.training.pivotrl.desk.policy import one_thread
    from reasonry.training.pivotrl.desk.profile import Reward, shares
    from reasonry.training.pivotrl.desk.training import make_lab

    rewards: dict[str, Reward] = {"functional": "functional", "strict": "strict"}
    config = from_dict(DeskConfig, {"seed": seed, "num_demos": num_demos, "k": k, "world": world})
    with one_thread():
        lab = make_lab(config, index=0)
    mask = lab.profiled.select(rewards[reward]).mask_N
    found = shares(lab.candidates, lab.profiled, mask, rewards[reward])
    interval = wilson(round(found.zero_variance * found.num), found.num)
    detail = (
        f"Wilson over {found.num} turns of {num_demos} demonstrations, {k} samples each; always right "
        f"{found.all_pass:.3f}, always wrong {found.all_fail:.3f}; {found.pivots} pivots, by turn "
        f"{found.pivots_by_turn}"
    )
    return Measurement(found.zero_variance, interval.low, interval.high, found.num, seed, detail)


def _compare(settings: dict[str, Any], *, seed: int, folder: str) -> Comparison:
    from reasonry.core.config import from_dict
    from reasonry.training.pivotrl.desk.compare import compare
    from reasonry.training.pivotrl.desk.config import DeskConfig

    with tempfile.TemporaryDirectory() as temporary:
        run = Path(folder or temporary) / "run"
        return compare(from_dict(DeskConfig, {**settings, "seed": seed, "run": str(run)}))


def _sampled(course: Course) -> float:
    return course.end.found.desk_sampled


def _inside(course: Course) -> float:
    return course.end.found.drift.inside


def _mean(found: Comparison, arm: str, value: Callable[[Course], float]) -> float:
    from reasonry.core.stats import spread

    return spread(value(c) for c in found.of(arm)).mean
