import json
import tempfile
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonry.core import config, flags
from reasonry.core.config import Config
from reasonry.errors import ConfigError
from reasonry.test_time.config import SolveConfig


def _given(cls: type[Config]) -> dict[str, Any]:
    """A value for every field, at any depth, that is None when it is not given."""
    some: dict[Any, Any] = {int: 3, float: 0.5, str: "i", Path: "r"}
    values: dict[str, Any] = {}
    for name, field in cls.model_fields.items():
        if (inner := config.table_of(field)) is not None:
            values[name] = _given(inner)
        elif type(None) in get_args(field.annotation):
            values[name] = next(some[kind] for kind in get_args(field.annotation) if kind in some)
    return values


def _leaves() -> dict[str, Any]:
    start = config.from_dict(SolveConfig, config.merge(_given(SolveConfig), {"sampling": {"stop": ["x"]}}))
    return {key: value for key, value, _ in config.flatten(start)}


LEAVES = _leaves()
"""Every dotted key of the solve config with a value of its type."""
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789_-."


@st.composite
def mutations(draw: st.DrawFn) -> tuple[str, str]:
    """A valid dotted key, and the same with one character put in, taken out, replaced or swapped with the next."""
    key = draw(st.sampled_from(sorted(LEAVES)))
    at = draw(st.integers(0, len(key) - 1))
    letter = draw(st.sampled_from(LETTERS))
    kind = draw(st.sampled_from(["insert", "append", "delete", "replace", "swap"]))
    edited = {
        "insert": key[:at] + letter + key[at:],
        "append": key + letter,
        "delete": key[:at] + key[at + 1 :],
        "replace": key[:at] + letter + key[at + 1 :],
        "swap": key[:at] + key[at + 1 : at + 2] + key[at] + key[at + 2 :],
    }[kind]
    return key, edited


def _is_spelling_of_a_flag(name: str) -> bool:
    return name.replace("-", "_") in LEAVES


def _as_flag(name: str, value: Any, *, joined: bool) -> list[str]:
    if isinstance(value, bool):
        return [f"--{name}"]
    words = [json.dumps(value)] if isinstance(value, dict) else [str(value)]
    words = [str(v) for v in value] if isinstance(value, list) else words
    return [f"--{name}={words[0]}"] if joined else [f"--{name}", *words]


def _as_toml(name: str, value: Any) -> str:
    written = json.dumps(value) if not isinstance(value, dict) else "{}"
    return f"{name} = {written}\n"


def _parse(args: list[str]) -> SolveConfig:
    return flags.parse(SolveConfig, args, prog="reasonry solve")


def _parse_toml(text: str) -> SolveConfig:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.toml"
        path.write_bytes(text.encode())
        return _parse([f"@{path}"])


@settings(max_examples=300, deadline=None)
@given(mutations(), st.booleans())
def test_no_flag_that_is_one_edit_away_from_a_key_is_silently_accepted(keys: tuple[str, str], joined: bool) -> None:
    key, edited = keys
    if _is_spelling_of_a_flag(edited) or edited in ("", "-"):  # "--" alone ends the flags, by convention
        return
    with pytest.raises(ConfigError) as caught:
        _parse(_as_flag(edited, LEAVES[key], joined=joined))
    assert caught.value.exit_code == 2
    assert repr(f"--{edited}") in caught.value.problem
    assert any(f"--{known.replace('_', '-')}" in caught.value.remedy for known in LEAVES)


@settings(max_examples=400, deadline=None)
@given(mutations())
def test_no_toml_key_that_is_one_edit_away_from_a_key_is_silently_accepted(keys: tuple[str, str]) -> None:
    key, edited = keys
    if edited in LEAVES:
        return
    text = _as_toml(edited, LEAVES[key])
    with pytest.raises(ConfigError) as caught:
        _parse_toml(text)
    assert caught.value.exit_code == 2
    assert ".toml:1" in caught.value.place
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        assert "not valid TOML" in caught.value.problem
    else:
        assert "unknown key" in caught.value.problem
        assert caught.value.remedy.startswith(("Did you mean", "Known keys here"))


@pytest.mark.parametrize("key", sorted(LEAVES))
def test_every_dotted_key_itself_is_accepted_by_toml_and_by_flag(key: str) -> None:
    # Without this the two properties above would hold for a parser that refuses everything.
    by_toml = {k: v for k, v, _ in config.flatten(_parse_toml(_as_toml(key, LEAVES[key])))}
    assert by_toml[key] == LEAVES[key]
    if key == "task":
        by_flag = _parse([LEAVES[key]])
    else:
        by_flag = _parse(_as_flag(key, LEAVES[key], joined=not isinstance(LEAVES[key], bool)))
    expected = True if isinstance(LEAVES[key], bool) else LEAVES[key]
    assert {k: v for k, v, _ in config.flatten(by_flag)}[key] == expected


