"""Sections on the problems: accuracy by difficulty, the votes of each, and every sample."""

from __future__ import annotations

from collections import Counter, defaultdict

from reasonry.core.outcome import Outcome
from reasonry.core.report import Chart, Measure, ProblemRow, SampleRow, Samples, Section, bar_chart
from reasonry.core.stats import wilson
from reasonry.core.task import Problem
from reasonry.test_time.results import Solved
from reasonry.test_time.strategies import Result

_MOST_BARS = 60


def difficulty_section(solved: Solved) -> list[Section]:
    """Accuracy for each number of steps, where the task knows it."""
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


def votes_section(solved: Solved) -> Section:
    """Who voted for what, problem by problem: where the right answer leads, and where it never will."""
    shares: list[tuple[float, str, dict[str, float]]] = []
    for pid, pool in solved.pools.items():
        total = len(pool) or 1
        wrong = Counter(s.answer for s in pool if s.answer is not None and s.grade != "right")
        rival = max(wrong.values(), default=0)
        right = sum(s.grade == "right" for s in pool) / total
        none = sum(s.answer is None for s in pool) / total
        parts = {
            "right": right,
            "wrong": rival / total,
            "ungradable": none,
            "other wrong": 1 - right - none - rival / total,
        }
        shares.append((right - rival / total, pid, parts))
    shares.sort(key=lambda row: -row[0])
    shown = shares[:: -(-len(shares) // _MOST_BARS)]
    bars = [Measure(pid, value, group=name) for _, pid, parts in shown for name, value in parts.items()]
    leads = sum(gap > 0 for gap, _, _ in shares)
    behind = sum(gap < 0 and parts["right"] > 0 for gap, _, parts in shares)
    never = sum(parts["right"] == 0 for _, _, parts in shares)
    said = (
        f"Sorted by the lead of the right answer. It leads in {leads} of {len(shares)} problems: more samples make "
        f"those surer. In {behind} it was given, but another answer leads: there more votes make it worse, and a "
        f"verifier helps. In {never} nobody gave it."
    )
    if len(shown) < len(shares):
        said += f" Every {-(-len(shares) // _MOST_BARS)}th problem is shown."
    chart = Chart(
        bar_chart(bars, x_title="problem", y_title="share of samples", y_format=".0%", stacked=True),
        "Votes of each problem",
        "Stacked shares of right, largest wrong, other wrong and missing answers for each problem.",
        caption="wrong: the most frequent wrong answer; other wrong: all the others; ungradable: no answer found.",
        height=300,
    )
    return Section("Votes, problem by problem", [chart], said)


def samples_section(solved: Solved) -> Section:
    """Every question, every reply."""
    pools: dict[str, list[SampleRow]] = {p.id: [] for p in solved.task.problems}
    for row in solved.rows:
        extra = {"mean logp": round(row["mean_logp"], 3)} if row["mean_logp"] is not None else {}
        if "expert" in row:
            extra["expert"] = row["expert"]
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
        result = solved.results[p.id]
        outcome = Outcome(result.grade or "ungradable", result.answer, _reason(result))
        shown = {"steps": steps} if (steps := _steps(p)) is not None else {}
        rows.append(ProblemRow(p.id, p.question, p.answer, outcome, pools[p.id], shown))
    return Section("Samples", [Samples(rows)], "Every question, every reply, and how it was graded.")


def _reason(result: Result) -> str:
    tally = ", ".join(f"{answer} x{_short(weight)}" for answer, weight in list(result.weights.items())[:4])
    reason = f"{result.strategy}: {tally}" if tally else "no sample holds an answer"
    if result.was_tied:
        reason += " (tie broken by the seeded rule)"
    if result.verdict != "decided":
        reason += f"; {result.verdict.replace('_', ' ')} after {result.num_used}: {result.decision.detail}"
    return reason


def _short(weight: float) -> str:
    return f"{weight:.0f}" if float(weight).is_integer() else f"{weight:.3g}"
