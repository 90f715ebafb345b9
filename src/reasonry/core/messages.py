"""Messages, tool calls and trajectories, and readers for the three JSONL dialects people keep them in.

* OpenAI style: ``{"messages": [{"role", "content", "tool_calls"?, "tool_call_id"?}], "tools"?, ...}``
* TRL style: ``prompt`` + ``completion`` (strings or message lists), or ``messages``
* ShareGPT style: ``{"conversations": [{"from": "human" | "gpt" | ..., "value": ...}]}``

Every reader names file and line in its errors and drops nothing silently.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args

from reasonry.core import jsonl
from reasonry.core.outcome import Grade, Outcome
from reasonry.errors import DataError, nearest

Role = Literal["system", "developer", "user", "assistant", "tool"]
Json = dict[str, Any]

_SHAREGPT_ROLES: dict[str, Role] = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "function_call": "assistant",
    "observation": "tool",
    "tool": "tool",
}


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool, as the model wrote it.

    Attributes:
        name: Tool name.
        arguments: Parsed arguments, or the raw text when it is not a JSON object (``is_malformed``).
        id: Call id that the tool's answer refers to; may be empty.
    """

    name: str
    arguments: Json | str
    id: str = ""

    @property
    def is_malformed(self) -> bool:
        """True when the arguments are not a JSON object; such a call is never treated as plain text."""
        return isinstance(self.arguments, str)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. ``content`` is text; ``tool_calls`` belong to assistants, ``tool_call_id`` to tools."""

    role: Role
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Trajectory:
    """A conversation with what became of it.

    Attributes:
        messages: In order.
        tools: JSON schemas of the tools that were on offer.
        outcome: How the whole was graded, when it was.
        metadata: Every other column of the source row.
        source: ``file:line`` the trajectory was read from.
    """

    messages: tuple[Message, ...]
    tools: tuple[Json, ...] = ()
    outcome: Outcome | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    source: str = ""


def user(text: str) -> Message:
    """A user message."""
    return Message("user", text)


def system(text: str) -> Message:
    """A system message."""
    return Message("system", text)


def to_openai(message: Message) -> Json:
    """The message as an OpenAI-style dict (arguments as a JSON string, as that API has them)."""
    out: Json = {"role": message.role, "content": message.content}
    if message.tool_calls:
        out["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {
                    "name": call.name,
                    "arguments": call.arguments
                    if isinstance(call.arguments, str)
                    else json.dumps(call.arguments, ensure_ascii=False, sort_keys=True),
                },
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        out["tool_call_id"] = message.tool_call_id
    if message.name:
        out["name"] = message.name
    return out


def trajectory_to_row(trajectory: Trajectory) -> Json:
    """The trajectory as a JSONL row that `read_trajectories` reads back unchanged."""
    row: Json = {**trajectory.metadata, "messages": [to_openai(m) for m in trajectory.messages]}
    if trajectory.tools:
        row["tools"] = list(trajectory.tools)
    if trajectory.outcome is not None:
        o = trajectory.outcome
        row["outcome"] = {"grade": o.grade, "answer": o.answer, "reason": o.reason}
    return row


# ---------------------------------------------------------------- reading


def read_trajectories(path: Path) -> Iterator[Trajectory]:
    """Read trajectories, one per line, in any of the three dialects (told apart by their columns).

    Raises:
        DataError: With ``file:line``, for a malformed line, an unknown dialect, role or content.
    """
    num_rows = 0
    for number, row in enumerate(jsonl.read(path), start=1):
        num_rows += 1
        yield parse_trajectory(row, place=f"{path}:{number}")
    if num_rows == 0:
        raise DataError("the file holds no rows", place=str(path), remedy="Give a JSONL file with one row a line.")


def parse_trajectory(row: Mapping[str, Any], *, place: str) -> Trajectory:
    """Turn one row of any of the three dialects into a `Trajectory`."""
    if "messages" in row:
        used, messages = {"messages"}, _messages(row["messages"], place=place)
    elif "conversations" in row:
        used, messages = {"conversations"}, _sharegpt(row["conversations"], place=place)
    elif "prompt" in row:
        used = {"prompt", "completion"}
        messages = _side(row["prompt"], "user", place=f"{place}: prompt")
        if "completion" in row:
            messages += _side(row["completion"], "assistant", place=f"{place}: completion")
    else:
        keys = sorted(map(str, row))
        hint = next(filter(None, (nearest(k, ["messages", "conversations", "prompt"]) for k in keys)), "")
        raise DataError(
            f"no column 'messages', 'conversations' or 'prompt' among {keys}",
            place=place,
            remedy=hint or "Name the conversation column 'messages'.",
        )
    tools = row.get("tools") or ()
    if isinstance(tools, str):  # some exports keep the schemas as one JSON string
        tools = _loads(tools, place=f"{place}: tools")
    rest = {k: v for k, v in row.items() if k not in used | {"tools", "outcome"}}
    outcome = _outcome(row.get("outcome"), place=place)
    return Trajectory(messages, tuple(cast("list[Json]", tools)), outcome, rest, place)


def _loads(text: str, *, place: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as e:
        raise DataError(f"not JSON: {e.msg}", place=place) from e


def _list_of_objects(value: Any, *, place: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not value:
        raise DataError(f"expected a non-empty list, got {type(value).__name__}", place=place)
    items = cast("list[Any]", value)
    for i, item in enumerate(items):
        if not isinstance(item, Mapping):
            raise DataError(f"turn {i} is {type(item).__name__}, not an object", place=place)
    return cast("list[Mapping[str, Any]]", items)


def _messages(value: Any, *, place: str) -> tuple[Message, ...]:
    return tuple(
        parse_message(item, place=f"{place}: message {i}")
        for i, item in enumerate(_list_of_objects(value, place=place))
    )


def _side(value: Any, role: Role, *, place: str) -> tuple[Message, ...]:
    return (Message(role, value),) if isinstance(value, str) else _messages(value, place=place)


def _sharegpt(value: Any, *, place: str) -> tuple[Message, ...]:
    out: list[Message] = []
    for i, item in enumerate(_list_of_objects(value, place=place)):
        here = f"{place}: turn {i}"
        speaker = item.get("from")
        role = _SHAREGPT_ROLES.get(str(speaker))
        if role is None:
            raise DataError(f"unknown speaker {speaker!r}", place=here, remedy=nearest(str(speaker), _SHAREGPT_ROLES))
        text = _text(item.get("value"), place=here)
        if speaker == "function_call":
            out.append(Message(role, "", (_tool_call(_loads(text, place=here), place=here),)))
        else:
            out.append(Message(role, text))
    return tuple(out)


def parse_message(item: Mapping[str, Any], *, place: str) -> Message:
    """Turn one OpenAI-style message dict into a `Message`."""
    role = item.get("role")
    if role not in get_args(Role):
        hint = nearest(str(role), get_args(Role)) or f"Known roles: {', '.join(get_args(Role))}."
        raise DataError(f"unknown role {role!r}", place=place, remedy=hint)
    calls: list[ToolCall] = []
    if item.get("tool_calls"):
        calls = [_tool_call(c, place=place) for c in _list_of_objects(item["tool_calls"], place=place)]
    return Message(
        cast("Role", role),
        _text(item.get("content"), place=place),
        tuple(calls),
        str(item.get("tool_call_id") or ""),
        str(item.get("name") or ""),
    )


def _text(content: Any, *, place: str) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):  # content parts; only text parts have a meaning for a language model
        parts: list[str] = []
        for part in _list_of_objects(cast("list[Any]", content), place=place):
            if part.get("type") != "text" or not isinstance(part.get("text"), str):
                raise DataError(f"content part of type {part.get('type')!r} is not text", place=place)
            parts.append(part["text"])
        return "".join(parts)
    raise DataError(f"content is {type(content).__name__}, not text", place=place)


def _tool_call(item: Any, *, place: str) -> ToolCall:
    body: Any = item.get("function", item) if isinstance(item, Mapping) else None
    if not isinstance(body, Mapping) or not isinstance(body.get("name"), str):
        raise DataError("a tool call without a name", place=place, remedy='Expected {"function": {"name": ...}}.')
    arguments: Any = body.get("arguments", {})
    if isinstance(arguments, str):
        try:
            parsed = json.loads(arguments)
        except (json.JSONDecodeError, RecursionError):
            parsed = None
        # Kept as written when it does not parse: a malformed call is a fact about the model, not a reading error.
        arguments = parsed if isinstance(parsed, dict) else arguments
    if not isinstance(arguments, dict | str):
        raise DataError(f"tool arguments are {type(arguments).__name__}, not an object", place=place)
    return ToolCall(body["name"], cast("Json | str", arguments), str(cast("Json", item).get("id") or ""))


def _outcome(value: Any, *, place: str) -> Outcome | None:
    if value is None:
        return None
    if isinstance(value, str):
        value = {"grade": value}
    if isinstance(value, Mapping) and value.get("grade") in get_args(Grade):
        v = cast("Mapping[str, Any]", value)
        return Outcome(v["grade"], v.get("answer"), str(v.get("reason") or ""))
    raise DataError(f"outcome {value!r} is none of {', '.join(get_args(Grade))}", place=place)
