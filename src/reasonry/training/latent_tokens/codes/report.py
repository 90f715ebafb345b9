"""The reports of ``fit-codes`` and ``encode``: how much comes back, how the codebook is used, what codes stand for."""

from __future__ import annotations

from reasonry.core.report import (
    Block,
    Chart,
    Code,
    Column,
    Fact,
    Note,
    Prose,
    Reference,
    Report,
    Section,
    Series,
    Table,
    curve_chart,
)
from reasonry.core.report.model import Cell
from reasonry.core.report.training import step_chart
from reasonry.training.latent_tokens.codes.encoding import Encoded
from reasonry.training.latent_tokens.codes.fit import Fitted
from reasonry.training.latent_tokens.codes.measuring import Reconstruction

_SOURCE = "Token Assorted, arXiv 2502.03275; what the paper does not publish is reconstructed"
_NAMES = {"latent": "random m, as published", "all": "every chunk replaced"}
_COMPUTED = """\
**Reconstruction** is measured on whole chunks of held-out reasoning: the share of tokens that the decoder's likeliest \
token is, and the mean of -log p of the right token. A code can say log2 K bits of a chunk and no more, so most text \
does not come back word for word, and need not: codes are for a model to think in, the decoder is for people to look.

**Codes of other chunks** show what the decoder can do without the right code; the difference is what codes carry. \
**Questions of other examples** show what it takes from the question.

**Perplexity** is exp of the entropy of how often codes occur: as many equally frequent codes would be as varied. \
**Bits used** are its log2 per token.

**Nearest chunks** are those whose vectors lie nearest to the code's, among training reasoning."""


def fit_report(done: Fitted, *, command: str = "") -> Report:
    """The report of a codec's training.

    Args:
        done: What `fit.fit_codes` returned.
        command: The command that continues or repeats it.
    """
    own, use = done.held_out.own, done.use
    facts = [
        Fact("Tokens that come back", own.accuracy, f"of {own.num_tok} held-out ones", "percent", 1),
        Fact(
            "Nats per token", own.nll_nats, f"{done.held_out.other_codes.nll_nats:.2f} with other codes", "decimal", 2
        ),
        Fact("Codes in use", use.num_used, f"of {use.num_codes}, for reasoning", "integer"),
        Fact("Perplexity", use.perplexity, "of the codes of reasoning", "decimal", 1),
        Fact("Bits per token", done.bits_used, f"of {done.bits_bound:.2f} at most", "decimal", 2),
    ]
    sections = [
        Section("What comes back", _reconstruction(done)),
        Section("Learning", _learning(done)),
        Section("The codebook", _codebook(done)),
        Section("What codes stand for", [_meanings(done)]),
        Section("How this is computed", [Prose(_COMPUTED)]),
        *_again(command),
    ]
    config = done.config
    subtitle = (
        f"{config.codec.codes_per_chunk} of {use.num_codes} codes for each {config.codec.chunk_tok} tokens, learnt on "
        f"{done.sizes['num_chunks']} chunks of {done.sizes['num_train']} examples in {len(done.rows)} steps"
    )
    return Report(f"Codes for {config.data}", subtitle, facts, sections, f"seed {config.seed}; {_SOURCE}")


def encode_report(done: Encoded, *, command: str = "") -> Report:
    """The report of an encoding.

    Args:
        done: What `encoding.encode` returned.
        command: The command that continues or repeats it.
    """
    counts, sizes = done.counts, done.info
    facts = [
        Fact("Examples", counts.rows, f"{counts.train} for training", "integer"),
        Fact("Codes", counts.codes, f"for {counts.cot_tok - counts.tail_tok} tokens of reasoning", "integer"),
        Fact("Tokens that come back", done.reconstruction.accuracy, "of a sample", "percent", 1),
        Fact("Could be saved", done.savings["all"].cot_share, "of reasoning, all replaced", "percent", 1),
    ]
    columns = [Column("what"), Column("number", "integer")]
    rows: list[list[Cell]] = [[name.replace("_", " "), number] for name, number in counts._asdict().items()]
    sections = [
        Section("Before anything is trained", [_savings(done)]),
        Section("What was encoded", [Table(columns, rows, "Counts", "tok are tokens; tails stay text.")]),
        *_again(command),
    ]
    subtitle = f"{sizes.codes_per_chunk} of {sizes.num_codes} codes for each {sizes.chunk_tok} tokens of reasoning"
    return Report(f"{done.config.data} in codes", subtitle, facts, sections, f"seed {done.config.seed}; {_SOURCE}")


# ---------------------------------------------------------------- parts


