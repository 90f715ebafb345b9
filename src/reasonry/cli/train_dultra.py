"""``reasonry train dultra [pretrain|imitate|planner]``; without a stage, all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reasonry.cli.output import Output
from reasonry.core import flags
from reasonry.errors import EXIT_OK
from reasonry.training.dultra.config import VERB, ImitateConfig, PlannerTrainConfig, PretrainConfig, WholeConfig

if TYPE_CHECKING:
    from reasonry.core.report import Report
    from reasonry.training.dultra.stages.planner import Trained

PROG = f"reasonry {VERB}"


def main(args: Sequence[str], out: Output) -> int:
    """Train a denoiser, a planner, or one after the other."""
    stages = {"pretrain": _pretrain, "imitate": _imitate, "planner": _planner}
    if args and args[0] in stages:
        return stages[args[0]](args[1:], out)
    return _whole(args, out)


def _pretrain(args: Sequence[str], out: Output) -> int:
    cfg = flags.parse(PretrainConfig, args, prog=f"{PROG} pretrain")
    from reasonry.training.dultra.stages.pretrain import pretrain
    from reasonry.training.dultra.stages.report import pretrain_report

    done = pretrain(cfg, say=out.aside, open_run=out.run_opened)
    floor = "" if done.bound.floor_nats is None else f", entropy of the task {done.bound.floor_nats:.4f}"
    out.line(f"bound    {done.bound.nelbo_nats:.4f} nats per token{floor}")
    return _end(out, done.folder, pretrain_report(done, command=out.command), done.to_json(), denoiser=done.denoiser)


def _imitate(args: Sequence[str], out: Output) -> int:
    cfg = flags.parse(ImitateConfig, args, prog=f"{PROG} imitate")
    from reasonry.training.dultra.stages.imitate import imitate
    from reasonry.training.dultra.stages.report import imitate_report

    done = imitate(cfg, say=out.aside, open_run=out.run_opened)
    if done.ended:
        out.line(f"ended    {done.ended}")
    return _end(out, done.folder, imitate_report(done, command=out.command), done.to_json(), planner=done.planner)


def _planner(args: Sequence[str], out: Output) -> int:
    cfg = flags.parse(PlannerTrainConfig, args, prog=f"{PROG} planner")
    from reasonry.training.dultra.stages.planner import train_planner
    from reasonry.training.dultra.stages.report import planner_report

    done = train_planner(cfg, say=out.aside, open_run=out.run_opened)
    _show_learning(out, done)
    report = planner_report(done, command=out.command)
    return _end(out, done.folder, report, done.to_json(), planner=done.planner, denoiser=done.denoiser)


def _whole(args: Sequence[str], out: Output) -> int:
    cfg = flags.parse(WholeConfig, args, prog=PROG)
    from reasonry.training.dultra.stages.report import whole_report
    from reasonry.training.dultra.stages.whole import train_whole

    done = train_whole(cfg, say=out.aside, open_run=out.run_opened)
    _show_learning(out, done.trained)
    if done.compared is not None:
        from reasonry.training.dultra.frontier.tables import fastest_table

        out.table("Fewest passes at the target accuracy", *fastest_table(done.compared.result))
    report, results = whole_report(done, command=out.command), {"stages": done.to_json()}
    return _end(out, done.folder, report, results, planner=done.trained.planner, denoiser=done.trained.denoiser)


def _show_learning(out: Output, done: Trained) -> None:
    from reasonry.training.dultra.stages.report import final_table, progress_rows

    out.table("Learning from decodings", *progress_rows(done.rows))
    out.table(f"The best planner, of update {done.best['update']:.0f}", *final_table(done.final))


def _end(out: Output, folder: Path, report: Report, results: Mapping[str, Any], **made: Path | str) -> int:
    """Say where everything is."""
    for name, path in made.items():
        out.line(f"{name:8} {path}")
    html = out.report_written(folder, report)
    out.run_finished(html, out.command)
    places = {name: str(path) for name, path in made.items()}
    out.result({"run": str(folder), "report": html and str(html), "results": dict(results), **places})
    return EXIT_OK
