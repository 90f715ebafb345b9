"""True-or-false questions about made-up ontologies: proofs hold, answers are balanced, nothing gives them away."""

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonry.core.verify import make_verifier
from reasonry.errors import ConfigError
from reasonry.tasks.graphs.fingerprint import fingerprint
from reasonry.tasks.graphs.graph import check, distances, path_len, predecessors, shortest_paths, successors
from reasonry.tasks.graphs.leaks import RULES, measure_leaks
from reasonry.tasks.pronto import MAX_HOPS, draw_ontology, from_spec, tell, texts
from reasonry.tasks.pronto.words import PROPERTIES
from reasonry.tasks.reasoning_text import ReasoningText, split_of

RULE = re.compile(r"(?:Every|Each) (?P<one>\w+) is (?P<not>not )?(?:a )?(?P<rest>\w+)\.")
PLURAL = re.compile(r"(?P<one>\w+)es are (?P<not>not )?(?P<rest>\w+)\.")


def solve(question: str) -> tuple[str, int]:
    """The answer by forward chaining from the words alone, and how many rules the proof takes."""
    *told, _, asked = re.findall(r"[^.:]+[.:]", question)
    ((person, denied, prop),) = re.findall(r"^ (\w+) is (not )?(\w+)\.$", asked)
    facts, rules = {}, []
    for sentence in (s.strip() for s in told):
        if found := RULE.fullmatch(sentence):
            rules.append((found["one"], found["rest"], bool(found["not"])))
        elif found := PLURAL.fullmatch(sentence):
            rest = found["rest"].removesuffix("es") if found["rest"].endswith("puses") else found["rest"]
            rules.append((found["one"].lower(), rest, bool(found["not"])))
        elif sentence.startswith(f"{person} is a "):
            facts[sentence.split()[-1].rstrip(".")] = 0
    verdicts = {}
    while facts:
        below = {}
        for one, rest, is_denied in rules:
            if one in facts and rest == prop:
                verdicts[is_denied] = facts[one] + 1
            elif one in facts and rest.endswith("pus"):
                below[rest] = facts[one] + 1
        facts = below
    assert len(verdicts) == 1, "exactly one rule about the property holds for the person"
    (is_denied, num_rules), *_ = verdicts.items()
    return str(is_denied == bool(denied)), num_rules


@given(st.integers(1, MAX_HOPS), st.integers(0, 2**32))
def test_an_ontology_is_two_trees_with_like_ends(num_hops: int, seed: int) -> None:
    graph = draw_ontology(num_hops, np.random.default_rng(seed)).graph
    check(graph)
    assert path_len(graph) == num_hops
    before, after = predecessors(graph), successors(graph)
    roots = [v for v in range(graph.num_nodes) if not before[v]]
    assert len(roots) == 2
    assert max(map(len, before)) == 1
    other = next(v for v in roots if v != graph.root)
    assert distances(graph, other)[graph.distractor] == num_hops
    assert after[graph.target] == after[graph.distractor] == ()
    assert len(list(shortest_paths(graph))) == 1


