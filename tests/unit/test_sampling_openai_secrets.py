"""Keys and addresses of the endpoint sampler: sent, and shown nowhere."""

import json
import traceback
from typing import Any

import httpx
import pytest
from tests.endpoint_fakes import KEY, URL, drained, echo, make, make_requests, ok

from reasonry.core.sampling import EndpointConfig, SamplingConfig, make_sampler
from reasonry.core.sampling.openai import OpenAISampler
from reasonry.errors import ConfigError

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


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

    sampler = make(handler, api_key_env="MY_KEY")
    _, error = drained(sampler.sample(make_requests(1)))
    assert error is not None
    said = _everything_said(error) + repr(sampler.stats) + json.dumps(sampler.identity) + repr(sampler)
    for length in range(len(KEY), 11, -1):
        assert KEY[:length] not in said
    assert set(sent) == {f"Bearer {KEY}"}


def test_a_json_answer_that_repeats_the_key_does_not_show_it(
    monkeypatch: pytest.MonkeyPatch, slept: list[float]
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    sampler = make(lambda r, b: httpx.Response(200, json={"error": KEY}), api_key_env="MY_KEY")
    _, error = drained(sampler.sample(make_requests(1)))
    assert error is not None
    assert KEY not in _everything_said(error)
    assert "<key>" in str(error)


def test_an_exception_of_the_transport_that_repeats_the_key_does_not_show_it(
    monkeypatch: pytest.MonkeyPatch, slept: list[float]
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)

    def handler(request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
        raise httpx.LocalProtocolError(f"Illegal header value b'Bearer {KEY}'", request=request)

    _, error = drained(make(handler, api_key_env="MY_KEY").sample(make_requests(1)))
    assert error is not None
    assert KEY not in _everything_said(error)


def test_white_space_around_a_key_is_taken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", f" {KEY}\n")
    sent: list[str] = []

    def handler(request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
        sent.append(request.headers["authorization"])
        return ok()

    list(make(handler, api_key_env="MY_KEY").sample(make_requests(1)))
    assert sent == [f"Bearer {KEY}"]


@pytest.mark.parametrize("value", [None, "", " \n"])
def test_a_key_variable_that_is_not_set_is_a_config_error(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("MY_KEY", value)
    with pytest.raises(ConfigError, match="MY_KEY is not set") as caught:
        make(echo, api_key_env="MY_KEY")
    assert caught.value.exit_code == 2
    assert "export MY_KEY=" in caught.value.remedy


@pytest.mark.parametrize("value", ["sk-\u00e9", "sk-a\nb", "sk-\u201cquoted\u201d"])
def test_a_key_no_header_can_carry_is_a_config_error_that_does_not_show_it(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", value)
    with pytest.raises(ConfigError) as caught:
        make(echo, api_key_env="MY_KEY")
    assert value not in _everything_said(caught.value)


# ---------------------------------------------------------------- the address


@pytest.mark.parametrize(
    "base_url",
    ["", "localhost:8000/v1", "ftp://h/v1", "http://", "http:///v1", "http://h:99999/v1", "http://h/\x00", "v1"],
)
def test_what_is_no_web_address_is_a_config_error(base_url: str) -> None:
    with pytest.raises(ConfigError, match="not a web address") as caught:
        make(echo, base_url=base_url)
    assert caught.value.place == "endpoint"


@pytest.mark.parametrize("base_url", ["http://me:hunter2@h/v1", "http://h/v1?key=hunter2", "http://h/v1#hunter2"])
def test_an_address_that_carries_a_secret_is_refused_without_showing_it(base_url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(echo, base_url=base_url)
    assert "hunter2" not in _everything_said(caught.value)
    assert "--endpoint.api-key-env" in caught.value.remedy


def test_identity_tells_apart_what_decides_an_answer_and_nothing_else() -> None:
    base = make(echo).identity
    assert json.loads(json.dumps(base)) == base | {"stop": list(base["stop"])}
    for same in ({"concurrency": 3}, {"timeout_s": 1.0}, {"retries": 0}):
        assert make(echo, **same).identity == base
    for other in ({"base_url": "http://other/v1"}, {"logprobs": True}, {"extra_body": {"a": 1}}):
        assert make(echo, **other).identity != base
    assert make(echo, seed=1).identity != base
    assert make(echo, sampling={"temperature": 0.1}).identity != base


def test_make_sampler_prefers_an_endpoint_that_is_given() -> None:
    made = make_sampler("scripted", SamplingConfig(), endpoint=EndpointConfig(base_url=URL))
    assert isinstance(made, OpenAISampler)
    assert made.model == "scripted"
