"""Held-out questions as tokens with their right answers, and the grading of replies to them.

Of words, the answer is what follows the last marker of a reply, compared with the right one (`Grader`). Of mazes any
plan that keeps the rules and ends on the goal is right; whether it is as short as can be is told beside.

A question whose own worked example does not fit into the model's context is left out and counted: reasoning in text
could not answer it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from reasonry.core.outcome import Outcome
from reasonry.core.rows import Row
from reasonry.core.task import Problem
from reasonry.core.work import Say
from reasonry.errors import DataError
from reasonry.tasks.maze.check import check_plan
from reasonry.tasks.maze.verifier import MazePlanVerifier
from reasonry.tasks.maze.words import parse_question
from reasonry.tasks.reasoning_text import ReasoningText, Split
from reasonry.tasks.reasoning_tokens import Grader, PieceMaker
from reasonry.training.latent_tokens.codes.texts import read_examples
from reasonry.training.latent_tokens.mixing.latent_ids import LatentIds

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Ids = tuple[int, ...]


class Question(NamedTuple):
    """A question.

    Attributes:
        id: Its name, such as ``test-1``.
        text: In words.
        oracle: The right answer, as a model is taught to write it.
        cot_tok: Tokens of its reasoning as text; 0 where there is none.
        prompt_ids: What a model reads; empty where questions were read from a run.
    """

    id: str
    text: str
    oracle: str
    cot_tok: int
    prompt_ids: Ids = ()

    def to_json(self) -> Row:
        """As a row of ``questions.jsonl``."""
        return {"id": self.id, "question": self.text, "oracle": self.oracle, "cot_tok": self.cot_tok}

    @classmethod
    def from_json(cls, row: Row) -> Question:
        """Back from `to_json`."""
        return cls(row["id"], row["question"], row["oracle"], row["cot_tok"])

    @property
    def mark(self) -> str:
        """12 hex digits over question and answer."""
        body = json.dumps([self.id, self.text, self.oracle], ensure_ascii=True)
        return hashlib.blake2b(body.encode(), digest_size=6).hexdigest()


class Graded(NamedTuple):
    """What became of a reply.

    Attributes:
        outcome: Right, wrong, or ungradable where it holds no answer.
        is_optimal: Of mazes, whether it has the fewest actions; None of words.
    """

    outcome: Outcome
    is_optimal: bool | None


class Questions(NamedTuple):
    """Questions of a split.

    Attributes:
        questions: Those that fit.
        num_left_out: Those that do not.
        judge: Grades replies.
    """

    questions: list[Question]
    num_left_out: int
    judge: Judge


class Judge:
    """Grades replies.

    Args:
        maker: Reads them.
        texts: Worked examples; they decide how answers are compared.
    """

    def __init__(self, maker: PieceMaker, texts: Sequence[ReasoningText]) -> None:
        self._maker = maker
        self.is_maze = bool(texts) and all(_is_maze(text.question) for text in texts)
        self._words = Grader(maker, texts)
        self._maze = MazePlanVerifier()

    @property
    def verifier(self) -> str:
        """Its name."""
        return self._maze.name if self.is_maze else self._words.verifier.name

    def oracle(self, answer_ids: Ids, *, place: str) -> str:
        """The right answer as a model is taught to write it.

        Raises:
            DataError: The tokenizer loses it.
        """
        text = self._maker.answer_text(self._maker.decode(answer_ids), cut_off=False)
        if text is None:
            raise DataError(
                "nothing of the answer is left after its tokens are turned back into text",
                place=place,
                remedy="Use a model whose tokenizer knows its characters.",
            )
        return text

    def grade(self, reply: str, question: Question, *, cut_off: bool) -> Graded:
        """Grade a reply.

        Args:
            reply: Its text, without codes.
            question: That it answers.
            cut_off: It ran into the limit.
        """
        if not self.is_maze:
            return Graded(self._words.grade(reply, question.oracle, cut_off=cut_off), None)
        text = self._maker.answer_text(reply, cut_off=cut_off)
        if text is None:
            return Graded(
                Outcome("ungradable", None, "cut off before an answer" if cut_off else "no answer found"), False
            )
        outcome = self._maze.grade(text, Problem(question.id, question.text, question.oracle))
        is_right = outcome.is_right and outcome.answer is not None
        return Graded(outcome, is_right and check_plan(question.text, outcome.answer or "").is_optimal)


def make_maker(
    tokenizer: PreTrainedTokenizerBase, ids: LatentIds | None, *, marker: str, chat_template: bool
) -> PieceMaker:
    """What turns texts into tokens and back; texts that hold a code in so many letters are refused."""
    return PieceMaker(
        tokenizer, marker=marker, chat_template=chat_template, reserved=None if ids is None else ids.names()
    )


def read_questions(
    maker: PieceMaker, *, data: str, split: Split, num: int, seed: int, context_tok: int, more_tok: int, say: Say
) -> Questions:
    """Read the questions of a split.

    Args:
        maker: Makes tokens.
        data: Name of the examples.
        split: Which.
        num: How many.
        seed: Of generated ones.
        context_tok: Longest row of the model; 0 without a limit.
        more_tok: Tokens that prompts have besides the question.
        say: Told how many are left out.

    Raises:
        ReasonryError: As `read_examples`.
        DataError: None fits, or one cannot be used.
    """
    read = read_examples(data, split, num, seed=seed)
    pieces = maker.make(read.texts, places=read.places, needs_steps=False)
    judge = Judge(maker, read.texts)
    questions: list[Question] = []
    for each, text, name, place in zip(pieces, read.texts, read.ids, read.places, strict=True):
        cot_tok = sum(map(len, each.steps))
        if not context_tok or len(each.question) + more_tok + cot_tok + len(each.answer) <= context_tok:
            oracle = judge.oracle(each.answer, place=place)
            questions.append(Question(name, text.question, oracle, cot_tok, each.question))
    left_out = len(pieces) - len(questions)
    if not questions:
        raise DataError(
            f"no question of the {split} split leaves room for its answer in a context of {context_tok} tokens",
            place=data,
            remedy="Use shorter ones, or a model with a longer context.",
        )
    if left_out:
        say(f"{left_out} of {len(pieces)} {split} questions leave no room for reasoning and answer and are left out")
    if read.num_without_answer:
        say(f"{read.num_without_answer} {split} rows have no answer and are left out")
    if len(pieces) < num - read.num_without_answer:
        say(f"{data} has {len(pieces)} questions of the {split} split, not {num}")
    return Questions(questions, left_out, judge)


def length_groups(questions: Sequence[Question], *, most: int = 4) -> dict[str, str]:
    """The kind of each question by its id: how long its reasoning is, in up to so many parts of about equal size.

    Empty where there is no reasoning, or where all is of one length.
    """
    lengths = sorted(question.cot_tok for question in questions if question.cot_tok)
    if not lengths:
        return {}
    ends = sorted({lengths[min(len(lengths) - 1, len(lengths) * (part + 1) // most)] for part in range(most)})
    if len(ends) < 2:
        return {}
    return {
        question.id: f"up to {next(end for end in ends if question.cot_tok <= end)} tokens"
        for question in questions
        if question.cot_tok
    }


def _is_maze(text: str) -> bool:
    try:
        parse_question(text)
    except DataError:
        return False
    return True


def plan_of(answer: Any) -> tuple[str, ...] | None:
    """The actions of a graded answer to a maze."""
    words = str(answer or "").split()
    return tuple(words[1:]) if words else None
