"""``reasonry probe out-of-context scan``: read a file of facts, and write its risk map into a run directory.

A run directory holds ``results.json`` and ``dropped.jsonl``, every row that was left out with its place and reason. The
same command again scans again, so that a file that has changed is read anew; ``results.json`` names it by its hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from reasonry.core import atomic, jsonl
from reasonry.core.run import Run, default_folder
from reasonry.tasks.facts.fact import FactTable
from reasonry.tasks.facts.read import read_facts
from reasonry.tasks.facts.templates import read_templates
from reasonry.understanding.out_of_context.scan.config import VERB, ScanConfig
from reasonry.understanding.out_of_context.scan.results import results_json
from reasonry.understanding.out_of_context.scan.risk import RiskMap, scan

Say = Callable[[str], None]
DROPPED = "dropped.jsonl"


class Scanned(NamedTuple):
    """A finished scan.

    Attributes:
        folder: The run directory.
        config: What was asked for.
        table: The facts.
        risks: What was found.
        sha256: Of the file.
    """

    folder: Path
    config: ScanConfig
    table: FactTable
    risks: RiskMap
    sha256: str

    @property
    def is_too_many(self) -> bool:
        """Whether more pairs are flagged than the config allows."""
        return self.config.max_flagged is not None and len(self.risks.flagged) > self.config.max_flagged


def scan_file(
    config: ScanConfig,
    *,
    say: Say = lambda line: None,
    open_run: Callable[[Run, str], None] = lambda run, determinism: None,
) -> Scanned:
    """Scan a file.

    Args:
        config: File, settings, run directory.
        say: Called with a line for people: what was left out.
        open_run: Called once with the open run and its determinism level.

    Raises:
        DataError: The file or the templates cannot be read; no run directory is made then.
        ConfigError: A template is none.
        RunMismatchError: The run directory is that of another config.
    """
    templates = read_templates(config.templates) if config.templates else None
    path = config.facts.expanduser()
    table = read_facts(path, templates=templates)
    folder = config.run or default_folder("scan", config, path.stem)
    with Run(VERB, config, folder=folder, seed=config.seed, warn=say) as run:
        run.record_environment("bitwise")
        open_run(run, "bitwise")
        for line in dropped_lines(table):
            say(line)
        risks = scan(
            table,
            seed=config.seed,
            num_permutations=config.num_permutations,
            threshold=config.threshold,
            alpha=config.alpha,
        )
        done = Scanned(folder, config, table, risks, _sha256(path))
        rows = ({"reason": one.reason, "place": one.place, "detail": one.detail} for one in table.dropped)
        jsonl.write(run.path(DROPPED), rows)
        atomic.write_json(run.path("results.json"), results_json(table, risks, sha256=done.sha256))
    return done


def dropped_lines(table: FactTable) -> list[str]:
    """A line for each reason for which rows were left out, with the first of them; and one for spellings."""
    lines: list[str] = []
    for reason, num in table.num_dropped.items():
        first = next(one for one in table.dropped if one.reason == reason)
        lines.append(f"left out {num} of reason {reason}, first at {first.place}: {first.detail}")
    if table.num_respelled:
        lines.append(f"{table.num_respelled} texts are other spellings of earlier ones, and count as those")
    return lines


def _sha256(path: Path) -> str:
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()
