"""Choosing one answer from a pool of scored samples: votes, weighted votes and best-of-n.

With answers a_1..a_N (None: no readable answer) and scores s_1..s_N (NaN: could not be scored):

    majority       argmax_o #{ i : a_i = o }
    weighted vote  argmax_o sum_{i : a_i = o} w(s_i)
    best of n      a_j with j = argmax_i s_i
    best, vote     majority among the m highest-scored samples
    soft best      a_j with P(j) proportional to exp(s_j / T)

Weights are made from scores by a named transform:

    raw      w = s
    exp      w = exp(beta (s - max s))          the shift is a factor common to all, and avoids overflow
    sigmoid  w = 1 / (1 + exp(-beta s))
    rank     w = (mean rank among the scored, lowest 1) / (number scored)

Reward models often score below zero. A sum of negative weights falls with every further vote, so ``raw`` then elects
what is rare: with scores -1, -1, -1 for a and -2 for b it elects b. The other three are positive.

What holds for all rules:

* A sample without an answer never wins and never votes; it is counted as ``num_abstain``.
* A sample without a score (NaN) is never selected and casts no weighted vote while another sample that holds an answer
  is scored. Where none is, a weighted vote is a majority vote and best-of-n is a uniform choice. Unscored samples are
  counted as ``num_unscored``.
* Minus infinity is a score below every number, plus infinity one above. As a weight of ``exp`` the former is 0, and
  next to the latter every number is 0; ``raw`` refuses both.
* Ties are broken uniformly by the generator that is passed in and reported as ``was_tied``. Sums of weights that
  differ by less than `TIE` times the sum of all absolute weights are equal: so much is rounding.

Source: the rules are those compared by Huang et al. 2025, arXiv 2506.05295, and Wang et al. 2022, arXiv 2203.11171
(self-consistency); step scores of process reward models after Lightman et al. 2023, arXiv 2305.20050.
"""

# pyright: strict
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple, cast, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.errors import ConfigError, DataError, nearest

FloatArray = NDArray[np.float64]
Transform = Literal["raw", "exp", "sigmoid", "rank"]
StepAggregation = Literal["min", "prod", "last", "mean"]

TRANSFORMS: tuple[Transform, ...] = get_args(Transform)
STEP_AGGREGATIONS: tuple[StepAggregation, ...] = get_args(StepAggregation)

TIE = 1e-12
"""Sums closer than this, relative to the sum of all absolute weights, are tied."""


class Choice(NamedTuple):
    """What was chosen from a pool.

    Attributes:
        index: The chosen sample; of a vote the first of the winner's samples with the highest score (or simply the
            first, without scores). None when no sample holds an answer.
        answer: Its answer.
        weights: For each answer what the rule compared, largest first: votes, sums of weights, the highest score, or
            the probability of being drawn. Answers without a scored sample are left out where scores decide.
        num_abstain: Samples without an answer.
        num_unscored: Samples whose score is NaN; 0 for rules without scores.
        was_tied: The generator decided between different answers that shared the first place (or, in
            `best_then_vote`, a place among the best).
        warning: A line for the user about how the choice was made; usually empty.
    """

    index: int | None  # pyright: ignore[reportIncompatibleMethodOverride]
    answer: str | None
    weights: dict[str, float]
    num_abstain: int
    num_unscored: int
    was_tied: bool
    warning: str = ""


class Weights(NamedTuple):
    """Result of `score_weights`: shape ``(N,)``, NaN where the score is, and a warning for the user or ``""``."""

    weight_N: FloatArray
    warning: str


def majority(answers: Sequence[str | None], *, rng: np.random.Generator) -> Choice:
    """The most frequent answer.

    Args:
        answers: Canonical answers of the pool, None for a sample without one.
        rng: Breaks ties.
    """
    return _elect(answers, np.ones(len(answers)), None, rng=rng)


def weighted_vote(
    answers: Sequence[str | None],
    scores: ArrayLike,
    *,
    transform: Transform = "exp",
    beta: float = 1.0,
    rng: np.random.Generator,
) -> Choice:
    """The answer with the largest sum of weights.

    Args:
        answers: Canonical answers of the pool, None for a sample without one.
        scores: Shape ``(N,)``, NaN for a sample without one.
        transform: How scores become weights.
        beta: Factor of the scores in ``exp`` and ``sigmoid``; from 0 (a majority vote) to infinity (best-of-n).
        rng: Breaks ties.

    Raises:
        ConfigError: Unknown ``transform``, or ``beta`` is negative or not finite.
        DataError: Answers and scores are not one pool, or ``raw`` meets an infinite score.
    """
    score = _scores(answers, scores)
    weight, warning = score_weights(_answered(answers, score), transform=transform, beta=beta)
    return _elect(answers, weight, score, rng=rng)._replace(warning=warning)


