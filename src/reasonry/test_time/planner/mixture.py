"""Beyond the pilot's pools: success of larger samples from a law of prompts that is fitted to the pilot.

Drawing with replacement from a pool of m treats its shares as probabilities. Averaged over prompts this is wrong in
one direction for a vote: the noise of the shares adds to that of the votes, and as n grows the vote tends to the
pilot's own m votes, however often those were wrong by bad luck. Here the noise is taken out first. Prompt i shows k_i
successes in t_i trials, and prompts differ by a parameter x with an unknown law, a weight w_j on each x_j of a grid:

    P(k_i)  = sum_j w_j Bin(k_i; t_i, x_j)                     w by maximum likelihood (EM from equal weights)
    S(n)    = mean_i sum_j P(x_j | k_i) f(x_j, n)              predicted mean success

    verifier  k = right samples, t = m;               f = P_n of `reasonry.test_time.theory.selection_ceiling`
    vote      k = votes of the right answer, t = k + votes of the strongest wrong one, so that x = theta;
              f = Phi(sqrt(n / v)), v = 1 / (s (2 theta - 1)^2) - 1, s = t / m; a loss for theta < 1/2

f is an approximation for a vote, so only the change of S beyond n0, the largest n known exactly, is used:

    success(n) = exact(n0) + S(n) - S(n0),    clipped to [0, 1]

For the band the whole fit is repeated on resampled prompts. What no fit can see is a parameter that moves no count: a
right answer with p far below 1/m. The maximum likelihood estimate of a mixing law is due to Kiefer and Wolfowitz
(Annals of Mathematical Statistics 27 (1956) 887), its EM to Laird (JASA 73 (1978) 805). EM stops after `_STEPS` steps,
which leaves the law smooth.

Symbols: P prompts, U distinct rows (k, t, ...), J grid of x, B resamples, G sample numbers.
"""

# pyright: strict, reportMissingTypeStubs=false, reportUnknownMemberType=false
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import special

from reasonry.test_time.planner.intervals import vote_success
from reasonry.test_time.planner.pilot import Pilot

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_special = cast(Any, special)
_GRID = np.unique(np.concatenate([np.linspace(0.0, 1.0, 101), np.geomspace(1e-4, 1e-2, 9)]))
_STEPS = 200
_TINY = 1e-300


@dataclass(frozen=True)
class Mixture:
    """Rows of counts and what each would succeed with.

    Attributes:
        row_P: Which of the U rows a prompt shows.
        likelihood_UJ: Bin(k; t, x_j).
        success: From one n to f, shape (U, J); n may be inf.
    """

    row_P: IntArray
    likelihood_UJ: FloatArray
    success: Callable[[float], FloatArray]

    def predict(self, count_BP: FloatArray, n_G: FloatArray) -> FloatArray:
        """S(n) of prompts that are counted so and so often; shape (B, G)."""
        num_rows = self.likelihood_UJ.shape[0]
        count_BU = np.stack([np.bincount(self.row_P, weights=count, minlength=num_rows) for count in count_BP])
        count_BU /= count_BU.sum(axis=1, keepdims=True)
        like_UJ = self.likelihood_UJ
        weight_BJ = np.full((count_BU.shape[0], like_UJ.shape[1]), 1.0 / like_UJ.shape[1])
        for _ in range(_STEPS):
            weight_BJ = weight_BJ * ((count_BU / np.maximum(weight_BJ @ like_UJ.T, _TINY)) @ like_UJ)
        share_BU = count_BU / np.maximum(weight_BJ @ like_UJ.T, _TINY)
        return np.stack(
            [(weight_BJ * (share_BU @ (like_UJ * self.success(float(n))))).sum(axis=1) for n in n_G], axis=1
        )


def vote_mixture(pilot: Pilot) -> Mixture:
    """The right answer against the strongest wrong one."""
    right = np.where(pilot.right_PK, pilot.votes_PK, 0).max(axis=1)
    wrong = np.where(pilot.right_PK, 0, pilot.votes_PK).max(axis=1)
    rows, row_P = np.unique(
        np.stack([right, wrong, pilot.num_samples_P], axis=1).astype(np.int64), axis=0, return_inverse=True
    )
    k, t = rows[:, 0], rows[:, 0] + rows[:, 1]
    lean_J = 2 * _GRID - 1
    signal = (t / rows[:, 2])[:, None] * lean_J**2
    relvar_UJ = np.where(signal > 0, 1 / np.where(signal > 0, signal, 1.0) - 1, np.inf)

    def success(n: float) -> FloatArray:
        won = np.where(lean_J == 0, 0.5, 1.0) if np.isinf(n) else vote_success(relvar_UJ, n)
        # A pool without any answer has no vote to win.
        return np.where(t[:, None] > 0, np.where(lean_J >= 0, won, 1 - won), 0.0)

    return Mixture(row_P.ravel(), _binomial(k, t), success)


def verifier_mixture(pilot: Pilot, formula: Callable[[FloatArray, float], FloatArray]) -> Mixture:
    """Right samples among all.

    Args:
        pilot: The prompts.
        formula: From probabilities of a right sample (J,) and a sample number to success (J,).
    """
    rows, row_P = np.unique(np.stack([pilot.num_right_P, pilot.num_samples_P], axis=1), axis=0, return_inverse=True)
    return Mixture(
        row_P.ravel(), _binomial(rows[:, 0], rows[:, 1]), lambda n: np.tile(formula(_GRID, n), (rows.shape[0], 1))
    )


def _binomial(k: IntArray, t: IntArray) -> FloatArray:
    """Bin(k; t, x_j) up to a factor of its own for each row, which neither EM nor a posterior sees; shape (U, J)."""
    success, trials = k[:, None].astype(np.float64), t[:, None].astype(np.float64)
    log = cast(FloatArray, _special.xlogy(success, _GRID) + _special.xlog1py(trials - success, -_GRID))
    return np.exp(log - log.max(axis=1, keepdims=True))
