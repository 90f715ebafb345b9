"""The risk map: for every ordered pair of relations, whether a model would learn "b, therefore c" and for whom.

A pair has one outcome:

    flagged      c follows b among the bridge subjects (strength at least the threshold), not by chance (p at most
                 alpha), and a group with a bridge subject has a test subject, whom one could ask
    untested     the same, but no table with these margins could have been significant. One bridge subject in a group is
                 enough for a model to learn the rule, so this counts as flagged too
    chance       strong enough, but a shuffle is as strong (p above alpha)
    weak         strength below the threshold
    constant     bridge subjects have one b, or all have the same c: no rule from b to c to be seen
    no-test      nobody to ask: no group has both a bridge subject and a test subject
    no-bridge    no subject has both relations

p is of each pair for itself; q is adjusted over all tests that could have been significant (Benjamini and Hochberg).
"""

# pyright: strict
from __future__ import annotations

from collections import Counter
from typing import Literal, NamedTuple, get_args

import numpy as np

from reasonry.core import seeds
from reasonry.core.stats import Interval, benjamini_hochberg, wilson
from reasonry.errors import ConfigError
from reasonry.tasks.facts.fact import FactTable
from reasonry.understanding.out_of_context.scan.dependency import Association, Table, association, margin_prior
from reasonry.understanding.out_of_context.scan.grouping import Group, Meeting, groups_of_meeting, meet, notes_of
from reasonry.understanding.out_of_context.scan.index import Index, Relation, index_facts
from reasonry.understanding.out_of_context.scan.permutation import PermutationP, permutation_p

