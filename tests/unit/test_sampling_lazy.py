"""A sampler that is made when the first sample is wanted, and its costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from reasonry.core.messages import user
from reasonry.core.sampling import Request, Sampler, ScriptedConfig, with_sampling
from reasonry.core.sampling.base import Completion, SamplerStats
from reasonry.core.sampling.config import SamplingConfig
from reasonry.core.sampling.lazy import LazySampler
from reasonry.core.sampling.scripted import ScriptedSampler, SimulatedSolver
from reasonry.core.task import Problem
from reasonry.errors import ResourceError

GREEDY = SamplingConfig(temperature=0.0)
TWO = [Request("a", (user("A?"),), range(2))]


class Tempered(ScriptedSampler):
    """A sampler that can draw in another way, as those of a model can."""

    def __init__(self, config: SamplingConfig | None = None) -> None:
        super().__init__({"a": ["cold" if config is GREEDY else "warm"]})
        self.config = config

    def with_sampling(self, config: SamplingConfig) -> Tempered:
        return Tempered(config)


class Maker:
    """Counts how often it is called."""

    def __init__(self, sampler: Sampler) -> None:
        self.num_calls, self.sampler = 0, sampler

    def __call__(self) -> Sampler:
        self.num_calls += 1
        return self.sampler


def texts(steps: Iterator[Completion]) -> list[str]:
    return [c.text for c in steps]


def test_the_sampler_is_made_once_and_when_the_first_sample_is_wanted() -> None:
    make = Maker(ScriptedSampler({"a": ["x", "y"]}))
    lazy = LazySampler(make)
    made: list[Sampler] = []
    lazy.on_made = made.append
    assert lazy.stats == SamplerStats() and not lazy.is_made
    other = lazy.with_sampling(GREEDY)
    assert make.num_calls == 0 and not other.is_made, "neither its costs nor a variant need it"
    assert texts(lazy.sample(TWO)) == ["x", "y"] and texts(lazy.sample(TWO, skip={("a", 0)})) == ["y"]
    assert make.num_calls == 1 and lazy.is_made and made == [make.sampler] and lazy.inner is make.sampler
    assert isinstance(lazy, Sampler)


@pytest.mark.parametrize("name", ["identity", "determinism"])
def test_what_the_sampler_is_can_only_be_said_by_itself(name: str) -> None:
    make = Maker(SimulatedSolver([Problem("a", "?", "1")], ScriptedConfig(), seed=3))
    lazy = LazySampler(make)
    assert getattr(lazy, name) == getattr(make.sampler, name) and make.num_calls == 1


def test_the_sampler_is_told_of_before_its_first_sample() -> None:
    lazy = LazySampler(Maker(ScriptedSampler({"a": ["x"]})))
    told: list[Any] = []
    lazy.on_made = lambda made: told.append(made.stats.num_completions)
    list(lazy.sample(TWO))
    assert told == [0]


def test_a_sampler_that_cannot_be_made_is_tried_again_next_time() -> None:
    tries = iter([ResourceError("no device"), None])

    def make() -> Sampler:
        if error := next(tries):
            raise error
        return ScriptedSampler({"a": ["x"]})

    lazy = LazySampler(make)
    with pytest.raises(ResourceError, match="no device"):
        lazy.sample(TWO)
    assert not lazy.is_made and lazy.stats == SamplerStats()
    assert texts(lazy.sample(TWO)) == ["x", "x"]


def test_another_way_of_drawing_shares_the_model_and_not_the_costs() -> None:
    make = Maker(Tempered())
    lazy = LazySampler(make)
    judge = with_sampling(lazy, GREEDY)
    assert texts(judge.sample(TWO)) == ["cold", "cold"] and texts(lazy.sample(TWO[:1])) == ["warm", "warm"]
    assert make.num_calls == 1
    assert (lazy.stats.num_completions, judge.stats.num_completions) == (2, 2)
    list(judge.sample(TWO))
    assert (lazy.stats.num_completions, judge.stats.num_completions) == (2, 4)


def test_a_sampler_that_knows_one_way_of_drawing_is_not_paid_for_twice() -> None:
    """It is shared: what it drew before somebody else asked for it is not the other's cost."""
    script = ScriptedSampler({"a": ["two words"]})
    list(script.sample(TWO))
    script.stats.notes.append("said before")
    lazy = LazySampler(lambda: script)
    judge = lazy.with_sampling(GREEDY)
    assert texts(lazy.sample(TWO)) == texts(judge.sample(TWO[:1])) == ["two words"] * 2
    script.stats.notes.append("said since")
    assert script.stats.num_completions == 6
    assert (lazy.stats.num_completions, judge.stats.num_completions) == (4, 2)
    assert (lazy.stats.num_completion_tok, judge.stats.num_completion_tok) == (8, 4)
    assert lazy.stats.notes == judge.stats.notes == ["said since"]
