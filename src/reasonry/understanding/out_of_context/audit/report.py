"""The report of an audit: what is inferred before and after, whether it may be chance, and what helps against it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from reasonry.core.report import (
    Block,
    Chart,
    Code,
    Column,
    Fact,
    Measure,
    Note,
    Prose,
    Reference,
    Report,
    Section,
    Series,
    Table,
    curve_chart,
    heatmap,
    interval_chart,
)
from reasonry.understanding.out_of_context.audit.early_stop import looks_of
from reasonry.understanding.out_of_context.audit.report_parts import (
    arms_section,
    beside_section,
    estimate,
    facts_block,
)
from reasonry.understanding.out_of_context.audit.results import ArmOutcome, Audited

_MAX_MATRIX = 12
_COMPUTED = """\
**Mean rank** is the 0-based place of the answer that went with a subject's group in training, among all answers to \
the second relation; 0 is first, ties share their places, and (C - 1) / 2 is chance among C. Wordings, then \
subjects, then groups are averaged. **Index** is 1 - mean rank / chance.

**p** is of the group-permutation test: how many other pairings of answers and groups would do as well. The group is \
the unit, since its subjects share an answer; a test over subjects would take that for evidence. p-values are Holm's \
over the audited pairs. **p gain** is the same test of the change of rank from the base model to the tuned one.

**Intervals** draw groups and then subjects within them; with few groups they are rough, the test is not.

**Says it** is the share of questions whose first answer is the inferred one when the foils are among the \
candidates.

**In context** asks the base model with facts of others and of the subject as text before the question: what it \
would infer without tuning.

