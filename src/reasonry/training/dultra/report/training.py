"""The report of a training: did the reward rise, which part of it, what became of passes, accuracy and variety.

It is made from the rows of ``metrics.jsonl`` alone. A row has ``step`` and any of

    reward, reward/right, reward/parts, reward/speed, ...     means over the decodings of an update, and its components
    nfe, accuracy, distinct                                   of the same decodings
    mean_q, forced_share, zero_std_share                      of the planner; groups without a signal
    kl_ref, max_log_ratio, grad_norm, lr, seconds             of the update

Columns that no row has are left out, and so are the charts that would show them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from reasonry.core.report import (
    Block,
    Chart,
    Code,
    Fact,
    Note,
    Prose,
    Report,
    Section,
    Series,
    curve_chart,
)
from reasonry.core.report.channels import Spec, figure, quantity
from reasonry.core.report.style import LIGHT

Rows = Sequence[Mapping[str, Any]]

_WINDOW = 10  # updates of the running mean
_COMPONENTS = {"reward/right": "right answers", "reward/parts": "right parts"}
_COMPUTED = """\
**Reward** is the mean over the decodings of an update, which are sampled from the policy as it is: positions are \
drawn with the planner's probabilities. Decoding with a threshold is usually better. Components are shown with their \
weights.

**Passes** are forward passes of a decoding (NFE). **Distinct** is the share of different answers among those to one \
prompt: when it falls while accuracy stays, the model is learning one answer by heart.

**Mean q** is the planner's probability over eligible positions, **forced** the share of passes in which it chose \
nothing. Near 1 and near 0 they tell the two ways to collapse apart: everything at once, or one token at a time. \
**Without a signal** are groups whose rewards are all alike: nothing is learned from them.

