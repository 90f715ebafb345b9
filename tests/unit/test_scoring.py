"""Scorers: what they share, functions as scorers, and scorers by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import make_tiny_model

from reasonry.core.messages import Message, system, user
from reasonry.core.models import ModelConfig
from reasonry.core.sampling import SamplingConfig
from reasonry.core.sampling.scripted import ScriptedSampler
from reasonry.core.scoring import (
    CallableScorer,
    Item,
    Judge,
    Scorer,
    check_scores,
    item_key,
    make_scorer,
    prompt_text,
)
from reasonry.core.scoring.base import distinct
from reasonry.errors import ConfigError, DataError

FLOAT32 = ModelConfig(dtype="float32", device="cpu")


def ask(text: str) -> tuple[Message, ...]:
    return (user(text),)


ITEMS = [
    Item(ask("x"), "y"),
    Item((system("Be brief."), user("Who?"), Message("assistant", "Me."), user("And?")), "You too."),
    Item(ask("What is 6 x 7?"), "42"),
]


def test_importing_scorers_imports_no_torch() -> None:
    code = "import sys, reasonry.core.scoring; assert not {'torch', 'transformers', 'jinja2'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# ---------------------------------------------------------------- functions


def test_a_function_gets_prompt_and_reply_once_for_each_distinct_item() -> None:
    calls: list[tuple[str, str]] = []

    def length(prompt: str, reply: str) -> int:
        calls.append((prompt, reply))
        return len(reply)

    scorer = CallableScorer(length, name="length")
    assert isinstance(scorer, Scorer)
    items = [Item(ask("q"), "abc"), Item(ask("q"), "a"), Item(ask("q"), "abc")]
    scores = scorer.score(items)
    assert (scores.tolist(), scores.dtype) == ([3, 1, 3], np.float64)
    assert calls == [("q", "abc"), ("q", "a")]
    assert scorer.identity == {"scorer": "function", "name": "length"}


def test_a_function_may_take_messages_or_whole_batches() -> None:
    by_turns = CallableScorer(lambda messages, _: len(messages), name="turns", with_messages=True)
    assert by_turns.score(ITEMS).tolist() == [1, 4, 1]
    batched = CallableScorer(lambda _, replies: np.array([len(r) for r in replies]), name="batch", batched=True)
    assert batched.score(ITEMS).tolist() == [len(item.reply) for item in ITEMS]
    assert batched.score([]).shape == (0,)


def test_none_and_nan_are_unscored_and_counted() -> None:
    values = {"a": 1.5, "b": None, "c": float("nan"), "d": np.float32(2), "e": True, "f": float("-inf")}
    scorer = CallableScorer(lambda _, reply: values[reply], name="table")
    scores = scorer.score([Item((), reply) for reply in [*values, "b"]])
    np.testing.assert_array_equal(scores, [1.5, np.nan, np.nan, 2, 1, -np.inf, np.nan])
    assert scorer.stats.unscored == {"the function gave no number": 3}


@pytest.mark.parametrize("value", ["7", b"7", [1.0], {"score": 1}, 1j, np.array([1.0]), object()])
def test_what_is_no_number_is_named_with_its_item(value: Any) -> None:
    scorer = CallableScorer(lambda _, reply: value if reply == "bad" else 1, name="mine")
    items = [Item((), "ok"), Item((), "ok"), Item((), "bad")]
    with pytest.raises(DataError, match=rf"'mine' returned .*\({type(value).__name__}\) for item 2"):
        scorer.score(items)


def test_what_a_function_raises_is_not_swallowed() -> None:
    def broken(prompt: str, reply: str) -> float:
        raise KeyError("my own bug")

    with pytest.raises(KeyError, match="my own bug"):
        CallableScorer(broken, name="broken").score(ITEMS)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0], r"shape \(1,\) for 2 items, expected \(2,\)"),
        ([[1.0], [2.0]], r"shape \(2, 1\)"),
        (3.0, r"shape \(\)"),
        (["1", "2"], "<U1 values, such as .*'1'.*, not numbers"),
        ([1j, 2], "complex128"),
        ([None, 1.0], "object values, such as None"),
        ([[1.0], [2.0, 3.0]], "a list that is no array"),
    ],
)
def test_scores_of_the_wrong_shape_or_type_are_named(values: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_scores(values, 2, name="mine")


def test_scores_of_any_real_type_become_float64() -> None:
    for values in ([1, 2], np.array([1, 2], dtype=np.int8), np.array([1, 2], dtype=np.float16), (True, 2)):
        found = check_scores(values, 2, name="mine")
        assert (found.tolist(), found.dtype) == ([1, 2], np.float64)
    assert np.isnan(check_scores([np.nan, np.inf], 2, name="mine")[0])
    assert check_scores([], 0, name="mine").shape == (0,)


@given(st.lists(st.builds(Item, st.just(ask("q")), st.text("ab", max_size=2)), max_size=20))
def test_leaving_out_repetitions_loses_nothing(items: list[Item]) -> None:
    kept, where = distinct(items)
    assert [kept[i] for i in where] == items
    assert len(kept) == len(set(items)) == len({item_key(x) for x in kept})


def test_item_keys_tell_turns_apart_and_carry_any_text() -> None:
    keys = {
        item_key(Item(messages, reply))
        for messages, reply in [
            (ask("ab"), "c"),
            (ask("a"), "bc"),
            ((system("ab"),), "c"),
            ((user("a"), user("b")), "c"),
            (ask("\ud800"), "c"),
        ]
    }
    assert len(keys) == 5
    assert prompt_text(ask("a")) == "a"
    assert prompt_text((system("s"), user("a"))) == "system: s\n\nuser: a"


# ---------------------------------------------------------------- by name


def test_the_sampled_model_as_judge_by_name() -> None:
    judge = make_scorer("judge", sampler=ScriptedSampler({}), num_samples=3)
    assert isinstance(judge, Judge)
    assert judge.identity["num_samples"] == 3


def test_a_judge_by_name_has_its_own_model_and_settings(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "tiny", context=1024)
    judge = make_scorer(f"judge:{folder}", options=FLOAT32, judge_sampling=SamplingConfig(max_new_tokens=2))
    assert judge.identity["sampler"]["max_new_tokens"] == 2
    scores = judge.score([Item(ask("a"), "b")])
    assert np.isnan(scores).all(), "two tokens are too few for a verdict"
    assert judge.stats.unscored.total() == 1


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("jugde", {}, "no scorer is named 'jugde'.*Did you mean 'judge'"),
        ("reward", {}, "no scorer is named 'reward'.*Give reward:MODEL"),
        ("reward:", {}, "Give reward:MODEL"),
        ("judge:", {}, "judge:MODEL"),
        ("", {}, "no scorer is named ''"),
        ("judge", {}, "there is none.*judge:MODEL"),
        ("judge", {"label": 1}, "a judge has none"),
        ("reward:a/b", {"num_samples": 2}, "a reward model has one score"),
        ("reward:nosuch", {}, "unknown model 'nosuch'"),
    ],
)
def test_names_that_make_no_scorer_are_refused(text: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_scorer(text, **settings)
