"""What a comparison prints: tables and some decodings, as text."""

from __future__ import annotations

from reasonry.training.dultra.frontier.report import fastest_rows
from reasonry.training.dultra.frontier.results import Frontier, PolicyResult, Value
from reasonry.training.dultra.frontier.run import Compared
from reasonry.training.dultra.frontier.shown import MOST_POLICIES

Cells = tuple[list[str], list[list[str]]]


def frontier_table(result: Frontier) -> Cells:
    """The policies that no other one dominates, from few passes to many; all, where there are few."""
    few = len(result.policies) <= MOST_POLICIES
    shown = list(result.policies) if few else result.undominated
    columns = ["policy", "accuracy", "passes", "tokens/forward", "ms", "ms in planner", "distinct"]
    return columns, [_row(p) for p in shown]


def _row(p: PolicyResult) -> list[str]:
    head = f"{1e3 * p.head_seconds:.2f}" if p.head_seconds else ""
    distinct = "" if p.distinct is None else f"{p.distinct:.0%}"
    cost = [f"{p.tokens_per_forward:.2f}", f"{1e3 * p.seconds:.2f}", head]
    return [p.label, _percent(p.accuracy), _number(p.nfe), *cost, distinct]


def fastest_table(result: Frontier) -> Cells:
    """Of each kind the fewest passes at the target accuracy, and its AUP."""
    rows: list[list[str]] = []
    for name, fastest, most, aup in fastest_rows(result):
        area = "" if aup is None else f"{aup:.1f}"
        if fastest is None:
            told = f"none; {most.label} has {most.accuracy.value:.1%}"
            rows.append([name, told, "", "", area])
        else:
            rows.append([name, fastest.label, _number(fastest.nfe), _percent(fastest.accuracy), area])
    return ["kind", "policy", "passes", "accuracy", "AUP"], rows


def summary_lines(result: Frontier) -> list[str]:
    """What else there is to say."""
    lines = [f"note   {note}" for note in result.notes]
    if result.num_errors:
        lines.append(f"the verifier failed on {result.num_errors:,} answers, counted as wrong; first: {result.error}")
    fastest = result.fastest
    if fastest is not None:
        lines.append(
            f"best   {fastest.label}: {fastest.nfe.value:.2f} forward passes at {fastest.accuracy.value:.1%} "
            f"({fastest.tokens_per_forward:.2f} tokens per forward)"
        )
    return lines


def shown_lines(found: Compared) -> list[str]:
    """The kept decodings, where few policies were asked for: what decoding alone would print."""
    if len(found.result.policies) > MOST_POLICIES:
        return []
    lines: list[str] = []
    for index in dict.fromkeys(row.number for row in found.shown):
        mine = [row for row in found.shown if row.number == index]
        lines.append(f"prompt {index + 1}: {' '.join(mine[0].prompt.split())}")
        for row in mine:
            verdict = "right" if row.right else f"{row.share:.0%} of its parts right"
            lines.append(f"  {row.policy}: {row.nfe} passes, {verdict}")
            lines += [f"    {line}" for line in row.text.splitlines()]
    return lines


def _percent(value: Value) -> str:
    return f"{value.value:.1%} ({value.low:.1%} to {value.high:.1%})"


def _number(value: Value) -> str:
    if value.low == value.high:
        return f"{value.value:.2f}"
    return f"{value.value:.2f} ({value.low:.2f} to {value.high:.2f})"
