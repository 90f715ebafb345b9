"""What learns: a gradient becomes a step as the formulas say, and a checkpoint brings everything back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from reasonry.core import checkpoint
from reasonry.core.learning import Trainee


def weight_of(trainee: Trainee) -> list[float]:
    return trainee.modules["model"].weight[0].tolist()


def made(*, max_grad_norm: float = 1e9, kind: Any = torch.optim.SGD, **settings: Any) -> Trainee:
    model = torch.nn.Linear(2, 1, bias=False)
    torch.nn.init.zeros_(model.weight)
    return Trainee({"model": model}, kind(model.parameters(), lr=1.0), max_grad_norm=max_grad_norm, **settings)


def slope(trainee: Trainee, x: float, y: float) -> Any:
    return (trainee.modules["model"].weight * torch.tensor([x, y])).sum()


def test_a_long_gradient_is_cut_and_its_own_length_is_told() -> None:
    trainee = made(max_grad_norm=1.0)
    assert trainee.descend(slope(trainee, 3.0, 4.0), 0) == pytest.approx(5)
    assert weight_of(trainee) == pytest.approx([-0.6, -0.8], abs=1e-5)


def test_every_step_has_the_learning_rate_of_its_number() -> None:
    trainee = made(lr=lambda at: 10.0**-at)
    for at in (0, 2):
        trainee.descend(slope(trainee, 1.0, 0.0), at)
    assert weight_of(trainee) == pytest.approx([-1.01, 0])


def test_a_gradient_is_added_up_in_parts_and_forgotten_when_it_is_cleared() -> None:
    trainee = made()
    slope(trainee, 100.0, 100.0).backward()
    trainee.clear()
    for part in (1.0, 2.0):
        slope(trainee, part, 0.0).backward()
    assert trainee.step(0) == pytest.approx(3)
    assert weight_of(trainee) == pytest.approx([-3, 0])


def test_what_is_restored_takes_the_step_that_would_have_been_taken(tmp_path: Path) -> None:
    def train(trainee: Trainee, steps: range) -> None:
        for at in steps:
            trainee.descend((slope(trainee, 1.0 + at, 2.0) - at) ** 2, at)

    alone = made(kind=torch.optim.Adam)
    train(alone, range(5))
    begun = made(kind=torch.optim.Adam)
    train(begun, range(3))
    checkpoint.save(tmp_path, 3, tensors=begun.tensors(), state={})
    found = checkpoint.newest(tmp_path)
    assert found is not None
    assert set(begun.tensors()) == {"model", "optimizer"}
    other = made(kind=torch.optim.Adam)
    other.restore(found)
    train(other, range(3, 5))
    assert weight_of(other) == weight_of(alone)
    blank = made(kind=torch.optim.Adam)
    train(blank, range(3, 5))
    assert weight_of(blank) != weight_of(alone)
