"""Solve runs for the kill tests, as module-level functions that a forked child can find."""

from __future__ import annotations

import hashlib
from pathlib import Path

TMP = ".tmp-"
# costs.jsonl, env.json and the report hold clock times, config.toml the folder; all results must be equal to the byte.
COMPARED = ("samples.jsonl", "results.json", "run.json")


def scripted(folder: Path) -> None:
    """60 x 8 scripted samples, half a millisecond each."""
    _main("word-problems:1-2 --model scripted --limit 60 --n 8 --scripted.delay-s 0.0005", folder)


def local(folder: Path, *, model: str) -> None:
    """8 x 4 samples of a tiny model in batches of 8."""
    options = "--limit 8 --n 4 --batch-size 4 --shots 0 --sampling.max-new-tokens 24 --model-options.dtype float32"
    _main(f"word-problems:1-2 --model {model} {options}", folder)


def _main(arguments: str, folder: Path) -> None:
    from reasonry.cli.main import main

    code = main(["solve", *arguments.split(), "--run", str(folder / "run")])
    assert code == 0, f"exit code {code}"


def fingerprint(folder: Path) -> dict[str, object]:
    """Hashes of the result files, duplicate ids and leftover temporary files."""
    from reasonry.core import jsonl

    run = folder / "run"
    found: dict[str, object] = {n: hashlib.sha256((run / n).read_bytes()).hexdigest() for n in COMPARED}
    keys = [(row["id"], row["index"]) for row in jsonl.read(run / "samples.jsonl")]
    found["duplicates"] = len(keys) - len(set(keys))
    found["temporary files"] = sorted(p.name for p in run.rglob(f"{TMP}*"))
    found["files"] = sorted(p.name for p in run.iterdir())
    return found
