"""Graph questions in words and back."""

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonry.core.task import Problem
from reasonry.core.verify import make_verifier
from reasonry.errors import ConfigError, DataError
from reasonry.tasks.graphs.graph import Graph, path_len, relabel
from reasonry.tasks.graphs.named import MAX_HOPS, config_for, from_spec, texts
from reasonry.tasks.graphs.names import MAX_NOUNS, MAX_PERSONS, Names, make_names
from reasonry.tasks.graphs.prosqa import GraphConfig, prosqa_graph
from reasonry.tasks.graphs.text import name_nodes, parse_text, tell, to_text
from reasonry.tasks.reasoning_text import ReasoningText

HAND = Graph(6, ((0, 1), (3, 4), (1, 2), (5, 4)), root=0, target=2, distractor=4)
SYMBOLS = ("Tom", "wumpus", "lorpus", "Ada", "brimpus", "Max")
TEXT = ReasoningText(
    "Tom is a wumpus. Ada is a brimpus. Every wumpus is a lorpus. Max is a brimpus. Is Tom a lorpus or brimpus?",
    ("Tom is a wumpus.", "Every wumpus is a lorpus."),
    "Tom is a lorpus.",
)


def test_a_question_is_told_as_by_hand() -> None:
    told = {tell(HAND, SYMBOLS, np.random.default_rng(seed)).question for seed in range(8)}
    other = TEXT.question.replace("a lorpus or brimpus?", "a brimpus or lorpus?")
    assert told == {TEXT.question, other}
    text = tell(HAND, SYMBOLS, np.random.default_rng(0))
    assert (text.steps, text.answer, text.graph) == (TEXT.steps, TEXT.answer, HAND)


def test_candidates_come_first_equally_often() -> None:
    rng = np.random.default_rng(0)
    first = sum(" a lorpus or" in tell(HAND, SYMBOLS, rng).question for _ in range(1000))
    assert 430 < first < 570


def test_a_question_is_read_as_by_hand() -> None:
    parsed = parse_text(TEXT)
    assert parsed.symbols == ("Tom", "wumpus", "Ada", "brimpus", "lorpus", "Max")
    assert parsed.graph == Graph(6, ((0, 1), (2, 3), (1, 4), (5, 3)), root=0, target=4, distractor=3)


@given(st.integers(0, 2**32), st.booleans())
def test_what_is_told_is_read_back(seed: int, legacy: bool) -> None:
    rng = np.random.default_rng(seed)
    graph = prosqa_graph(GraphConfig(num_nodes=12, min_hops=2, max_hops=2, legacy=legacy), rng)
    symbols = name_nodes(graph, rng)
    text = tell(graph, symbols, rng)
    parsed = parse_text(text)
    assert len(text.steps) == path_len(graph) == path_len(parsed.graph)
    back = relabel(parsed.graph, [symbols.index(s) for s in parsed.symbols])
    assert back == graph


def test_vertices_that_nothing_names_have_no_name() -> None:
    symbols = name_nodes(HAND._replace(num_nodes=9), np.random.default_rng(0))
    assert symbols[6:] == ("", "", "")
    assert len(set(symbols[:6])) == 6
    assert [s[0].isupper() for s in symbols[:6]] == [True, False, False, True, False, True]


