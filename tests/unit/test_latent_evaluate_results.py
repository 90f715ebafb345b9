"""Figures of an evaluation: exact values, pairs, intervals that bracket, verdicts of the controls."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonry.core.stats import mcnemar_exact, wilson
from reasonry.errors import DataError
from reasonry.training.latent_tokens.evaluate.figures import mean_of, ratio_of
from reasonry.training.latent_tokens.evaluate.results import MethodResult, method_results
from reasonry.training.latent_tokens.evaluate.usage import perplexity, usage_of
from reasonry.training.latent_tokens.evaluate.verdicts import bargain, missing, verdicts


def row(number: int, grade: str = "right", *, index: int = 0, tokens: int = 10, **more: Any) -> dict[str, Any]:
    counts = {"num_text": tokens, "num_codes": 0, "num_markers": 0, "equivalent_tok": float(tokens), **more}
    body = {"id": f"q{number}", "index": index, "grade": grade, "is_cut_off": False, "is_optimal": None, "seconds": 0.5}
    return {**body, "num_tok": tokens, **counts}


def rows(grades: str, *, tokens: int = 10, **more: Any) -> list[dict[str, Any]]:
    """r right, w wrong, u ungradable: one reply to each question."""
    names = {"r": "right", "w": "wrong", "u": "ungradable"}
    return [row(number, names[grade], tokens=tokens, **more) for number, grade in enumerate(grades)]


def of(answers: dict[str, list[dict[str, Any]]]) -> dict[str, MethodResult]:
    return {method.name: method for method in method_results(answers)}


def test_shares_tokens_and_pairs_are_exact() -> None:
    found = of({"latent": rows("rrwu", tokens=4, num_codes=2, num_markers=2), "cot": rows("rwww", tokens=16)})
    latent, cot = found["latent"], found["cot"]
    assert (latent.solved.num, latent.solved.of) == (2, 4)
    assert (latent.num_right, latent.num_wrong, latent.num_ungradable) == (2, 1, 1)
    interval = wilson(2, 4)
    assert (latent.solved.low, latent.solved.high) == (interval.low, interval.high)
    assert latent.ratio is not None and tuple(latent.ratio) == (0.25, 0.25, 0.25)
    assert cot.ratio is None  # it is its own
    assert (latent.codes, latent.markers, latent.seconds) == (2, 2, 0.5)
    assert latent.pair is None and cot.pair is not None
    test = mcnemar_exact([1, 0, 0, 0], [1, 1, 0, 0])
    assert (cot.pair.difference, cot.pair.p_value) == (-0.25, test.p_value)
    assert (cot.pair.only_method, cot.pair.only_reference) == (0, 1)
    assert json.loads(json.dumps(latent.to_json()))["solved"]["num"] == 2


def test_of_several_samples_one_that_is_right_solves_a_question() -> None:
    grades = [["right", "wrong"], ["wrong", "wrong"], ["right", "right"]]
    replies = [
        row(q, grade, index=s, tokens=2 * s + 1) for q, each in enumerate(grades) for s, grade in enumerate(each)
    ]
    found = of({"latent": replies})["latent"]
    assert (found.solved.num, found.solved.of, found.num_samples) == (2, 3, 2)
    assert found.right.value == 0.5
    assert found.tokens.value == 2
    assert found.num_replies == 6


def test_optimal_is_counted_where_there_is_such_a_thing() -> None:
    plans = [row(0, is_optimal=True), row(1, is_optimal=False), row(2, "wrong", is_optimal=False)]
    optimal = of({"latent": plans})["latent"].optimal
    assert optimal is not None and (optimal.num, optimal.of) == (1, 3)
    assert of({"latent": rows("rr")})["latent"].optimal is None


def test_without_codes_the_first_method_is_the_reference_and_holm_counts_comparisons() -> None:
    found = of({"cot": rows("rrrrrrww"), "sol-only": rows("wwwwwwww"), "pause": rows("rrrrrrww")})
    assert found["cot"].pair is None
    sol, pause = found["sol-only"].pair, found["pause"].pair
    assert sol is not None and pause is not None
    assert sol.p_value == 2 / 2**6
    assert sol.p_holm == 2 * sol.p_value
    assert pause.p_holm == 1


def test_methods_that_answered_different_questions_are_not_compared() -> None:
    with pytest.raises(DataError, match="answered different questions"):
        method_results({"latent": rows("rr"), "cot": rows("rrr")})
    with pytest.raises(DataError, match="without replies"):
        method_results({"latent": []})


def test_a_single_question_has_no_bootstrap_interval() -> None:
    found = of({"latent": rows("r"), "cot": rows("r", tokens=20)})["latent"]
    assert tuple(found.tokens) == (10, None, None)
    assert found.ratio is not None and tuple(found.ratio) == (0.5, None, None)


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), min_size=2, max_size=30))
def test_intervals_bracket_the_value_and_are_reached(pairs: list[tuple[int, int]]) -> None:
    above, below = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    mean, ratio = mean_of(above), ratio_of(above, below)
    assert mean.value == pytest.approx(above.mean())
    assert ratio.value == pytest.approx(above.sum() / below.sum())
    assert mean.low is not None and mean.high is not None and ratio.low is not None and ratio.high is not None
    assert above.min() - 1e-9 <= mean.low <= mean.high <= above.max() + 1e-9
    each = above / below
    assert each.min() - 1e-9 <= ratio.low <= ratio.high <= each.max() + 1e-9


def test_groups_are_kinds_of_questions() -> None:
    groups = {"q0": "up to 9 tokens", "q1": "up to 9 tokens", "q2": "up to 12 tokens"}
    (found,) = method_results({"latent": rows("rwr")}, groups)
    assert {name: (share.num, share.of) for name, share in found.by_group.items()} == {
        "up to 9 tokens": (1, 2),
        "up to 12 tokens": (1, 1),
    }
    (one,) = method_results({"latent": rows("rw")}, dict.fromkeys(("q0", "q1"), "up to 9 tokens"))
    assert one.by_group == {}


# ---------------------------------------------------------------- codes


def test_usage_by_place_is_exact() -> None:
    replies = [{"parts": [{"codes": codes}, {"text": "x"}]} for codes in ([1, 2], [1, 3], [1], [])]
    found = usage_of(replies, num_codes=8)
    assert (found.num_uses, found.num_different) == (5, 3)
    assert found.lengths == {0: 1, 1: 1, 2: 2}
    assert found.uses == {1: 3, 2: 1, 3: 1}
    assert [(place.num, place.num_different) for place in found.places] == [(3, 1), (2, 2)]
    assert [place.perplexity for place in found.places] == [pytest.approx(1), pytest.approx(2)]
    assert found.places[0].counts == {1: 3}
    assert usage_of([], num_codes=8).perplexity == 0


@given(st.dictionaries(st.integers(0, 20), st.integers(1, 9), min_size=1))
def test_perplexity_lies_between_one_and_the_number_of_codes(counts: dict[int, int]) -> None:
    assert 1 - 1e-12 <= perplexity(counts) <= len(counts) + 1e-9
    assert perplexity(dict.fromkeys(counts, 3)) == pytest.approx(len(counts))
    assert math.isfinite(perplexity(counts))


# ---------------------------------------------------------------- what the controls tell


@pytest.mark.parametrize(
    ("latent", "control", "is_for"),
    [("r" * 12, "w" * 12, True), ("w" * 12, "r" * 12, False), ("r" * 12, "r" * 12, None)],
)
def test_controls_speak_for_codes_against_them_or_not_at_all(latent: str, control: str, is_for: bool | None) -> None:
    found = method_results({"latent": rows(latent), "truncated": rows(control), "shuffled": rows(control)})
    told = verdicts(found)
    assert [(verdict.control, verdict.is_for) for verdict in told] == [("truncated", is_for), ("shuffled", is_for)]
    assert ("nothing here shows" in told[0].text) == (is_for is None)
    assert missing(found) == ""


def test_without_controls_it_is_said_that_nothing_tells() -> None:
    assert "`truncated`" in missing(method_results({"latent": rows("rw"), "cot": rows("rw")}))
    assert missing(method_results({"cot": rows("rw")})) == ""
    assert verdicts(method_results({"cot": rows("rw"), "truncated": rows("rw")})) == []


def test_the_bargain_says_what_is_saved_and_what_is_lost() -> None:
    cheap = method_results({"latent": rows("r" * 12, tokens=5), "cot": rows("w" * 12, tokens=20)})
    assert "Codes take 25% (25% to 25%) of the tokens of CoT, 5.0 against 20.0" in bargain(cheap)
    assert "more, significantly" in bargain(cheap)
    worse = method_results({"latent": rows("w" * 12), "cot": rows("r" * 12)})
    assert "fewer, significantly" in bargain(worse)
    same = method_results({"latent": rows("rw"), "cot": rows("wr")})
    assert "no significant difference" in bargain(same)
    assert bargain(method_results({"latent": rows("r")})) == ""
