"""``reasonry solve`` with every strategy and every stopping rule, as a user runs it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.judging_solver import JudgingSolver
from tests.solve_calls import (
    BASE,
    BY_SCORE,
    CORRECTING,
    EARLY,
    FIXED,
    PROBLEM_KEYS,
    RESULT_KEYS,
    STRATEGIES,
    Call,
    rows_of,
    snapshot,
)

from reasonry.core import jsonl
from reasonry.core.messages import user
from reasonry.core.sampling import Request, ScriptedConfig
from reasonry.core.sampling.scripted import ScriptedSampler
from reasonry.core.task import Problem
from reasonry.tasks import load_task
from reasonry.test_time.config import SolveConfig
from reasonry.test_time.run import solve

# ---------------------------------------------------------------- what is found


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_results_are_those_of_the_samples_and_the_run_has_a_report(call: Call, tmp_path: Path, name: str) -> None:
    done = call(*BASE, "--limit", "6", "--n", "7", *STRATEGIES[name], "--run", "r", "--json")
    found, pools = done.json, rows_of(tmp_path / "r")
    stored = json.loads((tmp_path / "r/results.json").read_text())
    assert set(stored) == RESULT_KEYS and stored == {k: found[k] for k in RESULT_KEYS}
    rows = [row for pool in pools.values() for row in pool]
    problems = {p.id: p for p in load_task("word-problems:1-2", num=6, seed=0).problems}
    assert list(pools) == list(problems), "in problem order"
    assert all([row["index"] for row in pool] == list(range(len(pool))) for pool in pools.values())

    per_problem = found["per_problem"]
    assert set(per_problem) == set(problems) and all(set(p) == PROBLEM_KEYS for p in per_problem.values())
    for pid, said in per_problem.items():
        pool = pools[pid]
        assert said["num_drawn"] == len(pool) <= 7 and 1 <= said["num_used"] <= len(pool)
        used = pool[: said["num_used"]]
        assert said["num_abstain"] == sum(r["answer"] is None for r in used)
        assert said["answer"] in {r["answer"] for r in used} | {None}
        grades = {r["grade"] for r in used if r["answer"] == said["answer"]}
        assert {said["grade"]} == grades if said["answer"] is not None else said["grade"] == "ungradable"
        assert said["answer"] is None or said["answer"] in said["weights"]
        if STRATEGIES[name][:2] != ("--strategy", "soft-best-of-n") and "knockout" not in name and said["weights"]:
            assert name == "self-correct, last" or said["weights"][said["answer"]] == max(said["weights"].values())

    used = [p["num_used"] for p in per_problem.values()]
    assert found["mean_n"] == np.mean(used) and found["p95_n"] == np.quantile(used, 0.95)
    assert found["mean_drawn"] == len(rows) / 6 and found["num_samples"] == len(rows)
    assert found["verdicts"] == dict(Counter(p["verdict"] for p in per_problem.values()))
    assert found["parse_rate"] == pytest.approx(np.mean([r["answer"] is not None for r in rows]))
    assert found["num_completion_tok"] == sum(r["num_completion_tok"] for r in rows)
    graded = Counter(p["grade"] for p in per_problem.values())
    assert found["answers"] == {f"num_{g}": graded[g] for g in ("right", "wrong", "ungradable")}
    assert found["accuracy"]["value"] == graded["right"] / 6
    assert found["accuracy"]["low"] <= found["accuracy"]["value"] <= found["accuracy"]["high"]
    assert sum(found["votes"].values()) == found["num_problems"] == 6

    assert (found["curves"] == {}) == (found["replays"] == []) == (name not in FIXED)
    if name in FIXED:
        assert found["mean_n"] == found["mean_drawn"] == 7 and found["verdicts"] == {"decided": 6}
        assert all(len(curve["mean"]) == 7 for curve in found["curves"].values())
        for replay in found["replays"]:
            assert len(replay["stops"]) == 6 and replay["mean_n"] == np.mean(replay["stops"])
            assert replay["num_stopped"] == sum(stop < 7 for stop in replay["stops"])
        curtail = found["replays"][0]
        assert curtail["rule"] == "curtail" and curtail["num_wrong_stops"] == 0
        assert curtail["accuracy"] == found["vote_accuracy"]["value"]
    page = (tmp_path / "r/report.html").read_text()
    assert page.rstrip().endswith("</html>") and json.loads((tmp_path / "r/report.json").read_text())


@pytest.mark.parametrize("name", EARLY)
def test_an_early_stop_says_why_it_ended_and_wastes_less_than_a_round(call: Call, name: str) -> None:
    args = (*BASE, "--limit", "10", "--n", "21", "--scripted.accuracy", "0.7", *STRATEGIES[name], "--json")
    wasteful, lean = (call(*args, "--min-round", size).json for size in (4, 1))
    assert wasteful["stop"] == lean["stop"] == STRATEGIES[name][1]
    for pid, said in lean["per_problem"].items():
        other = wasteful["per_problem"][pid]
        assert said["num_used"] == said["num_drawn"] <= other["num_drawn"] < said["num_used"] + 4
        assert {**other, "num_drawn": said["num_drawn"]} == said
    kind = "decided" if "curtail" in name else "certified" if "cert" in name or "group" in name else "heuristic"
    assert set(lean["verdicts"]) <= {kind, "budget_exhausted"} and lean["verdicts"][kind] > 0, lean["verdicts"]
    assert lean["mean_n"] == lean["mean_drawn"] < 21


def test_the_terminal_tells_the_strategy_the_verdicts_and_the_ceiling(call: Call) -> None:
    plain = call(*BASE, "--limit", "6", "--n", "7", "--scripted.silent", "0.3").out
    assert re.search(
        r"^self-consistency +\d+\.\d%  \[.*\]  \(\d right, \d wrong, \d ungradable\)$", plain, re.MULTILINE
    )
    assert re.search(r"^any of 7 +\d", plain, re.MULTILINE)
    assert re.search(r"^note +some samples hold no answer; they do not vote \(\d problems\)$", plain, re.MULTILINE)
    early = call(*BASE, "--limit", "6", "--n", "30", "--stop", "certify:0.2").out
    assert re.search(r"^certify:0.2 +\d+\.\d samples per problem \(\d+ drawn\): \d+ \w", early, re.MULTILINE), early
    judged = call(*BASE, "--limit", "6", "--n", "7", "--strategy", "best-of-n", "--score", "judge").out
    assert re.search(r"^vote of 7 +\d", judged, re.MULTILINE) and re.search(r"^best-of-n +\d", judged, re.MULTILINE)


def test_an_oracle_reaches_the_ceiling_and_a_vote_does_not(call: Call) -> None:
    args = (*BASE, "--limit", "20", "--n", "9", "--json")
    vote = call(*args).json
    for name in BY_SCORE[:1] + BY_SCORE[4:]:
        best = call(*args, *STRATEGIES[f"{name} by an oracle"]).json
        assert best["accuracy"]["value"] == vote["curves"]["pass@k"]["mean"][-1] > vote["accuracy"]["value"]


# ---------------------------------------------------------------- self-correction


def test_the_best_attempt_is_returned_where_the_last_is_worse(call: Call, tmp_path: Path) -> None:
    """The judge's grade is (last digit) / 9 + 1 / 10: attempts that begin well and then flip."""
    problems = [{"id": f"p{i}", "question": f"{i}?", "answer": str(i)} for i in range(6)]
    jsonl.write(tmp_path / "mine.jsonl", problems)
    args = ("solve", "mine.jsonl", "--model", "scripted", "--n", "5", "--strategy", "self-correct", "--score", "judge")
    by_output = {
        output: call(*args, "--correction.output", output, "--run", output, "--json").json
        for output in ("best", "last")
    }
    rewards = {pid: [r["reward"] for r in pool] for pid, pool in rows_of(tmp_path / "best").items()}
    assert (tmp_path / "best/attempts.jsonl").read_bytes() == (tmp_path / "last/attempts.jsonl").read_bytes()
    worse = 0
    for pid, pool in rows_of(tmp_path / "last").items():
        scored = [-1.0 if r is None else r for r in rewards[pid]]
        best = pool[int(np.argmax(scored))]
        assert by_output["best"]["per_problem"][pid]["answer"] == best["answer"]
        assert by_output["last"]["per_problem"][pid]["answer"] == pool[-1]["answer"]
        worse += scored[-1] < max(scored)
    assert worse > 0, "no attempt flipped: the test shows nothing"