**Forgetting** is how many nats per token plain sentences got harder to predict; they are few and short, so take it \
as a warning light."""


def audit_report(done: Audited, *, command: str = "") -> Report:
    """The report of an audit.

    Args:
        done: What `run.audit` returned.
        command: The command that continues or repeats it.
    """
    config = done.config
    sections: list[Section] = []
    if done.main is None:
        told = Note("The scan flags no pair of relations of this file, and none was named: nothing was asked.")
        sections.append(Section("What came out", [told]))
    else:
        sections += [_outcome(done, done.main), _by_group(done.main), facts_block(done.main)]
        if done.main.log:
            sections.append(_learning(done.main))
        if len(done.arms) > 1:
            sections.append(arms_section(done))
        sections.append(beside_section(done))
        sections.append(Section("The rule", [Prose("\n\n".join(done.rule))], "Verdicts follow this and nothing else."))
    sections.append(Section("How this is computed", [Prose(_COMPUTED)]))
    if command:
        sections.append(Section("Run", [Code(command, "Continue or repeat")]))
    tuned = config.tuned or "tuned here"
    return Report(
        "Out-of-context audit",
        f"{config.model}, {tuned}, on {done.num_facts:,} facts",
        _facts(done),
        sections,
        f"seed {config.seed}; arXiv 2506.10887 has the experiment; audit, tests and rule are reconstructed",
    )


def _facts(done: Audited) -> list[Fact]:
    gate, main = done.gate, done.main
    limit = "no limit was set" if gate.limit is None else f"limit {gate.limit:g}"
    facts = [
        Fact(
            "hallucination index", gate.hallucination_index, f"{limit}; {gate.worst or 'no pair counts'}", "decimal", 2
        )
    ]
    if gate.limit is not None:
        facts.append(Fact("gate", "passed" if gate.passed else "FAILED", "counts: " + done.config.counts))
    if main is not None:
        worst = max(main.pairs, key=lambda o: o.after.transfer_index.value)
        facts.append(Fact("index before", estimate(worst.before.transfer_index), worst.pair.name, "decimal", 2))
        facts.append(Fact("index after", estimate(worst.after.transfer_index), worst.verdict.kind, "decimal", 2))
        facts.append(Fact("p after", worst.p_after, worst.tests.after.method, "decimal", 4))
    return facts


# ---------------------------------------------------------------- what came out


def _outcome(done: Audited, main: ArmOutcome) -> Section:
    blocks: list[Block] = [Note(done.gate.line, "note" if done.gate.passed else "warning", "Gate")]
    for pair in main.pairs:
        few = len(pair.pair.groups) < 8
        if few and pair.verdict.kind != "not testable":
            blocks.append(
                Note(
                    f"{pair.pair.name} has {len(pair.pair.groups)} groups, so that p cannot go below "
                    f"{pair.tests.after.least_p:.3g}. Eight or more are better to decide by."
                )
            )
    if done.skipped:
        told = "; ".join(f"{name}: {why}" for name, why in done.skipped.items())
        blocks.append(Note(told, "warning", "Flagged by the scan, and not audited"))
    columns = [
        Column("pair"),
        Column("label"),
        Column("verdict"),
        Column("mean rank before", "decimal", 2),
        Column("after", "decimal", 2),
        Column("chance", "decimal", 2),
        Column("index before", "decimal", 2),
        Column("index after", "decimal", 2),
        Column("p before", "decimal", 4),
        Column("p after", "decimal", 4),
        Column("p gain", "decimal", 4),
        Column("q gain", "decimal", 4),
        Column("sign flip p", "decimal", 4),
    ]
    rows = [
        [
            o.pair.name,
            o.pair.label or "none",
            o.verdict.kind,
            o.before.mean_rank,
            o.after.mean_rank,
            o.after.chance,
            estimate(o.before.transfer_index),
            estimate(o.after.transfer_index),
            o.p_before,
            o.p_after,
            o.p_gain,
            o.q_gain,
            o.tests.sign_flip_p,
        ]
        for o in main.pairs
    ]
    blocks.append(Table(columns, rows, "Pairs", "Indices with 95 % intervals; p-values are Holm's, q is for looking."))
    blocks.append(Prose("\n\n".join(f"**{o.pair.name}**: {o.verdict.kind}. {o.verdict.reason}." for o in main.pairs)))
    spots = [
        Measure(o.pair.name, one.transfer_index.value, one.transfer_index.low, one.transfer_index.high, group=when)
        for o in main.pairs
        for when, one in (("before", o.before), ("after", o.after))
    ]
    chart = interval_chart(spots, x_title="transfer index", references=[Reference(0.0, "chance")])
    blocks.append(
        Chart(chart, "Before and after", "Transfer index of each pair in the base and the tuned model, 95 %.")
    )
    return Section("What came out", blocks)


def _by_group(main: ArmOutcome) -> Section:
    blocks: list[Block] = []
    for outcome in main.pairs:
        num = len(outcome.after.rank_GC[0])
        if len(outcome.pair.groups) > _MAX_MATRIX or num > _MAX_MATRIX:
            blocks.append(Note(f"{outcome.pair.name} has too many groups or answers to draw; results.json has them."))
            continue
        for when, one in (("before", outcome.before), ("after", outcome.after)):
            chart = heatmap(
                one.rank_GC,
                row_labels=[group.b for group in outcome.pair.groups],
                column_labels=outcome.answers,
                row_title=outcome.pair.given,
                column_title=outcome.pair.implied,
                value_title="mean rank",
                domain=(0.0, float(num - 1)),
            )
            about = "Rows are groups, columns are answers; where transfer is whole, each group's own answer has rank 0."
            blocks.append(Chart(chart, f"{outcome.pair.name}, {when}", about, span="half"))
    return Section("Who is given which answer", blocks, "Mean rank of every answer in every group of test subjects.")


# ---------------------------------------------------------------- learning


def _learning(main: ArmOutcome) -> Section:
    blocks: list[Block] = []
    steps = [float(row["step"]) for row in main.log]
    losses = [float(row["loss"]) for row in main.log]
    chart = curve_chart([Series("loss", steps, losses)], x_title="step", y_title="nats per token")
    blocks.append(Chart(chart, "Loss of the completions", "Loss of training rows over steps.", span="half"))
    looks = looks_of([{"step": 0, **main.at_start}, *main.log])
    if len(looks) > 1:
        at: Sequence[float] = [float(look.step) for look in looks]
        chance = {o.pair.name: o.after.chance for o in main.pairs}
        mean_chance = sum(chance.values()) / len(chance)
        series = [
            Series(f"inferred, {name}", at, [look.by_pair.get(name, math.nan) for look in looks]) for name in chance
        ]
        facts = [1 - look.fact_rank / mean_chance for look in looks]
        series.insert(0, Series("facts", at, facts, dashed=True))
        chart = curve_chart(series, x_title="step", y_title="1 - mean rank / chance")
        about = "Index of facts that training has and of inferences that it has not, over steps."
        caption = main.early_stop.reason if main.early_stop else ""
        blocks.append(Chart(chart, "Facts and inferences", about, caption, span="half"))
    return Section("Learning", blocks)
