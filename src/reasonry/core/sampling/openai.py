"""Sampling from any OpenAI-compatible endpoint: vLLM, SGLang, ``transformers serve``, llama.cpp, a hosted API.

One request per sample, each with its own seed, so that a sample does not depend on the others (servers share the prompt
by prefix caching). A bounded number is in flight; answers are handed out in the order asked for, never in the order of
completion, because fast answers are often short or wrong ones.
"""

from __future__ import annotations

import asyncio
import datetime
import email.utils
import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, cast, get_args

import httpx

from reasonry.core import seeds
from reasonry.core.environment import Determinism
from reasonry.core.messages import to_openai
from reasonry.core.sampling.base import Completion, Finish, Request, SamplerStats, Skip
from reasonry.core.sampling.config import EndpointConfig, SamplingConfig
from reasonry.errors import ConfigError, EndpointError

_RETRY = {408, 409, 425, 429, 500, 502, 503, 504, 529}
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 60.0


class _Retryable(Exception):
    """A failure worth another try. ``wait_s`` is the server's own wish, when it has one."""

    def __init__(self, what: str, wait_s: float | None = None) -> None:
        super().__init__(what)
        self.wait_s = wait_s


class OpenAISampler:
    """A ``Sampler`` over an OpenAI-compatible chat endpoint.

    Args:
        model: Model name the server knows.
        config: How tokens are drawn.
        endpoint: Where, and how patiently.
        seed: Root of every sample's own seed, which is sent along.
        transport: httpx transport, for tests.

    Raises:
        ConfigError: ``api_key_env`` names a variable that is not set.
    """

    def __init__(
        self,
        model: str,
        config: SamplingConfig,
        *,
        endpoint: EndpointConfig,
        seed: int = 0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.model = model
        self.config = config
        self.endpoint = endpoint
        self.seed = seed
        self.stats = SamplerStats()
        self._transport = transport
        self._url = endpoint.base_url.rstrip("/") + "/chat/completions"
        if not endpoint.base_url.startswith(("http://", "https://")):
            raise ConfigError(
                f"base_url = {endpoint.base_url!r} is not a web address",
                place="endpoint",
                remedy="Give it with http:// or https://, such as http://localhost:8000/v1.",
            )
        self._key = os.environ.get(endpoint.api_key_env, "") if endpoint.api_key_env else ""
        if endpoint.api_key_env and not self._key:
            raise ConfigError(
                f"the environment variable {endpoint.api_key_env} is not set",
                place="endpoint.api_key_env",
                remedy=f"export {endpoint.api_key_env}=... and run the same command again.",
            )

    @property
    def identity(self) -> dict[str, Any]:
        """Model, address, drawing rule and seed; no key."""
        return {
            "sampler": "openai",
            "model": self.model,
            "base_url": self.endpoint.base_url,
            "logprobs": self.endpoint.logprobs,
            "extra_body": self.endpoint.extra_body,
            **self.config.model_dump(mode="json"),
            "seed": self.seed,
        }

    @property
    def determinism(self) -> Determinism:
        """A server's batches are its own: only distributions repeat, seeds or not."""
        return "statistical"

    def sample(self, requests: Sequence[Request], *, skip: Skip = ()) -> Iterator[Completion]:
        """Yield completions in request order.

        Raises:
            EndpointError: The endpoint refused, or kept failing after all retries. Answers that had come back by then
                are yielded first, so that nothing paid for is lost.
        """
        done = set(skip)
        wanted = iter([(r, i) for r in requests for i in sorted(r.indices) if (r.id, i) not in done])
        start = time.perf_counter()
        with _Loop() as loop:
            client = httpx.AsyncClient(
                transport=self._transport,
                timeout=httpx.Timeout(self.endpoint.timeout_s, connect=min(30.0, self.endpoint.timeout_s)),
                limits=httpx.Limits(max_connections=self.endpoint.concurrency),
                headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            )
            flying: deque[Future[Completion]] = deque()
            try:
                while True:
                    while len(flying) < self.endpoint.concurrency and (job := next(wanted, None)):
                        flying.append(loop.submit(self._one(client, *job)))
                    if not flying:
                        return
                    first = flying.popleft()
                    try:
                        completion = first.result()
                    except EndpointError:
                        for late in [f for f in flying if f.done() and not f.exception()]:
                            yield self._count(late.result())
                        raise
                    yield self._count(completion)
            finally:
                self.stats.seconds += time.perf_counter() - start
                for future in flying:
                    future.cancel()
                loop.run(client.aclose())

    def _count(self, completion: Completion) -> Completion:
        self.stats.num_completions += 1
        self.stats.num_prompt_tok += completion.num_prompt_tok
        self.stats.num_completion_tok += completion.num_completion_tok
        return completion

    async def _one(self, client: httpx.AsyncClient, request: Request, index: int) -> Completion:
        body = self._body(request, index)
        jitter = seeds.stream(self.seed, "retry", request.id, index)
        for attempt in range(self.endpoint.retries + 1):
            try:
                return _parse(await self._post(client, body), request.id, index)
            except _Retryable as e:
                if attempt == self.endpoint.retries:
                    raise EndpointError(
                        f"gave up after {attempt + 1} tries: {self._redacted(str(e))}",
                        place=self._url,
                        remedy="Check that the server runs and serves this model, then run the same command again: "
                        "finished samples are kept.",
                    ) from e
                self.stats.num_retries += 1
                backoff_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**attempt) * jitter.uniform(0.5, 1.5)
                await asyncio.sleep(max(e.wait_s or 0.0, backoff_s))
        raise AssertionError("unreachable")

    def _body(self, request: Request, index: int) -> dict[str, Any]:
        c = self.config
        messages = [to_openai(m) for m in request.messages]
        if request.raw is not None:
            messages = [{"role": "user", "content": request.raw}]
        body: dict[str, Any] = {
            "model": self.model,
            "messages": messages,
            "temperature": c.temperature,
            "top_p": c.top_p,
            "max_tokens": c.max_new_tokens,
            # 31 bits: several servers keep the seed in a signed 32-bit number.
            "seed": seeds.derive(self.seed, "sample", request.id, index) % 2**31,
        }
        if c.stop:
            body["stop"] = list(c.stop)
        if c.top_k:
            body["top_k"] = c.top_k
        if self.endpoint.logprobs:
            body["logprobs"] = True
        return {**body, **self.endpoint.extra_body}

    async def _post(self, client: httpx.AsyncClient, body: Mapping[str, Any]) -> Any:
        try:
            answer = await client.post(self._url, json=body)
        except httpx.TimeoutException as e:
            raise _Retryable(f"no answer within {self.endpoint.timeout_s:g} s") from e
        except httpx.TransportError as e:
            raise _Retryable(f"cannot reach the endpoint ({type(e).__name__}: {e})") from e
        if answer.status_code in _RETRY:
            raise _Retryable(f"HTTP {answer.status_code}: {_short(answer.text)}", _retry_after_s(answer.headers))
        if answer.status_code != 200:
            raise EndpointError(
                f"HTTP {answer.status_code}: {self._redacted(_short(answer.text))}",
                place=self._url,
                remedy=_REMEDY.get(answer.status_code, "The request itself is refused; trying again would not help."),
            )
        try:
            return answer.json()
        except ValueError as e:
            raise _Retryable(f"the answer is not JSON: {_short(answer.text)}") from e

    def _redacted(self, text: str) -> str:
        return text.replace(self._key, "<key>") if self._key else text


