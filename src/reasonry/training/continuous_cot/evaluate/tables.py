"""What an evaluation prints: tables and lines, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reasonry.core.text import strip_controls
from reasonry.training.continuous_cot.evaluate.results import Arm, Share
from reasonry.training.continuous_cot.evaluate.run import Done

if TYPE_CHECKING:
    from reasonry.training.continuous_cot.evaluate.prompt import Prompted, Reply

_MOST_FIGURES = 8

Cells = tuple[list[str], list[list[str]]]


def arms_table(done: Done) -> Cells:
    """Every arm: accuracy, price, and what it has that the reference does not."""
    has_candidates = done.facts.has_candidates
    more = ["of candidates", "ties"] if has_candidates else ["cut off", "no answer"]
    columns = ["thoughts", "number", "accuracy", *more, "tokens", "tokens/s", "against reference"]
    return columns, [_row(arm) for arm in done.result.arms]


def _row(arm: Arm) -> list[str]:
    number = f"{arm.mean_slots:.1f}" if arm.slots is None else str(arm.slots)
    more = [str(arm.num_cut_off), str(arm.num_unanswered)]
    if arm.candidates is not None:
        more = [share_text(arm.candidates), str(arm.num_ties)]
    price = [f"{arm.mean_tokens:.1f}", f"{arm.tokens_per_second:.1f}"]
    change = arm.change
    against = "reference" if change is None else f"{change.accuracy:+.1%}, p {change.p_value:.2g}"
    return [arm.thoughts, number, share_text(arm.accuracy), *more, *price, against]


def share_text(share: Share) -> str:
    """``91.0% (86.2% to 94.2%)``."""
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})"


def summary_lines(done: Done) -> list[str]:
    """What else there is to say."""
    lines = [f"note   {note}" for note in done.facts.notes]
    reference = done.result.reference
    if reference.norms:
        norms = _listed([f"{norm:.3g}" for norm in reference.norms])
        lines.append(f"norms  of thoughts {norms}; token embeddings have {done.facts.embedding_norm:.3g}")
    if reference.cosines:
        lines.append(f"cosine of each thought with the next {_listed([f'{c:.2f}' for c in reference.cosines])}")
    return lines


def _listed(figures: list[str]) -> str:
    return ", ".join(figures[:_MOST_FIGURES] + (["..."] if len(figures) > _MOST_FIGURES else []))


def reply_lines(prompted: Prompted) -> list[str]:
    """Replies to one question."""
    lines = [f"note   {note}" for note in prompted.notes]
    for reply in prompted.replies:
        if len(prompted.replies) > 1:
            lines.append(f"{reply.thoughts} thoughts, {reply.num_slots}:")
        lines += [strip_controls(line) for line in reply.text.splitlines()] or ["(nothing)"]
        if reply.is_cut_off:
            lines.append(f"(cut off after {reply.num_tokens} tokens)")
    return lines


def thoughts_table(reply: Reply) -> Cells:
    """Each thought of a reply."""
    rows: list[list[str]] = []
    for at, (norm, nearest) in enumerate(zip(reply.look.norms, reply.look.nearest, strict=True)):
        cosine = f"{reply.look.cosines[at - 1]:.2f}" if at else ""
        rows.append([str(at + 1), f"{norm:.3g}", cosine, nearest_text(nearest)])
    return ["thought", "norm", "cosine with the one before", "nearest tokens"], rows


def nearest_text(nearest: list[tuple[str, float]]) -> str:
    """``'12' 0.83, ' 7' 0.04``."""
    return ", ".join(f"{token!r} {share:.2f}" for token, share in nearest)
