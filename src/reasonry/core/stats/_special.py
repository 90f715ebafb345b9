"""SciPy's special functions with types. SciPy ships none, and the statistics here are checked strictly."""

# pyright: strict, reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false
from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

FloatArray = NDArray[np.float64]

_special = cast(Any, special)


def ndtr(x: float) -> float:
    """Standard normal distribution function."""
    return float(_special.ndtr(x))


def ndtri(p: float) -> float:
    """Standard normal quantile."""
    return float(_special.ndtri(p))


def t_quantile(p: float, df: int) -> float:
    """Quantile of Student's t with ``df`` degrees of freedom at p."""
    return float(_special.stdtrit(df, p))


def betaincinv(a: float, b: float, p: float) -> float:
    """Quantile of Beta(a, b) at p."""
    return float(_special.betaincinv(a, b, p))


def binomial_half_cdf(k: int, n: int) -> float:
    """P(Binomial(n, 1/2) <= k); 0 for negative k."""
    return 0.0 if k < 0 else float(_special.bdtr(k, n, 0.5))


def betaln(a: ArrayLike, b: ArrayLike) -> FloatArray:
    """Natural logarithm of the beta function."""
    return np.asarray(_special.betaln(a, b), dtype=np.float64)


def xlogy(x: ArrayLike, y: ArrayLike) -> FloatArray:
    """``x * log(y)``, 0 where x is 0."""
    return np.asarray(_special.xlogy(x, y), dtype=np.float64)


def xlog1py(x: ArrayLike, y: ArrayLike) -> FloatArray:
    """``x * log(1 + y)``, 0 where x is 0."""
    return np.asarray(_special.xlog1py(x, y), dtype=np.float64)


def betainc(a: ArrayLike, b: ArrayLike, x: ArrayLike) -> FloatArray:
    """Distribution function of Beta(a, b) at x."""
    return np.asarray(_special.betainc(a, b, x), dtype=np.float64)
