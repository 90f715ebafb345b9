"""The risk map: every outcome and note, groups, and the five data sets with their controls."""

from __future__ import annotations

import pytest

from reasonry.core.seeds import stream
from reasonry.core.stats import benjamini_hochberg
from reasonry.errors import ConfigError
from reasonry.tasks.facts.fact import Fact, FactTable, fact_table
from reasonry.tasks.facts.generate import FactGroup, make_facts
from reasonry.tasks.facts.presets import PRESETS
from reasonry.understanding.out_of_context.scan.grouping import NOTES, shared_answers_of
from reasonry.understanding.out_of_context.scan.risk import OUTCOMES, PairRisk, RiskMap, scan

Groups = dict[tuple[str, str], tuple[int, int]]


def facts_of(**by_relation: dict[str, str]) -> FactTable:
    """A table: relation -> subject -> answer."""
    return fact_table(
        Fact(s, relation, o, "", "") for relation, answers in by_relation.items() for s, o in answers.items()
    )


def table_of(groups: Groups) -> FactTable:
    """(b, c) -> numbers of bridge and of test subjects; the same b may come with several c."""
    home: dict[str, str] = {}
    speech: dict[str, str] = {}
    for (b, c), (num_bridge, num_test) in groups.items():
        for i in range(num_bridge + num_test):
            name = f"{b}-{c}-{i}"
            home[name] = b
            if i < num_bridge:
                speech[name] = c
    return facts_of(home=home, speech=speech)


def pair_of(groups: Groups, **settings: float) -> PairRisk:
    """The pair home -> speech."""
    return scan(table_of(groups), **settings).pair("home", "speech")  # type: ignore[arg-type]


RULE: Groups = dict.fromkeys(zip("pqrst", "fghij", strict=True), (4, 16))


@pytest.mark.parametrize("preset", PRESETS)
def test_the_data_sets_are_flagged(preset: str) -> None:
    made = make_facts(preset)
    pair = scan(made.table).pair(*made.manifest["relations"])
    assert (pair.outcome, pair.flagged, pair.strength, pair.cramers_v) == ("flagged", True, 1.0, pytest.approx(1.0))
    assert pair.p is not None and pair.p < 1e-3
    assert (pair.num_bridge, pair.num_test, pair.num_open, pair.prior) == (20, 80, 5, 0.5)
    assert [FactGroup(*group) for group in pair.groups] == list(made.groups)
    assert pair.notes == ()


def test_the_other_direction_has_nobody_to_ask() -> None:
    risks = scan(table_of(RULE))
    back = risks.pair("speech", "home")
    assert (back.outcome, back.flagged, back.prior, back.groups) == ("no-test", False, None, ())
    assert risks.pairs[0].given == "home"
    assert risks.outcomes == {**dict.fromkeys(OUTCOMES, 0), "flagged": 1, "no-test": 1}


def test_no_bridge() -> None:
    pair = scan(facts_of(home={"a": "p", "b": "q"}, speech={"c": "f"})).pair("home", "speech")
    assert (pair.outcome, pair.strength, pair.interval, pair.p, pair.prior) == ("no-bridge", None, None, None, 0.0)
    assert scan(make_facts("city-language", pairing="no-bridge").table).pairs == ()


def test_one_bridge_subject_in_each_group_is_a_risk_that_no_test_can_see() -> None:
    pair = pair_of(dict.fromkeys(RULE, (1, 19)))
    assert (pair.outcome, pair.flagged, pair.strength, pair.p, pair.q) == ("untested", True, 1.0, 1.0, None)
    assert pair.notes == ("single-bridge",)
    assert pair.prior == pytest.approx((1 / 19) ** 0.5)


def test_two_groups_are_noted() -> None:
    """With four bridge subjects each the file can be tested (p = 2/70), a model on two groups cannot."""
    pair = pair_of({("p", "f"): (4, 6), ("q", "g"): (4, 6)})
    assert (pair.outcome, pair.notes) == ("flagged", ("two-groups",))
    assert pair.p == pytest.approx(2 / 70)
    few = pair_of({("p", "f"): (2, 6), ("q", "g"): (2, 6)})
    assert (few.outcome, few.flagged, few.notes) == ("untested", True, ("two-groups",))
    assert few.p == pytest.approx(2 / 6)


def test_a_weak_and_a_strong_dependency_with_exceptions() -> None:
    strong = {**RULE, ("p", "g"): (1, 0)}
    pair = pair_of(strong)
    assert (pair.outcome, pair.strength) == ("flagged", pytest.approx(20 / 21))
    assert pair.interval is not None
    assert pair.interval.low < 20 / 21 < pair.interval.high
    assert pair_of(strong, threshold=0.96).outcome == "weak"
    mixed = {(b, c): (2, 8) for b in "pq" for c in "fg"}
    assert pair_of(mixed).outcome == "weak"
    assert "tied-answers" in pair_of(mixed).notes


