"""Tournaments: number of matches and rounds, byes, ties, free matches, and how often the best wins."""

import math

import numpy as np
import pytest

from reasonry.core.seeds import stream
from reasonry.errors import DataError
from reasonry.test_time.knockout import Knockout, both_orders, play


def rng(*name: int | str) -> np.random.Generator:
    return stream(0, "knockout", *name)


def finish(cup: Knockout, strength: list[float]) -> Knockout:
    """Judge every match by strength, without error."""
    while pairs := cup.pairs():
        cup.settle([0.5 if strength[i] == strength[j] else float(strength[i] > strength[j]) for i, j in pairs])
    return cup


@pytest.mark.parametrize("num", [1, 2, 3, 4, 5, 7, 8, 13, 16, 33])
def test_the_strongest_wins_after_one_match_less_than_contenders(num: int) -> None:
    strength = rng("strength", num).permutation(num).tolist()
    cup = finish(Knockout(num, rng=rng("order", num)), strength)
    assert cup.winner == strength.index(num - 1)
    assert cup.num_comparisons == num - 1 == sum(cup.wins)
    assert cup.num_rounds == math.ceil(math.log2(num))
    assert cup.num_free == cup.num_ties == 0


def test_byes_are_as_many_as_rounds_with_an_odd_number() -> None:
    for num, byes in {2: 0, 3: 1, 5: 2, 6: 1, 7: 1, 8: 0, 9: 3}.items():
        assert finish(Knockout(num, rng=rng(num)), list(range(num))).num_byes == byes


def test_nobody_has_a_bye_twice_running() -> None:
    for num in range(3, 40):
        cup = Knockout(num, rng=rng("byes", num))
        everybody, rested = set(range(num)), set()
        while pairs := cup.pairs():
            playing = {i for pair in pairs for i in pair}
            assert not (rested & (everybody - playing))
            rested = everybody - playing
            cup.settle([1.0] * len(pairs))
            everybody = {i for i, _ in pairs} | rested


def test_the_first_round_is_a_uniform_pairing() -> None:
    met = np.zeros((4, 4))
    for i in range(3000):
        for a, b in Knockout(4, rng=rng("pairing", i)).pairs():
            met[a, b] += 1 / 3000
    assert met[~np.eye(4, dtype=bool)] == pytest.approx(np.full(12, 1 / 6), abs=4 * math.sqrt(5 / 36 / 3000))


def test_the_best_of_eight_survives_a_fallible_judge_with_the_cube_of_its_reliability() -> None:
    q, tournaments, hits = 0.8, 3000, 0
    judge = rng("judge")
    for i in range(tournaments):
        cup = Knockout(8, rng=rng("fallible", i))
        while pairs := cup.pairs():
            cup.settle([float((a > b) == (judge.random() < q)) for a, b in pairs])
        hits += cup.winner == 7
    assert hits / tournaments == pytest.approx(q**3, abs=4 * math.sqrt(q**3 * (1 - q**3) / tournaments))


def test_a_tie_is_a_fair_coin_and_counted() -> None:
    first = 0
    for i in range(2000):
        cup = Knockout(2, rng=rng("tie", i))
        pair = cup.pairs()[0]
        cup.settle([0.5])
        assert (cup.num_ties, cup.num_unjudged, cup.num_comparisons) == (1, 0, 1)
        first += cup.winner == pair[0]
    assert first / 2000 == pytest.approx(0.5, abs=4 * math.sqrt(0.25 / 2000))


def test_a_judge_that_cannot_tell_is_counted_and_a_coin_decides() -> None:
    cup = Knockout(3, rng=rng())
    while pairs := cup.pairs():
        cup.settle([math.nan] * len(pairs))
    assert (cup.num_ties, cup.num_unjudged) == (2, 2)
    assert cup.winner in (0, 1, 2)
    assert cup.choice().was_tied
    assert cup.choice().warning == "the judge could not tell in 2 of 2 matches"


