"""Reading and sampling with a small GPT when every row of a batch has its own length.

Columns that a row does not use are padding: they are never attended to and take no position, so that rows of different
histories can be continued together, turn after turn, from one cache. A sampled token is the inverse of the distribution
function at a uniform number that belongs to (row, turn, place): what a row draws does not depend on its batch.

Shapes: B rows, T new columns, S all columns, V vocabulary, G copies of each row, A = 7 columns of an action.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from reasonry.core.tiny import Cache, TinyConfig, TinyGPT
from reasonry.tasks.desk.configs import Mask
from reasonry.tasks.desk.forms import MAX_TOK
from reasonry.tasks.desk.tokens import PAD, vocabulary
from reasonry.tasks.desk.world import Floats, Ints

_NEVER = -1e4  # finite, so that differences of log probabilities stay numbers


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Sums are added up in an order that depends on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def new_policy(name: str, *, seed: int = 0) -> TinyGPT:
    """An untrained policy for a world: 3 layers, width 64, 4 heads, 128 positions, 0.16 million parameters."""
    shape = TinyConfig(vocab_size=len(vocabulary(name)), max_len=128, num_layers=3, num_heads=4, width=64)
    return TinyGPT(shape, seed=seed)


def copy_policy(model: TinyGPT) -> TinyGPT:
    """Another policy with the same weights."""
    other = TinyGPT(model.config)
    other.load_state_dict(model.state_dict())
    return other


def spoken(logits: Tensor) -> Tensor:
    """Logits without padding, which is never said."""
    return logits.index_fill(-1, torch.tensor([PAD]), _NEVER)


class Reader:
    """What a policy has read of every row, and goes on from. Works with gradients and without."""

    def __init__(self, model: TinyGPT, num_rows: int) -> None:
        self.model = model
        self._cache = Cache()
        self._seen_BS = torch.zeros(num_rows, 0, dtype=torch.bool)

    def feed(self, tokens_BT: Tensor) -> Tensor:
        """Residual stream (B, T, D) of new columns; those of padding mean nothing."""
        new_BT = tokens_BT != PAD
        T, past = tokens_BT.shape[1], self._seen_BS.shape[1]
        position = self._seen_BS.sum(1, keepdim=True) + new_BT.cumsum(1) - 1
        self._seen_BS = torch.cat([self._seen_BS, new_BT], 1)
        causal_TS = torch.ones(T, past + T, dtype=torch.bool).tril(past)
        # A column of padding attends to itself: without any key its value would not be a number.
        own_TS = torch.zeros(T, past + T, dtype=torch.bool)
        own_TS[torch.arange(T), past + torch.arange(T)] = True
        mask = (causal_TS & self._seen_BS[:, None, :]) | own_TS
        h = self.model.embed(tokens_BT, position.clamp(min=0))
        return self.model.run_layers(h, mask_TS=mask[:, None], cache=self._cache)

    def read(self, tokens_BT: Tensor) -> Tensor:
        """Logits (B, V) after each row's last new token."""
        h_BTD = self.feed(tokens_BT)
        place_BT = torch.arange(1, tokens_BT.shape[1] + 1) * (tokens_BT != PAD)
        last_B = place_BT.argmax(1)
        return spoken(self.model.read_out(h_BTD[torch.arange(len(tokens_BT)), last_B]))

    def repeat(self, num: int) -> None:
        """Make ``num`` copies of each row, beside each other."""
        self._seen_BS = self._seen_BS.repeat_interleave(num, 0)
        for index, (k, v) in self._cache.layers.items():
            self._cache.layers[index] = (k.repeat_interleave(num, 0), v.repeat_interleave(num, 0))


