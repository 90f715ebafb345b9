"""The desk as chats with tool calls: what its logs would look like, its small policy as a sampler, its reward as a
verifier. With these a desk passes through ``pivots extract``, ``audit``, ``profile`` and ``select`` like any other log.

    call NAME [uid | oid] d d [fast] <eot>   <->   NAME(uid=dd), NAME(oid=dd) or NAME(number=dd), with fast=true
    say WORD <eot>                           <->   WORD
    anything else                             ->   a call that cannot be read; its symbols are kept

Nothing is lost on the way: the tokens of an action are found again from what was read.

Shapes: B states, K samples of each, A = 7 columns of an action.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from reasonry.core import config as configs
from reasonry.core import seeds
from reasonry.core.environment import Determinism
from reasonry.core.messages import Json, Message, ToolCall
from reasonry.core.sampling.base import Completion, Request, SamplerStats, Skip, refuse_fields
from reasonry.core.tiny import TinyGPT
from reasonry.errors import DataError
from reasonry.tasks.desk import forms
from reasonry.tasks.desk.configs import World
from reasonry.tasks.desk.demos import Transcripts
from reasonry.tasks.desk.tokens import PAD, vocabulary
from reasonry.tasks.desk.world import INVALID, NUM_ARGUMENTS, Ints, answers
from reasonry.training.pivotrl.desk.base import RECIPES
from reasonry.training.pivotrl.desk.policy import sample_turns
from reasonry.training.pivotrl.records import Action, Candidate, Invocation, Verdict
from reasonry.training.pivotrl.verifiers.verdicts import MATCH, against_demonstrations, kinds

_SYSTEM = "You work at the help desk of a shop. Look the customer and the order up, decide, then say one word."
_ASKED = re.compile(r"I am user (\d\d), about order (\d\d): (\w+)")
_UNREAD = re.compile(r"<tool_call>\n(.*)\n</tool_call>")
_STATES_AT_ONCE = 64


# ---------------------------------------------------------------- logs


def chat_rows(world: World, demos: Transcripts) -> Iterator[Json]:
    """Transcripts as conversations of OpenAI's API, one row each."""
    tools, intents = tool_schemas(world), world.attributes[0].values
    said = [answers(world, demos.episodes, demos.code_BT[:, t]) for t in range(world.num_turns - 1)]
    actions = [demos.actions(world, turn) for turn in range(world.num_turns)]
    episodes = demos.episodes
    for i in range(episodes.num):
        intent = intents[int(episodes.cell_BA[i, 0])]
        asked = f"I am user {episodes.uid_B[i]:02d}, about order {episodes.oid_B[i]:02d}: {intent}"
        messages: list[Json] = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": asked}]
        for turn in range(world.num_turns):
            spoken = read_tokens(world, actions[turn][i])
            messages.append({"role": "assistant", "content": spoken.content})
            for name, arguments in spoken.calls:
                call = f"call_{i}_{turn}"
                body = {"name": name, "arguments": json.dumps(dict(arguments))}
                messages[-1]["tool_calls"] = [{"id": call, "type": "function", "function": body}]
                messages.append({"role": "tool", "tool_call_id": call, "content": said[turn][i]})
        yield {"id": chat_id(i), "messages": messages, "tools": tools, "reward": 1.0}


def chat_id(row: int) -> str:
    """The id of a transcript's conversation."""
    return f"chat-{row:04d}"


def row_of(name: str) -> int:
    """The transcript of a conversation."""
    return int(name.removeprefix("chat-"))


def tool_schemas(world: World) -> list[Json]:
    """Every tool under both of its names."""
    found: list[Json] = []
    for tool in world.tools:
        number, what = {"type": "integer"}, "user" if tool.key == "uid" else "order"
        properties = {"number": number, tool.key: number, "fast": {"type": "boolean"}}
        for name in (tool.name, tool.alias):
            about = f"{name.replace('_', ' ')}; takes the number of the {what}, under either name"
            parameters = {"type": "object", "properties": properties}
            function = {"name": name, "description": about, "parameters": parameters}
            found.append({"type": "function", "function": function})
    return found


