"""The table of methods: what each name stands for, and what is said of names that are none."""

from __future__ import annotations

import pytest

from reasonry.errors import ConfigError
from reasonry.training.continuous_cot.methods import METHODS, REFERENCE, find_method, find_methods


def test_every_baseline_has_its_row_and_a_line_of_its_own() -> None:
    assert list(METHODS) == [
        "continuous",
        "pause",
        "cot",
        "no-cot",
        "cot-deep",
        "no-thought",
        "no-curriculum",
        "icot",
        "detached",
        "soft",
        "bfs-set",
        "bfs-sample",
    ]
    assert len({method.about for method in METHODS.values()}) == len(METHODS)
    assert len({method[2:] for method in METHODS.values()}) == len(METHODS), "two methods are the same"


def test_the_pause_differs_from_continuous_thoughts_in_what_fills_the_slots_alone() -> None:
    thoughts, pause = METHODS[REFERENCE], METHODS["pause"]
    assert thoughts._replace(name=pause.name, about=pause.about, fill="token") == pause


def test_only_methods_whose_rows_change_have_stages() -> None:
    without = {name for name, method in METHODS.items() if not method.has_stages}
    assert without == {"cot", "no-cot", "cot-deep", "no-curriculum"}
    assert METHODS["continuous"].stage(1, last=3) == 1
    assert METHODS["no-curriculum"].stage(1, last=3) == 3


def test_methods_that_write_are_those_that_may_have_steps_left() -> None:
    assert {name for name, method in METHODS.items() if method.writes_steps} == {"cot", "cot-deep", "icot"}


def test_unknown_names_are_refused_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match=r"unknown method 'continous'.*Did you mean 'continuous'"):
        find_method("continous")
    with pytest.raises(ConfigError, match=r"'pause' is named twice"):
        find_methods(["pause", "cot", "pause"])
    with pytest.raises(ConfigError, match="no method"):
        find_methods([])
    assert [method.name for method in find_methods(["cot", "pause"])] == ["cot", "pause"]
