"""What decoding, evaluation and training ask of a masked diffusion language model.

A denoiser reads a canvas of N tokens, some of them masked, with attention in both directions, and says for every
position which token it takes to stand there. It is not told how far decoding has come (LLaDA, arXiv 2502.09992).

Shapes: B rows, N canvas (prompt and answer), V vocabulary, D width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from reasonry.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor


ORACLE = "oracle"
"""In place of a model's name: the exact laws of a task's tokens. ``oracle:ledger:4``, or ``oracle`` beside a task."""


def oracle_task(denoiser: str, task: str = "") -> str | None:
    """The task whose exact laws a denoiser's name asks for; None where it names a model.

    Args:
        denoiser: As on the command line.
        task: What is decoded, where that is said besides.

    Raises:
        ConfigError: No task is named, or the oracle's is not the one that is decoded.
    """
    word, _, own = denoiser.partition(":")
    if word != ORACLE:
        return None
    if not (own or task):
        raise ConfigError(
            f"{denoiser!r} does not say which task it knows",
            place="denoiser",
            remedy=f"Write {ORACLE}:ledger:4, or name the task besides.",
        )
    if own and task:
        from reasonry.tasks.token_tasks.find import make_task

        if make_task(own).name != make_task(task).name:
            raise ConfigError(
                f"the oracle of {own} does not know {task}", place="denoiser", remedy=f"Write {ORACLE} alone."
            )
    return own or task


class Denoised(NamedTuple):
    """What a denoiser says.

    Attributes:
        logits_BNV: Unnormalised log-probabilities of tokens, as the model gives them: the mask token's is still there.
        hidden_BND: The last hidden states, after the final norm; None where they were not asked for.
    """

    logits_BNV: Tensor
    hidden_BND: Tensor | None


class Denoiser(Protocol):
    """A masked diffusion language model."""

    @property
    def name(self) -> str:
        """For tables and saved planners."""
        ...

    @property
    def vocab_size(self) -> int:
        """V."""
        ...

    @property
    def width(self) -> int:
        """D, or 0 when it has no hidden states to give."""
        ...

    @property
    def max_len(self) -> int | None:
        """Longest canvas, tokens; None when there is no limit."""
        ...

    @property
    def mask_id(self) -> int:
        """The token that stands for what is not known yet."""
        ...

    @property
    def pad_id(self) -> int:
        """Fills prompts on the left; never attended to."""
        ...

    @property
    def end_id(self) -> int | None:
        """Ends an answer, and fills what comes after; None when the model has no such token."""
        ...

    def denoise(self, tokens_BN: Tensor, attend_BN: Tensor, *, with_hidden: bool = False) -> Denoised:
        """One forward pass.

        What is said of a row depends on that row's attended tokens alone: positions are counted from its first
        attended token, so that padding on the left changes nothing.

        Args:
            tokens_BN: The canvas, int64.
            attend_BN: False on padding.
            with_hidden: Give hidden states too.
        """
        ...
