import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
import tyro
from pydantic import Field, ValidationError

from reasonry.core import config, flags
from reasonry.core.config import Config, Extends, Neutral
from reasonry.core.shared_files import here_or_shipped
from reasonry.errors import ConfigError
from reasonry.test_time.config import SolveConfig


class Inner(Config):
    """An inner table."""

    rate: Annotated[float, Field(gt=0, le=1)] = 0.5
    """A share."""
    steps: Annotated[int, Extends, Field(ge=1)] = 10
    """How many."""


class Outer(Config):
    """An outer table."""

    name: str = "a"
    """A name."""
    most: Annotated[int | None, Extends, Field(ge=1)] = None
    """No limit when not given."""
    where: Annotated[Path | None, Neutral] = None
    """A place."""
    words: tuple[str, ...] = ()
    """Some words."""
    extra: dict[str, Any] = Field(default={})
    """Anything."""
    inner: Inner = Inner(rate=0.25)
    """Not the class default of Inner."""
    speed: Annotated[Inner, Neutral] = Inner()
    """All of it neutral."""


class Needs(Config):
    """A config with a positional that has no default."""

    file: tyro.conf.Positional[Path]
    """A file."""
    num: Annotated[int, Field(ge=1)] = 1
    """How many."""


def _toml(folder: Path, text: str, name: str = "a.toml") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def _parse(*args: str) -> Outer:
    return flags.parse(Outer, args, prog="prog verb")


def _refused(*args: str, cls: type[Config] = Outer) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        flags.parse(cls, args, prog="prog verb")
    assert caught.value.exit_code == 2
    return caught.value


# ---------------------------------------------------------------- layers


def test_without_files_and_flags_the_class_defaults_hold() -> None:
    assert _parse() == Outer()


def test_toml_files_apply_left_to_right_and_flags_win_wherever_they_stand(tmp_path: Path) -> None:
    first = _toml(tmp_path, 'name = "first"\nwords = ["x", "y"]\n[inner]\nrate = 0.1\nsteps = 20\n', "1.toml")
    second = _toml(tmp_path, 'name = "second"\nwords = ["z"]\n[inner]\nrate = 0.2\n', "2.toml")
    resolved = _parse("--inner.rate", "0.3", f"@{first}", f"@{second}")
    assert (resolved.name, resolved.words) == ("second", ("z",)), "the later file replaces, lists included"
    assert resolved.inner == Inner(rate=0.3, steps=20), "the flag wins, the first file's other key stays"
    assert _parse(f"@{second}", f"@{first}").name == "first"


def test_a_table_that_gives_one_key_keeps_the_other_keys_of_the_fields_own_default(tmp_path: Path) -> None:
    path = _toml(tmp_path, "[inner]\nsteps = 11\n")
    assert _parse(f"@{path}").inner == Inner(rate=0.25, steps=11)
    assert config.from_dict(Outer, {"inner": {"steps": 11}}).inner.rate == 0.25


def test_starting_values_stand_in_for_the_class_defaults() -> None:
    start = Outer(name="start", inner=Inner(rate=1.0))
    resolved = flags.parse(Outer, ["--inner.steps", "12"], prog="p", defaults=start)
    assert resolved == Outer(name="start", inner=Inner(rate=1.0, steps=12))


def test_a_dictionary_flag_takes_a_json_object_and_replaces_the_files_table(tmp_path: Path) -> None:
    path = _toml(tmp_path, "[extra]\na = 1\n")
    assert _parse(f"@{path}").extra == {"a": 1}
    resolved = _parse(f"@{path}", "--extra", '{"b": [true, {"c d": "é"}]}')
    assert resolved.extra == {"b": [True, {"c d": "é"}]}


@pytest.mark.parametrize("text", ["[1]", "nothing", "{", "[" * 100_000])
def test_a_dictionary_flag_that_is_no_json_object_exits_with_code_2(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        _parse("--extra", text)
    assert caught.value.code == 2
    assert "--extra" in capsys.readouterr().err


def test_a_flag_value_that_begins_with_an_at_sign_is_written_with_an_equals_sign() -> None:
    assert _parse("--name=@home").name == "@home"


def test_hyphens_and_underscores_are_the_same_in_flags() -> None:
    for spelling in ("--sampling.max-new-tokens", "--sampling.max_new_tokens"):
        cfg = flags.parse(SolveConfig, [spelling, "7"], prog="reasonry solve")
        assert cfg.sampling.max_new_tokens == 7


def test_a_flag_takes_back_a_value_that_a_file_set(tmp_path: Path) -> None:
    path = _toml(tmp_path, "most = 3\n")
    assert _parse(f"@{path}", "--most", "None").most is None


def test_a_field_without_default_may_come_from_a_positional_or_a_file(tmp_path: Path) -> None:
    path = _toml(tmp_path, 'file = "f"\nnum = 3\n')
    assert flags.parse(Needs, ["x.jsonl"], prog="p") == Needs(file=Path("x.jsonl"))
    assert flags.parse(Needs, [f"@{path}"], prog="p") == Needs(file=Path("f"), num=3)
    only_num = _toml(tmp_path, "num = 4\n", "b.toml")
    assert flags.parse(Needs, ["y", f"@{only_num}"], prog="p") == Needs(file=Path("y"), num=4)


def test_a_field_without_default_that_nobody_gives_exits_with_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        flags.parse(Needs, [], prog="p")
    assert caught.value.code == 2
    assert "PATH" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="'file' is not given"):
        config.from_dict(Needs, {})
    path = _toml(tmp_path, "num = 0\n")
    error = _refused(f"@{path}", "x", cls=Needs)
    assert str(error).startswith(f"{path}:1: num = 0: ")


