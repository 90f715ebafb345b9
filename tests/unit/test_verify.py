import gc
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from reasonry.core.outcome import Outcome
from reasonry.core.task import Problem
from reasonry.core.verify import VERIFIERS, Verifier, make_verifier
from reasonry.core.verify import math as math_module
from reasonry.core.verify.math import MathVerifier
from reasonry.core.verify.number import NumberVerifier, canonical_number, find_number
from reasonry.core.verify.text import ExactVerifier, JsonPathVerifier, RegexVerifier
from reasonry.errors import ConfigError, MissingDependencyError


def _problem(answer: str) -> Problem:
    return Problem("p", "How many?", answer)


# ---------------------------------------------------------------- by name


def test_every_verifier_is_made_by_its_name_and_keeps_the_protocol() -> None:
    for shown in VERIFIERS:
        name = shown.replace("PATTERN", "(a)").replace("PATH", "a.b[0]")
        if name == "math":
            pytest.importorskip("math_verify")
        verifier = make_verifier(name)
        assert isinstance(verifier, Verifier)
        assert verifier.name == name


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("numbr", "Did you mean 'number'?"),
        ("", "Known: number"),
        ("zzz", "Known: number"),
        ("number:3", "takes no ':3'"),
        ("exact:", "takes no ':'"),
        ("regex:(", "not a regular expression"),
        ("regex:a{99999999999999999999}", "not a regular expression"),
        ("regex:" + "(" * 5000 + ")" * 5000, "not a regular expression"),
        ("regex:", "the pattern is empty"),
        ("json:", "not a JSON path"),
        ("json:a..b", "not a JSON path"),
        ("json:.a", "not a JSON path"),
        ("json:a[x]", "not a JSON path"),
        ("json:a[0]b", "not a JSON path"),
    ],
)
def test_unknown_names_and_bad_details_are_config_errors(name: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_verifier(name)
    assert told in str(caught.value)
    assert caught.value.place == "verifier"
    assert len(str(caught.value)) < 600


# ---------------------------------------------------------------- number: canonical form


@pytest.mark.parametrize(
    ("canonical", "spellings"),
    [
        (
            "1000",
            ["1,000", "1000", "$1,000.00", "1000.0", "+1000", "1e3", "1.0E3", "2000/2", "€1000", "£1,000", "$ 1000"],
        ),
        ("-5", ["-5", "\u22125", "\u20135", "-5.0", "-$5", "$-5", "-10/2", "-5."]),
        ("0", ["0", "-0", "0.000", "+0", "0/7", "0e5"]),
        ("0.5", ["0.5", ".5", "1/2", "5e-1", "2/4", "0.50", "3 / 6", "1/2.0"]),
        ("-0.125", ["-1/8", "-.125", "-0.1250"]),
        ("1/3", ["1/3", "2/6", "1000/3,000"]),
        ("-5/3", ["-5/3", "5/-3"]),
        ("1.5", ["1 1/2", "3/2", "1.5"]),
        ("-1.5", ["-1 1/2"]),
        ("1234567.89", ["1,234,567.89"]),
        ("3", ["\u0663"]),
    ],
)
def test_spellings_of_one_number_have_one_canonical_form(canonical: str, spellings: list[str]) -> None:
    assert {spelling: canonical_number(spelling) for spelling in spellings} == dict.fromkeys(spellings, canonical)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "abc",
        "12 apples",
        "1,0000",
        "1 000",
        "1_000",
        "--5",
        "- 5",
        "1/0",
        "1/0.0",
        "2 10/5",
        "1.2.3",
        "inf",
        "nan",
        "50%",
        "1e400",
        "1e-400",
        "1e99999999999",
        "1/1e50000000",
        "1e60",
        "9" * 61,
        "9" * 500,
        "0." + "0" * 60 + "1",
        "9" * 1_000_000,
    ],
    ids=range(25),
)
def test_what_is_no_number_or_an_absurd_one_has_no_canonical_form(text: str) -> None:
    assert canonical_number(text) is None


