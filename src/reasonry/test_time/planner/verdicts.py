"""A plan in words: one sentence for each strategy, the reasons behind it, what to do, and what to beware of."""

# pyright: strict
from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.test_time.planner.intervals import TopTwo
from reasonry.test_time.planner.pilot import Goal, Pilot, TokenCount
from reasonry.test_time.planner.records import PromptStatus, StrategyPlan

ADVISED_SAMPLES = 16
ADVISED_PROMPTS = 10
_FALL = 0.01  # a fall of predicted success below this is not worth a sentence


@dataclass(frozen=True)
class Situation:
    """What the words depend on besides a strategy's own numbers.

    Attributes:
        goal: What counts as success.
        target: Success asked for.
        max_n: Samples per prompt that are thinkable.
        num_prompts: Prompts of the pilot.
        num_samples: Smallest and largest pool of the planned prompts.
        planned: The prompts the predictions are of.
        leader_right_P: Whether the leading answer is right (a fraction where several lead).
        top: Their two leading answers.
        status_P: Their states.
        exact_up_to: Largest n predicted from finite pools.
        tokens: Tokens of one sample.
        price_per_mtok: Money per million tokens.
    """

    goal: Goal
    target: float
    max_n: int
    num_prompts: int
    num_samples: tuple[int, int]
    planned: Pilot
    leader_right_P: NDArray[np.float64]
    top: TopTwo
    status_P: tuple[PromptStatus, ...]
    exact_up_to: int
    tokens: TokenCount | None
    price_per_mtok: float | None


class Advice(NamedTuple):
    """What to do: the strategy to use, None when there is none, and a sentence or two."""

    strategy: str | None
    text: str


def word(strategy: StrategyPlan, situation: Situation) -> StrategyPlan:
    """The strategy with its verdict and its reasons."""
    reasons = list(_reasons(strategy, situation))
    if strategy.name == "vote":
        verdict = _vote_verdict(strategy, situation)
        reasons = [*_vote_reasons(strategy, situation), *reasons]
    elif not situation.planned.has_answers and not situation.planned.num_right_P.any():
        verdict = "no sample holds an answer, so there is nothing to choose from"
    else:
        verdict = _verdict(strategy, situation)
    return replace(strategy, verdict=verdict, reasons=tuple(reasons))


def recommend(strategies: Sequence[StrategyPlan], situation: Situation) -> Advice:
    """The cheapest strategy that reaches the target, a sure one before a likely one, one at hand before any other."""
    enough = [s for s in strategies if s.n_hat <= situation.max_n]
    enough.sort(key=lambda s: s.num_samples or math.inf)  # stable: of two that cost the same the first
    sure = [s for s in enough if not s.needs and s.n_high is not None and s.n_high <= situation.max_n]
    if sure:
        return Advice(sure[0].name, f"Use {_how(sure[0])}.")
    likely = [s for s in enough if not s.needs]
    bought = [s for s in enough if s.needs]
    bought = [s for s in bought if s.n_high is not None and math.isfinite(s.n_high)] or bought
    if likely and bought and (bought[0].num_samples or 0) >= (likely[0].num_samples or 0):
        bought = []
    instead = f" With {bought[0].needs}: {_how(bought[0])}." if bought else ""
    if likely and likely[0].n_high is None:
        text = f"Use {_how(likely[0])}; a single prompt gives this estimate no interval."
        return Advice(likely[0].name, text + instead)
    if likely:
        text = f"The best estimate is {_how(likely[0])}, but the pilot cannot promise it"
        return Advice(likely[0].name, f"{text}: {_why_unsure(likely[0], situation)}.{instead}")
    if bought:
        return Advice(bought[0].name, f"{_upper(strategies[0].verdict)}.{instead}")
    if not situation.planned.has_answers and not situation.planned.num_right_P.any():
        return Advice(None, "No sample holds an answer: look at how answers are read, or at the token limit.")
    best = max(strategies, key=lambda s: max(point.success for point in s.curve))
    most = max(best.curve, key=lambda point: point.success)
    text = (
        f"No strategy reaches {situation.target:.0%} within {situation.max_n} samples; the most is {most.success:.1%}"
    )
    text += f", by {best.name} with n = {most.n}{f' and {best.needs}' if best.needs else ''}."
    if situation.goal == "right answer":
        text += " What is missing are prompts on which no sample is right: that takes a better model, not more samples."
    return Advice(None, text)