def sample_action(
    reader: Reader, logits_BV: Tensor, uniform_BA: Floats | None, *, end: int, live_B: Mask | None = None
) -> Ints:
    """One action for each row, shape (B, 7); padding from its end token on, and no end token where it was cut off.

    Args:
        reader: That has read the states; it has read the actions, their end tokens included, afterwards.
        logits_BV: After the states.
        uniform_BA: Uniform numbers; greedy without.
        end: Token that ends an action.
        live_B: Rows that act; the others say nothing.
    """
    said = torch.full((len(logits_BV), MAX_TOK), PAD)
    live = torch.ones(len(logits_BV), dtype=torch.bool) if live_B is None else torch.from_numpy(live_B.copy())
    uniform = None if uniform_BA is None else torch.from_numpy(uniform_BA)
    for place in range(MAX_TOK):
        if uniform is None:
            drawn = logits_BV.argmax(1)
        else:
            below = torch.softmax(logits_BV.double(), 1).cumsum(1)
            drawn = (below < uniform[:, place, None] * below[:, -1:]).sum(1)
        said[:, place] = torch.where(live, drawn, PAD)
        live &= drawn != end
        h_BTD = reader.feed(said[:, place, None])
        if not live.any():
            break
        logits_BV = spoken(reader.model.read_out(h_BTD[:, -1]))
    return said.numpy()


class Sampled(NamedTuple):
    """Actions for some states.

    Attributes:
        tokens_BGA: Each state's actions.
        num_prefill_tok: Tokens of the states; their copies share them.
        num_tok: Tokens of the actions.
    """

    tokens_BGA: Ints
    num_prefill_tok: int
    num_tok: int


@torch.no_grad()
def sample_turns(
    model: TinyGPT, prompts_BT: Ints, *, num: int, uniform_BGA: Floats | None, end: int, batch: int = 128
) -> Sampled:
    """``num`` actions for each state, or the greedy one.

    Args:
        model: The policy.
        prompts_BT: States, padded on the right.
        num: Actions for each; 1 when greedy.
        uniform_BGA: Uniform numbers, shape (B, num, 7); greedy without.
        end: Token that ends an action.
        batch: States that are read together.
    """
    parts: list[Ints] = []
    for first in range(0, len(prompts_BT), batch):
        block = prompts_BT[first : first + batch]
        block = block[:, : int((block != PAD).sum(1).max())]
        reader = Reader(model, len(block))
        logits = reader.read(torch.from_numpy(block))
        reader.repeat(num)
        uniform = None if uniform_BGA is None else uniform_BGA[first : first + batch].reshape(-1, MAX_TOK)
        said = sample_action(reader, logits.repeat_interleave(num, 0), uniform, end=end)
        parts.append(said.reshape(len(block), num, MAX_TOK))
    tokens = np.concatenate(parts)
    return Sampled(tokens, int((prompts_BT != PAD).sum()), int((tokens != PAD).sum()))


def turn_logits(model: TinyGPT, prompts_BT: Tensor, actions_BGA: Tensor) -> Tensor:
    """Logits (B, G, A, V) that the tokens of actions were drawn from; each state is read once for all its actions."""
    B, G, A = actions_BGA.shape
    reader = Reader(model, B)
    first_BV = reader.read(prompts_BT)
    reader.repeat(G)
    rest = reader.feed(actions_BGA.reshape(B * G, A)[:, :-1])
    first = first_BV[:, None, None].expand(-1, G, -1, -1)
    return torch.cat([first, spoken(model.read_out(rest)).reshape(B, G, A - 1, -1)], 2)


def sequence_logits(model: TinyGPT, tokens_BW: Tensor, *, first_B: Tensor | None = None) -> Tensor:
    """Logits (B, W - 1, V) of the tokens after the first of whole rows, padded on the right.

    Args:
        model: The policy.
        tokens_BW: The rows.
        first_B: Position of each row's first token; 0 when not given.
    """
    if first_B is None:
        return spoken(model(tokens_BW[:, :-1]))
    position_BT = first_B[:, None] + torch.arange(tokens_BW.shape[1] - 1)
    return spoken(model(tokens_BW[:, :-1], position_BT.clamp(max=model.config.max_len - 1)))
