"""Prompts of a file, with a verifier.

A JSON object on each line:

    {"prompt": "Paris is the capital of", "answer": "France"}
    {"prompt": [{"role": "user", "content": "2 + 2?"}], "answer": "4", "completion": "2 + 2 = 4"}
    {"prompt_ids": [101, 7592, 102], "answer": "4"}

``prompt`` is text or messages, ``answer`` what the verifier compares with, ``completion`` (``answer`` when it is not
there) one text that the denoiser might write: read by imitation alone. A denoiser without a tokenizer takes
``prompt_ids``, ``answer_ids`` and ``completion_ids``; its texts are then its tokens with spaces between them.

The order in which prompts of a file are trained on is shuffled anew each time it is through. What is drawn depends on
the seed and the place in that order, so that a run that goes on draws what it would have drawn.

Shapes: B rows, L answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from reasonry.core import jsonl, seeds
from reasonry.core.task import Problem
from reasonry.core.verify import make_verifier
from reasonry.errors import ConfigError, DataError
from reasonry.tasks.token_tasks.base import Checked
from reasonry.training.dultra.config import DataConfig
from reasonry.training.dultra.data import Rows
from reasonry.training.dultra.decoding import answer_lengths
from reasonry.training.dultra.denoiser import Denoiser

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class _Line(NamedTuple):
    prompt_ids: list[int]
    answer_ids: list[int] | None
    problem: Problem


class FileSource:
    """Prompts of a file.

    Args:
        config: Names file, verifier and length.
        denoiser: That will read the prompts.
        tokenizer: Its tokenizer.
        seed: Root of the order.

    Raises:
        ConfigError: No ``answer_len``, or an unknown verifier.
        DataError: A row that cannot be used, with ``file:line``.
    """

    def __init__(
        self, config: DataConfig, denoiser: Denoiser, tokenizer: PreTrainedTokenizerBase | None, *, seed: int
    ) -> None:
        assert config.prompts is not None
        if config.answer_len is None:
            raise ConfigError("a file of prompts does not say how long answers are", place="data.answer_len")
        self._denoiser, self._tokenizer, self._seed = denoiser, tokenizer, seed
        self._chat = config.chat
        self.answer_len = config.answer_len
        self.name = config.prompts.stem
        self._verifier = make_verifier(config.verifier)
        self._train = self._read(config.prompts)
        self._test = self._train if config.held_out is None else self._read(config.held_out)
        self.note = "" if config.held_out else "evaluated on the prompts of training: --data.held-out names others"
        files = [config.prompts, *([config.held_out] if config.held_out else [])]
        digest = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
        self.identity: dict[str, Any] = {"sha256": digest, "num": len(self._train), "verifier": config.verifier}

    def train(self, position: int, num: int) -> Rows:
        """Rows of a shuffled order that begins anew, shuffled otherwise, when it is through."""
        lines, size = self._train, len(self._train)
        orders: dict[int, Any] = {}
        picked: list[_Line] = []
        for at in range(position, position + num):
            epoch, place = divmod(at, size)
            if epoch not in orders:
                orders[epoch] = seeds.stream(self._seed, "dultra", "order", epoch).permutation(size)
            picked.append(lines[orders[epoch][place]])
        return self._rows(picked)

    def test(self, num: int) -> Rows:
        """The first rows of the held-out file, from the beginning again where it has fewer."""
        return self._rows([self._test[i % len(self._test)] for i in range(num)])

    def check(self, rows: Rows, tokens_BL: Tensor) -> Checked:
        """What the verifier says; an answer without an end token counts as cut off. Parts are whole answers."""
        end_id = self._denoiser.end_id
        lengths = answer_lengths(tokens_BL, end_id).tolist()
        marks: list[bool] = []
        for problem, ids, length in zip(rows.problems, tokens_BL.tolist(), lengths, strict=True):
            is_ended = end_id is not None and ids[length - 1] == end_id
            said = ids[: length - 1] if is_ended else ids
            cut_off = end_id is not None and not is_ended
            marks.append(self._verifier.grade(self.text(said), problem, cut_off=cut_off).is_right)
        right_B = np.asarray(marks, bool)
        return Checked(right_B, right_B.astype(np.float64))

    def text(self, ids: Sequence[int]) -> str:
        """What the tokenizer decodes, without special tokens."""
        if self._tokenizer is None:
            return " ".join(map(str, ids))
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True)).strip()

    # ------------------------------------------------------------ reading

    def _read(self, path: Path) -> list[_Line]:
        lines: list[_Line] = []
        for number, row in enumerate(jsonl.read(path), 1):
            lines.append(self._line(row, place=f"{path}:{number}", id=str(row.get("id", number))))
        if not lines:
            raise DataError("there is no prompt", place=str(path), remedy="Write one JSON object on each line.")
        return lines

    def _line(self, row: Mapping[str, Any], *, place: str, id: str) -> _Line:
        prompt_ids = self._ids(row, "prompt_ids", place=place)
        if prompt_ids is None:
            prompt_ids = self._prompt(row.get("prompt"), place=place)
        answer_ids = self._ids(row, "answer_ids", place=place)
        answer = row.get("answer", None if answer_ids is None else " ".join(map(str, answer_ids)))
        if not isinstance(answer, str | int | float) or isinstance(answer, bool):
            raise DataError("the row has no answer", place=place, remedy='Give what is right: "answer": "42".')
        max_len = self._denoiser.max_len
        if not prompt_ids or (max_len is not None and len(prompt_ids) + self.answer_len > max_len):
            raise DataError(
                f"a prompt of {len(prompt_ids)} tokens and an answer of {self.answer_len} do not make a canvas of "
                f"1 to {max_len or 'any'} tokens",
                place=place,
                remedy="Leave the row out, or lower --data.answer-len.",
            )
        question = row.get("prompt")
        problem = Problem(id, question if isinstance(question, str) else self.text(prompt_ids), str(answer))
        return _Line(prompt_ids, self._completion(row, answer_ids, str(answer), place=place), problem)

    def _ids(self, row: Mapping[str, Any], key: str, *, place: str) -> list[int] | None:
        ids = row.get(key)
        if ids is None:
            return None
        top = self._denoiser.vocab_size
        if not isinstance(ids, list) or not all(type(i) is int and 0 <= i < top for i in cast("list[Any]", ids)):
            raise DataError(f"{key} is no list of token ids below {top}", place=place)
        return cast("list[int]", ids)

    def _prompt(self, prompt: Any, *, place: str) -> list[int]:
        if self._tokenizer is None:
            raise DataError(
                "the row has no prompt_ids, and the denoiser no tokenizer to read a prompt with", place=place
            )
        if isinstance(prompt, str) and prompt:
            if not (self._chat and self._tokenizer.chat_template):
                return list(self._tokenizer(prompt)["input_ids"])  # pyright: ignore[reportArgumentType]
            prompt = [{"role": "user", "content": prompt}]
        if not isinstance(prompt, list) or not prompt:
            raise DataError("the row has no prompt", place=place, remedy="Give text, messages or prompt_ids.")
        if not self._tokenizer.chat_template:
            raise DataError("messages, and the tokenizer has no chat template", place=place, remedy="Give text.")
        messages = cast("list[dict[str, str]]", prompt)
        text = str(self._tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])  # pyright: ignore[reportArgumentType]

    def _completion(
        self, row: Mapping[str, Any], answer_ids: list[int] | None, answer: str, *, place: str
    ) -> list[int] | None:
        ids = self._ids(row, "completion_ids", place=place) or answer_ids
        if ids is None and self._tokenizer is not None:
            text = str(row.get("completion", answer))
            ids = list(self._tokenizer(text, add_special_tokens=False)["input_ids"])  # pyright: ignore[reportArgumentType]
        end_id = self._denoiser.end_id
        if ids is None or len(ids) > self.answer_len or (end_id is None and len(ids) < self.answer_len):
            return None
        return ids + [cast("int", end_id)] * (self.answer_len - len(ids))

    def _rows(self, lines: Sequence[_Line]) -> Rows:
        longest = max(len(line.prompt_ids) for line in lines)
        pad = self._denoiser.pad_id
        prompts = [[pad] * (longest - len(line.prompt_ids)) + line.prompt_ids for line in lines]
        attend = [[False] * (longest - len(line.prompt_ids)) + [True] * len(line.prompt_ids) for line in lines]
        answers = [line.answer_ids for line in lines if line.answer_ids is not None]
        return Rows(
            torch.tensor(prompts),
            torch.tensor(attend),
            torch.tensor(answers) if len(answers) == len(lines) else None,
            tuple(line.problem for line in lines),
        )
