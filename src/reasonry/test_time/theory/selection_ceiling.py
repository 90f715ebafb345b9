"""Best-of-n with a verifier that errs: what it reaches, and what no n takes it past.

A sample is right with probability p. The verifier accepts a right one with probability r (recall) and a wrong one with
probability f (false accept), independently. Choose uniformly among the accepted samples, among all when none is.

    a    = p r + (1 - p) f                                    a sample is accepted
    P_n  = p r (1 - (1-a)^n) / a + p (1 - r) (1-a)^(n-1)      the chosen sample is right
    P_oo = p r / a                                            the ceiling, p if nothing is ever accepted

An accepted sample is right with probability p r / a, a rejected one with p (1 - r) / (1 - a): whichever of them is
chosen, the choice adds nothing, hence P_n. P_1 = p; P_n rises with n exactly when r > f. A vote among the accepted
samples has no such ceiling: `accepted_law` is its law, for `reasonry.test_time.theory.plurality`.

Derived here; the perfect verifier r = 1, f = 0 of Huang et al. (arXiv 2506.05295, theorem 3.2) has P_n = 1 - (1-p)^n.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.errors import ConfigError

FloatArray = NDArray[np.float64]

_ROUNDING = 1e-12


def binary_verifier(p: ArrayLike, n: ArrayLike, *, recall: ArrayLike, false_accept: ArrayLike) -> FloatArray:
    """Probability that the chosen one of n samples is right. All arguments broadcast.

    Args:
        p: Probability that a sample is right.
        n: Samples, at least 1; need not be whole.
        recall: P(accept | right).
        false_accept: P(accept | wrong).

    Returns:
        The broadcast shape, 0-d for scalars.

    Raises:
        ConfigError: A probability is outside [0, 1] or ``n`` is below 1.
    """
    right, accept_right, accept_wrong = _probabilities(p, recall, false_accept)
    num = np.asarray(n, dtype=np.float64)
    if not (num >= 1).all():
        raise ConfigError(f"n={n!r:.80} is below 1")
    accepted = right * accept_right + (1 - right) * accept_wrong
    some = np.where(accepted > 0, accepted, 1.0)
    log_reject = np.log1p(-np.where(accepted < 1, accepted, 0.0))
    # (1 - (1-a)^n) / a tends to n as a goes to 0, and p r is then 0.
    seen = np.where(accepted < 1, -np.expm1(num * log_reject), 1.0) / some
    none = np.where(accepted < 1, np.exp((num - 1) * log_reject), np.where(num == 1, 1.0, 0.0))
    return np.asarray(right * accept_right * seen + right * (1 - accept_right) * none, dtype=np.float64)


def binary_verifier_limit(p: ArrayLike, *, recall: ArrayLike, false_accept: ArrayLike) -> FloatArray:
    """The ceiling of `binary_verifier` as n grows. Arguments and errors as there."""
    right, accept_right, accept_wrong = _probabilities(p, recall, false_accept)
    accepted = right * accept_right + (1 - right) * accept_wrong
    some = np.where(accepted > 0, accepted, 1.0)
    return np.asarray(np.where(accepted > 0, right * accept_right / some, right), dtype=np.float64)


def binary_verifier_sample_size(
    p: ArrayLike, target: ArrayLike, *, recall: ArrayLike, false_accept: ArrayLike
) -> FloatArray:
    """Fewest samples with which the choice is right with probability ``target``. All arguments broadcast.

    Returns:
        Whole numbers as floats, inf where ``target`` is never reached.

    Raises:
        ConfigError: A probability is outside [0, 1].
    """
    right, accept_right, accept_wrong = _probabilities(p, recall, false_accept)
    (goal,) = _probabilities(target)
    limit = binary_verifier_limit(right, recall=accept_right, false_accept=accept_wrong)
    accepted = right * accept_right + (1 - right) * accept_wrong
    # P_n = limit - (limit - p) (1-a)^(n-1)
    reachable = (goal < limit) & (right < limit) & (accepted < 1)
    left = np.where(reachable, (limit - goal) / np.where(reachable, limit - right, 1.0), 0.5)
    more = np.log(np.minimum(left, 1.0)) / np.log1p(-np.where(reachable, accepted, 0.5))
    need = 1 + np.ceil(more - _ROUNDING * np.maximum(more, 1.0))
    return np.asarray(np.where(goal <= right, 1.0, np.where(reachable, need, np.inf)), dtype=np.float64)


class AcceptedLaw(NamedTuple):
    """Law of one vote when only accepted samples vote.

    Attributes:
        probs: Shape ``(K,)``, in the order of the answers.
        silent: Probability that the sample is rejected and does not vote.
    """

    probs: FloatArray
    silent: float


def accepted_law(
    probs: Sequence[float] | FloatArray, *, recall: float, false_accept: float, target: int = 0
) -> AcceptedLaw:
    """The law of a vote among accepted samples: p r for the right answer, p_o f for every other one.

    Such a vote tends to the right answer whenever ``p r > p_o f`` for every rival, where picking one accepted sample
    stays below the ceiling.

    Args:
        probs: Shape ``(K,)``, sum 1.
        recall: P(accept | right).
        false_accept: P(accept | wrong).
        target: Index of the right answer.

    Raises:
        ConfigError: A probability is outside [0, 1], or ``target`` is no index.
    """
    law, accept_right, accept_wrong = _probabilities(probs, recall, false_accept)
    if law.ndim != 1 or not 0 <= target < law.size:
        raise ConfigError(f"target={target} is no index of {law.size} answers")
    voting = law * accept_wrong
    voting[target] = law[target] * accept_right
    return AcceptedLaw(voting, max(0.0, 1.0 - float(voting.sum())))


def _probabilities(*values: ArrayLike) -> tuple[FloatArray, ...]:
    arrays = tuple(np.asarray(v, dtype=np.float64) for v in values)
    for array in arrays:
        if not ((array >= 0) & (array <= 1)).all():
            raise ConfigError(f"probability {array[~((array >= 0) & (array <= 1))].flat[0]} is outside [0, 1]")
    return arrays
