"""Learning from decodings: replays say what rollouts said, parts add up, what is frozen stays, collapses end a run."""

import copy
import json

import numpy as np
import pytest
import torch
from tests.dultra_fakes import prompts_of

from reasonry.core.config import from_dict
from reasonry.tasks.token_tasks.base import Checked
from reasonry.tasks.token_tasks.find import make_task
from reasonry.training.dultra.config import HeadConfig, PlannerTrainConfig
from reasonry.training.dultra.data import Rows, TaskSource
from reasonry.training.dultra.decoding import DecodingConfig
from reasonry.training.dultra.plan_likelihood import mean_q
from reasonry.training.dultra.planner import PlannerHead, load_planner
from reasonry.training.dultra.policies.planned import PlannedPolicy
from reasonry.training.dultra.policy_loss import ReplayWarning
from reasonry.training.dultra.stages.heads import new_head, save_planner
from reasonry.training.dultra.stages.learners import DecodingLearner
from reasonry.training.dultra.stages.one_step import OneStepReplay
from reasonry.training.dultra.stages.replay import Scoring, replay_canvas, replay_head
from reasonry.training.dultra.stages.rollouts import roll_out
from reasonry.training.dultra.stages.teacher import open_teacher
from reasonry.training.dultra.tiny_denoiser import TinyDenoiser, TinyDenoiserConfig

L, BLOCK = 7, 4


class AnySource:
    """Every answer earns what its first token says."""

    name, answer_len, identity, note = "any", L, {}, ""

    def check(self, rows, tokens_BL):
        right = tokens_BL[:, 0].cpu().numpy() % 2 == 0
        return Checked(right, right.astype(float))


@pytest.fixture
def denoiser():
    return TinyDenoiser(TinyDenoiserConfig(vocab_size=9, max_len=16, num_layers=1, num_heads=2, width=8), seed=1).eval()


@pytest.fixture
def head(denoiser):
    config = HeadConfig(num_heads=2, features=("hidden", "confidence"), output_bias=-0.5)
    head = new_head(config, denoiser, answer_len=L, block_len=BLOCK, seed=2)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():  # far from the start, where every position has the same logit
        for weight in head.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator) * 0.1)
    return head


def rollout(denoiser, head, *, temperature=0.7, score="rollout", plan_temperature=1.0, forced="exact"):
    prompt_BP, attend_BP = prompts_of([2, 5, 3, 5, 1, 4], vocab_size=9)
    return roll_out(
        denoiser,
        PlannedPolicy(head, "sample", temperature=plan_temperature),
        AnySource(),
        Rows(prompt_BP, attend_BP, None, ()),
        config=DecodingConfig(answer_len=L, block_len=BLOCK, temperature=temperature),
        seed=3,
        names=("test",),
        score=score,
        forced=forced,
    )


def grads(module):
    return torch.cat([w.grad.flatten() if w.grad is not None else torch.zeros(w.numel()) for w in module.parameters()])


ADVANTAGE = torch.tensor([1.0, -0.5, 0.0, 0.25, -1.0, 0.5])


@pytest.mark.parametrize("score", ["rollout", "unit"])
@pytest.mark.parametrize("forced", ["exact", "none_action", "naive"])
def test_replays_say_what_rollouts_said_for_every_step_of_rows_of_all_lengths(denoiser, head, score, forced):
    """Unchanged weights, prompts of different lengths, blocks, temperatures other than 1."""
    done = rollout(denoiser, head, score=score, plan_temperature=1.7, forced=forced)
    assert len(set(done.trajectory.nfe_B.tolist())) > 1
    assert bool(done.trajectory.is_forced_BS.any())
    scoring = Scoring(forced=forced, plan_temperature=1.7, score=score, temperature=0.7)
    one = replay_head(head, done, scoring, advantage_B=ADVANTAGE, on_policy=True)
    two = replay_canvas(denoiser, head, done, scoring, advantage_B=ADVANTAGE, on_policy=True)
    steps_with_signal = int(done.trajectory.nfe_B[ADVANTAGE != 0].sum())
    assert (one.num_steps, two.num_steps) == (steps_with_signal, steps_with_signal)
    assert one.max_log_ratio < 1e-5
    assert two.max_log_ratio < 1e-5


