"""What the tests of ``reasonry solve`` and its strategies share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from reasonry.core import environment, jsonl

BASE = ("solve", "word-problems:1-2", "--model", "scripted")
STOPS = (
    "curtail",
    "certify:0.3",
    "certify:0.3:7",
    "beta:0.8",
    "doubling:0.6",
    "window:2",
    "martingale:0.4",
    "group-sequential:0.4",
)
BY_SCORE = ("best-of-n", "weighted-vote", "best-then-vote", "soft-best-of-n", "knockout")
STRATEGIES: dict[str, tuple[str, ...]] = {
    "vote": (),
    **{f"vote, {stop}": ("--stop", stop) for stop in STOPS},
    **{f"{name} by an oracle": ("--strategy", name, "--score", "verifier") for name in BY_SCORE},
    **{f"{name} by a judge": ("--strategy", name, "--score", "judge") for name in BY_SCORE},
    "knockout": ("--strategy", "knockout"),
    "weighted-vote, rank": ("--strategy", "weighted-vote", "--score", "judge", "--selection.transform", "rank"),
    "best-then-vote of 2": ("--strategy", "best-then-vote", "--score", "judge", "--selection.top", "2"),
    "self-correct": ("--strategy", "self-correct"),
    "self-correct, last": ("--strategy", "self-correct", "--correction.output", "last"),
    "self-correct by a judge": ("--strategy", "self-correct", "--score", "judge", "--correction.stop-at", "0.9"),
    "self-correct, one expert": (
        "--strategy", "self-correct", "--correction.experts", "single", "--correction.controller", "exp3",
        "--correction.feedback", "none", "--correction.max-tok", "30",
    ),
}  # fmt: skip
EARLY = [name for name in STRATEGIES if name.startswith("vote, ")]
CORRECTING = [name for name in STRATEGIES if name.startswith("self-correct")]
FIXED = [name for name in STRATEGIES if name not in EARLY and name not in CORRECTING]

GROWING = ["vote", "best-of-n by a judge", "knockout", "soft-best-of-n by an oracle"]
GROWING += [name for name in EARLY if "group-sequential" not in name]
RESULT_KEYS = {
    "task", "source", "strategy", "stop", "num_problems", "num_samples", "samples", "parse_rate", "answers", "accuracy",
    "mean_n", "p95_n", "mean_drawn", "verdicts", "votes", "vote_accuracy", "num_ties", "num_completion_tok", "curves",
    "replays", "warnings", "per_problem",
}  # fmt: skip
PROBLEM_KEYS = {"answer", "grade", "weights", "num_abstain", "num_used", "num_drawn", "verdict", "log_e_nats"}
KEPT = ("samples.jsonl", "scores.jsonl", "comparisons.jsonl", "attempts.jsonl", "prompts.json", "results.json")


ENVIRONMENT = {"versions": environment.versions(), "source_commit": environment.source_commit()}


class Done(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        assert self.code == 0, self.err
        return json.loads(self.out)


Call = Callable[..., Done]


def snapshot(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file() and p.name != ".lock"}


def kept(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in KEPT if (folder / name).exists()}


def rows_of(run: Path) -> dict[str, list[dict[str, Any]]]:
    pools: dict[str, list[dict[str, Any]]] = {}
    for row in jsonl.read(run / "samples.jsonl"):
        pools.setdefault(row["id"], []).append(row)
    return pools
