"""A report's outline as lines for a terminal: title, facts, claims, passages. Control sequences are stripped."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from reasonry.core.text import strip_controls


def outline(report: Mapping[str, Any]) -> Iterator[str]:
    """Lines to print, from a report's JSON."""
    yield strip_controls(str(report.get("title", "")))
    if report.get("subtitle"):
        yield strip_controls(str(report["subtitle"]))
    yield ""
    facts = report.get("facts") or []
    width = max((len(f["label"]) for f in facts), default=0)
    for fact in facts:
        yield strip_controls(f"{fact['label']:<{width}}  {_value(fact)}  {fact.get('note', '')}".rstrip())
    for section in report.get("sections") or []:
        for block in section.get("blocks") or []:
            if block.get("kind") == "claims":
                yield ""
                for row in block["rows"]:
                    yield strip_controls(f"{row['status'].upper():<10} {row['name']}  {row['statement']}")
            elif block.get("kind") == "note" and block.get("level") == "warning":
                yield strip_controls(f"warning: {block['text']}")
            elif block.get("kind") == "passage":
                yield _passage(block)
            elif block.get("kind") == "passages":
                yield from map(_passage, block["items"])


def _passage(block: Mapping[str, Any]) -> str:
    digits, num_tok = block["digits"], len(block["values"])
    scored = [v for v in block["values"] if v is not None]
    tokens = "1 token" if num_tok == 1 else f"{num_tok:,} tokens"
    line = f"{block['title']}: {tokens}, {len(scored):,} scored, sum {math.fsum(scored):+.{digits}f}"
    if scored:
        line += f" ({block['value_title']})"
    if block["stop_index"] is not None:
        line += f", {block['stop_label']}: token {block['stop_index'] + 1:,}"
    return " ".join(strip_controls(line).split())


def _value(fact: Mapping[str, Any]) -> str:
    value = fact.get("value")
    if isinstance(value, Mapping):
        low, high = value.get("low"), value.get("high")
        shown = _number(value.get("value"), fact)
        return shown if low is None else f"{shown} [{_number(low, fact)}, {_number(high, fact)}]"
    return _number(value, fact)


def _number(value: Any, fact: Mapping[str, Any]) -> str:
    if value is None:
        return "-"
    if isinstance(value, str | bool):
        return str(value)
    kind, digits = fact.get("format", "text"), fact.get("digits")
    if kind == "percent":
        return f"{value:.{1 if digits is None else digits}%}"
    if kind == "integer":
        return f"{value:,.0f}"
    if kind == "seconds":
        return f"{value:.1f} s"
    return f"{value:g}" if digits is None else f"{value:.{digits}f}"
