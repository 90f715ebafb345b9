"""A planner's mind: its probability of revealing each position at each step, and what was revealed.

Rows are steps from the top, columns are positions; a dot marks what a step revealed, a ring what it was forced to.
White is what is revealed already or not open yet.
"""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.core.report.channels import Spec, figure, words
from reasonry.core.report.style import LIGHT

_MOST_TOKENS = 40
_MOST_ROWS_PX = 720
_ROW_PX = 24


def plan_map(
    q_SL: Sequence[Sequence[float | None]],
    *,
    revealed_at: Sequence[int],
    forced: Sequence[bool],
    tokens: Sequence[str],
) -> Spec:
    """A heat map over steps x positions.

    Args:
        q_SL: Probability of revealing; None where a position was not eligible.
        revealed_at: Step from 0 that revealed each position; -1 where none did.
        forced: Whether the planner chose nothing itself, for each step.
        tokens: Text of each position's token.

    Raises:
        ValueError: The lengths do not fit each other.
    """
    num_steps, L = len(q_SL), len(tokens)
    if not num_steps or len(forced) != num_steps or len(revealed_at) != L or any(len(q_L) != L for q_L in q_SL):
        raise ValueError(f"{num_steps} steps and {L} tokens do not fit each other")
    rows = [
        {
            **{"step": step + 1, "position": at + 1, "q": q, "token": repr(tokens[at])[1:-1]},
            "revealed": revealed_at[at] == step,
            "forced": revealed_at[at] == step and forced[step],
            "what": ("forced" if forced[step] else "revealed") if revealed_at[at] == step else "",
        }
        for step, q_L in enumerate(q_SL)
        for at, q in enumerate(q_L)
        if q is not None
    ]
    has_room = L <= _MOST_TOKENS
    every = 1 if L <= 24 else 5 if L <= 100 else 25
    x: Spec = {
        "field": "position",
        "type": "ordinal",
        "scale": {"domain": list(range(1, L + 1)), "padding": 0.05 if has_room else 0},
        "axis": {
            "title": "position",
            "labelAngle": 0,
            "values": [i for i in range(1, L + 1) if i == 1 or i % every == 0],
        },
    }
    y: Spec = {
        "field": "step",
        "type": "ordinal",
        "scale": {"domain": list(range(1, num_steps + 1)), "padding": 0.05 if has_room else 0},
        "axis": {"title": "forward pass", "labelOverlap": "greedy"},
    }
    shade: Spec = {
        "field": "q",
        "type": "quantitative",
        "title": "probability of revealing",
        "scale": {"domain": [0, 1], "range": list(LIGHT.ramp)},
        "legend": {"gradientLength": 160, "gradientThickness": 8, "format": ".1f", "offset": 24},
    }
    tooltip = [
        figure("step", "forward pass", "d"),
        figure("position", "position", "d"),
        words("token", "token"),
        figure("q", "probability", ".3f"),
        words("what", "so it was"),
    ]
    place: Spec = {"x": x, "y": y, "tooltip": tooltip}
    row_px = min(_ROW_PX, max(3, _MOST_ROWS_PX // num_steps))
    size = max(4, min(64, row_px * 3))
    dot: Spec = {"type": "point", "size": size, "opacity": 1, "stroke": LIGHT.ground, "strokeWidth": 1}
    layers: list[Spec] = [
        {"mark": {"type": "rect"}, "encoding": {**place, "color": shade}},
        {
            "transform": [{"filter": "datum.revealed && !datum.forced"}],
            "mark": {**dot, "fill": LIGHT.series[1]},
            "encoding": place,
        },
        {
            "transform": [{"filter": "datum.forced"}],
            "mark": {**dot, "fill": LIGHT.ground, "stroke": LIGHT.series[1], "strokeWidth": 2},
            "encoding": place,
        },
    ]
    if has_room:
        names = [{"position": i + 1, "token": token.strip()[:6]} for i, token in enumerate(tokens)]
        layers.append(
            {
                "data": {"values": names},
                "mark": {"type": "text", "font": "monospace", "fontSize": 11, "dy": -9, "color": LIGHT.muted},
                "encoding": {"x": x, "y": {"value": 0}, "text": {"field": "token", "type": "nominal"}},
            }
        )
    return {"height": row_px * num_steps, "data": {"values": rows}, "layer": layers}
