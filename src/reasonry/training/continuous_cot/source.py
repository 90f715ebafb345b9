"""Where rows to learn from come from, and who says whether an answer is right: the contract of graphs and texts.

A *stage* is a number from 0 to ``max_stage``: how many written steps a method has given up, as far as the example has
so many. The source knows what a row looks like at a stage; the curriculum knows which stage comes when.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from reasonry.training.continuous_cot.methods import Method

if TYPE_CHECKING:
    from reasonry.training.continuous_cot.latent.model import LatentCausalLM
    from reasonry.training.continuous_cot.latent.rows import Batch, Row

HeldOut = Literal["validation", "test"]

Ablation = Literal["own", "random", "swapped"]
"""What is fed in the slots: the row's own thoughts; Gaussian ones of the same norms; those of another row. See
`reasonry.training.continuous_cot.latent.ablations`."""


class Judged(NamedTuple):
    """One answer.

    Attributes:
        is_right: Exactly right, among everything that could have been answered.
        is_right_of_candidates: Right when only the candidates are compared; None where a question names none.
        is_tie: Several answers were equally likely, so that which was given is arbitrary.
        answer: As it was given.
        num_tokens: Text tokens that were generated, the end token not counted.
        num_thoughts: Slots between question and answer, of thoughts or of pauses.
        group: What accuracies are broken down by: the number of hops, of steps; empty for none.
        id: Of the question, the same for every model: answers are paired by it.
    """

    is_right: bool
    is_right_of_candidates: bool | None
    is_tie: bool
    answer: str
    num_tokens: int
    num_thoughts: int
    group: str = ""
    id: str = ""


class Source(Protocol):
    """Examples in the layout of every method."""

    @property
    def identity(self) -> dict[str, Any]:
        """What decides its rows, as JSON; recorded in the run."""
        ...

    @property
    def num_train(self) -> int:
        """Training examples; those of an epoch."""
        ...

    @property
    def max_stage(self) -> int:
        """The last stage; there are this many and one."""
        ...

    def num_steps(self, index: int) -> int:
        """Written steps of training example ``index``: the stages that differ for it are 0 to this number."""
        ...

    def row(self, index: int, *, stage: int, method: Method, rng: np.random.Generator) -> Row:
        """Training row of example ``index``.

        Args:
            index: From 0 to ``num_train`` - 1.
            stage: Beyond the example's own steps it has given up all of them.
            method: Decides the layout.
            rng: Draws whatever is drawn anew each time: orders, names, one of several right labels.
        """
        ...

    def batch(
        self, indices: Sequence[int], *, stages: Sequence[int], method: Method, rng: np.random.Generator
    ) -> Batch:
        """Training rows side by side; what is drawn need not be what `row` draws.

        Args:
            indices: B examples.
            stages: Of each.
            method: Decides the layout.
            rng: As for `row`.
        """
        ...

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
        """Let a model answer held-out questions, the same ones in the same layout whenever they are asked for.

        Args:
            model: In eval mode within the call.
            method: Decides the layout.
            stage: As in training; answers are judged by what is to be predicted there.
            split: Which questions.
            num: How many, from the first; fewer where there are not so many.
            batch_size: Rows at once.
            thoughts: What is fed in the slots.
        """
        ...


@runtime_checkable
class AsksBySlots(Protocol):
    """A source that can ask for answers after any number of slots."""

    def by_slots(
        self, model: LatentCausalLM, *, method: Method, split: HeldOut, num: int, batch_size: int
    ) -> dict[int, list[Judged]]:
        """Answers after every number of slots, trained for or not."""
        ...


@runtime_checkable
class LooksIntoThoughts(Protocol):
    """A source that can say what thoughts hold while they are learnt."""

    def look(self, model: LatentCausalLM) -> dict[str, float]:
        """Numbers for the log, by name; none where nothing was asked for."""
        ...


@runtime_checkable
class KnowsLengths(Protocol):
    """A source that knows how long its rows are."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each training example, up to a constant."""
        ...
