"""``reasonry train pivotrl``: from pivots and the model they are pivots of to a trained model, in a run that continues.

Files: ``metrics.jsonl`` (a row for each round of samples), ``checkpoints/``, ``audit.json`` (the verifier on the
demonstrations), ``made_with.json`` (pivots, policy, verifier, tool format), ``model/`` or ``adapter/`` (safetensors),
``costs.jsonl``, ``results.json`` (no clock in it).

The verifier is tried on the demonstrations first: a demonstration that its own verifier does not accept would reward
the policy for unlearning it. The ledger counts the actions of the profile as well as those of training.

Several devices, engine trl only::

    accelerate launch -m reasonry train pivotrl FOLDER MODEL --run RUN ...

Every process runs the same command; the first one holds the run directory and writes.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from reasonry.core import atomic, optional
from reasonry.core.made_with import MadeWith
from reasonry.core.messages import Json
from reasonry.core.models import LoadedModel, find_causal_lm, load_causal_lm, quiet_transformers
from reasonry.core.models.context import context_tok
from reasonry.core.run import Run, default_folder
from reasonry.core.work import Say
from reasonry.errors import ConfigError, DataError
from reasonry.training.pivotrl.audit import assert_sound, audit_verifier
from reasonry.training.pivotrl.config import TrainConfig, VerifierConfig
from reasonry.training.pivotrl.policy_hash import loaded_policy
from reasonry.training.pivotrl.records import Candidate, Verifier
from reasonry.training.pivotrl.rendering import opens_reasoning, prompt_ids, render
from reasonry.training.pivotrl.states import Format, choose_tool_format, present
from reasonry.training.pivotrl.train.engines import Task, run_engine
from reasonry.training.pivotrl.train.inputs import (
    Inputs,
    as_profiled,
    check_sampling,
    check_steps,
    disagreements,
    metrics_rows,
    read_inputs,
)
from reasonry.training.pivotrl.train.judging import Turn
from reasonry.training.pivotrl.train.ledger import Ledger, ledger_of
from reasonry.training.pivotrl.verifying import num_verdicts_at_once, open_verifier

VERB = "train pivotrl"
_MOST_AUDITED, _MOST_JUDGED = 5000, 64


class Trained(NamedTuple):
    """A finished training.

    Attributes:
        config: As resolved.
        folder: Run directory.
        model: Folder of the model, or of the adapter.
        rows: What was logged.
        ledger: What it cost, profile and training apart.
        num_pivots: Turns that training began with.
        audit: What the audit of the verifier found (`Audit.to_json`).
        notes: Where training differs from the profile, and what was left out.
    """

    config: TrainConfig
    folder: Path
    model: Path
    rows: Sequence[Json]
    ledger: Ledger
    num_pivots: int
    audit: Mapping[str, Any]
    notes: tuple[str, ...]

    def to_json(self) -> Json:
        """The body of ``results.json``."""
        last = self.rows[-1] if self.rows else {}
        kept = ("reward", "frac_reward_zero_std", "kl_ref", "grad_norm")
        return {
            "step": last.get("step", 0),
            "num_pivots": self.num_pivots,
            "first": {name: self.rows[0].get(name) for name in kept} if self.rows else {},
            "last": {name: last.get(name) for name in kept},
            "ledger": self.ledger.to_json(),
            "notes": list(self.notes),
        }


def train_pivots(
    config: TrainConfig,
    *,
    verifier: Verifier | None = None,
    say: Say = lambda line: None,
    open_run: Callable[[Run, str], None] = lambda run, determinism: None,
) -> Trained:
    """Train (or go on training) a model on pivots.

    Args:
        config: The resolved config.
        verifier: Used instead of the one that the config, or the profile, names.
        say: Told a line for people.
        open_run: Called once with the open run and its determinism level, before the first step.

    Raises:
        ConfigError: A setting that training cannot have, or a verifier that its audit found wrong.
        DataError: There are no pivots, or none fits the model's context.
        RunMismatchError: The run began with other pivots, another model or verifier.
        Interrupted: The user asked to stop; the step is saved, run the same command again.
    """
    is_first = os.environ.get("RANK", "0") == "0"
    if not is_first:
        say = _say_nothing
    _check(config)
    find_causal_lm(config.model, config.model_options)  # every cheap mistake is found before anything is written
    inputs = read_inputs(config)
    config = as_profiled(config, inputs.profile)
    settings = config.verifier if config.verifier.name else inputs.verifier or VerifierConfig()
    most = _MOST_JUDGED if settings.judge and verifier is None else _MOST_AUDITED
    num_at_once = num_verdicts_at_once(settings) if verifier is None else 1
    if verifier is None:
        verifier = open_verifier(settings, say=say)
    audit = audit_verifier(inputs.pivots[:most], verifier, seed=config.seed)
    assert_sound(audit, allow=config.allow)
    loaded = _load(config, inputs)
    tool_format = _tool_format(config, inputs, loaded)
    turns, left_out = _turns(config, inputs.pool, loaded, tool_format)
    pivots = [c.id for c in inputs.pivots if c.id in turns]
    if not pivots:
        raise DataError(
            f"no pivot can be put before the model: {', '.join(left_out)}",
            place=str(config.folder),
            remedy="Lower --sampling.max-new-tokens, raise --max-prompt-tok, or use a model with a longer context.",
        )
    notes = _notes(config, inputs, loaded, verifier, tool_format)
    notes += [f"{num} turns are left out: {reason}" for reason, num in left_out.most_common()]
    folder = config.run or default_folder("train-pivotrl", config, Path(config.model).name)
    opened = Run(VERB, config, folder=folder, seed=config.seed, warn=say) if is_first else contextlib.nullcontext()
    with opened as run:
        if run is not None:
            made = MadeWith(folder)
            made.check("pivots", {"sha256": inputs.sha256, "num": len(inputs.pivots)})
            made.check("policy", loaded_policy(loaded))
            made.check("verifier", verifier.identity)
            made.check("tool_format", tool_format)
            atomic.write_json(run.path("audit.json"), audit.to_json())
            run.record_environment("bitwise")
            open_run(run, "bitwise")
            for note in notes:
                say(f"note: {note}")
        task = Task(config, loaded, verifier, turns, tuple(pivots), tool_format, folder, num_at_once)
        model = run_engine(task, run, say=say)
        rows = metrics_rows(folder)
        ledger = ledger_of(rows, inputs.profile.num_samples if inputs.profile else 0)
        trained = Trained(config, folder, model, rows, ledger, len(pivots), audit.to_json(), tuple(notes))
        if run is not None:
            atomic.write_json(run.path("results.json"), trained.to_json())
        return trained


def _say_nothing(line: str) -> None:
    """For every process but the first."""


def _check(config: TrainConfig) -> None:
    check_sampling(config.drawn)
    if config.engine == "trl":
        from reasonry.integrations.trl import check_config

        check_config(config)
        for package in ("trl", "peft", "datasets"):
            optional.need(package, extra="train", why="for the engine trl; the engine minimal does without")
        return
    check_steps(config)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError("several processes with the engine minimal", place="engine", remedy="Use engine trl.")


def _load(config: TrainConfig, inputs: Inputs) -> LoadedModel:
    options = config.model_options
    if options.dtype == "auto":
        profiled = inputs.profile.policy.get("dtype") if inputs.profile and config.lora.rank else None
        if not config.lora.rank:
            options = options.with_(dtype="float32")
        elif profiled in ("float32", "bfloat16", "float16"):
            options = options.with_(dtype=profiled)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and options.device in ("auto", "cuda"):
        import torch

        if torch.cuda.is_available():  # each process loads onto its own device
            options = options.with_(device=f"cuda:{os.environ.get('LOCAL_RANK', '0')}")
    with quiet_transformers():
        return load_causal_lm(config.model, options)


def _notes(
    config: TrainConfig, inputs: Inputs, loaded: LoadedModel, verifier: Verifier, tool_format: Format
) -> list[str]:
    if inputs.profile is None:
        notes = ["there is no profile beside the pivots: nothing says that they are pivots of this model"]
    else:
        notes = disagreements(
            inputs.profile,
            policy=loaded_policy(loaded),
            verifier=verifier.identity,
            tool_format=tool_format,
            drawn=config.drawn,
        )
    return notes


def _tool_format(config: TrainConfig, inputs: Inputs, loaded: LoadedModel) -> Format:
    if not loaded.tokenizer.chat_template:
        raise ConfigError(
            f"the model {config.model!r} has no chat template, and a state is a conversation",
            place="model",
            remedy="Train the instruction-tuned model that was profiled.",
        )
    wanted = config.tool_format
    if wanted == "auto" and inputs.profile and inputs.profile.tool_format == "hermes":
        wanted = "hermes"  # a profile with the template is gone on with where this model's template shows tools
    if not any(c.tools or any(m.tool_calls or m.role == "tool" for m in c.prompt) for c in inputs.pool):
        return "hermes" if wanted == "hermes" else "template"
    return choose_tool_format(wanted, loaded.tokenizer)


def _turns(
    config: TrainConfig, pool: Sequence[Candidate], loaded: LoadedModel, tool_format: Format
) -> tuple[dict[str, Turn], Counter[str]]:
    """Turns by id, and how many are left out for which reason: one bad state costs itself alone."""
    context = context_tok(loaded.model)
    most = config.max_prompt_tok or (context - config.drawn.max_new_tokens if context else 0)
    turns: dict[str, Turn] = {}
    left_out: Counter[str] = Counter()
    for candidate in pool:
        shown, text = present(candidate, tool_format), ""
        try:
            if config.engine == "trl":
                text, ids = render(loaded.tokenizer, shown, place=f"turn {candidate.id}")
            else:
                ids = prompt_ids(loaded.tokenizer, shown, place=f"turn {candidate.id}")
        except DataError as e:
            left_out[e.problem] += 1
            continue
        if (most or context) and len(ids) > most:
            left_out["prompt and action do not fit the model"] += 1
            continue
        turns[candidate.id] = Turn(candidate, ids, text, opens_reasoning(loaded.tokenizer, ids))
    return turns, left_out
