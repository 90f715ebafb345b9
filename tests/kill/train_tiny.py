"""A 30-step training run of a tiny Llama, small enough to be killed thirty times in a test.

Dropout is on, so a lost generator state changes the weights; eight steps make an epoch, so checkpoints (every
third step) fall in the middle of epochs and, at step 24, on a boundary; the last step, 30, is in the middle
of one. Run as a function in a forked child: the module imports torch and transformers once, in the parent.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainerCallback, TrainingArguments, set_seed
from transformers.utils import logging

from reasonry.core import jsonl
from reasonry.core.atomic import sweep, write_bytes
from reasonry.core.hf_checkpoint import ManifestCallback, continue_training
from reasonry.core.lock import RunLock

NUM_STEPS = 30
NUM_EXAMPLES = 32
SAVE_STEPS = 3


class Sentences(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """Fixed token sequences; example i does not depend on the order of access."""

    def __len__(self) -> int:
        return NUM_EXAMPLES

    def __getitem__(self, i: int) -> dict[str, torch.Tensor]:
        if not 0 <= i < NUM_EXAMPLES:  # without it, a `for` over the examples never ends
            raise IndexError(i)
        generator = torch.Generator().manual_seed(i)
        ids = torch.randint(0, 61, (12,), generator=generator)
        return {"input_ids": ids, "labels": ids.clone()}


def make_trainer(folder: Path, *, callbacks: tuple[TrainerCallback, ...] = (), **overrides: Any) -> Trainer:
    """A fresh trainer, seeded, that writes to ``folder/checkpoints``."""
    torch.set_num_threads(1)  # a forked child must not start an OpenMP region
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    settings: dict[str, Any] = {
        "output_dir": str(folder / "checkpoints"),
        "max_steps": NUM_STEPS,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 2,
        "save_steps": SAVE_STEPS,
        "save_total_limit": 3,
        "logging_steps": 2,
        "learning_rate": 1e-2,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 4,
        "seed": 7,
        "use_cpu": True,
        "report_to": [],
        "disable_tqdm": True,
    }
    args = TrainingArguments(**{**settings, **overrides})
    set_seed(7)
    config = LlamaConfig(
        vocab_size=61,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=32,
        attention_dropout=0.2,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config)
    data = Sentences()
    return Trainer(model=model, args=args, train_dataset=data, eval_dataset=data, callbacks=list(callbacks))


def run(folder: Path) -> None:
    """Train to the end, from wherever a killed run of the same folder left off."""
    with RunLock(folder):
        sweep(folder)
        trainer = make_trainer(folder, callbacks=(ManifestCallback(metrics=folder / "metrics.jsonl"),))
        continue_training(trainer)
        assert trainer.model is not None
        weights = {k: v.contiguous().clone() for k, v in trainer.model.state_dict().items()}
        write_bytes(folder / "weights.safetensors", save(weights))


def _sha256_of_tensors(path: Path) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(load_file(path).items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def fingerprint(folder: Path) -> dict[str, Any]:
    """Everything that must not depend on whether the run was killed."""
    checkpoints = folder / "checkpoints"
    names = sorted(p.name for p in checkpoints.glob("checkpoint-*"))
    result: dict[str, Any] = {
        "checkpoints": names,
        "weights": _sha256_of_tensors(folder / "weights.safetensors"),
        "metrics": list(jsonl.read(folder / "metrics.jsonl")),
        "temporary files": [str(p.relative_to(folder)) for p in folder.rglob(".tmp-*")],
    }
    for name in names:
        result[f"{name}/model"] = _sha256_of_tensors(checkpoints / name / "model.safetensors")
        for file in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
            result[f"{name}/{file}"] = hashlib.sha256((checkpoints / name / file).read_bytes()).hexdigest()
    return result


def write_row_and_wait(folder: Path) -> None:
    """A run that repeats its work when it is continued: what a kill experiment must find."""
    folder.mkdir(exist_ok=True)
    with open(folder / "rows", "a", encoding="utf-8") as f:
        f.write("row\n")
    time.sleep(0.5)


def read_rows(folder: Path) -> dict[str, str]:
    """Fingerprint of `write_row_and_wait`."""
    return {"rows": (folder / "rows").read_text()}
