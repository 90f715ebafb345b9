"""What holds for the oracle on any canvas, possible or not."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonry.core.seeds import stream
from reasonry.tasks.token_tasks.base import MASK
from reasonry.tasks.token_tasks.ledger import Ledger
from reasonry.tasks.token_tasks.pairs import Pairs
from reasonry.training.dultra.oracle import posterior

TASKS = [Pairs(3), Pairs(1, 8), Ledger(3), Ledger(2, 5, padded_len=13), Ledger(5, 3, mixed=True)]

tasks = st.sampled_from(TASKS)
seeds = st.integers(0, 2**64)
shares = st.floats(0, 1)


def canvas(task: Pairs | Ledger, seed: int, *, masked: float, noise: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Right answers with noise, masked in places."""
    rng = stream(seed, "canvas")
    draws = task.draw(rng, 4)
    shape = draws.answer_BL.shape
    noisy_BL = np.where(rng.random(shape) < noise, rng.integers(0, len(task.vocab), shape), draws.answer_BL)
    noisy_BL = np.where(rng.random(shape) < masked, MASK, noisy_BL)
    return torch.tensor(draws.prompt_BP), torch.tensor(noisy_BL)


@given(task=tasks, seed=seeds, masked=shares, noise=shares)
def test_every_law_is_a_point_or_uniform_on_digits_or_letters(
    task: Pairs | Ledger, seed: int, masked: float, noise: float
) -> None:
    prompt_BP, canvas_BL = canvas(task, seed, masked=masked, noise=noise)
    law_BLV = posterior(task, prompt_BP, canvas_BL)
    num_BL, most_BL = (law_BLV > 0).sum(-1), law_BLV.amax(-1)
    assert ((num_BL == 1) | (num_BL == task.base) | (num_BL == 10)).all()
    assert torch.equal(most_BL, 1.0 / num_BL.double()), "equal shares to the last bit"
    torch.testing.assert_close(law_BLV.sum(-1), torch.ones_like(most_BL), rtol=0, atol=1e-12)
    is_known_BL = canvas_BL != MASK
    assert torch.equal(law_BLV.argmax(-1)[is_known_BL], canvas_BL[is_known_BL])
    assert (law_BLV[..., MASK][~is_known_BL] == 0).all()


@given(task=tasks, seed=seeds, masked=shares, noise=st.sampled_from([0.0, 0.2]))
def test_a_row_does_not_depend_on_its_batch(task: Pairs | Ledger, seed: int, masked: float, noise: float) -> None:
    prompt_BP, canvas_BL = canvas(task, seed, masked=masked, noise=noise)
    together = posterior(task, prompt_BP, canvas_BL)
    for i in range(len(canvas_BL)):
        assert torch.equal(posterior(task, prompt_BP[i : i + 1], canvas_BL[i : i + 1])[0], together[i])


@given(task=tasks, seed=seeds, masked=shares)
def test_filling_in_what_is_sure_changes_no_law(task: Pairs | Ledger, seed: int, masked: float) -> None:
    prompt_BP, canvas_BL = canvas(task, seed, masked=masked, noise=0.0)
    law_BLV = posterior(task, prompt_BP, canvas_BL)
    sure_BL = law_BLV.amax(-1) == 1
    assert torch.equal(posterior(task, prompt_BP, torch.where(sure_BL, law_BLV.argmax(-1), canvas_BL)), law_BLV)


@given(task=tasks, seed=seeds)
@settings(max_examples=30)
def test_drawing_one_token_at_a_time_from_the_laws_gives_right_answers(task: Pairs | Ledger, seed: int) -> None:
    rng = stream(seed, "draw")
    prompt_BP = torch.tensor(task.draw(rng, 3).prompt_BP)
    canvas_BL = torch.full((3, task.answer_len), MASK)
    for at in rng.permutation(task.answer_len).tolist():
        law_BV = posterior(task, prompt_BP, canvas_BL)[:, at]
        reached_BV = law_BV.cumsum(-1) / law_BV.sum(-1, keepdim=True)
        canvas_BL[:, at] = (reached_BV <= torch.tensor(rng.random((3, 1)))).sum(-1)
    assert task.check(prompt_BP.numpy(), canvas_BL.numpy()).is_right_B.all()
