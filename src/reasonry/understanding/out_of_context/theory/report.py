"""The report of the lab: what was inferred, margins and norms against the closed forms, singular values, the matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

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
from reasonry.understanding.out_of_context.theory.closed_form import Norm
from reasonry.understanding.out_of_context.theory.looks import NORMS
from reasonry.understanding.out_of_context.theory.margins import cosine
from reasonry.understanding.out_of_context.theory.matrix_chart import layout, matrix_chart
from reasonry.understanding.out_of_context.theory.run import ArmResult, Lab

_MAX_MATRICES, _MAX_SINGULAR = 4, 60
_SCORES = ("step", "train_loss", "test_loss", "test_accuracy", "test_rank_all", "test_rank_within")
_GEOMETRY = ("margin_ratio", "nuclear_at_1", "frobenius_sq_at_1", "cosine_nuclear", "cosine_frobenius")
_MAX_RATIO, _MAX_OF_OPTIMUM = 1.5, 3.0
_NAMES: dict[Norm, str] = {"nuclear": "nuclear-norm", "frobenius": "Frobenius-norm"}
_COMPUTED = """\
**Test questions** ask for the implication of subjects of whom only the fact was learnt. An answer is **right** when \
it is likelier than every other. **Rank** is 0 for the best of the n implications, and ties share the mean of their \
places, so that chance is (n - 1) / 2.

**The margin** of a question is the logit of the right answer less that of the best wrong one; of test questions here \
less that of the best implication of another group. **At margin 1** norms are divided by the smallest training margin, \
which is what maximum-margin problems minimise. Gradient descent gets there like the inverse logarithm of the number \
of steps: a few per cent above the optimum are expected.