@given(st.integers(1, 6), st.integers(0, 2**32))
def test_the_answer_follows_from_the_words_by_as_many_rules(num_hops: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ontology = draw_ontology(num_hops, rng)
    text = tell(ontology, rng)
    assert solve(text.question) == (text.answer, num_hops) == (str(ontology.answer), len(text.steps))


def sentences(text: ReasoningText) -> set[str]:
    """Every rule of the question in the form in which steps say it."""
    found = set()
    for s in re.findall(r"[^.:]+[.]", text.question):
        s = s.strip().replace("Each ", "Every ")
        if plural := PLURAL.fullmatch(s):
            rest = plural["rest"]
            thing = f"a {rest.removesuffix('es')}" if rest.endswith("puses") else rest
            s = f"Every {plural['one'].lower()} is {plural['not'] or ''}{thing}."
        found.add(s.rstrip("."))
    return found


def test_every_step_is_a_rule_of_the_question_and_what_follows() -> None:
    for text in texts("4", num=60, seed=0, split="train"):
        told = sentences(text)
        person = text.question.split("True or false: ")[1].split()[0]
        rules = [step.split(", so ")[0] for step in text.steps]
        ends = [step.split(", so ")[1] for step in text.steps]
        assert set(rules) <= told
        assert all(end.startswith(f"{person} is ") for end in ends)
        for rule, end in zip(rules, ends):
            assert rule.split(" is ")[1] == end.removesuffix(".").split(" is ")[1]
        for end, rule in zip(ends, rules[1:]):
            assert end.removesuffix(".").split()[-1] == rule.split()[1]
        claim = text.question.split("True or false: ")[1]
        assert text.answer == str(claim == ends[-1])


def test_answers_and_denials_are_balanced() -> None:
    found = texts("2", num=800, seed=0, split="train")
    counts = Counter((t.answer, " is not " in t.question.split("True or false: ")[1]) for t in found)
    assert len(counts) == 4
    assert all(abs(n - 200) < 5 * np.sqrt(800 * 0.25 * 0.75) for n in counts.values())


def test_there_is_one_rule_each_way_about_the_property() -> None:
    for text in texts("3", num=50, seed=0, split="train"):
        prop = text.question.rstrip(".").split()[-1]
        assert prop in PROPERTIES
        about = [s for s in sentences(text) if s.split()[-1] == prop and s.startswith("Every")]
        assert sorted(" not " in s for s in about) == [False, True]


@pytest.mark.parametrize("rule", [*RULES, "usual answer"])
def test_no_rule_finds_the_right_side_without_a_search(rule: str) -> None:
    rng = np.random.default_rng(0)
    leaks = {leak.rule: leak for leak in measure_leaks([draw_ontology(3, rng).graph for _ in range(500)])}
    assert abs(leaks[rule].accuracy - leaks[rule].chance) < 3.5 * 0.5 / 500**0.5


@pytest.mark.parametrize("argument", ["", "1", "2-4"])
def test_texts_have_the_hops_that_are_asked_for_and_splits_have_shapes_of_their_own(argument: str) -> None:
    hops = {"": {5}, "1": {1}, "2-4": {2, 3, 4}}[argument]
    for split in ("train", "validation", "test"):
        found = texts(argument, num=40, seed=0, split=split)
        assert {len(t.steps) for t in found} == hops
        assert len({t.question for t in found}) == 40
        assert {split_of(fingerprint(t.graph)) for t in found if t.graph} == {split}
        assert texts(argument, num=7, seed=0, split=split) == found[:7]
    assert texts(argument, num=7, seed=1, split="train") != texts(argument, num=7, seed=0, split="train")


def test_the_task_grades_its_own_answers() -> None:
    task = from_spec("2", num=8, seed=0)
    verifier = make_verifier(task.verifier)
    assert (task.name, len(task.problems), len(task.examples)) == ("prontoqa:2", 8, 4)
    assert len({p.id for p in (*task.problems, *task.examples)}) == 12
    for problem in task.problems:
        assert solve(problem.question)[0] == problem.answer
        assert problem.solution.splitlines()[-1] == problem.answer
        other = {"True": "False", "False": "True"}[problem.answer]
        assert verifier.grade(f"It is not {other}, so {problem.answer}.", problem).grade == "right"
        assert verifier.grade(f"Not {problem.answer}: {other}", problem).grade == "wrong"


def test_bad_requests_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"0 hops. Use 1 to 12"):
        draw_ontology(0, np.random.default_rng(0))
    with pytest.raises(ConfigError, match=r"cannot read '13'"):
        texts("13", num=1, seed=0, split="train")
    with pytest.raises(ConfigError, match=r"how many"):
        texts("", num=None, seed=0, split="train")
