"""Fine-tuning on latent tokens with TRL's `SFTTrainer`: the rows of the plain loop, in its order, through a collator.

    dataset = step_dataset(task)                       # columns example, step: which example a step learns from
    collator = MixedRowCollator(task, method)          # ids and labels of these examples at these steps
    trainer = make_trainer(extended, task, method, folder=...)

The dataset holds no ids: a row is mixed when a batch is made, so that m is drawn anew in every epoch, and the same m is
drawn again by a run that goes on. Labels are ready made, so TRL is told to prepare nothing and to cut nothing.
Optimizer and learning rates are those of the plain loop too, and so are losses, up to the order of sums.

TRL's batches are all full. Where the last batch of an epoch is short, its place is filled from the next epoch, and
there are fewer steps. Several devices: ``accelerate launch -m reasonry train latent-tokens finetune ... --trainer trl``
lets each process take its share of the rows of a step.
"""

# TRL exports its classes lazily, which is private by the letter.
# pyright: reportPrivateImportUsage=false
from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from reasonry.core import jsonl, optional
from reasonry.core.learning import COSTS, METRICS
from reasonry.core.models.quiet import quiet_transformers
from reasonry.core.rows import Row
from reasonry.core.run import Run
from reasonry.core.work import Say, working
from reasonry.errors import ConfigError
from reasonry.integrations.stop_callback import stop_callback
from reasonry.training.latent_tokens.finetune.learner import make_optimizer
from reasonry.training.latent_tokens.finetune.losses import Looks, Scorer, learnt_parts
from reasonry.training.latent_tokens.finetune.task import Task
from reasonry.training.latent_tokens.mixing.collating import collate
from reasonry.training.latent_tokens.mixing.methods import Method

if TYPE_CHECKING:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

_CHECKPOINTS = "checkpoints"


class Learns(Protocol):
    """A model with its tokenizer: `finetune.prepare.Extended` is one."""

    @property
    def model(self) -> Any:
        """With rows for the added tokens, and adapters where they are wanted."""
        ...

    @property
    def tokenizer(self) -> Any:
        """With the added tokens."""
        ...


# ---------------------------------------------------------------- rows


def step_dataset(task: Task) -> Dataset:
    """One row for each example of each step of the plain loop, in its order."""
    from datasets import Dataset

    order = task.order()
    steps = [order(at).numbers_B.tolist() for at in range(task.length.num_steps)]
    return Dataset.from_dict(
        {
            "example": [number for numbers in steps for number in numbers],
            "step": [at for at, numbers in enumerate(steps) for _ in numbers],
        }
    )


class MixedRowCollator:
    """Makes batches of a method's rows, each as it is at its step.

    Args:
        task: Examples, numbers.
        method: What it learns from.
    """

    def __init__(self, task: Task, method: Method) -> None:
        self._task, self._mixer = task, task.mixer(method)

    def __call__(self, examples: Sequence[Mapping[str, int]]) -> dict[str, Tensor]:
        """Ids, attention and labels (B, T) of rows of `step_dataset`."""
        rows = [self._mixer.row(row["example"], self._task.moment(row["step"])) for row in examples]
        batch = collate(rows, pad_id=self._task.ids.pad)
        return {"input_ids": batch.ids_BT, "attention_mask": batch.attend_BT.long(), "labels": batch.labels_BT}


# ---------------------------------------------------------------- trainer


def sft_config(task: Task, *, output_dir: Path, num_rows: int, save_every: int, use_cpu: bool) -> SFTConfig:
    """TRL's settings for ours.

    Args:
        task: Optimizer, batches, seed.
        output_dir: Of the checkpoints.
        num_rows: Of the dataset.
        save_every: Steps between checkpoints.
        use_cpu: The model is on the CPU.

    Raises:
        ConfigError: The rows of a step cannot be shared evenly by processes and micro batches.
    """
    from trl import SFTConfig

    given, processes = task.settings.optimizer, int(os.environ.get("WORLD_SIZE", "1"))
    share, rest = divmod(given.batch_size, processes)
    micro = min(given.micro_batch or share, share)
    if rest or not share or share % micro:
        raise ConfigError(
            f"a batch of {given.batch_size} rows for {processes} processes and micro batches of {micro}",
            place="optimizer.batch_size",
            remedy="Give a batch that they divide.",
        )
    return SFTConfig(
        output_dir=str(output_dir),
        max_steps=math.ceil(num_rows / given.batch_size),
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=share // micro,
        max_grad_norm=given.max_grad_norm,
        learning_rate=given.lr,
        gradient_checkpointing=task.settings.gradient_checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False},
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
        max_length=None,
        packing=False,
        train_sampling_strategy="sequential",
        save_strategy="steps",
        save_steps=save_every,
        save_total_limit=2,
        logging_steps=1,
        report_to=[],
        disable_tqdm=True,
        seed=task.seed % 2**32,
        data_seed=task.seed % 2**32,
        use_cpu=use_cpu,
        bf16=False,  # the number format of the weights themselves
        fp16=False,
    )


