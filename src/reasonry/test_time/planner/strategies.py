"""The strategies a pilot can say something about, each with its curves, its ceiling and closed forms of its interval.

A vote is always there, and so is best-of-n with a perfect verifier, as the answer to "what would a verifier buy?".
Scores bring a weighted vote and best-of-n by score, recorded verdicts or given rates bring best-of-n with that
verifier, and self-correction with the same, or with a perfect one where there is no other.

Several labelled prompts are read off their pools up to n0, the smallest pool. Beyond it votes and verifiers of known
rates follow a fitted law of prompts (`reasonry.test_time.planner.mixture`); weighted votes and recorded verdicts follow
their plug-in curves, moved to meet the exact value at n0; best-of-n by score keeps its value at n0, as a pilot does not
show what scores above its highest are worth. One prompt, or prompts without labels, have plug-in curves throughout.

An attempt of self-correction is one sample, as good as any other: what feedback might add is not in a pilot.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reasonry.test_time.planner import success
from reasonry.test_time.planner.intervals import TopTwo, proportion_high, proportion_low, vote_success
from reasonry.test_time.planner.mixture import verifier_mixture, vote_mixtures
from reasonry.test_time.planner.pilot import Pilot
from reasonry.test_time.planner.reading import Ends, Form, Strategy, share
from reasonry.test_time.planner.records import Ceiling
from reasonry.test_time.planner.success import Curves
from reasonry.test_time.theory.selection_ceiling import binary_verifier, binary_verifier_limit

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_ENDLESS = 1e12
_ALL_PROMPTS = "share of prompts with a right sample in the pilot; more samples may find one for others"


def strategies_of(
    pilot: Pilot,
    top: TopTwo,
    n_G: IntArray,
    recall: float | None,
    false_accept: float | None,
    *,
    exact_up_to: int,
    level: float,
    seed: int,
) -> list[Strategy]:
    """All strategies of a pilot, the vote first.

    Args:
        pilot: The prompts.
        top: Their two leading answers.
        n_G: Sample numbers to predict, ascending; ``exact_up_to`` is one of them unless it is 0.
        recall: Of a verifier that could be used, or None.
        false_accept: Likewise.
        exact_up_to: Largest n to read off the finite pools; 0 for plug-in curves throughout.
        level: Coverage of intervals.
        seed: Seed of simulated votes.
    """
    labelled = pilot.goal == "right answer"

    def curves_of(curve: Callable[..., Curves], flat: bool = False, /, **options: float) -> Curves:
        return _joined(lambda n, in_pool: curve(pilot, n, in_pool=in_pool, **options), n_G, exact_up_to, flat=flat)

    found = [_vote(pilot, top, n_G, curves_of(success.vote, True, seed=seed), exact_up_to, level)]
    if pilot.has_scores and pilot.has_answers:
        curves = curves_of(success.weighted_vote, seed=seed)
        found.append(Strategy("weighted vote", "vote with weights exp(score)", "", curves, None))
    if pilot.has_scores and labelled:
        curves = curves_of(success.best_scored, True)
        found.append(Strategy("best-of-n (scores)", "the sample with the highest recorded score", "", curves, None))

    verifiers: list[Strategy] = []
    if pilot.has_flags and labelled:
        ceiling = _flagged_ceiling(pilot, level)
        verifiers.append(Strategy("recorded verifier", "", "", curves_of(success.accept_flagged), ceiling))
    if recall is not None and false_accept is not None:
        rates = {"recall": recall, "false_accept": false_accept}
        curves = curves_of(success.accept_at_rates, **rates)
        verifiers.append(_verifier("given verifier", "", pilot, top, curves, rates, exact_up_to, level))
    rates = {"recall": 1.0, "false_accept": 0.0}
    needs = "a verifier that never errs"
    curves = curves_of(success.accept_right)
    verifiers.append(_verifier("perfect verifier", needs, pilot, top, curves, rates, exact_up_to, level))
    for v in verifiers:
        drawn = np.broadcast_to(n_G.astype(np.float64), v.curves.success_PG.shape)
        about = "one of the accepted samples, of all when none is"
        found.append(replace(v, name=f"best-of-n ({v.name})", about=about, curves=v.curves._replace(draws_PG=drawn)))
    for v in verifiers[:-1] or verifiers:
        about = "one attempt after the other until the verifier accepts, n at most"
        found.append(replace(v, name=f"self-correction ({v.name})", about=about))
    return found


def leader_right(pilot: Pilot) -> FloatArray:
    """Share of right ones among the answers with the most votes; 0 where there is no answer."""
    leads = (pilot.votes_PK == pilot.votes_PK[:, :1]) & (pilot.votes_PK > 0)
    return (leads & pilot.right_PK).sum(axis=1) / np.maximum(leads.sum(axis=1), 1)


def _joined(curve: Callable[[IntArray, bool], Curves], n_G: IntArray, exact_up_to: int, *, flat: bool) -> Curves:
    """Exact in the pool; beyond, the plug-in curve moved to start where the exact one ends, or ``flat``."""
    if not exact_up_to:
        return curve(n_G, False)
    num_exact = int((n_G <= exact_up_to).sum())
    exact = curve(n_G[:num_exact], True)
    if num_exact == n_G.size:
        return exact
    if flat:
        shape = (exact.success_PG.shape[0], n_G.size)
        ends = np.minimum(np.arange(n_G.size), num_exact - 1)
        return Curves(exact.success_PG[:, ends], np.broadcast_to(n_G.astype(np.float64), shape))
    plug = curve(n_G[num_exact - 1 :], False)
    rise_PG = plug.success_PG[:, 1:] - plug.success_PG[:, :1]
    return Curves(
        np.concatenate([exact.success_PG, exact.success_PG[:, -1:] + rise_PG], axis=1),
        np.concatenate([exact.draws_PG, plug.draws_PG[:, 1:]], axis=1),
    )


def _vote(pilot: Pilot, top: TopTwo, n_G: IntArray, curves: Curves, exact_up_to: int, level: float) -> Strategy:
    right = leader_right(pilot)
    decided, answered = top.gap_low > 0, pilot.votes_PK[:, 0] > 0

    # Where the pilot cannot tell the leader, another answer may be it: at the lower end the leader loses if it is the
    # right one, at the upper end a right answer wins.
    def low(n: FloatArray) -> FloatArray:
        won = vote_success(top.relvar_high[:, None], n)
        return np.where((decided & (right > 0))[:, None], won, 0.0).mean(axis=0)

    def high(n: FloatArray) -> FloatArray:
        won = vote_success(top.relvar_low[:, None], n)
        won = np.where(n <= 2, np.minimum(won, top.p1_high[:, None]), won)  # two votes elect as often as one
        return np.where((answered & ((right > 0) | ~decided))[:, None], won, 0.0).mean(axis=0)

    what = "share of prompts whose most frequent answer is right"
    ceiling = share(right, level, what) if pilot.goal == "right answer" else None
    beyond = vote_mixtures(pilot) if exact_up_to else ()
    ends = Ends(low, high)
    return Strategy(
        "vote", "the most frequent answer", "", curves, ceiling, ends, beyond=beyond, has_limit=True, is_vote=True
    )


def _verifier(
    name: str,
    needs: str,
    pilot: Pilot,
    top: TopTwo,
    curves: Curves,
    rates: dict[str, float],
    exact_up_to: int,
    level: float,
) -> Strategy:
    """Best-of-n with a verifier of known rates."""
    p = pilot.num_right_P / pilot.num_samples_P
    beyond = ()
    has_limit = rates["false_accept"] > 0 or rates["recall"] == 0
    if exact_up_to:
        beyond = (verifier_mixture(pilot, lambda x_J, n: binary_verifier(x_J, min(n, _ENDLESS), **rates)),)
    ceiling = None
    if pilot.goal == "right answer":
        if not has_limit:
            ceiling = share((pilot.num_right_P > 0).astype(np.float64), level, _ALL_PROMPTS)
        else:
            what = "mean of p r / (p r + (1 - p) f), with r the recall and f the false accept rate"
            ceiling = share(binary_verifier_limit(p, **rates), level, what)
    ends = centre = None
    if rates["recall"] >= rates["false_accept"]:  # success rises with p and with n: ends of p are ends of success
        low_P, high_P = _right_ends(pilot, top, level)
        ends = Ends(_mean_of(low_P, rates), _mean_of(high_P, rates))
        centre = _mean_of(p, rates)
    return Strategy(name, "", needs, curves, ceiling, ends, centre, beyond, has_limit=has_limit)


def _flagged_ceiling(pilot: Pilot, level: float) -> Ceiling:
    flagged = pilot.accepted_PM == 1
    accepted, right = flagged.sum(axis=1), (flagged & pilot.correct_PM).sum(axis=1)
    limit = np.where(accepted > 0, right / np.maximum(accepted, 1), pilot.num_right_P / pilot.num_samples_P)
    return share(limit, level, "mean share of right ones among the accepted samples")


def _right_ends(pilot: Pilot, top: TopTwo, level: float) -> tuple[FloatArray, FloatArray]:
    """Interval of each prompt's probability of a right sample."""
    if pilot.goal == "mode":
        return top.p1_low, np.where(pilot.votes_PK[:, 0] > 0, top.p1_high, 0.0)
    tail = (1 - level) / 2
    return (
        proportion_low(pilot.num_right_P, pilot.num_samples_P, tail=tail),
        proportion_high(pilot.num_right_P, pilot.num_samples_P, tail=tail),
    )


def _mean_of(p_P: FloatArray, rates: dict[str, float]) -> Form:
    return lambda n: binary_verifier(p_P[:, None], n, **rates).mean(axis=0)
