"""Figures of ``reasonry plan``: the advice, success against cost for every strategy, how clear each favourite is."""

from __future__ import annotations

import math

from reasonry.core.report import (
    Block,
    Chart,
    Code,
    Column,
    Estimate,
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
    histogram,
    interval_chart,
)
from reasonry.test_time.planner.records import Plan, Prediction, StrategyPlan
from reasonry.test_time.planner.run import Planned

_MOST_PROMPTS = 50  # of the table; results.json holds all
_MOST_LINES = 24  # of the forest plot
_SAME = 1.002  # points of a curve closer than this ratio on the x axis are one
_STATUS = {
    "decided": "clear favourite",
    "undecided": "undecidable at pilot size",
    "tied": "tied",
    "silent": "no answer",
    "one text": "one text only",
}


def summary_lines(planned: Planned) -> list[str]:
    """What the terminal shows: the advice, then one line for each strategy, then what to beware of."""
    plan = planned.plan
    lines = [plan.recommendation, _read_line(planned), ""]
    width = max(len(s.name) for s in plan.strategies)
    for s in plan.strategies:
        cost = "" if s.cost is None else f"  cost {1000 * s.cost:.3g} per 1,000 prompts"
        tokens = "" if s.num_tok is None else f"  {s.num_tok:,.0f} tokens"
        lines.append(f"{s.name:<{width}}  n {_number(s.n_hat):>5}  {_interval(s):<16}{tokens}{cost}")
        lines.append(f"{'':<{width}}  {s.verdict}")
    lines += [f"note: {text}" for text in plan.warnings]
    return lines


def build_report(planned: Planned, *, command: str) -> Report:
    """The report of a plan."""
    plan = planned.plan
    chosen = next((s for s in plan.strategies if s.name == plan.recommended), None)
    vote = plan.strategies[0]
    facts = [
        Fact("Recommended", chosen.name if chosen else "none", _how_many(chosen, plan) if chosen else "see below"),
        Fact("Votes needed", _number(vote.n_hat), _interval(vote) or "no interval"),
    ]
    for strategy, label in ((vote, "Vote's ceiling"), (_perfect(plan), "Coverage")):
        if strategy.ceiling:
            c = strategy.ceiling
            facts.append(Fact(label, Estimate(c.value, c.low, c.high), c.what, "percent"))
    if plan.tokens:
        facts.append(Fact("Tokens", plan.tokens.mean_tok, f"per sample, s.d. {plan.tokens.sd_tok:.0f}", "integer"))
    notes: list[Block] = [Note(text, "warning") for text in plan.warnings]
    sections = [
        Section("What to do", [Prose(plan.recommendation), *notes]),
        _strategies_section(plan),
        _prompts_section(planned),
        Section("Run", [Prose(_read_line(planned)), Code(command, "Plan again")]),
    ]
    what = "right answers" if plan.goal == "right answer" else "the mode of the model's answers"
    return Report(
        f"Plan for {plan.target:.0%} of {what}" if plan.num_planned > 1 else f"Plan for {what} with {plan.target:.0%}",
        f"{plan.num_planned} prompts x {_sizes(plan)} samples of {planned.pools.path}; intervals of {plan.level:.0%}",
        facts,
        sections,
        str(planned.pools.path),
    )


# ---------------------------------------------------------------- strategies


