"""The report of an evaluation: accuracy against tokens, what the controls tell, codes and what they say, replies."""

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
    Measure,
    Note,
    ProblemRow,
    Prose,
    Report,
    SampleRow,
    Samples,
    Section,
    Table,
    interval_chart,
)
from reasonry.core.report.model import Cell
from reasonry.core.rows import Row
from reasonry.core.stats import Share
from reasonry.tasks.maze.scene import scene
from reasonry.tasks.maze.words import parse_plan, parse_question
from reasonry.training.latent_tokens.evaluate.charts import (
    MOST_CODES,
    MOST_PLACES,
    codes_chart,
    frontier_chart,
    parts_chart,
    places_chart,
)
from reasonry.training.latent_tokens.evaluate.evaluated import Evaluated
from reasonry.training.latent_tokens.evaluate.figures import Mean
from reasonry.training.latent_tokens.evaluate.maze_chart import maze_chart
from reasonry.training.latent_tokens.evaluate.results import reference_of
from reasonry.training.latent_tokens.evaluate.tables import shown, solved_name
from reasonry.training.latent_tokens.evaluate.verdicts import bargain, missing, p_text, verdicts

_MOST_MAZES, _MOST_WAYS = 3, 4
_LOST = 0.05
_COMPUTED = """\
**Tokens** are all that a model generates: text (the answer and the end token among it), codes, and the markers around \
them. The prompt is not counted, nor are pauses, which stand in it. **As text** is what the same reply would take if \
every code were written as the chunk that it stands for. **Of CoT** is the ratio of all tokens to those of CoT on the \
same questions.

**Solved** is the share of questions with at least one right reply among the samples, with Wilson's interval of 95 %. \
Means of tokens and their ratio have bootstrap intervals over questions. **Against the reference** is the difference \
in solved questions; p is of McNemar's exact test on the same questions, with Holm's correction for the number of \
methods.

**Milliseconds** are the wall time of a reply on this machine, in batches, which is not that of a reply alone.

**What codes say** is the guess of the codec's decoder, given code and question. One code stands for a whole chunk, so \
that numbers in it are often wrong; the model has seen the code alone. **Perplexity** of codes is exp of the entropy \
of their shares: how many equally frequent ones would be as varied."""


def evaluation_report(done: Evaluated, *, command: str = "") -> Report:
    """The report of an evaluation.

    Args:
        done: What was found.
        command: The command that continues or repeats it, shown at the end.
    """
    sections = [_outcome(done), _tokens(done), *_lengths(done), *_codes(done), *_mazes(done), *_replies(done)]
    sections.append(_computed(done))
    if command:
        sections.append(Section("Run", [Code(command, "Continue or repeat")]))
    config, facts = done.config, done.facts
    drawn = "greedy" if not config.drawing_temperature else f"temperature {config.drawing_temperature:g}"
    drawn += f", top-k {config.top_k}" if config.top_k else ""
    replies = "a reply" if config.samples == 1 else f"{config.samples} replies"
    return Report(
        f"Answers with latent tokens: {facts.name}",
        f"{len(done.questions)} questions, {facts.questions}; {replies} to each, {drawn}",
        _facts(done),
        sections,
        f"arXiv 2502.03275; batches of {config.batch_size}"
        + ("" if config.constraint else "; codes were not kept between their markers"),
    )


def _facts(done: Evaluated) -> list[Fact]:
    facts: list[Fact] = []
    reference = reference_of([method.name for method in done.methods])
    ordered = sorted(done.methods, key=lambda method: method.name != reference)
    for method in ordered[:3]:
        note = f"{solved_name(done)}; {method.tokens.value:.1f} tokens"
        facts.append(Fact(method.name, _estimate(method.solved), note, "percent", 1))
    first = ordered[0]
    if first.ratio is not None:
        facts.append(Fact("Tokens of CoT", _mean(first.ratio), f"taken by {first.name}", "percent", 0))
    if first.name in done.usage:
        usage = done.usage[first.name]
        facts.append(Fact("Codes used", usage.num_different, f"of {usage.num_codes}, by {first.name}", "integer"))
    return facts


def _computed(done: Evaluated) -> Section:
    rows: list[list[Cell]] = [[method.name, method.about] for method in done.methods if method.about]
    blocks: list[Block] = [Prose(_COMPUTED)]
    if rows:
        blocks.append(Table([Column("method"), Column("what it learnt from")], rows, "Methods"))
    return Section("How this is computed", blocks)


