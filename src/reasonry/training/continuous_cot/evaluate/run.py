"""The evaluation from end to end: ``reasonry eval continuous-cot``.

A run directory holds ``answers.jsonl`` (a row for each kind of thoughts, number of slots and question),
``made_with.json`` (which weights, which questions) and ``results.json``. A run that was killed makes the missing rows,
by whole batches, so that rounding is that of an uninterrupted one; one that is finished loads no model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from reasonry.core import atomic, optional
from reasonry.core import work as working_
from reasonry.core.made_with import MADE_WITH, MadeWith
from reasonry.core.rows import FileStore, Row, check_kept
from reasonry.core.run import Run, default_folder, read_json
from reasonry.errors import RunMismatchError
from reasonry.training.continuous_cot.config import GraphTrainConfig
from reasonry.training.continuous_cot.evaluate.batching import batches
from reasonry.training.continuous_cot.evaluate.config import VERB, EvalConfig
from reasonry.training.continuous_cot.evaluate.locate import locate
from reasonry.training.continuous_cot.evaluate.results import Evaluated, evaluated
from reasonry.training.continuous_cot.evaluate.subject import KEY, ArmKey, Facts, Subject, arms, is_row

ANSWERS = "answers.jsonl"
Say = Callable[[str], None]


class Done(NamedTuple):
    """A finished evaluation.

    Attributes:
        folder: The run directory.
        config: What was asked for.
        facts: Of the model and its questions.
        result: What was found.
        rows: Of each arm, in the order of the questions.
    """

    folder: Path
    config: EvalConfig
    facts: Facts
    result: Evaluated
    rows: Mapping[ArmKey, Sequence[Row]]


def evaluate(
    config: EvalConfig,
    *,
    say: Say = lambda line: None,
    open_run: Callable[[Run, str], None] = lambda run, determinism: None,
) -> Done:
    """Evaluate a model, or go on with it.

    Args:
        config: Model, questions, numbers of thoughts, run directory.
        say: Called with a line for people.
        open_run: Called once with the open run and its determinism level.

    Raises:
        ConfigError: No such model, method or data; thoughts for a model without slots, or more than fit.
        DataError: A question that cannot be used, or a row of the run that is damaged.
        RunMismatchError: The run directory is that of another config, model, or questions.
        Interrupted: The user asked to stop; what was finished is kept.
    """
    folder = config.run or default_folder(VERB, config, _label(config.model), config.method)
    subject = None
    if not (folder / MADE_WITH).exists():  # what does not go together leaves no run behind
        subject = make_subject(config, say)
    with Run(VERB, config, folder=folder, seed=config.seed or 0, warn=say) as run:
        with working_.stored(
            run, ANSWERS, say, key=KEY, check=lambda rows, path: check_kept(rows, path, is_row)
        ) as store:
            facts = _known(run, config)
            if facts is None or _todo(config, facts, store):
                subject = subject or make_subject(config, say)
                determinism = "sample-stable" if _is_stable(subject) else "bitwise"
                run.record_environment(determinism)
                open_run(run, determinism)
                facts = _made_with(config, subject, run)
                _answer(config, subject, facts, run, store, say)
            else:
                open_run(run, "finished")
            num = min(config.num, facts.num)
            rows = {key: [store.rows[(*key, i)] for i in range(num)] for key in arms_of(config, facts)}
        result = evaluated(rows, own_slots=facts.own_slots)
        done = Done(folder, config, facts, result, rows)
        atomic.write_json(run.path("results.json"), results_json(done))
    return done


def _label(model: str) -> str:
    """The method's folder of a model that stands in it, else the model's own name."""
    path = Path(model)
    return path.parent.name if path.name == "model" else path.name


def make_subject(config: EvalConfig, say: Say) -> Subject:
    """What the user named.

    Raises:
        ReasonryError: As `evaluate`.
    """
    optional.need("torch", extra="hf", why="to evaluate a model")
    optional.need("transformers", extra="hf", why="to evaluate a model")
    located = locate(config.model, method=config.method)
    say(f"loading {located.name}")
    if isinstance(located.trained, GraphTrainConfig):
        from reasonry.training.continuous_cot.evaluate.graph_subject import GraphSubject

        return GraphSubject(config, located, say)
    from reasonry.training.continuous_cot.evaluate.text_subject import TextSubject

    return TextSubject(config, located, say)


def arms_of(config: EvalConfig, facts: Facts) -> list[ArmKey]:
    """What is compared."""
    return arms(config.counts or (facts.own_slots,), config.thoughts)


def results_json(done: Done) -> dict[str, Any]:
    """The content of ``results.json``."""
    return {**done.facts._asdict(), "num": min(done.config.num, done.facts.num), **done.result.to_json()}


# ---------------------------------------------------------------- answering


class Todo(NamedTuple):
    """A batch that lacks rows."""

    arm: ArmKey
    part: slice


def _todo(config: EvalConfig, facts: Facts, store: FileStore) -> list[Todo]:
    num = min(config.num, facts.num)
    return [
        Todo(arm, part)
        for arm in arms_of(config, facts)
        for part in batches(num, config.batch_size)
        if any((*arm, i) not in store.rows for i in range(part.start, part.stop))
    ]


def _answer(config: EvalConfig, subject: Subject, facts: Facts, run: Run, store: FileStore, say: Say) -> None:
    todo = _todo(config, facts, store)
    total = min(config.num, facts.num) * len(arms_of(config, facts))
    done = total - sum(batch.part.stop - batch.part.start for batch in todo)
    from reasonry.core.learning import threads_for

    label, unit = "answering", "questions"
    with (
        threads_for(subject.latent),
        working_.working(run, label, total=total, done=done, unit=unit, say=say) as work,
    ):
        for (thoughts, slots), part in todo:
            for row in subject.answers(part, slots=slots, thoughts=thoughts):
                if tuple(row[name] for name in KEY) not in store.rows:
                    store.put(row)
                work.tick()


def _is_stable(subject: Subject) -> bool:
    """float32 on a CPU does not let rows of a batch disturb each other beyond rounding."""
    return subject.identity["dtype"] == "float32" and subject.identity["device"] == "cpu"


def _made_with(config: EvalConfig, subject: Subject, run: Run) -> Facts:
    """Write down what is evaluated on what, or refuse to go on with anything else than the run began with."""
    made = MadeWith(run.folder)
    made.check("model", subject.identity)
    marks = [hashlib.blake2b(text.encode(), digest_size=6).hexdigest() for text in subject.fingerprints]
    if any(a != b for a, b in zip(made.get("questions") or (), marks, strict=False)):
        raise RunMismatchError(
            "the run began with other questions than there are now",
            place=str(run.folder),
            remedy="Continue with what it began with, or choose another --run. Nothing was changed.",
        )
    made.put_all({"questions": marks, "asked": config.num, "facts": subject.facts._asdict()})
    return subject.facts


def _known(run: Run, config: EvalConfig) -> Facts | None:
    """What the run was made with; None before all of that was written down, and where more is asked for than then."""
    path = run.path(MADE_WITH)
    known = read_json(path) if path.exists() else {}
    if "facts" not in known:
        return None
    facts = Facts(**{**known["facts"], "notes": tuple(known["facts"]["notes"])})
    is_all = facts.num < known["asked"]  # there are not so many questions: asking for more finds no more
    return facts if is_all or config.num <= known["asked"] else None
