"""A small language model behind a fake OpenAI-compatible server, honest or not, for the tests of candidate scoring.

It knows some sequences: the successor of a word has probability 0.7, a comma 0.2 behind every word, and the rest is
shared out over all other tokens by a fixed weight. It depends on the last word alone, so that tests can compute it.
"""

import hashlib
import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import numpy as np

from reasonry.core.sampling import EndpointConfig

URL = "http://server.test/v1"
SEQUENCES = (
    "one two three four five six seven eight nine ten",
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "January February March April May June July August",
    "Alice lives in Paris",
    "three A",
)
NEXT = {a: b for s in SEQUENCES for a, b in zip(s.split(), s.split()[1:], strict=False)}
Change = Callable[[dict[str, Any]], dict[str, Any]]


def tokenize(text: str) -> list[str]:
    """Words with the space in front, signs, and a lone space at the end; long words in pieces of eight letters."""
    return re.findall(r" ?\w{1,8}|[^\w\s]|\s+", text)


def _weight(token: str) -> float:
    return (1 + hashlib.blake2b(token.encode(), digest_size=1).digest()[0]) / (256 * 1000)


def logp(before: Sequence[str], token: str) -> float:
    """Of a token behind others."""
    words = [t.strip() for t in before if t.strip().isalnum()]
    last_is_word = bool(before) and before[-1].strip().isalnum()
    if token == ",":
        return math.log(0.2) if last_is_word else math.log(1e-4)
    if words and NEXT.get(words[-1]) == token.strip() and token.startswith(" "):
        return math.log(0.7)
    return math.log(0.1 * _weight(token))


def text_logp(prompt: str, candidate: str) -> float:
    """Of a candidate behind a prompt, by the definition."""
    num, tokens = len(tokenize(prompt)), tokenize(prompt + candidate)
    assert tokens[:num] == tokenize(prompt)
    return sum(logp(tokens[:i], tokens[i]) for i in range(num, len(tokens)))


def echoed(body: dict[str, Any], *, bos: str = "", hidden: bool = False) -> dict[str, Any]:
    """What an honest server answers: the text's tokens, then the one that it drew."""
    text = body["prompt"]
    tokens = ([bos] if bos and not hidden else []) + tokenize(text)
    drawn = " " + NEXT.get(tokens[-1].strip(), "and")
    rows = [*tokens, drawn]
    values = [None if i == 0 and not hidden else logp(rows[:i], token) for i, token in enumerate(rows)]
    top = [
        None if value is None else {token: value, **({drawn: logp(rows[:i], drawn)} if i else {})}
        for i, (token, value) in enumerate(zip(rows, values, strict=True))
    ]
    return {
        "choices": [
            {
                "text": (text if body.get("echo") else "") + drawn,
                "logprobs": {"tokens": rows, "token_logprobs": values, "top_logprobs": top},
                "finish_reason": "length",
            }
        ],
        "usage": {"prompt_tokens": len(tokens) + hidden, "completion_tokens": 1},
    }


def lettered(body: dict[str, Any], *, bias: Sequence[float] = (), favourite: str = "") -> dict[str, Any]:
    """What a chat server answers to options: probabilities by their text, shifted by their place."""
    lines = body["messages"][-1]["content"].splitlines()
    options = [m.groups() for line in lines if (m := re.match(r"^([A-T])\. (.*)$", line))]
    stem = next(line for line in lines if line.startswith("Text: ")).removeprefix("Text: ").removesuffix(" ...")
    known = [0.0 if (text == favourite or logp(tokenize(stem), " " + text) > -1) else -3.0 for _, text in options]
    raw = np.array(known) + np.array([bias[i] if i < len(bias) else 0.0 for i in range(len(options))])
    share = 0.9 * np.exp(raw) / np.exp(raw).sum()
    top = [{"token": letter, "logprob": math.log(p)} for (letter, _), p in zip(options, share, strict=True)]
    top.append({"token": "The", "logprob": math.log(0.05)})
    content = [{"token": "A", "logprob": top[0]["logprob"], "top_logprobs": top}]
    return {
        "choices": [{"message": {"role": "assistant", "content": "A"}, "logprobs": {"content": content}}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 1},
    }


def spoken(text: str) -> dict[str, Any]:
    """A plain answer to a chat or a text, without log-probabilities."""
    return {"choices": [{"message": {"content": text}, "text": text, "finish_reason": "stop"}], "usage": None}


def transport(
    completions: Callable[[dict[str, Any]], Any] | int = 404, chat: Callable[[dict[str, Any]], Any] | int = 404
) -> tuple[httpx.MockTransport, list[dict[str, Any]]]:
    """A server with one function for each address, or the status it refuses with; and the bodies that it was sent."""
    seen: list[dict[str, Any]] = []

    def handle(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        seen.append(body)
        answer = chat if request.url.path.endswith("/chat/completions") else completions
        if isinstance(answer, int):
            return httpx.Response(answer, text="refused")
        return httpx.Response(200, text=json.dumps(answer(body)))

    return httpx.MockTransport(handle), seen


ENDPOINT = EndpointConfig(base_url=URL, retries=0)