def test_articles_in_other_texts_are_understood() -> None:
    text = ReasoningText("Tom is an impus. Ada is a lorpus. Is Tom an impus or a lorpus?", (), "Tom is an impus.")
    assert parse_text(text).graph == Graph(4, ((0, 1), (2, 3)), root=0, target=1, distractor=3)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            {"question": "Tom likes a wumpus. Is Tom a lorpus or brimpus?"},
            r"f.json:3: cannot read the sentence 'Tom l",
        ),
        ({"question": "Tom is a wumpus."}, r"f.json:3: cannot read the question 'Tom is a wumpus.'"),
        ({"question": " "}, r"cannot read the question ''"),
        ({"question": TEXT.question + " Tom is a gorpus."}, r"cannot read the question 'Tom is a gorpus.'"),
        (
            {"answer": "Tom is a wumpus."},
            r"the answer 'Tom is a wumpus.' is none of the candidates.*Is Tom a",
        ),
        ({"answer": "Ada is a brimpus."}, r"none of the candidates"),
        ({"answer": "Yes"}, r"f.json:3: answer: cannot read the sentence 'Yes'"),
        ({"answer": "Tom is a brimpus."}, r"no path from the root"),
        ({"question": "Tom is a wumpus. " + TEXT.question}, r"duplicate edge 0 -> 1"),
        ({"steps": ("Tom is a lorpus.",)}, r"f.json:3: step 1: 'Tom is a lorpus.' is not among the statements"),
        ({"steps": ("Every wumpus is a lorpus.",)}, r"does not go on where the step before ended"),
        ({"steps": ("Tom is a wumpus.",)}, r"the steps do not end at the answer. The last is 'Tom is a wumpus.'"),
        ({"steps": ("Every gorpus is a lorpus.",)}, r"is not among the statements"),
    ],
)
def test_texts_of_another_form_are_refused_with_their_place(change: dict[str, object], problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        parse_text(TEXT._replace(**change), place="f.json:3")


def test_a_root_with_a_way_in_has_no_words() -> None:
    with pytest.raises(DataError, match=r"an edge leads from 2 to the root 0"):
        to_text(HAND._replace(edges=(*HAND.edges, (2, 0))), np.random.default_rng(0))


def test_too_few_names_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"num_nouns: 3 vertices for 2 names. Give names=make_names\(num_nouns=3\)"):
        to_text(HAND, np.random.default_rng(0), names=Names(("Tom", "Ada", "Max"), ("lorpus", "wumpus")))
    with pytest.raises(ConfigError, match=r"num_persons: 3 vertices for 1 names"):
        to_text(HAND, np.random.default_rng(0), names=make_names(num_persons=1))


def test_names_are_different_and_take_a() -> None:
    names = make_names(num_persons=MAX_PERSONS, num_nouns=MAX_NOUNS)
    assert len(set(names.persons)) == MAX_PERSONS
    assert len(set(names.nouns)) == MAX_NOUNS
    assert all(re.fullmatch(r"[b-df-hj-np-tv-z][a-z]*pus", noun) for noun in names.nouns)
    assert all(re.fullmatch(r"[A-Z][a-z]+", person) for person in names.persons)


def test_names_depend_on_the_seed_and_begin_alike() -> None:
    assert make_names(num_nouns=10).nouns == make_names(num_nouns=20).nouns[:10]
    assert make_names(seed=1) != make_names(seed=0)
    with pytest.raises(ConfigError, match=r"num_nouns = 100000"):
        make_names(num_nouns=100_000)


@pytest.mark.parametrize(("argument", "hops"), [("", {3, 4}), ("1", {1}), ("2-3", {2, 3})])
def test_texts_by_name_have_the_hops_that_are_asked_for(argument: str, hops: set[int]) -> None:
    found = texts(argument, num=40, seed=0, split="train")
    assert {len(text.steps) for text in found} == hops
    assert len({text.question for text in found}) == 40
    for text in found:
        assert path_len(parse_text(text).graph) == len(text.steps)
    assert texts(argument, num=5, seed=0, split="train") == found[:5]


def test_every_number_of_hops_has_a_size() -> None:
    assert [config_for(str(h)).max_hops for h in range(1, MAX_HOPS + 1)] == list(range(1, MAX_HOPS + 1))
    for bad in ("0", "7", "3-2", "x", "2-", "-2", "²"):
        with pytest.raises(ConfigError, match=r"cannot read .* from 1 to 6"):
            config_for(bad)


def test_the_task_grades_its_own_answers() -> None:
    task = from_spec("2", num=6, seed=0)
    verifier = make_verifier(task.verifier)
    assert (task.name, len(task.problems), len(task.examples)) == ("prosqa:2", 6, 4)
    assert len({p.id for p in (*task.problems, *task.examples)}) == 10
    for problem in task.problems:
        assert problem.solution.splitlines()[-1] == problem.answer
        assert verifier.grade(f"First this.\nSo {problem.answer}", problem).grade == "right"
        wrong = Problem("x", "", problem.answer.replace(" is a ", " is a b"))
        assert verifier.grade(problem.answer, wrong).grade == "wrong"
    assert Counter(p.metadata["steps"] for p in task.problems) == {2: 6}
    assert not {p.question for p in task.problems} & {p.question for p in task.examples}
