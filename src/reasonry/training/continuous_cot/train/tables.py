"""What a run says in words: its subject, a table for the terminal, and what the control tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reasonry.core.stats import Share
from reasonry.training.continuous_cot.methods import REFERENCE
from reasonry.training.continuous_cot.train.results import MethodResult, Pair
from reasonry.training.continuous_cot.train.run import Trained

CONTROL = "pause"
_SIGNIFICANT = 0.05


def subject(done: Trained) -> str:
    """What was trained on, in a few words."""
    config: Any = done.config
    if done.kind == "graphs":
        hops = str(config.hops) if config.hops == config.most_hops else f"{config.hops} to {config.most_hops}"
        return f"graphs of {hops} hops, {config.layout} layout"
    return f"{config.model} on {config.data}"


def control_verdict(methods: Sequence[MethodResult], pairs: Sequence[Pair]) -> str:
    """What the comparison with pauses says; empty where there is none."""
    pair = next((p for p in pairs if p.method == CONTROL and p.reference == REFERENCE), None)
    named = {method.name: method for method in methods}
    if pair is None or CONTROL not in named or REFERENCE not in named:
        return ""
    ours, control = named[REFERENCE].exact.value, named[CONTROL].exact.value
    told = f"Thoughts answer {ours:.1%}, pauses under the same curriculum {control:.1%} (p = {p_text(pair.p_value)})."
    if pair.p_value >= _SIGNIFICANT:
        return (
            f"{told} The two do not differ significantly: nothing here shows that recurrence does what the curriculum "
            "alone does not."
        )
    if pair.difference > 0:
        return f"{told} Pauses do better: what was learnt needs no recurrence, and that was in its way."
    return f"{told} Same examples, same stages, as many positions: the difference is what is fed back."


def result_table(done: Trained) -> tuple[list[str], list[list[str]]]:
    """Columns and rows for the terminal."""
    columns = ["method", "right", "of candidates", "tokens", "slots", "steps", "parameters", "seconds"]
    return columns, [
        [
            m.name,
            _words(m.exact) if not m.ended else "stopped early",
            "" if m.candidates is None else f"{m.candidates.value:.1%}",
            f"{m.mean_tok:.1f}",
            f"{m.mean_slots:.1f}",
            f"{m.num_steps:,}",
            f"{m.num_parameters[0]:,}",
            f"{done.seconds.get(m.name, 0.0):.0f}",
        ]
        for m in done.methods
    ]


def pair_lines(pairs: Sequence[Pair]) -> list[str]:
    """Each method against the reference, in a line."""
    return [
        f"{p.method} - {p.reference}: {p.difference:+.1%}; only {p.method} right {p.only_method}, "
        f"only {p.reference} right {p.only_reference}; McNemar p = {p_text(p.p_value)}"
        + (f", Holm {p_text(p.p_holm)}" if len(pairs) > 1 else "")
        for p in pairs
    ]


def p_text(value: float) -> str:
    """A p-value in a table."""
    return f"{value:.3f}" if value >= 0.001 else f"{value:.0e}"


def _words(share: Share) -> str:
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})"
