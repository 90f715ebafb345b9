"""Worked examples as a task: questions of the test split, and solved ones of the training split to be shown before."""

# pyright: strict
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reasonry.core.task import Problem, Task
from reasonry.tasks.reasoning_text import ReasoningText, Split

DEFAULT_NUM = 200


def text_task(
    name: str,
    argument: str,
    make: Callable[[int, Split], list[ReasoningText]],
    *,
    num: int | None,
    seed: int,
    verifier: str,
    instruction: str,
    num_examples: int,
    source: str,
    about: Callable[[ReasoningText], dict[str, Any]] | None = None,
) -> Task:
    """A task of generated texts; problems are named after the task, its argument, their split, the seed and a number.

    Args:
        name: Of the task.
        argument: What the user typed behind the colon.
        make: Texts of a split, as many as it is told.
        num: Problems; `DEFAULT_NUM` when None.
        seed: That ``make`` has.
        verifier: Grades answers.
        instruction: Appended to every question.
        num_examples: Solved ones.
        source: What made them.
        about: More for the metadata of a problem, besides the number of its steps.
    """
    known = f"{argument}-" if argument else ""

    def made(many: int, split: Split) -> tuple[Problem, ...]:
        return tuple(
            Problem(
                id=f"{name}-{known}{split}-{seed}-{i:05d}",
                question=text.question,
                answer=text.answer,
                solution="\n".join([*text.steps, text.answer]),
                metadata={"steps": len(text.steps), **(about(text) if about else {})},
            )
            for i, text in enumerate(make(many, split))
        )

    return Task(
        name=f"{name}:{argument}" if argument else name,
        problems=made(DEFAULT_NUM if num is None else num, "test"),
        verifier=verifier,
        instruction=instruction,
        examples=made(num_examples, "train"),
        source=source,
    )
