"""Draws the figures of the pages, from computations that take some seconds each and no model.

    python docs/figures.py        writes docs/figures/*.svg

Those of test-time scaling are charts of reports that a user can make; only the error rates of stopping rules are drawn
for the page, and so are those of the watermark (`docs/figures_watermark.py`) and of GSM-Agent
(`docs/figures_gsm_agent.py`). That of dUltra (`docs/figures_dultra.py`) shows a run of some minutes that is kept.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import figures_dultra
import figures_gsm_agent
import figures_watermark

from reasonry.core.report import Chart, Measure, Reference, Report, bar_chart
from reasonry.core.report.encode import chart_spec
from reasonry.core.sampling import ScriptedConfig
from reasonry.test_time.claims.stopping import LAWS, run_rule
from reasonry.test_time.config import SolveConfig
from reasonry.test_time.planner.config import PlanConfig
from reasonry.test_time.planner.report import build_report as plan_report
from reasonry.test_time.planner.run import plan_file
from reasonry.test_time.report import build_report as solve_report
from reasonry.test_time.run import solve
from reasonry.test_time.stopping import make_rule
from reasonry.test_time.theory.report import separation_report

FOLDER = Path(__file__).parent / "figures"
WIDTH, HEIGHT = 640, 320
NUM_RUNS = 1000
MAX_N = 1000


def charts(report: Report) -> dict[str, Chart]:
    """Every chart of a report by its title."""
    return {block.title: block for section in report.sections for block in section.blocks if isinstance(block, Chart)}


def wrong_stops() -> Chart:
    """How often each rule stops with an answer that is not the mode."""
    rules = ("certify:0.05", "beta:0.95", "doubling:0.75", "window:5")
    laws = {name: law for name, law in LAWS.items() if len(law) <= 3}
    bars: list[Measure] = []
    for label, law in laws.items():
        for rule in rules:
            found = run_rule(make_rule(rule, max_n=MAX_N), law, num_runs=NUM_RUNS, seed=0)
            bars.append(Measure(label, found.wrong_stop_rate, group=rule))
    spec = bar_chart(
        bars,
        x_title="law of the answers",
        y_title="stopped with another answer than the mode",
        y_format=".0%",
        references=[Reference(0.05, "5 %")],
    )
    return Chart(spec, "Wrong stops", "Share of wrong stops of four rules on several laws.")


def figures(scratch: Path) -> Iterator[tuple[str, Chart]]:
    """Name and chart of every figure on test-time scaling."""
    yield "separation", next(iter(charts(separation_report()).values()))
    yield "wrong_stops", wrong_stops()
    config = SolveConfig(
        task="word-problems",
        model="scripted",
        limit=60,
        n=48,
        run=scratch / "run",
        scripted=ScriptedConfig(accuracy=0.4),
    )
    solved = charts(solve_report(solve(config), config, command=""))
    yield "tokens", solved["Accuracy against tokens"]
    yield "evidence", solved["How the evidence grew"]
    planned = plan_file(PlanConfig(pilot=scratch / "run", target=0.95, run=scratch / "plan"))
    yield "plan", next(iter(charts(plan_report(planned, command="")).values()))


def write(name: str, chart: Chart) -> None:
    """Write one figure."""
    import vl_convert

    spec = {**chart_spec(chart.spec, chart.title), "width": WIDTH, "height": HEIGHT, "background": "white"}
    spec["config"] = {"legend": {"labelLimit": 0, "orient": "top", "columns": 4}}
    (FOLDER / f"{name}.svg").write_text(vl_convert.vegalite_to_svg(spec), "utf-8")
    print(f"wrote {FOLDER.name}/{name}.svg")


def main() -> None:
    """Write the figures."""
    FOLDER.mkdir(exist_ok=True)
    figures_gsm_agent.write(FOLDER)
    with tempfile.TemporaryDirectory() as scratch:
        for name, chart in chain(figures(Path(scratch)), figures_watermark.figures(), figures_dultra.figures()):
            write(name, chart)


if __name__ == "__main__":
    main()
