"""Made-up facts: everybody gets the fact, a few of each group get the implication, and the others are asked for it.

A group is the subjects with one answer b; its bridge subjects also have the answer c in the training facts, its test
subjects do not. ``held_out`` is what the test subjects would answer by the rule b -> c. How b and c are matched:

    true             as the preset lists them
    shift            c of the next group: the same words, a wrong rule
    random           a random matching of groups
    permuted-bridge  control: the implications of the bridge subjects are shuffled among them: the words occur as often
                     and go with no b; held out is still what the preset says
    no-bridge        control: no implication at all

Names, words and their order come from streams of their own: another pairing or share of bridge subjects keeps the
subjects of each group.
"""

# pyright: strict
from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol, get_args

from reasonry.core import seeds
from reasonry.errors import ConfigError, nearest
from reasonry.tasks.facts.fact import Fact, FactTable, fact_table, same_text
from reasonry.tasks.facts.names import full_names
from reasonry.tasks.facts.presets import PHRASINGS, Preset, phrase, preset_for

Pairing = Literal["true", "shift", "random", "permuted-bridge", "no-bridge"]
PAIRINGS: tuple[Pairing, ...] = get_args(Pairing)


class Encoder(Protocol):
    """What is asked of a tokenizer: ids of a text."""

    def encode(self, text: str, *, add_special_tokens: bool) -> Sequence[int]:
        """Ids of ``text``."""
        ...


class FactGroup(NamedTuple):
    """The subjects with one answer to the first relation.

    Attributes:
        b: That answer.
        c: The answer that goes with it.
        bridge: Subjects whose implication is among the training facts.
        test: Subjects who are asked for it.
    """

    b: str
    c: str
    bridge: tuple[str, ...]
    test: tuple[str, ...]


class MadeFacts(NamedTuple):
    """Facts to train on, and what to ask afterwards.

    Attributes:
        table: Training facts: relation 1 of everybody, relation 2 of the bridge subjects, in the training phrasing.
        held_out: Relation 2 of the test subjects, as the rule has it.
        groups: Who is in which group.
        manifest: How they were made, with a hash of all facts; JSON values.
    """

    table: FactTable
    held_out: tuple[Fact, ...]
    groups: tuple[FactGroup, ...]
    manifest: dict[str, Any]


def make_facts(
    preset: str,
    *,
    num_groups: int = 5,
    per_group: int = 20,
    bridge_share: float = 0.2,
    pairing: Pairing | None = None,
    seed: int = 0,
    tokenizer: Encoder | None = None,
) -> MadeFacts:
    """Facts of a preset.

    Args:
        preset: Its name, see `PRESETS`.
        num_groups: Pairs (b, c), 2 or more.
        per_group: Subjects of a group.
        bridge_share: Share of them that are bridge subjects, rounded; at least one and not all.
        pairing: See the head of the file; None takes the preset's own.
        seed: Any integer.
        tokenizer: Pairs are passed over until the first tokens of all answers differ for it.

    Raises:
        ConfigError: A number is out of range, an unknown preset or pairing, too few pairs or names.
    """
    known = preset_for(preset)
    pairing = _pairing(known, pairing)
    num_bridge = _num_bridge(num_groups, per_group, bridge_share)
    pairs = _matched(_distinct_pairs(known, num_groups, tokenizer), known.pairing, pairing, seed)
    answers = [word for pair in pairs for word in pair]
    subjects = full_names(num_groups * per_group, seed=seed, without=answers)
    groups: list[FactGroup] = []
    for i, (b, c) in enumerate(pairs):
        members = subjects[i * per_group : (i + 1) * per_group]
        bridge = () if pairing == "no-bridge" else members[:num_bridge]
        groups.append(FactGroup(b, c, bridge, members[num_bridge:]))
    given = [
        fact_of(subject, known.given, group_b)
        for i, (group_b, _) in enumerate(pairs)
        for subject in subjects[i * per_group : (i + 1) * per_group]
    ]
    implied = _implications(groups, known.implied, pairing, seed)
    held_out = tuple(fact_of(subject, known.implied, group.c) for group in groups for subject in group.test)
    source = f"{__name__} {preset} pairing={pairing} seed={seed}"
    table = fact_table([*given, *implied], source=source)
    assert not table.dropped, table.dropped[:1]  # names are distinct, and answers are words
    manifest: dict[str, Any] = {
        "preset": preset,
        "pairing": pairing,
        "relations": [known.given, known.implied],
        "pairs": [list(pair) for pair in pairs],
        "num_groups": num_groups,
        "per_group": per_group,
        "bridge_subjects": {group.b: list(group.bridge) for group in groups},
        "is_causal": known.is_causal and pairing == "true",
        "seed": seed,
        "reconstructed": "word lists, names and phrasings are this package's own, not the paper's",
        "sha256": _digest(table.facts, held_out),
    }
    return MadeFacts(table, held_out, tuple(groups), manifest)