def test_an_attempt_that_is_right_ends_its_problem(call: Call, tmp_path: Path) -> None:
    found = call(*BASE, "--limit", "12", "--n", "6", *STRATEGIES["self-correct"], "--run", "r", "--json").json
    for pid, pool in rows_of(tmp_path / "r").items():
        assert [r["grade"] == "right" for r in pool[:-1]] == [False] * (len(pool) - 1)
        said = found["per_problem"][pid]
        assert said["verdict"] == ("decided" if pool[-1]["grade"] == "right" else "budget_exhausted")
        assert pool[-1]["grade"] == "right" or len(pool) == 6
        assert {r["expert"] for r in pool} <= {"steps", "quantities", "check"}
        assert all(r["reward"] == float(r["grade"] == "right") for r in pool)


def test_a_budget_of_tokens_ends_a_problem(call: Call, tmp_path: Path) -> None:
    call(*BASE, "--limit", "8", "--n", "30", *STRATEGIES["self-correct, one expert"], "--scripted.accuracy", "0",
         "--run", "r")  # fmt: skip
    for pool in rows_of(tmp_path / "r").values():
        spent = np.cumsum([r["num_completion_tok"] for r in pool])
        assert spent[-1] >= 30 and (len(pool) == 1 or spent[-2] < 30)


