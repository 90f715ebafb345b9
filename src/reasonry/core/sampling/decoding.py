"""Drawing a wave of samples from a local model: prefill, fan out, draw, and refill as rows finish.

Two loops share their parts. On a CPU with plain full attention, rows of further prompts join as soon as finished ones
leave, and a beginning that all prompts share (worked examples) is prefilled once. Elsewhere a batch is drawn to its
end before the next begins. Both are functions of the wave alone: the same wave repeats bit by bit.

Legend: B rows in flight, P prompts, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from reasonry.core import seeds
from reasonry.core.sampling.base import Finish, Request
from reasonry.core.sampling.config import SamplingConfig
from reasonry.core.sampling.draw import draw, inverse_cdf, law, picked
from reasonry.core.sampling.kv_cache import make_cache, select_rows
from reasonry.core.sampling.shared_prefix import SharedPrefixCache, decoding, supports

_COMPACT_BELOW = 0.75  # drop finished rows once this share or less is still running
_COMMON_FROM_TOK = 16  # shorter common beginnings are not worth a pass of their own


class Group(NamedTuple):
    """Samples of one prompt that are drawn together."""

    request: Request
    indices: Sequence[int]
    prompt_ids: list[int]


@dataclass
class Row:
    """One sample being drawn."""

    request: Request
    index: int
    num_prompt_tok: int
    uniforms: NDArray[Any]  # one per token it may draw
    tokens: list[int] = field(default_factory=list[int])
    logps: list[float] = field(default_factory=list[float])
    finish: Finish | None = None
    state: Any = None  # what a `LawHook` keeps with the row


class LawHook(Protocol):
    """Changes the law that tokens are drawn from, after temperature, top-k and top-p."""

    def __call__(self, rows: Sequence[Row], law_BV: Tensor) -> Tensor:
        """The law to draw from; each row of ``law_BV`` is to be normalised by whoever needs it. Finished rows may be
        among the rows; what happens to them is not looked at.
        """
        ...


class Decoder:
    """Draws waves of groups.

    Args:
        model: In eval mode.
        config: How tokens are drawn.
        seed: Root of every sample's own stream.
        batch_size: Most rows in flight.
        context: Longest sequence the model takes, tokens; 0 when it has no limit.
        ended: Called with a row after each token: does it end here by itself?
        law_hook: Changes the law of each step; needs a positive temperature.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        config: SamplingConfig,
        *,
        seed: int,
        batch_size: int,
        context: int,
        ended: Callable[[Row], bool],
        law_hook: LawHook | None = None,
    ) -> None:
        self._model = model
        self._config = config
        self._seed = seed
        self._batch_size = batch_size
        self._context = context
        self._ended = ended
        self._law_hook = law_hook
        self._common: tuple[list[int], DynamicCache] | None = None

    def wave(self, groups: Sequence[Group]) -> Iterator[Row]:
        """Finished rows, in the order of groups and indices."""
        if supports(self._model, make_cache(self._model.config)):
            yield from self._refilled(groups)
        else:
            for batch in _batches(groups, self._batch_size):
                yield from self._drained(batch)

    # ------------------------------------------------------------ rows join as others leave

    def _refilled(self, groups: Sequence[Group]) -> Iterator[Row]:
        waiting = deque((number, group, self._rows(group)) for number, group in enumerate(groups))
        ordered = deque(row for _, _, rows in waiting for row in rows)
        common = _common_prefix([g.prompt_ids for g in groups])
        cache = SharedPrefixCache(len(make_cache(self._model.config).layers))
        active: list[Row] = []
        logits_BV: Tensor | None = None
        while ordered:
            joining: list[tuple[int, Group, list[Row]]] = []
            while waiting and len(active) + sum(len(r) for *_, r in joining) + len(waiting[0][2]) <= self._batch_size:
                joining.append(waiting.popleft())
            with torch.inference_mode():
                if joining:
                    fresh_BV = self._join(cache, joining, common)
                    logits_BV = fresh_BV if logits_BV is None else torch.cat([logits_BV, fresh_BV])
                    active += [row for *_, rows in joining for row in rows]
                assert logits_BV is not None
                self._draw(active, logits_BV)
                running = [i for i, row in enumerate(active) if row.finish is None]
                room = self._batch_size - len(running)
                if len(running) <= _COMPACT_BELOW * len(active) or (waiting and room >= len(waiting[0][2])):
                    active = [active[i] for i in running]
                    cache.keep(running)
                if running:
                    logits_BV = self._step(active, cache)
                else:
                    active, logits_BV = [], None
                    cache = SharedPrefixCache(len(cache.layers))
            while ordered and ordered[0].finish is not None:
                yield ordered.popleft()

    def _join(
        self, cache: SharedPrefixCache, joining: Sequence[tuple[int, Group, list[Row]]], common: list[int]
    ) -> Tensor:
        prompts = [group.prompt_ids for _, group, _ in joining]
        prefilled, logits_PV = self._prefill(prompts, common)
        cache.join(prefilled, [(number, len(g.prompt_ids), len(rows)) for number, g, rows in joining])
        repeats = torch.tensor([len(rows) for *_, rows in joining])
        return logits_PV.repeat_interleave(repeats, 0)

    def _step(self, rows: Sequence[Row], cache: SharedPrefixCache) -> Tensor:
        token_B1, position_B1 = self._last_tokens(rows)
        with decoding(self._model, cache):
            return self._forward(token_B1, cache, None, position_B1)

    # ------------------------------------------------------------ a batch drawn to its end

    def _drained(self, groups: Sequence[Group]) -> list[Row]:
        nested = [self._rows(group) for group in groups]
        rows = [row for each in nested for row in each]
        with torch.inference_mode():
            cache, logits_PV = self._prefill([g.prompt_ids for g in groups], [])
            fan_out = torch.tensor([p for p, each in enumerate(nested) for _ in each], device=self._model.device)
            select_rows(cache, fan_out)
            logits_BV = logits_PV.index_select(0, fan_out)
            mask_BT = _left_mask([g.prompt_ids for g in groups], self._model.device).index_select(0, fan_out)
            active = rows
            while True:
                self._draw(active, logits_BV)
                running = [i for i, row in enumerate(active) if row.finish is None]
                if not running:
                    return rows
                if len(running) <= _COMPACT_BELOW * len(active):
                    keep = torch.tensor(running, device=self._model.device)
                    select_rows(cache, keep)
                    mask_BT = mask_BT.index_select(0, keep)
                    active = [active[i] for i in running]
                mask_BT = torch.cat([mask_BT, mask_BT.new_ones((len(active), 1))], -1)
                token_B1, position_B1 = self._last_tokens(active)
                logits_BV = self._forward(token_B1, cache, mask_BT, position_B1)

    # ------------------------------------------------------------ shared parts

    def _rows(self, group: Group) -> list[Row]:
        room = self._config.max_new_tokens
        if self._context:
            room = min(room, self._context - len(group.prompt_ids))
        return [
            Row(
                group.request,
                index,
                len(group.prompt_ids),
                seeds.uniforms(self._seed, "sample", group.request.id, index, num=room),
            )
            for index in group.indices
        ]

    def _prefill(self, prompts: Sequence[list[int]], common: list[int]) -> tuple[DynamicCache, Tensor]:
        """Keys and values of left-padded prompts, and the logits after each."""
        device = self._model.device
        if common:
            cache = make_cache(self._model.config)
            _copy_rows(self._beginning(common), cache, len(prompts))
        else:
            cache = make_cache(self._model.config)
        rest = [ids[len(common) :] for ids in prompts]
        mask_PT = _left_mask(rest, device)
        longest = mask_PT.shape[-1]
        input_PT = torch.tensor([[0] * (longest - len(ids)) + ids for ids in rest], device=device)
        if bool(mask_PT.all()):
            position_PT = torch.arange(len(common), len(common) + longest, device=device).expand(len(prompts), -1)
            return cache, self._forward(input_PT, cache, None, position_PT)
        whole_PT = torch.cat([mask_PT.new_ones((len(prompts), len(common))), mask_PT], -1)
        position_PT = (whole_PT.cumsum(-1) - 1).clamp(min=0)[:, len(common) :]
        logits_PV = self._forward(input_PT, cache, whole_PT, position_PT)
        _close_gaps(cache, len(common), [longest - len(ids) for ids in rest])
        return cache, logits_PV

    def _beginning(self, common: list[int]) -> DynamicCache:
        """The cache of the common beginning; kept, because the next wave usually has the same one."""
        if self._common is None or self._common[0] != common:
            cache = make_cache(self._model.config)
            ids = torch.tensor([common], device=self._model.device)
            self._forward(ids, cache, None, torch.arange(len(common), device=self._model.device)[None])
            self._common = (common, cache)
        return self._common[1]

    def _last_tokens(self, rows: Sequence[Row]) -> tuple[Tensor, Tensor]:
        """The token each row drew last, and its position."""
        device = self._model.device
        token_B1 = torch.tensor([[row.tokens[-1]] for row in rows], device=device)
        return token_B1, torch.tensor([[row.num_prompt_tok + len(row.tokens) - 1] for row in rows], device=device)

    def _forward(self, input_BT: Tensor, cache: Any, mask_BT: Tensor | None, position_BT: Tensor) -> Tensor:
        out = self._model(
            input_ids=input_BT,
            attention_mask=mask_BT,
            position_ids=position_BT,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return out.logits[:, -1]

    def _draw(self, rows: Sequence[Row], logits_BV: Tensor) -> None:
        # A finished row may stay in the batch for a few steps; what it would draw is not looked at.
        u = [row.uniforms[len(row.tokens)] if row.finish is None else 0.5 for row in rows]
        u_B = torch.tensor(u, dtype=torch.float64, device=logits_BV.device)
        c = self._config
        if self._law_hook is None:
            drawn = draw(logits_BV, u_B, temperature=c.temperature, top_k=c.top_k, top_p=c.top_p)
        else:
            law_BV = law(logits_BV, temperature=c.temperature, top_k=c.top_k, top_p=c.top_p)
            drawn = picked(logits_BV, inverse_cdf(self._law_hook(rows, law_BV), u_B))
        for row, token, logp in zip(rows, drawn.token_B.tolist(), drawn.logp_B.tolist(), strict=True):
            if row.finish is not None:
                continue
            row.tokens.append(token)
            row.logps.append(logp)
            if self._ended(row):
                row.finish = "stop"
            elif len(row.tokens) >= len(row.uniforms):
                row.finish = "length"


def _batches(groups: Sequence[Group], batch_size: int) -> Iterator[list[Group]]:
    batch: list[Group] = []
    for group in groups:
        if batch and sum(len(g.indices) for g in batch) + len(group.indices) > batch_size:
            yield batch
            batch = []
        batch.append(group)
    if batch:
        yield batch


def _common_prefix(prompts: Sequence[list[int]]) -> list[int]:
    """Tokens all prompts begin with, at least one short of the shortest (each needs a last token of its own)."""
    first, last = min(prompts), max(prompts)  # lists compare like words: what these two share, all share
    most = min(map(len, prompts)) - 1
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    length = min(length, most)
    return first[:length] if length >= _COMMON_FROM_TOK and len(prompts) > 1 else []


def _left_mask(prompts: Sequence[list[int]], device: torch.device) -> Tensor:
    longest = max(map(len, prompts))
    return torch.tensor([[0] * (longest - len(ids)) + [1] * len(ids) for ids in prompts], device=device)


def _copy_rows(source: DynamicCache, target: DynamicCache, num_rows: int) -> None:
    """Start ``target`` with the one row of ``source``, repeated."""
    layers: list[Any] = source.layers
    for i, layer in enumerate(layers):
        target.update(layer.keys.expand(num_rows, -1, -1, -1), layer.values.expand(num_rows, -1, -1, -1), i)


def _close_gaps(cache: DynamicCache, common_tok: int, pad_P: Sequence[int]) -> None:
    """Move the padding between the common beginning and the rest to the left end: a prompt becomes one run."""
    if not common_tok:
        return
    layers: list[Any] = cache.layers
    for layer in layers:
        for row, pad in enumerate(pad_P):
            if pad:
                for part in (layer.keys, layer.values):
                    part[row, :, pad : pad + common_tok] = part[row, :, :common_tok].clone()
