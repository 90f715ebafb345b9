"""The report of a run: which method answers best, whether thoughts beat pauses, and how they were learnt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from reasonry.core.report import (
    Block,
    Chart,
    Code,
    Column,
    Estimate,
    Fact,
    Measure,
    Note,
    Prose,
    Reference,
    Report,
    Section,
    Series,
    Table,
    bar_chart,
    curve_chart,
    interval_chart,
)
from reasonry.core.report.model import Cell
from reasonry.core.report.training import step_chart
from reasonry.core.rows import Row
from reasonry.core.stats import Share
from reasonry.training.continuous_cot.methods import REFERENCE
from reasonry.training.continuous_cot.train.results import MethodResult, Pair
from reasonry.training.continuous_cot.train.run import Trained
from reasonry.training.continuous_cot.train.tables import CONTROL, control_verdict, p_text, subject

_MOST_POINTS = 120
_CHANCE = Reference(0.5, "a coin for each")
_COMPUTED = """\
**Right** means that the answer is the likeliest of everything that could be written; **of the candidates**, that it \
is likelier than the wrong candidate alone. Intervals are Wilson's, 95 %. The model that is tested is the best of the \
last stage by validation questions; test questions are other ones.

**McNemar's exact test** looks at questions that one of two methods got right and the other wrong. **p, Holm** is \
corrected for the number of methods that are compared.

**Loss** is the mean of -log p over labels, nats, and falls and jumps with the stages: each stage asks for something \
else. So methods are to be compared by their answers and not by their losses.