def test_equal_answers_meet_for_free() -> None:
    cup = Knockout(4, rng=rng(), answers=["x"] * 4)
    assert cup.pairs() == []
    assert cup.winner is not None
    assert (cup.num_comparisons, cup.num_free, cup.num_rounds) == (0, 3, 2)
    assert cup.choice().weights == {"x": 3.0}


@pytest.mark.parametrize("seed", range(30))
def test_free_and_judged_matches_are_together_one_less_than_the_contenders(seed: int) -> None:
    answers = [["a", "b", "c", None][i] for i in rng("mix", seed).integers(0, 4, 11)]
    entered = sum(a is not None for a in answers)
    cup = Knockout(11, rng=rng("cup", seed), answers=answers)
    while pairs := cup.pairs():
        assert all(answers[i] != answers[j] for i, j in pairs)
        cup.settle([float((answers[i] or "") < (answers[j] or "")) for i, j in pairs])
    assert cup.num_comparisons + cup.num_free == entered - 1
    assert cup.choice().answer == min(a for a in answers if a is not None)


def test_a_contender_without_an_answer_does_not_enter() -> None:
    choice = play([None, "x", None], lambda i, j: 1.0, rng=rng())
    assert choice == (1, "x", {"x": 0.0}, 2, 0, False, "")
    assert play([None, None], lambda i, j: 1.0, rng=rng()) == (None, None, {}, 2, 0, False, "")
    assert Knockout(0, rng=rng()).winner is None


def test_both_orders_cancel_the_bias_for_what_is_shown_first() -> None:
    # Truth 0.6 for the first; the judge adds 0.3 to whatever it sees first.
    found = both_orders(0.9, 0.7)
    assert found.win == pytest.approx(0.6)
    assert found.position_bias == pytest.approx(0.6)
    assert both_orders(1.0, 1.0) == (0.5, 1.0)
    assert both_orders(1.0, 0.0) == (1.0, 0.0)
    assert math.isnan(both_orders(math.nan, 0.0).win)


def test_every_match_of_a_game_is_asked_in_both_orders() -> None:
    asked: list[tuple[int, int]] = []

    def prefers(i: int, j: int) -> float:
        asked.append((i, j))
        return 0.9 if i > j else 0.6  # a judge with a bias for the first shown, and some sense

    choice = play([str(i) for i in range(6)], prefers, rng=rng())
    assert choice.index == 5
    assert len(asked) == 10
    assert {(j, i) for i, j in asked} == set(asked)
    assert not choice.was_tied
    assert choice.weights["5"] == max(choice.weights.values())


def test_the_same_generator_plays_the_same_tournament() -> None:
    first, again = (finish(Knockout(9, rng=rng("same")), [0.0] * 9) for _ in range(2))
    assert (first.winner, first.wins) == (again.winner, again.wins)


@pytest.mark.parametrize("results", [[], [1.0], [1.0, 0.0, 0.0], [1.0, 1.5], [1.0, -0.1], [math.inf, 0.0]])
def test_results_that_do_not_fit_the_round_are_refused_and_settle_nothing(results: list[float]) -> None:
    cup = Knockout(4, rng=rng())
    before = cup.pairs()
    with pytest.raises(DataError):
        cup.settle(results)
    assert cup.pairs() == before
    assert (cup.num_comparisons, cup.num_ties) == (0, 0)


def test_a_finished_tournament_takes_no_results_and_an_open_one_has_no_choice() -> None:
    cup = Knockout(2, rng=rng())
    with pytest.raises(DataError, match="1 matches are still open"):
        cup.choice()
    cup.settle([1.0])
    with pytest.raises(DataError, match="0 open matches"):
        cup.settle([])


def test_contenders_that_are_not_the_answers_are_refused() -> None:
    with pytest.raises(DataError, match="num=2 contenders with 3 answers"):
        Knockout(2, rng=rng(), answers=["a", "b", "c"])
    with pytest.raises(DataError, match="num=-1"):
        Knockout(-1, rng=rng())
