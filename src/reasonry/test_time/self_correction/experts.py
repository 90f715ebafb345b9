"""Expert: a sampler with a way to turn a problem and the attempts so far into a prompt.

Anything that can answer is an expert: another model, another prompt, another temperature, an adapter, a tool behind the
sampler protocol. Experts that differ in prompt only share one sampler, so that their attempts share a batch.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from reasonry.core.messages import Message, user
from reasonry.core.sampling.base import Sampler


class Turn(NamedTuple):
    """One earlier attempt, as a later one is shown it.

    Attributes:
        expert: Who made it.
        reply: What was said.
        reward: In [0, 1], None when the verifier could not score it.
        feedback: The user's turn after it.
    """

    expert: str
    reply: str
    reward: float | None
    feedback: str


Build = Callable[[tuple[Message, ...], Sequence[Turn]], tuple[Message, ...]]


def conversation(messages: tuple[Message, ...], history: Sequence[Turn]) -> tuple[Message, ...]:
    """The request's messages, then every earlier attempt as an assistant's turn with the feedback as the user's."""
    turns = [m for turn in history for m in (Message("assistant", turn.reply), user(turn.feedback))]
    return (*messages, *turns)


def prompted(*, system: str = "", instruction: str = "") -> Build:
    """A build that sets the system message and adds an instruction after the question.

    Args:
        system: Takes the place of the request's system message; empty keeps it.
        instruction: Put at the end of the last user turn of the request, after an empty line.
    """
    if not system and not instruction:
        return conversation

    def build(messages: tuple[Message, ...], history: Sequence[Turn]) -> tuple[Message, ...]:
        asked = list(messages)
        if system:
            asked = [Message("system", system), *(m for m in asked if m.role not in ("system", "developer"))]
        at = next((i for i in reversed(range(len(asked))) if asked[i].role == "user"), None)
        if instruction and at is None:
            asked.append(user(instruction))
        elif instruction and at is not None:
            asked[at] = user(f"{asked[at].content}\n\n{instruction}")
        return conversation(tuple(asked), history)

    return build


@dataclass(frozen=True)
class Expert:
    """One way to make an attempt.

    Attributes:
        name: Unique within its pool; kept in every row of the trace.
        sampler: What answers. Experts may share one.
        build: (messages of the request, earlier attempts) -> messages of the prompt.
        about: What decides the prompt, as JSON values: part of the identity.
    """

    name: str
    sampler: Sampler
    build: Build = conversation
    about: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the attempts besides the problem and the history, as JSON values."""
        return {"expert": self.name, **self.about, "sampler": self.sampler.identity}
