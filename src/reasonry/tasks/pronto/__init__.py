"""True or false by rules of a made-up ontology, like ProntoQA (arXiv 2210.01240), without shortcuts.

    Tolia is a wumpus. Every gorpus is a jompus. Wumpuses are gorpuses. Each jompus is not red. Every zempus is red. ..
    True or false: Tolia is red.                                                                          -> False

A question of h hops takes h rules: h - 1 from concept to concept, and one that gives the last concept a property or
denies it. Two persons have an ontology each, made in the same way and told in one shuffled order:

    chain      person -> c_1 -> .. -> c_h; only c_h has a rule about the property that is asked for
    branches   further concepts, each below a random vertex of its side (never below c_h)
    asides     rules about other properties, for random concepts

A fair coin says which person is asked about, one whether that person's c_h has the property or not (the other person's
has the opposite), and one whether the question denies it. So true and false are equally likely given everything except
the path from the person to c_h: without following it nothing beats chance, and knowing the rules about the property
does not help, for there is always one rule each way. Both c_h lie at the same depth, have one parent and no child.

Simplified against ProntoQA: rules only go from concept to concept, one parent each; no "or", no proof by contradiction.
"""

from __future__ import annotations

from reasonry.core import seeds
from reasonry.core.task import Task
from reasonry.errors import ConfigError
from reasonry.tasks.graphs.fingerprint import fingerprint
from reasonry.tasks.pronto.ontology import MAX_HOPS, Ontology, draw_ontology
from reasonry.tasks.pronto.words import tell
from reasonry.tasks.reasoning_text import ReasoningText, Split, needed, parse_range, split_of
from reasonry.tasks.text_task import text_task

__all__ = ["MAX_HOPS", "Ontology", "draw_ontology", "from_spec", "tell", "texts"]

NAME = "prontoqa"
NUM_EXAMPLES = 4
DEFAULT_HOPS = (5, 5)
INSTRUCTION = "Apply the rules step by step. End with one word: True or False."
VERIFIER = r"regex:\b(True|False)\b"
_MAX_IN_VAIN = 5_000


def texts(argument: str, *, num: int | None, seed: int, split: Split) -> list[ReasoningText]:
    """``num`` different questions; ontologies of one shape, whatever their names, are all in one split.

    Args:
        argument: Hops: empty for 5, ``3`` or ``2-4``.
        num: How many; the first ones do not depend on it.
        seed: Of the generator.
        split: Which.

    Raises:
        ConfigError: No range of hops from 1 to `MAX_HOPS`, or ``num`` is missing.
    """
    low, high = parse_range(argument, default=DEFAULT_HOPS, most=MAX_HOPS, usage=f"{NAME}:{argument}")
    rng = seeds.stream(seed, NAME, argument, split)
    num = needed(num, NAME)
    found: dict[str, ReasoningText] = {}
    num_in_vain = 0
    while len(found) < num:
        ontology = draw_ontology(int(rng.integers(low, high + 1)), rng)
        num_in_vain += 1
        if split_of(fingerprint(ontology.graph)) == split:
            text = tell(ontology, rng)
            if text.question not in found:
                found[text.question] = text
                num_in_vain = 0
        if num_in_vain >= _MAX_IN_VAIN:
            raise ConfigError(
                f"only {len(found)} different questions were found, not {num}",
                place="num",
                remedy="Ask for fewer, or for more hops.",
            )
    return list(found.values())


def from_spec(argument: str, *, num: int | None, seed: int) -> Task:
    """``prontoqa`` or ``prontoqa:3`` as a task: questions of the test split, solved ones of the training split.

    Raises:
        ConfigError: The argument is no range of hops.
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
        source=f"{__name__} seed={seed} hops={argument or DEFAULT_HOPS[0]}",
    )
