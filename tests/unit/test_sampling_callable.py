"""A Python function as a sampler: order, seeds, costs, and what happens when it fails or is left early."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from reasonry.core.messages import Message, system, user
from reasonry.core.sampling import Completion, Request, Sampler, sample_async
from reasonry.core.sampling.callable import CallableSampler
from reasonry.errors import ConfigError, DataError

Messages = list[dict[str, Any]]

REQUESTS = (Request("a", (user("A?"),), (0, 1, 2)), Request("b", (user("B?"),), (4, 1)))
ORDER = [("a", 0), ("a", 1), ("a", 2), ("b", 1), ("b", 4)]


def echo(messages: Messages, seed: int) -> str:
    return f"{messages[-1]['content']} {seed}"


async def async_echo(messages: Messages, seed: int) -> str:
    await asyncio.sleep(seed % 7 / 1000)  # so that calls end in an order of their own
    return echo(messages, seed)


class Caller:
    """An object with an async ``__call__``, as clients of servers often are."""

    async def __call__(self, messages: Messages, seed: int) -> str:
        return await async_echo(messages, seed)

    async def method(self, messages: Messages, seed: int) -> str:
        return await async_echo(messages, seed)


async def with_options(suffix: str, messages: Messages, seed: int) -> str:
    return await async_echo(messages, seed) + suffix


ASYNC = {
    "function": async_echo,
    "callable object": Caller(),
    "method": Caller().method,
    "partial": functools.partial(with_options, ""),
}


def keys(completions: Sequence[Completion]) -> list[tuple[str, int]]:
    return [(c.id, c.index) for c in completions]


def num_threads() -> int:
    return threading.active_count()


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """Whatever a test does, the thread of the event loop ends with the iteration."""
    before = num_threads()
    yield
    end_s = time.monotonic() + 5
    while num_threads() > before and time.monotonic() < end_s:
        time.sleep(0.005)
    assert num_threads() <= before


# ---------------------------------------------------------------- what is asked, and in which order


@pytest.mark.parametrize("kind", ["plain", *ASYNC])
def test_completions_come_in_request_order_with_indices_ascending(kind: str) -> None:
    sampler = CallableSampler(ASYNC.get(kind, echo), seed=3)
    assert isinstance(sampler, Sampler)
    found = list(sampler.sample(REQUESTS))
    assert keys(found) == ORDER
    assert found == list(CallableSampler(echo, seed=3).sample(REQUESTS)), "plain and async say the same"
    assert len({c.text for c in found}) == len(found), "every sample has a seed of its own"


def test_a_sample_depends_on_seed_id_and_index_only() -> None:
    whole = {(c.id, c.index): c for c in CallableSampler(echo, seed=1).sample(REQUESTS)}
    backwards = list(CallableSampler(async_echo, seed=1, concurrency=2).sample(REQUESTS[::-1], skip={("a", 1)}))
    assert keys(backwards) == [("b", 1), ("b", 4), ("a", 0), ("a", 2)]
    assert all(whole[c.id, c.index] == c for c in backwards)
    other = {(c.id, c.index): c for c in CallableSampler(echo, seed=2).sample(REQUESTS)}
    assert all(whole[key].text != other[key].text for key in whole)


def test_seeds_are_63_bit_numbers_and_messages_are_openai_style() -> None:
    asked: list[tuple[Messages, int]] = []

    def ask(messages: Messages, seed: int) -> str:
        asked.append((messages, seed))
        return "x"

    talk = (system("Be brief."), user("6 x 7?"), Message("assistant", "41"), user("No."))
    list(CallableSampler(ask).sample([Request("q", talk, range(40))]))
    assert all(0 <= seed < 2**63 for _, seed in asked) and len({seed for _, seed in asked}) == 40
    assert max(seed for _, seed in asked) > 2**55
    assert asked[0][0] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "6 x 7?"},
        {"role": "assistant", "content": "41"},
        {"role": "user", "content": "No."},
    ]


@pytest.mark.parametrize("ask", [echo, async_echo])
def test_nothing_asked_is_nothing_done(ask: Any) -> None:
    assert list(CallableSampler(ask).sample([])) == []
    assert list(CallableSampler(ask).sample(REQUESTS, skip=ORDER)) == []


@pytest.mark.parametrize("concurrency", [1, 3, 16])
def test_as_many_async_calls_are_in_flight_as_allowed_and_no_more(concurrency: int) -> None:
    flying, most = 0, 0

    async def ask(messages: Messages, seed: int) -> str:
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        await asyncio.sleep(0.01)
        flying -= 1
        return "x"

    assert len(list(CallableSampler(ask, concurrency=concurrency).sample([Request("q", (), range(12))]))) == 12
    assert most == min(concurrency, 12)


def test_a_slow_first_call_does_not_let_the_others_overtake() -> None:
    ended: list[int] = []

    async def ask(messages: Messages, seed: int) -> str:
        number = len(started)
        started.append(seed)
        await asyncio.sleep(0.05 if number == 0 else 0.001)
        ended.append(number)
        return str(number)

    started: list[int] = []
    found = list(CallableSampler(ask, concurrency=4).sample([Request("q", (), range(4))]))
    assert ended[-1] == 0, "the first call ended last"
    assert [c.text for c in found] == ["0", "1", "2", "3"]


def test_a_concurrency_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="concurrency = 0"):
        CallableSampler(echo, concurrency=0)


# ---------------------------------------------------------------- what it may return


def test_a_text_counts_its_words_and_a_mapping_says_what_it_knows() -> None:
    said: dict[str, Any] = {
        "text": "42",
        "finish": "length",
        "num_prompt_tok": 5,
        "num_completion_tok": 2,
        "tokens": [7, 8],
        "logps": [-0.5, -1.5],
    }
    replies: list[Any] = ["two words", "", said, {"text": "no count here"}, {"text": "a b", "tokens": [1, 2, 3]}]
    sampler = CallableSampler(lambda messages, seed: replies.pop(0))
    found = list(sampler.sample([Request("q", (), range(5))]))
    assert found == [
        Completion("q", 0, "two words", "stop", 0, 2),
        Completion("q", 1, "", "stop", 0, 1),
        Completion("q", 2, "42", "length", 5, 2, (7, 8), (-0.5, -1.5)),
        Completion("q", 3, "no count here", "stop", 0, 3),
        Completion("q", 4, "a b", "stop", 0, 3, (1, 2, 3)),
    ]
    assert (sampler.stats.num_completions, sampler.stats.num_prompt_tok) == (5, 5)
    assert sampler.stats.num_completion_tok == 2 + 1 + 2 + 3 + 3


def test_numpy_numbers_become_plain_ones() -> None:
    said = {"text": "x", "num_completion_tok": np.int64(2), "tokens": np.array([3, 4]), "logps": np.array([-1, -2.5])}
    (found,) = CallableSampler(lambda messages, seed: said).sample([Request("q")])
    assert found == Completion("q", 0, "x", "stop", 0, 2, (3, 4), (-1.0, -2.5))
    assert {type(v) for v in (found.num_completion_tok, *found.tokens)} == {int}


BAD_REPLIES: dict[str, Any] = {
    "nothing": None,
    "a number": 42,
    "bytes": b"42",
    "a list": ["42"],
    "a mapping without text": {"finish": "stop"},
    "a text that is none": {"text": 42},
    "an unknown key": {"text": "42", "content": "42"},
    "an unknown finish": {"text": "42", "finish": "eos"},
    "a number of tokens that is none": {"text": "42", "num_completion_tok": "two"},
    "a number of tokens that is missing": {"text": "42", "num_prompt_tok": None},
    "a negative number of tokens": {"text": "42", "num_completion_tok": -1},
    "tokens that are no list": {"text": "42", "tokens": None},
    "log-probabilities that are no numbers": {"text": "42", "logps": ["-1"]},
    "log-probabilities that are not numbers": {"text": "42", "logps": [float("nan")]},
}


@pytest.mark.parametrize("case", BAD_REPLIES)
@pytest.mark.parametrize("is_async", [False, True])
def test_a_bad_reply_is_a_data_error_that_names_the_sample(case: str, is_async: bool) -> None:
    def ask(messages: Messages, seed: int) -> Any:
        return BAD_REPLIES[case]

    async def async_ask(messages: Messages, seed: int) -> Any:
        return BAD_REPLIES[case]

    with pytest.raises(DataError, match="the sampling function returned") as caught:
        list(CallableSampler(async_ask if is_async else ask).sample([Request("q", (), (3,))]))
    assert caught.value.place == "sample 3 of 'q'" and "Return the text" in caught.value.remedy


def test_a_plain_function_that_returns_a_coroutine_is_told_to_be_async() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # "coroutine was never awaited" would be one
        with pytest.raises(DataError, match="coroutine") as caught:
            list(CallableSampler(lambda messages, seed: async_echo(messages, seed)).sample(REQUESTS))
    assert "async def" in caught.value.remedy


# ---------------------------------------------------------------- failures, and leaving early


@pytest.mark.parametrize("is_async", [False, True])
def test_what_the_function_raises_comes_out_after_the_completions_before_it(is_async: bool) -> None:
    num_calls = 0

    def ask(messages: Messages, seed: int) -> str:
        nonlocal num_calls
        num_calls += 1
        if num_calls == 3:
            raise KeyError("quota")
        return "x"

    async def async_ask(messages: Messages, seed: int) -> str:
        return ask(messages, seed)

    sampler = CallableSampler(async_ask if is_async else ask)
    got: list[Completion] = []
    with pytest.raises(KeyError, match="quota"):
        got.extend(sampler.sample([Request("q", (), range(6))]))
    assert keys(got) == [("q", 0), ("q", 1)] and sampler.stats.num_completions == 2
    steps = CallableSampler(async_ask if is_async else ask).sample([Request("q", (), range(2))])
    assert len(list(steps)) == 2, "a new call goes on"


def test_an_iteration_left_early_cancels_the_calls_in_flight_and_closes_the_loop() -> None:
    cancelled: list[int] = []
    loops: list[asyncio.AbstractEventLoop] = []

    async def ask(messages: Messages, seed: int) -> str:
        number = len(loops)
        loops.append(asyncio.get_running_loop())
        try:
            await asyncio.sleep(0 if number == 0 else 60)
        except asyncio.CancelledError:
            cancelled.append(number)
            raise
        return "x"

    before = num_threads()
    steps: Any = CallableSampler(ask, concurrency=4).sample([Request("q", (), range(9))])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert next(steps).index == 0
        assert num_threads() == before + 1
        start_s = time.perf_counter()
        steps.close()
    assert time.perf_counter() - start_s < 5
    assert num_threads() == before and loops[0].is_closed()
    assert sorted(cancelled) == [1, 2, 3], "what was in flight was told, so that it can close its connections"


def test_a_call_that_ignores_its_cancellation_holds_nobody_up_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reasonry.core.sampling.callable._GRACE_S", 0.05)

    async def ask(messages: Messages, seed: int) -> str:
        if not calls:
            calls.append(seed)
            return "x"
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                continue
        return "x"

    calls: list[int] = []
    steps: Any = CallableSampler(ask, concurrency=2).sample([Request("q", (), range(9))])
    next(steps)
    start_s = time.perf_counter()
    steps.close()
    assert time.perf_counter() - start_s < 4


def test_a_failing_call_closes_the_loop_too() -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    async def ask(messages: Messages, seed: int) -> str:
        loops.append(asyncio.get_running_loop())
        if len(loops) == 1:
            raise ConnectionError("refused")
        await asyncio.sleep(60)
        return "x"

    before = num_threads()
    with pytest.raises(ConnectionError, match="refused"):
        list(CallableSampler(ask, concurrency=4).sample([Request("q", (), range(9))]))
    assert num_threads() == before and loops[0].is_closed()


def test_an_async_iteration_may_be_cancelled_amid_a_call() -> None:
    """The call in a worker thread ends by itself, and the loop of the function with it; see the fixture."""

    async def ask(messages: Messages, seed: int) -> str:
        await asyncio.sleep(0.1)
        return "x"

    async def drain(got: list[Completion]) -> None:
        async for completion in sample_async(CallableSampler(ask, concurrency=1), [Request("q", (), range(50))]):
            got.append(completion)

    async def cancel() -> list[Completion]:
        got: list[Completion] = []
        task = asyncio.create_task(drain(got))
        await asyncio.sleep(0.15)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return got

    got = asyncio.run(cancel())
    assert keys(got) == [("q", i) for i in range(len(got))] and len(got) < 50


# ---------------------------------------------------------------- identity and cost


def test_the_identity_is_the_name_and_the_seed() -> None:
    sampler = CallableSampler(echo, name="my-model", seed=5)
    assert sampler.identity == {"sampler": "callable", "name": "my-model", "seed": 5}
    assert sampler.determinism == "statistical"


def test_seconds_are_those_of_the_calls() -> None:
    def ask(messages: Messages, seed: int) -> str:
        time.sleep(0.02)
        return "x"

    sampler = CallableSampler(ask)
    for _ in sampler.sample([Request("q", (), range(3))]):
        time.sleep(0.1)  # the caller's own work
    assert 0.055 <= sampler.stats.seconds < 0.25


def test_seconds_of_calls_at_the_same_time_are_counted_once() -> None:
    async def ask(messages: Messages, seed: int) -> str:
        await asyncio.sleep(0.05)
        return "x"

    sampler = CallableSampler(ask, concurrency=20)
    list(sampler.sample([Request("q", (), range(20))]))
    assert 0.045 <= sampler.stats.seconds < 0.5
