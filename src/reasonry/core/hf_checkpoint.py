"""Gives Hugging Face's `Trainer` checkpoints that are whole or refused, and bitwise equal continuation.

What `Trainer` (transformers 5) does: it writes straight into ``output_dir/checkpoint-N`` (weights,
``optimizer.pt``, ``scheduler.pt``, ``rng_state*.pth``, ``trainer_state.json`` last), deletes the oldest
checkpoints beyond ``save_total_limit``, and calls ``on_save``. On resume it takes the highest N whatever is
inside, and **a missing ``optimizer.pt``, ``scheduler.pt`` or ``rng_state.pth`` is skipped without a word**:
the run goes on with a fresh optimizer. Here `ManifestCallback` fsyncs every file and writes ``manifest.json``
last, and `find_resume` returns the newest checkpoint whose manifest verifies, byte for byte, and which has an
optimizer, a schedule and generator states.

`Trainer` also deletes *before* it vouches for anything, ordered by the folders' modification times; killed
half-way through a deletion it leaves a remnant that looks new and later outlives good checkpoints. So
`ManifestCallback` takes the rotation over: after the manifest, by step, whole checkpoints only, each renamed
before it is removed. The disk holds one checkpoint more than ``save_total_limit`` for a moment.

    trainer = Trainer(..., callbacks=[ManifestCallback(metrics=run / "metrics.jsonl")])
    continue_training(trainer)            # starts, continues, or finds that nothing is left to do

What else parts a continued run from an uninterrupted one, and what is done about it:

- The loss summed since the last logged row is not in a checkpoint. Every saved step is logged first, so it is
  zero.
- Resumed at its last step, `Trainer` trains one step more when that step is not the end of an epoch, and
  again after early stopping. `ManifestCallback` raises `TrainingFinished` instead; `continue_training`
  catches it.
- Rows logged after the checkpoint are logged again. ``metrics`` is rewritten from the checkpoint's history
  first.
- ``eval_on_start`` evaluates again on resume: turned off then.
- ``save_total_limit=1`` leaves nothing to fall back to; ``save_only_model`` saves no optimizer;
  ``ignore_data_skip`` restarts the epoch's data; callbacks with state (early stopping) start afresh unless
  ``restore_callback_states_from_checkpoint``; evaluating or logging at the end of an epoch *after* a
  checkpoint of the same step is lost on resume; an order of the data drawn from the global generator is drawn
  anew (``group_by_length``, or ``use_seedable_sampler=False``). All of these are refused when training
  begins.

Not detectable here, so up to the caller: a dataset or collator that draws from a global generator (random
masking: seed it by example index instead); kernels that are not deterministic on a GPU
(``full_determinism=True``); other hardware, library versions or number of processes than before.
``train_loss`` and the timings that `Trainer` reports at the very end cover the last process only, and are not
written to ``metrics``.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from reasonry.core import jsonl
from reasonry.core.atomic import TMP_PREFIX, fsync_dir, sweep, tmp_sibling
from reasonry.core.checkpoint import Rejection, find_damage, move_aside, retire, warn_rejected, write_manifest
from reasonry.errors import EXIT_OK, ConfigError, ReasonryError, ResourceError

if TYPE_CHECKING:
    from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

    class ManifestCallback(TrainerCallback):
        """See `_ManifestHooks`."""

        def __init__(self, *, metrics: Path | None = None, resumable: bool = True) -> None: ...


REQUIRED = ("optimizer.pt", "scheduler.pt", "trainer_state.json", "rng_state*")
_CHECKPOINT = re.compile(r"checkpoint-(\d+)")
_TIMINGS = ("_runtime", "_per_second")


class TrainingFinished(ReasonryError):
    """The checkpoint resumed from is that of the last step: there is nothing left to train."""

    exit_code = EXIT_OK


class Continuation(NamedTuple):
    """What `continue_training` did."""

    resumed_from: Path | None
    """The checkpoint it started from; None: from step 0."""
    num_steps_run: int
    """Optimizer steps run by this call."""


# --- writing ------------------------------------------------------------------------------------------


def _metrics_row(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """A logged row without timings, keys sorted, NaN and infinities as null; None for the closing summary."""
    if "train_runtime" in row:
        return None
    kept = {k: row[k] for k in sorted(row) if not k.endswith(_TIMINGS)}
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in kept.items()}


def _rewrite(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f"{TMP_PREFIX}{path.name}-*"):
        leftover.unlink()
    tmp = tmp_sibling(path)
    tmp.touch()
    jsonl.append(tmp, rows, sync=True)
    os.replace(tmp, path)
    fsync_dir(path.parent)


def _barrier() -> None:
    """Wait for the other ranks: each writes its own generator states, and rank 0 must not hash too early."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()


