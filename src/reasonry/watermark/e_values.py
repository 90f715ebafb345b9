"""E-values of one token for an anchored watermark: the minimax one, its growth, and the coupling that earns it.

n symbols (tokens, or bins of tokens). p0 is the anchor's law, which both sides can compute; q the generator's law of
the text symbol V; S ~ p0 is drawn from the key. Null hypothesis: V does not depend on S, whatever its law. The
generator couples V with S and leaves the law of V as it is. delta bounds ||q - p0||_1 = 2 TV(q, p0), and
0 < delta < 2 (n - 1) / n.

    e*(v, s) = (1 - delta/2) / p0(s)  if v = s,     (delta/2) / ((n - 1) p0(s))  if not                        [1]
    J*       = H(p0) - H(nu) nats,    nu = (1 - delta/2, delta/(2(n-1)), ..., delta/(2(n-1)))                  [1]
    w*(v, s) = min(q, p0)(v) 1{v = s} + (q - p0)_+(v) (p0 - q)_+(s) / TV     maximal coupling, P(V = S) = 1 - TV
    E_w* log e* = H(p0) + (1 - d) log(1 - delta/2) + d log(delta / (2(n-1))),     d = TV(q, p0)
    E[tokens until prod e* >= 1/alpha] / log(1/alpha) -> 1 / J*   as alpha -> 0, at d = delta/2                [1]

e* is the best in the worst case, and d = delta/2 is the worst case, when p0(s) > delta for every s [1]. Validity needs
none of that: for every v

    sum_s p0(s) e(v, s) = sum_s K(s | v) = 1     for  e(v, s) = K(s | v) / p0(s),  K(. | v) any law,

so E[e | past, V] = 1 for any text, any delta, any anchor, provided only that S is a fresh draw from the p0 that the
detector uses. A poor anchor costs power and nothing else. That remark, the family K, and the degenerate cases of
`coupled_law` are ours, e* is one member of the family.

Degenerate cases. p0 must be positive everywhere, for S would divide by zero: put a floor under it. J* <= 0 where
delta is too large for p0: the test is still valid and does not gain. `coupled_law` treats empty bins.

Shapes: N symbols, V tokens, T scored tokens. [1] Huang et al. 2026 (Anchored E-Watermarking), arXiv 2602.17608; they
published no code, the formulas are verified numerically in the tests.
"""

# pyright: strict
from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.errors import ConfigError

FloatArray = NDArray[np.float64]

_LEAST_DELTA = 1e-12
_SUM_SLACK = 1e-5  # a softmax over 150,000 float32 logits passes


def e_value(p0_N: ArrayLike, delta: float) -> FloatArray:
    """The paper's e*, the e-value with the largest growth in the worst case.

    Args:
        p0_N: Anchor law, shape ``(N,)``, positive.
        delta: Radius of the ball ||q - p0||_1 <= delta, within (0, 2 (N - 1) / N).

    Returns:
        Shape ``(N, N)``: rows text symbol v, columns keyed symbol s.

    Raises:
        ConfigError: ``p0_N`` is not a positive law or ``delta`` is out of range.
    """
    p0 = _positive_law(p0_N)
    n = p0.size
    check_delta(delta, n)
    kernel = np.full((n, n), delta / 2 / (n - 1))
    np.fill_diagonal(kernel, 1 - delta / 2)
    return kernel / p0


def log_e_star(match_T: ArrayLike, keyed_p_T: ArrayLike, *, delta: float, n: int) -> FloatArray:
    """Logarithm of e* at scored tokens, which needs no more of p0 than the probability of the keyed symbol.

    Args:
        match_T: Whether the text symbol is the keyed one, any shape.
        keyed_p_T: p0 of the KEYED symbol, the same shape, in (0, 1].
        delta: See `e_value`.
        n: Number of symbols.

    Raises:
        ConfigError: ``delta`` is out of range.
    """
    check_delta(delta, n)
    log_kernel = np.where(np.asarray(match_T, dtype=np.bool_), math.log1p(-delta / 2), math.log(delta / 2 / (n - 1)))
    return log_kernel - np.log(np.asarray(keyed_p_T, dtype=np.float64))


