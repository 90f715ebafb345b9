"""How far answers that were never trained follow the answers of others: ranks by group, the transfer index, margins.

    rank_SC      0-based mid-rank (core/candidates/ranks.py) of candidate c for subject s, mean over wordings
    M_GC         mean of rank_SC over the subjects of group g; a group is what shares one answer b to the first question
    mean rank    (1 / G) sum_g M[g, c_g]                 c_g: the answer to the second that went with b in training
    index        1 - mean rank / chance,  chance = (C - 1) / 2
    margin       score of c_g less the best other candidate's, nats

Index 1 is whole transfer, 0 is chance, below 0 is worse than chance. Groups count alike whatever their size, so that an
answer which a model gives everybody cannot look like transfer; with groups of one size this is the mean over subjects,
which is the mean rank of arXiv 2506.10887. The index itself is RECONSTRUCTED: the paper reports mean ranks.

Degenerate: one candidate has no chance to differ from, so its index is NaN. A group without subjects has no mean and is
refused.

Legend: S subjects, C candidates, G groups, W wordings.
"""

# pyright: strict
from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reasonry.core.candidates.ranks import chance_rank
from reasonry.errors import DataError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def transfer_index(mean_rank: float, num_candidates: int) -> float:
    """1 - mean rank / chance; NaN where there is one candidate."""
    chance = chance_rank(num_candidates)
    return 1 - mean_rank / chance if chance > 0 else math.nan


def group_means(value_SC: Floats, group_S: Ints, *, num_groups: int) -> Floats:
    """Mean over the subjects of each group.

    Args:
        value_SC: ``(S, ...)``.
        group_S: Group of each subject, 0 to G - 1.
        num_groups: G.

    Returns:
        ``(G, ...)``.

    Raises:
        DataError: A group has no subject.
    """
    value = np.asarray(value_SC, dtype=np.float64)
    count_G = np.bincount(group_S, minlength=num_groups)
    if not count_G.all():
        raise DataError(
            f"{int((count_G == 0).sum())} of {num_groups} groups have no subject", remedy="Leave such groups out."
        )
    total = np.zeros((num_groups, *value.shape[1:]))
    np.add.at(total, group_S, value)
    return total / count_G.reshape(-1, *[1] * (value.ndim - 1))


def of_label(mean_GC: Floats, label_G: Ints) -> Floats:
    """Each group's value for its own label; ``(G,)``."""
    return mean_GC[np.arange(len(label_G)), label_G]


def margins(score_SC: Floats, label_S: Ints) -> Floats:
    """Score of each subject's label less the best of the others; ``(S,)``, in the unit of the scores.

    Raises:
        DataError: There is one candidate.
    """
    if score_SC.shape[-1] < 2:
        raise DataError("a margin needs two candidates")
    rows = np.arange(len(label_S))
    own_S = score_SC[rows, label_S]
    others = score_SC.copy()
    others[rows, label_S] = -np.inf
    return own_S - others.max(-1)
