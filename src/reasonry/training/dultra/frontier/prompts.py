"""What is decoded and how answers are judged: tasks over symbols, and tasks in words through a tokenizer.

Prompt i depends on the task, the seed and i alone: neither on how many are asked for nor on batches. A verifier that
fails on an answer counts it as wrong and is counted itself; it never ends a run.

Shapes: B rows, P prompt, L answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from reasonry.core import seeds
from reasonry.errors import ConfigError
from reasonry.tasks import load_task
from reasonry.tasks.token_tasks import base
from reasonry.tasks.token_tasks.base import Ints, TokenTask
from reasonry.tasks.token_tasks.find import FORMS, make_task
from reasonry.tasks.token_tasks.rows import pad_left, spell, without_padding
from reasonry.training.dultra.decoding import DecodingConfig
from reasonry.training.dultra.denoiser import Denoiser
from reasonry.training.dultra.frontier.config import FrontierConfig

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_DRAWN = 64
"""Prompts of a task over symbols that are drawn together."""


class Judged(NamedTuple):
    """What a verifier says of a batch.

    Attributes:
        right: Whether each answer is right.
        share: Share of its parts that are right.
        num_errors: Answers on which the verifier failed; they count as wrong.
        error: What it said the first time.
    """

    right: list[bool]
    share: list[float]
    num_errors: int = 0
    error: str = ""


class Prompts(Protocol):
    """Prompts of a task, as a denoiser reads them."""

    @property
    def num(self) -> int:
        """How many there are."""
        ...

    def rows(self, start: int, stop: int) -> list[list[int]]:
        """Token ids of some of them, without padding."""
        ...

    def judge(self, start: int, answer_BL: Ints) -> Judged:
        """Judge answers to the prompts from ``start`` on; what follows an end token is made end tokens before."""
        ...

    def expected(self, index: int) -> str:
        """The right answer, as the verifier compares with it; empty where many are right."""
        ...

    def spell_prompt(self, index: int) -> str:
        """A prompt, for people."""
        ...

    def spell(self, ids: Sequence[int]) -> list[str]:
        """The text of each token."""
        ...

    def text(self, ids: Sequence[int]) -> str:
        """An answer as a whole, without what follows its end token."""
        ...


def decoding_of(config: FrontierConfig) -> DecodingConfig:
    """How answers are decoded: what the config leaves open depends on the task.

    Raises:
        ConfigError: A task over symbols with another length of answers than its own, or no such task.
    """
    rest: dict[str, Any] = {"stop_early": config.stop_early, "cache": config.cache}
    rest |= {} if config.refresh_every is None else {"refresh_every": config.refresh_every}
    temperature = config.temperature
    if not is_over_symbols(config.task_name):
        return DecodingConfig(
            answer_len=config.answer_len or 256,
            block_len=config.block_len or 32,
            temperature=temperature or 0.0,
            **rest,
        )
    answer_len = make_task(config.task_name).answer_len
    if config.answer_len not in (None, answer_len):
        raise ConfigError(
            f"answers of {config.task_name} have {answer_len} tokens, not {config.answer_len}",
            place="answer_len",
            remedy="Leave it out.",
        )
    return DecodingConfig(
        answer_len=answer_len,
        block_len=config.block_len or answer_len,
        temperature=1.0 if temperature is None else temperature,
        **rest,
    )


def is_over_symbols(task: str) -> bool:
    """Whether a task's name is one of those over symbols."""
    return task.partition(":")[0] in FORMS


def load_prompts(config: FrontierConfig, denoiser: Denoiser, tokenizer: PreTrainedTokenizerBase | None) -> Prompts:
    """The prompts that a config asks for.

    Args:
        config: Task, seed, number.
        denoiser: What reads them.
        tokenizer: Its tokenizer, when it has one.

    Raises:
        ConfigError: The task and the denoiser do not go together, or there is no such task or verifier.
        DataError: The task's file cannot be read, or has fewer than two problems.
    """
    if is_over_symbols(config.task_name):
        return SymbolPrompts(make_task(config.task_name), denoiser, num=config.num_prompts, seed=config.seed)
    from reasonry.training.dultra.frontier.word_prompts import FilePrompts, WordPrompts, has_prompts

    if (path := Path(config.task_name)).is_file() and has_prompts(path):
        return FilePrompts(path, config, denoiser, tokenizer, answer_len=decoding_of(config).answer_len)
    if tokenizer is None:
        raise ConfigError(
            f"{config.task_name!r} is in words, and {denoiser.name} has no tokenizer",
            place="task",
            remedy=f"Name a task over symbols ({', '.join(FORMS)}), or a model with a tokenizer.",
        )
    task = load_task(config.task_name, num=config.num_prompts, seed=config.seed)
    return WordPrompts(task, tokenizer, denoiser, verifier=config.verifier, instruction=config.instruction)


