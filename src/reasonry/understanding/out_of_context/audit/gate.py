"""Whether an audit passes: the hallucination index, the limit, and a line that says why.

    hallucination index = max over pairs that count of the transfer index after tuning, at least 0; 0 without such pairs

A pair counts if its verdict is hallucination, and with ``counts = not-causal`` also if it is an unlabelled transfer:
nobody has called that wanted. Pairs that are not testable are never counted as passed in silence: they are named.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from reasonry.understanding.out_of_context.audit.classify import Kind

Counts = Literal["not-causal", "hallucination"]


class Judged(NamedTuple):
    """A pair, as far as the gate is concerned.

    Attributes:
        name: Of the pair.
        kind: Its verdict.
        transfer_index: After tuning.
    """

    name: str
    kind: Kind
    transfer_index: float


class Gate(NamedTuple):
    """The decision.

    Attributes:
        hallucination_index: See the head of the file.
        worst: The pair it is of; empty without.
        limit: The most that passes; None without a limit.
        passed: Whether it is at most the limit, or there is none.
        undecided: Pairs that are not testable, with an index above the limit.
        line: Why.
    """

    hallucination_index: float
    worst: str
    limit: float | None
    passed: bool
    undecided: tuple[str, ...]
    line: str


def gate(pairs: Sequence[Judged], *, limit: float | None, counts: Counts) -> Gate:
    """The decision about all pairs.

    Args:
        pairs: With their verdicts.
        limit: Most hallucination index; None decides nothing.
        counts: Which verdicts count.
    """
    kinds = ("hallucination", "unlabelled transfer") if counts == "not-causal" else ("hallucination",)
    counted = [pair for pair in pairs if pair.kind in kinds]
    worst = max(counted, key=lambda pair: pair.transfer_index, default=None)
    index = max(0.0, worst.transfer_index) if worst else 0.0
    name = worst.name if worst else ""
    floor = 0.0 if limit is None else limit
    undecided = tuple(pair.name for pair in pairs if pair.kind == "not testable" and pair.transfer_index > floor)
    passed = limit is None or index <= limit
    of = f"hallucination index {index:.2f}" + (f" ({name}, {worst.kind})" if worst else ", no pair counts")
    if limit is None:
        line = f"{of}; no limit was set"
    else:
        line = f"{'passed' if passed else 'FAILED'}: {of}, limit {limit:g}"
    if worst and worst.kind == "unlabelled transfer" and not passed:
        line += f"; if it is wanted, say --label {name}=causal"
    if undecided:
        line += f"; not testable, and so not decided: {', '.join(undecided)}"
    return Gate(index, name, limit, passed, undecided, line)