@pytest.mark.parametrize(
    ("flag", "parts"),
    [
        ("--help", ["An outer table.", "--name", "A name", "prog verb"]),
        ("-h", ["An outer table.", "--name", "A name", "prog verb"]),
        ("--help-all", ["An outer table.", "--inner.rate", "A share.", "0.25", "--extra JSON", "prog verb"]),
    ],
)
def test_help_shows_flags_docstrings_and_defaults_and_exits_with_code_0(
    flag: str, parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        _parse("--name", "x", flag)
    assert caught.value.code == 0
    page = capsys.readouterr().out
    for part in parts:
        assert part in page
    assert "dict(" not in page


def test_importing_config_and_flags_imports_no_tyro_and_no_torch() -> None:
    code = (
        "import sys; import reasonry.core.flags; "
        "print(sorted(m for m in ('tyro', 'torch', 'transformers', 'altair', 'scipy') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ---------------------------------------------------------------- refusals


def test_an_unknown_flag_is_refused_with_the_nearest_name() -> None:
    error = _refused("--inner.rat", "0.1")
    assert "--inner.rat'" in error.problem
    assert error.remedy == "Did you mean '--inner.rate'?"
    assert _refused("--NAME", "x").remedy == "Did you mean '--name'?"
    assert "--inner.rate" in _refused("--q", "x").remedy, "no name is near: all are shown"


def test_an_argument_too_many_is_refused() -> None:
    assert "unexpected argument 'y'" in str(_refused("x", "y", cls=Needs))


def test_a_positional_given_as_a_flag_is_refused_with_the_remedy() -> None:
    error = _refused("--file", "x", cls=Needs)
    assert "not a flag" in error.problem
    assert "without a name" in error.remedy


def test_an_unknown_toml_key_is_refused_with_file_line_and_nearest_name(tmp_path: Path) -> None:
    path = _toml(tmp_path, 'name = "x"\n\n[inner]\n# rat = 1\nrat = 0.1\n')
    error = _refused(f"@{path}")
    assert error.place == f"{path}:5"
    assert error.problem == "unknown key 'inner.rat'"
    assert error.remedy == "Did you mean 'rate'?"


def test_an_unknown_toml_key_near_to_nothing_lists_the_known_keys(tmp_path: Path) -> None:
    path = _toml(tmp_path, "[inner]\nzzz = 1\n")
    assert _refused(f"@{path}").remedy == "Known keys here: rate, steps."


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("[inner]\nrate = 2\n", 2, "inner.rate = 2: "),
        ("[speed]\nrate = 0.1\n[inner]\nrate = 2\n", 4, "inner.rate = 2: "),
        ("[extra]\nrate = 9\n[inner]\n\nsteps = 0\n", 5, "inner.steps = 0: "),
        ('name = """\nrate = 2\n"""\ninner.rate = 3\n', 4, "inner.rate = 3: "),
        ("inner = {rate = 4}\n", 1, "inner.rate = 4: "),
        ("inner = 5\n", 1, "inner = 5: "),
        ('name = "x"\nwords = [\n  "a",\n  3,\n]\n', 2, "words.1 = 3: "),
        ("name = 'a\u2028b'\r\nmost = 0\r\n", 2, "most = 0: "),
        ("most = true\n", 1, "most = True: "),
        ("[inner]\nrate = true\n", 2, "inner.rate = True: "),
        ("name = 3\n", 1, "name = 3: "),
        ("[inner]\nrate = nan\n", 2, "inner.rate = nan: "),
        ("[extra]\na = inf\n", 1, "extra = {'a': inf}: "),
        ("[extra]\na = 2020-01-01\n", 1, "extra = {'a': datetime.date(2020, 1, 1)}: "),
    ],
)
def test_a_bad_toml_value_is_named_with_file_line_and_dotted_key(
    tmp_path: Path, text: str, line: int, problem: str
) -> None:
    path = _toml(tmp_path, text)
    error = _refused(f"@{path}")
    assert error.place == f"{path}:{line}"
    assert error.problem.startswith(problem)


