"""Training of the one-layer model at the authors' scale: AdamW on batches that are drawn anew at each step.

A batch is a function of seed and step, drawn in blocks of `BLOCK` steps; it is the same for every arm. So a run that
was killed goes on with the same bits. Questions are tested in `NUM_DRAWS` sequences each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from reasonry.core import seeds
from reasonry.core.checkpoint import Checkpoint
from reasonry.errors import CheckFailed
from reasonry.understanding.out_of_context.theory import one_layer
from reasonry.understanding.out_of_context.theory.adamw import AdamW
from reasonry.understanding.out_of_context.theory.margins import Scores, score
from reasonry.understanding.out_of_context.theory.one_layer import Init, Switch
from reasonry.understanding.out_of_context.theory.sequences import (
    Counts,
    batch_parts,
    draw_counts,
    draw_questions,
    vocabulary,
)
from reasonry.understanding.out_of_context.theory.table import Floats, Questions, Table

BLOCK = 32
NUM_DRAWS = 4
_ROOM = "out of context one layer"


class OneLayer:
    """A one-layer model and its training.

    Args:
        table: What it learns.
        output_value: Parameterisation of W_OV.
        key_query: Of W_KQ.
        width: H, of the value factor; the vocabulary's size when not given.
        init: Initial weights.
        num_noise: Noise tokens.
        length: Tokens of a sequence.
        batch_size: Sequences of a step.
        lr: Of AdamW.
        weight_decay: Of AdamW.
        seed: Of weights and batches.

    Attributes:
        ended: Never set: it ends after its steps.
    """

    def __init__(
        self,
        table: Table,
        output_value: Switch = "factorised",
        *,
        key_query: Switch = "combined",
        width: int | None = None,
        init: Init = "identity",
        num_noise: int = 5,
        length: int = 16,
        batch_size: int = 252,
        lr: float = 5e-3,
        weight_decay: float = 0.03,
        seed: int = 0,
    ) -> None:
        self.table = table
        self.tokens = vocabulary(table, num_noise=num_noise, length=length)
        self.weights = one_layer.initial_weights(
            self.tokens, output_value, key_query, width=width, init=init, seed=seed
        )
        self._optimizer = AdamW(self.weights, lr=lr, weight_decay=weight_decay)
        self._parts, self._batch_size, self._seed = batch_parts(table), batch_size, seed
        self._block: tuple[int, Counts] | None = None
        self.ended = ""

    @property
    def matrix(self) -> Floats:
        """W (A, C) of the fixed-attention view."""
        return one_layer.effective_matrix(self.weights, self.tokens)

    def advance(self, start: int, stop: int) -> int:
        """Steps ``start`` to ``stop - 1``; gives ``stop``.

        Raises:
            CheckFailed: The loss is no number.
        """
        for at in range(start, stop):
            batch = self._batch(at)
            counts_BV = one_layer.sparse_counts(batch, self.tokens)
            step = one_layer.loss_and_gradients(self.weights, counts_BV, batch.answer_B)
            if not np.isfinite(step.loss):
                raise CheckFailed(f"the loss of step {at + 1} is {step.loss}", place="lr", remedy="Lower it.")
            self._optimizer.step(self.weights, step.gradients, at)
        return stop

    def scores(self, questions: Questions) -> Scores:
        """How well questions are answered, in several sequences each, the same whenever it is asked."""
        if not len(questions):
            return score(np.zeros((0, self.tokens.size)), questions, self.table)
        many = Questions(*(np.tile(column, NUM_DRAWS) for column in questions))
        counts = draw_counts(many, self.tokens, seeds.stream(self._seed, _ROOM, "test"))
        logits = one_layer.logits_of(self.weights, one_layer.sparse_counts(counts, self.tokens))
        return score(logits, many, self.table)

    def tensors(self) -> Mapping[str, Mapping[str, Any]]:
        """For a checkpoint."""
        return {"weights": self.weights, "first": self._optimizer.first, "second": self._optimizer.second}

    def restore(self, found: Checkpoint) -> None:
        """Go on from a checkpoint of `tensors`."""
        self.weights = found.load_tensors("weights")
        self._optimizer.first = found.load_tensors("first")
        self._optimizer.second = found.load_tensors("second")

    def _batch(self, at: int) -> Counts:
        block, place = divmod(at, BLOCK)
        if self._block is None or self._block[0] != block:
            rng = seeds.stream(self._seed, _ROOM, "batches", block)
            drawn = draw_counts(draw_questions(self._parts, self._batch_size * BLOCK, rng), self.tokens, rng)
            # Each step takes every BLOCK-th of them, and so its share of each part.
            self._block = block, drawn
        subject_B, relation_B, noise_BN, answer_B = self._block[1]
        part = slice(place, None, BLOCK)
        return Counts(subject_B[part], relation_B[part], noise_BN[part], answer_B[part])