def test_a_replay_with_other_settings_than_the_rollout_is_warned_of(denoiser, head):
    done = rollout(denoiser, head)
    with pytest.warns(ReplayWarning):
        replay_head(head, done, Scoring(plan_temperature=2.0), advantage_B=ADVANTAGE, on_policy=True)


def test_replaying_the_planner_alone_gives_it_the_gradient_of_replaying_everything(denoiser, head):
    done = rollout(denoiser, head)
    scoring = Scoring(temperature=0.7)
    replay_head(head, done, scoring, advantage_B=ADVANTAGE)
    alone = grads(head)
    head.zero_grad()
    replay_canvas(denoiser, head, done, scoring, advantage_B=ADVANTAGE)
    torch.testing.assert_close(grads(head), alone, atol=1e-6, rtol=1e-4)
    assert alone.abs().max() > 1e-3
    assert grads(denoiser).abs().max() > 1e-3


@pytest.mark.parametrize("kind", ["head", "canvas"])
def test_micro_batches_add_up_and_steps_without_advantage_change_nothing(denoiser, head, kind):
    done = rollout(denoiser, head)
    found = []
    for micro_batch in (4096, 3):
        head.zero_grad()
        scoring = Scoring(temperature=0.7, micro_batch=micro_batch)
        if kind == "head":
            replay_head(head, done, scoring, advantage_B=ADVANTAGE)
        else:
            replay_canvas(denoiser, head, done, scoring, advantage_B=ADVANTAGE)
        found.append(grads(head))
    # With a reference every step is replayed; held to itself with a weight, it adds no gradient of its own.
    head.zero_grad()
    scoring = Scoring(temperature=0.7, beta=0.5)
    if kind == "head":
        said = replay_head(head, done, scoring, advantage_B=ADVANTAGE, reference=copy.deepcopy(head))
    else:
        said = replay_canvas(denoiser, head, done, scoring, advantage_B=ADVANTAGE, reference=copy.deepcopy(head))
    assert said.num_steps == int(done.trajectory.nfe_B.sum())
    assert said.kl_nats == pytest.approx(0.0, abs=1e-6)
    found.append(grads(head))
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], atol=1e-6, rtol=1e-4)


def test_one_step_likelihoods_are_those_of_a_canvas_of_masks(denoiser, head):
    done = rollout(denoiser, head)
    t = done.trajectory
    replay = OneStepReplay(done, rng=np.random.default_rng(0), mask_rate=0.0, mask_id=0)
    with torch.no_grad():
        found = replay.logp(denoiser, slice(0, 6), Scoring(temperature=0.7))
        canvas = torch.cat([t.prompt_BP, torch.zeros_like(t.tokens_BL)], 1)
        attend = torch.cat([t.attend_BP, torch.ones_like(t.tokens_BL, dtype=torch.bool)], 1)
        logits = denoiser.denoise(canvas, attend).logits_BNV[:, -L:]
    logits[..., 0] = -torch.inf
    expected = (logits / 0.7).log_softmax(2).gather(2, t.tokens_BL[..., None])[..., 0]
    torch.testing.assert_close(found, expected)
    # On the first pass ratios are 1, so that the gradient is that of sum A logp / (B L) over what was said.
    replay.replay(denoiser, Scoring(temperature=0.7), advantage_B=ADVANTAGE)
    by_replay = grads(denoiser)
    denoiser.zero_grad()
    logits = denoiser.denoise(canvas, attend).logits_BNV[:, -L:]
    logits = logits.index_fill(2, torch.tensor([0]), -torch.inf)
    logp = (logits / 0.7).log_softmax(2).gather(2, t.tokens_BL[..., None])[..., 0]
    is_end = (t.tokens_BL == 2).cumsum(1) - (t.tokens_BL == 2).long() == 0
    (-(ADVANTAGE[:, None] * logp * is_end).sum() / t.tokens_BL.numel()).backward()
    torch.testing.assert_close(by_replay, grads(denoiser), atol=1e-7, rtol=1e-4)