Outcome = Literal["flagged", "untested", "chance", "weak", "constant", "no-test", "no-bridge"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


class PairRisk(NamedTuple):
    """What is known of the pair "given, therefore implied".

    Attributes:
        given: Relation of b.
        implied: Relation of c.
        outcome: See the head of the file.
        flagged: Whether it is a risk: outcome ``flagged`` or ``untested``.
        groups: Who shares a b, for flagged pairs; `RiskMap.groups_of` gives those of any pair.
        num_groups: Values of b.
        num_open: Groups with a bridge subject and a test subject.
        num_bridge: Subjects with both relations.
        num_test: Subjects with the given relation alone.
        cramers_v: Bias-corrected, None where undefined.
        entropy_ratio: H(c | b) / H(c), None where undefined.
        strength: Share of bridge subjects whose c is the commonest of their b; None without any.
        interval: Wilson interval of the strength; None without bridge subjects.
        p: Of the permutation test; None where nothing was tested.
        q: p adjusted for all tests; None as well where every shuffle is alike.
        test: How p was found, None where nothing was tested.
        prior: Predicted margin of test subjects; None without any.
        notes: Codes of what else to know, see `NOTES` in `grouping`.
    """

    given: str
    implied: str
    outcome: Outcome
    flagged: bool
    groups: tuple[Group, ...]
    num_groups: int
    num_open: int
    num_bridge: int
    num_test: int
    cramers_v: float | None
    entropy_ratio: float | None
    strength: float | None
    interval: Interval | None
    p: float | None
    q: float | None
    test: PermutationP | None
    prior: float | None
    notes: tuple[str, ...]


class RiskMap(NamedTuple):
    """All pairs of a table.

    Attributes:
        pairs: Ordered pairs, the flagged ones first, then by strength.
        relations: Names.
        num_facts: Facts in the table.
        num_subjects: Subjects in it.
        threshold: Least strength of a flag.
        alpha: Level of the test.
        indexed: The table in numbers.
    """

    pairs: tuple[PairRisk, ...]
    relations: tuple[str, ...]
    num_facts: int
    num_subjects: int
    threshold: float
    alpha: float
    indexed: Index

    @property
    def flagged(self) -> tuple[PairRisk, ...]:
        """The pairs at risk."""
        return tuple(pair for pair in self.pairs if pair.flagged)

    @property
    def outcomes(self) -> dict[Outcome, int]:
        """Pairs by outcome, all outcomes."""
        counts = Counter(pair.outcome for pair in self.pairs)
        return {outcome: counts[outcome] for outcome in OUTCOMES}

    def pair(self, given: str, implied: str) -> PairRisk:
        """One pair.

        Raises:
            ConfigError: There is none of these names.
        """
        for one in self.pairs:
            if (one.given, one.implied) == (given, implied):
                return one
        remedy = f"Relations: {', '.join(self.relations)}."
        raise ConfigError(f"no pair of relations {given!r}, {implied!r}", place="pair", remedy=remedy)

    def groups_of(self, given: str, implied: str) -> tuple[Group, ...]:
        """The groups of any pair; raises as `pair`."""
        found = self.pair(given, implied)
        if found.groups:
            return found.groups
        by_name = {relation.name: relation for relation in self.indexed.relations}
        first, second = by_name[given], by_name[implied]
        meeting, _ = meet(first, second, _positions(first, len(self.indexed.subjects)))
        return groups_of_meeting(meeting, self.indexed.subjects)


def scan(
    table: FactTable,
    *,
    seed: int = 0,
    num_permutations: int = 10_000,
    threshold: float = 0.8,
    alpha: float = 0.05,
) -> RiskMap:
    """The risk map of a table; one relation alone has no pairs.

    Args:
        table: Facts.
        seed: Of drawn permutations.
        num_permutations: Most draws for a pair.
        threshold: Least strength of a flag.
        alpha: Level of the permutation test.

    Raises:
        ConfigError: A number is out of range.
    """
    if num_permutations < 1:
        raise ConfigError(f"num_permutations={num_permutations} is below 1", place="num_permutations")
    for name, value in (("threshold", threshold), ("alpha", alpha)):
        if not 0.0 < value <= 1.0:
            raise ConfigError(f"{name}={value} is not above 0 and at most 1", place=name)
    index = index_facts(table)
    subjects = index.subjects
    pairs: list[PairRisk] = []
    for i, first in enumerate(index.relations):
        position_S = _positions(first, len(subjects))
        for second in index.relations[i + 1 :]:
            meeting, back = meet(first, second, position_S)
            found = association(meeting.table), association(back.table)
            tested: PermutationP | None = None
            if _is_worth_testing(meeting.table) and (meeting.num_open or back.num_open):
                rng = seeds.stream(seed, "scan", first.name, second.name)
                tested = permutation_p(meeting.table, rng, num_permutations=num_permutations)
            pairs.extend(
                _judged(one, measures, tested, subjects, threshold, alpha)
                for one, measures in zip((meeting, back), found, strict=True)
            )
    pairs = _with_q(pairs)
    pairs.sort(key=lambda pair: (not pair.flagged, -(pair.strength or 0.0)))
    names = tuple(relation.name for relation in index.relations)
    return RiskMap(tuple(pairs), names, len(table.facts), len(subjects), threshold, alpha, index)


def _positions(relation: Relation, num_subjects: int) -> np.ndarray:
    position_S = np.full(num_subjects, -1, dtype=np.int64)
    position_S[relation.subject_N] = relation.code_N
    return position_S


def _is_worth_testing(table: Table) -> bool:
    return min(table.row_B.size, table.column_C.size) >= 2


def _judged(
    meeting: Meeting,
    measures: Association,
    tested: PermutationP | None,
    subjects: tuple[str, ...],
    threshold: float,
    alpha: float,
) -> PairRisk:
    num_bridge = meeting.table.num
    outcome = _outcome(meeting, measures, tested, threshold, alpha)
    flagged = outcome in ("flagged", "untested")
    return PairRisk(
        given=meeting.given.name,
        implied=meeting.implied.name,
        outcome=outcome,
        flagged=flagged,
        groups=groups_of_meeting(meeting, subjects) if flagged else (),
        num_groups=len(meeting.given.objects),
        num_open=meeting.num_open,
        num_bridge=num_bridge,
        num_test=int(meeting.num_test_G.sum()),
        cramers_v=measures.cramers_v,
        entropy_ratio=measures.entropy_ratio,
        strength=measures.strength,
        interval=wilson(measures.num_modal, num_bridge) if num_bridge else None,
        p=tested.p if tested else None,
        q=None,
        test=tested,
        prior=margin_prior(meeting.num_train_G, meeting.num_test_G),
        notes=notes_of(meeting),
    )


def _outcome(
    meeting: Meeting, measures: Association, tested: PermutationP | None, threshold: float, alpha: float
) -> Outcome:
    if measures.strength is None:
        return "no-bridge"
    if not meeting.num_open:
        return "no-test"
    if tested is None:
        return "constant"
    if measures.strength < threshold:
        return "weak"
    if tested.p <= alpha:
        return "flagged"
    return "untested" if tested.smallest > alpha else "chance"


def _with_q(pairs: list[PairRisk]) -> list[PairRisk]:
    """With p adjusted; the two directions of a pair share one test, so each test counts once."""
    p_by_test = {
        frozenset((pair.given, pair.implied)): pair.test.p
        for pair in pairs
        if pair.test is not None and pair.test.method != "constant"
    }
    q_by_test = dict(zip(p_by_test, benjamini_hochberg(list(p_by_test.values())).tolist(), strict=True))
    return [pair._replace(q=q_by_test.get(frozenset((pair.given, pair.implied)))) for pair in pairs]
