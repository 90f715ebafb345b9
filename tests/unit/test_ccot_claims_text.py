"""The measurement behind the claim about a language model: its arithmetic on made-up answers, and a tiny run of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reasonry.core.stats import mcnemar_exact, wilson
from reasonry.errors import DataError
from reasonry.training.continuous_cot.claims import text
from reasonry.training.continuous_cot.claims.text import num_positions, ratio_of_means, shorter_answers


def answer(number: int, *, tokens: int, slots: int = 0, is_right: bool = True) -> dict[str, Any]:
    return {"id": f"test-{number}", "num_tokens": tokens, "num_thoughts": slots, "is_right": is_right}


# ---------------------------------------------------------------- arithmetic


def test_slots_and_their_markers_are_positions_and_so_is_every_token() -> None:
    assert num_positions(answer(1, tokens=20)) == 20
    assert num_positions(answer(1, tokens=4, slots=2)) == 4 + 2 + 2
    assert num_positions(answer(1, tokens=0, slots=1)) == 3


def test_a_ratio_of_means_is_not_a_mean_of_ratios() -> None:
    found = ratio_of_means([30, 10, 20, 20], [10, 5, 5, 20], seed=0)
    assert found.value == pytest.approx(80 / 40)  # and not (3 + 2 + 4 + 1) / 4
    assert found.low < found.value < found.high
    assert ratio_of_means([30, 10, 20, 20], [10, 5, 5, 20], seed=0) == found


def test_numbers_that_do_not_vary_leave_nothing_to_chance() -> None:
    assert ratio_of_means([20, 20, 20], [8, 8, 8], seed=0) == (2.5, 2.5, 2.5)
    assert ratio_of_means([3, 6, 9, 12], [1, 2, 3, 4], seed=0).value == pytest.approx(3)


def test_the_interval_is_that_of_pairs() -> None:
    rng = np.random.default_rng(0)
    below = rng.integers(4, 40, 200)
    together = ratio_of_means((3 * below + rng.integers(0, 2, 200)).tolist(), below.tolist(), seed=0)
    apart = ratio_of_means((3 * rng.permutation(below)).tolist(), below.tolist(), seed=0)
    assert together.high - together.low < (apart.high - apart.low) / 5
    # Delta method: the variance of a ratio r of independent means is about r^2 (v_a / m_a^2 + v_b / m_b^2) / n.
    spread = 3 * np.sqrt(2 * below.var() / below.mean() ** 2 / 200)
    assert apart.high - apart.low == pytest.approx(2 * 1.96 * spread, rel=0.15)


def test_what_does_not_belong_together_is_refused() -> None:
    with pytest.raises(DataError, match="not pairs"):
        ratio_of_means([1, 2], [1], seed=0)
    with pytest.raises(DataError, match="a ratio to nothing"):
        ratio_of_means([1, 2], [0, 0], seed=0)
    rows = [answer(1, tokens=9), answer(2, tokens=9)]
    with pytest.raises(DataError, match="cot and continuous answered different questions"):
        shorter_answers({"continuous": rows, "cot": rows[:1]}, seed=0)


def made_up() -> dict[str, list[dict[str, Any]]]:
    """Ten questions: steps right in 9, thoughts in 6, pauses in 2 of these and in another."""
    return {
        "continuous": [answer(i, tokens=4, slots=2, is_right=i < 6) for i in range(10)],
        "pause": [answer(i, tokens=4, slots=2, is_right=i in (0, 1, 9)) for i in reversed(range(10))],
        "cot": [answer(i, tokens=22 if i % 2 else 26, is_right=i != 9) for i in range(10)],
        "no-cot": [answer(i, tokens=4, is_right=False) for i in range(10)],
    }


def test_made_up_answers_come_to_what_a_pencil_gives() -> None:
    found = shorter_answers(made_up(), seed=7)
    assert found.value == pytest.approx(24 / 8)
    assert (found.num, found.seed) == (10, 7)
    assert 22 / 8 <= found.low < found.value < found.high <= 26 / 8
    assert "text tokens alone 6.00 [" in found.detail
    thoughts, low_high = "continuous 60.0% [{:.1%}, {:.1%}] in 4.0 tokens, 8.0 positions", wilson(6, 10)
    assert thoughts.format(low_high.low, low_high.high) in found.detail
    assert "in 24.0 tokens, 24.0 positions" in found.detail
    # Questions are paired by their names, and not by where they stand: 4 won, 1 lost.
    p = mcnemar_exact([True] * 4 + [False], [False] * 4 + [True]).p_value
    assert f"pause +30.0% (p = {p:.2g})" in found.detail
    assert "cot -30.0% (p = 0.25)" in found.detail
    assert "no-cot +60.0% (p = 0.031)" in found.detail


def test_thoughts_that_write_as_much_save_nothing() -> None:
    rows = made_up()
    rows["continuous"] = [answer(i, tokens=24, slots=2) for i in range(10)]
    assert shorter_answers(rows, seed=0).high < 1


# ---------------------------------------------------------------- a tiny run


@pytest.fixture
def arguments(tiny_model: Path, tmp_path: Path) -> dict[str, Any]:
    return {
        "model": str(tiny_model),
        "data": "word-problems:1",
        "written_steps": 3,
        "rivals": ["pause", "cot", "no-cot"],
        "seed": 5,
        "folder": str(tmp_path / "runs"),
        "num_train": 16,
        "words": {"max_new_tokens": 6},
        "adapter": {"rank": 2},
        "curriculum": {"first": 0, "middle": 0, "last": 2},
        "optimizer": {"batch_size": 4, "lr": 1e-2},
        "evaluation": {"every": 50, "num_validation": 3, "num_test": 5, "batch_size": 5, "num_by_slots": 0},
        "save_every": 50,
    }


def test_methods_go_on_from_one_model_that_writes_steps(
    arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from reasonry.training.continuous_cot.train.run import train

    configs: list[Any] = []

    def told(config: Any) -> Any:
        configs.append(config)
        return train(config)

    monkeypatch.setattr("reasonry.training.continuous_cot.train.run.train", told)
    found = text.coconut_text(**arguments)
    first, second = configs
    folder = Path(arguments["folder"])
    assert (first.methods, first.model) == (("cot",), arguments["model"])
    assert second.methods == ("continuous", "pause", "cot", "no-cot")
    assert second.model == str(folder / "written" / "cot" / "model")
    assert (first.seed, second.seed) == (5, 6)
    assert (first.curriculum.last, second.curriculum.last) == (3, 2)
    assert {c.optimizer.lr for c in configs} == {1e-2}
    assert (found.num, found.seed) == (5, 5)
    # An untrained model writes nonsense until the limit: 6 tokens and one slot between two markers.
    assert found.value == pytest.approx(6 / 9)
    assert found.detail.count("in 6.0 tokens, 9.0 positions") == 2
    assert found.detail.count("in 6.0 tokens, 6.0 positions") == 2
    assert "training took cot " in found.detail


def test_the_card_is_one_that_the_function_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    from reasonry.core.claims import load_claims
    from reasonry.core.config import from_dict
    from reasonry.training.continuous_cot.text_config import TextTrainConfig

    card = next(claim for claim in load_claims() if claim.id == "coconut-text")
    configs: list[TextTrainConfig] = []

    def stop(folder: Path, methods: Any, seed: int, **settings: Any) -> Any:
        configs.append(from_dict(TextTrainConfig, {"methods": tuple(methods), "run": folder, **settings}))
        raise KeyError

    monkeypatch.setattr(text, "_train", stop)
    with pytest.raises(KeyError):
        text.coconut_text(**card.arguments)
    assert configs[0].model == "smollm2-135m"
    assert {"cot", "pause", "no-cot"} <= set(card.arguments["rivals"])
