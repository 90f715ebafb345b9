"""The comparison from end to end: ``reasonry eval diffusion-frontier``.

A run directory holds ``decoded.jsonl`` (a row for each policy, seed and batch of prompts), ``shown.jsonl`` and
``trajectories/`` (see `shown`), ``made_with.json`` (denoiser and planners), ``results.json`` and ``results.csv``. A run
that was killed makes the missing rows, each a function of config and weights but for its seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from reasonry.core import atomic
from reasonry.core import work as working_
from reasonry.core.made_with import MADE_WITH, MadeWith
from reasonry.core.plain import plain
from reasonry.core.rows import FileStore, Row, check_kept
from reasonry.core.run import Run, default_folder, read_json
from reasonry.errors import DataError, RunMismatchError
from reasonry.training.dultra.decoding import DecodingConfig
from reasonry.training.dultra.frontier import measure, shown
from reasonry.training.dultra.frontier.config import FrontierConfig
from reasonry.training.dultra.frontier.equipment import Equipment, equip
from reasonry.training.dultra.frontier.measure import Bench, Place, measure_batch
from reasonry.training.dultra.frontier.prompts import decoding_of, fingerprints
from reasonry.training.dultra.frontier.results import Frontier, csv_text, frontier
from reasonry.training.dultra.frontier.shown import ShownRow
from reasonry.training.dultra.frontier.sweep import Contender, Contest, contest
from reasonry.training.dultra.policies.base import UnmaskPolicy
from reasonry.training.dultra.trajectory_file import weights_fingerprint

if TYPE_CHECKING:
    pass

VERB = "eval diffusion-frontier"
Say = Callable[[str], None]

_DECODED, _SHOWN = "decoded.jsonl", "shown.jsonl"


class Compared(NamedTuple):
    """A finished comparison.

    Attributes:
        folder: The run directory.
        config: What was asked for.
        decoding: How answers were decoded.
        result: What was found.
        shown: Decodings to look at.
    """

    folder: Path
    config: FrontierConfig
    decoding: DecodingConfig
    result: Frontier
    shown: tuple[ShownRow, ...]


def compare(
    config: FrontierConfig,
    *,
    say: Say = lambda line: None,
    open_run: Callable[[Run, str], None] = lambda run, determinism: None,
) -> Compared:
    """Decode with every policy, or go on with it.

    Args:
        config: Denoiser, task, policies, sizes, run directory.
        say: Called with a line for people.
        open_run: Called once with the open run and its determinism level.

    Raises:
        ConfigError: A policy, task or denoiser that is none, or that do not go together.
        RunMismatchError: The run directory is that of another config, denoiser or planner.
        DataError: A planner of another width, or a row of the run that is damaged, with ``file:line``.
        Interrupted: The user asked to stop; what was finished is kept.
    """
    decoding = decoding_of(config)
    lengths = {"answer_len": decoding.answer_len, "block_len": decoding.block_len}
    asked = contest(config.policies, config.planners, **lengths)
    folder = config.run or default_folder(VERB, config, Path(config.denoiser).name, config.task)
    equipment = None
    if not (folder / MADE_WITH).exists():  # what does not go together leaves no run behind
        equipment = equip(config, decoding, asked, say)
    with Run(VERB, config, folder=folder, seed=config.seed, warn=say) as run:
        with (
            working_.stored(run, _DECODED, say, key=Place._fields, check=_check(measure.is_row)) as decoded,
            working_.stored(run, _SHOWN, say, key=shown.KEY, check=_check(shown.is_row)) as kept,
        ):
            known = _known(run)
            todo = _missing(config, decoding, asked, decoded, num=_num_prompts(config, known))
            if todo or not known:
                run.record_environment("sample-stable")
                open_run(run, "sample-stable")
                equipment = equipment or equip(config, decoding, asked, say)
                known = _made_with(config, equipment, run)
                _decode(config, decoding, asked, equipment, run, decoded, say)
            else:
                open_run(run, "finished")
            result = _result(config, decoding, asked, decoded, known)
            labels, num = shown.chosen(result), min(config.show, _num_prompts(config, known))
            if needed := shown.missing(kept, labels, num):
                if equipment is None:
                    equipment = equip(config, decoding, asked, say)
                    _made_with(config, equipment, run)
                _keep_shown(config, decoding, asked, equipment, needed, num, run, kept)
            rows = shown.read(kept, labels, num)
        atomic.write_json(run.path("results.json"), results_json(result, decoding))
        atomic.write_text(run.path("results.csv"), csv_text(result))
    return Compared(folder, config, decoding, result, tuple(rows))


def results_json(result: Frontier, decoding: DecodingConfig) -> dict[str, Any]:
    """The content of ``results.json``: every policy and kind, the frontier, and the fewest passes at the target."""
    body = cast("dict[str, Any]", plain(result._asdict()))
    fastest = result.fastest
    return {
        **body,
        "decoding": decoding.model_dump(mode="json"),
        "frontier": [policy.label for policy in result.undominated],
        "fastest": fastest.label if fastest else None,
    }


# ---------------------------------------------------------------- decoding


class Todo(NamedTuple):
    """A batch that is not decoded yet."""

    contender: Contender
    place: Place
    start: int
    stop: int


def _num_seeds(config: FrontierConfig, decoding: DecodingConfig, contender: Contender) -> int:
    return config.num_seeds if decoding.temperature > 0 or contender.is_random else 1


def _missing(
    config: FrontierConfig, decoding: DecodingConfig, asked: Contest, decoded: FileStore, *, num: int
) -> list[Todo]:
    """Batches without a row, or with one of fewer prompts than there are to decode now."""
    found: list[Todo] = []
    for contender in asked.contenders:
        for repetition in range(_num_seeds(config, decoding, contender)):
            for batch, start in enumerate(range(0, num, config.batch_size)):
                stop, place = min(start + config.batch_size, num), Place(contender.label, repetition, batch)
                row = decoded.rows.get(place)
                if row is None or row["num"] != stop - start:
                    found.append(Todo(contender, place, start, stop))
    return found


def _num_prompts(config: FrontierConfig, known: Mapping[str, Any]) -> int:
    """Prompts that are decoded: those asked for, or all of a task that was found to have fewer."""
    return int(known["num"]) if known and known["num"] < known["asked"] else config.num_prompts


def _decode(
    config: FrontierConfig,
    decoding: DecodingConfig,
    asked: Contest,
    equipment: Equipment,
    run: Run,
    decoded: FileStore,
    say: Say,
) -> None:
    todo = _missing(config, decoding, asked, decoded, num=equipment.prompts.num)
    total = sum(_num_seeds(config, decoding, c) for c in asked.contenders) * -(
        -equipment.prompts.num // config.batch_size
    )
    policies = {c.label: equipment.policy(c) for c in asked.contenders}
    if todo:
        measure.warm_up(equipment.denoiser, equipment.prompts, num=config.batch_size, config=decoding)
    with working_.working(run, "decoding", total=total, done=total - len(todo), unit="batches", say=say) as work:
        for batch in todo:
            decoded.put(_measure(batch, policies[batch.place.policy], config, decoding, equipment))
            work.tick()


def _measure(
    batch: Todo, policy: UnmaskPolicy, config: FrontierConfig, decoding: DecodingConfig, equipment: Equipment
) -> Row:
    bench = Bench(equipment.denoiser, equipment.prompts, policy, decoding, config.seed)
    return measure_batch(batch.place, bench, start=batch.start, stop=batch.stop)


def _keep_shown(
    config: FrontierConfig,
    decoding: DecodingConfig,
    asked: Contest,
    equipment: Equipment,
    labels: Sequence[str],
    num: int,
    run: Run,
    kept: FileStore,
) -> None:
    by_label = {c.label: c for c in asked.contenders}
    for label in labels:
        policy = equipment.policy(by_label[label])
        bench = Bench(equipment.denoiser, equipment.prompts, policy, decoding, config.seed)
        shown.keep(kept, run.folder, label, bench=bench, num=num)


# ---------------------------------------------------------------- what is kept


def _check(is_sound: Callable[[Row], bool]) -> Callable[[Sequence[Row], Path], None]:
    return lambda rows, path: check_kept(rows, path, is_sound)


def _made_with(config: FrontierConfig, equipment: Equipment, run: Run) -> dict[str, Any]:
    """Write down what decodes what, or refuse to go on with anything else than the run began with."""
    heads = {str(folder): weights_fingerprint(head) for folder, head in equipment.planners.items()}
    made = MadeWith(run.folder)
    made.check("denoiser", dict(equipment.identity))
    made.check("planners", heads)
    prompts = fingerprints(equipment.prompts)
    if any(a != b for a, b in zip(made.get("prompts") or (), prompts, strict=False)):
        raise RunMismatchError(
            "the run began with other prompts than there are now: questions or answers were edited",
            place=str(run.folder),
            remedy="Continue with what it began with, or choose another --run. Nothing was changed.",
        )
    made.put_all(
        {
            "prompts": prompts,
            "asked": config.num_prompts,
            "num": equipment.prompts.num,
            "name": equipment.denoiser.name,
            "notes": list(equipment.notes),
        }
    )
    return _known(run)


def _known(run: Run) -> dict[str, Any]:
    """What the run was made with; nothing where it was killed before that was written down as a whole."""
    path = run.path(MADE_WITH)
    known = read_json(path) if path.exists() else {}
    return known if "num" in known else {}


def _result(
    config: FrontierConfig, decoding: DecodingConfig, asked: Contest, decoded: FileStore, known: Mapping[str, Any]
) -> Frontier:
    num_batches = -(-_num_prompts(config, known) // config.batch_size)
    rows = {
        c.label: [
            decoded.rows[Place(c.label, repetition, batch)]
            for repetition in range(_num_seeds(config, decoding, c))
            for batch in range(num_batches)
        ]
        for c in asked.contenders
    }
    read_BL: dict[int, set[str]] = {}
    for row in (row for each in rows.values() for row in each):
        read_BL.setdefault(row["batch"], set()).add(row["prompts"])
    if changed := [batch for batch, found in read_BL.items() if len(found) > 1]:
        raise DataError(
            f"batch {changed[0]} was decoded from different prompts by different policies",
            place=config.task_name,
            remedy="The task's file was edited in between: restore it, or choose another --run.",
        )
    return frontier(
        asked.contenders,
        rows,
        denoiser=str(known["name"]),
        task=config.task_name,
        target=config.target,
        notes=[*asked.notes, *known["notes"]],
    )