def best_of_n(answers: Sequence[str | None], scores: ArrayLike, *, rng: np.random.Generator) -> Choice:
    """The highest-scored sample that holds an answer; samples that share the highest score are chosen uniformly.

    Args:
        answers: Canonical answers of the pool, None for a sample without one.
        scores: Shape ``(N,)``, NaN for a sample without one.
        rng: Breaks ties between samples, so that an answer wins in proportion to its samples at the top.

    Raises:
        DataError: Answers and scores are not one pool.
    """
    score = _scores(answers, scores)
    order = selection_scores(answers, score)
    able = [i for i, answer in enumerate(answers) if answer is not None]
    if not able:
        return _nobody(answers, score)
    top = max(float(order[i]) for i in able)
    leaders = [i for i in able if order[i] == top]
    index = _draw(leaders, rng)
    return Choice(
        index=index,
        answer=answers[index],
        weights=_best_scores(answers, score, able),
        num_abstain=len(answers) - len(able),
        num_unscored=_num_unscored(score),
        was_tied=len({answers[i] for i in leaders}) > 1,
    )


def best_then_vote(answers: Sequence[str | None], scores: ArrayLike, *, top: int, rng: np.random.Generator) -> Choice:
    """A majority vote among the ``top`` highest-scored samples that hold an answer.

    Where more samples share the last place than fit, those that come in are drawn uniformly. With ``top=1`` it is
    best-of-n, with ``top >= N`` a majority vote of the samples with a score.

    Args:
        answers: Canonical answers of the pool, None for a sample without one.
        scores: Shape ``(N,)``, NaN for a sample without one.
        top: How many samples vote, at least 1.
        rng: Breaks ties.

    Raises:
        ConfigError: ``top`` is below 1.
        DataError: Answers and scores are not one pool.
    """
    if top < 1:
        raise ConfigError(f"top={top} samples cannot vote", place="top", remedy="Use 1 or more.")
    score = _scores(answers, scores)
    able = _candidates(answers, score)
    if not able:
        return _nobody(answers, score)
    key = selection_scores(answers, score)
    cut = sorted((float(key[i]) for i in able), reverse=True)[min(top, len(able)) - 1]
    kept = [i for i in able if key[i] > cut]
    at_cut = [i for i in able if key[i] == cut]
    room = min(top, len(able)) - len(kept)
    drew = len(at_cut) > room
    chosen = [at_cut[int(j)] for j in rng.permutation(len(at_cut))[:room]] if drew else at_cut
    voters = np.full(len(answers), np.nan)
    voters[[*kept, *chosen]] = 1.0
    elected = _elect(answers, voters, score, rng=rng)
    chance = elected.was_tied or (drew and len({answers[i] for i in at_cut}) > 1)
    return elected._replace(num_unscored=_num_unscored(score), was_tied=chance)


def soft_best_of_n(
    answers: Sequence[str | None], scores: ArrayLike, *, temperature: float, rng: np.random.Generator
) -> Choice:
    """A sample drawn with probability proportional to ``exp(score / temperature)``.

    Chance is the rule here, so ``was_tied`` is always False.

    Args:
        answers: Canonical answers of the pool, None for a sample without one.
        scores: Shape ``(N,)``, NaN for a sample without one.
        temperature: In units of the score, above 0; towards 0 it is best-of-n, towards infinity a uniform draw.
        rng: Draws the sample.

    Raises:
        ConfigError: ``temperature`` is not a positive finite number.
        DataError: Answers and scores are not one pool.
    """
    if not 0 < temperature < math.inf:
        raise ConfigError(
            f"temperature={temperature} is not a positive number",
            place="temperature",
            remedy="best_of_n is the limit at 0.",
        )
    score = _scores(answers, scores)
    able = _candidates(answers, score)
    if not able:
        return _nobody(answers, score)
    chosen = score[able]
    weight = np.ones(len(able))
    if not np.isnan(chosen).all():
        with np.errstate(over="ignore"):  # so far below the top that the weight is 0
            weight = np.exp(_below_top(chosen) / temperature)
    share = weight / weight.sum()
    index = able[int(rng.choice(len(able), p=share))]
    mass: dict[str, list[float]] = {}
    for i, p in zip(able, share.tolist(), strict=True):
        mass.setdefault(cast(str, answers[i]), []).append(p)
    return Choice(
        index=index,
        answer=answers[index],
        weights=_descending({answer: math.fsum(parts) for answer, parts in mass.items()}),
        num_abstain=sum(a is None for a in answers),
        num_unscored=_num_unscored(score),
        was_tied=False,
    )


