"""Prompts from the command line or from a file."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from reasonry.core import jsonl
from reasonry.core.messages import Message
from reasonry.core.sampling import Request
from reasonry.errors import DataError


def read_prompts(given: str, *, limit: int | None = None) -> list[Request]:
    """A prompt, or the prompts of a JSONL file.

    Args:
        given: The path of a file if there is one (or if it ends in ``.jsonl``), else the prompt itself.
        limit: Only the first so many.

    Returns:
        One request each, ids unique.

    Raises:
        DataError: The file has no rows, a row without ``prompt`` or ``messages``, or an id twice.
    """
    path = Path(given)
    if not (given.endswith(".jsonl") or (len(given) < 1024 and "\n" not in given and path.is_file())):
        return [Request("1", (Message("user", given),))]
    requests: list[Request] = []
    known: set[str] = set()
    for number, row in itertools.islice(enumerate(jsonl.read(path), 1), limit):
        request = _request(row, place=f"{path}:{number}", default_id=str(number))
        if request.id in known:
            raise DataError(f"the id {request.id!r} occurs twice", place=f"{path}:{number}", remedy="Make ids unique.")
        known.add(request.id)
        requests.append(request)
    if not requests:
        raise DataError("no prompts", place=given, remedy='Write a row such as {"prompt": "Tell a story."}.')
    return requests


def _request(row: dict[str, Any], *, place: str, default_id: str) -> Request:
    name = str(row.get("id", default_id))
    if isinstance(row.get("prompt"), str) and row["prompt"].strip():
        return Request(name, (Message("user", row["prompt"]),))
    messages = row.get("messages")
    if isinstance(messages, list) and messages:
        read: list[Message] = []
        for message in messages:
            if not (isinstance(message, dict) and isinstance(message.get("content"), str)):
                raise DataError("a message without text", place=place, remedy='Use {"role": "user", "content": "..."}.')
            if message.get("role") not in ("system", "user", "assistant"):
                raise DataError(f"a message of role {message.get('role')!r}", place=place)
            read.append(Message(message["role"], message["content"]))
        return Request(name, tuple(read))
    raise DataError(
        'neither "prompt" nor "messages" in the row',
        place=place,
        remedy='Write rows such as {"prompt": "Tell a story."}.',
    )
