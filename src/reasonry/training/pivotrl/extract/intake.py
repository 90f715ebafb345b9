"""Trajectories of all files, one at a time: read, told apart, filtered by outcome, and counted.

    too long       beyond the limit of bytes: counted as unread
    duplicate      the same messages, tools and grade as one that was read before, whatever it is called: kept once
    outcome        right: graded ones must be right, ungraded ones are kept      graded: right ones only      any: all
    id             the reader's; where another trajectory has it already, with a hash of the content behind it

Files are read in the order of their paths, so nothing depends on the order in which they are given.
"""

# pyright: strict
from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Literal, NamedTuple

from reasonry.core.messages import to_openai
from reasonry.errors import DataError
from reasonry.training.pivotrl.extract.formats import Source, reader_of
from reasonry.training.pivotrl.extract.grouping import content_key
from reasonry.training.pivotrl.extract.logs import Log, Unread

Outcomes = Literal["right", "graded", "any"]

_MAX_UNREAD_KEPT = 1000
_MAX_ID_CHARS = 160


class Entry(NamedTuple):
    """A trajectory that is used.

    Attributes:
        log: With an id that no other one has.
        prefix_bytes: Message index -> bytes of the messages before it, as they are written.
    """

    log: Log
    prefix_bytes: tuple[int, ...]


class Intake:
    """Reads files and counts what becomes of their trajectories.

    Args:
        sources: Files with their formats.
        outcome: Which trajectories are used.
        max_log_bytes: Longest one.

    Attributes:
        num_read: Trajectories, unread ones not among them.
        num_used: Of these, those that were handed on.
        num_duplicates: Left out because they were read before.
        left_out: Grade -> left out for their outcome; ``unknown`` where nobody graded them.
        outcomes: Grade -> used.
        splits: Split -> used, as far as they name one.
        num_nulls: Nulls that were left out of arguments of calls, since a table gives all rows the same ones.
        num_with_nulls: Trajectories used that lost some.
        by_file: Place -> read.
        unread_reasons: Reason -> those that could not be read.
        unread: The first of them.
    """

    def __init__(self, sources: Sequence[Source], *, outcome: Outcomes, max_log_bytes: int) -> None:
        self._sources, self._outcome, self._max_bytes = tuple(sources), outcome, max_log_bytes
        self._known: set[bytes] = set()
        self._ids: set[str] = set()
        self.num_read = self.num_used = self.num_duplicates = 0
        self.num_nulls = self.num_with_nulls = 0
        self.left_out, self.outcomes, self.splits = Counter[str](), Counter[str](), Counter[str]()
        self.by_file, self.unread_reasons = Counter[str](), Counter[str]()
        self.unread: list[Unread] = []

    def entries(self) -> Iterator[Entry]:
        """The trajectories that are used. To be called once.

        Raises:
            DataError: A file cannot be read, or the only one is none of its format.
        """
        for source in self._sources:
            self.by_file[str(source.path)] += 0
            for item in self._items(source):
                if isinstance(item, Unread):
                    self._refuse(item)
                    continue
                self.by_file[str(source.path)] += 1
                if (entry := self._take(item)) is not None:
                    yield entry

    def _items(self, source: Source) -> Iterator[Log | Unread]:
        try:
            yield from reader_of(source.format)(source.path)
        except DataError as e:
            if len(self._sources) == 1:
                raise
            yield Unread(e.place or str(source.path), f"no {source.format} file", e.problem)

    def _take(self, log: Log) -> Entry | None:
        trajectory = log.trajectory
        grade = trajectory.outcome.grade if trajectory.outcome else "unknown"
        try:
            written = [json.dumps(to_openai(m), ensure_ascii=False, allow_nan=False) for m in trajectory.messages]
            sizes = [len(text.encode()) + 2 for text in written]
            key = content_key(trajectory.messages, trajectory.tools, grade)
        except (TypeError, ValueError, RecursionError) as e:
            self._refuse(Unread(trajectory.source, "no JSON", f"cannot be written as JSON: {e}"))
            return None
        if sum(sizes) > self._max_bytes:
            detail = f"{sum(sizes)} bytes, more than {self._max_bytes} (--max-log-bytes)"
            self._refuse(Unread(trajectory.source, "too long", detail))
            return None
        self.num_read += 1
        if key in self._known:
            self.num_duplicates += 1
            return None
        self._known.add(key)
        if grade != "right" and (self._outcome == "graded" or (self._outcome == "right" and grade != "unknown")):
            self.left_out[grade] += 1
            return None
        self.num_used += 1
        self.outcomes[grade] += 1
        self.num_nulls += log.num_nulls
        self.num_with_nulls += log.num_nulls > 0
        if split := trajectory.metadata.get("split"):
            self.splits[str(split)] += 1
        return Entry(log._replace(id=self._own_id(log.id, key)), (0, *accumulate(sizes)))

    def _refuse(self, item: Unread) -> None:
        self.unread_reasons[item.reason] += 1
        if len(self.unread) < _MAX_UNREAD_KEPT:
            self.unread.append(item)

    def _own_id(self, name: str, key: bytes) -> str:
        digest, length = key.hex(), 8
        own = name if 0 < len(name) <= _MAX_ID_CHARS else f"{name[:_MAX_ID_CHARS]}~{digest[:length]}"
        while own in self._ids:
            own, length = f"{name[:_MAX_ID_CHARS]}~{digest[:length]}", length + 8
        self._ids.add(own)
        return own