def test_up_to_60_digits_are_exact() -> None:
    assert canonical_number("9" * 60) == "9" * 60
    assert canonical_number("1e59") == "1" + "0" * 59
    close = "0.1234567890123456789012345678901"  # more digits than a decimal context keeps
    assert canonical_number(close) == close
    assert canonical_number(close + "1") != canonical_number(close)


# ---------------------------------------------------------------- number: finding the answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("3-2=1", "1"),
        ("2-3", "3"),
        ("2\u20133 apples", "3"),
        ("5 - 3", "3"),
        ("50%-60%", "60"),
        ("(5)-3", "3"),
        ("$5$-$3$", "3"),
        ("steps:\n- 3 apples", "3"),
        ("x=-5", "-5"),
        ("x = \u22125.", "-5"),
        ("it is -$5", "-5"),
        ("**-3**", "-3"),
        ("so 50% of them", "50"),
        ("I have 3 apples and 4 pears.", "4"),
        ("costs $1,234.50.", "1234.5"),
        ("US$5", "5"),
        ("\\$5", "5"),
        ("1/2 cup", "0.5"),
        ("it takes 1 1/2 cups", "1.5"),
        ("in 2 10/5", "2"),
        ("10/2 = 5", "5"),
        ("$5/hour", "5"),
        ("12:30", "30"),
        ("1,5", "5"),
        ("10\\,000", "10000"),
        ("1{,}000", "1000"),
        ("sentence.5", "5"),
        ("and so...5", "5"),
        ("5kg", "5"),
    ],
)
def test_without_a_mark_the_last_number_is_the_answer(text: str, answer: str) -> None:
    assert find_number(text) == answer
    assert find_number(text, only_marked=True) is None


@pytest.mark.parametrize("text", ["", "no numbers here", "x2", "v1.2 of it", "\n\n", "$", "-", "one half"])
def test_text_without_a_number_has_no_answer(text: str) -> None:
    assert find_number(text) is None


@pytest.mark.parametrize("number", ["1e400", "9" * 500, "5/0", "1e-400"])
def test_an_absurd_last_number_has_no_answer_and_no_earlier_number_takes_its_place(number: str) -> None:
    assert find_number(f"3 + 4 = {number}") is None
    assert find_number(f"3 + 4\nThe answer is {number}. Or 7.") is None
    assert find_number(f"#### {number}\n7") is None
    verifier = NumberVerifier()
    assert verifier.grade(f"it is {number}", _problem("4")).grade == "ungradable"
    assert verifier.grade("4", _problem(number)).grade == "ungradable"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("#### 12\nI checked it 3 times.", "12"),
        ("#### $1,200.\n", "1200"),
        ("#### **-12**\n7", "-12"),
        ("#### x = 12\n7", "12"),
        ("#### 3 * 4 = 12\n7", "12"),
        ("#### 5\nNo: #### 6\n7", "6"),
        ("#### 5 #### 6\n7", "6"),
        ("\\boxed{12} after 3 tries", "12"),
        ("$\\boxed{\\frac{1}{2}}$ and 7", "0.5"),
        ("$\\boxed{-\\dfrac{1}{2}}$ and 7", "-0.5"),
        ("$\\boxed{1\\frac12}$ and 7", "1.5"),
        ("\\boxed{x = 12\\text{ cm}} 7", "12"),
        ("\\boxed{1{,}000} 7", "1000"),
        ("\\boxed{5} then \\boxed{6} then 7", "6"),
        ("\\boxed{5} then \\boxed{no} then 7", "5"),
        ("The answer is 12. It took 3 steps.", "12"),
        ("the Answer is: **12** cows, 3 of them brown", "12"),
        ("**Answer:** $1,234.50. Or 3.", "1234.5"),
        ("ANSWER = 12\n3", "12"),
        ("The final answer is 12\n3", "12"),
        ("The answer is\n12\n3", "12"),
        ("The answer is 3 * 4 = 12 cows, as 2 + 1 = 3. Then 9.", "12"),
        ("The answer is 10, because 2 = 2", "10"),
        ("The answer is 5 (since 2 + 3 = 5, and 4)", "5"),
        ("The answer is f(2) = 7 in 3 steps", "7"),
        ("The answer is approx. 15 or so. 3", "15"),
        ("The answer is 5. No wait, the answer is 6. 7", "6"),
        ("The answer is 5.\nI hope the answer is clear.\n7", "5"),
        ("The answer is 1\n\\boxed{2}\n#### 3\n4", "3"),
        ("#### 3\n\\boxed{2}\nThe answer is 1\n4", "3"),
        ("The answer is 1. \\boxed{2} 4", "2"),
    ],
)
def test_a_marked_answer_wins_over_later_numbers_and_the_last_mark_wins(text: str, answer: str) -> None:
    assert find_number(text) == answer
    assert find_number(text + "\nand so on", only_marked=True) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("#### Step 1: add\n6 * 7 = 42", "42"),
        ("#### 2. Find the cost\n\\boxed{7}", "7"),
        ("#### 1) Find the cost\nso 42", "42"),
        ("The answer is not 5 but 6", "6"),
        ("The answer isn't 5. It is 6", "6"),
        ("All 3 answers: 4, 5", "5"),
    ],
)
def test_headings_and_denials_are_no_marks(text: str, answer: str) -> None:
    assert find_number(text) == answer


