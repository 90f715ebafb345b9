"""The embedded default of continuous chain of thought: what the thoughts of the explicit transformer hold.

Its weights are written down and not learnt, so that it takes seconds, and what its thoughts have to be is known: every
inner product is measured against that.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from reasonry.core.config import from_dict
from reasonry.core.demo import Part
from reasonry.training.continuous_cot.probe.config import CONSTRUCTION, ProbeConfig
from reasonry.training.continuous_cot.probe.report import superposition_report
from reasonry.training.continuous_cot.probe.run import probe, results_json


def superpose(folder: Path, *, seed: int, say: Callable[[str], None], num_graphs: int = 40) -> Part:
    """Let the construction think about graphs, and look into its thoughts.

    Args:
        folder: Run directory; that of an earlier demo is replaced.
        seed: Of the graphs.
        say: Told what takes time.
        num_graphs: How many.
    """
    shutil.rmtree(folder, ignore_errors=True)
    values = {"model": CONSTRUCTION, "num_graphs": num_graphs, "seed": seed, "show": 1, "run": folder}
    say(f"a transformer with explicit weights searches {num_graphs} graphs in thoughts")
    done = probe(from_dict(ProbeConfig, values))
    thoughts = done.result.thoughts
    exact = sum(thought.is_exact for thought in thoughts)
    reached = thoughts[-1].num_reached.value or 0.0
    lines = [f"thoughts   {exact} of {len(thoughts)} are exact superpositions; the last holds {reached:.1f} vertices"]
    report = superposition_report(done)
    return Part(replace(report, sections=report.sections[:1]), lines, results_json(done))
