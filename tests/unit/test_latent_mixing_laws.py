"""The laws of m: exact values, caps, other chunks, and draws that agree with them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from reasonry.core import seeds
from reasonry.errors import ConfigError
from reasonry.training.latent_tokens.mixing.laws import PUBLISHED_M_MAX_TOK, Law, make_law

LONG = 256


def test_two_stage_has_the_published_expectations() -> None:
    law = make_law().distribution(LONG)
    assert law.mean_tok == Fraction(512, 7)
    assert float(law.mean_tok) == pytest.approx(73.142857, abs=1e-6)
    assert law.positive == Fraction(590248, 765765)
    assert float(law.positive) == pytest.approx(0.770789, abs=1e-5)
    assert float(law.mean_tok * 15 / 16 - 2 * law.positive) == pytest.approx(67.03, abs=5e-3)


def test_set_has_the_published_expectations() -> None:
    law = make_law("set").distribution(LONG)
    assert law.m_tok == (0, 64, 128, 160, 192, 224, 256)
    assert set(law.probability) == {Fraction(1, 7)}
    assert law.mean_tok == Fraction(1024, 7)
    assert float(law.mean_tok) == pytest.approx(146.285714, abs=1e-6)
    assert float(law.mean_tok * 15 / 16 - 2 * law.positive) == pytest.approx(135.43, abs=5e-3)


def test_two_stage_is_what_its_two_draws_make() -> None:
    found = dict(zip(*make_law().distribution(LONG)[:2], strict=True))
    assert set(found) == set(range(0, 257, 16))
    assert found[256] == Fraction(1, 7 * 17)
    assert found[240] == found[256]
    assert found[64] == Fraction(1, 7) * sum((Fraction(1, k) for k in (5, 9, 11, 13, 15, 17)), Fraction())
    assert found[0] == Fraction(1, 7) + found[64]


@pytest.mark.parametrize(("name", "saved_tok"), [("two_stage", 67.03), ("set", 135.43)])
def test_draws_save_what_is_expected(name: str, saved_tok: float) -> None:
    law = make_law(name).distribution(400)
    m = np.array([law.quantile(u) for u in seeds.stream(0, "laws", name).random(20_000)])
    saved = m * 15 / 16 - 2.0 * (m > 0)
    assert saved.mean() == pytest.approx(saved_tok, abs=4 * saved.std() / 20_000**0.5)
    for value, probability in zip(law.m_tok, law.probability, strict=True):
        p = float(probability)
        assert (m == value).mean() == pytest.approx(p, abs=4.5 * (p * (1 - p) / 20_000) ** 0.5)


@pytest.mark.parametrize("name", ["two_stage", "set", "fixed:96", "all"])
def test_no_law_reaches_beyond_the_last_full_chunk(name: str) -> None:
    assert make_law(name).distribution(79).m_tok[-1] == 64
    assert make_law(name).distribution(15).m_tok == (0,)
    assert make_law(name).distribution(0).m_tok == (0,)


def test_short_reasoning_is_mostly_replaced_by_the_published_set_and_not_by_the_scaled_one() -> None:
    published, scaled = make_law().distribution(48), make_law("scaled", longest_tok=48).distribution(48)
    assert float(published.probability[-1]) == pytest.approx(0.598, abs=1e-3)
    assert float(scaled.probability[-1]) == pytest.approx(1 / 28, abs=1e-9)
    assert make_law("scaled", longest_tok=48).m_max_tok == (0, 13, 24, 30, 36, 42, 48)


def test_the_scaled_law_of_the_published_length_is_the_published_one() -> None:
    assert make_law("scaled", longest_tok=256) == make_law()


def test_all_and_fixed() -> None:
    assert make_law("all").distribution(1000).m_tok == (992,)
    assert make_law("fixed:48").distribution(1000).m_tok == (48,)
    assert make_law("fixed:48").distribution(40).m_tok == (32,)
    assert make_law("fixed:0").distribution(40).positive == 0


def test_other_chunks() -> None:
    law = make_law(chunk_tok=8).distribution(LONG)
    assert all(m % 8 == 0 for m in law.m_tok)
    # Uniform up to the largest multiple of 8 below each value: half of it on average.
    assert law.mean_tok == Fraction(sum(PUBLISHED_M_MAX_TOK), 14)
    assert make_law("set", chunk_tok=100).distribution(LONG).m_tok == (0, 100, 200)
    assert make_law(chunk_tok=300).distribution(1000).m_tok == (0,)


def test_the_ends_of_the_unit_interval_give_the_ends_of_the_law() -> None:
    law = make_law().distribution(LONG)
    assert law.quantile(0.0) == 0
    assert law.quantile(1 - 2**-53) == 256
    assert law.cumulative[-1] == 1.0


def test_one_law_serves_all_lengths_beyond_its_last_value() -> None:
    law = Law()
    assert law.distribution(256) is law.distribution(10_000)


@pytest.mark.parametrize(
    ("name", "more", "shown"),
    [
        ("two-stage", {}, "two_stage"),
        ("fixed", {}, "fixed:64"),
        ("fixed:20", {}, "multiple of the chunk"),
        ("fixed:-16", {}, "multiple of the chunk"),
        ("fixed:٤٨", {}, "multiple of the chunk"),
        ("scaled", {}, "longest"),
        ("set", {"m_max_tok": ()}, "m_max"),
        ("set", {"m_max_tok": (16, -1)}, "m_max"),
        ("set", {"chunk_tok": 0}, "chunk of 0"),
    ],
)
def test_what_is_no_law_is_refused_with_a_remedy(name: str, more: dict, shown: str) -> None:
    with pytest.raises(ConfigError, match=shown):
        make_law(name, **more)
