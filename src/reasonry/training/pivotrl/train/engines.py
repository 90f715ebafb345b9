"""The engines that train on turns, and the weights that they leave."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from reasonry.core import atomic
from reasonry.core.models import LoadedModel, quiet_transformers
from reasonry.core.models.adapter import CONFIG, portable_name
from reasonry.core.run import Run
from reasonry.core.whole_folder import whole_folder
from reasonry.core.work import Say, working
from reasonry.errors import Interrupted
from reasonry.training.pivotrl.config import TrainConfig
from reasonry.training.pivotrl.records import Verifier
from reasonry.training.pivotrl.states import Format
from reasonry.training.pivotrl.train.inputs import metrics_rows
from reasonry.training.pivotrl.train.judging import Turn

_FULL_RATE, _LORA_RATE = 1e-6, 1e-5


class Task(NamedTuple):
    """What is trained, on what.

    Attributes:
        config: As resolved.
        loaded: The starting model.
        verifier: Gives the rewards.
        turns: Every turn by id, those to be profiled again as well.
        pivots: Ids that training begins with.
        tool_format: How states are put before the model.
        folder: Run directory.
        num_at_once: Verdicts in flight, for a judge behind an endpoint.
    """

    config: TrainConfig
    loaded: LoadedModel
    verifier: Verifier
    turns: Mapping[str, Turn]
    pivots: tuple[str, ...]
    tool_format: Format
    folder: Path
    num_at_once: int = 1


def learning_rate_of(config: TrainConfig) -> float:
    """As given, or 1e-6 for all weights and 1e-5 for adapters (RECONSTRUCTED for adapters)."""
    if config.learning_rate is not None:
        return config.learning_rate
    return _LORA_RATE if config.lora.rank else _FULL_RATE


def run_engine(task: Task, run: Run | None, *, say: Say) -> Path:
    """Train to the last step with the engine that the config names, and save the weights.

    Args:
        task: What is trained, on what.
        run: The open run; None in all processes but the first.
        say: Told a line for people.

    Returns:
        Folder of the model, or of the adapter.

    Raises:
        Interrupted: The user asked to stop; the step is saved.
    """
    return _with_trl(task, run, say) if task.config.engine == "trl" else _minimal(task, run, say)


def _minimal(task: Task, run: Run | None, say: Say) -> Path:
    from reasonry.training.pivotrl.train.adapters import save_adapter
    from reasonry.training.pivotrl.train.minimal import MinimalTrainer

    assert run is not None
    config, loaded, folder = task.config, task.loaded, task.folder
    trainer = MinimalTrainer(
        loaded,
        config,
        task.verifier,
        turns=task.turns,
        pivots=task.pivots,
        tool_format=task.tool_format,
        learning_rate=learning_rate_of(config),
        folder=folder,
        num_at_once=task.num_at_once,
        say=say,
    )
    samplers, done = [trainer.rollouts.sampler], trainer.state.step
    with working(run, "training", total=config.num_steps, done=done, samplers=samplers, unit="steps", say=say) as work:

        def tick() -> None:
            for _ in range(config.num_iterations - 1):
                work.tick()
            work.tick()

        try:
            trainer.run(tick)
        except Interrupted:
            trainer.stop()
            raise
    name = "adapter" if config.lora.rank else "model"
    with whole_folder(folder / name, "the weights") as target, quiet_transformers():
        if config.lora.rank:
            save_adapter(loaded.model, config.lora, target, base=loaded.name)
        else:
            loaded.model.save_pretrained(target)
        loaded.tokenizer.save_pretrained(target)
    return folder / name


def _with_trl(task: Task, run: Run | None, say: Say) -> Path:
    from reasonry.core.sampling.hf import end_ids_of
    from reasonry.integrations import trl

    config, loaded, folder = task.config, task.loaded, task.folder
    ends = end_ids_of(loaded)
    reward = trl.reward_function(task.verifier, loaded.tokenizer, ends, num_at_once=task.num_at_once)
    dataset = trl.training_dataset(task.turns[id] for id in task.pivots)
    name = "adapter" if config.lora.rank else "model"
    with contextlib.ExitStack() as stack:
        stack.enter_context(quiet_transformers())
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore", FutureWarning)  # what TRL and transformers tell each other
        tick: Callable[[], None] = lambda: None  # noqa: E731
        if run is not None:
            done = len(metrics_rows(folder)) * config.num_iterations
            work = stack.enter_context(
                working(run, "training", total=config.num_steps, done=done, unit="steps", say=say)
            )
            tick = work.tick
        trainer = trl.make_trainer(
            loaded, config, reward, dataset, folder=folder, learning_rate=learning_rate_of(config), tick=tick
        )
        trl.train(trainer)
        if run is None:
            trainer.save_model(str(folder / name))  # takes part in gathering the weights; the first process writes
            return folder / name
        with whole_folder(folder / name, "the weights") as target:
            trainer.save_model(str(target))
            (target / "training_args.bin").unlink(missing_ok=True)  # a pickle, which nothing here reads
            if config.lora.rank:
                _name_base(target, loaded.name)
    return folder / name


def _name_base(adapter: Path, name: str) -> None:
    """Let the adapter name its base as the user did: peft wrote where this machine keeps it."""
    path = adapter / CONFIG
    settings = json.loads(path.read_text("utf-8"))
    atomic.write_json(path, {**settings, "base_model_name_or_path": portable_name(name)})
