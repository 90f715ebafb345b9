"""Rules that guess without searching: at chance on fair sets, and above it by a known amount on the published kind."""

from functools import lru_cache

import pytest

from reasonry.errors import ConfigError, DataError
from reasonry.tasks.graphs.graph import Graph
from reasonry.tasks.graphs.leaks import RULES, Leak, Rule, measure_leaks
from reasonry.tasks.graphs.prosqa import GraphConfig, prosqa_graphs

TWO_HOPS = GraphConfig(num_nodes=12, min_hops=2, max_hops=2)
RESIDUAL = "siblings like root"  # looks at the root: what balance cannot remove


@lru_cache
def leaks(config: GraphConfig, num: int) -> dict[str, Leak]:
    return {leak.rule: leak for leak in measure_leaks(prosqa_graphs(config, num=num, seed=0))}


@pytest.mark.parametrize("config", [GraphConfig(), TWO_HOPS])
@pytest.mark.parametrize("rule", [*(r for r in RULES if r != RESIDUAL), "usual answer"])
def test_no_rule_beats_chance_on_500_fair_questions(config: GraphConfig, rule: str) -> None:
    leak = leaks(config, 500)[rule]
    assert leak.num == 500
    assert abs(leak.accuracy - leak.chance) < 3 * 0.5 / 500**0.5
    assert leak.chance == 0.5 or (rule == "other root" and 0.5 < leak.chance < 0.57)


@pytest.mark.parametrize("config", [GraphConfig(), TWO_HOPS])
def test_what_balance_cannot_remove_is_small(config: GraphConfig) -> None:
    assert abs(leaks(config, 500)[RESIDUAL].accuracy - 0.5) < 0.12


@pytest.mark.parametrize(
    ("rule", "published"),
    # As measured on the published files: 58.5 to 59 % by id, about 65 % by in-degree, and the other root always.
    [("larger id", 0.5875), ("fewer parents", 0.65), ("other root", 1.0)],
)
def test_legacy_questions_leak_as_the_published_ones_do(rule: str, published: float) -> None:
    leak = leaks(GraphConfig(legacy=True), 1500)[rule]
    assert leak.is_leak
    assert leak.accuracy == pytest.approx(published, abs=0.03)


def test_legacy_questions_leak_by_depth_and_by_place_in_the_list_too() -> None:
    found = leaks(GraphConfig(legacy=True), 1500)
    assert found["deeper"].accuracy > 0.85
    assert found["mentioned first"].interval.high < 0.5
    assert found["mentioned last"].interval.low > 0.5
    assert found["usual answer"].is_leak
    assert found["fewer children"].num_ties == 1500, "both candidates are leaves"


def test_new_ids_alone_do_not_make_a_set_fair() -> None:
    found = leaks(GraphConfig(balanced=False), 500)
    assert not found["larger id"].is_leak
    assert found["deeper"].is_leak
    assert found["fewer parents"].is_leak


# 0 -> 2 -> 3 (root 0, target 3) and 1 -> 4, 5 -> 4 (distractor 4), 4 -> 6.
HAND = Graph(7, ((0, 2), (1, 4), (2, 3), (5, 4), (4, 6)), root=0, target=3, distractor=4)


@pytest.mark.parametrize(
    ("rule", "of_target", "of_distractor"),
    [
        ("larger id", 3, 4),
        ("other root", 1, 0),
        ("fewer parents", -1, -2),
        ("fewer children", 0, -1),
        ("deeper", 2, 1),
        ("mentioned first", -2, -1),
        ("mentioned last", 2, 4),
        ("parents like root", 0, 0),  # every vertex without a way in has one child
        ("siblings like root", 0, 0),
    ],
)
def test_scores_by_hand(rule: str, of_target: float, of_distractor: float) -> None:
    score = RULES[rule].score
    assert (score(HAND, 3), score(HAND, 4)) == (of_target, of_distractor)


def test_a_rich_root_prefers_many_parents_and_a_poor_one_few() -> None:
    rich = HAND._replace(edges=(*HAND.edges, (0, 6), (0, 3)))
    assert [RULES["parents like root"].score(rich, v) for v in (3, 4)] == [2, 2]
    assert [RULES["siblings like root"].score(rich, v) for v in (3, 4)] == [2, 1]
    poor = HAND._replace(edges=(*HAND.edges, (1, 6)))
    assert [RULES["parents like root"].score(poor, v) for v in (3, 4)] == [-1, -2]


def test_every_rule_is_counted_with_its_ties() -> None:
    graphs = [HAND] * 40
    found = {leak.rule: leak for leak in measure_leaks(graphs)}
    assert set(found) == {*RULES, "usual answer"}
    assert (found["deeper"].num_right, found["deeper"].accuracy) == (40, 1.0)
    assert (found["larger id"].num_right, found["larger id"].is_leak) == (0, True)
    assert found["usual answer"].accuracy == 1, "the same question was in the other half"
    assert found["parents like root"].num_ties == 40
    assert 8 <= found["parents like root"].num_right <= 32, "a fair coin decides"
    assert found["other root"].chance == pytest.approx(0.5 + 0.5 / 6)


def test_the_usual_answer_is_learnt_from_other_questions_only() -> None:
    """Each id is a candidate in one question: nothing can be learnt, and every guess is a coin's."""
    graphs = [Graph(200, ((0, 3 * i + 1),), root=0, target=3 * i + 1, distractor=3 * i + 2) for i in range(60)]
    leak = measure_leaks(graphs, rules={})[0]
    assert leak.num_ties == 60
    assert not leak.is_leak


def test_a_rule_of_ones_own_is_measured() -> None:
    found = measure_leaks([HAND] * 10, rules={"smallest": Rule("the smaller id", lambda graph, node: -node)})
    assert found[0].rule == "smallest"
    assert found[0].num_right == 10


def test_bad_requests_are_refused() -> None:
    with pytest.raises(DataError, match=r"1 graphs. Give at least 2"):
        measure_leaks([HAND])
    with pytest.raises(ConfigError, match="level"):
        measure_leaks([HAND] * 2, level=95)
