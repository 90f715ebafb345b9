"""What a completions endpoint says of a text that it was given: tokens and their log-probabilities.

request   prompt = text, echo, logprobs = 5, max_tokens = 1 (several servers refuse 0; the drawn token is dropped)
answer    choices[0].text begins with the text
          choices[0].logprobs.tokens, .token_logprobs, .top_logprobs: one entry for each token
"""

# pyright: strict
from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

NUM_TOP = 5
FIELDS: dict[str, Any] = {"echo": True, "logprobs": NUM_TOP, "max_tokens": 1, "temperature": 0.0}

_ROUNDING = 0.01  # nats above 0 that a server's number format may give


class EchoFault(ValueError):
    """An answer that does not hold the log-probabilities of the text; its message says what is wrong."""


class Echo(NamedTuple):
    """One text as the server reads it.

    Attributes:
        tokens: As text; a begin token may stand first.
        logp: Nats, one for each token; NaN for the first, which has nothing before it.
        top: The most probable tokens at each place; empty where the server tells none.
    """

    tokens: tuple[str, ...]
    logp: tuple[float, ...]
    top: tuple[Mapping[str, float], ...]


def parse_echo(answer: Any, text: str, *, num_hidden: int = 0) -> Echo:
    """Read an answer.

    Args:
        answer: The server's JSON.
        text: What it was asked about.
        num_hidden: Tokens of the prompt that the server counts but does not list (a begin token).

    Raises:
        EchoFault: Anything but that.
    """
    try:
        choice: Any = answer["choices"][0]
        said: Any = choice.get("text")
        usage: Any = answer.get("usage") or {}
        num_prompt_tok = int(usage.get("prompt_tokens") or 0)
    except (LookupError, TypeError, AttributeError, ValueError):
        raise EchoFault("the answer is no completion") from None
    if not isinstance(said, str) or not said.startswith(text):
        raise EchoFault("it does not repeat the text (echo is ignored)")
    given: Any = choice.get("logprobs")
    found = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    tokens, logps = found.get("tokens"), found.get("token_logprobs")
    if not isinstance(tokens, list) or not isinstance(logps, list):
        raise EchoFault("it gives no log-probabilities of the text")
    names, values = cast("list[Any]", tokens), cast("list[Any]", logps)
    if len(names) != len(values):
        raise EchoFault(f"it gives {len(values)} log-probabilities for {len(names)} tokens")
    num = num_prompt_tok - num_hidden
    if num < 1:
        raise EchoFault("it does not say how many tokens the text has (usage.prompt_tokens)")
    if not 0 <= len(names) - num <= 1:
        raise EchoFault(
            f"it lists {len(names)} tokens for a text of {num} and one that it drew: those of the text are missing"
        )
    if any(v is None for v in values[1:num]):
        raise EchoFault("log-probabilities within the text are missing")
    if bad := [v for v in values[1:num] if not _is_logp(v)]:
        raise EchoFault(f"{bad[0]!r} is no log-probability")
    first = float(values[0]) if num_hidden and _is_logp(values[0]) else math.nan
    tops = found.get("top_logprobs")
    most = cast("list[Any]", tops)[:num] if isinstance(tops, list) else []
    return Echo(
        tuple(map(str, names[:num])),
        (first, *(float(v) for v in values[1:num])),
        tuple(map(_top, most)) if len(most) == num else (),
    )


def _is_logp(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return not math.isnan(value) and value <= _ROUNDING


def _top(given: Any) -> Mapping[str, float]:
    if not isinstance(given, dict):
        return {}
    rows = cast("dict[Any, Any]", given)
    return {str(token): float(logp) for token, logp in rows.items() if _is_logp(logp)}
