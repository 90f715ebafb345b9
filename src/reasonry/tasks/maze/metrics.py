r"""1-Feasible-k and 1-Optimal-k: how often at least one of k sampled answers to a prompt will do.

    n samples of a prompt, c of them good      1 - C(n - c, k) / C(n, k)

the chance that k of them, drawn without replacement, hold a good one: unbiased for every n >= k (Chen et al.,
arXiv 2107.03374), and for n = k just whether any of them is good, which is what the paper reports with k = 10
(Su et al., arXiv 2502.03275). The metric is its mean over prompts.

    good     feasible: a legal plan that ends on the goal          optimal: a feasible plan with the fewest actions
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.core.groups import pass_at_k
from reasonry.errors import DataError
from reasonry.tasks.maze.check import PlanVerdict

PAPER_K = 10


class OneOfK(NamedTuple):
    """A metric over prompts.

    Attributes:
        value: Its mean over prompts, in [0, 1].
        of_prompt_P: Its value for each prompt, (num_prompts,), to be resampled for an interval.
        k: Samples that are seen of each prompt.
        is_exact_k: Whether every prompt has exactly k samples, so that values are 0 or 1.
    """

    value: float
    of_prompt_P: NDArray[np.float64]
    k: int
    is_exact_k: bool


def one_of_k(is_good_PG: Sequence[Sequence[bool]], *, k: int = PAPER_K) -> OneOfK:
    """The share of prompts of which one of k samples is good.

    Args:
        is_good_PG: For each prompt, which of its samples are good; prompts may have different numbers of them.
        k: Samples that are seen.

    Raises:
        ConfigError: ``k`` is below 1.
        DataError: No prompt, or one with fewer than k samples.
    """
    if not is_good_PG:
        raise DataError("there is no prompt", place="samples", remedy="Give the samples of one or more.")
    num_P = np.array([len(samples) for samples in is_good_PG])
    if (few := int(num_P.min())) < k:
        number = int(num_P.argmin())
        raise DataError(
            f"prompt {number + 1} has {few} samples, fewer than k={k}", place="samples", remedy="Draw more, or lower k."
        )
    good_P = np.array([sum(map(bool, samples)) for samples in is_good_PG])
    of_prompt_P = np.asarray(pass_at_k(good_P, num_P, k), dtype=np.float64)
    return OneOfK(float(of_prompt_P.mean()), of_prompt_P, k, bool((num_P == k).all()))


def one_feasible_k(verdicts_PG: Sequence[Sequence[PlanVerdict]], *, k: int = PAPER_K) -> OneOfK:
    """1-Feasible-k; raises as `one_of_k`."""
    return one_of_k([[verdict.reaches_goal for verdict in verdicts] for verdicts in verdicts_PG], k=k)


def one_optimal_k(verdicts_PG: Sequence[Sequence[PlanVerdict]], *, k: int = PAPER_K) -> OneOfK:
    """1-Optimal-k; raises as `one_of_k`."""
    return one_of_k([[verdict.is_optimal for verdict in verdicts] for verdicts in verdicts_PG], k=k)
