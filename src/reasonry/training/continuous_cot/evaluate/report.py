"""The report of an evaluation: accuracy by number of thoughts, what they look like, and what was written."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.core.outcome import Outcome
from reasonry.core.report import (
    Block,
    Chart,
    Code,
    Column,
    Estimate,
    Fact,
    Note,
    ProblemRow,
    Prose,
    Reference,
    Report,
    SampleRow,
    Samples,
    Section,
    Series,
    Table,
    curve_chart,
)
from reasonry.core.report.model import Cell
from reasonry.core.rows import Row
from reasonry.training.continuous_cot.evaluate.results import Arm, Share
from reasonry.training.continuous_cot.evaluate.run import Done
from reasonry.training.continuous_cot.evaluate.subject import ArmKey
from reasonry.training.continuous_cot.evaluate.tables import nearest_text

_MOST_EXAMPLES = 6
_COMPUTED = """\
**Accuracy** is the share of questions answered exactly right, greedily, with Wilson's interval of 95 %. In words, the \
answer is what follows the last marker of a reply; a reply that ran into the limit of tokens counts only where a \
newline closed its answer. Of graphs, it is the likeliest symbol behind [A]; **of candidates** compares the two alone.

**Against the reference** is the difference to own thoughts, as many as in training, on the same questions, with the \
p-value of McNemar's exact test.

**Random** thoughts are Gaussian with the norms of the question's own, **swapped** ones those of another question. An \
answer that is as right with them did not need its thoughts.

**Norm** and **cosine** are of what is fed into the slots. **Nearest tokens** are the likeliest under the output head \
at a thought, which is the hidden state that would have written them.

