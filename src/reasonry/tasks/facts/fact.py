"""A fact, and a table of facts in which a subject has one answer to a relation.

Texts that differ only in white space, case or Unicode normal form are the same subject, relation or answer; the table
shows the spelling that came first, and counts the others. What a table cannot hold is left out, with its reason and its
place:

    two-answers   a subject with different answers to one relation: none of them counts
    duplicate     the same fact again: the first one counts
    empty         no subject, no relation or no answer
    not-utf-8     a line that is not UTF-8 (readers)
    no-template   a prompt that fits no template (readers)
    held-out      a row that says it is not for training (readers)
"""

# pyright: strict
from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Reason = Literal["two-answers", "duplicate", "empty", "not-utf-8", "no-template", "held-out"]
REASONS: tuple[Reason, ...] = ("two-answers", "duplicate", "empty", "not-utf-8", "no-template", "held-out")


class Fact(NamedTuple):
    """A subject's answer to a relation, and how it is written as a prompt with its completion.

    Attributes:
        subject: Whom it is about: ``Alice Stone``.
        relation: ``lives_in``.
        object: The answer: ``Paris``.
        prompt: ``Alice Stone lives in``.
        completion: With its leading space: `` Paris``.
        place: Where it was read, ``file:line``; empty for a made-up one.
    """

    subject: str
    relation: str
    object: str
    prompt: str
    completion: str
    place: str = ""


class Dropped(NamedTuple):
    """A row that is not in the table.

    Attributes:
        reason: See the head of the file.
        place: Where it was read.
        detail: What is wrong, with the value.
    """

    reason: Reason
    place: str
    detail: str


@dataclass(frozen=True)
class FactTable:
    """Facts, at most one for a subject and a relation; make it with `fact_table`.

    Attributes:
        facts: In the order in which they came.
        dropped: What was left out.
        source: Where they are from.
        num_respelled: Texts that were taken for an earlier one in another spelling.
    """

    facts: tuple[Fact, ...]
    dropped: tuple[Dropped, ...] = ()
    source: str = ""
    num_respelled: int = 0
    _by_relation: dict[str, dict[str, Fact]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        found: dict[str, dict[str, Fact]] = {}
        for fact in self.facts:
            found.setdefault(fact.relation, {})[fact.subject] = fact
        object.__setattr__(self, "_by_relation", found)

    @property
    def relations(self) -> tuple[str, ...]:
        """In the order in which they came."""
        return tuple(self._by_relation)

    @property
    def subjects(self) -> tuple[str, ...]:
        """In the order in which they came."""
        return tuple(dict.fromkeys(fact.subject for fact in self.facts))

    def of(self, relation: str) -> Mapping[str, Fact]:
        """The facts of a relation by subject; none for an unknown relation."""
        return self._by_relation.get(relation, {})

    def objects(self, relation: str) -> tuple[str, ...]:
        """The different answers to a relation, in the order in which they came."""
        return tuple(dict.fromkeys(fact.object for fact in self.of(relation).values()))

    @property
    def num_dropped(self) -> dict[Reason, int]:
        """Rows left out, by reason; reasons that did not occur are missing."""
        counts = Counter(one.reason for one in self.dropped)
        return {reason: counts[reason] for reason in REASONS if counts[reason]}


def same_text(text: str) -> str:
    """What two spellings of one text share: Unicode normal form, single spaces, no case."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.split()).casefold()


class _Spellings:
    """The first spelling of each text, and how many later ones differ."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self._first_by_key: dict[str, str] = {}
        self.num_respelled = 0

    def first(self, text: str) -> str:
        """The first spelling of ``text``, without white space around it; ``known`` has it from then on."""
        shown = unicodedata.normalize("NFC", " ".join(text.split()))
        spelling = self._first_by_key.setdefault(same_text(text), text if shown == text else shown)
        if spelling != shown:
            self.num_respelled += 1
        self.known[text] = spelling
        return spelling


def fact_table(facts: Iterable[Fact], *, dropped: Iterable[Dropped] = (), source: str = "") -> FactTable:
    """A table of what can be kept of ``facts``; the rest is in its ``dropped``, with reasons.

    Args:
        facts: In any order, with repetitions.
        dropped: What the reader left out already.
        source: Where they are from.
    """
    subjects, relations, objects = _Spellings(), _Spellings(), _Spellings()
    kept: dict[tuple[str, str], Fact] = {}
    refused: dict[tuple[str, str], set[str]] = {}
    out: list[Dropped] = []
    subject_of, relation_of, object_of = subjects.known.get, relations.known.get, objects.known.get
    for fact in facts:
        # An empty text is looked up anew each time, which does no harm: it is left out.
        subject = subject_of(fact.subject) or subjects.first(fact.subject)
        relation = relation_of(fact.relation) or relations.first(fact.relation)
        answer = object_of(fact.object) or objects.first(fact.object)
        if not (subject and relation and answer):
            out.append(Dropped("empty", fact.place, f"subject {subject!r}, relation {relation!r}, answer {answer!r}"))
            continue
        if subject is not fact.subject or relation is not fact.relation or answer is not fact.object:
            fact = Fact(subject, relation, answer, fact.prompt, fact.completion, fact.place)
        key = (subject, relation)
        earlier = kept.setdefault(key, fact)
        if earlier is fact:
            continue
        if earlier.object == answer:
            out.append(Dropped("duplicate", fact.place, f"{subject!r} {relation} {answer!r}, as at {earlier.place}"))
            continue
        refused.setdefault(key, {earlier.object}).add(answer)
        out.append(Dropped("two-answers", fact.place, f"{subject!r} {relation} {answer!r}, and {earlier.object!r}"))
    for key, answers in refused.items():
        first = kept.pop(key)
        others = " and ".join(repr(other) for other in sorted(answers - {first.object}))
        detail = f"{first.subject!r} {first.relation} {first.object!r}, and {others}"
        out.append(Dropped("two-answers", first.place, detail))
    num_respelled = sum(each.num_respelled for each in (subjects, relations, objects))
    # What the reader left out is complete only now that it has been read to its end.
    return FactTable(tuple(kept.values()), (*dropped, *out), source, num_respelled)
