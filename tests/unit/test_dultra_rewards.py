"""Rewards by hand: speed, correctness, their sum, and the likelihood under teachers that are built here."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")

import torch

from reasonry.core.task import Problem
from reasonry.core.tiny import TinyConfig, TinyGPT
from reasonry.core.verify.text import ExactVerifier
from reasonry.errors import ConfigError, DataError
from reasonry.tasks.token_tasks.base import Checked
from reasonry.training.dultra.rewards import (
    Encoded,
    SpeedReward,
    TeacherReward,
    add_rewards,
    chat_encoder,
    checked_reward,
    mean_logp,
    multiplicative_reward,
    reverse_kl_reward,
    speed_reward,
    step_sizes,
    verified_reward,
    warmed_up,
)

# ---------------------------------------------------------------- speed

STEPS = [[[3, 4], [], [5]]]
SIZES = [[2, 0, 1]]


@pytest.mark.parametrize(
    ("kind", "expected"), [("sum", -0.04), ("sqrt", -(math.sqrt(2) + 1)), ("sqrt_sum", -0.804738)], ids=str
)
def test_steps_that_revealed_nothing_cost_nothing(kind: Any, expected: float) -> None:
    assert speed_reward(SIZES, kind).tolist() == pytest.approx([expected], abs=1e-6)
    assert speed_reward([[2, 1, 0, 0, 0]], kind).tolist() == pytest.approx([expected], abs=1e-6)
    assert SpeedReward(kind)(["p"], ["c"], sampling_traj=STEPS, answer=["42"]) == pytest.approx([expected], abs=1e-6)


def test_the_ratio_form_does_not_depend_on_length() -> None:
    assert speed_reward([[4] * 2 + [0] * 6, [4] * 8], "sqrt_sum").tolist() == pytest.approx([-0.5, -0.5])


def test_decodings_without_steps_are_numbers() -> None:
    assert speed_reward(np.zeros((2, 0))).tolist() == [0, 0]
    assert speed_reward([[0, 0]], "sqrt_sum").tolist() == [0]
    assert SpeedReward("sqrt_sum")(["p"], ["c"], sampling_traj=[[]]) == [0]


def test_step_sizes_are_read_off_trajectories() -> None:
    revealed_at = torch.tensor([[0, 0, 2, -1], [1, 0, 1, 1]])
    assert step_sizes(revealed_at).tolist() == [[2, 0, 1], [1, 3, 0]]
    assert step_sizes(torch.full((2, 3), -1)).shape == (2, 0)


def test_correctness_is_discounted_for_steps() -> None:
    made = multiplicative_reward([1.0, 1.0, 0.0], [[5, 5], [10, 0], [5, 5]], answer_len=10)
    assert made.tolist() == pytest.approx([0.8, 0.9, 0.0])
    assert multiplicative_reward([2.0], [[1] * 10], answer_len=10).tolist() == [0.0]
    assert multiplicative_reward([2.0], [[1] * 10], answer_len=10, alpha=0.0).tolist() == [2.0]
    assert multiplicative_reward([1.0], [[5, 5]], answer_len=10, alpha=2.0).tolist() == pytest.approx([0.64])


def test_a_weight_warms_up() -> None:
    assert [warmed_up(0.1, update=u, over=4) for u in (0, 1, 4, 9)] == pytest.approx([0, 0.025, 0.1, 0.1])
    assert warmed_up(0.1, update=0, over=0) == 0.1


def test_unknown_speeds_are_refused() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'sqrt"):
        speed_reward(SIZES, "sqrtsum")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="scale=0"):
        SpeedReward(scale=0)
    with pytest.raises(ConfigError, match="alpha=-1"):
        multiplicative_reward([1.0], SIZES, answer_len=3, alpha=-1)


# ---------------------------------------------------------------- right, and together


def test_a_check_counts_whole_answers_and_parts() -> None:
    checked = Checked(np.array([True, False]), np.array([1.0, 0.25]))
    assert checked_reward(checked, right=1.0, share=2.0).tolist() == [3.0, 0.5]


def test_a_verifier_pays_for_right_answers_only() -> None:
    problem = Problem(id="a", question="What?", answer="7")
    made = verified_reward(ExactVerifier(), ["7", "8", ""], [problem] * 3)
    assert made.tolist() == [2.0, 0.0, 0.0]


def test_rewards_are_weighted_and_measured() -> None:
    made = add_rewards(
        {"right": [2.0, 0.0], "speed": [-0.5, -0.1], "seen": [7, 9]}, {"right": 1, "speed": 0.1, "seen": 0}
    )
    assert made.total_B.tolist() == pytest.approx([1.95, -0.01])
    assert made.mean == {"right": 1.0, "speed": pytest.approx(-0.3), "seen": 8.0}
    assert add_rewards({"a": [1.0]}, {"a": 0.0}).total_B.tolist() == [0.0]
    with pytest.raises(ConfigError, match="differ in speed"):
        add_rewards({"right": [1.0]}, {"right": 1.0, "speed": 0.1})


# ---------------------------------------------------------------- a teacher


class Unigram(torch.nn.Module):
    """Gives token v the probability p_v whatever came before."""

    def __init__(self, p: list[float]) -> None:
        super().__init__()
        self.logp = torch.nn.Parameter(torch.tensor(p).log())

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.logp.expand(*tokens.shape, -1)


P = [0.5, 0.25, 0.125, 0.125]


def test_a_teacher_gives_the_mean_per_token_of_the_completion_alone() -> None:
    made = mean_logp(Unigram(P), [Encoded([3, 3], [0, 1]), Encoded([0], [2]), Encoded([1], [])])
    assert made.tolist() == pytest.approx([-1.5 * math.log(2), -3 * math.log(2), 0.0])


def test_rambling_is_cut_off() -> None:
    texts = [Encoded([3], [0, 0, 2, 2, 2])]
    assert mean_logp(Unigram(P), texts, max_tok=2).tolist() == pytest.approx([-math.log(2)])


def test_each_token_is_scored_after_those_before_it_whatever_the_batch() -> None:
    model = TinyGPT(TinyConfig(vocab_size=7, max_len=12, num_layers=2, num_heads=2, width=8), seed=1).eval()
    model.head.weight.data *= 50
    texts = [Encoded([1, 2], [3, 4, 5]), Encoded([6], [1]), Encoded([2, 2, 2, 2], [5, 5]), Encoded([4], [])]
    by_hand = []
    for text in texts:
        ids = [*text.prompt_ids, *text.completion_ids]
        logp = torch.log_softmax(model(torch.tensor([ids]))[0].double(), -1)
        terms = [logp[i - 1, ids[i]].item() for i in range(len(text.prompt_ids), len(ids))]
        by_hand.append(sum(terms) / max(len(terms), 1))
    assert len(set(by_hand)) == 4
    for batch in (1, 2, 16):
        assert mean_logp(model, texts, batch=batch).tolist() == pytest.approx(by_hand, abs=1e-5)


def test_a_hugging_face_teacher_is_read_the_same_way() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = LlamaConfig(
        vocab_size=11, hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=32,
    )  # fmt: skip
    model = LlamaForCausalLM(shape).eval()
    text = Encoded([1, 5, 2], [7, 8, 9, 10])
    labels = torch.tensor([[-100, -100, -100, 7, 8, 9, 10]])
    loss = model(torch.tensor([[1, 5, 2, 7, 8, 9, 10]]), labels=labels).loss
    assert mean_logp(model, [text, Encoded([1], [2])])[0] == pytest.approx(-loss.item(), abs=1e-5)


def test_a_text_needs_a_token_before_it() -> None:
    with pytest.raises(DataError, match="a token before"):
        mean_logp(Unigram(P), [Encoded([], [1])])


def test_the_students_own_likelihood_can_be_taken_off() -> None:
    assert reverse_kl_reward([-1.0, 0.0], [-6.0, 0.0], [4, 0]).tolist() == pytest.approx([0.5, 0.0])


class Letters:
    """A tokenizer of single letters: a is 0, and so on; the end token is 25."""

    eos_token_id: int | None = 25
    bos_token_id: int | None = 24
    chat_template: str | None = None

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        return {"input_ids": [ord(c) - ord("a") for c in text if c.isalpha()]}

    def apply_chat_template(self, turns: list[dict[str, str]], **settings: Any) -> str:
        assert settings == {"add_generation_prompt": True, "tokenize": False}
        return "".join(f"x{turn['content']}" for turn in turns) + "y"


def test_completions_are_read_in_the_teachers_tokens_with_its_end() -> None:
    tokenizer: Any = Letters()
    assert chat_encoder(tokenizer)("b", "ac") == ([1], [0, 2, 25])
    assert chat_encoder(tokenizer)("", "") == ([24], [25]), "an empty text is one token long"
    assert chat_encoder(tokenizer, with_end=False)("b", "") == ([1], [])
    assert chat_encoder(tokenizer)([{"content": "b"}, {"content": "c"}], "a")[0] == [1, 2]
    tokenizer.chat_template = "there is one"
    assert chat_encoder(tokenizer)("b", "a") == ([23, 1, 24], [0, 25])
    assert chat_encoder(tokenizer)([{"content": "b"}, {"content": "c"}], "a")[0] == [23, 1, 23, 2, 24]
    tokenizer.eos_token_id = None
    with pytest.raises(ConfigError, match="no end token"):
        chat_encoder(tokenizer)


def test_empty_text_is_not_the_best_text() -> None:
    uniform = Unigram([1 / 26] * 26)
    ended = TeacherReward(uniform, chat_encoder(Letters()))  # pyright: ignore[reportArgumentType]
    assert ended(["b", "b"], ["", "ac"]) == pytest.approx([-math.log(26)] * 2)
    free = TeacherReward(uniform, chat_encoder(Letters(), with_end=False))  # pyright: ignore[reportArgumentType]
    assert free(["b", "b"], ["", "ac"]) == pytest.approx([0.0, -math.log(26)]), "what scoring the end prevents"


def test_completions_may_be_messages() -> None:
    made = TeacherReward(Unigram([1 / 26] * 26), chat_encoder(Letters()))  # pyright: ignore[reportArgumentType]
    assert made(["b"], [[{"role": "assistant", "content": "abc"}]], answer=[1]) == pytest.approx([-math.log(26)])
