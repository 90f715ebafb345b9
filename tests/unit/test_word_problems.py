"""The generator of word problems: every solution is replayed, and every number in a question is accounted for."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import time
from collections import Counter

import pytest

from reasonry.core.task import Problem
from reasonry.core.verify import make_verifier
from reasonry.errors import ConfigError
from reasonry.tasks import word_problems
from reasonry.tasks.word_problems import as_task, compose, from_spec, generate, make_problem
from reasonry.tasks.word_problems.draw import Draw
from reasonry.tasks.word_problems.families import FAMILIES
from reasonry.tasks.word_problems.words import PEOPLE, article, others

SHA256_OF_FIRST_50 = "4118647565a630e82424f7eebb6b4df26663844b470e3d18d57325566290f3dc"

STEP = re.compile(r"<<(\d+)([-+*/])(\d+)=(\d+)>>(\d+)")
# Numbers that a reader finds in words. Units count for what a pupil knows of them.
IN_WORDS = {
    2: r"twice|half|doubl\w+|\bboth\b|by exactly the same way",
    3: r"three times|third",
    4: r"four times|quarter|fourth|25%",
    5: r"five times|fifth|20%",
    10: r"tenth|10%",
    12: r"dozen",
    60: r"hours",
}
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def evaluate(a: str, op: str, b: str) -> int | None:
    """One operation on natural numbers; None when the result is no natural number."""
    x, y = int(a), int(b)
    if op == "/":
        return x // y if y and x % y == 0 else None
    value = {"+": x + y, "-": x - y, "*": x * y}[op]
    return value if value >= 0 else None


def digits_in(question: str) -> Counter[int]:
    """Numbers written in digits, without percentages (those stand for fractions)."""
    return Counter(int(n) for n in re.findall(r"(?<![\d])(\d+)(?!\d*%)(?!\d)", question))


def is_in_words(n: int, question: str) -> bool:
    if n in IN_WORDS and re.search(IN_WORDS[n], question, re.IGNORECASE):
        return True
    span = re.search(rf"From ({'|'.join(DAYS)}) to ({'|'.join(DAYS)})", question)
    return bool(span) and DAYS.index(span[2]) - DAYS.index(span[1]) + 1 == n


@pytest.fixture(scope="module")
def problems() -> list[Problem]:
    return generate(5000)


def test_every_annotation_evaluates_exactly_and_the_last_one_is_the_answer(problems: list[Problem]) -> None:
    for p in problems:
        steps = STEP.findall(p.solution)
        assert len(steps) == p.solution.count("<<") == p.metadata["steps"], p.id
        for a, op, b, value, shown in steps:
            assert evaluate(a, op, b) == int(value) == int(shown), (p.id, a, op, b)
            assert f"{a} {op} {b} = " in p.solution, p.id
        assert steps[-1][3] == p.answer, p.id
        assert p.solution.splitlines()[-1] == f"#### {p.answer}", p.id
        assert len(p.solution.splitlines()) == p.metadata["steps"] + 1, p.id


def test_every_step_is_needed_and_starts_from_what_is_known(problems: list[Problem]) -> None:
    for p in problems:
        known, used = set(p.metadata["quantities"]), set()
        results: list[int] = []
        for a, _, b, value, _ in STEP.findall(p.solution):
            assert {int(a), int(b)} <= known | set(results), p.id
            used |= {int(a), int(b)}
            results.append(int(value))
        assert known <= used, f"{p.id}: a quantity is never used"
        assert set(results[:-1]) <= used, f"{p.id}: a result is never used"
        assert len(set(results)) == len(results), f"{p.id}: a step undoes another"


def test_every_quantity_is_in_the_question_and_every_other_number_is_a_distractor(
    problems: list[Problem],
) -> None:
    for p in problems:
        digits = digits_in(p.question)
        unused = Counter(digits)
        for q in p.metadata["quantities"]:
            assert q in digits or is_in_words(q, p.question), f"{p.id}: where is {q}? {p.question}"
            unused[q] = 0
        assert sum(unused.values()) == p.metadata["distractors"], f"{p.id}: {+unused} {p.question}"


def test_quantities_are_listed_once_and_the_answer_cannot_be_read_off(problems: list[Problem]) -> None:
    for p in problems:
        quantities = p.metadata["quantities"]
        assert len(set(quantities)) == len(quantities), p.id
        assert int(p.answer) not in digits_in(p.question), p.id


def test_easy_problems_are_easy(problems: list[Problem]) -> None:
    largest = {1: 30, 2: 50}
    for p in problems:
        steps = p.metadata["steps"]
        if steps in largest:
            numbers = [int(n) for step in STEP.findall(p.solution) for n in (step[0], step[2], step[3])]
            assert max(numbers) <= largest[steps], p.id
            assert len(p.question.split()) <= 60, p.question
            assert p.metadata["distractors"] == 0, p.id


def test_magnitudes_stay_sensible(problems: list[Problem]) -> None:
    for p in problems:
        assert 2 <= int(p.answer) <= 2500, p.id
        for age in re.findall(r"(\d+) years old", p.question + p.solution):
            assert int(age) < 100, p.question


def test_text_is_clean(problems: list[Problem]) -> None:
    for p in problems:
        text = f"{p.question}\n{p.solution}"
        assert "  " not in text, text
        assert not re.search(r"[{}@]|\bNone\b|\.\.|\?\.| [.,?]|,\.", text), text
        assert not re.search(r"\b(the the|a a|of of|to to)\b", text, re.IGNORECASE), text
        assert p.question.endswith("?"), text
        assert p.question.count("?") == 1, text
        assert not re.search(r"[.?] [a-z]", p.question), text
        assert all(line[0].isupper() or line[0].isdigit() for line in p.solution.splitlines()[:-1]), text
        assert text.isascii(), text


def test_articles_and_plurals_are_right(problems: list[Problem]) -> None:
    for p in problems:
        text = f"{p.question}\n{p.solution}"
        assert not re.search(r"\ba (?=[aeiou](?!ne\b|ni|se))|\ba hour|\ban (?![aeiou]|hour)", text, re.IGNORECASE), text
        singular = (
            r"(?<![\d/*+=-] )(?<![-\d.])\b(?:[2-9]|\d\d+) (?:apple|marble|page|mile|dollar|cookie|year|hour|day)\b"
        )
        assert not re.search(singular, p.question), text


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("apple", "an apple"),
        ("hour", "an hour"),
        ("unicycle", "a unicycle"),
        ("book", "a book"),
        ("one-way ticket", "a one-way ticket"),
    ],
)
def test_article_goes_by_sound(word: str, expected: str) -> None:
    assert article(word) == expected


def test_pronouns_have_one_reading() -> None:
    for person in PEOPLE:
        assert all(other.he != person.he for other in others(person))
        assert (person.he, person.his, person.him) in {("she", "her", "her"), ("he", "his", "him")}
    assert len({p.name for p in PEOPLE}) == len(PEOPLE)


def test_grades_are_balanced_in_every_block_and_not_periodic() -> None:
    steps = [p.metadata["steps"] for p in generate(600)]
    blocks = [tuple(steps[i : i + 6]) for i in range(0, 600, 6)]
    assert all(sorted(block) == [1, 2, 3, 4, 5, 6] for block in blocks)
    assert len(set(blocks)) > 50


def test_distractors_come_at_higher_grades_only(problems: list[Problem]) -> None:
    with_distractors = Counter(p.metadata["steps"] for p in problems if p.metadata["distractors"])
    assert set(with_distractors) == {4, 5, 6}
    assert all(count > 100 for count in with_distractors.values())


def test_there_are_hundreds_of_templates_and_hardly_a_question_twice(problems: list[Problem]) -> None:
    assert len({p.metadata["template"] for p in problems}) >= 300
    assert len({p.question for p in problems}) >= 4990
    families = Counter(p.metadata["template"].partition("/")[0] for p in problems)
    assert set(families) == {family.name for family in FAMILIES}
    assert min(families.values()) > 100


def test_every_family_has_every_grade() -> None:
    for family in FAMILIES:
        for steps in range(1, compose.MAX_STEPS + 1):
            plan = compose.draw_plan(Draw(1, steps), family, steps)
            assert plan is not None, (family.name, steps)


def test_names_of_beats_are_unique_so_that_template_ids_are() -> None:
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
    for family in FAMILIES:
        for beats in (family.openers, family.middles, family.closers):
            assert len({beat.name for beat in beats}) == len(beats), family.name


def test_every_beat_is_reachable(problems: list[Problem]) -> None:
    told = {
        (family, place, beat)
        for p in problems
        for family, _, beats in [p.metadata["template"].partition("/")]
        for place, beat in [
            (("opener", "middle", "closer")[(i > 0) + (i == beats.count("+"))], name)
            for i, name in enumerate(beats.split("+"))
        ]
    }
    written = {
        (family.name, place, beat.name)
        for family in FAMILIES
        for place, beats in (("opener", family.openers), ("middle", family.middles), ("closer", family.closers))
        for beat in beats
    }
    assert told == written


def test_a_plan_costs_exactly_what_its_solution_has() -> None:
    for i in range(300):
        draw, steps = Draw(3, i), 1 + i % 6
        draft = compose.compose_problem(draw, steps)
        plan = draft.plan
        cost = sum(b.cost for b in (plan.opener, *plan.middles, plan.closer))
        cost += (plan.opener.cost_per_middle + plan.closer.cost_per_middle) * len(plan.middles)
        assert cost == steps == len(draft.solution), plan.template


def test_a_problem_depends_on_seed_index_and_range_only() -> None:
    assert generate(10) == generate(100)[:10]
    assert generate(10, seed=3)[7] == make_problem(7, seed=3)
    assert generate(20) != generate(20, seed=1)
    assert make_problem(0, min_steps=2, max_steps=4).question != make_problem(0, min_steps=2, max_steps=5).question


def test_the_first_problems_of_seed_0_never_change() -> None:
    rows = [
        {"id": p.id, "question": p.question, "answer": p.answer, "solution": p.solution, "metadata": dict(p.metadata)}
        for p in generate(50)
    ]
    text = json.dumps(rows, sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest() == SHA256_OF_FIRST_50


def test_hash_randomisation_does_not_change_problems() -> None:
    code = "from reasonry.tasks.word_problems import generate; print(generate(30))"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("0", "1")
    }
    assert len(outputs) == 1
    assert outputs.pop().decode().strip() == str(generate(30))


def test_ids_are_unique_across_ranges_and_seeds() -> None:
    everything = (
        generate(50) + generate(50, seed=1) + generate(50, max_steps=2) + generate(50, min_steps=2, max_steps=2)
    )
    assert len({p.id for p in everything}) == 200
    assert make_problem(12).id == "wp-0-00012"
    assert make_problem(12, seed=4, min_steps=1, max_steps=3).id == "wp-4-s1to3-00012"


def test_a_thousand_problems_take_under_two_seconds() -> None:
    start = time.process_time()
    generate(1000, seed=9)
    assert time.process_time() - start < 2.0


@pytest.mark.parametrize("kind", ["huge seed", "huge index"])
def test_large_seeds_and_indices_work(kind: str) -> None:
    p = make_problem(0, seed=2**80) if kind == "huge seed" else make_problem(10**12)
    assert STEP.findall(p.solution)[-1][3] == p.answer


@pytest.mark.parametrize(
    "bad",
    [
        {"seed": -1},
        {"min_steps": 0},
        {"max_steps": 7},
        {"min_steps": 4, "max_steps": 3},
    ],
)
def test_impossible_requests_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        generate(1, **bad)


def test_negative_counts_and_empty_tasks_are_refused() -> None:
    assert generate(0) == []
    with pytest.raises(ConfigError, match="-1 problems"):
        generate(-1)
    with pytest.raises(ConfigError, match="index is -1"):
        make_problem(-1)
    with pytest.raises(ConfigError, match="task of 0 problems"):
        as_task(0)


def test_as_task_names_its_source_and_its_verifier_grades_its_own_solutions_right() -> None:
    task = as_task(60, seed=2, max_steps=3)
    assert (task.name, task.verifier, len(task.problems)) == ("word-problems", "number", 60)
    assert "seed=2" in task.source
    assert "steps=1-3" in task.source
    assert "####" in task.instruction
    verifier = make_verifier(task.verifier)
    for p in task.problems:
        assert verifier.grade(p.solution, p).is_right, p.id
        assert verifier.grade(f"#### {int(p.answer) + 1}", p).grade == "wrong", p.id


@pytest.mark.parametrize(
    ("argument", "grades"), [("", {1, 2, 3, 4, 5, 6}), ("2", {2}), ("1-3", {1, 2, 3}), ("5-6", {5, 6})]
)
def test_argument_gives_the_range_of_steps(argument: str, grades: set[int]) -> None:
    task = from_spec(argument, num=24, seed=0)
    assert {p.metadata["steps"] for p in task.problems} == grades


@pytest.mark.parametrize("argument", ["x", "1-", "-3", "1-3-5", "0-2", "3-1", "1-9", "1.5", "²"])
def test_bad_argument_is_refused_with_the_right_form(argument: str) -> None:
    with pytest.raises(ConfigError, match=r"1-3|min_steps"):
        from_spec(argument, num=5, seed=0)


def test_default_number_of_problems_is_used() -> None:
    assert len(from_spec("1", num=None, seed=0).problems) == word_problems.DEFAULT_NUM


def test_draws_are_uniform() -> None:
    draw = Draw(0, 1)
    counts = Counter(draw.below(6) for _ in range(60_000))
    # Each count is binomial(60000, 1/6): mean 10000, s.d. 91.3; five s.d. is 457.
    assert all(abs(count - 10_000) < 457 for count in counts.values())
    assert {draw.between(3, 5) for _ in range(200)} == {3, 4, 5}
    assert sorted(draw.sample("abcde", 5)) == list("abcde")
