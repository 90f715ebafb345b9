"""Trajectories of SWE-agent: one ``.traj`` file each.

{"environment": name, "trajectory": [...], "history": [{"role", "content", "agent", "message_type", "is_demo",
 "thought", "action", "tool_calls", "tool_call_ids"}], "info": {"exit_status", "submission"}, "replay_config"}

``history`` is read, of one agent: the one that speaks first outside of demonstrations, for a model is shown its own
messages only. Demonstrations in it are context. What SWE-agent's history processors did to older messages before the
model saw them (eliding all but the last observations, say) is not in the history, and not repeated.

The file holds no schemas of tools, and does not say whether the patch was right: ``info.resolved`` is taken where an
evaluation wrote it there. That a call failed is told by how its result begins, RECONSTRUCTED from the tools' own
messages; that a command ended with an error code is not in the file.
"""

# pyright: strict
from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reasonry.core.messages import Json
from reasonry.errors import DataError
from reasonry.training.pivotrl.extract.lines import Row, decode, peek, rows
from reasonry.training.pivotrl.extract.logs import Log, Unread
from reasonry.training.pivotrl.extract.readers.fields import (
    Broken,
    Chat,
    a_list,
    an_object,
    chat_calls,
    counted,
    maybe_object,
    named,
    objects,
    verdict,
)

FORMAT = "swe-agent"
_FAILED = re.compile(
    r"\A\s*(?:OBSERVATION:\s*)?(?:Your (?:proposed )?(?:edit|command|last output)\b.{0,80}\b(?:not|error|invalid)"
    r"|Error\b|ERROR\b|Traceback \(most recent call last\)|usage:|Usage:|No replacement was performed"
    r"|Invalid\b|(?:/bin/)?(?:ba)?sh: |bash: |EXECUTION TIMED OUT|The command .{0,2000}?was cancelled"
    r"|The path \S{1,500} (?:does not exist|is not an absolute path|is a directory))",
    re.DOTALL,
)


def recognise(path: Path) -> bool:
    """Whether it has a history beside a trajectory."""
    if path.suffix == ".traj":
        whole = _whole(path)
        first = whole.value if isinstance(whole, Row) else {}
    else:
        rows_of = peek(path)
        first = rows_of[0] if rows_of else {}
    return isinstance(first.get("history"), list) and isinstance(first.get("trajectory"), list)


def read(path: Path) -> Iterator[Log | Unread]:
    """The trajectory of a file; those of one that does not end in ``.traj``.

    Raises:
        DataError: It cannot be read.
    """
    for number, row in enumerate([_whole(path)] if path.suffix == ".traj" else rows(path), 1):
        if isinstance(row, Unread):
            yield row
            continue
        try:
            log = _trajectory(row, path.stem if row.place == str(path) else f"{path.stem}:{number}")
            yield counted(log, row)
        except Broken as e:
            yield Unread(row.place, "no trajectory", str(e))


def _whole(path: Path) -> Row | Unread:
    try:
        value = decode(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except OSError as e:
        raise DataError(f"cannot read: {e.strerror or e}", place=str(path), remedy="Check the path.") from e
    except ValueError as e:
        return Unread(str(path), "not JSON", str(e))
    try:
        return Row(str(path), an_object(value, "the file"))
    except Broken as e:
        return Unread(str(path), "no object", str(e))


def _trajectory(row: Row, name: str) -> Log:
    chat, last = Chat(), -1
    caller: dict[str, int] = {}
    history = list(objects(row.value.get("history"), "history"))
    speaker = next((m["agent"] for m in history if m.get("agent") and not m.get("is_demo")), None)
    for i, message in enumerate(history):
        role: Any = message.get("role")
        what = f"history[{i}]"
        if speaker is not None and message.get("agent", speaker) != speaker:
            continue
        if role == "assistant":
            calls = chat_calls(message.get("tool_calls"), f"{what}.tool_calls")
            context = "demonstration" if message.get("is_demo") else ""
            thought = _thoughts(message, what)
            last = chat.say("assistant", message.get("content"), calls=calls, reasoning=thought, context=context)
            caller |= {call.id: last for call in calls if call.id}
        elif role == "tool":
            ids = [named(v) for v in a_list(message.get("tool_call_ids") or [], what)]
            ids = ids or [named(message.get("tool_call_id"))]
            at = chat.say("tool", message.get("content"), answers=ids[0])
            _mark(chat, at, caller.get(ids[0], last))
        elif role in ("system", "user"):
            at = chat.say(role, message.get("content"))
            if message.get("message_type") == "observation":
                _mark(chat, at, last)
        else:
            raise Broken(f"{what}: unknown role {role!r:.80}")
    info = maybe_object(row.value.get("info"))
    task = named(row.value.get("instance_id")) or name
    return chat.log(
        task,
        format=FORMAT,
        place=row.place,
        outcome=verdict(info.get("resolved"), "resolved"),
        metadata={"task_id": task, "exit_status": named(info.get("exit_status"))},
    )


def _thoughts(message: Json, what: str) -> str:
    blocks = objects(message.get("thinking_blocks"), f"{what}.thinking_blocks")
    return "".join(str(block["thinking"]) for block in blocks if isinstance(block.get("thinking"), str))


def _mark(chat: Chat, result: int, turn: int) -> None:
    if turn >= 0 and _FAILED.match(chat.messages[result].content):
        chat.failed[turn] = "its result begins as a failure does"
