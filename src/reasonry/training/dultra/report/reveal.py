"""Which position was revealed when: an answer as a strip of cells, coloured by forward pass; a slider fills it.

Strips of several policies under one another show how they share out the same answer. Cells that no pass revealed,
behind an end token, stay empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from reasonry.core.report.channels import Spec, figure, words
from reasonry.core.report.style import LIGHT
from reasonry.training.dultra.trajectory import NEVER

MOST_IN_A_LINE = 40
"""Longest answer that stands in one line."""
_WRAPPED_AT = 24
_LINE_PX = 32
_LABEL_PX, _LABEL_LINE_PX = 180, 14
_ROOM_CHARS = 110
"""Characters that fit beside each other in a line of cells."""


class Strip(NamedTuple):
    """A decoding.

    Attributes:
        label: What stands before it: the policy and, in a second line, its passes.
        tokens: Text of each token.
        revealed_at: Step from 0 that revealed each; -1 where none did.
        forced: Whether the policy chose nothing itself, for each step.
    """

    label: str
    tokens: Sequence[str]
    revealed_at: Sequence[int]
    forced: Sequence[bool]


def wrapped(num_tokens: int) -> int:
    """Tokens of a line."""
    return num_tokens if num_tokens <= MOST_IN_A_LINE else _WRAPPED_AT


def reveal_chart(strips: Sequence[Strip]) -> Spec:
    """Strips under one another with one slider, all in the colours of one scale.

    Args:
        strips: With distinct labels; long ones are wrapped.

    Raises:
        ValueError: No strips, two of one label, or one without steps.
    """
    labels = [strip.label for strip in strips]
    if not strips or len(set(labels)) != len(labels) or not all(strip.forced for strip in strips):
        raise ValueError(f"strips need distinct labels and steps, got {labels}")
    longest = max(len(strip.tokens) for strip in strips)
    width = wrapped(longest)
    num_steps = max(len(strip.forced) for strip in strips)
    rows, lines = _cells(strips, width)
    x: Spec = {
        "field": "column",
        "type": "ordinal",
        "axis": {"title": "position", "labelAngle": 0, "values": _ticks(width), "domain": False, "ticks": False},
        "scale": {"domain": list(range(1, width + 1)), "paddingInner": 0.06, "paddingOuter": 0},
    }
    y: Spec = {
        "field": "line",
        "type": "ordinal",
        "sort": lines,
        "axis": {
            **{"title": None, "labelColor": LIGHT.ink, "domain": False, "ticks": False},
            **{"labelExpr": "split(datum.label, '\\n')", "labelLimit": _LABEL_PX},
            **{"labelLineHeight": _LABEL_LINE_PX, "labelOffset": -_LABEL_LINE_PX / 2},
        },
        "scale": {"domain": lines, "paddingInner": 0.14, "paddingOuter": 0},
    }
    shade: Spec = {
        "field": "pass",
        "type": "quantitative",
        "title": "forward pass",
        "scale": {"domain": [1, max(2, num_steps)], "range": list(LIGHT.ramp)},
        "legend": {"gradientLength": 160, "gradientThickness": 8, "format": "d", "tickCount": min(5, num_steps)},
    }
    is_there = "isValid(datum.pass) && datum.pass <= upto"
    tooltip = [
        words("label", "policy"),
        words("token", "token"),
        figure("position", "position", "d"),
        words("when", "revealed"),
    ]
    place: Spec = {"x": x, "y": y, "tooltip": tooltip}
    dark: Spec = {"test": f"datum.pass > {1 + 0.55 * (max(2, num_steps) - 1)}", "value": LIGHT.ground}
    return {
        "height": _LINE_PX * len(lines),
        "data": {"values": rows},
        "params": [
            {
                "name": "upto",
                "value": num_steps,
                "bind": {"input": "range", "min": 0, "max": num_steps, "step": 1, "name": "after forward pass "},
            }
        ],
        "layer": [
            {
                "mark": {"type": "rect", "cornerRadius": 2, "color": LIGHT.surface, "stroke": LIGHT.rule},
                "encoding": place,
            },
            {
                "transform": [{"filter": is_there}],
                "mark": {"type": "rect", "cornerRadius": 2},
                "encoding": {**place, "color": shade},
            },
            {
                "transform": [{"filter": f"{is_there} && datum.forced"}],
                "mark": {"type": "rect", "cornerRadius": 2, "fill": None, "stroke": LIGHT.caution, "strokeWidth": 1.75},
                "encoding": place,
            },
            {
                "transform": [{"filter": is_there}],
                "mark": {"type": "text", "fontSize": 11, "font": "monospace", "clip": True},
                "encoding": {
                    **place,
                    "text": {"field": "text", "type": "nominal"},
                    "color": {"condition": dark, "value": LIGHT.ink},
                },
            },
        ],
    }


def _cells(strips: Sequence[Strip], width: int) -> tuple[list[Spec], list[str]]:
    """A row for each cell, and the lines from top to bottom."""
    num_chars = max(1, _ROOM_CHARS // width)
    rows: list[Spec] = []
    lines: list[str] = []
    for strip in strips:
        label = strip.label.replace("\n", ", ")
        for start in range(0, len(strip.tokens), width):
            stop = min(start + width, len(strip.tokens))
            # Names of a scale are distinct: the blanks are not seen.
            line = strip.label if start == 0 else f"{start + 1} to {stop}\n{' ' * strips.index(strip)}"
            lines.append(line)
            for at in range(start, stop):
                step = strip.revealed_at[at]
                is_forced = step != NEVER and strip.forced[step]
                told = "forced" if is_forced else ""
                rows.append(
                    {
                        **{"label": label, "line": line, "column": at - start + 1, "position": at + 1},
                        "pass": None if step == NEVER else step + 1,
                        "token": repr(strip.tokens[at])[1:-1],
                        "text": _short(strip.tokens[at], num_chars),
                        "when": "never" if step == NEVER else f"pass {step + 1} {told}".strip(),
                        "forced": is_forced,
                    }
                )
    return rows, lines


def _short(token: str, num_chars: int) -> str:
    text = token.replace("\n", "↵").replace("\t", "⇥").strip() or ("␣" if token else "")
    return text if len(text) <= num_chars else text[: max(1, num_chars - 1)] + "…"


def _ticks(width: int) -> list[int]:
    every = 1 if width <= 24 else 5
    return [i for i in range(1, width + 1) if i % every == 0 or i == 1]
