"""One batch of the comparison: decode, judge, and keep what every figure is made of.

A row holds numbers of each prompt rather than means, so that any interval can be computed later, and a hash of each
answer, so that equal ones can be counted. All but the seconds are a function of config and weights.

Shapes: B rows, L answer.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from reasonry.core import seeds
from reasonry.core.learning import device_of
from reasonry.core.rows import Row
from reasonry.training.dultra.decoding import Decoded, DecodingConfig, answer_lengths, decode, until_end
from reasonry.training.dultra.denoiser import Denoiser
from reasonry.training.dultra.frontier.prompts import Prompts, as_batch, digest
from reasonry.training.dultra.policies.base import UnmaskPolicy


class Place(NamedTuple):
    """Where a batch stands in the comparison.

    Attributes:
        policy: Label of the policy.
        seed: Which repetition.
        batch: Which batch of prompts.
    """

    policy: str
    seed: int
    batch: int


class HeadClock:
    """Wall time spent in a module, seconds; 0 without one."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._start_s = 0.0

    @contextmanager
    def on(self, module: nn.Module | None) -> Iterator[HeadClock]:
        """Count the calls of ``module`` in this block."""
        if module is None:
            yield self
            return
        before = module.register_forward_pre_hook(self._begin, with_kwargs=True)
        after = module.register_forward_hook(self._end)
        try:
            yield self
        finally:
            before.remove()
            after.remove()

    def _begin(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        del args, kwargs
        self._start_s = _now(module)

    def _end(self, module: nn.Module, args: Any, output: Any) -> None:
        del args, output
        self.seconds += _now(module) - self._start_s


def seeds_of(seed: int, *, start: int, num: int, repetition: int) -> list[int]:
    """Seeds of the decodings of prompts ``start`` on: the same for every policy, whatever the batches are."""
    return [seeds.derive(seed, "dultra", "frontier", start + row, repetition) for row in range(num)]


class Bench(NamedTuple):
    """What decodes what.

    Attributes:
        denoiser: The model.
        prompts: All prompts.
        policy: Chooses what to reveal.
        config: Sizes and temperature.
        seed: Root of the draws.
    """

    denoiser: Denoiser
    prompts: Prompts
    policy: UnmaskPolicy
    config: DecodingConfig
    seed: int


def decode_prompts(bench: Bench, start: int, stop: int, *, repetition: int, record: Any = None) -> Decoded:
    """Decode some prompts, on the denoiser's device.

    Args:
        bench: What decodes.
        start: The first prompt.
        stop: The one after the last.
        repetition: Which decoding of the same prompts.
        record: Told of each step, as by `decode`.
    """
    rows = bench.prompts.rows(start, stop)
    ids_BP, attend_BP = as_batch(rows, pad_id=bench.denoiser.pad_id)
    device = device_of(bench.denoiser)
    return decode(
        bench.denoiser,
        torch.from_numpy(ids_BP).to(device),
        torch.from_numpy(attend_BP).to(device),
        policy=bench.policy,
        config=bench.config,
        seeds_B=seeds_of(bench.seed, start=start, num=len(rows), repetition=repetition),
        record=record,
    )


def measure_batch(place: Place, bench: Bench, *, start: int, stop: int) -> Row:
    """The row of a batch.

    Args:
        place: Where it stands.
        bench: What decodes.
        start: Its first prompt.
        stop: The one after its last.
    """
    denoiser, prompts = bench.denoiser, bench.prompts
    with HeadClock().on(getattr(bench.policy, "head", None)) as clock:
        decoded = decode_prompts(bench, start, stop, repetition=place.seed)
    t = decoded.trajectory
    answer_BL = until_end(t.tokens_BL, denoiser.end_id).numpy(force=True)
    judged = prompts.judge(start, answer_BL)
    return {
        **place._asdict(),
        "num": stop - start,
        "prompts": digest(prompts.rows(start, stop)),
        "right": [int(right) for right in judged.right],
        "share": judged.share,
        "nfe": _whole(t.nfe_B),
        "num_tok": _whole(answer_lengths(t.tokens_BL, denoiser.end_id)),
        "forced": _whole(t.is_forced_BS.sum(1)),
        "answers": [_hash(row) for row in answer_BL],
        "num_errors": judged.num_errors,
        "error": judged.error,
        "token_forwards": int(decoded.token_forwards),
        "seconds": decoded.seconds,
        "head_seconds": clock.seconds,
    }


def warm_up(denoiser: Denoiser, prompts: Prompts, *, num: int, config: DecodingConfig) -> None:
    """One pass over a batch: what is set up in the first one is nobody's seconds."""
    ids_BP, attend_BP = as_batch(prompts.rows(0, num), pad_id=denoiser.pad_id)
    shape = (len(ids_BP), config.answer_len)
    ids_BN = np.concatenate([ids_BP, np.full(shape, denoiser.mask_id)], axis=1)
    attend_BN = np.concatenate([attend_BP, np.ones(shape, dtype=np.bool_)], axis=1)
    device = device_of(denoiser)
    with torch.no_grad():
        denoiser.denoise(torch.from_numpy(ids_BN).to(device), torch.from_numpy(attend_BN).to(device))


def is_row(row: Row) -> bool:
    """Whether a row of a file is one that `measure_batch` writes."""
    try:
        num = int(row["num"])
        columns = [row[name] for name in ("right", "share", "nfe", "num_tok", "forced", "answers")]
        floats = [float(row[name]) for name in ("seconds", "head_seconds", "token_forwards", "num_errors")]
        names = isinstance(row["policy"], str) and isinstance(row["prompts"], str) and isinstance(row["error"], str)
        numbers = isinstance(row["seed"], int) and isinstance(row["batch"], int)
    except (KeyError, TypeError, ValueError):
        return False
    is_full = num > 0 and all(isinstance(column, list) and len(column) == num for column in columns)
    return is_full and names and numbers and min(floats) >= 0 and all(nfe > 0 for nfe in row["nfe"])


def _whole(values_B: Tensor) -> list[int]:
    return [int(value) for value in values_B.tolist()]


def _hash(ids: Sequence[int] | np.ndarray[Any, Any]) -> str:
    return hashlib.blake2b(np.asarray(ids, dtype=np.int64).tobytes(), digest_size=6).hexdigest()


def _now(module: nn.Module) -> float:
    device = next(module.parameters()).device
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
