"""What an evaluation came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from reasonry.core.plain import plain
from reasonry.core.rows import Row
from reasonry.training.latent_tokens.evaluate.config import EvalConfig
from reasonry.training.latent_tokens.evaluate.questions import Question
from reasonry.training.latent_tokens.evaluate.results import MethodResult
from reasonry.training.latent_tokens.evaluate.usage import Usage

if TYPE_CHECKING:
    from reasonry.training.latent_tokens.evaluate.reading_back import Meaning


class Facts(NamedTuple):
    """What is known of an evaluation once its questions were read.

    Attributes:
        name: What is evaluated.
        questions: What is asked.
        num: Questions there are.
        num_left_out: Questions that do not fit the model's context.
        is_maze: Whether they are mazes.
        chunk_tok: Text tokens of a chunk.
        codes_per_chunk: Codes of each.
        num_codes: K; 0 where nothing is known of codes.
        max_new_tokens: Most tokens of a reply.
        notes: What a reader should know.
    """

    name: str
    questions: str
    num: int
    num_left_out: int
    is_maze: bool
    chunk_tok: int
    codes_per_chunk: int
    num_codes: int
    max_new_tokens: int
    notes: tuple[str, ...]


class Evaluated(NamedTuple):
    """A finished evaluation.

    Attributes:
        folder: The run directory.
        config: What was asked for.
        facts: Of models and questions.
        methods: What each method reached, in the order of the command.
        questions: Those that were asked.
        answers: Rows of each method, in the order of questions and samples.
        usage: How replies use codes, of the methods that write any.
        meanings: What the codes that they use most stand for; empty without the codec or the training examples.
    """

    folder: Path
    config: EvalConfig
    facts: Facts
    methods: tuple[MethodResult, ...]
    questions: list[Question]
    answers: Mapping[str, Sequence[Row]]
    usage: Mapping[str, Usage]
    meanings: Sequence[Meaning]

    def method(self, name: str) -> MethodResult | None:
        """What a method reached; None of one that was not evaluated."""
        return next((method for method in self.methods if method.name == name), None)

    def to_json(self) -> dict[str, Any]:
        """The content of ``results.json``."""
        config = self.config
        return plain(
            {
                **self.facts._asdict(),
                "num": len(self.questions),
                "samples": config.samples,
                "top_k": config.top_k,
                "temperature": config.drawing_temperature,
                "constraint": config.constraint,
                "latent_prefix": config.latent_prefix,
                "methods": [method.to_json() for method in self.methods],
                "usage": {name: usage.to_json() for name, usage in self.usage.items()},
                "meanings": [meaning._asdict() for meaning in self.meanings],
            }
        )
