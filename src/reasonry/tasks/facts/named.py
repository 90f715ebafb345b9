"""Made-up facts by the names that users give them: ``facts:city-language``, ``facts:sport-music:permuted-bridge``.

``num`` is the number of subjects. The problems are the training facts, marked ``train`` in their metadata, and then the
held-out questions, marked ``held-out``.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from reasonry.core.task import Problem, Task
from reasonry.errors import ConfigError
from reasonry.tasks.facts.fact import Fact
from reasonry.tasks.facts.generate import Pairing, make_facts
from reasonry.tasks.facts.presets import PRESETS

NAME = "facts"
NUM_GROUPS = 5
DEFAULT_NUM = 100
VERIFIER = "exact"
INSTRUCTION = "Reply with the answer only."


def from_spec(argument: str, *, num: int | None, seed: int) -> Task:
    """``facts:PRESET`` or ``facts:PRESET:PAIRING`` as a task.

    Args:
        argument: What follows the first colon; nothing is the first preset.
        num: Subjects, a multiple of `NUM_GROUPS`.
        seed: Any integer.

    Raises:
        ConfigError: Unknown preset or pairing, or ``num`` does not make equal groups with a bridge subject each.
    """
    preset, _, pairing = argument.partition(":")
    num = DEFAULT_NUM if num is None else num
    if num % NUM_GROUPS:
        raise ConfigError(
            f"{num} subjects are no {NUM_GROUPS} equal groups", place="num", remedy=f"Take a multiple of {NUM_GROUPS}."
        )
    made = make_facts(
        preset or next(iter(PRESETS)),
        num_groups=NUM_GROUPS,
        per_group=num // NUM_GROUPS,
        pairing=cast("Pairing", pairing) if pairing else None,
        seed=seed,
    )
    name = f"{NAME}:{argument}" if argument else NAME
    problems = (*_problems(made.table.facts, "train", seed), *_problems(made.held_out, "held-out", seed))
    return Task(name, problems, VERIFIER, INSTRUCTION, source=made.table.source)


def _problems(facts: Iterable[Fact], split: str, seed: int) -> Iterable[Problem]:
    for i, fact in enumerate(facts):
        yield Problem(
            id=f"{NAME}-{split}-{seed}-{i:05d}",
            question=fact.prompt,
            answer=fact.object,
            metadata={
                "split": split,
                "subject": fact.subject,
                "relation": fact.relation,
                "object": fact.object,
                "prompt": fact.prompt,
                "completion": fact.completion,
            },
        )
