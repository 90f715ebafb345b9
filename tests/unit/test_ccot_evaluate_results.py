"""Figures of an evaluation, its settings, and where models are found."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ccot_text_runs import graph_run, text_config, text_run

from reasonry.core.config import from_dict
from reasonry.core.stats import wilson
from reasonry.errors import ConfigError, DataError
from reasonry.training.continuous_cot.config import GraphTrainConfig
from reasonry.training.continuous_cot.evaluate.batching import batches
from reasonry.training.continuous_cot.evaluate.config import EvalConfig, read_sweep
from reasonry.training.continuous_cot.evaluate.locate import locate
from reasonry.training.continuous_cot.evaluate.results import evaluated
from reasonry.training.continuous_cot.evaluate.subject import arms, is_row
from reasonry.training.continuous_cot.methods import METHODS
from reasonry.training.continuous_cot.text_config import TextTrainConfig


def row(index: int, *, right: bool, **more: Any) -> dict[str, Any]:
    return {
        "thoughts": "own",
        "slots": 2,
        "index": index,
        "id": f"test-{index}",
        "group": "2 steps",
        "question": "?",
        "oracle": "7",
        "grade": "right" if right else "wrong",
        "answer": "7" if right else "8",
        "reply": "### 7",
        "is_right_of_candidates": None,
        "is_tie": False,
        "is_cut_off": False,
        "num_tokens": 4,
        "num_slots": 2,
        "seconds": 0.5,
        "norms": [3.0, 5.0],
        "cosines": [0.5],
        "nearest": [[("7", 0.9)], [("8", 0.4)]],
        **more,
    }


# ---------------------------------------------------------------- figures


def test_accuracy_price_and_looks_of_an_arm() -> None:
    rows = [row(0, right=True), row(1, right=False, num_tokens=8, is_cut_off=True, grade="ungradable")]
    arm = evaluated({("own", 2): rows}, own_slots=2).reference
    low, high, *_ = wilson(1, 2)
    assert arm.accuracy == (0.5, low, high, 1, 2)
    assert (arm.num_cut_off, arm.num_unanswered, arm.num_ties) == (1, 1, 0)
    assert (arm.mean_tokens, arm.tokens_per_second, arm.seconds) == (6.0, 12.0, 0.5)
    assert (arm.norms, arm.cosines, arm.mean_slots) == ((3.0, 5.0), (0.5,), 2.0)
    assert arm.candidates is None
    assert arm.change is None


def test_arms_are_compared_question_by_question_with_the_one_that_is_as_in_training() -> None:
    reference = [True, True, True, True, False]
    other = [False, False, False, True, True]
    found = evaluated(
        {
            ("own", 3): [row(i, right=right) for i, right in enumerate(other)],
            ("own", 2): [row(i, right=right) for i, right in enumerate(reference)],
        },
        own_slots=2,
    )
    assert found.reference.slots == 2
    change = found.arms[0].change
    assert change is not None
    assert change.accuracy == pytest.approx(-0.4)
    assert (change.num_lost, change.num_won) == (3, 1)
    assert change.p_value == pytest.approx(2 * (1 + 4) / 16)  # McNemar: 2 P(X <= 1), X ~ Bin(4, 1/2)


def test_without_an_arm_as_in_training_the_most_own_thoughts_are_the_reference() -> None:
    rows = [row(0, right=True)]
    keys = [("own", 1), ("own", 4), ("random", 9)]
    found = evaluated(dict.fromkeys(keys, rows), own_slots=2)  # pyright: ignore[reportArgumentType]
    assert found.reference.label == "own, 4"


def test_means_of_thoughts_are_over_the_questions_that_have_them() -> None:
    rows = [row(0, right=True, norms=[1.0], cosines=[]), row(1, right=True, norms=[3.0, 7.0], cosines=[0.25])]
    arm = evaluated({("own", None): rows}, own_slots=None).reference
    assert (arm.norms, arm.cosines) == ((2.0, 7.0), (0.25,))
    assert arm.label == "own, as trained"


def test_accuracy_is_broken_down_in_the_order_of_numbers() -> None:
    rows = [row(i, right=i % 2 == 0, group=f"{n} steps") for i, n in enumerate((10, 2, 2, 10, 10))]
    groups = evaluated({("own", 2): rows}, own_slots=2).reference.groups
    assert list(groups) == ["2 steps", "10 steps"]
    assert [(each.num_right, each.num) for each in groups.values()] == [(1, 2), (2, 3)]


def test_candidates_are_counted_where_questions_name_them() -> None:
    rows = [row(i, right=False, is_right_of_candidates=i < 3, is_tie=i == 0) for i in range(4)]
    arm = evaluated({("own", 2): rows}, own_slots=2).reference
    assert arm.candidates is not None
    assert (arm.candidates.value, arm.num_ties, arm.accuracy.value) == (0.75, 1, 0.0)


def test_nothing_is_replaced_where_there_are_no_thoughts() -> None:
    assert arms((0, 2), ("own", "random")) == [("own", 0), ("own", 2), ("random", 2)]


def test_rows_that_were_damaged_are_told_from_sound_ones() -> None:
    assert is_row(row(0, right=True))
    assert is_row(row(0, right=True, slots=None))
    for damage in ({"grade": "good"}, {"slots": "2"}, {"norms": None}, {"num_tokens": 1.5}, {"seconds": "x"}):
        assert not is_row(row(0, right=True, **damage))
    assert not is_row({"thoughts": "own"})


# ---------------------------------------------------------------- batches and settings


@given(st.integers(1, 200), st.integers(1, 40))
def test_batches_cover_every_question_once_and_leave_none_alone(num: int, size: int) -> None:
    parts = batches(num, size)
    assert [i for part in parts for i in range(part.start, part.stop)] == list(range(num))
    sizes = [part.stop - part.start for part in parts]
    assert max(sizes) <= size + 1
    assert len(sizes) == math.ceil(num / size) or (sizes[-1] == size + 1 and len(sizes) == math.ceil(num / size) - 1)
    if num > 1 and size > 1:
        assert min(sizes) > 1


@pytest.mark.parametrize(
    ("text", "numbers"), [("0,1,2,4", (0, 1, 2, 4)), ("0-3", (0, 1, 2, 3)), ("4, 0-1,1", (0, 1, 4)), ("7", (7,))]
)
def test_a_sweep_is_a_list_or_a_range(text: str, numbers: tuple[int, ...]) -> None:
    assert read_sweep(text) == numbers


@pytest.mark.parametrize("text", ["a", "1,", "3-1", "-1", "1.5", "99999", "1-2-3", "²"])
def test_what_is_no_sweep_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"sweep = .*no list of numbers"):
        from_dict(EvalConfig, {"model": "m", "sweep": text}, place="test")


@pytest.mark.parametrize(
    "body",
    [
        {"sweep": "1", "num_thoughts": 1},
        {"thoughts": []},
        {"thoughts": ["own", "own"]},
        {"thoughts": ["other"]},
        {"num": 0},
    ],
)
def test_settings_that_contradict_each_other_are_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        from_dict(EvalConfig, {"model": "m", **body}, place="test")


# ---------------------------------------------------------------- where models are


@pytest.fixture(scope="module")
def texts(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return text_run(tmp_path_factory.mktemp("runs") / "texts", text_config(tiny_model, seed=7), ("pause", "continuous"))


def test_a_run_a_method_and_a_model_are_all_found(texts: Path) -> None:
    for name in (texts, texts / "continuous", texts / "continuous" / "model"):
        found = locate(str(name))
        assert found.method == METHODS["continuous"]
        assert isinstance(found.trained, TextTrainConfig)
        assert found.trained.seed == 7
        assert found.label == "texts/continuous"
    assert locate(str(texts), method="pause").method == METHODS["pause"]


def test_a_copy_of_a_model_knows_what_it_was_trained_for(texts: Path, tmp_path: Path) -> None:
    shutil.copytree(texts / "pause" / "model", tmp_path / "mine")
    found = locate(str(tmp_path / "mine"))
    assert (found.method, found.label) == (METHODS["pause"], "mine")


def test_models_of_graphs_are_told_by_their_settings(tmp_path: Path) -> None:
    found = locate(str(graph_run(tmp_path / "graphs", ("cot",))))
    assert found.method == METHODS["cot"]
    assert isinstance(found.trained, GraphTrainConfig)


def test_any_other_model_is_taken_as_it_is(tiny_model: Path) -> None:
    assert locate(str(tiny_model)) == (str(tiny_model), None, None)
    assert locate("smollm2-135m", method="pause") == ("smollm2-135m", METHODS["pause"], None)


def test_a_method_that_is_not_there_is_refused_by_name(texts: Path) -> None:
    with pytest.raises(ConfigError, match="no model of method 'cot'"):
        locate(str(texts), method="cot")
    with pytest.raises(ConfigError, match="Did you mean 'pause'"):
        locate(str(texts), method="pausee")
    with pytest.raises(ConfigError, match="this is the model of continuous, not of pause"):
        locate(str(texts / "continuous"), method="pause")


def test_runs_of_other_commands_and_unfinished_ones_are_refused(tmp_path: Path, texts: Path) -> None:
    shutil.copy(texts / "run.json", tmp_path / "run.json")
    with pytest.raises(DataError, match="no finished model"):
        locate(str(tmp_path))
    (tmp_path / "run.json").write_text('{"verb": "train dultra"}')
    with pytest.raises(DataError, match="trains no thoughts"):
        locate(str(tmp_path))
