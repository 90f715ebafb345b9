"""Worked examples from files, from generators by name, and cut out of written solutions."""

import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from reasonry.core.task import Problem
from reasonry.errors import ConfigError, DataError
from reasonry.tasks.equations import equation_text
from reasonry.tasks.graphs.read_texts import find_split, parse_row, read_split, read_texts
from reasonry.tasks.graphs.splitters import split_solution
from reasonry.tasks.reasoning_text import SPLITS, TEXTS, ReasoningText, make_texts, split_of, split_of_text

COCONUT = {"question": "What is 2*3+1?", "steps": ["<<2*3=6>>", "<<6+1=7>>"], "answer": "7"}
CHAT = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is 2*3+1?"},
        {"role": "assistant", "content": "2*3 is 6.\n6+1 is 7.\n#### 7"},
    ]
}
GSM8K_ROW = {"question": "What is 2*3+1?", "answer": "First 2*3=<<2*3=6>>6.\nThen 6+1=<<6+1=7>>7.\n#### 7"}


def jsonl(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


# ---------------------------------------------------------------- rows


def test_rows_of_every_form_are_read(tmp_path: Path) -> None:
    found = read_texts(jsonl(tmp_path / "a.jsonl", COCONUT, CHAT, GSM8K_ROW)).items
    assert found[0] == ReasoningText("What is 2*3+1?", ("<<2*3=6>>", "<<6+1=7>>"), "7")
    assert found[1] == ReasoningText("Be brief.\n\nWhat is 2*3+1?", ("2*3 is 6.", "6+1 is 7."), "7")
    assert found[2] == ReasoningText("What is 2*3+1?", ("First 2*3=<<2*3=6>>6.", "Then 6+1=<<6+1=7>>7."), "7")


def test_the_splitter_is_chosen(tmp_path: Path) -> None:
    found = read_texts(jsonl(tmp_path / "a.jsonl", GSM8K_ROW), split_by="equations").items
    assert found[0].steps == ("<<2*3=6>>", "<<6+1=7>>")


def test_an_example_without_steps_is_one() -> None:
    assert parse_row({**COCONUT, "steps": []}, place="x").steps == ()


def test_records_of_graphs_keep_their_graph() -> None:
    record = {
        "question": "Tom is a lorpus. Ada is a brimpus. Is Tom a lorpus or brimpus?",
        "steps": ["Tom is a lorpus."],
        "answer": "Tom is a lorpus.",
        "edges": [[0, 2], [1, 3]],
        "root": 0,
        "target": 2,
        "neg_target": 3,
    }
    graph = parse_row(record, place="x").graph
    assert graph is not None
    assert graph.edges == ((0, 2), (1, 3))
    del record["question"]
    with pytest.raises(DataError, match=r"f.json:2: missing column 'question'. This record has a graph, but no words"):
        parse_row(record, place="f.json:2")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"question": "?", "answers": "1"}, r"missing column 'answer'. Did you mean 'answers'"),
        ({}, r"missing column 'question'. The row has: nothing"),
        ({**COCONUT, "question": " "}, r"column 'question' holds ' '"),
        ({**COCONUT, "answer": 7}, r"column 'answer' holds 7"),
        ({**COCONUT, "steps": "one"}, r"column 'steps' holds 'one'"),
        ({**COCONUT, "steps": ["one", None]}, r"column 'steps' holds item 1 None"),
        ({"messages": []}, r"column 'messages' holds \[\]"),
        ({"messages": "hello"}, r"column 'messages' holds 'hello'"),
        ({"messages": CHAT["messages"][:2]}, r"the messages are by system, user. One exchange is needed"),
        ({"messages": [*CHAT["messages"], *CHAT["messages"][1:]]}, r"by system, user, assistant, user, assistant"),
        ({"messages": CHAT["messages"][2:]}, r"the messages are by assistant"),
        ({"messages": [{"role": "user", "content": " "}, CHAT["messages"][2]]}, r"before the answer are empty"),
        ({"messages": [{"role": "human", "content": "x"}]}, r"message 0: unknown role 'human'"),
        ({"messages": [CHAT["messages"][1], {"role": "assistant", "content": ""}]}, r"no answer in ''"),
        (
            {
                "messages": [
                    CHAT["messages"][1],
                    {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]},
                ]
            },
            r"the assistant calls a tool",
        ),
    ],
)
def test_bad_rows_name_the_line_and_the_value(tmp_path: Path, row: dict[str, Any], problem: str) -> None:
    path = jsonl(tmp_path / "a.jsonl", COCONUT, row, COCONUT)
    with pytest.raises(DataError, match=rf"^{path}:2: .*{problem}|^{path}:2: {problem}"):
        read_texts(path)
    reading = read_texts(path, skip_bad=True)
    assert (len(reading.items), reading.num_rows) == (2, 3)
    assert [error.place.startswith(f"{path}:2") for error in reading.skipped] == [True]


# ---------------------------------------------------------------- splitters