def general_e_value(p0_N: ArrayLike, kernel_NN: ArrayLike) -> FloatArray:
    """The e-value K(s | v) / p0(s) of any conditional law K; e(v, .) = 1 where K(. | v) = p0.

    Args:
        p0_N: Anchor law, shape ``(N,)``, positive.
        kernel_NN: K(s | v), shape ``(N, N)``, each row v a law. It may depend on the past, on p0 and on v, but never on
            the keyed symbol of this token.

    Raises:
        ConfigError: ``p0_N`` is not a positive law, or a row of ``kernel_NN`` is no law over the same symbols.
    """
    p0 = _positive_law(p0_N)
    kernel = np.asarray(kernel_NN, dtype=np.float64)
    if kernel.shape != (p0.size, p0.size):
        raise ConfigError(
            f"a kernel of shape {kernel.shape} for {p0.size} symbols", remedy=f"Give shape ({p0.size}, {p0.size})."
        )
    return np.stack([_law(row, f"kernel_NN[{v}]") for v, row in enumerate(kernel)]) / p0


def null_expectation(e_NN: ArrayLike, p0_N: ArrayLike) -> FloatArray:
    """``sum_s p0(s) e(v, s)`` for each text symbol v, shape ``(N,)``: 1 for an e-value that wastes nothing."""
    return np.asarray(e_NN, dtype=np.float64) @ _law(p0_N, "p0_N")


def growth_rate(p0_N: ArrayLike, delta: float) -> float:
    """J*, the growth of log-wealth per token in the worst case, nats. Negative where delta is too large for p0.

    Raises:
        ConfigError: As for `e_value`.
    """
    p0 = _positive_law(p0_N)
    check_delta(delta, p0.size)
    return _entropy(p0) + _log_kernel_mean(delta / 2, delta, p0.size)


def log_growth(q_N: ArrayLike, p0_N: ArrayLike, delta: float) -> float:
    """E log e* per token, nats, when the text symbol has law q and is coupled maximally with the keyed one.

    It depends on q only through TV(q, p0), and may be outside the ball.

    Raises:
        ConfigError: As for `e_value`, or ``q_N`` is no law over the same symbols.
    """
    p0 = _positive_law(p0_N)
    check_delta(delta, p0.size)
    q = _same_symbols(q_N, p0)
    return _entropy(p0) + _log_kernel_mean(float(np.abs(q - p0).sum()) / 2, delta, p0.size)


def expected_stopping_ratio(p0_N: ArrayLike, delta: float) -> float:
    """Limit of E[tokens until detection] / log(1/alpha) for small alpha, in the worst case: 1 / J*, inf if J* <= 0."""
    rate = growth_rate(p0_N, delta)
    return 1 / rate if rate > 0 else math.inf


def maximal_coupling(q_N: ArrayLike, p0_N: ArrayLike) -> FloatArray:
    """Joint law of text symbol and keyed symbol with the given marginals and the largest P(V = S).

    Args:
        q_N: Law of the text symbol, shape ``(N,)``.
        p0_N: Law of the keyed symbol, shape ``(N,)``; zeros are allowed here.

    Returns:
        Shape ``(N, N)``, rows text symbol: the overlap on the diagonal, the excesses independent of each other off it.

    Raises:
        ConfigError: One of them is no law, or their lengths differ.
    """
    p0 = _law(p0_N, "p0_N")
    q = _same_symbols(q_N, p0)
    surplus, deficit = np.maximum(q - p0, 0), np.maximum(p0 - q, 0)
    joint = np.diag(np.minimum(q, p0))
    if deficit.any():
        joint += np.outer(surplus, deficit / deficit.sum())
    return joint


