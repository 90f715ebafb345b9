"""Figures of the theory: two rates on two instances, the collapse below the rate, and a verifier's ceiling.

Everything shown is computed exactly when the report is built; it takes about a second.
"""

# pyright: strict
from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from reasonry.core.report import (
    Chart,
    Column,
    Fact,
    Note,
    Prose,
    Reference,
    Report,
    Section,
    Series,
    Table,
    curve_chart,
)
from reasonry.test_time.theory import hard_instances as hard
from reasonry.test_time.theory.hard_instances import SeparationRow
from reasonry.test_time.theory.plurality import plurality, plurality_curve
from reasonry.test_time.theory.selection_ceiling import accepted_law, binary_verifier, binary_verifier_limit

COLUMNS = {
    "vote_two": "vote, two answers",
    "vote_tail": "vote, long tail",
    "best_of_n_tail": "best-of-n, long tail",
    "best_of_n_two": "best-of-n, two answers",
}
"""Fields of a `SeparationRow` and what they are called, from the most samples to the fewest."""

_NUM_LAST = 4
_SHARES = (0.0625, 0.25, 1.0)
_CEILING_LAW = (0.35, 0.4, 0.25)
_CEILING_MAX_N = 64


def separation_report(
    gaps: Sequence[float] = hard.GAPS, deltas: Sequence[float] = hard.DELTAS, *, title: str = ""
) -> Report:
    """The report on how many samples voting and selecting need, and where their rates are attained.

    Args:
        gaps: Gaps, at least two, each in (0, 1/3]; slopes also use the last four alone.
        deltas: Failure probabilities; the first one is drawn.
        title: Of the report.

    Raises:
        ConfigError: A gap or a delta is out of range.
    """
    rows = hard.separation_table(gaps, deltas)
    drawn = [row for row in rows if row.delta == deltas[0]]
    slope = hard.slopes(drawn, last=_NUM_LAST)
    over = f"log-log slope over the last {min(_NUM_LAST, len(drawn))} gaps, delta = {deltas[0]:g}"
    facts = [
        Fact("Vote", slope.vote_two, f"{COLUMNS['vote_two']}: {over}", "decimal", 3),
        Fact("Best-of-n", slope.best_of_n_tail, f"{COLUMNS['best_of_n_tail']}: {over}", "decimal", 3),
        Fact("Vote, other instance", slope.vote_tail, f"{COLUMNS['vote_tail']}: not 2", "decimal", 3),
        Fact("Best-of-n, other instance", slope.best_of_n_two, f"{COLUMNS['best_of_n_two']}: not 1", "decimal", 3),
    ]
    return Report(
        title or "Votes and selections: how many samples are enough",
        f"Exact probabilities, gaps {gaps[0]:g} to {gaps[-1]:g}",
        facts,
        [_rates_section(drawn, deltas[0]), _table_section(rows, deltas), _below_section(gaps), _ceiling_section()],
        "Rates: Huang et al. 2025 (arXiv 2506.05295), theorems 3.1 and 3.2. Constants and ceilings: derived, exact.",
    )


def _rates_section(rows: Sequence[SeparationRow], delta: float) -> Section:
    inverse = [1 / row.gap for row in rows]
    lines = [
        Series(name, inverse, [getattr(row, field) for row in rows], dashed=field in ("vote_tail", "best_of_n_two"))
        for field, name in COLUMNS.items()
    ]
    chart = Chart(
        curve_chart(lines, x_title="1 / gap", y_title="samples needed", log_x=True, log_y=True),
        "The slopes 2 and 1 are seen on different instances",
        "Samples needed against 1 / gap, both axes logarithmic: a vote on two answers rises with slope 2, best-of-n on "
        "the long tail with slope 1; a vote on the long tail rises with little more than slope 1, and best-of-n on two "
        "answers is nearly flat.",
        height=360,
        caption=f"Fewest samples for success with probability {1 - delta:g}. Solid: the instance that is hard for the "
        "strategy. Dashed: the other strategy's hard instance.",
    )
    said = (
        "A majority vote needs of the order of 1 / gap^2 samples and best-of-n with a perfect verifier 1 / gap, each "
        "**in its own worst case**. With two answers near 1/2 the vote is slow, and a verifier finds the right answer "
        "in a few draws whatever the gap. On a long tail the right answer is rare, so the verifier waits for it; the "
        "vote there is cheap, because the lead over a rare rival varies little."
    )
    return Section("Two rates, two instances", [Prose(said), chart])


