"""AdamW on arrays (Loshchilov and Hutter, arXiv 1711.05101), in place.

    m <- b1 m + (1 - b1) g,   v <- b2 v + (1 - b2) g^2
    theta <- (1 - lr wd) theta - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

Defaults and the order of operations are those of ``torch.optim.AdamW``.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reasonry.understanding.out_of_context.theory.table import Floats


class AdamW:
    """Moments of some arrays.

    Args:
        weights: By name; `step` changes them in place.
        lr: Learning rate.
        weight_decay: wd.
        betas: b1, b2.
        eps: Added to the root.
    """

    def __init__(
        self,
        weights: Mapping[str, Floats],
        *,
        lr: float,
        weight_decay: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        self._lr, self._decay, self._betas, self._eps = lr, weight_decay, betas, eps
        self.first = {name: np.zeros_like(weight) for name, weight in weights.items()}
        self.second = {name: np.zeros_like(weight) for name, weight in weights.items()}
        self._work = {name: np.empty_like(weight) for name, weight in weights.items()}

    def step(self, weights: Mapping[str, Floats], gradients: Mapping[str, Floats], at: int) -> None:
        """Step ``at``, from 0, of every weight that has a gradient; gradients are overwritten."""
        b1, b2 = self._betas
        bias1, bias2 = 1 - b1 ** (at + 1), 1 - b2 ** (at + 1)
        for name, gradient in gradients.items():
            weight, first, second, work = weights[name], self.first[name], self.second[name], self._work[name]
            first *= b1
            np.multiply(gradient, 1 - b1, out=work)
            first += work
            gradient *= gradient
            gradient *= 1 - b2
            second *= b2
            second += gradient
            np.divide(second, bias2, out=work)
            np.sqrt(work, out=work)
            work += self._eps
            np.divide(first, work, out=work)
            work *= self._lr / bias1
            weight *= 1 - self._lr * self._decay
            weight -= work
