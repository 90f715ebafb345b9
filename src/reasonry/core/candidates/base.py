"""CandidateScorer: how probable a model finds each of several answers. One protocol for weights and for endpoints.

    logp_j = log p(candidate_j | prompt) = sum over its tokens t of log p(t | prompt, tokens before t)

Not every server tells that, so scores have a kind:

    sequence    the sum above, over the whole candidate; exponentials are probabilities under the model
    letters     options with letters in a chat, in every rotated order: probabilities among the candidates, log of
                their geometric mean over the orders, normalised; their exponentials add up to 1
    sampled     answers drawn and matched as text: log((n_j + 1/2) / (k + (C + 1)/2)) for n_j of k answers and C
                candidates; "none of them" is the further category

Scores of different kinds must not be compared with each other; within a question, larger is better in all of them.
"""

# pyright: strict
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from reasonry.errors import DataError

Kind = Literal["sequence", "letters", "sampled"]


class CandidateQuestion(NamedTuple):
    """A prompt and the answers to compare.

    Attributes:
        prompt: What stands before the answer, such as ``Alice Stone lives in``.
        candidates: Different completions, each with the space it begins with, such as `` Paris``.
    """

    prompt: str
    candidates: tuple[str, ...]


class CandidateScores(NamedTuple):
    """Scores of one question, aligned with its candidates (C of them).

    Attributes:
        logp: Score of each whole candidate, nats; see the kinds above.
        logp_per_tok: ``logp`` by the number of tokens scored; equal to ``logp`` where tokens are not known.
        first_token: Log-probability of each candidate's first token alone, as several papers score; of a question whose
            candidates share a first token, ``logp`` instead, for all of them. None where it is not known.
        shared_first_token: Two candidates begin with the same token, so that first tokens cannot tell them apart.
        kind: What the scores are.
        num_tok: Tokens scored for each candidate; empty where they are not known.
        merged: The tokenizer joins the end of the prompt with the beginning of a candidate; all candidates of the
            question are then scored from the last token border that they share with the prompt.
        nested: The tokens of one candidate begin with all those of another, which can then never lose against it.
        other: Share of answers, or of probability at the answer's first token, that fell on none of the candidates;
            None for sequences.
    """

    logp: tuple[float, ...]
    logp_per_tok: tuple[float, ...]
    first_token: tuple[float, ...] | None
    shared_first_token: bool
    kind: Kind
    num_tok: tuple[int, ...] = ()
    merged: bool = False
    nested: bool = False
    other: float | None = None


@runtime_checkable
class CandidateScorer(Protocol):
    """The protocol. A score depends on its question only, never on what else is scored with it."""

    def score(self, questions: Sequence[CandidateQuestion]) -> list[CandidateScores]:
        """Scores in the order of the questions.

        Raises:
            DataError: A question that cannot be asked: no candidates, an empty one, the same one twice, or too long.
            EndpointError: The endpoint refused, or kept failing.
        """
        ...

    @property
    def identity(self) -> dict[str, Any]:
        """What decides a score besides the question (JSON values): model, way, wording."""
        ...

    def describe(self) -> dict[str, Any]:
        """``identity``, and what was done so far: ways tried and refused, questions, merged borders, shared tokens."""
        ...


def check_questions(questions: Sequence[CandidateQuestion]) -> None:
    """Refuse questions that no scorer could answer.

    Raises:
        DataError: No candidates, an empty one, or the same one twice; says which question.
    """
    for number, (prompt, candidates) in enumerate(questions, 1):
        place = f"question {number} ({prompt[-60:]!r})"
        if not candidates:
            raise DataError("no candidates", place=place, remedy="Give the answers that shall be compared.")
        for candidate in candidates:
            if not candidate.strip():
                raise DataError(f"the candidate {candidate!r} is empty", place=place, remedy="Leave it out.")
        # Beyond white space at the ends nothing is taken for equal: a tokenizer tells every other difference.
        seen: dict[str, str] = {}
        for candidate in candidates:
            if (first := seen.get(candidate.strip())) is not None:
                raise DataError(
                    f"the candidate {candidate!r} comes twice"
                    + ("" if first == candidate else f" (also as {first!r}; spaces at the ends do not count)"),
                    place=place,
                    remedy="Give each answer once: ranks and chance count the candidates.",
                )
            seen[candidate.strip()] = candidate


def check_scores(scores: Sequence[CandidateScores], questions: Sequence[CandidateQuestion], *, name: str) -> None:
    """Refuse scores that do not fit their questions, or are not numbers.

    Raises:
        DataError: Another number of questions or of candidates, or a score that is NaN or above all bounds.
    """
    if len(scores) != len(questions):
        raise DataError(f"{len(scores)} scores for {len(questions)} questions", place=name)
    for number, (given, question) in enumerate(zip(scores, questions, strict=True), 1):
        if len(given.logp) != len(question.candidates):
            raise DataError(
                f"{len(given.logp)} scores for {len(question.candidates)} candidates",
                place=f"{name}, question {number}",
            )
        if any(math.isnan(p) or p == math.inf for p in given.logp):
            raise DataError(
                f"scores that are no numbers: {given.logp}",
                place=f"{name}, question {number}",
                remedy="Are the model's weights finite? Half precision may have overflowed: try dtype float32.",
            )
