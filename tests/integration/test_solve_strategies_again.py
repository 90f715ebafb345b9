"""The strategies of ``reasonry solve``: a run that goes on, grows, or is paid for once."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.judging_solver import JudgingSolver
from tests.solve_calls import (
    BASE,
    CORRECTING,
    ENVIRONMENT,
    GROWING,
    STRATEGIES,
    Call,
    kept,
    snapshot,
)

from reasonry.core import jsonl
from reasonry.core.sampling import Request, SamplingConfig, ScriptedConfig
from reasonry.core.sampling.scripted import ScriptedSampler
from reasonry.tasks import load_task
from reasonry.test_time.config import CorrectionConfig, SolveConfig
from reasonry.test_time.pool import canonical
from reasonry.test_time.run import solve

# ---------------------------------------------------------------- again, and larger


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_finished_run_again_changes_no_file_and_asks_nobody(
    call: Call, tmp_path: Path, made: list[ScriptedSampler], name: str
) -> None:
    args = (*BASE, "--limit", "5", "--n", "6", *STRATEGIES[name], "--run", "r")
    first = call(*args)
    assert first.code == 0, first.err
    before = snapshot(tmp_path / "r")
    made.clear()
    again = call(*args)
    assert again.code == 0 and again.out.splitlines()[0].startswith("run r (continued)  seed 0")
    assert again.out.splitlines()[1:] == first.out.splitlines()[1:]
    assert snapshot(tmp_path / "r") == before
    assert sum(s.stats.num_completions for s in made) == 0
    if name not in CORRECTING:
        assert made == [], "no model is loaded to say what is known"


@pytest.mark.parametrize("name", GROWING)
def test_a_run_that_grows_ends_as_one_of_that_size(call: Call, tmp_path: Path, name: str) -> None:
    args = (*BASE, *STRATEGIES[name])
    for limit, n, state in ((3, 5, "new"), (5, 9, "extended")):
        done = call(*args, "--limit", limit, "--n", n, "--run", "grown")
        assert done.code == 0 and f"({state})" in done.out, done.err
    assert call(*args, "--limit", "5", "--n", "9", "--run", "whole").code == 0
    for file in ("samples.jsonl", "results.json", "prompts.json", "run.json"):
        assert (tmp_path / "grown" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes(), file


@pytest.mark.parametrize(("name", "sizes"), [
    ("self-correct", ((4, 3), (6, 3))),
    ("self-correct", ((4, 3), (4, 6))),
    ("vote, group-sequential:0.4", ((4, 3), (4, 6))),
])  # fmt: skip
def test_a_run_that_cannot_grow_says_so_and_stays_as_it_was(
    call: Call, tmp_path: Path, name: str, sizes: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    args = (*BASE, *STRATEGIES[name], "--scripted.accuracy", "0.2", "--run", "r")
    (limit, n), (new_limit, new_n) = sizes
    assert call(*args, "--limit", limit, "--n", n).code == 0
    before = snapshot(tmp_path / "r")
    refused = call(*args, "--limit", new_limit, "--n", new_n)
    assert refused.code == 2 and f"n = {n} and limit = {limit}" in refused.err and "another --run" in refused.err
    assert snapshot(tmp_path / "r") == before
    assert call(*args, "--limit", limit, "--n", n).code == 0, "the old size still works"
    assert snapshot(tmp_path / "r") == before


def test_a_group_sequential_run_may_have_more_problems(call: Call) -> None:
    args = (*BASE, *STRATEGIES["vote, group-sequential:0.4"], "--n", "6", "--run", "r")
    assert call(*args, "--limit", "3").code == 0 and "(extended)" in call(*args, "--limit", "5").out


def test_another_strategy_does_not_continue_a_run(call: Call, tmp_path: Path) -> None:
    args = (*BASE, "--limit", "3", "--n", "4", "--run", "r")
    call(*args)
    before = snapshot(tmp_path / "r")
    for changes in (("--stop", "curtail"), ("--strategy", "best-of-n", "--score", "verifier"), ("--min-round", "2")):
        refused = call(*args, *changes)
        assert refused.code == 2 and "holds another config" in refused.err
    assert snapshot(tmp_path / "r") == before


@pytest.mark.parametrize("name", ["best-of-n by a judge", "knockout", "self-correct by a judge", "vote, certify:0.3"])
def test_a_torn_last_line_is_dropped_aloud_and_made_again(call: Call, tmp_path: Path, name: str) -> None:
    args = (*BASE, "--limit", "4", "--n", "6", *STRATEGIES[name])
    assert call(*args, "--run", "whole").code == 0
    assert call(*args, "--run", "r").code == 0
    file = next(f for f in ("scores.jsonl", "comparisons.jsonl", "attempts.jsonl", "samples.jsonl")
                if (tmp_path / "r" / f).exists())  # fmt: skip
    lines = (tmp_path / "r" / file).read_bytes().splitlines(keepends=True)
    (tmp_path / "r" / file).write_bytes(b"".join(lines[:2]) + lines[2][:-9])
    again = call(*args, "--run", "r")
    assert again.code == 0 and f"dropped a torn last line of {len(lines[2]) - 9} bytes from {file}" in again.err
    assert again.out.startswith("run r (continued)") and again.out.count("run r (") == 1
    assert kept(tmp_path / "r") == kept(tmp_path / "whole")


class Interrupting(JudgingSolver):
    """The user presses Ctrl-C while the sample or verdict with this number is made."""

    def __init__(self, *args: Any, at: int, **options: Any) -> None:
        super().__init__(*args, **options)
        self.at = at

    def answer(self, request: Request, index: int) -> str:
        self.at -= 1
        if self.at == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return super().answer(request, index)


@pytest.mark.parametrize(("name", "at", "what"), [
    ("vote, certify:0.3", 7, "problems"),
    ("best-of-n by a judge", 30, "scores"),
    ("knockout", 40, "comparisons"),
    ("self-correct", 9, "problems"),
])  # fmt: skip
def test_ctrl_c_keeps_what_is_finished_in_every_stretch_of_work(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, at: int, what: str
) -> None:
    args = (*BASE, "--limit", "4", "--n", "6", *STRATEGIES[name])
    assert call(*args, "--run", "whole").code == 0

    def interrupting(model: str, config: Any, *, seed: int, scripted: Any, problems: Any, **rest: Any) -> Any:
        return Interrupting(problems, scripted, seed=seed, at=at)

    with monkeypatch.context() as patch:
        patch.setattr("reasonry.test_time.run.make_sampler", interrupting)
        patch.setattr("reasonry.test_time.self_correction.pools.make_sampler", interrupting)
        stopped = call(*args, "--run", "r")
    assert stopped.code == 130 and f"stopped on request; finished {what} are kept" in stopped.err, stopped
    assert not (tmp_path / "r/results.json").exists()
    assert call(*args, "--run", "r").code == 0
    assert kept(tmp_path / "r") == kept(tmp_path / "whole")


LOGS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "vote": ({}, ("samples.jsonl",)),
    "certified vote": ({"stop": "certify:0.5", "n": 8, "min_round": 2}, ("samples.jsonl",)),
    "best of n": ({"strategy": "best-of-n", "score": "judge"}, ("samples.jsonl", "scores.jsonl")),
    "knockout": ({"strategy": "knockout"}, ("samples.jsonl", "comparisons.jsonl")),
    "self-correction": ({"strategy": "self-correct"}, ("attempts.jsonl",)),
    "self-correction by a judge": ({"strategy": "self-correct", "score": "judge"}, ("attempts.jsonl",)),
}


@pytest.mark.parametrize("kind", LOGS)
def test_a_run_goes_on_from_every_row_whole_or_torn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """What a kill leaves: the logs before as they ended, this one up to some byte, and none of those after it."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setattr(f"reasonry.core.environment.{name}", lambda value=value: value)
    problems = load_task("word-problems:1-2", num=3, seed=0).problems
    options, names = LOGS[kind]
    config = SolveConfig(task="word-problems:1-2", model="scripted", limit=3, **{"n": 4, **options})
    logs: dict[str, bytes] = {}

    def noted(path: Path, order: Any) -> Any:
        """The logs as they were written: the samples are put into order at the end."""
        if not logs:
            logs.update({name: (path.parent / name).read_bytes() for name in names})
        return canonical(path, order)

    def run(folder: Path) -> JudgingSolver:
        sampler = JudgingSolver(problems, ScriptedConfig(accuracy=0.3), seed=0)
        solve(config.with_(run=folder), sampler=sampler)
        return sampler

    monkeypatch.setattr("reasonry.test_time.run.canonical", noted)
    monkeypatch.setattr(os, "fsync", lambda fd: None)  # hundreds of runs; nothing here cuts the power
    run(tmp_path / "whole")
    begun = {"config.toml", "run.json", "env.json", "prompts.json"}
    for at, name in enumerate(names):
        lines = logs[name].splitlines(keepends=True)
        assert len(lines) >= 4
        for num in range(len(lines)):
            for num_torn_bytes in (0, len(lines[num]) // 2, len(lines[num]) - 1):
                folder = tmp_path / "killed"
                shutil.copytree(tmp_path / "whole", folder, ignore=lambda _, all_: set(all_) - begun)
                for before in names[:at]:
                    (folder / before).write_bytes(logs[before])
                (folder / name).write_bytes(b"".join(lines[:num]) + lines[num][:num_torn_bytes])
                run(folder)
                # A last row that lacks only its newline is whole: it is not written again, and so not closed.
                found, wanted = ({n: b.rstrip() for n, b in kept(f).items()} for f in (folder, tmp_path / "whole"))
                assert found == wanted, (name, num, num_torn_bytes)
                shutil.rmtree(folder)


BAD_LINES: dict[str, tuple[str, str, str]] = {
    "a score in words": ("best-of-n by a judge", "scores.jsonl", '{"id": "ID", "index": 0, "score": "good"}'),
    "a score of nothing": ("best-of-n by a judge", "scores.jsonl", '{"score": 1.0}'),
    "a score without a value": ("best-of-n by a judge", "scores.jsonl", '{"id": "ID", "index": 0}'),
    "a win above one": ("knockout", "comparisons.jsonl", '{"id": "ID", "first": 0, "second": 1, "win": 3}'),
    "a match of nobody": ("knockout", "comparisons.jsonl", '{"id": "ID", "win": 1}'),
    "an attempt without a problem": ("self-correct", "attempts.jsonl", '{"attempt": 0}'),
    "a sample without an id": ("vote", "samples.jsonl", '{"index": 0}'),
    "a sample of another task": ("vote, certify:0.3", "samples.jsonl", '{"id": "elsewhere", "index": 0}'),
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_a_line_that_no_run_has_written_is_named_and_nothing_is_changed(call: Call, tmp_path: Path, case: str) -> None:
    name, file, line = BAD_LINES[case]
    args = (*BASE, "--limit", "3", "--n", "4", *STRATEGIES[name], "--run", "r")
    assert call(*args).code == 0
    path = tmp_path / "r" / file
    first = next(jsonl.read(path))
    with open(path, "a") as f:
        f.write(line.replace("ID", first["id"]) + "\n")
    before = snapshot(tmp_path / "r")
    refused = call(*args)
    assert refused.code == 3 and f"{file}:{len(before[file].splitlines())}" in refused.err, refused.err
    assert "Traceback" not in refused.err and snapshot(tmp_path / "r") == before


# ---------------------------------------------------------------- costs


class Splitting(JudgingSolver):
    """A judge that draws in a way of its own has costs of its own, as a local model has."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.args, self.options = args, options
        self.others: list[Splitting] = []

    def with_sampling(self, config: SamplingConfig) -> Splitting:
        self.others.append(Splitting(*self.args, **self.options))
        return self.others[-1]


@pytest.mark.parametrize("cls", [JudgingSolver, Splitting])
@pytest.mark.parametrize("strategy", ["best-of-n", "knockout", "self-correct"])
def test_every_sample_and_every_verdict_is_paid_for_once(tmp_path: Path, cls: Any, strategy: Any) -> None:
    """The judge may be the very sampler that gave the samples: what that drew is not the judge's cost again."""
    problems = load_task("word-problems:1-2", num=4, seed=0).problems
    sampler = cls(problems, ScriptedConfig(), seed=0)
    list(sampler.sample([Request(problems[0].id, (), range(50))]))  # of earlier work
    earlier = replace(sampler.stats)
    config = SolveConfig(
        task="word-problems:1-2", strategy=strategy, score="judge", n=5, limit=4, run=tmp_path / "r",
        correction=CorrectionConfig(experts="single"),
    )  # fmt: skip
    solved = solve(config, sampler=sampler)
    all_stats = [sampler.stats, *(s.stats for s in getattr(sampler, "others", []))]
    assert solved.costs["num_completions"] == sum(s.num_completions for s in all_stats) - earlier.num_completions
    assert (
        solved.costs["num_completion_tok"] == sum(s.num_completion_tok for s in all_stats) - earlier.num_completion_tok
    )
    assert solved.costs["num_completions"] > len(solved.rows), "the judge's verdicts are among them"
