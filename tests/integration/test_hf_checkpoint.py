"""`Trainer` with manifests: what it refuses, what it falls back to, and that it ends with the same bytes.

The control tests show what `Trainer` does by itself, so that the guarantee is seen to be needed.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
sys.path.insert(0, str(Path(__file__).parents[1] / "kill"))

import torch
import train_tiny
from transformers import EarlyStoppingCallback, TrainerCallback

from reasonry.core import jsonl
from reasonry.core.checkpoint import CheckpointWarning, Rejection, find_damage, write_manifest
from reasonry.core.hf_checkpoint import (
    Continuation,
    ManifestCallback,
    TrainingFinished,
    continue_training,
    find_resume,
)
from reasonry.errors import ConfigError

FILES = [
    "config.json",
    "generation_config.json",
    "manifest.json",
    "model.safetensors",
    "optimizer.pt",
    "rng_state.pth",
    "scheduler.pt",
    "trainer_state.json",
    "training_args.bin",
]
RESUME_FILES = ["optimizer.pt", "rng_state.pth", "scheduler.pt"]


class Base:
    """One uninterrupted run, shared by the tests; they work on copies."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        train_tiny.run(folder)
        self.fingerprint = train_tiny.fingerprint(folder)

    def copy(self, folder: Path) -> Path:
        """A copy of the run; returns its folder of checkpoints."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return folder / "checkpoints"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return Base(tmp_path_factory.mktemp("base"))


def _plain(folder: Path, resume: Path | None, **settings: Any) -> dict[str, torch.Tensor]:
    """Train without us; the final weights."""
    trainer = train_tiny.make_trainer(folder, **settings)
    trainer.train(resume_from_checkpoint=None if resume is None else str(resume))
    assert trainer.model is not None
    return trainer.model.state_dict()


def _same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


def test_a_whole_run_leaves_whole_checkpoints_one_row_per_step_and_nothing_temporary(base: Base) -> None:
    assert base.fingerprint["checkpoints"] == ["checkpoint-24", "checkpoint-27", "checkpoint-30"]
    assert base.fingerprint["temporary files"] == []
    steps = [row["step"] for row in base.fingerprint["metrics"]]
    assert steps == [s for s in range(1, 31) if s % 2 == 0 or s % 3 == 0], "logged every 2, saved every 3"
    folder = base.folder / "checkpoints" / "checkpoint-30"
    assert sorted(p.name for p in folder.iterdir()) == FILES
    assert find_damage(folder) is None


def test_running_it_again_when_it_is_finished_changes_nothing(base: Base, tmp_path: Path) -> None:
    base.copy(tmp_path)
    (tmp_path / "weights.safetensors").unlink()
    train_tiny.run(tmp_path)
    assert train_tiny.fingerprint(tmp_path) == base.fingerprint


@pytest.mark.parametrize("how", ["deleted", "truncated", "one bit flipped"])
@pytest.mark.parametrize("name", FILES)
def test_damage_to_any_file_of_the_newest_checkpoint_falls_back_aloud(
    base: Base, tmp_path: Path, name: str, how: str
) -> None:
    checkpoints = base.copy(tmp_path)
    file = checkpoints / "checkpoint-30" / name
    data = file.read_bytes()
    if how == "deleted":
        file.unlink()
    elif how == "truncated":
        file.write_bytes(data[:-1])
    else:
        file.write_bytes(data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])
    with pytest.warns(CheckpointWarning, match=f"checkpoint-30: .*{name}.*not deleted") as caught:
        assert find_resume(checkpoints) == checkpoints / "checkpoint-27"
    assert len(caught) == 1
    assert not (checkpoints / "checkpoint-30").exists()
    assert (checkpoints / "rejected" / "checkpoint-30").is_dir()


@pytest.mark.parametrize(("name", "how"), [("optimizer.pt", "deleted"), ("model.safetensors", "truncated")])
def test_after_falling_back_the_run_ends_with_the_same_bytes(base: Base, tmp_path: Path, name: str, how: str) -> None:
    checkpoints = base.copy(tmp_path)
    file = checkpoints / "checkpoint-30" / name
    if how == "deleted":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-100])
    with pytest.warns(CheckpointWarning, match=name):
        train_tiny.run(tmp_path)
    assert train_tiny.fingerprint(tmp_path) == base.fingerprint


def test_when_no_checkpoint_is_whole_every_one_is_reported_and_the_run_starts_again(base: Base, tmp_path: Path) -> None:
    checkpoints = base.copy(tmp_path)
    for folder in checkpoints.glob("checkpoint-*"):
        (folder / "optimizer.pt").unlink()
    seen: list[Rejection] = []
    assert find_resume(checkpoints, warn=seen.append) is None
    assert [r.path.name for r in seen] == ["checkpoint-30", "checkpoint-27", "checkpoint-24"]
    train_tiny.run(tmp_path)
    assert train_tiny.fingerprint(tmp_path) == base.fingerprint


@pytest.mark.parametrize("name", [*RESUME_FILES, "trainer_state.json"])
def test_a_checkpoint_saved_without_what_continuing_needs_is_refused(base: Base, tmp_path: Path, name: str) -> None:
    """Its manifest is whole: it never held the file, as after ``save_only_model=True``."""
    checkpoints = base.copy(tmp_path)
    (checkpoints / "checkpoint-30" / name).unlink()
    write_manifest(checkpoints / "checkpoint-30")
    with pytest.warns(CheckpointWarning, match="saved without"):
        assert find_resume(checkpoints) == checkpoints / "checkpoint-27"
    assert find_resume(checkpoints, require=()) == checkpoints / "checkpoint-27"


def test_a_checkpoint_of_plain_trainer_is_refused_until_someone_vouches_for_it(base: Base, tmp_path: Path) -> None:
    checkpoints = base.copy(tmp_path)
    (checkpoints / "checkpoint-30" / "manifest.json").unlink()
    with pytest.warns(CheckpointWarning, match=r"manifest\.json is missing"):
        find_resume(checkpoints)
    (checkpoints / "rejected" / "checkpoint-30").rename(checkpoints / "checkpoint-30")
    write_manifest(checkpoints / "checkpoint-30")
    assert find_resume(checkpoints) == checkpoints / "checkpoint-30"


def test_a_missing_folder_or_one_without_checkpoints_has_nothing_to_resume(tmp_path: Path) -> None:
    assert find_resume(tmp_path / "none") is None
    (tmp_path / "checkpoint-best").mkdir()
    assert find_resume(tmp_path) is None
    assert (tmp_path / "checkpoint-best").exists()


# --- controls: Trainer by itself ----------------------------------------------------------------------


def test_control_plain_trainer_continues_bitwise_from_a_whole_checkpoint(base: Base, tmp_path: Path) -> None:
    checkpoints = base.copy(tmp_path)
    end = _plain(tmp_path / "a", checkpoints / "checkpoint-24")
    straight = train_tiny.load_file(base.folder / "weights.safetensors")
    assert _same(end, straight)


@pytest.mark.parametrize("name", RESUME_FILES)
def test_control_plain_trainer_accepts_a_missing_file_in_silence_and_ends_elsewhere(
    base: Base, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints = base.copy(tmp_path)
    (checkpoints / "checkpoint-24" / name).unlink()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        end = _plain(tmp_path / "a", checkpoints / "checkpoint-24")
    said = [str(w.message) for w in caught] + [r.getMessage() for r in caplog.records if r.levelname != "INFO"]
    assert [text for text in said if name.split(".")[0] in text or "checkpoint" in text] == []
    straight = train_tiny.load_file(base.folder / "weights.safetensors")
    assert not _same(end, straight)


def test_control_plain_trainer_resumed_at_its_last_step_trains_one_more(base: Base, tmp_path: Path) -> None:
    checkpoints = base.copy(tmp_path)
    trainer = train_tiny.make_trainer(tmp_path / "a")
    trainer.train(resume_from_checkpoint=str(checkpoints / "checkpoint-30"))
    assert trainer.state.global_step == train_tiny.NUM_STEPS + 1


def test_control_plain_trainer_logs_another_loss_when_resumed_between_logged_steps(
    tmp_path: Path,
) -> None:
    rows = []
    for folder, resume in ((tmp_path / "a", None), (tmp_path / "b", tmp_path / "a/checkpoints/checkpoint-3")):
        trainer = train_tiny.make_trainer(folder, max_steps=4)
        trainer.train(resume_from_checkpoint=None if resume is None else str(resume))
        rows.append([row["loss"] for row in trainer.state.log_history if row["step"] == 4 and "loss" in row])
    assert rows[0] != rows[1]


@pytest.mark.parametrize(
    "settings",
    [
        {"train_sampling_strategy": "group_by_length"},
        {"accelerator_config": {"use_seedable_sampler": False}},
        {"ignore_data_skip": True},
    ],
    ids=lambda s: next(iter(s)),
)
def test_control_each_refused_order_of_the_data_parts_a_continued_run_from_a_straight_one(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    straight = _plain(tmp_path / "a", None, max_steps=15, **settings)
    end = _plain(tmp_path / "b", tmp_path / "a/checkpoints/checkpoint-12", max_steps=15, **settings)
    assert not _same(end, straight)


def test_control_an_evaluation_at_the_end_of_an_epoch_is_lost_on_resume(tmp_path: Path) -> None:
    rows = []
    for folder, resume in ((tmp_path / "a", None), (tmp_path / "b", tmp_path / "a/checkpoints/checkpoint-8")):
        trainer = train_tiny.make_trainer(folder, max_steps=10, save_steps=4, eval_strategy="epoch")
        trainer.train(resume_from_checkpoint=None if resume is None else str(resume))
        rows.append([row["step"] for row in trainer.state.log_history if "eval_loss" in row])
    assert rows == [[8, 10], [10]]


# --- settings, rotation, the end of training ----------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"save_total_limit": 1}, "save_total_limit=1"),
        ({"save_only_model": True}, "save_only_model"),
        ({"ignore_data_skip": True}, "ignore_data_skip"),
        ({"logging_strategy": "epoch"}, "logging_strategy"),
        ({"train_sampling_strategy": "group_by_length"}, "group_by_length"),
        ({"accelerator_config": {"use_seedable_sampler": False}}, "use_seedable_sampler"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_settings_that_break_the_guarantee_are_refused_before_the_first_step(
    tmp_path: Path, settings: dict[str, Any], named: str
) -> None:
    trainer = train_tiny.make_trainer(tmp_path, callbacks=(ManifestCallback(),), **settings)
    with pytest.raises(ConfigError, match=named) as caught:
        continue_training(trainer)
    assert caught.value.remedy
    assert trainer.state.global_step == 0


def test_a_trainer_without_the_callback_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no ManifestCallback"):
        continue_training(train_tiny.make_trainer(tmp_path))


def test_manifests_alone_allow_checkpoints_that_cannot_be_continued(tmp_path: Path) -> None:
    callback = ManifestCallback(resumable=False)
    trainer = train_tiny.make_trainer(tmp_path, callbacks=(callback,), save_only_model=True, max_steps=3)
    trainer.train()
    assert find_damage(tmp_path / "checkpoints" / "checkpoint-3") is None


class _Watch(TrainerCallback):
    """Counts the whole checkpoints on disk when `Trainer` has written one that is not yet vouched for."""

    def __init__(self) -> None:
        self.num_whole: list[int] = []

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        folders = Path(args.output_dir).glob("checkpoint-*")
        self.num_whole.append(sum(find_damage(p) is None for p in folders))


def test_two_whole_checkpoints_are_on_disk_at_every_instant_after_the_second(tmp_path: Path) -> None:
    watch = _Watch()
    callbacks = (watch, ManifestCallback())
    trainer = train_tiny.make_trainer(tmp_path, callbacks=callbacks, max_steps=12, save_total_limit=2)
    continue_training(trainer)
    assert watch.num_whole == [0, 1, 2, 2]
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["checkpoint-12", "checkpoint-9"]
    assert trainer.args.save_total_limit == 2


def test_control_plain_trainer_deletes_before_the_new_checkpoint_is_vouched_for(tmp_path: Path) -> None:
    class Vouch(TrainerCallback):
        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            write_manifest(Path(args.output_dir) / f"checkpoint-{state.global_step}")

    watch = _Watch()
    train_tiny.make_trainer(tmp_path, callbacks=(watch, Vouch()), max_steps=12, save_total_limit=2).train()
    assert watch.num_whole == [0, 1, 1, 1]


def test_a_remnant_of_a_killed_deletion_does_not_outlive_good_checkpoints(base: Base, tmp_path: Path) -> None:
    """Its folder has the newest modification time; by that `Trainer` would delete checkpoint-27 instead."""
    checkpoints = base.copy(tmp_path)
    shutil.rmtree(checkpoints / "checkpoint-30")
    os.utime(checkpoints / "checkpoint-27", (1, 1))
    (checkpoints / "checkpoint-24" / "optimizer.pt").unlink()
    train_tiny.run(tmp_path)
    whole = [p.name for p in checkpoints.glob("checkpoint-*") if find_damage(p) is None]
    assert sorted(whole) == ["checkpoint-27", "checkpoint-30"]


def test_a_finished_run_trains_on_when_it_is_made_longer(base: Base, tmp_path: Path) -> None:
    base.copy(tmp_path)
    trainer = train_tiny.make_trainer(tmp_path, callbacks=(ManifestCallback(),), max_steps=32)
    resumed = tmp_path / "checkpoints" / "checkpoint-30"
    assert continue_training(trainer) == Continuation(resumed, 2)
    assert trainer.state.global_step == 32


def test_train_called_directly_on_a_finished_run_says_so_instead_of_training_on(base: Base, tmp_path: Path) -> None:
    checkpoints = base.copy(tmp_path)
    trainer = train_tiny.make_trainer(tmp_path, callbacks=(ManifestCallback(),))
    with pytest.raises(TrainingFinished, match="already ended at step 30") as caught:
        trainer.train(resume_from_checkpoint=str(find_resume(checkpoints)))
    assert caught.value.exit_code == 0
    assert trainer.args.save_total_limit == 3


def test_starting_before_an_existing_later_checkpoint_is_refused(base: Base, tmp_path: Path) -> None:
    checkpoints = base.copy(tmp_path)
    for resume in (None, str(checkpoints / "checkpoint-24")):
        trainer = train_tiny.make_trainer(tmp_path, callbacks=(ManifestCallback(),))
        with pytest.raises(ConfigError, match="checkpoint-30 is already there"):
            trainer.train(resume_from_checkpoint=resume)


def _early_stopping(folder: Path, *, restore: bool) -> Continuation:
    trainer = train_tiny.make_trainer(
        folder,
        callbacks=(EarlyStoppingCallback(early_stopping_patience=1), ManifestCallback()),
        learning_rate=0.0,
        eval_strategy="steps",
        eval_steps=3,
        metric_for_best_model="eval_loss",
        load_best_model_at_end=True,
        restore_callback_states_from_checkpoint=restore,
    )
    return continue_training(trainer)


def test_a_run_that_stopped_early_is_finished(tmp_path: Path) -> None:
    assert _early_stopping(tmp_path, restore=True) == Continuation(None, 6)
    assert _early_stopping(tmp_path, restore=True) == Continuation(tmp_path / "checkpoints/checkpoint-6", 0)


def test_early_stopping_whose_patience_would_start_afresh_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="EarlyStoppingCallback"):
        _early_stopping(tmp_path, restore=False)


def test_an_evaluation_on_start_is_not_repeated_on_resume(tmp_path: Path) -> None:
    for max_steps in (3, 6):
        metrics = tmp_path / "metrics.jsonl"
        trainer = train_tiny.make_trainer(
            tmp_path,
            callbacks=(ManifestCallback(metrics=metrics),),
            max_steps=max_steps,
            eval_on_start=True,
            eval_strategy="steps",
            eval_steps=3,
        )
        continue_training(trainer)
        steps = [row["step"] for row in jsonl.read(metrics) if "eval_loss" in row]
        assert steps == list(range(0, max_steps + 1, 3))


def test_metrics_are_put_back_to_the_checkpoint_and_hold_no_timings(base: Base, tmp_path: Path) -> None:
    base.copy(tmp_path)
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text('{"loss": 1.0, "step": 31}\n{"torn')
    (tmp_path / ".tmp-metrics.jsonl-dead").touch()
    train_tiny.run(tmp_path)
    assert train_tiny.fingerprint(tmp_path) == base.fingerprint
    assert not [key for row in jsonl.read(metrics) for key in row if "runtime" in key or "per_second" in key]


def test_a_loss_that_is_not_finite_becomes_null_and_does_not_end_the_run(tmp_path: Path) -> None:
    metrics = tmp_path / "metrics.jsonl"
    trainer = train_tiny.make_trainer(
        tmp_path, callbacks=(ManifestCallback(metrics=metrics),), max_steps=3, logging_nan_inf_filter=False
    )
    assert trainer.model is not None
    with torch.no_grad():
        trainer.model.get_input_embeddings().weight.fill_(float("nan"))
    continue_training(trainer)
    assert [row["loss"] for row in jsonl.read(metrics)] == [None, None]


TWO_PROCESSES = """
import os, sys
import torch, torch.distributed as dist
from reasonry.core.hf_checkpoint import find_resume
from reasonry.errors import ConfigError
try:
    find_resume(sys.argv[1])
