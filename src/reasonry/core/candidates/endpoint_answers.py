"""Whole answers of an OpenAI-compatible endpoint, for what a completion leaves out: log-probabilities of tokens.

Requests, retries, waiting and secrecy are those of `OpenAISampler`; each request's body can be changed, and the
answer is kept as it came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple

import httpx

from reasonry.core.messages import user
from reasonry.core.sampling.base import Completion, Request
from reasonry.core.sampling.config import EndpointConfig, SamplingConfig
from reasonry.core.sampling.openai import OpenAISampler

_WINDOW = 256  # answers kept at once

_kept: ContextVar[list[Any] | None] = ContextVar("reasonry_answer_kept", default=None)


class Question(NamedTuple):
    """One request.

    Attributes:
        text: The prompt.
        is_chat: It is a user's turn; otherwise plain text to be continued.
        number: Of the sample, for its seed.
    """

    text: str
    is_chat: bool = False
    number: int = 0


class Answer(NamedTuple):
    """What came back.

    Attributes:
        completion: As the sampler reads it; ``finish="error"`` when the endpoint refused this request.
        raw: The server's JSON; None when it refused.
    """

    completion: Completion
    raw: Any


class EndpointAnswers(OpenAISampler):
    """An endpoint that is asked for whole answers.

    Args:
        model: Model name the server knows.
        config: How tokens are drawn.
        endpoint: Where, and how patiently.
        fields: Set in every request's body, over everything else.
        seed: Root of the samples' seeds.
        transport: httpx transport, for tests.

    Raises:
        ConfigError: As `OpenAISampler`.
    """

    def __init__(
        self,
        model: str,
        config: SamplingConfig,
        *,
        endpoint: EndpointConfig,
        fields: Mapping[str, Any] | None = None,
        seed: int = 0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(model, config, endpoint=endpoint, seed=seed, transport=transport)
        self._fields = dict(fields or {})
        self._answers: dict[tuple[str, int], Any] = {}

    def ask(self, questions: Sequence[Question]) -> Iterator[Answer]:
        """Answers in the order of the questions.

        Raises:
            EndpointError: The endpoint kept failing, or refuses everything (a wrong address, a missing key).
        """
        for first in range(0, len(questions), _WINDOW):
            part = questions[first : first + _WINDOW]
            requests = [
                Request(str(first + i), (user(q.text),), (q.number,), may_fail=True)
                if q.is_chat
                else Request(str(first + i), (), (q.number,), raw=q.text, may_fail=True)
                for i, q in enumerate(part)
            ]
            for completion in self.sample(requests):
                yield Answer(completion, self._answers.pop((completion.id, completion.index), None))

    def _body(self, request: Request, index: int) -> dict[str, Any]:
        return {**super()._body(request, index), **self._fields}

    async def _one(
        self, client: httpx.AsyncClient, slots: asyncio.Semaphore, request: Request, index: int
    ) -> Completion:
        kept: list[Any] = []
        _kept.set(kept)  # every request is a task of its own, with its own context
        completion = await super()._one(client, slots, request, index)
        if completion.finish != "error" and kept:
            self._answers[request.id, index] = kept[-1]
        return completion

    async def _post(self, client: httpx.AsyncClient, url: str, body: Mapping[str, Any]) -> Any:
        answer = await super()._post(client, url, body)
        if (kept := _kept.get()) is not None:
            kept.append(answer)
        return answer
