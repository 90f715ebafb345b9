"""Trajectories in Parquet files and in data sets on disk: the same as in lines, without what Arrow fills in."""

from __future__ import annotations

import datetime
import decimal
import importlib.util
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.pivotrl_log_formats import WRITTEN, read_all, told, write_document
from tests.pivotrl_log_stories import STORY
from tests.pivotrl_logs import Row, chat, extract, tool

from reasonry.errors import DataError, MissingDependencyError
from reasonry.training.pivotrl.export_rows import trl_row, verl_row
from reasonry.training.pivotrl.extract import tables
from reasonry.training.pivotrl.extract.formats import find_sources, recognise
from reasonry.training.pivotrl.extract.lines import peek, rows
from reasonry.training.pivotrl.extract.logs import Log, Unread
from reasonry.training.pivotrl.extract.readers import openai
from reasonry.training.pivotrl.rows import read_candidates

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
datasets = pytest.importorskip("datasets")

EVERY = pytest.mark.parametrize("name", WRITTEN)


def parquet(path: Path, written: Sequence[Row], **more: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(written)), path, **more)
    return path


def dataset(path: Path, written: Sequence[Row], **more: Any) -> Path:
    datasets.Dataset(pa.Table.from_pylist(list(written))).save_to_disk(path, **more)
    return path


BOTH = pytest.mark.parametrize("write", [parquet, dataset])


def place(folder: Path, write: Any) -> Path:
    return folder / ("logs.parquet" if write is parquet else "logs")


def as_text(row: Row) -> Row:
    """Columns that hold more than one value as JSON text, as many data sets keep them."""
    return {k: json.dumps(v) if isinstance(v, list | dict) else v for k, v in row.items()}


def values(path: Path) -> list[Row]:
    found = list(rows(path))
    assert not any(isinstance(row, Unread) for row in found), found
    return [row.value for row in found if not isinstance(row, Unread)]


def only(path: Path) -> Log:
    (found,) = openai.read(path)
    assert isinstance(found, Log), found
    return found


def calls(arguments: Sequence[Any], **columns: Any) -> Row:
    """A conversation in which each arguments are those of a call."""
    messages: list[Row] = [{"role": "user", "content": "Go."}]
    for i, value in enumerate(arguments):
        made = {"id": f"c{i}", "type": "function", "function": {"name": "look", "arguments": value}}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [made]},
            {"role": "tool", "content": "done", "tool_call_id": f"c{i}"},
        ]
    return {"messages": messages, **columns}


def arguments_of(log: Log) -> list[Any]:
    return [call.arguments for message in log.trajectory.messages for call in message.tool_calls]


# ---------------------------------------------------------------- the same as in lines


@EVERY
@BOTH
def test_every_format_tells_the_same_story_in_a_table_of_json_text(name: str, write: Any, tmp_path: Path) -> None:
    path = write(place(tmp_path, write), [as_text(WRITTEN[name].story())])
    assert recognise(path) == WRITTEN[name].format
    (log,) = read_all(WRITTEN[name].format, path)
    (as_line,) = read_all(WRITTEN[name].format, write_document(tmp_path / "logs.jsonl", WRITTEN[name].story()))
    assert isinstance(log, Log) and isinstance(as_line, Log)
    assert told(log) == STORY
    assert log.trajectory.source.startswith(f"{path}[0]")
    assert log._replace(id="", trajectory=replace(log.trajectory, source="")) == as_line._replace(
        id="", trajectory=replace(as_line.trajectory, source="")
    )


@BOTH
def test_chats_in_columns_of_structs_are_the_chats_in_lines(write: Any, tmp_path: Path) -> None:
    written = [
        chat("Where?", "look(shelf)", "a book", "On the shelf."),
        chat("Pay.", "pay(Ann)", "done", "Paid.", id="p"),
    ]
    from_table, table = extract(write(place(tmp_path, write), written), out=tmp_path / "a")
    from_lines, lines = extract(write_document(tmp_path / "logs.jsonl", *written), out=tmp_path / "b")
    assert len(table) == 4
    assert (from_table.num_turns, from_table.drops) == (from_lines.num_turns, from_lines.drops)
    for one, other in zip(table, lines, strict=True):
        assert (one.prompt, one.expected) == (other.prompt, other.expected)
        assert one.tools == other.tools, "a schema has no nulls where Arrow filled in those of the other tool"


