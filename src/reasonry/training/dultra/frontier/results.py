"""What was found: each policy's accuracy, passes and cost, and what a kind of policy makes of its settings.

    accuracy   right answers over decodings. Those of one prompt are not independent: with several seeds the interval is
               Wilson's for as many decodings as would be as precise if they were,
                   n_eff = p (1 - p) / Var,   Var = sum_i (p_i - p)^2 / (P (P - 1)),   between P and all decodings,
               p_i the accuracy on prompt i (P prompts); P where every prompt has the same
    passes     forward passes (NFE) of a decoding, mean; bootstrap interval over prompts
    tokens per forward   tokens up to and with the end token of all decodings over their passes
    distinct   different answers to a prompt over its decodings, mean over prompts; 1 / seeds when all are alike
    AUP        see `aup`: over the settings of a kind, y_max the best accuracy of any policy
    dominated  another policy is as accurate in fewer passes, or more accurate in as many (point estimates)

Source of the effective number: Kish, Survey Sampling (1965); of its use in Wilson's interval: Dean and Pagano, Survey
Research Methods 9 (2015) 117.

Shapes: P prompts, K seeds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.core.rows import Row
from reasonry.core.stats import bootstrap, wilson
from reasonry.training.dultra.aup import Point, aup
from reasonry.training.dultra.frontier.sweep import Contender

_NUM_BOOT = 1000

Floats = NDArray[np.float64]


class Value(NamedTuple):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


class PolicyResult(NamedTuple):
    """What one policy did.

    Attributes:
        label: Its name.
        family: What it is a setting of.
        num_prompts: P.
        num_seeds: K, decodings of each prompt.
        accuracy: Share of decodings that are right.
        share_right: Share of parts that are right, mean.
        nfe: Forward passes of a decoding, mean.
        tokens_per_forward: Tokens of answers over passes.
        token_forwards: Tokens that the denoiser read, for one decoding.
        seconds: Wall time of a decoding in its batch, the planner's included.
        head_seconds: Of these, in the planner; 0 for rules.
        forced_share: Share of passes in which the policy chose nothing itself.
        distinct: Share of different answers among those to one prompt; None with one seed.
        num_errors: Answers on which the verifier failed, counted as wrong.
        is_dominated: Whether another policy is better in one and no worse in the other.
    """

    label: str
    family: str
    num_prompts: int
    num_seeds: int
    accuracy: Value
    share_right: float
    nfe: Value
    tokens_per_forward: float
    token_forwards: float
    seconds: float
    head_seconds: float
    forced_share: float
    distinct: float | None
    num_errors: int
    is_dominated: bool = False


class FamilyResult(NamedTuple):
    """What a kind of policy makes of its settings.

    Attributes:
        name: The kind.
        num: Settings that were decoded.
        aup: Accuracy under parallelism; None when no policy was ever right.
        fastest: Label of its setting with the fewest passes at the target accuracy; None when none reaches it.
        most_accurate: Label of its most accurate setting, the one with the fewest passes of several.
    """

    name: str
    num: int
    aup: float | None
    fastest: str | None
    most_accurate: str


class Frontier(NamedTuple):
    """The comparison.

    Attributes:
        denoiser: Its name.
        task: What was decoded.
        policies: In the order they were asked for.
        families: In the same order.
        best_accuracy: Of any policy.
        target: Accuracy for which the fewest passes are told.
        num_errors: Answers on which the verifier failed.
        error: What it said the first time.
        notes: What the reader should know.
    """

    denoiser: str
    task: str
    policies: tuple[PolicyResult, ...]
    families: tuple[FamilyResult, ...]
    best_accuracy: float
    target: float
    num_errors: int
    error: str
    notes: tuple[str, ...]

    def of(self, label: str) -> PolicyResult:
        """The result of a policy."""
        return next(policy for policy in self.policies if policy.label == label)

    @property
    def undominated(self) -> list[PolicyResult]:
        """The frontier, from few passes to many."""
        return sorted((p for p in self.policies if not p.is_dominated), key=lambda p: (p.nfe.value, p.label))

    @property
    def fastest(self) -> PolicyResult | None:
        """The policy with the fewest passes at the target accuracy; None when none reaches it."""
        return fewest_passes([p for p in self.policies if p.accuracy.value >= self.target])


def frontier(
    contenders: Sequence[Contender],
    rows: Mapping[str, Sequence[Row]],
    *,
    denoiser: str,
    task: str,
    target: float,
    notes: Sequence[str] = (),
) -> Frontier:
    """The comparison that rows make.

    Args:
        contenders: Policies.
        rows: Rows of each, by label, all of them.
        denoiser: Its name.
        task: What was decoded.
        target: Accuracy for which the fewest passes are told.
        notes: What the reader should know.
    """
    measured = [policy_result(contender, rows[contender.label]) for contender in contenders]
    policies = tuple(p._replace(is_dominated=_is_dominated(p, measured)) for p in measured)
    best = max(p.accuracy.value for p in policies)
    names = list(dict.fromkeys(p.family for p in policies))
    families = tuple(_family(name, [p for p in policies if p.family == name], best, target) for name in names)
    everything = [row for contender in contenders for row in rows[contender.label]]
    return Frontier(
        denoiser=denoiser,
        task=task,
        policies=policies,
        families=families,
        best_accuracy=best,
        target=target,
        num_errors=sum(row["num_errors"] for row in everything),
        error=next((row["error"] for row in everything if row["error"]), ""),
        notes=tuple(notes),
    )


def policy_result(contender: Contender, rows: Sequence[Row]) -> PolicyResult:
    """The result of one policy from all its rows."""
    ordered = sorted(rows, key=lambda row: (row["seed"], row["batch"]))
    num_seeds = len({row["seed"] for row in ordered})

    def column(name: str) -> NDArray[Any]:
        return np.concatenate([row[name] for row in ordered]).reshape(num_seeds, -1)

    right_KP, nfe_KP, answers_KP = column("right").astype(float), column("nfe").astype(float), column("answers")
    num = right_KP.size
    distinct = None
    if num_seeds > 1:
        distinct = float(np.mean([len(set(answers_K)) / num_seeds for answers_K in answers_KP.T]))
    return PolicyResult(
        label=contender.label,
        family=contender.family,
        num_prompts=right_KP.shape[1],
        num_seeds=num_seeds,
        accuracy=accuracy_of(right_KP),
        share_right=float(column("share").mean()),
        nfe=mean_of(nfe_KP),
        tokens_per_forward=float(column("num_tok").sum() / nfe_KP.sum()),
        token_forwards=sum(row["token_forwards"] for row in ordered) / num,
        seconds=sum(row["seconds"] for row in ordered) / num,
        head_seconds=sum(row["head_seconds"] for row in ordered) / num,
        forced_share=float(column("forced").sum() / nfe_KP.sum()),
        distinct=distinct,
        num_errors=sum(row["num_errors"] for row in ordered),
    )


def accuracy_of(right_KP: Floats) -> Value:
    """Share of ones and its 95 % interval, prompts as clusters; see the module.

    Args:
        right_KP: 1 where the decoding of seed k of prompt p is right, else 0.
    """
    (K, P), p = right_KP.shape, float(right_KP.mean())
    n = float(P)
    if K > 1:
        variance = float(((right_KP.mean(0) - p) ** 2).sum()) / (P * max(P - 1, 1))
        n = P if variance == 0 else min(max(p * (1 - p) / variance, P), K * P)
    num = math.floor(n + 1e-9)
    # Wilson's takes whole numbers: the two beside p n, outwards, which is one where p n is whole.
    exact = p * num
    low = wilson(math.floor(exact + 1e-9), num).low
    high = wilson(min(math.ceil(exact - 1e-9), num), num).high
    return Value(p, low, high)


def mean_of(values_KP: Floats) -> Value:
    """Mean and its 95 % bootstrap interval over prompts."""
    value_P = values_KP.mean(0)
    mean = float(value_P.mean())
    if len(value_P) < 2 or np.ptp(value_P) == 0:
        return Value(mean, mean, mean)
    found = bootstrap(
        value_P, lambda x_RP: x_RP.mean(axis=1), seed=0, num_boot=_NUM_BOOT, method="percentile", vectorized=True
    ).interval
    return Value(mean, found.low, found.high)


def fewest_passes(policies: Sequence[PolicyResult]) -> PolicyResult | None:
    """The one with the fewest passes, the most accurate of several, the first of equals; None of none."""
    return min(policies, key=lambda p: (p.nfe.value, -p.accuracy.value), default=None)


def _is_dominated(one: PolicyResult, others: Sequence[PolicyResult]) -> bool:
    return any(
        o.accuracy.value >= one.accuracy.value
        and o.nfe.value <= one.nfe.value
        and (o.accuracy.value > one.accuracy.value or o.nfe.value < one.nfe.value)
        for o in others
    )


def _family(name: str, members: Sequence[PolicyResult], best: float, target: float) -> FamilyResult:
    points = [Point(p.tokens_per_forward, 100 * p.accuracy.value) for p in members]
    fastest = fewest_passes([p for p in members if p.accuracy.value >= target])
    most = max(p.accuracy.value for p in members)
    most_accurate = fewest_passes([p for p in members if p.accuracy.value == most])
    assert most_accurate is not None
    return FamilyResult(
        name=name,
        num=len(members),
        aup=aup(points, 100 * best) if best > 0 else None,
        fastest=fastest.label if fastest else None,
        most_accurate=most_accurate.label,
    )


# ---------------------------------------------------------------- files


def csv_text(result: Frontier) -> str:
    """One line for each policy, for spreadsheets."""
    import csv
    import io

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    ends = ("", "_low", "_high")
    writer.writerow(
        [
            name + end
            for name in PolicyResult._fields
            for end in (ends if name in ("accuracy", "nfe") else ("",))
        ]
    )  # fmt: skip
    for policy in result.policies:
        cells = [part for value in policy for part in (value if isinstance(value, Value) else (value,))]
        writer.writerow(["" if cell is None else cell for cell in cells])
    return out.getvalue()
