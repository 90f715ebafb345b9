"""The evaluation from end to end: ``reasonry eval latent-tokens``.

A run directory holds ``answers.jsonl`` (a row for each method, question and sample), ``questions.jsonl``,
``made_with.json`` (which weights, which questions) and ``results.json``. A run that was killed makes the missing
replies; one that is finished loads no model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reasonry.core import atomic, jsonl
from reasonry.core import work as working_
from reasonry.core.made_with import MADE_WITH, MadeWith
from reasonry.core.rows import FileStore, Row, check_kept
from reasonry.core.run import Run, default_folder, read_json
from reasonry.core.work import Say
from reasonry.errors import RunMismatchError
from reasonry.training.latent_tokens.evaluate.config import VERB, EvalConfig
from reasonry.training.latent_tokens.evaluate.evaluated import Evaluated, Facts
from reasonry.training.latent_tokens.evaluate.locate import Located, locate
from reasonry.training.latent_tokens.evaluate.questions import Question, length_groups
from reasonry.training.latent_tokens.evaluate.ready import Ready, facts_of, label_of, prepare
from reasonry.training.latent_tokens.evaluate.results import method_results
from reasonry.training.latent_tokens.evaluate.setup import find_codes, training_rows
from reasonry.training.latent_tokens.evaluate.subject import Subject
from reasonry.training.latent_tokens.evaluate.usage import Usage, usage_of

if TYPE_CHECKING:
    from reasonry.training.latent_tokens.evaluate.reading_back import Meaning

ANSWERS, QUESTIONS = "answers.jsonl", "questions.jsonl"
KEY = ("method", "id", "index")
_NUMBERS = ("index", "num_tok", "num_text", "num_codes", "num_markers", "equivalent_tok", "seconds")
_GRADES = ("right", "wrong", "ungradable")


def evaluate(
    config: EvalConfig,
    *,
    say: Say = lambda line: None,
    open_run: Callable[[Run, str], None] = lambda run, determinism: None,
) -> Evaluated:
    """Evaluate models, or go on with it.

    Args:
        config: Models, questions, how replies are written, run directory.
        say: Called with a line for people.
        open_run: Called once with the open run and its determinism level.

    Raises:
        ConfigError: No such model, method or data; another tokenizer or codebook than that of training.
        DataError: No finished model, a question that cannot be used, or a row of the run that is damaged.
        RunMismatchError: The run directory is that of another config, model, or questions.
        Interrupted: The user asked to stop; what was finished is kept.
    """
    models = locate(config.model, methods=config.methods)
    folder = config.run or default_folder(VERB, config, label_of(config.model))
    ready = None
    if not (folder / MADE_WITH).exists():  # what does not go together leaves no run behind
        ready = prepare(config, models, say)
    with Run(VERB, config, folder=folder, seed=config.seed or 0, warn=say) as run:
        with working_.stored(
            run, ANSWERS, say, key=KEY, check=lambda rows, path: check_kept(rows, path, is_row)
        ) as store:
            facts = _known(run, config)
            if facts is None or _num_missing(config, models, facts, _questions(run), store):
                ready = ready or prepare(config, models, say)
                determinism = "sample-stable" if ready.is_stable else "bitwise"
                run.record_environment(determinism)
                open_run(run, determinism)
                facts = _made_with(config, ready, run)
                _answer(config, models, ready, run, store, say)
            else:
                open_run(run, "finished")
            questions = _questions(run)[: config.num]
            answers = {
                model.label: [
                    store.rows[model.label, question.id, index]
                    for question in questions
                    for index in range(config.samples)
                ]
                for model in models
            }
        done = _told(config, models, folder, facts, questions, answers, say)
        atomic.write_json(run.path("results.json"), done.to_json())
    return done


def is_row(row: Row) -> bool:
    """Whether a row is one of ``answers.jsonl``."""
    numbers = all(isinstance(row.get(name), int | float) for name in _NUMBERS)
    return numbers and isinstance(row.get("parts"), list) and row.get("grade") in _GRADES


# ---------------------------------------------------------------- answering


def _num_missing(
    config: EvalConfig, models: Sequence[Located], facts: Facts, questions: Sequence[Question], store: FileStore
) -> int:
    wanted = min(config.num, facts.num)
    return sum(
        (model.label, question.id, index) not in store.rows
        for model in models
        for question in questions[:wanted]
        for index in range(config.samples)
    )


def _answer(config: EvalConfig, models: Sequence[Located], ready: Ready, run: Run, store: FileStore, say: Say) -> None:
    from reasonry.core.learning import threads_for

    questions = ready.asked.questions[: config.num]
    total = len(questions) * config.samples * len(models)
    facts = facts_of(config, ready)
    done = total - _num_missing(config, models, facts, questions, store)
    by_id = {question.id: question for question in questions}
    subjects = _subjects(config, models, ready, questions, store, say)
    with working_.working(run, "answering", total=total, done=done, unit="replies", say=say) as work:
        for subject in subjects:
            MadeWith(run.folder).check(f"model {subject.located.label}", subject.identity)
            with threads_for(subject.loaded.model):
                for wave in _missing(config, subject, questions, store):
                    for replies in subject.replies(wave):
                        for row in subject.rows(replies, by_id, ready.asked.judge, ready.codes):
                            if tuple(row[name] for name in KEY) not in store.rows:
                                store.put(row)
                                work.tick()
            del subject  # before the next one is loaded


def _subjects(
    config: EvalConfig,
    models: Sequence[Located],
    ready: Ready,
    questions: Sequence[Question],
    store: FileStore,
    say: Say,
) -> Iterator[Subject]:
    """Models with missing replies, one after the other."""
    for model in models:
        is_done = all((model.label, q.id, index) in store.rows for q in questions for index in range(config.samples))
        if ready.loaded and (is_done or ready.loaded[0].located is not model):
            ready.loaded.clear()
        if is_done:
            continue
        if not ready.loaded:
            say(f"loading {model.label}")
        yield ready.loaded.pop() if ready.loaded else Subject(config, model, ready.setup)


Wanted = list[tuple[Question, Sequence[int]]]


def _missing(config: EvalConfig, subject: Subject, questions: Sequence[Question], store: FileStore) -> Iterator[Wanted]:
    """Waves that lack replies: whole, so that rounding is that of an uninterrupted run, where that depends on them."""
    from reasonry.training.latent_tokens.evaluate.generation import Asked, waves

    by_id = {question.id: question for question in questions}
    label = subject.located.label
    asked = [Asked(question.id, (), range(config.samples)) for question in questions]
    for wave in waves(asked, config.batch_size):
        lacking: Wanted = [
            (by_id[request.id], [index for index in indices if (label, request.id, index) not in store.rows])
            for request, indices in wave
        ]
        if not any(indices for _, indices in lacking):
            continue
        whole: Wanted = [(by_id[request.id], indices) for request, indices in wave]
        yield [each for each in lacking if each[1]] if subject.is_stable else whole


# ---------------------------------------------------------------- what a run remembers


def _made_with(config: EvalConfig, ready: Ready, run: Run) -> Facts:
    """Write down what is asked of whom, or refuse to go on with anything else than the run began with."""
    made = MadeWith(run.folder)
    made.check("setup", {**ready.setup._asdict(), "verifier": ready.asked.judge.verifier})
    marks = [question.mark for question in ready.asked.questions]
    known = made.get("questions") or ()
    if any(a != b for a, b in zip(known, marks, strict=False)):
        raise RunMismatchError(
            "the run began with other questions than there are now",
            place=str(run.folder),
            remedy="Continue with what it began with, or choose another --run. Nothing was changed.",
        )
    facts = facts_of(config, ready)
    if len(marks) >= len(known):
        jsonl.write(run.path(QUESTIONS), [question.to_json() for question in ready.asked.questions])
        made.put_all({"questions": marks, "asked": config.num, "facts": facts._asdict()})
    return facts


def _questions(run: Run) -> list[Question]:
    path = run.path(QUESTIONS)
    return [Question.from_json(row) for row in jsonl.read(path)] if path.exists() else []


def _known(run: Run, config: EvalConfig) -> Facts | None:
    """What the run was made with; None before all of that was written down, and where more is asked for than then."""
    path = run.path(MADE_WITH)
    known = read_json(path) if path.exists() else {}
    if "facts" not in known:
        return None
    facts = Facts(**{**known["facts"], "notes": tuple(known["facts"]["notes"])})
    is_all = facts.num + facts.num_left_out < known["asked"]  # asking for more finds no more
    return facts if is_all or config.num <= known["asked"] else None


# ---------------------------------------------------------------- what came out


def _told(
    config: EvalConfig,
    models: Sequence[Located],
    folder: Path,
    facts: Facts,
    questions: list[Question],
    answers: Mapping[str, Sequence[Row]],
    say: Say,
) -> Evaluated:
    results = method_results(answers, length_groups(questions))
    usage = {
        model.label: usage_of(answers[model.label], num_codes=facts.num_codes) for model in models if model.writes_codes
    }
    usage = {name: found for name, found in usage.items() if found.num_uses}
    return Evaluated(folder, config, facts, results, questions, answers, usage, _meanings(config, models, usage))


def _meanings(config: EvalConfig, models: Sequence[Located], usage: Mapping[str, Usage]) -> list[Meaning]:
    """What the codes stand for that the first method which writes any uses most."""
    name = next(iter(usage), None)
    model = next((model for model in models if model.label == name), None)
    if name is None or model is None:
        return []
    from reasonry.training.latent_tokens.evaluate.reading_back import meanings

    codes, rows = find_codes(config, models, say=lambda line: None), training_rows(model)
    return meanings(codes, usage[name].uses, rows) if codes is not None and rows else []
