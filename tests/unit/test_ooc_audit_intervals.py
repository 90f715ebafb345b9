"""Intervals over groups and subjects, ranks by subject, and what is left of everything else."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.ooc_audit_fakes import World, config, knows_nothing

from reasonry.core.candidates.base import CandidateQuestion
from reasonry.core.seeds import stream
from reasonry.core.stats import bootstrap
from reasonry.understanding.out_of_context.audit.compare import ranks_of
from reasonry.understanding.out_of_context.audit.forgetting import locality_of
from reasonry.understanding.out_of_context.audit.intervals import gain_interval, index_interval
from reasonry.understanding.out_of_context.audit.plan import plan_of
from reasonry.understanding.out_of_context.audit.questions import Question

PAIR = "a:b"


def _question(subject: str, group: int, right: int, wording: str = "w", held: bool = False) -> Question:
    asked = CandidateQuestion(f"{subject} {wording}", (" x", " y", " z", " not known"))
    name = f"transfer/{subject}/{wording}"
    return Question(name, "transfer", PAIR, group, subject, wording, held, right, 2, 3, asked)


# ---------------------------------------------------------------- intervals


def test_whole_transfer_has_an_interval_without_width() -> None:
    found = index_interval(np.zeros(10), np.repeat(np.arange(5), 2), num_candidates=5, seed=0, num_boot=100)
    assert found[:4] == (1.0, 1.0, 1.0, (1.0, 1.0))


def test_the_index_weighs_groups_alike_in_the_interval_too() -> None:
    rank = np.array([0.0] * 30 + [2.0, 2.0])
    group = np.array([0] * 30 + [1] * 2)
    found = index_interval(rank, group, num_candidates=3, seed=0, num_boot=200)
    assert found.value == 0.0  # mean of 0 and 2 is chance
    assert (found.low, found.high) == (-1.0, 1.0)


def test_groups_give_wider_intervals_than_subjects_who_share_their_groups_answer() -> None:
    rng = stream(5, "intervals")
    group = np.repeat(np.arange(8), 20)
    rank = np.repeat(rng.uniform(0, 4, 8), 20) + 0.1 * rng.normal(size=160)
    by_group = index_interval(rank, group, num_candidates=5, seed=0, num_boot=500)
    naive = bootstrap(1 - rank / 2, lambda x: x.mean(), seed=0, num_boot=500).interval
    assert by_group.high - by_group.low > 2 * (naive.high - naive.low)


def test_a_gain_is_the_fall_of_ranks_by_chance() -> None:
    change = np.array([-2.0, -2.0, -1.0, -1.0, 0.0, 0.0])
    found = gain_interval(change, np.array([0, 0, 1, 1, 2, 2]), num_candidates=5, seed=0, num_boot=200)
    assert found.value == 0.5
    assert found.low <= 0.5 <= found.high


# ---------------------------------------------------------------- ranks


def test_subjects_count_once_whatever_the_number_of_wordings() -> None:
    asked = [_question("Ann", 0, 0, "v"), _question("Ann", 0, 0, "w"), _question("Bob", 4, 1)]
    scores = {asked[0].id: [2.0, 1.0, 3.0, 9.0], asked[1].id: [1.0, 2.0, 0.0, 0.0], asked[2].id: [0.0, 0.0, 0.0, 0.0]}
    found = ranks_of(asked, scores, kind="transfer", pair=PAIR)
    assert found is not None
    assert found.subjects == ("Ann", "Bob")
    assert found.own_S.tolist() == [0.5, 0.5]
    assert found.own_all_S.tolist() == [1.0, 1.0]
    assert found.group_S.tolist() == [0, 1]
    assert found.label_G.tolist() == [0, 1]
    assert found.rank_SC.tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert (found.says_foil, found.says_it) == (1 / 3, 0.0)
    assert found.hits_at_1 == pytest.approx((1 + 0 + 0.5) / 3)
    assert found.transfer_index == 0.0
    assert found.p_right == pytest.approx((1 / (1 + math.exp(-1)) + 1 / (1 + math.exp(1)) + 0.5) / 3)


def test_questions_without_scores_or_of_another_kind_do_not_count() -> None:
    asked = [_question("Ann", 0, 0), _question("Bob", 1, 1)]
    found = ranks_of(asked, {asked[0].id: [0.0, 1.0, 0.0, 0.0]}, kind="transfer", pair=PAIR)
    assert found is not None
    assert found.subjects == ("Ann",)
    assert ranks_of(asked, {}, kind="transfer", pair=PAIR) is None
    assert ranks_of(asked, {asked[0].id: [0.0] * 4}, kind="fact", pair=PAIR) is None


# ---------------------------------------------------------------- everything else


def test_forgetting_is_nats_per_token_and_locality_the_share_of_same_answers() -> None:
    plan = plan_of(World().made.table, config(), say=lambda line: None)
    asked = [q for q in plan.questions if q.kind in ("common", "text")]
    before = {q.id: [3.0, *[0.0] * (len(q.asked.candidates) - 1)] for q in asked}
    after = {name: list(reversed(values)) for name, values in before.items()}
    texts = [q.id for q in asked if q.kind == "text"]
    for name in texts:
        before[name], after[name] = [-20.0], [-25.0]
    found = locality_of(asked, before, after, dict.fromkeys(texts, 10))
    assert (found.right_before, found.right_after, found.same) == (1.0, 0.0, 0.0)
    assert (found.nats_before, found.nats_after, found.forgetting) == (2.0, 2.5, 0.5)
    assert locality_of(asked, before, before, {}).same == 1.0
    assert math.isnan(locality_of(asked, before, before, {}).forgetting)
    assert knows_nothing(asked[0].asked) == [0.0] * 4