class SymbolPrompts:
    """Prompts of a task over symbols.

    Args:
        task: The task.
        denoiser: What reads them.
        num: How many.
        seed: Root of the draws.

    Raises:
        ConfigError: The denoiser has other special tokens, or too small a vocabulary.
    """

    def __init__(self, task: TokenTask, denoiser: Denoiser, *, num: int, seed: int) -> None:
        special = (denoiser.mask_id, denoiser.pad_id, denoiser.end_id)
        if special != (base.MASK, base.PAD, base.END) or denoiser.vocab_size < len(task.vocab):
            raise ConfigError(
                f"{denoiser.name} was not made for {task.name}: {denoiser.vocab_size} tokens, of which mask, padding "
                f"and end are {special}; the task has {len(task.vocab)}, and there they are 0, 1 and 2",
                place="task",
                remedy="Train a denoiser on this task, or name the task that it was trained on.",
            )
        self.task, self.num, self._seed = task, num, seed

    @cached_property
    def _prompt_BP(self) -> Ints:
        drawn = [
            self.task.draw(seeds.stream(self._seed, "dultra", "frontier", self.task.name, chunk), _DRAWN).prompt_BP
            for chunk in range(-(-self.num // _DRAWN))
        ]
        return pad_left([row for prompt_BP in drawn for row in without_padding(prompt_BP)])[: self.num]

    def rows(self, start: int, stop: int) -> list[list[int]]:
        """Token ids of some prompts, without padding."""
        return without_padding(self._prompt_BP[start:stop])

    def judge(self, start: int, answer_BL: Ints) -> Judged:
        """Judge answers; where the batch as a whole fails, one by one."""
        prompt_BP = self._prompt_BP[start : start + len(answer_BL)]
        try:
            checked = self.task.check(prompt_BP, answer_BL)
            return Judged(checked.is_right_B.tolist(), checked.share_right_B.tolist())
        except Exception as e:  # a verifier of somebody else's task may raise anything; it is counted and shown
            if len(answer_BL) == 1:
                return Judged([False], [0.0], 1, said(e))
        parts = [self.judge(start + i, answer_BL[i : i + 1]) for i in range(len(answer_BL))]
        return joined(parts)

    def expected(self, index: int) -> str:
        """Empty: the task says what is right."""
        del index
        return ""

    def spell_prompt(self, index: int) -> str:
        """A prompt's symbols."""
        return " ".join(spell(self.rows(index, index + 1), self.task.vocab)[0])

    def spell(self, ids: Sequence[int]) -> list[str]:
        """Symbols."""
        return spell([ids], self.task.vocab)[0]

    def text(self, ids: Sequence[int]) -> str:
        """Symbols with blanks between them, up to and with the first end token."""
        given = list(ids)
        return " ".join(self.spell(given[: given.index(base.END) + 1] if base.END in given else given))


def fingerprints(prompts: Prompts) -> list[str]:
    """12 hex digits for each prompt with its right answer: what a run that goes on must find again."""
    pairs = [(row, prompts.expected(index)) for index, row in enumerate(prompts.rows(0, prompts.num))]
    return [hashlib.blake2b(repr(pair).encode("utf-8", "replace"), digest_size=6).hexdigest() for pair in pairs]


def digest(rows: Sequence[Sequence[int]]) -> str:
    """16 hex digits over prompts: what shows that all policies decoded the same ones."""
    return hashlib.blake2b(repr([list(map(int, row)) for row in rows]).encode(), digest_size=8).hexdigest()


def as_batch(rows: Sequence[Sequence[int]], *, pad_id: int) -> tuple[Ints, np.ndarray[Any, np.dtype[np.bool_]]]:
    """Prompts padded on the left (B, P), and where they are no padding."""
    P = max(map(len, rows))
    ids_BP = np.full((len(rows), P), pad_id, dtype=np.int64)
    for row_P, row in zip(ids_BP, rows, strict=True):
        row_P[P - len(row) :] = row
    return ids_BP, np.arange(P) >= P - np.array([len(row) for row in rows])[:, None]


def said(e: Exception) -> str:
    """An error in one line."""
    return f"{type(e).__name__}: {e}"[:200]


def joined(parts: Sequence[Judged]) -> Judged:
    """Judgements of parts of a batch as one."""
    return Judged(
        [right for part in parts for right in part.right],
        [share for part in parts for share in part.share],
        sum(part.num_errors for part in parts),
        next((part.error for part in parts if part.error), ""),
    )
