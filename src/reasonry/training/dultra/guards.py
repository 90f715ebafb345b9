"""Notices when training a planner goes wrong: the ways in which it collapses, and what each looks like.

    unmask-all     everything is revealed at once: passes near the number of blocks or q near 1 everywhere, and accuracy
                   under half of what it was
    unmask-one     nothing is chosen: over 95 % of steps are forced, and passes near the answer's length
    no signal      rewards within groups are all alike: nothing is learnt from here
    diversity      the denoiser, trained along, writes the same answer again and again, which makes one pass enough

The last is lawful under a verifier, a speed reward and a teacher's likelihood alike, so it is warned of and never
stops a run; the share of distinct answers belongs beside every number of passes. Passes alone miss the first where
logits are clamped: at q = .982 four positions take 1.07 passes. That bound on q, patience, and the bounds on signal and
diversity are reconstructed, the others as observed of dUltra (arXiv 2512.21446) at small scale.

Shapes: P prompts, G decodings of each, L answer, B = P G rows, S steps.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from reasonry.core.config import Config
from reasonry.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["unmask_all", "unmask_one", "no_signal", "diversity"]
KINDS: tuple[Kind, ...] = ("unmask_all", "unmask_one", "no_signal", "diversity")
STOPPING: tuple[Kind, ...] = ("unmask_all", "unmask_one")
"""Kinds that end a run when they last."""

Share = Annotated[float, Field(ge=0, le=1)]


class GuardConfig(Config):
    """When to warn, and when to stop."""

    forced_share: Share = 0.95
    """Unmask-one: more of the steps than this are forced."""
    nfe_slack: Annotated[float, Field(ge=1)] = 1.05
    """Unmask-all: passes at most this many times the number of blocks."""
    mean_q: Share = 0.95
    """Unmask-all: or the mean probability of revealing a position above this."""
    accuracy_drop: Share = 0.5
    """Unmask-all: accuracy below this share of what it was at the start."""
    zero_std_share: Share = 0.95
    """No signal: more of the groups than this have rewards that are all alike."""
    distinct_drop: Share = 0.5
    """Diversity: the share of distinct answers is below this share of what it was at the start."""
    patience: Annotated[int, Field(ge=0)] = 10
    """Updates in a row with a collapse after which to stop; 0 only warns."""


class Vitals(NamedTuple):
    """How an update's decodings were.

    Attributes:
        update: Updates done before.
        mean_q: Mean probability of revealing an eligible position.
        forced_share: Share of steps that were forced.
        nfe: Mean forward passes of a decoding.
        num_blocks: Blocks of an answer, the fewest passes there can be.
        accuracy: Share of answers that are right.
        zero_std_share: Share of groups whose rewards are all alike.
        distinct_share: Distinct answers to a prompt over answers, at token temperature 1; None when not measured.
    """

    update: int
    mean_q: float
    forced_share: float
    nfe: float
    num_blocks: int
    accuracy: float
    zero_std_share: float
    distinct_share: float | None = None


class Alarm(NamedTuple):
    """What is wrong.

    Attributes:
        kind: Which collapse.
        message: For people, with the numbers.
        is_first: It was not so at the update before: worth printing.
        should_stop: It has lasted for longer than patience.
    """

    kind: Kind
    message: str
    is_first: bool
    should_stop: bool


class Guard:
    """Watches the updates of one run.

    Args:
        config: Its bounds.
        start_accuracy: Before training; that of the first update seen when None.
    """

    def __init__(self, config: GuardConfig | None = None, *, start_accuracy: float | None = None) -> None:
        self.config = config or GuardConfig()
        self._accuracy = start_accuracy
        self._distinct: float | None = None
        self._lasting: dict[str, int] = {}

    def observe(self, vitals: Vitals) -> tuple[Alarm, ...]:
        """What is wrong after this update; nothing when all is well."""
        if self._accuracy is None:
            self._accuracy = vitals.accuracy
        if self._distinct is None:
            self._distinct = vitals.distinct_share
        alarms: list[Alarm] = []
        said = self._said(vitals)
        for kind in KINDS:
            message = said.get(kind)
            before = self._lasting.get(kind, 0)
            self._lasting[kind] = before + 1 if message else 0
            if message:
                patience = self.config.patience
                stop = kind in STOPPING and 0 < patience <= before + 1
                alarms.append(Alarm(kind, f"update {vitals.update}: {message}", before == 0, stop))
        return tuple(alarms)

    def _said(self, v: Vitals) -> dict[Kind, str]:
        config, said = self.config, dict[Kind, str]()
        start = self._accuracy or 0.0
        is_all = v.nfe <= config.nfe_slack * v.num_blocks or v.mean_q > config.mean_q
        if is_all and v.accuracy < config.accuracy_drop * start:
            said["unmask_all"] = (
                f"everything is revealed at once: {v.nfe:.2f} passes for {v.num_blocks} blocks, mean q {v.mean_q:.3f}, "
                f"accuracy {v.accuracy:.3f} from {start:.3f}. Lower the weight of speed, or clamp the logits"
            )
        if v.forced_share > config.forced_share:
            said["unmask_one"] = (
                f"the planner chooses nothing: {v.forced_share:.1%} of steps are forced, mean q {v.mean_q:.3f}, "
                f"{v.nfe:.2f} passes. Raise the output bias or the weight of speed, or clamp the logits"
            )
        if v.zero_std_share > config.zero_std_share:
            said["no_signal"] = f"{v.zero_std_share:.1%} of groups have rewards that are all alike: they teach nothing"
        if v.distinct_share is not None and v.distinct_share < config.distinct_drop * (self._distinct or 0.0):
            said["diversity"] = (
                f"{v.distinct_share:.3f} of answers are distinct, {self._distinct or 0.0:.3f} at the start: few passes "
                f"({v.nfe:.2f}) may be those of a memorised answer"
            )
        return said

    def state(self) -> dict[str, float | None]:
        """What a checkpoint must bring back."""
        lasting = {f"lasting_{kind}": float(self._lasting.get(kind, 0)) for kind in KINDS}
        return {"accuracy": self._accuracy, "distinct": self._distinct, **lasting}

    def restore(self, state: Mapping[str, float | None]) -> None:
        """Go on from `state`."""
        self._accuracy, self._distinct = state["accuracy"], state["distinct"]
        self._lasting = {kind: int(state[f"lasting_{kind}"] or 0) for kind in KINDS}


# ---------------------------------------------------------------- figures


def forced_share(is_forced_BS: Tensor, nfe_B: Tensor) -> float:
    """Share of steps that were forced, over all decodings; 0 when there are no steps."""
    return float(is_forced_BS.sum()) / max(int(nfe_B.sum()), 1)


def zero_std_share(reward_PG: ArrayLike) -> float:
    """Share of groups whose rewards are all alike."""
    reward = np.asarray(reward_PG, dtype=np.float64)
    return float((reward.max(1) == reward.min(1)).mean())


def distinct_share(tokens_PGL: ArrayLike) -> float:
    """Distinct answers to a prompt over answers, averaged over prompts: 1 when no two are alike, 1 / G when all are.

    Raises:
        DataError: There are no answers.
    """
    tokens = np.asarray(tokens_PGL)
    if tokens.ndim != 3 or not tokens.shape[0] or not tokens.shape[1]:
        raise DataError(f"answers of shape {tokens.shape} are not groups of answers", remedy="Give (P, G, L).")
    return float(np.mean([len(np.unique(group, axis=0)) / len(group) for group in tokens]))
