r"""From worked examples to token ids, and from replies back to answers.

    question \n        with the tokens a tokenizer puts before every text, or inside a chat template's user turn
    step \n
    ### answer <eos>

The answer of a reply is what follows its last marker. A reply without an end token was cut off; its answer counts only
when a newline closes it, since 1 may have become 12. The right answer is read by the same rule from the ids that the
model is taught to write, so that a tokenizer that loses letters loses them on both sides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from reasonry.core.outcome import Outcome
from reasonry.core.task import Problem
from reasonry.core.verify import make_verifier
from reasonry.core.verify.number import canonical_number
from reasonry.errors import ConfigError, DataError
from reasonry.tasks.maze.check import is_maze
from reasonry.tasks.maze.verifier import NAME as MAZE_PLAN

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MARKER = "###"
_TRIAL = "7"
_SHOWN_CHARS = 60

Ids = tuple[int, ...]


class Example(Protocol):
    """A worked example (`reasonry.tasks.reasoning_text.ReasoningText` is one)."""

    @property
    def question(self) -> str:
        """What is asked."""
        ...

    @property
    def steps(self) -> Sequence[str]:
        """The reasoning, one step after the other."""
        ...

    @property
    def answer(self) -> str:
        """The right answer."""
        ...


class Pieces(NamedTuple):
    """An example as token ids.

    Attributes:
        question: What the model reads, up to where reasoning begins.
        steps: Ids of each step, its newline included.
        answer: Marker, answer and end token.
    """

    question: Ids
    steps: tuple[Ids, ...]
    answer: Ids


class Lossy(NamedTuple):
    """Texts that the tokenizer does not give back, white space aside.

    Attributes:
        num: How many.
        num_checked: Of how many.
        text: The first of them.
        back: What became of it.
    """

    num: int
    num_checked: int
    text: str
    back: str


class PieceMaker:
    """Cuts examples into pieces of token ids.

    Args:
        tokenizer: Of the model.
        marker: Stands before the answer.
        chat_template: Whether questions are user turns of the tokenizer's chat template.
        reserved: Tokens that no text may hold, by id: those with a meaning of their own to a method.

    Raises:
        ConfigError: No tokenizer, end token, or chat template where one is asked for; or a marker that is lost.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase | None,
        *,
        marker: str = MARKER,
        chat_template: bool = False,
        reserved: Mapping[int, str] | None = None,
    ) -> None:
        if tokenizer is None:
            raise ConfigError(
                "the model has no tokenizer, so no text can be given to it",
                place="model",
                remedy="Give a model with a tokenizer; models of symbolic graphs have none.",
            )
        # Typed loosely: one method's return type depends on its flags, and several tokenizer classes share it.
        self._tokenizer: Any = tokenizer
        self._chat = chat_template
        self._reserved = dict(reserved or {})
        self.marker = marker
        eos_id: int | None = self._tokenizer.eos_token_id
        if eos_id is None:
            raise ConfigError(
                "the tokenizer has no end token, so a reply could never end", place="model", remedy="Set eos_token."
            )
        if chat_template and not self._tokenizer.chat_template:
            raise ConfigError("the tokenizer has no chat template", place="chat_template", remedy="Leave it off.")
        self.eos_id = eos_id
        self._prefix = self._bos_ids()
        # White space may come between the marker's characters: word pieces turn ### into # # #.
        self._find_marker = re.compile(r"\s*".join(map(re.escape, marker.replace(" ", ""))))
        self._check_marker()

    def make(
        self, examples: Sequence[Example], *, places: Sequence[str] = (), needs_steps: bool = True
    ) -> list[Pieces]:
        """The pieces of examples.

        Args:
            examples: Texts.
            places: Where each stands (``file:line``), for errors.
            needs_steps: Refuse examples without any.

        Raises:
            DataError: An example without a question, steps or an answer; a step or an answer that holds the marker or
                the end token; a text that holds a reserved token.
        """
        texts: list[str] = []
        for number, example in enumerate(examples):
            self._check(example, _place(places, number), needs_steps)
            texts += [f"{step.strip()}\n" for step in example.steps]
            texts.append(f"{self.marker} {example.answer.strip()}")
        ids = iter(self._encode(texts))
        questions = self._questions([example.question.strip() for example in examples])
        made: list[Pieces] = []
        for number, (example, question) in enumerate(zip(examples, questions, strict=True)):
            steps = tuple(next(ids) for _ in example.steps)
            pieces = Pieces(question, steps, (*next(ids), self.eos_id))
            self._check_ids(pieces, _place(places, number))
            made.append(pieces)
        return made

    def question(self, text: str) -> Ids:
        """Ids of one question.

        Raises:
            DataError: It is empty, or holds a reserved token.
        """
        if not text.strip():
            raise DataError("the question is empty", place="prompt", remedy="Give it some text.")
        ids = self._questions([text.strip()])[0]
        self._check_reserved(ids, "question", "prompt")
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids, without special tokens."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def lossy(self, examples: Sequence[Example], pieces: Sequence[Pieces]) -> Lossy:
        """Count the examples whose steps and answer do not come back from their ids."""
        num, text, back = 0, "", ""
        replies = [[*chain.from_iterable(piece.steps), *piece.answer[:-1]] for piece in pieces]
        for example, read in zip(examples, self._decode(replies), strict=True):
            told = " ".join([*example.steps, self.marker, example.answer])
            if _folded(told) != _folded(read):
                text, back = (text, back) if num else (" ".join(told.split()), " ".join(read.split()))
                num += 1
        return Lossy(num, len(pieces), text, back)

    # ------------------------------------------------------------ replies

    def answer_text(self, reply: str, *, cut_off: bool) -> str | None:
        """What follows the last marker of a reply; None without one, or where the reply was cut off inside it."""
        found = list(self._find_marker.finditer(reply))
        if not found:
            return None
        tail = reply[found[-1].end() :]
        if cut_off:
            tail = tail.lstrip(" ").partition("\n")[0] if "\n" in tail.lstrip(" ") else ""
        return " ".join(tail.split()) or None

    # ------------------------------------------------------------ tokens

    def _fast(self) -> Any:
        """The library below a fast tokenizer, which takes many texts at less than half the cost; None without one."""
        found = getattr(self._tokenizer, "backend_tokenizer", None)
        # It pads and cuts as it was last told to, so it is asked only where nobody told it to.
        return found if found is not None and found.padding is None and found.truncation is None else None

    def _decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        if (fast := self._fast()) is not None:
            return list(fast.decode_batch(list(map(list, ids)), skip_special_tokens=True))
        return [self.decode(each) for each in ids]

    def _encode(self, texts: Sequence[str]) -> list[Ids]:
        if (fast := self._fast()) is not None:
            return [tuple(each.ids) for each in fast.encode_batch_fast(list(texts), add_special_tokens=False)]
        encoded = self._tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"] if texts else []
        return [tuple(ids) for ids in encoded]

    def _questions(self, texts: Sequence[str]) -> list[Ids]:
        if not self._chat:
            return [(*self._prefix, *ids) for ids in self._encode([f"{text}\n" for text in texts])]
        turns = [[{"role": "user", "content": text}] for text in texts]
        return [
            tuple(self._tokenizer.apply_chat_template(turn, add_generation_prompt=True)["input_ids"]) for turn in turns
        ]

    def _bos_ids(self) -> Ids:
        """What the tokenizer puts before every text; what it puts behind would part a question from its reply."""
        bare = list(self._tokenizer(_TRIAL, add_special_tokens=False)["input_ids"])
        whole = list(self._tokenizer(_TRIAL)["input_ids"])
        at = next((i for i in range(len(whole)) if whole[i : i + len(bare)] == bare), 0)
        return tuple(whole[:at])

    # ------------------------------------------------------------ checks

    def _check_marker(self) -> None:
        if not self.marker.strip():
            raise ConfigError("the answer marker is empty", place="marker", remedy=f"Use {MARKER}.")
        back = self.decode(self._encode([f"{self.marker} {_TRIAL}"])[0])
        if self.answer_text(back, cut_off=False) != _TRIAL:
            raise ConfigError(
                f"the tokenizer turns the answer marker {self.marker!r} into {back!r}",
                place="marker",
                remedy="Give one that its vocabulary has, such as --marker 'answer :'.",
            )

    def _check(self, example: Example, place: str, needs_steps: bool) -> None:
        def refuse(problem: str, remedy: str) -> DataError:
            return DataError(problem, place=place, remedy=remedy)

        if not example.question.strip():
            raise refuse("the question is empty", "Fill it in or remove the row.")
        if needs_steps and not example.steps:
            raise refuse("no steps, so there is nothing that could be shortened", "Give a list of steps.")
        if not example.answer.strip():
            raise refuse("the answer is empty", "Fill it in or remove the row.")
        for part, texts in (("step", example.steps), ("answer", (example.answer,))):
            for text in texts:
                if not text.strip():
                    raise refuse(f"an empty {part}", "Fill it in or leave it out.")
                if self._find_marker.search(text):
                    remedy = "Only the answer stands behind the marker: give another --marker."
                    raise refuse(f"the {part} {text[:_SHOWN_CHARS]!r} holds the marker {self.marker!r}", remedy)

    def _check_ids(self, pieces: Pieces, place: str) -> None:
        self._check_reserved(pieces.question, "question", place)
        for part, ids in (*(("step", step) for step in pieces.steps), ("answer", pieces.answer[:-1])):
            self._check_reserved(ids, part, place)
            if self.eos_id in ids:
                raise DataError(
                    f"the {part} holds {self._tokenizer.eos_token!r}, which ends every reply",
                    place=place,
                    remedy="Take it out.",
                )

    def _check_reserved(self, ids: Ids, part: str, place: str) -> None:
        if found := next((self._reserved[i] for i in ids if i in self._reserved), None):
            raise DataError(
                f"the {part} holds {found!r}, a token with a meaning of its own",
                place=place,
                remedy="Take it out of the text.",
            )