@pytest.mark.parametrize(
    ("by", "text", "steps", "answer"),
    [
        ("lines", "a\n\n b \n#### 3", ("a", "b"), "3"),
        ("lines", "a\n### 3\n", ("a",), "3"),
        ("lines", "a\nb\n#### 3\nc\n#### 4", ("a", "b", "#### 3", "c"), "4"),
        ("lines", "a\nThe answer is 12.", ("a",), "12"),
        ("lines", "a\nSo the final answer is: 12", ("a",), "12"),
        ("lines", "a\n**Answer:** no\nAnswer: B.", ("a", "**Answer:** no"), "B"),
        ("lines", "a\nb\nc", ("a", "b"), "c"),
        ("lines", "only", (), "only"),
        ("sentences", "It is 2.5 long. So 5! Then?\n#### x", ("It is 2.5 long.", "So 5!", "Then?"), "x"),
        ("sentences", "One. Two. Three.", ("One.", "Two."), "Three."),
        ("equations", "a <<1+1=2>>2 b <<2*2=4>>4\n#### 4", ("<<1+1=2>>", "<<2*2=4>>"), "4"),
        ("equations", "no calculation\n#### 4", (), "4"),
        ("lines", "<think>a\nb</think>\n\n42", ("a", "b"), "42"),
        ("sentences", "<think>\nOne. Two.\n</think>The answer is 3.", ("One.", "Two."), "The answer is 3."),
    ],
)
def test_solutions_are_cut_into_steps_and_an_answer(by: str, text: str, steps: tuple[str, ...], answer: str) -> None:
    assert split_solution(text, by=by) == (steps, answer)


@pytest.mark.parametrize(
    ("by", "text"), [("lines", " \n"), ("equations", "<<1+1=2>>2"), ("lines", "<think>a</think> ")]
)
def test_a_solution_without_an_answer_is_refused(by: str, text: str) -> None:
    with pytest.raises(DataError, match=r"^f:1: no answer in .*End the solution with a line like '#### 12'"):
        split_solution(text, by=by, place="f:1")


def test_an_unknown_splitter_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown splitter 'line'. Did you mean 'lines'"):
        split_solution("a", by="line")


# ---------------------------------------------------------------- splits of files


@pytest.mark.parametrize(
    ("names", "split", "found"),
    [
        (["train.jsonl", "test.jsonl"], "test", "test.jsonl"),
        (["prosqa_train.json", "prosqa_valid.json", "prosqa_test.json"], "validation", "prosqa_valid.json"),
        (["test.json", "hard_test.json"], "test", "test.json"),
        (["my-dev.json"], "validation", "my-dev.json"),
    ],
)
def test_the_file_of_a_split_is_found(tmp_path: Path, names: list[str], split: Any, found: str) -> None:
    for name in names:
        jsonl(tmp_path / name, COCONUT)
    assert find_split(tmp_path, split) == tmp_path / found
    assert make_texts(str(tmp_path), split=split) == [ReasoningText("What is 2*3+1?", ("<<2*3=6>>", "<<6+1=7>>"), "7")]


def test_no_file_or_several_of_a_split_are_refused(tmp_path: Path) -> None:
    jsonl(tmp_path / "train.json", COCONUT)
    with pytest.raises(DataError, match=r"no file of the test split in this folder. It holds train.json"):
        read_split(tmp_path, split="test")
    jsonl(tmp_path / "a_test.json", COCONUT)
    jsonl(tmp_path / "b_test.json", COCONUT)
    with pytest.raises(DataError, match=r"2 files of the test split"):
        read_split(tmp_path, split="test")


def test_one_file_is_cut_into_disjoint_splits(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "all.jsonl", *({**COCONUT, "question": f"What is {i % 400}?"} for i in range(500)))
    parts = {split: {t.question for t in read_split(path, split=split)} for split in SPLITS}
    assert not parts["train"] & parts["test"]
    assert not parts["train"] & parts["validation"]
    assert not parts["validation"] & parts["test"]
    assert sum(map(len, parts.values())) == 400
    assert 290 < len(parts["train"]) < 350
    assert len(read_split(path, split="train", limit=5)) == 5


def test_a_file_that_names_its_split_is_that_split(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "x_test.jsonl", *({**COCONUT, "question": f"{i}?"} for i in range(20)))
    assert len(read_split(path, split="test")) == 20
    with pytest.raises(DataError, match=r"this file is the test split, and train was asked for"):
        read_split(path, split="train")


def test_a_file_with_no_row_of_a_split_is_refused(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "one.jsonl", COCONUT)
    lacking = next(s for s in SPLITS if s != split_of_text(COCONUT["question"]))
    with pytest.raises(DataError, match=rf"no row falls into the {lacking} split"):
        read_split(path, split=lacking)


def test_eight_one_and_one_of_ten_numbers_fall_into_the_splits() -> None:
    assert Counter(map(split_of, range(1000))) == {"train": 800, "validation": 100, "test": 100}
    assert split_of_text("What is 2*3+1?") == split_of_text("What is 2*3+1?")


