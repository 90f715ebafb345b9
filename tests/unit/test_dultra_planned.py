"""The planner as a policy: what its modes reveal, when it is forced, and how many passes that takes."""

from __future__ import annotations

import math
from typing import Any

import pytest

pytest.importorskip("transformers")

import torch
from scipy import stats
from torch import Tensor, nn

from reasonry.errors import ConfigError, DataError
from reasonry.training.dultra.plan_likelihood import expected_nfe, plan_logp
from reasonry.training.dultra.planner import PlannerConfig, PlannerHead
from reasonry.training.dultra.policies.base import StepContext
from reasonry.training.dultra.policies.make import make_policy
from reasonry.training.dultra.policies.planned import PlannedPolicy


class Fixed(nn.Module):
    """Stands in for a head: logits as given."""

    def __init__(self, logit: list[list[float]], features: tuple[str, ...] = ("confidence",)) -> None:
        super().__init__()
        self.logit = torch.tensor(logit)
        self.config = PlannerConfig(width=0, inner_width=8, features=features) if "hidden" not in features else None

    def plan(self, context: StepContext) -> Tensor:
        return self.logit.expand(context.eligible_BL.shape)


def context(eligible: Tensor, uniform: Tensor | None = None, **changes: Any) -> StepContext:
    B, L = eligible.shape
    none = torch.zeros(B, L, dtype=torch.float64)
    whole = torch.zeros(B, dtype=torch.int64)
    given: dict[str, Any] = {
        "eligible_BL": eligible,
        "masked_BL": eligible,
        "confidence_BL": none,
        "entropy_BL": none,
        "margin_BL": none,
        "uniform_BL": none if uniform is None else uniform,
        "step_B": whole,
        "num_block_masks_B": whole + L,
        "known_share_B": torch.zeros(B, dtype=torch.float64),
        "block_len": L,
    }
    return StepContext(**{**given, **changes})


def policy(q: list[float], mode: Any = "sample", **settings: Any) -> PlannedPolicy:
    fixed: Any = Fixed([[math.log(p / (1 - p)) for p in q]])
    return PlannedPolicy(fixed, mode, **settings)


def chosen(made: PlannedPolicy, eligible: list[bool], uniform: list[float] | None = None) -> tuple[list[int], bool]:
    said = made.select(
        context(torch.tensor([eligible]), None if uniform is None else torch.tensor([uniform], dtype=torch.float64))
    )
    return said.reveal_BL[0].nonzero()[:, 0].tolist(), bool(said.is_forced_B[0])


ALL = [True] * 4
Q = [0.9, 0.6, 0.3, 0.6]


def test_coins_fall_on_their_own_uniform_numbers() -> None:
    assert chosen(policy(Q), ALL, [0.89, 0.61, 0.2, 0.59]) == ([0, 2, 3], False)


def test_a_step_that_chooses_nothing_reveals_the_likeliest_and_is_marked() -> None:
    assert chosen(policy(Q), [False, True, True, True], [0.0, 0.9, 0.9, 0.9]) == ([1], True)
    assert chosen(policy(Q), ALL, [0.89, 0.9, 0.9, 0.9]) == ([0], False), "chosen, not forced"


def test_the_threshold_takes_what_reaches_it() -> None:
    assert chosen(policy(Q, "threshold"), ALL) == ([0, 1, 3], False)
    assert chosen(policy([0.5, 0.49], "threshold"), [True, True]) == ([0], False)
    assert chosen(policy(Q, "threshold", threshold=0.95), ALL) == ([0], True)
    assert chosen(policy(Q, "threshold", factor=2.0), ALL) == ([0, 1, 2, 3], False)
    assert chosen(policy(Q, "threshold", factor=0.6), ALL) == ([0], False)


def test_the_expected_number_of_the_likeliest_is_revealed() -> None:
    assert chosen(policy(Q, "expected"), ALL) == ([0, 1], False), "sum q = 2.4; of equal ones the first"
    assert chosen(policy([0.1] * 4, "expected"), ALL) == ([0], True), "sum q below 1"
    assert chosen(policy([0.1] * 10, "expected"), [True] * 10) == ([0], False), "ten times .1 are 1"
    assert chosen(policy(Q, "expected"), [False, True, True, True]) == ([1], False)


def test_a_temperature_draws_towards_one_half_and_a_factor_scales() -> None:
    cold = policy(Q, temperature=0.01).select(context(torch.tensor([ALL])))
    assert cold.logit_BL is not None
    assert cold.logit_BL[0, 0] > 100
    scaled = policy(Q, factor=0.5).select(context(torch.tensor([ALL])))
    assert scaled.logit_BL is not None
    assert torch.sigmoid(scaled.logit_BL)[0].tolist() == pytest.approx([0.45, 0.3, 0.15, 0.3])


def test_rows_that_are_done_reveal_nothing() -> None:
    for mode in ("sample", "expected", "threshold"):
        said = policy(Q, mode).select(context(torch.tensor([ALL, [False] * 4]), torch.full((2, 4), 0.999)))
        assert said.reveal_BL[1].tolist() == [False] * 4
        assert said.is_forced_B.tolist()[1] is False
        assert said.logit_BL is not None
        assert said.logit_BL[1].tolist() == [0.0] * 4


