"""What a comparison decodes with: kinds, settings, names, and what is refused before anything is loaded."""

from pathlib import Path
from typing import Any, cast

import pytest

from reasonry.errors import ConfigError
from reasonry.training.dultra.frontier.sweep import contest, settings
from reasonry.training.dultra.policies.make import POLICIES, make_policy


def labels(*policies: str, planners: tuple[str, ...] = (), answer_len: int = 20, block_len: int = 20) -> list[str]:
    found = contest(policies, [Path(p) for p in planners], answer_len=answer_len, block_len=block_len)
    return [c.label for c in found.contenders]


@pytest.mark.parametrize(("answer_len", "block_len"), [(20, 20), (256, 32), (100, 32)])
def test_every_kind_has_six_settings_or_more_and_all_can_be_made(answer_len: int, block_len: int) -> None:
    for kind in POLICIES:
        texts = settings(kind, answer_len=answer_len, block_len=block_len)
        assert len(set(texts)) == len(texts) >= 6, kind
        assert len({make_policy(text, planner=cast("Any", object())).name for text in texts}) == len(texts)


def test_budgets_of_steps_are_the_same_for_every_block_and_end_at_one_step_a_token() -> None:
    steps = [int(text.split(":")[1]) for text in settings("entropy", answer_len=256, block_len=32)]
    assert steps[0] == 256 and all(num % 8 == 0 for num in steps) and steps == sorted(steps, reverse=True)


def test_a_sweep_has_every_kind_once_and_planners_only_with_a_folder() -> None:
    found = contest(["sweep"], [], answer_len=256, block_len=32)
    assert {c.family for c in found.contenders} == set(POLICIES) - {"planner"} and not found.notes
    with_planner = contest(["sweep"], [Path("p")], answer_len=256, block_len=32).contenders
    families = {c.family for c in with_planner if c.planner}
    assert families == {"planner:threshold", "planner:expected", "planner:sample"}
    assert [c.planner is None for c in with_planner] == sorted((c.planner is None for c in with_planner), reverse=True)


def test_several_blocks_at_once_are_left_out_where_there_is_one_and_that_is_said() -> None:
    found = contest(["sweep"], [], answer_len=20, block_len=20)
    assert "multi_block" not in {c.family for c in found.contenders} and "multi_block" in found.notes[0]
    assert labels("multi_block:sweep")[0] == "multi_block:0.1:0.95:0.05"


def test_a_policy_named_twice_is_decoded_once() -> None:
    assert labels("threshold", "threshold:0.90", "top:2", "threshold:sweep")[:2] == ["threshold:0.9", "top:2"]
    assert labels("threshold", "threshold:sweep").count("threshold:0.9") == 1


def test_chance_has_a_say_in_random_rules_and_sampled_plans_alone() -> None:
    found = contest(["sweep"], [Path("p")], answer_len=256, block_len=32).contenders
    assert {c.family for c in found if c.is_random} == {"random", "rand", "planner:sample"}


def test_planners_are_told_apart_by_as_much_of_their_paths_as_it_takes() -> None:
    assert labels("planner:sample", planners=("a/p",)) == ["planner:sample"]
    assert labels("planner", planners=("x/p", "y/q")) == ["planner:sample (p)", "planner:sample (q)"]
    named = labels("planner:expected", planners=("x/p", "y/p", "x/p"))
    assert named == ["planner:expected (x/p)", "planner:expected (y/p)"]
    families = {c.family for c in contest(["planner:sweep"], [Path("a"), Path("b")], answer_len=9, block_len=9)[0]}
    assert len(families) == 6 and "planner:sample (a)" in families


@pytest.mark.parametrize(
    ("policies", "words"),
    [
        (("thresold:0.9",), "threshold"),
        (("tresh:sweep",), "unknown kind"),
        (("threshold:2",), "out of range"),
        (("planner:sample",), "needs a planner"),
        (("entropy:2",), "fewer steps than the answer has blocks"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_loaded(policies: tuple[str, ...], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        contest(policies, [], answer_len=20, block_len=5)


def test_a_planner_that_nothing_asks_is_noted() -> None:
    assert "planner:sweep" in contest(["top:1"], [Path("p")], answer_len=9, block_len=9).notes[0]
