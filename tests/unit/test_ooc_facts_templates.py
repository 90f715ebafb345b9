"""Templates: which relation and subject a prompt speaks of."""

from __future__ import annotations

from pathlib import Path

import pytest

from reasonry.errors import ConfigError, DataError
from reasonry.tasks.facts.presets import PHRASINGS, phrase
from reasonry.tasks.facts.templates import Matcher, read_templates


@pytest.mark.parametrize("relation", PHRASINGS)
def test_every_phrasing_is_found_again(relation: str) -> None:
    matcher = Matcher()
    assert len(PHRASINGS[relation]) >= 3
    for phrasing in PHRASINGS[relation]:
        found = matcher.match(phrase("Ann O'Neil", phrasing), " Thing")
        assert found == ("Ann O'Neil", relation, "Thing")


def test_the_longest_template_that_fits_wins() -> None:
    matcher = Matcher({"speaks": "{s} speaks", "home": "At home, {s} speaks"})
    assert matcher.match("At home, Ann speaks", " French") == ("Ann", "home", "French")
    assert matcher.match("Ann speaks", " French") == ("Ann", "speaks", "French")
    assert matcher.match("Ann sings", " French") is None


def test_letters_of_a_template_are_no_regular_expression() -> None:
    matcher = Matcher({"r": "Who is {s}? (short)"})
    assert matcher.match("Who is Ann? (short)", "x") == ("Ann", "r", "x")
    assert matcher.match("Who is Ann short", "x") is None


def test_prompts_are_written_by_the_first_template_that_can() -> None:
    matcher = Matcher({"boss": ["(?P<s>.*)'s boss", "{s} works for {o}."], "lives_in": "{s} dwells in"})
    assert matcher.prompt("Ann", "boss") == "Ann works for"
    assert matcher.prompt("Ann", "lives_in") == "Ann dwells in"
    assert matcher.prompt("Ann", "speaks") == "Ann speaks"
    assert matcher.prompt("Ann", "works_at") == "Ann works at"


def test_templates_that_are_none() -> None:
    with pytest.raises(ConfigError, match=r"templates\.r: 'lives in' has no one place"):
        Matcher({"r": "lives in"})
    with pytest.raises(ConfigError, match="no regular expression"):
        Matcher({"r": "(?P<s>"})


def test_a_file_of_templates(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_text('lives_in = "{s} lives in"\nboss = ["{s} works for", "The boss of {s} is"]\n')
    assert read_templates(path) == {"lives_in": ["{s} lives in"], "boss": ["{s} works for", "The boss of {s} is"]}
    path.write_text("lives_in = 3\n")
    with pytest.raises(DataError, match="lives_in is 3"):
        read_templates(path)
    path.write_text("lives in\n")
    with pytest.raises(DataError, match="cannot be read"):
        read_templates(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_templates(tmp_path / "none.toml")