def test_of_a_cut_off_reply_only_a_marked_answer_that_does_not_touch_the_cut_counts() -> None:
    assert find_number("The answer is 12. So I", only_marked=True) == "12"
    assert find_number("\\boxed{12}", only_marked=True) == "12"
    assert find_number("#### 12\n", only_marked=True) == "12"
    for cut in ("The answer is 12", "#### 1", "\\boxed{1", "The answer is 5. No, the answer is 1", "3 + 4 = 7. So"):
        assert find_number(cut, only_marked=True) is None, cut


def test_the_number_verifier_grades_right_wrong_and_ungradable_with_a_reason() -> None:
    verifier, problem = NumberVerifier(), _problem("She pays 18.\n#### 18")
    assert verifier.grade("so $18.00", problem) == Outcome("right", "18", "equal")
    assert verifier.grade("so 17", problem) == Outcome("wrong", "17", "not equal")
    assert verifier.grade("no idea", problem) == Outcome("ungradable", None, "no answer found")
    assert verifier.grade("so 18", problem, cut_off=True) == Outcome("ungradable", None, "cut off before an answer")
    assert verifier.grade("#### 18\nand", problem, cut_off=True).is_right
    unreadable = verifier.grade("so 18", _problem("eighteen"))
    assert (unreadable.grade, unreadable.answer) == ("ungradable", "18")
    assert "'eighteen' cannot be read" in unreadable.reason


@pytest.mark.parametrize(
    "text",
    [
        "1" * 1_000_000,
        "1 " * 500_000,
        "####" * 250_000,
        "#### 1a\n" * 100_000,
        "answer: " * 120_000,
        "answer is not " * 70_000,
        "answer" + " " * 1_000_000,
        "\\boxed{" * 150_000,
        "\\frac{" * 150_000,
        "1" + ",111" * 250_000 + "1",
        "1/" * 500_000,
        "-" * 1_000_000,
        "." * 1_000_000,
        "\udc00" * 1_000_000,
        "word " * 200_000,
    ],
    ids=range(15),
)
def test_a_million_characters_take_less_than_200_ms(text: str) -> None:
    times_s: list[float] = []
    for only_marked in (False, True):
        start = time.process_time()
        find_number(text, only_marked=only_marked)
        times_s.append(time.process_time() - start)
    assert max(times_s) < 0.2


# ---------------------------------------------------------------- exact and regex


def test_exact_folds_white_space_and_case_only_when_asked() -> None:
    assert ExactVerifier().grade(" New \n York ", _problem("New York")) == Outcome("right", "New York", "equal")
    assert ExactVerifier().grade("new york", _problem("New York")).grade == "wrong"
    assert ExactVerifier(fold_case=True).grade("new york", _problem("New York")).is_right
    assert ExactVerifier().grade(" \n", _problem("x")) == Outcome("ungradable", None, "no answer found")
    assert ExactVerifier().grade("x", _problem("x"), cut_off=True).reason == "cut off before an answer"
    assert ExactVerifier().grade("x", _problem(" ")).grade == "ungradable"