def _strategies_section(plan: Plan) -> Section:
    in_tokens = plan.tokens is not None and plan.tokens.mean_tok > 0
    x_title = "tokens per prompt" if in_tokens else "samples per prompt, on average"
    series = [_series(s, in_tokens) for s in plan.strategies]
    goal = "accuracy" if plan.goal == "right answer" else "agreement with the mode"
    chart = Chart(
        curve_chart(
            series,
            x_title=x_title,
            y_title=goal,
            y_format=".0%",
            y_domain=(0.0, 1.0),
            log_x=True,
            references=[Reference(plan.target, f"target {plan.target:.0%}")],
        ),
        f"Predicted {goal} against {x_title.split(',')[0]}",
        f"Predicted {goal} of {', '.join(s.name for s in plan.strategies)} as the number of samples grows.",
        caption=_basis(plan),
        height=360,
    )
    has_cost = any(s.cost is not None for s in plan.strategies)
    columns = [Column("strategy"), Column("n", align="right"), Column(f"{plan.level:.0%} interval", align="right")]
    columns += [Column("samples drawn", "decimal", 1), Column("tokens", "integer")]
    columns += [Column("cost per 1,000 prompts", "decimal", 3)] if has_cost else []
    columns += [Column("ceiling", "percent"), Column("verdict")]
    rows = []
    for s in plan.strategies:
        ceiling = Estimate(*s.ceiling[:3]) if s.ceiling else None
        cost = [s.cost and 1000 * s.cost] if has_cost else []
        n = [_number(s.n_hat), _interval(s) or "none"]
        rows.append([s.name, *n, s.num_samples, s.num_tok, *cost, ceiling, s.verdict])
    table = Table(columns, rows, title=f"Samples per prompt for {plan.target:.0%}")
    shown = [p.n for p in plan.strategies[0].budgets]
    budgets = Table(
        [Column("strategy"), *(Column(f"n = {n:,}", "percent") for n in shown)],
        [[s.name, *(Estimate(p.success, p.low, p.high) for p in s.budgets)] for s in plan.strategies],
        title="Success at given budgets",
        caption=_basis(plan),
    )
    reasons = "\n\n".join(
        f"**{s.name}**: {s.about}{f'; needs {s.needs}' if s.needs else ''}. " + " ".join(f"{r}." for r in s.reasons)
        for s in plan.strategies
    )
    return Section("Strategies", [chart, table, budgets, Prose(reasons)])


def _series(strategy: StrategyPlan, in_tokens: bool) -> Series:
    points: list[Prediction] = []
    x: list[float] = []
    for point in strategy.curve:
        here = point.num_tok if in_tokens and point.num_tok is not None else point.num_samples
        if not x or here > x[-1] * _SAME:
            points.append(point)
            x.append(here)
    has_band = points[0].low is not None
    return Series(
        strategy.name,
        x,
        [p.success for p in points],
        [p.low for p in points] if has_band else None,
        [p.high for p in points] if has_band else None,
        dashed=bool(strategy.needs),
    )


def _basis(plan: Plan) -> str:
    if plan.basis == "finite pool":
        return (
            f"Up to n = {plan.num_samples[0]} every point is the exact average over all subsets of the pilot's pools "
            "(weighted votes are simulated); beyond, it is extrapolated: votes and verifiers of known rates by a law "
            "of prompts fitted to the pilot, the rest from the pools as they are. Bands: "
            f"{plan.level:.0%} bootstrap over prompts. Dashed: needs something that the pilot does not show."
        )
    return (
        "All points are extrapolated: the pilot's shares are taken for probabilities. Bands hold every prompt's own "
        f"{plan.level:.0%} interval. Dashed: needs something that the pilot does not show."
    )


def _perfect(plan: Plan) -> StrategyPlan:
    return next(s for s in plan.strategies if s.name == "best-of-n (perfect verifier)")


# ---------------------------------------------------------------- prompts


