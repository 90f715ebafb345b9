"""Facts from files: triples, prompts with completions, wide and long tables; encodings, and what cannot be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reasonry.errors import DataError
from reasonry.tasks import load_task, write_problems
from reasonry.tasks.facts.generate import make_facts
from reasonry.tasks.facts.read import facts_from_rows, read_facts


def write(path: Path, rows: list[Any]) -> Path:
    """JSONL."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def triple(subject: object, relation: object, answer: object, **more: object) -> dict[str, object]:
    """A row of triples."""
    return {"subject": subject, "relation": relation, "object": answer, **more}


def test_triples_get_prompts(tmp_path: Path) -> None:
    rows = [triple("Ann Lee", "lives_in", "Paris"), triple("Ann Lee", "has_boss", "Bob"), triple("Bo", "age", 7)]
    table = read_facts(write(tmp_path / "f.jsonl", rows))
    assert table.facts[0] == ("Ann Lee", "lives_in", "Paris", "Ann Lee lives in", " Paris", f"{tmp_path}/f.jsonl:1")
    assert table.facts[1].prompt == "Ann Lee has boss"
    assert table.of("age")["Bo"].object == "7"


def test_triples_keep_their_prompts(tmp_path: Path) -> None:
    row = triple("Ann", "lives_in", "Paris", prompt="Where is Ann?", completion=" In Paris.")
    fact = read_facts(write(tmp_path / "f.jsonl", [row])).facts[0]
    assert (fact.object, fact.prompt, fact.completion) == ("Paris", "Where is Ann?", " In Paris.")


def test_prompts_with_completions_by_templates(tmp_path: Path) -> None:
    asked = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where does Bob work?"}]
    rows = [
        {"prompt": "Ann Lee works at", "completion": " Acme"},
        {"prompt": asked, "completion": [{"role": "assistant", "content": "Initech"}]},
        {"prompt": "Cy is employed", "completion": " by Hooli, they say."},
        {"prompt": "The moon is made of", "completion": " cheese"},
    ]
    templates = {"employer": ["{s} works at", r"Where does (?P<s>\w+) work\?", "{s} is employed by {o}, they say."]}
    table = read_facts(write(tmp_path / "f.jsonl", rows), templates=templates)
    assert {s: f.object for s, f in table.of("employer").items()} == {
        "Ann Lee": "Acme",
        "Bob": "Initech",
        "Cy": "Hooli",
    }
    assert table.num_dropped == {"no-template": 1}
    assert table.dropped[0].detail == "'The moon is made of'"


def test_most_prompts_have_to_fit_a_template(tmp_path: Path) -> None:
    rows = [{"prompt": f"The {i}th moon is", "completion": " round"} for i in range(3)]
    with pytest.raises(DataError, match=r"f\.jsonl:1: 3 of 3 prompts fit no template, the first is 'The 0th moon is'"):
        read_facts(write(tmp_path / "f.jsonl", rows))


