"""Figures of a comparison against what can be worked out by hand."""

import csv
import io

import numpy as np
import pytest

from reasonry.core.stats import wilson
from reasonry.training.dultra.frontier.results import accuracy_of, csv_text, frontier, mean_of
from reasonry.training.dultra.frontier.shown import MOST_SHOWN, chosen, slug
from reasonry.training.dultra.frontier.sweep import Contender


def row(policy, right, nfe, *, seed=0, batch=0, num_tok=20, answers=None, seconds=1.0, head=0.0, errors=0):
    num = len(right)
    return {
        "policy": policy, "seed": seed, "batch": batch, "num": num, "prompts": "p", "right": right,
        "share": [float(r) for r in right], "nfe": nfe, "num_tok": [num_tok] * num, "forced": [1] * num,
        "answers": answers or [str(i) for i in range(num)], "num_errors": errors, "error": "Oops: no" * bool(errors),
        "token_forwards": 100 * num, "seconds": seconds, "head_seconds": head,
    }  # fmt: skip


def made(points, **options):
    """A comparison of policies that are right ``k`` times of 100 in a number of passes."""
    contenders, rows = [], {}
    for label, (num_right, nfe) in points.items():
        contenders.append(Contender(label, label.rpartition(":")[0], label, None, False))
        rows[label] = [row(label, [1] * num_right + [0] * (100 - num_right), [nfe] * 100)]
    return frontier(contenders, rows, denoiser="d", task="t", target=options.pop("target", 0.95), **options)


# ---------------------------------------------------------------- intervals


def test_with_one_seed_the_interval_is_wilsons() -> None:
    assert accuracy_of(np.array([[1.0] * 37 + [0.0] * 3])) == (37 / 40, *wilson(37, 40)[:2])


def test_seeds_that_always_agree_add_nothing_and_independent_ones_count_in_full() -> None:
    one_P = np.array([1.0] * 30 + [0.0] * 10)
    assert accuracy_of(np.stack([one_P] * 4))[1:] == pytest.approx(wilson(30, 40)[:2], abs=0.01)
    rng = np.random.default_rng(0)
    found = accuracy_of((rng.random((4, 2000)) < 0.5).astype(float))
    width, full = found.high - found.low, wilson(4000, 8000)
    assert width == pytest.approx(full.high - full.low, rel=0.05)


def test_where_every_decoding_is_right_prompts_count_once() -> None:
    assert accuracy_of(np.ones((5, 40))) == (1.0, wilson(40, 40).low, 1.0)
    assert accuracy_of(np.zeros((5, 40))) == (0.0, 0.0, wilson(0, 40).high)


def test_the_interval_covers_the_truth_about_as_often_as_it_says_with_prompts_of_different_difficulty() -> None:
    rng, covered = np.random.default_rng(1), 0
    for _ in range(300):
        p_P = rng.beta(1.2, 0.4, 60)
        low_high = accuracy_of((rng.random((3, 60)) < p_P).astype(float))
        covered += low_high.low <= 0.75 <= low_high.high
    assert covered / 300 > 0.92


def test_the_mean_of_passes_is_resampled_over_prompts_and_a_constant_has_no_spread() -> None:
    assert mean_of(np.full((2, 9), 17.0)) == (17.0, 17.0, 17.0)
    value_P = np.random.default_rng(2).normal(10, 2, 400)
    found = mean_of(np.stack([value_P, value_P]))
    half = 1.96 * value_P.std() / 20
    assert found.high - found.low == pytest.approx(2 * half, rel=0.15) and found.low < found.value < found.high


# ---------------------------------------------------------------- the frontier


def test_dominated_policies_are_those_that_another_one_beats_on_one_side_and_matches_on_the_other() -> None:
    found = made({"a:1": (99, 20), "a:2": (99, 17), "b:1": (90, 17), "b:2": (50, 2), "c:1": (50, 2), "c:2": (40, 1)})
    assert [p.label for p in found.undominated] == ["c:2", "b:2", "c:1", "a:2"]
    assert found.best_accuracy == 0.99