def _prompts_section(planned: Planned) -> Section:
    plan, pilot = planned.plan, planned.pilot
    top = plan.top
    gaps: dict[str, list[float]] = {}
    for status, gap in zip(plan.status_P, top.gap.tolist(), strict=True):
        gaps.setdefault(_STATUS[status], []).append(gap)
    blocks: list[Block] = []
    if pilot.num_prompts > 1:
        blocks.append(
            Chart(
                histogram(gaps, x_title="gap p1 - p2 between favourite and runner-up", y_title="prompts", bins=20),
                "How clear the favourites are",
                f"Histogram of the gap over {pilot.num_prompts} prompts, by state of the prompt.",
                span="half" if pilot.num_prompts <= _MOST_LINES else "full",
                caption="A vote needs about 1 / gap^2 samples, a verifier about 1 / p.",
            )
        )
    unclear = sorted(range(pilot.num_prompts), key=lambda at: (top.gap_low[at], pilot.ids[at]))
    if pilot.num_prompts <= _MOST_LINES:
        lines = [
            Measure(_label(pilot.ids[at]), float(top.gap[at]), float(top.gap_low[at]), float(top.gap_high[at]))
            for at in unclear
        ]
        blocks.append(
            Chart(
                interval_chart(lines, x_title="gap p1 - p2", x_domain=(-1, 1), references=[Reference(0, "tie")]),
                "Where the pilot can tell the favourite",
                "Gap of each prompt with its interval; those that reach below 0 are undecided.",
                span="half" if pilot.num_prompts > 1 else "full",
            )
        )
    labelled = plan.goal == "right answer"
    columns = [Column("prompt"), Column("favourite"), Column("runner-up"), Column("p1", "percent")]
    columns += [Column("p2", "percent"), Column("gap", "decimal", 3), Column("votes to tell", "integer")]
    columns += [Column("state"), *([Column("right samples", "integer")] if labelled else [])]
    rows = []
    for at in unclear[:_MOST_PROMPTS]:
        votes = float(top.votes_to_decide[at])
        favourite, runner_up = pilot.leaders[at]
        right = int(pilot.num_right_P[at]) if pilot.is_labelled_P[at] else None
        rows.append(
            [
                _label(pilot.ids[at]),
                favourite,
                runner_up,
                Estimate(float(top.p1[at]), float(top.p1_low[at]), float(top.p1_high[at])),
                Estimate(float(top.p2[at]), float(top.p2_low[at]), float(top.p2_high[at])),
                Estimate(float(top.gap[at]), float(top.gap_low[at]), float(top.gap_high[at])),
                votes if math.isfinite(votes) else "no number",
                _STATUS[plan.status_P[at]],
                *([right] if labelled else []),
            ]
        )
    more = pilot.num_prompts - len(rows)
    caption = f"The least certain first; {more} more are in results.json." if more else "The least certain first."
    return Section("Prompts", [*blocks, Table(columns, rows, title="Favourites and runners-up", caption=caption)])


# ---------------------------------------------------------------- words


def _read_line(planned: Planned) -> str:
    plan, pools = planned.plan, planned.pools
    left_out = "".join(f"; {count} rows skipped: {reason}" for reason, count in pools.skipped.items())
    without = [f"{count} {_missing(what)}" for what, count in pools.missing.items() if count]
    gaps = f" ({', '.join(without)})" if without else ""
    return f"{plan.num_prompts} prompts, {pools.num_samples} samples of {pools.path}{gaps}{left_out}"


def _missing(what: str) -> str:
    return what if what == "ungradable" else f"without {what}"


def _sizes(plan: Plan) -> str:
    smallest, largest = plan.num_samples
    return str(smallest) if smallest == largest else f"{smallest} to {largest}"


def _how_many(strategy: StrategyPlan, plan: Plan) -> str:
    interval = _interval(strategy)
    text = f"n = {_number(strategy.n_hat)}{f' ({interval})' if interval else ''} for {plan.target:.0%}"
    return f"{text}; needs {strategy.needs}" if strategy.needs else text


def _number(n: float) -> str:
    return f"{n:,.0f}" if math.isfinite(n) else "none"


def _interval(strategy: StrategyPlan) -> str:
    if strategy.n_low is None or strategy.n_high is None:
        return ""
    if math.isinf(strategy.n_low):
        return "no number"
    high = "no bound" if math.isinf(strategy.n_high) else f"{strategy.n_high:,.0f}"
    return f"{strategy.n_low:,.0f} to {high}"


def _label(prompt: str, width: int = 60) -> str:
    name = prompt or "(the only prompt)"
    return name if len(name) <= width else name[: width - 3] + "..."
