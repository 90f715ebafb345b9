"""Models with known answers, for audits that load none: each question's scores are a function of the question."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from reasonry.core.candidates.base import CandidateQuestion, CandidateScorer, CandidateScores
from reasonry.core.config import from_dict
from reasonry.core.rows import Row
from reasonry.core.run import Run
from reasonry.core.seeds import stream
from reasonry.tasks.facts.fact import Fact
from reasonry.tasks.facts.generate import MadeFacts, make_facts
from reasonry.understanding.out_of_context.audit.arms import TrainRow
from reasonry.understanding.out_of_context.audit.config import AuditConfig

Law = Callable[[CandidateQuestion], Sequence[float]]
"""Log-probabilities of the candidates of a question."""
SURE = 6.0


class StubScorer:
    """Scores by a law; counts what it was asked."""

    def __init__(self, law: Law, name: str = "stub", kind: Any = "sequence") -> None:
        self._law, self.identity, self._kind = law, {"scorer": name}, kind
        self.num_asked = 0

    def score(self, questions: Sequence[CandidateQuestion]) -> list[CandidateScores]:
        self.num_asked += len(questions)
        found: list[CandidateScores] = []
        for question in questions:
            logp = tuple(map(float, self._law(question)))
            found.append(CandidateScores(logp, logp, logp, False, self._kind, num_tok=(1,) * len(logp)))
        return found

    def describe(self) -> dict[str, Any]:
        return self.identity


class StubTrained(NamedTuple):
    scorer: CandidateScorer
    rows: list[Row]


class StubModels:
    """A base model, a tuned one, and what training on the rows of an arm gives."""

    def __init__(self, base: Law, tuned: Law | Mapping[str, Law], *, kind: str = "sequence") -> None:
        self._base, self._tuned, self._kind = base, tuned, kind
        self.asked: list[StubScorer] = []
        self.trained: dict[str, list[TrainRow]] = {}

    def _scorer(self, law: Law, name: str) -> StubScorer:
        self.asked.append(StubScorer(law, name, self._kind))
        return self.asked[-1]

    def _law(self, arm: str) -> Law:
        return self._tuned[arm] if isinstance(self._tuned, Mapping) else self._tuned

    def base(self) -> CandidateScorer:
        return self._scorer(self._base, "base")

    def tuned(self) -> CandidateScorer:
        return self._scorer(self._law("tuned"), "tuned")

    def train(self, arm: Any, rows: Sequence[TrainRow], part: Run, look: Any, *, say: Any) -> StubTrained:
        self.trained[arm] = list(rows)
        scorer = self._scorer(self._law(arm), arm)
        log: list[Row] = [{"step": 1, "loss": 1.0}, {"step": 2, "loss": 0.5, **look(scorer)}]
        part.path("metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in log))
        return StubTrained(scorer, log)

    @property
    def num_asked(self) -> int:
        return sum(scorer.num_asked for scorer in self.asked)


class World:
    """Made-up facts, and laws about them."""

    def __init__(self, preset: str = "sport-music", **changes: Any) -> None:
        self.made: MadeFacts = make_facts(preset, **{"per_group": 6, "bridge_share": 0.34, **changes})
        self.answers: dict[str, set[str]] = {}
        for fact in [*self.made.table.facts, *self.made.held_out]:
            self.answers.setdefault(fact.subject, set()).add(fact.completion)

    def write(self, folder: Path) -> Path:
        """The training facts as triples."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "facts.jsonl"
        path.write_text("".join(json.dumps(triple(fact)) + "\n" for fact in self.made.table.facts))
        return path

    def knows(self, question: CandidateQuestion) -> list[float]:
        """Every fact and every inference."""
        subject = self._subject(question)
        own = self.answers.get(subject, set())
        return [SURE if candidate in own else -0.01 * at for at, candidate in enumerate(question.candidates)]

    def facts_alone(self, question: CandidateQuestion) -> list[float]:
        """What training says and nothing else."""
        trained = {fact.completion for fact in self.made.table.facts if fact.subject == self._subject(question)}
        return [SURE if candidate in trained else 0.0 for candidate in question.candidates]

    def _subject(self, question: CandidateQuestion) -> str:
        found = [(question.prompt.rfind(subject), subject) for subject in self.answers if subject in question.prompt]
        return max(found, default=(0, ""))[1]


def knows_nothing(question: CandidateQuestion) -> list[float]:
    """All candidates alike."""
    return [0.0] * len(question.candidates)


def one_answer(question: CandidateQuestion) -> list[float]:
    """The same for everybody: the candidate that comes first in the alphabet."""
    order = sorted(question.candidates)
    return [-float(order.index(candidate)) for candidate in question.candidates]


def by_group(world: World, seed: int, *, noise: float) -> Law:
    """Answers at random by group, which its subjects share, with noise of each question: no transfer."""
    group_of = {s: number for number, g in enumerate(world.made.groups) for s in (*g.bridge, *g.test)}
    shared: dict[tuple[int, str], float] = {}
    rng = stream(seed, "answers by group")

    def law(question: CandidateQuestion) -> list[float]:
        group = next((group_of[s] for s in group_of if s in question.prompt), -1)
        for candidate in question.candidates:
            if (group, candidate) not in shared:
                shared[group, candidate] = float(rng.normal())
        values = np.array([shared[group, candidate] for candidate in question.candidates])
        return (values + noise * rng.normal(size=len(values))).tolist()

    return law


def triple(fact: Fact) -> dict[str, str]:
    """A row of a file."""
    return {"subject": fact.subject, "relation": fact.relation, "object": fact.object}


def config(facts: Path | str = "facts.jsonl", **changes: Any) -> AuditConfig:
    """Settings of a small audit."""
    values: dict[str, Any] = {"facts": str(facts), "tests": {"num_boot": 50}}
    for key, value in changes.items():
        values[key] = {**values.get(key, {}), **value} if isinstance(value, dict) else value
    return from_dict(AuditConfig, values)
