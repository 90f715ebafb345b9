"""What decoding rules cost when the model is perfect: the ledger, where confidence says nothing of dependence."""

import pytest
import torch

from reasonry.core import seeds
from reasonry.tasks.token_tasks.find import make_task
from reasonry.training.dultra.decoding import DecodingConfig, decode, until_end
from reasonry.training.dultra.oracle import OracleDenoiser
from reasonry.training.dultra.policies.base import StepDecision, current_block
from reasonry.training.dultra.policies.make import make_policy


def _measured(task_name, policy, num):
    task = make_task(task_name)
    draws = task.draw(seeds.stream(0, "oracle", task_name), num)
    prompt_BP = torch.from_numpy(draws.prompt_BP)
    denoiser = OracleDenoiser(task)
    decoded = decode(
        denoiser,
        prompt_BP,
        torch.ones_like(prompt_BP, dtype=torch.bool),
        policy=make_policy(policy) if isinstance(policy, str) else policy,
        config=DecodingConfig(answer_len=task.answer_len, block_len=task.answer_len, temperature=1.0),
        seeds_B=range(num),
    )
    answers_BL = until_end(decoded.trajectory.tokens_BL, denoiser.end_id).numpy()
    is_right_B = task.check(draws.prompt_BP, answers_BL).is_right_B
    return float(is_right_B.mean()), set(decoded.trajectory.nfe_B.tolist())


def _is_near(share, expected, num, *, num_expected=None):
    """Whether two shares agree within 3 standard errors, of both when the expected one was measured too."""
    variance = expected * (1 - expected) * (1 / num + (1 / num_expected if num_expected else 0))
    return abs(share - expected) <= 3 * variance**0.5


@pytest.mark.parametrize(
    ("policy", "nfe"),
    [
        ("top:1", 20),
        ("rand:1", 20),
        ("threshold:0.5", 17),
        ("threshold:0.9", 17),
        ("factor:1", 17),
        ("entropy_bound:0.1", 9),
        ("entropy_bound:1", 9),
    ],
)
def test_careful_rules_are_always_right_in_as_many_passes_as_their_formula_says(policy, nfe):
    assert _measured("ledger:4", policy, 40) == (1.0, {nfe})


@pytest.mark.parametrize("entries", [1, 2, 3])
def test_passes_grow_with_the_entries_as_4_k_and_2_k_and_1_more(entries):
    task = f"ledger:{entries}:5"
    assert _measured(task, "threshold:0.9", 20) == (1.0, {4 * entries + 1})
    assert _measured(task, "entropy_bound:0.5", 20) == (1.0, {2 * entries + 1})
    assert _measured(task, "top:1", 20) == (1.0, {5 * entries})


@pytest.mark.parametrize(
    ("policy", "accuracy", "nfe"),
    [
        ("top:2", 0.007, 10),
        ("top:4", 0.010, 5),
        ("rand:2", 0.667, 10),
        ("rand:4", 0.343, 5),
        ("threshold:0.1", 0.0, 1),
        ("factor:1:fast-dllm", 0.103, 16),
        ("factor:3", 0.010, 9),
    ],
)
def test_bold_rules_are_as_wrong_as_was_measured_elsewhere(policy, accuracy, nfe):
    share, nfes = _measured("ledger:4", policy, 300)
    assert nfes == {nfe}
    assert _is_near(share, accuracy, 300, num_expected=300)


def test_revealing_everything_at_once_is_right_as_often_as_independent_guesses_agree():
    for task, expected in (("ledger:1:5", 1 / 50), ("ledger:1", 1 / 100), ("pairs:1", 1 / 100)):
        share, nfes = _measured(task, "threshold:0", 4000)
        assert nfes == {1}
        assert _is_near(share, expected, 4000)


def test_an_entropy_bound_of_a_whole_token_reveals_a_pair_together():
    assert _measured("ledger:4", "entropy_bound:2.31", 100)[0] == 0.0


class _Ideal:
    """Reveals one token of each dependent pair and the separators, then the rest."""

    name = "ideal"
    needs_hidden = False

    def eligible(self, masked_BL, *, block_len):
        return current_block(masked_BL, block_len=block_len)

    def select(self, context):
        place_L = torch.arange(context.eligible_BL.shape[1]) % 5  # d, s, c, c', separator
        first_BL = context.eligible_BL & ((place_L % 2 == 0) | ~context.masked_BL.all(1, keepdim=True))
        return StepDecision(first_BL, torch.zeros(len(first_BL), dtype=torch.bool))


def test_two_passes_are_enough_for_a_policy_that_knows_what_depends_on_what():
    assert _measured("ledger:4", _Ideal(), 200) == (1.0, {2})
