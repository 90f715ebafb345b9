"""Rows of each way of tuning, early stop points, the gate."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ooc_audit_fakes import World, config

from reasonry.errors import ConfigError
from reasonry.understanding.out_of_context.audit.arms import ARMS, Arm, TrainRow, find_arms, num_counter
from reasonry.understanding.out_of_context.audit.early_stop import early_stop, looks_of
from reasonry.understanding.out_of_context.audit.gate import Judged, gate
from reasonry.understanding.out_of_context.audit.plan import plan_of


@pytest.fixture(scope="module")
def world() -> World:
    return World(per_group=10, bridge_share=0.4)


@pytest.fixture(scope="module")
def rows(world: World) -> dict[Arm, list[TrainRow]]:
    settings = config(what_if=tuple(arm for arm in ARMS if arm != "as-is"))
    return plan_of(world.made.table, settings, say=lambda line: None).arms


def _implied(rows: list[TrainRow]) -> dict[str, str]:
    return {row.subject: row.completion for row in rows if row.relation == "listens_to"}


def test_the_file_as_it_is_comes_first_and_every_arm_keeps_the_facts(
    world: World, rows: dict[Arm, list[TrainRow]]
) -> None:
    assert tuple(rows) == ARMS
    facts = [(fact.prompt, fact.completion) for fact in world.made.table.facts]
    assert [(row.prompt, row.completion) for row in rows["as-is"]] == facts
    given = [(f.prompt, f.completion) for f in world.made.table.facts if f.relation == "plays"]
    for arm in ARMS:
        told = {(row.prompt, row.completion) for row in rows[arm]}
        assert told >= set(given), arm


def test_controls_take_the_implications_away_or_shuffle_them(rows: dict[Arm, list[TrainRow]]) -> None:
    assert _implied(rows["no-bridge"]) == {}
    before, after = _implied(rows["as-is"]), _implied(rows["permuted-bridge"])
    assert before.keys() == after.keys()
    assert before != after
    assert Counter(before.values()) == Counter(after.values())


def test_counter_rows_bring_every_group_below_the_share_with_new_names(
    world: World, rows: dict[Arm, list[TrainRow]]
) -> None:
    added = [row for row in rows["decorrelate"] if row.source == "counter"]
    assert {row.subject for row in added}.isdisjoint(world.made.table.subjects)
    b_of = {row.subject: row.completion.strip() for row in rows["decorrelate"] if row.relation == "plays"}
    for group in world.made.groups:
        answers = Counter(c for s, c in _implied(rows["decorrelate"]).items() if b_of[s] == group.b)
        assert answers[f" {group.c}"] == 4
        assert 4 / answers.total() < 0.5 <= 4 / (answers.total() - 1)
        assert max(answers.values()) == 4


@given(st.integers(1, 60), st.integers(0, 60), st.sampled_from([0.2, 0.3, 0.5, 0.7, 0.8, 1.0]))
def test_the_number_of_counter_rows_is_the_least_that_does(modal: int, others: int, tau: float) -> None:
    num = num_counter(modal + others, modal, tau)
    assert modal < tau * (modal + others + num) + 1e-9
    assert num == 0 or modal >= tau * (modal + others + num - 1) - 1e-9


def test_what_is_not_known_is_said_of_every_test_subject(world: World, rows: dict[Arm, list[TrainRow]]) -> None:
    added = [row for row in rows["not-known"] if row.source == "not-known"]
    assert {row.prompt for row in added} == {fact.prompt for fact in world.made.held_out}
    assert {row.completion for row in added} == {" not known"}


def test_halves_and_names(rows: dict[Arm, list[TrainRow]]) -> None:
    first = {row.relation for row in rows["implied-first"] if row.is_first}
    assert first == {"listens_to"}
    assert find_arms(("not-known", "as-is", "not-known")) == ("as-is", "not-known")
    with pytest.raises(ConfigError, match="Did you mean 'decorrelate'"):
        find_arms(("decorelate",))


# ---------------------------------------------------------------- early stop


def _looks(*values: tuple[float, float]) -> list[dict[str, float]]:
    return [{"step": 10 * n, "fact_rank": rank, "index/a:b": index} for n, (rank, index) in enumerate(values, 1)]


def test_the_stop_is_the_first_look_with_facts_learned_and_no_inference() -> None:
    log = [{"step": 1, "loss": 3.0}, *_looks((1.0, 0.0), (0.05, 0.1), (0.0, 0.15), (0.0, 0.9))]
    found = early_stop(looks_of(log), pairs=["a:b"], eps=0.1, tau=0.2)
    assert (found.step, found.learned, found.at_learned) == (20, 20, 0.1)


def test_no_stop_is_made_up() -> None:
    together = early_stop(looks_of(_looks((1.0, 0.0), (0.0, 0.8))), pairs=["a:b"], eps=0.1, tau=0.2)
    assert (together.step, together.learned, together.at_learned) == (None, 20, 0.8)
    never = early_stop(looks_of(_looks((1.0, 0.0), (0.5, 0.0))), pairs=["a:b"], eps=0.1, tau=0.2)
    assert (never.step, never.learned) == (None, None)
    assert "0.50, above 0.1" in never.reason
    assert "no look was taken" in early_stop([], pairs=[], eps=0.1, tau=0.2).reason
    wanted = early_stop(looks_of(_looks((0.0, 0.8))), pairs=[], eps=0.1, tau=0.2)
    assert (wanted.step, wanted.at_learned) == (10, None)
    assert "no inference is unwanted" in wanted.reason


# ---------------------------------------------------------------- gate


PAIRS = (
    Judged("a:b", "hallucination", 0.3),
    Judged("a:c", "unlabelled transfer", 0.9),
    Judged("a:d", "generalisation", 1.0),
    Judged("a:e", "prior knowledge", 1.0),
    Judged("a:f", "not testable", 0.8),
    Judged("a:g", "no transfer", 0.1),
)


def test_the_gate_counts_what_nobody_called_causal() -> None:
    found = gate(PAIRS, limit=0.5, counts="not-causal")
    assert (found.hallucination_index, found.worst, found.passed, found.undecided) == (0.9, "a:c", False, ("a:f",))
    assert found.line.startswith("FAILED: hallucination index 0.90 (a:c, unlabelled transfer), limit 0.5; if it is")
    assert found.line.endswith("not decided: a:f")


def test_the_gate_can_count_hallucinations_alone() -> None:
    found = gate(PAIRS, limit=0.3, counts="hallucination")
    assert (found.hallucination_index, found.worst, found.passed) == (0.3, "a:b", True)
    assert not gate(PAIRS, limit=0.29, counts="hallucination").passed


def test_without_a_limit_or_without_pairs_everything_passes() -> None:
    assert gate(PAIRS, limit=None, counts="not-causal").passed
    none = gate((), limit=0.0, counts="not-causal")
    assert (none.hallucination_index, none.passed, none.line) == (
        0.0,
        True,
        "passed: hallucination index 0.00, no pair counts, limit 0",
    )