**The norm of thoughts** is the mean length of the vectors that are fed back. Embeddings are shorter; that it does not \
run away is what there is to see."""


def train_report(done: Trained, *, command: str = "") -> Report:
    """The report of a run.

    Args:
        done: What `run.train` returned.
        command: The command that continues or repeats it.
    """
    finished = [method for method in done.methods if not method.ended]
    sections = [_outcome(done, finished)]
    if finished:
        sections += _slots(finished) + _groups(finished)
    sections += [_learning(done), Section("How this is computed", [Prose(_COMPUTED)])]
    if command:
        sections.append(Section("Run", [Code(command, "Continue or repeat")]))
    config, num = done.config, finished[0].exact.of if finished else 0
    return Report(
        f"Continuous chain of thought: {subject(done)}",
        f"{len(done.methods)} ways of training on the same examples, asked the same {num} questions",
        _facts(finished, done.pairs),
        sections,
        f"seed {config.seed}; arXiv 2412.06769, 2505.12514; what these do not publish is reconstructed",
    )


# ---------------------------------------------------------------- what came out


def _facts(finished: Sequence[MethodResult], pairs: Sequence[Pair]) -> list[Fact]:
    named = {method.name: method for method in finished}
    shown = [named[name] for name in dict.fromkeys((REFERENCE, CONTROL, *named)) if name in named][:3]
    facts = [Fact(m.name, _estimate(m.exact), f"right, of {m.exact.of}", "percent", 1) for m in shown]
    pair = next((p for p in pairs if p.method == CONTROL), None)
    if pair is not None:
        facts.append(Fact("Thoughts or pauses", p_text(pair.p_value), "p of McNemar's exact test"))
    return facts


def _outcome(done: Trained, finished: Sequence[MethodResult]) -> Section:
    blocks: list[Block] = [Note(f"{m.name}: {m.ended}", "warning") for m in done.methods if m.ended]
    if verdict := control_verdict(finished, done.pairs):
        more = (
            "In deep pretrained models the two have been reported to do equally well, thoughts to matter where depth "
            "is scarce; a gain over written steps or over no steps says nothing about that."
        )
        blocks.append(Note(f"{verdict} {more}", title="The control"))
    elif finished and CONTROL not in {m.name for m in finished}:
        blocks.append(
            Note(
                "Without `--methods pause` nothing tells whether the recurrence or the curriculum is what helps.",
                "warning",
                "No control",
            )
        )
    columns = [
        Column("method"),
        Column("right", "percent", 1),
        Column("of the candidates", "percent", 1),
        Column("ties", "integer"),
        Column("tokens", "decimal", 1),
        Column("slots", "decimal", 1),
        Column("parameters", "integer"),
        Column("steps", "integer"),
        Column("kept after", "integer"),
        Column("training", "seconds"),
    ]
    rows: list[list[Cell]] = [
        [
            m.name,
            _estimate(m.exact),
            None if m.candidates is None else _estimate(m.candidates),
            m.num_ties,
            m.mean_tok,
            m.mean_slots,
            m.num_parameters[0],
            m.num_steps,
            m.best_step,
            done.seconds.get(m.name),
        ]
        for m in finished
    ]
    if rows:
        measures = [Measure(m.name, m.exact.value, m.exact.low, m.exact.high) for m in finished]
        references = () if done.kind != "graphs" else (_CHANCE,)
        chart = interval_chart(measures, x_title="right answers", x_format=".0%", references=references)
        blocks += [
            Chart(chart, "Right answers", "Share of right answers of each method with its 95 % interval."),
            Table(
                columns, rows, "All methods", "Tokens and slots are those of an answer; seconds are those of training."
            ),
            Table([Column("method"), Column("what it is")], [[m.name, m.about] for m in finished]),
        ]
    if done.pairs:
        blocks.append(_pairs(done.pairs))
    return Section("What came out", blocks)


def _pairs(pairs: Sequence[Pair]) -> Table:
    columns = [
        Column("method"),
        Column("against"),
        Column("difference", "percent", 1),
        Column("only the first right", "integer"),
        Column("only the second right", "integer"),
        Column("p, McNemar"),
        Column("p, Holm"),
    ]
    rows: list[list[Cell]] = [
        [p.method, p.reference, p.difference, p.only_method, p.only_reference, p_text(p.p_value), p_text(p.p_holm)]
        for p in pairs
    ]
    return Table(columns, rows, "On the same questions")


def _slots(finished: Sequence[MethodResult]) -> list[Section]:
    bars = [Measure(str(slots), s.value, s.low, s.high, m.name) for m in finished for slots, s in m.by_slots.items()]
    if not bars:
        return []
    num = next(iter(next(m for m in finished if m.by_slots).by_slots.values())).of
    chart = bar_chart(bars, x_title="slots", y_title="right answers", y_format=".0%")
    about = f"Share of right answers on {num} test questions when the answer is asked for after so many slots."
    return [Section("How many thoughts it takes", [Chart(chart, "Right answers by number of slots", about)])]


def _groups(finished: Sequence[MethodResult]) -> list[Section]:
    measures = [Measure(group, s.value, s.low, s.high, m.name) for m in finished for group, s in m.by_group.items()]
    if not measures:
        return []
    chart = interval_chart(measures, x_title="right answers", x_format=".0%")
    about = "Share of right answers by the number of steps a question takes, for each method, with 95 % intervals."
    return [Section("By number of steps", [Chart(chart, "Right answers by number of steps", about)])]


# ---------------------------------------------------------------- learning


def _learning(done: Trained) -> Section:
    blocks: list[Block] = []
    losses = _curves(done, "loss")
    if losses:
        about = "Mean loss of training rows over steps, one line for each method, averaged over short stretches."
        chart = curve_chart(losses, x_title="step", y_title="nats")
        blocks.append(Chart(chart, "Loss", about, _stages(done), span="half"))
    looks = _curves(done, "eval/accuracy", averaged=False)
    if looks:
        about = "Share of validation questions answered as the current stage asks, over steps, for each method."
        caption = "Before the last stage what is asked for is the next step, and not the answer."
        chart = curve_chart(looks, x_title="step", y_title="right", y_format=".0%")
        blocks.append(Chart(chart, "Validation", about, caption, span="half"))
    first = next((m.name for m in done.methods if m.name == REFERENCE), done.methods[0].name)
    by_stage = _by_stage(done.logs[first])
    if len(by_stage) > 1:
        about = f"Loss of {first} over the steps of each stage, from the stage's first step."
        chart = curve_chart(by_stage, x_title="step of the stage", y_title="nats")
        blocks.append(Chart(chart, f"Loss by stage, {first}", about, span="half"))
    blocks += _superposition(done)
    norms = _curves(done, "thought_norm")
    if norms:
        about = "Mean length of the thoughts that are fed back, over steps, for each method that has any."
        chart = curve_chart(norms, x_title="step", y_title="norm")
        blocks.append(Chart(chart, "Norm of thoughts", about, span="half"))
    return Section("Learning", blocks or [Note("No steps were logged.")])


def _superposition(done: Trained) -> list[Block]:
    """What thoughts hold while they are learnt, where that was measured."""
    name, rows = next(((m.name, done.logs[m.name]) for m in done.methods if _looks(done.logs[m.name])), ("", []))
    blocks: list[Block] = []
    for key, title, y_title, about in (
        (
            "auroc",
            "The frontier in thoughts",
            "AUROC",
            "How well each thought tells the frontier from what is out of reach",
        ),
        (
            "gap",
            "Looking for edges",
            "logits",
            "Attention logit of each thought on edges of the frontier less other edges",
        ),
    ):
        names = {look: f"thought {look.rpartition('/')[2]}" for look in _looks(rows) if f"/{key}/" in look}
        chart = step_chart(rows, names, y_title=y_title, is_noisy=False)
        if chart is not None:
            blocks.append(Chart(chart, f"{title}, {name}", f"{about}, over steps, on validation graphs.", span="half"))
    return blocks


def _looks(rows: Sequence[Row]) -> list[str]:
    """Names of what was measured in thoughts."""
    return sorted({name for row in rows for name in row if name.startswith("probe/")})


def _stages(done: Trained) -> str:
    """Where stages begin."""
    rows = next((done.logs[m.name] for m in done.methods if len({row["stage"] for row in done.logs[m.name]}) > 1), [])
    starts = [row["step"] for before, row in pairwise(rows) if row["stage"] != before["stage"]]
    return f"Stages begin after {', '.join(str(start - 1) for start in starts)} steps." if starts else ""


def _curves(done: Trained, name: str, *, averaged: bool = True) -> list[Series]:
    found: list[Series] = []
    for method in done.methods:
        x, y = _points(done.logs[method.name], name, averaged=averaged)
        if x:
            found.append(Series(method.name, x, y))
    return found


def _by_stage(rows: Sequence[Row]) -> list[Series]:
    found: list[Series] = []
    for stage in sorted({row["stage"] for row in rows}):
        part = [row for row in rows if row["stage"] == stage]
        x, y = _points(part, "loss", averaged=True, most=_MOST_POINTS // 2)
        found.append(Series(f"stage {stage}", [at - part[0]["step"] + 1 for at in x], y))
    return found


def _points(
    rows: Iterable[Row], name: str, *, averaged: bool, most: int = _MOST_POINTS
) -> tuple[list[float], list[float]]:
    """Steps and values; where there are many, means of stretches."""
    points = [(float(row["step"]), float(row[name])) for row in rows if row.get(name) is not None]
    if averaged and len(points) > most:
        parts = np.array_split(np.array(points), most)
        points = [(float(part[-1, 0]), float(part[:, 1].mean())) for part in parts]
    return [p[0] for p in points], [p[1] for p in points]


def _estimate(share: Share) -> Estimate:
    return Estimate(share.value, share.low, share.high)
