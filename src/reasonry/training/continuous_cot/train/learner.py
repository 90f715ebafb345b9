"""One method's training: a step of AdamW on rows of the current stage, and looks at held-out questions.

    L = mean over the labels of a step's B rows of -log p,  divided among micro-batches by their numbers of labels
    lr(n)   up in a straight line, constant, and down in a straight line over the end of the last stage

Everything drawn at a step hangs on seed, purpose and number of the step, and not on the method: all methods see the
same examples in the same order, those with stages at the same ones, told in the same way. Looks decide which model is
kept: the best on validation questions at the last stage, the earlier of equal ones.

While rows of two methods are the same (continuous thoughts and pauses at stage 0), so are their weights, bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from reasonry.core import seeds
from reasonry.core.checkpoint import Checkpoint
from reasonry.core.learning import learning_rate, optimizer_tensors, restore_optimizer, set_lr
from reasonry.core.rows import Row as LogRow
from reasonry.core.scoped_random import drawing_from
from reasonry.errors import CheckFailed
from reasonry.training.continuous_cot.config import TrainSettings
from reasonry.training.continuous_cot.curriculum import Curriculum, Ints, Order, make_plan, mixed_stages
from reasonry.training.continuous_cot.latent.model import LatentCausalLM
from reasonry.training.continuous_cot.latent.rows import Batch
from reasonry.training.continuous_cot.methods import Method
from reasonry.training.continuous_cot.source import Judged, KnowsLengths, LooksIntoThoughts, Source

_ROOM = "continuous cot"


class Gradient(NamedTuple):
    """What came of a step's backward pass.

    Attributes:
        loss: Mean over labels, nats.
        thought_norm: Mean length of thoughts; None without any.
    """

    loss: float
    thought_norm: float | None


class MethodLearner:
    """Trains a model by one method.

    Args:
        config: Curriculum, optimizer, looks, seed.
        method: What it learns from.
        model: Changed in place.
        source: Examples and held-out questions.
        best_folder: Where the best model is kept.

    Attributes:
        best: Step and accuracy of the model that is kept; empty before a look at the last stage.
    """

    def __init__(
        self,
        config: TrainSettings,
        method: Method,
        model: LatentCausalLM,
        source: Source,
        *,
        best_folder: Path,
    ) -> None:
        self.config, self.method, self.model, self.source = config, method, model, source
        self._folder = best_folder
        settings = config.optimizer
        plan = make_plan(
            config.curriculum,
            max_stage=source.max_stage,
            num_train=source.num_train,
            batch_size=settings.batch_size,
        )
        self.curriculum = Curriculum(config.curriculum, plan, has_stages=method.has_stages)
        self._order = Order(
            source.num_train,
            settings.batch_size,
            lambda purpose, number, num: seeds.stream(config.seed, _ROOM, purpose, number).permutation(num),
            lengths=source.lengths if isinstance(source, KnowsLengths) else None,
            window=settings.length_window,
        )
        self._weights = [weight for weight in model.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self._weights, lr=settings.lr, betas=settings.betas, weight_decay=settings.weight_decay, fused=True
        )
        self.best: dict[str, float] = {}
        self.ended = ""
        self.costs = {"rows": 0.0, "tokens": 0.0}

    # ------------------------------------------------------------ one step

    def step(self, at: int) -> LogRow:
        """One optimiser step."""
        curriculum, settings = self.curriculum, self.config.optimizer
        stage = curriculum.stage(at)
        if self.config.curriculum.reset_optimizer and curriculum.begins(at):
            self.optimizer.state.clear()
        lr = learning_rate(
            at,
            lr=settings.lr,
            warmup_steps=settings.warmup_steps,
            decay=settings.decay,
            decay_start=curriculum.decay_start,
            num_steps=curriculum.num_steps,
        )
        set_lr(self.optimizer, lr)
        self.model.train()
        with drawing_from(self.config.seed, _ROOM, "dropout", at, device=self.model.device):
            loss, thought_norm = self._gradient(at, stage)
        norm = float(nn.utils.clip_grad_norm_(self._weights, settings.max_grad_norm))
        if not math.isfinite(loss) or not math.isfinite(norm):
            raise CheckFailed(
                f"the loss is {loss} and its gradient's norm {norm} at step {at + 1}",
                place=self.method.name,
                remedy="Give a lower --optimizer.lr and another --run; the last checkpoint of this one is kept.",
            )
        self.optimizer.step()
        row: LogRow = {"stage": stage, "loss": loss, "grad_norm": norm, "lr": lr}
        if thought_norm is not None:
            row["thought_norm"] = thought_norm
        goes_on = curriculum.observe(at, loss)
        if not goes_on:
            self.ended = f"stage 0 ended at a loss of {curriculum.missed:.3f} nats, not below the threshold"
        elif at + 1 >= curriculum.num_steps:
            self.ended = "all steps are done"
        is_last_of_stage = bool(self.ended) or curriculum.stage(at + 1) != stage
        if (at + 1) % self.config.evaluation.every == 0 or is_last_of_stage:
            row |= self._look(at, stage)
        return row

    def rows(self, at: int, stage: int) -> tuple[Ints, Ints]:
        """Examples of a step, and the stage that each is drawn at."""
        indices_B = self._order(at)
        if not self.method.has_stages:
            return indices_B, np.full(len(indices_B), stage)
        num_steps = [self.source.num_steps(int(index)) for index in indices_B]
        rng = seeds.stream(self.config.seed, _ROOM, "stages", at)
        return indices_B, mixed_stages(self.config.curriculum, stage, num_steps, rng)

    def _gradient(self, at: int, stage: int) -> Gradient:
        """Gradients of a step."""
        indices_B, stages_B = self.rows(at, stage)
        rng = seeds.stream(self.config.seed, _ROOM, "rows", at)
        indices, stages = indices_B.tolist(), stages_B.tolist()
        whole = self.source.batch(indices, stages=stages, method=self.method, rng=rng)
        self.costs["rows"] += len(indices)
        self.costs["tokens"] += float(whole.attend_BT.sum())
        num_labels = int((whole.labels_BT >= 0).sum())
        thoughts, total = self.config.thoughts, 0.0
        bptt = "detach" if self.method.bptt == "detach" else thoughts.bptt
        self.optimizer.zero_grad(set_to_none=True)
        norms: list[Tensor] = []
        for batch in parts(whole, self.config.optimizer.micro_batch or len(indices)):
            num = int((batch.labels_BT >= 0).sum())
            if not num:
                continue
            found = self.model(batch.to(self.model.device), bptt=bptt, how=thoughts.how)
            (found.loss if num == num_labels else found.loss * (num / num_labels)).backward()
            total += float(found.loss.detach()) * num / num_labels
            if found.thoughts_BKD.shape[1]:
                norms.append(found.thoughts_BKD.detach().float().norm(dim=-1).flatten())
        every = torch.cat(norms) if norms else torch.zeros(0)
        own = every[every > 0]  # rows with fewer thoughts than others are filled up with zeros
        return Gradient(total, float(own.mean()) if len(own) else None)

    # ------------------------------------------------------------ looks

    def _look(self, at: int, stage: int) -> LogRow:
        """Answer validation questions; keep what is better than anything before at the last stage."""
        config = self.config.evaluation
        judged = self.source.evaluate(
            self.model,
            method=self.method,
            stage=stage,
            split="validation",
            num=config.num_validation,
            batch_size=config.batch_size,
        )
        row = summary(judged)
        if self.method.fill == "thought" and isinstance(self.source, LooksIntoThoughts):
            row |= self.source.look(self.model)
        if stage == self.curriculum.plan.last and (not self.best or row["eval/accuracy"] > self.best["accuracy"]):
            self.best = {"step": float(at + 1), "accuracy": row["eval/accuracy"]}
            self.model.save_pretrained(self._folder)
        return row

    # ------------------------------------------------------------ checkpoints

    def tensors(self) -> Mapping[str, Mapping[str, Tensor]]:
        """Weights that learn, and moments."""
        learnt = {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}
        return {"weights": learnt, "optimizer": optimizer_tensors(self.optimizer)}

    def state(self) -> Mapping[str, Any]:
        """The curriculum, the best look, and whether it ended."""
        return {"curriculum": self.curriculum.state(), "best": self.best, "ended": self.ended}

    def restore(self, found: Checkpoint) -> None:
        """Go on from a checkpoint."""
        stored = found.load_tensors("weights", "torch")
        with torch.no_grad():
            for name, weight in self.model.named_parameters():
                if weight.requires_grad:
                    weight.copy_(stored[name])
        restore_optimizer(self.optimizer, found.load_tensors("optimizer", "torch"))
        self.curriculum.restore(found.state["curriculum"])
        self.best, self.ended = dict(found.state["best"]), found.state["ended"]


def parts(batch: Batch, size: int) -> list[Batch]:
    """A batch in parts of so many rows."""
    num = len(batch.ids_BT)
    if size >= num:
        return [batch]
    cuts = [slice(start, start + size) for start in range(0, num, size)]
    return [
        Batch(
            batch.ids_BT[cut],
            batch.attend_BT[cut],
            batch.position_ids_BT[cut],
            batch.labels_BT[cut],
            batch.is_thought_BT[cut],
            None if batch.edges_BT2 is None else batch.edges_BT2[cut],
            batch.label_sets[cut],
        )
        for cut in cuts
    ]


def summary(judged: Sequence[Judged]) -> LogRow:
    """Means over answers, for the log."""
    candidates = [each.is_right_of_candidates for each in judged if each.is_right_of_candidates is not None]
    return {
        "eval/accuracy": float(np.mean([each.is_right for each in judged])),
        **({"eval/candidates": float(np.mean(candidates))} if candidates else {}),
        "eval/ties": float(np.mean([each.is_tie for each in judged])),
        "eval/tokens": float(np.mean([each.num_tokens for each in judged])),
    }
