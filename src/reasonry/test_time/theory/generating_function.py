"""Win probabilities of a vote among three answers and more, for a range of sample sizes at once.

Symbols and identity as in `reasonry.test_time.theory.plurality`: with a Poisson number of samples of mean L,

    G(z) = sum_n Poi(n; L) P_n z^n = e^(L s (z - 1)) sum_{m >= 1} Poi(m; L p_t) z^m  int_0^1 prod_o F_om(z, y) dy
    F_om = sum_{x < m} Poi(x; L p_o) z^x + y Poi(m; L p_o) z^m

G is summed over m at the J-th roots of unity, and one inverse Fourier transform gives Poi(n; L) P_n.
Shapes: U distinct rivals, M numbers of votes m (in blocks), F frequencies, one half of the J roots.

Degenerate cases, all for speed and all below `_NEGLIGIBLE` in effect: a rival that cannot have m votes joins the silent
samples (its factor is e^(L p_o (z - 1)) from there on); numbers of votes that the target, or the strongest rival,
cannot have are left out; ties of more rivals than can tie are not integrated exactly.
"""

# pyright: strict
from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
IntArray = NDArray[np.int64]

_NEGLIGIBLE = 1e-22
_QUADRATURE_ERROR = 1e-15
_BLOCK_SIZE = 1 << 15  # complex numbers of one block over m: stays within a processor's cache


class VoteLaw(NamedTuple):
    """One sample's vote, as seen by the target.

    Attributes:
        target: The target's probability.
        rivals: Shape ``(U,)``, the rivals' distinct probabilities, ascending, all positive.
        num_each: Shape ``(U,)``, how many rivals have that probability.
        silent: Probability of no answer.
    """

    target: float
    rivals: FloatArray
    num_each: IntArray
    silent: float


def win_probabilities(law: VoteLaw, first: int, last: int) -> FloatArray:
    """P_n for n = first..last, which must lie within a few standard deviations (square roots of n) of each other.

    Rounding grows as Poi(n; L) falls off its peak: within three standard deviations by a factor of about 100.
    """
    mean = (first + last) / 2
    total = _poisson(mean)
    live = np.flatnonzero(total > _NEGLIGIBLE)
    # Coefficients of z^k fold onto z^(k mod J): far enough apart that only negligible ones meet those asked for.
    num_points = max(int(live[-1]) - first, last - int(live[0])) + 2
    num_points += num_points % 2
    frequencies = np.arange(num_points // 2 + 1)
    roots: ComplexArray = np.exp(-2j * np.pi * np.arange(num_points) / num_points)

    own = _poisson(mean * law.target)
    pmfs = [_poisson(mean * p) for p in law.rivals]
    start = max(1, int(np.argmax(own > _NEGLIGIBLE)), *(int(np.argmax(q > _NEGLIGIBLE)) for q in pmfs))
    # The likeliest rival last: rivals drop out from the front, once they cannot have as many votes as m.
    out_of_reach = np.array([int(np.flatnonzero(q > _NEGLIGIBLE)[-1]) + 1 for q in pmfs])
    votes_UM = np.zeros((len(pmfs), max(own.size, start)))
    for row, q in zip(votes_UM, pmfs, strict=True):
        row[: q.size] = q[: row.size]
    below_UF = np.stack([_transform(row[:start], num_points) for row in votes_UM])

    apart_F: ComplexArray = np.exp(mean * law.silent * (roots[frequencies] - 1))
    sum_F: ComplexArray = np.zeros(frequencies.size, dtype=np.complex128)
    num_out, m = 0, start
    while m < own.size:
        while num_out < len(pmfs) and out_of_reach[num_out] <= m:
            apart_F = apart_F * below_UF[num_out] ** law.num_each[num_out]
            num_out += 1
        num_each = law.num_each[num_out:]
        stop = min(own.size, m + max(1, _BLOCK_SIZE // (frequencies.size * (num_each.size + 1))))
        pmf_UM = votes_UM[num_out:, m:stop]
        shift_MF = roots[np.arange(m, stop)[:, None] * frequencies % num_points]
        at_UMF = pmf_UM[:, :, None] * shift_MF
        below_UMF = np.cumsum(np.concatenate([below_UF[num_out:, None], at_UMF], axis=1), axis=1)
        nodes, weights = _tie_nodes(_most_ties(num_each, pmf_UM))
        won_MF: ComplexArray = np.zeros_like(shift_MF)
        for y, weight in zip(nodes, weights, strict=True):
            won_MF += weight * _product(below_UMF[:, :-1] + y * at_UMF, num_each)
        sum_F += apart_F * (own[m:stop, None] * shift_MF * won_MF).sum(axis=0)
        below_UF[num_out:] = below_UMF[:, -1]
        m = stop
    n = np.arange(first, last + 1)
    joint = np.fft.irfft(sum_F, num_points)[n % num_points]
    return np.clip(joint / total[n], 0.0, 1.0)


def _product(factor_UMF: ComplexArray, num_each: IntArray) -> ComplexArray:
    if (num_each > 1).any():
        factor_UMF = factor_UMF ** num_each[:, None, None]
    return np.prod(factor_UMF, axis=0)


def _transform(coefficients: FloatArray, num_points: int) -> ComplexArray:
    """The polynomial at the first half of the roots of unity; coefficients beyond J - 1 fold over, as z^J = 1."""
    folded = np.bincount(np.arange(coefficients.size) % num_points, weights=coefficients, minlength=num_points)
    return np.fft.rfft(folded)


def _poisson(mean: float) -> FloatArray:
    """Poi(0..; mean) as far as it is above 1e-30, by products of ratios outward from the mode.

    Exponentials of differences of large logarithms would lose five digits at a mean of 100,000.
    """
    mode, reach = int(mean), int(12 * math.sqrt(mean) + 30)
    low = max(0, mode - reach)
    up = np.cumprod(mean / np.arange(mode + 1, mode + reach + 1))
    down = np.cumprod(np.arange(mode, low, -1) / mean)
    pmf = np.concatenate([np.zeros(low), down[::-1], [1.0], up])
    return np.asarray(pmf / pmf.sum(), dtype=np.float64)


def _most_ties(num_each: IntArray, pmf_UM: FloatArray) -> int:
    """So many rivals that more of them have exactly m votes with negligible probability, for each m of a block.

    The chance of r independent events or more is at most S^r / r!, S the sum of their probabilities.
    """
    mean, most = float((num_each @ pmf_UM).max(initial=0.0)), int(num_each.sum())
    r, bound = 0, 1.0
    while r < most and bound > _NEGLIGIBLE:
        r += 1
        bound *= mean / r
    return r


@lru_cache(maxsize=1024)
def _tie_nodes(max_ties: int) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights on [0, 1] whose sum of y^T is 1 / (1 + T) up to `_QUADRATURE_ERROR` for T = 0..max_ties."""
    power = np.arange(max_ties + 1)
    num_nodes = 1
    while True:
        nodes, weights = np.polynomial.legendre.leggauss(num_nodes)
        y, w = (nodes + 1) / 2, weights / 2
        exact = 2 * num_nodes - 1 >= max_ties
        if exact or float(np.abs(w @ y[:, None] ** power - 1 / (1 + power)).max()) < _QUADRATURE_ERROR:
            return y, w
        num_nodes += 1
