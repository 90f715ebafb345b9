"""The parts of the stages: states to imitate, targets, one-step likelihoods, sources of prompts, floors."""

import json

import numpy as np
import pytest
import torch
from tests.dultra_fakes import FlatDenoiser, HashDenoiser, context_of

from reasonry.errors import ConfigError, DataError
from reasonry.tasks.token_tasks.find import make_task
from reasonry.training.dultra.config import DataConfig, PlannerSettings, RewardConfig
from reasonry.training.dultra.data import open_source
from reasonry.training.dultra.oracle import OracleDenoiser
from reasonry.training.dultra.policies.make import make_policy
from reasonry.training.dultra.stages.pretrain import Bound, cosine_lr, measure_bound
from reasonry.training.dultra.stages.setup import reward_parts
from reasonry.training.dultra.stages.targets import draw_masks, imitation_loss, lead_target, rule_target, true_lead
from reasonry.training.dultra.stages.teacher import causal_rows

# ---------------------------------------------------------------- pretraining


def test_an_exact_denoiser_measures_the_entropy_of_its_task_and_is_no_leak():
    task = make_task("pairs:1")
    drawn = task.draw(np.random.default_rng(0), 64)
    from reasonry.training.dultra.masking import make_canvas

    canvas = make_canvas(torch.from_numpy(drawn.prompt_BP.copy()), torch.from_numpy(drawn.answer_BL), pad_id=1)
    found = measure_bound(OracleDenoiser(task), canvas, task, rng=np.random.default_rng(1))
    assert found.floor_nats == pytest.approx(2 * np.log(10) / 5)
    assert abs(found.nelbo_nats - found.floor_nats) < 4 * found.stderr_nats + 1e-3
    assert found.verdict == "fine"


@pytest.mark.parametrize(
    ("nelbo", "floor", "verdict"),
    [(0.9, None, "fine"), (0.93, 0.92, "fine"), (0.9, 0.92, "fine"), (0.88, 0.92, "suspicious"), (0.8, 0.92, "leak")],
)
def test_a_bound_below_the_entropy_is_a_leak_when_chance_cannot_explain_it(nelbo, floor, verdict):
    assert Bound(nelbo, 0.01, floor).verdict == verdict


def test_the_learning_rate_rises_and_falls_to_nothing():
    rates = [cosine_lr(2.0, at, num_steps=100, warmup_steps=10) for at in range(101)]
    assert rates[0] == pytest.approx(0.2)
    assert max(rates) < 2.0
    assert rates.index(max(rates)) == 9
    assert rates[50] == pytest.approx(1.0)
    assert rates[100] == pytest.approx(0.0)


# ---------------------------------------------------------------- states to imitate


def test_windows_have_the_length_and_the_masks_they_should():
    rng = np.random.default_rng(0)
    masks = draw_masks(rng, 4000, 12, min_window=5)
    masked, eligible = masks.masked_BL.numpy(), masks.eligible_BL.numpy()
    assert (eligible <= masked).all()
    assert eligible.any(1).all()
    for row_masked, row_eligible in zip(masked, eligible, strict=True):
        # What is masked but not eligible is a stretch at the end.
        behind = row_masked & ~row_eligible
        num = int(behind.sum())
        assert behind[12 - num :].all()
        assert num <= 7
        assert not row_eligible[12 - num :].any()
    # The mean of ceil(n t) over t is (n + 1) / 2, and that over n = 5 .. 12 is 4.75.
    assert eligible.sum(1).mean() == pytest.approx(4.75, abs=0.15)


def test_a_window_is_the_whole_answer_where_that_is_shorter_than_the_least():
    masks = draw_masks(np.random.default_rng(1), 500, 6, min_window=32)
    assert (masks.masked_BL == masks.eligible_BL).all()
    counts = np.bincount(masks.eligible_BL.sum(1).numpy(), minlength=7)
    assert counts[0] == 0
    assert (np.abs(counts[1:] - 500 / 6) < 45).all()


def test_the_target_is_what_the_rule_reveals():
    context = context_of(confidence=[[0.95, 0.92, 0.5, 0.97]], eligible=[[True, True, True, False]])
    assert rule_target(make_policy("threshold:0.9"), context).tolist() == [[True, True, False, False]]


