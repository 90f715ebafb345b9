"""A policy over a finite set of actions in one state: its logits, its gradient, and its geometry.

    pi_a     = exp(theta_a) / sum_c exp(theta_c)
    J        = sum_a pi_a r_a
    grad J   = pi (r - J)                                               in the logits
    F        = diag(pi) - pi pi^T                                       Fisher information of the logits
    F+ grad J = r - J, up to a constant that the softmax ignores        natural gradient
    ||d||_F  = sqrt( sum_a d_a^2 / pi_a )                               Fisher length of a move d of the probabilities
    pi_beta  = pi_0 exp(r / beta) / Z                                   minimises beta KL(pi || pi_0) - E_pi r
    q        = rho e^{1/beta} / (rho e^{1/beta} + 1 - rho)              its mass on M, for r = 1[a in M], rho = pi_0(M)

Notation of PivotRL (arXiv 2603.21383), section 3. Shapes: A actions, S states, G members of a group.
"""

# pyright: strict
from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reasonry.errors import ConfigError

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def softmax(logits_A: Floats) -> Floats:
    """Probabilities of logits, along the last axis."""
    weight = np.exp(logits_A - logits_A.max(axis=-1, keepdims=True))
    return weight / weight.sum(axis=-1, keepdims=True)


def policy_of_mass(mass_S: Floats, *, num_actions: int, num_accepted: int, rng: np.random.Generator) -> Floats:
    """Policies of many states, shape (..., A), whose first actions are the acceptable ones.

    Args:
        mass_S: Probability of acceptable actions in each state, shape (...,).
        num_actions: A.
        num_accepted: |M|, less than A.
        rng: Draws the conditional laws on either side, each Dirichlet(1, ..., 1).
    """
    inside = rng.dirichlet(np.ones(num_accepted), mass_S.shape)
    outside = rng.dirichlet(np.ones(num_actions - num_accepted), mass_S.shape)
    policy = np.concatenate([mass_S[..., None] * inside, (1.0 - mass_S[..., None]) * outside], axis=-1)
    return np.maximum(policy, 1e-300)  # a Dirichlet weight may round to 0, whose logarithm no update can undo


def sample_actions(policy_SA: Floats, num: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """``num`` actions of each state, shape (S, num), by inversion."""
    upper = policy_SA.cumsum(axis=1)
    upper[:, -1] = np.inf  # the last sum may round to below 1
    u = rng.random((len(policy_SA), num))
    return (u[:, :, None] >= upper[:, None, :]).sum(axis=2)


def group_gradient(policy_SA: Floats, action_SG: NDArray[np.int64], advantage_SG: Floats) -> Floats:
    """(1 / G) sum_i A_i (e_{a_i} - pi) of each state's group, shape (S, A)."""
    move_SA = -advantage_SG.sum(axis=1, keepdims=True) * policy_SA
    np.add.at(move_SA, (np.arange(len(policy_SA))[:, None], action_SG), advantage_SG)
    return move_SA / action_SG.shape[1]


def gradient(policy_A: Floats, reward_A: Floats) -> Floats:
    """Gradient of the expected reward in the logits."""
    return policy_A * (reward_A - policy_A @ reward_A)


def natural_gradient(policy_A: Floats, reward_A: Floats) -> Floats:
    """The same, preconditioned by the inverse Fisher information; its expectation under the policy is 0."""
    return reward_A - policy_A @ reward_A


def fisher(policy_A: Floats) -> Floats:
    """Fisher information of the logits, shape ``(A, A)``; singular along the constant vector."""
    return np.diag(policy_A) - np.outer(policy_A, policy_A)


def reward_std(policy_A: Floats, reward_A: Floats) -> float:
    """Standard deviation of the reward under the policy."""
    return float(np.sqrt(policy_A @ (reward_A - policy_A @ reward_A) ** 2))


def kl_nats(policy_A: Floats, reference_A: Floats) -> float:
    """KL(policy || reference)."""
    return float((policy_A * np.log(policy_A / reference_A)).sum())


def regularised_optimum(reference_A: Floats, reward_A: Floats, *, beta: float) -> Floats:
    """The policy that minimises beta KL(pi || reference) - E_pi r.

    Raises:
        ConfigError: ``beta`` is not positive.
    """
    check_beta(beta)
    return softmax(np.log(reference_A) + reward_A / beta)


def regularised_loss(policy_A: Floats, reference_A: Floats, reward_A: Floats, *, beta: float) -> float:
    """The loss beta KL(pi || reference) - E_pi r."""
    return beta * kl_nats(policy_A, reference_A) - float(policy_A @ reward_A)


def accepted_mass(rho: float, *, beta: float) -> float:
    """Mass q of the regularised optimum on M, where the reference has mass rho.

    Raises:
        ConfigError: ``beta`` is not positive.
    """
    check_beta(beta)
    # Multiplied out by e^{-1/beta}, which may underflow but does not overflow.
    return rho / (rho + (1.0 - rho) * math.exp(-1.0 / beta))


def fisher_length(move_A: Floats, policy_A: Floats) -> float:
    """Fisher length of a move of the probabilities, sqrt( sum move^2 / pi )."""
    return float(np.sqrt((move_A**2 / policy_A).sum()))


def path_speed(reference_A: Floats, reward_A: Floats, *, beta: float) -> float:
    """Fisher length of d pi_beta / d beta along the regularised path: std of the reward / beta^2."""
    return reward_std(regularised_optimum(reference_A, reward_A, beta=beta), reward_A) / beta**2


def path_velocity(reference_A: Floats, reward_A: Floats, *, beta: float) -> Floats:
    """Derivative of pi_beta in beta by a complex step: no formula for it is used, and no difference is rounded."""
    check_beta(beta)
    logits = np.log(reference_A) + reward_A / complex(beta, 1e-30)
    weight: NDArray[np.complex128] = np.exp(logits - logits.real.max())
    slope: Floats = np.imag(weight / weight.sum()) / 1e-30
    return slope


def conditional(policy_A: Floats, accepted_A: Mask) -> Floats:
    """pi(a | M) for a in M, and pi(a | not M) for the others, shape ``(A,)``."""
    mass, rest = float(policy_A[accepted_A].sum()), float(policy_A[~accepted_A].sum())
    return policy_A / np.where(accepted_A, mass, rest)


def random_policy(rng: np.random.Generator, num_actions: int) -> Floats:
    """A policy whose logits are standard normal."""
    return softmax(rng.normal(size=num_actions))


def check_beta(beta: float) -> None:
    """Refuse a temperature of the KL term that is not positive.

    Raises:
        ConfigError: With the value.
    """
    if not beta > 0:
        raise ConfigError(f"beta={beta} is not positive", remedy="The theorems need a KL term.")