def _reconstruction(done: Fitted) -> list[Block]:
    columns = [
        Column("decoded with"),
        Column("right tokens", "percent", 1),
        Column("nats per token", "decimal", 3),
        Column("whole chunks", "percent", 1),
    ]
    named = {
        "own codes and questions": done.held_out.own,
        "codes of other chunks": done.held_out.other_codes,
        "questions of other examples": done.held_out.other_questions,
    }
    rows: list[list[Cell]] = [[name, *_cells(found)] for name, found in named.items()]
    blocks: list[Block] = []
    if done.is_collapsed:
        used = done.use_trained
        blocks.append(
            Note(
                f"{used.num_used} of {used.num_codes} codes are used for {done.num_distinct} different chunks. Train "
                "longer, or with fewer codes.",
                "warning",
                "The codebook is collapsed",
            )
        )
    caption = f"{done.held_out.own.num_unseen_tok} of these tokens were not in the training data."
    blocks.append(Table(columns, rows, "Held-out reasoning", caption))
    if done.shown:
        shown: list[list[Cell]] = [[" ".join(map(str, each.codes)), each.text, each.back] for each in done.shown]
        heads = [Column("codes"), Column("chunk"), Column("what comes back")]
        blocks.append(Table(heads, shown, "Held-out chunks"))
    return blocks


def _cells(found: Reconstruction) -> list[Cell]:
    return [found.accuracy, found.nll_nats, found.whole]


def _learning(done: Fitted) -> list[Block]:
    wanted: list[tuple[dict[str, str], str, str, str, bool]] = [
        ({"nll": "training", "eval/nll": "held-out reasoning"}, "Reconstruction", "nats per token", "", True),
        ({"eval/accuracy": "right tokens"}, "Right tokens of held-out reasoning", "right", ".0%", False),
        ({"usage": "codes in use"}, "Codes in use", "share of all", ".0%", False),
        ({"perplexity": "perplexity"}, "Perplexity", "codes", "", False),
        ({"commitment": "commitment"}, "Commitment", "mean square", "", True),
        ({"revived": "revived codes"}, "Revived codes", "codes", "", False),
    ]
    blocks: list[Block] = []
    for names, title, y_title, form, is_noisy in wanted:
        spec = step_chart(done.rows, names, y_title=y_title, y_format=form, is_noisy=is_noisy)
        if spec is not None:
            blocks.append(Chart(spec, title, f"{title} over optimiser steps.", span="half"))
    return blocks or [Note("No steps were logged.")]


def _codebook(done: Fitted) -> list[Block]:
    counts = sorted((count for count in done.counts if count), reverse=True)
    total = sum(counts)
    if not total:
        return [Note("No chunk of reasoning was read.")]
    x = [float(rank) for rank in range(1, len(counts) + 1)]
    chart = curve_chart(
        [Series("codes", x, [count / total for count in counts])],
        x_title="rank of the code",
        y_title="share of chunks",
        log_y=len(counts) > 1 and counts[-1] < counts[0],
        references=[Reference(1 / done.use.num_codes, "all alike", is_left=True)],
    )
    about = "How often codes occur in training reasoning, the most frequent first."
    trained = done.use_trained
    caption = (
        f"{done.use.num_used} of {done.use.num_codes} codes occur in reasoning, {trained.num_used} in all that was "
        "trained on."
    )
    return [Chart(chart, "Use of the codes", about, caption)]


def _meanings(done: Fitted) -> Block:
    if not done.meanings:
        return Note("No code occurs in reasoning.")
    columns = [Column("code", "integer"), Column("occurs", "integer"), Column("nearest chunks"), Column("decoded")]
    rows: list[list[Cell]] = [[each.code, each.num, "  |  ".join(each.nearest), each.decoded] for each in done.meanings]
    return Table(columns, rows, "The most frequent codes", "Decoded without a question.")


def _savings(done: Encoded) -> Block:
    columns = [
        Column("method"),
        Column("reasoning as text", "integer"),
        Column("not written", "integer"),
        Column("codes", "integer"),
        Column("markers", "integer"),
        Column("saved", "integer"),
        Column("of reasoning", "percent", 1),
    ]
    rows: list[list[Cell]] = [
        [_NAMES[name], s.cot_tok, s.gone_tok, s.codes, s.markers, s.saved_tok, s.cot_share]
        for name, s in done.savings.items()
    ]
    caption = "Expected tokens of training rows. What a trained model writes has to be measured."
    return Table(columns, rows, "Tokens that are saved", caption)


def _again(command: str) -> list[Section]:
    return [Section("Run", [Code(command, "Continue or repeat")])] if command else []


def savings_rows(done: Encoded) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of the terminal's table."""
    rows = [
        [_NAMES[name], f"{s.cot_tok}", f"{s.saved_tok:.0f}", f"{s.cot_share:.1%}", f"{s.share:.1%}"]
        for name, s in done.savings.items()
    ]
    return ["method", "reasoning, tokens", "saved, tokens", "of reasoning", "of the reply"], rows