class _ManifestHooks:
    """Makes every checkpoint verifiable, and the run resumable bit for bit. Add it last of the callbacks.

    Args:
        metrics: A JSONL file for every logged row (timings left out), consistent with the checkpoints: after
            a resume it holds each row once, as if nothing had happened.
        resumable: False allows settings with which a run cannot be continued exactly; manifests are still
            written.
    """

    def __init__(self, *, metrics: Path | None = None, resumable: bool = True) -> None:
        self.metrics = metrics
        self.resumable = resumable
        self.stopped_early = False
        self._limit: int | None = None

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Refuse settings that break the guarantee, put the metrics back to the checkpoint, and see whether
        anything is left to do.
        """
        output_dir = Path(str(args.output_dir))
        _refuse(args, state, resumable=self.resumable)
        later = [p for step, p in _numbered(output_dir) if step > state.global_step]
        if self.resumable and later:
            raise ConfigError(
                f"training starts at step {state.global_step}, and {later[0].name} is already there and would be "
                "taken for the newest",
                place=str(output_dir),
                remedy="Resume from find_resume(output_dir), or write to another folder.",
            )
        if args.save_total_limit is not None:
            self._limit, args.save_total_limit = args.save_total_limit, None
        if args.should_save:
            self._rotate(output_dir, state)
        if self.metrics is not None and state.is_world_process_zero:
            rows = [_metrics_row(row) for row in state.log_history]
            _rewrite(self.metrics, [row for row in rows if row is not None])
        if state.global_step > 0:
            args.eval_on_start = False
            if self.stopped_early or state.global_step >= state.max_steps:
                args.save_total_limit = self._limit
                raise TrainingFinished(
                    f"training already ended at step {state.global_step}",
                    place=str(args.output_dir),
                    remedy="Raise max_steps or num_train_epochs to train on.",
                )

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        """Log whatever step is saved: the running loss is not in a checkpoint."""
        may_save = control.should_save or (args.save_strategy == "best" and control.should_evaluate)
        if may_save and args.logging_strategy != "no":
            control.should_log = True
        return control

    on_epoch_end = on_step_end

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Append the row to ``metrics``."""
        if self.metrics is not None and state.is_world_process_zero and state.log_history:
            row = _metrics_row(state.log_history[-1])
            if row is not None:
                jsonl.append(self.metrics, [row])

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Vouch for the checkpoint that `Trainer` has just written."""
        _barrier()
        if not args.should_save:
            return
        folder = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
        if not folder.is_dir():
            raise ResourceError("Trainer saved no checkpoint here", place=str(folder))
        write_manifest(folder)
        self._rotate(folder.parent, state)

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Give the rotation back."""
        args.save_total_limit = self._limit

    def _rotate(self, output_dir: Path, state: TrainerState) -> None:
        """Delete the oldest whole checkpoints beyond the limit; the current and the best one stay."""
        if self._limit is None or self._limit <= 0:
            return
        protected = {f"checkpoint-{state.global_step}", Path(state.best_model_checkpoint or "").name}
        whole = [p for _, p in _numbered(output_dir) if find_damage(p, check_hashes=False) is None]
        kept = [p for p in whole if p.name in protected]
        for path in whole:
            if path not in kept and len(kept) < self._limit:
                kept.append(path)
            elif path not in kept:
                retire(path)


def _refuse(args: TrainingArguments, state: TrainerState, *, resumable: bool) -> None:
    """Raise `ConfigError` for the first setting with which a killed run could not be continued exactly."""

    def refuse(setting: str, why: str, remedy: str) -> None:
        raise ConfigError(f"{setting}: {why}", place="TrainingArguments", remedy=remedy)

    if args.save_total_limit == 1:
        refuse(
            "save_total_limit=1",
            "rotation deletes the old checkpoint before the new one is known to be good, so a kill or damage "
            "can lose the run",
            "Set it to 2 or more.",
        )
    if not resumable:
        return
    if state.is_hyper_param_search:
        refuse("hyperparameter search", "its trials are not resumed", "Use ManifestCallback(resumable=False).")
    if args.save_only_model:
        refuse("save_only_model=True", "checkpoints without an optimizer cannot be continued", "Set it to False.")
    if args.ignore_data_skip:
        refuse("ignore_data_skip=True", "a continued epoch would start its data afresh", "Set it to False.")
    if args.save_strategy == "steps":
        for name in ("eval_strategy", "logging_strategy"):
            if getattr(args, name) == "epoch":
                refuse(
                    f"{name}='epoch' with save_strategy='steps'",
                    "what follows a checkpoint at the same step, at the end of the epoch, is lost on resume",
                    f"Set save_strategy='epoch' or {name}='steps'.",
                )
    if args.train_sampling_strategy == "group_by_length" and args.save_strategy != "epoch":
        refuse(
            "train_sampling_strategy='group_by_length'",
            "the order within an epoch is drawn anew on resume",
            "Set save_strategy='epoch' or train_sampling_strategy='random'.",
        )
    is_seedable = getattr(args.accelerator_config, "use_seedable_sampler", True)
    if args.train_sampling_strategy == "random" and not is_seedable:
        refuse("use_seedable_sampler=False", "the order of the data is drawn anew on resume", "Leave it at True.")
    stateful = sorted({str(name) for name in state.stateful_callbacks or {}} - {"TrainerControl"})
    if stateful and not args.restore_callback_states_from_checkpoint:
        refuse(
            f"callbacks with state ({', '.join(stateful)})",
            "they would start afresh on resume",
            "Set restore_callback_states_from_checkpoint=True.",
        )


