"""The report of a fine-tuning: what each method learnt from, and how well it predicts answers that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reasonry.core.report import (
    Block,
    Chart,
    Code,
    Column,
    Fact,
    Note,
    Prose,
    Report,
    Section,
    Series,
    Table,
    curve_chart,
)
from reasonry.core.report.model import Cell
from reasonry.core.report.training import running_mean, values_of
from reasonry.core.rows import Row
from reasonry.training.latent_tokens.finetune.config import SCRATCH
from reasonry.training.latent_tokens.finetune.results import Finetuned, MethodResult
from reasonry.training.latent_tokens.mixing.methods import REFERENCE

_MOST_POINTS = 150
_COMPUTED = """\
**Learnt tokens** are what a training row asks the model to write: the text that is left of the reasoning with the \
answer, codes, and the markers around them. Means over all rows of the training, as they were drawn.

**Loss** is the mean of -log p over learnt tokens, nats. Methods learn different rows, so it compares no two of them: \
codes are harder to predict than text whose beginning stands there, and an answer without reasoning is harder than one \
behind it.

**Loss of the answer** is that of the answer's tokens alone, on examples that are not trained on, each after the \
reasoning of its own row: text, codes, or none. It compares methods, but flatters those whose rows tell more than the \
model will write by itself. What decides is `reasonry eval latent-tokens`, where models write their own."""


def finetune_report(done: Finetuned, *, command: str = "") -> Report:
    """The report of a run.

    Args:
        done: What `run.finetune` returned.
        command: The command that continues or repeats it.
    """
    config = done.config
    model = "a model from scratch" if config.model == SCRATCH else config.model
    sections = [_outcome(done), _learning(done), Section("How this is computed", [Prose(_COMPUTED)])]
    if command:
        sections.append(Section("Run", [Code(command, "Continue or repeat")]))
    return Report(
        f"Latent tokens: fine-tuning of {model}",
        f"{len(done.methods)} ways of training on the same {done.num_train:,} examples",
        _facts(done),
        sections,
        f"seed {config.seed}; arXiv 2502.03275; what it does not publish is reconstructed",
    )


def result_table(done: Finetuned) -> tuple[list[str], list[list[str]]]:
    """Columns and rows for the terminal."""
    columns = ["method", "text", "codes", "markers", "loss", "held out", "its answers", "steps", "weights", "seconds"]
    return columns, [
        [
            m.name,
            f"{m.text_tok:.1f}",
            f"{m.codes:.1f}",
            f"{m.markers:.1f}",
            f"{m.loss:.3f}",
            _nats(m.held_out_loss),
            _nats(m.held_out_answer_loss),
            f"{m.num_steps:,}",
            f"{m.num_parameters[0]:,}",
            f"{done.seconds.get(m.name, 0.0):.0f}",
        ]
        for m in done.methods
    ]


def _nats(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


# ---------------------------------------------------------------- parts


def _facts(done: Finetuned) -> list[Fact]:
    named = {m.name: m for m in done.methods}
    shown = [named[name] for name in dict.fromkeys((REFERENCE, "cot", *named)) if name in named][:2]
    facts = [Fact(m.name, m.reply_tok, "tokens learnt of a row", "decimal", 1) for m in shown]
    facts += [
        Fact(f"{m.name}, answers", m.held_out_answer_loss, "nats per token, held out", "decimal", 3)
        for m in shown
        if m.held_out_answer_loss is not None
    ]
    return facts


def _outcome(done: Finetuned) -> Section:
    blocks: list[Block] = []
    if done.num_left_out:
        whole = done.num_left_out + done.num_train
        blocks.append(Note(f"{done.num_left_out} of {whole} examples are too long and were left out for every method."))
    names = {m.name for m in done.methods}
    if REFERENCE in names and "truncated" not in names:
        blocks.append(
            Note(
                "Without `--methods truncated` nothing tells whether codes say anything, or shorter rows are enough.",
                "warning",
                "No control",
            )
        )
    columns = [
        Column("method"),
        Column("text", "decimal", 1),
        Column("codes", "decimal", 1),
        Column("markers", "decimal", 1),
        Column("loss", "decimal", 3),
        Column("loss, held out", "decimal", 3),
        Column("loss of the answer", "decimal", 3),
        Column("steps", "integer"),
        Column("weights", "integer"),
        Column("training", "seconds"),
    ]
    rows = [_cells(m, done) for m in done.methods]
    note = f"Tokens are means of a training row, nats means of a token. Reasoning has {done.mean_cot_tok:.1f} tokens."
    blocks.append(Table(columns, rows, "All methods", note))
    blocks.append(Table([Column("method"), Column("what it is")], [[m.name, m.about] for m in done.methods]))
    return Section("What came out", blocks)


def _cells(m: MethodResult, done: Finetuned) -> list[Cell]:
    return [
        m.name,
        m.text_tok,
        m.codes,
        m.markers,
        m.loss,
        m.held_out_loss,
        m.held_out_answer_loss,
        m.num_steps,
        m.num_parameters[0],
        done.seconds.get(m.name),
    ]


def _learning(done: Finetuned) -> Section:
    blocks: list[Block] = []
    for name, title, about, averaged in (
        ("loss", "Loss of training rows", "Mean loss of training rows over steps, a running mean.", True),
        ("held_out/loss", "Loss of held-out rows", "Mean loss of rows that are not trained on, over steps.", False),
        ("held_out/answer_loss", "Loss of held-out answers", "The same of the answers' tokens alone.", False),
    ):
        found = [(m.name, _points(done.logs[m.name], name, averaged=averaged)) for m in done.methods]
        series = [Series(method, x, y) for method, (x, y) in found if x]
        if series:
            chart = curve_chart(series, x_title="step", y_title="nats per token")
            blocks.append(Chart(chart, title, f"{about} One line for each method.", span="half"))
    return Section("Learning", blocks or [Note("No steps were logged.")])


def _points(rows: Sequence[Row], name: str, *, averaged: bool) -> tuple[list[float], list[float]]:
    """Steps and values, thinned where there are many."""
    x = [float(row["step"]) for row in rows if row.get(name) is not None]
    y = values_of(rows, name)
    y = running_mean(y) if averaged else y
    if len(x) > _MOST_POINTS:
        kept = np.unique(np.linspace(0, len(x) - 1, _MOST_POINTS).round().astype(int)).tolist()
        x, y = [x[at] for at in kept], [y[at] for at in kept]
    return x, y
