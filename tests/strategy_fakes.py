"""What the tests of strategies share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reasonry.core.messages import user
from reasonry.core.sampling.scripted import ScriptedSampler
from reasonry.core.scoring import CallableScorer
from reasonry.core.task import Problem
from reasonry.test_time.knockout_vote import KnockoutVote
from reasonry.test_time.pool import Question
from reasonry.test_time.simulate import CategoricalSampler
from reasonry.test_time.strategies import (
    BestOfN,
    BestThenVote,
    Result,
    SoftBestOfN,
    WeightedVote,
    question_of,
)

RULES = ("fixed", "curtail", "certify:0.3", "beta:0.8", "doubling:0.7", "window:3", "group-sequential:0.3")
SCORED: tuple[Any, ...] = (BestOfN, WeightedVote, BestThenVote, SoftBestOfN, KnockoutVote)
LAWS = {"q0": [0.8, 0.1, 0.1], "q1": [0.4, 0.4, 0.2], "q2": [0.0, 0.0, 1.0], "q3": [0.3, 0.6, 0.1]}
QUESTIONS = [Question(name, (user(name),), Problem(name, name, "x")) for name in LAWS]


def simulated(seed: int = 0) -> CategoricalSampler:
    return CategoricalSampler(LAWS, seed=seed, answers=("x", "y", None), mark="")


def scripted(*texts: str, **more: Sequence[str]) -> ScriptedSampler:
    """Answers of the question that is asked as the text "q", and of others by id."""
    return ScriptedSampler({question_of("q").id: texts, "q": texts, **more})


def by_table(**scores: Any) -> CallableScorer:
    """A score by the reply alone."""
    return CallableScorer(lambda prompt, reply: scores.get(reply), name="table")


def told(result: Result) -> tuple[Any, ...]:
    """What a result says, whatever was drawn beyond."""
    return (
        result.id,
        result.answer,
        result.text,
        result.grade,
        result.decision,
        result.weights,
        result.num_used,
        result.was_tied,
        result.parse_rate,
        result.warnings,
    )


def without_logps() -> dict[str, Any]:
    return {"score": by_table(x=1.0, y=2.0)}
