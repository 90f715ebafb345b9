"""Runs of ``reasonry watermark`` for the kill tests, as module-level functions that a forked child can find."""

from __future__ import annotations

import hashlib
from pathlib import Path

TMP = ".tmp-"
# costs.jsonl, env.json and the report hold clock times, config.toml the folder; all results must be equal to the byte.
GENERATED = ("signed.jsonl", "results.json", "profile.json", "key.json", "prompts.json", "model.json", "run.json")
DETECTED = ("detections.jsonl", "results.json", "input.json", "run.json")


def generate(folder: Path, *, home: str, anchor: str) -> None:
    """4 prompts x 4 texts of a tiny model in batches of 4."""
    options = "--n 4 --batch-size 4 --sampling.max-new-tokens 24 --model-options.dtype float32"
    _main(f"generate {home}/prompts.jsonl --model {home}/model --anchor.kind {anchor} {options}", home, folder, code=0)


def detect(folder: Path, *, home: str) -> None:
    """150 texts of 300 tokens, three of them marked; all together, so that they are read to their ends."""
    _main(f"detect {home}/texts.jsonl --profile {home}/run/profile.json --fdr", home, folder, code=10)


def _main(arguments: str, home: str, folder: Path, *, code: int) -> None:
    from reasonry.cli.main import main
    from reasonry.core.report import html

    # Two thirds of such a small run would go into the charts' program, which is the same in every report: most kills
    # would fall there.
    html._vega_script = lambda: ""

    given = main(["watermark", *arguments.split(), "--ring", f"{home}/ring.json", "--run", str(folder / "run")])
    assert given == code, f"exit code {given}"


def generated(folder: Path) -> dict[str, object]:
    """Fingerprint of `generate`."""
    return _fingerprint(folder, GENERATED, "signed.jsonl", ("id", "index"))


def detected(folder: Path) -> dict[str, object]:
    """Fingerprint of `detect`."""
    return _fingerprint(folder, DETECTED, "detections.jsonl", ("place",))


def _fingerprint(folder: Path, names: tuple[str, ...], log: str, key: tuple[str, ...]) -> dict[str, object]:
    """Hashes of the result files, duplicate rows and leftover temporary files."""
    from reasonry.core import jsonl

    run = folder / "run"
    found: dict[str, object] = {n: hashlib.sha256((run / n).read_bytes()).hexdigest() for n in names}
    keys = [tuple(row[name] for name in key) for row in jsonl.read(run / log)]
    found["duplicates"] = len(keys) - len(set(keys))
    found["temporary files"] = sorted(p.name for p in run.rglob(f"{TMP}*"))
    found["files"] = sorted(p.name for p in run.iterdir())
    return found
