"""Parts of an audit's report: facts that were learnt, what could be done, and what happened to everything else."""

from __future__ import annotations

from reasonry.core.report import Block, Column, Estimate, Note, Prose, Section, Table
from reasonry.understanding.out_of_context.audit.intervals import IndexInterval
from reasonry.understanding.out_of_context.audit.results import ArmOutcome, Audited


def estimate(index: IndexInterval) -> Estimate:
    """An index as a cell with its interval."""
    return Estimate(index.value, index.low, index.high)


def facts_block(main: ArmOutcome) -> Section:
    """Whether training worked at all, by wording, and what the base model makes of the facts as text."""
    said = [
        Column("pair"),
        Column("facts before", "decimal", 2),
        Column("facts after", "decimal", 2),
        Column("in held-out wordings", "decimal", 2),
        Column("implications before", "decimal", 2),
        Column("implications after", "decimal", 2),
    ]
    said_rows = [[o.pair.name, *o.fact_rank, o.fact_rank_held_out[1], *o.bridge_rank] for o in main.pairs]
    unsaid = [
        Column("pair"),
        Column("index, trained wording", "decimal", 2),
        Column("index, held-out wordings", "decimal", 2),
        Column("index in context, untuned", "decimal", 2),
        Column("prior"),
        Column("says it", "percent"),
        Column("says a foil", "percent"),
        Column("hits@1", "percent"),
        Column("MRR", "decimal", 2),
        Column("margin, nats", "decimal", 2),
        Column("rank, c's and b's", "decimal", 2),
    ]
    unsaid_rows = [
        [
            o.pair.name,
            o.after.index_trained,
            o.after.index_held_out,
            o.in_context,
            o.prior.opinion,
            o.after.says_it,
            o.after.says_foil,
            o.after.hits_at_1,
            o.after.mrr,
            o.after.margin,
            o.after.mean_rank_all,
        ]
        for o in main.pairs
    ]
    note = "Mean ranks, 0 is first: facts of test subjects, and implications of bridge subjects."
    blocks = [
        Table(said, said_rows, "What training said", note),
        Table(
            unsaid, unsaid_rows, "What it did not say, by wording and measure", "Of the tuned model but for the prior."
        ),
    ]
    return Section("What was learnt", blocks)


def arms_section(done: Audited) -> Section:
    """What each way of tuning does to the inferences, and what it costs."""
    columns = [
        Column("tuning"),
        Column("what it is"),
        Column("rows", "integer"),
        Column("added", "integer"),
        Column("steps", "integer"),
        Column("pair"),
        Column("index after", "decimal", 2),
        Column("p after", "decimal", 4),
        Column("says it", "percent"),
        Column("says a foil", "percent"),
        Column("facts after", "decimal", 2),
        Column("forgetting, nats", "signed", 3),
        Column("verdict"),
        Column("training", "seconds"),
    ]
    rows = [
        [
            arm.name,
            arm.about,
            arm.num_rows,
            arm.num_added,
            arm.num_steps,
            o.pair.name,
            estimate(o.after.transfer_index),
            o.p_after,
            o.after.says_it,
            o.after.says_foil,
            o.fact_rank[1],
            arm.locality.forgetting,
            o.verdict.kind,
            arm.seconds,
        ]
        for arm in done.arms
        for o in arm.pairs
    ]
    added = [name for name in done.files if name.startswith("added-")]
    text = f"The added rows are in {', '.join(f'`{name}`' for name in added)}." if added else ""
    blocks: list[Block] = [Table(columns, rows, "Measured on the same questions", text)]
    return Section("What could be done", blocks, "Each is a training of its own from the same base model and seed.")


def beside_section(done: Audited) -> Section:
    """Locality, forgetting, wordings, dropped rows, and how the scores came about."""
    columns = [
        Column("tuning"),
        Column("unrelated questions", "integer"),
        Column("right before", "percent"),
        Column("right after", "percent"),
        Column("same first answer", "percent"),
        Column("plain text before, nats", "decimal", 3),
        Column("after", "decimal", 3),
    ]
    rows = [
        [
            arm.name,
            arm.locality.num_common,
            arm.locality.right_before,
            arm.locality.right_after,
            arm.locality.same,
            arm.locality.nats_before,
            arm.locality.nats_after,
        ]
        for arm in done.arms
    ]
    blocks: list[Block] = [Table(columns, rows, "Everything else")]
    asked = [
        [name, "trained" if wording == w.trained else w.origin, wording]
        for name, w in done.wordings.items()
        for wording in (w.trained, *w.held_out)
    ]
    blocks.append(Table([Column("relation"), Column("origin"), Column("wording")], asked, "Wordings"))
    if any(w.origin == "frames" for w in done.wordings.values()):
        told = "Some held-out wordings are the trained one with words before it; give your own with --wordings."
        blocks.append(Note(told))
    if done.num_dropped:
        told = ", ".join(f"{num} {reason}" for reason, num in done.num_dropped.items())
        blocks.append(Note(f"Rows of the file that were left out: {told}.", "warning"))
    flags = done.base_scorer.get("scored_as", {})
    blocks.append(Prose(f"Scores: {', '.join(f'{name} {num}' for name, num in flags.items())}."))
    return Section("Everything else", blocks)
