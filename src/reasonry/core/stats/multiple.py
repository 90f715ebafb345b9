"""Several tests at once: Benjamini and Hochberg's false discovery rate. (Holm's correction is in `paired`.)

    q_(i) = min_{j >= i} min(1, m p_(j) / j)          p sorted ascending, m tests                        [1]

Rejecting what has q <= a keeps the expected share of false ones among the rejected at most a, for independent tests and
for positively dependent ones [2]. For a gate use Holm: it bounds the chance of a single false one.

[1] Benjamini and Hochberg, J. R. Statist. Soc. B 57 (1995) 289.
[2] Benjamini and Yekutieli, Ann. Statist. 29 (2001) 1165.
"""

# pyright: strict, reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.errors import DataError

FloatArray = NDArray[np.float64]


def benjamini_hochberg(p_values: ArrayLike) -> FloatArray:
    """Adjusted p-values (q-values) for the false discovery rate, in the order given.

    Args:
        p_values: Shape ``(M,)``; none give none.

    Raises:
        DataError: A p-value is not within [0, 1].
    """
    p = np.asarray(p_values, dtype=np.float64)
    bad = ~((p >= 0) & (p <= 1))
    if p.ndim != 1 or bad.any():
        raise DataError(
            f"p_values of shape {p.shape} are not a list of numbers in [0, 1]: {int(bad.sum())} are outside"
        )
    if p.size == 0:
        return p
    from scipy.stats import false_discovery_control  # slow to load, and few need it

    return np.asarray(false_discovery_control(p, method="bh"), dtype=np.float64)
