"""``reasonry demo``: the main jobs on the embedded models and built-in data, and the quickest claims."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from reasonry.cli.output import Output
from reasonry.core import flags, optional
from reasonry.core.config import Config
from reasonry.errors import EXIT_CHECK_FAILED, EXIT_OK


class DemoConfig(Config):
    """Sample a packaged model, vote, verify; sign text and recognise it; follow the searches of scripted agents;
    find the turns that can teach a small model; decode in fewer passes; look into thoughts;
    measure the quickest claims.
    """

    problems: Annotated[int, Field(ge=2)] = 48
    """How many problems."""
    n: Annotated[int, Field(ge=1)] = 16
    """Samples per problem."""
    seed: int = 0
    """Root of every random stream."""
    claims: bool = True
    """Measure claims that take seconds, too (--no-claims does not); reasonry reproduce measures all."""
    run: Path = Path("runs/demo")
    """Run directory."""


def main(args: Sequence[str], as_json: bool) -> int:
    """One run, one report; exit code 1 when a claim failed."""
    cfg = flags.parse(DemoConfig, args, prog="reasonry demo")
    optional.need("vl_convert", extra="report", why="it holds the chart runtime of the report")
    from reasonry.core import claims
    from reasonry.core.report import write_report
    from reasonry.demo import run_demo

    out = Output(as_json=as_json)
    chosen = claims.choose(claims.load_claims(), (), "cpu-2min") if cfg.claims else []
    demo = run_demo(
        cfg.run, num_problems=cfg.problems, n=cfg.n, seed=cfg.seed, claims=chosen, say=out.aside, opened=out.run_opened
    )
    paths = write_report(cfg.run, demo.report)
    for line in demo.lines:
        out.line(line)
    out.run_finished(paths.html, shlex.join(["reasonry", "demo", *args]))
    out.result({"run": str(cfg.run), "report": str(paths.html), **demo.results})
    return EXIT_CHECK_FAILED if demo.failed else EXIT_OK
