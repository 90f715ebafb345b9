"""The loop of the lab's trainings: stretches of steps, looks in between, checkpoints, and a stop that loses nothing.

    looks.jsonl     a row for each look; those behind the last checkpoint are made again
    checkpoints/    weights and moments: `reasonry.core.checkpoint`

Unlike `reasonry.core.learning.learn` it writes no row for each step, of which there may be a hundred thousand a minute,
and loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from reasonry.core import checkpoint, jsonl
from reasonry.core.checkpoint import Checkpoint
from reasonry.core.plain import plain
from reasonry.core.rows import Row
from reasonry.core.run import Run
from reasonry.core.work import Say, working
from reasonry.errors import Interrupted

LOOKS, CHECKPOINTS = "looks.jsonl", "checkpoints"
_STRETCH = 500  # most steps before a request to stop is heard


class Trainee(Protocol):
    """What is trained.

    Attributes:
        ended: Why there is no further step; empty while there is.
    """

    ended: str

    def advance(self, start: int, stop: int) -> int:
        """Steps ``start`` to ``stop - 1``, or fewer where it ends; the number of steps that are done then."""
        ...

    def tensors(self) -> Mapping[str, Mapping[str, Any]]:
        """Everything that the next step hangs on."""
        ...

    def restore(self, found: Checkpoint) -> None:
        """Go on from a checkpoint of `tensors`."""
        ...


def train_with_looks(
    part: Run,
    trainee: Trainee,
    look: Callable[[], Mapping[str, Any]],
    *,
    steps: list[int],
    save_every: int,
    label: str,
    say: Say = lambda line: None,
) -> list[Row]:
    """Take the steps that are left.

    Args:
        part: Where looks and checkpoints go.
        trainee: Changed in place.
        look: Measures it.
        steps: At which to look, in order; the last is the end.
        save_every: Steps between checkpoints.
        label: Of the progress bar.
        say: Told what a user should know.

    Returns:
        The rows of all looks, each with its ``step``.

    Raises:
        Interrupted: The user asked to stop; saved where it stands.
        CheckFailed: The loss is no number.
    """
    folder, path = part.path(CHECKPOINTS), part.path(LOOKS)
    found = checkpoint.newest(folder, warn=lambda rejection: say(str(rejection)))
    at = 0
    if found is not None:
        trainee.restore(found)
        at = found.step
    kept = [row for row in jsonl.recover(path).rows if found is not None and row["step"] <= at] if path.exists() else []
    rows = {int(row["step"]): row for row in kept}
    jsonl.write(path, kept)
    last = steps[-1]
    stops = sorted({*steps, *range(0, last, save_every), *range(0, last, _STRETCH)})
    looks = set(steps)
    with working(
        part, label, total=len(stops), done=sum(s <= at for s in stops if at), unit="stretches", say=say
    ) as work:
        for stop in (s for s in stops if s >= at):
            at = trainee.advance(at, stop)
            is_last = stop == last or bool(trainee.ended)
            if (at in looks or is_last) and at not in rows:
                rows[at] = plain({"step": at, **look()}, infinities="null")
                jsonl.append(path, [rows[at]])
            is_saved = found is not None and at == found.step
            if at and (is_last or at % save_every == 0) and not is_saved:
                _save(part, trainee, at)
            if is_last:
                break
            try:
                work.tick()
            except Interrupted:
                _save(part, trainee, at)
                raise
    return [rows[step] for step in sorted(rows)]


def _save(part: Run, trainee: Trainee, step: int) -> None:
    checkpoint.save(part.path(CHECKPOINTS), step, tensors=trainee.tensors(), state={"ended": trainee.ended})
