"""What every reader of logs yields: a trajectory with marks on its messages, or why there is none.

Readers know formats and nothing of training: which turns become candidates is decided in `extract.rules`.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from reasonry.core.messages import Trajectory


class Log(NamedTuple):
    """A trajectory as it was logged.

    Attributes:
        id: Unique within its source; the same whenever it is read.
        trajectory: Its messages, the tools on offer (may be unknown: empty), its outcome if that is known. What the log
            says of its task stands in ``metadata["task_id"]``.
        format: Name of the reader.
        context_only: Assistant messages that are no action of the model: index -> why, such as ``copied_context``.
        opaque: Messages whose content could not be carried over whole: index -> why, such as ``image``. States that
            hold one cannot be shown to a model. ``condensed``: what stands before it was not what the model saw.
        failed: Assistant messages whose calls failed, as far as the log says so: index -> how.
        num_nulls: Nulls that were left out of arguments of calls, since a table gives all rows the same ones.
    """

    id: str
    trajectory: Trajectory
    format: str
    context_only: Mapping[int, str] = {}
    opaque: Mapping[int, str] = {}
    failed: Mapping[int, str] = {}
    num_nulls: int = 0


class Unread(NamedTuple):
    """A trajectory that could not be read; the others can.

    Attributes:
        place: File and line, or part.
        reason: A short phrase that counts well.
        detail: What is wrong, for people.
    """

    place: str
    reason: str
    detail: str


Reader = Callable[[Path], Iterator[Log | Unread]]
"""Reads one file, a trajectory at a time. A line that is broken is an `Unread`; a file that is none of the format
raises DataError."""
