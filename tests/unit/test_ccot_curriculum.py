"""Which stage comes when, what is replayed, how the rate falls, and the order of examples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonry.core import seeds
from reasonry.core.config import from_dict
from reasonry.core.learning import learning_rate
from reasonry.errors import ConfigError
from reasonry.training.continuous_cot.config import CurriculumConfig
from reasonry.training.continuous_cot.curriculum import (
    Curriculum,
    Order,
    check_gate,
    make_plan,
    mixed_stages,
)


def config(**values: Any) -> CurriculumConfig:
    return from_dict(CurriculumConfig, values)


def curriculum(has_stages: bool = True, max_stage: int = 3, **values: Any) -> Curriculum:
    found = config(**values)
    return Curriculum(found, make_plan(found, max_stage=max_stage, num_train=10, batch_size=4), has_stages=has_stages)


# ---------------------------------------------------------------- stages


def test_the_published_schedule_comes_to_its_number_of_steps() -> None:
    # 25 epochs for each of the stages 0 to 3 and 200 for stage 4; 14785 graphs in batches of 256.
    published = config(unit="epochs", first=25, middle=25, last=200)
    plan = make_plan(published, max_stage=4, num_train=14785, batch_size=256)
    assert plan.steps == (25 * 58, 25 * 58, 25 * 58, 25 * 58, 200 * 58)
    assert plan.num_steps == 17_400


def test_each_stage_lasts_its_length() -> None:
    steps = curriculum(first=3, middle=2, last=4)
    assert [steps.stage(at) for at in range(steps.num_steps)] == [0, 0, 0, 1, 1, 2, 2, 3, 3, 3, 3]
    assert [at for at in range(steps.num_steps) if steps.begins(at)] == [3, 5, 7]
    assert steps.decay_start == 7


def test_stage_0_can_be_left_out_and_a_single_stage_is_the_last() -> None:
    assert [curriculum(first=0, middle=1, last=1).stage(at) for at in range(3)] == [1, 2, 3]
    alone = curriculum(max_stage=0, first=5, middle=5, last=2)
    assert (alone.num_steps, alone.stage(0), alone.decay_start) == (2, 0, 0)


def test_a_method_without_stages_trains_as_long_at_the_last_one() -> None:
    plain = curriculum(has_stages=False, first=3, middle=2, last=4)
    assert plain.num_steps == 11
    assert {plain.stage(at) for at in range(11)} == {3}
    assert not any(plain.begins(at) for at in range(11))


# ---------------------------------------------------------------- the gate


GATE = {"first": 4, "middle": 1, "last": 2, "advance_when": 1.0, "patience": 3, "window": 2}


def run(steps: Curriculum, losses: list[float]) -> list[int]:
    """Stages of all steps."""
    found = []
    for at in range(20):
        if at == steps.num_steps:
            break
        found.append(steps.stage(at))
        if not steps.observe(at, losses[at] if at < len(losses) else 0.5):
            break
    return found


def test_stage_0_waits_for_its_loss_and_no_longer() -> None:
    steps = curriculum(**GATE)
    assert steps.num_steps == 4 + 3 + 1 + 1 + 2  # the most there can be
    # The mean of the last two losses is 1.2, 1.05, 0.9 after steps 4, 5, 6.
    assert run(steps, [2.0, 2.0, 1.3, 1.1, 1.0, 0.8]) == [0] * 6 + [1, 2, 3, 3]
    assert (steps.first_end, steps.num_steps, steps.missed) == (6, 10, None)


def test_a_good_loss_does_not_cut_stage_0_short() -> None:
    assert run(curriculum(**GATE), [0.1] * 9) == [0] * 4 + [1, 2, 3, 3]


def test_a_loss_that_never_comes_stops_the_run_or_lets_it_go_on_as_told() -> None:
    steps = curriculum(**GATE)
    assert run(steps, [2.0] * 20) == [0] * 7
    assert steps.missed == 2.0
    steps = curriculum(**GATE, otherwise="go-on")
    assert run(steps, [2.0] * 20) == [0] * 7 + [1, 2, 3, 3]
    assert steps.missed == 2.0


def test_a_method_without_stages_takes_the_most_steps_there_can_be() -> None:
    plain = curriculum(has_stages=False, **GATE)
    assert plain.num_steps == 11
    assert plain.observe(6, 9.0)


def test_the_gate_goes_on_from_its_state() -> None:
    losses = [2.0, 2.0, 1.3, 1.1, 1.0, 0.8, 0.8]
    whole, first = curriculum(**GATE), curriculum(**GATE)
    for at in range(5):
        whole.observe(at, losses[at])
        first.observe(at, losses[at])
    second = curriculum(**GATE)
    second.restore(first.state())
    for at in (5, 6):
        whole.observe(at, losses[at])
        second.observe(at, losses[at])
    assert second.state() == whole.state()
    assert second.first_end == 6


def test_a_gate_that_cannot_mean_anything_is_refused() -> None:
    with pytest.raises(ConfigError, match="patience of 5 steps for nothing to wait for"):
        check_gate(config(patience=5))
    with pytest.raises(ConfigError, match="stage 0, which is left out"):
        check_gate(config(first=0, advance_when=1.0))


# ---------------------------------------------------------------- replay


@given(st.integers(0, 5), st.lists(st.integers(1, 6), min_size=1, max_size=20), st.floats(0, 1), st.integers(0, 99))
def test_replay_from_the_past_never_draws_a_stage_that_has_not_come(
    stage: int, num_steps: list[int], replay: float, seed: int
) -> None:
    drawn = mixed_stages(config(replay=replay), stage, num_steps, np.random.default_rng(seed))
    assert drawn.shape == (len(num_steps),)
    assert ((drawn >= 0) & (drawn <= stage)).all()


def test_replay_is_uniform_over_what_it_may_draw() -> None:
    rng = np.random.default_rng(0)
    num = 40_000
    past = mixed_stages(config(replay=1.0), 2, [4] * num, rng)
    assert np.bincount(past, minlength=5) / num == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0, 0], abs=0.01)
    future = mixed_stages(config(replay=1.0, replay_from="all"), 2, [4] * num, rng)
    assert np.bincount(future, minlength=5) / num == pytest.approx([0.2] * 5, abs=0.01)
    # At a stage beyond an example's steps all of them may be drawn, and the current one stays what it is.
    some = mixed_stages(config(replay=0.1), 3, [1] * num, rng)
    assert np.bincount(some, minlength=4) / num == pytest.approx([0.05, 0.05, 0, 0.9], abs=0.01)


# ---------------------------------------------------------------- rate and order


def test_the_rate_rises_stays_and_falls_to_nothing_behind_the_last_step() -> None:
    def rate(at: int, decay: float = 0.5) -> float:
        return learning_rate(at, lr=2.0, warmup_steps=4, decay=decay, decay_start=10, num_steps=20)

    assert [rate(at) for at in (0, 1, 3, 4, 14, 15)] == [0.5, 1.0, 2.0, 2.0, 2.0, 2.0]
    assert [rate(at) for at in (16, 17, 18, 19)] == pytest.approx([1.6, 1.2, 0.8, 0.4])
    assert rate(19, decay=0.0) == 2.0


def _order(num: int, size: int, lengths: list[int] | None = None, window: int = 1) -> Order:
    return Order(
        num,
        size,
        lambda purpose, number, count: seeds.stream(0, purpose, number).permutation(count),
        lengths=None if lengths is None else np.array(lengths),
        window=window,
    )


@pytest.mark.parametrize("window", [1, 4])
def test_every_epoch_has_every_example_once(window: int) -> None:
    order = _order(12, 3, [number % 5 for number in range(12)], window)
    for epoch in range(3):
        seen = np.concatenate([order(4 * epoch + at) for at in range(4)])
        assert sorted(seen.tolist()) == list(range(12))


@given(st.integers(1, 30), st.integers(1, 8), st.integers(1, 5), st.lists(st.integers(0, 12), min_size=1, max_size=6))
def test_a_step_has_the_same_examples_whenever_it_is_asked(num: int, size: int, window: int, steps: list[int]) -> None:
    lengths = [(7 * number) % 11 for number in range(num)]
    one = _order(num, size, lengths, window)
    found = {at: one(at).tolist() for at in steps}
    for at in sorted(steps):
        assert _order(num, size, lengths, window)(at).tolist() == found[at]
        assert len(found[at]) == size


def test_batches_of_a_window_are_parted_by_length() -> None:
    lengths = list(range(64))
    spread = [np.ptp(_order(64, 8, lengths, 8)(at)) for at in range(8)]
    assert spread == [7] * 8
    firsts = [int(_order(64, 8, lengths, 8)(at).min()) for at in range(8)]
    assert sorted(firsts) == list(range(0, 64, 8))
    assert firsts != sorted(firsts), "batches come in random order, not from short to long"
