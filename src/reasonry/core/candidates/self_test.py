"""Are an endpoint's log-probabilities of given text real? Some servers leave them out, some make them up.

Sequences that every language model knows are asked about, in order and scrambled, whole and in part:

    order         log p(one, two, three, ...) - log p(the same words scrambled) > 1 nat, for each of three sequences:
                  constants, lengths and word frequencies would make no difference
    context       tokens have the same log-probability when more text follows: they depend on what is before them alone
    mass          the probabilities of different next tokens, and those of the most probable ones, add up to at most 1;
                  a token among the most probable ones has the probability stated there

A model that fails "order" because it has learnt nothing cannot be scored either.
"""

# pyright: strict
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from reasonry.core.candidates.echo import Echo, EchoFault, parse_echo

_NUMBERS = "two three four five six seven eight nine ten"
_IN_ORDER = (
    ("one", _NUMBERS.split(), (5, 2, 8, 0, 7, 3, 1, 6, 4)),
    ("Monday", ["Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"], (3, 1, 5, 0, 4, 2)),
    ("January", ["February", "March", "April", "May", "June", "July", "August"], (4, 1, 6, 0, 3, 5, 2)),
)
_STEM = "one, two, three,"
_NEXT = (" four", " five", " six", " seven", " eight", " nine", " ten", " two")
_LEAST_GAIN_NATS = 1.0
_MOST_CHANGE_NATS = 0.1  # on average over tokens; batches of a server in 16 bits round differently
_MOST_MASS = 1.02
_SPACES = str.maketrans({"\u2581": " ", "\u0120": " "})  # how SentencePiece and byte BPE write a space

Ask = Callable[[Sequence[str]], list[Any]]


def check_echo(ask: Ask) -> int:
    """Test an endpoint.

    Args:
        ask: Texts in, the server's answers out, in order.

    Returns:
        Tokens of a prompt that the server counts and does not list: 0, or 1 for a begin token.

    Raises:
        EchoFault: The log-probabilities are missing or cannot be those of a model; says how it shows.
    """
    straight = [", ".join([first, *rest]) for first, rest, _ in _IN_ORDER]
    scrambled = [", ".join([first, *(rest[i] for i in order)]) for first, rest, order in _IN_ORDER]
    further = [_STEM, *(_STEM + word for word in _NEXT)]
    texts = [*straight, *scrambled, *further]
    answers = ask(texts)
    num_hidden = _num_hidden(answers[0], texts[0])
    echoes = [parse_echo(answer, text, num_hidden=num_hidden) for answer, text in zip(answers, texts, strict=True)]
    _check_values(echoes)
    _check_order(echoes[:3], echoes[3:6])
    _check_context(echoes[6], [echoes[0], *echoes[7:]])
    _check_mass(echoes[6], echoes[7:])
    for echo in echoes:
        _check_top(echo)
    return num_hidden


def _num_hidden(answer: Any, text: str) -> int:
    """Which reading of the token count gives the text itself, with a begin token in front or not."""
    for num_hidden in (0, 1):
        tokens = parse_echo(answer, text, num_hidden=num_hidden).tokens
        if "".join(tokens).translate(_SPACES).strip().endswith(text):
            return num_hidden
    raise EchoFault("the tokens that it lists are not those of the text")


def _check_values(echoes: Sequence[Echo]) -> None:
    values = {round(p, 6) for echo in echoes for p in echo.logp[1:]}
    if len(values) <= 2:
        raise EchoFault(f"all tokens have the same log-probability ({', '.join(map(str, sorted(values)))})")


def _check_order(straight: Sequence[Echo], scrambled: Sequence[Echo]) -> None:
    gains = [math.fsum(a.logp[1:]) - math.fsum(b.logp[1:]) for a, b in zip(straight, scrambled, strict=True)]
    for gain, (first, rest, _) in zip(gains, _IN_ORDER, strict=True):
        if not gain > _LEAST_GAIN_NATS:
            raise EchoFault(
                f"{first}, {rest[0]}, {rest[1]}, ... in order is only {gain:.2f} nats more probable than scrambled: "
                "these are not the log-probabilities of a language model, or it has learnt nothing"
            )


def _check_context(stem: Echo, longer: Sequence[Echo]) -> None:
    for echo in longer:
        num = len(stem.tokens)
        if echo.tokens[:num] != stem.tokens:
            continue  # another tokenization of the border says nothing
        changes = [abs(a - b) for a, b in zip(stem.logp[1:], echo.logp[1:num], strict=True)]
        if math.fsum(changes) > _MOST_CHANGE_NATS * max(1, len(changes)):
            raise EchoFault(
                "the same tokens behind the same text have other log-probabilities in another request "
                f"(by {max(changes):.2f} nats at most)"
            )


def _check_mass(stem: Echo, longer: Sequence[Echo]) -> None:
    at = len(stem.tokens)
    next_logp = {e.tokens[at]: e.logp[at] for e in longer if e.tokens[:at] == stem.tokens and len(e.tokens) > at}
    _check_sum(list(next_logp.values()), f"the next words after {_STEM!r}")


def _check_top(echo: Echo) -> None:
    for token, logp, top in zip(echo.tokens[1:], echo.logp[1:], echo.top[1:], strict=False):
        _check_sum(list(top.values()), "the most probable tokens")
        stated = top.get(token)
        if stated is not None and abs(stated - logp) > _MOST_CHANGE_NATS:
            raise EchoFault(f"{token!r} has the log-probability {logp:.3f}, and {stated:.3f} among the most probable")


def _check_sum(logps: Sequence[float], what: str) -> None:
    mass = math.fsum(math.exp(p) for p in logps)
    if mass > _MOST_MASS:
        raise EchoFault(f"the probabilities of {what} add up to {mass:.2f}")
