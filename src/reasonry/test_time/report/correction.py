"""Section on self-correction: what each further attempt brought, and whom the controller asked."""

from __future__ import annotations

from collections import Counter

from reasonry.core.report import Chart, Measure, Prose, Section, Series, bar_chart, curve_chart
from reasonry.core.stats import wilson
from reasonry.test_time.results import Solved


def correction_section(solved: Solved) -> Section:
    """Success by attempt, and attempts and successes of every expert."""
    num = len(solved.task.problems)
    longest = max(len(pool) for pool in solved.pools.values())
    by_attempt: list[int] = [
        sum(any(s.grade == "right" for s in pool[:t]) for pool in solved.pools.values()) for t in range(1, longest + 1)
    ]
    bands = [wilson(right, num) for right in by_attempt]
    curve = Series(
        "a right attempt so far",
        list(range(1, longest + 1)),
        [right / num for right in by_attempt],
        [b.low for b in bands],
        [b.high for b in bands],
    )
    asked = Counter(row["expert"] for row in solved.rows)
    right = Counter(row["expert"] for row in solved.rows if row["grade"] == "right")
    bars = [
        Measure(name, right[name] / count, *_ends(right[name], count), group="right, of its attempts")
        for name, count in sorted(asked.items())
    ]
    shares = ", ".join(f"{name} {count}" for name, count in asked.most_common())
    return Section(
        "Attempt by attempt",
        [
            Prose(
                "An attempt that the verifier accepts ends its problem. Where the verifier is the task's own it knows "
                f"the answer, so this curve is what a perfect verifier buys. Attempts by expert: {shares}."
            ),
            Chart(
                curve_chart([curve], x_title="attempts", y_title="problems", y_format=".0%"),
                "Problems with a right attempt",
                f"Share of problems with a right attempt after 1 to {longest} attempts.",
                span="half",
                caption="Band: 95 % Wilson intervals over problems.",
            ),
            Chart(
                bar_chart(bars, x_title="expert", y_title="right attempts", y_format=".0%"),
                "Experts",
                "Share of right attempts of each expert.",
                span="half",
                caption="Experts that are asked later get the harder problems: this compares them only roughly.",
            ),
        ],
    )


def _ends(right: int, total: int) -> tuple[float, float]:
    interval = wilson(right, total)
    return interval.low, interval.high