class Failing(JudgingSolver):
    """Fails at the first attempt at every problem."""

    def answer(self, request: Request, index: int) -> str:
        if index == 0:
            raise ValueError("too long for the model")
        return super().answer(request, index)


def test_failed_attempts_are_counted_among_those_that_were_made(tmp_path: Path) -> None:
    problems = load_task("word-problems:1-2", num=3, seed=0).problems
    config = SolveConfig(task="word-problems:1-2", strategy="self-correct", n=9, limit=3, run=tmp_path / "r")
    solved = solve(config, sampler=Failing(problems, ScriptedConfig(accuracy=1, silent=0)))
    for result in solved.results.values():
        assert (result.grade, result.num_used, result.verdict) == ("right", 2, "decided")
        assert result.warnings == ("1 of 2 attempts failed",)
        assert [row["finish"] for row in result.rows] == ["error", "stop"]
    assert solved.warnings == {"some attempts failed": 3}


def test_experts_of_a_file_are_asked(call: Call, tmp_path: Path) -> None:
    (tmp_path / "pool.toml").write_text('[hasty]\ntemperature = 0.2\n[careful]\ninstruction = "Check every step."\n')
    done = call(*BASE, "--limit", "8", "--n", "4", "--strategy", "self-correct", "--correction.experts", "pool.toml",
                "--correction.controller", "round-robin", "--run", "r")  # fmt: skip
    assert done.code == 0, done.err
    assert {r["expert"] for pool in rows_of(tmp_path / "r").values() for r in pool} == {"hasty", "careful"}


# ---------------------------------------------------------------- the smallest and the plainest runs


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize(
    ("limit", "n", "law"),
    [
        (1, 1, ()),
        (1, 5, ("--scripted.accuracy", "0", "--scripted.num-wrong", "1", "--scripted.silent", "0")),
        (2, 4, ("--scripted.silent", "1")),
        (3, 4, ("--scripted.accuracy", "1", "--scripted.silent", "0")),
    ],
    ids=["one sample", "never right", "no answer", "always right"],
)
def test_every_strategy_has_a_report_of_the_plainest_runs(
    call: Call, tmp_path: Path, name: str, limit: int, n: int, law: tuple[str, ...]
) -> None:
    done = call(*BASE, "--limit", limit, "--n", n, *law, *STRATEGIES[name], "--run", "r", "--json")
    found = done.json
    assert (tmp_path / "r/report.html").read_text().rstrip().endswith("</html>")
    grade = {"0": "wrong", "1": "right"}.get(law[1]) if law and "accuracy" in law[0] else None
    if "--scripted.silent" in law and law[-1] == "1":
        assert found["answers"] == {"num_right": 0, "num_wrong": 0, "num_ungradable": limit}
        assert found["parse_rate"] == 0 and {p["answer"] for p in found["per_problem"].values()} == {None}
        assert any("hold no answer" in w for w in found["warnings"]) or name in CORRECTING
    elif grade:
        assert found["answers"][f"num_{grade}"] == limit
        if n == 4 and name == "vote":
            assert any("the same text" in w and "not independent" in w for w in found["warnings"])


@pytest.mark.parametrize("name", ["vote", "best-of-n by an oracle", "self-correct", "vote, certify:0.3"])
def test_a_users_own_problems_are_solved_by_every_strategy(call: Call, tmp_path: Path, name: str) -> None:
    jsonl.write(
        tmp_path / "mine.jsonl", [{"question": "Two and two?", "answer": "4"}, {"question": "6/4?", "answer": "1.5"}]
    )
    found = call("solve", "mine.jsonl", "--model", "scripted", "--n", "5", *STRATEGIES[name], "--json").json
    assert found["num_problems"] == 2 and len(found["per_problem"]) == 2


