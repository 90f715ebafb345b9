"""Training on the help desk: steps of every arm, the ledger, points of equal skill, the base model."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from reasonry.core import config as configs
from reasonry.core import seeds
from reasonry.errors import DataError
from reasonry.tasks.desk.configs import world_of
from reasonry.tasks.desk.demos import draw_corpus
from reasonry.tasks.desk.tokens import PAD, vocabulary
from reasonry.tasks.desk.world import right_codes
from reasonry.training.pivotrl.desk import base, measuring, results, training
from reasonry.training.pivotrl.desk.arms import ARMS
from reasonry.training.pivotrl.desk.config import DeskConfig
from reasonry.training.pivotrl.desk.ledger import Ledger, turns_text
from reasonry.training.pivotrl.desk.policy import copy_policy, new_policy, sequence_logits
from reasonry.training.pivotrl.desk.steps import Lab, single_turn

PLAIN = world_of("plain")


def rng(*names: str) -> np.random.Generator:
    return seeds.stream(0, "test", *names)


@pytest.fixture(scope="module")
def lab() -> Lab:
    return training.make_lab(DeskConfig(num_demos=60, prompts_per_step=8, group_size=4, sft_batch=8), index=0)


# ---------------------------------------------------------------- arms


@pytest.mark.parametrize("name", sorted(ARMS))
def test_every_arm_makes_a_step_and_pays_for_it(lab: Lab, name: str) -> None:
    model = copy_policy(lab.base)
    arm = ARMS[name]
    found = arm.steps(lab)(model, 0)
    turns = found.costs.get("train_turns", 0)
    if arm.is_imitation:
        assert turns == 0
        assert found.costs["imitated_tok"] > 0
    elif name == "end-to-end":
        assert 8 * 4 <= turns <= 8 * 4 * 4
    elif name == "online-filter":
        assert turns % 32 == 0
        assert 32 < turns <= 4 * 32
    else:
        assert turns == 32
    if found.loss is not None:
        found.loss.backward()
        norm = sum(float(w.grad.square().sum()) for w in model.parameters() if w.grad is not None)
        assert norm > 0


def test_every_arm_of_the_config_exists() -> None:
    assert set(DeskConfig().arms) < set(ARMS)


def test_profiling_again_is_paid_for_and_selects_by_the_policy_as_it_is(lab: Lab) -> None:
    short = dataclasses.replace(lab, config=lab.config.model_copy(update={"reprofile_every": 2, "k": 4}))
    steps = ARMS["pivots-reprofiled"].steps(short)
    model = new_policy("plain", seed=3)  # knows nothing: all candidates fail, and none is left as a pivot
    found = [steps(model, at) for at in range(3)]
    assert [step.costs.get("profile_turns", 0) for step in found] == [0, 0, 240 * 4]
    assert found[1].costs["train_turns"] == 32
    assert found[2].loss is None
    assert "train_turns" not in found[2].costs


def test_no_arm_changes_the_base_model(lab: Lab) -> None:
    before = {name: weight.clone() for name, weight in lab.base.state_dict().items()}
    test = measuring.make_reference(lab.base, measuring.draw_test(PLAIN, num=3, num_items=3, num_states=3))
    looks = training.train_arm(ARMS["pivots-kl"], lab, test, lr=1e-3, num_steps=2, looks=[1])
    assert [k.step for k in looks] == [1, 2]
    assert all((before[n] == w).all() for n, w in lab.base.state_dict().items())
    assert looks[-1].ledger.train_turns == 64
    assert looks[-1].ledger.profile_turns == 1920
    assert looks[-1].found.drift.total > 0


def test_groups_without_a_signal_give_no_loss(lab: Lab) -> None:
    mean = lab.profiled.functional_NK.mean(axis=1)
    routine = np.flatnonzero((mean == 1) & (lab.candidates.turn_N == 0))[:1]
    found = [single_turn(lab, np.repeat(routine, 8), "strict")(lab.base, at) for at in range(2)]
    assert all(step.loss is None or step.useless < 1 for step in found)
    nothing = single_turn(lab, routine[:0], "functional")(lab.base, 0)
    assert nothing.loss is None
    assert not nothing.costs


def test_leaving_out_groups_without_a_signal_changes_no_gradient(lab: Lab) -> None:
    grads = []
    for beta in (0.0, 1e-12):  # with any beta all groups are in the forward pass
        model = copy_policy(lab.base)
        found = single_turn(lab, lab.everything, "functional", beta=beta)(model, 3)
        assert found.loss is not None
        assert 0 < found.useless < 1
        found.loss.backward()
        grads.append(torch.cat([w.grad.flatten() for w in model.parameters() if w.grad is not None]))
    assert grads[0].norm() > 1e-4
    assert torch.allclose(grads[0], grads[1], atol=1e-6)


# ---------------------------------------------------------------- ledger and results


def test_a_ledger_keeps_training_and_profiling_apart_and_shows_both() -> None:
    found = Ledger(profile_turns=96).plus(train_turns=256, train_s=1.5)
    assert (found.train_turns, found.profile_turns, found.total_turns) == (256, 96, 352)
    assert turns_text(found) == "256 training turns + 96 profiling turns = 352"
    assert Ledger.from_json(found.to_json()) == found
    with pytest.raises(KeyError):
        found.plus(rollouts=1)


def look(step: int, success: float, turns: int, *, kl: float = 0.0, profile_turns: int = 0) -> training.Look:
    drift = measuring.Drift(0, 0, 0, 0, 0, 0)
    found = measuring.Measured(success, success, math.nan, 1, {"rev": 1.0}, kl, kl, drift)
    nothing = training.Signal(*[math.nan] * 4)
    return training.Look(step, Ledger(train_turns=turns, profile_turns=profile_turns), nothing, found)


def test_turns_to_reach_a_level_are_interpolated_and_profiling_is_paid_in_full() -> None:
    course = results.Course("x", 1e-4, 0, (look(1, 0.4, 100, profile_turns=7), look(2, 0.8, 300, profile_turns=7)))
    start = look(0, 0.2, 0)
    assert results.turns_to_reach(course, start, 0.3) == pytest.approx((50, 7))
    assert results.turns_to_reach(course, start, 0.6) == pytest.approx((200, 7))
    assert results.turns_to_reach(course, start, 0.6).total == pytest.approx(207)
    assert math.isnan(results.turns_to_reach(course, start, 0.9).total)


def test_a_value_at_equal_skill_is_read_at_the_first_crossing() -> None:
    course = results.Course("x", 1e-4, 0, (look(1, 0.6, 1, kl=0.4), look(2, 0.3, 2, kl=9), look(3, 0.9, 3, kl=10)))
    assert results.value_at(course, look(0, 0.2, 0), 0.4, lambda k: k.found.kl_ood) == pytest.approx(0.2)


def test_the_frontier_keeps_what_nothing_beats_in_both() -> None:
    points = [(0.1, 1.0), (0.5, 0.9), (0.4, 0.8), (0.9, 0.2), (0.5, 0.9), (0.9, 0.1)]
    assert results.frontier(points) == [(0.1, 1.0), (0.5, 0.9), (0.9, 0.2)]


def test_a_look_comes_back_from_json_as_it_was() -> None:
    before = look(3, 0.5, 10, kl=0.1)
    after = training.look_from_json(training.look_to_json(before))
    assert training.look_to_json(after) == training.look_to_json(before)
    assert math.isnan(after.found.held_out)
    assert after.ledger == before.ledger


# ---------------------------------------------------------------- base model


SHIPPED = [name for name in sorted(base.RECIPES) if base.shipped_path(name).exists()]


def test_the_base_model_of_the_plain_desk_is_shipped() -> None:
    assert "plain" in SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_model_is_that_of_its_recipe_and_small(name: str) -> None:
    path = base.shipped_path(name)
    assert path.stat().st_size <= 700_000
    model = base.read_base(path, base.RECIPES[name])
    assert model.config.vocab_size == len(vocabulary(name))
    assert all((w.half().float() == w).all() for w in model.state_dict().values())


def test_a_file_of_another_recipe_or_a_damaged_one_is_refused(tmp_path) -> None:
    other = base.BaseConfig(num_steps=7)
    with pytest.raises(DataError, match="another recipe"):
        base.read_base(base.shipped_path("plain"), other)
    (tmp_path / "x.safetensors").write_bytes(b"12345")
    with pytest.raises(DataError, match="cannot be read"):
        base.read_base(tmp_path / "x.safetensors", other)


TINY = base.BaseConfig(num_steps=4, num_desk=2, num_hotel=2, num_skill=2)


def test_a_base_model_of_another_recipe_is_trained_once_and_kept(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("REASONRY_CACHE", str(tmp_path))
    lines: list[str] = []
    first = base.load_base(TINY, say=lines.append)
    assert any("training the base model" in line for line in lines)
    lines.clear()
    again = base.load_base(TINY, say=lines.append)
    assert not lines
    assert all((a == b).all() for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert configs.fingerprint(TINY)[:12] in next((tmp_path / "desk").iterdir()).name


def test_a_stopped_base_training_goes_on_to_the_same_weights(tmp_path) -> None:
    whole = base.train_base(TINY)
    half = base.BaseConfig(**{**TINY.model_dump(), "num_steps": 4})

    class Stop(Exception):
        pass

    def stop_after_two(line: str) -> None:
        if line.startswith("step 3"):
            raise Stop

    with pytest.raises(Stop):
        base.train_base(half, folder=tmp_path, say=stop_after_two, save_every=1)
    again = base.train_base(half, folder=tmp_path, save_every=1)
    assert all((a == b).all() for a, b in zip(whole.parameters(), again.parameters(), strict=True))


def test_the_loss_falls_on_what_the_assistant_says_and_on_nothing_else() -> None:
    corpus = draw_corpus(rng("loss"), 5, world=PLAIN, domain="desk")
    said = corpus.turn_BW >= 0
    _, num = base.assistant_loss(new_policy("plain"), corpus.tokens_BW, said)
    expected = sum(int((corpus.actions(PLAIN, t) != PAD).sum()) for t in range(4))
    assert num == expected
    assert (corpus.tokens_BW[said] != PAD).all()


def test_shifted_rows_are_the_same_text_at_other_positions() -> None:
    model = new_policy("plain", seed=1)
    corpus = draw_corpus(rng("shift"), 4, world=PLAIN, domain="desk")
    tokens = torch.from_numpy(corpus.tokens_BW)
    plain = sequence_logits(model, tokens)
    same = sequence_logits(model, tokens, first_B=torch.zeros(4, dtype=torch.long))
    later = sequence_logits(model, tokens, first_B=torch.tensor([0, 5, 9, 9]))
    is_token = tokens[:, 1:] != PAD
    torch.testing.assert_close(plain[is_token], same[is_token])
    torch.testing.assert_close(plain[0][is_token[0]], later[0][is_token[0]])
    assert (plain[1] - later[1]).abs().max() > 1e-4


def test_demonstrations_with_a_wrong_action_are_left_out_unless_asked_for(monkeypatch) -> None:
    monkeypatch.setattr(training, "load_base", lambda *a, **k: new_policy("hard"))
    settings = {"world": "hard", "num_demos": 40, "k": 2}
    kept = training.make_lab(DeskConfig(**settings), index=0)
    everything = training.make_lab(DeskConfig(**settings, outcome="any"), index=0)
    right = (everything.demos.code_BT == right_codes(everything.world, everything.demos.episodes)).all(axis=1)
    assert 0 < right.sum() < 40
    assert kept.demos.episodes.num == right.sum()
    assert (kept.demos.tokens_BW == everything.demos.tokens_BW[right]).all()
    assert len(kept.candidates.code_N) == 11 * right.sum()
