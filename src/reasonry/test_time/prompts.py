"""What a model is asked: the worked examples, the question, and a record of both that refuses edited tasks."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from reasonry.core import atomic
from reasonry.core.messages import Message, system, to_openai, user
from reasonry.core.run import read_json
from reasonry.core.task import Problem, Task
from reasonry.core.verify import Verifier
from reasonry.errors import ConfigError, DataError
from reasonry.test_time.config import SolveConfig
from reasonry.test_time.pool import Question

DEFAULT_SHOTS = 4
_CALCULATOR = re.compile(r"<<[^<>]*>>")  # GSM8K's annotations are for a calculator, not for a reader


def questions_of(task: Task, config: SolveConfig) -> list[Question]:
    """Every problem of a task as it is put to the model.

    Raises:
        ConfigError: See `prompt_head`.
    """
    head = prompt_head(task, config)
    return [_question(p, head, task, config) for p in task.problems]


def prompt_head(task: Task, config: SolveConfig) -> tuple[Message, ...]:
    """What stands before every question: the system message and the worked examples.

    Raises:
        ConfigError: More examples are asked for than the task has.
    """
    usable = [p for p in task.examples if p.solution]
    shots = min(DEFAULT_SHOTS, len(usable)) if config.shots is None else config.shots
    if shots > len(usable):
        raise ConfigError(
            f"shots = {shots}, but {task.name} has {len(usable)} worked examples",
            place="shots",
            remedy="Ask for fewer. A file's examples are those of the train.jsonl beside it.",
        )
    head = [system(config.system)] if config.system else []
    for example in usable[:shots]:
        head += [user(example.question), Message("assistant", _CALCULATOR.sub("", example.solution))]
    return tuple(head)


def _question(problem: Problem, head: tuple[Message, ...], task: Task, config: SolveConfig) -> Question:
    shown_by_example = any(m.role == "assistant" for m in head)
    given = config.instruction
    instruction = ("" if shown_by_example else task.instruction) if given is None else given
    question = f"{problem.question}\n\n{instruction}" if instruction else problem.question
    return Question(problem.id, (*head, user(question)), problem)


def check_prompts(
    path: Path, questions: Sequence[Question], task: Task, verifier: Verifier, *, sampled: Collection[str]
) -> None:
    """Refuse to mix samples of two versions of a problem: ids are often line numbers, and files get edited."""
    now: dict[str, str] = {}
    for question, problem in zip(questions, task.problems, strict=True):
        body = json.dumps([[to_openai(m) for m in question.messages], problem.answer, verifier.name], sort_keys=True)
        now[question.id] = hashlib.blake2b(body.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    before = read_json(path) if path.exists() else {}
    if changed := [name for name in now if name in sampled and before.get(name, now[name]) != now[name]]:
        raise DataError(
            f"{len(changed)} problems are not what they were when they were sampled, such as {changed[0]!r}: "
            "question, answer, worked examples or verifier",
            place=task.source,
            remedy="Restore the task's files, or choose another --run. Nothing was changed.",
        )
    if before != {**before, **now}:
        atomic.write_json(path, {**before, **now})
