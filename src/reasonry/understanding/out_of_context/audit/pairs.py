"""The pairs of relations that are audited: who shares an answer to the first, and what goes with it in training.

A group is the subjects with one answer b to the first relation. Its bridge subjects have an answer to the second one in
the training file, its test subjects do not; its label c is the bridge subjects' most frequent answer, the first one to
come where two are as frequent. A group without bridge or without test subjects cannot be audited: it is left out, and
counted. Large files are audited on a sample of groups and of test subjects, drawn by the seed.
"""

# pyright: strict
from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeVar

from reasonry.core.seeds import stream
from reasonry.errors import ConfigError, DataError, nearest
from reasonry.tasks.facts.fact import FactTable

Label = Literal["causal", "spurious", ""]
Item = TypeVar("Item")


class AuditGroup(NamedTuple):
    """The subjects with one answer to the first relation.

    Attributes:
        b: That answer.
        c: The answer to the second relation that most of the bridge subjects have.
        bridge: Subjects who have both in training.
        test: Subjects who are asked; a sample where there are many.
    """

    b: str
    c: str
    bridge: tuple[str, ...]
    test: tuple[str, ...]


class AuditPair(NamedTuple):
    """Two relations.

    Attributes:
        given: The first, which test subjects have in training.
        implied: The second, which they do not have.
        groups: Two or more.
        label: The user's word.
        num_no_bridge: Groups without bridge subjects, left out.
        num_no_test: Groups without test subjects, left out.
        num_unsampled_groups: Groups that the sample left out.
        num_unsampled: Test subjects that the sample left out.
    """

    given: str
    implied: str
    groups: tuple[AuditGroup, ...]
    label: Label
    num_no_bridge: int
    num_no_test: int
    num_unsampled_groups: int
    num_unsampled: int

    @property
    def name(self) -> str:
        """``lives_in:speaks``."""
        return f"{self.given}:{self.implied}"

    @property
    def num_bridge(self) -> int:
        """Bridge subjects of all groups."""
        return sum(len(group.bridge) for group in self.groups)

    @property
    def num_test(self) -> int:
        """Test subjects of all groups."""
        return sum(len(group.test) for group in self.groups)


def audit_pair(
    table: FactTable,
    given: str,
    implied: str,
    *,
    label: Label = "",
    max_groups: int,
    max_subjects: int,
    seed: int,
) -> AuditPair:
    """The groups of a pair.

    Args:
        table: The training facts.
        given: First relation.
        implied: Second relation.
        label: The user's word.
        max_groups: Most groups.
        max_subjects: Most test subjects of a group.
        seed: Of the samples.

    Raises:
        DataError: Fewer than two groups have both bridge and test subjects.
    """
    firsts, seconds = table.of(given), table.of(implied)
    members: dict[str, list[str]] = {}
    for subject, fact in firsts.items():
        members.setdefault(fact.object, []).append(subject)
    groups: list[AuditGroup] = []
    no_bridge = no_test = 0
    for b, subjects in members.items():
        bridge = tuple(s for s in subjects if s in seconds)
        test = tuple(s for s in subjects if s not in seconds)
        no_bridge += not bridge
        no_test += bool(bridge) and not test
        if bridge and test:
            counts = Counter(seconds[s].object for s in bridge)  # in order of appearance, which breaks ties
            groups.append(AuditGroup(b, counts.most_common(1)[0][0], bridge, test))
    if len(groups) < 2:
        raise DataError(
            f"{given}:{implied} has {len(groups)} groups with subjects who have both and subjects who have the first "
            f"alone ({no_bridge} without the former, {no_test} without the latter)",
            place=table.source,
            remedy="Two groups are the least there is to compare; leave the pair out.",
        )
    kept = _sample(groups, max_groups, seed, given, implied)
    sampled = [group._replace(test=tuple(_sample(group.test, max_subjects, seed, given, group.b))) for group in kept]
    return AuditPair(
        given,
        implied,
        tuple(sampled),
        label,
        num_no_bridge=no_bridge,
        num_no_test=no_test,
        num_unsampled_groups=len(groups) - len(kept),
        num_unsampled=sum(len(g.test) for g in kept) - sum(len(g.test) for g in sampled),
    )


def _sample(items: Sequence[Item], most: int, seed: int, *names: str) -> list[Item]:
    """At most so many, in their order."""
    if len(items) <= most:
        return list(items)
    chosen = stream(seed, "audit sample", *names).choice(len(items), most, replace=False)
    return [items[at] for at in sorted(chosen.tolist())]


def read_pair(text: str, relations: Sequence[str], *, place: str) -> tuple[str, str]:
    """``given:implied`` as two relations of a table; names may hold colons.

    Raises:
        ConfigError: It is no pair of known relations.
    """
    known = set(relations)
    cuts = [(text[:at], text[at + 1 :]) for at, letter in enumerate(text) if letter == ":"]
    for given, implied in cuts:
        if given in known and implied in known and given != implied:
            return given, implied
    remedy = f"Relations: {', '.join(relations)}."
    if cuts:
        unknown = next((part for part in cuts[0] if part not in known), "")
        remedy = " ".join(filter(None, (nearest(unknown, relations), remedy)))
    raise ConfigError(f"{text!r} is no pair given:implied of two relations of the facts", place=place, remedy=remedy)


def read_labels(texts: Sequence[str], relations: Sequence[str]) -> dict[tuple[str, str], Label]:
    """``given:implied=causal`` or ``=spurious``, by pair.

    Raises:
        ConfigError: Another word, an unknown pair, or two words for one pair.
    """
    words: Mapping[str, Label] = {"causal": "causal", "spurious": "spurious"}
    found: dict[tuple[str, str], Label] = {}
    for text in texts:
        pair, _, word = text.rpartition("=")
        if word not in words:
            raise ConfigError(
                f"{text!r} does not end with =causal or =spurious",
                place="label",
                remedy=nearest(word, words) or "Write given:implied=causal, or =spurious.",
            )
        key = read_pair(pair, relations, place="label")
        if found.setdefault(key, words[word]) != words[word]:
            raise ConfigError(f"{pair!r} is labelled twice, and differently", place="label", remedy="Keep one.")
    return found
