"""Figures of the comparison: skill against forgetting, skill against turns with both counts, signal, drift of style."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from reasonry.core.report import (
    Block,
    Chart,
    Code,
    Column,
    Estimate,
    Fact,
    Note,
    Prose,
    Reference,
    Report,
    Section,
    Series,
    Spot,
    Table,
    bar_chart,
    curve_chart,
    scatter,
)
from reasonry.core.report.channels import Measure
from reasonry.core.stats import Spread, spread
from reasonry.training.pivotrl.desk.config import DeskConfig
from reasonry.training.pivotrl.desk.profile import Shares
from reasonry.training.pivotrl.desk.results import Comparison, Course, turns_to_reach
from reasonry.training.pivotrl.desk.training import Look

_WORLD = (
    "**This is a small world, not the paper's.** A model of 0.16 million parameters works at a help desk of known "
    "rules; every acceptable action is known, and so is every cost. It shows which part of the recipe does what. It "
    "does not say how large the effects are for a language model."
)
_LEVEL = 0.6
_Value = Callable[[Look], float]


def desk_report(result: Comparison, config: DeskConfig, *, command: str = "") -> Report:
    """The report of a comparison.

    Args:
        result: What was found.
        config: What was asked for.
        command: The command that repeats it, shown at the end.
    """
    base = result.base.found
    zero = spread(s.zero_variance for s in result.functional)
    strict = spread(s.zero_variance for s in result.strict)
    best = max(result.settings, key=lambda s: _end(result.of(*s), lambda k: k.found.desk_sampled).mean)
    facts = [
        Fact("Base model", base.desk_sampled, "share of desk episodes that succeed, sampled", "percent", 0),
        Fact("Best arm", _name(*best), f"{_end(result.of(*best), lambda k: k.found.desk_sampled).mean:.0%} sampled"),
        Fact("Turns without a signal", _estimate(zero), "candidates without reward variance, functional", "percent", 1),
        Fact("The same, strict", _estimate(strict), "rewarding the very tokens", "percent", 1),
    ]
    sections = [
        _table_section(result),
        _frontier_section(result),
        _turns_section(result),
        _signal_section(result),
        _style_section(result),
        _profile_section(result),
    ]
    if command:
        sections.append(Section("Run", [Code(command, "Repeat or continue")]))
    return Report(
        "Which way of training on demonstrations?",
        f"{len(result.settings)} settings on the {result.world} desk, {config.num_seeds} repetitions, "
        f"{config.num_demos} demonstrations",
        facts,
        [Section("What this is", [Prose(_WORLD)]), *sections],
        f"seed {config.seed}; 95 % t intervals over repetitions",
    )


def _name(arm: str, lr: float) -> str:
    return f"{arm} {lr:g}" if "sft" in arm else arm


def _end(courses: Sequence[Course], value: _Value) -> Spread:
    return spread(value(c.end) for c in courses)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _estimate(found: Spread) -> Estimate:
    return Estimate(_finite(found.mean), _finite(found.low), _finite(found.high))


def _table_section(result: Comparison) -> Section:
    shown: list[tuple[Column, _Value]] = [
        (Column("desk, sampled", "percent", 0), lambda k: k.found.desk_sampled),
        (Column("desk, greedy", "percent", 0), lambda k: k.found.desk_greedy),
        (Column("cells without demonstrations", "percent", 0), lambda k: k.found.held_out),
        (Column("hotel", "percent", 0), lambda k: k.found.hotel),
        (Column("far skills", "percent", 1), lambda k: k.found.far),
        (Column("KL far", "decimal", 4), lambda k: k.found.kl_far),
        (Column("KL hotel", "decimal", 3), lambda k: k.found.kl_near),
        (Column("KL inside M(s)", "decimal", 3), lambda k: k.found.drift.inside),
        (Column("KL outside M(s)", "decimal", 3), lambda k: k.found.drift.outside),
    ]
    costs: list[tuple[Column, _Value]] = [
        (Column("training turns", "integer"), lambda k: float(k.ledger.train_turns)),
        (Column("profiling turns", "integer"), lambda k: float(k.ledger.profile_turns)),
        (Column("both", "integer"), lambda k: float(k.ledger.total_turns)),
        (Column("tokens sampled", "integer"), lambda k: float(k.ledger.train_tok + k.ledger.profile_tok)),
        (
            Column("tokens prefilled", "integer"),
            lambda k: float(k.ledger.train_prefill_tok + k.ledger.profile_prefill_tok),
        ),
        (Column("tokens imitated", "integer"), lambda k: float(k.ledger.imitated_tok)),
        (Column("seconds", "integer"), lambda k: k.ledger.train_s + k.ledger.profile_s),
    ]

    def rows(columns: Sequence[tuple[Column, _Value]]) -> list[list[str | Estimate | float | None]]:
        found: list[list[str | Estimate | float | None]] = [["base", *(_finite(v(result.base)) for _, v in columns)]]
        for arm, lr in result.settings:
            courses = result.of(arm, lr)
            found.append([_name(arm, lr), *(_estimate(_end(courses, v)) for _, v in columns)])
        return found

    return Section(
        "Result",
        [
            Table([Column("arm"), *(c for c, _ in shown)], rows(shown), "Skill and drift at the end of training"),
            Table([Column("arm"), *(c for c, _ in costs)], rows(costs), "What it cost, training and profiling apart"),
        ],
    )


def _frontier_section(result: Comparison) -> Section:
    def spots(value: _Value) -> list[Spot]:
        found = [Spot(result.base.found.desk_sampled, value(result.base), "base model", "base")]
        for course in result.courses:
            for look in course.looks:
                label = f"{_name(course.arm, course.lr)}, step {look.step}, repetition {course.repetition}"
                found.append(Spot(look.found.desk_sampled, value(look), label, course.arm))
        return found

    x_title = "desk success, sampled"
    blocks: list[Block] = [
        Chart(
            scatter(spots(value), x_title=x_title, y_title=title, x_format=".0%", y_format=form),
            headline,
            f"Points: {title} against sampled desk success, one for each look of each training, coloured by arm.",
            span="half",
        )
        for value, title, form, headline in (
            (lambda k: k.found.far, "far skills, exact match", ".0%", "What the far domain lost"),
            (lambda k: k.found.hotel, "hotel success", ".0%", "What the near domain lost"),
            (lambda k: k.found.kl_ood, "KL to the base model, nats a token", ".2f", "How far it moved elsewhere"),
            (lambda k: k.found.drift.inside, "KL inside M(s), nats a turn", ".2f", "How far the style moved"),
        )
    ]
    text = (
        "An arm that has learned nothing has forgotten nothing: compare arms at equal desk success, left to right. "
        "Imitation is swept over learning rates, and every look is a point of its line."
    )
    return Section("Skill against forgetting", [Prose(text), *blocks])


def _turns_section(result: Comparison) -> Section:
    def lines(with_profile: bool) -> list[Series]:
        found: list[Series] = []
        for arm, lr in result.settings:
            courses = [c for c in result.of(arm, lr) if c.end.ledger.train_turns]
            if not courses:
                continue
            looks = list(zip(*(c.looks for c in courses), strict=True))
            cost = (lambda k: k.ledger.total_turns) if with_profile else (lambda k: k.ledger.train_turns)
            x = [sum(cost(k) for k in at) / len(at) for at in looks]
            y = [spread(k.found.desk_sampled for k in at) for at in looks]
            found.append(Series(arm, x, [s.mean for s in y], [s.low for s in y], [s.high for s in y]))
        return found

    blocks: list[Block] = []
    for with_profile, headline in ((False, "Training turns alone"), (True, "Training and profiling turns")):
        if series := lines(with_profile):
            chart = curve_chart(series, x_title="sampled turns", y_title="desk success", y_format=".0%", band=False)
            text = f"Lines: sampled desk success against {headline.lower()}, one for each arm of RL."
            blocks.append(Chart(chart, headline, text, span="half"))
    rows: list[list[str | Estimate | float | None]] = []
    for arm, lr in result.settings:
        reached = [turns_to_reach(c, result.base, _LEVEL) for c in result.of(arm, lr) if c.end.ledger.train_turns]
        if reached:
            num = sum(not math.isnan(t.train) for t in reached)
            means = [spread(values) for values in zip(*((t.train, t.profile, t.total) for t in reached), strict=True)]
            rows.append([arm, f"{num} of {len(reached)}", *(_estimate(m) for m in means)])
    columns = [
        Column("arm"),
        Column("repetitions that reach it"),
        Column("training turns", "integer"),
        Column("profiling turns", "integer"),
        Column("both", "integer"),
    ]
    blocks.append(Table(columns, rows, f"Turns until {_LEVEL:.0%} of desk episodes succeed"))
    note = Note(
        "Profiling is paid once for a set of demonstrations, whatever is trained on it afterwards; a ratio of training "
        "turns alone leaves it out.",
        title="Two ways to count",
    )
    return Section("Skill against turns", [note, *blocks])


def _signal_section(result: Comparison) -> Section:
    def lines(value: Callable[[Look], float]) -> list[Series]:
        found: list[Series] = []
        for arm, lr in result.settings:
            courses = [c for c in result.of(arm, lr) if not math.isnan(c.end.signal.reward)]
            if courses:
                looks = list(zip(*(c.looks for c in courses), strict=True))
                y = [_finite(spread(value(k) for k in at).mean) for at in looks]
                found.append(Series(arm, [at[0].step for at in looks], y))
        return found

    blocks: list[Block] = []
    for value, title, form in (
        (lambda k: k.signal.useless, "share of groups without a signal", ".0%"),
        (lambda k: k.signal.variance, "variance of rewards within groups", ".3f"),
        (lambda k: k.signal.grad_norm, "gradient norm", ".2f"),
    ):
        if series := lines(value):
            chart = curve_chart(series, x_title="optimiser steps", y_title=title, y_format=form, band=False)
            blocks.append(Chart(chart, title.capitalize(), f"Lines: {title}, one for each arm of RL.", span="half"))
    text = "A group whose rewards are all equal has no advantage and teaches nothing, and is paid for all the same."
    return Section("Signal", [Prose(text), *blocks])


def _style_section(result: Comparison) -> Section:
    bars: list[Measure] = []
    for arm, lr in result.settings:
        for group, value in (
            ("inside M(s)", lambda k: k.found.drift.inside),
            ("outside M(s)", lambda k: k.found.drift.outside),
        ):
            found = _end(result.of(arm, lr), value)
            bars.append(Measure(_name(arm, lr), _finite(found.mean), _finite(found.low), _finite(found.high), group))
    chart = bar_chart(bars, x_title="", y_title="KL to the base model, nats", y_format=".2f")
    text = (
        "M(s) are the eight ways to write the right call. The optimum of a functional reward with a KL term keeps the "
        "base model's preferences inside M(s) and outside it (theorem 3.3 of the paper); gradient steps of a network "
        "need not, and this is what they did."
    )
    description = "Bars: KL of the conditional distributions inside and outside the acceptable actions, by arm."
    return Section("Drift of style", [Prose(text), Chart(chart, "Inside and outside", description)])


def _profile_section(result: Comparison) -> Section:
    columns = [
        Column("reward"),
        Column("repetition", "integer"),
        Column("candidates", "integer"),
        Column("always right", "percent", 1),
        Column("always wrong", "percent", 1),
        Column("pivots", "integer"),
        Column("pivots by turn"),
        Column("variance, all", "decimal", 3),
        Column("variance, pivots", "decimal", 3),
    ]

    def row(reward: str, at: int, s: Shares) -> list[str | float]:
        by_turn = " ".join(map(str, s.pivots_by_turn))
        return [reward, at, s.num, s.all_pass, s.all_fail, s.pivots, by_turn, s.variance, s.pivot_variance]

    rows = [
        row(reward, at, s)
        for reward, found in (("functional", result.functional), ("strict", result.strict))
        for at, s in enumerate(found)
    ]
    bars = [
        Measure(f"turn {turn + 1}", spread(float(s.pivots_by_turn[turn]) for s in found).mean, group=reward)
        for reward, found in (("functional", result.functional), ("strict", result.strict))
        for turn in range(len(found[0].pivots_by_turn))
    ]
    chart = bar_chart(bars, x_title="turn of the episode", y_title="pivots", references=[Reference(0.0)])
    text = "Bars: number of pivots at every turn of an episode, by reward, mean over repetitions."
    return Section("Where the pivots are", [Chart(chart, "Pivots by turn", text), Table(columns, rows, "Profiles")])
