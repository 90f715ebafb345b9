"""What all methods of a run learn from, and what a step is a function of.

    lr(n)   up in a straight line, constant, and down in a straight line over the end

Examples of a step hang on the seed, rows on seed, epoch and the example's name, and neither on the method: where two
methods draw m, it is the same m.
"""

# pyright: strict
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reasonry.core.learning import learning_rate
from reasonry.training.latent_tokens.finetune.config import FinetuneSettings
from reasonry.training.latent_tokens.finetune.examples import Examples, Length
from reasonry.training.latent_tokens.finetune.order import Order
from reasonry.training.latent_tokens.mixing.latent_ids import LatentIds
from reasonry.training.latent_tokens.mixing.methods import Method
from reasonry.training.latent_tokens.mixing.mixer import Mixer
from reasonry.training.latent_tokens.mixing.spans import MixSettings, Moment, num_removed

ROOM = "latent tokens"


class Task(NamedTuple):
    """What all methods learn from.

    Attributes:
        settings: Optimizer, looks.
        examples: To learn from, and to look at.
        mixing: Numbers.
        length: Of the training.
        ids: Of the added tokens.
        seed: Root.
    """

    settings: FinetuneSettings
    examples: Examples
    mixing: MixSettings
    length: Length
    ids: LatentIds
    seed: int

    def order(self) -> Order:
        """The examples of every step, the same for every method."""
        lengths = [len(row.prompt_ids) + len(row.cot_ids) + len(row.answer_ids) for row in self.examples.train]
        given = self.settings.optimizer
        return Order(np.array(lengths), batch_size=given.batch_size, window=given.length_window, seed=self.seed)

    def mixer(self, method: Method) -> Mixer:
        """Makes a method's training rows."""
        return Mixer(self.examples.train, method, ids=self.ids, settings=self.mixing, seed=self.seed)

    def moment(self, at: int) -> Moment:
        """How far training is at step ``at``."""
        return Moment(at / self.length.steps_per_epoch, at / self.length.num_steps)

    def lr(self, at: int) -> float:
        """Learning rate of step ``at``."""
        given = self.settings.optimizer
        return learning_rate(
            at,
            lr=given.lr,
            warmup_steps=given.warmup_steps,
            decay=given.decay,
            decay_start=0,
            num_steps=self.length.num_steps,
        )

    def forgets(self, method: Method, at: int) -> bool:
        """Whether the optimizer begins anew at a step: where tokens are removed for good, as iCoT does."""
        if method.goes != "shrinking" or not at:
            return False
        every, mixing = self.settings.mix.reset_every_tok, self.mixing
        now, before = (num_removed(mixing, self.moment(each).epoch) // every for each in (at, at - 1))
        is_all_gone = before * every >= mixing.longest_tok
        return now != before and not is_all_gone