# ---------------------------------------------------------------- what came out


def _outcome(done: Evaluated) -> Section:
    blocks: list[Block] = [Note(note) for note in done.facts.notes]
    if text := bargain(done.methods):
        blocks.append(Note(text, title="The bargain"))
    blocks += [
        Note(verdict.text, "warning" if verdict.is_for is False else "note", f"Control: {verdict.control}")
        for verdict in verdicts(done.methods)
    ]
    if text := missing(done.methods):
        blocks.append(Note(text, "warning", "No control"))
    lost = [
        f"{method.num_cut_off / method.num_replies:.0%} of the replies of {method.name}"
        for method in done.methods
        if method.num_cut_off > _LOST * method.num_replies
    ]
    if lost:
        text = f"{', '.join(lost)} ran into the limit of {done.facts.max_new_tokens} tokens, or that of the context."
        blocks.append(Note(text, "warning", "Cut off"))
    name = solved_name(done)
    about = f"{name} of each method against the tokens it generates, both with 95 % intervals."
    caption = "Up and to the left is better. Lines: 95 % intervals."
    chart = frontier_chart(done.methods, solved=name)
    blocks += [Chart(chart, "Accuracy against tokens", about, caption, height=360), _table(done), *_pairs(done)]
    return Section("What came out", blocks)


def _table(done: Evaluated) -> Table:
    several, maze, k = done.config.samples > 1, done.facts.is_maze, done.config.samples
    columns = [Column("method"), Column(solved_name(done), "percent", 1)]
    columns += [Column(f"1-Optimal-{k}", "percent", 1)] if maze else []
    columns += [Column("right, mean", "percent", 1)] if several else []
    columns += [
        Column("wrong", "integer"),
        Column("no answer", "integer"),
        Column("tokens", "decimal", 1),
        Column("of CoT", "percent", 0),
        Column("ms", "decimal", 1),
    ]
    rows: list[list[Cell]] = []
    for method in done.methods:
        more: list[Cell] = [_estimate(method.optimal) if method.optimal is not None else None] if maze else []
        more += [_mean(method.right)] if several else []
        price: list[Cell] = [
            _mean(method.tokens),
            _mean(method.ratio) if method.ratio is not None else None,
            1e3 * method.seconds,
        ]
        counts: list[Cell] = [method.num_wrong, method.num_ungradable]
        rows.append([method.name, _estimate(method.solved), *more, *counts, *price])
    return Table(columns, rows, "All methods", "The same figures are in results.json, every reply in answers.jsonl.")


def _pairs(done: Evaluated) -> list[Block]:
    columns = [
        Column("method"),
        Column("against"),
        Column("difference", "percent", 1),
        Column("only the first solves", "integer"),
        Column("only the second solves", "integer"),
        Column("p, McNemar"),
        Column("p, Holm"),
    ]
    rows: list[list[Cell]] = []
    for method in done.methods:
        if (p := method.pair) is not None:
            tests: list[Cell] = [p_text(p.p_value), p_text(p.p_holm)]
            rows.append([method.name, p.reference, p.difference, p.only_method, p.only_reference, *tests])
    return [Table(columns, rows, "On the same questions")] if rows else []


def _tokens(done: Evaluated) -> Section:
    about = "Mean tokens of a reply of each method: text, codes and markers, stacked."
    parts = ("text", "codes", "markers", "as text")
    columns = [Column("method"), *(Column(name, "decimal", 1) for name in parts), Column("with codes", "percent", 0)]
    rows: list[list[Cell]] = [
        [m.name, m.text_tok, m.codes, m.markers, m.equivalent_tok, m.num_with_codes / m.num_replies]
        for m in done.methods
    ]
    caption = "With codes: the share of replies that have any."
    chart = Chart(parts_chart(done.methods), "Tokens by what they are", about, span="half")
    return Section("Tokens", [chart, Table(columns, rows, "Tokens of a reply", caption, span="half")])


def _lengths(done: Evaluated) -> list[Section]:
    measures = [
        Measure(group, share.value, share.low, share.high, method.name)
        for method in done.methods
        for group, share in method.by_group.items()
    ]
    if not measures:
        return []
    chart = interval_chart(measures, x_title=solved_name(done), x_format=".0%", x_domain=(0.0, 1.0))
    about = "Questions solved by the length of their reasoning as text, for each method, with 95 % intervals."
    return [Section("By length of the reasoning", [Chart(chart, "Solved, by length of the reasoning", about)])]