def _table_section(rows: Sequence[SeparationRow], deltas: Sequence[float]) -> Section:
    columns = [Column("delta", "decimal", 2), Column("gap", "decimal", 2)]
    cells = [[row.delta, row.gap, *(getattr(row, field) for field in COLUMNS)] for row in rows]
    numbers = Table([*columns, *(Column(name, "integer") for name in COLUMNS.values())], cells)
    fits: list[list[str | float]] = []
    for delta in deltas:
        mine = [row for row in rows if row.delta == delta]
        for label, last in (("all", None), (f"last {_NUM_LAST}", _NUM_LAST)):
            slope = hard.slopes(mine, last=last)
            fits.append([f"{delta:g}", label, *(float(getattr(slope, field)) for field in COLUMNS)])
    fitted = Table(
        [Column("delta"), Column("gaps"), *(Column(name, "decimal", 4) for name in COLUMNS.values())],
        fits,
        title="Log-log slopes",
        caption="Rounding up to whole samples bends the ends with few samples, hence the second line.",
    )
    return Section("Samples needed", [numbers, fitted], "The smallest number of samples that is enough, exactly.")


def _below_section(gaps: Sequence[float]) -> Section:
    drawn = [gap for i, gap in enumerate(gaps) if i in (0, len(gaps) // 2, len(gaps) - 1)]
    lines: list[Series] = []
    for gap in dict.fromkeys(drawn):
        # Odd numbers only: an even one gains nothing and would draw steps.
        num = sorted({2 * int(s / gap**2 / 2) + 1 for s in np.geomspace(0.02, 8, 40)})
        law = hard.two_answers(gap)
        x = [n * gap**2 for n in num]
        lines.append(Series(f"gap {gap:g}", x, [plurality(law, n, target=1) for n in num]))
    shares = [float(s) for s in np.geomspace(0.02, 8, 40)]
    limit = [0.5 * math.erfc(math.sqrt(s / 2)) for s in shares]
    lines.append(Series("limit", shares, limit, dashed=True))
    chart = Chart(
        curve_chart(lines, x_title="n gap^2", y_title="the vote is wrong", y_format=".0%", log_x=True),
        "In units of 1 / gap^2 all gaps fail alike",
        "Failure probability of a vote between two answers against n times gap squared; the curves of all gaps fall on "
        "the normal limit.",
        caption="Limit: Phi(-sqrt(n gap^2)).",
    )
    cells = [
        [share, *row[:3], row.any_rule_fails, row.num_draws, row.best_of_n_fails]
        for share in _SHARES
        for row in hard.failures_below(gaps, share=share)
    ]
    columns = [
        Column("c", "decimal", 4),
        Column("gap", "decimal", 2),
        Column("votes, c / gap^2", "integer"),
        Column("vote fails", "percent"),
        Column("any rule fails at least", "percent"),
        Column("draws, c / gap", "integer"),
        Column("best-of-n fails", "percent"),
    ]
    caption = "Votes on two answers, draws on the long tail. Numbers below one sample are raised to one."
    return Section(
        "Below the rate",
        [chart, Table(columns, cells, caption=caption)],
        "Fewer samples than a constant times the rate fail with a probability that no small gap makes smaller.",
    )


def _ceiling_section() -> Section:
    law, right = np.array(_CEILING_LAW), _CEILING_LAW[0]
    n = list(range(1, _CEILING_MAX_N + 1))
    recall, false_accept = 0.8, 0.4
    limit = float(binary_verifier_limit(right, recall=recall, false_accept=false_accept))
    voting = accepted_law(law, recall=recall, false_accept=false_accept)
    lines = [
        Series("perfect verifier", n, binary_verifier(right, n, recall=1, false_accept=0).tolist(), dashed=True),
        Series("vote among accepted", n, plurality_curve(voting.probs, len(n), silent=voting.silent).tolist()),
        Series(
            "one of the accepted",
            n,
            binary_verifier(right, n, recall=recall, false_accept=false_accept).tolist(),
        ),
        Series("vote", n, plurality_curve(law, len(n)).tolist()),
    ]
    chart = Chart(
        curve_chart(
            lines,
            x_title="samples, n",
            y_title="right",
            y_format=".0%",
            log_x=True,
            references=[Reference(limit, f"ceiling {limit:.1%}")],
        ),
        "A verifier that errs has a ceiling; a vote among what it accepts has none",
        "Probability of a right answer against the number of samples for a perfect verifier, a vote among accepted "
        "samples, one accepted sample, and a plain vote.",
        height=340,
        caption=f"Right answer {right:g}, rivals {_CEILING_LAW[1]:g} and {_CEILING_LAW[2]:g}; the verifier accepts "
        f"{recall:.0%} of right and {false_accept:.0%} of wrong samples.",
    )
    note = Note(
        "The right answer is not the mode here, so in the end more votes make a plain vote worse. Choosing one "
        "accepted sample stops at p r / (p r + (1 - p) f). A vote among accepted samples succeeds as soon as p r "
        "exceeds p_o f for every rival o, provided the verifier errs independently from sample to sample; one that "
        "always likes the same wrong answer does not."
    )
    return Section("With a verifier that errs", [chart, note])
