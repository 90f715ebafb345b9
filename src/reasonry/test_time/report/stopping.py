"""Section on early stops: what each rule would have saved, when, and how the evidence grew."""

from __future__ import annotations

from collections import Counter

from reasonry.core.report import (
    Block,
    Chart,
    Column,
    Prose,
    Reference,
    Section,
    Series,
    Table,
    curve_chart,
    histogram,
)
from reasonry.test_time.pool import by_question
from reasonry.test_time.replay import certificate_trace
from reasonry.test_time.results import Solved

_MOST_TRACES = 5
_DELTA = 0.05


def stopping_section(solved: Solved) -> Section:
    """Replayed rules for pools of fixed size, or the stops of this run."""
    blocks: list[Block] = []
    if solved.replays:
        rows = [[r.rule, r.accuracy, r.mean_n, r.mean_tok, r.num_stopped, r.num_wrong_stops] for r in solved.replays]
        columns = [
            Column("rule"),
            Column("accuracy", "percent"),
            Column("samples", "decimal", 1),
            Column("tokens", "decimal", 0),
            Column("stopped early", "integer"),
            Column("not the full vote", "integer"),
        ]
        blocks.append(
            Prose(
                "curtail gives the full vote always. certify is wrong about the mode with probability at most its "
                "delta, however often one looks; beta and doubling are heuristics without such a bound. The last "
                "column counts early stops whose answer differs from the vote of all samples."
            )
        )
        blocks.append(Table(columns, rows, title="Stopping rules, replayed on these samples"))
    stops: dict[str, list[float]] = {r.rule: [float(s) for s in r.stops] for r in solved.replays}
    if not stops:
        stops = {solved.stop: [float(r.num_used) for r in solved.results.values()]}
    certify = next((name for name in stops if name.startswith("certify")), next(iter(stops)))
    blocks.append(
        Chart(
            histogram(stops[certify], x_title=f"samples used, {certify}", y_title="problems"),
            "When it stopped",
            f"Histogram of the number of samples used per problem under {certify}.",
            span="half",
            caption=_verdicts(solved) if solved.stop != "fixed" else "Problems at the right end were never certified.",
        )
    )
    traces = [
        (pid, certificate_trace([r["answer"] for r in rows], delta=_DELTA))
        for pid, rows in by_question(solved.rows, solved.pools).items()
        if len(rows) > 1
    ]
    if traces:
        chosen = traces[:: -(-len(traces) // _MOST_TRACES)]
        series = [Series(pid, list(range(1, len(trace) + 1)), trace) for pid, trace in chosen]
        blocks.append(
            Chart(
                curve_chart(
                    series,
                    x_title="samples",
                    y_title="evidence minus threshold, nats",
                    references=[Reference(0.0, "certified")],
                ),
                "How the evidence grew",
                f"Evidence for the leading answer minus what certify:{_DELTA:g} needs, for {len(chosen)} problems.",
                span="half",
                caption="Certified where a line reaches 0: the leader is then the mode of the model's answers, with "
                f"error probability at most {_DELTA:g}. It says nothing about truth.",
            )
        )
    return Section("When to stop", blocks)


def _verdicts(solved: Solved) -> str:
    tally = Counter(r.verdict.replace("_", " ") for r in solved.results.values())
    return ", ".join(f"{count} {verdict}" for verdict, count in tally.most_common()) + "."
