"""What is evaluated: a model and the questions it is asked, in words or as graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from reasonry.core.rows import Row
from reasonry.training.continuous_cot.evaluate.config import Thoughts

if TYPE_CHECKING:
    from reasonry.training.continuous_cot.evaluate.looks import Look
    from reasonry.training.continuous_cot.latent.model import LatentCausalLM

KEY = ("thoughts", "slots", "index")
ArmKey = tuple[Thoughts, int | None]


class Facts(NamedTuple):
    """What is known of a subject without its model.

    Attributes:
        name: Of the model, for people.
        questions: What they are.
        num: How many there are.
        method: What its slots hold; empty for a model without slots.
        own_slots: Slots it was trained with; None where each question has its own number.
        context_tok: Longest row; 0 without a limit.
        embedding_norm: Mean length of token embeddings.
        has_candidates: Whether questions name the answers that there may be.
        notes: What a reader should know.
    """

    name: str
    questions: str
    num: int
    method: str
    own_slots: int | None
    context_tok: int
    embedding_norm: float
    has_candidates: bool
    notes: tuple[str, ...]


class Subject(Protocol):
    """A model with its questions."""

    @property
    def facts(self) -> Facts:
        """What is known of it."""
        ...

    @property
    def identity(self) -> dict[str, Any]:
        """What decides its answers, questions aside."""
        ...

    @property
    def latent(self) -> LatentCausalLM:
        """The model."""
        ...

    @property
    def fingerprints(self) -> list[str]:
        """Of each question and its right answer."""
        ...

    def answers(self, part: slice, *, slots: int | None, thoughts: Thoughts) -> list[Row]:
        """Rows of a batch of questions.

        Args:
            part: Which.
            slots: Before each answer; None: as many as in training, of each question its own.
            thoughts: What they hold.
        """
        ...


def make_row(
    *,
    thoughts: Thoughts,
    slots: int | None,
    index: int,
    name: str,
    group: str,
    question: str,
    oracle: str,
    grade: str,
    answer: str,
    reply: str,
    is_right_of_candidates: bool | None,
    is_tie: bool,
    is_cut_off: bool,
    num_tokens: int,
    num_slots: int,
    seconds: float,
    look: Look,
) -> Row:
    """A row of ``answers.jsonl``; `Facts` and `Subject` say what most of it is.

    Args:
        thoughts: What the slots held.
        slots: As asked for.
        index: Of the question.
        name: Of the question.
        group: What accuracies are broken down by.
        question: As text.
        oracle: The right answer.
        grade: right, wrong or ungradable.
        answer: As it was given.
        reply: All that was written.
        is_right_of_candidates: Right when only the candidates are compared.
        is_tie: Several answers were equally likely.
        is_cut_off: The reply ran into the limit.
        num_tokens: Written.
        num_slots: That there were.
        seconds: The batch's, over its questions.
        look: At the thoughts.
    """
    return {
        "thoughts": thoughts,
        "slots": slots,
        "index": index,
        "id": name,
        "group": group,
        "question": question,
        "oracle": oracle,
        "grade": grade,
        "answer": answer,
        "reply": reply,
        "is_right_of_candidates": is_right_of_candidates,
        "is_tie": is_tie,
        "is_cut_off": is_cut_off,
        "num_tokens": num_tokens,
        "num_slots": num_slots,
        "seconds": float(f"{seconds:.4g}"),
        **look._asdict(),
    }


def is_row(row: Row) -> bool:
    """Whether a row has what `make_row` writes, as far as it is read again."""
    try:
        return (
            row["grade"] in ("right", "wrong", "ungradable")
            and all(isinstance(row[name], str) for name in ("thoughts", "id", "group", "answer", "reply", "question"))
            and all(isinstance(row[name], int) for name in ("index", "num_tokens", "num_slots"))
            and (row["slots"] is None or isinstance(row["slots"], int))
            and isinstance(row["seconds"], int | float)
            and isinstance(row["norms"], list)
            and isinstance(row["cosines"], list)
            and isinstance(row["nearest"], list)
        )
    except KeyError:
        return False


def arms(asked: Sequence[int | None], thoughts: Sequence[Thoughts]) -> list[ArmKey]:
    """What is compared: each kind of thoughts with each number of slots; none are replaced where there are none."""
    return [(kind, slots) for kind in thoughts for slots in asked if kind == "own" or slots != 0]