# ---------------------------------------------------------------- what is refused

WRONG: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "stop": (("--stop", "certifi:0.05"), ("unknown stopping rule 'certifi'", "Did you mean 'certify'?")),
    "level of a stop": (("--stop", "certify:2"), ("delta=2.0 is not strictly between 0 and 1",)),
    "words of a stop": (("--stop", "certify:0.05:2:3"), ("has more arguments than certify takes",)),
    "number of a stop": (("--stop", "certify:small"), ("is not a number", "certify[:DELTA[:NUM_ANSWERS]]")),
    "strategy": (("--strategy", "best-of-m"), ("best-of-m", "'best-of-n'")),
    "early stop of a pool": (
        ("--stop", "certify:0.05", "--strategy", "best-of-n"),
        ("best-of-n with the stopping rule 'certify:0.05'", "Only self-consistency can stop early"),
    ),
    "early stop of attempts": (
        ("--stop", "curtail", "--strategy", "self-correct"),
        ("self-correct with the stopping rule 'curtail'", "Leave stop out"),
    ),
    "score": (("--score", "logpp", "--strategy", "best-of-n"), ("unknown score 'logpp'", "Did you mean 'logp'?")),
    "score of a knockout": (("--score", "jugde", "--strategy", "knockout"), ("'jugde'", "Did you mean 'judge'?")),
    "score of attempts": (("--score", "verifer", "--strategy", "self-correct"), ("Did you mean 'verifier'?",)),
    "score of a plain vote": (("--score", "verifier"), ("self-consistency looks at no score", "weighted-vote")),
    "logp for attempts": (("--score", "logp", "--strategy", "self-correct"), ("self-correct by log-probabilities",)),
    "judge without a model": (("--score", "judge:", "--strategy", "best-of-n"), ("'judge:'", "judge:MODEL")),
    "reward without a model": (("--score", "reward", "--strategy", "best-of-n"), ("'reward'", "reward:MODEL")),
    "unknown judge": (
        ("--score", "judge:smolm2-135m", "--strategy", "best-of-n"),
        ("unknown model 'smolm2-135m'", "Did you mean 'smollm2-135m'?"),
    ),
    "unknown judge of attempts": (
        ("--score", "judge:smolm2-135m", "--strategy", "self-correct"),
        ("unknown model 'smolm2-135m'",),
    ),
    "unknown reward model": (("--score", "reward:./nowhere", "--strategy", "best-of-n"), ("'./nowhere'",)),
    "log-probabilities of an endpoint that is not asked for them": (
        ("--strategy", "best-of-n", "--endpoint.base-url", "http://127.0.0.1:9/v1"),
        ("endpoint.logprobs", "(--endpoint.logprobs)"),
    ),
    "controller": (("--strategy", "self-correct", "--correction.controller", "ucb2"), ("ucb2", "'ucb1'")),
    "experts": (("--strategy", "self-correct", "--correction.experts", "prompst"), ("Did you mean 'prompts'?",)),
    "file of experts": (("--strategy", "self-correct", "--correction.experts", "no.toml"), ("no.toml", "no such")),
    "key of an expert": (
        ("--strategy", "self-correct", "--correction.experts", "typo.toml"),
        ("typo.toml", "unknown key 'temperatur'", "Did you mean 'temperature'?"),
    ),
    "tokens that buy nothing": (
        ("--strategy", "self-correct", "--correction.max-tok", "0"),
        ("correction.max_tok = 0",),
    ),
    "money that buys nothing": (
        ("--strategy", "self-correct", "--correction.max-cost", "-1"),
        ("correction.max_cost = -1",),
    ),
    "money without a price": (
        ("--strategy", "self-correct", "--correction.max-cost", "1"),
        ("max_cost=1.0 without a price is never reached",),
    ),
    "round of nothing": (("--stop", "curtail", "--min-round", "0"), ("min_round = 0",)),
    "top of nobody": (("--strategy", "best-then-vote", "--selection.top", "0"), ("selection.top = 0",)),
    "temperature of a choice": (
        ("--strategy", "soft-best-of-n", "--selection.temperature", "0"),
        ("selection.temperature = 0",),
    ),
    "transform": (("--strategy", "weighted-vote", "--selection.transform", "ecp"), ("ecp", "'exp'")),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_slip_is_a_usage_error_that_makes_no_run_and_loads_nothing(
    call: Call, tmp_path: Path, made: list[ScriptedSampler], case: str
) -> None:
    (tmp_path / "typo.toml").write_text("[hasty]\ntemperatur = 0.2\n")
    args, parts = WRONG[case]
    done = call(*BASE, "--limit", "3", "--n", "4", *args, "--run", "r")
    assert done.code == 2, done
    assert done.out == "" and "Traceback" not in done.err
    assert all(part in " ".join(done.err.split()) for part in parts), done.err
    assert not (tmp_path / "r").exists() and made == []