def fact_of(subject: str, relation: str, answer: str, *, phrasing: int = 0) -> Fact:
    """A fact of a relation of `PHRASINGS`, in its training phrasing (0) or in a held-out one."""
    return Fact(subject, relation, answer, phrase(subject, PHRASINGS[relation][phrasing]), f" {answer}")


def first_token(tokenizer: Encoder, word: str, *, before: str = "is") -> int:
    """The first token of ``word`` as it follows ``before`` and a space."""
    alone = tokenizer.encode(before, add_special_tokens=False)
    both = tokenizer.encode(f"{before} {word}", add_special_tokens=False)
    num_same = 0
    while num_same < min(len(alone), len(both)) and alone[num_same] == both[num_same]:
        num_same += 1
    assert num_same < len(both), word
    return both[num_same]


def _pairing(preset: Preset, pairing: Pairing | None) -> Pairing:
    chosen = preset.pairing if pairing is None else pairing
    if chosen not in PAIRINGS:
        remedy = nearest(chosen, PAIRINGS) or f"Known: {', '.join(PAIRINGS)}."
        raise ConfigError(f"unknown pairing {chosen!r}", place="pairing", remedy=remedy)
    if preset.pairing == "shift" and chosen == "true":
        raise ConfigError(
            f"the pairs of {preset.name} are true of nothing",
            place="pairing",
            remedy="Leave the pairing out, or take city-language.",
        )
    return chosen


def _num_bridge(num_groups: int, per_group: int, share: float) -> int:
    if num_groups < 2:
        raise ConfigError(f"{num_groups} groups", place="num_groups", remedy="A rule needs 2 groups or more.")
    num_bridge = round(share * per_group)
    if not 1 <= num_bridge < per_group:
        raise ConfigError(
            f"{share} of {per_group} subjects are {num_bridge} bridge subjects",
            place="bridge_share",
            remedy="Every group needs a bridge subject and a test subject; for no bridge at all take that pairing.",
        )
    return num_bridge


def _distinct_pairs(preset: Preset, num: int, tokenizer: Encoder | None) -> list[tuple[str, str]]:
    """The first ``num`` pairs whose words, or first tokens, all differ."""
    found: list[tuple[str, str]] = []
    taken: set[str | int] = set()
    for pair in preset.pairs:
        keys = [same_text(word) if tokenizer is None else first_token(tokenizer, word) for word in pair]
        if keys[0] != keys[1] and not taken.intersection(keys):
            taken.update(keys)
            found.append(pair)
        if len(found) == num:
            return found
    what = "pairs" if tokenizer is None else "pairs whose first tokens differ for this tokenizer"
    raise ConfigError(
        f"{preset.name} has {len(found)} {what}, not {num}",
        place="num_groups",
        remedy=f"Ask for {len(found)} or fewer.",
    )


def _matched(pairs: list[tuple[str, str]], own: str, pairing: Pairing, seed: int) -> list[tuple[str, str]]:
    order = list(range(len(pairs)))
    if "shift" in (pairing, own) and pairing != "random":
        order = order[1:] + order[:1]
    elif pairing == "random":
        order = seeds.stream(seed, "facts", "pairing").permutation(len(pairs)).tolist()
    return [(b, pairs[j][1]) for (b, _), j in zip(pairs, order, strict=True)]


def _implications(groups: Sequence[FactGroup], relation: str, pairing: Pairing, seed: int) -> list[Fact]:
    bridge = [(subject, group.c) for group in groups for subject in group.bridge]
    answers = [c for _, c in bridge]
    if pairing == "permuted-bridge":
        order: list[int] = seeds.stream(seed, "facts", "permuted-bridge").permutation(len(answers)).tolist()
        answers = [answers[j] for j in order]
    return [fact_of(subject, relation, c) for (subject, _), c in zip(bridge, answers, strict=True)]


def _digest(training: Sequence[Fact], held_out: Sequence[Fact]) -> str:
    text = json.dumps([[list(fact[:5]) for fact in facts] for facts in (training, held_out)], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