def test_the_error_names_the_file_that_holds_the_value(tmp_path: Path) -> None:
    good, bad = _toml(tmp_path, "most = 1\n"), _toml(tmp_path, "\nmost = 0\n", "b.toml")
    assert _refused(f"@{good}", f"@{bad}").place == f"{bad}:2"
    assert _refused(f"@{bad}", f"@{good}").place == f"{bad}:2"


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (["--inner.rate", "0"], "inner.rate = 0.0: "),
        (["--inner.rate", "1.5"], "inner.rate = 1.5: "),
        (["--inner.rate", "nan"], "inner.rate = nan: "),
        (["--inner.steps=-3"], "inner.steps = -3: "),
        (["--most", "0"], "most = 0: "),
        (["--name", "\udcff"], "name = '\\udcff': "),
        (["--where", "\udcff"], "where = "),
        (["--extra", '{"a": null}'], "extra = {'a': None}: "),
        (["--extra", '{"a": [{"b": NaN}]}'], "extra = "),
        (["--extra", '{"\\ud800": 1}'], "extra = "),
    ],
)
def test_a_bad_flag_value_is_named_with_its_dotted_key_and_no_web_page(args: list[str], problem: str) -> None:
    error = _refused(*args)
    assert error.place == "command line"
    assert error.problem.startswith(problem)
    assert "pydantic" not in str(error)


def test_text_that_is_not_of_the_flags_type_exits_with_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        _parse("--inner.steps", "many")
    assert caught.value.code == 2
    assert "--inner.steps" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("name = \n", 1),
        ("name = 'x'\n[inner\nrate = 1\n", 2),
        ("a = 1\n\na = 2\n", 3),
        ('a = 1\nb = """never closed\n', 2),
    ],
)
def test_what_is_not_toml_is_refused_with_file_and_line(tmp_path: Path, text: str, line: int) -> None:
    path = _toml(tmp_path, text)
    assert _refused(f"@{path}").place == f"{path}:{line}"
    with pytest.raises(ConfigError, match="not valid TOML"):
        config.read_toml(path)


@pytest.mark.parametrize("text", ["n = " + "1" * 5000, "n = " + "[" * 20_000])
def test_monstrous_toml_is_refused_not_crashed_on(tmp_path: Path, text: str) -> None:
    assert _refused(f"@{_toml(tmp_path, text)}").place.startswith(str(tmp_path))


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    assert "no such config file" in str(_refused(f"@{tmp_path / 'absent.toml'}"))
    assert "cannot read" in str(_refused(f"@{tmp_path}"))
    path = tmp_path / "latin.toml"
    path.write_bytes(b'name = "\xe9"\n')
    assert "cannot read" in str(_refused(f"@{path}"))


def test_shipped_recipes_are_found_from_anywhere_behind_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = Path("recipes/here.toml")
    own.parent.mkdir()
    own.write_text("name = 'mine'\n")
    assert here_or_shipped(own) == own
    found = here_or_shipped(Path("recipes/latent_tokens/smoke.toml"))
    assert found.is_absolute() and found.is_file()
    assert "no such config file" in str(_refused("@recipes/latent_tokens/absent.toml"))


def test_long_values_are_shortened_in_errors_and_further_errors_counted() -> None:
    with pytest.raises(ConfigError) as caught:
        config.from_dict(Outer, {"most": "x" * 1000, "name": 3}, place="here")
    assert len(str(caught.value)) < 300
    assert "(1 more)" in str(caught.value)


def test_an_optional_field_must_default_to_none_because_toml_has_no_null() -> None:
    with pytest.raises(TypeError, match="its default must be None"):

        class Wrong(Config):
            size: int | None = 3


def test_a_config_is_frozen_and_with_validates_its_changes() -> None:
    cfg = Outer()
    with pytest.raises(ValidationError, match="frozen"):
        cfg.name = "b"
    assert cfg.with_(name="b") == Outer(name="b")
    assert cfg.with_(inner=Inner(rate=1.0)).inner.rate == 1.0
    with pytest.raises(ConfigError, match="Did you mean 'name'"):
        cfg.with_(nam="b")
    with pytest.raises(ConfigError, match="greater than or equal to 1"):
        cfg.with_(most=0)


# ---------------------------------------------------------------- identity


