"""Chains of sums on digits, worked out one operation at a time.

    3 + 4 * 2 - 6          steps  3 + 4 = 7,  7 * 2 = 4,  4 - 6 = 8          -> 8

Operations are done from left to right, and of every result the last digit alone is kept (modulo 10). One step is one of
300 facts about digits, so a small model learns to write steps within minutes; without them the answer is a composition
of as many functions as there are operations, which few layers do not have room for. So what reasoning is worth, and
what is lost by shortening it, shows at a size that is trained on a processor.

Multipliers are 1, 3, 7 and 9, which have inverses modulo 10: with others some digits would come more often than others,
and always saying the most frequent one would be right more often than one time in ten.
"""

# pyright: strict
from __future__ import annotations

from reasonry.core import seeds
from reasonry.core.task import Task
from reasonry.errors import ConfigError
from reasonry.tasks.reasoning_text import ReasoningText, Split, needed, parse_range, split_of_text
from reasonry.tasks.text_task import text_task

NAME = "running-totals"
NUM_EXAMPLES = 4
DEFAULT_OPERATIONS = (8, 8)
MOST_OPERATIONS = 64
INSTRUCTION = "Work from left to right and keep the last digit of every result. End with the last digit alone."
VERIFIER = "number"
_TERMS: list[tuple[str, int]] = [
    *(("+", b) for b in range(1, 10)),
    *(("-", b) for b in range(1, 10)),
    *(("*", b) for b in (1, 3, 7, 9) * 2),
]
_MAX_IN_VAIN = 5_000


def result(total: int, operation: str, term: int) -> int:
    """The last digit of one operation."""
    value = total + term if operation == "+" else total - term if operation == "-" else total * term
    return value % 10


def texts(argument: str, *, num: int | None, seed: int, split: Split) -> list[ReasoningText]:
    """``num`` different chains.

    Args:
        argument: Operations: empty for 8, ``5`` or ``4-6``.
        num: How many; the first ones do not depend on it.
        seed: Of the generator.
        split: Which.

    Raises:
        ConfigError: No range of operations from 1 to `MOST_OPERATIONS`, ``num`` is missing, or there are not so many.
    """
    low, high = parse_range(argument, default=DEFAULT_OPERATIONS, most=MOST_OPERATIONS, usage=f"{NAME}:{argument}")
    rng = seeds.stream(seed, NAME, argument, split)
    num = needed(num, NAME)
    found: dict[str, ReasoningText] = {}
    num_in_vain = 0
    while len(found) < num:
        total = int(rng.integers(10))
        question, steps = str(total), list[str]()
        for at in rng.integers(len(_TERMS), size=int(rng.integers(low, high + 1))).tolist():
            operation, term = _TERMS[int(at)]
            after = result(total, operation, term)
            question += f" {operation} {term}"
            steps.append(f"{total} {operation} {term} = {after}")
            total = after
        num_in_vain += 1
        if split_of_text(question) == split and question not in found:
            found[question] = ReasoningText(question, tuple(steps), str(total))
            num_in_vain = 0
        if num_in_vain >= _MAX_IN_VAIN:
            raise ConfigError(
                f"only {len(found)} different chains were found, not {num}",
                place="num",
                remedy="Ask for fewer, or for more operations.",
            )
    return list(found.values())


def from_spec(argument: str, *, num: int | None, seed: int) -> Task:
    """``running-totals`` or ``running-totals:5`` as a task; solved ones of the training split are its examples.

    Raises:
        ConfigError: The argument is no range of operations, or there are not so many chains.
    """

    return text_task(
        NAME,
        argument,
        lambda many, split: texts(argument, num=many, seed=seed, split=split),
        num=num,
        seed=seed,
        verifier=VERIFIER,
        instruction=INSTRUCTION,
        num_examples=NUM_EXAMPLES,
        source=f"{__name__} seed={seed} operations={argument or DEFAULT_OPERATIONS[0]}",
    )