def test_a_conversation_of_sharegpt_in_structs_that_know_two_ways_to_name_a_turn(tmp_path: Path) -> None:
    mixed = [{"from": "human", "value": "Hi"}, {"role": "gpt", "content": "Hello"}]
    (log,) = read_all("sharegpt", parquet(tmp_path / "a.parquet", [{"conversations": mixed}]))
    assert isinstance(log, Log)
    assert told(log) == (("user", "Hi", ()), ("assistant", "Hello", ()))


def test_tables_and_data_sets_of_a_folder_are_found_beside_files_of_lines(tmp_path: Path) -> None:
    written = [chat("Hi", "Hello")]
    parquet(tmp_path / "a" / "train-00000-of-00001.parquet", written)
    dataset(tmp_path / "b", written)
    write_document(tmp_path / "c.jsonl", *written)
    write_document(tmp_path / "d.jsonl", {"rows": 3})
    found = find_sources([tmp_path])
    names = ["a/train-00000-of-00001.parquet", "b", "c.jsonl"]
    assert [(s.path.relative_to(tmp_path).as_posix(), s.format) for s in found.files] == [(n, "openai") for n in names]
    assert [path.name for path in found.skipped] == ["d.jsonl"]
    extraction, candidates = extract(tmp_path, out=tmp_path / "out")
    assert (len(candidates), extraction.num_duplicates) == (1, 2)


# ---------------------------------------------------------------- what Arrow fills in


@BOTH
def test_nulls_that_arrow_fills_into_arguments_are_left_out_and_counted(write: Any, tmp_path: Path) -> None:
    given = [{"x": 1}, {"y": "z"}, {"x": 2, "deep": {"a": 1}}, {"deep": {"b": [1, None]}}]
    path = write(place(tmp_path, write), [calls(given, tools=[tool("look", "x")])])
    stored = pa.Table.from_pylist([calls(given)])["messages"][0].as_py()[1]["tool_calls"][0]["function"]["arguments"]
    assert stored == {"x": 1, "y": None, "deep": None}, "Arrow does fill them in"
    log = only(path)
    assert arguments_of(log) == given
    assert log.num_nulls == 2 + 2 + (1 + 1) + (2 + 1)
    found, candidates = extract(path, out=tmp_path / "out")
    assert [dict(c.expected[0].calls[0].arguments) for c in candidates] == given
    assert any("9 nulls in arguments of calls were left out (1 trajectories)" in note for note in found.notes)


def test_a_null_in_arguments_that_are_json_text_is_kept_and_nothing_is_counted(tmp_path: Path) -> None:
    given = [{"x": None}, {"y": "z"}]
    log = only(parquet(tmp_path / "a.parquet", [calls([json.dumps(value) for value in given])]))
    assert (arguments_of(log), log.num_nulls) == (given, 0)
    whole = as_text(calls(given))
    log = only(parquet(tmp_path / "b.parquet", [whole]))
    assert (arguments_of(log), log.num_nulls) == (given, 0)
    found, _ = extract(tmp_path / "b.parquet", out=tmp_path / "out", infer_tools=True)
    assert not found.notes


def test_nulls_elsewhere_are_absent_fields_and_not_counted(tmp_path: Path) -> None:
    written = calls([{"at": "x"}])
    written["messages"][0]["weight"] = 1.0  # now every message has one, most of them null
    log = only(parquet(tmp_path / "a.parquet", [written, calls([{"at": "y"}], task_id="other")][:1]))
    assert log.num_nulls == 0
    assert [dict(message.extra) for message in log.trajectory.messages] == [{"weight": 1.0}, {}, {}]
    assert log.trajectory.messages[1].content == "", "a message that only calls keeps its empty content"


