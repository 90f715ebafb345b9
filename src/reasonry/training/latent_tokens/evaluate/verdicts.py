"""What the controls tell, in words: do the codes carry anything, are tokens saved, and at what price?"""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from reasonry.training.latent_tokens.evaluate.results import BASELINE, MethodResult, Pair
from reasonry.training.latent_tokens.mixing.methods import REFERENCE

TRUNCATED, SHUFFLED = "truncated", "shuffled"
SIGNIFICANT = 0.05

_MEANING = {
    TRUNCATED: (
        "the same tokens missing and no codes in their place",
        "what codes say is worth something beyond a shorter text",
        "codes are in the way: leaving the tokens out does better",
        "nothing here shows that codes do more than leaving the tokens out",
    ),
    SHUFFLED: (
        "as many codes, of other examples",
        "it is what codes say, and not the room that they give",
        "codes of other examples do better, so that their content cannot be what helps",
        "nothing here shows that it matters what codes say",
    ),
}


class Verdict(NamedTuple):
    """What a control tells.

    Attributes:
        control: Its name.
        text: In words.
        is_for: Whether it speaks for codes, significantly; None where it does not tell.
    """

    control: str
    text: str
    is_for: bool | None


def verdicts(methods: Sequence[MethodResult]) -> list[Verdict]:
    """What each control tells; empty where none was evaluated beside codes."""
    named = {method.name: method for method in methods}
    if REFERENCE not in named:
        return []
    found: list[Verdict] = []
    for control, (what, better, worse, same) in _MEANING.items():
        method = named.get(control)
        if method is None or method.pair is None:
            continue
        pair, ours = method.pair, named[REFERENCE]
        told = (
            f"Codes solve {ours.solved.value:.1%} with {ours.tokens.value:.1f} tokens; {what}: "
            f"{method.solved.value:.1%} with {method.tokens.value:.1f} (p = {p_text(pair.p_holm)})"
        )
        is_for = None if pair.p_holm >= SIGNIFICANT else pair.difference < 0
        more = same if is_for is None else better if is_for else worse
        found.append(Verdict(control, f"{told}: {more}.", is_for))
    return found


def bargain(methods: Sequence[MethodResult]) -> str:
    """What codes cost and save against CoT, in a sentence; empty without both."""
    named = {method.name: method for method in methods}
    ours, text = named.get(REFERENCE), named.get(BASELINE)
    if ours is None or text is None or ours.ratio is None or text.pair is None:
        return ""
    ratio, pair = ours.ratio, text.pair
    ends = "" if ratio.low is None or ratio.high is None else f" ({ratio.low:.0%} to {ratio.high:.0%})"
    return (
        f"Codes take {ratio.value:.0%}{ends} of the tokens of CoT, {ours.tokens.value:.1f} against "
        f"{text.tokens.value:.1f}, and solve {ours.solved.value:.1%} against {text.solved.value:.1%}: "
        f"{_difference(pair)}."
    )


def missing(methods: Sequence[MethodResult]) -> str:
    """What to train for the codes to be judged; empty where the controls are there, or there are no codes."""
    names = {method.name for method in methods}
    lacking = [name for name in (TRUNCATED, SHUFFLED) if name not in names]
    if REFERENCE not in names or len(lacking) < 2:
        return ""
    return (
        f"Nothing tells whether the codes carry anything: train `{TRUNCATED}` (the tokens missing, no codes) or "
        f"`{SHUFFLED}` (codes of other examples) beside them."
    )


def _difference(pair: Pair) -> str:
    told = f"p = {p_text(pair.p_holm)}"
    if pair.p_holm >= SIGNIFICANT:
        return f"no significant difference ({told})"
    return f"{'more' if pair.difference < 0 else 'fewer'}, significantly ({told})"


def p_text(value: float) -> str:
    """A p-value in a table."""
    return f"{value:.3f}" if value >= 0.001 else f"{value:.0e}"