def test_strong_by_chance() -> None:
    """One b has most bridge subjects, so that most share its commonest answer whatever the others have."""
    groups: Groups = {("p", "f"): (17, 3), ("p", "g"): (1, 3), ("q", "f"): (1, 3), ("r", "f"): (1, 3)}
    pair = pair_of(groups)
    assert (pair.outcome, pair.flagged) == ("untested", True)  # no table with these margins could have p below 5 %
    loose: Groups = {("p", "f"): (16, 3), ("p", "g"): (2, 3), ("q", "f"): (4, 3), ("r", "f"): (3, 3)}
    chance = pair_of(loose)
    assert chance.strength == pytest.approx(23 / 25)
    assert (chance.outcome, chance.flagged) == ("chance", False)
    assert chance.p is not None and chance.p > 0.05


def test_one_answer_for_all_is_no_rule() -> None:
    one_c = pair_of({("p", "f"): (3, 5), ("q", "f"): (3, 5)})
    assert (one_c.outcome, one_c.flagged, one_c.strength, one_c.entropy_ratio) == ("constant", False, 1.0, None)
    one_b = pair_of({("p", "f"): (3, 5), ("p", "g"): (1, 0)})
    assert (one_b.outcome, one_b.p) == ("constant", None)


def test_an_answer_of_its_own_for_everybody_is_no_rule() -> None:
    """Numbers of badges: nobody shares one, so nothing follows from them; and they follow from nothing."""
    home = {f"s{i}": "pqr"[i % 3] for i in range(60)}
    badge = {f"s{i}": f"badge {i}" for i in range(30)}
    risks = scan(facts_of(home=home, badge=badge))
    assert risks.pair("home", "badge").outcome == "weak"
    assert risks.pair("badge", "home").outcome == "no-test"


def test_unequal_groups_and_groups_without_a_bridge() -> None:
    pair = pair_of({("p", "f"): (4, 16), ("q", "g"): (9, 1), ("r", "h"): (4, 4), ("s", "f"): (0, 9)})
    assert pair.outcome == "flagged"
    assert pair.notes == ("unequal-groups", "groups-without-bridge")
    assert pair.prior == pytest.approx((0.5 + 1 + 1 + 0) / 4)
    assert (pair.num_groups, pair.num_open) == (4, 3)
    assert pair.groups[3][:3] == ("s", "", ())
    assert len(pair.groups[3].test) == 9


def test_an_answer_of_both_relations_is_noted() -> None:
    pair = pair_of({("Georgia", "Georgian"): (4, 4), ("Mali", "Georgia"): (4, 4), ("Peru", "Quechua"): (4, 4)})
    assert pair.flagged
    assert pair.notes == ("same-answers",)
    risks = scan(table_of({("Georgia", "x"): (4, 4), ("Mali", "Georgia"): (4, 4)}))
    assert shared_answers_of(risks.indexed, "home", "speech") == ("Georgia",)


def test_groups_of_any_pair() -> None:
    risks = scan(table_of({(b, c): (2, 3) for b in "pq" for c in "fg"}))
    assert risks.pair("home", "speech").groups == ()
    groups = risks.groups_of("home", "speech")
    assert [(g.b, g.c, len(g.bridge), len(g.test)) for g in groups] == [("p", "f", 4, 6), ("q", "f", 4, 6)]
    assert groups[0].bridge[:2] == ("p-f-0", "p-f-1")
    flagged = scan(table_of(RULE))
    assert flagged.groups_of("home", "speech") == flagged.pairs[0].groups
    with pytest.raises(ConfigError, match="Relations: home, speech"):
        risks.groups_of("home", "city")


def test_q_counts_each_test_once() -> None:
    """A true rule beside relations that follow nothing: 6 tests for 12 ordered pairs."""
    risks = scan(_many(), num_permutations=2000)
    p = {frozenset((pair.given, pair.implied)): pair.p for pair in risks.pairs}
    q = dict(zip(p, benjamini_hochberg(list(p.values())), strict=True))  # type: ignore[arg-type]
    assert len(p) == 6
    for pair in risks.pairs:
        assert pair.q == pytest.approx(q[frozenset((pair.given, pair.implied))])
    assert [(x.given, x.implied) for x in risks.flagged] == [("r0", "r1"), ("r1", "r0")]


def test_it_is_the_same_again() -> None:
    def without_index(risks: RiskMap) -> tuple[object, ...]:
        return risks[:-1]

    assert without_index(scan(_many())) == without_index(scan(_many()))
    assert without_index(scan(_many(), seed=1)) != without_index(scan(_many(), seed=2))


def _many() -> FactTable:
    """Four relations of 60 subjects, each lacking in a quarter of them; r1 follows r0, the others follow nothing."""
    values = [stream(0, "many", 0 if r < 2 else r).integers(0, 4, size=60) for r in range(4)]
    answers = {f"r{r}": {f"s{i}": f"v{values[r][i]}" for i in range(60) if (i + 15 * r) % 60 >= 15} for r in range(4)}
    return facts_of(**answers)


def test_settings_out_of_range() -> None:
    for settings in ({"threshold": 0.0}, {"alpha": 1.5}, {"num_permutations": 0}):
        with pytest.raises(ConfigError, match=next(iter(settings))):
            scan(table_of(RULE), **settings)  # type: ignore[arg-type]


def test_every_note_can_be_told() -> None:
    assert all(len(text) > 20 for text in NOTES.values())
