"""What readers of formats other than plain chats need: fields of the right kind, and a chat put together step by step.

A field of the wrong kind costs its trajectory, not the file: `Broken` becomes an `Unread`.
"""

# pyright: strict
from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from reasonry.core.messages import Json, Message, Role, ToolCall, Trajectory, parse_tool_call
from reasonry.core.outcome import Outcome
from reasonry.errors import DataError
from reasonry.training.pivotrl.extract.lines import Row, decode, rows
from reasonry.training.pivotrl.extract.logs import Log, Unread

_GRADES = ("correct", "is_correct", "success", "resolved", "passed", "reward", "score")
_FULL = 1 - 1e-6  # rewards are products of floats
_TEXT_PARTS = ("text", "input_text", "output_text", "refusal", "summary_text", "reasoning_text")


class Broken(ValueError):
    """A trajectory that is not of its format; the text says where and why."""


def read_rows(path: Path, read: Callable[[Row, int], Log | Unread], *, reason: str) -> Iterator[Log | Unread]:
    """One trajectory for each row of a file; a row that is broken costs itself.

    Args:
        path: The file.
        read: Given a row and its number from 1, its trajectory. `Broken` makes it an `Unread`.
        reason: Of such an `Unread`.

    Raises:
        DataError: The file cannot be read.
    """
    for number, row in enumerate(rows(path), 1):
        if isinstance(row, Unread):
            yield row
            continue
        try:
            yield counted(read(row, number), row)
        except Broken as e:
            yield Unread(row.place, reason, str(e))


def counted(log: Log | Unread, row: Row) -> Log | Unread:
    """The log with the number of nulls that its row lost."""
    return log._replace(num_nulls=row.num_nulls) if isinstance(log, Log) and row.num_nulls else log


def an_object(value: Any, what: str) -> Json:
    """A JSON object.

    Raises:
        Broken: It is none.
    """
    if not isinstance(value, dict):
        raise Broken(f"{what} is {type(value).__name__}, not an object")
    return cast("Json", value)


def maybe_object(value: Any) -> Json:
    """A JSON object, or an empty one where it is something else: for fields that only add to a trajectory."""
    return cast("Json", value) if isinstance(value, dict) else {}


def a_list(value: Any, what: str) -> list[Any]:
    """A JSON list.

    Raises:
        Broken: It is none.
    """
    if not isinstance(value, list):
        raise Broken(f"{what} is {type(value).__name__}, not a list")
    return cast("list[Any]", value)


def objects(value: Any, what: str) -> Iterator[Json]:
    """Objects of a list; None has none."""
    for i, item in enumerate([] if value is None else a_list(value, what)):
        yield an_object(item, f"{what}[{i}]")


def text_of(value: Any, what: str) -> tuple[str, str]:
    """The text of a content, and what kind of part of it is no text (empty: it is text throughout).

    Raises:
        Broken: It is neither text, nor a list of parts, nor nothing.
    """
    if value is None:
        return "", ""
    if isinstance(value, str):
        return value, ""
    texts: list[str] = []
    lost = ""
    for part in a_list(value, what):
        if isinstance(part, str):
            texts.append(part)
            continue
        one = an_object(part, what)
        kind = str(one.get("type"))
        text = one.get("text", one.get(kind))
        if kind in _TEXT_PARTS and isinstance(text, str):
            texts.append(text)
        else:
            kind = kind.removeprefix("input_").removesuffix("_url")
            lost = lost or kind
            texts.append(f"[{kind}]")
    return "".join(texts), lost


def a_call(name: Any, arguments: Any, id: Any = "", *, what: str) -> ToolCall:
    """A call; arguments that are no JSON object are kept as text, and make its turn one with bad arguments.

    Raises:
        Broken: It names no tool.
    """
    if not isinstance(arguments, dict | str | None):
        arguments = json.dumps(arguments)
    try:
        return parse_tool_call({"name": name, "arguments": arguments, "id": named(id)}, place=what)
    except DataError as e:
        raise Broken(f"{what}: {e.problem}") from e


