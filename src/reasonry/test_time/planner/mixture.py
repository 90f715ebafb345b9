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

f knows one rival only, which matters most for small n. So S is made to meet the exact value at n0, the largest n known
exactly, and what it missed there fades:

    success(n) = S(n) + (exact(n0) - S(n0)) (n0 / n) min(1, S(n) (1 - S(n)) / (S(n0) (1 - S(n0))))

A vote gets two laws, because two things are not to be had from a pilot. The strongest wrong answer of a pool is partly
the luckiest one; and pools that differ by chance look like prompts that differ. The cautious law takes the votes as
they are and starts EM from equal weights. The hopeful law lowers the rivals' votes by what they lose, over all prompts,
when one half of each pool chooses the rival and the other half counts it (which may miss the strongest), and starts EM
from "all prompts are alike"; where the pilot speaks clearly the start does not matter. The prediction is the mean of
both, its interval reaches from the lower end of the one to the upper end of the other. For the ends the whole fit is
repeated on resampled prompts.

What no fit can see is a parameter that moves no count: a right answer with p far below 1/m, which the grid leaves out.
The maximum likelihood estimate of a mixing law is due to Kiefer and Wolfowitz (Annals of Mathematical Statistics 27
(1956) 887), its EM to Laird (JASA 73 (1978) 805). EM stops after `_STEPS` steps, which leaves the law smooth.

Symbols: P prompts, U distinct rows (k, t, ...), J grid of x, L laws, B resamples, G sample numbers.
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
_NUM_POINTS = 101
_WIDTH = 0.02  # of the peak that stands for "all prompts are alike"
_FLAT = 1e-4  # weight of each other point there
_STEPS = 200
_TINY = 1e-300


@dataclass(frozen=True)
class Mixture:
    """Rows of counts and what each would succeed with.

    Attributes:
        row_P: Which of the U rows a prompt shows.
        likelihood_UJ: Bin(k; t, x_j).
        start_J: Weights that EM starts from, up to a factor.
        success: From one n to f, shape (U, J); n may be inf.
    """

    row_P: IntArray
    likelihood_UJ: FloatArray
    start_J: FloatArray
    success: Callable[[float], FloatArray]

    def predict(self, count_BP: FloatArray, n_G: FloatArray) -> FloatArray:
        """S(n) of prompts that are counted so and so often; shape (B, G)."""
        num_rows = self.likelihood_UJ.shape[0]
        count_BU = np.stack([np.bincount(self.row_P, weights=count, minlength=num_rows) for count in count_BP])
        count_BU /= count_BU.sum(axis=1, keepdims=True)
        like_UJ = self.likelihood_UJ
        weight_BJ = np.tile(self.start_J / self.start_J.sum(), (count_BU.shape[0], 1))
        for _ in range(_STEPS):
            weight_BJ = weight_BJ * ((count_BU / np.maximum(weight_BJ @ like_UJ.T, _TINY)) @ like_UJ)
        share_BU = count_BU / np.maximum(weight_BJ @ like_UJ.T, _TINY)
        return np.stack(
            [(weight_BJ * (share_BU @ (like_UJ * self.success(float(n))))).sum(axis=1) for n in n_G], axis=1
        )


def join(exact_B: FloatArray, fitted_LBG: FloatArray, n_G: FloatArray) -> FloatArray:
    """success(n) beyond n0.

    Args:
        exact_B: exact(n0).
        fitted_LBG: S(n).
        n_G: The n of these, the first of which is n0.

    Returns:
        Shape (L, B, G - 1).
    """
    spread_LBG = np.maximum(fitted_LBG * (1 - fitted_LBG), _TINY)
    fade_LBG = np.minimum(spread_LBG[:, :, 1:] / spread_LBG[:, :, :1], 1.0) * (n_G[0] / n_G[1:])
    return np.clip(fitted_LBG[:, :, 1:] + fade_LBG * (exact_B[:, None] - fitted_LBG[:, :, :1]), 0.0, 1.0)


