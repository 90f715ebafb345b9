"""Pairs, wordings and questions of an audit: who is asked what, among which answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.ooc_audit_fakes import World, config, triple

from reasonry.core.candidates.base import check_questions
from reasonry.errors import ConfigError, DataError
from reasonry.tasks.facts.fact import Fact, FactTable, fact_table
from reasonry.understanding.out_of_context.audit.locality import COMMON, TEXTS, unrelated
from reasonry.understanding.out_of_context.audit.pairs import audit_pair, read_labels, read_pair
from reasonry.understanding.out_of_context.audit.plan import plan_of
from reasonry.understanding.out_of_context.audit.questions import answers_of
from reasonry.understanding.out_of_context.audit.wordings import FRAMES, ask, prior_prompt, read_wordings, wordings_of


def _table(*rows: tuple[str, str, str], prompt: str = "{s} {r}") -> FactTable:
    return fact_table(
        Fact(s, r, o, prompt.replace("{s}", s).replace("{r}", r), f" {o}", f"made:{n}")
        for n, (s, r, o) in enumerate(rows, 1)
    )


TOWNS = _table(
    ("Ann", "lives in", "Paris"),
    ("Ben", "lives in", "Paris"),
    ("Cid", "lives in", "Paris"),
    ("Dan", "lives in", "Rome"),
    ("Eve", "lives in", "Rome"),
    ("Fay", "lives in", "Oslo"),
    ("Gus", "lives in", "Bern"),
    ("Ann", "speaks", "French"),
    ("Ben", "speaks", "Latin"),
    ("Dan", "speaks", "Italian"),
    ("Gus", "speaks", "German"),
)


# ---------------------------------------------------------------- pairs


def test_groups_have_bridge_and_test_subjects_and_others_are_counted() -> None:
    pair = audit_pair(TOWNS, "lives in", "speaks", max_groups=9, max_subjects=9, seed=0)
    assert [(g.b, g.c, g.bridge, g.test) for g in pair.groups] == [
        ("Paris", "French", ("Ann", "Ben"), ("Cid",)),  # as frequent as Latin, and first
        ("Rome", "Italian", ("Dan",), ("Eve",)),
    ]
    assert (pair.num_no_bridge, pair.num_no_test) == (1, 1)
    assert (pair.name, pair.num_bridge, pair.num_test) == ("lives in:speaks", 3, 2)


def test_a_pair_with_one_group_is_refused_with_the_reason() -> None:
    with pytest.raises(DataError, match=r"has 0 groups .*4 without the latter"):
        audit_pair(TOWNS, "speaks", "lives in", max_groups=9, max_subjects=9, seed=0)


def test_samples_are_counted_and_follow_the_seed() -> None:
    table = World(num_groups=10, per_group=12).made.table
    told = [audit_pair(table, "plays", "listens_to", max_groups=4, max_subjects=3, seed=seed) for seed in (0, 0, 1)]
    assert told[0] == told[1] != told[2]
    assert (len(told[0].groups), told[0].num_test, told[0].num_unsampled_groups) == (4, 12, 6)
    assert told[0].num_unsampled == 4 * (8 - 3)


def test_pairs_and_labels_are_read_with_colons_in_names() -> None:
    names = ("a:b", "c", "b:c")
    assert read_pair("a:b:c", names, place="pairs") == ("a:b", "c")
    with pytest.raises(ConfigError, match="Did you mean 'lives in'"):
        read_pair("live in:speaks", TOWNS.relations, place="pairs")
    with pytest.raises(ConfigError, match="no pair given:implied"):
        read_pair("speaks", TOWNS.relations, place="pairs")
    assert read_labels(["lives in:speaks=causal"], TOWNS.relations) == {("lives in", "speaks"): "causal"}
    with pytest.raises(ConfigError, match="labelled twice"):
        read_labels(["lives in:speaks=causal", "lives in:speaks=spurious"], TOWNS.relations)
    with pytest.raises(ConfigError, match="Did you mean 'causal'"):
        read_labels(["lives in:speaks=casual"], TOWNS.relations)


# ---------------------------------------------------------------- wordings


def test_wordings_are_the_users_or_the_packages_or_frames() -> None:
    made = World().made.table
    found = wordings_of(made, given={}, num_held_out=2)
    assert (found["plays"].trained, found["plays"].origin, len(found["plays"].held_out)) == ("{s} plays", "package", 2)
    own = wordings_of(TOWNS, given={"speaks": ["{s}'s tongue is", "One hears {s} talk"]}, num_held_out=3)
    assert (own["speaks"].origin, own["lives in"].origin) == ("user", "frames")
    assert own["lives in"].held_out == tuple(frame.format(t="{s} lives in") for frame in FRAMES)
    assert all(wording.held_out.count(wording.trained) == 0 for wording in own.values())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"speaks": ["{s} SPEAKS ", "{s} talks"]}, "1 held-out wordings"),
        ({"speaks": ["{s} talks", "talks"]}, "has not one {s}"),
        ({"speeks": ["{s} talks", "{s} chats"]}, "Did you mean 'speaks'"),
    ],
)
def test_bad_wordings_are_refused(given: dict[str, list[str]], said: str) -> None:
    with pytest.raises(DataError) as refused:
        wordings_of(TOWNS, given=given, num_held_out=2, place="w.toml")
    assert said in str(refused.value)


def test_prompts_that_do_not_name_their_subject_are_refused() -> None:
    table = _table(("Ann", "is", "tall"), ("Ben", "is", "small"), prompt="This person {r}")
    with pytest.raises(DataError, match="made:1: no prompt of 'is' holds its subject"):
        wordings_of(table, given={}, num_held_out=2)


def test_a_file_of_wordings(tmp_path: Path) -> None:
    path = tmp_path / "w.toml"
    path.write_text('"lives in" = ["{s} dwells in", "The town of {s} is"]\n')
    assert read_wordings(str(path)) == {"lives in": ("{s} dwells in", "The town of {s} is")}
    assert read_wordings("") == {}
    for text in ("speaks = 3\n", "speaks = \n"):
        path.write_text(text)
        with pytest.raises(DataError, match=r"w\.toml"):
            read_wordings(str(path))


def test_the_prior_asks_about_nobody() -> None:
    assert ask("{s} lives in", "Ann") == "Ann lives in"
    assert prior_prompt("{s} lives in", " Paris", "{s} speaks") == "Someone who lives in Paris usually speaks"
    possessive = prior_prompt("{s} plays", " golf", "{s}'s favorite color is")
    assert possessive == "This person plays golf. This person's favorite color is"


# ---------------------------------------------------------------- questions


def test_every_test_subject_is_asked_in_trained_and_held_out_wordings() -> None:
    world = World()
    plan = plan_of(world.made.table, config(), say=lambda line: None)
    transfer = [q for q in plan.questions if q.kind == "transfer"]
    assert len(transfer) == len(world.made.held_out) * 3
    assert {q.subject: q.asked.candidates[q.right] for q in transfer} == {
        fact.subject: fact.completion for fact in world.made.held_out
    }
    first = transfer[0]
    assert (first.num_within, first.num_answers, first.asked.candidates[-1]) == (5, 10, " not known")
    assert len({q.id for q in plan.questions}) == len(plan.questions)
    check_questions([q.asked for q in plan.questions])
    trained = {fact.prompt for fact in world.made.table.facts}
    assert not trained & {q.asked.prompt for q in transfer}
    assert trained >= {q.asked.prompt for q in plan.questions if q.kind == "fact" and not q.is_held_out}


def test_questions_in_context_have_a_bridge_of_every_group_and_the_subjects_own_fact() -> None:
    world = World()
    plan = plan_of(world.made.table, config(), say=lambda line: None)
    asked = next(q for q in plan.questions if q.kind == "in-context")
    lines = asked.asked.prompt.split("\n")
    assert len(lines) == 2 * 5 + 2
    assert lines[-2].startswith(f"{asked.subject} plays")
    assert lines[-1] == f"{asked.subject} listens to"
    own = asked.asked.candidates[asked.right].strip()
    assert sum(line.endswith(f"listens to {own}.") for line in lines) == 1


def test_an_answer_of_both_relations_is_one_candidate() -> None:
    rows = [(f"s{n}", "from", place) for n, place in enumerate(("Rome", "Oslo", "Bern") * 3)]
    rows += [(f"s{n}", "in", place) for n, place in enumerate(("Oslo", "Bern", "Rome"))]
    plan = plan_of(_table(*rows), config(pairs=("from:in",)), say=lambda line: None)
    asked = next(q for q in plan.questions if q.kind == "transfer")
    assert asked.asked.candidates == (" Oslo", " Bern", " Rome", " not known")
    assert (asked.num_within, asked.num_answers) == (3, 3)


def test_candidates_keep_the_labels_and_then_the_most_frequent() -> None:
    found = answers_of(TOWNS, "speaks", ["Italian", "Latin"], most=3)
    assert (found.objects, found.num_left_out) == (("Italian", "Latin", "French"), 1)
    assert answers_of(TOWNS, "speaks", ["Italian", "Latin"], most=1).objects == ("Italian", "Latin")


def test_rows_that_the_table_left_out_are_told() -> None:
    rows = [triple(fact) for fact in World().made.table.facts]
    table = fact_table(
        Fact(r["subject"], r["relation"], r["object"], f"{r['subject']} {r['relation']}", f" {r['object']}", f"f:{n}")
        for n, r in enumerate([*rows, {**rows[0], "object": "chess"}])
    )
    said: list[str] = []
    plan_of(table, config(), say=said.append)
    assert "left out 2 rows, two-answers" in said[0]


def test_unrelated_questions_leave_out_what_the_facts_are_about() -> None:
    assert len(unrelated([])) == len(COMMON) >= 20
    assert len(unrelated(["Blue"])) < len(COMMON)
    assert all(len(set(one.candidates)) == 4 for one in COMMON)
    assert all(rest.startswith(" ") and start for start, rest in TEXTS)


def test_only_the_strongest_flagged_pairs_are_audited_and_the_rest_is_told() -> None:
    rows = [(f"s{n}", relation, f"{relation}{n % 5}") for n in range(30) for relation in ("a", "b")]
    rows += [(f"s{n}", relation, f"{relation}{n % 5}") for n in range(20) for relation in ("c", "d")]
    said: list[str] = []
    plan = plan_of(_table(*rows), config(max_pairs=2), say=said.append)
    assert len(plan.pairs) == 2
    assert any("more pairs are flagged and not audited" in line for line in said)


def test_a_label_of_a_pair_that_is_not_audited_is_told() -> None:
    rows = [(f"s{n}", relation, f"{relation}{n % 5}") for n in range(30) for relation in ("a", "b")]
    rows += [(f"s{n}", "c", f"c{n % 5}") for n in range(20)]
    said: list[str] = []
    plan_of(_table(*rows), config(pairs=("a:c",), label=("b:c=causal",)), say=said.append)
    assert said[-1] == "b:c has a label and is not audited"


def test_long_contexts_keep_the_subjects_own_group() -> None:
    table = World(num_groups=14).made.table
    plan = plan_of(table, config(probes={"num_in_context": 1}), say=lambda line: None)
    asked = [q for q in plan.questions if q.kind == "in-context"]
    assert len(asked) == 14
    for question in asked:
        lines = question.asked.prompt.split("\n")
        assert len(lines) == 2 * 10 + 2
        own = question.asked.candidates[question.right].strip()
        assert sum(line.endswith(f"listens to {own}.") for line in lines) == 1
