"""Chats in the style of OpenAI's API and of TRL, and the trajectories that runs of this program write.

{"messages": [...], "tools": [...]}             {"prompt": text or [...], "completion": text or [...]}

columns          are kept in the metadata. The id is ``id``, ``trajectory_id``, ``uid`` or ``conversation_id``, else
                 ``task_id/seed/mode/policy`` as far as they are there, else file and line. The task is ``task_id``,
                 ``instance_id``, ``question_id`` or ``problem_id``
outcome          ``outcome``; or ``correct``, ``is_correct``, ``success``, ``resolved``, ``passed``, ``reward`` or
                 ``score`` where it is true, false, 0 or 1
content parts    text is joined. An image, a sound or a file becomes a mark such as ``[image]``, and the message is
                 opaque
weight: 0        and ``train: false`` say of an assistant message that it is not to be learned: context only
failed calls     are those whose result has ``is_error: true`` or ``status: error``
function         the role from before tools is ``tool``
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from reasonry.core.messages import Json, Message, parse_trajectory
from reasonry.errors import DataError
from reasonry.training.pivotrl.extract.lines import Row, peek, rows
from reasonry.training.pivotrl.extract.logs import Log, Unread
from reasonry.training.pivotrl.extract.readers.fields import counted, grade

FORMAT = "openai"
_SIDES = ("messages", "prompt", "completion")
_IDS = ("id", "trajectory_id", "uid", "conversation_id")
_TASKS = ("task_id", "instance_id", "question_id", "problem_id")
_KEYS = ("task_id", "seed", "mode", "policy")
_TEXT_PARTS = ("text", "input_text", "output_text", "refusal")


def recognise(path: Path) -> bool:
    """Whether its first row is a chat."""
    first = peek(path)
    return bool(first) and _is_chat(first[0])


def read(path: Path) -> Iterator[Log | Unread]:
    """Trajectories of a file.

    Raises:
        DataError: It cannot be read, or its first row is no chat.
    """
    ids: set[str] = set()
    is_first = True
    for row in rows(path):
        if isinstance(row, Unread):
            yield row
            continue
        if not _is_chat(row.value):
            problem = f"no conversation in a column 'messages' or 'prompt' (columns: {', '.join(sorted(row.value))})"
            if is_first:
                raise DataError(problem, place=row.place, remedy="Name its format with --format.")
            yield Unread(row.place, "no messages", problem)
            continue
        is_first = False
        read_row = read_chat(row, path)
        if isinstance(read_row, Log):
            if read_row.id in ids:  # several samples of a task, without anything that tells them apart
                read_row = read_row._replace(id=f"{read_row.id}/{_line(row.place, path)}")
            ids.add(read_row.id)
        yield counted(read_row, row)


def read_chat(row: Row, path: Path) -> Log | Unread:
    """The trajectory of a row, or why it is none."""
    try:
        value, opaque = _plain(row.value, row.place)
        trajectory = parse_trajectory(value, place=row.place)
    except DataError as e:
        return Unread(e.place or row.place, "no chat", e.problem)
    about = dict(trajectory.metadata)
    task = next((about[name] for name in _TASKS if isinstance(about.get(name), str | int)), None)
    if task is not None:
        about["task_id"] = str(task)
    outcome = trajectory.outcome or grade(about)
    messages = trajectory.messages
    return Log(
        id=_id(about) or f"{path.stem}:{_line(row.place, path)}",
        trajectory=replace(trajectory, outcome=outcome, metadata=about),
        format=FORMAT,
        context_only={i: "not_learned" for i, m in enumerate(messages) if _is_context(m)},
        opaque=opaque,
        failed=_failed(messages),
    )


# ---------------------------------------------------------------- the row


def _is_chat(row: Mapping[str, Any]) -> bool:
    is_chat = isinstance(row.get("messages"), list) or isinstance(row.get("prompt"), str | list)
    is_state = "expected" in row and ("message_index" in row or "pivot_id" in row)  # candidates, and exports of them
    return is_chat and not is_state and not ("reward_model" in row and "data_source" in row)


def _line(place: str, path: Path) -> str:
    return place.removeprefix(str(path)).strip(":[]") or "0"


def _id(about: Mapping[str, Any]) -> str:
    for name in _IDS:
        value: Any = about.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value):
            return str(value)
    if not about.get("task_id"):
        return ""
    parts = [about[name] for name in _KEYS if isinstance(about.get(name), str | int)]
    return "/".join(map(str, parts))


# ---------------------------------------------------------------- messages


def _plain(row: Mapping[str, Any], place: str) -> tuple[Json, dict[int, str]]:
    """The row with contents that are text, and which of its messages lost something."""
    value, opaque, num_before = dict(row), dict[int, str](), 0
    for side in ("messages",) if "messages" in row else _SIDES[1:]:
        if not isinstance(row.get(side), list):
            num_before += side in row
            continue
        out: list[Any] = []
        for i, item in enumerate(cast("list[Any]", row[side])):
            if not isinstance(item, dict):
                raise DataError(f"{type(item).__name__} where a message belongs", place=f"{place}: message {i}")
            message = dict(cast("Json", item))
            lost = _flatten(message)
            if lost:
                opaque[num_before + i] = lost
            if message.get("role") == "function":
                message["role"] = "tool"
            out.append(message)
        value[side] = out
        num_before += len(out)
    return value, opaque


def _flatten(message: Json) -> str:
    """Make the content of a message text; returns what could not be."""
    parts = message.get("content")
    if not isinstance(parts, list):
        return ""
    texts: list[str] = []
    reasons: list[str] = []
    lost = ""
    for each in cast("list[Any]", parts):
        part = cast("Json", each) if isinstance(each, dict) else {"type": "text", "text": each}
        kind = str(part.get("type"))
        text = part.get("refusal") if kind == "refusal" else part.get("text", part.get(kind))
        if kind in _TEXT_PARTS and isinstance(text, str):
            texts.append(text)
        elif kind in ("thinking", "reasoning") and isinstance(text, str):
            reasons.append(text)
        else:
            kind = kind.removeprefix("input_").removesuffix("_url")
            lost = lost or kind
            texts.append(f"[{kind}]")
    message["content"] = "".join(texts)
    if reasons and "reasoning_content" not in message:
        message["reasoning_content"] = "".join(reasons)
    return lost


def _is_context(message: Message) -> bool:
    if message.role != "assistant":
        return False
    weight: Any = message.extra.get("weight")
    return message.extra.get("train") is False or (isinstance(weight, int | float) and weight == 0)


def _failed(messages: Sequence[Message]) -> dict[int, str]:
    """Assistant messages with a call whose result says that it failed."""
    caller: dict[str, int] = {}
    last, failed = -1, dict[int, str]()
    for i, message in enumerate(messages):
        if message.role == "assistant":
            last = i
            caller |= {call.id: i for call in message.tool_calls if call.id}
        elif message.role == "tool":
            is_error = message.extra.get("is_error") is True or message.extra.get("status") == "error"
            at = caller.get(message.tool_call_id, last)
            if is_error and at >= 0:
                failed[at] = "the result is marked as an error"
    return failed
