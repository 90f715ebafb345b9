"""The endpoint sampler when the server fails: what is tried again, what is told, what is kept."""

import asyncio
import datetime
import email.utils
import math
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.endpoint_fakes import URL, drained, failing, make, make_requests, ok, raise_

from reasonry.core.sampling import EndpointConfig, SamplingConfig
from reasonry.core.sampling import openai as module
from reasonry.core.sampling.openai import OpenAISampler
from reasonry.errors import EndpointError

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


# ---------------------------------------------------------------- faults


FAULTS: dict[str, Callable[[httpx.Request], httpx.Response]] = {
    "HTTP 500": lambda r: httpx.Response(500, text="oops"),
    "HTTP 503": lambda r: httpx.Response(503),
    "HTTP 529": lambda r: httpx.Response(529, text="overloaded"),
    "HTTP 408": lambda r: httpx.Response(408),
    "not JSON: <html>": lambda r: httpx.Response(200, text="<html><body>Welcome to nginx</body></html>"),
    "not JSON": lambda r: httpx.Response(200, content=b"\xff\xfe\x00"),
    "not JSON: [[[": lambda r: httpx.Response(200, text="[" * 100_000),
    "not a completion: {}": lambda r: httpx.Response(200, json={}),
    "not a completion: []": lambda r: httpx.Response(200, json=[]),
    "not a completion: {'choices': []": lambda r: httpx.Response(200, json={"choices": []}),
    "not a completion: {'error'": lambda r: httpx.Response(200, json={"error": {"message": "busy"}}),
    "not a completion: None": lambda r: httpx.Response(200, text="null"),
    "not a completion: {'choices': [{'message': None": lambda r: httpx.Response(
        200, json={"choices": [{"message": None}]}
    ),
    "not a completion: {'choices': [{'message': {'content': 'x'}}], 'usage'": lambda r: httpx.Response(
        200, text='{"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": Infinity}}'
    ),
    "content is int": lambda r: ok(5),
    "content is int, not": lambda r: ok(0),
    "content is list": lambda r: ok([{"type": "text"}]),
    "ended the answer with 'abort'": lambda r: ok("x", finish="abort"),
    "ConnectError": lambda r: raise_(httpx.ConnectError("refused", request=r)),
    "RemoteProtocolError": lambda r: raise_(httpx.RemoteProtocolError("closed", request=r)),
    "DecodingError": lambda r: httpx.Response(200, content=b"no gzip", headers={"content-encoding": "gzip"}),
    "no answer within 600 s": lambda r: raise_(httpx.ReadTimeout("slow", request=r)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_passing_fault_is_tried_again(fault: str, slept: list[float]) -> None:
    handler, num_asked = failing(2, FAULTS[fault])
    sampler = make(handler)
    assert [c.text for c in sampler.sample(make_requests(1))] == ["at last"]
    assert num_asked == [3]
    assert sampler.stats.num_retries == 2
    assert sampler.stats.num_completions == 1
    assert 0.25 <= slept[0] <= 0.75
    assert 0.5 <= slept[1] <= 1.5


@pytest.mark.parametrize("fault", FAULTS)
def test_a_lasting_fault_is_an_endpoint_error_that_says_what_came_back(fault: str, slept: list[float]) -> None:
    handler, num_asked = failing(100, FAULTS[fault])
    got, error = drained(make(handler).sample(make_requests(1)))
    assert got == []
    assert isinstance(error, EndpointError)
    assert error.exit_code == 5
    assert error.place == f"{URL}/chat/completions"
    assert "gave up after 3 tries" in error.problem
    assert fault in error.problem
    assert "finished samples are kept" in error.remedy
    assert len(str(error)) < 600
    assert "\n" not in str(error)
    assert num_asked == [3]


def test_without_retries_the_first_fault_ends_it(slept: list[float]) -> None:
    handler, num_asked = failing(100, FAULTS["HTTP 500"])
    _, error = drained(make(handler, retries=0).sample(make_requests(1)))
    assert error is not None
    assert "gave up after 1 try: HTTP 500: oops" in error.problem
    assert (num_asked, slept) == ([1], [])


def test_a_closed_port_is_an_endpoint_error_from_the_real_transport() -> None:
    endpoint = EndpointConfig(base_url="http://127.0.0.1:9/v1", retries=0)
    _, error = drained(OpenAISampler("m", SamplingConfig(), endpoint=endpoint).sample(make_requests(2)))
    assert error is not None
    assert "cannot reach the endpoint (ConnectError" in error.problem


def test_an_answer_that_drips_is_cut_by_the_time_limit() -> None:
    async def drip(request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
        async def stream() -> Any:
            while True:
                yield b" "
                await asyncio.sleep(0.01)

        return httpx.Response(200, content=stream())

    start = time.monotonic()
    _, error = drained(make(lambda r, b: drip(r, b), timeout_s=0.2, retries=0).sample(make_requests(1)))
    assert error is not None
    assert "no answer within 0.2 s" in error.problem
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (400, "The request itself is refused"),
        (401, "--endpoint.api-key-env"),
        (403, "may not use this model"),
        (404, "usually ends in /v1"),
        (422, "The request itself is refused"),
        (307, "The address has moved"),
    ],
)
def test_a_refusal_is_told_at_once_with_its_remedy(status: int, remedy: str, slept: list[float]) -> None:
    handler, num_asked = failing(100, lambda r: httpx.Response(status, json={"error": {"message": "no such model"}}))
    got, error = drained(make(handler).sample(make_requests(1)))
    assert error is not None
    assert f"HTTP {status}" in error.problem
    assert "no such model" in error.problem
    assert remedy in error.remedy
    assert error.exit_code == 5
    assert (got, num_asked, slept) == ([], [1], [])


@pytest.mark.parametrize(
    ("value", "low_s", "high_s"),
    [
        ("7", 7, 7),
        ("2.5", 2.5, 2.5),
        ("0", 0.25, 0.75),
        ("-5", 0.25, 0.75),
        ("99999", 600, 600),
        ("inf", 600, 600),
        ("nan", 0.25, 0.75),
        ("soon", 0.25, 0.75),
        ("", 0.25, 0.75),
    ],
)
def test_retry_after_in_seconds_is_obeyed_within_bounds(
    value: str, low_s: float, high_s: float, slept: list[float]
) -> None:
    handler, _ = failing(1, lambda r: httpx.Response(429, headers={"Retry-After": value}))
    list(make(handler).sample(make_requests(1)))
    assert len(slept) == 1
    assert low_s <= slept[0] <= high_s


@pytest.mark.parametrize("delay_s", [30, -30, 10**7])
def test_retry_after_as_a_date_is_obeyed_within_bounds(delay_s: int, slept: list[float]) -> None:
    when = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=delay_s)
    for written in (email.utils.format_datetime(when, usegmt=True), email.utils.format_datetime(when)):
        slept.clear()
        handler, _ = failing(1, lambda r, w=written: httpx.Response(429, headers={"Retry-After": w}))
        list(make(handler).sample(make_requests(1)))
        low_s, high_s = {30: (25, 30), -30: (0.25, 0.75), 10**7: (600, 600)}[delay_s]
        assert low_s <= slept[0] <= high_s


