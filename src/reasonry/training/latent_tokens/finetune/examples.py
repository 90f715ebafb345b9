"""Which examples are learnt from and which are kept apart, and the numbers that mixing takes from them.

An example whose longest row of any method does not fit is left out for all of them, so that every method learns from
the same ones; nothing is cut. The longest row is the whole reasoning as text, or codes and markers for each of its
chunks where chunks are short,

    t_p + max(t_c + 2, (t_c mod L) + n (r + 2), pauses) + t_s        n full chunks of L tokens with r codes each
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from reasonry.core.learning import say_nothing
from reasonry.core.work import Say
from reasonry.errors import ConfigError, DataError
from reasonry.training.latent_tokens.encoded import EncodedRow
from reasonry.training.latent_tokens.finetune.config import FinetuneSettings
from reasonry.training.latent_tokens.mixing.laws import make_law
from reasonry.training.latent_tokens.mixing.savings import pauses_for
from reasonry.training.latent_tokens.mixing.spans import MixSettings

_REMOVED_BY = 0.75  # of the training, where nobody says how fast icot removes
_SHOWN_CHARS = 60


class Examples(NamedTuple):
    """What is learnt from.

    Attributes:
        train: Training examples.
        held_out: Examples that are looked at.
        num_left_out: Training examples that are too long.
    """

    train: tuple[EncodedRow, ...]
    held_out: tuple[EncodedRow, ...]
    num_left_out: int


class Length(NamedTuple):
    """How long a training is.

    Attributes:
        num_steps: Optimiser steps.
        steps_per_epoch: Of a pass over the training examples.
    """

    num_steps: int
    steps_per_epoch: int

    @property
    def epochs(self) -> float:
        """Passes in all."""
        return self.num_steps / self.steps_per_epoch


def longest_row_tok(row: EncodedRow, *, chunk_tok: int, codes_per_chunk: int, num_pauses: int = 0) -> int:
    """Tokens of the longest row that any method makes of an example."""
    chunks, tail = divmod(len(row.cot_ids), chunk_tok)
    reasoning = max(len(row.cot_ids) + 2, tail + chunks * (codes_per_chunk + 2), num_pauses)
    return len(row.prompt_ids) + reasoning + len(row.answer_ids)


def chosen(
    train: Sequence[EncodedRow],
    held_out: Sequence[EncodedRow],
    settings: FinetuneSettings,
    *,
    chunk_tok: int,
    codes_per_chunk: int,
    context_tok: int | None,
    place: str = "encoded",
    say: Say = say_nothing,
) -> Examples:
    """Examples that fit.

    Args:
        train: All training examples; without ``held_out`` the last ones are kept apart.
        held_out: Others, to look at.
        settings: Longest row, rows of a look.
        chunk_tok: Tokens of a chunk.
        codes_per_chunk: Codes of each.
        context_tok: Longest row of the model; None where it has no limit.
        place: Where the examples are from, for errors.
        say: Told how many are left out.

    Raises:
        DataError: No training example is left.
        ConfigError: More rows are to be kept apart than leave any to learn from.
    """
    num = settings.looks.num
    if not held_out and num:
        if num >= len(train):
            raise ConfigError(
                f"{num} of {len(train)} examples to be kept apart, which leaves none to learn from",
                place="looks.num",
                remedy="Lower it, or encode held-out examples too.",
            )
        train, held_out = train[: len(train) - num], train[len(train) - num :]
    limit = min((each for each in (context_tok, settings.max_row_tok) if each), default=0)
    pauses = settings.mix.num_pauses or 0

    def fits(row: EncodedRow) -> bool:
        size = longest_row_tok(row, chunk_tok=chunk_tok, codes_per_chunk=codes_per_chunk, num_pauses=pauses)
        return not limit or size <= limit

    kept, looked = tuple(filter(fits, train)), tuple(filter(fits, held_out[:num]))
    if not kept:
        shown = " ".join(train[0].question.split())[:_SHOWN_CHARS] if train else ""
        raise DataError(
            f"no training example fits into {limit} tokens, such as {shown!r}" if train else "no training example",
            place=place,
            remedy="Raise max_row_tok or use a model with a longer context." if train else "Encode more.",
        )
    if missing := len(train) - len(kept):
        say(f"{missing} of {len(train)} training examples are longer than {limit} tokens and left out for every method")
    if missing := len(held_out[:num]) - len(looked):
        say(f"{missing} of {len(held_out[:num])} held-out examples are longer than {limit} tokens and not looked at")
    return Examples(kept, looked, len(train) - len(kept))


def length_of(settings: FinetuneSettings, *, num_train: int) -> Length:
    """How many steps a training takes."""
    per_epoch = -(-num_train // settings.optimizer.batch_size)
    num_steps = settings.steps or max(1, round(settings.epochs * per_epoch))
    return Length(num_steps, per_epoch)


def mix_settings(
    settings: FinetuneSettings,
    train: Sequence[EncodedRow],
    length: Length,
    *,
    chunk_tok: int,
    codes_per_chunk: int,
) -> MixSettings:
    """The numbers of mixing, with what stands for those that nobody gave.

    Raises:
        ConfigError: No such law.
    """
    given = settings.mix
    cot_toks = [len(row.cot_ids) for row in train]
    longest = max(cot_toks, default=0)
    law = make_law(given.law, chunk_tok=chunk_tok, m_max_tok=given.m_max_tok, longest_tok=longest)
    removed = given.removed_per_epoch_tok
    made = MixSettings(
        law=law,
        codes_per_chunk=codes_per_chunk,
        probability=given.probability,
        num_stages=given.num_stages,
        longest_tok=longest,
        removed_per_epoch_tok=longest / (_REMOVED_BY * length.epochs) if removed is None else removed,
        smoothing=given.smoothing,
        empty_markers=given.empty_markers,
    )
    pauses = pauses_for(cot_toks, settings=made) if given.num_pauses is None else given.num_pauses
    return made._replace(num_pauses=pauses)


def settings_json(settings: MixSettings) -> dict[str, Any]:
    """Numbers of mixing as JSON."""
    return {**settings._asdict(), "law": settings.law._asdict()}
