"""One method's training: what a step is a function of, what methods share, stops, and going on bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from tests.ccot_train_runs import tiny

from reasonry.core import checkpoint
from reasonry.core.learning import threads_for
from reasonry.errors import CheckFailed
from reasonry.training.continuous_cot.latent.model import LatentCausalLM
from reasonry.training.continuous_cot.methods import METHODS, find_method
from reasonry.training.continuous_cot.train.learner import MethodLearner, parts
from reasonry.training.continuous_cot.train.setups import graph_setup


def new(folder: Path, method: str = "continuous", **changes: Any) -> MethodLearner:
    config = tiny(**changes)
    setup = graph_setup(config)
    found = find_method(method)
    return MethodLearner(config, found, setup.make_model(found), setup.source, best_folder=folder / method)


def steps(learner: MethodLearner, start: int, stop: int) -> list[dict[str, Any]]:
    with threads_for(learner.model):
        return [learner.step(at) for at in range(start, stop)]


def weights(learner: MethodLearner) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in learner.model.state_dict().items()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


# ---------------------------------------------------------------- what methods share


def test_pauses_and_thoughts_are_one_training_until_there_are_slots(tmp_path: Path) -> None:
    first, second = new(tmp_path), new(tmp_path, "pause")
    shared = [{name: row[name] for name in row if not name.startswith("probe/")} for row in steps(first, 0, 4)]
    assert shared == steps(second, 0, 4)  # stage 0
    assert same(weights(first), weights(second))
    steps(first, 4, 6)
    steps(second, 4, 6)
    assert not same(weights(first), weights(second))


def test_all_methods_with_stages_draw_the_same_examples_at_the_same_stages(tmp_path: Path) -> None:
    learners = [new(tmp_path, name) for name, method in METHODS.items() if method.has_stages]
    for at in range(11):
        found = [learner.rows(at, learner.curriculum.stage(at)) for learner in learners]
        assert all((indices == found[0][0]).all() and (stages == found[0][1]).all() for indices, stages in found)


def test_methods_without_stages_see_the_same_examples_at_the_last_stage_alone(tmp_path: Path) -> None:
    staged = new(tmp_path)
    for name in ("cot", "no-cot", "no-curriculum"):
        learner = new(tmp_path, name)
        assert learner.curriculum.num_steps == staged.curriculum.num_steps
        for at in range(11):
            indices, stages = learner.rows(at, learner.curriculum.stage(at))
            assert (indices == staged.rows(at, staged.curriculum.stage(at))[0]).all()
            assert set(stages.tolist()) == {2}


@pytest.mark.parametrize("method", list(METHODS))
def test_every_method_trains_through_all_its_stages(tmp_path: Path, method: str) -> None:
    learner = new(tmp_path, method)
    rows = steps(learner, 0, 11)
    assert learner.ended == "all steps are done"
    assert [row["stage"] for row in rows] == ([0] * 4 + [1] * 3 + [2] * 4 if METHODS[method].has_stages else [2] * 11)
    thinks = METHODS[method].steps == "replaced" and METHODS[method].fill == "thought"
    assert ("thought_norm" in rows[-1]) == thinks
    saved = LatentCausalLM.from_pretrained(str(tmp_path / method))
    assert saved.feedback.kind == METHODS[method].feedback
    assert learner.best["step"] in {8.0, 9.0, 11.0} or not METHODS[method].has_stages


def test_detached_thoughts_have_another_gradient(tmp_path: Path) -> None:
    first, second = new(tmp_path), new(tmp_path, "detached")
    assert same(weights(first), weights(second))

    def gradient(learner: MethodLearner) -> torch.Tensor:
        learner._gradient(9, 2)
        return torch.cat([weight.grad.flatten() for weight in learner.model.parameters() if weight.grad is not None])

    cosine = torch.cosine_similarity(gradient(first), gradient(second), dim=0)
    assert cosine < 0.9999


# ---------------------------------------------------------------- a step


@pytest.mark.parametrize("method", ["continuous", "cot", "bfs-set"])
def test_micro_batches_have_the_gradient_of_the_whole(tmp_path: Path, method: str) -> None:
    found = []
    for size in (None, 3):
        learner = new(tmp_path, method, optimizer={"micro_batch": size})
        loss = learner._gradient(8, 2).loss
        found.append((loss, [weight.grad for weight in learner.model.parameters()]))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    for first, second in zip(found[0][1], found[1][1], strict=True):
        assert (first is None) == (second is None)
        if first is not None and second is not None:
            torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-6)


def test_a_batch_is_cut_into_parts_that_are_the_batch_again(tmp_path: Path) -> None:
    learner = new(tmp_path, "bfs-set")
    batch = learner.source.batch([0, 1, 2], stages=[0, 1, 1], method=learner.method, rng=torch_free_rng())
    cut = parts(batch, 2)
    assert [len(part.ids_BT) for part in cut] == [2, 1]
    assert torch.equal(torch.cat([part.ids_BT for part in cut]), batch.ids_BT)
    assert [each for part in cut for each in part.label_sets] == batch.label_sets
    assert parts(batch, 3)[0] is batch


def torch_free_rng() -> Any:
    from reasonry.core import seeds

    return seeds.stream(0, "rows")


def test_the_optimizer_forgets_where_a_stage_begins_only_if_it_is_told_to(tmp_path: Path) -> None:
    kept = new(tmp_path)
    steps(kept, 0, 5)
    reset = new(tmp_path, curriculum={"reset_optimizer": True})
    steps(reset, 0, 4)
    assert {int(state["step"]) for state in kept.optimizer.state.values()} == {5}
    assert {int(state["step"]) for state in reset.optimizer.state.values()} == {4}
    steps(reset, 4, 5)
    assert {int(state["step"]) for state in reset.optimizer.state.values()} == {1}


def test_a_loss_that_is_no_number_ends_the_run_before_the_weights_are_touched(tmp_path: Path) -> None:
    learner = new(tmp_path)
    with torch.no_grad():
        next(iter(learner.model.parameters()))[0, 0] = float("nan")
    before = weights(learner)
    with pytest.raises(CheckFailed, match=r"continuous: the loss is nan .* at step 1.*Give a lower --optimizer.lr"):
        learner.step(0)
    assert all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(before.values(), weights(learner).values()))


def test_a_learning_rate_that_falls_is_in_the_log(tmp_path: Path) -> None:
    rows = steps(new(tmp_path, optimizer={"decay": 1.0, "lr": 1.0e-3, "warmup_steps": 2}), 0, 11)
    assert [row["lr"] for row in rows] == pytest.approx([5e-4, *[1e-3] * 7, 7.5e-4, 5e-4, 2.5e-4])


# ---------------------------------------------------------------- stops


GATE = {"advance_when": 1e-9, "patience": 2}


def test_a_gate_that_is_never_reached_ends_the_run_with_its_reason(tmp_path: Path) -> None:
    learner = new(tmp_path, curriculum=GATE)
    rows = steps(learner, 0, 6)
    assert learner.ended.startswith("stage 0 ended at a loss of ")
    assert learner.ended.endswith("nats, not below the threshold")
    assert [row["stage"] for row in rows] == [0] * 6
    assert learner.best == {}
    assert not (tmp_path / "continuous").exists()


def test_told_to_go_on_it_takes_all_its_stages_after_the_wait(tmp_path: Path) -> None:
    learner = new(tmp_path, curriculum={**GATE, "otherwise": "go-on"})
    rows = steps(learner, 0, 13)
    assert [row["stage"] for row in rows] == [0] * 6 + [1] * 3 + [2] * 4
    assert learner.ended == "all steps are done"
    assert learner.curriculum.missed is not None
    assert learner.best


# ---------------------------------------------------------------- going on


CHANGES: list[dict[str, Any]] = [
    {},
    {"shape": {"dropout": 0.2}, "curriculum": {"reset_optimizer": True}},
    {"curriculum": {**GATE, "otherwise": "go-on", "window": 3}, "layout": "paper"},
]


@pytest.mark.parametrize("stop", [3, 8])
@pytest.mark.parametrize("changes", CHANGES)
def test_a_run_that_goes_on_from_a_checkpoint_is_the_run_that_never_stopped(
    tmp_path: Path, changes: dict[str, Any], stop: int
) -> None:
    whole = new(tmp_path / "a", **changes)
    rows = steps(whole, 0, 11)
    first = new(tmp_path / "b", **changes)
    begun = steps(first, 0, stop)
    checkpoint.save(tmp_path / "checkpoints", stop, tensors=first.tensors(), state=first.state())
    found = checkpoint.newest(tmp_path / "checkpoints")
    assert found is not None
    second = new(tmp_path / "b", **changes)
    second.restore(found)
    assert begun + steps(second, stop, 11) == rows
    assert same(weights(whole), weights(second))
    assert second.state() == whole.state()