except ConfigError as e:
    print("refused:", e.problem)
dist.init_process_group("gloo")
print("found:", find_resume(sys.argv[1], warn=lambda r: print("moved:", r.path.name)))
dist.destroy_process_group()
"""


def test_two_processes_agree_on_a_checkpoint_and_only_one_of_them_moves_bad_ones(base: Base, tmp_path: Path) -> None:
    checkpoints = base.copy(tmp_path)
    (checkpoints / "checkpoint-30" / "optimizer.pt").unlink()
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    ranks = []
    for rank in range(2):
        env = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "RANK": str(rank)}
        command = [sys.executable, "-c", TWO_PROCESSES, str(checkpoints)]
        env = {**os.environ, **env, "OMP_NUM_THREADS": "1"}
        ranks.append(subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True))
    said = [process.communicate(timeout=120)[0].splitlines() for process in ranks]
    refused = "refused: several processes, but no process group to agree on a checkpoint through"
    found = f"found: {checkpoints / 'checkpoint-27'}"
    assert said == [[refused, "moved: checkpoint-30", found], [refused, found]]


def test_the_manifest_names_every_file_of_the_checkpoint(base: Base) -> None:
    manifest = json.loads((base.folder / "checkpoints/checkpoint-30/manifest.json").read_text())
    assert sorted([*manifest["files"], "manifest.json"]) == FILES
