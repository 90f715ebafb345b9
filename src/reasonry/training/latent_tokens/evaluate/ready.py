"""Questions, a loaded model and the codec: all that is needed before anything is asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from reasonry.core.work import Say
from reasonry.training.latent_tokens.evaluate.config import EvalConfig
from reasonry.training.latent_tokens.evaluate.evaluated import Facts
from reasonry.training.latent_tokens.evaluate.locate import Located
from reasonry.training.latent_tokens.evaluate.questions import Questions, read_questions
from reasonry.training.latent_tokens.evaluate.setup import Setup, find_codes, make_setup
from reasonry.training.latent_tokens.evaluate.subject import Subject

if TYPE_CHECKING:
    from reasonry.training.latent_tokens.codes.saving import Codes


class Ready(NamedTuple):
    """What can be asked.

    Attributes:
        setup: What all models share.
        is_stable: Whether batches do not matter to replies.
        loaded: The first model, until it has answered: so that one is in memory at a time.
        asked: Questions.
        codes: Reads codes back; None without the codec.
        notes: What a reader should know.
    """

    setup: Setup
    is_stable: bool
    loaded: list[Subject]
    asked: Questions
    codes: Codes | None
    notes: tuple[str, ...]


def prepare(config: EvalConfig, models: Sequence[Located], say: Say) -> Ready:
    """Read the questions, and load the first model.

    Raises:
        ReasonryError: As `evaluate`.
    """
    notes: list[str] = []

    def tell(line: str) -> None:
        notes.append(line)
        say(line)

    setup = make_setup(config, models, say=tell)
    say(f"loading {models[0].label}")
    first = Subject(config, models[0], setup)
    pauses = max((model.config.num_pauses for model in models if model.config is not None), default=0)
    asked = read_questions(
        first.maker,
        data=setup.data,
        split=config.split,
        num=config.num,
        seed=setup.seed,
        context_tok=first.context_tok,
        more_tok=pauses + len(first.rules.prefix),
        say=tell,
    )
    return Ready(setup, first.is_stable, [first], asked, find_codes(config, models, say=tell), tuple(notes))


def facts_of(config: EvalConfig, ready: Ready) -> Facts:
    """What is known once questions were read."""
    setup, asked = ready.setup, ready.asked
    return Facts(
        name=label_of(config.model),
        questions=f"{setup.data}, {config.split} split",
        num=len(asked.questions),
        num_left_out=asked.num_left_out,
        is_maze=asked.judge.is_maze,
        chunk_tok=setup.chunk_tok,
        codes_per_chunk=setup.codes_per_chunk,
        num_codes=setup.num_codes,
        max_new_tokens=setup.max_new_tokens,
        notes=ready.notes,
    )


def label_of(model: str) -> str:
    """How a model, or a run, is called."""
    path = Path(model)
    return path.parent.name if path.name == "model" else path.name