**Tokens/s** are written tokens over wall time, thinking included, on this machine in these batches."""


def evaluation_report(done: Done, *, command: str = "") -> Report:
    """The report of an evaluation.

    Args:
        done: What was found.
        command: The command that continues or repeats it, shown at the end.
    """
    facts, result = done.facts, done.result
    sections = [_accuracy(done), *_thoughts(done), *_groups(done), *_answers(done)]
    sections.append(Section("How this is computed", [Prose(_COMPUTED)]))
    if command:
        sections.append(Section("Run", [Code(command, "Continue or repeat")]))
    what = f"slots of {facts.method}" if facts.method else "no slots"
    return Report(
        f"Answers after thoughts: {facts.name}",
        f"{result.reference.accuracy.num} questions, {facts.questions}; {what}",
        _facts(done),
        sections,
        f"batches of {done.config.batch_size}",
    )


def _facts(done: Done) -> list[Fact]:
    reference = done.result.reference
    number = "as trained" if reference.slots is None else str(reference.slots)
    facts = [
        Fact("Accuracy", _estimate(reference.accuracy), f"own thoughts, {number}", "percent", 1),
        Fact("Tokens written", reference.mean_tokens, "an answer, mean", "decimal", 1),
        Fact("Tokens a second", reference.tokens_per_second, "thinking included", "decimal", 1),
    ]
    if reference.norms:
        note = f"token embeddings: {done.facts.embedding_norm:.3g}"
        facts.append(Fact("Longest thought", max(reference.norms), note, "decimal", 1))
    for arm in done.result.arms:
        if arm.thoughts != "own" and arm.slots == reference.slots:
            title = f"With {arm.thoughts} thoughts"
            facts.append(Fact(title, _estimate(arm.accuracy), _against(arm), "percent", 1))
    return facts


# ---------------------------------------------------------------- accuracy


def _accuracy(done: Done) -> Section:
    blocks: list[Block] = [Note(note) for note in done.facts.notes]
    arms, reference = done.result.arms, done.result.reference
    lost = reference.num_cut_off / reference.accuracy.num
    if lost > 0.05:
        text = f"{lost:.0%} of the replies ran into the limit of tokens. Allow more with `--max-new-tokens`."
        blocks.append(Note(text, "warning"))
    kinds = list(dict.fromkeys(arm.thoughts for arm in arms))
    if len({arm.mean_slots for arm in arms}) > 1:
        chart = curve_chart(
            [_series(kind, [arm for arm in arms if arm.thoughts == kind]) for kind in kinds],
            x_title="thoughts before the answer",
            y_title="accuracy",
            y_format=".0%",
            y_domain=(0.0, 1.0),
            references=_trained_with(done),
        )
        about = "Accuracy against the number of thoughts before the answer, one line for each kind of thoughts."
        caption = "Bands: 95 % intervals."
        blocks.append(Chart(chart, "Accuracy by number of thoughts", about, caption))
    blocks.append(_table(done))
    return Section("Accuracy", blocks)


def _series(kind: str, arms: Sequence[Arm]) -> Series:
    arms = sorted(arms, key=lambda arm: arm.mean_slots)
    shares = [arm.accuracy for arm in arms]
    return Series(
        f"{kind} thoughts",
        [arm.mean_slots for arm in arms],
        [share.value for share in shares],
        [share.low for share in shares],
        [share.high for share in shares],
        dashed=kind != "own",
    )


def _trained_with(done: Done) -> list[Reference]:
    """Chance, where there is such a thing."""
    return [Reference(0.5, "one candidate of two")] if done.facts.has_candidates else []


def _table(done: Done) -> Table:
    has_candidates = done.facts.has_candidates
    columns = [Column("thoughts"), _number_column(done), Column("accuracy", "percent", 1)]
    if has_candidates:
        columns += [Column("of candidates", "percent", 1), Column("ties", "integer")]
    else:
        columns += [Column("cut off", "integer"), Column("no answer", "integer")]
    columns += [
        Column("tokens", "decimal", 1),
        Column("tokens/s", "decimal", 1),
        Column("ms an answer", "decimal", 1),
        Column("against reference"),
    ]
    rows: list[list[Cell]] = []
    for arm in done.result.arms:
        more: list[Cell] = [arm.num_cut_off, arm.num_unanswered]
        if arm.candidates is not None:
            more = [_estimate(arm.candidates), arm.num_ties]
        price: list[Cell] = [arm.mean_tokens, arm.tokens_per_second, 1e3 * arm.seconds]
        rows.append([arm.thoughts, arm.mean_slots, _estimate(arm.accuracy), *more, *price, _against(arm)])
    return Table(columns, rows, "", "The same figures are in results.json, every answer in answers.jsonl.")


def _number_column(done: Done) -> Column:
    is_whole = all(arm.slots is not None for arm in done.result.arms)
    return Column("number", "integer") if is_whole else Column("number", "decimal", 1)


def _against(arm: Arm) -> str:
    if arm.change is None:
        return "reference"
    return f"{arm.change.accuracy:+.1%}, p = {arm.change.p_value:.2g}"


def _estimate(share: Share) -> Estimate:
    return Estimate(share.value, share.low, share.high)


def _groups(done: Done) -> list[Section]:
    names = list(dict.fromkeys(name for arm in done.result.arms for name in arm.groups))
    if len(names) < 2:
        return []
    columns = [Column("thoughts"), _number_column(done), *(Column(name, "percent", 1) for name in names)]
    rows: list[list[Cell]] = [
        [arm.thoughts, arm.mean_slots, *(_estimate(arm.groups[name]) if name in arm.groups else None for name in names)]
        for arm in done.result.arms
    ]
    return [Section("By length of the reasoning", [Table(columns, rows)])]


# ---------------------------------------------------------------- thoughts


def _thoughts(done: Done) -> list[Section]:
    arms = [arm for arm in done.result.arms if arm.thoughts == "own" and arm.norms]
    if not arms:
        return []
    norms = curve_chart(
        [Series(_number(arm), list(range(1, len(arm.norms) + 1)), arm.norms) for arm in arms],
        x_title="thought",
        y_title="norm",
        references=[Reference(done.facts.embedding_norm, "token embeddings")],
    )
    blocks: list[Block] = [
        Chart(
            norms,
            "How long thoughts are",
            "Mean norm of each thought, one line for each number of thoughts; dashed, that of token embeddings.",
            "A thought is a hidden state behind the final norm, and has its length, not that of an embedding.",
            span="half",
        )
    ]
    turning = [arm for arm in arms if len(arm.cosines) > 1]
    if turning:
        cosines = curve_chart(
            [Series(_number(arm), list(range(2, len(arm.cosines) + 2)), arm.cosines) for arm in turning],
            x_title="thought",
            y_title="cosine with the one before",
        )
        about = "Mean cosine of each thought with the one before, one line for each number of thoughts."
        blocks.append(Chart(cosines, "How far thoughts turn", about, "At 1 a thought repeats the last.", span="half"))
    blocks.append(_nearest(done))
    return [Section("Thoughts", blocks)]


def _number(arm: Arm) -> str:
    return "as trained" if arm.slots is None else f"{arm.slots} thought{'' if arm.slots == 1 else 's'}"


def _nearest(done: Done) -> Table:
    rows: list[list[Cell]] = []
    for row in _reference_rows(done)[:_MOST_EXAMPLES]:
        for at, (norm, nearest) in enumerate(zip(row["norms"], row["nearest"], strict=True)):
            cosine = row["cosines"][at - 1] if at else None
            rows.append([row["id"], at + 1, norm, cosine, nearest_text([(str(t), float(p)) for t, p in nearest])])
    columns = [
        Column("question"),
        Column("thought", "integer"),
        Column("norm", "decimal", 2),
        Column("cosine with the one before", "decimal", 2),
        Column("nearest tokens, with their probabilities"),
    ]
    return Table(columns, rows, "What the model would have said", "Of the first questions.")


def _reference_rows(done: Done) -> Sequence[Row]:
    key: ArmKey = next(
        key for key in done.rows if key == (done.result.reference.thoughts, done.result.reference.slots)
    )  # fmt: skip
    return done.rows[key]


# ---------------------------------------------------------------- answers


def _answers(done: Done) -> list[Section]:
    if not done.config.show:
        return []
    problems: list[ProblemRow] = []
    labels = {key: arm.label for key, arm in zip(done.rows, done.result.arms, strict=True)}
    for index, first in enumerate(_reference_rows(done)[: done.config.show]):
        samples = [_sample(rows[index], labels[key]) for key, rows in done.rows.items()]
        problems.append(ProblemRow(first["id"], first["question"], str(first["oracle"]), _outcome(first), samples))
    caption = "The outcome of a question is that of the reference."
    return [Section("Replies", [Samples(problems, "", caption)])]


def _sample(row: Row, label: str) -> SampleRow:
    finish = "length" if row["is_cut_off"] else "stop"
    return SampleRow(row["reply"], _outcome(row), row["num_tokens"], finish, {"thoughts": label})


def _outcome(row: Row) -> Outcome:
    return Outcome(row["grade"], row["answer"], "cut off" if row["is_cut_off"] else "")
