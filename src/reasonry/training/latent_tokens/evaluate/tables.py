"""What an evaluation prints: tables and lines, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reasonry.core.rows import Row
from reasonry.core.stats import Share
from reasonry.core.text import strip_controls
from reasonry.training.latent_tokens.evaluate.evaluated import Evaluated
from reasonry.training.latent_tokens.evaluate.figures import Mean
from reasonry.training.latent_tokens.evaluate.results import MethodResult
from reasonry.training.latent_tokens.evaluate.verdicts import bargain, missing, p_text, verdicts

if TYPE_CHECKING:
    from reasonry.training.latent_tokens.evaluate.prompt import Prompted

Cells = tuple[list[str], list[list[str]]]


def solved_name(done: Evaluated) -> str:
    """What the share of questions with a right reply is called."""
    k = done.config.samples
    if done.facts.is_maze:
        return f"1-Feasible-{k}"
    return "right" if k == 1 else f"right, of {k}"


def methods_table(done: Evaluated) -> Cells:
    """Every method: what it solves, and with how many tokens."""
    several, maze = done.config.samples > 1, done.facts.is_maze
    columns = ["method", solved_name(done)]
    columns += ([f"1-Optimal-{done.config.samples}"] if maze else []) + (["right, mean"] if several else [])
    columns += ["no answer", "tokens", "of CoT", "text", "codes", "markers", "as text", "ms", "against reference"]
    return columns, [_row(method, several=several, maze=maze) for method in done.methods]


def _row(method: MethodResult, *, several: bool, maze: bool) -> list[str]:
    cells = [method.name, share_text(method.solved)]
    cells += ([share_text(method.optimal) if method.optimal is not None else ""] if maze else []) + (
        [f"{method.right.value:.1%}"] if several else []
    )
    pair = method.pair
    return [
        *cells,
        str(method.num_ungradable),
        mean_text(method.tokens),
        f"{method.ratio.value:.0%}" if method.ratio is not None else "",
        f"{method.text_tok:.1f}",
        f"{method.codes:.1f}",
        f"{method.markers:.1f}",
        f"{method.equivalent_tok:.1f}",
        f"{1e3 * method.seconds:.1f}",
        "reference" if pair is None else f"{pair.difference:+.1%}, p {p_text(pair.p_holm)}",
    ]


def share_text(share: Share) -> str:
    """``91.0% (86.2% to 94.2%)``."""
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})"


def mean_text(mean: Mean) -> str:
    """``41.2 (39.0 to 43.5)``."""
    ends = "" if mean.low is None or mean.high is None else f" ({mean.low:.1f} to {mean.high:.1f})"
    return f"{mean.value:.1f}{ends}"


def summary_lines(done: Evaluated) -> list[str]:
    """What else there is to say."""
    lines = [f"note     {note}" for note in done.facts.notes]
    if text := bargain(done.methods):
        lines.append(f"tokens   {text}")
    lines += [f"control  {verdict.text}" for verdict in verdicts(done.methods)]
    if text := missing(done.methods):
        lines.append(f"control  {text.replace('`', '')}")
    for name, usage in done.usage.items():
        lines.append(
            f"codes    {name}: {usage.num_different} of {usage.num_codes} are used, perplexity {usage.perplexity:.1f}"
        )
    return lines


# ---------------------------------------------------------------- replies


def reply_lines(prompted: Prompted) -> list[str]:
    """Replies to one question, codes with what they say."""
    lines = [f"note   {note}" for note in prompted.notes]
    for row in prompted.replies:
        lines.append(f"{row['method']}, {counts_text(row)}:")
        lines += [f"  {strip_controls(line)}" for line in shown(row).splitlines()] or ["  (nothing)"]
    return lines


def counts_text(row: Row) -> str:
    """``31 tokens: 25 text, 4 codes, 2 markers``; and whether it was cut off."""
    told = f"{row['num_tok']} tokens: {row['num_text']} text, {row['num_codes']} codes, {row['num_markers']} markers"
    return f"{told}; cut off" if row["is_cut_off"] else told


def shown(row: Row) -> str:
    """A reply to be read: its text, and codes in brackets with what the codec makes of them."""
    parts: list[str] = []
    for part in row["parts"]:
        if "codes" not in part:
            parts.append(str(part["text"]))
            continue
        codes = " ".join(map(str, part["codes"])) or "no codes"
        meaning = part.get("meaning")
        parts.append(f"[{codes}]" + (f" ~ {meaning}" if meaning else "") + "\n")
    return "".join(parts)