def vote_mixtures(pilot: Pilot) -> tuple[Mixture, Mixture]:
    """The right answer against the strongest wrong one, on the cautious and on the hopeful side of the truth."""
    right = np.where(pilot.right_PK, pilot.votes_PK, 0).max(axis=1).astype(np.float64)
    wrong = np.where(pilot.right_PK, 0, pilot.votes_PK).max(axis=1).astype(np.float64)
    theta_J = np.linspace(0.0, 1.0, _NUM_POINTS)
    cautious = _vote_mixture(right, wrong, pilot.num_samples_P, np.ones(_NUM_POINTS))
    wrong = wrong * _luck(pilot)
    common = right.sum() / max(1.0, right.sum() + wrong.sum())
    peak_J = np.exp(-(((theta_J - common) / _WIDTH) ** 2) / 2)
    hopeful = _vote_mixture(right, wrong, pilot.num_samples_P, peak_J / peak_J.sum() + _FLAT)
    return cautious, hopeful


def _luck(pilot: Pilot) -> float:
    """Votes of wrong answers that were chosen by the other half of the pool, over those of answers chosen by all."""
    half_2PK = np.stack([_votes_of_half(pilot, part) for part in (0, 1)])
    wrong_2PK = np.where(pilot.right_PK, -1, half_2PK)
    chosen_2P = wrong_2PK[::-1].argmax(axis=2)
    counted = np.take_along_axis(np.maximum(wrong_2PK, 0), chosen_2P[:, :, None], axis=2).sum()
    most = np.where(pilot.right_PK, 0, pilot.votes_PK).max(axis=1).sum()
    return float(counted / most) if most else 1.0


def _votes_of_half(pilot: Pilot, part: int) -> IntArray:
    code_PM = pilot.code_PM[:, part::2]
    return np.stack([(code_PM == answer).sum(axis=1) for answer in range(pilot.votes_PK.shape[1])], axis=1)


def _vote_mixture(right_P: FloatArray, wrong_P: FloatArray, size_P: IntArray, start_J: FloatArray) -> Mixture:
    columns = np.stack([right_P, wrong_P, size_P.astype(np.float64)], axis=1)
    rows, row_P = np.unique(columns, axis=0, return_inverse=True)
    k, t = rows[:, 0], rows[:, 0] + rows[:, 1]
    theta_J = np.linspace(0.0, 1.0, _NUM_POINTS)
    lean_J = 2 * theta_J - 1
    signal = (t / rows[:, 2])[:, None] * lean_J**2
    relvar_UJ = np.where(signal > 0, 1 / np.where(signal > 0, signal, 1.0) - 1, np.inf)

    def success(n: float) -> FloatArray:
        won = np.where(lean_J == 0, 0.5, 1.0) if np.isinf(n) else vote_success(relvar_UJ, n)
        # A pool without any answer has no vote to win.
        return np.where(t[:, None] > 0, np.where(lean_J >= 0, won, 1 - won), 0.0)

    return Mixture(row_P.ravel(), _binomial(k, t, theta_J), start_J, success)


def verifier_mixture(pilot: Pilot, formula: Callable[[FloatArray, float], FloatArray]) -> Mixture:
    """Right samples among all.

    Args:
        pilot: The prompts.
        formula: From probabilities of a right sample (J,) and a sample number to success (J,).
    """
    rows, row_P = np.unique(np.stack([pilot.num_right_P, pilot.num_samples_P], axis=1), axis=0, return_inverse=True)
    p_J = np.linspace(0.0, 1.0, _NUM_POINTS)
    rarest = 1 / float(pilot.num_samples_P.max())
    if rarest < 1 / (
        _NUM_POINTS - 1
    ):  # no finer than pools can see: what they cannot is taken for 0, and never promised
        fine = np.asarray(np.geomspace(rarest, 1 / (_NUM_POINTS - 1), 9), dtype=np.float64)
        p_J = np.unique(np.concatenate([p_J, fine]))
    like_UJ = _binomial(rows[:, 0].astype(np.float64), rows[:, 1].astype(np.float64), p_J)
    return Mixture(row_P.ravel(), like_UJ, np.ones_like(p_J), lambda n: np.tile(formula(p_J, n), (rows.shape[0], 1)))


def _binomial(k: FloatArray, t: FloatArray, x_J: FloatArray) -> FloatArray:
    """Bin(k; t, x_j) up to a factor of its own for each row, which neither EM nor a posterior sees; shape (U, J)."""
    success, trials = k[:, None], t[:, None]
    log = cast(FloatArray, _special.xlogy(success, x_J) + _special.xlog1py(trials - success, -x_J))
    return np.exp(log - log.max(axis=1, keepdims=True))
