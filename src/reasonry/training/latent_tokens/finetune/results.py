"""What came of each method's training, as it stands in ``results.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from reasonry.core.plain import plain
from reasonry.core.rows import Row
from reasonry.errors import DataError
from reasonry.training.latent_tokens.finetune.config import FinetuneConfig
from reasonry.training.latent_tokens.mixing.methods import METHODS

MODEL, RESULTS = "model", "results.json"
_END = 0.1  # of the training: what its last loss is a mean over


class MethodResult(NamedTuple):
    """What a method learnt.

    Attributes:
        name: Of the method.
        num_steps: Optimiser steps.
        num_parameters: Weights that learn, and in all.
        loss: Mean over the last tenth of the steps, nats per label.
        held_out_loss: On rows that are not trained on; None where none are.
        held_out_answer_loss: The same of the answer's tokens alone, each after the reasoning of its own row.
        text_tok: Text tokens that are learnt of a row, mean over the training.
        codes: Codes of a row.
        markers: Markers of a row.
        answers: Numbers of whoever looked at generated answers; empty where nobody did.
    """

    name: str
    num_steps: int
    num_parameters: tuple[int, int]
    loss: float
    held_out_loss: float | None
    held_out_answer_loss: float | None
    text_tok: float
    codes: float
    markers: float
    answers: dict[str, Any]

    @property
    def about(self) -> str:
        """What the method is, in a line."""
        return METHODS[self.name].about

    @property
    def reply_tok(self) -> float:
        """Tokens that are learnt of a row, all of them."""
        return self.text_tok + self.codes + self.markers

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return plain(self._asdict())

    @classmethod
    def from_json(cls, found: Mapping[str, Any], *, place: str = "") -> MethodResult:
        """Back from `to_json`.

        Raises:
            DataError: It is something else.
        """
        try:
            learnt, whole = found["num_parameters"]
            return cls(**{**found, "num_parameters": (int(learnt), int(whole))})
        except (KeyError, TypeError, ValueError) as e:
            raise DataError(
                f"not the results of a method: {e}", place=place, remedy="Remove the file, and it is made again."
            ) from e


class Finetuned(NamedTuple):
    """What came of a run.

    Attributes:
        config: Of the run.
        folder: Run directory.
        methods: In the order of the command.
        logs: Rows of each method's training.
        seconds: That each method's training took, in all sessions.
        num_train: Training examples.
        num_left_out: Of those that were given, too long.
        num_held_out: Examples that were looked at.
        mean_cot_tok: Tokens of an example's reasoning as text.
    """

    config: FinetuneConfig
    folder: Path
    methods: list[MethodResult]
    logs: dict[str, list[Row]]
    seconds: dict[str, float]
    num_train: int
    num_left_out: int
    num_held_out: int
    mean_cot_tok: float

    def to_json(self) -> dict[str, Any]:
        """The content of ``results.json``."""
        return plain(
            {
                "methods": [method.to_json() for method in self.methods],
                "num_train": self.num_train,
                "num_left_out": self.num_left_out,
                "num_held_out": self.num_held_out,
                "mean_cot_tok": self.mean_cot_tok,
            }
        )

    def model(self, name: str) -> Path:
        """Folder of a method's model."""
        return self.folder / name / MODEL


def result_of(name: str, rows: Sequence[Row], *, num_parameters: tuple[int, int]) -> MethodResult:
    """From the log of a training.

    Args:
        name: Of the method.
        rows: One for each step.
        num_parameters: Weights that learn, and in all.
    """
    last = rows[-max(1, round(_END * len(rows))) :]
    look = next((row for row in reversed(rows) if row.get("held_out/loss") is not None), {})
    return MethodResult(
        name=name,
        num_steps=len(rows),
        num_parameters=num_parameters,
        loss=_mean(last, "loss"),
        held_out_loss=look.get("held_out/loss"),
        held_out_answer_loss=look.get("held_out/answer_loss"),
        text_tok=_mean(rows, "text_tok"),
        codes=_mean(rows, "codes"),
        markers=_mean(rows, "markers"),
        answers={},
    )


def _mean(rows: Sequence[Row], name: str) -> float:
    return sum(float(row[name]) for row in rows) / len(rows)