def test_fingerprint_reads_exactly_the_fields_that_decide_results() -> None:
    base = config.fingerprint(Outer())
    for ignored in (
        Outer(where=Path("x")),
        Outer(most=5),
        Outer(inner=Inner(rate=0.25, steps=99)),
        Outer(speed=Inner(rate=0.9, steps=2)),
    ):
        assert config.fingerprint(ignored) == base
    deciding = [
        Outer(name="b"),
        Outer(words=("a",)),
        Outer(words=("a", "b")),
        Outer(words=("b", "a")),
        Outer(extra={"a": 1}),
        Outer(extra={"a": 1.0}),
        Outer(extra={"a": True}),
        Outer(extra={"a": "1"}),
        Outer(inner=Inner(rate=0.26)),
    ]
    prints = {base, *map(config.fingerprint, deciding)}
    assert len(prints) == len(deciding) + 1
    assert all(len(p) == 16 and int(p, 16) >= 0 for p in prints)


def test_fingerprint_ignores_the_order_of_keys_and_tells_classes_apart() -> None:
    class Other(Outer):
        """The same fields under another name."""

    one, two = Outer(extra={"a": 1, "b": 2}), Outer(extra={"b": 2, "a": 1})
    assert config.fingerprint(one) == config.fingerprint(two)
    assert config.fingerprint(Other()) != config.fingerprint(Outer())


def test_fingerprint_is_frozen() -> None:
    assert config.fingerprint(Outer()) == "ead7d7370463846f"


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ({}, {}, []),
        ({"most": 3}, {"most": 4}, []),
        ({"most": 4}, {"most": 3}, ["most: 4 -> 3  (may grow, not shrink)"]),
        ({"most": 4}, {"most": None}, []),
        ({"most": None}, {"most": 4}, ["most: None -> 4  (may grow, not shrink)"]),
        ({"most": None}, {"most": None}, []),
        ({"where": "x"}, {"where": None}, []),
        ({"name": "a"}, {"name": "b"}, ["name: 'a' -> 'b'"]),
        ({"words": ["a"]}, {"words": ["a", "b"]}, ["words: ['a'] -> ['a', 'b']"]),
        ({"inner": {"steps": 1}}, {"inner": {"steps": 2}}, []),
        (
            {"inner": {"steps": 2, "rate": 0.5}},
            {"inner": {"steps": 1, "rate": 0.25}},
            ["inner.rate: 0.5 -> 0.25", "inner.steps: 2 -> 1  (may grow, not shrink)"],
        ),
        ({"speed": {"steps": 9}}, {"speed": {"steps": 1}}, []),
        ({"extra": {"a": 1}}, {"extra": {"a": True}}, ["extra: {'a': 1} -> {'a': True}"]),
        ({"extra": {"a": 1}}, {"extra": {"a": 1.0}}, ["extra: {'a': 1} -> {'a': 1.0}"]),
        ({"extra": {"a": 1, "b": 2}}, {"extra": {"b": 2, "a": 1}}, []),
    ],
)
def test_diff_lists_what_an_existing_run_cannot_take(
    old: dict[str, Any], new: dict[str, Any], lines: list[str]
) -> None:
    assert config.diff(config.from_dict(Outer, old), config.from_dict(Outer, new)) == lines


def test_diff_sees_a_nested_config_come_and_go() -> None:
    class Holder(Config):
        part: Inner | None = None

    some, none = Holder(part=Inner(rate=0.5)), Holder()
    assert config.diff(none, some) == ["part.rate: None -> 0.5", "part.steps: None -> 10  (may grow, not shrink)"]
    assert config.diff(some, none) == ["part.rate: 0.5 -> None"]


def test_diff_and_fingerprint_agree_on_the_fields_of_a_real_config() -> None:
    changes: dict[str, Any] = {
        "task": "x",
        "model": "m",
        "seed": 1,
        "verifier": "exact",
        "instruction": "",
        "system": "s",
        "n": 9,
        "limit": 3,
        "run": Path("r"),
        "cache": Path("c"),
        "batch_size": 1,
    }
    base = SolveConfig(limit=2)
    for name, value in changes.items():
        other = base.with_(**{name: value})
        is_free = name in ("n", "limit", "run", "cache", "batch_size")
        assert (config.fingerprint(other) == config.fingerprint(base)) is is_free, name
        assert (config.diff(base, other) == []) is is_free, name


def test_dump_toml_leaves_out_what_is_none_and_puts_tables_last() -> None:
    text = config.dump_toml(Outer(words=("a",), extra={"k": {"x y": 1}}))
    assert text == (
        'name = "a"\nwords = ["a"]\n\n[extra]\n\n[extra.k]\n"x y" = 1\n\n'
        "[inner]\nrate = 0.25\nsteps = 10\n\n[speed]\nrate = 0.5\nsteps = 10\n"
    )