# ---------------------------------------------------------------- codes


def _codes(done: Evaluated) -> list[Section]:
    blocks: list[Block] = []
    for name, usage in done.usage.items():
        about = f"Different codes and their perplexity at every place of the latent part of replies of {name}."
        caption = (
            f"{usage.num_different} of {usage.num_codes} codes are used, with a perplexity of {usage.perplexity:.1f}."
        )
        caption += f" The first {MOST_PLACES} places." if len(usage.places) > MOST_PLACES else ""
        blocks.append(Chart(places_chart(usage), f"Codes by their place, {name}", about, caption, span="half"))
        about = f"Share of each of the {MOST_CODES} most used codes among the codes at every place, {name}."
        blocks.append(Chart(codes_chart(usage), f"The most used codes, {name}", about, span="half"))
    if done.meanings:
        several = any(meaning.decoded for meaning in done.meanings)
        columns = [Column("code", "integer"), Column("uses", "integer"), Column("training chunks, and how often")]
        columns += [Column("of", "integer")] + ([Column("decoded without a question")] if several else [])
        rows: list[list[Cell]] = [
            [
                meaning.code,
                meaning.uses,
                "; ".join(f"{text} ({num})" for text, num in meaning.chunks) or "none",
                meaning.num_chunks,
                *([meaning.decoded] if several else []),
            ]
            for meaning in done.meanings
        ]
        caption = "Training chunks that the codec reads as the codes that replies hold most, the most frequent first."
        blocks.append(Table(columns, rows, "What codes stand for", caption))
    return [Section("Codes", blocks)] if blocks else []


# ---------------------------------------------------------------- replies


def _mazes(done: Evaluated) -> list[Section]:
    if not done.facts.is_maze or not done.config.show:
        return []
    blocks: list[Block] = []
    for question in done.questions[:_MOST_MAZES]:
        for name in list(done.answers)[:_MOST_WAYS]:
            row = _best([row for row in done.answers[name] if row["id"] == question.id])
            drawn = scene(parse_question(question.text), parse_plan(row["answer"] or ""))
            title = f"{question.id}, {name}: {drawn['told']}"
            about = f"The maze of {question.id} with the way that {name} plans: {drawn['told']}."
            blocks.append(Chart(maze_chart(drawn), title, about, span="half"))
    lead = "S start, G goal, diamonds keys, framed cells doors; the way has the colour of the key that is carried."
    lead += " Of several samples, the best." if done.config.samples > 1 else ""
    return [Section("Ways through mazes", blocks, lead)]


def _best(rows: Sequence[Row]) -> Row:
    ranks = {"right": 0, "wrong": 1, "ungradable": 2}
    return min(rows, key=lambda row: (ranks[row["grade"]], not row["is_optimal"], row["index"]))


def _replies(done: Evaluated) -> list[Section]:
    if not done.config.show:
        return []
    problems: list[ProblemRow] = []
    reference = reference_of(list(done.answers))
    for question in done.questions[: done.config.show]:
        own = {name: [row for row in rows if row["id"] == question.id] for name, rows in done.answers.items()}
        samples = [_sample(row, name) for name, rows in own.items() for row in rows]
        outcome = _outcome_of(_best(own[reference]))
        problems.append(ProblemRow(question.id, question.text, question.oracle, outcome, samples))
    caption = "In brackets codes, and behind them what the codec makes of them. The outcome is that of the reference."
    return [Section("Replies", [Samples(problems, "", caption)])]


def _sample(row: Row, name: str) -> SampleRow:
    counts = {"text": row["num_text"], "codes": row["num_codes"], "markers": row["num_markers"]}
    finish = "length" if row["is_cut_off"] else "stop"
    return SampleRow(shown(row), _outcome_of(row), row["num_tok"], finish, {"method": name, **counts})


def _outcome_of(row: Row) -> Outcome:
    return Outcome(row["grade"], row["answer"], row["reason"])


def _estimate(share: Share) -> Estimate:
    return Estimate(share.value, share.low, share.high)


def _mean(mean: Mean) -> Estimate:
    return Estimate(mean.value, mean.low, mean.high)