def test_the_fastest_at_the_target_is_told_for_each_kind_and_overall() -> None:
    found = made({"a:1": (100, 20), "a:2": (96, 10), "a:3": (94, 5), "b:1": (95, 9), "c:1": (80, 3), "c:2": (80, 2)})
    assert {f.name: f.fastest for f in found.families} == {"a": "a:2", "b": "b:1", "c": None}
    assert {f.name: f.most_accurate for f in found.families} == {"a": "a:1", "b": "b:1", "c": "c:2"}
    assert found.fastest is not None and found.fastest.label == "b:1"
    assert made({"a:1": (10, 3)}).fastest is None


def test_of_equals_the_first_named_is_told() -> None:
    assert made({"a:9": (100, 5), "a:1": (100, 5)}).families[0].fastest == "a:9"


def test_aup_weighs_by_the_best_accuracy_of_all_kinds() -> None:
    # d3LLM's example: (1, 80) and (2, 79) with y_max = 80; answers have 20 tokens.
    alone = made({"a:1": (80, 20), "a:2": (79, 10)})
    assert alone.families[0].aup == pytest.approx(158.0462, abs=1e-4)
    beside = made({"a:1": (80, 20), "a:2": (79, 10), "b:1": (100, 20)})
    weighted = 80 + (79 * np.exp(-3 * 0.21) + 80 * np.exp(-3 * 0.2)) / 2
    assert beside.families[0].aup == pytest.approx(weighted)
    assert made({"a:1": (0, 20)}).families[0].aup is None


def test_costs_and_tokens_are_sums_over_decodings() -> None:
    contender = Contender("a:1", "a", "a:1", None, False)
    rows = [
        row("a:1", [1, 0], [2, 8], num_tok=10, answers=["x", "y"], seconds=3.0, head=0.5),
        row("a:1", [1], [10], batch=1, num_tok=10, answers=["z"], errors=1),
        row("a:1", [1, 1], [2, 8], seed=1, num_tok=10, answers=["x", "w"]),
        row("a:1", [1], [10], seed=1, batch=1, num_tok=10, answers=["z"]),
    ]
    found = frontier([contender], {"a:1": rows}, denoiser="d", task="t", target=0.5)
    p = found.policies[0]
    assert (p.num_prompts, p.num_seeds, p.accuracy.value) == (3, 2, 5 / 6)
    assert p.tokens_per_forward == 60 / 40 and p.nfe.value == 40 / 6 and p.forced_share == 6 / 40
    assert (p.seconds, p.head_seconds, p.token_forwards) == (1.0, 0.5 / 6, 100)
    assert p.distinct == pytest.approx((0.5 + 1.0 + 0.5) / 3)
    assert found.num_errors == 1 and found.error == "Oops: no"


def test_the_spreadsheet_has_a_line_for_each_policy_with_both_ends_of_intervals() -> None:
    found = made({"a:1": (99, 20), "b:1": (50, 2)})
    lines = list(csv.DictReader(io.StringIO(csv_text(found))))
    assert [line["label"] for line in lines] == ["a:1", "b:1"]
    assert float(lines[0]["accuracy_low"]) == wilson(99, 100).low and lines[0]["distinct"] == ""
    assert float(lines[1]["nfe"]) == 2 and lines[1]["is_dominated"] == "False"


# ---------------------------------------------------------------- what is shown


def test_few_policies_are_all_shown_and_of_many_those_that_one_would_use() -> None:
    assert chosen(made({"b:2": (10, 3), "a:1": (99, 20)})) == ["b:2", "a:1"]
    many = {f"{kind}:{i}": (100 - 3 * i, 20 - i) for kind in ("a", "b", "c") for i in range(4)}
    many |= {f"planner:sample:{i}": (60 + i, 4) for i in range(3)}
    assert chosen(made(many)) == ["planner:sample:2", "a:1", "b:1", "c:1"]
    assert len(chosen(made({f"{k}:1": (50, 9) for k in "abcdefghijk"}))) == MOST_SHOWN


def test_names_of_files_hold_nothing_that_a_shell_or_a_file_system_minds() -> None:
    assert slug("planner:threshold:0.5 (a/b)") == "planner-threshold-0.5-a-b"
