"""What a plan says, as data."""

# pyright: strict
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from reasonry.test_time.planner.intervals import TopTwo
from reasonry.test_time.planner.pilot import Goal, TokenCount

Basis = Literal["finite pool", "plug-in"]
PromptStatus = Literal["decided", "undecided", "tied", "silent", "one text"]


class Ceiling(NamedTuple):
    """Success as n grows without end, with its interval over prompts (None for a single prompt)."""

    value: float
    low: float | None
    high: float | None
    what: str


class Prediction(NamedTuple):
    """Predicted success with n samples per prompt.

    Attributes:
        n: Samples per prompt at most.
        success: Mean over prompts.
        low: Lower end; None when there is no interval.
        high: Upper end.
        num_samples: Samples drawn on average.
        num_tok: Completion tokens per prompt; None when the pilot does not know them.
        cost: Money per prompt; None without a price or without tokens.
        is_extrapolated: Beyond what the pilot's pools give exactly.
    """

    n: int
    success: float
    low: float | None
    high: float | None
    num_samples: float
    num_tok: float | None
    cost: float | None
    is_extrapolated: bool


@dataclass(frozen=True)
class StrategyPlan:
    """The plan for one strategy.

    Attributes:
        name: The strategy.
        about: What it does, in a few words.
        needs: What the user must still get for it; empty when the pilot shows that it is there.
        n_hat: Samples per prompt; inf where the prediction never reaches the target.
        n_low: Lower end; None when there is no interval.
        n_high: Upper end, inf where the pilot cannot promise any number.
        num_samples: Samples drawn on average with ``n_hat``; None where that is inf.
        num_tok: Tokens per prompt with ``n_hat``.
        cost: Money per prompt with ``n_hat``.
        ceiling: None where nothing is known of it.
        curve: Predictions over the whole grid.
        budgets: Those of them at n = 1, 2, 4, ...
        verdict: One sentence.
        reasons: Why, and what to keep in mind.
    """

    name: str
    about: str
    needs: str
    n_hat: float
    n_low: float | None
    n_high: float | None
    num_samples: float | None
    num_tok: float | None
    cost: float | None
    ceiling: Ceiling | None
    curve: tuple[Prediction, ...]
    budgets: tuple[Prediction, ...]
    verdict: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """A plan.

    Attributes:
        goal: What counts as success.
        target: Success asked for.
        level: Coverage of all intervals.
        max_n: Samples per prompt that are thinkable.
        num_prompts: Prompts of the pilot.
        num_planned: Prompts the predictions average over: the labelled ones, or all.
        num_samples: Smallest and largest pool of those.
        basis: Where predictions within the pilot's size come from.
        tokens: Tokens of one sample.
        price_per_mtok: Money per million tokens.
        recall: Of the verifier, given or measured.
        false_accept: Likewise.
        top: Every prompt's two leading answers.
        status_P: Every prompt's state.
        strategies: Vote first.
        recommended: Name of the strategy to use, or None.
        recommendation: What to do, in words.
        warnings: What to beware of.
    """

    goal: Goal
    target: float
    level: float
    max_n: int
    num_prompts: int
    num_planned: int
    num_samples: tuple[int, int]
    basis: Basis
    tokens: TokenCount | None
    price_per_mtok: float | None
    recall: float | None
    false_accept: float | None
    top: TopTwo
    status_P: tuple[PromptStatus, ...]
    strategies: tuple[StrategyPlan, ...]
    recommended: str | None
    recommendation: str
    warnings: tuple[str, ...]
