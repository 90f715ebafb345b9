"""Terminal table and report of ``reasonry curve``."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.core.report import (
    Block,
    Chart,
    Code,
    Column,
    Estimate,
    Fact,
    Note,
    Prose,
    Report,
    Section,
    Series,
    Table,
    curve_chart,
)
from reasonry.core.stats import wilson
from reasonry.test_time.curve.config import CurveConfig
from reasonry.test_time.curve.estimate import Metric
from reasonry.test_time.curve.run import NAMES, Drawn, MetricCurve, label_of

_ABOUT: dict[Metric, str] = {
    "maj": "majority vote of k samples",
    "bon": "the highest-scored of k samples",
    "weighted": "vote of k samples weighted by score",
    "pass": "at least one of k samples is right: what a perfect verifier could pick",
}
_FACTS: dict[Metric, str] = {"maj": "Vote of {}", "bon": "Best of {}", "weighted": "Weighted vote", "pass": "Any of {}"}


def table_of(drawn: Drawn) -> tuple[list[str], list[list[str]]]:
    """Columns and rows for the terminal: one row per shown k."""
    columns = ["k", *(["tokens"] if drawn.mean_tok is not None else []), *(NAMES[m] for m in drawn.curves)]
    rows: list[list[str]] = []
    for k in drawn.shown:
        row = [str(k)] if drawn.mean_tok is None else [str(k), f"{k * drawn.mean_tok:,.0f}"]
        rows.append([*row, *(_shown(curve, drawn.k.index(k)) for curve in drawn.curves.values())])
    return columns, rows


def title_of(drawn: Drawn) -> str:
    """One line over the table."""
    sizes = sorted({p.num_samples for p in drawn.data.pools})
    each = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    band = f"; {100 * drawn.level:g} % bands over problems" if len(drawn.data.pools) > 1 else ""
    return f"accuracy of k samples, {len(drawn.data.pools)} problems x {each} samples{band}"


def build_report(drawn: Drawn, config: CurveConfig, *, command: str) -> Report:
    """The report of a curve run."""
    last = drawn.k[-1]
    facts = [
        Fact(
            _FACTS[metric].format(last),
            estimate(curve, len(drawn.k) - 1),
            NAMES[metric].replace("@k", f"@{last}"),
            "percent",
        )
        for metric, curve in drawn.curves.items()
    ]
    if drawn.k[0] == 1:
        one = estimate(drawn.curves["pass"], 0) if "pass" in drawn.curves else None
        facts = [*([Fact("One sample", one, "pass@1", "percent")] if one else []), *facts]
    sections = [_curves_section(drawn, config), *_standing_section(drawn)]
    sections.append(Section("Run", [*_notes(drawn), Code(command, "Repeat")]))
    return Report(
        f"What k samples are worth: {label_of(config.samples)}",
        f"{len(drawn.data.pools)} problems, {drawn.data.num_samples:,} samples, seed {config.seed}",
        facts,
        sections,
        str(drawn.data.path),
    )


def estimate(curve: MetricCurve, at: int) -> Estimate:
    """A point of a curve with its band."""
    return Estimate(curve.mean[at], curve.low[at] if curve.low else None, curve.high[at] if curve.high else None)


def _shown(curve: MetricCurve, at: int) -> str:
    value = f"{curve.mean[at]:.1%}"
    return f"{value} [{curve.low[at]:.1%}, {curve.high[at]:.1%}]" if curve.low and curve.high else value


def _curves_section(drawn: Drawn, config: CurveConfig) -> Section:
    series = [
        Series(NAMES[metric], drawn.k, curve.mean, curve.low, curve.high, dashed=metric == "pass")
        for metric, curve in drawn.curves.items()
    ]
    names = ", ".join(NAMES[m] for m in drawn.curves)
    chart = Chart(
        curve_chart(
            series, x_title="samples per problem, k", y_title="accuracy", y_format=".0%", log_x=drawn.k[-1] > 4
        ),
        "Accuracy against samples per problem",
        f"Accuracy against number of samples for {names}, k from {drawn.k[0]} to {drawn.k[-1]}.",
        height=340,
    )
    tokens = [] if drawn.mean_tok is None else [Column("tokens", "integer")]
    table = Table(
        [Column("k", "integer"), *tokens, *(Column(NAMES[m], "percent") for m in drawn.curves)],
        [_row(drawn, k) for k in drawn.shown],
        caption="; ".join(f"{NAMES[m]}: {_ABOUT[m]}" for m in drawn.curves) + ".",
    )
    return Section("What more samples buy", [Prose(_method(drawn, config)), chart, table])


def _row(drawn: Drawn, k: int) -> list[int | float | Estimate]:
    tokens = [] if drawn.mean_tok is None else [round(k * drawn.mean_tok)]
    return [k, *tokens, *(estimate(curve, drawn.k.index(k)) for curve in drawn.curves.values())]


def _method(drawn: Drawn, config: CurveConfig) -> str:
    said = (
        "Every point is the average over all subsets of k samples of each pool, then over problems: no lucky first k. "
        f"Bands are {100 * config.level:g} % intervals over problems, at each k on its own."
    )
    weighted = drawn.curves.get("weighted")
    if weighted is not None:
        sharp = f" with beta = {config.beta:g}" if config.transform in ("exp", "sigmoid") else ""
        said += f" Votes are weighted by the `{config.transform}` of the score{sharp}."
        if weighted.monte_carlo_se:
            said += (
                f" In pools of more than 16 samples weighted@k is an average over {config.orders:,} random orders; its "
                f"standard error from that is at most {max(weighted.monte_carlo_se):.2%}."
            )
    if "pass" in drawn.curves:
        said += " The dashed line is the ceiling of any selection: somebody would have to know which sample is right."
    return said


def _standing_section(drawn: Drawn) -> list[Section]:
    if drawn.standing is None:
        return []
    total = sum(drawn.standing)
    labels = {
        "first": ("has the most votes", "voting more confirms it"),
        "shared_first": ("shares the first place", "chance decides so far"),
        "outvoted": ("is outvoted", "voting more makes it worse; a good score or verifier can still find it"),
        "never_given": ("was never given", "no selection can find it"),
    }
    rows: list[Sequence[str | int | Estimate]] = []
    for name, count in drawn.standing._asdict().items():
        interval = wilson(count, total, level=drawn.level)
        rows.append([labels[name][0], count, Estimate(count / total, interval.low, interval.high), labels[name][1]])
    table = Table(
        [Column("the right answer"), Column("problems", "integer"), Column("share", "percent"), Column("which means")],
        rows,
        caption=f"Counted in whole pools; {100 * drawn.level:g} % Wilson intervals over problems.",
    )
    return [Section("What voting and selection can reach", [table])]


def _notes(drawn: Drawn) -> list[Block]:
    return [Note(f"{r.text}.", "warning" if r.is_warning else "note") for r in drawn.remarks]
