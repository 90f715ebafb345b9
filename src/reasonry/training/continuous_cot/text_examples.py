"""Which worked examples can be used, and how they are held: what fits, and who is told of what does not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple

from reasonry.core.work import Say
from reasonry.errors import ConfigError, DataError
from reasonry.tasks.reasoning_text import ReasoningText
from reasonry.tasks.reasoning_tokens import Grader, PieceMaker, Pieces
from reasonry.training.continuous_cot.latent.model import LatentCausalLM
from reasonry.training.continuous_cot.latent.tokens import END, LATENT, START, LatentTokens
from reasonry.training.continuous_cot.methods import REFERENCE, find_method
from reasonry.training.continuous_cot.text_rows import Markers, Stages, longest_row_tok

_SHOWN_CHARS = 100


class Held(NamedTuple):
    """Questions to be answered.

    Attributes:
        texts: As they are written.
        pieces: As tokens.
        oracles: Right answers, as `Grader.oracle` gives them.
        ids: Their names.
    """

    texts: list[ReasoningText]
    pieces: list[Pieces]
    oracles: list[str]
    ids: list[str]

    def first(self, num: int) -> Held:
        """The first ``num`` of them."""
        return Held(self.texts[:num], self.pieces[:num], self.oracles[:num], self.ids[:num])


def markers_of(tokens: LatentTokens) -> Markers:
    """The three ids around and in slots.

    Raises:
        ConfigError: A model without markers.
    """
    if tokens.start_id is None or tokens.end_id is None:
        raise ConfigError(
            "the model has no markers around thoughts: it was made for symbols, not for text",
            place="model",
            remedy="Give a language model, or one that was trained by train continuous-cot text.",
        )
    return Markers(tokens.start_id, tokens.latent_id, tokens.end_id)


def make_maker(latent: LatentCausalLM, *, marker: str, chat_template: bool) -> PieceMaker:
    """What turns texts into a model's tokens and back.

    Raises:
        ConfigError: As `PieceMaker`.
    """
    if latent.tokenizer is None:
        return PieceMaker(None)  # which says why not
    reserved = dict(zip(markers_of(latent.tokens), (START, LATENT, END), strict=True))
    return PieceMaker(latent.tokenizer, marker=marker, chat_template=chat_template, reserved=reserved)


def places_of(name: str, split: str, num: int) -> list[str]:
    """Where examples stand, for errors."""
    return [f"{name}, {split} example {number}" for number in range(1, num + 1)]


def fitting(
    texts: Sequence[ReasoningText], pieces: Sequence[Pieces], stages: Stages, *, limit_tok: int, name: str, say: Say
) -> list[Pieces]:
    """Examples whose longest row fits.

    Rows with thoughts are the longest of all methods': so every method learns from the same examples.

    Args:
        texts: Examples.
        pieces: The same as tokens.
        stages: How steps give way.
        limit_tok: Longest row; 0 without a limit.
        name: Of the data.
        say: Told how many are left out.

    Raises:
        DataError: None fits.
    """
    if not limit_tok:
        return list(pieces)
    method = find_method(REFERENCE)
    sizes = [longest_row_tok(each, stages, method=method) for each in pieces]
    kept = [each for each, size in zip(pieces, sizes, strict=True) if size <= limit_tok]
    longest = max(range(len(sizes)), key=sizes.__getitem__)
    shown = " ".join(texts[longest].question.split())[:_SHOWN_CHARS]
    if not kept:
        raise DataError(
            f"no training example fits into {limit_tok} tokens; the longest takes {sizes[longest]}: {shown!r}",
            place=name,
            remedy="Shorten the examples, raise words.max_row_tok, or use a model with a longer context.",
        )
    if len(kept) < len(pieces):
        say(
            f"{len(pieces) - len(kept)} of {len(pieces)} training examples are longer than {limit_tok} tokens and left "
            f"out; the longest takes {sizes[longest]}: {shown!r}"
        )
    return kept


def held(
    texts: Sequence[ReasoningText],
    maker: PieceMaker,
    grader: Grader,
    *,
    most_question_tok: int | None,
    name: str,
    split: str,
    say: Say,
) -> Held:
    """Questions to be answered, with their right answers.

    Args:
        texts: Examples; steps are not needed.
        maker: Makes tokens.
        grader: Reads right answers.
        most_question_tok: Longest question; None without a limit.
        name: Of the data.
        split: Of them.
        say: Told how many are left out.

    Raises:
        DataError: None fits, or one cannot be used.
    """
    places = places_of(name, split, len(texts))
    pieces = maker.make(texts, places=places, needs_steps=False)
    most = most_question_tok
    at = [number for number, each in enumerate(pieces) if most is None or len(each.question) <= most]
    if not at:
        raise DataError(
            f"no question of the {split} split leaves room for thoughts and an answer in the model's context",
            place=name,
            remedy="Allow fewer new tokens or fewer thoughts, or use a model with a longer context.",
        )
    if missing := len(pieces) - len(at):
        say(f"{missing} of {len(pieces)} {split} questions leave no room for an answer and are left out")
    oracles = [grader.oracle(pieces[i], place=places[i]) for i in at]
    return Held([texts[i] for i in at], [pieces[i] for i in at], oracles, [f"{split}-{i + 1}" for i in at])


def tell_lossy(maker: PieceMaker, texts: Sequence[ReasoningText], pieces: Sequence[Pieces], say: Say) -> None:
    """Say what the tokenizer does not give back."""
    found = maker.lossy(texts, pieces)
    if found.num:
        say(
            f"warning: the tokenizer does not give back {found.num} of {found.num_checked} examples; "
            f"{found.text[:_SHOWN_CHARS]!r} becomes {found.back[:_SHOWN_CHARS]!r}"
        )


def steps_group(num: int) -> str:
    """What accuracies are broken down by."""
    return f"{num} step" if num == 1 else f"{num} steps" if num else ""


def fingerprint(texts: Sequence[ReasoningText]) -> str:
    """32 hex digits over questions, steps and answers."""
    body = json.dumps([text[:3] for text in texts], ensure_ascii=True)
    return hashlib.blake2b(body.encode(), digest_size=16).hexdigest()
