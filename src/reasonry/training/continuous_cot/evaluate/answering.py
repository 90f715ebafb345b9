"""Questions in words, answered in batches: think, write, read the answer behind its marker, compare.

    question <start> t_1 .. t_k <end> [steps] ### answer <eos>

Decoding is greedy. A reply that ran into the limit of tokens is *cut off*; it counts as wrong unless its answer was
complete, and is counted on its own, as is one without an answer.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor
from transformers import GenerationConfig

from reasonry.core.outcome import Outcome
from reasonry.tasks.reasoning_tokens import Grader, Ids, PieceMaker
from reasonry.training.continuous_cot.latent.ablations import Thoughts
from reasonry.training.continuous_cot.latent.model import LatentCausalLM
from reasonry.training.continuous_cot.latent.rows import Slot


class Answer(NamedTuple):
    """A reply and what came of it.

    Attributes:
        reply: Generated text.
        outcome: Right, wrong, or ungradable where it holds no answer.
        num_tokens: Generated tokens, the end token not counted.
        num_thoughts: Thoughts that were computed one after the other.
        is_cut_off: It ran into the limit.
    """

    reply: str
    outcome: Outcome
    num_tokens: int
    num_thoughts: int
    is_cut_off: bool

    @property
    def shown(self) -> str:
        """The answer, or why there is none."""
        return self.outcome.answer or ("(cut off)" if self.is_cut_off else "(none)")


class Answers(NamedTuple):
    """A batch of them.

    Attributes:
        answers: B of them.
        thoughts_BKD: What was fed into the slots.
        seconds: Wall time of thinking and writing.
    """

    answers: list[Answer]
    thoughts_BKD: Tensor
    seconds: float


class Reader(NamedTuple):
    """Turns tokens into graded answers.

    Attributes:
        maker: Reads replies.
        grader: Compares.
        end_ids: Tokens that end a reply.
        max_new_tokens: Most tokens of a reply.
    """

    maker: PieceMaker
    grader: Grader
    end_ids: tuple[int, ...]
    max_new_tokens: int


def end_ids_of(latent: LatentCausalLM, maker: PieceMaker) -> tuple[int, ...]:
    """Tokens that end a reply: the one it is taught to end with, and all that the model declares."""
    declared = getattr(latent.backbone.model.generation_config, "eos_token_id", None)
    more = [declared] if isinstance(declared, int) else list(declared or ())
    return tuple(sorted({maker.eos_id, *map(int, more)}))


def answer(
    latent: LatentCausalLM,
    reader: Reader,
    questions: Sequence[Ids],
    oracles: Sequence[str],
    *,
    counts: Sequence[int] | None,
    slot: Slot = "thought",
    thoughts: Thoughts = "own",
    seed: int = 0,
) -> Answers:
    """Answer a batch of questions.

    Args:
        latent: The model.
        reader: Grades.
        questions: Their ids.
        oracles: The right answers, as `Grader.oracle` gives them.
        counts: Slots of each; None: neither slots nor markers.
        slot: What stands in them.
        thoughts: Their own, or what is put in their place.
        seed: Root of random thoughts.

    Raises:
        ConfigError: Question, thoughts and reply are longer than the model's context.
        DataError: Nothing to swap thoughts with.
    """
    start = time.perf_counter()
    made = latent.generate(
        questions,
        0 if counts is None else counts,
        generation_config=GenerationConfig(do_sample=False),
        thoughts=thoughts if counts is not None and any(counts) else "own",
        slot=slot if counts is not None else "thought",
        before=None if counts is not None else (),
        after=None if counts is not None else (),
        seed=seed,
        max_new_tokens=reader.max_new_tokens,
        eos_token_id=list(reader.end_ids),
        pad_token_id=latent.tokens.pad_id,
    )
    seconds = time.perf_counter() - start
    answers: list[Answer] = []
    rows = zip(questions, made.sequences, oracles, made.num_thoughts, strict=True)
    for asked, ids, oracle, num_thoughts in rows:
        has_ended = bool(ids) and ids[-1] in reader.end_ids
        body = ids[:-1] if has_ended else ids
        reply = reader.maker.decode(body)
        question = reader.maker.decode(asked) if reader.grader.needs_question else ""
        outcome = reader.grader.grade(reply, oracle, cut_off=not has_ended, question=question)
        answers.append(Answer(reply, outcome, len(body), num_thoughts, not has_ended))
    return Answers(answers, made.thoughts_BKD, seconds)
