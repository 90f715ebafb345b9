"""The demo's help desk: its chats go the way of any log, what is told is what is in the files, and it repeats."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reasonry.core import seeds
from reasonry.core.demo import Part
from reasonry.core.report import Chart, Code, Samples, Table, write_report
from reasonry.core.sampling.base import Request
from reasonry.errors import DataError
from reasonry.tasks.desk import forms
from reasonry.tasks.desk.configs import world_of
from reasonry.tasks.desk.demos import draw_demonstrations
from reasonry.tasks.desk.tokens import PAD, vocabulary
from reasonry.tasks.desk.world import INVALID, NUM_ARGUMENTS, WORDS
from reasonry.training.pivotrl.choosing import choose_pivots
from reasonry.training.pivotrl.config import SelectConfig
from reasonry.training.pivotrl.desk import chats, demo
from reasonry.training.pivotrl.desk.base import load_base
from reasonry.training.pivotrl.desk.profile import candidates_of
from reasonry.training.pivotrl.records import Action, Invocation
from reasonry.training.pivotrl.rows import read_candidates, read_profiles

NUM_CHATS = 12
WORLD = world_of("plain")


def quiet(line: str) -> None:
    pass


def teach(folder: Path, *, seed: int = 0) -> Part:
    return demo.teach(folder, seed=seed, say=quiet, num_chats=NUM_CHATS, num_steps=2, num_test=12)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Part]:
    folder = tmp_path_factory.mktemp("desk") / "pivotrl"
    return folder, teach(folder)


def blocks(part: Part, kind: type[Any]) -> list[Any]:
    return [b for section in part.report.sections for b in section.blocks if isinstance(b, kind)]


# ---------------------------------------------------------------- chats


def test_every_way_to_write_an_action_is_read_and_written_back() -> None:
    words = [len(WORLD.tools) * NUM_ARGUMENTS + word for word in range(len(WORDS))]
    calls = [tool * NUM_ARGUMENTS + number for tool in range(len(WORLD.tools)) for number in (0, 7, 41, 99)]
    for form in range(forms.NUM_FORMS):
        code = np.array([*calls, *words], dtype=np.int64)
        written = forms.write("plain", code, np.full(len(code), form))
        read = [chats.read_tokens(WORLD, tokens) for tokens in written]
        assert [action.kind for action in read] == ["calls"] * len(calls) + ["message"] * len(words)
        assert (np.stack([chats.write_tokens(WORLD, action) for action in read]) == written).all()
        called = [next(v for k, v in a.calls[0].arguments.items() if k != "fast") for a in read[: len(calls)]]
        assert called == [c % NUM_ARGUMENTS for c in calls]
        assert all(a.calls[0].arguments.get("fast", False) == bool(form & 1) for a in read[: len(calls)])


def test_what_cannot_be_read_is_no_text_and_keeps_its_tokens() -> None:
    vocab = vocabulary("plain")
    for symbols, problem in (
        (["call", "get_user", "oid", "4", "1", "<eot>"], "malformed"),  # the key of the other argument
        (["ok", "<eot>"], "malformed"),
        (["call", "get_user", "uid", "4", "1", "fast", "fast"], "truncated"),
    ):
        tokens = np.full(forms.MAX_TOK, PAD, dtype=np.int64)
        tokens[: len(symbols)] = vocab.encode(symbols)
        action = chats.read_tokens(WORLD, tokens)
        assert (action.kind, action.problem) == ("invalid", problem)
        assert (chats.write_tokens(WORLD, action) == tokens).all()


def test_calls_of_other_worlds_are_no_actions_of_the_desk() -> None:
    for name, arguments in (("get_weather", {"number": 4}), ("get_user", {"uid": "4"}), ("get_user", {"uid": 400})):
        with pytest.raises(DataError):
            chats.write_tokens(WORLD, Action("calls", (Invocation(name, arguments),)))


def test_the_policy_reads_in_a_chat_what_it_reads_in_a_transcript(made: tuple[Path, Part]) -> None:
    demos = draw_demonstrations(seeds.stream(0, "desk", "demo"), NUM_CHATS, world=WORLD)
    candidates = candidates_of(WORLD, demos)
    turns = list(read_candidates(made[0] / "candidates.jsonl"))
    assert len(turns) == NUM_CHATS * WORLD.num_turns
    for turn in turns:
        row = chats.row_of(turn.trajectory_id) * WORLD.num_turns + turn.turn_index
        prompt = candidates.prompt_NW[row]
        assert chats.state_tokens(WORLD, turn.prompt) == prompt[prompt != PAD].tolist()
        (expected,) = turn.expected
        assert (chats.write_tokens(WORLD, expected) == candidates.action_NA[row]).all()


def test_samples_depend_on_seed_id_and_index_alone(made: tuple[Path, Part]) -> None:
    turns = list(read_candidates(made[0] / "candidates.jsonl"))[:9]
    requests = [Request(t.id, t.prompt, indices=range(4), may_fail=True) for t in turns]
    sampler = chats.DeskSampler(load_base("plain"), WORLD, seed=5)
    whole = {(c.id, c.index): c for c in sampler.sample(requests)}
    assert len(whole) == sampler.stats.num_completions == 36
    few = list(sampler.sample(requests[3:5][::-1], skip={(requests[3].id, 0)}))
    assert [(c.id, c.index) for c in few] == [(requests[4].id, i) for i in range(4)] + [
        (requests[3].id, i) for i in (1, 2, 3)
    ]
    assert all(c == whole[c.id, c.index] for c in few)
    other = chats.DeskSampler(load_base("plain"), WORLD, seed=6)
    assert [c.tokens for c in other.sample(requests)] != [c.tokens for c in whole.values()]


# ---------------------------------------------------------------- the part


def test_both_rewards_are_those_of_the_help_desk(made: tuple[Path, Part]) -> None:
    """Verifiers of actions that were read agree with the desk's own rewards, which compare tokens."""
    folder, _ = made
    turns = {t.id: t for t in read_candidates(folder / "candidates.jsonl")}
    rows = [json.loads(line) for line in (folder / "profile" / "samples.jsonl").read_text().splitlines()]
    strict = {p.candidate_id: p.rewards for p in read_profiles(folder / "profile-exact" / "profile.jsonl")}
    for row in rows:
        (expected,) = turns[row["id"]].expected
        wanted = chats.write_tokens(WORLD, expected)
        tokens = chats.write_tokens(WORLD, demo.action_of(row, place="here"))
        codes = forms.read("plain", np.stack([wanted, tokens]))
        assert row["reward"] == float(codes[0] == codes[1] != INVALID)
        assert strict[row["id"]][row["index"]] == float((wanted == tokens).all())
    functional = {p.candidate_id: p.rewards for p in read_profiles(folder / "profile" / "profile.jsonl")}
    total = {
        name: sum(r or 0.0 for rewards in by_id.values() for r in rewards)
        for name, by_id in (("strict", strict), ("functional", functional))
    }
    assert total["strict"] < total["functional"] / 2


