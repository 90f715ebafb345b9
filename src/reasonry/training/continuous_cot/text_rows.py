"""Worked examples in words as rows: a question, slots for thoughts, the steps that are still written, the answer.

    question <start> L .. L <end> step_{r+1} .. step_n ### answer <eos>
                     `-slots-'    `------------ learnt ------------'

With n steps, c thoughts for each, S steps that have thoughts of their own, and stage s (Coconut, arXiv 2412.06769):

    s = 0 .. S    r = min(s, n) steps are gone, c s slots stand where they were
    s > S         all n steps are gone, however many; slots as at S
    without ``pad_to_max`` an example of fewer steps has fewer slots, c min(s, S, n)

The published code makes c s slots in training up to stage S even where an example has fewer steps, and fewer of them in
its evaluation; here training and evaluation always agree. Markers stand there at stage 0 too, enclosing nothing. A
method without slots (no-thought, cot, no-cot, icot) has no markers either. Where steps shrink (icot, arXiv 2405.14838)
some more of them go at random, P(o) ~ exp(-4 o), so that a step's first appearance at the front comes as no surprise.

Tokens. Each piece (question and newline, step and newline, answer) is tokenised by itself and the ids are joined; the
whole text is never tokenised. So a step has the same ids at every stage, whatever was removed before it; the first
learnt token never depends on the last one that is not; and at inference, where the question ends before the reply is
known, its ids are those of training. The price: where a tokenizer would merge over a piece's end (two newlines), the
model reads two tokens; and tokenizers that put a space before every text (SentencePiece) put one before every piece.
Neither matters to a model that is trained so; white space is folded before answers are compared. What a tokenizer
cannot give back (lower case, unknown characters) is found by `PieceMaker.lossy`.
"""

# pyright: strict
from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from reasonry.tasks.reasoning_tokens import Ids, Pieces
from reasonry.training.continuous_cot.latent.rows import IGNORED, Row
from reasonry.training.continuous_cot.methods import REMOVAL_RATE, Method

if TYPE_CHECKING:
    import numpy as np


class Markers(NamedTuple):
    """Ids of the three tokens that a model with thoughts has besides its own.

    Attributes:
        start: Stands before the slots.
        latent: Stands in them.
        end: Stands behind them.
    """

    start: int
    latent: int
    end: int


class Stages(NamedTuple):
    """How steps give way to thoughts.

    Attributes:
        per_step: Thoughts for each step, c.
        max_stage: Steps that have thoughts of their own, S.
        pad_to_max: Whether short examples get as many slots as long ones.
    """

    per_step: int
    max_stage: int
    pad_to_max: bool = True


class Written(NamedTuple):
    """What of an example is written.

    Attributes:
        num_slots: Slots for thoughts; None: neither slots nor markers.
        rest: Ids of what is left of the steps.
    """

    num_slots: int | None
    rest: Ids


def num_slots(stages: Stages, *, stage: int, num_steps: int) -> int:
    """Slots of an example of ``num_steps`` steps at a stage."""
    covered = min(stage, stages.max_stage)
    return stages.per_step * (covered if stages.pad_to_max else min(covered, num_steps))


def num_removed(stages: Stages, *, stage: int, num_steps: int) -> int:
    """Steps that are no longer written at a stage."""
    return num_steps if stage > stages.max_stage else min(stage, num_steps)


def last_stage(stages: Stages, *, most_steps: int) -> int:
    """The stage at which no example of at most ``most_steps`` steps has one written."""
    return stages.max_stage if most_steps <= stages.max_stage else stages.max_stage + 1


def written(
    pieces: Pieces, stages: Stages, *, method: Method, stage: int, rng: np.random.Generator | None = None
) -> Written:
    """What is written of an example at a stage.

    Args:
        pieces: The example.
        stages: How steps give way.
        method: Decides what becomes of steps and slots.
        stage: From 0.
        rng: Draws how many steps more go where they shrink; None: none.
    """
    num = len(pieces.steps)
    if method.steps == "omitted":
        removed = num
    elif method.steps == "written":
        removed = 0
    else:
        removed = num_removed(stages, stage=stage, num_steps=num)
        if method.steps == "shrinking" and rng is not None:
            removed = min(num, removed + int(rng.exponential(1 / REMOVAL_RATE)))
    slots = None if method.fill == "nothing" else num_slots(stages, stage=stage, num_steps=num)
    return Written(slots, _joined(pieces.steps[removed:]))


def _joined(parts: tuple[Ids, ...]) -> Ids:
    return tuple(token for part in parts for token in part)


def prompt_ids(question: Ids, num_slots: int | None, markers: Markers) -> Ids:
    """What stands before the reply: the question, and the slots between their markers where there are any."""
    if num_slots is None:
        return question
    return (*question, markers.start, *[markers.latent] * num_slots, markers.end)


def text_row(pieces: Pieces, written: Written, markers: Markers, *, method: Method) -> Row:
    """The training row: question, markers and slots carry no labels, everything behind them does."""
    prompt = prompt_ids(pieces.question, written.num_slots, markers)
    reply = (*written.rest, *pieces.answer)
    slot = "token" if method.fill == "token" else "thought"
    return Row((*prompt, *reply), (*[IGNORED] * len(prompt), *reply), slot=slot)


def longest_row_tok(pieces: Pieces, stages: Stages, *, method: Method) -> int:
    """Tokens of an example's longest row over all stages."""
    fixed = len(pieces.question) + len(pieces.answer)
    sizes = [written(pieces, stages, method=method, stage=stage) for stage in range(stages.max_stage + 2)]
    return fixed + max(len(w.rest) + (0 if w.num_slots is None else w.num_slots + 2) for w in sizes)