def score_weights(scores: ArrayLike, *, transform: Transform = "exp", beta: float = 1.0) -> Weights:
    """Weights of votes from scores.

    An ``exp`` weight below 1e-323 of the pool's largest is 0.

    Args:
        scores: Shape ``(N,)``, NaN for a sample without one.
        transform: ``raw``, ``exp``, ``sigmoid`` or ``rank``.
        beta: Factor of the scores in ``exp`` and ``sigmoid``.

    Raises:
        ConfigError: Unknown ``transform``, or ``beta`` is negative or not finite.
        DataError: Not a vector, or ``raw`` meets an infinite score.
    """
    if transform not in TRANSFORMS:
        hint = nearest(str(transform), TRANSFORMS) or f"Use one of {', '.join(TRANSFORMS)}."
        raise ConfigError(f"unknown transform {transform!r}", place="transform", remedy=hint)
    if not 0 <= beta < math.inf:
        raise ConfigError(f"beta={beta} is not a non-negative number", place="beta", remedy="1 is usual.")
    score = np.asarray(scores, dtype=np.float64)
    if score.ndim != 1:
        raise DataError(f"scores of shape {score.shape} are not one pool", remedy="Give one number per sample.")
    weight = np.full(score.shape, np.nan)
    known = ~np.isnan(score)
    given = score[known]
    if not given.size:
        return Weights(weight, "")
    if transform == "raw":
        if np.isinf(given).any():
            raise DataError(
                f"{int(np.isinf(given).sum())} infinite scores cannot be added up",
                remedy="Use the transform exp, sigmoid or rank, for which infinities are defined.",
            )
        weight[known] = given
    elif transform == "exp":
        weight[known] = np.exp(beta * _below_top(given)) if beta else 1.0
    elif transform == "sigmoid":
        scaled = given * beta if beta else np.zeros_like(given)
        small = np.exp(-np.abs(scaled))
        weight[known] = np.where(scaled >= 0, 1.0, small) / (1.0 + small)
    else:
        weight[known] = _mean_ranks(given) / given.size
    num_negative = int((given < 0).sum())
    if transform == "raw" and num_negative:
        return Weights(
            weight,
            f"{num_negative} of {given.size} scores are negative, and raw weights add them up: "
            "an answer then loses by every vote for it. Use the transform exp, sigmoid or rank.",
        )
    return Weights(weight, "")


def selection_scores(answers: Sequence[str | None], scores: ArrayLike) -> FloatArray:
    """Finite scores that put a pool in the order in which best-of-n prefers it.

    Scored samples with an answer keep their order and their ties and lie above 0; unscored ones with an answer are 0;
    samples without an answer are -1. ``reasonry.core.groups.best_of_k`` of these is exactly the success of
    `best_of_n` among k drawn samples, where the scores themselves would let it select a sample without an answer.

    Returns:
        Shape ``(N,)``.

    Raises:
        DataError: Answers and scores are not one pool.
    """
    score = _scores(answers, scores)
    key = np.zeros(score.shape)
    known = ~np.isnan(score)
    key[known] = 1.0 + np.unique(score[known], return_inverse=True)[1]
    key[[answer is None for answer in answers]] = -1.0
    return key


def aggregate_steps(step_scores: Sequence[Sequence[float]], how: StepAggregation = "last") -> FloatArray:
    """One score per sample from the scores of its steps, as a process reward model gives them.

    Args:
        step_scores: For each sample the scores of its steps, in order; lengths may differ.
        how: ``min``, ``prod``, ``last`` or ``mean`` over the steps.

    Returns:
        Shape ``(N,)``; NaN for a sample without steps, or with a NaN among the steps that ``how`` looks at.

    Raises:
        ConfigError: Unknown ``how``.
        DataError: ``prod`` meets a step score outside [0, 1]: a product of numbers that are no probabilities does not
            rank samples.
    """
    if how not in STEP_AGGREGATIONS:
        hint = nearest(str(how), STEP_AGGREGATIONS) or f"Use one of {', '.join(STEP_AGGREGATIONS)}."
        raise ConfigError(f"unknown aggregation {how!r} of step scores", remedy=hint)
    found = np.full(len(step_scores), np.nan)
    for i, given in enumerate(step_scores):
        steps = np.asarray(given, dtype=np.float64)
        if steps.ndim != 1:
            raise DataError(f"step scores of sample {i} have shape {steps.shape}", remedy="Give one number per step.")
        if how == "prod" and ((steps < 0) | (steps > 1)).any():
            raise DataError(
                f"step scores of sample {i} leave [0, 1], so that their product says nothing",
                remedy="Use min, mean or last, or make probabilities of them first.",
            )
        if steps.size:
            found[i] = {"min": steps.min, "prod": steps.prod, "mean": steps.mean, "last": lambda s=steps: s[-1]}[how]()
    return found


