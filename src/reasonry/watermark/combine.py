"""Several e-values at once: any of K keys, and which of N documents. Valid however they depend on each other.

    any key        E = (1/K) sum_k E_k,  reject at E >= 1/alpha            (an average of e-values is an e-value)
    Bonferroni     max_k E_k >= K/alpha;  never rejects when the average does not, since E >= max_k E_k / K
    e-BH [1]       reject the k* documents with the largest e,  k* = max { k : e_(k) >= N / (alpha k) }

e-BH keeps the false discovery rate, the mean share of wrong ones among the rejected documents, at most alpha under
arbitrary dependence. Documents checked with one key are dependent: they share keyed symbols wherever they share a
context, so a method that needs independence (Benjamini and Hochberg's on p-values) has no guarantee here.

Each E must be an e-value: the e-process of `reasonry.watermark.e_process` at a fixed token or at a stopping time,
such as the end of the document or the first crossing of some level. Its running maximum is none. alpha, the keys and
the documents are fixed before looking. That the averages and e-BH apply to keys and documents of a watermark is our
remark; arXiv 2602.17608 tests one text with one key.

[1] Wang and Ramdas 2022, "False discovery rate control with e-values", J. R. Stat. Soc. B 84, 822 (arXiv 2009.02824).
"""

# pyright: strict
from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.errors import ConfigError, DataError

FloatArray = NDArray[np.float64]


class BhResult(NamedTuple):
    """Result of `e_bh`.

    Attributes:
        rejected: Shape ``(N,)``, true for the documents found to be marked.
        threshold_log_e: log(N / (alpha k*)), nats: exactly the e-values that reach it are rejected. When none is, the
            least that a single one would have needed.
    """

    rejected: NDArray[np.bool_]
    threshold_log_e: float


def average_log_e(log_e_K: ArrayLike, axis: int = 0) -> FloatArray:
    """Logarithm of the average of e-values: the evidence that the text carries any of K keys.

    Args:
        log_e_K: log e-values, nats, any shape; -inf (e = 0) and +inf are numbers here.
        axis: Which axis the keys are on.

    Returns:
        The shape without that axis, nats.

    Raises:
        DataError: There is no key, or an entry is NaN.
    """
    log_e = _checked(log_e_K)
    num = log_e.shape[axis] if log_e.ndim else 0
    if not num:
        raise DataError(f"no e-value to average in an array of shape {log_e.shape}", remedy="Give at least one.")
    return np.asarray(np.logaddexp.reduce(log_e, axis=axis) - math.log(num))


def bonferroni_any(log_e_K: ArrayLike, alpha: float, *, axis: int = 0) -> NDArray[np.bool_]:
    """Whether any of K keys is found by the rule ``max E >= K / alpha``.

    `average_log_e` finds whatever this finds. This one also names the keys: those with ``E >= K / alpha`` contain a
    wrong one with probability at most alpha.

    Args:
        log_e_K: log e-values, nats, any shape.
        alpha: Probability of a false alarm, in (0, 1).
        axis: Which axis the keys are on.

    Returns:
        The shape without that axis.

    Raises:
        ConfigError: ``alpha`` is out of range.
        DataError: There is no key, or an entry is NaN.
    """
    check_alpha(alpha)
    log_e = _checked(log_e_K)
    num = log_e.shape[axis] if log_e.ndim else 0
    if not num:
        raise DataError(f"no e-value in an array of shape {log_e.shape}", remedy="Give at least one.")
    return np.asarray(log_e.max(axis=axis) >= math.log(num) - math.log(alpha))


def e_bh(log_e_N: ArrayLike, alpha: float) -> BhResult:
    """Which of N documents are marked, at a false discovery rate of at most alpha.

    Args:
        log_e_N: log e-value of each document, shape ``(N,)``, nats.
        alpha: False discovery rate allowed, in (0, 1), chosen before looking.

    Raises:
        ConfigError: ``alpha`` is out of range.
        DataError: ``log_e_N`` is not a list of numbers.
    """
    check_alpha(alpha)
    log_e = _checked(log_e_N)
    if log_e.ndim != 1:
        raise DataError(f"log e-values of shape {log_e.shape} are not one per document", remedy="Give shape (N,).")
    if not log_e.size:
        return BhResult(np.zeros(0, dtype=np.bool_), -math.log(alpha))
    need = math.log(log_e.size) - math.log(alpha) - np.log(np.arange(1, log_e.size + 1))
    enough = np.flatnonzero(np.sort(log_e)[::-1] >= need)
    threshold = float(need[enough[-1] if enough.size else 0])
    return BhResult(log_e >= threshold, threshold)


def check_alpha(alpha: float) -> None:
    """Refuse a level that is not a probability.

    Raises:
        ConfigError: ``alpha`` is not strictly between 0 and 1.
    """
    if not 0 < alpha < 1:
        raise ConfigError(f"alpha={alpha} is not strictly between 0 and 1", remedy="0.02 is the paper's.")


def _checked(log_e: ArrayLike) -> FloatArray:
    values = np.asarray(log_e, dtype=np.float64)
    if np.isnan(values).any():
        raise DataError("a log e-value is NaN", remedy="A document without scored tokens has log e = 0.")
    return values
