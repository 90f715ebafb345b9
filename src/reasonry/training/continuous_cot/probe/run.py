"""The probes from end to end: ``reasonry probe superposition``.

A run directory holds ``observations.jsonl`` (a row for each graph), ``made_with.json`` (which weights, which graphs)
and ``results.json``. A run that was killed makes the missing rows; one that is finished loads no model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from reasonry.core import atomic
from reasonry.core import work as working_
from reasonry.core.made_with import MADE_WITH, MadeWith
from reasonry.core.plain import plain
from reasonry.core.rows import FileStore, check_kept
from reasonry.core.run import Run, default_folder, read_json
from reasonry.errors import RunMismatchError
from reasonry.training.continuous_cot.probe import kept
from reasonry.training.continuous_cot.probe.config import CONSTRUCTION, VERB, ProbeConfig
from reasonry.training.continuous_cot.probe.drawing import drawn
from reasonry.training.continuous_cot.probe.locate import locate
from reasonry.training.continuous_cot.probe.questions import questions
from reasonry.training.continuous_cot.probe.records import Observation, Superposition
from reasonry.training.continuous_cot.probe.results import superposition
from reasonry.training.continuous_cot.probe.subject import Question, ReadLayer, ReadLayers, Subject

Say = Callable[[str], None]
_ROWS = "observations.jsonl"


class Probed(NamedTuple):
    """Finished probes.

    Attributes:
        folder: The run directory.
        config: What was asked for.
        name: Of what was probed.
        layers: Where attention was read; None for nowhere.
        is_exact: Whether thoughts ought to be uniform superpositions, exactly.
        result: What was found.
        shown: Graphs to draw.
    """

    folder: Path
    config: ProbeConfig
    name: str
    layers: ReadLayers | None
    is_exact: bool
    result: Superposition
    shown: tuple[Observation, ...]


def probe(
    config: ProbeConfig,
    *,
    say: Say = lambda line: None,
    open_run: Callable[[Run, str], None] = lambda run, determinism: None,
) -> Probed:
    """Probe a model, or go on with it.

    Args:
        config: Model, graphs, run directory.
        say: Called with a line for people.
        open_run: Called once with the open run and its determinism level.

    Raises:
        ConfigError: No such model, layer or method; graphs that do not fit it.
        DataError: A model without thoughts or without graphs; a file of graphs, or a row of the run, that is damaged.
        RunMismatchError: The run directory is that of another config, model, or graphs.
        Interrupted: The user asked to stop; what was finished is kept.
    """
    label = config.model if config.model == CONSTRUCTION else f"{Path(config.model).resolve().name} {config.method}"
    folder = config.run or default_folder(VERB, config, label)
    prepared = None
    if not (folder / MADE_WITH).exists():  # what does not go together leaves no run behind
        prepared = _prepare(config)
    with Run(VERB, config, folder=folder, seed=config.seed, warn=say) as run:
        with working_.stored(
            run, _ROWS, say, key=kept.KEY, check=lambda rows, path: check_kept(rows, path, kept.is_row)
        ) as rows:
            known = _known(run)
            if not known or len(rows.rows) < _num_graphs(config, known):
                run.record_environment("sample-stable")
                open_run(run, "sample-stable")
                subject, asked = prepared or _prepare(config)
                known = _made_with(config, subject, asked, run)
                _observe(config, subject, asked, run, rows, say)
            else:
                open_run(run, "finished")
            num = _num_graphs(config, known)
            seen = [kept.from_row(rows.rows[number]) for number in range(num)]
        result = superposition(seen, by=config.frontier, seed=config.seed, is_exact=known["is_exact"])
        done = Probed(
            folder=folder,
            config=config,
            name=known["name"],
            layers=_layers(known["layers"]),
            is_exact=known["is_exact"],
            result=result,
            shown=tuple(drawn(seen, config.show)),
        )
        atomic.write_json(run.path("results.json"), results_json(done))
    return done


def _prepare(config: ProbeConfig) -> tuple[Subject, list[Question]]:
    subject = make_subject(config)
    asked = questions(config, subject)
    subject.check(asked)
    return subject, asked


def make_subject(config: ProbeConfig) -> Subject:
    """What the user named.

    Raises:
        ReasonryError: As `probe`.
    """
    from reasonry.core import optional

    optional.need("torch", extra="hf", why="to probe a model")
    if config.model == CONSTRUCTION:
        from reasonry.tasks.graphs.prosqa import GraphConfig
        from reasonry.training.continuous_cot.probe.explicit import ExplicitSubject

        return ExplicitSubject(GraphConfig(), has_attention=config.attention)
    located = locate(config.model, method=config.method)
    optional.need("transformers", extra="hf", why="to probe a model")
    from reasonry.training.continuous_cot.probe.trained import load_subject

    return load_subject(config, located)


def results_json(done: Probed) -> dict[str, Any]:
    """The content of ``results.json``."""
    body = cast("dict[str, Any]", plain(done.result))
    for thought, found in zip(body["thoughts"], done.result.thoughts, strict=True):
        thought["is_exact"] = found.is_exact if done.is_exact else None
    about = {"model": done.name, "layers": plain(done.layers), "frontier": done.config.frontier}
    return {**about, **body}


# ---------------------------------------------------------------- observing


def _observe(
    config: ProbeConfig, subject: Subject, asked: Sequence[Question], run: Run, rows: FileStore, say: Say
) -> None:
    done = sum(question.number in rows.rows for question in asked)
    with working_.working(run, "probing", total=len(asked), done=done, unit="graphs", say=say) as work:
        for start in range(0, len(asked), config.batch_size):
            batch = asked[start : start + config.batch_size]
            missing = {question.number for question in batch if question.number not in rows.rows}
            if not missing:
                continue
            # The whole batch again: a row's last digits may hang on what it is padded to.
            for seen in subject.observe(batch):
                if seen.number in missing:
                    rows.put(kept.to_row(seen))
                    work.tick()


def _made_with(config: ProbeConfig, subject: Subject, asked: Sequence[Question], run: Run) -> dict[str, Any]:
    """Write down what is probed on what, or refuse to go on with anything else than the run began with."""
    made = MadeWith(run.folder)
    made.check("model", subject.identity)
    marks = [hashlib.blake2b(repr(question).encode(), digest_size=6).hexdigest() for question in asked]
    if any(a != b for a, b in zip(made.get("graphs") or (), marks, strict=False)):
        raise RunMismatchError(
            "the run began with other graphs than there are now",
            place=str(run.folder),
            remedy="Continue with what it began with, or choose another --run. Nothing was changed.",
        )
    made.put_all(
        {
            "graphs": marks,
            "asked": config.num_graphs,
            "num": len(asked),
            "name": subject.name,
            "layers": plain(subject.layers),
            "is_exact": subject.is_exact,
        }
    )
    return _known(run)


def _known(run: Run) -> dict[str, Any]:
    """What the run was made with; nothing where it was killed before that was written down as a whole."""
    path = run.path(MADE_WITH)
    known = read_json(path) if path.exists() else {}
    return known if "num" in known else {}


def _layers(known: dict[str, dict[str, int]] | None) -> ReadLayers | None:
    return ReadLayers(ReadLayer(**known["copy"]), ReadLayer(**known["edge"])) if known else None


def _num_graphs(config: ProbeConfig, known: dict[str, Any]) -> int:
    """Graphs that are probed: those asked for, or all of a file that was found to have fewer."""
    return int(known["num"]) if known["num"] < known["asked"] else config.num_graphs