def make_trainer(
    extended: Learns,
    task: Task,
    method: Method,
    *,
    folder: Path,
    save_every: int = 100,
    tick: Callable[[], None] = lambda: None,
) -> SFTTrainer:
    """A trainer of one method; its checkpoints are whole or refused, and it stops where ``tick`` raises `Interrupted`.

    Args:
        extended: The model; changed in place.
        task: Examples, numbers, settings.
        method: What it learns from.
        folder: For ``checkpoints/`` and ``metrics.jsonl``.
        save_every: Steps between checkpoints.
        tick: Called after each step. When it raises `Interrupted`, the step is saved first.

    Raises:
        ConfigError: A batch that cannot be shared evenly.
        MissingDependencyError: trl or datasets is not installed.
    """
    for package in ("trl", "datasets"):
        optional.need(package, extra="train", why="for --trainer trl")
    import transformers
    from trl import SFTTrainer

    from reasonry.core.hf_checkpoint import ManifestCallback

    dataset = step_dataset(task)
    _show_bias(extended.model)
    settings = sft_config(
        task,
        output_dir=folder / _CHECKPOINTS,
        num_rows=len(dataset),
        save_every=save_every,
        use_cpu=extended.model.device.type == "cpu",
    )
    optimizer = make_optimizer(task, extended.model)
    rate = task.settings.optimizer.lr
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda at: task.lr(at) / rate)
    trainer = SFTTrainer(
        model=extended.model,
        args=settings,
        train_dataset=dataset,
        data_collator=MixedRowCollator(task, method),
        processing_class=extended.tokenizer,
        optimizers=(optimizer, schedule),
        callbacks=[
            _as_logged(task, method, extended.model, dataset),
            ManifestCallback(metrics=folder / METRICS),
            stop_callback(tick),
        ],
    )
    trainer.remove_callback(transformers.PrinterCallback)  # stdout is for what the user asked to have printed
    return trainer


def train(part: Run, task: Task, method: Method, extended: Learns, *, say: Say) -> list[Row]:
    """Train a method to its last step, or go on with it.

    Args:
        part: The open run's folder of the method.
        task: Examples, numbers, settings.
        method: What it learns from.
        extended: The model; changed in place.
        say: Told what a user should know.

    Returns:
        The rows of all steps, named as those of the plain loop.

    Raises:
        Interrupted: The user asked to stop; it is saved where it stands.
    """
    from reasonry.core.hf_checkpoint import continue_training

    path, start_s = part.path(METRICS), time.perf_counter()
    done = len(jsonl.recover(path).rows) if path.exists() else 0
    try:
        with quiet_transformers(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # what TRL and transformers tell each other
            warnings.simplefilter("ignore", UserWarning)
            with working(part, method.name, total=task.length.num_steps, done=done, unit="steps", say=say) as work:
                save_every = task.settings.save_every
                trainer = make_trainer(
                    extended, task, method, folder=part.folder, save_every=save_every, tick=work.tick
                )
                continue_training(trainer)
    finally:
        jsonl.append(part.path(COSTS), [{"seconds": time.perf_counter() - start_s}])
    return jsonl.recover(path).rows


def _show_bias(model: Any) -> None:
    """Let a head without a bias say so: peft hides that of a head some of whose rows are trained, and TRL asks for it.

    TRL computes log-probabilities from the head's weight, which peft gives with the trained rows in their places.
    """
    head = model.get_output_embeddings()
    if head is not None and not hasattr(head, "bias"):
        head.bias = getattr(head.original_module, "bias", None)


# ---------------------------------------------------------------- callbacks


def _as_logged(task: Task, method: Method, model: Any, dataset: Dataset) -> Any:
    from transformers import TrainerCallback

    scorer = Scorer(model)
    looks, collator = Looks(task, method, scorer), MixedRowCollator(task, method)
    size = task.settings.optimizer.batch_size

    class AsThePlainLoop(TrainerCallback):
        """Forgets moments where iCoT does, and gives rows of the log the names and the columns of the plain loop."""

        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            first = int(state.global_step) * size
            step = int(dataset[min(first, len(dataset) - 1)]["step"])
            if state.global_step and task.forgets(method, step):
                kwargs["optimizer"].state.clear()

        def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            row = state.log_history[-1] if state.log_history else {}
            if "loss" not in row:
                return
            done = int(row["step"])
            cut = range((done - 1) * size, min(done * size, len(dataset)))
            labels_BT = collator([dataset[at] for at in cut])["labels"]
            found = {name: row[name] for name in ("step", "loss", "grad_norm")}
            row.clear()
            row |= {**found, "lr": task.lr(done - 1), **learnt_parts(labels_BT, task.ids)}
            if looks.is_due(done) or done == state.max_steps:
                row |= looks(done)
                scorer.model.train()

    return AsThePlainLoop()
