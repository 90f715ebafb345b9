"""Prompts from the command line or from a file, and a record of them that refuses edited ones."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from reasonry.core import atomic, jsonl
from reasonry.core.messages import Message, to_openai
from reasonry.core.run import read_json
from reasonry.core.sampling import Request
from reasonry.errors import DataError

_FILE_NAME = re.compile(r"\S+\.(jsonl|ndjson|json|txt|csv|tsv|md|parquet)")
_ROLES = ("system", "user", "assistant")


def read_prompts(given: str, *, limit: int | None = None) -> list[Request]:
    """A prompt, or the prompts of a JSONL file.

    Args:
        given: The path of a file, where there is one or where it is named like one; else the prompt itself.
        limit: Only the first so many.

    Returns:
        One request each, ids unique.

    Raises:
        DataError: The prompt is empty; the file is missing or has no rows, a row without ``prompt`` or ``messages``, or
            an id twice.
    """
    if not given.strip():
        raise DataError("the prompt is empty", place="prompts", remedy="Write what to generate, or name a JSONL file.")
    path = Path(given)
    is_short = len(given) < 1024 and "\n" not in given
    if not (is_short and (_FILE_NAME.fullmatch(given) or path.is_file())):
        return [Request("1", (Message("user", given),))]
    requests: list[Request] = []
    lines: dict[str, int] = {}
    for number, row in itertools.islice(enumerate(jsonl.read(path), 1), limit):
        request = _request(row, place=f"{path}:{number}", default_id=str(number))
        if request.id in lines:
            raise DataError(
                f"the id {request.id!r} occurs twice",
                place=f"{path}:{number}",
                remedy=f"Line {lines[request.id]} has it too; make ids unique.",
            )
        lines[request.id] = number
        requests.append(request)
    if not requests:
        raise DataError("no prompts", place=given, remedy='Write a row such as {"prompt": "Tell a story."}.')
    return requests


def _request(row: dict[str, Any], *, place: str, default_id: str) -> Request:
    given = row.get("id")
    if given is not None and (isinstance(given, bool) or not isinstance(given, str | int)):
        raise DataError(f"the id {given!r} is neither text nor a whole number"[:200], place=place)
    name = str(default_id if given is None else given)
    prompt = row.get("prompt")
    if isinstance(prompt, str) and prompt.strip():
        return Request(name, (Message("user", prompt),))
    for messages in (row.get("messages"), prompt):  # TRL keeps conversations in its column "prompt"
        if isinstance(messages, list) and messages:
            return Request(name, tuple(_message(message, place) for message in messages))
    raise DataError(
        'neither "prompt" nor "messages" in the row, or nothing in them',
        place=place,
        remedy='Write rows such as {"prompt": "Tell a story."}.',
    )


def _message(message: Any, place: str) -> Message:
    if not (isinstance(message, dict) and isinstance(message.get("content"), str)):
        raise DataError("a message without text", place=place, remedy='Use {"role": "user", "content": "..."}.')
    if message.get("role") not in _ROLES:
        raise DataError(
            f"a message of role {message.get('role')!r}"[:200], place=place, remedy=f"Roles: {', '.join(_ROLES)}."
        )
    return Message(message["role"], message["content"])


def check_prompts(path: Path, requests: Sequence[Request], *, answered: Collection[str], source: str) -> None:
    """Refuse to mix texts for two versions of a prompt: ids are often line numbers, and files get edited.

    Args:
        path: The record, a hash per prompt; brought up to date.
        requests: The prompts now.
        answered: Ids of the prompts for which there are texts.
        source: Where the prompts are from, for the message.

    Raises:
        DataError: A prompt with texts is another one now.
    """
    now: dict[str, str] = {}
    for request in requests:
        body = json.dumps([to_openai(message) for message in request.messages], sort_keys=True)
        now[request.id] = hashlib.blake2b(body.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    before = read_json(path) if path.exists() else {}
    if changed := [name for name in now if name in answered and before.get(name, now[name]) != now[name]]:
        raise DataError(
            f"{len(changed)} prompts are not what they were when text was generated for them, such as {changed[0]!r}",
            place=source,
            remedy="Restore the file, or choose another --run. Nothing was changed.",
        )
    if before != {**before, **now}:
        atomic.write_json(path, {**before, **now})