def test_the_nulls_of_simulations_in_one_row_are_counted_once(tmp_path: Path) -> None:
    def simulation(name: str, arguments: Row) -> Row:
        call = {"id": "1", "name": "look", "arguments": arguments, "requestor": "assistant"}
        messages = [{"role": "user", "content": "Go"}, {"role": "assistant", "tool_calls": [call]}]
        return {"id": name, "task_id": name, "termination_reason": "done", "messages": messages}

    row = {"info": {"environment_info": {"policy": "Be brief."}}, "simulations": [simulation("a", {"x": 1})]}
    row["simulations"].append(simulation("b", {"y": 2}))  # pyright: ignore[reportAttributeAccessIssue]
    found = read_all("tau2", parquet(tmp_path / "a.parquet", [row]))
    assert [arguments_of(log) for log in found if isinstance(log, Log)] == [[{"x": 1}], [{"y": 2}]]
    assert sum(log.num_nulls for log in found if isinstance(log, Log)) == 2


def test_maps_and_columns_of_json_keep_what_was_written(tmp_path: Path) -> None:
    kind = pa.map_(pa.string(), pa.string())
    table = pa.table({"about": pa.array([[("a", "1"), ("b", None)]], kind), "when": [datetime.date(2025, 3, 4)]})
    table = table.append_column("cost", pa.array([decimal.Decimal("1.50")]))
    table = table.append_column("picture", pa.array([b"\x00\x01"]))
    pq.write_table(table, tmp_path / "a.parquet")
    about = {"about": {"a": "1", "b": None}, "when": "2025-03-04", "cost": "1.50", "picture": "[2 bytes]"}
    assert values(tmp_path / "a.parquet") == [about]
    features = datasets.Features({"messages": datasets.List(datasets.Json()), "id": datasets.Value("string")})
    written = [calls([{"x": None}, {"y": "z"}], id="a"), {"messages": chat("Hi", "Hello")["messages"], "id": "b"}]
    data = datasets.Dataset.from_list(written, features=features)
    data.save_to_disk(tmp_path / "data")
    data.to_parquet(tmp_path / "data.parquet")
    for path in (tmp_path / "data", tmp_path / "data.parquet"):
        assert values(path) == written


def test_schemas_and_calls_kept_as_text_within_structs_are_read(tmp_path: Path) -> None:
    row = calls([{"at": "x"}])
    row["messages"][1]["tool_calls"] = json.dumps(row["messages"][1]["tool_calls"])
    look = tool("look", "at")
    look["function"]["parameters"] = json.dumps(look["function"]["parameters"])
    log = only(parquet(tmp_path / "a.parquet", [{**row, "tools": [look]}]))
    assert arguments_of(log) == [{"at": "x"}]
    assert log.trajectory.tools == (tool("look", "at"),)
    log = only(parquet(tmp_path / "b.parquet", [{**row, "tools": [json.dumps(tool("look", "at"))]}]))
    assert log.trajectory.tools == (tool("look", "at"),)


@pytest.mark.parametrize("text", ['{"a": 1}', "[INST] Hi", '["a"]', "[{}]", "Hi"])
def test_a_prompt_that_looks_like_json_and_is_no_conversation_stays_text(text: str, tmp_path: Path) -> None:
    log = only(parquet(tmp_path / "a.parquet", [{"prompt": text, "completion": "{}"}]))
    assert told(log) == (("user", text, ()), ("assistant", "{}", ()))


# ---------------------------------------------------------------- splits, places, batches


def test_a_split_is_told_and_that_of_the_test_is_warned_of(tmp_path: Path) -> None:
    one, two = datasets.Dataset.from_list([chat("Hi", "Hello")]), datasets.Dataset.from_list([chat("Ho", "Hello")])
    datasets.DatasetDict({"train": one, "test": two}).save_to_disk(tmp_path / "data")
    found, candidates = extract(tmp_path / "data", out=tmp_path / "out")
    assert [Path(file["path"]).name for file in found.files] == ["test", "train"]
    assert {c.meta.get("split"): c.prompt[0].content for c in candidates} == {"train": "Hi", "test": "Ho"}
    assert any("1 trajectories are of the split test" in note for note in found.notes)
    found, candidates = extract(tmp_path / "data" / "train", out=tmp_path / "out")
    assert (len(candidates), found.notes) == (1, [])
    assert values(parquet(tmp_path / "test-00000-of-00003.parquet", [{"a": 1}])) == [{"split": "test", "a": 1}]
    assert values(parquet(tmp_path / "train-00000-of-00001-0a1b2c.parquet", [{"split": "own"}])) == [{"split": "own"}]


