"""What a comparison decodes with: the denoiser, its prompts and the planners, loaded and found to go together."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from reasonry.errors import DataError
from reasonry.training.dultra.decoding import DecodingConfig
from reasonry.training.dultra.denoiser import Denoiser, oracle_task
from reasonry.training.dultra.frontier import measure
from reasonry.training.dultra.frontier.config import FrontierConfig
from reasonry.training.dultra.frontier.prompts import Prompts, load_prompts
from reasonry.training.dultra.frontier.sweep import Contender, Contest
from reasonry.training.dultra.policies.base import UnmaskPolicy
from reasonry.training.dultra.policies.make import make_policy

if TYPE_CHECKING:
    from reasonry.training.dultra.planner import PlannerHead


class Equipment(NamedTuple):
    """What decodes.

    Attributes:
        denoiser: The model.
        prompts: What it reads.
        planners: Heads by folder, on its device.
        identity: What decides the denoiser's outputs.
        notes: What is odd about the planners.
    """

    denoiser: Denoiser
    prompts: Prompts
    planners: Mapping[Path, PlannerHead]
    identity: Mapping[str, Any]
    notes: tuple[str, ...]

    def policy(self, contender: Contender) -> UnmaskPolicy:
        """The policy itself."""
        return make_policy(contender.text, self.planners[contender.planner] if contender.planner else None)


def equip(config: FrontierConfig, decoding: DecodingConfig, asked: Contest, say: Callable[[str], None]) -> Equipment:
    """Load everything, and refuse what does not go together."""
    from reasonry.training.dultra.checkpoints import open_denoiser

    if oracle_task(config.denoiser, config.task) is None:
        say(f"loading {config.denoiser}")
    loaded = open_denoiser(config.denoiser, config.model_options, task=config.task)
    denoiser = loaded.denoiser
    prompts = load_prompts(config, denoiser, loaded.tokenizer)
    _check_length(prompts, denoiser, decoding)
    used = list(dict.fromkeys(c.planner for c in asked.contenders if c.planner))
    planners: dict[Path, PlannerHead] = {}
    notes: list[str] = []
    for folder in used:
        planners[folder], odd = _load_planner(folder, denoiser, decoding)
        notes += [f"{line} ({folder})" if len(used) > 1 else line for line in odd]
    for note in notes:
        say(f"note: {note}")
    return Equipment(denoiser, prompts, planners, loaded.identity, tuple(notes))


def _load_planner(folder: Path, denoiser: Denoiser, decoding: DecodingConfig) -> tuple[PlannerHead, list[str]]:
    from reasonry.training.dultra.planner import PlannerWarning, load_planner

    head = load_planner(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PlannerWarning)  # said in the run's own words
        try:
            odd = head.check_fits(denoiser, block_len=decoding.block_len, answer_len=decoding.answer_len)
        except DataError as e:
            raise DataError(e.problem, place=str(folder), remedy=e.remedy) from e
    return head.to(measure.device_of(denoiser)), odd  # pyright: ignore[reportArgumentType]


def _check_length(prompts: Prompts, denoiser: Denoiser, decoding: DecodingConfig) -> None:
    longest = max(map(len, prompts.rows(0, prompts.num)))
    if denoiser.max_len is not None and longest + decoding.answer_len > denoiser.max_len:
        raise DataError(
            f"a prompt of {longest} and an answer of {decoding.answer_len} tokens do not fit the {denoiser.max_len} "
            f"of {denoiser.name}",
            place="answer_len",
            remedy="Shorten answer_len or the prompts.",
        )
