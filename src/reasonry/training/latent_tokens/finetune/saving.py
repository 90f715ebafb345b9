"""The folder of a fine-tuned model: a plain checkpoint, and what its codes and prompts mean.

``latent_config.json`` says besides what `LatentConfig` has, under ``more``:

    codes            folder of the codec, seen from that of the model
    encoded          run directory of encode, likewise
    data, seed       of the examples
    marker, chat_template    how prompts are written
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reasonry.training.latent_tokens.finetune.prepare import Extended, Prepared
from reasonry.training.latent_tokens.mixing.merged import LatentConfig, save_merged
from reasonry.training.latent_tokens.mixing.methods import Method

if TYPE_CHECKING:
    from reasonry.training.latent_tokens.finetune.task import Task


def save_model(extended: Extended, made: Prepared, method: Method, folder: Path) -> None:
    """Write a model's folder; it appears whole or not at all.

    Args:
        extended: The model, with or without adapters.
        made: What it was trained on.
        method: That it was trained by.
        folder: Where to.

    Raises:
        ResourceError: The disk is full or not writable.
    """
    info = made.info
    config = LatentConfig(
        method=method.name,
        ids=extended.ids,
        chunk_tok=info.chunk_tok,
        codes_per_chunk=info.codes_per_chunk,
        codes_hash=info.codes_hash,
        tokenizer_fingerprint=info.tokenizer_fingerprint,
        num_pauses=made.task.mixing.num_pauses if method.has_pauses else 0,
        max_codes=most_codes(made.task, method),
        more={
            "codes": _relative(info.codes_folder, folder),
            "encoded": _relative(info.folder, folder),
            "data": info.data,
            "seed": info.seed,
            "marker": info.marker,
            "chat_template": info.chat_template,
        },
    )
    inner: Any = extended.model
    inner.eval()
    save_merged(inner, extended.tokenizer, folder, config=config)


def most_codes(task: Task, method: Method) -> int:
    """Most codes of any row that a method may train on."""
    if not method.has_codes:
        return 0
    law, per = task.mixing.law, task.mixing.codes_per_chunk
    toks = {len(row.cot_ids) for row in task.examples.train}
    if method.goes == "drawn":
        return max(law.distribution(tok).m_tok[-1] // law.chunk_tok * per for tok in toks)
    return max(law.num_chunks(tok) * per for tok in toks)


def _relative(path: Path, folder: Path) -> str:
    """A path as it is seen from a folder, so that both can be moved together."""
    return os.path.relpath(path.resolve(), folder.resolve())