def test_masks_of_the_prompt_stay_the_same_within_an_update(denoiser, head):
    done = rollout(denoiser, head)
    replay = OneStepReplay(done, rng=np.random.default_rng(0), mask_rate=0.5, mask_id=0)
    bare = OneStepReplay(done, rng=np.random.default_rng(0), mask_rate=0.0, mask_id=0)
    with torch.no_grad():
        first, again = (replay.logp(denoiser, slice(0, 6), Scoring()) for _ in range(2))
        without = bare.logp(denoiser, slice(0, 6), Scoring())
    assert (first == again).all()
    assert (first != without).any()


# ---------------------------------------------------------------- learners


def learner(tmp_path, denoiser=None, **settings):
    task = make_task("pairs:1")
    values = {
        "denoiser": "d",
        "prompts_per_update": 2,
        "group_size": 4,
        "num_eval": 8,
        "eval_every": 2,
        "head": {"num_heads": 2},
        **settings,
    }
    config = from_dict(PlannerTrainConfig, values)
    if denoiser is None:
        denoiser = TinyDenoiser.from_task(task, width=16, num_layers=1, num_heads=2, seed=4).eval()
    head = new_head(config.head, denoiser, answer_len=5, block_len=5, seed=5)
    said = []
    made = DecodingLearner(config, denoiser, head, TaskSource(task, seed=config.seed), folder=tmp_path, say=said.append)
    return made, said


@pytest.mark.parametrize(
    ("settings", "planner_learns", "denoiser_learns"),
    [
        ({}, True, False),
        ({"freeze": "none"}, True, True),
        ({"freeze": "planner", "unmask": "rand:2"}, False, True),
        ({"freeze": "planner", "unmask": "rand:2", "likelihood": "one_step"}, False, True),
        ({"policy": "plackett_luce"}, True, False),
        ({"policy": "plackett_luce", "freeze": "none"}, True, True),
        ({"num_iterations": 2, "beta": 0.1}, True, False),
        ({"num_iterations": 2, "beta": 0.1, "freeze": "none", "score_temperature": "unit"}, True, True),
        ({"cache": "dual", "block_len": 2}, True, False),
        ({"head": {"features": ["entropy"], "num_heads": 2}}, True, False),
    ],
)
def test_what_is_frozen_stays_and_the_rest_learns(tmp_path, settings, planner_learns, denoiser_learns):
    made, said = learner(tmp_path, **settings)
    before = {name: copy.deepcopy(getattr(made, name).state_dict()) for name in ("head", "denoiser")}
    rows = [made.step(at) for at in range(2)]
    moved = {
        name: any((weight != before[name][key]).any() for key, weight in getattr(made, name).state_dict().items())
        for name in before
    }
    assert moved == {"head": planner_learns, "denoiser": denoiser_learns}
    assert all(np.isfinite(row["loss"]) and row["grad_norm"] > 0 for row in rows)
    iterations = settings.get("num_iterations", 1)
    assert iterations > 1 or all(row["max_log_ratio"] < 1e-4 for row in rows)
    assert rows[1]["eval/nfe"] >= 1
    assert (tmp_path / "planner" / "config.json").is_file()
    assert (tmp_path / "denoiser").is_dir() == denoiser_learns
    assert said == []


def test_the_baseline_of_orders_reveals_a_fixed_number_at_each_step(tmp_path):
    made, _ = learner(tmp_path, policy="plackett_luce", positions_per_step=2)
    row = made.step(0)
    assert row["nfe"] == 3.0
    assert row["reward/speed"] == pytest.approx(-1.5 * 3 / 5)


