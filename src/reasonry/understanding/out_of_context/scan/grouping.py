"""Two relations meet: which subjects have both answers, which have the first alone, in groups by the first answer."""

# pyright: strict
from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.understanding.out_of_context.scan.dependency import IntArray, Table, compact, contingency
from reasonry.understanding.out_of_context.scan.index import Index, Relation

NOTES = {
    "two-groups": "two groups: a test that exchanges their answers cannot go below p = 0.5, so the audit of a model "
    "cannot test this pair",
    "single-bridge": "no group has more than one bridge subject: strength is 1 whatever the answers are",
    "unequal-groups": "groups differ in their numbers of bridge or test subjects: the prior is an average over them",
    "groups-without-bridge": "some groups with test subjects have no bridge subject: the rule does not reach them",
    "same-answers": "an answer of one relation is also an answer of the other",
    "tied-answers": "in some group two answers are equally common among bridge subjects: the first one is taken",
}
"""Code of a note -> what it says."""


class Group(NamedTuple):
    """The subjects with one answer to the given relation.

    Attributes:
        b: That answer.
        c: The commonest answer to the implied relation among its bridge subjects; empty without any.
        bridge: Subjects with both answers.
        test: Subjects without an answer to the implied relation.
    """

    b: str
    c: str
    bridge: tuple[str, ...]
    test: tuple[str, ...]


class Meeting(NamedTuple):
    """The subjects of a given and an implied relation.

    Attributes:
        given: Relation of b.
        implied: Relation of c.
        bridge_N: Subjects with both, ``(N,)``.
        b_N: Their answer to the given relation, a code of it.
        c_N: Their answer to the implied one.
        table: The same in codes without gaps.
        num_train_G: Bridge subjects of each answer of the given relation, ``(G,)``.
        num_test_G: Subjects of that answer without the implied one.
    """

    given: Relation
    implied: Relation
    bridge_N: IntArray
    b_N: IntArray
    c_N: IntArray
    table: Table
    num_train_G: IntArray
    num_test_G: IntArray

    @property
    def num_open(self) -> int:
        """Groups with both a bridge and a test subject."""
        return int(((self.num_train_G > 0) & (self.num_test_G > 0)).sum())


def meet(first: Relation, second: Relation, position_S: NDArray[np.int64]) -> tuple[Meeting, Meeting]:
    """Both directions of a pair.

    Args:
        first: A relation.
        second: Another.
        position_S: Code of ``first`` for each subject, -1 for none.
    """
    at_N = position_S[second.subject_N]
    both_N = at_N >= 0
    bridge_N, b_N, c_N = second.subject_N[both_N], at_N[both_N], second.code_N[both_N]
    num_b, num_c = len(first.objects), len(second.objects)
    table = contingency(compact(b_N, num_b)[0], compact(c_N, num_c)[0])
    train_b, train_c = np.bincount(b_N, minlength=num_b), np.bincount(c_N, minlength=num_c)
    test_b = np.bincount(first.code_N, minlength=num_b) - train_b
    test_c = np.bincount(second.code_N, minlength=num_c) - train_c
    there = Meeting(first, second, bridge_N, b_N, c_N, table, train_b, test_b)
    return there, Meeting(second, first, bridge_N, c_N, b_N, table.transposed(), train_c, test_c)


def groups_of_meeting(meeting: Meeting, subjects: tuple[str, ...]) -> tuple[Group, ...]:
    """Who is in which group, in the order of the answers b."""
    num_b = len(meeting.given.objects)
    is_bridge_S = np.zeros(len(subjects), dtype=bool)
    is_bridge_S[meeting.bridge_N] = True
    alone_N = ~is_bridge_S[meeting.given.subject_N]
    bridge = _members(meeting.bridge_N, meeting.b_N, num_b)
    test = _members(meeting.given.subject_N[alone_N], meeting.given.code_N[alone_N], num_b)
    modal_B = _modal(meeting)
    return tuple(
        Group(
            b,
            meeting.implied.objects[modal_B[i]] if modal_B[i] >= 0 else "",
            tuple(subjects[s] for s in bridge[i]),
            tuple(subjects[s] for s in test[i]),
        )
        for i, b in enumerate(meeting.given.objects)
    )


def notes_of(meeting: Meeting) -> tuple[str, ...]:
    """Codes of the notes that hold."""
    train, test = meeting.num_train_G, meeting.num_test_G
    in_play = (train > 0) & (test > 0)
    found: list[str] = []
    if in_play.any():
        if int((train > 0).sum()) == 2:
            found.append("two-groups")
        if int(train.max()) == 1:
            found.append("single-bridge")
        if np.unique(train[in_play]).size > 1 or np.unique(test[in_play]).size > 1:
            found.append("unequal-groups")
        if ((train == 0) & (test > 0)).any():
            found.append("groups-without-bridge")
        if meeting.table.num and _num_tied(meeting.table):
            found.append("tied-answers")
    if not set(meeting.given.objects).isdisjoint(meeting.implied.objects):
        found.append("same-answers")
    return tuple(found)


def shared_answers_of(index: Index, given: str, implied: str) -> tuple[str, ...]:
    """Answers of both relations, in the order of the given one."""
    objects = {relation.name: relation.objects for relation in index.relations}
    other = set(objects[implied])
    return tuple(b for b in objects[given] if b in other)


def _members(subject_N: IntArray, code_N: IntArray, num: int) -> list[list[int]]:
    order = np.argsort(code_N, kind="stable")
    ends = np.cumsum(np.bincount(code_N, minlength=num))[:-1]
    return [part.tolist() for part in np.split(subject_N[order], ends)]


def _modal(meeting: Meeting) -> list[int]:
    """The commonest c of each b, the first to come among equals; -1 without bridge subjects."""
    b_E, c_E, count_E = np.empty((3, 0), dtype=np.int64)
    if meeting.b_N.size:
        width = len(meeting.implied.objects)
        cell, count_E = np.unique(meeting.b_N * width + meeting.c_N, return_counts=True)
        b_E, c_E = cell // width, cell % width
    best = np.full(len(meeting.given.objects), -1, dtype=np.int64)
    order = np.lexsort((c_E, -count_E, b_E))
    first = np.ones(order.size, dtype=bool)
    first[1:] = np.diff(b_E[order]) > 0
    best[b_E[order][first]] = c_E[order][first]
    return best.tolist()


def _num_tied(table: Table) -> int:
    """Rows whose largest count occurs more than once."""
    modal_B = np.zeros(table.row_B.size, dtype=np.int64)
    np.maximum.at(modal_B, table.b_E, table.count_E)
    at_top = np.bincount(table.b_E[table.count_E == modal_B[table.b_E]], minlength=modal_B.size)
    return int((at_top > 1).sum())
