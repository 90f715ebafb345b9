"""Sections on curves: accuracy against samples, and every strategy against tokens on one chart."""

from __future__ import annotations

from reasonry.core.report import Chart, Column, Estimate, Prose, Section, Series, Table, curve_chart
from reasonry.test_time.results import CurveSummary, Solved

ABOUT = {
    "maj@k": "majority vote of k samples",
    "bon@k": "the sample of k with the highest score",
    "weighted@k": "vote of k samples weighted by exp(score)",
    "pass@k": "at least one of k samples is right: what a perfect verifier could pick",
}


def curves_section(solved: Solved) -> Section:
    """Accuracy for every number of samples up to the pool's size."""
    n = len(solved.curves["maj@k"].mean)
    k = list(range(1, n + 1))
    series = [
        Series(name, k, curve.mean, curve.low, curve.high, dashed=name == "pass@k")
        for name, curve in solved.curves.items()
    ]
    rows = [[name, ABOUT[name], *(estimate(curve, at) for at in _some(n))] for name, curve in solved.curves.items()]
    gain = solved.curves["maj@k"].mean[-1] - solved.curves["pass@k"].mean[0]
    said = (
        f"Voting over {n} samples moves accuracy by {100 * gain:+.1f} points over a single sample. Every point is the "
        "exact average over all subsets of the pool (weighted@k of more than 16 samples: over 1,000 random orders), "
        "not one lucky draw; bands are 95 % bootstrap intervals over problems. The dashed line is the ceiling of any "
        "selection: somebody, or some verifier, would have to know which sample is right."
    )
    chart = Chart(
        curve_chart(series, x_title="samples per problem, k", y_title="accuracy", y_format=".0%", log_x=n > 4),
        "Accuracy against samples per problem",
        f"Accuracy against number of samples for {', '.join(solved.curves)}, k from 1 to {n}.",
        height=340,
    )
    table = Table([Column("rule"), Column("what it is"), *(Column(f"k = {at}", "percent") for at in _some(n))], rows)
    return Section("What more samples buy", [Prose(said), chart, table])


def tokens_section(solved: Solved) -> Section:
    """Accuracy against completion tokens: the curves, and where each stopping rule would have ended."""
    num_problems = len(solved.task.problems)
    series: list[Series] = []
    if solved.curves:
        per_sample = sum(r["num_completion_tok"] for r in solved.rows) / max(1, len(solved.rows))
        for name, curve in solved.curves.items():
            tokens = [round(per_sample * k, 1) for k in range(1, len(curve.mean) + 1)]
            series.append(Series(name, tokens, curve.mean, dashed=name == "pass@k"))
    for replay in solved.replays:
        series.append(Series(f"vote, {replay.rule}", [round(replay.mean_tok, 1)], [replay.accuracy]))
    drawn = sum(r.num_completion_tok for r in solved.results.values()) / num_problems
    accuracy = solved.answer_counts.num_right / solved.answer_counts.total
    name = solved.strategy if solved.stop == "fixed" else f"{solved.strategy}, {solved.stop}"
    series.append(Series(f"this run: {name}", [round(drawn, 1)], [accuracy]))
    said = (
        "One axis for every way of spending: completion tokens per problem. Dots are early stops replayed on these "
        "samples, in the order in which they were drawn. A judge's or a reward model's own tokens are not counted here."
    )
    chart = Chart(
        curve_chart(
            series, x_title="completion tokens per problem", y_title="accuracy", y_format=".0%", log_x=True, band=False
        ),
        "Accuracy against tokens",
        f"Accuracy against mean completion tokens per problem for {', '.join(s.name for s in series)}.",
        height=340,
    )
    return Section("Accuracy against tokens", [Prose(said), chart])


def estimate(curve: CurveSummary, k: int) -> Estimate:
    """A point of a curve with its band."""
    band = (curve.low[k - 1], curve.high[k - 1]) if curve.low and curve.high else (None, None)
    return Estimate(curve.mean[k - 1], *band)


def _some(n: int) -> list[int]:
    powers = [2**i for i in range(n.bit_length()) if 2**i <= n]
    return powers if powers[-1] == n else [*powers, n]
