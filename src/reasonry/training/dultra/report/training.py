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
from dataclasses import replace
from typing import NamedTuple

from reasonry.core.report import Block, Chart, Code, Fact, Note, Prose, Report, Section
from reasonry.core.report.channels import Spec, figure, quantity
from reasonry.core.report.style import LIGHT
from reasonry.core.report.training import (
    Figure,
    Rows,
    change_facts,
    mean_of,
    mean_text,
    step_chart,
    steps_of,
    stretches,
    values_of,
)

SOURCE = "dUltra, arXiv 2512.21446; what the paper does not publish is reconstructed"
_MOST_FACTS = 5  # as many as stand in a line
_MOST_POINTS = 40
_FIGURES = (
    Figure("accuracy", "Accuracy", "percent", 0),
    Figure("nfe", "Forward passes", "decimal", 2),
    Figure("distinct", "Distinct answers", "percent", 0),
    Figure("reward", "Reward", "decimal", 2),
    Figure("zero_std_share", "Without a signal", "percent", 0),
)
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
        "~e",
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
    first: Sequence[Section] = (),
    sections: Sequence[Section] = (),
    notes: Sequence[str] = (),
    command: str = "",
) -> Report:
    """The report of a training.

    Args:
        rows: Of ``metrics.jsonl``, in order.
        title: The report's name.
        subtitle: What was trained on what, in one line.
        facts: Shown first, and in place of those of the same name that are read off the rows.
        first: Shown before the curves: what came of it.
        sections: Shown after the curves.
        notes: What the reader should know: warnings of guards, what was left out.
        command: The command that continues or repeats it.
    """
    made = [
        *first,
        Section("Learning", _reward(rows) or [Note("No update has logged a reward.")]),
        *_section("Accuracy, passes and variety", rows, _QUALITY, [*_path(rows)]),
        *_section("Planner", rows, _PLANNER),
        *_section("Updates", rows, _UPDATE),
        *sections,
        Section("How this is computed", [Prose(_COMPUTED)]),
    ]
    made[0] = replace(made[0], blocks=[*(Note(text, "warning") for text in notes), *made[0].blocks])
    if command:
        made.append(Section("Run", [Code(command, "Continue or repeat")]))
    told = {fact.label for fact in facts}
    read = change_facts(rows, [f for f in _FIGURES if f.label not in told], unit="updates")
    return Report(title, subtitle, [*facts, *read][:_MOST_FACTS], made, SOURCE)


def progress_rows(rows: Rows, *, num: int = 5) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of a table for the terminal: means over parts of the training.

    Args:
        rows: Of ``metrics.jsonl``, in order.
        num: Parts, at most.
    """
    shown = {"reward": "{:.3f}", "accuracy": "{:.0%}", "nfe": "{:.2f}", "distinct": "{:.0%}", "mean_q": "{:.2f}"}
    shown |= {"zero_std_share": "{:.0%}"}
    names = [name for name in shown if values_of(rows, name)]
    body = [[steps_of(part), *(mean_text(part, name, shown[name]) for name in names)] for part in stretches(rows, num)]
    return ["updates", *(name.replace("_", " ") for name in names)], body


def _reward(rows: Rows) -> list[Block]:
    """The reward and what it is made of."""
    blocks: list[Block] = []
    whole = step_chart(rows, {"reward": "reward"}, x_title="update", y_title="reward")
    if whole is not None:
        blocks.append(Chart(whole, "Reward", "Mean reward of each update's decodings.", span="half"))
    names = list(dict.fromkeys(key for row in rows for key in row if key.startswith("reward/")))
    labels = {name: _COMPONENTS.get(name, name.removeprefix("reward/")) for name in names}
    parts = step_chart(rows, labels, x_title="update", y_title="reward")
    if parts is not None:
        blocks.append(Chart(parts, "What it is made of", "Each component with its weight.", span="half"))
    return blocks


def _section(title: str, rows: Rows, shown: Sequence[_Shown], more: Sequence[Block] = ()) -> list[Section]:
    blocks: list[Block] = [*more]
    for each in shown:
        if not (each.y_domain or any(any(values_of(rows, name)) for name in each.columns)):
            continue  # nothing but zeros, and no axis that would show how little that is
        chart = step_chart(
            rows,
            each.columns,
            x_title="update",
            y_title=each.y_title,
            y_format=each.y_format,
            y_domain=each.y_domain,
        )
        if chart is not None:
            blocks.append(Chart(chart, each.title, each.about, span="half"))
    return [Section(title, blocks)] if blocks else []


def _path(rows: Rows) -> list[Block]:
    """Where training went: accuracy over passes, one point for each stretch of updates."""
    both = [row for row in rows if row.get("nfe") is not None and row.get("accuracy") is not None]
    if len(both) < 2:
        return []
    parts = stretches(both, _MOST_POINTS)
    values = [
        {"step": part[-1]["step"], "x": mean_of(part, "nfe"), "y": mean_of(part, "accuracy"), "rank": i}
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
