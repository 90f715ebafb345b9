"""One method's training: a step of AdamW on mixed rows, and looks at rows that are not trained on.

    L = mean over the labels of a step's B rows of -log p,  divided among micro-batches by their numbers of labels

Codes, markers, text and answer are all labels, prompts and padding are none. The model that is kept is the last one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from reasonry.core.checkpoint import Checkpoint
from reasonry.core.learning import device_of, optimizer_tensors, restore_optimizer, set_lr
from reasonry.core.rows import Row as LogRow
from reasonry.core.scoped_random import drawing_from
from reasonry.errors import CheckFailed
from reasonry.training.latent_tokens.finetune.losses import Looks, Scorer, learnt_parts, parts
from reasonry.training.latent_tokens.finetune.task import ROOM, Task
from reasonry.training.latent_tokens.mixing.collating import Batch
from reasonry.training.latent_tokens.mixing.loader import Loader
from reasonry.training.latent_tokens.mixing.methods import Method
from reasonry.training.latent_tokens.mixing.rows import IGNORED


class FinetuneLearner:
    """Trains a model by one method; a `core.learning.Learner`.

    Args:
        task: Examples, numbers, settings.
        method: What it learns from.
        model: With the added tokens; changed in place.

    Raises:
        DataError: Rows that the method cannot be made of.
    """

    def __init__(self, task: Task, method: Method, model: nn.Module) -> None:
        self.task, self.method, self.model = task, method, model
        self.order, self.rows = task.order(), Loader(task.mixer(method), pad_id=task.ids.pad)
        self.scorer = Scorer(model)
        self.looks = Looks(task, method, self.scorer)
        self.optimizer = make_optimizer(task, model)
        self._weights = [weight for group in self.optimizer.param_groups for weight in group["params"]]
        self.ended = ""
        self.costs = {"rows": 0.0, "tokens": 0.0}

    def step(self, at: int) -> LogRow:
        """One optimiser step."""
        task = self.task
        if task.forgets(self.method, at):
            self.optimizer.state.clear()
        lr = task.lr(at)
        set_lr(self.optimizer, lr)
        self.model.train()
        batch = self.rows(self.order(at).numbers_B.tolist(), task.moment(at))
        with drawing_from(task.seed, ROOM, "dropout", at, device=device_of(self.model)):
            loss = self.gradient(batch)
        norm = float(nn.utils.clip_grad_norm_(self._weights, task.settings.optimizer.max_grad_norm))
        if not math.isfinite(loss) or not math.isfinite(norm):
            raise CheckFailed(
                f"the loss is {loss} and its gradient's norm {norm} at step {at + 1}",
                place=self.method.name,
                remedy="Give a lower --optimizer.lr and another --run; the last checkpoint of this one is kept.",
            )
        self.optimizer.step()
        row: LogRow = {"loss": loss, "grad_norm": norm, "lr": lr, **learnt_parts(batch.labels_BT, task.ids)}
        return row | self.looks(at + 1) if self.looks.is_due(at + 1) else row

    def gradient(self, whole: Batch) -> float:
        """Leave the gradient of a batch in the weights; its loss, the mean over labels, nats."""
        self.costs["rows"] += len(whole.ids_BT)
        self.costs["tokens"] += float(whole.attend_BT.sum())
        self.optimizer.zero_grad(set_to_none=True)
        num_labels = int((whole.labels_BT[:, 1:] != IGNORED).sum())
        total = 0.0
        for batch in parts(whole, self.task.settings.optimizer.micro_batch or len(whole.ids_BT)):
            nats = self.scorer(batch).sum() / num_labels
            nats.backward()
            total += float(nats.detach())
        return total

    # ------------------------------------------------------------ checkpoints

    def tensors(self) -> Mapping[str, Mapping[str, Tensor]]:
        """Weights that learn, and moments."""
        learnt = {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}
        return {"weights": learnt, "optimizer": optimizer_tensors(self.optimizer)}

    def state(self) -> Mapping[str, Any]:
        """Nothing else hangs on what was before."""
        return {"method": self.method.name}

    def restore(self, found: Checkpoint) -> None:
        """Go on from a checkpoint."""
        stored = found.load_tensors("weights", "torch")
        with torch.no_grad():
            for name, weight in self.model.named_parameters():
                if weight.requires_grad:
                    weight.copy_(stored[name])
        restore_optimizer(self.optimizer, found.load_tensors("optimizer", "torch"))


def make_optimizer(task: Task, model: nn.Module) -> torch.optim.AdamW:
    """AdamW for the weights that learn."""
    given = task.settings.optimizer
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    return torch.optim.AdamW(weights, lr=given.lr, betas=given.betas, weight_decay=given.weight_decay, fused=True)
