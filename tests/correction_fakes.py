"""What the tests of self-correction share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from reasonry.core.sampling.base import Completion, Request, Skip
from reasonry.core.sampling.scripted import ScriptedSampler
from reasonry.core.task import Problem
from reasonry.core.verify.number import NumberVerifier
from reasonry.test_time.self_correction.experts import Expert
from reasonry.test_time.self_correction.loop import Corrected
from reasonry.test_time.self_correction.store import MemoryStore

ORACLE = NumberVerifier()


def scripted(name: str, *replies: str, ids: Sequence[str] = ("p0",)) -> Expert:
    return Expert(name, ScriptedSampler(dict.fromkeys(ids, replies)))


def first(run: Iterator[Corrected]) -> Corrected:
    (one,) = list(run)
    return one


def by_table(**rewards: float) -> Any:
    """A verifier that looks a reply up; a reply ``a`` gets ``rewards["a"]``."""
    return lambda problem, text: rewards[text]


ONE = [Problem("p0", "What is it?", "1")]


def solved(run: Iterator[Corrected]) -> float:
    return float(np.mean([c.reward == 1.0 for c in run]))


class Recorder:
    """A sampler that keeps the requests and answers with a counter."""

    def __init__(self, *, finish: str = "stop") -> None:
        self.calls: list[tuple[list[Request], set[tuple[str, int]]]] = []
        self.inner = ScriptedSampler({})
        self.finish: Any = finish

    stats = property(lambda self: self.inner.stats)
    determinism = property(lambda self: "sample-stable")
    identity = property(lambda self: {"sampler": "recorder"})

    def sample(self, requests: Sequence[Request], *, skip: Skip = ()) -> Iterator[Completion]:
        self.calls.append((list(requests), set(skip)))
        for request in requests:
            for index in request.indices:
                if (request.id, index) not in skip:
                    yield Completion(request.id, index, f"reply {index}", self.finish, 10, 5)

    def prompts(self) -> list[list[tuple[str, str]]]:
        return [[(m.role, m.content) for m in r.messages] for requests, _ in self.calls for r in requests]


def critic(problem: Problem, text: str) -> tuple[float, str]:
    return 0.5, f"about {text}"


class Killed(BaseException):
    """As a signal would."""


class DyingStore(MemoryStore):
    """Takes so many rows, then the process is gone."""

    def __init__(self, rows: dict[Any, Any], num: int) -> None:
        super().__init__()
        self.rows.update(rows)
        self.left = num

    def put(self, row: dict[str, Any]) -> None:
        if self.left == 0:
            raise Killed
        self.left -= 1
        super().put(json.loads(json.dumps(row, allow_nan=False)))