def test_the_lead_of_the_true_token_is_its_probability_less_that_of_the_best_other_one():
    logits = torch.log(torch.tensor([[0.5, 0.2, 0.2, 0.1], [0.0001, 0.1, 0.3, 0.6]]))
    lead = true_lead(logits, torch.tensor([1, 3]), mask_id=0)
    torch.testing.assert_close(lead, torch.tensor([0.0, 0.3 / 0.9999 * 0.9999], dtype=torch.float64), atol=1e-3, rtol=0)


def test_a_margin_target_reveals_leads_and_always_the_largest():
    lead = torch.tensor([[0.5, 0.1, -0.2], [-0.3, -0.1, 0.9], [-0.5, -0.5, 0.0]])
    eligible = torch.tensor([[True, True, True], [True, True, False], [True, True, False]])
    found = lead_target(lead, eligible, least=0.0)
    assert found.tolist() == [[True, True, False], [False, True, False], [True, False, False]]
    assert lead_target(lead, eligible, least=0.4).tolist()[0] == [True, False, False]


def test_the_loss_of_imitation_counts_eligible_positions_alone_and_can_be_balanced():
    logit = torch.tensor([[0.0, 2.0, float("nan")]])
    eligible = torch.tensor([[True, True, False]])
    target = torch.tensor([[False, True, False]])
    plain = (np.log(2) + np.log1p(np.exp(-2.0))) / 2
    assert float(imitation_loss(logit, target, eligible_BL=eligible)) == pytest.approx(plain)
    three = torch.zeros(1, 4)
    one = torch.tensor([[True, False, False, False]])
    assert float(imitation_loss(three, one, eligible_BL=three == 0)) == pytest.approx(np.log(2))
    # One revealed of four counts three times: (3 ln 2 + 3 ln 2) / 4.
    balanced = imitation_loss(three, one, eligible_BL=three == 0, balanced=True)
    assert float(balanced) == pytest.approx(1.5 * np.log(2))


# ---------------------------------------------------------------- rewards


def test_rewards_of_tasks_are_right_and_parts_less_steps_over_length():
    from reasonry.tasks.token_tasks.base import Checked

    checked = Checked(np.array([True, False]), np.array([1.0, 0.25]))
    sizes = np.array([[2, 2, 0, 0], [1, 1, 1, 1]])
    parts = reward_parts(RewardConfig(), checked, sizes, answer_len=4)
    total = sum(parts.weights[name] * np.asarray(value) for name, value in parts.values.items())
    assert total == pytest.approx([1 + 2 - 1.5 * 0.5, 0.5 - 1.5])
    parts = reward_parts(RewardConfig(speed="multiplicative"), checked, sizes, answer_len=4)
    assert "speed" not in parts.weights
    assert parts.values["right"] == pytest.approx([0.5, 0.0])
    assert set(reward_parts(RewardConfig(speed="none"), checked, sizes, answer_len=4).values) == {"right", "parts"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"likelihood": "one_step"}, "freeze planner"),
        ({"cache": "dual", "freeze": "none"}, "freeze lm"),
        ({"unmask": "factor:1"}, "freeze planner"),
        ({"freeze": "planner", "temperature": 0.0}, "nothing to learn"),
        ({"freeze": "planner", "policy": "plackett_luce", "unmask": "planner:sample"}, "leave unmask out"),
    ],
)
def test_settings_that_cannot_learn_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        PlannerSettings(**settings)


# ---------------------------------------------------------------- a teacher's rows


def test_rows_for_a_teacher_begin_with_the_prompt_and_count_the_answer_up_to_its_end():
    tokens, target = causal_rows(np.array([[1, 1, 5], [6, 7, 8]]), np.array([[9, 2, 2], [9, 9, 9]]))
    assert tokens.tolist() == [[5, 9, 2, 1, 1, 1], [6, 7, 8, 9, 9, 9]]
    assert target.tolist() == [[-100, 9, 2, -100, -100, -100], [-100, -100, -100, 9, 9, 9]]


