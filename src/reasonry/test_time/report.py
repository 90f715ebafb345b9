"""Figures of ``reasonry solve``: the curves, accuracy by difficulty, every sample, and what it cost."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from reasonry.core.outcome import Outcome
from reasonry.core.report import (
    Block,
    Chart,
    ClaimRow,
    Claims,
    Code,
    Column,
    Estimate,
    Fact,
    Measure,
    Note,
    ProblemRow,
    Prose,
    Report,
    SampleRow,
    Samples,
    Section,
    Series,
    Table,
    bar_chart,
    curve_chart,
)
from reasonry.core.stats import wilson
from reasonry.core.task import Problem
from reasonry.test_time.config import SolveConfig
from reasonry.test_time.run import CurveSummary, Solved

_ABOUT = {
    "maj@k": "majority vote of k samples",
    "best-of-k": "the likeliest of k samples, by mean log-probability per token",
    "pass@k": "at least one of k samples is right: what a perfect verifier could pick",
}


def summary_lines(solved: Solved) -> list[str]:
    """What the terminal shows: accuracy of one sample, of the vote and of a perfect choice, and the cost."""
    n = len(solved.curves["maj@k"].mean)
    votes = solved.vote_counts
    lines = [
        f"{len(solved.task.problems)} problems of {solved.task.name} x {n} samples: "
        f"{solved.counts.num_right} right, {solved.counts.num_wrong} wrong, {solved.counts.num_ungradable} ungradable",
        f"one sample    {_percent(solved.curves['pass@k'], 1)}",
        f"vote of {n:<4}  {votes.num_right / votes.total:6.1%}  "
        f"[{solved.vote_accuracy.low:.1%}, {solved.vote_accuracy.high:.1%}]  "
        f"({votes.num_right} right, {votes.num_wrong} wrong, {votes.num_ungradable} ungradable)",
    ]
    if "best-of-k" in solved.curves:
        lines.append(f"likeliest     {_percent(solved.curves['best-of-k'], n)}")
    lines.append(f"any of {n:<4}   {_percent(solved.curves['pass@k'], n)}")
    seconds = solved.costs.get("seconds", 0.0)
    tokens = solved.costs.get("num_completion_tok", 0)
    if seconds:
        lines.append(f"{tokens:,.0f} tokens in {seconds:.1f} s ({tokens / seconds:,.0f} tokens/s)")
    return lines


def _percent(curve: CurveSummary, k: int) -> str:
    band = f"  [{curve.low[k - 1]:.1%}, {curve.high[k - 1]:.1%}]" if curve.low and curve.high else ""
    return f"{curve.mean[k - 1]:6.1%}{band}"


def build_report(
    solved: Solved, config: SolveConfig, *, command: str, claims: Sequence[ClaimRow] = (), title: str = ""
) -> Report:
    """The report of a solve run; with ``claims`` the demo's."""
    n = len(solved.curves["maj@k"].mean)
    one, vote = solved.curves["pass@k"].mean[0], solved.vote_counts
    accuracy = vote.num_right / vote.total
    seconds, tokens = solved.costs.get("seconds", 0.0), solved.costs.get("num_completion_tok", 0)
    facts = [
        Fact("One sample", one, f"mean over {len(solved.rows):,} samples", "percent"),
        Fact(
            f"Vote of {n}",
            Estimate(accuracy, solved.vote_accuracy.low, solved.vote_accuracy.high),
            f"{vote.num_right} of {vote.total} problems",
            "percent",
        ),
        Fact(
            "Any right",
            solved.curves["pass@k"].mean[-1],
            f"pass@{n}: a perfect verifier's ceiling",
            "percent",
        ),
        Fact("Tokens", tokens, f"{tokens / max(1, len(solved.rows)):.0f} per sample", "integer"),
        Fact("Sampling", seconds, f"{tokens / seconds:,.0f} tokens per second" if seconds else "", "seconds"),
    ]
    sections = [_curves_section(solved, n), *_difficulty_section(solved), _samples_section(solved, config)]
    if claims:
        sections.append(
            Section(
                "Claims",
                [Claims(list(claims))],
                "Each line was measured on this machine, just now; reasonry reproduce measures it again.",
            )
        )
    sections.append(Section("Run", [*_warnings(solved), _costs_table(solved), Code(command, "Continue or repeat")]))
    return Report(
        title or f"{solved.task.name}: {n} samples and a vote",
        f"{config.model} on {len(solved.task.problems)} problems, temperature {config.sampling.temperature:g}, "
        f"seed {config.seed}",
        facts,
        sections,
        f"{solved.task.source}",
    )


