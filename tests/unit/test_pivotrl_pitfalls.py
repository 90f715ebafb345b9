"""Ways in which training on pivots goes wrong in silence, each shown not to happen here."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests import pivotrl_profiling as made
from tests.chat_tokenizers import ASSISTANT, PLAIN, WITH_TOOLS, chat_tokenizer
from tests.pivotrl_logs import chat, extract, write
from tests.pivotrl_training import candidates, config, trainer

pytest.importorskip("torch")
pytest.importorskip("transformers")

from reasonry.core import jsonl
from reasonry.core.models import ModelConfig
from reasonry.core.sampling import EndpointConfig, SamplingConfig
from reasonry.core.sampling.base import Completion
from reasonry.training.pivotrl.actions import action_text
from reasonry.training.pivotrl.advantages import advantages
from reasonry.training.pivotrl.config import ProfileConfig, VerifierConfig
from reasonry.training.pivotrl.profiling import profile_candidates
from reasonry.training.pivotrl.records import Action, Candidate, Verdict
from reasonry.training.pivotrl.rendering import opens_reasoning, prompt_ids, prompt_text
from reasonry.training.pivotrl.states import Format, present
from reasonry.training.pivotrl.train import minimal
from reasonry.training.pivotrl.train.judging import Asked, Judge
from reasonry.training.pivotrl.train.run import train_pivots
from reasonry.training.pivotrl.verifiers import make_verifier
from reasonry.training.pivotrl.verifying import num_verdicts_at_once

# ---------------------------------------------------------------- leaks


@pytest.mark.parametrize(
    ("tool_format", "template"), [("template", WITH_TOOLS + ASSISTANT), ("hermes", PLAIN + ASSISTANT)]
)
def test_what_was_demonstrated_is_nowhere_behind_the_last_thing_the_model_was_told(
    tmp_path: Path, tool_format: Format, template: str
) -> None:
    turns = ("Where is it?", "look(shelf)", "a book", "A book.", "Pay for it.", "pay(shop)", "paid", "It is paid.")
    _, found = extract(write(tmp_path / "logs.jsonl", [chat(*turns)]), out=tmp_path / "out")
    assert [c.turn_index for c in found] == [0, 1, 2, 3], "T turns, T candidates"
    tokenizer = chat_tokenizer(template)
    for candidate in found:
        text = prompt_text(tokenizer, present(candidate, tool_format))
        said = candidate.prompt[-1]
        assert said.role in ("user", "tool")
        behind = text[text.rindex(said.content) + len(said.content) :]
        end = "\n</tool_response>" if tool_format == "hermes" and said.role == "tool" else ""
        assert behind == f"{end}<|im_end|>\n<|im_start|>assistant\n"
        for expected in candidate.expected:
            assert action_text(expected) not in text[text.rindex(said.content) :]


# ---------------------------------------------------------------- groups


class ByTurn:
    """Accepts every second action at one of two turns, and every fourth at the other."""

    name, identity = "by turn", {"verifier": "by turn"}

    def __init__(self) -> None:
        self._num_seen: Counter[str] = Counter()

    def verify(self, candidate: Candidate, action: Action) -> Verdict:
        self._num_seen[candidate.id] += 1
        is_right = self._num_seen[candidate.id] % (2 if candidate.id == "red" else 4) == 0
        return Verdict(float(is_right), "match" if is_right else "other")


def test_two_rows_with_one_prompt_are_normalised_apart(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trainer(tmp_path, tiny_model, words=("red", "green"), verifier=ByTurn(), num_steps=1, prompts_per_step=2)
    red, green = run.turns["red"], run.turns["green"]
    same = replace(green.candidate, prompt=red.candidate.prompt)
    run.turns["green"] = green._replace(candidate=same, prompt_ids=red.prompt_ids)
    seen: list[tuple[Any, Any]] = []

    def watched(reward_PG: Any, **how: Any) -> Any:
        seen.append((reward_PG, advantages(reward_PG, **how)))
        return seen[-1][1]

    monkeypatch.setattr(minimal, "advantages", watched)
    run.run()
    ((rewards, found),) = seen
    assert sorted(map(sum, rewards)) == [2, 4]
    for row, advantage in zip(rewards, found.advantage_PG.tolist(), strict=True):
        alone = advantages([row], ddof=1, eps=1e-4).advantage_PG[0].tolist()
        assert advantage == pytest.approx(alone, abs=1e-12)
    merged = advantages([rewards[0] + rewards[1]], ddof=1, eps=1e-4).advantage_PG[0].tolist()
    assert merged != pytest.approx([a for row in found.advantage_PG.tolist() for a in row], abs=1e-3)


# ---------------------------------------------------------------- reasoning

THINKS = PLAIN + "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"


def test_a_reply_that_never_leaves_the_reasoning_of_its_prompt_is_no_message_when_it_is_trained_on() -> None:
    tokenizer = chat_tokenizer(THINKS)
    (candidate,) = candidates(("red",))  # text was demonstrated, and any text is as good
    ids = prompt_ids(tokenizer, present(candidate, "template"))
    assert opens_reasoning(tokenizer, ids)
    plain = chat_tokenizer(PLAIN + ASSISTANT)
    assert not opens_reasoning(plain, prompt_ids(plain, present(candidate, "template")))
    judge = Judge(make_verifier("tool-call"), tokenizer, end_ids={tokenizer.eos_token_id})

    def verdict(text: str, *, in_reasoning: bool) -> Verdict:
        tokens = [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]
        completion = Completion("red", 0, text, "stop", tokens=tuple(tokens))
        read = judge.read(candidate, completion, in_reasoning=in_reasoning)
        assert read == judge.read_tokens(candidate, tokens, in_reasoning=in_reasoning)
        ((_, found),) = judge.verdicts([Asked(None, candidate, read)])
        return found

    assert verdict("They want red, so", in_reasoning=True)[:2] == (0.0, "unclosed_reasoning")
    assert verdict("They want red.</think>Red.", in_reasoning=True).reward == 1.0
    assert verdict("Red.", in_reasoning=False).reward == 1.0


def test_the_loop_reads_what_it_samples_as_the_profile_did(tiny_model: Path, tmp_path: Path) -> None:
    model = shutil.copytree(tiny_model, tmp_path / "thinks")
    template = model / "chat_template.jinja"
    template.write_text(template.read_text() + "<think>\n")
    given = made.write_candidates(tmp_path / "pivots", [made.plain_candidate(i) for i in range(4)])
    shutil.copy(given / "candidates.jsonl", given / "pivots.jsonl")
    options = ModelConfig(dtype="float32", device="cpu")
    sampling = SamplingConfig(temperature=1.0, max_new_tokens=300)
    common: dict[str, Any] = {"folder": given, "model": str(model), "model_options": options}
    profiled = profile_candidates(ProfileConfig(**common, k=4, sampling=sampling, max_truncated=1))
    assert set(profiled.summary.categories) == {"unclosed_reasoning", "truncated"}
    cfg = config(**common, num_steps=1, group_size=4, sampling={}, run=tmp_path / "run")
    (row,) = train_pivots(cfg).rows
    assert {name for name in row if name.startswith("verifier/")} == {
        *("verifier/unclosed_reasoning", "verifier/truncated")
    }
    assert row["reward"] == 0.0


# ---------------------------------------------------------------- judges


class Slow:
    """Takes its time, like a judge behind an endpoint, and sees how many others do."""

    name, identity = "slow", {"verifier": "slow"}

    def __init__(self) -> None:
        self.flying = self.most = 0
        self._lock = threading.Lock()

    def verify(self, candidate: Candidate, action: Action) -> Verdict:
        with self._lock:
            self.flying += 1
            self.most = max(self.most, self.flying)
        time.sleep(0.01 + 0.02 * (len(action_text(action)) % 3))  # so that they end in another order
        with self._lock:
            self.flying -= 1
        return verdict_of(candidate, action)


def verdict_of(candidate: Candidate, action: Action) -> Verdict:
    return Verdict(float(len(action_text(action)) % 2), candidate.id)


@pytest.mark.parametrize("num_at_once", [1, 4])
def test_verdicts_of_a_round_are_asked_for_at_once_and_stay_with_their_actions(
    tiny_model: Path, tmp_path: Path, num_at_once: int
) -> None:
    run, judge = trainer(tmp_path, tiny_model), Slow()
    loaded_judge = run.rollouts._judge
    run.rollouts._judge = Judge(judge, loaded_judge._tokenizer, num_at_once=num_at_once)
    names = ["red", "green", "blue"]
    groups = run.rollouts.sample([run.turns[name] for name in names], names, 6)
    assert judge.most == 1 if num_at_once == 1 else 1 < judge.most <= num_at_once
    for name, group in zip(names, groups, strict=True):
        assert len(group.actions) == len(group.verdicts) == 6
        read = [loaded_judge.read_tokens(group.turn.candidate, action) for action in group.actions]
        wanted = [verdict_of(group.turn.candidate, action) for action in read]
        assert list(group.verdicts) == wanted and {v.category for v in wanted} == {name}


def test_as_many_verdicts_are_in_flight_as_the_endpoint_of_the_judge_takes(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = EndpointConfig(base_url="http://localhost:1/v1", concurrency=7)
    assert num_verdicts_at_once(VerifierConfig(name="judge", judge="m", judge_endpoint=endpoint)) == 7
    assert num_verdicts_at_once(VerifierConfig(name="judge", judge="m")) == 1
    assert num_verdicts_at_once(VerifierConfig(judge_endpoint=endpoint)) == 1
    from tests.endpoint_fakes import make, ok

    server = make(lambda request, body: ok("[[A=B]]"))
    monkeypatch.setattr("reasonry.training.pivotrl.verifying.make_sampler", lambda *args, **kwargs: server)
    folder = made.write_candidates(tmp_path / "pivots", [made.plain_candidate(0)])
    shutil.copy(folder / "candidates.jsonl", folder / "pivots.jsonl")
    seen: list[int] = []
    init = Judge.__init__

    def watched(self: Judge, *args: Any, num_at_once: int = 1, **kwargs: Any) -> None:
        seen.append(num_at_once)
        init(self, *args, num_at_once=num_at_once, **kwargs)

    monkeypatch.setattr(Judge, "__init__", watched)
    verifier = {"name": "judge", "judge": "m", "judge_endpoint": endpoint.model_dump()}
    options = {"dtype": "float32", "device": "cpu"}
    train_pivots(
        config(
            folder=folder,
            model=str(tiny_model),
            run=tmp_path / "run",
            model_options=options,
            num_steps=1,
            verifier=verifier,
        )
    )
    assert seen == [7]


# ---------------------------------------------------------------- selection


def test_a_selection_says_which_fresh_profile_it_was_judged_by(tmp_path: Path) -> None:
    import hashlib

    from tests.pivotrl_chosen import REWARDS, write_folder, write_profile

    from reasonry.training.pivotrl.choosing import choose_pivots
    from reasonry.training.pivotrl.config import SelectConfig

    folder = write_folder(tmp_path / "pivots")
    assert choose_pivots(SelectConfig(folder=folder)).to_json()["fresh"] is None
    inside, outside = (
        write_profile(where, candidates=folder / "candidates.jsonl", seed=5)
        for where in (folder / "fresh", tmp_path / "elsewhere")
    )
    for where, name in ((outside, str(outside)), (inside, "fresh")):
        choose_pivots(SelectConfig(folder=folder, fresh=where, group_size=2))
        assert json.loads((folder / "selection.json").read_text())["fresh"] == {
            "folder": name,
            "sha256": hashlib.sha256((where / "profile.jsonl").read_bytes()).hexdigest(),
            "num": len(REWARDS),
            "k": 8,
            "seeds": [5],
        }
    moved = shutil.copytree(folder, tmp_path / "moved")
    choose_pivots(SelectConfig(folder=moved, fresh=moved / "fresh", group_size=2))
    assert (moved / "selection.json").read_bytes() == (folder / "selection.json").read_bytes()


def test_one_success_of_eight_is_a_pivot_and_the_ends_are_none(tmp_path: Path) -> None:
    from tests.pivotrl_chosen import write_folder

    from reasonry.training.pivotrl.choosing import choose_pivots
    from reasonry.training.pivotrl.config import SelectConfig

    folder = write_folder(tmp_path / "pivots")
    choose_pivots(SelectConfig(folder=folder))
    kept = {row["id"]: row["profile"] for row in jsonl.read(folder / "pivots.jsonl")}
    assert (kept["t0/1"]["mean"], kept["t0/1"]["var"]) == (0.125, 0.109375)
    assert kept.keys().isdisjoint({"t0/0", "t0/3", "t0/2"}), "all right, all wrong, six of eight"