_REMEDY = {
    401: "The key is missing or wrong: set --endpoint.api-key-env to the variable that holds it.",
    403: "The key may not use this model.",
    404: "Check --endpoint.base-url (it usually ends in /v1) and the model name.",
}


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 200 else flat[:200] + "..."


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds the server asks to wait (a number or an HTTP date), at most ten minutes."""
    value = headers.get("retry-after", "")
    try:
        wait_s = float(value)
    except ValueError:
        try:
            when = email.utils.parsedate_to_datetime(value)
        except (ValueError, TypeError):
            return None
        if when.tzinfo is None:
            when = when.replace(tzinfo=datetime.UTC)
        wait_s = (when - datetime.datetime.now(datetime.UTC)).total_seconds()
    return min(max(wait_s, 0.0), 600.0) if wait_s == wait_s else None


def _parse(answer: Any, request_id: str, index: int) -> Completion:
    """Turn a chat completion into a `Completion`; anything else is a failure worth another try."""
    try:
        choice = answer["choices"][0]
        message = choice["message"]
        text = message.get("content") or ""
        finish = choice.get("finish_reason") or "stop"
        usage = answer.get("usage") or {}
        num_prompt_tok = int(usage.get("prompt_tokens") or 0)
        num_completion_tok = int(usage.get("completion_tokens") or 0)
        content = (choice.get("logprobs") or {}).get("content") or []
        logps = tuple(float(t["logprob"]) for t in content)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as e:
        raise _Retryable(f"the answer is not a chat completion: {_short(str(answer))}") from e
    if not isinstance(text, str):
        raise _Retryable(f"the answer's content is {type(text).__name__}, not text")
    text = text.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair cannot be stored
    known = cast("Finish", finish if finish in get_args(Finish) else "stop")
    return Completion(request_id, index, text, known, num_prompt_tok, num_completion_tok, (), logps)


class _Loop:
    """An event loop on a thread of its own, so that requests go on while the caller works on an answer."""

    def __enter__(self) -> _Loop:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="reasonry-endpoint", daemon=True)
        self._thread.start()
        return self

    def submit(self, work: Any) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Any) -> Any:
        return self.submit(work).result()

    def __exit__(self, *_: object) -> None:
        self.run(_cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _cancel_all() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