def _curves_section(solved: Solved, n: int) -> Section:
    k = list(range(1, n + 1))
    series = [
        Series(name, k, curve.mean, curve.low, curve.high, dashed=name == "pass@k")
        for name, curve in solved.curves.items()
    ]
    rows = [[name, _ABOUT[name], *(_estimate(curve, at) for at in _some(n))] for name, curve in solved.curves.items()]
    gain = solved.curves["maj@k"].mean[-1] - solved.curves["pass@k"].mean[0]
    said = (
        f"Voting over {n} samples moves accuracy by {100 * gain:+.1f} points over a single sample. Every point is the "
        "exact average over all subsets of the pool, not one lucky draw; bands are 95 % bootstrap intervals over "
        "problems. The dashed line is the ceiling of any selection: somebody, or some verifier, would have to know "
        "which sample is right."
    )
    chart = Chart(
        curve_chart(series, x_title="samples per problem, k", y_title="accuracy", y_format=".0%", log_x=n > 4),
        "Accuracy against samples per problem",
        f"Accuracy against number of samples for {', '.join(solved.curves)}, k from 1 to {n}.",
        height=340,
    )
    table = Table([Column("rule"), Column("what it is"), *(Column(f"k = {at}", "percent") for at in _some(n))], rows)
    return Section("What more samples buy", [Prose(said), chart, table])


def _some(n: int) -> list[int]:
    powers = [2**i for i in range(n.bit_length()) if 2**i <= n]
    return powers if powers[-1] == n else [*powers, n]


def _estimate(curve: CurveSummary, k: int) -> Estimate:
    band = (curve.low[k - 1], curve.high[k - 1]) if curve.low and curve.high else (None, None)
    return Estimate(curve.mean[k - 1], *band)


def _difficulty_section(solved: Solved) -> list[Section]:
    grades: dict[str, Counter[str]] = defaultdict(Counter)
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    steps = {p.id: _steps(p) for p in solved.task.problems}
    if None in steps.values() or len(set(steps.values())) < 2:
        return []
    for row in solved.rows:
        grades[str(steps[row["id"]])][row["grade"]] += 1
    for pid, vote in solved.votes.items():
        votes[str(steps[pid])][vote.grade] += 1
    labels = sorted(votes, key=int)
    bars: list[Measure] = []
    for label in labels:
        for name, tally in (("one sample", grades[label]), ("vote", votes[label])):
            total = tally.total()
            # Samples of one problem are not independent: an interval over them would be too narrow to show.
            interval = wilson(tally["right"], total) if name == "vote" else None
            ends = (interval.low, interval.high) if interval else (None, None)
            bars.append(Measure(label, tally["right"] / total, *ends, group=name))
    stacked = [
        Measure(label, grades[label][grade] / grades[label].total(), group=grade)
        for label in labels
        for grade in ("right", "wrong", "ungradable")
    ]
    return [
        Section(
            "By difficulty",
            [
                Chart(
                    bar_chart(bars, x_title="steps of arithmetic", y_title="accuracy", y_format=".0%"),
                    "Accuracy by number of steps",
                    "Bars of single-sample and vote accuracy for each number of arithmetic steps.",
                    span="half",
                    caption="Whiskers: 95 % Wilson intervals over problems.",
                ),
                Chart(
                    bar_chart(
                        stacked,
                        x_title="steps of arithmetic",
                        y_title="share of samples",
                        y_format=".0%",
                        stacked=True,
                    ),
                    "Right, wrong and ungradable samples",
                    "Stacked shares of right, wrong and ungradable samples for each number of steps.",
                    span="half",
                ),
            ],
        )
    ]


def _steps(problem: Problem) -> int | None:
    """The number of steps that the task knows of; a user's own column of that name may hold anything."""
    steps = problem.metadata.get("steps")
    return steps if isinstance(steps, int) and not isinstance(steps, bool) else None


def _samples_section(solved: Solved, config: SolveConfig) -> Section:
    pools: dict[str, list[SampleRow]] = {p.id: [] for p in solved.task.problems}
    for row in solved.rows:
        extra = {"mean logp": round(row["mean_logp"], 3)} if row["mean_logp"] is not None else {}
        pools[row["id"]].append(
            SampleRow(
                row["text"],
                Outcome(row["grade"], row["answer"], row["reason"]),
                row["num_completion_tok"],
                row["finish"],
                extra,
            )
        )
    rows: list[ProblemRow] = []
    for p in solved.task.problems:
        vote = solved.votes[p.id]
        tally = ", ".join(f"{answer} x{count}" for answer, count in list(vote.counts.items())[:4])
        reason = f"votes: {tally}" if tally else "no sample holds an answer"
        if vote.was_tied:
            reason += " (tie broken by the seeded rule)"
        shown = {"steps": steps} if (steps := _steps(p)) is not None else {}
        rows.append(
            ProblemRow(p.id, p.question, p.answer, Outcome(vote.grade, vote.answer, reason), pools[p.id], shown)
        )
    return Section("Samples", [Samples(rows)], "Every question, every reply, and how it was graded.")


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
    texts = Counter((r["id"], r["text"]) for r in solved.rows)
    pools = Counter(r["id"] for r in solved.rows)
    same = sum(1 for (pid, _), count in texts.items() if count == pools[pid] > 1)
    if same:
        notes.append(
            Note(
                f"For {same} problems all samples are the same text: they are not independent, and a vote over them "
                "says nothing more than one of them.",
                "warning",
            )
        )
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
