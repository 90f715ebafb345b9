"""A step learns from what it should, a look measures what it says, and a checkpoint brings everything back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from tests.latent_finetune_fakes import IDS, model, task
from torch import nn

from reasonry.core import checkpoint
from reasonry.errors import CheckFailed
from reasonry.training.latent_tokens.finetune.learner import FinetuneLearner
from reasonry.training.latent_tokens.finetune.losses import Losses, first_label, learnt_parts, losses, parts
from reasonry.training.latent_tokens.mixing.collating import Batch, collate
from reasonry.training.latent_tokens.mixing.methods import METHODS
from reasonry.training.latent_tokens.mixing.rows import IGNORED, MixedRow
from reasonry.training.latent_tokens.mixing.spans import Moment


def learner(name: str = "latent", *, dropout: float = 0.0, **changes: Any) -> FinetuneLearner:
    return FinetuneLearner(task(**changes), METHODS[name], model(dropout=dropout))


def batch() -> Batch:
    """Two rows: codes, and text alone."""
    one = MixedRow((1, 5, IDS.begin, IDS.first_code + 2, IDS.end, 7, 2, 9, 3), 2, 4, 1, 2, 4)
    other = MixedRow((1, 6, 4, 2, 8, 3), 3, 3, 0, 0, 0)
    return collate([one, other], pad_id=0)


def weights(made: FinetuneLearner) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in made.model.named_parameters()}


# ---------------------------------------------------------------- what is learnt


def test_the_loss_is_the_mean_over_codes_markers_text_and_answer_and_over_nothing_else() -> None:
    made = learner(steps=1)
    given = batch()
    logits = made.model(input_ids=given.ids_BT, attention_mask=given.attend_BT).logits.log_softmax(-1)
    told = [
        -logits[b, t - 1, given.ids_BT[b, t]] for b, first, end in ((0, 2, 9), (1, 3, 6)) for t in range(first, end)
    ]
    assert made.gradient(given) == pytest.approx(float(torch.stack(told).mean()), abs=1e-6)
    found_BT = made.scorer(given)
    assert found_BT.shape == (2, 8)
    assert (found_BT != 0).sum() == 10
    assert (found_BT[0, :1] == 0).all()
    assert (found_BT[1, :2] == 0).all()


def test_micro_batches_add_up_to_the_whole_batch() -> None:
    whole, split = learner(steps=1), learner(steps=1, optimizer={"micro_batch": 1})
    given = batch()
    assert whole.gradient(given) == pytest.approx(split.gradient(given), abs=1e-6)
    for one, other in zip(whole.model.parameters(), split.model.parameters(), strict=True):
        assert one.grad is not None and other.grad is not None
        assert torch.allclose(one.grad, other.grad, atol=1e-6)


def test_logits_are_asked_for_behind_the_first_label_alone_with_equal_results() -> None:
    made = learner(steps=1)
    given = batch()
    cut = made.scorer(given)
    made.scorer.cuts_logits = False
    assert torch.allclose(cut, made.scorer(given), atol=1e-6)
    assert first_label(given.labels_BT) == 2


def test_rows_hold_codes_and_markers_by_method_and_all_of_them_text() -> None:
    for name, has_codes in (("latent", True), ("shuffled", True), ("cot", False), ("sol-only", False)):
        made = learner(name)
        rows = [made.step(at) for at in range(6)]
        assert (sum(row["codes"] for row in rows) > 0) == has_codes
        assert (sum(row["markers"] for row in rows) > 0) == has_codes
        assert all(row["text_tok"] > 0 for row in rows)


def test_learnt_tokens_are_counted_by_what_they_are() -> None:
    assert learnt_parts(batch().labels_BT, IDS) == {"text_tok": 3.5, "codes": 0.5, "markers": 1.0}


def test_parts_of_a_batch_are_its_rows() -> None:
    given = batch()
    cut = parts(given, 1)
    assert [len(part.ids_BT) for part in cut] == [1, 1]
    assert torch.equal(torch.cat([part.labels_BT for part in cut]), given.labels_BT)


def test_a_loss_that_is_no_number_ends_the_training() -> None:
    made = learner()
    with torch.no_grad():
        next(made.model.parameters())[5] = float("nan")
    with pytest.raises(CheckFailed, match="the loss is nan"):
        made.step(0)


# ---------------------------------------------------------------- methods


@pytest.mark.parametrize("name", METHODS)
def test_every_method_learns_its_rows_by_heart(name: str) -> None:
    changes = {"steps": 40, "optimizer": {"batch_size": 8, "decay": 0.0}, "looks": {"every": 0}}
    if name == "icot":
        changes["mix"] = {"removed_per_epoch_tok": 1.0, "reset_every_tok": 4}
    made = learner(name, num=11, **changes)
    rows = [made.step(at) for at in range(40)]
    assert rows[-1]["loss"] < 0.7 * rows[0]["loss"]
    assert rows[-1]["held_out/loss"] > 0


def test_all_methods_see_the_same_examples_and_truncated_drops_what_latent_replaces() -> None:
    made = {name: learner(name) for name in ("latent", "truncated", "shuffled", "cot")}
    orders = {name: [each.order(at).numbers_B.tolist() for at in range(8)] for name, each in made.items()}
    assert len({str(order) for order in orders.values()}) == 1
    for number in range(11):
        moment = Moment(1.5, 0.5)
        gone = {name: made[name].rows.mixer.row(number, moment).m_tok for name in made}
        assert gone["latent"] == gone["truncated"] == gone["shuffled"]
        assert gone["cot"] == 0


def test_rows_are_redrawn_in_every_epoch() -> None:
    made = learner(num=43, examples=None, mix={"law": "scaled"})
    mixer, long = made.rows.mixer, [n for n, row in enumerate(made.task.examples.train) if len(row.cot_ids) >= 12]
    assert len(long) > 5
    changed = [n for n in long if len({mixer.row(n, Moment(epoch)).m_tok for epoch in range(6)}) > 1]
    assert len(changed) > 0.7 * len(long)


def test_icot_forgets_the_moments_of_the_optimizer_where_tokens_are_removed_and_no_other_method_does() -> None:
    mix = {"removed_per_epoch_tok": 4.0, "reset_every_tok": 4}
    made = learner("icot", num=15, mix=mix, steps=30, optimizer={"batch_size": 4})
    assert made.task.length.steps_per_epoch == 3
    forgets = [at for at in range(30) if made.task.forgets(made.method, at)]
    longest = made.task.mixing.longest_tok
    assert forgets == [at for at in range(3, 30, 3) if 4 * (at // 3 - 1) < longest]
    for at in range(3):
        made.step(at)
    counted = next(iter(made.optimizer.state.values()))["step"]
    assert float(counted) == 3
    made.step(3)
    assert float(next(iter(made.optimizer.state.values()))["step"]) == 1
    assert not any(made.task.forgets(METHODS["curriculum"], at) for at in range(30))


# ---------------------------------------------------------------- looks


def test_a_look_parts_the_answer_from_everything_that_is_learnt() -> None:
    given = batch()
    nats_BT = torch.arange(16.0).reshape(2, 8) * (given.labels_BT[:, 1:] != IGNORED)
    found = losses(nats_BT, given, [3, 3])
    assert found == Losses(float(nats_BT.sum()), 10, float(nats_BT[0, 5:8].sum() + nats_BT[1, 2:5].sum()), 6)


def test_looks_come_when_they_are_due_and_leave_training_alone() -> None:
    looking, blind = learner(), learner(looks={"every": 0})
    rows, others = [[made.step(at) for at in range(8)] for made in (looking, blind)]
    assert [row["loss"] for row in rows] == [row["loss"] for row in others]
    assert [at for at in range(8) if "held_out/loss" in rows[at]] == [2, 5, 7]
    assert [at for at in range(8) if "held_out/loss" in others[at]] == [7]
    assert rows[7]["held_out/answer_loss"] == others[7]["held_out/answer_loss"]


def test_a_look_does_not_hang_on_its_batches_and_draws_the_same_m_each_time() -> None:
    one, other = learner(), learner(looks={"batch_size": 1})
    for name, value in one.looks(0).items():
        assert value == pytest.approx(other.looks(0)[name], abs=1e-6)
    assert one.looks(0) == one.looks(4)


# ---------------------------------------------------------------- checkpoints


@pytest.mark.parametrize("name", ["latent", "icot"])
def test_what_goes_on_from_a_checkpoint_ends_with_the_same_bytes(name: str, tmp_path: Path) -> None:
    changes = {"mix": {"removed_per_epoch_tok": 4.0, "reset_every_tok": 4}} if name == "icot" else {}
    alone = learner(name, dropout=0.1, **changes)
    told = [alone.step(at) for at in range(8)]
    first = learner(name, dropout=0.1, **changes)
    before = [first.step(at) for at in range(5)]
    checkpoint.save(tmp_path, 5, tensors=first.tensors(), state=first.state())
    second = learner(name, dropout=0.1, **changes)
    with torch.no_grad():
        for weight in second.model.parameters():
            weight.zero_()
    found = checkpoint.newest(tmp_path)
    assert found is not None
    second.restore(found)
    assert before + [second.step(at) for at in range(5, 8)] == told
    assert all(torch.equal(a, b) for a, b in zip(weights(alone).values(), weights(second).values(), strict=True))


def test_weights_hang_on_the_seed_of_the_order() -> None:
    one, other = learner(seed=0), learner(seed=1)
    assert isinstance(one.model, nn.Module)
    one.step(0)
    other.step(0)
    assert not torch.equal(next(one.model.parameters()), next(other.model.parameters()))
