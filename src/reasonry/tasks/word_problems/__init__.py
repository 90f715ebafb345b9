"""Grade-school word problems from the package's own generator: the task that needs no download.

A problem of grade k needs exactly k arithmetic operations (k = 1 to 6). It is composed of *beats* (an opener,
some events, a question) from one of about twenty families of scenes, told with drawn numbers, names and
phrasings, and solved sentence by sentence as it is told. Every number in a solution is a natural number of at
least 2. Solutions are written like those of GSM8K (Cobbe et al., 2021, arXiv:2110.14168): ``<<3*4=12>>`` after
each calculation, and a last line ``#### 12``.

Grades are balanced: every block of (max_steps - min_steps + 1) problems holds each grade once, in a shuffled
order. A problem depends on (seed, index, min_steps, max_steps) only: not on how many are made, the platform, or
the versions of Python and NumPy.

Simplified against problems that people write: sentences come from a fixed stock, most stories move one running
quantity, and no question needs knowledge beyond hours and dozens.
"""

from __future__ import annotations

from reasonry.core.task import Problem, Task
from reasonry.errors import ConfigError
from reasonry.tasks.gsm8k import INSTRUCTION
from reasonry.tasks.word_problems.compose import MAX_STEPS, compose_problem
from reasonry.tasks.word_problems.draw import Draw

NAME = "word-problems"
DEFAULT_NUM = 200
NUM_EXAMPLES = 8
_EXAMPLES_SEED = 2**32  # added to the seed: far from any that a person types

# Last part of a stream's key, so that the order of the grades and the problems never share a stream.
_ORDER, _PROBLEM = 0, 1


def _check(seed: int, min_steps: int, max_steps: int) -> None:
    if seed < 0:
        raise ConfigError(f"seed is {seed}", place="seed", remedy="Use 0 or a positive integer.")
    if not 1 <= min_steps <= max_steps <= MAX_STEPS:
        raise ConfigError(
            f"steps from {min_steps} to {max_steps} are not a range of grades",
            place="min_steps, max_steps",
            remedy=f"Use 1 <= min_steps <= max_steps <= {MAX_STEPS}.",
        )


def _grade(index: int, seed: int, min_steps: int, max_steps: int) -> int:
    """Steps of problem ``index``: its place in the shuffled grades of its block."""
    grades = range(min_steps, max_steps + 1)
    if len(grades) == 1:
        return min_steps
    block, place = divmod(index, len(grades))
    return Draw(seed, block, min_steps, max_steps, _ORDER).sample(grades, len(grades))[place]


def make_problem(index: int, *, seed: int = 0, min_steps: int = 1, max_steps: int = MAX_STEPS) -> Problem:
    """The problem number ``index`` of a seed.

    Args:
        index: From 0.
        seed: Not negative.
        min_steps: Fewest arithmetic operations, from 1.
        max_steps: Most arithmetic operations, up to 6.

    Returns:
        A problem with id ``wp-<seed>-<index>`` (``wp-<seed>-s<min>to<max>-<index>`` for other grades than 1 to
        6) and metadata ``steps``, ``template`` (stable id of its composition), ``distractors`` (numbers in the
        question that are not needed) and ``quantities`` (the numbers that the solution starts from, in order of
        first use).

    Raises:
        ConfigError: A negative index or seed, or an impossible range of steps.
    """
    _check(seed, min_steps, max_steps)
    if index < 0:
        raise ConfigError(f"index is {index}", place="index", remedy="Problems are numbered from 0.")
    steps = _grade(index, seed, min_steps, max_steps)
    draft = compose_problem(Draw(seed, index, min_steps, max_steps, _PROBLEM), steps)
    grades = "" if (min_steps, max_steps) == (1, MAX_STEPS) else f"s{min_steps}to{max_steps}-"
    return Problem(
        id=f"wp-{seed}-{grades}{index:05d}",
        question=" ".join(draft.sentences),
        answer=str(draft.answer),
        solution="\n".join([*draft.solution, f"#### {draft.answer}"]),
        metadata={
            "steps": steps,
            "template": draft.plan.template,
            "distractors": draft.num_distractors,
            "quantities": [int(q) for q in draft.quantities],
        },
    )


def generate(num: int, *, seed: int = 0, min_steps: int = 1, max_steps: int = MAX_STEPS) -> list[Problem]:
    """The first ``num`` problems of a seed; see `make_problem`.

    Raises:
        ConfigError: A negative number or seed, or an impossible range of steps.
    """
    _check(seed, min_steps, max_steps)
    if num < 0:
        raise ConfigError(f"{num} problems were asked for", place="num", remedy="Ask for 0 or more.")
    return [make_problem(i, seed=seed, min_steps=min_steps, max_steps=max_steps) for i in range(num)]


def as_task(num: int, *, seed: int = 0, min_steps: int = 1, max_steps: int = MAX_STEPS) -> Task:
    """The first ``num`` problems of a seed as a task graded by number.

    Raises:
        ConfigError: Fewer than 1 problem, a negative seed, or an impossible range of steps.
    """
    if num < 1:
        raise ConfigError(f"a task of {num} problems", place="num", remedy="Ask for 1 or more.")
    return Task(
        name=NAME,
        problems=tuple(generate(num, seed=seed, min_steps=min_steps, max_steps=max_steps)),
        verifier="number",
        instruction=INSTRUCTION,
        examples=tuple(generate(NUM_EXAMPLES, seed=seed + _EXAMPLES_SEED, min_steps=min_steps, max_steps=max_steps)),
        source=f"reasonry.tasks.word_problems seed={seed} steps={min_steps}-{max_steps}",
    )


def from_spec(argument: str, *, num: int | None, seed: int) -> Task:
    """``word-problems`` or ``word-problems:1-3`` or ``word-problems:2``.

    Args:
        argument: Empty, a number of steps or a range of them.
        num: How many problems; None makes `DEFAULT_NUM`.
        seed: Not negative.

    Raises:
        ConfigError: The argument is no range of steps.
    """
    low, dash, high = argument.partition("-")
    first, last = (low, high if dash else low) if argument else ("1", str(MAX_STEPS))
    if not (first.isdecimal() and last.isdecimal()):
        raise ConfigError(
            f"{argument!r} is not a range of steps",
            place=f"{NAME}:{argument}",
            remedy=f"Write {NAME}:2 or {NAME}:1-3, from 1 to {MAX_STEPS}.",
        )
    num = DEFAULT_NUM if num is None else num
    return as_task(num, seed=seed, min_steps=int(first), max_steps=int(last))
