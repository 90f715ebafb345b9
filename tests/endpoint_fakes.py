"""A fake OpenAI-compatible server inside httpx, for the tests of the endpoint sampler."""

import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import httpx

from reasonry.core.messages import user
from reasonry.core.sampling import Completion, EndpointConfig, Request, SamplingConfig
from reasonry.core.sampling.openai import OpenAISampler
from reasonry.errors import EndpointError

KEY = "sk-test-0123456789abcdef"
URL = "http://server.test/v1"
Handler = Callable[[httpx.Request, dict[str, Any]], httpx.Response | Awaitable[httpx.Response]]


def completion(text: Any = "hi", *, finish: Any = "stop", **choice: Any) -> dict[str, Any]:
    return {
        "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": finish, **choice}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3},
    }


def ok(text: Any = "hi", **more: Any) -> httpx.Response:
    return httpx.Response(200, json=completion(text, **more))


def echo(request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
    return ok(f"{body['messages'][-1]['content']}/{body['seed']}")


def make(handler: Handler, *, seed: int = 0, sampling: dict[str, Any] | None = None, **endpoint: Any) -> OpenAISampler:
    async def transport(request: httpx.Request) -> httpx.Response:
        answer = handler(request, json.loads(request.content))
        return answer if isinstance(answer, httpx.Response) else await answer

    settings = EndpointConfig(**{"base_url": URL, "retries": 2, **endpoint})
    config = SamplingConfig(**(sampling or {}))
    return OpenAISampler("m", config, endpoint=settings, seed=seed, transport=httpx.MockTransport(transport))


def make_requests(num: int, indices: Sequence[int] = (0,)) -> list[Request]:
    return [Request(f"p{i}", (user(f"Q{i}"),), indices) for i in range(num)]


def drained(steps: Iterator[Completion]) -> tuple[list[Completion], EndpointError | None]:
    """What came before the end or before the error, and the error."""
    got: list[Completion] = []
    try:
        for completion in steps:
            got.append(completion)
    except EndpointError as e:
        return got, e
    return got, None


def failing(times: int, fault: Callable[[httpx.Request], httpx.Response]) -> tuple[Handler, list[int]]:
    num_asked = [0]

    def handler(request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
        num_asked[0] += 1
        return fault(request) if num_asked[0] <= times else ok("at last")

    return handler, num_asked


def raise_(error: Exception) -> httpx.Response:
    raise error
