import contextlib
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from reasonry.core import jsonl
from reasonry.core.messages import (
    Message,
    Role,
    ToolCall,
    Trajectory,
    parse_trajectory,
    read_trajectories,
    trajectory_to_row,
)
from reasonry.core.outcome import Grade, Outcome
from reasonry.errors import DataError

text = st.text(st.characters(exclude_categories=("Cs",)), max_size=10)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=5
)
objects = st.dictionaries(text, values, max_size=3)


def _is_no_object(written: str) -> bool:
    with contextlib.suppress(ValueError):
        return not isinstance(json.loads(written), dict)
    return True


calls = st.builds(ToolCall, text, objects | text.filter(_is_no_object), text)
RESERVED = {"role", "content", "tool_calls", "function_call", "tool_call_id", "name"}
messages = st.builds(
    Message,
    st.sampled_from(get_args(Role)),
    text,
    st.lists(calls, max_size=2).map(tuple),
    text,
    text,
    st.dictionaries(text.filter(lambda key: key not in RESERVED), values, max_size=2),
)
outcomes = st.builds(Outcome, st.sampled_from(get_args(Grade)), st.none() | text, text)
trajectories = st.builds(
    Trajectory,
    st.lists(messages, min_size=1, max_size=4).map(tuple),
    st.lists(objects, max_size=2).map(tuple),
    st.none() | outcomes,
    st.dictionaries(text.filter(lambda key: key not in ("messages", "tools", "outcome")), values, max_size=3),
)


def _typed(trajectory: Trajectory) -> str:
    """A form that tells 1 from 1.0 and True and does not depend on the order of keys."""
    calls_and_extras = [[c.arguments for c in m.tool_calls] + [dict(m.extra)] for m in trajectory.messages]
    return json.dumps([calls_and_extras, list(trajectory.tools), dict(trajectory.metadata)], sort_keys=True)


@settings(max_examples=200, deadline=None)
@given(st.lists(trajectories, min_size=1, max_size=3))
def test_trajectories_written_as_rows_are_read_back_unchanged(written: list[Trajectory]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        jsonl.append(path, map(trajectory_to_row, written))
        read = list(read_trajectories(path))
    assert [t.source for t in read] == [f"{path}:{i}" for i in range(1, len(written) + 1)]
    assert [replace(t, source="") for t in read] == written
    assert list(map(_typed, read)) == list(map(_typed, written))


COLUMNS = ["messages", "conversations", "prompt", "completion", "tools", "outcome"]
KEYS = ["role", "content", "from", "value", "tool_calls", "function", "name", "arguments", "type", "text", "grade"]
WORDS = ["user", "human", "assistant", "function_call", "tool", "right", "{}", '{"name": "f"}', "[]", "{", "text"]
wild = st.recursive(
    scalars | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | text, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=500, deadline=None)
@given(st.dictionaries(st.sampled_from(COLUMNS), wild, max_size=3))
def test_any_row_is_a_trajectory_that_round_trips_or_a_data_error_with_its_place(row: dict[str, Any]) -> None:
    place = "f:1"
    try:
        found = parse_trajectory(row, place=place)
    except DataError as e:
        place = e.place
    else:
        again = parse_trajectory(trajectory_to_row(found), place=place)
        assert again == found
    assert place.startswith("f:1")
