"""Rows of worked examples: what is written at which stage, and what is learnt."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reasonry.core import seeds
from reasonry.training.continuous_cot.latent.rows import IGNORED, collate
from reasonry.training.continuous_cot.methods import METHODS, REMOVAL_RATE
from reasonry.training.continuous_cot.text_rows import (
    Markers,
    Pieces,
    Stages,
    last_stage,
    longest_row_tok,
    num_slots,
    text_row,
    written,
)

MARKERS = Markers(start=90, latent=91, end=92)
EXAMPLE = Pieces(question=(1, 2), steps=((10, 11), (20,), (30, 31, 32)), answer=(50, 51, 99))
PLAIN = Stages(1, 3)
TEXT_METHODS = [name for name, method in METHODS.items() if method.label == "path"]


def row_ids(name: str, stage: int, stages: Stages = PLAIN, pieces: Pieces = EXAMPLE) -> tuple[int, ...]:
    parts = written(pieces, stages, method=METHODS[name], stage=stage)
    return text_row(pieces, parts, MARKERS, method=METHODS[name]).ids


def test_thoughts_take_the_place_of_steps_from_the_left() -> None:
    assert row_ids("continuous", 0) == (1, 2, 90, 92, 10, 11, 20, 30, 31, 32, 50, 51, 99)
    assert row_ids("continuous", 1) == (1, 2, 90, 91, 92, 20, 30, 31, 32, 50, 51, 99)
    assert row_ids("continuous", 2) == (1, 2, 90, 91, 91, 92, 30, 31, 32, 50, 51, 99)
    assert row_ids("continuous", 3) == (1, 2, 90, 91, 91, 91, 92, 50, 51, 99)


def test_each_step_may_have_several_thoughts() -> None:
    assert row_ids("continuous", 2, Stages(2, 3)) == (1, 2, 90, 91, 91, 91, 91, 92, 30, 31, 32, 50, 51, 99)


def test_steps_beyond_the_last_with_thoughts_of_its_own_go_all_at_once() -> None:
    stages = Stages(2, 1)
    assert row_ids("continuous", 1, stages) == (1, 2, 90, 91, 91, 92, 20, 30, 31, 32, 50, 51, 99)
    assert row_ids("continuous", 2, stages) == (1, 2, 90, 91, 91, 92, 50, 51, 99)
    assert last_stage(stages, most_steps=3) == 2
    assert last_stage(stages, most_steps=1) == 1


def test_short_examples_have_as_many_slots_as_long_ones_only_when_padded() -> None:
    short = EXAMPLE._replace(steps=EXAMPLE.steps[:1])
    assert row_ids("continuous", 3, Stages(2, 3, pad_to_max=True), short).count(91) == 6
    assert row_ids("continuous", 3, Stages(2, 3, pad_to_max=False), short).count(91) == 2
    assert row_ids("continuous", 1, Stages(2, 3, pad_to_max=False), short).count(91) == 2


def test_a_pause_has_the_same_row_but_for_what_its_slots_hold() -> None:
    for stage in range(4):
        assert row_ids("pause", stage) == row_ids("continuous", stage)
    parts = written(EXAMPLE, Stages(1, 3), method=METHODS["pause"], stage=2)
    assert text_row(EXAMPLE, parts, MARKERS, method=METHODS["pause"]).slot == "token"
    assert text_row(EXAMPLE, parts, MARKERS, method=METHODS["continuous"]).slot == "thought"


def test_methods_without_slots_have_no_markers_either() -> None:
    whole, bare = (1, 2, 10, 11, 20, 30, 31, 32, 50, 51, 99), (1, 2, 50, 51, 99)
    for stage in range(4):
        assert row_ids("cot", stage) == whole
        assert row_ids("no-cot", stage) == bare
    assert [row_ids("no-thought", stage) for stage in (0, 2, 3)] == [whole, (1, 2, 30, 31, 32, 50, 51, 99), bare]
    assert [row_ids("icot", stage) for stage in (0, 2, 3)] == [whole, (1, 2, 30, 31, 32, 50, 51, 99), bare]


def test_stepwise_internalisation_sometimes_removes_more_than_its_stage_does() -> None:
    long = EXAMPLE._replace(steps=tuple((step,) for step in range(10, 40)))
    rng, num = seeds.stream(0, "test"), 20_000
    more = np.array(
        [30 - 1 - len(written(long, Stages(1, 30), method=METHODS["icot"], stage=1, rng=rng).rest) for _ in range(num)]
    )
    for offset in (0, 1):  # P(o) = (1 - e^-4) e^-4o
        p = (1 - math.exp(-REMOVAL_RATE)) * math.exp(-REMOVAL_RATE * offset)
        assert abs(float(np.mean(more == offset)) - p) < 5 * math.sqrt(p * (1 - p) / num)


stages_strategy = st.builds(Stages, st.integers(1, 3), st.integers(1, 4), st.booleans())
pieces_strategy = st.builds(
    Pieces,
    st.lists(st.integers(0, 80), min_size=1, max_size=5).map(tuple),
    st.lists(st.lists(st.integers(0, 80), min_size=1, max_size=3).map(tuple), min_size=1, max_size=6).map(tuple),
    st.lists(st.integers(0, 80), min_size=2, max_size=3).map(tuple),
)


@given(pieces_strategy, stages_strategy, st.sampled_from(TEXT_METHODS), st.integers(0, 5))
def test_only_what_a_model_writes_is_learnt(pieces: Pieces, stages: Stages, name: str, stage: int) -> None:
    method = METHODS[name]
    parts = written(pieces, stages, method=method, stage=stage)
    row = text_row(pieces, parts, MARKERS, method=method)
    learnt = [at for at, label in enumerate(row.labels) if label != IGNORED]
    first = len(row.ids) - len(parts.rest) - len(pieces.answer)
    assert learnt == list(range(first, len(row.ids)))
    assert all(row.labels[at] == row.ids[at] for at in learnt)
    assert not set(MARKERS) & set(row.ids[first:])
    # What is left of the steps is an end of them, and nothing else stands between it and the answer.
    everything = tuple(token for step in pieces.steps for token in step)
    assert everything[len(everything) - len(parts.rest) :] == parts.rest
    collate([row], pad_id=0, latent_id=MARKERS.latent)  # which refuses labels on slots, and slots that are parted


@given(pieces_strategy, stages_strategy, st.sampled_from(TEXT_METHODS))
def test_rows_never_grow_beyond_what_is_said_of_them(pieces: Pieces, stages: Stages, name: str) -> None:
    method = METHODS[name]
    sizes = [
        len(text_row(pieces, written(pieces, stages, method=method, stage=stage), MARKERS, method=method).ids)
        for stage in range(10)
    ]
    assert max(sizes) == longest_row_tok(pieces, stages, method=method)
    thoughts = longest_row_tok(pieces, stages, method=METHODS["continuous"])
    assert max(sizes) <= thoughts  # so examples that fit with thoughts fit every method


@given(stages_strategy, st.integers(1, 8))
def test_slots_only_become_more_and_end_where_the_last_stage_has_them(stages: Stages, num_steps: int) -> None:
    counts = [num_slots(stages, stage=stage, num_steps=num_steps) for stage in range(8)]
    assert counts == sorted(counts)
    assert counts[0] == 0
    assert counts[-1] == stages.per_step * (stages.max_stage if stages.pad_to_max else min(stages.max_stage, num_steps))


def test_at_the_last_stage_nothing_of_the_steps_is_left() -> None:
    for max_stage in (1, 2, 3, 4):
        stages = Stages(1, min(max_stage, len(EXAMPLE.steps)))
        last = last_stage(stages, most_steps=len(EXAMPLE.steps))
        assert written(EXAMPLE, stages, method=METHODS["continuous"], stage=last).rest == ()
        assert written(EXAMPLE, stages, method=METHODS["continuous"], stage=last - 1).rest != ()