def __getattr__(name: str) -> Any:
    if name == "ManifestCallback":
        from transformers import TrainerCallback

        made = type(
            name,
            (_ManifestHooks, TrainerCallback),
            {"__doc__": _ManifestHooks.__doc__, "__module__": __name__},
        )
        globals()[name] = made
        return made
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# --- resuming -----------------------------------------------------------------------------------------


def _numbered(output_dir: Path) -> list[tuple[int, Path]]:
    """(step, path) of what is named like a checkpoint, newest first."""
    if not output_dir.is_dir():
        return []
    found = ((_CHECKPOINT.fullmatch(p.name), p) for p in output_dir.iterdir() if p.is_dir())
    return sorted(((int(m[1]), p) for m, p in found if m), reverse=True)


def _find(output_dir: Path, require: Sequence[str], warn: Callable[[Rejection], None]) -> Path | None:
    if not output_dir.is_dir():
        return None
    sweep(output_dir)
    for _, path in _numbered(output_dir):
        damage = find_damage(path, require=require)
        if damage is None:
            return path
        warn(move_aside(path, damage))
    return None


def find_resume(
    output_dir: Path | str,
    *,
    require: Sequence[str] = REQUIRED,
    warn: Callable[[Rejection], None] = warn_rejected,
) -> Path | None:
    """The newest ``checkpoint-N`` that is whole, for ``Trainer.train(resume_from_checkpoint=...)``; or None.

    Newer ones that fail are reported through ``warn`` and moved to ``output_dir/rejected/``, never deleted. A
    good checkpoint that was saved without `ManifestCallback` is refused too: to vouch for it, move it back
    and call `reasonry.core.checkpoint.write_manifest` on it. With several processes every one calls this,
    after ``TrainingArguments`` has started the process group: rank 0 looks and tells the others.

    Args:
        output_dir: The trainer's; may be missing.
        require: File patterns without which a checkpoint cannot be continued. Sharded optimizers have other
            names: pass ``("optimizer_*/*", ...)`` for FSDP and ``("global_step*/*", ...)`` for DeepSpeed.
        warn: Called with each rejected checkpoint, newest first.

    Raises:
        ConfigError: Several processes, and no process group.
    """
    output_dir = Path(output_dir)
    torch = sys.modules.get("torch")
    if torch is not None and torch.distributed.is_available() and torch.distributed.is_initialized():
        dist = torch.distributed
        device = "cpu" if dist.get_backend() != "nccl" else torch.device("cuda", torch.cuda.current_device())
        step = torch.full((), -1, dtype=torch.int64, device=device)
        if dist.get_rank() == 0:
            path = _find(output_dir, require, warn)
            step.fill_(-1 if path is None else int(path.name.removeprefix("checkpoint-")))
        dist.broadcast(step, src=0)
        return None if step.item() < 0 else output_dir / f"checkpoint-{step.item()}"
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError(
            "several processes, but no process group to agree on a checkpoint through",
            remedy="Make the TrainingArguments before calling find_resume.",
        )
    return _find(output_dir, require, warn)


def continue_training(
    trainer: Trainer,
    *,
    require: Sequence[str] = REQUIRED,
    warn: Callable[[Rejection], None] = warn_rejected,
) -> Continuation:
    """Train from the newest whole checkpoint of ``trainer.args.output_dir``, or from the start, to the end.

    Run again after the end it trains nothing, and leaves the final weights and the state in ``trainer``.
    Hold the run's lock around it.

    Raises:
        ConfigError: ``trainer`` has no `ManifestCallback`, or settings with which exact continuation fails.
    """
    hooks = [c for c in trainer.callback_handler.callbacks if isinstance(c, _ManifestHooks)]
    if not hooks:
        raise ConfigError(
            "the trainer has no ManifestCallback, so none of its checkpoints could be trusted",
            remedy="Pass callbacks=[ManifestCallback()].",
        )
    path = find_resume(str(trainer.args.output_dir), require=require, warn=warn)
    num_steps_before = 0
    if path is not None:
        saved = json.loads((path / "trainer_state.json").read_bytes())
        num_steps_before = saved["global_step"]
        hooks[0].stopped_early = _has_stopped(saved) and num_steps_before < saved["max_steps"]
    try:
        trainer.train(resume_from_checkpoint=None if path is None else str(path))
    except TrainingFinished:
        trainer.is_in_train = False
        if trainer.args.load_best_model_at_end and trainer.state.best_model_checkpoint is not None:
            trainer._load_best_model()
    return Continuation(path, trainer.state.global_step - num_steps_before)


def _has_stopped(saved: Mapping[str, Any]) -> bool:
    """Whether training was told to stop at a saved step, by its length or by a callback."""
    control = saved.get("stateful_callbacks", {}).get("TrainerControl", {})
    entries = control if isinstance(control, list) else [control]
    return any(entry.get("args", {}).get("should_training_stop", False) for entry in entries)
