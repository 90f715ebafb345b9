"""The fine-tuning of an audit: a step of AdamW on completions, with looks at what is inferred.

L = mean over the labels of a step's B rows of -log p        labels: the tokens of completions alone
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from reasonry.core.checkpoint import Checkpoint
from reasonry.core.learning import device_of, learning_rate, optimizer_tensors, restore_optimizer, set_lr
from reasonry.core.rows import Row
from reasonry.core.scoped_random import drawing_from
from reasonry.errors import CheckFailed
from reasonry.understanding.out_of_context.audit.config import TrainConfig
from reasonry.understanding.out_of_context.audit.training_rows import IGNORED, Order, TokenRow, collate

Look = Callable[[], Row]


class FactLearner:
    """Trains a model on rows; a `core.learning.Learner`.

    Args:
        model: A causal language model, with or without adapters; changed in place.
        rows: In tokens.
        config: Of the training.
        pad_id: What rows are padded with; never attended to.
        seed: Root of order and dropout.
        look: What is looked at; before the first step too.
    """

    def __init__(
        self, model: nn.Module, rows: Sequence[TokenRow], config: TrainConfig, *, pad_id: int, seed: int, look: Look
    ) -> None:
        self.model, self.config = model, config
        self._rows, self._pad_id, self._seed, self._look = rows, pad_id, seed, look
        self._order = Order(rows, batch_size=config.batch_size, epochs=config.epochs, seed=seed)
        self.num_steps = self._order.num_steps
        self._weights = [weight for weight in model.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(self._weights, lr=config.lr, weight_decay=config.weight_decay)
        self.every = config.look_every or max(1, math.ceil(self.num_steps / config.epochs))
        self.ended = ""
        self.costs = {"rows": 0.0, "tokens": 0.0}

    def step(self, at: int) -> Row:
        """One optimiser step; a look after every so many, and after the last."""
        config = self.config
        lr = learning_rate(
            at,
            lr=config.lr,
            warmup_steps=config.warmup_steps,
            decay=config.decay,
            decay_start=0,
            num_steps=self.num_steps,
        )
        set_lr(self.optimizer, lr)
        self.model.train()
        device = device_of(self.model)
        batch = collate([self._rows[number] for number in self._order(at)], pad_id=self._pad_id)
        self.optimizer.zero_grad(set_to_none=True)
        with drawing_from(self._seed, "audit", "dropout", at, device=device):
            logits_BTV = self.model(
                input_ids=batch.ids_BT.to(device), attention_mask=batch.attend_BT.to(device), use_cache=False
            ).logits[:, :-1]
            loss = nn.functional.cross_entropy(
                logits_BTV.float().transpose(1, 2), batch.labels_BT[:, 1:].to(device), ignore_index=IGNORED
            )
            loss.backward()
        norm = float(nn.utils.clip_grad_norm_(self._weights, config.max_grad_norm))
        found = float(loss.detach())
        if not math.isfinite(found) or not math.isfinite(norm):
            raise CheckFailed(
                f"the loss is {found} and its gradient's norm {norm} at step {at + 1}",
                place="training",
                remedy="Give a lower --train.lr and another --run.",
            )
        self.optimizer.step()
        self.costs["rows"] += len(batch.ids_BT)
        self.costs["tokens"] += float(batch.attend_BT.sum())
        row: Row = {"loss": found, "grad_norm": norm, "lr": lr}
        is_due = (at + 1) % self.every == 0 or at + 1 == self.num_steps
        return row | self._look() if is_due else row

    # ------------------------------------------------------------ checkpoints

    def tensors(self) -> Mapping[str, Mapping[str, Tensor]]:
        """Weights that learn, and moments."""
        learnt = {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}
        return {"weights": learnt, "optimizer": optimizer_tensors(self.optimizer)}

    def state(self) -> Mapping[str, Any]:
        """Nothing else hangs on what was before."""
        return {}

    def restore(self, found: Checkpoint) -> None:
        """Go on from a checkpoint."""
        stored = found.load_tensors("weights", "torch")
        with torch.no_grad():
            for name, weight in self.model.named_parameters():
                if weight.requires_grad:
                    weight.copy_(stored[name])
        restore_optimizer(self.optimizer, found.load_tensors("optimizer", "torch"))