# ---------------------------------------------------------------- actions and states


def read_tokens(world: World, tokens_A: Ints) -> Action:
    """The action that tokens write; without an end token it was cut off."""
    symbols = vocabulary(world.name).decode(tokens_A)
    if forms.read_symbols(world.name, symbols) == INVALID:
        text = f"<tool_call>\n{' '.join(symbols)}\n</tool_call>"
        is_cut = symbols[-1:] != ["<eot>"]
        return Action("invalid", (), text, "truncated" if is_cut else "malformed", is_cut)
    if symbols[0] == "say":
        return Action("message", (), symbols[1])
    name, *rest = symbols[1:-1]
    key = rest.pop(0) if rest[0] in ("uid", "oid") else "number"
    arguments: Json = {key: int(rest[0] + rest[1])}
    return Action("calls", (Invocation(name, {**arguments, "fast": True} if len(rest) == 3 else arguments),))


def write_tokens(world: World, action: Action) -> Ints:
    """The tokens of an action, shape (A,); the inverse of `read_tokens`.

    Raises:
        DataError: It is none of the desk's.
    """
    if action.kind == "invalid":
        found = _UNREAD.search(action.content)
        symbols = found[1].split() if found else [""]
    elif action.kind == "message":
        symbols = ["say", action.content, "<eot>"]
    else:
        name, arguments = action.calls[0]
        rest = [key for key in arguments if key in ("uid", "oid")]
        number = next((v for key, v in arguments.items() if key != "fast"), None)
        if len(action.calls) > 1 or not isinstance(number, int) or not 0 <= number < NUM_ARGUMENTS:
            raise DataError(f"{action.calls!r:.80} is no action of the desk")
        symbols = ["call", name, *rest, *f"{number:02d}", *(["fast"] if arguments.get("fast") else []), "<eot>"]
    tokens = np.full(forms.MAX_TOK, PAD, dtype=np.int64)
    if len(symbols) > len(tokens):
        raise DataError(f"{' '.join(symbols)!r:.80} is no action of the desk")
    tokens[: len(symbols)] = vocabulary(world.name).encode(symbols)
    return tokens


def state_tokens(world: World, messages: Sequence[Message]) -> list[int]:
    """What the policy reads before it acts.

    Raises:
        DataError: The conversation is none of the desk's.
    """
    vocab = vocabulary(world.name)
    tokens: list[int] = []
    for message in messages:
        if message.role == "user":
            asked = _ASKED.fullmatch(message.content)
            if asked is None:
                raise DataError(f"{message.content!r:.80} is nothing that a customer of the desk says")
            tokens += vocab.encode(["<desk>", "<usr>", asked[3], *asked[1], *asked[2], "<eot>"])
        elif message.role == "tool":
            tokens += vocab.encode(["<obs>", message.content, "<eot>"])
        elif message.role == "assistant":
            calls = tuple(
                Invocation(c.name, c.arguments) for c in message.tool_calls if not isinstance(c.arguments, str)
            )
            action = Action("calls" if calls else "message", calls, message.content)
            tokens += [vocab.token_of["<ast>"], *(int(t) for t in write_tokens(world, action) if t != PAD)]
    return [*tokens, vocab.token_of["<ast>"]]


# ---------------------------------------------------------------- policy and reward