@BOTH
def test_rows_keep_their_order_and_their_number_whatever_a_batch_holds(
    write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = [chat(f"{i}?", "Yes") for i in range(11)]
    more = {"row_group_size": 4} if write is parquet else {"num_shards": 3}
    path = write(place(tmp_path, write), written, **more)
    whole = list(rows(path))
    assert [row.place for row in whole] == [f"{path}[{i}]" for i in range(11)]
    assert [row.value["messages"][0]["content"] for row in whole if not isinstance(row, Unread)] == [
        f"{i}?" for i in range(11)
    ]
    monkeypatch.setattr(tables, "_ROWS_AT_ONCE", 3)
    assert list(rows(path)) == whole
    assert [value["messages"][0]["content"] for value in peek(path)] == ["0?", "1?", "2?"]


@BOTH
def test_a_table_is_not_held_in_memory(write: Any, tmp_path: Path) -> None:
    big = [{"messages": chat("Hi", os.urandom(50_000).hex())["messages"]} for _ in range(256)]
    more = {"row_group_size": 16} if write is parquet else {"num_shards": 2}
    path = write(place(tmp_path, write), big, **more)
    del big
    before, most = pa.total_allocated_bytes(), 0
    for _ in rows(path):
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < 13e6, "of 26 MB"


def test_the_files_of_a_data_set_that_it_does_not_name_are_not_read(tmp_path: Path) -> None:
    path = dataset(tmp_path / "data", [{"a": 1}])
    (path / "cache-0123.arrow").write_bytes((path / "data-00000-of-00001.arrow").read_bytes())
    assert values(path) == [{"a": 1}]


# ---------------------------------------------------------------- what is refused


def test_a_row_that_is_no_json_costs_itself(tmp_path: Path) -> None:
    written = [chat("Hi", "Hello", score=1.0), chat("Ho", "Hello", score=float("nan")), chat("Ha", "Hello", score=0.0)]
    path = parquet(tmp_path / "a.parquet", written)
    found = list(openai.read(path))
    assert [type(item) for item in found] == [Log, Unread, Log]
    assert found[1] == Unread(f"{path}[1]", "not JSON", "column 'score': nan is not a JSON number")
    (broken,) = read_all("openai", parquet(tmp_path / "b.parquet", [{"messages": '[{"role": '}, {"messages": "[]"}]))[
        :1
    ]
    assert isinstance(broken, Unread) and broken.detail.startswith("column 'messages': ")


def test_bytes_that_are_no_text_cost_their_row_only(tmp_path: Path) -> None:
    broken = pa.array([b"ok", b"\xff\xfe", b"fine"]).view(pa.string())
    pq.write_table(pa.table({"a": broken}), tmp_path / "a.parquet")
    first, second, third = rows(tmp_path / "a.parquet")
    assert isinstance(second, Unread) and (second.reason, second.place) == ("not JSON", f"{tmp_path}/a.parquet[1]")
    assert [row.value for row in (first, third) if not isinstance(row, Unread)] == [{"a": "ok"}, {"a": "fine"}]
    data = tmp_path / "data"
    datasets.Dataset(pa.table({"a": broken})).save_to_disk(data)
    with pytest.raises(DataError, match=r"cannot be read as Arrow: .*UTF8"):
        list(rows(data))


def test_a_map_with_a_key_twice_costs_its_row(tmp_path: Path) -> None:
    kind = pa.map_(pa.string(), pa.int64())
    pq.write_table(pa.table({"a": pa.array([[("x", 1), ("x", 2)], [("x", 3)]], kind)}), tmp_path / "a.parquet")
    first, second = rows(tmp_path / "a.parquet")
    assert isinstance(first, Unread) and "a key twice" in first.detail
    assert not isinstance(second, Unread) and second.value == {"a": {"x": 3}}


def test_a_damaged_file_is_an_error_with_its_place_and_what_to_do(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", [chat("Hi", "Hello")])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"a\.parquet: cannot be read as Parquet: .*Write it, or download it, again"):
        find_sources([path])
    folder = dataset(tmp_path / "data", [chat(f"{i}", "Hello") for i in range(50)])
    part = folder / "data-00000-of-00001.arrow"
    part.write_bytes(part.read_bytes()[: part.stat().st_size // 2])
    with pytest.raises(DataError, match=r"data-00000-of-00001\.arrow: cannot be read as Arrow: .*save_to_disk"):
        list(rows(folder))
    part.unlink()
    with pytest.raises(DataError, match=r"data-00000-of-00001\.arrow: cannot be read as Arrow: .*save_to_disk"):
        list(rows(folder))


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        ("{", "not JSON"),
        ("[]", "not the state of a data set"),
        ('{"_data_files": 3}', "no list of names"),
        ('{"_data_files": [{"filename": "../a.arrow"}]}', "no list of names"),
        ('{"_data_files": [{"filename": ""}]}', "no list of names"),
        ('{"_data_files": [{}]}', "no list of names"),
        ('{"_data_files": [], "_indices_data_files": [{"filename": "i.arrow"}]}', "a choice of rows"),
    ],
)
def test_a_data_set_whose_state_is_wrong_is_an_error(tmp_path: Path, state: str, problem: str) -> None:
    path = dataset(tmp_path / "data", [{"a": 1}])
    (path / "state.json").write_text(state)
    with pytest.raises(DataError, match=rf"state\.json: .*{problem}.* (Load it|Write it again)"):
        list(rows(path))


def test_a_column_twice_is_an_error(tmp_path: Path) -> None:
    pq.write_table(pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet: the column 'a' is there twice\. Rename one"):
        list(rows(tmp_path / "a.parquet"))


@pytest.mark.parametrize(
    "given",
    ["owner/some-data", "hf://datasets/owner/some-data", "https://huggingface.co/datasets/owner/some-data"],
)
def test_a_data_set_of_the_hub_is_refused_with_how_to_get_it(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r'not downloaded here: run .*load_dataset\("owner/some-data"\)\.save_to_disk'):
        find_sources([Path(given)])


@pytest.mark.parametrize("given", ["nothing", "here/nothing", "there/a.jsonl", "there/a.parquet", "a/b/c"])
def test_a_path_that_is_wrong_is_not_taken_for_a_data_set_of_the_hub(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    with pytest.raises(DataError, match=r"there is no such file or folder\. Check the path"):
        find_sources([Path(given)])


def test_tables_of_other_columns_and_parts_of_a_data_set_are_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Its columns are those of no format; rename them"):
        find_sources([parquet(tmp_path / "a.parquet", [{"dialogue": [{"who": "me"}]}])])
    with pytest.raises(DataError, match="Its columns are those of no format; rename them"):
        find_sources([dataset(tmp_path / "data", [{"dialogue": "Hi"}])])
    with pytest.raises(DataError, match="give the folder"):
        find_sources([tmp_path / "data" / "data-00000-of-00001.arrow"])


def test_without_pyarrow_a_table_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = parquet(tmp_path / "a.parquet", [chat("Hi", "Hello")])
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "pyarrow" else find(name, *a))
    with pytest.raises(MissingDependencyError, match=r"pyarrow is not installed .*reasonry\[eval\]"):
        find_sources([path])


def test_states_written_for_other_trainers_are_no_conversations(tmp_path: Path) -> None:
    found, _ = extract(write_document(tmp_path / "logs.jsonl", chat("a", "look(x)", "b", "c")), out=tmp_path / "out")
    candidates = list(read_candidates(found.path))
    verl = [verl_row(c, index=i, data_source="pivotrl") for i, c in enumerate(candidates)]
    trl = [trl_row(c, tool_format="hermes") for c in candidates]
    assert recognise(parquet(tmp_path / "verl.parquet", verl)) == ""
    assert recognise(parquet(tmp_path / "trl.parquet", trl)) == ""
    assert recognise(write_document(tmp_path / "trl.jsonl", *trl)) == ""
