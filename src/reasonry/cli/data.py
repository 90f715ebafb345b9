"""``reasonry data make`` and ``reasonry data check``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tyro

from reasonry.cli.output import Output
from reasonry.core import flags
from reasonry.core.config import Config
from reasonry.errors import ConfigError, nearest


class MakeConfig(Config):
    """Write a task's problems as JSONL."""

    task: tyro.conf.Positional[str] = "word-problems"
    """A registered task, such as word-problems or word-problems:1-3."""
    num: int = 100
    """How many problems."""
    seed: int = 0
    """Seed of the generator."""
    out: Path = Path("problems.jsonl")
    """File to write; an existing file is replaced."""


class CheckConfig(Config):
    """Read a file of problems or trajectories to its end; report what is in it, or the first bad line."""

    file: tyro.conf.Positional[Path]
    """JSONL: problems, or OpenAI-, TRL- or ShareGPT-style conversations."""


def main(args: Sequence[str], as_json: bool) -> int:
    """Dispatch to make or check."""
    actions = {"make": _make, "check": _check}
    if not args or args[0] in ("-h", "--help"):
        print("usage: reasonry data make|check ...\n\n  make   write a task's problems as JSONL\n"
              "  check  read a data file to its end and report what is in it")  # fmt: skip
        return 0
    if args[0] not in actions:
        raise ConfigError(f"unknown action {args[0]!r}", place="data", remedy=nearest(args[0], actions))
    return actions[args[0]](args[1:], Output(as_json=as_json))


def _make(args: Sequence[str], out: Output) -> int:
    cfg = flags.parse(MakeConfig, args, prog="reasonry data make")
    from reasonry.tasks import load_task, write_problems

    task = load_task(cfg.task, num=cfg.num, seed=cfg.seed)
    write_problems(cfg.out, task.problems)
    out.line(f"{len(task.problems)} problems of {task.source} in {cfg.out}")
    out.result({"out": str(cfg.out), "num": len(task.problems), "source": task.source})
    return 0


def _check(args: Sequence[str], out: Output) -> int:
    cfg = flags.parse(CheckConfig, args, prog="reasonry data check")
    from reasonry.tasks import check_file

    found = check_file(cfg.file)
    out.line(f"{cfg.file}: {found.num_rows} {found.kind}")
    for name, count in found.counts.items():
        out.line(f"  {name}: {count}")
    out.result({"file": str(cfg.file), "kind": found.kind, "num": found.num_rows, "counts": dict(found.counts)})
    return 0