# ---------------------------------------------------------------- parts


def _elect(
    answers: Sequence[str | None],
    weight_N: FloatArray,
    score_N: FloatArray | None,
    *,
    rng: np.random.Generator,
) -> Choice:
    """The answer with the largest sum of the weights that are not NaN; equal votes where all are."""
    voters = _candidates(answers, weight_N)
    if not voters:
        return _nobody(answers, score_N)
    equal = bool(np.isnan(weight_N[voters]).all())
    parts: dict[str, list[float]] = {}
    for i in voters:
        parts.setdefault(cast(str, answers[i]), []).append(1.0 if equal else float(weight_N[i]))
    sums = {answer: math.fsum(each) for answer, each in parts.items()}
    slack = TIE * math.fsum(abs(w) for each in parts.values() for w in each)
    most = max(sums.values())
    leaders = sorted(answer for answer, total in sums.items() if total >= most - slack)
    winner = leaders[0] if len(leaders) == 1 else leaders[int(rng.integers(len(leaders)))]
    mine = [i for i in voters if answers[i] == winner]
    if score_N is not None and not np.isnan(score_N[mine]).all():
        index = max(mine, key=lambda i: -math.inf if math.isnan(score_N[i]) else float(score_N[i]))
    else:
        index = mine[0]
    return Choice(
        index=index,
        answer=winner,
        weights=_descending(sums),
        num_abstain=sum(a is None for a in answers),
        num_unscored=0 if score_N is None else _num_unscored(score_N),
        was_tied=len(leaders) > 1,
    )


def _candidates(answers: Sequence[str | None], score_N: FloatArray) -> list[int]:
    """Samples that may be chosen: those with answer and score; without any such one, those with an answer."""
    able = [i for i, answer in enumerate(answers) if answer is not None]
    scored = [i for i in able if not math.isnan(score_N[i])]
    return scored or able


def _nobody(answers: Sequence[str | None], score_N: FloatArray | None) -> Choice:
    return Choice(None, None, {}, len(answers), 0 if score_N is None else _num_unscored(score_N), False)


def _answered(answers: Sequence[str | None], score_N: FloatArray) -> FloatArray:
    """The scores without those of samples that hold no answer: they must not set the scale of the others."""
    return np.where([answer is None for answer in answers], np.nan, score_N)


def _scores(answers: Sequence[str | None], scores: ArrayLike) -> FloatArray:
    score = np.asarray(scores, dtype=np.float64)
    if score.shape != (len(answers),):
        raise DataError(
            f"{len(answers)} answers and scores of shape {score.shape} are not one pool",
            remedy="Give one score per answer, NaN where there is none.",
        )
    return score


def _below_top(score: FloatArray) -> FloatArray:
    """Gap s - max s, without NaN: 0 for all that share an infinite top, minus infinity for what is below it."""
    top = score.max()
    if math.isinf(top):
        return np.where(score == top, 0.0, -np.inf)
    with np.errstate(over="ignore"):  # a gap beyond the largest float is as good as infinite
        return score - top


def _mean_ranks(score: FloatArray) -> FloatArray:
    """Rank of each score from 1, equal scores sharing the mean of their ranks."""
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - (count - 1) / 2)[place]


def _best_scores(answers: Sequence[str | None], score_N: FloatArray, able: Sequence[int]) -> dict[str, float]:
    best: dict[str, float] = {}
    for i in able:
        if not math.isnan(score_N[i]):
            answer = cast(str, answers[i])
            best[answer] = max(best.get(answer, -math.inf), float(score_N[i]))
    return _descending(best)


def _descending(weights: dict[str, float]) -> dict[str, float]:
    return dict(sorted(weights.items(), key=lambda item: -item[1]))


def _num_unscored(score_N: FloatArray) -> int:
    return int(np.isnan(score_N).sum())


def _draw(leaders: Sequence[int], rng: np.random.Generator) -> int:
    return leaders[0] if len(leaders) == 1 else leaders[int(rng.integers(len(leaders)))]