def test_names_are_those_of_the_command_line() -> None:
    assert policy(Q).name == "planner:sample"
    assert policy(Q, "threshold").name == "planner:threshold:0.5"
    assert policy(Q, "threshold", threshold=0.4, factor=1.2).name == "planner:threshold:0.4:1.2"
    assert policy(Q, "expected", factor=0.8, temperature=2.0).name == "planner:expected:0.8@2"


@pytest.mark.parametrize("threshold", [1 / 3, 0.5, 0.1234567891])
@pytest.mark.parametrize("factor", [1.0, 2 / 3, 2.0, 1e-7])
def test_names_lose_no_digit_of_their_numbers(threshold: float, factor: float) -> None:
    made = policy(Q, "threshold", threshold=threshold, factor=factor)
    again = make_policy(made.name, made.head)
    assert isinstance(again, PlannedPolicy)
    assert (again.threshold, again.factor, again.name) == (threshold, factor, made.name)
    assert policy(Q).is_stochastic
    assert not policy(Q, "threshold").is_stochastic


@pytest.mark.parametrize(
    ("mode", "settings", "said"),
    [
        ("samples", {}, "Did you mean 'sample'"),
        ("threshold", {"threshold": 0.0}, "threshold=0"),
        ("sample", {"factor": -1.0}, "factor=-1"),
        ("sample", {"temperature": 0.0}, "temperature=0"),
    ],
)
def test_bad_settings_are_refused(mode: Any, settings: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        policy(Q, mode, **settings)


def test_a_planner_of_hidden_states_says_that_it_needs_them() -> None:
    made = PlannedPolicy(PlannerHead(PlannerConfig(width=8, num_heads=2, time_dim=4)))
    assert made.needs_hidden
    assert not policy(Q).needs_hidden
    with pytest.raises(DataError, match="hidden"):
        made.select(context(torch.tensor([ALL])))


# ---------------------------------------------------------------- laws


def constant(q: float, L: int) -> PlannedPolicy:
    """A fresh planner, which gives every position the same probability."""
    shape = PlannerConfig(
        width=0, inner_width=8, features=("confidence",), num_heads=2, time_dim=4, max_len=L,
        clamp=None, output_bias=math.log(q / (1 - q)),
    )  # fmt: skip
    return PlannedPolicy(PlannerHead(shape).eval())


def passes(made: PlannedPolicy, rows: int, L: int, block_len: int, seed: int = 0) -> Tensor:
    """Forward passes of each row until nothing is masked."""
    rng = torch.Generator().manual_seed(seed)
    masked, nfe = torch.ones(rows, L, dtype=torch.bool), torch.zeros(rows)
    while masked.any():
        eligible = made.eligible(masked, block_len=block_len)
        said = made.select(context(eligible, torch.rand(rows, L, generator=rng, dtype=torch.float64)))
        assert not (said.reveal_BL & ~eligible).any()
        assert (said.reveal_BL.any(1) == eligible.any(1)).all()
        nfe += masked.any(1)
        masked = masked & ~said.reveal_BL
    return nfe


@pytest.mark.parametrize(
    ("q", "L", "block_len", "expected"),
    [(0.5, 2, 2, 1.75), (0.5, 3, 3, 2.25), (0.2, 6, 6, None), (0.5, 5, 2, 4.5), (0.9, 8, 4, None)],
)
def test_passes_of_a_constant_planner_are_those_expected(
    q: float, L: int, block_len: int, expected: float | None
) -> None:
    law = expected_nfe(L, q, block_len=block_len)
    if expected is not None:
        assert law == pytest.approx(expected)
    nfe = passes(constant(q, L), 6000, L, block_len)
    assert abs(float(nfe.mean()) - law) < 3 * float(nfe.std()) / math.sqrt(len(nfe))


def test_extreme_planners_take_one_pass_per_block_and_one_per_token() -> None:
    assert passes(constant(1 - 1e-13, 8), 4, 8, 4).tolist() == [2.0] * 4
    assert passes(constant(1e-13, 8), 4, 8, 4).tolist() == [8.0] * 4


def test_sets_are_revealed_as_often_as_the_exact_law_says() -> None:
    q, rows = [0.2, 0.5, 0.3], 20_000
    made = policy(q)
    uniform = torch.rand(rows, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    eligible = torch.ones(rows, 3, dtype=torch.bool)
    said = made.select(context(eligible, uniform))
    code = (said.reveal_BL.long() * torch.tensor([1, 2, 4])).sum(1)
    sets = torch.tensor([[bool(c >> i & 1) for i in range(3)] for c in range(1, 8)])
    logit = made.head.plan(context(torch.ones_like(sets)))
    seen = torch.bincount(code, minlength=8)[1:].numpy()

    def p_value(forced: Any) -> float:
        law = plan_logp(logit.double(), sets, eligible_BL=torch.ones_like(sets), forced=forced).exp().numpy()
        return float(stats.chisquare(seen, law / law.sum() * rows).pvalue)

    assert p_value("exact") > 1e-3
    assert p_value("naive") < 1e-9, "the test tells laws apart"
    assert float(said.is_forced_B.double().mean()) == pytest.approx(0.28, abs=0.02)
