"""Which tokens of prompt + candidate are the candidate's: both are tokenized together, as training text would be.

    ids_j  = specials + tokenize(prompt + candidate_j)            p = specials + tokenize(prompt)
    start  = min over j of (length of the common beginning of ids_j and p)
    score  = sum over i >= start of log p(ids_j[i] | ids_j[:i]);  the first scored logit is read at token start - 1

Where no token reaches across the border, ``start = len(p)``: the first logit is read at the prompt's last token, which
with a chat template is the last token of its generation prompt. Where the tokenizer joins the end of the prompt with
the beginning of a candidate (a prompt that ends in a space, most often), the question goes back to the last border that
all its candidates share with the prompt: the prompt's tail counts in every candidate, so their differences stay those
of whole texts, and scores stay log-probabilities. Such questions are marked ``merged``.

Special tokens in front (a begin token) stand before the prompt; those that a tokenizer sets behind a text (an end
token) would stand behind the candidate and are left off. With a chat template, the template alone sets special tokens;
replies begin without a space, so the space in front of a candidate goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from reasonry.core.candidates.base import CandidateQuestion, check_questions
from reasonry.errors import ConfigError, DataError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_PROBE = "one two"


class Encoded(NamedTuple):
    """One question as tokens.

    Attributes:
        rows: For each candidate, the token ids of prompt and candidate.
        start: Where the scored part begins, the same in all rows; at least 1.
        merged: A token reaches across the border between prompt and candidate.
        shared_first_token: Two rows have the same token at ``start``.
        nested: One row is the beginning of another.
    """

    rows: tuple[tuple[int, ...], ...]
    start: int
    merged: bool
    shared_first_token: bool
    nested: bool


class QuestionEncoder:
    """Turns questions into tokens.

    Args:
        tokenizer: Any of transformers' tokenizers.
        name: Of the model, for messages.
        as_chat: The prompt is a user turn in the chat template, the candidate the assistant's reply.
        ending: Text put behind every candidate.
        limit_tok: Longest row the model takes, tokens; 0 without a limit.

    Raises:
        ConfigError: A chat is wanted, and the tokenizer has no template.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        *,
        name: str,
        as_chat: bool = False,
        ending: str = "",
        limit_tok: int = 0,
    ) -> None:
        if as_chat and not tokenizer.chat_template:
            raise ConfigError(
                "the tokenizer has no chat template, so there is no chat to put the prompt into",
                place=name,
                remedy="Score base models with prompt_as = text.",
            )
        self._tokenizer: Any = tokenizer  # several classes with one interface, which has no common type
        self._name = name
        self._as_chat = as_chat
        self._ending = ending
        self._limit_tok = limit_tok
        self._specials = () if as_chat else self._specials_in_front()

    def encode(self, questions: Sequence[CandidateQuestion]) -> list[Encoded]:
        """Tokens of each question, in order.

        Raises:
            DataError: A question without candidates or with the same one twice; nothing stands before the candidate;
                the tokenizer makes nothing of a candidate, or the same of two; or a row is too long for the model.
        """
        check_questions(questions)
        texts: list[str] = []
        for question in questions:
            prompt = self._prompt(question.prompt)
            texts += [prompt, *(prompt + self._reply(c) for c in question.candidates)]
        ids: list[list[int]] = []
        if texts:
            ids = self._tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
        found: list[Encoded] = []
        at = 0
        for number, question in enumerate(questions, 1):
            end = at + 1 + len(question.candidates)
            prompt, *rows = [(*self._specials, *row) for row in ids[at:end]]
            found.append(self._encoded(question, prompt, rows, place=f"question {number} ({question.prompt[-60:]!r})"))
            at = end
        return found

    def decode(self, ids: Sequence[int]) -> str:
        """Text of some tokens, special ones included."""
        return str(self._tokenizer.decode(list(ids)))

    def _prompt(self, text: str) -> str:
        if not self._as_chat:
            return text
        turns = [{"role": "user", "content": text}]
        return str(self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))

    def _reply(self, candidate: str) -> str:
        return (candidate.lstrip() if self._as_chat else candidate) + self._ending

    def _encoded(
        self, question: CandidateQuestion, prompt: tuple[int, ...], rows: list[tuple[int, ...]], *, place: str
    ) -> Encoded:
        start = min(common_tok(prompt, row) for row in rows)
        if start == 0:
            raise DataError(
                "no token stands before the candidates, so that the first one has no probability",
                place=place,
                remedy="Give the prompt some text that does not end in a space; this tokenizer sets no begin token.",
            )
        twice: dict[tuple[int, ...], str] = {}
        for candidate, row in zip(question.candidates, rows, strict=True):
            if len(row) <= start:
                raise DataError(
                    f"the tokenizer makes no token of the candidate {candidate!r}",
                    place=place,
                    remedy="Write the candidate in letters that this model knows.",
                )
            if (same := twice.setdefault(row, candidate)) != candidate:
                raise DataError(
                    f"the tokenizer writes the candidates {same!r} and {candidate!r} alike",
                    place=place,
                    remedy="Its vocabulary lacks them, or it ignores case; use other words for one of them.",
                )
            if self._limit_tok and len(row) > self._limit_tok:
                raise DataError(
                    f"prompt and candidate have {len(row)} tokens, the model's context holds {self._limit_tok}",
                    place=place,
                    remedy="Shorten the prompt or use a model with a longer context.",
                )
        return Encoded(
            tuple(rows),
            start,
            merged=start < len(prompt),
            shared_first_token=len({row[start] for row in rows}) < len(rows),
            nested=_is_nested(rows),
        )

    def _specials_in_front(self) -> tuple[int, ...]:
        alone: list[int] = self._tokenizer(_PROBE, add_special_tokens=False)["input_ids"]
        whole: list[int] = self._tokenizer(_PROBE)["input_ids"]
        for at in range(len(whole) - len(alone) + 1):
            if whole[at : at + len(alone)] == alone:
                return tuple(whole[:at])
        raise ConfigError(
            f"the tokenizer writes {_PROBE!r} differently when it adds its special tokens",
            place=self._name,
            remedy="Such a tokenizer cannot be used to score candidates.",
        )


def common_tok(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of the common beginning."""
    most = min(len(a), len(b))
    if a[:most] == b[:most]:  # in one comparison, as it is for most prompts
        return most
    return next(i for i in range(most) if a[i] != b[i])


def _is_nested(rows: Sequence[tuple[int, ...]]) -> bool:
    # In order, a row stands right before one that it begins, if there is any.
    ordered = sorted(rows)
    return any(long[: len(short)] == short for short, long in pairwise(ordered))
