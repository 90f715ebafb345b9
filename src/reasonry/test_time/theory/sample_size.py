"""How many samples are enough: for a vote, and for best-of-n with a perfect verifier.

Draw n answers independently from p. p1 is the probability of the right answer, p_o of a rival o, p2 of the likeliest
rival, and gap = p1 - p2 > 0. Huang et al. [1] prove that a vote succeeds with probability 1 - delta for
n = O(log(K / delta) / gap^2), K the number of answers, and best-of-n for n = O(log(1 / delta) / gap), constants
unspecified. These are explicit ones; a tie counts as a failure.

    vote, Hoeffding   n = ceil( 2 ln((K - 1) / delta) / gap^2 )
    vote, Chernoff    n = min { n : sum_o (1 - (sqrt(p1) - sqrt(p_o))^2)^n <= delta }
    vote, normal      n ~ z^2 (p1 + p2 - gap^2) / gap^2,   z = Phi^-1(1 - delta): one rival, an approximation
    best-of-n         n = ceil( ln(delta) / ln(1 - p1) )  <= ceil( ln(1 / delta) / gap ),  and no n below it will do
    any rule          n >= ln(1 / (4 delta)) / (gap ln((1 + gap) / (1 - gap)))  on the answers (1 +- gap) / 2

Proofs.
    Hoeffding   N_1 - N_o is a sum of n terms in [-1, 1] with mean >= gap, so P(N_1 <= N_o) <= exp(-n gap^2 / 2);
                union over K - 1 rivals.
    Chernoff    P(N_o >= N_1) <= E s^(N_o - N_1) = (1 - p1 - p_o + p1 / s + s p_o)^n for any s >= 1; the least is at
                s = sqrt(p1 / p_o). Answers never seen are no more frequent than all of them together, so one rival
                with their whole mass stands for them.
    normal      A term of N_1 - N_2 has mean gap and variance p1 + p2 - gap^2; central limit.
    best-of-n   The right answer is missing with probability (1 - p1)^n <= (1 - gap)^n <= exp(-n gap).
    any rule    Swap the two answers. A rule that treats them alike fails equally often on both laws, so by
                Bretagnolle and Huber [2] it fails with probability >= exp(-n KL) / 4, KL = gap ln((1+gap)/(1-gap)).

The normal form has p1 + p2 where the worst case has 1: with many unlikely rivals a vote is much cheaper than 1 / gap^2.

[1] Huang et al., "Sample Complexity and Representation Ability of Test-time Scaling Paradigms", arXiv 2506.05295,
    theorems 3.1 and 3.2.
[2] Bretagnolle, Huber, Z. Wahrscheinlichkeitstheorie verw. Gebiete 47 (1979) 119.
"""

# pyright: strict
from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.errors import ConfigError

FloatArray = NDArray[np.float64]

_ROUNDING = 1e-12  # relative: a quotient that is a whole number in exact arithmetic must not be rounded up


def vote_hoeffding(gap: float, delta: float, *, num_answers: int) -> int:
    """Votes that suffice whatever the answers' probabilities, given the gap and the number of possible answers.

    Args:
        gap: Probability of the right answer minus that of the likeliest other one, in (0, 1].
        delta: Failure probability allowed, in (0, 1).
        num_answers: Possible answers K, the right one included.

    Raises:
        ConfigError: An argument is out of range; with ``gap <= 0`` no number of votes is enough.
    """
    _check_delta(delta)
    _check_gap(gap)
    if num_answers < 1:
        raise ConfigError(f"num_answers={num_answers} is below 1")
    if num_answers == 1:
        return 1
    return _ceil(2 * math.log((num_answers - 1) / delta) / gap**2)


def vote_chernoff(probs: Sequence[float] | FloatArray, delta: float, *, unseen: float = 0.0) -> int:
    """Votes that suffice for a given law of the answers; never more than `vote_hoeffding`.

    Args:
        probs: Shape ``(K,)``; the first entry is the right answer, which must be the strict mode. What is missing to
            1 abstains or is ``unseen``.
        delta: Failure probability allowed, in (0, 1).
        unseen: Upper bound on the total probability of answers that are not listed.

    Raises:
        ConfigError: An argument is out of range, or a rival (or ``unseen``) is at least as likely as ``probs[0]``.
    """
    _check_delta(delta)
    p = np.asarray(probs, dtype=np.float64)
    if p.ndim != 1 or p.size == 0 or not ((p >= 0) & (p <= 1)).all() or p.sum() > 1 + 1e-9:
        raise ConfigError(f"probs={probs!r:.120} is not a list of probabilities of sum at most 1")
    if not 0 <= unseen <= 1:
        raise ConfigError(f"unseen={unseen} is outside [0, 1]")
    rivals = np.append(p[1:], unseen)
    if not p[0] > rivals.max():
        raise ConfigError(
            f"the first answer has probability {p[0]:g} and a rival {rivals.max():g}: no number of votes is enough",
            remedy="Put the strict mode first, or use a verifier.",
        )
    rivals = rivals[rivals > 0]
    # With no rival the vote fails only where no vote at all is cast.
    bases = 1 - (math.sqrt(p[0]) - np.sqrt(rivals)) ** 2 if rivals.size else 1 - p[:1]
    if not bases.any():
        return 1
    logs = np.log(bases)
    low, high = 0, _ceil(math.log(delta / logs.size) / float(logs.max()))
    while high - low > 1:
        middle = (low + high) // 2
        if float(np.exp(middle * logs).sum()) <= delta * (1 + _ROUNDING):
            high = middle
        else:
            low = middle
    return high