def test_regex_takes_the_first_group_of_the_last_match_that_holds_something() -> None:
    verifier = RegexVerifier(r"^A:(.*)$")
    assert verifier.extract("A: one\nA: two \nB: three") == "two"
    assert verifier.extract("A: one\nA:  ") == "one"
    assert verifier.extract("B: one") is None
    assert RegexVerifier(r"(a+)|b").extract("aa b") == "aa", "a match outside the group holds no answer"
    assert RegexVerifier("[A-E]").extract("A then C.") == "C"


def test_regex_compares_with_the_oracles_own_match_or_its_whole_text() -> None:
    verifier = RegexVerifier(r"\(([A-E])\)")
    assert verifier.grade("It is (B).", _problem("B")).is_right
    assert verifier.grade("It is (B).", _problem("the answer is (B)")).is_right
    assert verifier.grade("It is (C).", _problem("B")) == Outcome("wrong", "C", "not equal")
    assert verifier.grade("It is B.", _problem("B")).grade == "ungradable"
    assert verifier.grade("(B) and th", _problem("B"), cut_off=True).is_right


# ---------------------------------------------------------------- json


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("a", 'Sure: {"a": 5} and {"a": 6}', "5"),
        ("a", '{broken} {"a": 5}', "5"),
        ("a", '[1] {"a": "x y"}', '"x y"'),
        ("a.b[1].c", '{"a": {"b": [0, {"c": [1, {"z": 1, "y": null}]}]}}', '[1,{"y":null,"z":1}]'),
        ("[1]", "x [1, true]", "true"),
        ("[0].a", '[{"a": 1.0}]', "1"),
        ("a", '{"a": "5"}', "5"),
        ("a", '{"a": "05"}', '"05"'),
        ("a", '{"a": "true"}', '"true"'),
        ("a", '{"a": 2.50}', "2.5"),
        ("a", '{"a": "\\ud800é"}', '"\\ud800é"'),
        ("a", '{"b": 1}', None),
        ("a.b", '{"a": 1}', None),
        ("a[2]", '{"a": [1, 2]}', None),
        ("a", '{"a": NaN}', None),
        ("a", '{"a": 1e999}', None),
        ("a", '{"a": ' + "9" * 5000 + "}", None),
        ("a", '{"a": ', None),
        ("a", "", None),
        ("a", "no object", None),
    ],
)
def test_json_paths_lead_to_compact_values(path: str, text: str, value: str | None) -> None:
    found = JsonPathVerifier(path).extract(text)
    assert found == value
    assert found is None or found.encode()


@pytest.mark.parametrize(
    ("oracle", "reply", "grade"),
    [
        ("5", '{"a": 5}', "right"),
        ("5", '{"a": 5.0}', "right"),
        ("5", '{"a": "5"}', "right"),
        ("Paris", '{"a": "Paris"}', "right"),
        ('"Paris"', '{"a": "Paris"}', "right"),
        ('{"y": 1, "x": [2]}', '{"a": {"x": [2], "y": 1}}', "right"),
        ("true", '{"a": true}', "right"),
        ("1", '{"a": true}', "wrong"),
        ("Paris", '{"a": "paris"}', "wrong"),
        ("Paris", '{"b": "Paris"}', "ungradable"),
    ],
)
def test_json_answers_are_compared_as_values(oracle: str, reply: str, grade: str) -> None:
    assert JsonPathVerifier("a").grade(reply, _problem(oracle)).grade == grade


@pytest.mark.parametrize(
    "text",
    ["[" * 1_000_000, "{" * 1_000_000, '{"a":' * 200_000, ("[" * 900) + "1," * 400_000, ('{"a":' * 900 + "x") * 200],
    ids=range(5),
)
def test_replies_made_of_brackets_take_no_quadratic_time(text: str) -> None:
    for path in ("a", "[0]"):
        start = time.process_time()
        assert JsonPathVerifier(path).extract(text) is None
        assert time.process_time() - start < 0.5


