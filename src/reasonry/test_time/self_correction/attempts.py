"""One round of attempts: prompts are built, each sampler is asked once, and a failure is the expert's own affair."""

# pyright: strict
from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from reasonry.core.messages import Message, to_openai
from reasonry.core.sampling.base import Completion, Request, Sampler
from reasonry.errors import DataError, Interrupted, ResourceError
from reasonry.test_time.self_correction.experts import Expert, Turn

Key = tuple[str, int]
Row = dict[str, Any]

_ROW_TYPES: Mapping[str, tuple[type, ...]] = {
    "id": (str,),
    "attempt": (int,),
    "expert": (str,),
    "state": (str,),
    "prompt": (str,),
    "verifier": (str,),
    "text": (str,),
    "finish": (str,),
    "reason": (str,),
    "answer": (str, type(None)),
    "reward": (int, float, type(None)),
    "feedback": (str,),
    "leak": (bool,),
    "num_prompt_tok": (int,),
    "num_completion_tok": (int,),
}


class Plan(NamedTuple):
    """An attempt that is to be made.

    Attributes:
        id: The problem.
        attempt: Its number, and the sample's index.
        arm: The expert's number.
        expert: Who makes it.
        messages: The prompt; None when the expert could not build one.
        prob: The chance of this choice, None when it has no closed form.
        state: Digest of the controller's state before the choice.
        prompt: Digest of the prompt and of the expert's identity.
        reason: Why there is no prompt.
    """

    id: str
    attempt: int
    arm: int
    expert: Expert
    messages: tuple[Message, ...] | None
    prob: float | None
    state: str
    prompt: str
    reason: str = ""

    @property
    def key(self) -> Key:
        """Problem and attempt."""
        return self.id, self.attempt


class Attempted(NamedTuple):
    """What an expert said; ``finish="error"`` with a reason when it failed."""

    text: str
    finish: str
    reason: str = ""
    num_prompt_tok: int = 0
    num_completion_tok: int = 0


def digest(value: Any) -> str:
    """16 hex digits over a JSON value."""
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=8).hexdigest()


def make_plan(
    id: str,
    attempt: int,
    arm: int,
    expert: Expert,
    messages: tuple[Message, ...],
    history: Sequence[Turn],
    *,
    prob: float | None,
    state: str,
    identity: str,
) -> Plan:
    """Let the expert, whose identity has this digest, build its prompt. What it raises is its failure."""
    try:
        built = expert.build(messages, history)
    except Interrupted:
        raise
    except Exception as e:
        return Plan(id, attempt, arm, expert, None, prob, state, "", _told(e))
    prompt = digest([[to_openai(m) for m in built], identity])
    return Plan(id, attempt, arm, expert, built, prob, state, prompt)


def make_attempts(plans: Sequence[Plan], *, done: Collection[Key] = ()) -> dict[Key, Attempted]:
    """Make the attempts that are not done, by one call per sampler.

    Attempts that are done take part in the call as ones to skip: a sampler whose arithmetic depends on the batch needs
    to know the whole batch to repeat it.
    """
    made: dict[Key, Attempted] = {}
    by_sampler: dict[int, list[Plan]] = {}
    for plan in plans:
        if plan.messages is None:
            if plan.key not in done:
                made[plan.key] = Attempted("", "error", plan.reason)
        else:
            by_sampler.setdefault(id(plan.expert.sampler), []).append(plan)
    for group in by_sampler.values():
        if any(plan.key not in done for plan in group):
            made.update(_asked(group, set(done)))
    return made


def _asked(group: Sequence[Plan], done: set[Key]) -> dict[Key, Attempted]:
    got: dict[Key, Attempted] = {}
    missing = [plan for plan in group if plan.key not in done]
    reason = _ask(group[0].expert.sampler, group, done, got)
    if reason is not None and len(missing) > 1 and not isinstance(reason, ResourceError):
        # One prompt may have spoilt it for all (too long for the model): each stands for itself.
        for plan in missing:
            if plan.key not in got and (alone := _ask(plan.expert.sampler, [plan], set(), got)) is not None:
                got[plan.key] = Attempted("", "error", _told(alone))
    said = _told(reason) if reason is not None else "the sampler gave no completion"
    for plan in missing:
        got.setdefault(plan.key, Attempted("", "error", said))
    return got


def _ask(sampler: Sampler, group: Sequence[Plan], done: set[Key], got: dict[Key, Attempted]) -> Exception | None:
    """Sample into ``got``; returns what was raised."""
    requests = [Request(p.id, p.messages or (), (p.attempt,)) for p in group]
    try:
        for completion in sampler.sample(requests, skip=done):
            got[completion.id, completion.index] = _attempted(completion)
    except Interrupted:
        raise
    except Exception as e:
        return e
    return None


def _attempted(completion: Completion) -> Attempted:
    reason = completion.reason or ("the sampler gave no reason" if completion.finish == "error" else "")
    return Attempted(
        completion.text, completion.finish, reason, completion.num_prompt_tok, completion.num_completion_tok
    )


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:500]


def check_row(row: Row, plan: Plan, *, verifier: str) -> None:
    """Refuse a stored attempt that this run would not have made.

    Raises:
        DataError: It is no attempt, or one of other experts, prompts, rewards or settings.
    """
    place = f"stored attempt {plan.attempt} of problem {plan.id!r}"
    wrong = [k for k, types in _ROW_TYPES.items() if k not in row or not isinstance(row[k], types)]
    if wrong:
        raise DataError(f"{wrong[0]!r} is missing or wrong", place=place, remedy="Remove it to make it again.")
    mine = {
        "expert": plan.expert.name,
        "state": plan.state,
        "prompt": plan.prompt,
        "verifier": verifier,
    }
    other = [key for key, value in mine.items() if row[key] != value]
    if other:
        raise DataError(
            f"{other[0]} = {row[other[0]]!r:.80} where this run has {mine[other[0]]!r:.80}: it belongs to another run",
            place=place,
            remedy="Run with the same problems, experts, controller, verifier, seed and concurrency, "
            "or keep the attempts of this run elsewhere.",
        )