# ---------------------------------------------------------------- by name


@pytest.mark.parametrize("name", ["prosqa:2", "prontoqa:2", "word-problems:2"])
def test_generated_splits_are_disjoint_and_depend_on_the_seed_only(name: str) -> None:
    made = {split: make_texts(name, num=25, seed=0, split=split) for split in SPLITS}
    questions = [text.question for texts in made.values() for text in texts]
    assert len(set(questions)) == 75
    assert make_texts(name, num=10, seed=0, split="train") == made["train"][:10]
    other = make_texts(name, num=25, seed=1, split="test")
    assert other != made["test"]
    assert not {t.question for t in other} & {t.question for t in made["train"]}


def test_word_problems_have_equations_that_lead_to_the_answer() -> None:
    for text in make_texts("word-problems:2-4", num=60):
        assert 2 <= len(text.steps) <= 4
        for step in text.steps:
            ((a, op, b, result),) = re.findall(r"^<<(\d+)([-+*/])(\d+)=(\d+)>>$", step)
            values = {"+": int(a) + int(b), "-": int(a) - int(b), "*": int(a) * int(b), "/": int(a) / int(b)}
            assert values[op] == int(result)
        assert text.steps[-1].endswith(f"={text.answer}>>")


def test_gsm8k_from_a_folder_has_three_disjoint_splits(tmp_path: Path) -> None:
    jsonl(tmp_path / "train.jsonl", *({**GSM8K_ROW, "question": f"train {i}?"} for i in range(60)))
    jsonl(tmp_path / "test.jsonl", GSM8K_ROW)
    made = {split: make_texts(f"gsm8k:{tmp_path}", split=split) for split in SPLITS}
    assert made["test"] == [ReasoningText("What is 2*3+1?", ("<<2*3=6>>", "<<6+1=7>>"), "7")]
    assert len(made["train"]) + len(made["validation"]) == 60
    assert len(made["train"]) > len(made["validation"]) > 0
    assert not {t.question for t in made["train"]} & {t.question for t in made["validation"]}
    assert make_texts(f"gsm8k:{tmp_path}", num=3) == made["train"][:3]


def test_the_real_gsm8k_is_read() -> None:
    folder = os.environ.get("REASONRY_GSM8K")
    if not folder:
        pytest.skip("set REASONRY_GSM8K to a folder with GSM8K's train.jsonl and test.jsonl")
    test, train = (make_texts(f"gsm8k:{folder}", split=split) for split in ("test", "train"))
    assert len(test) in (700, 1319)
    assert sum(bool(t.steps) for t in test) / len(test) > 0.97
    assert all(re.fullmatch(r"<<[^<>]*>>", step) for t in train for step in t.steps)
    assert all(re.fullmatch(r"-?\d+(\.\d+)?", t.answer) for t in train)
    assert 0.88 < len(train) / 7473 < 0.92


@pytest.mark.parametrize(
    ("name", "num", "error", "problem"),
    [
        ("prosqua", 1, ConfigError, r"unknown source of texts 'prosqua'. Did you mean 'prosqa'"),
        ("./no.jsonl", 1, DataError, r"no such file, folder or source of texts: './no.jsonl'"),
        ("", 1, ConfigError, r"unknown source of texts ''"),
        ("prosqa:9", 1, ConfigError, r"prosqa:9: cannot read '9'. Write 3 or 2-3, from 1 to 6"),
        ("prontoqa:x", 1, ConfigError, r"prontoqa:x: cannot read 'x'"),
        ("word-problems:7", 1, ConfigError, r"cannot read '7'"),
        ("prosqa", 0, ConfigError, r"0 texts were asked for"),
        ("prosqa", None, ConfigError, r"how many texts of prosqa is not said"),
        ("prontoqa", None, ConfigError, r"how many texts of prontoqa is not said"),
        ("word-problems", None, ConfigError, r"how many texts of word-problems is not said"),
        ("gsm8k:/no/such/folder", None, DataError, r"/no/such/folder: no such folder"),
    ],
)
def test_names_of_nothing_are_refused(name: str, num: int | None, error: type[Exception], problem: str) -> None:
    with pytest.raises(error, match=problem):
        make_texts(name, num=num)


def test_an_unknown_split_is_refused() -> None:
    unknown: Any = "tset"
    with pytest.raises(ConfigError, match=r"unknown split 'tset'. Did you mean 'test'"):
        make_texts("prosqa", num=1, split=unknown)


def test_every_registered_source_says_what_it_is() -> None:
    for name, row in TEXTS.items():
        assert row.usage.startswith(name)
        assert row.line.endswith(".")


def test_a_solution_without_a_last_line_has_no_equations() -> None:
    with pytest.raises(DataError, match=r"^p1: no answer in"):
        equation_text(Problem("p1", "?", "2", solution="1+1=<<1+1=2>>2"))
