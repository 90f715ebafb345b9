"""All stages in one run: a denoiser from scratch, a planner for it, and how that compares with rules.

    run/pretrain      a run of its own: the denoiser
    run/imitate       where it is asked for: a planner that imitates a rule
    run/planner       the planner that learnt from decodings
    run/frontier      accuracy against forward passes of this planner and of rules

Each stage goes on by itself from where a killed run left it; what is finished is read and not done again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from reasonry.core import atomic
from reasonry.core.config import from_dict
from reasonry.core.learning import OpenRun, open_nothing, say_nothing
from reasonry.core.run import Run, default_folder
from reasonry.core.work import Say
from reasonry.tasks.token_tasks.find import make_task
from reasonry.training.dultra.config import VERB, ImitateConfig, PlannerTrainConfig, WholeConfig
from reasonry.training.dultra.stages.imitate import Imitated, imitate
from reasonry.training.dultra.stages.planner import Trained, train_planner
from reasonry.training.dultra.stages.pretrain import Pretrained, config_of, pretrain

if TYPE_CHECKING:
    from reasonry.training.dultra.frontier.run import Compared


class Whole(NamedTuple):
    """What came of all stages.

    Attributes:
        config: Of the run.
        folder: Run directory.
        pretrained: The denoiser.
        imitated: The planner that imitates; None where none was asked for.
        trained: The planner.
        compared: How it compares with rules; None where that was not asked for.
    """

    config: WholeConfig
    folder: Path
    pretrained: Pretrained
    imitated: Imitated | None
    trained: Trained
    compared: Compared | None

    def to_json(self) -> dict[str, Any]:
        """The content of ``results.json``."""
        body: dict[str, Any] = {"pretrain": self.pretrained.to_json(), "planner": self.trained.to_json()}
        if self.imitated is not None:
            body["imitate"] = self.imitated.to_json()
        return body


def train_whole(
    config: WholeConfig,
    *,
    say: Say = say_nothing,
    open_run: OpenRun = open_nothing,
    compare: Callable[[WholeConfig, Path, Trained, Say], Compared] | None = None,
) -> Whole:
    """Train all stages, or go on with them.

    Args:
        config: Task, stages, seed, run directory.
        say: Told what a user should know.
        open_run: Told of the open run; not of those of its stages.
        compare: Compares at the end; `compare_with_rules` when not given.

    Raises:
        ConfigError: An unknown task, or settings that do not go together.
        CheckFailed: The denoiser is better than any honest one can be.
        Interrupted: The user asked to stop; it is saved where it stands.
    """
    task = make_task(config.task)
    folder = config.run or default_folder("train-dultra", config, task.name)
    with Run(VERB, config, folder=folder, seed=config.seed, warn=say) as run:
        run.record_environment("bitwise")
        open_run(run, "bitwise")
        settings = config.pretrain.model_dump()
        pretrained = pretrain(config_of(task.name, settings, seed=config.seed, run=folder / "pretrain"), say=say)
        given = {"denoiser": str(pretrained.denoiser), "data": {"task": task.name}, "seed": config.seed}
        imitated = None
        if config.imitation:
            values = {**config.imitate.model_dump(), **given, "run": folder / "imitate"}
            imitated = imitate(from_dict(ImitateConfig, values, place="imitate"), say=say)
        start = {} if imitated is None else {"planner": str(imitated.planner)}
        values = {**config.planner.model_dump(), **given, **start, "run": folder / "planner"}
        trained = train_planner(from_dict(PlannerTrainConfig, values, place="planner"), say=say)
        compared = None
        if config.frontier:
            compared = (compare or compare_with_rules)(config, folder, trained, say)
        done = Whole(config, folder, pretrained, imitated, trained, compared)
        atomic.write_json(run.path("results.json"), done.to_json())
    return done


def compare_with_rules(config: WholeConfig, folder: Path, trained: Trained, say: Say) -> Compared:
    """Decode the same prompts with the planner and with rules."""
    from reasonry.training.dultra.frontier.config import FrontierConfig
    from reasonry.training.dultra.frontier.run import compare

    decoding = config.planner
    values = {
        "denoiser": trained.denoiser,
        "task": config.task,
        "planners": (trained.planner,),
        "policies": config.policies,
        "num_prompts": config.num_prompts,
        "num_seeds": 1,
        "temperature": decoding.temperature if decoding.eval_temperature is None else decoding.eval_temperature,
        "block_len": decoding.block_len,
        "stop_early": decoding.stop_early,
        "seed": config.seed,
        "run": folder / "frontier",
    }
    return compare(from_dict(FrontierConfig, values, place="frontier"), say=say)
