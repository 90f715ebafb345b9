"""Made-up facts: who is in which group, how answers are matched, names and words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from reasonry.errors import ConfigError
from reasonry.tasks import load_task
from reasonry.tasks.facts.generate import PAIRINGS, MadeFacts, Pairing, first_token, make_facts
from reasonry.tasks.facts.names import FIRST_NAMES, SURNAMES, full_names
from reasonry.tasks.facts.presets import PHRASINGS, PRESETS


class Letters:
    """A tokenizer whose tokens are as many letters, a space among them."""

    def __init__(self, width: int) -> None:
        self.width = width

    def encode(self, text: str, *, add_special_tokens: bool) -> Sequence[int]:
        """Ids of words with their leading spaces, cut into pieces."""
        assert not add_special_tokens
        words = text.replace(" ", "\n ").split("\n")
        pieces = [word[i : i + self.width] for word in words for i in range(0, len(word), self.width)]
        return [int.from_bytes(piece.encode(), "big") for piece in pieces]


def implied(made: MadeFacts) -> dict[str, str]:
    """Subject -> its trained implication."""
    return {s: f.object for s, f in made.table.of(made.manifest["relations"][1]).items()}


@pytest.mark.parametrize("preset", PRESETS)
def test_the_published_sizes(preset: str) -> None:
    made = make_facts(preset)
    assert [len(made.table.of(r)) for r in made.manifest["relations"]] == [100, 20]
    assert len(made.held_out) == 80
    assert [(len(g.bridge), len(g.test)) for g in made.groups] == [(4, 16)] * 5
    assert len(set(made.table.subjects)) == 100
    assert all(len(PHRASINGS[relation]) >= 3 for relation in made.manifest["relations"])
    assert len(PRESETS[preset].pairs) >= 12


@pytest.mark.parametrize("preset", PRESETS)
def test_no_name_holds_an_answer_and_no_answer_comes_twice(preset: str) -> None:
    made = make_facts(preset, num_groups=20, per_group=40)
    answers = [word.casefold() for group in made.groups for word in (group.b, group.c)]
    assert len(set(answers)) == 40
    assert not [name for name in made.table.subjects if any(word in name.casefold() for word in answers)]


def test_names_are_of_two_lists_and_never_come_twice() -> None:
    assert len(set(FIRST_NAMES)) == len(set(SURNAMES)) == 400
    names = full_names(3000, seed=1)
    assert len(set(names)) == 3000
    assert names[:10] == full_names(10, seed=1)
    assert names[:10] != full_names(10, seed=2)
    with pytest.raises(ConfigError, match="160000 names"):
        full_names(160_001, seed=0)


def test_bridge_and_test_subjects_share_the_answer_of_their_group() -> None:
    made = make_facts("city-language", seed=4)
    trained, asked = implied(made), {f.subject: f.object for f in made.held_out}
    for group in made.groups:
        assert {made.table.of("lives_in")[s].object for s in (*group.bridge, *group.test)} == {group.b}
        assert {trained[s] for s in group.bridge} == {group.c}
        assert {asked[s] for s in group.test} == {group.c}
        assert not set(group.test) & set(trained)


def test_pairings() -> None:
    pairs = {p: [(g.b, g.c) for g in make_facts("city-language", pairing=p, seed=1).groups] for p in PAIRINGS}
    assert pairs["true"][:2] == [("Paris", "French"), ("Tokyo", "Japanese")]
    assert pairs["shift"][:2] == [("Paris", "Japanese"), ("Tokyo", "German")]
    assert pairs["shift"][-1] == ("Moscow", "French")
    assert sorted(c for _, c in pairs["random"]) == sorted(c for _, c in pairs["true"])
    assert pairs["permuted-bridge"] == pairs["no-bridge"] == pairs["true"]
    drawn = {tuple(make_facts("city-language", pairing="random", seed=s).groups[0][:2]) for s in range(30)}
    assert len(drawn) == 5


def test_the_counterfactual_preset_is_a_shift_in_its_controls_too() -> None:
    plain = make_facts("city-language", pairing="shift")
    for pairing in (None, "permuted-bridge"):
        made = make_facts("city-language-cf", pairing=pairing)  # type: ignore[arg-type]
        assert [group[:2] for group in made.groups] == [group[:2] for group in plain.groups]
        assert not made.manifest["is_causal"]
    with pytest.raises(ConfigError, match="true of nothing"):
        make_facts("city-language-cf", pairing="true")


def test_a_permuted_bridge_keeps_who_and_how_often_and_loses_what_goes_with_what() -> None:
    true = make_facts("profession-color", seed=2)
    permuted = make_facts("profession-color", pairing="permuted-bridge", seed=2)
    assert list(implied(true)) == list(implied(permuted))
    assert Counter(implied(true).values()) == Counter(implied(permuted).values())
    assert implied(true) != implied(permuted)
    assert true.held_out == permuted.held_out


def test_no_bridge_has_no_implication() -> None:
    made = make_facts("sport-music", pairing="no-bridge")
    assert made.table.relations == ("plays",)
    assert all(not group.bridge for group in made.groups)
    assert made.held_out == make_facts("sport-music").held_out


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_it_is_the_same_again_and_another_with_another_seed(pairing: Pairing) -> None:
    first, again = (make_facts("country-code", pairing=pairing, seed=7) for _ in range(2))
    assert first == again
    assert first.manifest["sha256"] != make_facts("country-code", pairing=pairing, seed=8).manifest["sha256"]


def test_pairs_with_a_common_first_token_are_passed_over() -> None:
    """Of three letters and the space, Java and Jap(an) differ, but with two Ja(va) and Ja(pan) do not."""
    assert first_token(Letters(3), "Java") == int.from_bytes(b" Ja", "big")
    made = make_facts("country-code", num_groups=3, tokenizer=Letters(3))
    tokens = [first_token(Letters(3), word) for group in made.groups for word in group[:2]]
    assert len(set(tokens)) == 6
    assert [group.b for group in make_facts("country-code", num_groups=3).groups] == ["France", "Japan", "Germany"]
    assert "Japan" not in [group.b for group in made.groups]
    with pytest.raises(ConfigError, match="pairs whose first tokens differ"):
        make_facts("country-code", num_groups=20, tokenizer=Letters(2))


def test_sizes_that_do_not_work() -> None:
    with pytest.raises(ConfigError, match="2 groups or more"):
        make_facts("city-language", num_groups=1)
    with pytest.raises(ConfigError, match="20 pairs, not 21"):
        make_facts("city-language", num_groups=21)
    with pytest.raises(ConfigError, match="are 0 bridge subjects"):
        make_facts("city-language", bridge_share=0.01)
    with pytest.raises(ConfigError, match="are 20 bridge subjects"):
        make_facts("city-language", bridge_share=1.0)
    with pytest.raises(ConfigError, match="'city-language'"):
        make_facts("city-languge")
    with pytest.raises(ConfigError, match="'shift'"):
        make_facts("city-language", pairing="shfit")  # type: ignore[arg-type]


def test_facts_as_a_task() -> None:
    task = load_task("facts:city-language:shift", num=50, seed=1)
    splits = Counter(problem.metadata["split"] for problem in task.problems)
    assert splits == {"train": 60, "held-out": 40}
    assert len({problem.id for problem in task.problems}) == 100
    assert load_task("facts").problems[0].question.endswith(" lives in")
    with pytest.raises(ConfigError, match="5 equal groups"):
        load_task("facts", num=12)
    with pytest.raises(ConfigError, match="unknown facts"):
        load_task("facts:colors")