class Grader:
    """Compares replies with the answer that a model is taught to write.

    Args:
        maker: Reads replies.
        examples: Whose answers decide how they are compared: as numbers where all are, as plans through the mazes of
            their questions where all are, else as text.
    """

    def __init__(self, maker: PieceMaker, examples: Sequence[Example]) -> None:
        self._maker = maker
        is_number = bool(examples) and all(canonical_number(e.answer.strip()) is not None for e in examples)
        self.needs_question = not is_number and bool(examples) and all(is_maze(e.question, e.answer) for e in examples)
        self.verifier = make_verifier("number" if is_number else MAZE_PLAN if self.needs_question else "exact")

    def oracle(self, pieces: Pieces, *, place: str = "") -> str:
        """The answer as the model is taught to write it.

        Raises:
            DataError: The tokenizer loses it.
        """
        text = self._maker.answer_text(self._maker.decode(pieces.answer), cut_off=False)
        if text is None:
            raise DataError(
                "nothing of the answer is left after its tokens are turned back into text",
                place=place,
                remedy="Use a model whose tokenizer knows its characters.",
            )
        return text

    def grade(self, reply: str, oracle: str, *, cut_off: bool, question: str = "") -> Outcome:
        """Right, wrong, or ungradable where no answer can be read.

        Args:
            reply: Generated text.
            oracle: Of `oracle`.
            cut_off: It ran into the limit.
            question: Its text, where `needs_question`: many plans are right, and only the maze knows which.
        """
        if self.needs_question and not question:
            raise ValueError(f"{self.verifier.name} grades by the question, which was not given")
        text = self._maker.answer_text(reply, cut_off=cut_off)
        if text is None:
            return Outcome("ungradable", None, "cut off before an answer" if cut_off else "no answer found")
        return self.verifier.grade(text, Problem("", question, oracle))


def _place(places: Sequence[str], number: int) -> str:
    return places[number] if number < len(places) else f"example {number + 1}"


def _folded(text: str) -> str:
    return "".join(text.split())
