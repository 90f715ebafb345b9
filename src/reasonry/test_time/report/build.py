"""Puts the report of a run together."""

from __future__ import annotations

from collections import Counter

from reasonry.core.report import Block, Code, Column, Estimate, Fact, Note, Report, Section, Table
from reasonry.test_time.config import SolveConfig
from reasonry.test_time.report.correction import correction_section
from reasonry.test_time.report.curves import curves_section, tokens_section
from reasonry.test_time.report.samples import difficulty_section, samples_section, votes_section
from reasonry.test_time.report.stopping import stopping_section
from reasonry.test_time.results import Solved, even_n

_NAMES = {
    "self-consistency": "Vote",
    "best-of-n": "Best of n",
    "weighted-vote": "Weighted vote",
    "best-then-vote": "Best, then vote",
    "soft-best-of-n": "Soft best of n",
    "knockout": "Knockout",
    "self-correct": "Self-correction",
}


def _how(solved: Solved) -> str:
    if solved.strategy == "self-consistency" and solved.curves:
        return f"{len(solved.curves['maj@k'].mean)} samples and a vote"
    name = _NAMES[solved.strategy].lower()
    return name if solved.stop == "fixed" else f"{name}, stopped by {solved.stop}"


def build_report(solved: Solved, config: SolveConfig, *, command: str) -> Report:
    """The report of a solve run."""
    num_problems = len(solved.task.problems)
    one = solved.counts.num_right / max(1, solved.counts.total)
    if solved.curves:
        one = solved.curves["pass@k"].mean[0]
    answers = solved.answer_counts
    any_right = sum(any(s.grade == "right" for s in pool) for pool in solved.pools.values()) / num_problems
    mean_n = len(solved.rows) / num_problems
    seconds, tokens = solved.costs.get("seconds", 0.0), solved.costs.get("num_completion_tok", 0)
    facts = [
        Fact("One sample", one, f"mean over {len(solved.rows):,} samples", "percent"),
        Fact(
            _NAMES[solved.strategy],
            Estimate(answers.num_right / answers.total, solved.accuracy.low, solved.accuracy.high),
            f"{answers.num_right} of {answers.total} problems, {mean_n:.3g} samples each",
            "percent",
        ),
        Fact("Any right", any_right, "what a perfect verifier could pick", "percent"),
        Fact("Tokens", tokens, f"{tokens / max(1, len(solved.rows)):.0f} per sample", "integer"),
        Fact("Sampling", seconds, f"{tokens / seconds:,.0f} tokens per second" if seconds else "", "seconds"),
    ]
    sections = [curves_section(solved)] if solved.curves else []
    if solved.curves or solved.replays:
        sections.append(tokens_section(solved))
    if solved.strategy == "self-correct":
        sections.append(correction_section(solved))
    else:
        sections += [stopping_section(solved), votes_section(solved)]
    sections += [*difficulty_section(solved), samples_section(solved)]
    sections.append(Section("Run", [*_warnings(solved), _costs_table(solved), Code(command, "Continue or repeat")]))
    return Report(
        f"{solved.task.name}: {_how(solved)}",
        f"{config.model} on {len(solved.task.problems)} problems, temperature {config.sampling.temperature:g}, "
        f"seed {config.seed}",
        facts,
        sections,
        f"{solved.task.source}",
    )


def _warnings(solved: Solved) -> list[Block]:
    notes: list[Block] = []
    cut = sum(r["finish"] == "length" for r in solved.rows)
    total = len(solved.rows)
    if solved.counts.num_ungradable:
        reasons = Counter(r["reason"] for r in solved.rows if r["grade"] == "ungradable")
        listed = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common(5))
        notes.append(Note(f"{solved.counts.num_ungradable} of {total} samples are ungradable: {listed}."))
    if cut:
        notes.append(
            Note(f"{cut} of {total} samples hit the token limit; raise `--sampling.max-new-tokens` to let them finish.")
        )
    notes += [
        Note(f"{text[0].upper()}{text[1:]}: {count} of {len(solved.task.problems)} problems.", "warning")
        for text, count in solved.warnings.items()
    ]
    if note := even_n(solved):
        notes.append(Note(note))
    return notes


def _costs_table(solved: Solved) -> Table:
    names = {
        "num_completions": "samples drawn",
        "num_completion_tok": "tokens drawn",
        "num_prompt_tok": "prompt tokens, as if each sample had its own",
        "seconds": "seconds of sampling",
        "num_retries": "retried requests",
        "num_cache_hits": "taken from the cache",
    }
    rows = [[label, solved.costs.get(key, 0)] for key, label in names.items()]
    return Table([Column("cost"), Column("all sessions", "decimal", 0)], rows, title="What it cost")
