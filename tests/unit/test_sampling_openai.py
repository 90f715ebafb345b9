import asyncio
import datetime
import email.utils
import gc
import json
import math
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonry.core.messages import Message, ToolCall, system, user
from reasonry.core.sampling import Completion, EndpointConfig, Request, Sampler, SamplingConfig, make_sampler
from reasonry.core.sampling import openai as module
from reasonry.core.sampling.openai import OpenAISampler
from reasonry.errors import ConfigError, EndpointError

KEY = "sk-test-0123456789abcdef"
URL = "http://server.test/v1"
Handler = Callable[[httpx.Request, dict[str, Any]], httpx.Response | Awaitable[httpx.Response]]


def _completion(text: Any = "hi", *, finish: Any = "stop", **choice: Any) -> dict[str, Any]:
    return {
        "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": finish, **choice}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3},
    }


def _ok(text: Any = "hi", **more: Any) -> httpx.Response:
    return httpx.Response(200, json=_completion(text, **more))


def _echo(request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
    return _ok(f"{body['messages'][-1]['content']}/{body['seed']}")


def _sampler(
    handler: Handler, *, seed: int = 0, sampling: dict[str, Any] | None = None, **endpoint: Any
) -> OpenAISampler:
    async def transport(request: httpx.Request) -> httpx.Response:
        answer = handler(request, json.loads(request.content))
        return answer if isinstance(answer, httpx.Response) else await answer

    settings = EndpointConfig(**{"base_url": URL, "retries": 2, **endpoint})
    config = SamplingConfig(**(sampling or {}))
    return OpenAISampler("m", config, endpoint=settings, seed=seed, transport=httpx.MockTransport(transport))


def _requests(num: int, indices: Sequence[int] = (0,)) -> list[Request]:
    return [Request(f"p{i}", (user(f"Q{i}"),), indices) for i in range(num)]


def _drained(steps: Iterator[Completion]) -> tuple[list[Completion], EndpointError | None]:
    """What came before the end or before the error, and the error."""
    got: list[Completion] = []
    try:
        for completion in steps:
            got.append(completion)
    except EndpointError as e:
        return got, e
    return got, None


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    gc.collect()
    left = [t for t in set(threading.enumerate()) - before if "reasonry" in t.name]
    assert left == []


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits before another try, in seconds; none is really waited for."""
    waits: list[float] = []

    async def sleep(wait_s: float) -> None:
        waits.append(wait_s)
        await asyncio.sleep(0)

    monkeypatch.setattr(module, "_sleep", sleep)
    return waits


# ---------------------------------------------------------------- the request


def test_the_body_holds_the_drawing_rule_and_the_conversation() -> None:
    seen: list[tuple[httpx.Request, dict[str, Any]]] = []

    def handler(request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
        seen.append((request, body))
        return _ok()

    rule = {"temperature": 0.5, "top_p": 0.9, "top_k": 20, "max_new_tokens": 9, "stop": ("END", "\n\n")}
    sampler = _sampler(handler, sampling=rule, logprobs=True, extra_body={"min_p": 0.1})
    call = ToolCall("f", {"a": 1}, "c1")
    talk = (system("S"), user("Q"), Message("assistant", "", (call,)), Message("tool", "T", (), "c1"))
    list(sampler.sample([Request("p", talk)]))
    ((request, body),) = seen
    assert request.url == f"{URL}/chat/completions"
    assert "authorization" not in request.headers
    assert isinstance(body.pop("seed"), int)
    assert body == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "S"},
            {"role": "user", "content": "Q"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}],
            },
            {"role": "tool", "content": "T", "tool_call_id": "c1"},
        ],
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 20,
        "max_tokens": 9,
        "stop": ["END", "\n\n"],
        "logprobs": True,
        "min_p": 0.1,
    }


def test_what_is_not_asked_for_is_not_sent() -> None:
    sampler = _sampler(_echo)
    body = sampler._body(Request("p", (user("Q"),)), 0)
    assert {"stop", "top_k", "logprobs", "prompt"} & body.keys() == set()
    newer = _sampler(_echo, extra_body={"max_completion_tokens": 5})._body(Request("p", (user("Q"),)), 0)
    assert "max_tokens" not in newer
    assert newer["max_completion_tokens"] == 5


def test_a_raw_prompt_goes_to_the_interface_without_a_chat_template() -> None:
    def handler(request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
        assert request.url.path == "/v1/completions"
        assert body["prompt"] == "Once"
        assert "messages" not in body
        assert body["logprobs"] == 1
        choice = {"text": " upon", "finish_reason": "length", "logprobs": {"token_logprobs": [-0.5, -1.5]}}
        return httpx.Response(200, json={"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 2}})

    (done,) = _sampler(handler, logprobs=True).sample([Request("p", raw="Once")])
    assert done == Completion("p", 0, " upon", "length", 1, 2, (), (-0.5, -1.5))


@pytest.mark.parametrize("base_url", ["http://h:8000/v1", "http://h:8000/v1/", "https://h", "http://[::1]:80/v1"])
def test_the_path_is_joined_to_any_plain_address(base_url: str) -> None:
    paths: list[str] = []

    def handler(request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
        paths.append(str(request.url))
        return _ok()

    list(_sampler(handler, base_url=base_url).sample(_requests(1)))
    assert paths == [base_url.rstrip("/").replace(":80/", "/") + "/chat/completions"]


def test_seeds_differ_per_sample_and_repeat() -> None:
    def seeds(seed: int, requests: list[Request]) -> dict[tuple[str, int], int]:
        done = _sampler(_echo, seed=seed).sample(requests)
        return {(c.id, c.index): int(c.text.split("/")[1]) for c in done}

    requests = _requests(20, range(10))
    first = seeds(0, requests)
    assert len(set(first.values())) == 200
    assert all(0 <= s < 2**31 for s in first.values())
    assert seeds(0, requests[::-1]) == first, "whatever the order"
    assert seeds(0, [Request("p3", (user("Q3"),), (7,))]) == {("p3", 7): first["p3", 7]}, "or the company"
    assert not set(seeds(1, requests).values()) & set(first.values())


# ---------------------------------------------------------------- the answer


def test_counts_log_probabilities_and_finish_are_read() -> None:
    content = [{"token": "a", "logprob": -0.25}, {"token": "b", "logprob": -1}]

    def handler(request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
        return _ok("text", finish="length", logprobs={"content": content})

    sampler = _sampler(handler, logprobs=True)
    assert list(sampler.sample(_requests(1))) == [Completion("p0", 0, "text", "length", 7, 3, (), (-0.25, -1.0))]
    stats = sampler.stats
    assert (stats.num_completions, stats.num_prompt_tok, stats.num_completion_tok, stats.num_retries) == (1, 7, 3, 0)
    assert isinstance(sampler, Sampler)
    assert sampler.determinism == "statistical"


@pytest.mark.parametrize(
    ("said", "finish"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("tool_calls", "tool_calls"),
        ("content_filter", "content_filter"),
        ("eos_token", "stop"),
        ("max_tokens", "length"),
        ("function_call", "tool_calls"),
        ("something new", "stop"),
        (None, "stop"),
        (["odd"], "stop"),
    ],
)
def test_finish_reasons_of_different_servers_are_understood(said: Any, finish: str) -> None:
    (done,) = _sampler(lambda r, b: _ok("x", finish=said)).sample(_requests(1))
    assert done.finish == finish


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        {},
        {"content": None},
        {"content": []},
        {"content": [{"logprob": None}]},
        {"content": [{"logprob": -1.0}, {"logprob": "x"}]},
        {"content": [{"logprob": -math.inf}]},
    ],
)
def test_log_probabilities_are_all_known_or_none_is_given(logprobs: Any) -> None:
    answer = json.dumps(_completion("x", logprobs=logprobs))
    (done,) = _sampler(lambda r, b: httpx.Response(200, text=answer)).sample(_requests(1))
    assert done.logps == ()


def test_missing_usage_and_null_content_are_no_failures() -> None:
    answer = {
        "choices": [{"message": {"content": None, "tool_calls": []}, "finish_reason": "tool_calls"}],
        "usage": None,
    }
    (done,) = _sampler(lambda r, b: httpx.Response(200, json=answer)).sample(_requests(1))
    assert done == Completion("p0", 0, "", "tool_calls")


def test_half_a_surrogate_pair_is_replaced_so_that_the_answer_can_be_stored() -> None:
    answer = json.dumps(_completion("a\ud83d"))
    (done,) = _sampler(lambda r, b: httpx.Response(200, text=answer)).sample(_requests(1))
    assert done.text == "a?"


# ---------------------------------------------------------------- faults


def _failing(times: int, fault: Callable[[httpx.Request], httpx.Response]) -> tuple[Handler, list[int]]:
    num_asked = [0]

    def handler(request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
        num_asked[0] += 1
        return fault(request) if num_asked[0] <= times else _ok("at last")

    return handler, num_asked


def _raise(error: Exception) -> httpx.Response:
    raise error


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
    "content is int": lambda r: _ok(5),
    "content is int, not": lambda r: _ok(0),
    "content is list": lambda r: _ok([{"type": "text"}]),
    "ended the answer with 'abort'": lambda r: _ok("x", finish="abort"),
    "ConnectError": lambda r: _raise(httpx.ConnectError("refused", request=r)),
    "RemoteProtocolError": lambda r: _raise(httpx.RemoteProtocolError("closed", request=r)),
    "DecodingError": lambda r: httpx.Response(200, content=b"no gzip", headers={"content-encoding": "gzip"}),
    "no answer within 600 s": lambda r: _raise(httpx.ReadTimeout("slow", request=r)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_passing_fault_is_tried_again(fault: str, slept: list[float]) -> None:
    handler, num_asked = _failing(2, FAULTS[fault])
    sampler = _sampler(handler)
    assert [c.text for c in sampler.sample(_requests(1))] == ["at last"]
    assert num_asked == [3]
    assert sampler.stats.num_retries == 2
    assert sampler.stats.num_completions == 1
    assert 0.25 <= slept[0] <= 0.75
    assert 0.5 <= slept[1] <= 1.5


@pytest.mark.parametrize("fault", FAULTS)
def test_a_lasting_fault_is_an_endpoint_error_that_says_what_came_back(fault: str, slept: list[float]) -> None:
    handler, num_asked = _failing(100, FAULTS[fault])
    got, error = _drained(_sampler(handler).sample(_requests(1)))
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
    handler, num_asked = _failing(100, FAULTS["HTTP 500"])
    _, error = _drained(_sampler(handler, retries=0).sample(_requests(1)))
    assert error is not None
    assert "gave up after 1 try: HTTP 500: oops" in error.problem
    assert (num_asked, slept) == ([1], [])


def test_a_closed_port_is_an_endpoint_error_from_the_real_transport() -> None:
    endpoint = EndpointConfig(base_url="http://127.0.0.1:9/v1", retries=0)
    _, error = _drained(OpenAISampler("m", SamplingConfig(), endpoint=endpoint).sample(_requests(2)))
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
    _, error = _drained(_sampler(lambda r, b: drip(r, b), timeout_s=0.2, retries=0).sample(_requests(1)))
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
    handler, num_asked = _failing(100, lambda r: httpx.Response(status, json={"error": {"message": "no such model"}}))
    got, error = _drained(_sampler(handler).sample(_requests(1)))
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
    handler, _ = _failing(1, lambda r: httpx.Response(429, headers={"Retry-After": value}))
    list(_sampler(handler).sample(_requests(1)))
    assert len(slept) == 1
    assert low_s <= slept[0] <= high_s


@pytest.mark.parametrize("delay_s", [30, -30, 10**7])
def test_retry_after_as_a_date_is_obeyed_within_bounds(delay_s: int, slept: list[float]) -> None:
    when = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=delay_s)
    for written in (email.utils.format_datetime(when, usegmt=True), email.utils.format_datetime(when)):
        slept.clear()
        handler, _ = _failing(1, lambda r, w=written: httpx.Response(429, headers={"Retry-After": w}))
        list(_sampler(handler).sample(_requests(1)))
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
        return _ok(question)

    sampler = _sampler(lambda r, b: handler(r, b), concurrency=8)
    start = time.monotonic()
    got, error = _drained(sampler.sample(_requests(8)))
    assert error is not None
    assert [c.id for c in got] == ["p0", "p1", "p3", "p5", "p7"]
    assert sampler.stats.num_completions == 5
    assert time.monotonic() - start < 10


def test_a_refusal_behind_finished_answers_keeps_them(slept: list[float]) -> None:
    def handler(request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
        return httpx.Response(401) if body["messages"][-1]["content"] == "Q3" else _ok()

    got, error = _drained(_sampler(handler, concurrency=1).sample(_requests(6)))
    assert [c.id for c in got][:3] == ["p0", "p1", "p2"]
    assert error is not None
    assert error.exit_code == 5


def test_seconds_are_counted_answer_by_answer_not_only_at_the_end() -> None:
    async def slow(request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
        await asyncio.sleep(0.03)
        return _ok()

    sampler = _sampler(lambda r, b: slow(r, b), concurrency=1)
    steps = sampler.sample(_requests(3))
    next(steps)
    after_one_s = sampler.stats.seconds
    assert after_one_s >= 0.03
    list(steps)
    assert sampler.stats.seconds > after_one_s


# ---------------------------------------------------------------- order and concurrency


class _Load:
    """A handler that waits as told and watches how many requests are in flight."""

    def __init__(self, wait_s: Callable[[int], float]) -> None:
        self.wait_s = wait_s
        self.now = self.most = 0
        self.finished: list[int] = []

    async def __call__(self, request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
        number = int(body["messages"][-1]["content"][1:])
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(self.wait_s(number))
        finally:
            self.now -= 1
        self.finished.append(number)
        return _ok("x" * number)


@pytest.mark.parametrize("kind", ["random", "longer answers take longer", "longer answers come first"])
def test_answers_come_in_the_order_asked_for_whatever_their_latency(kind: str) -> None:
    rng = np.random.default_rng(0)
    latency_s = {
        "random": rng.uniform(0, 0.03, size=40),
        "longer answers take longer": np.linspace(0, 0.03, 40),
        "longer answers come first": np.linspace(0.03, 0, 40),
    }[kind]
    load = _Load(lambda i: float(latency_s[i]))
    order = [int(i) for i in rng.permutation(40)]
    requests = [Request(f"p{i}", (user(f"Q{i}"),)) for i in order]
    done = list(_sampler(lambda r, b: load(r, b), concurrency=8).sample(requests))
    assert [c.id for c in done] == [f"p{i}" for i in order]
    assert [len(c.text) for c in done] == order
    assert load.finished != order, "they did come back in another order"


def test_indices_ascend_and_skipped_samples_are_not_asked_for() -> None:
    num_asked = [0]

    def handler(request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
        num_asked[0] += 1
        return _ok()

    requests = [Request("b", (user("Q"),), (3, 1, 2)), Request("a", (user("Q"),), (1, 0))]
    done = list(_sampler(handler).sample(requests, skip={("b", 2), ("a", 0), ("c", 9)}))
    assert [(c.id, c.index) for c in done] == [("b", 1), ("b", 3), ("a", 1)]
    assert num_asked == [3]
    assert list(_sampler(handler).sample([])) == []
    assert num_asked == [3]


@pytest.mark.parametrize("concurrency", [1, 3, 16])
def test_no_more_requests_than_allowed_are_in_flight(concurrency: int) -> None:
    load = _Load(lambda i: 0.005)
    list(_sampler(lambda r, b: load(r, b), concurrency=concurrency).sample(_requests(40)))
    assert load.most == min(concurrency, 40), "never more, and all of them are used"


def test_requests_that_wait_to_be_tried_again_count_as_in_flight() -> None:
    load = _Load(lambda i: 0.001)
    failed: set[str] = set()

    async def handler(request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
        question = body["messages"][-1]["content"]
        answer = await load(request, body)
        if question in failed:
            return answer
        failed.add(question)
        return httpx.Response(429, headers={"Retry-After": "0.01"})

    done = list(_sampler(lambda r, b: handler(r, b), concurrency=2, retries=1).sample(_requests(4)))
    assert len(done) == 4
    assert load.most <= 2


def test_a_slow_first_answer_does_not_leave_the_server_idle() -> None:
    load = _Load(lambda i: 0.3 if i == 0 else 0.001)
    steps = _sampler(lambda r, b: load(r, b), concurrency=4).sample(_requests(30))
    first = next(steps)
    assert first.id == "p0"
    assert len(load.finished) >= 12, "three times the number in flight were answered behind it"
    assert len(load.finished) <= 17, "but what a kill would lose is bounded"
    assert len(list(steps)) == 29


# ---------------------------------------------------------------- leaving early


def test_leaving_early_cancels_what_is_in_flight_and_leaves_no_thread_and_no_task() -> None:
    cancelled: list[str] = []
    loops: list[asyncio.AbstractEventLoop] = []

    async def handler(request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
        loops.append(asyncio.get_running_loop())
        question = body["messages"][-1]["content"]
        if question == "Q0":
            return _ok()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(question)
            raise
        return _ok()

    steps = _sampler(lambda r, b: handler(r, b), concurrency=4).sample(_requests(50))
    assert next(steps).id == "p0"
    deadline = time.monotonic() + 5
    while len(loops) < 5 and time.monotonic() < deadline:
        time.sleep(0.005)
    steps.close()  # type: ignore[attr-defined]
    assert sorted(cancelled) == ["Q1", "Q2", "Q3", "Q4"]
    assert loops[0].is_closed()
    assert not asyncio.all_tasks(loops[0])
    assert not [t for t in threading.enumerate() if t.name == "reasonry-endpoint"]


def test_an_iterator_that_is_never_started_or_dropped_leaves_nothing_behind() -> None:
    _sampler(_echo).sample(_requests(3))
    steps = _sampler(_echo).sample(_requests(3))
    next(steps)
    del steps
    gc.collect()
    assert not [t for t in threading.enumerate() if t.name == "reasonry-endpoint"]


def test_a_failure_in_the_callers_loop_winds_up_too() -> None:
    def consume() -> None:
        for _ in _sampler(_echo, concurrency=2).sample(_requests(20)):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        consume()
    gc.collect()
    assert not [t for t in threading.enumerate() if t.name == "reasonry-endpoint"]


SCRIPT = """
import asyncio, httpx
from reasonry.core.messages import user
from reasonry.core.sampling import EndpointConfig, Request, SamplingConfig
from reasonry.core.sampling.openai import OpenAISampler

async def answer(request):
    await asyncio.sleep(0.01)
    return httpx.Response(200, json={"choices": [{"message": {"content": "x"}}]})

sampler = OpenAISampler("m", SamplingConfig(), endpoint=EndpointConfig(base_url="http://h/v1", concurrency=4),
                        transport=httpx.MockTransport(answer))
steps = sampler.sample([Request(str(i), (user("Q"),)) for i in range(50)])
next(steps)
MORE
"""


@pytest.mark.parametrize("more", ["", "steps.close()", "list(steps)", "del steps", "keep = [steps]; keep.append(keep)"])
def test_the_interpreter_ends_cleanly_in_development_mode(more: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", SCRIPT.replace("MORE", more)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    # An iterator nobody closed may be reported as a resource left open; it must not hang or end in a traceback.
    assert "Traceback" not in done.stderr
    if more in ("steps.close()", "list(steps)", "del steps"):
        assert done.stderr == ""


def test_while_the_interpreter_ends_nobody_waits_for_a_thread_that_no_longer_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    async def handler(request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
        loops.append(asyncio.get_running_loop())
        return _ok()

    steps = _sampler(lambda r, b: handler(r, b)).sample(_requests(1))
    next(steps)
    (thread,) = [t for t in threading.enumerate() if t.name == "reasonry-endpoint"]
    with monkeypatch.context() as patched:
        patched.setattr(sys, "is_finalizing", lambda: True)
        steps.close()  # type: ignore[attr-defined]
    assert thread.is_alive(), "left to the interpreter"
    loops[0].call_soon_threadsafe(loops[0].stop)
    thread.join()
    loops[0].close()


# ---------------------------------------------------------------- the key


def _everything_said(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + str(error) + repr(error)


@pytest.mark.parametrize("status", [200, 401, 404, 429, 500])
@pytest.mark.parametrize("pad", [0, 150, 190, 195, 199])
def test_the_key_is_sent_and_appears_nowhere_even_when_the_server_repeats_it(
    status: int, pad: int, monkeypatch: pytest.MonkeyPatch, slept: list[float]
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    sent: list[str] = []

    def handler(request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
        sent.append(request.headers["authorization"])
        return httpx.Response(status, text="x" * pad + f" bad key {KEY}, {KEY!r} in {dict(request.headers)}")

    sampler = _sampler(handler, api_key_env="MY_KEY")
    _, error = _drained(sampler.sample(_requests(1)))
    assert error is not None
    said = _everything_said(error) + repr(sampler.stats) + json.dumps(sampler.identity) + repr(sampler)
    for length in range(len(KEY), 11, -1):
        assert KEY[:length] not in said
    assert set(sent) == {f"Bearer {KEY}"}


def test_a_json_answer_that_repeats_the_key_does_not_show_it(
    monkeypatch: pytest.MonkeyPatch, slept: list[float]
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    sampler = _sampler(lambda r, b: httpx.Response(200, json={"error": KEY}), api_key_env="MY_KEY")
    _, error = _drained(sampler.sample(_requests(1)))
    assert error is not None
    assert KEY not in _everything_said(error)
    assert "<key>" in str(error)


def test_an_exception_of_the_transport_that_repeats_the_key_does_not_show_it(
    monkeypatch: pytest.MonkeyPatch, slept: list[float]
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)

    def handler(request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
        raise httpx.LocalProtocolError(f"Illegal header value b'Bearer {KEY}'", request=request)

    _, error = _drained(_sampler(handler, api_key_env="MY_KEY").sample(_requests(1)))
    assert error is not None
    assert KEY not in _everything_said(error)


def test_white_space_around_a_key_is_taken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", f" {KEY}\n")
    sent: list[str] = []

    def handler(request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
        sent.append(request.headers["authorization"])
        return _ok()

    list(_sampler(handler, api_key_env="MY_KEY").sample(_requests(1)))
    assert sent == [f"Bearer {KEY}"]


@pytest.mark.parametrize("value", [None, "", " \n"])
def test_a_key_variable_that_is_not_set_is_a_config_error(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("MY_KEY", value)
    with pytest.raises(ConfigError, match="MY_KEY is not set") as caught:
        _sampler(_echo, api_key_env="MY_KEY")
    assert caught.value.exit_code == 2
    assert "export MY_KEY=" in caught.value.remedy


@pytest.mark.parametrize("value", ["sk-\u00e9", "sk-a\nb", "sk-\u201cquoted\u201d"])
def test_a_key_no_header_can_carry_is_a_config_error_that_does_not_show_it(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", value)
    with pytest.raises(ConfigError) as caught:
        _sampler(_echo, api_key_env="MY_KEY")
    assert value not in _everything_said(caught.value)


# ---------------------------------------------------------------- the address


@pytest.mark.parametrize(
    "base_url",
    ["", "localhost:8000/v1", "ftp://h/v1", "http://", "http:///v1", "http://h:99999/v1", "http://h/\x00", "v1"],
)
def test_what_is_no_web_address_is_a_config_error(base_url: str) -> None:
    with pytest.raises(ConfigError, match="not a web address") as caught:
        _sampler(_echo, base_url=base_url)
    assert caught.value.place == "endpoint"


@pytest.mark.parametrize("base_url", ["http://me:hunter2@h/v1", "http://h/v1?key=hunter2", "http://h/v1#hunter2"])
def test_an_address_that_carries_a_secret_is_refused_without_showing_it(base_url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _sampler(_echo, base_url=base_url)
    assert "hunter2" not in _everything_said(caught.value)
    assert "--endpoint.api-key-env" in caught.value.remedy


def test_identity_tells_apart_what_decides_an_answer_and_nothing_else() -> None:
    base = _sampler(_echo).identity
    assert json.loads(json.dumps(base)) == base | {"stop": list(base["stop"])}
    for same in ({"concurrency": 3}, {"timeout_s": 1.0}, {"retries": 0}):
        assert _sampler(_echo, **same).identity == base
    for other in ({"base_url": "http://other/v1"}, {"logprobs": True}, {"extra_body": {"a": 1}}):
        assert _sampler(_echo, **other).identity != base
    assert _sampler(_echo, seed=1).identity != base
    assert _sampler(_echo, sampling={"temperature": 0.1}).identity != base


def test_make_sampler_prefers_an_endpoint_that_is_given() -> None:
    made = make_sampler("scripted", SamplingConfig(), endpoint=EndpointConfig(base_url=URL))
    assert isinstance(made, OpenAISampler)
    assert made.model == "scripted"
