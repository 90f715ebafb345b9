"""``reasonry pivots profile`` as a user runs it, with a tiny local model."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests import pivotrl_profiling as made
from tests.conftest import make_tiny_model

from reasonry.cli import pivots_profile
from reasonry.cli.output import Output
from reasonry.core import jsonl
from reasonry.errors import ConfigError, ReasonryError, RunMismatchError

QUICK = ("--model-options.dtype", "float32", "--sampling.max-new-tokens", 6, "--max-truncated", 1)


class Done(NamedTuple):
    code: int
    out: str
    err: str


def profile(*args: object, as_json: bool = True) -> Done:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = pivots_profile.main([str(a) for a in args], Output(as_json=as_json))
    return Done(code, out.getvalue(), err.getvalue())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from tests.solve_calls import ENVIRONMENT

    for name, value in ENVIRONMENT.items():
        monkeypatch.setattr(f"reasonry.core.environment.{name}", lambda value=value: value)
    monkeypatch.chdir(tmp_path)
    return made.write_candidates(tmp_path / "pivots", [made.plain_candidate(i) for i in range(6)])


def test_a_local_model_is_profiled_and_a_finished_profile_loads_none(
    folder: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = profile(folder, tiny_model, "--k", 3, *QUICK)
    body = json.loads(done.out)
    assert done.code == (1 if body["mean_reward"] == 0 else 0)  # random weights seldom end a reply
    assert (body["num_states"], body["num_samples"], body["k"]) == (6, 18, 3)
    assert body["costs"]["num_completions"] == 18
    assert "determinism sample-stable" in done.err and "reasonry pivots select pivots" not in done.out
    rows = list(jsonl.read(folder / "profile" / "samples.jsonl"))
    assert all(row["num_prompt_tok"] > 10 and row["num_completion_tok"] <= 6 for row in rows)
    assert set(body["categories"]) <= {"match", "truncated", "empty", "malformed"}
    before = made.snapshot(folder / "profile")

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("loaded")

    monkeypatch.setattr("reasonry.training.pivotrl.profiling.make_sampler", refuse)
    monkeypatch.setattr("reasonry.training.pivotrl.profiling.load_tokenizer", refuse)
    again = profile(folder, tiny_model, "--k", 3, *QUICK)
    assert "determinism finished" in again.err and made.snapshot(folder / "profile") == before
    assert json.loads(again.out) == body


def test_neither_the_batch_nor_growing_changes_a_sample(folder: Path, tiny_model: Path) -> None:
    profile(folder, tiny_model, "--k", 4, *QUICK)
    profile(folder, tiny_model, "--k", 2, "--num", 2, "--batch-size", 3, "--run", "grown", *QUICK)
    profile(folder, tiny_model, "--k", 4, "--batch-size", 5, "--run", "grown", *QUICK)
    one, other = made.snapshot(folder / "profile"), made.snapshot(Path("grown"))
    assert one["samples.jsonl"] == other["samples.jsonl"] and one["profile.jsonl"] == other["profile.jsonl"]


def test_states_that_do_not_fit_are_left_out(folder: Path, tiny_model: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    from reasonry.core.messages import user

    long = replace(made.plain_candidate(9), prompt=(user("word " * 60),))
    made.write_candidates(folder, [*(made.plain_candidate(i) for i in range(3)), long])
    short = make_tiny_model(tmp_path / "short", context=128)
    done = profile(folder, short, "--k", 2, *QUICK)
    body = json.loads(done.out)
    assert (body["num_states"], body["num_left_out"]) == (3, 1)
    assert "1 of 4 states are left out: 1 the prompt has N tokens, the model's context holds N" in done.err
    done = profile(folder, tiny_model, "--k", 2, "--max-prompt-tok", 100, "--run", "limited", *QUICK)
    assert json.loads(done.out)["left_out"] == {"longer than max_prompt_tok = N": 1}


def test_tools_reach_a_model_whose_template_knows_none(folder: Path, tmp_path: Path) -> None:
    made.write_candidates(folder, [made.candidate(0, turn) for turn in range(2)])
    model = make_tiny_model(tmp_path / "wide", context=4096)
    done = profile(folder, model, "--k", 2, *QUICK)
    assert done.code == 1 and "rewards are zero" in done.err  # random weights call no tool
    assert json.loads((folder / "profile" / "made_with.json").read_text())["tool_format"] == "hermes"
    rows = list(jsonl.read(folder / "profile" / "samples.jsonl"))
    assert all(row["num_prompt_tok"] > 500 for row in rows)  # bytes: the tools are in it
    with pytest.raises(ConfigError, match="hermes"):
        profile(folder, model, "--tool-format", "template", "--run", "refused", *QUICK)
    assert not Path("refused").exists()


def test_a_model_without_a_chat_template_is_refused_with_what_can_be_done(folder: Path, tmp_path: Path) -> None:
    base = make_tiny_model(tmp_path / "base", chat_template=False)
    for tool_format in ("auto", "hermes"):
        with pytest.raises(ConfigError, match=r"no chat template.*instruction-tuned") as caught:
            profile(folder, base, "--tool-format", tool_format, *QUICK)
        assert "chat_template.jinja" in str(caught.value) and caught.value.exit_code == 2
    assert not (folder / "profile").exists()


def test_a_template_that_refuses_a_state_costs_that_state_alone(folder: Path, tiny_model: Path, tmp_path: Path) -> None:
    import shutil
    from dataclasses import replace

    from reasonry.core.messages import system, user

    picky = shutil.copytree(tiny_model, tmp_path / "picky")
    (template,) = picky.glob("chat_template.jinja")
    refusal = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    template.write_text(refusal + template.read_text())
    odd = replace(made.plain_candidate(7), prompt=(system("Be brief."), user("Hi")))
    made.write_candidates(folder, [made.plain_candidate(0), odd])
    body = json.loads(profile(folder, picky, "--k", 2, *QUICK).out)
    assert body["left_out"] == {"the chat template refuses it: no system role": 1} and body["num_states"] == 1


def test_the_samples_of_a_local_model_are_judged_again_without_it(folder: Path, tiny_model: Path) -> None:
    profile(folder, tiny_model, "--k", 3, *QUICK)
    done = profile(folder, "--samples", folder / "profile", "--verifier.name", "exact", "--max-truncated", 1)
    body = json.loads(done.out)
    assert body["run"].endswith("profile-exact") and body["num_samples"] == 18 and body["costs"] == {}
    first, again = (json.loads((folder / name / "made_with.json").read_text()) for name in ("profile", "profile-exact"))
    assert first["policy"] == again["policy"] and first["verifier"] != again["verifier"]


def test_a_model_that_calls_tools_behind_an_endpoint(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made.desk(folder)
    monkeypatch.setattr("reasonry.training.pivotrl.profiling.make_sampler", lambda *args, **kwargs: made.model())
    done = profile(folder, "desk", "--k", 4, "--endpoint.base-url", "http://localhost:1/v1")
    body = json.loads(done.out)
    assert done.code == 0 and "warning" not in done.err
    assert [row["label"] for row in body["by_turn"]] == ["0", "1", "2", "3"]
    assert body["counts"]["num_all_fail"] >= 6 and body["audit"]["is_sound"] is True


def test_people_see_tables_and_what_comes_next(folder: Path, tiny_model: Path) -> None:
    done = profile("pivots", tiny_model, "--k", 2, *QUICK, as_json=False)
    for part in ("By turn", "By demonstrated tool", "(message)", "mean reward", "new tokens a second"):
        assert part in done.out, part
    last = done.out.strip().splitlines()
    assert last[-2] == "then   reasonry pivots select pivots"
    assert last[-1].startswith("again  reasonry pivots profile @pivots/profile/config.toml --run pivots/profile")


def test_a_report_stands_beside_the_run_and_is_written_again_when_it_goes_on(folder: Path, tiny_model: Path) -> None:
    page, data = folder / "profile" / "report.html", folder / "profile" / "report.json"

    def turns() -> int:
        return next(f["value"] for f in json.loads(data.read_text())["facts"] if f["label"] == "Turns")

    done = profile("pivots", tiny_model, "--k", 2, "--num", 3, *QUICK, as_json=False)
    assert "report pivots/profile/report.html" in done.out.splitlines() and turns() == 3
    before = page.read_bytes()
    body = json.loads(profile("pivots", tiny_model, "--k", 2, *QUICK).out)
    assert body["report"] == "pivots/profile/report.html" and turns() == 6
    assert page.read_bytes() != before and b"reasonry pivots profile @pivots/profile/config.toml" in page.read_bytes()


def test_without_its_chart_runtime_the_numbers_are_there_all_the_same(
    folder: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "vl_convert" else found(name))
    done = profile(folder, tiny_model, "--k", 2, *QUICK)
    assert json.loads(done.out)["report"] is None and "reasonry[report]" in done.err
    assert not (folder / "profile" / "report.html").exists()


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("--sampling.temperature", 0), "temperature 0"),
        (("--k", 0), "k = 0"),
        (("--verifier.name", "tool-call:best"), "unknown option"),
        (("--tool-fromat", "hermes"), "--tool-format"),
    ],
)
def test_bad_settings_are_refused_by_name(folder: Path, tiny_model: Path, flags: Any, why: str) -> None:
    with pytest.raises(ReasonryError, match=why) as caught:
        profile(folder, tiny_model, *flags)
    assert caught.value.exit_code == 2 and not (folder / "profile").exists()


def test_another_model_does_not_go_on_with_a_profile(folder: Path, tiny_model: Path, tmp_path: Path) -> None:
    import shutil

    model = shutil.copytree(tiny_model, tmp_path / "model")
    profile(folder, model, "--k", 2, *QUICK)
    template = model / "chat_template.jinja"
    template.write_text(template.read_text().replace("assistant: ", "bot: "))
    with pytest.raises(RunMismatchError, match="template"):
        profile(folder, model, "--k", 3, *QUICK)


def test_help_is_one_page() -> None:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as caught:
        pivots_profile.main(["--help"], Output(as_json=False))
    assert caught.value.code == 0
    assert "usage: reasonry pivots profile [FOLDER] [MODEL]" in out.getvalue() and "--samples" in out.getvalue()
