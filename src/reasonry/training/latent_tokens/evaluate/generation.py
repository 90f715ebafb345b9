"""Replies of a model to token prompts: codes stay between their markers, and no padding row of the vocabulary is drawn.

    prompt | <boLatent> z_1 .. z_n <eoLatent> | text | <eos>

Decoding is that of `core.sampling`: a cache, rows that end leave, others take their place. Numbers come from streams
named by (seed, example, sample), so neither batches nor restarts change a float32 model's replies on a CPU.

What a constraint needs to know of a row is its window: the codes of a run that is open, and whether there was a run
before. So it reads some tens of ids at a step, whatever the length of the reply.

Legend: B rows, T tokens, V vocabulary.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from reasonry.core.models.context import context_tok
from reasonry.core.sampling.base import Request
from reasonry.core.sampling.config import SamplingConfig
from reasonry.core.sampling.decoding import Decoder, Group
from reasonry.core.sampling.decoding import Row as Drawn
from reasonry.core.sampling.hf import Wave, plan
from reasonry.training.latent_tokens.mixing.latent_ids import LatentIds

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Ids = tuple[int, ...]
Constrain = Callable[[Tensor, Tensor], Tensor]
"""(ids_BT, logits_BV) -> logits_BV, as a logits processor of transformers."""


class Asked(NamedTuple):
    """Replies that are wanted to a prompt.

    Attributes:
        id: Of the example; it names the random streams.
        prompt_ids: What the model reads.
        indices: Which samples.
    """

    id: str
    prompt_ids: Ids
    indices: Sequence[int] = (0,)


class Reply(NamedTuple):
    """One reply.

    Attributes:
        id: Of the example.
        sample: Which.
        ids: Generated tokens, a forced begin marker first, the end token last.
        is_cut_off: It ran into the limit.
        seconds: Wall time: its share, by tokens, of what its batches took.
    """

    id: str
    sample: int
    ids: Ids
    is_cut_off: bool
    seconds: float


class Rules(NamedTuple):
    """How replies are written.

    Attributes:
        sampling: How tokens are drawn, and at most how many.
        end_ids: Tokens that end a reply.
        num_tokens: Ids that the tokenizer has; rows behind them are padding, and never drawn.
        ids: Of codes and markers; None for a model without them.
        constrain: Changes logits; None leaves them as they are.
        banned: Tokens that are never drawn.
        force: Whether replies begin with the begin marker.
        seed: Root of every sample's stream.
        batch_size: Most rows in flight.
    """

    sampling: SamplingConfig
    end_ids: frozenset[int]
    num_tokens: int
    ids: LatentIds | None = None
    constrain: Constrain | None = None
    banned: Ids = ()
    force: bool = False
    seed: int = 0
    batch_size: int = 64

    @property
    def prefix(self) -> Ids:
        """What replies begin with."""
        return (self.ids.begin,) if self.force and self.ids is not None else ()


class CodeDecoder(Decoder):
    """Draws waves of groups as rules say.

    Args:
        model: In eval mode.
        rules: How.
    """

    def __init__(self, model: PreTrainedModel, rules: Rules) -> None:
        super().__init__(
            model,
            rules.sampling,
            seed=rules.seed,
            batch_size=rules.batch_size,
            context=context_tok(model),
            ended=lambda row: row.tokens[-1] in rules.end_ids,
        )
        self._rules = rules

    def _draw(self, rows: Sequence[Drawn], logits_BV: Tensor) -> None:
        rules = self._rules
        logits_BV = logits_BV.float()
        if rules.banned or logits_BV.shape[-1] > rules.num_tokens:
            logits_BV = logits_BV.index_fill(-1, self._never(logits_BV), -torch.inf)
        if rules.constrain is not None and rules.ids is not None:
            windows_BT = self._windows(rows, rules.ids).to(logits_BV.device)
            logits_BV = rules.constrain(windows_BT, logits_BV)
        super()._draw(rows, logits_BV)

    def _never(self, logits_BV: Tensor) -> Tensor:
        """Ids that are never drawn."""
        never = [*self._rules.banned, *range(self._rules.num_tokens, logits_BV.shape[-1])]
        return torch.tensor(never, device=logits_BV.device)

    def _windows(self, rows: Sequence[Drawn], ids: LatentIds) -> Tensor:
        """For each row: a run that was closed as its two markers, and the run that is open."""
        windows: list[list[int]] = []
        for row in rows:
            known, read = row.state if row.state is not None else (list(self._rules.prefix), 0)
            for token in row.tokens[read:]:
                if token == ids.end:
                    known = [ids.begin, ids.end]
                elif token == ids.begin or (known and known[-1] != ids.end):
                    known = [*known, token]
            row.state = known, len(row.tokens)
            windows.append(known)
        longest = max(1, *map(len, windows))
        return torch.tensor([[ids.pad] * (longest - len(window)) + window for window in windows])


def waves(asked: Sequence[Asked], batch_size: int) -> list[Wave]:
    """What is drawn together: a function of what is asked and the batch size alone."""
    return plan([Request(each.id, indices=each.indices) for each in asked], batch_size)


def replies(model: PreTrainedModel, rules: Rules, asked: Sequence[Asked]) -> Iterator[list[Reply]]:
    """Replies, wave by wave, in the order of what is asked.

    Args:
        model: In eval mode.
        rules: How they are written.
        asked: Prompts that leave room for at least one token within the model's context.
    """
    prompts = {each.id: each.prompt_ids for each in asked}
    decoder = CodeDecoder(model, rules)
    for wave in waves(asked, rules.batch_size):
        groups = [Group(request, indices, [*prompts[request.id], *rules.prefix]) for request, indices in wave]
        start = time.perf_counter()
        drawn = list(decoder.wave(groups))
        seconds = time.perf_counter() - start
        num_tok = max(1, sum(len(row.tokens) for row in drawn))
        yield [_reply(row, rules, seconds * len(row.tokens) / num_tok) for row in drawn]


def _reply(row: Drawn, rules: Rules, seconds: float) -> Reply:
    return Reply(row.request.id, row.index, (*rules.prefix, *row.tokens), row.finish != "stop", seconds)


def end_ids_of(model: Any, tokenizer: Any) -> frozenset[int]:
    """Tokens that end a reply: the tokenizer's, and all that the model declares."""
    declared = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    more = [declared] if isinstance(declared, int) else list(declared or ())
    return frozenset({int(tokenizer.eos_token_id), *map(int, more)})
