"""The fixed-attention lab: full-batch gradient descent on W, or on its factors, in float64.

    plain        theta <- theta - lr dL/dtheta
    normalised   theta <- theta - lr dL/dtheta / ||dL/dtheta||     over all that learns

Both have the direction of gradient flow's limit; plain steps get there like 1 / log(step), normalised ones sooner. At a
loss below `CERTAIN` every answer is as certain as float64 can say, gradients lose their digits, and it ends.

A step is a function of the weights alone, so that a run that was killed goes on with the same bits. The formulas are in
`gradients` and `factors`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from reasonry.core.checkpoint import Checkpoint
from reasonry.errors import CheckFailed
from reasonry.understanding.out_of_context.theory import factors
from reasonry.understanding.out_of_context.theory.factors import Parameterisation
from reasonry.understanding.out_of_context.theory.gradients import FixedAttentionLoss
from reasonry.understanding.out_of_context.theory.margins import Scores, logits_of, score
from reasonry.understanding.out_of_context.theory.table import Floats, Questions, Table

CERTAIN = 1e-14
Descent = Literal["plain", "normalised"]
_GROUP = "weights"


class FixedAttention:
    """A model of the fixed-attention lab, and its training.

    Args:
        table: What it learns.
        kind: Parameterisation.
        width: H, of the factors; as many as tokens when not given.
        lr: Step size.
        descent: Plain, or normalised.
        scale: Of the initial entries; those of the combined matrix are 0 when not given.
        seed: Of the initial entries.

    Attributes:
        ended: Why there is no further step; empty while there is.
    """

    def __init__(
        self,
        table: Table,
        kind: Parameterisation = "factorised",
        *,
        width: int | None = None,
        lr: float = 1.0,
        descent: Descent = "plain",
        scale: float = 0.01,
        seed: int = 0,
    ) -> None:
        self.table = table
        self.kind: Parameterisation = kind
        self._lr, self._descent = lr, descent
        self._loss = FixedAttentionLoss(table.train, table.num_subjects)
        self.weights = factors.initial_weights(
            kind,
            table.num_answers,
            table.num_columns,
            width=width or table.num_answers + table.num_columns,
            scale=0.0 if kind == "combined" else scale,
            seed=seed,
        )
        self.ended = ""

    @property
    def matrix(self) -> Floats:
        """W (A, C)."""
        return np.ascontiguousarray(factors.product(self.weights).T)

    def advance(self, start: int, stop: int) -> int:
        """Steps ``start`` to ``stop - 1``, or fewer where it ends; the number of steps that are done then.

        Raises:
            CheckFailed: The loss is no number.
        """
        for at in range(start, stop):
            loss, gradient_CA = self._loss(factors.product(self.weights))
            if not np.isfinite(loss):
                raise CheckFailed(f"the loss of step {at + 1} is {loss}", place="lr", remedy="Lower it.")
            if loss < CERTAIN:
                self.ended = f"at step {at} the loss is {loss:.1e} nats: no digits are left to learn from"
                return at
            found = factors.gradients(self.kind, self.weights, gradient_CA)
            size = self._lr
            if self._descent == "normalised":
                size /= float(np.sqrt(sum(np.vdot(g, g) for g in found.values())))
            for name, gradient in found.items():
                self.weights[name] -= size * gradient
        return stop

    def scores(self, questions: Questions) -> Scores:
        """How well questions are answered."""
        return score(logits_of(self.matrix, questions, self.table.num_subjects), questions, self.table)

    def tensors(self) -> Mapping[str, Mapping[str, Any]]:
        """For a checkpoint."""
        return {_GROUP: self.weights}

    def restore(self, found: Checkpoint) -> None:
        """Go on from a checkpoint of `tensors`."""
        self.weights = found.load_tensors(_GROUP)
