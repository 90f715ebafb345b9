"""A tiny denoiser from scratch.

    L = mean over masked positions of -log p(token | canvas),   masks as in `masking`, new answers at every step
    lr(n): up, then down a cosine, as `core.learning.cosine_lr`

Every now and then the bound on the likelihood of fresh answers is measured (`elbo.likelihood_bound`), in nats per
token. Its mean cannot be below the entropy of the task's answers: a denoiser below it has seen what it should predict.
A run that is significantly below ends there.

Shapes: B rows, L answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from reasonry.core import atomic, seeds
from reasonry.core.checkpoint import Checkpoint
from reasonry.core.config import from_dict
from reasonry.core.learning import OpenRun, Trainee, cosine_lr, learn, open_nothing, say_nothing, threads_for
from reasonry.core.plain import plain
from reasonry.core.rows import Row
from reasonry.core.run import Run, default_folder
from reasonry.core.work import Say
from reasonry.errors import CheckFailed
from reasonry.tasks.token_tasks.base import TokenTask
from reasonry.tasks.token_tasks.find import make_task
from reasonry.training.dultra.checkpoints import save_denoiser
from reasonry.training.dultra.config import VERB, PretrainConfig
from reasonry.training.dultra.denoiser import Denoiser
from reasonry.training.dultra.elbo import likelihood_bound, training_loss
from reasonry.training.dultra.masking import Canvas, make_canvas
from reasonry.training.dultra.tiny_denoiser import TinyDenoiser

DENOISER = "denoiser"
_FINAL = 12  # times as many answers as an evaluation on the way
_SUSPICIOUS, _IMPOSSIBLE = 3.0, 5.0  # standard errors below the floor
_ROUNDING_NATS = 1e-4


class Bound(NamedTuple):
    """How likely a denoiser takes answers to be, at least.

    Attributes:
        nelbo_nats: Bound on -log p(answer) over tokens, nats per token.
        stderr_nats: Its standard error over answers and masks.
        floor_nats: Entropy of the task's answers over tokens; None where nobody knows it.
    """

    nelbo_nats: float
    stderr_nats: float
    floor_nats: float | None

    @property
    def verdict(self) -> Literal["fine", "suspicious", "leak"]:
        """Whether it lies further below the floor than chance takes it."""
        if self.floor_nats is None:
            return "fine"
        below = self.floor_nats - self.nelbo_nats - _ROUNDING_NATS
        if below > _IMPOSSIBLE * self.stderr_nats:
            return "leak"
        return "suspicious" if below > _SUSPICIOUS * self.stderr_nats else "fine"


class Pretrained(NamedTuple):
    """A denoiser that was trained.

    Attributes:
        config: Of the run.
        folder: Run directory.
        denoiser: Folder of the denoiser.
        bound: Measured at the end.
        rows: Of the log.
    """

    config: PretrainConfig
    folder: Path
    denoiser: Path
    bound: Bound
    rows: list[Row]

    def to_json(self) -> dict[str, Any]:
        """The content of ``results.json``."""
        return plain({"task": self.config.task, "steps": len(self.rows), **self.bound._asdict()})


def pretrain(config: PretrainConfig, *, say: Say = say_nothing, open_run: OpenRun = open_nothing) -> Pretrained:
    """Train a denoiser, or go on with it.

    Args:
        config: Task, sizes, seed, run directory.
        say: Told what a user should know.
        open_run: Told of the open run.

    Raises:
        ConfigError: An unknown task, or a run directory that is none.
        CheckFailed: The denoiser is better than any honest one can be.
        Interrupted: The user asked to stop; it is saved where it stands.
    """
    task = make_task(config.task)
    verb = f"{VERB} pretrain"
    folder = config.run or default_folder("train-dultra-pretrain", config, task.name)
    with Run(verb, config, folder=folder, seed=config.seed, warn=say) as run:
        run.record_environment("bitwise")
        open_run(run, "bitwise")
        trainer = PretrainTrainer(config, task, say=say)
        with threads_for(trainer.model):
            rows = learn(
                run, trainer, num_steps=config.num_steps, save_every=config.save_every, label="denoiser", say=say
            )
            bound = trainer.measure(_FINAL * config.num_eval, "final")
        target = run.path(DENOISER)
        save_denoiser(trainer.model.eval(), target)
        done = Pretrained(config, folder, target, bound, rows)
        atomic.write_json(run.path("results.json"), done.to_json())
    return done


class PretrainTrainer:
    """Trains a denoiser step by step.

    Args:
        config: Sizes and seed.
        task: Where answers come from.
        say: Told of suspicions.
    """

    def __init__(self, config: PretrainConfig, task: TokenTask, *, say: Say = say_nothing) -> None:
        self.config, self.task, self._say = config, task, say
        shape = {**config.shape.model_dump()}
        self.model = TinyDenoiser.from_task(task, seed=seeds.derive(config.seed, "dultra", "denoiser"), **shape)
        self.trainee = Trainee(
            {DENOISER: self.model},
            torch.optim.AdamW(
                self.model.parameters(), lr=config.lr, betas=(0.9, 0.95), weight_decay=config.weight_decay
            ),
            max_grad_norm=config.max_grad_norm,
            lr=partial(cosine_lr, config.lr, num_steps=config.num_steps, warmup_steps=config.warmup_steps),
        )
        self.ended = ""
        self.costs = {"answers": 0.0}

    def step(self, at: int) -> Row:
        """One optimiser step on fresh answers."""
        config = self.config
        canvas = self.draw(config.batch_size, at)
        loss = training_loss(
            self.model,
            canvas,
            seeds.stream(config.seed, "dultra", "masks", at),
            weight=config.weight,
            normalise=config.normalise,
            schedule=config.schedule,
        )
        norm = self.trainee.descend(loss.value, at)
        self.costs["answers"] += config.batch_size
        row: Row = {
            "loss": float(loss.value.detach()),
            "ce_nats": loss.ce_sum_nats / max(loss.num_masked, 1),
            "grad_norm": norm,
        }
        if (at + 1) % config.eval_every == 0:
            bound = self.measure(config.num_eval, at)
            row |= {"nelbo_nats": bound.nelbo_nats, "nelbo_stderr_nats": bound.stderr_nats}
        return row

    def draw(self, num: int, *purpose: str | int) -> Canvas:
        """Whole rows of the task, drawn for a purpose."""
        drawn = self.task.draw(seeds.stream(self.config.seed, "dultra", "answers", *purpose), num)
        prompt_BP = torch.from_numpy(drawn.prompt_BP.copy())
        return make_canvas(prompt_BP, torch.from_numpy(drawn.answer_BL), pad_id=self.model.pad_id)

    def measure(self, num: int, purpose: str | int) -> Bound:
        """The bound on fresh answers.

        Raises:
            CheckFailed: It is below what any honest denoiser can reach.
        """
        canvas = self.draw(num, "measure", purpose)
        rng = seeds.stream(self.config.seed, "dultra", "measure", purpose)
        bound = measure_bound(self.model, canvas, self.task, rng=rng)
        if bound.verdict == "fine" or bound.floor_nats is None:
            return bound
        said = f"the bound is {bound.nelbo_nats:.4f} nats per token, below the entropy {bound.floor_nats:.4f}"
        if bound.verdict == "leak":
            raise CheckFailed(
                f"{said} by more than {_IMPOSSIBLE:g} standard errors of {bound.stderr_nats:.4f}",
                place=self.task.name,
                remedy="The denoiser sees what it should predict; is every masked token hidden from it?",
            )
        self._say(f"warning: {said} by more than {_SUSPICIOUS:g} standard errors; chance, or a leak")
        return bound

    def tensors(self) -> Mapping[str, Mapping[str, Tensor]]:
        """Weights and moments."""
        return self.trainee.tensors()

    def state(self) -> Mapping[str, Any]:
        """Nothing besides."""
        return {}

    def restore(self, found: Checkpoint) -> None:
        """Weights and moments."""
        self.trainee.restore(found)


def measure_bound(denoiser: Denoiser, canvas: Canvas, task: TokenTask, *, rng: Any) -> Bound:
    """The bound on the likelihood of a task's answers, beside their entropy.

    Args:
        denoiser: The model.
        canvas: At least two whole rows of the task.
        task: Knows the entropy, or not.
        rng: Draws the masks.
    """
    L = task.answer_len
    found = likelihood_bound(denoiser, canvas, rng, num_draws=max(2, L), batch_size=1024)
    per_tok_B = -found.bound_B / L
    stderr = float(per_tok_B.std(correction=1)) / math.sqrt(len(per_tok_B))
    floor = None if task.entropy_nats is None else task.entropy_nats / L
    return Bound(float(per_tok_B.mean()), stderr, floor)


def config_of(task: str, settings: Mapping[str, Any], *, seed: int, run: Path) -> PretrainConfig:
    """The config of this stage inside a larger run."""
    return from_dict(PretrainConfig, {**settings, "task": task, "seed": seed, "run": run}, place="pretrain")
