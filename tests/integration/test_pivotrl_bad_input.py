"""What logs, models and judges can do wrong, through the commands: counted, named, and never fatal to the rest."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests import pivotrl_profiling as made
from tests import ppe_cli as cli
from tests.conftest import make_tiny_model
from tests.endpoint_fakes import make, ok
from tests.pivotrl_logs import TOOLS, chat, write
from tests.pivotrl_training import write_pivots

pytest.importorskip("torch")
pytest.importorskip("transformers")

from reasonry.core import jsonl
from reasonry.core.sampling.callable import CallableSampler
from reasonry.training.pivotrl.rows import candidate_to_row, read_candidates

QUICK = ("--model-options.dtype", "float32", "--model-options.device", "cpu", "--sampling.max-new-tokens", 4)
MINIMAL = ("--engine", "minimal", "--lora.rank", 0, "--num-steps", 1, "--group-size", 4, "--micro-batch", 16)
ENDPOINT = ("--endpoint.base-url", "http://localhost:1/v1")

# Shows tools and goes through the arguments of calls one by one, as the templates of Qwen Coder and GLM do.
BY_ARGUMENT = (
    "{% if tools %}{{ tools | tojson }}\n{% endif %}{% for m in messages %}{{ m['role'] }}: {{ m['content'] or '' }}"
    "{% for c in m['tool_calls'] or [] %}<tool_call>{{ c['function']['name'] }}"
    "{% for key, value in c['function']['arguments'] | items %} {{ key }}={{ value }}{% endfor %}</tool_call>"
    "{% endfor %}\n{% endfor %}assistant: "
)


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REASONRY_CACHE", str(tmp_path / "cache"))
    cli.quicken(monkeypatch)


def pivots(*args: object) -> cli.Done:
    return cli.command("pivots", *args)


def train(*args: object) -> cli.Done:
    return cli.command("train", "pivotrl", *args)


# ---------------------------------------------------------------- logs


def asks(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def acts(text: str | None = None, *called: tuple[str, str, str]) -> dict[str, Any]:
    calls = [{"id": id, "function": {"name": name, "arguments": arguments}} for id, name, arguments in called]
    return {"role": "assistant", "content": text, **({"tool_calls": calls} if calls else {})}


def gives(id: str, content: str, **more: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": content, **more}


def row(id: str, *messages: dict[str, Any], **columns: Any) -> dict[str, Any]:
    return {"id": id, "messages": list(messages), "tools": list(TOOLS), **columns}


SHELF = ("c1", "look", '{"at": "shelf"}')
FLOOR = ("c2", "look", '{"at": "floor"}')
PAID = ("c3", "pay", '{"to": "you"}')
PICTURE = [{"type": "text", "text": "See:"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,x"}}]
ROWS: tuple[dict[str, Any] | str, ...] = (
    chat("Where is it?", "look(shelf)", "a book", "A book.", id="good"),
    row("without-tools", asks("No tools"), acts(None, SHELF), gives("c1", "a book"), acts("There."), tools=None),
    row("broken", asks("Broken"), acts(None, ("c0", "look", '{"at": ')), gives("c0", "Error"), acts(None, FLOOR)),
    row("parallel", asks("Both"), acts(None, SHELF, PAID), gives("c3", "paid"), gives("c1", "seen"), acts("Both.")),
    row("crossed", asks("X"), acts(None, SHELF), acts(None, PAID), gives("c3", "paid"), gives("c1", "s"), acts("XX.")),
    row("failed", asks("Fails"), acts(None, FLOOR), gives("c2", "Error: no floor", is_error=True), acts("No floor.")),
    row("image", asks(PICTURE), acts("A cat."), asks("Sure?"), acts("Yes.")),
    row("good", asks("Another"), acts("One.")),
    row("copy", asks("Another"), acts("One.")),
    row("orphan", gives("c9", "left over"), asks("And?"), acts("Nothing.")),
    row("alien", {"role": "alien", "content": "x"}, acts("y")),
    "{",
    "[1]",
)


def test_bad_trajectories_cost_what_is_bad_in_them_and_nothing_else() -> None:
    write("logs.jsonl", ROWS)
    found = pivots("extract", "logs.jsonl", "--json").json
    assert found["turns"]["dropped"] == {"no_tools": 1, "bad_arguments": 1, "opaque:image": 2}
    assert found["turns"]["examples"]["bad_arguments"] == ["logs.jsonl:3, turn 0"]
    assert found["trajectories"]["unread_reasons"] == {"no chat": 1, "not JSON": 1, "no object": 1}
    assert [item["place"] for item in found["trajectories"]["unread"]] == [
        *("logs.jsonl:11: message 0", "logs.jsonl:12", "logs.jsonl:13")
    ]
    assert found["trajectories"]["num_duplicates"] == 1 and found["trajectories"]["num_used"] == 9
    kept = {c.id: c for c in read_candidates(Path("pivots/candidates.jsonl"))}
    turns = Counter(c.trajectory_id.split("/")[0] for c in kept.values())
    assert turns == {
        **{"good": 3, "without-tools": 1, "broken": 1, "parallel": 2, "crossed": 3, "failed": 2, "orphan": 1}
    }
    assert len(kept) == found["candidates"]["num"] == 13
    assert [call.name for call in kept["parallel:0"].expected[0].calls] == ["look", "pay"]
    assert [message.role for message in kept["crossed:2"].prompt] == ["user", "assistant", "assistant", "tool", "tool"]
    assert kept["broken:1"].prompt[1].tool_calls[0].arguments == '{"at": ', "as the model saw it"


def test_calls_that_failed_are_left_out_of_the_domain_that_wants_none() -> None:
    write("logs.jsonl", ROWS)
    found = pivots("extract", "logs.jsonl", "--domain", "swe", "--json").json
    assert found["turns"]["dropped"]["failed_call"] == 1
    assert found["turns"]["examples"]["failed_call"] == ["logs.jsonl:6, turn 0"]
    assert found["candidates"]["by_tool"] == {"look": 4, "pay": 2}


def test_the_turns_of_bad_logs_are_audited_profiled_selected_and_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("logs.jsonl", ROWS)
    assert pivots("extract", "logs.jsonl").code == 0
    assert pivots("audit", "pivots", "--json").json["is_sound"] is True

    def knows(messages: list[dict[str, Any]], seed: int, tools: Any = ()) -> dict[str, Any]:
        called = {"name": "look", "arguments": {"at": "shelf" if seed % 2 else "floor"}}
        return {"text": f"<tool_call>\n{json.dumps(called)}\n</tool_call>", "num_prompt_tok": 9}

    sampler = CallableSampler(knows, name="knows")
    monkeypatch.setattr("reasonry.training.pivotrl.profiling.make_sampler", lambda *args, **kwargs: sampler)
    profiled = pivots("profile", "pivots", "knows", "--k", 8, *ENDPOINT, "--json").json
    assert (profiled["num_states"], profiled["num_left_out"]) == (13, 0)
    selected = pivots("select", "pivots", "--threshold", 1, "--json").json
    chosen = [c["id"] for c in jsonl.read(Path("pivots/pivots.jsonl"))]
    assert chosen == ["good:0", "broken:1", "crossed:0", "failed:0"], "single looks, which are guessed half of the time"
    assert selected["pivots"]["num"] == 4
    model = make_tiny_model(tmp_path / "wide", context=4096)
    found = train("pivots", model, *MINIMAL, *QUICK, "--run", "run", "--json").json
    assert found["step"] == 1 and found["num_pivots"] == 4
    assert found["ledger"]["turns_profile"] == 8 * 13 and found["ledger"]["turns"] == 8 * 13 + 4 * 4
    for words in ("another policy", "profiled with tool_format template, training uses hermes"):
        assert any(words in note for note in found["notes"]), words


# ---------------------------------------------------------------- long histories


def test_a_history_of_200_000_tokens_is_cut_into_turns_quickly_and_left_out_of_the_profile(
    tiny_model: Path,
) -> None:
    words = "word " * 10_000  # a byte is a token to the model of the tests
    turns = [part for n in range(6) for part in (words if n else "Short.", f"Answer {n}.")]
    write("logs.jsonl", [chat(*turns, id="long", tools=[]), chat("Say it.", "It.", id="short", tools=[])])
    start = time.process_time()
    found = pivots("extract", "logs.jsonl", "--json").json
    assert found["candidates"]["num"] == 7 and found["turns"]["dropped"] == {}
    prompts = [c.prompt for c in read_candidates(Path("pivots/candidates.jsonl"))]
    assert max(sum(len(m.content) for m in prompt) for prompt in prompts) > 200_000
    assert time.process_time() - start < 20
    done = pivots("profile", "pivots", tiny_model, "--k", 2, *QUICK, "--max-truncated", 1, "--json")
    assert done.out, done.err
    body = json.loads(done.out)
    assert (body["num_states"], body["num_left_out"]) == (2, 5)
    (reason,) = body["left_out"]
    assert body["left_out"][reason] == 5 and "the model's context holds N" in reason
    assert "5 of 7 states are left out" in done.err
    assert len(list(jsonl.read(Path("pivots/profile/profile.jsonl")))) == 2
    shutil.copy("pivots/candidates.jsonl", "pivots/pivots.jsonl")
    trained = train("pivots", tiny_model, *MINIMAL, "--run", "run", "--json").json
    assert trained["num_pivots"] == 2
    assert "5 turns are left out: prompt and action do not fit the model" in trained["notes"]
    limited = pivots("extract", "logs.jsonl", "--max-prompt-tok", 1000, "--model", tiny_model, "--out", "b", "--json")
    assert limited.json["turns"]["dropped"] == {"too_long": 5}


# ---------------------------------------------------------------- models


def test_a_template_that_cannot_write_broken_arguments_costs_these_states_alone(tmp_path: Path) -> None:
    write("logs.jsonl", ROWS)
    pivots("extract", "logs.jsonl")
    model = make_tiny_model(tmp_path / "wide", context=4096)
    (model / "chat_template.jinja").write_text(BY_ARGUMENT)
    done = pivots("profile", "pivots", model, "--k", 2, *QUICK, "--max-truncated", 1, "--json")
    body = json.loads(done.out)
    (reason,) = body["left_out"]
    assert reason.startswith("the chat template refuses it: ") and body["left_out"][reason] == 1
    assert body["num_states"] == 12
    assert json.loads(Path("pivots/profile/made_with.json").read_text())["tool_format"] == "template"
    shutil.copy("pivots/candidates.jsonl", "pivots/pivots.jsonl")
    for engine in ("minimal", "trl"):
        if engine == "trl":
            pytest.importorskip("trl")
        flags = (*MINIMAL, "--engine", engine, "--run", engine)
        found = train("pivots", model, *flags, "--model-options.device", "cpu", "--json").json
        assert found["num_pivots"] == 12
        (note,) = [n for n in found["notes"] if "left out" in n]
        assert note.startswith("1 turns are left out: the chat template refuses the conversation")
    limited = pivots("extract", "logs.jsonl", "--max-prompt-tok", 4000, "--model", model, "--out", "b", "--json")
    assert limited.json["turns"]["dropped"]["refused_by_template"] == 1


def test_a_model_without_a_chat_template_is_refused_by_training_too(tmp_path: Path) -> None:
    write_pivots(Path("pivots"))
    base = make_tiny_model(tmp_path / "base", chat_template=False)
    cli.is_error(train("pivots", base, *MINIMAL, *QUICK, "--run", "run"), 2, "no chat template", "instruction-tuned")
    assert not Path("run").exists()


@pytest.mark.parametrize("engine", ["minimal", "trl"])
def test_a_template_without_tools_is_trained_with_tools_in_its_text(tmp_path: Path, engine: str) -> None:
    if engine == "trl":
        pytest.importorskip("trl")
    made.write_candidates(Path("pivots"), [made.candidate(0, turn) for turn in range(2)])
    shutil.copy("pivots/candidates.jsonl", "pivots/pivots.jsonl")
    model = make_tiny_model(tmp_path / "wide", context=4096)
    args = ("pivots", model, *MINIMAL, *QUICK, "--engine", engine)
    found = train(*args, "--run", "run", "--json").json
    assert found["step"] == 1
    assert json.loads(Path("run/made_with.json").read_text())["tool_format"] == "hermes"
    cli.is_error(train(*args, "--run", "b", "--tool-format", "template"), 2, "shows no tools", "hermes")
    assert not Path("b").exists()


# ---------------------------------------------------------------- judges


def test_a_judge_that_answers_nonsense_leaves_every_sample_without_a_verdict(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = make(lambda request, body: ok("Bananas are yellow. [[A~B]]"))
    monkeypatch.setattr("reasonry.training.pivotrl.verifying.make_sampler", lambda *args, **kwargs: judge)
    made.write_candidates(Path("pivots"), [made.plain_candidate(i) for i in range(4)])
    sampler = CallableSampler(lambda messages, seed: {"text": f"Well, {seed % 7}.", "num_prompt_tok": 3}, name="says")
    monkeypatch.setattr("reasonry.training.pivotrl.profiling.make_sampler", lambda *args, **kwargs: sampler)
    asked = ("--verifier.name", "judge", "--verifier.judge", "m")
    flags = (*asked, "--verifier.judge-endpoint.base-url", "http://localhost:1/v1")
    done = pivots("profile", "pivots", "says", "--k", 4, *flags, *ENDPOINT, "--json")
    body = json.loads(done.out)
    assert body["categories"] == {"no_verdict": 16} and body["mean_reward"] is None
    assert "16 of 16 samples have no verdict" in done.err
    rows = list(jsonl.read(Path("pivots/profile/profile.jsonl")))
    assert [r["rewards"] for r in rows] == [[None] * 4] * 4, "left out, and not 0"
    done = pivots("select", "pivots")
    assert done.code == 3 and "none of 4 candidates has a verdict" in done.err
    assert "--threshold" not in done.err, "it would help nothing"
    assert not Path("pivots/pivots.jsonl").exists()
    done = pivots("audit", "pivots", *flags)
    assert done.code == 1 and "4 of 4 demonstrations get no verdict" in done.err + done.out, done
    shutil.copy("pivots/candidates.jsonl", "pivots/pivots.jsonl")
    args = ("pivots", tiny_model, *MINIMAL, "--sampling.max-new-tokens", 200, "--model-options.device", "cpu")
    cli.is_error(train(*args, "--run", "a"), 2, "4 of 4 demonstrations get no verdict")
    found = train(*args, "--run", "b", "--allow", "no_verdict", "--learning-rate", "1e-2", "--json").json
    (logged,) = jsonl.read(Path("b/metrics.jsonl"))
    assert found["step"] == 1 and logged["verifier/no_verdict"] > 0 and logged["pivot/useful_groups"] == 0
    assert logged["grad_norm"] == 0.0, "nothing is learned from silence"


def test_a_judge_that_answers_nonsense_now_and_then_costs_these_samples_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def judges(request: Any, body: dict[str, Any]) -> Any:
        asked = body["messages"][-1]["content"]
        return ok("Who knows?" if "Well, 3." in asked else "Yes. [[A=B]]" if "Well, 1." in asked else "[[A!=B]]")

    judge = make(judges)
    monkeypatch.setattr("reasonry.training.pivotrl.verifying.make_sampler", lambda *args, **kwargs: judge)
    made.write_candidates(Path("pivots"), [made.plain_candidate(i) for i in range(4)])
    sampler = CallableSampler(lambda messages, seed: {"text": f"Well, {seed % 4}.", "num_prompt_tok": 3}, name="says")
    monkeypatch.setattr("reasonry.training.pivotrl.profiling.make_sampler", lambda *args, **kwargs: sampler)
    asked = ("--verifier.name", "judge", "--verifier.judge", "m")
    flags = (*asked, "--verifier.judge-endpoint.base-url", "http://localhost:1/v1")
    body = json.loads(pivots("profile", "pivots", "says", "--k", 16, *flags, *ENDPOINT, "--json").out)
    samples = list(jsonl.read(Path("pivots/profile/samples.jsonl")))
    expected = Counter(
        {"1": "match", "3": "no_verdict"}.get(s["action"]["content"][6], "judged_different") for s in samples
    )
    assert body["categories"] == dict(expected) and set(expected) == {"match", "no_verdict", "judged_different"}
    judged = expected["match"] + expected["judged_different"]
    assert body["mean_reward"] == pytest.approx(expected["match"] / judged, abs=0.1)
    assert pivots("select", "pivots").code == 0


# ---------------------------------------------------------------- nothing to learn


def test_classes_that_know_no_tool_reward_nothing_and_every_step_says_so(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = [made.tool("MyPatcher", "path")]
    written = [made.candidate(i, 0, tools=tools) for i in range(3)]
    rows = [candidate_to_row(c) for c in written]
    for each in rows:
        each["expected"] = [{"type": "calls", "calls": [{"name": "MyPatcher", "arguments": {"path": "a"}}]}]
    Path("pivots").mkdir()
    jsonl.write(Path("pivots/candidates.jsonl"), rows)
    call = '<tool_call>{"name": "patch_it", "arguments": {"path": "a"}}</tool_call>'
    sampler = CallableSampler(lambda messages, seed, tools=(): {"text": call, "num_prompt_tok": 3}, name="patches")
    monkeypatch.setattr("reasonry.training.pivotrl.profiling.make_sampler", lambda *args, **kwargs: sampler)
    by_class = ("--verifier.name", "tool-name:class")
    done = pivots("profile", "pivots", "patches", "--k", 4, *by_class, *ENDPOINT)
    assert done.code == 1 and "all 12 rewards are zero (wrong_tool 12)" in done.err
    done = pivots("audit", "pivots", *by_class, "--json")
    body = json.loads(done.out)
    assert done.code == 1 and body["unknown_tool_share"] == 1.0 and body["tools_without_class"] == {"MyPatcher": 3}
    assert "all 12 rewards are zero (wrong_tool 12)" in done.err and "MyPatcher" in done.err
    done = pivots("select", "pivots")
    assert done.code == 3 and "all 3 candidates fail in every sample: audit the verifier" in done.err
    assert "--threshold" not in done.err and "never or always right" in done.err
    cli.is_error(train("pivots", tiny_model, *MINIMAL), 3, "pivots select")
