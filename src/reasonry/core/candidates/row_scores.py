"""Log-probabilities of the ends of many rows of tokens; every token that rows share at their beginnings is read once.

    rows -> `tree` (packs of rows that share beginnings) -> one forward pass for each pack

A pack's mask lets each token see its own row alone (see `tree`), which needs attention that takes a mask and positions
as they are given. Architectures that do not (recurrent ones, those with biases for distances) are found by a check on
the first rows, packed against alone; their rows are then read one at a time, and ``unpacked_because`` says why. So are
rows that are longer than the window of a model with sliding attention (``num_alone`` counts them).

Legend: N nodes of a pack, R predictions wanted, S scored tokens, V vocabulary.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache

from reasonry.core.candidates.position import common_tok
from reasonry.core.candidates.tree import Pack, Row, build, plan

_CPU_TOK, _GPU_TOK = 512, 4096
_CPU_LOGITS, _GPU_LOGITS = 2**25, 2**28  # most logits held at once
_NUM_CHECKED = 4
# Nats, and a part of the score, by bytes of a number: above rounding, below what a token too much would change.
_TOLERANCE = {2: (0.25, 0.03), 4: (1e-3, 1e-3), 8: (1e-6, 1e-6)}

FloatArray = NDArray[np.float64]


class RowScorer:
    """Reads rows with one model.

    Args:
        model: A transformers causal language model, an adapter around it or not. In training mode it is used in eval
            mode, and given back as it was.
        batch_tok: Most tokens read at once; 0 takes 512 on a CPU, 4096 on a GPU.

    Attributes:
        unpacked_because: Why rows are read one at a time; empty when they are not (and before the first rows).
        num_row_tok: Tokens of all rows so far.
        num_read_tok: Tokens that the model read for them, the check included.
        num_alone: Rows that were read one at a time.
    """

    def __init__(self, model: Any, *, batch_tok: int = 0) -> None:
        self._model = model
        inner = model.get_base_model() if hasattr(model, "get_base_model") else model
        on_cpu = model.device.type == "cpu"
        vocabulary = int(inner.config.get_text_config().vocab_size)
        self._max_tok = batch_tok or (_CPU_TOK if on_cpu else _GPU_TOK)
        self._max_read = max(16, (_CPU_LOGITS if on_cpu else _GPU_LOGITS) // vocabulary)
        self._packable_tok = packable_tok(inner.config)
        self._selects = "logits_to_keep" in inspect.signature(inner.forward).parameters
        self._cache: DynamicCache | None = None
        self._cached: tuple[int, ...] = ()
        self._is_checked = False
        self.unpacked_because = ""
        self.num_row_tok = self.num_read_tok = self.num_alone = 0

    def score(self, rows: Sequence[Row]) -> list[FloatArray]:
        """For each row, in order, the log-probabilities (nats) of its tokens from ``start`` on."""
        found: list[FloatArray] = [np.empty(0)] * len(rows)
        order = sorted(range(len(rows)), key=lambda k: (rows[k].ids, rows[k].start))
        with torch.inference_mode(), _evaluating(self._model):
            try:
                if not self._is_checked and (fitting := [row for row in rows if not self._is_too_long(row)]):
                    self.unpacked_because = self._why_not_packed(fitting)
                    self._is_checked = True
                alone = {k for k in order if self.unpacked_because or self._is_too_long(rows[k])}
                for k in alone:
                    found[k] = self._alone(rows[k])
                together = [k for k in order if k not in alone]
                ordered = [rows[k] for k in together]
                for pack in plan(ordered, max_tok=self._max_tok, max_read=self._max_read):
                    for k, logp_S in zip(together[pack.first : pack.end], self._pack(ordered, pack), strict=True):
                        found[k] = logp_S
            finally:
                self._drop_cache()  # the weights may change before the next call
        self.num_alone += len(alone)
        self.num_row_tok += sum(len(row.ids) for row in rows)
        return found

    def _is_too_long(self, row: Row) -> bool:
        return 0 < self._packable_tok < len(row.ids)

    # ------------------------------------------------------------ forward passes

    def _pack(self, rows: Sequence[Row], pack: Pack) -> list[FloatArray]:
        members = rows[pack.first : pack.end]
        tree = build(members, trunk_tok=pack.trunk_tok)
        more: dict[str, Any] = {"use_cache": False}
        if pack.trunk_tok:
            more = {"use_cache": True, "past_key_values": self._holding(members[0].ids[: pack.trunk_tok])}
        num_nodes = len(tree.token_N)
        trunk = np.ones((num_nodes, pack.trunk_tok), dtype=np.bool_)
        allowed = self._tensor(np.concatenate([trunk, tree.allowed_NN], 1))
        # A number to add is what every kind of attention takes; a mask of bools is not.
        mask = torch.zeros(allowed.shape, dtype=self._model.dtype, device=allowed.device)
        more["attention_mask"] = mask.masked_fill_(~allowed, torch.finfo(mask.dtype).min)[None, None]
        more["position_ids"] = self._tensor(tree.position_N)[None]
        logits_RV = self._forward(tree.token_N, tree.read_R, **more)
        if self._cache is not None and pack.trunk_tok:
            self._cache.crop(-num_nodes)
        logp_S = self._picked(logits_RV, tree.read_of_S, tree.token_of_S)
        return np.split(logp_S, np.cumsum([len(row.ids) - row.start for row in members])[:-1])

    def _holding(self, trunk: tuple[int, ...]) -> DynamicCache:
        """The cache with these tokens' keys and values; what it has in common with them is kept."""
        keep = common_tok(self._cached, trunk)
        if self._cache is None or not keep:
            # Plain layers also for sliding attention: rows beyond the window are not packed.
            self._cache, keep = DynamicCache(), 0
        elif keep < len(self._cached):
            self._cache.crop(keep - len(self._cached))
        while keep < len(trunk):
            new = np.array(trunk[keep : keep + self._max_tok], dtype=np.int64)
            position_ids = self._tensor(np.arange(keep, keep + len(new)))[None]
            last = np.array([len(new) - 1])
            self._forward(new, last, past_key_values=self._cache, use_cache=True, position_ids=position_ids)
            keep += len(new)
        self._cached = trunk
        return self._cache

    def _alone(self, row: Row) -> FloatArray:
        ids = np.array(row.ids, dtype=np.int64)
        read_R = np.arange(row.start - 1, len(ids) - 1)
        logits_RV = self._forward(ids[:-1], read_R, use_cache=False)
        return self._picked(logits_RV, np.arange(len(read_R)), ids[row.start :])

    def _forward(self, token_N: NDArray[np.int64], read_R: NDArray[np.int64], **more: Any) -> Tensor:
        """Logits at the places wanted, shape (R, V)."""
        self.num_read_tok += len(token_N)
        wanted = self._tensor(read_R)
        if self._selects:
            more["logits_to_keep"] = wanted
        logits: Tensor = self._model(input_ids=self._tensor(token_N)[None], **more).logits[0]
        return logits if self._selects else logits[wanted]

    def _picked(self, logits_RV: Tensor, read_of_S: NDArray[np.int64], token_of_S: NDArray[np.int64]) -> FloatArray:
        """Log-probabilities of the scored tokens, float64 on the CPU."""
        logits_RV = logits_RV.float()
        total_R = torch.logsumexp(logits_RV, -1)
        read = self._tensor(read_of_S)
        return (logits_RV[read, self._tensor(token_of_S)] - total_R[read]).double().cpu().numpy()

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self._model.device)

    def _drop_cache(self) -> None:
        self._cache, self._cached = None, ()

    # ------------------------------------------------------------ can this model be packed

    def _why_not_packed(self, rows: Sequence[Row]) -> str:
        """Read some rows packed, with a trunk and without, and each alone; empty when they agree."""
        chosen = sorted({*rows[:2], *rows[:: max(1, len(rows) // _NUM_CHECKED)][:_NUM_CHECKED]})
        alone = [self._alone(row) for row in chosen]
        whole = Pack(0, len(chosen), 0)
        tries = [(whole, alone)]
        longest = max(range(len(chosen)), key=lambda k: chosen[k].start)
        if half := (chosen[longest].start - 1) // 2:
            tries.append((Pack(longest, longest + 1, half), alone[longest : longest + 1]))
        least, part = _TOLERANCE[self._model.dtype.itemsize]
        try:
            for pack, expected in tries:
                one, other = np.concatenate(self._pack(chosen, pack)), np.concatenate(expected)
                if not np.all(np.abs(one - other) <= least + part * np.abs(other)):  # NaN is no agreement
                    return f"packed and alone, scores differ by {np.max(np.abs(one - other)):.2g} nats"
        except (RuntimeError, ValueError, TypeError, IndexError, AttributeError, NotImplementedError) as e:
            # Whatever an architecture has against masks or positions; rows alone ask for neither.
            return f"this architecture refuses it ({type(e).__name__}: {' '.join(str(e).split())[:120]})"
        finally:
            self._drop_cache()
        return ""


def packable_tok(config: Any) -> int:
    """Longest row whose tokens see the same alone and in a pack; 0 without a limit.

    Layers that see a window or a chunk only, and rotary positions whose frequencies follow the longest position of a
    pass, set one.
    """
    text = config.get_text_config()
    kinds = getattr(text, "layer_types", None)
    slides = getattr(text, "use_sliding_window", True) if kinds is None else any("full" not in kind for kind in kinds)
    limits = [getattr(text, name, None) for name in ("sliding_window", "attention_chunk_size")] if slides else []
    rotary = getattr(text, "rope_parameters", None)
    if isinstance(rotary, Mapping) and rotary.get("rope_type") in ("dynamic", "longrope"):
        own = rotary.get("original_max_position_embeddings")
        limits.append(own or getattr(text, "max_position_embeddings", None))
    return min((limit for limit in limits if isinstance(limit, int)), default=0)


@contextlib.contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """Without dropout; afterwards every module is in its own mode again."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