# ---------------------------------------------------------------- sources of prompts


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_rows_of_a_file_come_in_an_order_that_begins_anew_and_hangs_on_the_place_alone(tmp_path):
    rows = [{"prompt_ids": [3 + i] * (i + 1), "answer": str(i), "answer_ids": [3 + i, 4]} for i in range(5)]
    path = write(tmp_path / "p.jsonl", *rows)
    source = open_source(DataConfig(prompts=path, answer_len=3), HashDenoiser(), None, seed=1)
    once = source.train(0, 5)
    assert sorted(p.answer for p in once.problems) == list("01234")
    again = source.train(5, 5)
    assert sorted(p.answer for p in again.problems) == list("01234")
    assert [p.answer for p in once.problems] != [p.answer for p in again.problems]
    middle = source.train(3, 4)
    expected = [p.answer for p in (*once.problems, *again.problems)][3:7]
    assert [p.answer for p in middle.problems] == expected
    for prompt, attend, problem in zip(once.prompt_BP, once.attend_BP, once.problems, strict=True):
        i = int(problem.answer)
        assert prompt[attend].tolist() == [3 + i] * (i + 1)
        assert not attend[: 5 - i - 1].any()
    assert once.answer_BL is not None
    assert once.answer_BL[:, 1:].tolist() == [[4, 2]] * 5
    repeated = once.repeat(2)
    assert [p.answer for p in repeated.problems] == [p.answer for p in once.problems for _ in range(2)]
    assert "held-out" in source.note


def test_an_answer_without_an_end_counts_only_when_it_is_marked_as_one(tmp_path):
    path = write(tmp_path / "p.jsonl", {"prompt_ids": [3], "answer": "8"})
    config = DataConfig(prompts=path, answer_len=3, verifier="number")
    source = open_source(config, HashDenoiser(), None, seed=0)
    rows = source.test(4)
    # The last number counts; what follows an end is not read; without an end the reply was cut off.
    checked = source.check(rows, torch.tensor([[7, 8, 2], [7, 2, 8], [8, 2, 7], [7, 7, 8]]))
    assert checked.is_right_B.tolist() == [True, False, True, False]
    assert checked.share_right_B.tolist() == [1.0, 0.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"prompt_ids": [3]}, "no answer"),
        ({"prompt_ids": [99], "answer": "1"}, "token ids below 12"),
        ({"prompt_ids": [], "answer": "1"}, "a prompt of 0 tokens"),
        ({"prompt": "why?", "answer": "1"}, "no prompt_ids"),
        ({"prompt_ids": [3] * 9, "answer": "1"}, "a prompt of 9 tokens"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_with_its_line(tmp_path, row, words):
    path = write(tmp_path / "p.jsonl", {"prompt_ids": [3], "answer": "1"}, row)
    with pytest.raises(DataError, match=words) as raised:
        open_source(DataConfig(prompts=path, answer_len=3), HashDenoiser(max_len=10), None, seed=0)
    assert raised.value.place == f"{path}:2"


def test_a_source_that_is_not_named_or_does_not_fit_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="nothing says"):
        open_source(DataConfig(), FlatDenoiser(), None, seed=0)
    with pytest.raises(ConfigError, match="does not know"):
        open_source(DataConfig(task="pairs:4"), FlatDenoiser(), None, seed=0)
    with pytest.raises(ConfigError, match="answers of pairs:1 have 5 tokens"):
        open_source(DataConfig(task="pairs:1", answer_len=7), FlatDenoiser(vocab_size=99), None, seed=0)
    path = write(tmp_path / "p.jsonl", {"prompt_ids": [3], "answer": "1"})
    with pytest.raises(ConfigError, match="how long"):
        open_source(DataConfig(prompts=path), FlatDenoiser(), None, seed=0)
    with pytest.raises(ConfigError, match="a task and a file"):
        open_source(DataConfig(task="pairs:1", prompts=path, answer_len=2), FlatDenoiser(), None, seed=0)


def test_a_task_gives_the_same_rows_at_the_same_place_and_others_elsewhere():
    source = open_source(DataConfig(task="pairs:1"), FlatDenoiser(vocab_size=99), None, seed=3)
    first, second, test = source.train(0, 8), source.train(8, 8), source.test(8)
    assert first.answer_BL is not None
    assert second.answer_BL is not None
    assert test.answer_BL is not None
    assert (first.answer_BL == source.train(0, 8).answer_BL).all()
    assert (first.answer_BL != second.answer_BL).any()
    assert (first.answer_BL != test.answer_BL).any()
    assert source.check(first, first.answer_BL).is_right_B.all()
    assert source.check(first, second.answer_BL).share_right_B.tolist() == [1.0] * 8
