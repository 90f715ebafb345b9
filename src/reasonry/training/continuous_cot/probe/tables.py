"""What the probes print: a table for each question, a row for each thought."""

from __future__ import annotations

from reasonry.training.continuous_cot.probe.groups import GROUPS, NAMES
from reasonry.training.continuous_cot.probe.records import EXACT_TOLERANCE, Ordering, Superposition
from reasonry.training.continuous_cot.probe.resampling import Spread, Value
from reasonry.training.continuous_cot.probe.run import Probed
from reasonry.training.continuous_cot.probe.subject import ReadLayer

Cells = tuple[list[str], list[list[str]]]

ORDER = "Optimal > Frontier > Reachable > NotReachable"


def thought_table(done: Probed) -> Cells:
    """Inner products by group, and whether these are in order."""
    found = done.result
    verdict = "uniform on what is reached" if done.is_exact else "in order"
    columns = ["thought", "graphs", *(NAMES[group] for group in GROUPS), verdict]
    rows: list[list[str]] = []
    for thought in found.thoughts:
        told = (exactness(thought.error) if done.is_exact else ordering(thought.ordering)) or ""
        groups = [_spread(thought.groups[group]) for group in GROUPS]
        rows.append([str(thought.thought), str(thought.num_graphs), *groups, told])
    return columns, rows


def retrieval_table(found: Superposition) -> Cells:
    """How well thoughts tell vertices apart."""
    columns = ["thought", "AUROC frontier", "AUROC reachable", "top precision", "reached", "support", "alike", "norm"]
    rows = [
        [
            str(t.thought),
            _value(t.auroc_frontier, 3),
            _value(t.auroc_reachable, 3),
            _value(t.precision_frontier, 2),
            _number(t.num_reached.value, 1),
            _number(t.effective_support.value, 1),
            _number(t.participation.value, 1),
            _number(t.norm.value, 2),
        ]
        for t in found.thoughts
    ]
    return columns, rows


def attention_table(done: Probed) -> Cells:
    """Attention to edges by group where a thought is made; of the construction no order is asked."""
    columns = ["thought", *(NAMES[group] for group in GROUPS), "logit gap"]
    rows = [
        [str(m.thought), *(_spread(m.groups[group]) for group in GROUPS), _value(m.logit_gap, 2)]
        for m in done.result.making
    ]
    if done.is_exact:
        return columns, rows
    told = [ordering(m.ordering) or "" for m in done.result.making]
    return [*columns, "in order"], [[*row, each] for row, each in zip(rows, told, strict=True)]


def summary_lines(done: Probed) -> list[str]:
    """What else there is to say."""
    found = done.result
    lines: list[str] = []
    if found.copy is not None and done.layers is not None:
        mean = found.copy.mean.value
        lines.append(f"copies    {mean:.3f} of {heads(done.layers.copy)}: an edge's last token on its own two vertices")
    lines.append(f"norms     vertices' embeddings {found.embedding_norm:.2f}, thoughts as above")
    if done.is_exact:
        right = sum(thought.is_exact for thought in found.thoughts)
        lines.append(f"exact     {right} of {len(found.thoughts)} thoughts are 1 / sqrt(|V_c|) on V_c and 0 elsewhere")
        return lines
    by_kind = {"vertices": [t.ordering for t in found.thoughts], "edges": [m.ordering for m in found.making]}
    for what, orders in by_kind.items():
        told = [order.holds for order in orders if order.holds is not None]
        if told:
            lines.append(f"{what:<10}{ORDER} at {sum(told)} of {len(told)} thoughts")
    return lines


def heads(read: ReadLayer) -> str:
    """How many there are, in words."""
    return "1 head" if read.num_heads == 1 else f"{read.num_heads} heads"


def ordering(order: Ordering) -> str | None:
    """PASS or FAIL, and whether intervals bear it out; None where a group is empty."""
    if order.holds is None:
        return None
    return ("PASS" if order.is_clear else "PASS, within error") if order.holds else "FAIL"


def exactness(error: float | None) -> str | None:
    """PASS or FAIL and the largest error; None where none was asked for."""
    if error is None:
        return None
    return f"{'PASS' if error <= EXACT_TOLERANCE else 'FAIL'}, off by {error:.1g} at most"


def _spread(spread: Spread) -> str:
    """Mean and standard deviation."""
    if spread.mean.value is None or spread.std is None:
        return "none"
    return f"{_number(spread.mean.value, 2)} ± {_number(spread.std, 2)}"


def _value(value: Value, digits: int) -> str:
    if value.value is None:
        return "none"
    if value.low is None or value.high is None or value.low == value.high:
        return _number(value.value, digits)
    return f"{_number(value.value, digits)} ({_number(value.low, digits)} to {_number(value.high, digits)})"


def _number(value: float | None, digits: int) -> str:
    return "none" if value is None else f"{round(value, digits) + 0.0:.{digits}f}"  # -0.00 is 0.00