def test_what_is_told_is_what_is_selected(made: tuple[Path, Part]) -> None:
    folder, part = made
    again = choose_pivots(SelectConfig(folder=folder, out=folder / "again"))
    counts = again.choice.counts
    told = part.results["rewards"]["functional"]
    assert told["fates"] == dict(again.choice.fates) and sum(told["pivots_by_turn"]) == counts.num_kept >= 1
    assert (folder / "pivots.jsonl").read_bytes() == (folder / "again" / "pivots.jsonl").read_bytes()
    assert part.report.facts[0].value == counts.num_kept / (NUM_CHATS * WORLD.num_turns)
    assert f"worth training on: {counts.num_kept} when any form counts" in part.lines[1]
    assert part.results["is_sound"] is True
    rewards, trained = blocks(part, Table)
    assert [row[5] for row in rewards.rows] == [
        sum(part.results["rewards"][name]["pivots_by_turn"]) for name in ("functional", "strict")
    ]
    assert [row[1] for row in trained.rows[1:]] == [*(row[5] for row in rewards.rows), NUM_CHATS * WORLD.num_turns]


def test_bars_of_a_turn_add_up_to_all_of_it(made: tuple[Path, Part]) -> None:
    for chart in blocks(made[1], Chart)[:2]:
        values = chart.spec["data"]["values"]
        labels = {row["label"] for row in values}
        assert len(labels) == WORLD.num_turns
        for label in labels:
            assert sum(row["value"] for row in values if row["label"] == label) == pytest.approx(1.0)


def test_the_page_says_what_is_real_and_that_each_training_is_one_run(made: tuple[Path, Part], tmp_path: Path) -> None:
    report = made[1].report
    assert "**Synthetic:** 12 chats" in report.sections[0].lead and "384 sampled actions" in report.sections[0].lead
    assert "one run each" in made[1].lines[2]
    assert str(made[0]) in blocks(made[1], Code)[0].text
    shown = blocks(made[1], Samples)
    assert 0 < sum(len(s.rows) for s in shown) <= demo.NUM_SHOWN
    assert all(len(row.samples) == 8 for s in shown for row in s.rows)
    assert write_report(tmp_path, report).html.is_file()


def test_a_demo_over_an_earlier_one_and_in_another_place_ends_the_same(made: tuple[Path, Part], tmp_path: Path) -> None:
    folder, part = made
    before = (folder / "results.json").read_bytes()
    assert json.loads(before) == json.loads(json.dumps(part.results))
    again = Path(shutil.copytree(folder, tmp_path / "again"))
    (again / "results.json").unlink()
    assert teach(again).lines == part.lines
    assert (again / "results.json").read_bytes() == before
    same = "profile/samples.jsonl", "profile/profile.jsonl", "profile-exact/profile.jsonl"
    assert all((again / name).read_bytes() == (folder / name).read_bytes() for name in same)
