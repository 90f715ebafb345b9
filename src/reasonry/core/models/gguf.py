"""Packaged GGUF files as safetensors: dequantised once, kept in the user's cache directory, read from there later.

A conversion works under a temporary name, marks itself ``COMPLETE`` and is renamed; a killed one is never used, and the
next sweeps what it left.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import shutil
from pathlib import Path

from reasonry.core import atomic, optional
from reasonry.core.lock import LOCK_NAME, RunLock
from reasonry.core.models.packaged import PackagedModel
from reasonry.core.models.quiet import quiet_transformers
from reasonry.errors import DataError, ResourceError

CACHE_FORMAT = 1
"""Part of a converted folder's name; raised when the conversion changes, so that old folders are left alone."""


def cache_dir() -> Path:
    """``$REASONRY_CACHE``, else ``reasonry`` in the user's cache directory."""
    if given := os.environ.get("REASONRY_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "reasonry"


def converted(row: PackagedModel, folder: Path) -> Path:
    """The safetensors folder for a packaged GGUF, made on first use under a temporary name and renamed.

    Args:
        row: The packaged model; its ``weights`` are a GGUF file.
        folder: Folder of the package that carries it.

    Raises:
        MissingDependencyError: torch, transformers or gguf is not installed.
        DataError: The package holds no weights, or others than were published.
        ResourceError: The cache cannot be written, or is full.
    """
    from safetensors import SafetensorError

    gguf = folder / row.weights
    size = gguf.stat().st_size if gguf.exists() else 0
    key = hashlib.blake2b(f"{CACHE_FORMAT}:{row.alias}:{size}".encode(), digest_size=6).hexdigest()
    target = cache_dir() / "models" / f"{row.alias}-{key}"
    if (target / "COMPLETE").exists():
        return target
    optional.need("gguf", extra="hf", why=f"to convert {row.alias}")
    optional.need("torch", extra="hf", why=f"to convert {row.alias}")
    optional.need("transformers", extra="hf", why=f"to convert {row.alias}")
    work = atomic.tmp_sibling(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep_dead(target)
        with RunLock(work):  # says that the converter lives: see `_sweep_dead`
            if not gguf.exists():
                gguf = _assemble(row, work / row.weights)
            dequantise(gguf, work)
            atomic.write_text(work / "COMPLETE", row.about + "\n")
            (work / LOCK_NAME).unlink(missing_ok=True)
            _publish(work, target)
    except (OSError, SafetensorError, ResourceError) as e:
        problem = e.problem if isinstance(e, ResourceError) else " ".join(str(e).split())[:300]
        raise ResourceError(
            f"cannot keep the converted {row.alias}: {problem}",
            place=str(target),
            remedy="Free about 1.5 GB, or set REASONRY_CACHE to a folder with room.",
        ) from e
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def _publish(work: Path, target: Path) -> None:
    """Rename ``work`` to ``target``, unless another process was first: then use its copy."""
    if target.exists() and not (target / "COMPLETE").exists():  # left by an interrupted removal; never in use
        shutil.rmtree(target)
    try:
        os.replace(work, target)
    except OSError:
        if not (target / "COMPLETE").exists():
            raise
    atomic.fsync_dir(target.parent)


def _sweep_dead(target: Path) -> None:
    """Remove what killed converters of ``target`` left; a live one holds the lock in its folder."""
    for work in target.parent.glob(f"{atomic.TMP_PREFIX}{target.name}-*"):
        with contextlib.suppress(ResourceError), RunLock(work) as lock:
            if lock.is_held:  # on a platform without locks nobody can tell: leave it
                shutil.rmtree(work, ignore_errors=True)


def _assemble(row: PackagedModel, target: Path) -> Path:
    """Join a GGUF that its package ships in parts, checking its hash."""
    try:
        joined = Path(importlib.import_module(row.module).assemble(target))
        expected = importlib.import_module(row.module).EXPECTED_SHA256
    except (ImportError, AttributeError) as e:
        raise DataError(
            f"the package {row.module} holds no {row.weights}",
            place=row.alias,
            remedy=f"Install it again: {row.install} --force-reinstall",
        ) from e
    with open(joined, "rb") as f:
        digest = hashlib.file_digest(f, "sha256").hexdigest()
    if digest != expected:
        raise DataError(
            f"{row.alias} does not match its published hash",
            place=str(joined),
            remedy=f"Install it again: {row.install} --force-reinstall",
        )
    return joined


def dequantise(gguf: Path, target: Path) -> None:
    """Dequantise ``gguf`` to float32 and save it as an ordinary model folder in ``target``."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    # The GGUF reader draws its own progress bars, which no setting turns off.
    with quiet_transformers(), open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        source, name = str(gguf.parent), gguf.name
        tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=name)
        loaded = AutoModelForCausalLM.from_pretrained(source, gguf_file=name, dtype=torch.float32)
        # save_pretrained refuses a model that came from GGUF; a fresh model of the same config takes its weights.
        config = AutoConfig.for_model(
            **{k: v for k, v in loaded.config.to_dict().items() if k != "quantization_config"}
        )
        fresh = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        fresh.load_state_dict(loaded.state_dict())
        fresh.generation_config = loaded.generation_config
        fresh.save_pretrained(target)
        tokenizer.save_pretrained(target)
    (target / gguf.name).unlink(missing_ok=True)
