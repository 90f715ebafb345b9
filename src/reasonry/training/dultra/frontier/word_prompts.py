"""Prompts in words, through a denoiser's tokenizer: tasks of problems, and files of prompts.

Shapes: B rows, P prompt, L answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from reasonry.core import jsonl
from reasonry.core.task import Task
from reasonry.core.verify import Verifier, make_verifier
from reasonry.errors import DataError
from reasonry.tasks.token_tasks.base import Ints
from reasonry.training.dultra.config import DataConfig
from reasonry.training.dultra.data import Rows, open_source
from reasonry.training.dultra.denoiser import Denoiser
from reasonry.training.dultra.frontier.config import FrontierConfig
from reasonry.training.dultra.frontier.prompts import Judged, joined, said

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class WordPrompts:
    """Prompts of a task in words.

    Args:
        task: Questions with answers.
        tokenizer: The denoiser's; with its chat template where it has one, else the question as a paragraph.
        denoiser: What reads them.
        verifier: Name of the verifier; empty for the task's.
        instruction: Appended to every question; None for the task's.

    Raises:
        ConfigError: There is no such verifier.
        DataError: A prompt without tokens, or fewer than two problems.
    """

    def __init__(
        self,
        task: Task,
        tokenizer: PreTrainedTokenizerBase,
        denoiser: Denoiser,
        *,
        verifier: str = "",
        instruction: str | None = None,
    ) -> None:
        if len(task.problems) < 2:
            raise DataError(f"{len(task.problems)} problems are too few to compare anything", place=task.source)
        self.task, self._tokenizer, self._end_id = task, tokenizer, denoiser.end_id
        self._verifier: Verifier = make_verifier(verifier or task.verifier)
        self._instruction = task.instruction if instruction is None else instruction

    @property
    def num(self) -> int:
        """How many there are: as many as were asked for, or as the file has."""
        return len(self.task.problems)

    def rows(self, start: int, stop: int) -> list[list[int]]:
        """Token ids of some prompts."""
        return self._rows[start:stop]

    @cached_property
    def _rows(self) -> list[list[int]]:
        return [self._ids(index) for index in range(self.num)]

    def _ids(self, index: int) -> list[int]:
        text = self.spell_prompt(index)
        if self._tokenizer.chat_template:
            turns = [{"role": "user", "content": text}]
            ids = self._tokenizer.apply_chat_template(turns, add_generation_prompt=True)["input_ids"]  # pyright: ignore
        else:
            ids = self._tokenizer(text + "\n")["input_ids"]
        if not ids:
            raise DataError("the prompt is empty", place=f"problem {self.task.problems[index].id}")
        return [int(token) for token in ids]  # pyright: ignore

    def judge(self, start: int, answer_BL: Ints) -> Judged:
        """Judge the text before the end token; an answer without one counts as cut off."""
        return joined([self._judge(start + row, answer_L.tolist()) for row, answer_L in enumerate(answer_BL)])

    def _judge(self, index: int, ids: list[int]) -> Judged:
        is_cut_off = self._end_id is not None and self._end_id not in ids
        try:
            is_right = self._verifier.grade(self.text(ids), self.task.problems[index], cut_off=is_cut_off).is_right
        except Exception as e:  # what a model wrote may break any verifier; it is counted and shown
            return Judged([False], [0.0], 1, said(e))
        return Judged([is_right], [float(is_right)])

    def _own(self, ids: list[int]) -> list[int]:
        return ids[: ids.index(self._end_id)] if self._end_id in ids else ids

    def expected(self, index: int) -> str:
        """The problem's answer."""
        return self.task.problems[index].answer

    def spell_prompt(self, index: int) -> str:
        """The question with its instruction."""
        question = self.task.problems[index].question
        return f"{question}\n\n{self._instruction}" if self._instruction else question

    def spell(self, ids: Sequence[int]) -> list[str]:
        """The text of each token, alone."""
        return [str(self._tokenizer.decode([token])) for token in ids]

    def text(self, ids: Sequence[int]) -> str:
        """The text before the end token."""
        return str(self._tokenizer.decode(self._own(list(ids)), skip_special_tokens=True))


class FilePrompts:
    """Prompts of a file that ``train dultra`` reads too, see `data`: text, messages or token ids, and answers.

    Args:
        path: The file.
        config: Verifier, length of answers, number.
        denoiser: What reads them.
        tokenizer: Its tokenizer, when it has one.
        answer_len: Tokens of an answer.

    Raises:
        ConfigError: There is no such verifier.
        DataError: A row that cannot be used, with ``file:line``.
    """

    def __init__(
        self,
        path: Path,
        config: FrontierConfig,
        denoiser: Denoiser,
        tokenizer: PreTrainedTokenizerBase | None,
        *,
        answer_len: int,
    ) -> None:
        given = DataConfig(prompts=path, verifier=config.verifier or "exact", answer_len=answer_len)
        self._source = open_source(given, denoiser, tokenizer, seed=config.seed)
        self.num = min(config.num_prompts, int(self._source.identity["num"]))
        self._read, self._end_id = self._source.test(self.num), denoiser.end_id

    def rows(self, start: int, stop: int) -> list[list[int]]:
        """Token ids of some prompts."""
        stop = min(stop, self.num)
        pairs = zip(self._read.prompt_BP[start:stop].tolist(), self._read.attend_BP[start:stop].tolist(), strict=True)
        return [[token for token, is_there in zip(ids, attend, strict=True) if is_there] for ids, attend in pairs]

    def judge(self, start: int, answer_BL: Ints) -> Judged:
        """Judge answers one by one."""
        return joined([self._judge(start + row, answer_BL[row : row + 1]) for row in range(len(answer_BL))])

    def _judge(self, at: int, answer_1L: Ints) -> Judged:
        read = self._read
        row = Rows(read.prompt_BP[at : at + 1], read.attend_BP[at : at + 1], None, read.problems[at : at + 1])
        try:
            checked = self._source.check(row, torch.from_numpy(answer_1L))
        except Exception as e:  # what a model wrote may break any verifier; it is counted and shown
            return Judged([False], [0.0], 1, said(e))
        return Judged(checked.is_right_B.tolist(), checked.share_right_B.tolist())

    def expected(self, index: int) -> str:
        """The file's answer."""
        return self._read.problems[index].answer

    def spell_prompt(self, index: int) -> str:
        """What was asked, or the tokens."""
        return self._read.problems[index].question

    def spell(self, ids: Sequence[int]) -> list[str]:
        """The text of each token, alone."""
        return [self._source.text([token]) or f"<{token}>" for token in ids]

    def text(self, ids: Sequence[int]) -> str:
        """The text before the end token."""
        given = list(ids)
        return self._source.text(given[: given.index(self._end_id)] if self._end_id in given else given)


def has_prompts(path: Path) -> bool:
    """Whether a file is one of prompts with answers; else it is one of problems, if it is any."""
    first = next(iter(jsonl.read(path)), {}) if path.suffix == ".jsonl" else {}
    return bool({"prompt", "prompt_ids"} & set(first)) and "solution" not in first
