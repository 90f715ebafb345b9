"""The one place colours and type are decided, for the page and for its charts, in light and in dark.

The hues follow Okabe and Ito (2008): blue, vermilion, bluish green, amber, reddish purple, moved in
lightness so that any two stay apart under deuteranopia, protanopia and tritanopia, and each has a contrast
of at least 3:1 with the ground (WCAG 2.2, 1.4.11); text has at least 4.5:1 (1.4.3). A chart names the light
colours; in dark mode the page puts each colour's twin in its place, so a specification stays plain
Vega-Lite that any tool can draw.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

SANS = 'ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
SERIF = '"Iowan Old Style", "Palatino Linotype", Palatino, "URW Palladio L", Charter, Georgia, Cambria, serif'
MONO = 'ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "Liberation Mono", monospace'


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of one mode, as ``#rrggbb``.

    Attributes:
        ground: The page.
        surface: Boxes on it.
        ink: Text.
        muted: Secondary text and axis labels.
        rule: Hairlines and box borders.
        grid: Grid lines of charts.
        accent: Links, focus, pressed buttons; also the first series.
        right: Outcome right; claim passed.
        wrong: Outcome wrong; claim failed.
        ungradable: Outcome ungradable; claim unverified.
        caution: Warnings.
        mark: Ground of a search hit.
        series: Colours of named series, in order.
        ramp: Sequential scale, from none to most.
        diverging: Grounds of text, from most against over none, in the middle, to most for; readable under ink.
    """

    ground: str
    surface: str
    ink: str
    muted: str
    rule: str
    grid: str
    accent: str
    right: str
    wrong: str
    ungradable: str
    caution: str
    mark: str
    series: tuple[str, ...]
    ramp: tuple[str, ...]
    diverging: tuple[str, ...]


LIGHT = Theme(
    ground="#fbfaf7",
    surface="#ffffff",
    ink="#1d2126",
    muted="#5b636d",
    rule="#dfdcd4",
    grid="#ebe8e1",
    accent="#1257b8",
    right="#16785f",
    wrong="#b3402a",
    ungradable="#68717c",
    caution="#8a5e00",
    mark="#fbe7a2",
    series=("#1257b8", "#b3412b", "#1f9c80", "#bd8410", "#7d5296", "#4a525c"),
    ramp=("#f0f3f7", "#b7d0ea", "#6c9fd8", "#2465be", "#0d3474"),
    diverging=(
        *("#e9914d", "#eea46e", "#f3b68c", "#f5c9ab", "#f6dcca"),
        "#f1f0ed",
        *("#d0e2f9", "#b5d3fb", "#9ac3fa", "#80b3f8", "#66a3f4"),
    ),
)
DARK = Theme(
    ground="#14171b",
    surface="#1b1f24",
    ink="#e8e9ea",
    muted="#a0a8b1",
    rule="#31373e",
    grid="#262b31",
    accent="#7fa0f5",
    right="#45c9a0",
    wrong="#ec8560",
    ungradable="#98a2ad",
    caution="#e8c558",
    mark="#5c4a10",
    series=("#7fa0f5", "#e07a4a", "#3fd3a1", "#ecd05c", "#c57fb4", "#b4bcc5"),
    ramp=("#20262d", "#274369", "#3565ab", "#7097ea", "#c9daff"),
    diverging=(
        *("#964c1c", "#814520", "#6d3f23", "#583825", "#443127"),
        "#292c2e",
        *("#2a364b", "#2b4067", "#2d4a82", "#2e549c", "#305eb7"),
    ),
)


def css_variables() -> str:
    """Custom properties: light by default, dark by the reader's system, either by the page's own switch."""

    def block(theme: Theme) -> str:
        one = [f"--{f.name}:{getattr(theme, f.name)}" for f in fields(theme) if isinstance(getattr(theme, f.name), str)]
        many = [f"--series-{i + 1}:{c}" for i, c in enumerate(theme.series)]
        middle = len(theme.diverging) // 2
        steps = [i - middle for i in range(len(theme.diverging))]
        names = ["even" if not s else f"for-{s}" if s > 0 else f"against-{-s}" for s in steps]
        scale = [f"--{name}:{c}" for name, c in zip(names, theme.diverging, strict=True)]
        return ";".join(one + many + scale)

    dark = f"color-scheme:dark;{block(DARK)}"
    fonts = f"--sans:{SANS};--serif:{SERIF};--mono:{MONO}"
    return (
        f":root{{{fonts};color-scheme:light;{block(LIGHT)}}}\n"
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}\n"
        f":root[data-theme=dark]{{{dark}}}\n"
    )


def chart_theme() -> dict[str, Any]:
    """What the page's script needs: a Vega-Lite config for each mode, and each light colour's dark twin."""
    twins: dict[str, str] = {}
    for f in fields(Theme):
        light, dark = getattr(LIGHT, f.name), getattr(DARK, f.name)
        pairs = zip(light, dark, strict=True) if isinstance(light, tuple) else [(light, dark)]
        for a, b in pairs:
            twins.setdefault(a, b)
    return {"light": vega_config(LIGHT), "dark": vega_config(DARK), "twins": twins}


def vega_config(theme: Theme) -> dict[str, Any]:
    """Vega-Lite ``config``: no frame, quiet grid, horizontal titles, legend on top."""
    label = {"labelColor": theme.muted, "labelFont": SANS, "labelFontSize": 12}
    title = {"titleColor": theme.muted, "titleFont": SANS, "titleFontSize": 12, "titleFontWeight": "normal"}
    return {
        "background": None,
        "font": SANS,
        "padding": 2,
        "view": {"stroke": None},
        "axis": {
            **label,
            **title,
            "domainColor": theme.rule,
            "gridColor": theme.grid,
            "tickColor": theme.rule,
            "labelPadding": 6,
            "titlePadding": 10,
            "tickSize": 4,
            "labelOverlap": "parity",
        },
        "axisX": {"grid": False, "labelFlush": False},
        "axisY": {"domain": False, "ticks": False},
        "legend": {
            **label,
            **title,
            "orient": "top",
            "titleAnchor": "start",
            "labelLimit": 220,
            "offset": 10,
            "symbolSize": 90,
            "columnPadding": 18,
            "labelFontSize": 12.5,
            "labelColor": theme.ink,
        },
        "header": {"labelColor": theme.ink, "labelFont": SANS, "titleColor": theme.muted, "titleFont": SANS},
        "range": {
            "category": list(theme.series),
            "heatmap": list(theme.ramp),
            "ramp": list(theme.ramp),
            "diverging": list(theme.diverging),
        },
        "mark": {"color": theme.series[0]},
        "line": {"strokeWidth": 2.25, "strokeCap": "round", "strokeJoin": "round"},
        "rule": {"color": theme.muted},
        "text": {"color": theme.ink, "font": SANS, "fontSize": 12},
    }
