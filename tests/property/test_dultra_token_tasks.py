"""What holds for every task over symbols, whatever is drawn."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonry.core.seeds import stream
from reasonry.tasks.token_tasks.base import END, MASK, PAD, TokenTask
from reasonry.tasks.token_tasks.find import make_task

TASKS = [
    make_task(name)
    for name in (
        "pairs:3",
        "pairs:1:len=8",
        "ledger:3",
        "ledger:2:5:len=13",
        "ledger:3:4:mixed",
        "chain:6",
        "chain:1:2",
        "tiny-math",
        "sudoku",
        "addition:5",
        "addition:1",
    )
]

tasks = st.sampled_from(TASKS)
seeds = st.integers(0, 2**64)
nums = st.integers(0, 12)


@given(task=tasks, seed=seeds, num=nums)
def test_drawn_answers_are_right(task: TokenTask, seed: int, num: int) -> None:
    draws = task.draw(stream(seed, "draw"), num)
    checked = task.check(*draws)
    assert checked.is_right_B.shape == checked.share_right_B.shape == (num,)
    assert checked.is_right_B.all() and (checked.share_right_B == 1).all()


@given(task=tasks, seed=seeds, num=nums)
def test_a_seed_draws_the_same_rows_again(task: TokenTask, seed: int, num: int) -> None:
    first, again = (task.draw(stream(seed, "draw"), num) for _ in range(2))
    assert (first.prompt_BP == again.prompt_BP).all() and (first.answer_BL == again.answer_BL).all()


@given(task=tasks, seed=seeds, num=st.integers(1, 12))
def test_prompts_are_padded_on_the_left_and_answers_end_in_end_tokens_alone(
    task: TokenTask, seed: int, num: int
) -> None:
    draws = task.draw(stream(seed, "draw"), num)
    is_pad_BP, is_end_BL = draws.prompt_BP == PAD, draws.answer_BL == END
    assert draws.prompt_BP.dtype == draws.answer_BL.dtype == np.int64
    assert draws.prompt_BP.shape[1] <= task.max_prompt_len
    assert draws.answer_BL.shape == (num, task.answer_len)
    assert (np.diff(is_pad_BP.astype(int), axis=1) <= 0).all() and not is_pad_BP[:, -1].any()
    assert not is_pad_BP[:, 0].all(), "no column is padding alone"
    assert (np.diff(is_end_BL.astype(int), axis=1) >= 0).all()
    for array in draws:
        assert array.min() >= MASK and array.max() < len(task.vocab)
        assert not (array == MASK).any()
    assert not (draws.answer_BL == PAD).any() and not (draws.prompt_BP == END).any()


@given(task=tasks, seed=seeds, data=st.data())
@settings(max_examples=300)
def test_an_answer_with_one_symbol_changed_is_wrong_up_to_its_end_and_right_after_it(
    task: TokenTask, seed: int, data: st.DataObject
) -> None:
    draws = task.draw(stream(seed, "draw"), 1)
    answer_BL = draws.answer_BL.copy()
    at = data.draw(st.integers(0, task.answer_len - 1))
    others = [token for token in range(len(task.vocab)) if token != answer_BL[0, at]]
    answer_BL[0, at] = data.draw(st.sampled_from(others))
    is_after_end = bool((draws.answer_BL[0, :at] == END).any())
    checked = task.check(draws.prompt_BP, answer_BL)
    assert checked.is_right_B[0] == is_after_end
    assert (checked.share_right_B[0] == 1) == is_after_end
    assert 0 <= checked.share_right_B[0] <= 1


@given(task=tasks, seed=seeds, pads=st.integers(0, 4))
def test_a_verdict_depends_neither_on_padding_nor_on_other_rows(task: TokenTask, seed: int, pads: int) -> None:
    rng = stream(seed, "noise")
    draws = task.draw(stream(seed, "draw"), 6)
    is_noise_BL = rng.random(draws.answer_BL.shape) < 0.1
    noisy_BL = np.where(is_noise_BL, rng.integers(0, len(task.vocab), is_noise_BL.shape), draws.answer_BL)
    padded_BP = np.concatenate([np.full((6, pads), PAD), draws.prompt_BP], axis=1)
    together = task.check(padded_BP, noisy_BL)
    for i in range(6):
        alone = task.check(draws.prompt_BP[i : i + 1], noisy_BL[i : i + 1])
        assert alone.is_right_B[0] == together.is_right_B[i]
        assert alone.share_right_B[0] == together.share_right_B[i]