def coupled_law(q_V: ArrayLike, bin_V: ArrayLike, bin_probs_N: ArrayLike, keyed_bin: int) -> FloatArray:
    """Law to sample the next token from, given the keyed bin: its average over keyed bins ~ P is q.

    With P the anchor's and Q the target's law of the bin:

        a = min(1, Q[S] / P[S]);   R = (Q - P)_+ / sum (Q - P)_+;   B = a 1{. = S} + (1 - a) R
        w(v | S) = B[bin v] q(v) / Q[bin v]

    Degenerate cases. Q[S] = 0: a = 0, the token comes from R. No excess (Q = P, or less by rounding only): the token
    comes from bin S. P[S] = 0: S is never drawn, the law is q as it is. Tokens with q = 0 keep probability 0, so one
    possible token is returned with certainty whatever S says.

    Args:
        q_V: Target law of the next token as it would be sampled, shape ``(V,)``; zeros are allowed.
        bin_V: Bin of each token, shape ``(V,)``, integers in [0, N).
        bin_probs_N: Anchor law of the bins, shape ``(N,)``.
        keyed_bin: S.

    Returns:
        Shape ``(V,)``, a law.

    Raises:
        ConfigError: ``q_V`` or ``bin_probs_N`` is no law, or a bin is not in [0, N).
    """
    anchor, q = _law(bin_probs_N, "bin_probs_N"), _law(q_V, "q_V", least=1)
    bins = np.asarray(bin_V)
    if bins.shape != q.shape or bins.dtype.kind not in "iu" or bins.min() < 0 or bins.max() >= anchor.size:
        raise ConfigError(f"bin_V is not one bin in [0, {anchor.size}) for each of {q.size} tokens")
    if not 0 <= keyed_bin < anchor.size:
        raise ConfigError(f"keyed_bin={keyed_bin} is not in [0, {anchor.size})")
    q, anchor = q / q.sum(), anchor / anchor.sum()
    target = np.bincount(bins, weights=q, minlength=anchor.size)
    excess = np.maximum(target - anchor, 0)
    if anchor[keyed_bin] == 0:
        return q
    accept = min(1.0, float(target[keyed_bin] / anchor[keyed_bin]))
    if not excess.any():
        if target[keyed_bin] == 0:
            return q
        accept = 1.0
    mass = np.zeros_like(anchor)
    if accept < 1:
        mass = (1 - accept) * excess / excess.sum()
    mass[keyed_bin] += accept
    law = (mass / np.where(target > 0, target, 1))[bins] * q
    return law / law.sum()


def check_delta(delta: float, n: int) -> None:
    """Refuse a radius for which nu is no law that favours a match.

    Raises:
        ConfigError: ``delta`` is not strictly between 0 and 2 (n - 1) / n, or so small that 1 - delta/2 rounds to 1 and
            a mismatch would have the e-value 0; or there are fewer than two symbols.
    """
    if n < 2:
        raise ConfigError(f"{n} symbol(s): a watermark needs at least two")
    most = 2 * (n - 1) / n
    if not _LEAST_DELTA <= delta < most:
        raise ConfigError(
            f"delta={delta} is not strictly between 0 and {most:g} for {n} symbols",
            remedy="0.3 is the paper's; from the upper end on a mismatch would count for the watermark, and near 0 "
            "1 - delta/2 rounds to 1.",
        )


def _law(p: ArrayLike, name: str, *, least: int = 2) -> FloatArray:
    law = np.asarray(p, dtype=np.float64)
    if law.ndim != 1 or law.size < least or not (law >= 0).all() or not abs(float(law.sum()) - 1) <= _SUM_SLACK:
        said = f"shape {law.shape}, smallest {law.min():g}, sum {law.sum():.8g}" if law.size else "empty"
        raise ConfigError(
            f"{name} is not a probability law ({said})",
            remedy=f"Give a list of at least {least} probabilities with sum 1.",
        )
    return law


def _positive_law(p0_N: ArrayLike) -> FloatArray:
    p0 = _law(p0_N, "p0_N")
    if not (p0 > 0).all():
        raise ConfigError(
            f"p0_N has probability 0 at symbol {int(p0.argmin())}: an e-value divides by it",
            remedy="Mix it with the uniform law, e.g. (1 - eta) p0 + eta / n with eta = 1e-4, on both sides.",
        )
    return p0


def _same_symbols(q_N: ArrayLike, p0: FloatArray) -> FloatArray:
    q = _law(q_N, "q_N")
    if q.size != p0.size:
        raise ConfigError(f"q_N has {q.size} symbols and p0_N {p0.size}")
    return q


def _entropy(p: FloatArray) -> float:
    return -float((p * np.log(p)).sum())


def _log_kernel_mean(mismatch: float, delta: float, n: int) -> float:
    """Mean of log nu at a match or mismatch, where a mismatch has the given probability."""
    return (1 - mismatch) * math.log1p(-delta / 2) + mismatch * math.log(delta / 2 / (n - 1))
