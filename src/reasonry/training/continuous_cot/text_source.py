"""Worked examples in words as a source of rows, and as a test of whatever was trained on them.

Training, validation and test examples share no question. An example whose longest row, over stages and with all slots,
does not fit is left out of training for every method alike; one whose question leaves no room for a reply is left out
of evaluation. Both are counted and told, nothing is cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reasonry.core import seeds
from reasonry.core.learning import say_nothing
from reasonry.core.work import Say
from reasonry.errors import DataError
from reasonry.tasks.reasoning_text import ReasoningText, Split, make_texts
from reasonry.tasks.reasoning_tokens import Grader, Pieces
from reasonry.training.continuous_cot.evaluate.answering import Reader, answer, end_ids_of
from reasonry.training.continuous_cot.evaluate.batching import batches
from reasonry.training.continuous_cot.latent.model import LatentCausalLM
from reasonry.training.continuous_cot.latent.rows import Batch, Row, collate
from reasonry.training.continuous_cot.methods import Method
from reasonry.training.continuous_cot.source import Ablation, HeldOut, Judged
from reasonry.training.continuous_cot.text_config import TextTrainConfig
from reasonry.training.continuous_cot.text_examples import (
    Held,
    fingerprint,
    fitting,
    held,
    make_maker,
    markers_of,
    places_of,
    steps_group,
    tell_lossy,
)
from reasonry.training.continuous_cot.text_rows import (
    Stages,
    last_stage,
    num_slots,
    text_row,
    written,
)

KIND = "text"


class TextSource:
    """Rows of worked examples; a `Source`.

    Args:
        config: Data, layout, sizes.
        latent: Whose tokenizer, tokens and context decide the rows. Models of other methods have the same.
        say: Told of examples that are left out, and of what the tokenizer loses.

    Attributes:
        stages: How steps give way to thoughts.
        max_stage: The last stage.

    Raises:
        ConfigError: Unknown data, or a tokenizer without an end token or without the marker.
        DataError: An example that cannot be used, or none that fits.
    """

    def __init__(self, config: TextTrainConfig, latent: LatentCausalLM, *, say: Say = say_nothing) -> None:
        self._config, self._say, words = config, say, config.words
        self._tokens, self._markers = latent.tokens, markers_of(latent.tokens) if latent.tokenizer else None
        self._context = latent.backbone.context_tok
        self._maker = make_maker(latent, marker=words.marker, chat_template=words.chat_template)
        texts = read_texts(config.data, "train", config.num_train, seed=config.seed)
        pieces = self._maker.make(texts, places=places_of(config.data, "train", len(texts)))
        most_steps = max(len(each.steps) for each in pieces)
        self.stages = Stages(config.thoughts.per_step, min(config.max_stage, most_steps), config.thoughts.pad_to_max)
        limit = min((each for each in (self._context, words.max_row_tok) if each), default=0)
        self._train = fitting(texts, pieces, self.stages, limit_tok=limit, name=config.data, say=say)
        self.max_stage = last_stage(self.stages, most_steps=max(len(each.steps) for each in self._train))
        self._grader = Grader(self._maker, texts)
        self._fingerprint = fingerprint(texts)
        self._held: dict[HeldOut, Held] = {}
        tell_lossy(self._maker, texts, pieces, say)

    # ------------------------------------------------------------ what there is

    @property
    def identity(self) -> dict[str, Any]:
        """What decides its rows, as JSON."""
        words = self._config.words
        return {
            "kind": KIND,
            "texts": self._config.data,
            "training_texts": self._fingerprint,
            "num_train": self.num_train,
            "stages": self.stages._asdict(),
            "marker": words.marker,
            "chat_template": words.chat_template,
        }

    @property
    def num_train(self) -> int:
        """Training examples that fit."""
        return len(self._train)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each training example without thoughts, (num_train,)."""
        return np.array([len(e.question) + sum(map(len, e.steps)) + len(e.answer) for e in self._train], dtype=np.int64)

    def num_steps(self, index: int) -> int:
        """Stages of an example beyond the first."""
        return min(len(self._train[index].steps), self.max_stage)

    def num_thoughts(self, method: Method) -> int:
        """Slots of a method at the last stage; what its model answers with when nobody says."""
        return 0 if method.fill == "nothing" else self.stages.per_step * self.stages.max_stage

    # ------------------------------------------------------------ rows

    def row(self, index: int, *, stage: int, method: Method, rng: np.random.Generator) -> Row:
        """Training row of an example; ``rng`` draws how many steps more are removed where they shrink."""
        assert self._markers is not None
        pieces = self._train[index]
        parts = written(pieces, self.stages, method=method, stage=stage, rng=rng)
        return text_row(pieces, parts, self._markers, method=method)

    def batch(
        self, indices: Sequence[int], *, stages: Sequence[int], method: Method, rng: np.random.Generator
    ) -> Batch:
        """Training rows side by side."""
        rows = [
            self.row(int(i), stage=int(stage), method=method, rng=rng) for i, stage in zip(indices, stages, strict=True)
        ]
        return collate(rows, pad_id=self._tokens.pad_id, latent_id=self._tokens.latent_id)

    # ------------------------------------------------------------ evaluation

    def evaluate(
        self,
        model: LatentCausalLM,
        *,
        method: Method,
        stage: int,
        split: HeldOut,
        num: int,
        batch_size: int,
        thoughts: Ablation = "own",
    ) -> list[Judged]:
        """Generate answers to held-out questions, with the slots that training has at the stage."""
        held = self.held_out(split, num)
        return self._judged(
            model, held, self.counts(held.pieces, method=method, stage=stage), method, batch_size, thoughts
        )

    def by_slots(
        self, model: LatentCausalLM, *, method: Method, split: HeldOut, num: int, batch_size: int
    ) -> dict[int, list[Judged]]:
        """Answers after every number of slots, from none to those of the last stage."""
        held = self.held_out(split, num)
        most = self.num_thoughts(method)
        return {
            slots: self._judged(model, held, [slots] * len(held.pieces), method, batch_size, "own")
            for slots in range(0, most + 1, self.stages.per_step)
        }

    def counts(self, pieces: Sequence[Pieces], *, method: Method, stage: int) -> list[int] | None:
        """Slots of examples at a stage; None for a method without any."""
        if method.fill == "nothing":
            return None
        return [num_slots(self.stages, stage=stage, num_steps=len(each.steps)) for each in pieces]

    def held_out(self, split: HeldOut, num: int) -> Held:
        """The first ``num`` questions of a split, fewer where there are not so many that fit."""
        config, kept = self._config, self._held.get(split)
        sizes = {"validation": config.evaluation.num_validation, "test": config.evaluation.num_test}
        if kept is None or num > sizes[split]:
            most = self.stages.per_step * self.stages.max_stage + 2 + config.words.max_new_tokens
            kept = self._held[split] = held(
                read_texts(config.data, split, max(num, sizes[split]), seed=config.seed),
                self._maker,
                self._grader,
                most_question_tok=self._context - most if self._context else None,
                name=config.data,
                split=split,
                say=self._say,
            )
        return kept.first(num)

    def _judged(
        self,
        model: LatentCausalLM,
        held: Held,
        counts: Sequence[int] | None,
        method: Method,
        batch_size: int,
        thoughts: Ablation,
    ) -> list[Judged]:
        reader = Reader(self._maker, self._grader, end_ids_of(model, self._maker), self._config.words.max_new_tokens)
        judged: list[Judged] = []
        for part in batches(len(held.pieces), batch_size):
            made = answer(
                model,
                reader,
                [each.question for each in held.pieces[part]],
                held.oracles[part],
                counts=None if counts is None else counts[part],
                slot="token" if method.fill == "token" else "thought",
                thoughts=thoughts,
                seed=self._config.seed,
            )
            for at, one in enumerate(made.answers, part.start):
                slots = 0 if counts is None else counts[at]
                group = steps_group(len(held.pieces[at].steps))
                right = one.outcome.is_right
                judged.append(Judged(right, None, False, one.shown, one.num_tokens, slots, group, held.ids[at]))
        return judged


def read_texts(name: str, split: Split, num: int, *, seed: int) -> list[ReasoningText]:
    """Examples of a split; those of a generator hang on ``seed``.

    Raises:
        ReasonryError: As `make_texts`.
        DataError: There are none.
    """
    texts = make_texts(name, num=num, seed=seeds.derive(seed, "continuous cot", "texts", split), split=split)
    if not texts:
        raise DataError(f"no {split} examples", place=name, remedy="Give a larger file.")
    return texts
