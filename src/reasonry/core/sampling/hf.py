"""Sampling from a local model: batched, one prefill for all samples of a prompt, finished rows leave the batch.

The batches are a function of the requests and the batch size alone. A continued run skips whole batches and makes a
partly finished one again, so that even number formats whose rounding depends on the batch (bfloat16) repeat bit by bit.

Legend: B rows in flight, P prompts of a batch, T tokens, V vocabulary.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache

from reasonry.core import seeds
from reasonry.core.environment import Determinism
from reasonry.core.messages import to_openai
from reasonry.core.models import LoadedModel
from reasonry.core.sampling.base import Completion, Finish, Request, SamplerStats, Skip
from reasonry.core.sampling.config import SamplingConfig
from reasonry.core.sampling.draw import draw
from reasonry.core.sampling.kv_cache import make_cache, select_rows
from reasonry.core.sampling.shared_prefix import SharedPrefixCache, decoding, supports
from reasonry.errors import DataError

_SHARE_FROM = 3  # samples per prompt from which the prompt's keys and values are read once for all
_COMPACT_BELOW = 0.75  # drop finished rows once this share or less is still running


@dataclass
class _Row:
    """One sample being drawn."""

    request: Request
    index: int
    prompt: int  # which prompt of the batch
    num_prompt_tok: int
    max_new_tokens: int
    uniforms: Any
    tokens: list[int] = field(default_factory=list[int])
    logps: list[float] = field(default_factory=list[float])
    finish: Finish | None = None


Batch = list[tuple[Request, list[int]]]


class HFSampler:
    """A ``Sampler`` over a transformers causal language model.

    Args:
        loaded: Model and tokenizer.
        config: How tokens are drawn.
        seed: Root of every sample's own random stream.
        batch_size: Most rows in flight. Never changes a sample in float32 on a CPU.
    """

    def __init__(self, loaded: LoadedModel, config: SamplingConfig, *, seed: int = 0, batch_size: int = 32) -> None:
        self.loaded = loaded
        self.config = config
        self.seed = seed
        self.batch_size = batch_size
        self.stats = SamplerStats()
        self._model = loaded.model
        # Typed loosely: one method's return type depends on its flags, and several tokenizer classes share it.
        self._tokenizer: Any = loaded.tokenizer
        self._end_ids = _end_ids(loaded)
        self._context = int(getattr(loaded.model.config.get_text_config(), "max_position_embeddings", 0) or 0)

    @property
    def identity(self) -> dict[str, Any]:
        """Model, drawing rule and seed."""
        return {
            "sampler": "hf",
            **self.loaded.identity,
            **self.config.model_dump(mode="json"),
            "seed": self.seed,
        }

    @property
    def determinism(self) -> Determinism:
        """float32 on a CPU does not let rows of a batch disturb each other beyond rounding far below any draw."""
        stable = self.loaded.identity["dtype"] == "float32" and self.loaded.identity["device"] == "cpu"
        return "sample-stable" if stable else "bitwise"

    def sample(self, requests: Sequence[Request], *, skip: Skip = ()) -> Iterator[Completion]:
        """Draw the samples asked for, in order.

        Raises:
            DataError: A prompt does not fit the model's context; raised before anything is drawn.
        """
        done = set(skip)
        pending = [b for b in plan(requests, self.batch_size) if any((r.id, i) not in done for r, ix in b for i in ix)]
        prompt_ids = {r.id: self._encode(r) for batch in pending for r, _ in batch}
        for batch in pending:
            start = time.perf_counter()
            completions = self._run(batch, prompt_ids)
            self.stats.seconds += time.perf_counter() - start
            for c in completions:
                if (c.id, c.index) not in done:
                    self.stats.num_completions += 1
                    self.stats.num_completion_tok += c.num_completion_tok
                    self.stats.num_prompt_tok += c.num_prompt_tok
                    yield c

    # ------------------------------------------------------------ prompts

    def _encode(self, request: Request) -> list[int]:
        if request.raw is not None:
            ids = list(self._tokenizer(request.raw)["input_ids"])
        elif self._tokenizer.chat_template:
            messages = [to_openai(m) for m in request.messages]
            ids = list(self._tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"])
        else:  # a base model: the turns as plain paragraphs
            ids = list(self._tokenizer("\n\n".join(m.content for m in request.messages) + "\n")["input_ids"])
        if not ids:
            raise DataError("the prompt is empty", place=f"problem {request.id}", remedy="Give it some text.")
        if self._context and len(ids) >= self._context:
            raise DataError(
                f"the prompt has {len(ids)} tokens, the model's context holds {self._context}",
                place=f"problem {request.id}",
                remedy="Shorten the prompt or use a model with a longer context.",
            )
        return ids

    # ------------------------------------------------------------ drawing

    @torch.inference_mode()
    def _run(self, batch: Batch, prompt_ids: dict[str, list[int]]) -> list[Completion]:
        device = self._model.device
        prompts = [prompt_ids[request.id] for request, _ in batch]
        rows = self._rows(batch, prompts)
        longest = max(map(len, prompts))
        pad_P = [longest - len(ids) for ids in prompts]
        input_PT = torch.tensor([[0] * pad + ids for pad, ids in zip(pad_P, prompts)], device=device)
        mask_PT = torch.tensor([[0] * pad + [1] * len(ids) for pad, ids in zip(pad_P, prompts)], device=device)
        padded = any(pad_P)
        cache = make_cache(self._model.config)
        logits_BV = self._forward(
            input_PT,
            cache,
            mask_PT if padded else None,
            (mask_PT.cumsum(-1) - 1).clamp(min=0) if padded else None,
        )
        prompt_of_row = [row.prompt for row in rows]
        fan_out = torch.tensor(prompt_of_row, device=device)
        logits_BV = logits_BV.index_select(0, fan_out)
        if not supports(self._model, cache):
            select_rows(cache, fan_out)
            return self._decode(rows, logits_BV, cache, mask_PT.index_select(0, fan_out) if padded else None)
        if len(rows) >= _SHARE_FROM * len(prompts):
            cache = SharedPrefixCache(cache, mask_PT.bool() if padded else None, prompt_of_row)
            with decoding(self._model, cache):
                return self._decode(rows, logits_BV, cache, None)
        select_rows(cache, fan_out)
        with decoding(self._model):
            return self._decode(rows, logits_BV, cache, mask_PT.index_select(0, fan_out) if padded else None)

    def _decode(
        self, rows: list[_Row], logits_BV: Tensor, cache: DynamicCache, mask_BT: Tensor | None
    ) -> list[Completion]:
        device = self._model.device
        active = rows
        for step in range(max(row.max_new_tokens for row in rows)):
            u_B = torch.tensor([row.uniforms[step] for row in active], dtype=torch.float64, device=device)
            drawn = draw(
                logits_BV,
                u_B,
                temperature=self.config.temperature,
                top_k=self.config.top_k,
                top_p=self.config.top_p,
            )
            token_B = drawn.token_B
            for row, token, logp in zip(active, token_B.tolist(), drawn.logp_B.tolist()):
                if row.finish is None:
                    self._extend(row, token, logp)
            running = [i for i, row in enumerate(active) if row.finish is None]
            if not running:
                break
            if len(running) <= _COMPACT_BELOW * len(active):
                keep = torch.tensor(running, device=device)
                select_rows(cache, keep)
                token_B = token_B.index_select(0, keep)
                mask_BT = mask_BT.index_select(0, keep) if mask_BT is not None else None
                active = [active[i] for i in running]
            position_B1 = torch.tensor([[row.num_prompt_tok + step] for row in active], device=device)
            if mask_BT is not None:
                mask_BT = torch.cat([mask_BT, mask_BT.new_ones((len(active), 1))], -1)
            logits_BV = self._forward(token_B[:, None], cache, mask_BT, position_B1)
        return [self._completion(row) for row in rows]

    def _rows(self, batch: Batch, prompts: list[list[int]]) -> list[_Row]:
        rows: list[_Row] = []
        for p, (request, indices) in enumerate(batch):
            room = self.config.max_new_tokens
            if self._context:
                room = min(room, self._context - len(prompts[p]))
            for index in indices:
                uniforms = seeds.uniforms(self.seed, "sample", request.id, index, num=room)
                rows.append(_Row(request, index, p, len(prompts[p]), room, np.asarray(uniforms)))
        width = max(row.max_new_tokens for row in rows)
        for row in rows:  # a finished row may stay in the batch for a few steps; what it draws then is thrown away
            row.uniforms = np.pad(row.uniforms, (0, width - len(row.uniforms)), constant_values=0.5)
        return rows

    def _forward(self, input_BT: Tensor, cache: Any, mask_BT: Tensor | None, position_BT: Tensor | None) -> Tensor:
        out = self._model(
            input_ids=input_BT,
            attention_mask=mask_BT,
            position_ids=position_BT,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return out.logits[:, -1]

    def _extend(self, row: _Row, token: int, logp: float) -> None:
        row.tokens.append(token)
        row.logps.append(logp)
        if token in self._end_ids or (self.config.stop and self._hit_stop(row)):
            row.finish = "stop"
        elif len(row.tokens) >= row.max_new_tokens:
            row.finish = "length"

    def _hit_stop(self, row: _Row) -> bool:
        # A stop string of c characters lies within the last c tokens plus the one it may begin inside.
        tail = row.tokens[-(max(map(len, self.config.stop)) + 1) :]
        text = self._tokenizer.decode(tail, skip_special_tokens=True)
        return any(s in text for s in self.config.stop)

    def _completion(self, row: _Row) -> Completion:
        assert row.finish is not None
        body = row.tokens[:-1] if row.tokens[-1] in self._end_ids else row.tokens
        text = str(self._tokenizer.decode(body, skip_special_tokens=True))
        cut = min((at for s in self.config.stop if (at := text.find(s)) >= 0), default=len(text))
        return Completion(
            row.request.id,
            row.index,
            text[:cut],
            row.finish,
            row.num_prompt_tok,
            len(row.tokens),
            tuple(row.tokens),
            tuple(row.logps),
        )


def _end_ids(loaded: LoadedModel) -> frozenset[int]:
    generation = getattr(loaded.model, "generation_config", None)
    found: set[int] = set()
    for value in (getattr(generation, "eos_token_id", None), loaded.tokenizer.eos_token_id):
        if isinstance(value, int):
            found.add(value)
        elif value is not None:
            found.update(int(v) for v in value)
    return frozenset(found)


def plan(requests: Sequence[Request], batch_size: int) -> list[Batch]:
    """Split requests into batches of at most ``batch_size`` samples, in order, keeping a prompt's samples together.

    A prompt's samples are split only when there are more of them than a whole batch holds.
    """
    batches: list[Batch] = []
    room = 0
    for request in requests:
        indices = sorted(request.indices)
        for start in range(0, len(indices), batch_size):
            chunk = indices[start : start + batch_size]
            if len(chunk) > room:
                batches.append([])
                room = batch_size
            batches[-1].append((request, chunk))
            room -= len(chunk)
    return batches
