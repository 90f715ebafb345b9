"""What a denoiser is trained and tried on: a task over symbols, or a file of prompts of one's own.

What is drawn depends on the seed and the place in an endless order, so that a run that goes on draws what it would have
drawn. Files are described in `prompt_file`.

Shapes: B rows, P prompt, L answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from reasonry.core import seeds
from reasonry.core.task import Problem
from reasonry.errors import ConfigError
from reasonry.tasks.token_tasks.base import END, MASK, PAD, Checked, TokenTask
from reasonry.tasks.token_tasks.find import make_task
from reasonry.training.dultra.config import DataConfig
from reasonry.training.dultra.decoding import until_end
from reasonry.training.dultra.denoiser import ORACLE, Denoiser

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_OF_A_TASK = ("tiny:", f"{ORACLE}:")
"""What the names of denoisers begin with that name their task behind it."""


class Rows(NamedTuple):
    """Prompts.

    Attributes:
        prompt_BP: Token ids, padded on the left.
        attend_BP: False on padding.
        answer_BL: Tokens of one right answer each; None where the file has none.
        problems: What the verifier is given; empty for tasks over symbols.
    """

    prompt_BP: Tensor
    attend_BP: Tensor
    answer_BL: Tensor | None
    problems: tuple[Problem, ...]

    def repeat(self, num: int) -> Rows:
        """Each row ``num`` times, beside each other."""
        return Rows(
            self.prompt_BP.repeat_interleave(num, 0),
            self.attend_BP.repeat_interleave(num, 0),
            None if self.answer_BL is None else self.answer_BL.repeat_interleave(num, 0),
            tuple(problem for problem in self.problems for _ in range(num)),
        )


class Source(Protocol):
    """Where prompts come from.

    Attributes:
        name: For tables.
        answer_len: L.
        identity: What a run records, and must find again.
        note: What a reader of its results should know; empty when nothing.
    """

    name: str
    answer_len: int
    identity: dict[str, Any]
    note: str

    def train(self, position: int, num: int) -> Rows:
        """The ``num`` rows at ``position`` of an endless order."""
        ...

    def test(self, num: int) -> Rows:
        """``num`` rows to evaluate on, the same at every call."""
        ...

    def check(self, rows: Rows, tokens_BL: Tensor) -> Checked:
        """Whether answers are right; what follows an end token is not read."""
        ...

    def text(self, ids: Sequence[int]) -> str:
        """Tokens as text."""
        ...


def open_source(
    config: DataConfig, denoiser: Denoiser, tokenizer: PreTrainedTokenizerBase | None, *, seed: int
) -> Source:
    """The source that a config names.

    Args:
        config: A task, or a file.
        denoiser: That will read the prompts; a tiny one and the oracle name their task.
        tokenizer: Its tokenizer, if it has one.
        seed: Root of what is drawn.

    Raises:
        ConfigError: Neither or both are named, a file without ``answer_len``, or a task for another vocabulary.
        DataError: A row that cannot be used, with ``file:line``.
    """
    if config.prompts is not None:
        if config.task:
            raise ConfigError("a task and a file of prompts", place="data", remedy="Name one of them.")
        from reasonry.training.dultra.prompt_file import FileSource

        return FileSource(config, denoiser, tokenizer, seed=seed)
    own = [denoiser.name.removeprefix(word) for word in _OF_A_TASK if denoiser.name.startswith(word)]
    name = config.task or "".join(own)
    if not name:
        raise ConfigError(
            "nothing says what shall be decoded",
            place="data",
            remedy="Give --data.prompts FILE --data.answer-len TOKENS, or --data.task TASK.",
        )
    task = make_task(name)
    if len(task.vocab) > denoiser.vocab_size or (denoiser.mask_id, denoiser.pad_id) != (MASK, PAD):
        raise ConfigError(
            f"the task {task.name} is of {len(task.vocab)} symbols that {denoiser.name} does not know",
            place="data.task",
            remedy="Tasks are for denoisers that train dultra pretrain made; give --data.prompts for others.",
        )
    if config.answer_len not in (None, task.answer_len):
        raise ConfigError(f"answers of {task.name} have {task.answer_len} tokens", place="data.answer_len")
    return TaskSource(task, seed=seed)


class TaskSource:
    """A task over symbols: every row is drawn afresh.

    Args:
        task: The task.
        seed: Root of what is drawn.
    """

    def __init__(self, task: TokenTask, *, seed: int) -> None:
        self.task, self._seed = task, seed
        self.name, self.answer_len = task.name, task.answer_len
        self.identity: dict[str, Any] = {"task": task.name}
        self.note = ""

    def train(self, position: int, num: int) -> Rows:
        """Rows drawn for this position; positions must be multiples of ``num`` for no row to be drawn twice."""
        return self._draw(seeds.stream(self._seed, "dultra", "train", position), num)

    def test(self, num: int) -> Rows:
        """Rows drawn from another stream."""
        return self._draw(seeds.stream(self._seed, "dultra", "test"), num)

    def _draw(self, rng: np.random.Generator, num: int) -> Rows:
        drawn = self.task.draw(rng, num)
        prompt_BP = torch.from_numpy(np.ascontiguousarray(drawn.prompt_BP))
        return Rows(prompt_BP, (prompt_BP != PAD).cumsum(1) > 0, torch.from_numpy(drawn.answer_BL), ())

    def check(self, rows: Rows, tokens_BL: Tensor) -> Checked:
        """What the task says."""
        return self.task.check(rows.prompt_BP.cpu().numpy(), until_end(tokens_BL, END).cpu().numpy())

    def text(self, ids: Sequence[int]) -> str:
        """Symbols with spaces between them."""
        return " ".join(self.task.vocab[i] for i in ids)
