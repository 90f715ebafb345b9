"""Grade-school mathematics as worked examples whose steps are equations: ``<<48/2=24>>``, ``<<48+24=72>>``.

That is how the data of stepwise internalisation and of Coconut look (arXiv 2405.14838, 2412.06769): the prose of a
solution is dropped, its calculator annotations are kept. A solution without annotations has no steps.
"""

# pyright: strict
from __future__ import annotations

from pathlib import Path

from reasonry.core.task import Problem
from reasonry.errors import ConfigError, DataError
from reasonry.tasks import gsm8k
from reasonry.tasks.graphs.splitters import split_solution
from reasonry.tasks.reasoning_text import ReasoningText, Split, needed, parse_range, split_of_text
from reasonry.tasks.word_problems import MAX_STEPS, make_problem

_MAX_IN_VAIN = 5_000


def equation_text(problem: Problem) -> ReasoningText:
    """A problem whose solution has annotations, as a worked example.

    Raises:
        DataError: Its solution has no line ``#### 12``.
    """
    solution = split_solution(problem.solution, by="equations", place=problem.id)
    return ReasoningText(problem.question, solution.steps, problem.answer)


def word_problem_texts(argument: str, *, num: int | None, seed: int, split: Split) -> list[ReasoningText]:
    """``num`` generated word problems; the hash of a question says which split it belongs to.

    Args:
        argument: Steps: empty for 1 to 6, ``3`` or ``2-4``.
        num: How many.
        seed: Not negative.
        split: Which.

    Raises:
        ConfigError: No range of steps, a negative seed, ``num`` is missing, or there are not so many.
    """
    low, high = parse_range(argument, default=(1, MAX_STEPS), most=MAX_STEPS, usage=f"word-problems:{argument}")
    found: dict[str, ReasoningText] = {}
    num = needed(num, "word-problems")
    index = last = 0
    while len(found) < num:
        problem = make_problem(index, seed=seed, min_steps=low, max_steps=high)
        index += 1
        if split_of_text(problem.question) == split and problem.question not in found:
            found[problem.question] = equation_text(problem)
            last = index
        if index - last >= _MAX_IN_VAIN:
            raise ConfigError(
                f"only {len(found)} different problems were found, not {num}",
                place="num",
                remedy="Ask for fewer, or for more steps.",
            )
    return list(found.values())


def gsm8k_texts(argument: str, *, num: int | None, seed: int, split: Split) -> list[ReasoningText]:
    """GSM8K's rows in their order. It has no validation split: a tenth of the training rows is, by their hash.

    Args:
        argument: Empty for the hub, else a folder with ``train.jsonl`` and ``test.jsonl``.
        num: Stop after so many.
        seed: Has no effect.
        split: Which.

    Raises:
        DataError: No such folder, or a row that cannot be used (with ``file:line``).
        MissingDependencyError: The hub is asked for and ``datasets`` is not installed.
        ResourceError: The hub cannot be reached.
    """
    del seed
    source: str | Path = argument or gsm8k.HUB_ID
    if argument and not Path(argument).is_dir():
        remedy = "Give the folder with train.jsonl and test.jsonl."
        raise DataError("no such folder", place=argument, remedy=remedy)
    if split == "test":
        problems = gsm8k.read(source, split="test", limit=num).problems
    else:
        rows = gsm8k.read(source, split="train").problems
        wants_held_out = split == "validation"
        problems = tuple(p for p in rows if (split_of_text(p.question) == "validation") == wants_held_out)
    return [equation_text(problem) for problem in problems[:num]]
