"""Properties of the word problems and of problem files."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reasonry.core.task import Problem
from reasonry.tasks import load_task, write_problems
from reasonry.tasks.gsm8k import final_answer
from reasonry.tasks.word_problems import generate, make_problem
from reasonry.tasks.word_problems.draw import Draw

SEEDS = st.integers(0, 2**70)
RANGES = st.tuples(st.integers(1, 6), st.integers(1, 6)).map(sorted)
# Everything that is Unicode text: surrogates are not.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(seed=SEEDS, index=st.integers(0, 2**40), steps=RANGES)
@settings(max_examples=150, deadline=None)
def test_any_problem_replays_to_its_answer_in_its_number_of_steps(seed: int, index: int, steps: list[int]) -> None:
    low, high = steps
    p = make_problem(index, seed=seed, min_steps=low, max_steps=high)
    known = set(p.metadata["quantities"])
    results = []
    for a, op, b, value in re.findall(r"<<(\d+)([-+*/])(\d+)=(\d+)>>", p.solution):
        x, y, z = int(a), int(b), int(value)
        assert {x, y} <= known
        assert {"+": x + y == z, "-": x - y == z, "*": x * y == z, "/": y * z == x}[op]
        known.add(z)
        results.append(z)
    assert low <= p.metadata["steps"] == len(results) <= high
    assert str(results[-1]) == p.answer
    assert min(results) >= 2
    assert p == make_problem(index, seed=seed, min_steps=low, max_steps=high)


@given(seed=SEEDS, num=st.integers(0, 12), more=st.integers(0, 12), steps=RANGES)
@settings(max_examples=30, deadline=None)
def test_fewer_problems_are_a_prefix_of_more(seed: int, num: int, more: int, steps: list[int]) -> None:
    low, high = steps
    few = generate(num, seed=seed, min_steps=low, max_steps=high)
    many = generate(num + more, seed=seed, min_steps=low, max_steps=high)
    assert few == many[:num]
    assert len({p.id for p in many}) == len(many)


@given(seed=SEEDS, key=st.lists(st.integers(0, 2**40), max_size=3), num=st.integers(1, 2**63))
@settings(deadline=None)
def test_draws_are_in_range_and_depend_on_seed_and_key_only(seed: int, key: list[int], num: int) -> None:
    drawn = [Draw(seed, *key).below(num) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert 0 <= drawn[0] < num


@given(st.integers(-(10**12), 10**12))
def test_final_answer_undoes_thousands_separators(value: int) -> None:
    assert final_answer(f"so it is\n#### {value:,}") == str(value)
    assert final_answer(f"#### {final_answer(f'#### {value:,}')}") == str(value)


@given(
    st.lists(
        st.builds(Problem, TEXT, TEXT, TEXT, st.just("") | TEXT, st.dictionaries(TEXT, JSON, max_size=3)),
        min_size=1,
        max_size=5,
        unique_by=lambda p: p.id,
    )
)
@settings(max_examples=60, deadline=None)
def test_any_problems_read_back_as_they_were_written(problems: list[Problem]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "problems.jsonl"
        write_problems(path, problems)
        assert list(load_task(str(path)).problems) == problems
