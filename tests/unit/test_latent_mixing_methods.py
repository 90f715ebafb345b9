"""The table of methods, and which tokens each of them takes away."""

from __future__ import annotations

import math

import pytest

from reasonry.core import seeds
from reasonry.errors import ConfigError
from reasonry.training.latent_tokens.mixing.laws import Law, make_law
from reasonry.training.latent_tokens.mixing.methods import METHODS, find_method, find_methods
from reasonry.training.latent_tokens.mixing.spans import (
    Gone,
    MixSettings,
    Moment,
    cap_chunks,
    epochs_until_removed,
    gone,
    num_removed,
    runs_of,
    stage,
)

SETTINGS = MixSettings(longest_tok=160)


def _gone(
    name: str, cot_tok: int, *, settings: MixSettings = SETTINGS, seed: int = 0, moment: Moment | None = None
) -> Gone:
    rng = seeds.stream(seed, "test")
    return gone(METHODS[name], cot_tok, settings=settings, rng=rng, moment=moment or Moment())


def test_every_baseline_and_control_has_a_row_of_its_own() -> None:
    names = ["latent", "all", "curriculum", "poisson", "cot", "sol-only", "icot", "pause", "truncated", "shuffled"]
    assert list(METHODS) == names
    assert len({method[1] for method in METHODS.values()}) == len(names)
    assert len({method[2:] for method in METHODS.values()}) == len(names), "two methods are the same"


def test_controls_differ_from_latent_in_what_stands_for_the_text_alone() -> None:
    latent = METHODS["latent"]
    for name in ("truncated", "shuffled"):
        assert METHODS[name].goes == latent.goes
        assert METHODS[name].instead != latent.instead


def test_what_needs_a_vocabulary_of_codes() -> None:
    assert {n for n, m in METHODS.items() if m.has_codes} == {"latent", "all", "curriculum", "poisson", "shuffled"}
    assert {n for n, m in METHODS.items() if m.has_pauses} == {"pause"}
    assert {n for n, m in METHODS.items() if m.has_schedule} == {"curriculum", "icot"}
    assert {n for n, m in METHODS.items() if m.is_drawn} == {"latent", "poisson", "icot", "truncated", "shuffled"}


def test_names() -> None:
    assert find_methods(["cot", "latent"]) == (METHODS["cot"], METHODS["latent"])
    with pytest.raises(ConfigError, match="Did you mean 'truncated'"):
        find_method("truncate")
    with pytest.raises(ConfigError, match="twice"):
        find_methods(["cot", "cot"])
    with pytest.raises(ConfigError, match="no method"):
        find_methods([])


def test_left_to_right_takes_the_first_m_tokens() -> None:
    settings = SETTINGS._replace(law=make_law("fixed:48"))
    assert _gone("latent", 100, settings=settings) == Gone(((0, 3),))
    assert _gone("shuffled", 100, settings=settings) == Gone(((0, 3),))
    assert _gone("truncated", 100, settings=settings) == Gone((), 48)
    assert _gone("latent", 100, settings=SETTINGS._replace(law=make_law("fixed:0"))) == Gone()


def test_all_takes_every_full_chunk_and_whole_the_tail_too() -> None:
    assert _gone("all", 100) == Gone(((0, 6),))
    assert _gone("all", 15) == Gone()
    assert _gone("cot", 100) == Gone()
    assert _gone("sol-only", 100) == Gone((), 100)
    assert _gone("pause", 15) == Gone((), 15)


def test_a_curriculum_begins_with_text_and_ends_with_codes() -> None:
    settings = SETTINGS._replace(num_stages=5)  # 10 chunks at most: 0, 3, 5, 8, 10
    caps = [cap_chunks(settings, progress) for progress in (0.0, 0.19, 0.2, 0.4, 0.6, 0.8, 1.0)]
    assert caps == [0, 0, 3, 5, 8, 10, 10]
    assert _gone("curriculum", 160, settings=settings, moment=Moment(0, 0.5)) == Gone(((0, 5),))
    assert _gone("curriculum", 40, settings=settings, moment=Moment(0, 0.5)) == Gone(((0, 2),))
    assert _gone("curriculum", 160, settings=settings) == Gone()
    assert _gone("curriculum", 160, settings=settings, moment=Moment(0, 1.0)) == _gone("all", 160)


def test_stages_are_equally_long_whatever_is_rounded() -> None:
    settings = SETTINGS._replace(num_stages=7)
    assert [stage(settings, step / 70) for step in range(70)] == [step // 10 for step in range(70)]
    assert stage(SETTINGS._replace(num_stages=1), 0.0) == 0
    assert cap_chunks(SETTINGS._replace(num_stages=1), 0.0) == 10


def test_removal_goes_by_epochs_and_ends_with_the_reasoning() -> None:
    settings = SETTINGS._replace(smoothing=math.inf)
    assert [num_removed(settings, step / 3) for step in range(7)] == [0, 2, 5, 8, 10, 13, 16]
    assert num_removed(SETTINGS._replace(removed_per_epoch_tok=7), 3 / 7 * (1 / 3) * 7) == 7
    assert _gone("icot", 20, settings=settings, moment=Moment(2.0)) == Gone((), 16)
    assert _gone("icot", 20, settings=settings, moment=Moment(9.0)) == Gone((), 20)
    assert epochs_until_removed(SETTINGS, 20) == 2.5
    assert epochs_until_removed(SETTINGS._replace(removed_per_epoch_tok=0), 20) == math.inf
    assert epochs_until_removed(SETTINGS._replace(removed_per_epoch_tok=0), 0) == 0


def test_smoothing_removes_more_with_geometrically_falling_probability() -> None:
    rng, num = seeds.stream(1, "smoothing"), 20_000
    more = [gone(METHODS["icot"], 9, settings=SETTINGS, rng=rng).removed_tok for _ in range(num)]
    p = math.exp(-4)
    for k in (1, 2):
        assert sum(m >= k for m in more) / num == pytest.approx(p**k, abs=4 * (p**k / num) ** 0.5)


def test_chunks_at_random_places() -> None:
    rng, num = seeds.stream(2, "poisson"), 4000
    drawn = [gone(METHODS["poisson"], 79, settings=SETTINGS, rng=rng).runs for _ in range(num)]
    chunks = [{at for first, behind in runs for at in range(first, behind)} for runs in drawn]
    for at in range(4):
        assert sum(at in taken for taken in chunks) / num == pytest.approx(0.5, abs=0.035)
    assert sum({0, 1} <= taken for taken in chunks) / num == pytest.approx(0.25, abs=0.03)
    assert max(max(taken, default=0) for taken in chunks) == 3
    assert _gone("poisson", 79, settings=SETTINGS._replace(probability=0.0)) == Gone()
    assert _gone("poisson", 79, settings=SETTINGS._replace(probability=1.0)) == _gone("all", 79)


def test_neighbours_are_one_run() -> None:
    assert runs_of([True, True, False, True, False]) == ((0, 2), (3, 4))
    assert runs_of([]) == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"codes_per_chunk": 0},
        {"probability": 1.1},
        {"probability": math.nan},
        {"num_stages": 0},
        {"removed_per_epoch_tok": -1.0},
        {"smoothing": 0.0},
        {"num_pauses": -1},
    ],
)
def test_settings_that_mean_nothing_are_refused_by_name(wrong: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        MixSettings(law=Law(), **wrong).check()