# ---------------------------------------------------------------- replay

text = st.text(st.characters(exclude_categories=("Cs",)), max_size=12) | st.text(
    "\"'\\\n\r\t\x00\x1b\x7f\x85\u2028\u00e9\U0001f600#[]={}@", max_size=6
)
paths = text.map(Path)
scalars = st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text
trees = st.dictionaries(
    text,
    st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=6
    ),
    max_size=4,
)
unit = st.floats(0, 1)
configs = st.fixed_dictionaries(
    {},
    optional={
        "task": text,
        "model": text,
        "n": st.integers(1, 4096),
        "limit": st.none() | st.integers(1, 2**70),
        "seed": st.integers(),
        "instruction": st.none() | text,
        "system": text,
        "run": st.none() | paths,
        "cache": st.none() | paths,
        "sampling": st.fixed_dictionaries(
            {},
            optional={
                "temperature": st.floats(0, 100),
                "stop": st.lists(text, max_size=3),
                "top_p": st.floats(0, 1, exclude_min=True),
            },
        ),
        "endpoint": st.fixed_dictionaries(
            {},
            optional={
                "base_url": text,
                "logprobs": st.booleans(),
                "extra_body": trees,
                "timeout_s": st.floats(1e-9, 1e9),
            },
        ),
        "scripted": st.fixed_dictionaries({}, optional={"accuracy": unit, "silent": unit}),
    },
).map(lambda values: config.from_dict(SolveConfig, values))


@settings(max_examples=150, deadline=None)
@given(configs)
def test_a_dumped_config_replays_to_an_equal_config(cfg: SolveConfig) -> None:
    dumped = config.dump_toml(cfg)
    again = _parse_toml(dumped)
    assert again == cfg
    typed, expected = (json.dumps(c.model_dump(mode="json"), sort_keys=True) for c in (again, cfg))
    assert typed == expected, "equal down to 1, 1.0 and true"
    assert config.dump_toml(again) == dumped
    assert config.fingerprint(again) == config.fingerprint(cfg)
    assert config.diff(cfg, again) == []


@settings(max_examples=50, deadline=None)
@given(trees, trees)
def test_diff_is_empty_exactly_when_the_fingerprints_are_equal(one: dict[str, Any], two: dict[str, Any]) -> None:
    a = config.from_dict(SolveConfig, {"endpoint": {"extra_body": one}})
    b = config.from_dict(SolveConfig, {"endpoint": {"extra_body": two}})
    assert (config.diff(a, b) == []) == (config.fingerprint(a) == config.fingerprint(b))


# ---------------------------------------------------------------- merge

plain = st.integers() | text | st.lists(st.integers(), max_size=2)
layers = st.recursive(
    st.dictionaries(st.sampled_from(["a", "b", "c"]), plain, max_size=3),
    lambda inner: st.builds(
        lambda values, tables: {**values, **tables},
        st.dictionaries(st.sampled_from(["a", "b", "c"]), plain, max_size=3),
        st.dictionaries(st.sampled_from(["t", "u"]), inner, max_size=2),
    ),
    max_leaves=5,
)
"""Tables in which a, b, c always hold plain values and t, u always tables, as the layers of one config do."""


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in table.items():
        out |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return out


@given(layers, layers, layers)
def test_merge_is_associative_and_has_the_empty_table_as_its_unit(
    a: dict[str, Any], b: dict[str, Any], c: dict[str, Any]
) -> None:
    assert config.merge(config.merge(a, b), c) == config.merge(a, config.merge(b, c))
    assert config.merge(a, {}) == config.merge({}, a) == a
    assert config.merge(a, a) == a


@given(layers, layers)
def test_merge_is_right_biased_leaf_by_leaf_and_changes_neither_side(a: dict[str, Any], b: dict[str, Any]) -> None:
    before = repr((a, b))
    assert _flat(config.merge(a, b)) == {**_flat(a), **_flat(b)}
    assert repr((a, b)) == before


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4096), st.integers(1, 4096))
def test_an_extends_field_grows_in_one_direction_only(old: int, new: int) -> None:
    lines = config.diff(SolveConfig(n=old), SolveConfig(n=new))
    assert bool(lines) is (new < old)


@settings(max_examples=200, deadline=None)
@given(text | st.text("[]{}='\n.#ansmplig013 \\", max_size=40))
def test_any_text_is_a_config_or_a_config_error_with_the_file(content: str) -> None:
    place = "a.toml"
    try:
        assert isinstance(_parse_toml(content), Config)
    except ConfigError as e:
        place = e.place
    assert "a.toml" in place
