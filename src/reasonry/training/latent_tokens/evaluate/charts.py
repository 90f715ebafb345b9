"""Charts of an evaluation: accuracy against tokens, tokens by what they are, codes by their place."""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reasonry.core.report import Measure, bar_chart, heatmap
from reasonry.core.report.channels import name_colours, quantity
from reasonry.core.report.style import LIGHT
from reasonry.training.latent_tokens.evaluate.results import MethodResult
from reasonry.training.latent_tokens.evaluate.usage import Usage

Spec = dict[str, Any]

MOST_PLACES, MOST_CODES = 16, 10


def frontier_chart(methods: Sequence[MethodResult], *, solved: str) -> Spec:
    """A point for each method with the intervals of both: solved questions against tokens."""
    rows: list[Spec] = [
        {
            "method": method.name,
            "tokens": method.tokens.value,
            "tokens_low": method.tokens.low,
            "tokens_high": method.tokens.high,
            "solved": method.solved.value,
            "solved_low": method.solved.low,
            "solved_high": method.solved.high,
            "told": f"{method.solved.value:.1%} with {method.tokens.value:.1f} tokens",
        }
        for method in methods
    ]
    names = [method.name for method in methods]
    x = quantity("tokens", "generated tokens of a reply", "~s", zero=True)
    y = quantity("solved", solved, ".0%", domain=[0, 1])
    colour: Spec = {**name_colours("method", names), "legend": None}
    rule: Spec = {"type": "rule", "strokeWidth": 2, "opacity": 0.45}
    words = {"field": "method", "type": "nominal"}
    tooltip: list[Spec] = [{**words, "title": "method"}, {"field": "told", "type": "nominal", "title": "reaches"}]
    label: Spec = {"type": "text", "align": "left", "dx": 9, "dy": -9, "fontSize": 12, "fontWeight": 600}
    return {
        "data": {"values": rows},
        "encoding": {"color": colour},
        "layer": [
            {
                "mark": rule,
                "transform": [{"filter": "isValid(datum.tokens_low)"}],
                "encoding": {"x": {**x, "field": "tokens_low"}, "x2": {"field": "tokens_high"}, "y": y},
            },
            {"mark": rule, "encoding": {"x": x, "y": {**y, "field": "solved_low"}, "y2": {"field": "solved_high"}}},
            {
                "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
                "encoding": {"x": x, "y": y, "tooltip": tooltip},
            },
            {
                "mark": {**label, "stroke": LIGHT.ground, "strokeWidth": 3},
                "encoding": {"x": x, "y": y, "text": words, "color": {"value": LIGHT.ground}},
            },
            {"mark": label, "encoding": {"x": x, "y": y, "text": words}},
        ],
    }


def parts_chart(methods: Sequence[MethodResult]) -> Spec:
    """Tokens of a reply by what they are, stacked."""
    bars = [
        Measure(method.name, value, group=part)
        for method in methods
        for part, value in (("text", method.text_tok), ("codes", method.codes), ("markers", method.markers))
    ]
    return bar_chart(bars, x_title="", y_title="tokens of a reply", stacked=True)


def places_chart(usage: Usage) -> Spec:
    """Different codes at every place, and their perplexity."""
    bars = [
        Measure(str(number), value, group=what)
        for number, place in enumerate(usage.places[:MOST_PLACES], 1)
        for what, value in (("different codes", float(place.num_different)), ("perplexity", place.perplexity))
    ]
    return bar_chart(bars, x_title="place in the latent part", y_title="codes")


def codes_chart(usage: Usage) -> Spec:
    """How often the most used codes stand at every place, as shares of the replies that have a code there."""
    chosen = list(usage.uses)[:MOST_CODES]
    places = usage.places[:MOST_PLACES]
    values = [[_share(place.counts.get(code), place.num) for place in places] for code in chosen]
    return heatmap(
        values,
        row_labels=[str(code) for code in chosen],
        column_labels=[str(number) for number in range(1, len(places) + 1)],
        row_title="code",
        column_title="place in the latent part",
        value_title="share of codes at the place",
        value_format=".0%",
        domain=(0.0, 1.0),
    )


def _share(num: int | None, of: int) -> float:
    return (num or 0) / of if of else 0.0
