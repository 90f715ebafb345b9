"""Chains of sums on digits: right, balanced, and never in two splits."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonry.core.verify import make_verifier
from reasonry.errors import ConfigError
from reasonry.tasks import load_task
from reasonry.tasks.reasoning_text import make_texts
from reasonry.tasks.running_totals import result


def last_digit(question: str) -> int:
    """By whole numbers, and the last digit at the end alone."""
    first, *rest = question.split()
    total = int(first)
    for operation, term in zip(rest[::2], rest[1::2], strict=True):
        total = {"+": total + int(term), "-": total - int(term), "*": total * int(term)}[operation]
    return total % 10


def test_steps_lead_to_the_answer() -> None:
    for text in make_texts("running-totals:5", num=300):
        assert len(text.steps) == 5
        assert int(text.answer) == last_digit(text.question)
        total = text.question.split()[0]
        for step in text.steps:
            before, operation, term, _, after = step.split()
            assert before == total
            assert result(int(before), operation, int(term)) == int(after)
            total = after
        assert total == text.answer


@given(st.integers(0, 9), st.sampled_from([1, 3, 7, 9]))
def test_multipliers_have_inverses(total: int, term: int) -> None:
    assert any(result(result(total, "*", term), "*", inverse) == total for inverse in (1, 3, 7, 9))


def test_every_digit_is_as_likely_to_be_the_answer() -> None:
    counts = Counter(text.answer for text in make_texts("running-totals", num=5000))
    assert set(counts) == set("0123456789")
    assert max(counts.values()) < 500 + 4.5 * 21  # 21: standard deviation of a count of 5000 at one in ten


def test_splits_share_nothing_and_more_texts_begin_with_fewer() -> None:
    train, test = (make_texts("running-totals:3", num=400, split=split) for split in ("train", "test"))
    assert not {t.question for t in train} & {t.question for t in test}
    assert make_texts("running-totals:3", num=50) == train[:50]
    assert make_texts("running-totals:3", num=50, seed=1) != train[:50]


def test_what_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigError, match="only"):
        make_texts("running-totals:1", num=300)
    with pytest.raises(ConfigError, match="0"):
        make_texts("running-totals:0", num=3)


def test_it_is_a_task() -> None:
    task = load_task("running-totals:4-6", num=5)
    verifier = make_verifier(task.verifier)
    assert [verifier.grade(f"so {p.answer}", p).grade for p in task.problems] == ["right"] * 5
    assert {p.metadata["steps"] for p in load_task("running-totals:4-6", num=60).problems} == {4, 5, 6}
