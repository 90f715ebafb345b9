"""The group-permutation test: do answers follow the groups, or would other pairings of answers and groups do as well?

    T_pi  = (1 / G) sum_g M[g, c_pi(g)]          M_GC: a number for each group and candidate, small is transfer
    p     = #{pi : T_pi <= T_id} / G!                                        all permutations, G <= 8 by default
    p     = (1 + #{sampled pi : T_pi <= T_id}) / (1 + N)                     N sampled ones, valid as it stands [1]
    least = prod_k m_k! / G!                                                 m_k: groups that share label k

Under the null hypothesis the answers of a group do not hang on which label training gave to it, so that all pairings
are alike and p is exact, whatever subjects of one group have in common: the group is the unit, not the subject. A test
over subjects takes what they share for evidence and rejects far too often. A model that gives every group the same
ranks has T_pi = T_id for every pi, and p = 1.

Whole transfer among G distinct labels has p = 1 / G!, the least there is: 1/2 for two groups, 1/6 for three. Where the
least is above the level, nothing could be found, and the test says that it is not testable instead of giving a p-value
that looks like evidence of nothing.

The paper (arXiv 2506.10887) gives no test; this one is RECONSTRUCTED. [1] Phipson and Smyth, SAGMB 9 (2010) 39.

Legend: G groups, C candidates, P permutations; x any leading axes.
"""

# pyright: strict
from __future__ import annotations

import itertools
import math
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.core.seeds import stream
from reasonry.errors import ConfigError, DataError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_EXACT_GROUPS = 8
"""Up to so many groups all permutations are counted: 8! = 40,320."""
_SLACK = 1e-9  # means that are equal in exact arithmetic may differ by rounding, and count as equal
_BLOCK = 1 << 22  # numbers gathered at a time


class GroupTest(NamedTuple):
    """Result of `group_permutation_test`.

    Attributes:
        statistic: T_id.
        p_value: One-sided: how many pairings do as well.
        least_p: The least that any outcome could give with these labels.
        num_permutations: Pairings that were compared with.
        is_exact: All there are.
    """

    statistic: float
    p_value: float
    least_p: float
    num_permutations: int
    is_exact: bool

    def is_testable(self, level: float) -> bool:
        """Whether the least p-value is at most the level."""
        return self.least_p <= level

    @property
    def method(self) -> str:
        """In words."""
        how = "all" if self.is_exact else "sampled"
        return f"group permutation, {how} {self.num_permutations:,}"


def least_p(label_G: Ints) -> float:
    """The least p-value of all pairings: 1 / G! when all labels differ."""
    same = math.prod(math.factorial(num) for num in Counter(label_G.tolist()).values())
    return same / math.factorial(len(label_G))


def group_permutation_test(
    mean_GC: Floats, label_G: Ints, *, seed: int, num_samples: int = 10_000, max_exact: int = MAX_EXACT_GROUPS
) -> GroupTest:
    """Whether each group's own label has smaller numbers than another pairing would have.

    Args:
        mean_GC: ``(G, C)``: mean rank of each candidate in each group, or its change.
        label_G: Index of each group's own candidate.
        seed: Of sampled permutations.
        num_samples: How many, where there are too many to count.
        max_exact: Most groups for which all are counted.

    Raises:
        DataError: No groups, a label that names no candidate, or a number that is not finite.
        ConfigError: ``num_samples`` below 1.
    """
    mean, label = np.asarray(mean_GC, dtype=np.float64), np.asarray(label_G, dtype=np.int64)
    if mean.ndim != 2 or len(mean) != len(label) or not len(label) or not np.isfinite(mean).all():
        raise DataError(f"numbers of shape {mean.shape} for {len(label)} groups, or some are not finite")
    if label.min() < 0 or label.max() >= mean.shape[1]:
        raise DataError(f"a label of {label.tolist()} names none of {mean.shape[1]} candidates")
    if num_samples < 1:
        raise ConfigError(f"num_samples={num_samples} is below 1", remedy="Use some thousands.")
    is_exact = len(label) <= max_exact
    pairings_PG = all_permutations(len(label)) if is_exact else sampled_permutations(len(label), num_samples, seed)
    p = float(permutation_p(mean, label, pairings_PG, is_exact=is_exact))
    floor = least_p(label)
    return GroupTest(
        statistic=float(mean[np.arange(len(label)), label].mean()),
        p_value=p,
        least_p=floor if is_exact else max(floor, 1 / (1 + num_samples)),
        num_permutations=len(pairings_PG),
        is_exact=is_exact,
    )


def permutation_p(mean_xGC: Floats, label_G: Ints, pairings_PG: Ints, *, is_exact: bool) -> Floats:
    """p-values of many tables at once.

    Args:
        mean_xGC: ``(..., G, C)``.
        label_G: ``(G,)``.
        pairings_PG: Permutations of the groups; all of them, the identity included, or sampled ones.
        is_exact: Which of the two.

    Returns:
        ``(...)``.
    """
    groups = np.arange(len(label_G))
    own_x = mean_xGC[..., groups, label_G].mean(-1)
    slack_x = _SLACK * (1 + np.abs(mean_xGC).max((-1, -2)))
    hits_x = np.zeros(own_x.shape)
    width = max(1, _BLOCK // max(1, own_x.size * len(groups)))
    for start in range(0, len(pairings_PG), width):
        labels_PG = label_G[pairings_PG[start : start + width]]
        other_xP = mean_xGC[..., groups, labels_PG].mean(-1)
        hits_x += (other_xP <= (own_x + slack_x)[..., None]).sum(-1)
    return hits_x / len(pairings_PG) if is_exact else (1 + hits_x) / (1 + len(pairings_PG))


@lru_cache(maxsize=MAX_EXACT_GROUPS)
def all_permutations(num_groups: int) -> Ints:
    """All orders of the groups, ``(G!, G)``; the first is the identity."""
    return np.array(list(itertools.permutations(range(num_groups))), dtype=np.int64)


def sampled_permutations(num_groups: int, num: int, seed: int) -> Ints:
    """Orders drawn at random, ``(num, G)``."""
    rows = np.tile(np.arange(num_groups), (num, 1))
    return stream(seed, "group permutation", num_groups).permuted(rows, axis=1)