class DeskSampler:
    """A policy of the desk behind the protocol of all samplers.

    A sample is drawn with uniform numbers of (seed, id, index); only the rounding depends on what shares its batch.

    Args:
        model: The policy.
        world: Its desk.
        seed: Root of the samples.
    """

    def __init__(self, model: TinyGPT, world: World, *, seed: int = 0) -> None:
        self._model, self._world, self._seed = model, world, seed
        self.stats = SamplerStats()

    @property
    def identity(self) -> dict[str, Any]:
        """World, recipe of the base model, and seed."""
        recipe = configs.fingerprint(RECIPES[self._world.name])
        return {"sampler": "desk", "name": f"{self._world.name} desk", "recipe": recipe, "seed": self._seed}

    @property
    def determinism(self) -> Determinism:
        """On one machine, with the same batches."""
        return "bitwise"

    def sample(self, requests: Sequence[Request], *, skip: Skip = ()) -> Iterator[Completion]:
        """Yield completions in request order."""
        refuse_fields(requests, "schema", "prefix", "raw", sampler="a policy of the desk")
        done = set(skip)
        wanted = [r for r in requests if any((r.id, i) not in done for i in r.indices)]
        for first in range(0, len(wanted), _STATES_AT_ONCE):
            for completion in self._batch(wanted[first : first + _STATES_AT_ONCE]):
                if (completion.id, completion.index) not in done:
                    self.stats.num_completions += 1
                    self.stats.num_completion_tok += completion.num_completion_tok
                    yield completion

    def _batch(self, requests: Sequence[Request]) -> Iterator[Completion]:
        start_s = time.perf_counter()
        indices = [sorted(r.indices) for r in requests]
        most = max(map(len, indices))
        states = [state_tokens(self._world, r.messages) for r in requests]
        prompt = np.full((len(states), max(map(len, states))), PAD, dtype=np.int64)
        uniform = np.full((len(states), most, forms.MAX_TOK), 0.5)
        for row, (request, state) in enumerate(zip(requests, states, strict=True)):
            prompt[row, : len(state)] = state
            for at, index in enumerate(indices[row]):
                uniform[row, at] = seeds.uniforms(self._seed, "desk", "chat", request.id, index, num=forms.MAX_TOK)
        end = vocabulary(self._world.name).token_of["<eot>"]
        sampled = sample_turns(self._model, prompt, num=most, uniform_BGA=uniform, end=end)
        self.stats.num_prompt_tok += sampled.num_prefill_tok
        self.stats.seconds += time.perf_counter() - start_s
        for row, request in enumerate(requests):
            for at, index in enumerate(indices[row]):
                yield self._completion(request.id, index, sampled.tokens_BGA[row, at], len(states[row]))

    def _completion(self, name: str, index: int, tokens_A: Ints, num_prompt_tok: int) -> Completion:
        action = read_tokens(self._world, tokens_A)
        calls = tuple(ToolCall(call.name, dict(call.arguments), f"sample_{index}") for call in action.calls)
        drawn = tuple(int(t) for t in tokens_A if t != PAD)
        finish = "length" if action.is_truncated else "tool_calls" if calls else "stop"
        return Completion(name, index, action.content, finish, num_prompt_tok, len(drawn), drawn, tool_calls=calls)


class DeskVerifier:
    """The functional reward: the demonstrated action in any of its eight forms.

    Args:
        world: Whose forms.
    """

    name = "any form"

    def __init__(self, world: World) -> None:
        self._world = world

    @property
    def identity(self) -> dict[str, Any]:
        """The world."""
        return {"verifier": "desk", "world": self._world.name}

    def verify(self, candidate: Candidate, action: Action) -> Verdict:
        """1 for the same tool, under either name, with the same number; for the same word."""

        def judge(expected: Action) -> Verdict:
            if other := kinds(expected, action):
                return other
            wanted, done = self._code(expected), self._code(action)
            if wanted == done != INVALID:
                return MATCH
            if action.kind == "message":
                return Verdict(0.0, "wrong_text")
            return Verdict(0.0, "wrong_arguments" if wanted // NUM_ARGUMENTS == done // NUM_ARGUMENTS else "wrong_tool")

        return against_demonstrations(candidate, action, judge)

    def _code(self, action: Action) -> int:
        try:
            tokens = write_tokens(self._world, action)
        except DataError:
            return INVALID
        return int(forms.read(self._world.name, tokens[None])[0])