dUltra, arXiv 2512.21446."""


class _Shown(NamedTuple):
    """A chart of one section: columns and their names in the legend."""

    title: str
    about: str
    columns: Mapping[str, str]
    y_title: str
    y_format: str = ""
    y_domain: tuple[float, float] | None = None


_QUALITY = (
    _Shown("Accuracy", "Share of right answers.", {"accuracy": "accuracy"}, "accuracy", ".0%", (0, 1)),
    _Shown("Passes", "Forward passes of a decoding.", {"nfe": "forward passes"}, "forward passes"),
    _Shown(
        "Distinct answers",
        "Share of different answers among those to one prompt.",
        {"distinct": "distinct"},
        "share of answers",
        ".0%",
        (0, 1),
    ),
)
_PLANNER = (
    _Shown(
        "What the planner does",
        "Mean probability of revealing, and share of passes in which nothing was chosen.",
        {"mean_q": "mean q", "forced_share": "forced"},
        "share",
        ".0%",
        (0, 1),
    ),
    _Shown(
        "Groups without a signal",
        "Share of groups whose rewards are all alike.",
        {"zero_std_share": "without a signal"},
        "share of groups",
        ".0%",
        (0, 1),
    ),
)
_UPDATE = (
    _Shown("Norm of the gradient", "Before clipping.", {"grad_norm": "norm"}, "norm"),
    _Shown(
        "Largest log-ratio",
        "Between the policy that decoded and the one that replays, nats: 0 but for rounding in the first pass.",
        {"max_log_ratio": "log-ratio"},
        "nats",
    ),
    _Shown("Distance from the start", "KL divergence, nats a step.", {"kl_ref": "KL"}, "nats"),
    _Shown("Learning rate", "As scheduled.", {"lr": "learning rate"}, "learning rate", "~e"),
)


def training_report(
    rows: Rows,
    *,
    title: str = "dUltra: training",
    subtitle: str = "",
    facts: Sequence[Fact] = (),
    sections: Sequence[Section] = (),
    notes: Sequence[str] = (),
    command: str = "",
    footer: str = "dUltra, arXiv 2512.21446; what the paper does not publish is reconstructed",
) -> Report:
    """The report of a training.

    Args:
        rows: Of ``metrics.jsonl``, in order.
        title: The report's name.
        subtitle: What was trained on what, in one line.
        facts: Shown before those that are read off the rows.
        sections: Shown after the curves: decodings, results of an evaluation.
        notes: What the reader should know: warnings of guards, what was left out.
        command: The command that continues or repeats it.
        footer: Small print.
    """
    made = [
        Section("Learning", [Note(text, "warning") for text in notes] + (_reward(rows) or [_nothing("reward")])),
        *_section("Accuracy, passes and variety", rows, _QUALITY, [*_path(rows)]),
        *_section("Planner", rows, _PLANNER),
        *_section("Updates", rows, _UPDATE),
        *sections,
        Section("How this is computed", [Prose(_COMPUTED)]),
    ]
    if command:
        made.append(Section("Run", [Code(command, "Continue or repeat")]))
    return Report(title, subtitle, [*facts, *_facts(rows)][:6], made, footer)


def progress_rows(rows: Rows, *, num: int = 5) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of a table for the terminal: means over parts of the training.

    Args:
        rows: Of ``metrics.jsonl``, in order.
        num: Parts, about.
    """
    shown = {"reward": "{:.3f}", "accuracy": "{:.0%}", "nfe": "{:.2f}", "distinct": "{:.0%}", "mean_q": "{:.2f}"}
    shown |= {"zero_std_share": "{:.0%}"}
    names = [name for name in shown if _values(rows, name)]
    size = max(1, -(-len(rows) // num))
    parts = [rows[i : i + size] for i in range(0, len(rows), size)]
    body = [
        [f"{part[0]['step']}-{part[-1]['step']}", *(_told(_mean(part, name), shown[name]) for name in names)]
        for part in parts
    ]
    return ["updates", *(name.replace("_", " ") for name in names)], body


def _told(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _values(rows: Rows, name: str) -> list[float]:
    return [float(row[name]) for row in rows if row.get(name) is not None]


def _mean(rows: Rows, name: str) -> float | None:
    values = _values(rows, name)
    return sum(values) / len(values) if values else None


def _nothing(name: str) -> Note:
    return Note(f"No update has logged a {name}.")


def _facts(rows: Rows) -> list[Fact]:
    size = max(1, min(_WINDOW, len(rows) // 4))
    facts: list[Fact] = []
    shown: tuple[tuple[str, str, Literal["percent", "decimal"], str], ...] = (
        ("accuracy", "Accuracy", "percent", "{:.0%}"),
        ("nfe", "Forward passes", "decimal", "{:.2f}"),
        ("distinct", "Distinct answers", "percent", "{:.0%}"),
        ("reward", "Reward", "decimal", "{:.3f}"),
        ("zero_std_share", "Without a signal", "percent", "{:.0%}"),
    )
    for name, label, form, told in shown:
        last, first = _mean(rows[-size:], name), _mean(rows[:size], name)
        if last is not None and first is not None:
            note = f"last {size} updates; first {size}: {told.format(first)}" if size > 1 else ""
            facts.append(Fact(label, last, note, form, 0 if form == "percent" else 2))
    return facts


def _reward(rows: Rows) -> list[Block]:
    """The reward and what it is made of."""
    blocks: list[Block] = []
    whole = _curves(rows, {"reward": "reward"}, y_title="reward")
    if whole is not None:
        blocks.append(Chart(whole, "Reward", "Mean reward of each update's decodings.", span="half"))
    names = list(dict.fromkeys(key for row in rows for key in row if key.startswith("reward/")))
    labels = {name: _COMPONENTS.get(name, name.removeprefix("reward/")) for name in names}
    parts = _curves(rows, labels, y_title="reward", is_smooth=True)
    if parts is not None:
        about = f"Each component with its weight, mean of {_WINDOW} updates." if len(rows) > 2 * _WINDOW else ""
        blocks.append(Chart(parts, "What it is made of", about or "Each component with its weight.", span="half"))
    return blocks


def _section(title: str, rows: Rows, shown: Sequence[_Shown], more: Sequence[Block] = ()) -> list[Section]:
    blocks: list[Block] = [*more]
    for each in shown:
        chart = _curves(
            rows,
            each.columns,
            y_title=each.y_title,
            y_format=each.y_format,
            y_domain=each.y_domain,
            is_smooth=len(each.columns) > 1,
        )
        if chart is not None:
            blocks.append(Chart(chart, each.title, each.about, span="half"))
    return [Section(title, blocks)] if blocks else []


def _curves(
    rows: Rows,
    names: Mapping[str, str],
    *,
    y_title: str,
    y_format: str = "",
    y_domain: tuple[float, float] | None = None,
    is_smooth: bool = False,
) -> Spec | None:
    """Columns over updates: each with its running mean, or of several the running means alone."""
    series: list[Series] = []
    for name, label in names.items():
        points = [(row["step"], float(row[name])) for row in rows if row.get(name) is not None]
        if not points:
            continue
        x, y = [p[0] for p in points], [p[1] for p in points]
        if len(y) <= 2 * _WINDOW:
            series.append(Series(label, x, y))
            continue
        mean = [sum(y[max(0, i + 1 - _WINDOW) : i + 1]) / min(i + 1, _WINDOW) for i in range(len(y))]
        if is_smooth:
            series.append(Series(label, x, mean))
        else:
            series += [Series(f"mean of {_WINDOW}", x, mean), Series(label, x, y, dashed=True)]
    if not series:
        return None
    return curve_chart(series, x_title="update", y_title=y_title, y_format=y_format, y_domain=y_domain)


def _path(rows: Rows) -> list[Block]:
    """Where training went: accuracy over passes, one point for each stretch of updates."""
    both = [row for row in rows if row.get("nfe") is not None and row.get("accuracy") is not None]
    if len(both) < 2:
        return []
    size = max(1, len(both) // 40)
    parts = [both[i : i + size] for i in range(0, len(both), size)]
    values = [
        {"step": part[-1]["step"], "x": _mean(part, "nfe"), "y": _mean(part, "accuracy"), "rank": i}
        for i, part in enumerate(parts)
    ]
    x = quantity("x", "forward passes", "", zero=False)
    y = quantity("y", "accuracy", ".0%", domain=[0, 1])
    shade: Spec = {
        "field": "step",
        "type": "quantitative",
        "title": "update",
        "scale": {"range": list(LIGHT.ramp[1:])},
        "legend": {"gradientLength": 160, "gradientThickness": 8, "format": "d"},
    }
    spec: Spec = {
        "data": {"values": values},
        "layer": [
            {
                "mark": {"type": "line", "strokeWidth": 1.2, "color": LIGHT.muted, "opacity": 0.6},
                "encoding": {"x": x, "y": y, "order": {"field": "rank", "type": "quantitative"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
                "encoding": {
                    **{"x": x, "y": y, "color": shade},
                    "tooltip": [
                        figure("step", "update", "d"),
                        figure("x", "forward passes", ".2f"),
                        figure("y", "accuracy", ".1%"),
                    ],
                },
            },
        ],
    }
    about = "Accuracy against forward passes of the sampled decodings; up and to the left is better."
    return [Chart(spec, "The way of training", about, span="half")]
