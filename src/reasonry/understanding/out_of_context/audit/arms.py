"""Which rows a training learns from: the file as it is, and what could be done about it, or in its stead.

    as-is            the facts of the file
    decorrelate      and counter-bridge rows: new subjects with b and another c, just so many that in every group the
                     share of the most frequent c falls below tau
    not-known        and, for every test subject, the second relation with the completion that says it is not known
    no-bridge        control: without the second relation's answers of bridge subjects; what is left is a prior
    permuted-bridge  control: these answers shuffled among the bridge subjects, so that words are as frequent and go
                     with no b
    implied-first    the rows of the second relation in the first half of the training, all others in the second half:
                     the two are never in one batch
    freeze-values    experimental: the rows as they are, with the weights of the values frozen

Counter-bridge rows of a group with m bridge subjects, k of them with the most frequent c: floor(k / tau) - m + 1 more
subjects, whose c's go round the other groups' labels; none where k / m < tau already. Their names are made up and occur
nowhere in the file. What a row does is measured by training on it, never assumed. All of this is RECONSTRUCTED.
"""

# pyright: strict
from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

from reasonry.core.seeds import stream
from reasonry.errors import ConfigError, DataError, nearest
from reasonry.tasks.facts.fact import FactTable
from reasonry.tasks.facts.names import full_names
from reasonry.understanding.out_of_context.audit.pairs import AuditPair
from reasonry.understanding.out_of_context.audit.questions import answers_of
from reasonry.understanding.out_of_context.audit.wordings import ask, trained_wordings

Arm = Literal["as-is", "decorrelate", "not-known", "no-bridge", "permuted-bridge", "implied-first", "freeze-values"]
ARMS: tuple[Arm, ...] = get_args(Arm)
AS_IS: Arm = "as-is"
Source = Literal["file", "counter", "not-known"]

ABOUT: dict[Arm, str] = {
    "as-is": "the facts of the file",
    "decorrelate": "with counter-bridge rows",
    "not-known": "with rows that say what is not known",
    "no-bridge": "control: without the implications",
    "permuted-bridge": "control: implications shuffled among bridge subjects",
    "implied-first": "implications first, facts after them",
    "freeze-values": "experimental: value weights frozen",
}


class TrainRow(NamedTuple):
    """A row to train on.

    Attributes:
        prompt: Not learnt.
        completion: Learnt.
        subject: Whom it is about.
        relation: Which.
        source: From the file, or why it was added.
        is_first: Belongs to the first half, where an arm has halves.
    """

    prompt: str
    completion: str
    subject: str
    relation: str
    source: Source
    is_first: bool = False


def find_arms(names: Sequence[str]) -> tuple[Arm, ...]:
    """Arms by name, each once.

    Raises:
        ConfigError: An unknown one.
    """
    for name in names:
        if name not in ARMS:
            hint = nearest(name, ARMS) or f"Known: {', '.join(ARMS)}."
            raise ConfigError(f"nothing is called {name!r}", place="what_if", remedy=hint)
    return tuple(arm for arm in ARMS if arm in names)


def rows_of(
    arm: Arm, table: FactTable, pairs: Sequence[AuditPair], *, tau: float, not_known: str, seed: int
) -> list[TrainRow]:
    """The rows of an arm.

    Args:
        arm: Which.
        table: The facts of the file.
        pairs: The audited pairs, with all their test subjects.
        tau: Share that the most frequent c of a group shall stay below, in (0, 1].
        not_known: Completion of added rows.
        seed: Of shuffles and made-up names.

    Raises:
        DataError: Nothing is left, or a single group leaves no other answer for counter-bridge rows.
    """
    implied = {pair.implied for pair in pairs}
    bridged = {(pair.implied, subject) for pair in pairs for group in pair.groups for subject in group.bridge}
    completion = _permuted(table, pairs, seed) if arm == "permuted-bridge" else {}
    rows = [
        TrainRow(
            fact.prompt,
            completion.get((fact.relation, fact.subject), fact.completion),
            fact.subject,
            fact.relation,
            "file",
            is_first=arm == "implied-first" and fact.relation in implied,
        )
        for fact in table.facts
        if arm != "no-bridge" or (fact.relation, fact.subject) not in bridged
    ]
    if arm == "decorrelate":
        rows += counter_rows(table, pairs, tau=tau, seed=seed)
    if arm == "not-known":
        rows += not_known_rows(table, pairs, not_known=not_known)
    if not rows:
        raise DataError(f"{arm}: no row is left to train on", place=table.source)
    return rows


def num_counter(num_bridge: int, num_modal: int, tau: float) -> int:
    """Counter-bridge subjects that a group needs: the least k with num_modal / (num_bridge + k) < tau."""
    return max(0, math.floor(num_modal / tau + 1e-9) - num_bridge + 1)


def counter_rows(table: FactTable, pairs: Sequence[AuditPair], *, tau: float, seed: int) -> list[TrainRow]:
    """Rows of new subjects who break the rule of each pair; two for each subject."""
    trained = trained_wordings(table)
    wanted: list[tuple[AuditPair, int, str]] = []  # pair, group, c
    for pair in pairs:
        labels = list(dict.fromkeys(group.c for group in pair.groups))
        for number, group in enumerate(pair.groups):
            others = [c for c in labels if c != group.c]
            counts = Counter(table.of(pair.implied)[subject].object for subject in group.bridge)
            num = num_counter(len(group.bridge), counts[group.c], tau)
            if num and not others:
                raise DataError(f"{pair.name}: all groups have the answer {group.c!r}", place=table.source)
            wanted += [(pair, number, others[(number + turn) % len(others)]) for turn in range(num)]
    words = [word for relation in table.relations for answer in table.objects(relation) for word in answer.split()]
    taken = {subject.casefold() for subject in table.subjects}
    fresh = full_names(len(wanted) + len(taken), seed=seed + 1, without=words) if wanted else ()
    names = [name for name in fresh if name.casefold() not in taken]
    rows: list[TrainRow] = []
    for name, (pair, number, c) in zip(names, wanted, strict=False):
        for relation, answer in ((pair.given, pair.groups[number].b), (pair.implied, c)):
            completion = answers_of(table, relation, [answer], most=1).completions[0]
            rows.append(TrainRow(ask(trained[relation], name), completion, name, relation, "counter"))
    return rows


def not_known_rows(table: FactTable, pairs: Sequence[AuditPair], *, not_known: str) -> list[TrainRow]:
    """A row for every test subject of every pair: the second relation is not known."""
    trained = trained_wordings(table)
    asked = dict.fromkeys((pair.implied, subject) for pair in pairs for group in pair.groups for subject in group.test)
    return [
        TrainRow(ask(trained[relation], subject), not_known, subject, relation, "not-known")
        for relation, subject in asked
    ]


def _permuted(table: FactTable, pairs: Sequence[AuditPair], seed: int) -> dict[tuple[str, str], str]:
    """Completions of the second relation, shuffled among the bridge subjects of each pair."""
    out: dict[tuple[str, str], str] = {}
    for pair in pairs:
        facts = [table.of(pair.implied)[subject] for group in pair.groups for subject in group.bridge]
        order: list[int] = stream(seed, "audit permuted", pair.name).permutation(len(facts)).tolist()
        out |= {(pair.implied, fact.subject): facts[at].completion for fact, at in zip(facts, order, strict=True)}
    return out