def vote_normal(p1: ArrayLike, p2: ArrayLike, delta: ArrayLike) -> FloatArray:
    """Votes needed against one rival, by the central limit theorem. The arguments broadcast.

    Args:
        p1: Probability of the right answer.
        p2: Probability of the likeliest rival.
        delta: Failure probability allowed, in (0, 0.5).

    Returns:
        The broadcast shape (0-d for scalars), not rounded; at least 1, and inf where ``p1 <= p2``.

    Raises:
        ConfigError: An argument is out of range.
    """
    first, second, fail = (np.asarray(x, dtype=np.float64) for x in (p1, p2, delta))
    if not ((fail > 0) & (fail < 0.5)).all():
        raise ConfigError(f"delta={delta!r:.80} is not strictly between 0 and 0.5")
    if not ((first >= 0) & (second >= 0) & (first + second <= 1 + 1e-9)).all():
        raise ConfigError("p1 and p2 are not two probabilities of sum at most 1")
    z: FloatArray = np.vectorize(NormalDist().inv_cdf, otypes=[np.float64])(fail)
    gap = first - second
    safe = np.where(gap > 0, gap, 1.0)
    need = z**2 * np.maximum(first + second - gap**2, 0.0) / safe**2
    return np.asarray(np.where(gap > 0, np.maximum(need, 1.0), np.inf), dtype=np.float64)


def best_of_n_perfect(p1: ArrayLike, delta: ArrayLike) -> FloatArray:
    """Samples that a perfect verifier needs to see the right answer. The arguments broadcast.

    Args:
        p1: Probability of the right answer.
        delta: Failure probability allowed, in (0, 1).

    Returns:
        Whole numbers as floats, inf where ``p1`` is 0; the broadcast shape. Necessary as well as sufficient.

    Raises:
        ConfigError: An argument is out of range.
    """
    p, fail = (np.asarray(x, dtype=np.float64) for x in (p1, delta))
    if not ((fail > 0) & (fail < 1)).all():
        raise ConfigError(f"delta={delta!r:.80} is not strictly between 0 and 1")
    if not ((p >= 0) & (p <= 1)).all():
        raise ConfigError(f"p1={p1!r:.80} is outside [0, 1]")
    inner = np.where((p > 0) & (p < 1), p, 0.5)
    need = np.maximum(np.ceil(np.log(fail) / np.log1p(-inner) * (1 - _ROUNDING)), 1.0)
    return np.asarray(np.where(p == 0, np.inf, np.where(p == 1, 1.0, need)), dtype=np.float64)


def any_rule_needs(gap: float, delta: float) -> int:
    """Samples below which every rule that treats answers alike fails more often than delta on two answers.

    The answers have probabilities ``(1 + gap) / 2`` and ``(1 - gap) / 2``. The rule may be a vote or anything else
    that sees the answers only; a verifier breaks the symmetry and is not bound by it.

    Args:
        gap: In (0, 1).
        delta: Failure probability, in (0, 1); from 1/4 on the bound says nothing and is 1.

    Raises:
        ConfigError: An argument is out of range.
    """
    _check_delta(delta)
    _check_gap(gap)
    if delta >= 0.25 or gap == 1:
        return 1
    return max(1, _ceil(-math.log(4 * delta) / (gap * (math.log1p(gap) - math.log1p(-gap)))))


def _ceil(x: float) -> int:
    return max(1, math.ceil(x * (1 - _ROUNDING)))


def _check_delta(delta: float) -> None:
    if not 0 < delta < 1:
        raise ConfigError(f"delta={delta} is not strictly between 0 and 1")


def _check_gap(gap: float) -> None:
    if not 0 < gap <= 1:
        raise ConfigError(
            f"gap={gap} is not in (0, 1]",
            remedy="With no gap the right answer is not the mode, and no number of votes is enough.",
        )