@given(st.text(st.characters(max_codepoint=255), max_size=40) | st.text("0123456789 :,-+GMTNovSuMon", max_size=40))
def test_no_retry_after_header_breaks_the_reader(value: str) -> None:
    wait_s = module._retry_after_s({"retry-after": value})
    assert wait_s is None or 0 <= wait_s <= 600


wild = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "message",
                    "content",
                    "text",
                    "usage",
                    "prompt_tokens",
                    "logprobs",
                    "logprob",
                    "finish_reason",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@settings(max_examples=500, deadline=None)
@given(wild | wild.map(lambda w: {"choices": [w]}) | wild.map(lambda w: {"choices": [{"message": {"content": w}}]}))
def test_any_answer_is_a_completion_that_can_be_stored_or_a_value_error(answer: Any) -> None:
    try:
        found = module._parse(answer, "p", 0)
    except ValueError:
        return
    assert isinstance(found.text, str)
    found.text.encode()
    assert all(math.isfinite(p) for p in found.logps)
    assert isinstance(found.num_prompt_tok, int)


# ---------------------------------------------------------------- giving up keeps what is finished


def test_what_had_come_back_behind_the_failure_is_yielded_before_the_error(slept: list[float]) -> None:
    finished = threading.Event()

    async def handler(request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
        question = body["messages"][-1]["content"]
        if question == "Q2":
            while not finished.is_set():
                await asyncio.sleep(0.005)
            return httpx.Response(500)
        if question in ("Q4", "Q6"):
            await asyncio.sleep(60)  # still on its way: lost, but nothing waits for it
        if question == "Q7":
            finished.set()
        return ok(question)

    sampler = make(lambda r, b: handler(r, b), concurrency=8)
    start = time.monotonic()
    got, error = drained(sampler.sample(make_requests(8)))
    assert error is not None
    assert [c.id for c in got] == ["p0", "p1", "p3", "p5", "p7"]
    assert sampler.stats.num_completions == 5
    assert time.monotonic() - start < 10


def test_a_refusal_behind_finished_answers_keeps_them(slept: list[float]) -> None:
    def handler(request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
        return httpx.Response(401) if body["messages"][-1]["content"] == "Q3" else ok()

    got, error = drained(make(handler, concurrency=1).sample(make_requests(6)))
    assert [c.id for c in got][:3] == ["p0", "p1", "p2"]
    assert error is not None
    assert error.exit_code == 5


def test_seconds_are_counted_answer_by_answer_not_only_at_the_end() -> None:
    async def slow(request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
        await asyncio.sleep(0.03)
        return ok()

    sampler = make(lambda r, b: slow(r, b), concurrency=1)
    steps = sampler.sample(make_requests(3))
    next(steps)
    after_one_s = sampler.stats.seconds
    assert after_one_s >= 0.03
    list(steps)
    assert sampler.stats.seconds > after_one_s