def test_a_wide_table(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes('\ufeffname;city;"role; now"\nAnn;Paris;"chief; acting"\nBob;;pilot\n;Rome;cook\n'.encode())
    table = read_facts(path)
    assert table.relations == ("city", "role; now")
    assert table.of("role; now")["Ann"].object == "chief; acting"
    assert "Bob" not in table.of("city")
    assert table.num_dropped == {"empty": 1}
    assert table.of("city")["Ann"].place == f"{path}:2"


def test_a_table_may_have_its_subject_anywhere_and_tabs(tmp_path: Path) -> None:
    path = tmp_path / "people.tsv"
    path.write_text("city\tSubject\nParis\tAnn\n")
    assert read_facts(path).of("city")["Ann"].object == "Paris"


def test_a_long_table(tmp_path: Path) -> None:
    path = tmp_path / "facts.csv"
    path.write_text("relation,object,subject\nlives_in,Paris,Ann\nlives_in,Rome,Bob\nspeaks,,Ann\n")
    table = read_facts(path)
    assert {s: f.object for s, f in table.of("lives_in").items()} == {"Ann": "Paris", "Bob": "Rome"}
    assert table.num_dropped == {"empty": 1}


@pytest.mark.parametrize("name", ["f.jsonl", "f.csv"])
def test_lines_of_another_encoding_are_left_out_and_counted(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "f.csv":
        lines = ["name,city", "Ann,Paris", "José,Lima", "Bob,Rome", "Cy,Oslo"]
    else:
        names = ["Ann", "José", "Bob", "Cy"]
        lines = [json.dumps(triple(n, "lives_in", "Rome"), ensure_ascii=False) for n in names]
    path.write_bytes("\n".join(lines).encode("latin-1"))
    table = read_facts(path)
    assert table.subjects == ("Ann", "Bob", "Cy")
    assert table.num_dropped == {"not-utf-8": 1}
    at = 3 if name == "f.csv" else 2
    assert table.dropped[0].place == f"{path}:{at}"
    assert "byte 0xe9" in table.dropped[0].detail


def test_a_file_of_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    row = json.dumps(triple("José", "lives_in", "Lima"), ensure_ascii=False) + "\n"
    path.write_bytes(row.encode("latin-1") * 3)
    with pytest.raises(DataError, match=r"3 of 3 lines are not UTF-8\. Convert .*iconv"):
        read_facts(path)
    path.write_bytes(row.encode("utf-16"))
    with pytest.raises(DataError, match="looks like UTF-16"):
        read_facts(path)


BAD_LINES = [
    ('{"subject": "Ann"', "malformed JSON"),
    ('{"subject": "Ann", "subject": "Bob"}', "a key occurs twice"),
    ('{"subject": NaN}', "NaN is not"),
    ("[1]", "is a JSON object, got"),
    ('{"who": "Ann"}', "the row has the columns who"),
    ('{"subject": ["Ann"], "relation": "r", "object": "o"}', "column 'subject' holds a list"),
]


@pytest.mark.parametrize(("line", "says"), BAD_LINES)
def test_a_line_that_is_no_row_is_an_error_with_its_place(tmp_path: Path, line: str, says: str) -> None:
    path = write(tmp_path / "f.jsonl", [triple("Ann", "lives_in", "Paris")])
    with path.open("a") as f:
        f.write(line + "\n")
    with pytest.raises(DataError, match=says) as caught:
        read_facts(path)
    assert caught.value.place == f"{path}:2"


BAD_TABLES = [
    ("name,city,city\n", "no name of its own"),
    ("name,\n", "no name of its own"),
    ("name\nAnn\n", "the header has one column"),
    ("name,city\nAnn,Paris,France\n", "3 cells under 2 columns"),
    ('name,city\nAnn,"Paris\n', "malformed CSV"),
    ("name,city\n", "no fact is left: it is empty"),
]


@pytest.mark.parametrize(("text", "says"), BAD_TABLES)
def test_a_table_that_is_none(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "f.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=says):
        read_facts(path)


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read"):
        read_facts(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(DataError, match="no fact is left: it is empty"):
        read_facts(tmp_path / "empty.jsonl")
    rows = [triple("Ann", "lives_in", None), triple("Ann", "lives_in", "")]
    with pytest.raises(DataError, match="no fact is left: empty 2"):
        read_facts(write(tmp_path / "f.jsonl", rows))


def test_what_data_make_writes_is_read_without_its_questions(tmp_path: Path) -> None:
    path = tmp_path / "facts.jsonl"
    write_problems(path, load_task("facts:country-code", num=50, seed=3).problems)
    table, made = read_facts(path), make_facts("country-code", per_group=10, seed=3)
    assert [fact[:5] for fact in table.facts] == [fact[:5] for fact in made.table.facts]
    assert table.num_dropped == {"held-out": len(made.held_out)}


def test_rows_in_memory(tmp_path: Path) -> None:
    rows = [triple("Ann", "lives_in", "Paris"), triple("Bob", "lives_in", "Rome", split="held-out")]
    table = facts_from_rows(rows, source="train")
    assert table.facts[0].place == "train:1"
    assert table.num_dropped == {"held-out": 1}


def test_rows_of_the_training_format_are_read_back(tmp_path: Path) -> None:
    """The made-up data sets as TRL rows, without subject and relation: the package's own phrasings find both."""
    made = make_facts("sport-music")
    rows = [{"prompt": fact.prompt, "completion": fact.completion} for fact in made.table.facts]
    table = read_facts(write(tmp_path / "f.jsonl", rows))
    assert [fact[:5] for fact in table.facts] == [fact[:5] for fact in made.table.facts]