def test_an_update_without_a_signal_does_not_step_though_adam_has_momentum(tmp_path):
    made, _ = learner(tmp_path)
    made.step(0)
    before = copy.deepcopy(made.head.state_dict())
    made.config = made.config.with_(min_advantage=1e6)
    row = made.step(1)
    assert (row["loss"], row["grad_norm"]) == (0.0, 0.0)
    assert all((weight == before[key]).all() for key, weight in made.head.state_dict().items())


def test_rewards_are_logged_with_their_weights_and_add_up(tmp_path):
    made, _ = learner(tmp_path, reward={"speed_warmup": 4})
    row = made.step(0)
    parts = {name: row[f"reward/{name}"] for name in ("right", "parts", "speed")}
    assert sum(parts.values()) == pytest.approx(row["reward"])
    assert parts["parts"] == pytest.approx(2 * row["parts"])
    assert parts["speed"] == pytest.approx(-1.5 / 4 * row["nfe"] / 5)


def test_a_teacher_of_the_task_knows_right_answers_from_wrong_ones(tmp_path):
    source = TaskSource(make_task("pairs:1"), seed=0)
    teacher = open_teacher("tiny", source, folder=tmp_path, num_steps=120, seed=0)
    rows = source.test(32)
    assert rows.answer_BL is not None
    wrong = rows.answer_BL.roll(1, 1)
    right, other = (teacher(rows, tokens, 2) for tokens in (rows.answer_BL, wrong))
    # The law of an answer has 2 ln 10 nats over 5 tokens.
    assert right.mean() == pytest.approx(-2 * np.log(10) / 5, abs=0.15)
    assert other.mean() < right.mean() - 1
    again = open_teacher("tiny", source, folder=tmp_path, num_steps=1, seed=0)(rows, rows.answer_BL, 2)
    assert again == pytest.approx(right)
    made, _ = learner(tmp_path, reward={"teacher": "tiny", "reverse_kl": True})
    made._teacher = teacher
    row = made.step(0)
    assert row["reward/teacher"] < 0 or row["reward/teacher"] > 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"head": {"num_heads": 2, "output_bias": -10.0, "clamp": 0.0}}, "chooses nothing"),
        ({"head": {"num_heads": 2, "output_bias": 10.0, "clamp": 0.0}}, "everything is revealed at once"),
    ],
)
def test_a_planner_that_collapsed_is_warned_of_once_and_ends_the_run(tmp_path, settings, words):
    made, said = learner(tmp_path, **settings, guard={"patience": 3})
    made.guard.restore({**made.guard.state(), "accuracy": 1.0})
    for at in range(3):
        assert not made.ended
        made.step(at)
    assert words in made.ended
    assert sum(words in line for line in said) == 1


def test_a_learner_that_is_restored_goes_on_with_the_same_numbers(tmp_path):
    from reasonry.core import checkpoint

    settings = {"freeze": "none", "beta": 0.1}
    whole, _ = learner(tmp_path / "a", **settings)
    rows = [whole.step(at) for at in range(3)]
    half, _ = learner(tmp_path / "b", **settings)
    half.step(0)
    checkpoint.save(tmp_path / "c", 1, tensors=half.tensors(), state=half.state())
    found = checkpoint.newest(tmp_path / "c")
    assert found is not None
    other, _ = learner(tmp_path / "b", **settings)
    other.restore(found)
    assert json.dumps([other.step(1), other.step(2)]) == json.dumps(rows[1:])


def test_a_planner_that_is_saved_over_another_comes_back(tmp_path, head):
    folder = tmp_path / "planner"
    save_planner(head, folder)
    with torch.no_grad():
        head.out.bias.add_(1.0)
    save_planner(head, folder)
    back = load_planner(folder)
    assert isinstance(back, PlannerHead)
    assert all((weight == head.state_dict()[key]).all() for key, weight in back.state_dict().items())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["planner"]


def test_mean_q_of_the_log_is_that_of_the_coins_tossed(denoiser, head):
    done = rollout(denoiser, head)
    with torch.no_grad():
        logit = head.plan(done.steps.context)
    assert done.steps.mean_q == pytest.approx(mean_q(logit, done.steps.context.eligible_BL), abs=1e-6)