def test_two_problems_with_one_id_are_refused(call: Call, tmp_path: Path) -> None:
    rows = [{"id": "x", "question": q, "answer": "1"} for q in ("a", "b")]
    jsonl.write(tmp_path / "mine.jsonl", rows)
    done = call("solve", "mine.jsonl", "--model", "scripted", "--stop", "certify:0.05")
    assert done.code == 3 and "mine.jsonl:2: duplicate id 'x'" in done.err


@pytest.mark.parametrize("strategy", ["best-of-n", "weighted-vote", "best-then-vote", "soft-best-of-n"])
def test_without_log_probabilities_there_is_nothing_to_choose_by_and_no_sample_is_lost(
    call: Call, tmp_path: Path, strategy: str
) -> None:
    done = call(*BASE, "--limit", "3", "--n", "4", "--strategy", strategy, "--run", "r")
    assert done.code == 3 and "no sample has log-probabilities" in done.err and "another --score" in done.err
    assert len(list(jsonl.read(tmp_path / "r/samples.jsonl"))) == 12


class Forgetful(JudgingSolver):
    """Leaves out a sample, as a broken server might."""

    def sample(self, requests: Any, *, skip: Any = ()) -> Iterator[Any]:
        for completion in super().sample(requests, skip=skip):
            if completion.index != 2:
                yield completion


def test_a_sample_that_never_comes_is_a_resource_error_and_the_others_are_kept(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    args = (*BASE, "--limit", "3", "--n", "4", "--run", "r")
    with monkeypatch.context() as patch:
        patch.setattr(
            "reasonry.test_time.run.make_sampler", lambda *a, problems, **k: Forgetful(problems, ScriptedConfig())
        )
        done = call(*args)
    assert done.code == 5 and "the sampler returned no sample 2 of question" in done.err
    assert len(list(jsonl.read(tmp_path / "r/samples.jsonl"))) == 9
    assert call(*args).code == 0


# ---------------------------------------------------------------- a local model


def test_a_finished_run_of_a_local_model_needs_the_model_no_more(
    call: Call, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the real samplers
    monkeypatch.chdir(tmp_path)
    args = (
        "solve", "word-problems:1-1", "--model", tiny_model, "--limit", "3", "--n", "4", "--shots", "0",
        "--strategy", "best-of-n", "--sampling.max-new-tokens", "8", "--sampling.temperature", "1.5", "--run", "r",
        "--verifier", "regex:([a-z])", "--model-options.dtype", "float32",
    )  # fmt: skip
    first = call(*args)
    assert first.code == 0, first.err
    for pool in rows_of(tmp_path / "r").values():
        said = json.loads((tmp_path / "r/results.json").read_text())["per_problem"][pool[0]["id"]]
        able = [r for r in pool if r["answer"] is not None]
        assert not able or said["answer"] == max(able, key=lambda r: r["mean_logp"])["answer"]
    before = snapshot(tmp_path / "r")

    def load(*args: Any, **options: Any) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("reasonry.core.models.load_causal_lm", load)
    monkeypatch.setattr("reasonry.test_time.run.make_sampler", load)
    again = call(*args)
    assert again.code == 0 and again.out.splitlines()[1:] == first.out.splitlines()[1:], again.err
    assert snapshot(tmp_path / "r") == before


def test_the_judging_solver_judges_by_the_last_digit() -> None:
    """What the tests above lean on."""
    judge = JudgingSolver([Problem("p", "?", "1")], ScriptedConfig(), seed=0)
    one = Request("judge-1", (user("The reply:\n#### 17\nGrade it."),))
    two = Request("judge-2", (user("Which is better?\n#### 17\nor\n#### 9"),))
    assert judge.answer(one, 0) == "Grade: 8" and judge.answer(two, 0) == "[[B]]"
