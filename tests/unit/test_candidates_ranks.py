"""Ranks of candidates with ties shared, and questions that no scorer could answer."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonry.core.candidates import (
    CandidateQuestion,
    CandidateScores,
    chance_rank,
    check_questions,
    check_scores,
    mid_ranks,
    place,
    summarise,
)
from reasonry.errors import DataError

few_scores = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=8)


def test_the_best_candidate_has_rank_zero_and_its_lead_as_margin() -> None:
    found = place([-4.0, -1.0, -2.5], 1)
    assert (found.rank, found.hit, found.reciprocal, found.margin, found.chance) == (0, 1, 1, 1.5, 1)
    last = place([-4.0, -1.0, -2.5], 0)
    assert (last.rank, last.hit, last.reciprocal, last.margin) == (2, 0, 1 / 3, -3)


@pytest.mark.parametrize("num", [1, 2, 5, 10])
def test_a_model_without_a_preference_has_the_rank_of_chance_whichever_answer_is_right(num: int) -> None:
    for right in range(num):
        found = place([-7.25] * num, right)
        assert found.rank == found.chance == chance_rank(num) == (num - 1) / 2
        assert found.hit == 1 / num
    # Sorting would have given every place from 0 to C - 1 instead.
    assert mid_ranks([-7.25] * num).tolist() == [(num - 1) / 2] * num


def test_ties_share_the_mean_of_their_places() -> None:
    assert mid_ranks([1.0, 3.0, 3.0, 2.0]).tolist() == [3, 0.5, 0.5, 2]
    found = place([1.0, 3.0, 3.0, 2.0], 2)
    assert (found.rank, found.hit, found.reciprocal, found.margin) == (0.5, 0.5, (1 + 1 / 2) / 2, 0)


def test_one_candidate_alone_has_no_margin_and_chance_zero() -> None:
    found = place([-2.0], 0)
    assert (found.rank, found.hit, found.chance) == (0, 1, 0)
    assert math.isnan(found.margin)
    assert math.isnan(summarise([found]).gain)


def test_what_is_impossible_ranks_last_and_ties_with_what_is_impossible_too() -> None:
    assert mid_ranks([-math.inf, -5.0, -math.inf]).tolist() == [1.5, 0, 1.5]
    assert math.isnan(place([-math.inf, -math.inf], 0).margin)
    assert place([-math.inf, -1.0], 0).margin == -math.inf


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        place([0.0, math.nan], 0)
    with pytest.raises(ValueError, match="NaN"):
        mid_ranks([0.0, math.nan])
    with pytest.raises(IndexError):
        place([0.0], 1)


@given(few_scores)
def test_ranks_are_those_of_all_orders_that_break_ties_averaged(scores: list[float]) -> None:
    ranks = mid_ranks(scores)
    assert ranks.sum() == len(scores) * (len(scores) - 1) / 2
    for right in range(len(scores)):
        found = place(scores, right)
        assert found.rank == ranks[right]
        first = sum(s > scores[right] for s in scores)
        places = range(first, first + scores.count(scores[right]))
        assert found.rank == pytest.approx(np.mean(places))
        assert found.hit == pytest.approx(np.mean([at == 0 for at in places]))
        assert found.reciprocal == pytest.approx(np.mean([1 / (at + 1) for at in places]))


@given(few_scores, st.permutations(range(8)))
def test_the_order_of_candidates_does_not_matter(scores: list[float], order: list[int]) -> None:
    order = [i for i in order if i < len(scores)]
    moved = mid_ranks([scores[i] for i in order])
    assert moved.tolist() == [mid_ranks(scores)[i] for i in order]


def test_rows_of_scores_are_ranked_row_by_row() -> None:
    rows = np.array([list(row) for row in itertools.permutations([0.0, 1.0, 2.0])])
    assert mid_ranks(rows).tolist() == (2 - rows).tolist()


def test_a_summary_is_the_mean_over_questions_and_its_gain_one_minus_rank_over_chance() -> None:
    found = summarise([place([3.0, 2.0, 1.0], 0), place([3.0, 2.0, 1.0], 1)])
    assert (found.num, found.mean_rank, found.chance, found.hits_at_1, found.mrr) == (2, 0.5, 1, 0.5, 0.75)
    assert (found.mean_margin, found.gain) == (0, 0.5)
    none = summarise([])
    assert none.num == 0
    assert all(math.isnan(x) for x in none[1:])


# ---------------------------------------------------------------- questions and scores


@pytest.mark.parametrize(
    ("candidates", "problem"),
    [
        ((), "no candidates"),
        ((" Paris", "  "), "is empty"),
        ((" Paris", " Paris"), "comes twice"),
        ((" Paris", "Paris "), "also as ' Paris'"),
    ],
)
def test_questions_that_cannot_be_ranked_are_refused_with_their_place(
    candidates: tuple[str, ...], problem: str
) -> None:
    questions = [CandidateQuestion("A lives in", (" Paris", " paris")), CandidateQuestion("B lives in", candidates)]
    with pytest.raises(DataError, match=problem) as caught:
        check_questions(questions)
    assert caught.value.place == "question 2 ('B lives in')"
    assert caught.value.remedy
    check_questions(questions[:1])


def test_scores_that_are_no_numbers_are_refused() -> None:
    question = CandidateQuestion("A lives in", (" Paris", " Tokyo"))

    def scores(*logp: float) -> list[CandidateScores]:
        return [CandidateScores(logp, logp, None, False, "sequence")]

    check_scores(scores(-1.0, -math.inf), [question], name="m")
    for wrong in (scores(-1.0, math.nan), scores(math.inf, -1.0), scores(-1.0), []):
        with pytest.raises(DataError):
            check_scores(wrong, [question], name="m")
