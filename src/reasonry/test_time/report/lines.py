"""What the terminal shows of a run."""

from __future__ import annotations

from reasonry.test_time.results import CurveSummary, Solved


def summary_lines(solved: Solved) -> list[str]:
    """Accuracy of one sample, of the strategy and of a perfect choice, where the samples went, and the cost."""
    answers, num_problems = solved.answer_counts, len(solved.task.problems)
    lines = [
        f"{num_problems} problems of {solved.task.name}, {len(solved.rows)} samples: "
        f"{solved.counts.num_right} right, {solved.counts.num_wrong} wrong, {solved.counts.num_ungradable} ungradable"
    ]
    n = len(solved.curves["maj@k"].mean) if solved.curves else 0
    if solved.curves:
        lines.append(_line("one sample", _percent(solved.curves["pass@k"], 1)))
        if solved.strategy != "self-consistency":
            lines.append(_line(f"vote of {n}", _percent(solved.curves["maj@k"], n)))
    else:
        share = solved.counts.num_right / max(1, solved.counts.total)
        lines.append(_line("one sample", f"{share:6.1%}"))
    lines.append(
        _line(
            solved.strategy,
            f"{answers.num_right / answers.total:6.1%}  [{solved.accuracy.low:.1%}, {solved.accuracy.high:.1%}]  "
            f"({answers.num_right} right, {answers.num_wrong} wrong, {answers.num_ungradable} ungradable)",
        )
    )
    if solved.curves:
        if "bon@k" in solved.curves and solved.strategy == "self-consistency":
            lines.append(_line(f"likeliest of {n}", _percent(solved.curves["bon@k"], n)))
        lines.append(_line(f"any of {n}", _percent(solved.curves["pass@k"], n)))
    if solved.stop != "fixed":
        used = sum(r.num_used for r in solved.results.values())
        verdicts = ", ".join(f"{count} {verdict.replace('_', ' ')}" for verdict, count in solved.verdicts.items())
        lines.append(
            _line(solved.stop, f"{used / num_problems:.1f} samples per problem ({len(solved.rows)} drawn): {verdicts}")
        )
    lines += [_line("note", f"{text} ({count} problems)") for text, count in solved.warnings.items()]
    seconds = solved.costs.get("seconds", 0.0)
    tokens = solved.costs.get("num_completion_tok", 0)
    if seconds:
        lines.append(f"{tokens:,.0f} tokens in {seconds:.1f} s ({tokens / seconds:,.0f} tokens/s)")
    return lines


def _line(label: str, text: str) -> str:
    return f"{label:<17} {text}"


def _percent(curve: CurveSummary, k: int) -> str:
    band = f"  [{curve.low[k - 1]:.1%}, {curve.high[k - 1]:.1%}]" if curve.low and curve.high else ""
    return f"{curve.mean[k - 1]:6.1%}{band}"
