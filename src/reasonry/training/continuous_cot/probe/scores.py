"""How well scores of vertices tell some of them from the others: pure functions of one graph's numbers.

    AUROC                 share of pairs (member, other) in which the member has the higher score, ties counted half
    top-n precision       share of the n members among the n highest scores; ties at the cut are drawn at random, so the
                          expected share is given
    effective support     exp(H(softmax(scores))): between 1, all mass on one vertex, and their number, all alike
    participation         (sum_v x_v)^2 / sum_v x_v^2 with x_v = max(score_v, 0): exactly n where n scores are equal and
                          the others 0, whatever their size

AUROC is the Mann-Whitney statistic over the number of pairs. Participation is the inverse of the Simpson index.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def num_wins(members: ArrayLike, others: ArrayLike) -> float:
    """Pairs in which the member has the higher score, ties counted half."""
    high, low = np.asarray(members, float), np.sort(np.asarray(others, float))
    below = np.searchsorted(low, high, side="left")
    upto = np.searchsorted(low, high, side="right")
    return float((below + upto).sum()) / 2


def auroc(members: ArrayLike, others: ArrayLike) -> float | None:
    """AUROC of members against others; None where there are none of either."""
    num_pairs = np.size(members) * np.size(others)
    return num_wins(members, others) / num_pairs if num_pairs else None


def win_matrix(members_G: Sequence[Floats], others_G: Sequence[Floats]) -> Floats:
    """Wins of the members of graph g over the others of graph h, shape (G, G): all that pooled AUROCs are made of."""
    sizes = [len(scores) for scores in members_G]
    everyone = np.concatenate([*members_G, np.empty(0)])
    starts = np.concatenate([[0], np.cumsum(sizes)])
    wins_GG = np.empty((len(members_G), len(others_G)))
    for column, others in enumerate(others_G):
        low = np.sort(others)
        twice = np.searchsorted(low, everyone, side="left") + np.searchsorted(low, everyone, side="right")
        total = np.concatenate([[0], np.cumsum(twice)])
        wins_GG[:, column] = (total[starts[1:]] - total[starts[:-1]]) / 2
    return wins_GG


def top_precision(scores: ArrayLike, is_member: ArrayLike) -> float | None:
    """Expected share of members among as many highest scores as there are members; None without members."""
    score_N, member_N = np.asarray(scores, float), np.asarray(is_member, bool)
    num = int(member_N.sum())
    if not num:
        return None
    cut = np.sort(score_N)[-num]
    above, at = score_N > cut, score_N == cut
    share = (num - int(above.sum())) / int(at.sum())
    return (int((member_N & above).sum()) + share * int((member_N & at).sum())) / num


def effective_support(scores: ArrayLike) -> float:
    """Exponential of the entropy of the softmax of scores, of which there is one or more."""
    score_N = np.asarray(scores, float)
    logp_N = score_N - score_N.max()
    logp_N = logp_N - np.log(np.exp(logp_N).sum())
    return float(np.exp(-(np.exp(logp_N) * logp_N).sum()))


def participation(scores: ArrayLike) -> float | None:
    """How many vertices share the positive part of the scores alike; None where no score is positive."""
    positive_N = np.maximum(np.asarray(scores, float), 0.0)
    squares = float((positive_N**2).sum())
    return float(positive_N.sum()) ** 2 / squares if squares else None
