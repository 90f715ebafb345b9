"""Rows of a table in Arrow's memory as JSON objects: what its types keep, and what they add.

    struct     its fields, without those that are null: Arrow gives all rows of a column one set of fields, and fills
               in nulls where a row has none. So {"x": 1} and {"y": "z"} are stored as {"x": 1, "y": null} and
               {"x": null, "y": "z"}. A null that was written cannot be told from one that was filled in. Those within
               the arguments of a call are counted, since there a null may mean something
    map, list  as they are, nulls too
    JSON text  columns of Arrow's type for JSON are decoded; so is text in columns that hold conversations and tools, in
               calls of messages and in schemas. What was kept as JSON text has all of its nulls
    times      as ISO 8601; decimals as text; bytes as a mark with their number

Numbers that are no JSON (NaN, infinities) cost their row, as they do in a file of lines.
"""

from __future__ import annotations

import datetime
import decimal
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from reasonry.core.messages import Json
from reasonry.training.pivotrl.extract.lines import decode

if TYPE_CHECKING:
    import pyarrow as pa

_STRUCTURED = frozenset(
    (
        *("messages", "prompt", "completion", "conversations", "tools", "outcome"),  # openai, sharegpt
        *("steps", "agent", "extra", "final_metrics"),  # atif
        *("simulations", "tasks", "info", "reward_info"),  # tau2
        *("history", "trajectory", "test_result", "report"),  # swe-agent, openhands
        *("response", "kwargs"),  # openhands
        *("responses_create_params", "expected_action", "agent_ref"),  # nemo-gym
    )
)
_SIDES = ("prompt", "completion")  # which may be text that looks like JSON, and is meant as text
_TEXTS = ("tool_calls", "function_call", "function", "parameters", "input_schema")
_CALLERS = ("name", "function_name")


class Nulls:
    """Counts the nulls that were left out of arguments."""

    def __init__(self) -> None:
        self.num = 0


_Read = Callable[[Any, Nulls], Any]


class Cells:
    """Reads rows of one schema.

    Args:
        schema: Of the table.

    Raises:
        ValueError: Two columns have one name.
    """

    def __init__(self, schema: pa.Schema) -> None:
        names: list[str] = schema.names
        if len(set(names)) < len(names):
            raise ValueError(f"the column {next(n for n in names if names.count(n) > 1)!r:.80} is there twice")
        self._columns = {field.name: _reading(field.type, inside=False) for field in schema}

    def row(self, value: Mapping[str, Any], nulls: Nulls) -> Json:
        """A row, given as Python values.

        Args:
            value: Of a record batch, by column.
            nulls: Counts those that were left out of arguments.

        Raises:
            ValueError: It cannot be JSON; says why, and in which column.
        """
        row: Json = {}
        for name, read in self._columns.items():
            if value[name] is None:
                continue
            try:
                found = read(value[name], nulls)
                row[name] = _unpacked(found, name) if name in _STRUCTURED else found
            except (ValueError, RecursionError) as e:
                raise ValueError(f"column {name!r:.80}: {e}") from None
        return row


# ---------------------------------------------------------------- types


def _reading(kind: pa.DataType, *, inside: bool) -> _Read:
    """How values of a type are read; ``inside``: those of arguments of a call."""
    import pyarrow as pa

    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return _json if kind.extension_name == "arrow.json" else _reading(kind.storage_type, inside=inside)
    if types.is_struct(kind):
        return _struct(kind, inside=inside)
    if types.is_map(kind):
        inner = _reading(kind.item_type, inside=inside)
        return lambda value, nulls: {str(k): v if v is None else inner(v, nulls) for k, v in _once(value)}
    if hasattr(kind, "value_type") and not types.is_dictionary(kind):  # every kind of list
        item = _reading(kind.value_type, inside=inside)
        return lambda value, nulls: [v if v is None else item(v, nulls) for v in value]
    return _plain


def _struct(kind: pa.StructType, *, inside: bool) -> _Read:
    names = [field.name for field in kind]
    if len(set(names)) < len(names):
        raise ValueError(f"a field twice in {names}")
    is_call = any(name in names for name in _CALLERS)
    fields = {f.name: _reading(f.type, inside=inside or (is_call and f.name == "arguments")) for f in kind}
    is_message = "role" in fields and not inside

    def read(value: Mapping[str, Any], nulls: Nulls) -> Json:
        found: Json = {}
        for name, inner in fields.items():
            if value[name] is not None:
                found[name] = inner(value[name], nulls)
            elif is_message and name == "content":  # a message has one
                found[name] = None
            else:
                nulls.num += inside
        return found

    return read


def _once(pairs: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    if len({str(key) for key, _ in pairs}) < len(pairs):
        raise ValueError("a key twice in one map")
    return pairs


def _json(value: Any, nulls: Nulls) -> Any:
    return decode(value.encode()) if isinstance(value, str) else value


def _plain(value: Any, nulls: Nulls) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a JSON number")
    if isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, bytes):
        return f"[{len(value)} bytes]"
    if isinstance(value, decimal.Decimal | datetime.timedelta):
        return str(value)
    raise ValueError(f"a value of type {type(value).__name__} has no form in JSON")


# ---------------------------------------------------------------- text that is JSON


def _unpacked(value: Any, name: str) -> Any:
    """The value of a column that holds conversations or tools, whatever of it was kept as JSON text."""
    if isinstance(value, str):
        if name in _SIDES:
            return _conversation(value)
        value = decode(value.encode()) if _looks_like_json(value) else value
    return [_object(item) for item in value] if isinstance(value, list) else _object(value)


def _conversation(text: str) -> Any:
    """The messages that a text is; else the text."""
    if not text.lstrip().startswith("["):
        return text
    try:
        value = decode(text.encode())
    except ValueError:
        return text
    is_chat = isinstance(value, list) and value and all(isinstance(m, dict) and "role" in m for m in value)
    return value if is_chat else text


def _object(value: Any) -> Any:
    if isinstance(value, str) and _looks_like_json(value):
        value = decode(value.encode())
    if not isinstance(value, dict):
        return value
    found = dict(value)
    for name in _TEXTS:
        inner = found.get(name)
        if isinstance(inner, str) and _looks_like_json(inner):
            inner = decode(inner.encode())
        if isinstance(inner, dict):
            inner = _object(inner)
        if name in found:
            found[name] = inner
    return found


def _looks_like_json(text: str) -> bool:
    return text.lstrip()[:1] in ("{", "[")