# ---------------------------------------------------------------- math


@pytest.fixture(scope="module")
def math_verifier() -> Any:
    pytest.importorskip("math_verify")
    verifier = MathVerifier(timeout_s=2)
    yield verifier
    verifier.close()


@pytest.mark.parametrize(
    ("text", "oracle", "grade"),
    [
        (r"The answer is $\boxed{\frac{2}{4}}$.", "1/2", "right"),
        ("$0.5$", r"\frac{1}{2}", "right"),
        (r"$2\sqrt{2}$", r"\sqrt{8}", "right"),
        (r"\boxed{2\pi}", r"2\pi", "right"),
        ("$(x+1)^2$", "$x^2+2x+1$", "right"),
        ("so it is 1,000", "$1000", "right"),
        ("it is 7", "8", "wrong"),
        (r"\boxed{2}", r"2\pi", "wrong"),
        ("no formula", "8", "ungradable"),
        ("it is 8", "", "ungradable"),
        ("\udcff $8$", "8", "right"),
    ],
)
def test_formulas_are_graded_by_their_value(math_verifier: MathVerifier, text: str, oracle: str, grade: str) -> None:
    outcome = math_verifier.grade(text, _problem(oracle))
    assert outcome.grade == grade
    assert outcome.reason


def test_of_a_cut_off_reply_only_a_closed_box_counts(math_verifier: MathVerifier) -> None:
    for text in ("it is $8$", r"it is \boxed{8", "8"):
        cut = math_verifier.grade(text, _problem("8"), cut_off=True)
        assert cut == Outcome("ungradable", None, "cut off before an answer")
        assert math_verifier.extract(text, cut_off=True) is None
    assert math_verifier.grade(r"\boxed{\frac{16}{2}} and $9", _problem("8"), cut_off=True).is_right


def test_the_math_verifier_works_off_the_main_thread_and_from_many_threads(math_verifier: MathVerifier) -> None:
    def ask(i: int) -> tuple[str, str | None]:
        assert threading.current_thread() is not threading.main_thread()
        outcome = math_verifier.grade(rf"$\frac{{{2 * i}}}{{2}}$", _problem(str(i)))
        return outcome.grade, outcome.answer

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(40))) == [("right", str(i)) for i in range(40)]


@pytest.mark.parametrize(
    "text",
    ["$10^{10^{10}}$", "$(100000!)!$", "$" + "(" * 3000 + "1" + ")" * 3000 + "$", "$" + "x+" * 3900 + "1$"],
    ids=range(4),
)
def test_an_evil_formula_is_ungradable_and_the_next_question_is_answered(text: str) -> None:
    pytest.importorskip("math_verify")
    verifier = MathVerifier(timeout_s=1)
    try:
        outcome = verifier.grade(text, _problem("5"))
        assert outcome.grade == "ungradable"
        assert "the grader failed" in outcome.reason
        assert verifier.grade("$5$", _problem("5")).is_right
    finally:
        verifier.close()


def test_a_reply_of_a_million_characters_is_graded_by_its_end(math_verifier: MathVerifier) -> None:
    assert math_verifier.grade("word " * 200_000 + "$5$", _problem("5")).is_right


def _worker_of(verifier: MathVerifier) -> Any:
    return verifier._worker


HANGS_ON_EVIL = """
import json, sys, time
print("ready", flush=True)
for line in sys.stdin:
    job = json.loads(line)
    if "evil" in job["text"]:
        time.sleep(60)
    print(json.dumps({"answer": job["text"], "oracle": True, "equal": True}), flush=True)
"""


