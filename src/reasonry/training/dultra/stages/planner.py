"""The run that trains a planner, a denoiser, or both, on what their own decodings earn.

Its folder, besides what `core.learning` says, holds

    planner/               the best planner of all evaluations, for `planner.load_planner`
    denoiser/              the denoiser of that evaluation, where it learns
    trajectories.jsonl     a few decodings of the best planner, to be looked at and replayed
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from reasonry.core import atomic, seeds
from reasonry.core.learning import OpenRun, device_of, learn, open_nothing, say_nothing, threads_for
from reasonry.core.made_with import MadeWith
from reasonry.core.models.quiet import quiet_transformers
from reasonry.core.plain import plain
from reasonry.core.rows import Row
from reasonry.core.run import Run, default_folder
from reasonry.core.work import Say
from reasonry.errors import ConfigError
from reasonry.training.dultra import trajectory_file
from reasonry.training.dultra.checkpoints import load_denoiser, open_denoiser
from reasonry.training.dultra.config import VERB, PlannerTrainConfig
from reasonry.training.dultra.data import Source, open_source
from reasonry.training.dultra.decoding import decode
from reasonry.training.dultra.denoiser import Denoiser
from reasonry.training.dultra.planner import PlannerHead, load_planner
from reasonry.training.dultra.policies.base import UnmaskPolicy
from reasonry.training.dultra.stages.heads import new_head
from reasonry.training.dultra.stages.learners import DENOISER, PLANNER, DecodingLearner
from reasonry.training.dultra.stages.rollouts import Evaluated
from reasonry.training.dultra.stages.setup import decoding_config
from reasonry.training.dultra.stages.teacher import open_teacher
from reasonry.training.dultra.trajectory_file import weights_fingerprint

TRAJECTORIES = "trajectories.jsonl"
_FINAL = 5  # times as many decodings as an evaluation on the way
_SHOWN = 16  # decodings that are kept


class Trained(NamedTuple):
    """What learnt.

    Attributes:
        config: Of the run.
        folder: Run directory.
        planner: Folder of the best planner.
        denoiser: Folder of the denoiser that goes with it: the one it began with, unless that learnt too.
        best: The evaluation it was best in: update, score, accuracy, passes.
        start: The evaluation before the first update.
        final: The best planner on fresh random numbers, by the name of the policy.
        ended: Why it ended before the last update; empty when it did not.
        notes: What a reader should know.
        rows: Of the log.
    """

    config: PlannerTrainConfig
    folder: Path
    planner: Path
    denoiser: str
    best: dict[str, float]
    start: Row
    final: dict[str, Evaluated]
    ended: str
    notes: tuple[str, ...]
    rows: list[Row]

    def to_json(self) -> dict[str, Any]:
        """The content of ``results.json``."""
        body = {"updates": len(self.rows), "best": self.best, "start": self.start, "ended": self.ended}
        return plain({**body, "final": self.final, "notes": list(self.notes)})


def train_planner(config: PlannerTrainConfig, *, say: Say = say_nothing, open_run: OpenRun = open_nothing) -> Trained:
    """Train on decodings, or go on with it.

    Args:
        config: Denoiser, planner, data, rewards, sizes, seed, run directory.
        say: Told what a user should know.
        open_run: Told of the open run.

    Raises:
        ConfigError: Settings, models or data that do not go together.
        DataError: No denoiser, no planner, or prompts that cannot be used.
        RunMismatchError: The run directory began with something else.
        Interrupted: The user asked to stop; it is saved where it stands.
    """
    if config.freeze == "planner" and not (config.planner or config.unmask):
        raise ConfigError(
            "a frozen planner that was never trained would decode",
            place="planner",
            remedy="Give --planner or --unmask.",
        )
    loaded = open_denoiser(config.denoiser, config.model_options, task=config.data.task, learns=config.freeze != "lm")
    denoiser = loaded.denoiser
    source = open_source(config.data, denoiser, loaded.tokenizer, seed=config.seed)
    head = _head(config, denoiser, source)
    folder = config.run or default_folder("train-dultra-planner", config, Path(config.denoiser).name)
    with (
        threads_for(denoiser),
        Run(f"{VERB} planner", config, folder=folder, seed=config.seed, warn=say) as run,
    ):
        made = MadeWith(run.folder)
        made.check("denoiser", loaded.identity)
        made.check("data", source.identity)
        made.check("planner", weights_fingerprint(head))
        run.record_environment("bitwise")
        open_run(run, "bitwise")
        teacher = None
        if config.reward.teacher:
            teacher = open_teacher(
                config.reward.teacher, source, folder=folder, num_steps=config.reward.teacher_steps, seed=config.seed
            )
        notes = [source.note] if source.note else []
        for note in notes:
            say(f"note: {note}")
        learner = DecodingLearner(
            config, denoiser, head, source, folder=folder, tokenizer=loaded.tokenizer, teacher=teacher, say=say
        )
        rows = learn(
            run,
            learner,
            num_steps=config.num_updates,
            save_every=config.save_every,
            label="planner" if learner.learns_planner else "denoiser",
            unit="updates",
            say=say,
        )
        if learner.ended:
            say(learner.ended)
        _take_best(config, learner)
        final = {
            policy.name: learner.evaluate(policy, _FINAL * config.num_eval, name="final")[0]
            for policy in dict.fromkeys([learner.eval_policy, learner.rollout_policy])
        }
        _write_some(learner, learner.eval_policy, run.path(TRAJECTORIES))
        best_denoiser = str(run.path(DENOISER)) if learner.learns_lm else config.denoiser
        done = Trained(
            config,
            folder,
            run.path(PLANNER),
            best_denoiser,
            learner.best,
            learner.start,
            final,
            learner.ended,
            tuple(notes),
            rows,
        )
        atomic.write_json(run.path("results.json"), done.to_json())
    return done


def _head(config: PlannerTrainConfig, denoiser: Denoiser, source: Source) -> PlannerHead:
    decoding = decoding_config(config, source)
    if config.planner:
        with quiet_transformers():
            head = load_planner(config.planner)
        head.check_fits(denoiser, block_len=decoding.block_len, answer_len=decoding.answer_len)
        head.config.block_len = decoding.block_len
    else:
        head = new_head(
            config.head,
            denoiser,
            answer_len=decoding.answer_len,
            block_len=decoding.block_len,
            seed=seeds.derive(config.seed, "dultra", "planner"),
        )
    return head.to(device=device_of(denoiser))  # pyright: ignore[reportCallIssue]


def _take_best(config: PlannerTrainConfig, learner: DecodingLearner) -> None:
    """Put the weights of the best evaluation in place of the last ones."""
    device = device_of(learner.denoiser)
    with quiet_transformers():
        learner.head.load_state_dict(load_planner(learner.folder / PLANNER).state_dict())
    if learner.learns_lm:
        kept = load_denoiser(str(learner.folder / DENOISER), config.model_options, check=False)
        learner.denoiser.load_state_dict(kept.denoiser.to(device).state_dict())


def _write_some(learner: DecodingLearner, policy: UnmaskPolicy, path: Path) -> None:
    rows, config = learner.source.test(_SHOWN), learner.eval_decoding
    device, seeds_B = (
        device_of(learner.denoiser),
        [seeds.derive(learner.config.seed, "shown", i) for i in range(_SHOWN)],
    )
    decoded = decode(
        learner.denoiser,
        rows.prompt_BP.to(device),
        rows.attend_BP.to(device),
        policy=policy,
        config=config,
        seeds_B=seeds_B,
    )
    origin = trajectory_file.origin_of(learner.denoiser, policy, config)
    trajectory_file.write(path, decoded.trajectory, seeds_B=seeds_B, origin=origin)
