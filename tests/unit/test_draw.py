"""Drawing tokens."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reasonry.core.sampling.draw import draw, inverse_cdf, nucleus


def rows(num: int, vocab: int, seed: int, scale: float = 3.0) -> torch.Tensor:
    return torch.randn((num, vocab), generator=torch.Generator().manual_seed(seed)) * scale


@given(vocab=st.integers(1, 1100), seed=st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_inverse_cdf_agrees_with_a_plain_cumulative_sum(vocab: int, seed: int) -> None:
    p = torch.softmax(rows(4, vocab, seed), -1)
    u = torch.rand(4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed + 1))
    cdf = np.cumsum(p.double().numpy(), -1)
    expected = [int(np.searchsorted(c, float(x) * c[-1], side="right")) for c, x in zip(cdf, u, strict=True)]
    found = inverse_cdf(p, u).tolist()
    # Two ways of adding up may disagree by one token where u falls within rounding of a boundary.
    for row, (a, b) in enumerate(zip(expected, found, strict=True)):
        assert a == b or abs(cdf[row][min(a, b)] - float(u[row]) * cdf[row][-1]) < 1e-6


@pytest.mark.parametrize("vocab", [1, 255, 256, 257, 600])
def test_a_token_of_zero_weight_is_never_drawn(vocab: int) -> None:
    for alone in {0, vocab // 2, vocab - 1}:
        p = torch.zeros((3, vocab))
        p[:, alone] = 0.3
        ends = torch.tensor([1e-300, 0.5, 1 - 1e-16], dtype=torch.float64)
        assert inverse_cdf(p, ends).tolist() == [alone] * 3


def test_temperature_zero_takes_the_first_of_equal_maxima() -> None:
    logits = torch.tensor([[0.0, 2.0, 2.0, 1.0]])
    assert draw(logits, torch.tensor([0.99], dtype=torch.float64), temperature=0).token_B.tolist() == [1]


def test_logp_is_the_models_own_whatever_the_filter() -> None:
    logits = rows(5, 50, 0)
    u = torch.full((5,), 0.4, dtype=torch.float64)
    drawn = draw(logits, u, temperature=0.3, top_k=7, top_p=0.8)
    expected = torch.log_softmax(logits, -1).gather(-1, drawn.token_B[:, None])[:, 0]
    torch.testing.assert_close(drawn.logp_B, expected)


@pytest.mark.parametrize(("top_k", "top_p"), [(0, 1.0), (5, 1.0), (0, 0.7), (9, 0.5), (0, 0.001), (600, 0.999)])
def test_filters_keep_the_tokens_that_transformers_keeps(top_k: int, top_p: float) -> None:
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    logits = rows(6, 700, 3)
    ids = torch.zeros((6, 1), dtype=torch.long)
    expected = TemperatureLogitsWarper(0.7)(ids, logits)
    expected = TopKLogitsWarper(top_k)(ids, expected) if top_k else expected
    expected = TopPLogitsWarper(top_p)(ids, expected) if top_p < 1 else expected
    support = torch.softmax(expected, -1) > 0
    seen = torch.zeros_like(support)
    for u in torch.linspace(1e-9, 1 - 1e-9, 4001, dtype=torch.float64):
        token = draw(logits, u.expand(6), temperature=0.7, top_k=top_k, top_p=top_p).token_B
        assert support.gather(-1, token[:, None]).all()
        seen.scatter_(-1, token[:, None], True)
    heavy = torch.softmax(expected, -1) > 1e-3
    assert (seen | ~heavy).all()


def test_nucleus_of_a_flat_distribution_needs_more_than_the_first_guess() -> None:
    p = torch.full((1, 2000), 1 / 2000)
    assert int((nucleus(p, 0.9) > 0).sum()) in (1800, 1801)  # rounding decides about the last one


def test_frequencies_follow_the_softmax() -> None:
    logits = rows(1, 8, 5, scale=1.0)
    p = torch.softmax(logits / 0.8, -1)[0].double().numpy()
    u = torch.rand(20_000, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    drawn = draw(logits.expand(20_000, -1), u, temperature=0.8).token_B.numpy()
    observed = np.bincount(drawn, minlength=8)
    assert stats.chisquare(observed, p / p.sum() * 20_000).pvalue > 0.01
