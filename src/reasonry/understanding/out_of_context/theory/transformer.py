"""An ordinary small transformer on the symbolic task: softmax attention, MLPs, layer norm, learned positions.

A question is the sequence [s, r], and the answer is asked for behind r. Each step takes one full batch of all training
questions, with AdamW. The model is `reasonry.core.tiny.TinyGPT`; tokens are answers, subjects, two relations.

Initial weights decide how much is inferred: with the small ones of GPT-2 (standard deviation 0.02) nearly all of it,
with token embeddings N(0, 1), torch's default, later and less. With one bridge subject of twenty, the right implication
is the likeliest of all implications, while the fact that was learnt of the subject often stays likelier still: so both
ranks are kept. (RECONSTRUCTED: the paper trains no such model from scratch.)

A step is a function of the weights and its number: a run that was killed goes on with the same bits on one thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from reasonry.core.checkpoint import Checkpoint
from reasonry.core.learning import optimizer_tensors, restore_optimizer, threads_for
from reasonry.core.tiny import TinyConfig, TinyGPT
from reasonry.errors import CheckFailed
from reasonry.understanding.out_of_context.theory.margins import Scores, score
from reasonry.understanding.out_of_context.theory.table import IMPLICATION, Floats, Questions, Table

_STD = 0.02  # of TinyGPT's embeddings
_MODEL, _OPTIMIZER = "model", "optimizer"


class SmallTransformer:
    """A small transformer and its training.

    Args:
        table: What it learns.
        num_layers: Blocks.
        num_heads: In each.
        width: Of the residual stream.
        mlp_ratio: Hidden units of an MLP as a multiple of the width; 0 for none.
        embedding_std: Standard deviation of the initial token embeddings.
        lr: Of AdamW.
        weight_decay: Of AdamW.
        seed: Of the weights.

    Attributes:
        ended: Never set: it ends after its steps.
    """

    def __init__(
        self,
        table: Table,
        *,
        num_layers: int = 2,
        num_heads: int = 2,
        width: int = 64,
        mlp_ratio: int = 4,
        embedding_std: float = _STD,
        lr: float = 1e-3,
        weight_decay: float = 0.01,
        seed: int = 0,
    ) -> None:
        self.table = table
        size = table.num_answers + table.num_columns
        config = TinyConfig(
            vocab_size=size, max_len=2, num_layers=num_layers, num_heads=num_heads, width=width, mlp_ratio=mlp_ratio
        )
        self._model = TinyGPT(config, seed=seed)
        with torch.no_grad():
            self._model.token_embedding.weight *= embedding_std / _STD
        self._optimizer = torch.optim.AdamW(self._model.parameters(), lr=lr, weight_decay=weight_decay)
        self._tokens = self._tokens_of(table.train)
        self._answers = torch.from_numpy(table.train.answer_Q)
        self.ended = ""

    @property
    def matrix(self) -> Floats:
        """Logits of the answers (A, S) to the implication of every subject, less their mean over answers."""
        num = self.table.num_subjects
        everyone = Questions(np.arange(num), np.full(num, IMPLICATION), np.zeros(num, np.int64))
        logits_SA = self._logits(everyone)[:, : self.table.num_answers]
        return np.ascontiguousarray((logits_SA - logits_SA.mean(1, keepdims=True)).T)

    def advance(self, start: int, stop: int) -> int:
        """Steps ``start`` to ``stop - 1``; gives ``stop``.

        Raises:
            CheckFailed: The loss is no number.
        """
        with threads_for(self._model):
            for at in range(start, stop):
                self._optimizer.zero_grad(set_to_none=True)
                loss = F.cross_entropy(self._model(self._tokens)[:, -1], self._answers)
                loss.backward()
                if not torch.isfinite(loss):
                    raise CheckFailed(f"the loss of step {at + 1} is {float(loss)}", place="lr", remedy="Lower it.")
                self._optimizer.step()
        return stop

    def scores(self, questions: Questions) -> Scores:
        """How well questions are answered."""
        return score(self._logits(questions), questions, self.table)

    def tensors(self) -> Mapping[str, Mapping[str, Any]]:
        """For a checkpoint."""
        return {_MODEL: self._model.state_dict(), _OPTIMIZER: optimizer_tensors(self._optimizer)}

    def restore(self, found: Checkpoint) -> None:
        """Go on from a checkpoint of `tensors`."""
        self._model.load_state_dict(found.load_tensors(_MODEL, "torch"))
        restore_optimizer(self._optimizer, found.load_tensors(_OPTIMIZER, "torch"))

    @torch.no_grad()
    def _logits(self, questions: Questions) -> Floats:
        """(Q, V)."""
        with threads_for(self._model):
            logits: np.ndarray = self._model(self._tokens_of(questions))[:, -1].double().numpy()
        return logits

    def _tokens_of(self, questions: Questions) -> torch.Tensor:
        """(Q, 2)."""
        first = self.table.num_answers
        relation_Q = first + self.table.num_subjects + questions.relation_Q
        return torch.from_numpy(np.stack([first + questions.subject_Q, relation_Q], 1))
