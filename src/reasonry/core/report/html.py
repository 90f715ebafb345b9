"""The page of a report: a fixed frame, one block of JSON, and scripts that put the JSON on the page as text.

What a model wrote cannot act:
    - every string of the report is inside one ``<script type="application/json">`` with ``<``, ``>``, ``&``,
      U+2028 and U+2029 as JSON escapes, so no text can end the block or open a comment;
    - the scripts make elements by name and set ``textContent``; nothing parses markup;
    - a Content-Security-Policy allows the scripts of this file by their SHA-256, and no request to any host.
      Charts run in Vega's expression interpreter, so the policy needs no ``unsafe-eval``.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Any

from reasonry.core.optional import need
from reasonry.core.report.encode import checked, dumps, has_charts
from reasonry.core.report.style import chart_theme, css_variables
from reasonry.core.text import escape_html, one_line

# In the order in which they use one another.
_SCRIPTS = ("dom.js", "tip.js", "numbers.js", "blocks.js", "charts.js", "samples.js", "passage.js", "page.js")
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_NUM_TITLE_CELLS = 120

_FRAME = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the report</a>
<header id="head" class="wide"></header>
<nav id="nav" aria-label="Sections"></nav>
<main id="main" class="wide" tabindex="-1"></main>
<footer id="foot" class="wide"></footer>
<noscript><p class="wide">This page draws itself from the data inside it and needs JavaScript for that.
The same figures are in report.json beside it.</p></noscript>
<div id="tip" role="status" hidden></div>
<script type="application/json" id="report">{report}</script>
<script type="application/json" id="theme">{theme}</script>
{scripts}
</body>
</html>
"""


def render_html(report_json: Mapping[str, Any]) -> str:
    """One self-contained HTML page from a report's JSON; equal JSON gives equal text.

    Args:
        report_json: What `Report.to_json` gives or ``report.json`` holds; it is checked, not trusted.

    Raises:
        DataError: It is not a report of this version, or a chart in it would load something.
        MissingDependencyError: It has charts and the ``report`` extra is not installed.
    """
    report = checked(report_json)
    scripts = [_own_script()]
    if has_charts(report):
        scripts.insert(0, _vega_script())
    style = "\n" + css_variables() + _asset("page.css")
    policy = "; ".join(
        [
            "default-src 'none'",
            "script-src " + " ".join(_source(script) for script in scripts),
            f"style-src {_source(style)}",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    return _FRAME.format(
        policy=policy,
        title=escape_html(one_line(report["title"], _NUM_TITLE_CELLS)),
        style=style,
        report=_data(report),
        theme=_data(chart_theme()),
        scripts="\n".join(f"<script>{script}</script>" for script in scripts),
    )


def _data(value: Any) -> str:
    """JSON that is inert inside a script element, whatever its strings hold."""
    text = dumps(value)
    for char, escape in _ESCAPES.items():
        text = text.replace(char, escape)
    return text


def _source(inline: str) -> str:
    """The policy's name for an inline script or style: its hash, so that no other one runs."""
    digest = hashlib.sha256(inline.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


@functools.cache
def _asset(name: str) -> str:
    return resources.files("reasonry.core.report").joinpath(name).read_text("utf-8")


@functools.cache
def _own_script() -> str:
    body = "\n".join(_asset(name) for name in _SCRIPTS)
    return f'\n(() => {{\n"use strict";\n{body}}})();\n'


@functools.cache
def _vega_script() -> str:
    """Vega, Vega-Lite and Vega-Embed with everything they use, about 900 kB.

    Raises:
        MissingDependencyError: vl-convert-python is not installed.
    """
    need("vl_convert", extra="report", why="it holds the chart runtime of the report")
    import vl_convert

    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    # A bundle's top-level names would otherwise be names of the whole page.
    script = f"\n(() => {{\n{bundle}\n}})();\n"
    # An HTML parser looks for these in any script, string literal or not.
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")
