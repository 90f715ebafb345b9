"""A table of facts: one answer for a subject and a relation, spellings, and what is left out and counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reasonry.tasks.facts.fact import Dropped, Fact, fact_table, same_text


def fact(subject: str, relation: str, answer: str, line: int = 1) -> Fact:
    """A fact of a file."""
    return Fact(subject, relation, answer, f"{subject} {relation}", f" {answer}", f"f:{line}")


def test_a_table_by_relation() -> None:
    table = fact_table([fact("Ann", "lives", "Paris"), fact("Bob", "lives", "Rome"), fact("Ann", "speaks", "French")])
    assert table.relations == ("lives", "speaks")
    assert table.subjects == ("Ann", "Bob")
    assert table.of("lives")["Bob"].object == "Rome"
    assert table.of("no such relation") == {}
    assert table.objects("lives") == ("Paris", "Rome")
    assert table.num_dropped == {}


def test_a_subject_with_two_answers_has_none() -> None:
    facts = [fact("Ann", "lives", "Paris", 1), fact("Bob", "lives", "Rome", 2), fact("ann", "lives", "Rome", 3)]
    table = fact_table([*facts, fact("Ann", "lives", "Paris", 4)])
    assert set(table.of("lives")) == {"Bob"}
    assert table.num_dropped == {"two-answers": 2, "duplicate": 1}
    places = [one.place for one in table.dropped if one.reason == "two-answers"]
    assert sorted(places) == ["f:1", "f:3"]
    assert "'Paris', and 'Rome'" in next(one.detail for one in table.dropped if one.place == "f:1")


def test_a_fact_that_comes_again_counts_once() -> None:
    table = fact_table([fact("Ann", "lives", "Paris", 1), fact("Ann", "lives", "Paris", 2)])
    assert [one.place for one in table.facts] == ["f:1"]
    assert table.dropped == (Dropped("duplicate", "f:2", "'Ann' lives 'Paris', as at f:1"),)


def test_other_spellings_count_as_the_first() -> None:
    """White space, case, and an accent that is one character or two."""
    facts = [fact("José  Díaz", "lives", "paris", 1), fact("Jose\u0301 Di\u0301az", "Lives ", "PARIS", 2)]
    table = fact_table([*facts, fact("Bob", "lives", "Paris", 3)])
    assert table.num_dropped == {"duplicate": 1}
    assert table.of("lives")["José Díaz"].object == "paris"
    assert table.of("lives")["Bob"].object == "paris"
    assert table.num_respelled == 3  # one relation, two answers; white space and normal form are no spelling


def test_what_is_empty_is_left_out() -> None:
    table = fact_table([fact(" ", "lives", "Paris"), fact("Ann", "", "Paris"), fact("Ann", "lives", "\t")])
    assert table.facts == ()
    assert table.num_dropped == {"empty": 3}


def test_what_a_reader_left_out_is_counted_even_if_it_finds_it_while_the_table_is_made() -> None:
    dropped: list[Dropped] = []

    def reading() -> object:
        yield fact("Ann", "lives", "Paris")
        dropped.append(Dropped("not-utf-8", "f:2", "byte 0xe9 at column 3"))

    table = fact_table(reading(), dropped=dropped)  # type: ignore[arg-type]
    assert table.num_dropped == {"not-utf-8": 1}


WORD = st.text(alphabet="aAbé\u0301 ", max_size=4)


@given(st.lists(st.tuples(WORD, WORD, WORD), max_size=30))
def test_every_row_is_in_the_table_or_left_out(rows: list[tuple[str, str, str]]) -> None:
    table = fact_table([fact(*row, line=i) for i, row in enumerate(rows)])
    assert len(table.facts) + len(table.dropped) == len(rows)
    keys = {(same_text(one.subject), same_text(one.relation)) for one in table.facts}
    assert len(keys) == len(table.facts)
    answers: dict[tuple[str, str], set[str]] = {}
    for s, r, o in rows:
        if same_text(s) and same_text(r) and same_text(o):
            answers.setdefault((same_text(s), same_text(r)), set()).add(same_text(o))
    assert keys == {key for key, found in answers.items() if len(found) == 1}


@given(st.text(max_size=20))
def test_what_two_spellings_share_is_shared_once(text: str) -> None:
    key = same_text(text)
    assert same_text(f"  {text}\n") == key
