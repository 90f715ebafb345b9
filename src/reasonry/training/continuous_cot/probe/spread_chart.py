"""Distributions of inner products: for each thought and each part of a graph a box from quartile to quartile.

A thin line goes from the 5th to the 95th percentile, a dark tick marks the median. The boxes of one thought stand side
by side.
"""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.core.report.channels import Spec, figure, quantity, words
from reasonry.core.report.style import LIGHT
from reasonry.training.continuous_cot.probe.drawing import KIND_COLOURS, KIND_NAMES
from reasonry.training.continuous_cot.probe.groups import KINDS, Kind
from reasonry.training.continuous_cot.probe.records import Thought

_ENDS = ("p05", "p25", "p50", "p75", "p95")


def spread_chart(thoughts: Sequence[Thought]) -> Spec:
    """Boxes of all thoughts."""
    kinds: list[Kind] = [kind for kind in KINDS if any(kind in thought.quantiles for thought in thoughts)]
    rows = [
        {
            **{"label": f"thought {thought.thought}", "group": KIND_NAMES[kind]},
            **dict(zip(_ENDS, (round(q, 4) for q in thought.quantiles[kind]), strict=True)),
        }
        for thought in thoughts
        for kind in kinds
        if kind in thought.quantiles
    ]
    labels = [f"thought {thought.thought}" for thought in thoughts]
    names = [KIND_NAMES[kind] for kind in kinds]
    colour: Spec = {
        "field": "group",
        "type": "nominal",
        "legend": {"title": None},
        "scale": {"domain": names, "range": [KIND_COLOURS[kind] for kind in kinds]},
    }
    shared: Spec = {
        "x": {
            "field": "label",
            "type": "nominal",
            "sort": labels,
            "axis": {"title": None, "labelAngle": 0},
            "scale": {"paddingInner": 0.25, "paddingOuter": 0.15},
        },
        "xOffset": {"field": "group", "type": "nominal", "sort": names, "scale": {"paddingInner": 0.35}},
        "tooltip": [
            words("label", "thought"),
            words("group", "vertices"),
            figure("p50", "median", ".3f"),
            figure("p25", "lower quartile", ".3f"),
            figure("p75", "upper quartile", ".3f"),
            figure("p05", "5th percentile", ".3f"),
            figure("p95", "95th percentile", ".3f"),
        ],
    }
    y = quantity("p05", "inner product", "", zero=False)
    tick: Spec = {"type": "tick", "color": LIGHT.ink, "thickness": 1.5}
    return {
        "data": {"values": rows},
        "layer": [
            {
                "mark": {"type": "rule", "strokeWidth": 1.25, "color": LIGHT.muted},
                "encoding": {**shared, "y": y, "y2": {"field": "p95"}},
            },
            {
                "mark": {"type": "bar", "opacity": 1},
                "encoding": {**shared, "y": {**y, "field": "p25"}, "y2": {"field": "p75"}, "color": colour},
            },
            {"mark": tick, "encoding": {**shared, "y": {**y, "field": "p50"}}},
        ],
    }
