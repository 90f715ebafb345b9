"""One question, answered on the spot: ``reasonry eval latent-tokens MODEL --prompt TEXT``."""

from __future__ import annotations

from typing import Any, NamedTuple

from reasonry.core.rows import Row
from reasonry.core.work import Say
from reasonry.tasks.reasoning_text import ReasoningText
from reasonry.training.latent_tokens.evaluate.config import EvalConfig
from reasonry.training.latent_tokens.evaluate.locate import locate
from reasonry.training.latent_tokens.evaluate.questions import Judge, Question
from reasonry.training.latent_tokens.evaluate.setup import find_codes, make_setup
from reasonry.training.latent_tokens.evaluate.subject import Subject

_ANY_DATA = "prompt"


class Prompted(NamedTuple):
    """Replies to one question.

    Attributes:
        question: What was asked.
        replies: Rows as of ``answers.jsonl``, without grades: nobody knows what is right.
        notes: What a reader should know.
    """

    question: str
    replies: tuple[Row, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {"question": self.question, "replies": list(self.replies), "notes": list(self.notes)}


def answer_prompt(config: EvalConfig, *, say: Say = lambda line: None) -> Prompted:
    """Let every model write its replies to the question.

    Raises:
        DataError: The question is empty, holds a token with a meaning of its own, or is longer than the context.
        ReasonryError: As `Subject`.
    """
    notes: list[str] = []

    def tell(line: str) -> None:
        notes.append(line)
        say(line)

    models = locate(config.model, methods=config.methods)
    asked = config if config.data else config.with_(data=_ANY_DATA)
    setup = make_setup(asked, models, say=tell)
    codes = find_codes(config, models, say=tell)
    replies: list[Row] = []
    for model in models:
        subject = Subject(config, model, setup)
        question = Question("prompt", config.prompt, "", 0, subject.maker.question(config.prompt))
        subject.check_room(subject.prompt(question.prompt_ids))
        judge = Judge(subject.maker, [ReasoningText(config.prompt, (), "")])
        for wave in subject.replies([(question, range(config.samples))]):
            rows = subject.rows(wave, {question.id: question}, judge, codes)
            replies += [{**row, "grade": None, "reason": "", "answer": _answer(subject, row)} for row in rows]
    return Prompted(config.prompt, tuple(replies), tuple(notes))


def _answer(subject: Subject, row: Row) -> str | None:
    return subject.maker.answer_text(subject.maker.decode(row["ids"]), cut_off=row["is_cut_off"])
