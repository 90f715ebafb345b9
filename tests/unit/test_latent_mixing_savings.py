"""Tokens saved: exact values, and rows that save what is expected."""

from __future__ import annotations

import math

import pytest
from tests.latent_mixing import IDS, encoded

from reasonry.training.latent_tokens.mixing.laws import make_law
from reasonry.training.latent_tokens.mixing.methods import METHODS
from reasonry.training.latent_tokens.mixing.mixer import Mixer
from reasonry.training.latent_tokens.mixing.savings import counted, expected, expected_all, pauses_for, table
from reasonry.training.latent_tokens.mixing.spans import END, MixSettings, Moment

SETTINGS = MixSettings(num_pauses=5)


@pytest.mark.parametrize(("name", "saved_tok"), [("two_stage", 67.03), ("set", 135.43)])
def test_long_examples_save_the_published_expectation(name: str, saved_tok: float) -> None:
    saving = expected(METHODS["latent"], [256, 300, 1000], settings=MixSettings(law=make_law(name)))
    assert saving.saved_tok / 3 == pytest.approx(saved_tok, abs=5e-3)
    assert saving.gone_tok / saving.codes == pytest.approx(16)


def test_every_method_by_hand() -> None:
    found = expected_all([100], settings=SETTINGS, answer_tok=10)  # 6 full chunks
    assert list(found) == list(METHODS)
    saved = {name: saving.saved_tok for name, saving in found.items()}
    assert saved["all"] == saved["curriculum"] == 96 - 6 - 2
    assert saved["poisson"] == pytest.approx(48 - 3 - 2 * (0.5 + 5 * 0.25))
    assert (saved["cot"], saved["sol-only"], saved["pause"]) == (0, 100, 95)
    assert saved["icot"] == pytest.approx(8 + sum(math.exp(-4 * k) for k in range(1, 93)))
    assert saved["truncated"] > saved["latent"] == saved["shuffled"]
    assert found["all"].share == 88 / 110
    assert found["all"].cot_share == 88 / 100
    assert found["all"].reply_tok == 22
    assert found["pause"].reply_tok == 15


def test_removal_ends_with_the_reasoning() -> None:
    icot = METHODS["icot"]
    assert expected(icot, [10], settings=SETTINGS, moment=Moment(2.0, 1.0)).saved_tok == 10
    assert expected(icot, [8], settings=SETTINGS).saved_tok == 8
    assert expected(icot, [9], settings=SETTINGS).saved_tok == pytest.approx(8 + math.exp(-4))


def test_codes_can_cost_more_than_they_save() -> None:
    settings = MixSettings(law=make_law("all", chunk_tok=2), codes_per_chunk=1)
    assert expected(METHODS["latent"], [2], settings=settings).saved_tok == -1
    assert expected(METHODS["latent"], [0], settings=settings).saved_tok == 0


@pytest.mark.parametrize("empty_markers", [False, True])
@pytest.mark.parametrize("name", list(METHODS))
def test_rows_save_what_is_expected(name: str, empty_markers: bool) -> None:
    rows = [encoded(length, number) for number, length in enumerate([0, 10, 40, 100, 180, 330] * 25)]
    settings = SETTINGS._replace(empty_markers=empty_markers)
    mixer = Mixer(rows, METHODS[name], ids=IDS, settings=settings)
    num_epochs = 20
    moments = [Moment(3 + epoch, 0.6) for epoch in range(num_epochs)] if METHODS[name].is_drawn else [Moment(3, 0.6)]
    if name == "icot":
        moments = [Moment(3 + epoch / num_epochs / 99, 0.6) for epoch in range(1)]  # one draw, of many examples
    got = counted(mixer, moments)
    lengths = [len(row.cot_ids) for row in rows]
    want = expected(METHODS[name], lengths, settings=settings, answer_tok=got.answer_tok, moment=moments[0])
    assert got[:3] == want[:3]
    for a, b in zip(got[3:], want[3:], strict=True):
        assert a == pytest.approx(b, rel=0.04, abs=1e-6)


def test_pauses_are_as_many_as_codes_on_average() -> None:
    assert pauses_for([256, 300], settings=SETTINGS) == 5  # 73.14 / 16 = 4.57
    assert pauses_for([256, 300], settings=MixSettings(codes_per_chunk=2)) == 9
    assert pauses_for([3], settings=SETTINGS) == pauses_for([], settings=SETTINGS) == 1


def test_no_reasoning_has_no_share() -> None:
    saving = expected(METHODS["all"], [], settings=SETTINGS)
    assert (saving.share, saving.cot_share, saving.saved_tok) == (0, 0, 0)


def test_the_table_is_per_example() -> None:
    rows = table(expected_all([100, 100], settings=SETTINGS, answer_tok=20, moment=END))
    row = next(row for row in rows if row["method"] == "all")
    assert (row["saved_tok"], row["codes"], row["markers"], row["reply_tok"]) == (88, 6, 2, 22)
