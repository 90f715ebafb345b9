"""What a terminal shows of an audit."""

from __future__ import annotations

import math

from reasonry.understanding.out_of_context.audit.intervals import IndexInterval
from reasonry.understanding.out_of_context.audit.outcome import PairOutcome
from reasonry.understanding.out_of_context.audit.results import ArmOutcome, Audited

Table = tuple[list[str], list[list[str]]]


def pair_table(arm: ArmOutcome) -> Table:
    """A row for each pair: before, after, tests, verdict."""
    columns = [
        "pair",
        "groups",
        "asked",
        "rank before",
        "after",
        "chance",
        "index after",
        "p after",
        "p gain",
        "verdict",
    ]
    return columns, [
        [
            o.pair.name,
            str(len(o.pair.groups)),
            str(o.pair.num_test),
            f"{o.before.mean_rank:.2f}",
            f"{o.after.mean_rank:.2f}",
            f"{o.after.chance:.2f}",
            with_interval(o.after.transfer_index),
            f"{o.p_after:.3g}",
            f"{o.p_gain:.3g}",
            o.verdict.kind,
        ]
        for o in arm.pairs
    ]


def arm_table(done: Audited) -> Table:
    """A row for each way of tuning: what is inferred, and what it costs."""
    columns = [
        "tuning",
        "rows",
        "added",
        "steps",
        "index",
        "says it",
        "says a foil",
        "fact rank",
        "forgetting",
        "verdicts",
    ]
    rows: list[list[str]] = []
    for arm in done.arms:
        worst = max(arm.pairs, key=lambda o: o.after.transfer_index.value)
        rows.append(
            [
                arm.name,
                _num(arm.num_rows),
                _num(arm.num_added),
                _num(arm.num_steps),
                with_interval(worst.after.transfer_index),
                f"{worst.after.says_it:.0%}",
                f"{worst.after.says_foil:.0%}",
                f"{max(o.fact_rank[1] for o in arm.pairs):.2f}",
                number(arm.locality.forgetting, "{:+.3f}"),
                ", ".join(sorted({o.verdict.kind for o in arm.pairs})),
            ]
        )
    return columns, rows


def summary_lines(done: Audited) -> list[str]:
    """What the tables do not say."""
    lines: list[str] = []
    for arm in done.arms[:1]:
        lines += [f"{o.pair.name}: {o.verdict.kind}: {o.verdict.reason}" for o in arm.pairs]
        lines += [facts_line(o) for o in arm.pairs]
        if arm.early_stop is not None:
            lines.append(f"early stop: {arm.early_stop.reason}")
        there = arm.locality
        lines.append(
            f"locality: {there.same:.0%} of {there.num_common} unrelated questions have the same first answer; "
            f"forgetting {number(there.forgetting, '{:+.3f}')} nats per token of plain text"
        )
    lines += [f"rule: {line}" for line in (done.rule if done.arms else [])]
    return [*lines, done.gate.line]


def facts_line(outcome: PairOutcome) -> str:
    """Whether what training said was learnt, and what the base model makes of it as text."""
    trained, held, bridge = outcome.fact_rank, outcome.fact_rank_held_out, outcome.bridge_rank
    return (
        f"{outcome.pair.name}: mean rank of the facts {trained[0]:.2f} -> {trained[1]:.2f} (held-out wordings "
        f"{held[0]:.2f} -> {held[1]:.2f}), of the implications that training had {bridge[0]:.2f} -> {bridge[1]:.2f}; "
        f"index in context, untuned: {number(outcome.in_context, '{:.2f}')}; prior: {outcome.prior.opinion}"
    )


def with_interval(index: IndexInterval) -> str:
    """``0.96 [0.89, 0.98]``."""
    return f"{index.value:.2f} [{index.low:.2f}, {index.high:.2f}]"


def number(value: float, form: str) -> str:
    """A number, or a dash where there is none."""
    return "-" if math.isnan(value) else form.format(value)


def _num(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"