def warnings(situation: Situation) -> tuple[str, ...]:
    """What to beware of in the whole plan."""
    return tuple(_warnings(situation))


# ---------------------------------------------------------------- verdicts


def _vote_verdict(strategy: StrategyPlan, situation: Situation) -> str:
    if not situation.planned.has_answers:
        return "no sample holds an answer: there is nothing to vote on"
    if situation.planned.num_prompts == 1:
        return _vote_on_one(strategy, situation)
    return _verdict(strategy, situation)


def _vote_on_one(strategy: StrategyPlan, situation: Situation) -> str:
    status, top = situation.status_P[0], situation.top
    if status == "one text":
        return (
            "all samples are the same text: they are not independent and count as one; sample with a temperature "
            "above 0 and different seeds"
        )
    if status == "tied":
        return "the runner-up is tied: more votes cannot help; get a verifier"
    if status == "undecided":
        more = max(1.0, float(top.votes_to_decide[0]) - situation.num_samples[1])
        return f"undecidable at pilot size; about {more:,.0f} more votes or a verifier"
    if situation.leader_right_P[0] < 1:
        return "the favourite answer is wrong, and more votes only make it win more often; get a verifier"
    return _verdict(strategy, situation)


def _verdict(strategy: StrategyPlan, situation: Situation) -> str:
    target, n = situation.target, strategy.n_hat
    what = "votes" if strategy.name.endswith("vote") else "attempts" if "correction" in strategy.name else "samples"
    if n <= situation.max_n:
        text = f"{n:,.0f} {what if n > 1 else what[:-1]} per prompt reach{'es' if n == 1 else ''} {target:.0%}"
        if strategy.n_high is not None and math.isinf(strategy.n_high):
            text += " on the best estimate, which the pilot is too small to promise"
        return text
    if "perfect" in strategy.name and situation.goal == "right answer":
        never = int((situation.planned.num_right_P == 0).sum())
        if never:
            return (
                f"does not reach {target:.0%} within {situation.max_n:,} {what}: on {never} of "
                f"{situation.planned.num_prompts} prompts no sample of the pilot is right"
            )
    if math.isfinite(n):
        return f"needs {n:,.0f} {what}, more than max-n = {situation.max_n:,}"
    if strategy.ceiling is not None and strategy.ceiling.value < target:
        low, high = strategy.ceiling.low, strategy.ceiling.high
        interval = "" if low is None or high is None else f" [{low:.1%}, {high:.1%}]"
        text = f"tends to {strategy.ceiling.value:.1%}{interval} however many {what}, below {target:.0%}"
        if high is not None and high >= target:
            return f"{text} on the best estimate; larger pools or more prompts would tell"
        if strategy.name == "vote":
            text += ": elsewhere a wrong answer is the favourite; more votes cannot help, a verifier can"
        return text
    if strategy.name == "vote" and situation.goal == "mode":
        unsure = _count(situation)
        return (
            f"does not reach {target:.0%} within {situation.max_n:,} votes: {_unsure(unsure)} of "
            f"{situation.planned.num_prompts} prompts have no clear favourite"
        )
    return f"does not reach {target:.0%} within {situation.max_n:,} {what}"


def _why_unsure(strategy: StrategyPlan, situation: Situation) -> str:
    if strategy.name == "vote" and situation.planned.num_prompts == 1:
        return strategy.verdict
    if situation.goal == "mode":
        return f"{_unsure(_count(situation))} of {situation.planned.num_prompts} prompts have no clear favourite yet"
    return f"at the lower end of its interval it does not reach {situation.target:.0%}; more prompts narrow it"


def _how(strategy: StrategyPlan) -> str:
    text = f"{strategy.name} with n = {strategy.n_hat:,.0f}"
    if strategy.n_low is not None and strategy.n_high is not None:
        high = "no bound" if math.isinf(strategy.n_high) else f"{strategy.n_high:,.0f}"
        text += f" ({strategy.n_low:,.0f} to {high})"
    parts: list[str] = []
    if strategy.num_samples is not None and strategy.num_samples < strategy.n_hat:
        parts.append(f"{strategy.num_samples:,.1f} attempts on average")
    if strategy.num_tok is not None:
        parts.append(f"{strategy.num_tok:,.0f} tokens per prompt")
    if strategy.cost is not None:
        parts.append(f"cost {1000 * strategy.cost:.3g} per 1,000 prompts")
    return f"{text}: {', '.join(parts)}" if parts else text