def chat_calls(value: Any, what: str) -> tuple[ToolCall, ...]:
    """The ``tool_calls`` of a message of chat completions: ``{"id", "function": {"name", "arguments"}}`` each.

    Raises:
        Broken: They are no such list.
    """
    calls: list[ToolCall] = []
    for call in objects(value, what):
        body = an_object(call.get("function", call), what)
        calls.append(a_call(body.get("name"), body.get("arguments"), call.get("id"), what=what))
    return tuple(calls)


def nested_tool(tool: Mapping[str, Any]) -> Json:
    """A tool in the form of chat completions, whether its fields stand under ``function`` or beside ``type``.

    Fields that are null, as the Responses API asks for them, are left out. A tool without a name, such as one that the
    server of a model has itself, is left as it is.
    """
    if isinstance(tool.get("function"), dict) or not isinstance(tool.get("name"), str):
        return dict(tool)
    body = {key: value for key, value in tool.items() if key != "type" and value is not None}
    if "parameters" not in body and isinstance(body.get("input_schema"), dict):
        body["parameters"] = body.pop("input_schema")
    return {"type": "function", "function": body}


def verdict(value: Any, reason: str) -> Outcome | None:
    """The outcome that true, false or a reward stands for: only a full reward is right. Other values say nothing."""
    if isinstance(value, bool | int | float):
        return Outcome("right" if value >= _FULL else "wrong", None, reason)
    return None


def grade(columns: Mapping[str, Any]) -> Outcome | None:
    """The outcome of a row, by the first of the usual columns that is true, false, 0 or 1; other numbers are scores of
    an unknown scale and say nothing.
    """
    for name in _GRADES:
        value: Any = columns.get(name)
        if isinstance(value, bool | int | float) and value in (0, 1):
            return verdict(value, name)
    return None


def named(value: Any) -> str:
    """A name that is text or a number; empty when it is neither."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def sibling(path: Path) -> Json:
    """The object of a file beside a log that only adds to it; empty where there is none that can be read."""
    try:
        stat = path.stat()
    except OSError:
        return {}
    return _sibling(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=1)  # the logs of a folder share it
def _sibling(path: Path, changed_ns: int, size: int) -> Json:
    try:
        return maybe_object(decode(path.read_bytes()))
    except (OSError, ValueError):
        return {}


@dataclass
class Chat:
    """A trajectory in the making; the fields are those of `Log`."""

    messages: list[Message] = field(default_factory=list[Message])
    context_only: dict[int, str] = field(default_factory=dict[int, str])
    opaque: dict[int, str] = field(default_factory=dict[int, str])
    failed: dict[int, str] = field(default_factory=dict[int, str])

    def say(
        self,
        role: Role,
        content: Any,
        *,
        calls: tuple[ToolCall, ...] = (),
        answers: str = "",
        reasoning: Any = None,
        context: str = "",
    ) -> int:
        """Append a message and return its index.

        Args:
            role: Whose.
            content: Text, parts or None.
            calls: Of an assistant.
            answers: Id of the call that a tool's message answers.
            reasoning: Kept as ``reasoning_content``.
            context: Why it is no action of the model; empty when it is one.

        Raises:
            Broken: The content is neither.
        """
        index = len(self.messages)
        text, lost = text_of(content, f"message {index}")
        extra = {"reasoning_content": reasoning} if isinstance(reasoning, str) and reasoning else {}
        self.messages.append(Message(role, text, calls, answers, extra=extra))
        if context and role == "assistant":
            self.context_only[index] = context
        if lost:
            self.opaque.setdefault(index, lost)
        return index

    def lose(self, what: str) -> None:
        """From here on the model saw another conversation than the log tells: no state of a later turn is known."""
        self.opaque.setdefault(len(self.messages), what)

    def log(
        self,
        id: str,
        *,
        format: str,
        place: str,
        tools: tuple[Json, ...] = (),
        outcome: Outcome | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Log:
        """What became of it.

        Raises:
            Broken: It holds no message.
        """
        if not self.messages:
            raise Broken("it holds no message")
        trajectory = Trajectory(tuple(self.messages), tools, outcome, dict(metadata or {}), place)
        return Log(id, trajectory, format, self.context_only, self.opaque, self.failed)
