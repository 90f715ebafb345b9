"""The symbolic task of arXiv 2506.10887: who is asked what in training, and what is asked only afterwards.

    answers    A = {b_1 .. b_n} and {c_1 .. c_n}            rows 0 .. n-1 and n .. 2n-1
    subjects   each in one group g(s)                       columns 0 .. |S|-1 of W
    relations  r1, the fact; r2, the implication            columns |S| and |S|+1

    a*(s, r1) = b_g(s),  a*(s, r2) = c_g(s)
    train = {(s, r1): every s} and {(s, r2): s a bridge subject};   test = {(s, r2): s no bridge subject}

Bridge subjects come first, one of each group after the other: with n groups of m subjects, m_train of them bridges,
subject i is in group i mod n and a bridge when i < n m_train, as in the authors' release.

Pairings of the bridge subjects with implications:

    true             as above
    permuted-bridge  the implications of bridge subjects change hands among them at random: the same marks, as often as
                     before, and no association (a negative control; RECONSTRUCTED)
    no-bridge        they have none (the floor; RECONSTRUCTED)

A group without bridge subjects is allowed where numbers are given group by group: nothing can be inferred about it.

Shapes: S subjects, A = 2n answers, G = n groups, Q questions.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, cast, get_args

import numpy as np
from numpy.typing import NDArray

from reasonry.core import seeds
from reasonry.errors import ConfigError, nearest

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Pairing = Literal["true", "permuted-bridge", "no-bridge"]

FACT, IMPLICATION = 0, 1
_ROOM = "out of context lab"


class Questions(NamedTuple):
    """Questions with their right answers.

    Attributes:
        subject_Q: Column of the subject.
        relation_Q: 0 or 1.
        answer_Q: Row of the right answer.
    """

    subject_Q: Ints
    relation_Q: Ints
    answer_Q: Ints

    def __len__(self) -> int:
        """Not the number of fields."""
        return len(self.subject_Q)

    def where(self, is_in_Q: NDArray[np.bool_]) -> Questions:
        """Some of them."""
        return Questions(self.subject_Q[is_in_Q], self.relation_Q[is_in_Q], self.answer_Q[is_in_Q])


class Table(NamedTuple):
    """A task.

    Attributes:
        num_groups: n.
        num_subjects: |S|.
        group_S: Group of each subject.
        is_bridge_S: Whether its implication is learnt (or would be, for pairing no-bridge).
        train: Questions that are learnt.
        test: Implications of the other subjects.
        pairing: Of bridge subjects with implications.
        bridge: Bridge subjects of each group.
        others: Other subjects of each group.
    """

    num_groups: int
    num_subjects: int
    group_S: Ints
    is_bridge_S: NDArray[np.bool_]
    train: Questions
    test: Questions
    pairing: Pairing
    bridge: tuple[int, ...]
    others: tuple[int, ...]

    @property
    def num_answers(self) -> int:
        """2n."""
        return 2 * self.num_groups

    @property
    def num_columns(self) -> int:
        """Of W: subjects and two relations."""
        return self.num_subjects + 2

    @property
    def is_balanced(self) -> bool:
        """Whether every group has as many of both, at least one, and pairs are true: then there is a closed form."""
        alike = len(set(self.bridge)) == 1 and len(set(self.others)) == 1
        return alike and self.pairing == "true" and min(self.bridge[0], self.others[0]) >= 1


def make_table(
    num_groups: int,
    *,
    bridge: int | Sequence[int] = 1,
    others: int | Sequence[int] = 3,
    pairing: Pairing = "true",
    seed: int = 0,
) -> Table:
    """A task.

    Args:
        num_groups: n, at least 2.
        bridge: Bridge subjects of a group, m_train: one number, at least 1, or one for each group, at least 0.
        others: Its other subjects, m_test, likewise; of these at least one in all.
        pairing: Of bridge subjects with implications.
        seed: Of the permutation.

    Raises:
        ConfigError: Numbers out of range, or as many as there are no groups; an unknown pairing.
    """
    if num_groups < 2:
        raise ConfigError(f"{num_groups} groups", place="num_groups", remedy="Two are the fewest to tell apart.")
    if pairing not in get_args(Pairing):
        known = get_args(Pairing)
        raise ConfigError(
            f"unknown pairing {pairing!r}", remedy=nearest(pairing, known) or f"Pairings: {', '.join(known)}."
        )
    bridges, rest = _per_group(bridge, num_groups, "bridge"), _per_group(others, num_groups, "others")
    if not sum(rest):
        raise ConfigError("no subject is left to ask", place="others", remedy="Give a group one subject or more.")
    first, second = _round_robin(bridges), _round_robin(rest)
    group_S = np.concatenate([first, second])
    num, num_bridge = len(group_S), len(first)
    subject_S = np.arange(num, dtype=np.int64)
    facts = Questions(subject_S, np.full(num, FACT), group_S)
    learnt = first
    if pairing == "permuted-bridge":
        learnt = first[seeds.stream(seed, _ROOM, "permuted bridge").permutation(num_bridge)]
    is_bridge_S = subject_S < num_bridge
    known = np.zeros(0, np.int64) if pairing == "no-bridge" else subject_S[:num_bridge]
    train = Questions(
        np.concatenate([facts.subject_Q, known]),
        np.concatenate([facts.relation_Q, np.full(len(known), IMPLICATION)]),
        np.concatenate([facts.answer_Q, num_groups + learnt[: len(known)]]),
    )
    test = Questions(subject_S[num_bridge:], np.full(num - num_bridge, IMPLICATION), num_groups + second)
    return Table(num_groups, num, group_S, is_bridge_S, train, test, pairing, bridges, rest)


def _per_group(number: int | Sequence[int], num_groups: int, name: str) -> tuple[int, ...]:
    if isinstance(number, int):
        if number < 1:
            raise ConfigError(f"{name} = {number}", place=name, remedy="Every group needs one or more.")
        return (number,) * num_groups
    numbers = tuple(number)
    if len(numbers) == 1:
        return _per_group(numbers[0], num_groups, name)
    if len(numbers) != num_groups or min(numbers) < 0:
        raise ConfigError(
            f"{name} = {numbers} for {num_groups} groups",
            place=name,
            remedy="Give one number for all groups, or one of 0 or more for each.",
        )
    return numbers


def _round_robin(numbers: Sequence[int]) -> Ints:
    """Groups of subjects, one of each group after the other while it has any."""
    rounds = [g for i in range(max(numbers, default=0)) for g, number in enumerate(numbers) if i < number]
    return np.array(rounds, dtype=np.int64)


def relation_of_answers(table: Table) -> Ints:
    """The relation that each answer belongs to, (A,)."""
    return cast("Ints", np.repeat(np.array([FACT, IMPLICATION]), table.num_groups))