# ---------------------------------------------------------------- reasons


def _vote_reasons(strategy: StrategyPlan, situation: Situation) -> Iterator[str]:
    top, num = situation.top, situation.planned.num_prompts
    if num == 1 and situation.status_P[0] != "silent":
        yield (
            f"p1 = {top.p1[0]:.3f} [{top.p1_low[0]:.3f}, {top.p1_high[0]:.3f}], "
            f"p2 = {top.p2[0]:.3f} [{top.p2_low[0]:.3f}, {top.p2_high[0]:.3f}], "
            f"gap = {top.gap[0]:.3f} [{top.gap_low[0]:.3f}, {top.gap_high[0]:.3f}]; a vote needs about "
            "z^2 (p1 + p2 - gap^2) / gap^2 samples"
        )
    elif num > 1:
        count = _count(situation)
        yield (
            f"at the pilot's size the favourite is clear for {count['decided']} of {num} prompts, unclear for "
            f"{count['undecided']}, tied for {count['tied']}"
        )
    if situation.goal == "right answer" and num > 1:
        yield (
            f"the favourite is right on {situation.leader_right_P.mean():.1%} of prompts, where votes help; on the "
            "others they hurt"
        )
        best = max(strategy.curve, key=lambda point: point.success)
        if best.success - strategy.curve[-1].success > _FALL:
            yield f"accuracy is highest with {best.n} votes ({best.success:.1%}) and falls from there"
    if 1 < strategy.n_hat < math.inf:
        yield "numbers are odd: between two answers an even number of votes wins exactly as often as one vote fewer"


def _reasons(strategy: StrategyPlan, situation: Situation) -> Iterator[str]:
    planned = situation.planned
    if "perfect" in strategy.name and strategy.name.startswith("best"):
        if situation.goal == "mode":
            yield "success here means that the favourite is among the samples"
        else:
            never = int((planned.num_right_P == 0).sum())
            yield f"no sample is right on {never} of {planned.num_prompts} prompts, where no verifier can help"
    if "correction" in strategy.name:
        yield "succeeds as often as best-of-n with the same verifier, in fewer samples, one after the other"
        yield "an attempt counts as a fresh sample: what it learns from feedback is not in a pilot"
    if strategy.n_hat != math.inf and strategy.n_hat > situation.exact_up_to > 0:
        yield f"n is beyond the pilot's {situation.exact_up_to} samples, so its success is extrapolated"


# ---------------------------------------------------------------- warnings


def _warnings(situation: Situation) -> Iterator[str]:
    planned, (smallest, largest) = situation.planned, situation.num_samples
    num = planned.num_prompts
    if situation.goal == "mode":
        yield (
            "No sample is labelled right or wrong: this plans for the most frequent answer of the model (its mode), "
            "which need not be right."
        )
    elif num < situation.num_prompts:
        yield f"{situation.num_prompts - num} of {situation.num_prompts} prompts have no label and are left out."
    if largest == 1:
        yield "There is one sample per prompt: nothing can be said about how often answers repeat."
    elif smallest < ADVISED_SAMPLES:
        yield f"The smallest pool has {smallest} samples; {ADVISED_SAMPLES} or more are advised."
    if smallest != largest:
        yield (
            f"Pools hold {smallest} to {largest} samples; predictions beyond {smallest} are extrapolated for some "
            "prompts."
        )
    if 1 < num < ADVISED_PROMPTS and situation.goal == "right answer":
        yield f"{num} prompts are few: a bootstrap over them gives intervals that are too short."
    if same := int(planned.is_one_text_P.sum()):
        yield (
            f"On {same} of {num} prompts all samples are the same text: they are not independent, and count as one "
            "sample in the intervals."
        )
    silent = int(planned.num_silent_P.sum())
    if silent and planned.has_answers:
        total = int(planned.num_samples_P.sum())
        yield f"{silent} of {total} samples hold no answer ({silent / total:.1%}); they never win, and cost as much."
    if situation.tokens is None:
        why = ", so the price buys no estimate of cost" if situation.price_per_mtok is not None else ""
        yield f"The pilot holds no token counts{why}; costs are in samples."


def _count(situation: Situation) -> Counter[str]:
    return Counter(situation.status_P)


def _unsure(count: Counter[str]) -> int:
    return count.total() - count["decided"]


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
