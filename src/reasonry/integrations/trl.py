"""Training on pivots with TRL's `GRPOTrainer`, through its public interface.

TRL shows a prompt only the tools of the whole trainer, so every row is rendered beforehand with its own tools, as text
that tokenizes to the chat template's tokens (see `rendering`). A row's candidate travels as one JSON string: Arrow
would give the arguments of all rows' tools the same keys, and fill in nulls that the model would be shown.

    dataset = training_dataset(turns.values())                 # columns prompt, pivot_id, candidate, in_reasoning
    trainer = make_trainer(loaded, config, reward_function(verifier, tokenizer, end_ids), dataset, ...)
    train(trainer)

The trainer is given the rows of all steps in their order, that of `train.order`: TRL's own shuffling begins anew in a
run that goes on after an epoch. A group is TRL's run of ``num_generations`` rows of one index of the dataset, never
rows with equal prompts. A reward of None leaves a sample out of its group's baseline. TRL divides by the standard
deviation with ddof 1 and adds 1e-4; other settings of the loss are refused, as is what its interface has no place for:
replacing groups without a signal (``refill``) and profiling again. The engine ``minimal`` has both.

Several devices: ``accelerate launch -m reasonry train pivotrl FOLDER MODEL --engine trl ...``; each process takes its
share of the actions of a step, and the first one writes.
"""

# TRL exports its classes lazily, which is private by the letter.
# pyright: reportPrivateImportUsage=false
from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reasonry.core import optional
from reasonry.core.hf_checkpoint import Continuation, continue_training
from reasonry.core.models import LoadedModel
from reasonry.errors import ConfigError
from reasonry.integrations.stop_callback import stop_callback
from reasonry.training.pivotrl.config import TrainConfig
from reasonry.training.pivotrl.records import Candidate, Verifier
from reasonry.training.pivotrl.rows import candidate_from_row, candidate_to_row
from reasonry.training.pivotrl.train.adapters import peft_config
from reasonry.training.pivotrl.train.judging import Asked, Judge, Turn
from reasonry.training.pivotrl.train.order import pivots_at

if TYPE_CHECKING:
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

_TRL_EPS, _TRL_DDOF = 1e-4, 1
RewardFunction = Callable[..., list[float | None]]


def check_config(config: TrainConfig) -> None:
    """Refuse settings that TRL has no place for; nothing is imported.

    Raises:
        ConfigError: With the engine that has them.
    """
    refused = {
        "refill": config.refill,
        "reprofile_every": config.reprofile_every > 0,
        "reprofile_when": config.reprofile_when > 0,
        "loss.baseline": config.loss.baseline != "mean",
        "loss.scale": config.loss.scale == "others",
        "loss.ddof": config.loss.ddof != _TRL_DDOF,
        "loss.eps": config.loss.eps != _TRL_EPS,
    }
    for name, is_set in refused.items():
        if is_set:
            raise ConfigError(
                "TRL's trainer has no place for this setting", place=name, remedy="Leave it out, or use engine minimal."
            )


# ---------------------------------------------------------------- data and reward


def training_dataset(turns: Iterable[Turn]) -> Dataset:
    """One row for each turn: the prompt as text and whether it opens reasoning, its id, and its candidate as JSON."""
    from datasets import Dataset

    rows = [
        {
            "prompt": turn.text,
            "pivot_id": turn.candidate.id,
            "candidate": json.dumps(candidate_to_row(turn.candidate), ensure_ascii=False),
            "in_reasoning": turn.in_reasoning,
        }
        for turn in turns
    ]
    return Dataset.from_list(rows)


def reward_function(
    verifier: Verifier, tokenizer: Any, end_ids: Collection[int], *, num_at_once: int = 1
) -> RewardFunction:
    """A reward function of `GRPOTrainer` that asks a verifier, by the tokens of the completions.

    A call that cannot be read is never text, a completion that was cut off is never right, and one without a verdict
    has the reward None. The share of each category is logged as ``verifier/CATEGORY``.

    Args:
        verifier: Gives the rewards.
        tokenizer: Of the policy.
        end_ids: Tokens that end a turn, see `core.sampling.hf.end_ids_of`.
        num_at_once: Verdicts in flight, for a judge behind an endpoint.
    """
    judge = Judge(verifier, tokenizer, end_ids=end_ids, num_at_once=num_at_once)
    seen: set[str] = set()

    @lru_cache(maxsize=4096)
    def read(row: str) -> Candidate:
        return candidate_from_row(json.loads(row), place="column candidate")

    def verifier_reward(
        *,
        completion_ids: list[list[int]],
        candidate: list[str],
        in_reasoning: list[bool],
        log_metric: Callable[[str, float], None] | None = None,
        **_: Any,
    ) -> list[float | None]:
        def asked() -> Iterator[Asked[None]]:
            for row, ids, opened in zip(candidate, completion_ids, in_reasoning, strict=True):
                turn = read(row)
                yield Asked(None, turn, judge.read_tokens(turn, ids, in_reasoning=opened))

        verdicts = [verdict for _, verdict in judge.verdicts(asked())]
        counts = Counter(v.category for v in verdicts)
        seen.update(counts)
        for category in sorted(seen) if log_metric is not None else ():
            assert log_metric is not None
            log_metric(f"verifier/{category}", counts[category] / len(verdicts))
        return [v.reward for v in verdicts]

    return verifier_reward


# ---------------------------------------------------------------- trainer


