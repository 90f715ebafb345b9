"""One stretch of paid work in a run: progress, cost, and a stop that loses nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from reasonry.core import jsonl
from reasonry.core.costs import CostLog
from reasonry.core.interrupt import GracefulStop
from reasonry.core.progress import Progress
from reasonry.core.rows import FileStore, Row
from reasonry.core.run import Run
from reasonry.core.sampling import Sampler
from reasonry.errors import DataError, Interrupted, ResourceError

Say = Callable[[str], None]


class Work:
    """What to call after every finished item."""

    def __init__(self, costs: CostLog, progress: Progress, stop: GracefulStop, *, unit: str, place: str) -> None:
        self._costs, self._progress, self._stop = costs, progress, stop
        self._unit, self._place = unit, place

    def tick(self, *, advance: bool = True) -> None:
        """One more item is paid for and kept.

        Raises:
            Interrupted: The user asked to stop.
        """
        self._costs.tick()
        if advance:
            self._progress.advance()
        if self._stop.requested:
            raise Interrupted(f"stopped on request; finished {self._unit} are kept", place=self._place)


@contextlib.contextmanager
def working(
    run: Run,
    label: str,
    *,
    total: int,
    samplers: Sequence[Sampler] = (),
    done: int = 0,
    unit: str = "samples",
    say: Say = lambda line: None,
) -> Iterator[Work]:
    """Run a stretch of work; costs are written to the run's log even when it fails.

    Args:
        run: Where costs go.
        label: What is being done.
        total: Items.
        samplers: Whose costs count.
        done: Items an earlier session finished.
        unit: What an item is, plural.
        say: Told about a stop on request.
    """
    costs = CostLog(run.path("costs.jsonl"), samplers)
    with GracefulStop(say) as stop, Progress(label, total=total, done=done, unit=unit) as progress:
        try:
            yield Work(costs, progress, stop, unit=unit, place=str(run.folder))
        except BaseException:
            with contextlib.suppress(ResourceError):  # the first error is the one to tell
                costs.write()
            raise
        costs.write()


def recovered(run: Run, name: str, say: Say) -> list[Row]:
    """The whole rows of a file of the run; a torn last line is dropped aloud."""
    path = run.path(name)
    if not path.exists():
        return []
    recovery = jsonl.recover(path)
    if recovery.num_torn_bytes:
        say(f"dropped a torn last line of {recovery.num_torn_bytes} bytes from {name}; it is sampled again")
    return recovery.rows


@contextlib.contextmanager
def stored(
    run: Run,
    name: str,
    say: Say,
    *,
    key: tuple[str, ...] = ("id", "index"),
    check: Callable[[Sequence[Row], Path], None] = lambda rows, path: None,
) -> Iterator[FileStore]:
    """A store that goes on where the file of an earlier session ended; ``check`` sees its rows first.

    Raises:
        DataError: A row without its key, with the line.
    """
    rows = recovered(run, name, say)
    check(rows, run.path(name))
    for line, row in enumerate(rows, 1):
        if missing := [field for field in key if field not in row]:
            raise DataError(
                f"the row has no {missing[0]!r}",
                place=f"{run.path(name)}:{line}",
                remedy="Remove the line, and it is made again; or restore the file.",
            )
    with jsonl.JsonlWriter(run.path(name)) as writer:
        yield FileStore(rows, writer, key=key)
