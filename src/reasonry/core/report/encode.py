"""From a `Report` to plain JSON values, and from untrusted JSON back to something a page may be made of.

Deterministic: equal reports give equal values; nothing reads the clock, the environment or a set's order.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import PurePath
from typing import Any

from reasonry.core.report.model import Chart, Passage, Passages, Report
from reasonry.core.report.passage import check_passage, colour_limit, token_columns
from reasonry.core.text import strip_controls
from reasonry.errors import DataError

SCHEMA = "reasonry.report/1"
_MAX_EXACT_INT = 2**53
_COMPOSED = ("hconcat", "vconcat", "concat", "facet", "repeat")


def report_json(report: Report) -> dict[str, Any]:
    """``report`` as JSON values under the schema name `SCHEMA`.

    Raises:
        DataError: A chart refers to data or an image outside the report.
    """
    return {"schema": SCHEMA, **_record(report)}


def plain(value: Any) -> Any:
    """``value`` as JSON values that every reader agrees on.

    Strings lose control characters, NaN and infinities become null, integers that a double cannot hold become
    the nearest double, NumPy scalars and arrays become numbers and lists, records become objects with their
    ``kind``.

    Raises:
        TypeError: A value is of a type that JSON has no form for.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, str):
        return strip_controls(value)
    if isinstance(value, int):
        return int(value) if abs(value) <= _MAX_EXACT_INT else _double(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Chart):
        return {**_record(value, skip="spec"), "spec": chart_spec(value.spec, value.title)}
    if isinstance(value, Passage):
        return _passage(value, colour_limit(t.value for t in value.tokens))
    if isinstance(value, Passages):
        limit = colour_limit(t.value for item in value.items for t in item.tokens)
        return {**_record(value, skip="items"), "items": [_passage(item, limit) for item in value.items]}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _record(value)
    if isinstance(value, Mapping):
        return {strip_controls(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, PurePath):
        return strip_controls(str(value))
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [plain(item) for item in value]
    to_list = getattr(value, "tolist", None)
    if callable(to_list):
        return plain(to_list())
    raise TypeError(f"a report cannot hold a {type(value).__name__}: {value!r:.80}")


def chart_spec(spec: Any, title: str) -> dict[str, Any]:
    """A Vega-Lite specification that stands on its own.

    Args:
        spec: A mapping, or an object with ``to_dict`` such as an ``altair.Chart``.
        title: For the error message.

    Raises:
        DataError: It would load something from an address.
    """
    raw = spec.to_dict() if hasattr(spec, "to_dict") else spec
    if not isinstance(raw, Mapping):
        raise TypeError(f"chart {title!r}: expected a Vega-Lite mapping, not {type(raw).__name__}")
    clean: dict[str, Any] = plain(raw)
    clean.pop("$schema", None)
    clean.pop("usermeta", None)  # would override the options the page embeds charts with
    _refuse_addresses(clean, title)
    if "width" not in clean and not any(key in clean for key in _COMPOSED):
        clean["width"] = "container"
    return clean


def has_charts(report: Mapping[str, Any]) -> bool:
    """Whether any block of a report's JSON is a chart."""
    return any(block["kind"] == "chart" for section in report["sections"] for block in section["blocks"])


def checked(value: Any, *, place: str = "") -> dict[str, Any]:
    """A report's JSON that is safe to render: cleaned again, and of the shape a page needs.

    Args:
        value: Parsed JSON, from anywhere.
        place: Its file, for the error message.

    Raises:
        DataError: It is not a report of this version, or has no sections.
    """
    remedy = "Render a report.json that this version of reasonry wrote."
    if not isinstance(value, Mapping) or value.get("schema") != SCHEMA:
        found = value.get("schema") if isinstance(value, Mapping) else type(value).__name__
        raise DataError(f"not a report: schema {found!r}, expected {SCHEMA!r}", place=place, remedy=remedy)
    report: dict[str, Any] = plain(value)
    for key, kind in (("title", str), ("facts", list), ("sections", list)):
        if not isinstance(report.get(key), kind):
            raise DataError(f"report key {key!r} is missing or of the wrong type", place=place, remedy=remedy)
    for i, section in enumerate(report["sections"]):
        blocks = section.get("blocks") if isinstance(section, dict) else None
        if not isinstance(blocks, list) or not all(isinstance(b, dict) and "kind" in b for b in blocks):
            raise DataError(f"section {i} of the report has no list of blocks", place=place, remedy=remedy)
        for block in blocks:
            if block["kind"] == "chart":
                block["spec"] = chart_spec(block.get("spec", {}), str(block.get("title", "")))
            elif block["kind"] in ("passage", "passages"):
                check_passage(block, place=place, remedy=remedy)
    return report


def dumps(value: Any, *, indent: int | None = None) -> str:
    """JSON text with a stable key order and no NaN; compact unless ``indent`` is given."""
    separators = (",", ":") if indent is None else None
    return json.dumps(value, indent=indent, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=separators)


def _passage(value: Passage, limit: float) -> dict[str, Any]:
    columns = plain(token_columns(value.tokens))
    return {**_record(value, skip="tokens"), **columns, "limit": plain(value.limit or limit)}


def _record(value: Any, *, skip: str = "") -> dict[str, Any]:
    kind = getattr(value, "kind", None)
    fields = {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value) if f.name != skip}
    return {"kind": kind, **fields} if kind is not None else fields


def _double(value: int) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None


def _refuse_addresses(node: Any, title: str) -> None:
    """Refuse ``url`` anywhere but among the data themselves, where it is only a column's name."""
    if isinstance(node, list):
        for item in node:
            _refuse_addresses(item, title)
    elif isinstance(node, dict):
        address = node.get("url")
        if isinstance(address, str):
            raise DataError(
                f"chart {title!r} would load {address!r}",
                remedy="Put the data into the chart itself; a report loads nothing.",
            )
        for key, item in node.items():
            if key not in ("values", "datasets"):
                _refuse_addresses(item, title)