def test_a_worker_that_hangs_is_killed_and_started_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("math_verify")
    monkeypatch.setattr(math_module, "_WORKER", HANGS_ON_EVIL)
    monkeypatch.setattr(math_module, "_AIR_S", 0.5)
    verifier = MathVerifier(timeout_s=0)
    assert verifier.grade("fine", _problem("5")) == Outcome("right", "fine", "equivalent")
    first = _worker_of(verifier)._process
    start = time.monotonic()
    outcome = verifier.grade("evil", _problem("5"))
    assert outcome == Outcome("ungradable", None, "the grader failed (timed out)")
    assert time.monotonic() - start < 10
    assert first.returncode is not None, "killed and reaped"
    assert verifier.grade("after", _problem("5")).answer == "after"
    assert _worker_of(verifier)._process.pid != first.pid
    assert verifier.extract("evil") is None
    verifier.close()


def test_a_worker_that_dies_makes_one_question_ungradable(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("math_verify")
    monkeypatch.setattr(math_module, "_WORKER", HANGS_ON_EVIL.replace("time.sleep(60)", "sys.exit(1)"))
    verifier = MathVerifier()
    assert verifier.grade("evil", _problem("5")).reason == "the grader failed (the worker died)"
    assert verifier.grade("fine", _problem("5")).is_right
    _worker_of(verifier)._process.kill()
    _worker_of(verifier)._process.wait()
    assert verifier.grade("fine", _problem("5")).is_right, "found dead before the question: just started anew"
    verifier.close()
    monkeypatch.setattr(math_module, "_WORKER", "raise SystemExit(1)")
    assert verifier.grade("fine", _problem("5")).grade == "ungradable"


def test_an_interrupt_while_waiting_does_not_give_the_reply_to_the_next_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("math_verify")
    monkeypatch.setattr(math_module, "_WORKER", HANGS_ON_EVIL)
    verifier = MathVerifier()
    verifier.extract("warm")

    def interrupted(*, wait_s: float) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(_worker_of(verifier), "_line", interrupted)
    with pytest.raises(KeyboardInterrupt):
        verifier.extract("first")
    assert verifier.extract("second") == "second"
    verifier.close()


SHOWS_ENVIRONMENT = """
import json, os, sys
print("ready", flush=True)
for line in sys.stdin:
    found = json.dumps([dict(os.environ), sys.path[0], os.getsid(0)])
    print(json.dumps({"answer": found, "oracle": True, "equal": True}), flush=True)
"""


def test_the_worker_inherits_no_secret_no_current_folder_and_no_terminal_signals(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("math_verify")
    monkeypatch.setattr(math_module, "_WORKER", SHOWS_ENVIRONMENT)
    monkeypatch.setattr(math_module, "_MAX_ANSWER_CHARS", 10**6)
    for name in ("OPENAI_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "SSH_AUTH_SOCK", "HOME", "MY_PASSWORD"):
        monkeypatch.setenv(name, "hunter2-secret")
    monkeypatch.chdir(tmp_path)
    verifier = MathVerifier()
    shown = verifier.extract("x")
    verifier.close()
    assert shown is not None
    assert "hunter2" not in shown
    assert '"PATH"' in shown, "the probe itself works"
    assert str(tmp_path) not in shown
    assert not shown.endswith(f" {os.getsid(0)}]")


def test_closing_or_dropping_the_verifier_ends_its_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("math_verify")
    monkeypatch.setattr(math_module, "_WORKER", HANGS_ON_EVIL)
    verifier = MathVerifier()
    verifier.extract("x")
    process = _worker_of(verifier)._process
    del verifier
    gc.collect()
    assert process.returncode is not None
    assert process.stdin.closed
    assert process.stdout.closed


@pytest.mark.parametrize("use", ["MathVerifier()", "v = MathVerifier(); v.extract('$1$')"])
def test_the_interpreter_ends_cleanly_with_a_worker_running(use: str) -> None:
    pytest.importorskip("math_verify")
    code = f"from reasonry.core.verify.math import MathVerifier; v = None; {use}"
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_without_math_verify_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"reasonry\[eval\]"):
        make_verifier("math")


def test_verifiers_import_neither_math_verify_nor_torch() -> None:
    code = (
        "import sys; import reasonry.core.verify, reasonry.core.verify.number, reasonry.core.verify.text, "
        "reasonry.core.verify.math; print([m for m in ('math_verify', 'sympy', 'torch', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
