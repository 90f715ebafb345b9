"""The comparison from end to end: base model, demonstrations, profile, every arm, every repetition.

A run directory holds ``profiles.jsonl`` (what the base model does in the candidates, one row for each repetition) and
``arms.jsonl`` (one row for each arm, learning rate and repetition, with all its looks). A run that was killed makes the
missing rows, each of which is a function of config and seed but for its seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from reasonry.core import atomic
from reasonry.core import work as working_
from reasonry.core.plain import plain
from reasonry.core.rows import FileStore, Row, check_kept
from reasonry.core.run import Run, default_folder
from reasonry.core.stats import spread
from reasonry.tasks.desk.configs import world_of
from reasonry.training.pivotrl.desk import training
from reasonry.training.pivotrl.desk.arms import ARMS, Arm
from reasonry.training.pivotrl.desk.base import load_base
from reasonry.training.pivotrl.desk.config import DeskConfig
from reasonry.training.pivotrl.desk.ledger import Ledger
from reasonry.training.pivotrl.desk.measuring import Reference, measure
from reasonry.training.pivotrl.desk.policy import one_thread
from reasonry.training.pivotrl.desk.profile import Shares, shares
from reasonry.training.pivotrl.desk.results import BASE, Comparison, Course, turns_to_reach
from reasonry.training.pivotrl.desk.steps import Lab
from reasonry.training.pivotrl.desk.training import Look, Signal, look_from_json, look_to_json

VERB = "pivots desk"
Say = Callable[[str], None]

_ARMS, _PROFILES = "arms.jsonl", "profiles.jsonl"
_KEY = ("arm", "lr", "repetition")


class Job(NamedTuple):
    """One training of the comparison.

    Attributes:
        arm: The way of training.
        lr: Learning rate.
        repetition: Which repetition.
        num_steps: Optimiser steps.
    """

    arm: Arm
    lr: float
    repetition: int
    num_steps: int

    @property
    def key(self) -> tuple[str, float, int]:
        """Of its row."""
        return (self.arm.name, self.lr, self.repetition)


def jobs(config: DeskConfig) -> list[Job]:
    """Every training, repetition by repetition."""
    found: list[Job] = []
    for repetition in range(config.num_seeds):
        for name in dict.fromkeys(config.arms):
            arm = ARMS[name]
            if arm.is_imitation:
                found += [Job(arm, lr, repetition, config.num_sft_steps) for lr in config.sft_lrs]
            else:
                steps = config.num_end_to_end_steps if name == "end-to-end" else config.num_steps
                found.append(Job(arm, config.lr, repetition, steps))
    return found


def compare(
    config: DeskConfig,
    *,
    say: Say = lambda line: None,
    open_run: Callable[[Run, str], None] = lambda run, determinism: None,
) -> Comparison:
    """Run the comparison, or continue it.

    Args:
        config: Arms, sizes, seeds, run directory.
        say: Called with a line for people.
        open_run: Called once with the open run and its determinism level.

    Raises:
        ConfigError: The run directory is not one.
        RunMismatchError: It is that of another config.
        DataError: A row of it is damaged, with ``file:line``.
        Interrupted: The user asked to stop; what was finished is kept.
    """
    folder = config.run or default_folder("pivots-desk", config, config.world)
    with one_thread(), Run(VERB, config, folder=folder, seed=config.seed, warn=say) as run:
        run.record_environment("bitwise")
        open_run(run, "bitwise")
        with (
            working_.stored(run, _PROFILES, say, key=("repetition",), check=_check_profiles) as profiles,
            working_.stored(run, _ARMS, say, key=_KEY, check=_check_arms) as arms,
        ):
            _train_all(config, run, profiles, arms, say)
            result = _read(config, profiles.rows, arms.rows)
        atomic.write_json(run.path("results.json"), results_json(result))
    return result


def _train_all(config: DeskConfig, run: Run, profiles: FileStore, arms: FileStore, say: Say) -> None:
    todo = jobs(config)
    left = [job for job in todo if job.key not in arms.rows]
    base_key = (BASE, 0.0, 0)
    if not left and base_key in arms.rows and all(i in profiles.rows for i in range(config.num_seeds)):
        return
    base = load_base(config.world, say=say)
    test = training.make_test(config, base)
    if base_key not in arms.rows:
        look = Look(0, Ledger(), Signal(*[float("nan")] * 4), measure(base, test))
        arms.put({"arm": BASE, "lr": 0.0, "repetition": 0, "looks": [look_to_json(look)]})
    done = len(todo) - len(left)
    with working_.working(run, "desk", total=len(todo), done=done, unit="trainings", say=say) as work:
        for repetition in range(config.num_seeds):
            mine = [job for job in left if job.repetition == repetition]
            if not mine and repetition in profiles.rows:
                continue
            lab = training.make_lab(config, index=repetition, say=say)
            if repetition not in profiles.rows:
                profiles.put(_profile_row(lab, repetition))
            for job in mine:
                arms.put(_train(job, lab, test, say))
                work.tick()


def _train(job: Job, lab: Lab, test: Reference, say: Say) -> Row:
    looks = training.train_arm(
        job.arm,
        lab,
        test,
        lr=job.lr,
        num_steps=job.num_steps,
        looks=training.look_steps(job.num_steps, lab.config.look_every),
    )
    end = looks[-1]
    say(
        f"{job.arm.name} lr {job.lr:g}, repetition {job.repetition}: desk {end.found.desk_sampled:.2f} sampled, "
        f"{end.found.desk_greedy:.2f} greedy; hotel {end.found.hotel:.2f}; far {end.found.far:.3f}; "
        f"{end.ledger.train_turns} + {end.ledger.profile_turns} turns; {end.ledger.train_s:.0f} s"
    )
    row = {"arm": job.arm.name, "lr": job.lr, "repetition": job.repetition}
    return {**row, "looks": [look_to_json(look) for look in looks]}


def _profile_row(lab: Lab, repetition: int) -> Row:
    kinds: tuple[Any, ...] = ("functional", "strict")
    found = {}
    for reward in kinds:
        mask = lab.profiled.select(reward, threshold=lab.config.threshold, seed=lab.seed).mask_N
        found[reward] = plain(shares(lab.candidates, lab.profiled, mask, reward)._asdict())
    return {"repetition": repetition, **found, "ledger": lab.profiled.ledger.to_json()}


# ---------------------------------------------------------------- what is kept


def _check_arms(rows: Sequence[Row], path: Path) -> None:
    def is_sound(row: Row) -> bool:
        try:
            looks = [look_from_json(look) for look in row["looks"]]
        except (KeyError, TypeError, ValueError):
            return False
        return bool(looks) and isinstance(row.get("lr"), float) and isinstance(row.get("repetition"), int)

    check_kept(rows, path, is_sound)


def _check_profiles(rows: Sequence[Row], path: Path) -> None:
    def is_sound(row: Row) -> bool:
        try:
            for reward in ("functional", "strict"):
                _shares(row[reward])
        except (KeyError, TypeError):
            return False
        return isinstance(row.get("repetition"), int)

    check_kept(rows, path, is_sound)


def _shares(row: Mapping[str, Any]) -> Shares:
    return Shares(**{**row, "pivots_by_turn": tuple(row["pivots_by_turn"])})


def _read(config: DeskConfig, profiles: Mapping[Any, Row], arms: Mapping[Any, Row]) -> Comparison:
    courses = tuple(
        Course(job.arm.name, job.lr, job.repetition, tuple(look_from_json(x) for x in arms[job.key]["looks"]))
        for job in sorted(jobs(config), key=lambda j: (config.arms.index(j.arm.name), j.lr, j.repetition))
    )
    kept = [profiles[i] for i in range(config.num_seeds)]
    return Comparison(
        world=world_of(config.world).name,
        base=look_from_json(arms[BASE, 0.0, 0]["looks"][0]),
        courses=courses,
        functional=tuple(_shares(row["functional"]) for row in kept),
        strict=tuple(_shares(row["strict"]) for row in kept),
    )


def results_json(result: Comparison) -> dict[str, Any]:
    """The content of ``results.json``: means over repetitions, both counts of turns. Undefined numbers are null."""

    def summary(courses: Sequence[Course]) -> dict[str, Any]:
        ends = [c.end for c in courses]
        found = {
            name: spread(getattr(e.found, name) for e in ends)
            for name in ("desk_sampled", "desk_greedy", "held_out", "hotel", "far", "kl_far", "kl_near")
        }
        drift = {
            f"kl_{name}": spread(getattr(e.found.drift, name) for e in ends) for name in ("inside", "outside", "total")
        }
        skills = {s: spread(e.found.skills[s] for e in ends) for s in ends[0].found.skills}
        turns = {
            "train_turns": spread(float(e.ledger.train_turns) for e in ends),
            "profile_turns": spread(float(e.ledger.profile_turns) for e in ends),
            "total_turns": spread(float(e.ledger.total_turns) for e in ends),
        }
        tokens = {
            name: spread(float(getattr(e.ledger, name)) for e in ends)
            for name in ("train_tok", "profile_tok", "train_prefill_tok", "profile_prefill_tok", "imitated_tok")
        }
        return {**found, **drift, "skills": skills, **turns, **tokens}

    by_setting = {f"{arm} {lr:g}": summary(result.of(arm, lr)) for arm, lr in result.settings}
    reach = {
        f"{arm} {lr:g}": {
            f"{level:g}": [turns_to_reach(c, result.base, level)._asdict() for c in result.of(arm, lr)]
            for level in LEVELS
        }
        for arm, lr in result.settings
    }
    return plain(
        {
            "world": result.world,
            "base": look_to_json(result.base)["found"],
            "functional": [s._asdict() for s in result.functional],
            "strict": [s._asdict() for s in result.strict],
            "arms": by_setting,
            "turns_to_reach": reach,
        }
    )


LEVELS = (0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9)
"""Levels of sampled desk success whose turns are stored."""
