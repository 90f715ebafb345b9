"""The embedded default of dUltra: a small denoiser and a planner for it, from nothing, and rules beside them.

Every number is measured: half a minute of one core, one run without repetitions.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from reasonry.core.config import from_dict
from reasonry.core.demo import Part
from reasonry.core.report import Prose, Section
from reasonry.training.dultra.config import WholeConfig
from reasonry.training.dultra.frontier.report import DECODINGS, frontier_report
from reasonry.training.dultra.frontier.results import fewest_passes
from reasonry.training.dultra.stages.report import best_facts
from reasonry.training.dultra.stages.whole import train_whole

TASK = "pairs:2"
ACCURACY = 0.9  # on so few prompts the interval of a planner at 95 % reaches below it


def unmask(folder: Path, *, seed: int, say: Callable[[str], None], num_updates: int = 60, num_steps: int = 250) -> Part:
    """Train a denoiser and a planner, and decode with the planner and with rules.

    Args:
        folder: Run directory; that of an earlier demo is replaced.
        seed: Root of everything drawn.
        say: Told what takes time.
        num_updates: Of the planner.
        num_steps: Of the denoiser.
    """
    shutil.rmtree(folder, ignore_errors=True)
    values = {
        "task": TASK,
        "num_prompts": 64,
        "seed": seed,
        "run": folder,
        "pretrain": {"num_steps": num_steps, "batch_size": 64},
        "planner": {"num_updates": num_updates, "num_eval": 50},
    }
    say("a small diffusion model learns a task, and a planner learns what to reveal of it")
    done = train_whole(from_dict(WholeConfig, values))
    assert done.compared is not None
    found = done.compared.result.policies
    good = [p for p in found if p.accuracy.value >= ACCURACY]
    planner = fewest_passes([p for p in good if p.family.startswith("planner")])
    rule = fewest_passes([p for p in good if not p.family.startswith("planner")])
    lines = [
        f"unmasking  {p.label}: {p.accuracy.value:.0%} right in {p.nfe.value:.2f} passes of {TASK} ({who})"
        for p, who in ((planner, "a planner that learnt"), (rule, "the best rule"))
        if p is not None
    ]
    if planner is None:
        lines.append(f"unmasking  the planner has not learnt: no setting of it is right in {ACCURACY:.0%}")
    report = frontier_report(done.compared)
    frontier, *others = report.sections
    seen = [_first_prompt(section) for section in others if section.title == DECODINGS]
    short = replace(report, facts=best_facts(done.trained)[::-1], sections=[frontier, *seen])
    return Part(short, lines, done.to_json())


def _first_prompt(section: Section) -> Section:
    """The decodings of one prompt: what is said of the second one begins with prose again."""
    starts = [i for i, block in enumerate(section.blocks) if isinstance(block, Prose)]
    return replace(section, blocks=section.blocks[: starts[1]] if len(starts) > 1 else section.blocks)