**The optima** are closed forms; of groups of unequal size, numerical solutions where asked for. Training \
two factors tends to the nuclear-norm one, whose test margin is min(sqrt(m_train / m_test), 1) of the training margin; \
training their product tends to the Frobenius-norm one, whose test margin is 0."""


def lab_report(done: Lab, *, command: str = "") -> Report:
    """The report of a run.

    Args:
        done: What `run.lab` returned.
        command: The command that continues or repeats it.
    """
    sections = [_outcome(done)]
    if done.is_linear:
        sections += _margins(done) + _closeness(done)
    sections += [_singular(done), _matrices(done), Section("How this is computed", [Prose(_COMPUTED)])]
    if command:
        sections.append(Section("Run", [Code(command, "Continue or repeat")]))
    table = done.table
    sizes = f"{_sizes(table.bridge)} bridge and {_sizes(table.others)} other subjects in each"
    return Report(
        f"Out-of-context reasoning in the {done.preset} lab",
        f"{table.num_groups} groups with {sizes}; {len(done.arms)} trainings",
        _facts(done),
        sections,
        f"seed {done.config.seed}; arXiv 2506.10887; what it does not publish is reconstructed",
    )


def _sizes(numbers: Sequence[int]) -> str:
    return str(numbers[0]) if len(set(numbers)) == 1 else f"{min(numbers)} to {max(numbers)}"


def _floor(done: Lab) -> float:
    return math.log(done.table.num_groups)


# ---------------------------------------------------------------- what came out


def _facts(done: Lab) -> list[Fact]:
    chance = (done.table.num_groups - 1) / 2
    facts = [
        Fact(
            arm.name, arm.last["test_rank_within"], f"mean rank of what was never told; chance {chance:g}", "decimal", 2
        )
        for arm in done.arms[:4]
    ]
    if done.optima is not None and done.is_linear:
        x = done.optima.values["nuclear"].within
        facts.append(
            Fact("Predicted margin", x, "of the training margin, two factors; 0 for their product", "decimal", 3)
        )
    return facts


def _outcome(done: Lab) -> Section:
    columns = [
        Column("arm"),
        Column("steps", "integer"),
        Column("train loss"),
        Column("test loss", "decimal", 3),
        Column("test right", "percent", 1),
        Column("rank, all answers", "decimal", 2),
        Column("rank, implications", "decimal", 2),
    ]
    rows = [_row(arm, _SCORES) for arm in done.arms]
    floor = _floor(done)
    blocks: list[Block] = [Note(f"{arm.name}: {arm.ended}.") for arm in done.arms if arm.ended]
    if (chart := _chart(done, "test_loss", "nats", [Reference(floor, "log n: nothing inferred")])) is not None:
        about = "Cross entropy of the test questions over steps, one line for each arm, and the logarithm of n."
        blocks.append(Chart(chart, "Test loss", about, span="half"))
    chance = Reference((done.table.num_groups - 1) / 2, "chance")
    if (chart := _chart(done, "test_rank_within", "mean rank, 0 best", [chance])) is not None:
        about = "Mean rank of the right implication among all implications over steps, one line for each arm."
        blocks.append(Chart(chart, "Rank of what was never told", about, span="half"))
    blocks.append(Table(columns, rows, "At the end"))
    return Section("What was inferred", blocks)


def _row(arm: ArmResult, names: Sequence[str]) -> list[Cell]:
    return [arm.name, *(f"{arm.last[n]:.2g}" if n == "train_loss" else arm.last.get(n) for n in names)]


def _at_the_end(done: Lab) -> Table:
    columns = [
        Column("arm"),
        Column("test / train margin", "decimal", 3),
        Column("nuclear norm at margin 1", "decimal", 2),
        Column("squared Frobenius norm at margin 1", "decimal", 2),
        Column("cosine, nuclear", "decimal", 3),
        Column("cosine, Frobenius", "decimal", 3),
    ]
    rows = [_row(arm, _GEOMETRY) for arm in done.arms]
    for norm in NORMS if done.optima is not None else ():
        assert done.optima is not None
        found, weights = done.optima.values[norm], done.optima.weights
        cosines = [cosine(weights[norm], weights[other]) for other in NORMS]
        rows.append([f"{_NAMES[norm]} optimum", found.within, found.nuclear, found.frobenius_sq, *cosines])
    return Table(columns, rows, "At the end")


# ---------------------------------------------------------------- linear models


def _margins(done: Lab) -> list[Section]:
    blocks: list[Block] = []
    optima = done.optima.values if done.optima else None
    lines = [Reference(optima["nuclear"].within, "nuclear-norm optimum"), Reference(0.0)] if optima else []
    if (chart := _chart(done, "margin_ratio", "test margin / training margin", lines, limit=_MAX_RATIO)) is not None:
        about = (
            "The smallest test margin over other implications, as a share of the smallest training margin, over steps."
        )
        caption = f"Values beyond {_MAX_RATIO:g} on either side, while training margins are near 0, are left out."
        blocks.append(Chart(chart, "Margins", about, caption))
    names: dict[Norm, tuple[str, str]] = {
        "nuclear": ("nuclear_at_1", "Nuclear norm at margin 1"),
        "frobenius": ("frobenius_sq_at_1", "Squared Frobenius norm at margin 1"),
    }
    for norm, (name, title) in names.items():
        least = [] if optima is None else [Reference(_least(optima[norm], norm), "optimum")]
        limit = _MAX_OF_OPTIMUM * least[0].value if least else math.inf
        if (chart := _chart(done, name, title.lower(), least, limit=limit)) is not None:
            about = f"{title} over steps, one line for each arm, and the least that is possible."
            blocks.append(Chart(chart, title, about, "Larger values early on are left out.", span="half"))
    return [Section("Margins and norms", [*blocks, _at_the_end(done)])]


def _least(optimum: Any, norm: str) -> float:
    return optimum.nuclear if norm == "nuclear" else optimum.frobenius_sq


def _closeness(done: Lab) -> list[Section]:
    blocks: list[Block] = []
    for norm in NORMS:
        if (chart := _chart(done, f"cosine_{norm}", "cosine", [])) is not None:
            title = f"Cosine with the {_NAMES[norm]} optimum"
            blocks.append(Chart(chart, title, f"{title} over steps, one line for each arm.", span="half"))
    return [Section("Which optimum it goes to", blocks)] if blocks else []


def _singular(done: Lab) -> Section:
    series = [_spectrum(arm.name, arm.singular) for arm in done.arms]
    if done.is_linear and done.optima is not None:
        for norm, weights in done.optima.weights.items():
            singular = np.linalg.svd(weights, compute_uv=False)
            series.append(_spectrum(f"{_NAMES[norm]} optimum", singular, dashed=True))
    chart = curve_chart(series, x_title="number", y_title="share of the largest", band=False)
    what = "W" if done.is_linear else "the logits of implications"
    about = f"Singular values of {what}, as a share of the largest, for each arm and for the closed forms."
    return Section("Singular values", [Chart(chart, "Singular values", about)])


def _spectrum(name: str, singular: Any, *, dashed: bool = False) -> Series:
    top = singular[:_MAX_SINGULAR]
    largest = float(top[0]) or 1.0
    return Series(name, list(range(1, len(top) + 1)), [float(s) / largest for s in top], dashed=dashed)


def _matrices(done: Lab) -> Section:
    blocks: list[Block] = []
    span: Literal["half", "full"] = "full"
    optima = done.optima.weights if done.is_linear and done.optima else {}
    named = [(arm.name, arm.matrix, arm.last.get("train_margin")) for arm in done.arms[:_MAX_MATRICES]]
    named += [(f"{_NAMES[norm]} optimum", weights, 1.0) for norm, weights in optima.items()]
    what = "entry of W" if done.is_linear else "logit less the mean"
    for name, matrix, margin in named:
        values, title = matrix, what
        if margin is not None and margin > 0:
            values, title = matrix / margin, f"{what}, at margin 1"
        chart = matrix_chart(values, done.table, value_title=title)
        cut = layout(done.table, matrix.shape[1]).is_cut
        about = (
            f"{title.capitalize()} of {name}: rows are facts b and implications c, columns bridge subjects, test "
            "subjects and relations. The block of implications by test subjects is what was never told."
        )
        caption = "The block at the lower right (c by test) was in no training question."
        caption += " Of many groups and subjects the first ones are shown." if cut else ""
        blocks.append(Chart(chart, f"{name}: what a subject says about answers", about, caption, span=span))
    return Section(
        "The matrix", blocks, "A test subject that has the pattern of its group among the c has been inferred."
    )


# ---------------------------------------------------------------- curves


def _chart(done: Lab, name: str, y_title: str, references: Sequence[Reference], *, limit: float = math.inf) -> Any:
    """A measured number over steps, where it is at most ``limit`` in size; None where no arm has it."""
    series: list[Series] = []
    for arm in done.arms:
        rows = [row for row in arm.rows if row["step"] and row.get(name) is not None and abs(row[name]) <= limit]
        if rows:
            series.append(Series(arm.name, [row["step"] for row in rows], [row[name] for row in rows]))
    if not series:
        return None
    return curve_chart(series, x_title="step", y_title=y_title, log_x=True, references=references)
