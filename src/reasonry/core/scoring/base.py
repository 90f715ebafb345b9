"""Scorer: a number for a reply to a prompt. One protocol for a reward model, a judge and a function.

    score : (messages, reply) -> float64, larger is better; NaN = could not be scored

A score depends on its item only, never on what else is scored with it; equal items get equal scores, bit by bit. So a
continued run, a shard and a second call agree, and replies that occur several times tie exactly. What could not be
scored is NaN, never a low score, and is counted with its reason in ``stats``.
"""

# pyright: strict
from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, SupportsFloat, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from reasonry.core.environment import Determinism
from reasonry.core.messages import Message, to_openai
from reasonry.errors import DataError

FloatArray = NDArray[np.float64]


class Item(NamedTuple):
    """What is scored.

    Attributes:
        messages: The prompt, ending with the turn that is answered.
        reply: The answer.
    """

    messages: tuple[Message, ...]
    reply: str


@dataclass
class ScorerStats:
    """What scoring did so far, for reports.

    Attributes:
        num_items: Items asked for, each time an item occurs.
        unscored: Reason -> items that got NaN for it.
        warned: What is odd about an item that was scored all the same -> items.
        seconds: Wall clock.
    """

    num_items: int = 0
    unscored: Counter[str] = field(default_factory=Counter[str])
    warned: Counter[str] = field(default_factory=Counter[str])
    seconds: float = 0.0

    @property
    def num_unscored(self) -> int:
        """Items that got NaN."""
        return sum(self.unscored.values())


@runtime_checkable
class Scorer(Protocol):
    """The protocol. ``identity`` is everything that decides a score besides the item (JSON values)."""

    @property
    def name(self) -> str:
        """Short name for tables."""
        ...

    @property
    def identity(self) -> dict[str, Any]:
        """Model, revision, prompt wording: what must be equal for scores to be comparable."""
        ...

    @property
    def determinism(self) -> Determinism:
        """What scoring an item again promises."""
        ...

    @property
    def stats(self) -> ScorerStats:
        """What it did so far."""
        ...

    def score(self, items: Sequence[Item]) -> FloatArray:
        """Scores in the order of ``items``, shape ``(len(items),)``; NaN = could not be scored."""
        ...


class Distinct(NamedTuple):
    """Items without their repetitions.

    Attributes:
        items: Each item once, in order of first appearance.
        where: Shape (number of items given,), int64: ``items[where[i]]`` equals item i.
    """

    items: list[Item]
    where: NDArray[np.int64]


def distinct(items: Sequence[Item]) -> Distinct:
    """Leave out repetitions: sampled replies repeat, and equal items must not differ even by rounding."""
    place: dict[str, int] = {}
    kept: list[Item] = []
    where = np.empty(len(items), dtype=np.int64)
    for i, item in enumerate(items):
        key = item_key(item)
        if key not in place:
            place[key] = len(kept)
            kept.append(item)
        where[i] = place[key]
    return Distinct(kept, where)


def item_key(item: Item) -> str:
    """32 hex digits over the messages and the reply: a key for caches and files."""
    return content_key([[to_openai(m) for m in item.messages], item.reply])


def content_key(value: Any) -> str:
    """32 hex digits over a JSON value, the same on every machine. Lone surrogates are allowed."""
    text = json.dumps(value, sort_keys=True)  # ASCII: half a surrogate pair stays an escape
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def prompt_text(messages: Sequence[Message]) -> str:
    """The prompt as plain text: a lone user turn as it is, otherwise ``role: content`` paragraphs."""
    if len(messages) == 1 and messages[0].role == "user":
        return messages[0].content
    parts: list[str] = []
    for message in messages:
        called = [json.dumps(c["function"], ensure_ascii=False) for c in to_openai(message).get("tool_calls", [])]
        parts.append(f"{message.role}: " + "\n".join([*([message.content] if message.content else []), *called]))
    return "\n\n".join(parts)


def check_scores(values: Any, num_items: int, *, name: str) -> FloatArray:
    """``values`` as float64 of shape ``(num_items,)``. NaN and infinities pass: they have a meaning.

    Raises:
        DataError: Another shape, or not real numbers; says what came back.
    """
    remedy = "A scorer returns one real number for each item, NaN for what it could not score."
    try:
        given: NDArray[Any] = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as e:
        kind = type(values).__name__
        raise DataError(f"the scorer {name!r} returned a {kind} that is no array: {e}", remedy=remedy) from e
    if given.shape != (num_items,):
        raise DataError(
            f"the scorer {name!r} returned shape {given.shape} for {num_items} items, expected ({num_items},)",
            remedy=remedy,
        )
    if num_items and given.dtype.kind not in "bfiu":
        raise DataError(
            f"the scorer {name!r} returned {given.dtype} values, such as {given[0]!r:.60}, not numbers", remedy=remedy
        )
    return given.astype(np.float64)


class CallableScorer:
    """A `Scorer` from a function of yours. What the function raises is not caught.

    Args:
        fn: ``fn(prompt, reply) -> number``; None or NaN says that it could not score. With ``batched``,
            ``fn(prompts, replies) -> array of shape (len(replies),)`` over two lists.
        name: Names the rule in reports; change it when ``fn`` changes, for it is all that tells the two apart.
        with_messages: ``fn`` gets the tuple of messages instead of the prompt as text.
        batched: ``fn`` scores many replies at once. Each must be scored as if it stood alone.

    Raises:
        DataError: From ``score``: a value that is no number (with the item's index), or a wrong shape.
    """

    def __init__(
        self, fn: Callable[[Any, Any], Any], *, name: str, with_messages: bool = False, batched: bool = False
    ) -> None:
        self.fn = fn
        self.name = name
        self.stats = ScorerStats()
        self._with_messages = with_messages
        self._batched = batched

    @property
    def identity(self) -> dict[str, Any]:
        """The name."""
        return {"scorer": "function", "name": self.name}

    @property
    def determinism(self) -> Determinism:
        """Taken on trust: a function of the item repeats."""
        return "sample-stable"

    def score(self, items: Sequence[Item]) -> FloatArray:
        """One call of ``fn`` for each distinct item, or one for all of them."""
        start_s = time.perf_counter()
        kept, where = distinct(items)
        prompts = [item.messages if self._with_messages else prompt_text(item.messages) for item in kept]
        values: Any = []
        if self._batched and kept:
            values = self.fn(prompts, [item.reply for item in kept])
        elif kept:
            first = np.unique(where, return_index=True)[1]
            values = [self._number(self.fn(p, x.reply), at) for p, x, at in zip(prompts, kept, first)]
        scores = check_scores(values, len(kept), name=self.name)[where]
        self.stats.num_items += len(items)
        if missing := int(np.isnan(scores).sum()):
            self.stats.unscored["the function gave no number"] += missing
        self.stats.seconds += time.perf_counter() - start_s
        return scores

    def _number(self, value: Any, index: int) -> float:
        if value is None:
            return float("nan")
        # float() would also read "7" and the bytes b"7", and NumPy's one-element arrays.
        is_text = isinstance(value, str | bytes | bytearray)
        if is_text or not isinstance(value, SupportsFloat) or getattr(value, "shape", ()) != ():
            raise DataError(
                f"the scorer {self.name!r} returned {value!r:.60} ({type(value).__name__}) for item {index}",
                remedy="Return one number, or None for a reply that cannot be scored.",
            )
        return float(value)