def grpo_config(
    config: TrainConfig, *, output_dir: Path, num_pivots: int, learning_rate: float, use_cpu: bool = False
) -> GRPOConfig:
    """TRL's settings for ours.

    Args:
        config: Ours.
        output_dir: Of the checkpoints.
        num_pivots: Rows of the dataset; a step has at most so many.
        learning_rate: Resolved.
        use_cpu: The model is on the CPU.

    Raises:
        ConfigError: The actions of a step cannot be shared evenly by the processes.
    """
    from trl import GRPOConfig

    num_processes = int(os.environ.get("WORLD_SIZE", "1"))
    num_actions = min(config.prompts_per_step, num_pivots) * config.group_size
    if num_actions % num_processes:
        raise ConfigError(
            f"{num_actions} actions of a step for {num_processes} processes",
            place="prompts_per_step",
            remedy="Give a number of prompts times group size that the number of processes divides.",
        )
    share = num_actions // num_processes
    micro = max(n for n in range(1, min(config.micro_batch, share) + 1) if share % n == 0)
    how = config.loss
    every = config.num_iterations  # a checkpoint amid the steps on the same samples would sample anew
    return GRPOConfig(
        output_dir=str(output_dir),
        max_steps=config.num_steps,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=share // micro,
        num_generations=config.group_size,
        num_iterations=config.num_iterations,
        learning_rate=learning_rate,
        lr_scheduler_type="constant",
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        beta=how.beta,
        use_bias_correction_kl=True,
        epsilon=how.clip_low,
        epsilon_high=how.clip_high,
        loss_type=how.kind,
        scale_rewards=how.scale,
        temperature=config.drawn.temperature,
        top_p=config.drawn.top_p,
        top_k=config.drawn.top_k,
        max_completion_length=config.drawn.max_new_tokens,
        disable_dropout=True,
        shuffle_dataset=False,
        save_strategy="steps",
        save_steps=math.ceil(config.save_every / every) * every,
        save_total_limit=2,
        logging_steps=every,
        report_to=[],
        disable_tqdm=True,
        seed=config.seed,
        data_seed=config.seed,
        use_cpu=use_cpu,
        bf16=False,  # the model's own number format, which it was profiled in
        fp16=False,
    )


def make_trainer(
    loaded: LoadedModel,
    config: TrainConfig,
    reward: RewardFunction,
    dataset: Dataset,
    *,
    folder: Path,
    learning_rate: float,
    tick: Callable[[], None] = lambda: None,
) -> GRPOTrainer:
    """A trainer whose checkpoints are whole or refused, and which stops where ``tick`` raises `Interrupted`.

    Args:
        loaded: The starting model.
        config: Ours.
        reward: From `reward_function`.
        dataset: From `training_dataset`.
        folder: Run directory: ``checkpoints/`` and ``metrics.jsonl``.
        learning_rate: Resolved.
        tick: Called after each step. When it raises `Interrupted`, the step is saved first.

    Raises:
        ConfigError: A setting that TRL has no place for.
        MissingDependencyError: trl, peft or datasets is not installed.
    """
    check_config(config)
    for package in ("trl", "datasets", "peft"):
        optional.need(package, extra="train", why="for the engine trl")
    import transformers
    from trl import GRPOTrainer

    from reasonry.core.hf_checkpoint import ManifestCallback

    num_pivots = len(dataset)
    settings = grpo_config(
        config,
        output_dir=folder / "checkpoints",
        num_pivots=num_pivots,
        learning_rate=learning_rate,
        use_cpu=loaded.model.device.type == "cpu",
    )
    transformers.set_seed(config.seed)  # adapters are drawn before the trainer sets its own
    num_groups = min(config.prompts_per_step, num_pivots)
    num_drawn = math.ceil(config.num_steps / config.num_iterations) * num_groups
    names: list[str] = dataset["pivot_id"][:]
    row_of = {name: i for i, name in enumerate(names)}
    drawn = [row_of[name] for name in pivots_at(names, 0, num_drawn, seed=config.seed)]
    trainer = GRPOTrainer(
        model=loaded.model,
        reward_funcs=reward,
        args=settings,
        train_dataset=dataset.select(drawn),
        processing_class=loaded.tokenizer,
        callbacks=[
            _pivot_metrics(num_groups, config.group_size, config.num_iterations),
            ManifestCallback(metrics=folder / "metrics.jsonl"),
            stop_callback(tick),
        ],
        peft_config=peft_config(config.lora) if config.lora.rank else None,
    )
    trainer.remove_callback(transformers.PrinterCallback)  # stdout is for what the user asked to have printed
    return trainer


def train(trainer: GRPOTrainer) -> Continuation:
    """Train to the last step, from the newest whole checkpoint or from the start."""
    return continue_training(trainer)


# ---------------------------------------------------------------- callbacks


def _pivot_metrics(num_groups: int, group_size: int, num_iterations: int) -> Any:
    from transformers import TrainerCallback

    class PivotMetrics(TrainerCallback):
        """Adds to TRL's rows what the other engine logs, and takes the clock out of them."""

        def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.log_history:
                _complete(state.log_history[-1])

    def _complete(row: dict[str, Any]) -> None:
        row.pop("step_time", None)
        row["num_tokens"] = int(row["num_tokens"]) if row.get("num_tokens") is not None else 0
        if (useless := row.get("frac_reward_zero_std")) is not None:
            row["pivot/useful_groups"] = round((1 - useless) * num_groups)
            rounds = math.ceil(row["step"] / num_iterations)
            row["pivot/turns_train"] = rounds * num_groups * group_size
            row["pivot/turns_profile"] = 0
        if "kl" in row:
            row["kl_ref"] = row.pop("kl")

    return PivotMetrics()
