"""The embedded default of PivotRL: which turns of a help desk's chats can teach its small model anything, and a short
training on them.

The chats, their customers and the rules of the desk are synthetic; the model is real and shipped with the package
(0.16 million weights), and so are its samples, their verdicts and the training. The chats go the way of any log:
extract, audit, profile, select. Seconds on a CPU; one run without repetitions.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from reasonry.core import atomic, jsonl, seeds
from reasonry.core.demo import Part
from reasonry.core.rows import Row
from reasonry.core.sampling.config import SamplingConfig
from reasonry.core.tiny import TinyGPT
from reasonry.tasks.desk import forms
from reasonry.tasks.desk.configs import World, world_of
from reasonry.tasks.desk.demos import Transcripts, draw_demonstrations
from reasonry.training.pivotrl.auditing import Audited, audit_folder
from reasonry.training.pivotrl.choosing import Chosen, choose_pivots
from reasonry.training.pivotrl.config import AuditConfig, ExtractConfig, ProfileConfig, SelectConfig, VerifierConfig
from reasonry.training.pivotrl.desk import training
from reasonry.training.pivotrl.desk.arms import ARMS
from reasonry.training.pivotrl.desk.base import load_base
from reasonry.training.pivotrl.desk.chats import DeskSampler, DeskVerifier, chat_rows, row_of, write_tokens
from reasonry.training.pivotrl.desk.config import ArmName, DeskConfig
from reasonry.training.pivotrl.desk.ledger import Ledger
from reasonry.training.pivotrl.desk.measuring import Measured, measure
from reasonry.training.pivotrl.desk.policy import one_thread
from reasonry.training.pivotrl.desk.profile import Profiled, candidates_of
from reasonry.training.pivotrl.desk.steps import Lab
from reasonry.training.pivotrl.desk.training import Look
from reasonry.training.pivotrl.extract.run import extract_candidates
from reasonry.training.pivotrl.profiling import Profiled as Profile
from reasonry.training.pivotrl.profiling import profile_candidates
from reasonry.training.pivotrl.rows import SAMPLES
from reasonry.training.pivotrl.sample_rows import action_of

NUM_CHATS = 100
NUM_STEPS = 20
NUM_LOOKS = 2
NUM_SHOWN = 24
ARM_NAMES: tuple[ArmName, ...] = ("pivots-functional", "pivots-strict", "random-functional")
STRICT = "exact"

Say = Callable[[str], None]


class Taught(NamedTuple):
    """What the demo found.

    Attributes:
        folder: The set of turns.
        audited: The verifier, tried on the demonstrations.
        functional: What is chosen by the functional reward.
        strict: By the strict one, from the same samples.
        profiles: The profiles behind both.
        base: The model before training.
        arms: The looks at each way of training, under way.
        config: Sizes of the training.
        seconds: Wall clock of the profile and of each training.
    """

    folder: Path
    audited: Audited
    functional: Chosen
    strict: Chosen
    profiles: tuple[Profile, Profile]
    base: Measured
    arms: Mapping[ArmName, list[Look]]
    config: DeskConfig
    seconds: Mapping[str, float]


def teach(
    folder: Path,
    *,
    seed: int,
    say: Say,
    num_chats: int = NUM_CHATS,
    num_steps: int = NUM_STEPS,
    num_test: int = 240,
) -> Part:
    """Find the pivots in the chats of a help desk, and train on them for a moment.

    ``folder`` becomes a set of turns that ``pivots select`` and ``pivots export`` read.

    Args:
        folder: Where logs, candidates, profiles and pivots are put; those of an earlier demo are replaced.
        seed: Of chats, samples and training.
        say: Told what takes time.
        num_chats: Conversations in the logs, of four turns each.
        num_steps: Optimiser steps of each training.
        num_test: Episodes that a policy is tested on.

    Raises:
        ReasonryError: See the errors of the parts.
    """
    from reasonry.training.pivotrl.desk.demo_report import demo_part

    taught = _taught(folder, seed=seed, say=say, num_chats=num_chats, num_steps=num_steps, num_test=num_test)
    part = demo_part(taught)
    atomic.write_json(folder / "results.json", part.results)
    return part


def _taught(folder: Path, *, seed: int, say: Say, num_chats: int, num_steps: int, num_test: int) -> Taught:
    world, base = world_of("plain"), load_base("plain", say=say)
    demos = draw_demonstrations(seeds.stream(seed, "desk", "demo"), num_chats, world=world)
    for earlier in ("profile", f"profile-{STRICT}"):
        shutil.rmtree(folder / earlier, ignore_errors=True)
    jsonl.write(folder / "logs.jsonl", chat_rows(world, demos))
    extract_candidates(ExtractConfig(logs=(folder / "logs.jsonl",), out=folder), say=say)
    verifier = DeskVerifier(world)
    audited = audit_folder(AuditConfig(folder=folder, seed=seed), verifier=verifier, say=say)
    config = ProfileConfig(
        folder=folder, model=f"{world.name} desk", seed=seed, sampling=SamplingConfig(max_new_tokens=forms.MAX_TOK)
    )
    say(f"a small model acts {config.k} times in every turn of {num_chats} chats")
    with one_thread():
        sampler = DeskSampler(base, world, seed=seed)
        profile = profile_candidates(config, sampler=sampler, verifier=verifier, say=say)
        again = ProfileConfig(folder=folder, samples=profile.folder, verifier=VerifierConfig(name=STRICT))
        strict = profile_candidates(again, say=say)
        chosen = [
            choose_pivots(SelectConfig(folder=folder, profile=p.folder, out=out, seed=seed, num_shown=NUM_SHOWN))
            for p, out in ((profile, folder), (strict, folder / "strict"))
        ]
        sizes = DeskConfig(num_demos=num_chats, num_steps=num_steps, num_test=num_test, num_items=20, num_states=16)
        lab = _lab(sizes.with_(seed=seed), world, base, demos, profile, strict)
        say(f"training the small model on these turns, {len(ARM_NAMES)} times {num_steps} steps")
        test = training.make_test(lab.config, base)
        looks = [num_steps * i // NUM_LOOKS for i in range(1, NUM_LOOKS)]
        arms: dict[ArmName, list[Look]] = {}
        seconds = {"profile": lab.profiled.ledger.profile_s}
        for name in ARM_NAMES:
            start_s = time.perf_counter()
            arms[name] = training.train_arm(ARMS[name], lab, test, lr=lab.config.lr, num_steps=num_steps, looks=looks)
            seconds[name] = time.perf_counter() - start_s
        before = measure(base, test)
    return Taught(folder, audited, chosen[0], chosen[1], (profile, strict), before, arms, lab.config, dict(seconds))


def _lab(config: DeskConfig, world: World, base: TinyGPT, demos: Transcripts, profile: Profile, strict: Profile) -> Lab:
    """What the trainings work with: the turns of the files, as tokens, with the samples and verdicts of the profile."""
    num_turns = world.num_turns
    heads = {head.id: head for head in profile.file.heads}
    place = {p.candidate_id: i for i, p in enumerate(profile.profiles)}
    rows = [row_of(heads[name].trajectory_id) * num_turns + heads[name].turn_index for name in place]
    tokens = np.empty((len(place), profile.config.k, forms.MAX_TOK), dtype=np.int64)
    path = profile.folder / SAMPLES
    found: Row
    for found in jsonl.read(path):
        tokens[place[found["id"]], found["index"]] = write_tokens(world, action_of(found, place=str(path)))
    ledger = Ledger(
        profile_turns=profile.summary.num_samples,
        profile_tok=profile.summary.num_completion_tok,
        profile_prefill_tok=profile.summary.num_prompt_tok,
        profile_s=profile.costs.get("seconds", 0.0),
    )
    rewards = [np.array([p.rewards for p in each.profiles], dtype=np.float64) for each in (profile, strict)]
    candidates = candidates_of(world, demos).at(np.array(rows, dtype=np.int64))
    return Lab(
        config=config,
        world=world,
        base=base,
        demos=demos,
        candidates=candidates,
        profiled=Profiled(tokens, rewards[0], rewards[1], ledger),
        seed=config.seed,
    )
