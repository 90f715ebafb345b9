"""The report of ``reasonry pivots profile``: what the starting model does in the turns of the logs.

The sections are those of the selection, with what ``pivots select`` would keep by default in the place of what was
kept; nothing is selected, and no file of pivots is written.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from reasonry.core.report import Block, Code, Column, Fact, Note, Prose, Report, Section, Table
from reasonry.core.report.model import Cell
from reasonry.training.pivotrl.choice import Choice, Worth, count_fates, fates
from reasonry.training.pivotrl.choosing import Chosen
from reasonry.training.pivotrl.config import SelectConfig
from reasonry.training.pivotrl.profile_table import read_profile_table
from reasonry.training.pivotrl.profiling import Profiled
from reasonry.training.pivotrl.report.left_out import left_out_section
from reasonry.training.pivotrl.report.rates import fates_section, wobble_section
from reasonry.training.pivotrl.report.turns import turns_section
from reasonry.training.pivotrl.selection import select

_MOST_CATEGORIES = 40
_COMPUTED = """\
In every state the model acts K times, one whole assistant message each; no tool is run, and a verifier says whether \
each would do as well as what was demonstrated. A state whose rewards are all alike (**zero variance**) gives no \
gradient in single-turn GRPO: it teaches nothing, whatever it costs.

**Kept** means here: what `reasonry pivots select` keeps by default, turns whose rewards differ and whose mean is \
below {threshold:g}. That threshold is reconstructed, the paper (PivotRL, arXiv 2603.21383) does not publish its own. \
**Pass rate** is the mean over the turns of the mean reward of their samples; samples without a verdict are in no \
mean. A sample that was **truncated** counts as a failure, whatever it meant."""


def profile_report(found: Profiled, *, command: str = "") -> Report:
    """The report of a profile.

    Args:
        found: What `profiling.profile_candidates` returned.
        command: The command that continues or repeats it, shown at the end.

    Raises:
        DataError: A file of the run has changed since.
    """
    chosen = by_default(found)
    threshold = chosen.config.threshold
    lead = f"Kept: what `pivots select` keeps by default (lambda = {threshold:g}). Nothing has been selected yet."
    told = replace(fates_section(chosen), lead=lead)
    sections = [Section("Beware", beware)] if (beware := _beware(found)) else []
    sections += [told, wobble_section(chosen), _verdicts(found)]
    sections += [section for section in (turns_section(chosen), left_out_section(chosen)) if section]
    sections += [_costs(found), Section("How this is computed", [Prose(_COMPUTED.format(threshold=threshold))])]
    if command:
        sections.append(Section("Run", [Code(command, "Continue or repeat")]))
    summary = found.summary
    return Report(
        f"Profile of {chosen.profile.policy_name or 'a model'}",
        f"{summary.num_states:,} turns, {summary.k} samples each, judged by "
        f"{found.audit.get('verifier') or found.config.verifier.name}",
        _facts(found),
        sections,
        "PivotRL, arXiv 2603.21383; settings that the paper does not publish are reconstructed",
    )


def by_default(found: Profiled) -> Chosen:
    """What the default settings would select from a profile; nothing is written, nor said about its worth."""
    config = SelectConfig(folder=found.config.folder, seed=found.config.seed)
    profile = read_profile_table(found.folder, found.file)
    mask_N = select(profile.moments, method=config.method, threshold=config.threshold).mask_N
    fate_N = fates(profile.moments, mask_N, threshold=config.threshold)
    num = len(found.file.heads)
    choice = Choice(
        num_candidates=num,
        num_without_profile=num - len(fate_N),
        k=profile.k,
        counts=found.summary.counts,
        fates=count_fates(fate_N),
        by_threshold=(),
        worth=Worth((), (), None, ""),
        facts=(),
        by_turn=found.summary.by_turn,
        by_tool=found.summary.by_tool,
        policy=profile.policy,
        verifier=profile.verifier,
        sampling=profile.sampling,
        notes=(),
    )
    return Chosen(config, found.folder, None, "", choice, found.file, profile, fate_N)


def _facts(found: Profiled) -> list[Fact]:
    summary, counts = found.summary, found.summary.counts
    alike = f"{counts.num_all_pass:,} all pass, {counts.num_all_fail:,} all fail"
    return [
        Fact("Turns", summary.num_states, f"{summary.num_samples:,} actions sampled", "integer"),
        Fact("Pass rate", summary.mean_reward, "mean over the turns", "decimal", 3),
        Fact("Zero variance", summary.share_zero_variance, alike, "percent"),
        Fact("Worth training on", summary.share_useful, f"{counts.num_kept:,} turns, by default", "percent"),
        Fact("Truncated", summary.share_truncated, "of the samples; they count as failures", "percent"),
    ]


def _beware(found: Profiled) -> list[Block]:
    problems = cast("Mapping[str, Any]", found.audit.get("problems") or {})
    texts = [*map(str, problems.values()), *found.summary.warnings]
    return [Note(f"{text[:1].upper()}{text[1:]}.", "warning") for text in texts]


def _verdicts(found: Profiled) -> Section:
    summary = found.summary
    shown = list(summary.categories.items())[:_MOST_CATEGORIES]
    rows: list[list[Cell]] = [[name, num, num / max(summary.num_samples, 1)] for name, num in shown]
    rarer = len(summary.categories) - len(shown)
    caption = f"{rarer:,} rarer ones are not shown." if rarer else ""
    columns = [Column("category"), Column("samples", "integer"), Column("share", "percent")]
    lead = "What the verifier says of the sampled actions. One category for most failures points at the verifier."
    return Section("Verdicts", [Table(columns, rows, caption=caption)], lead)


def _costs(found: Profiled) -> Section:
    summary = found.summary
    rows: list[list[Cell]] = [
        ["states, tokens, each once", summary.num_prompt_tok],
        ["actions, tokens", summary.num_completion_tok],
    ]
    for name, costs in (("sampling", found.costs), ("judging", found.judge_costs)):
        if seconds := costs.get("seconds", 0.0):
            rows.append([f"{name}, seconds", round(seconds, 1)])
            rows.append([f"{name}, new tokens a second", round(costs.get("num_completion_tok", 0.0) / seconds)])
    caption = "Seconds are those of all sessions of this run."
    if not found.costs.get("seconds"):
        caption = "No seconds: the samples are those of another run, or their sampler keeps no time."
    return Section("Cost", [Table([Column("what"), Column("number", "decimal", 0)], rows, caption=caption)])
