"""The report of the probes: graphs as thoughts see them, distributions, attention, and whether groups are in order."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.core.report import (
    Block,
    Chart,
    Claims,
    Code,
    Column,
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
    heatmap,
)
from reasonry.core.report.channels import Spec
from reasonry.tasks.graphs.graph import distances, path_len, present
from reasonry.training.continuous_cot.probe.drawing import KIND_COLOURS, graph_drawing
from reasonry.training.continuous_cot.probe.groups import GROUPS, KINDS, NAMES, Group
from reasonry.training.continuous_cot.probe.records import Making, Observation, Thought
from reasonry.training.continuous_cot.probe.report_rows import estimate, exact_row, gap_table, group_table, order_row
from reasonry.training.continuous_cot.probe.resampling import Value
from reasonry.training.continuous_cot.probe.run import Probed
from reasonry.training.continuous_cot.probe.spread_chart import spread_chart
from reasonry.training.continuous_cot.probe.tables import ORDER, heads

_COMPUTED = """\
**Inner products** are those of a thought, which is the last hidden state after the final norm, with the rows of the \
input embedding that stand for vertices. **Groups** go by the distance d from the root. At thought c: Reachable \
d <= c, NotReachable the others, Frontier d = c, Optimal those of the frontier on a shortest path to the target. Of \
edges it counts where they begin, one step earlier. Groups lie within each other: Reachable has old vertices too.

**Attention** is that of the query whose state becomes the thought, summed over heads and over the tokens of an edge. \
The **logit gap** is the same before the softmax: frontier edges less all others, on the last token of an edge.

**AUROC** is the chance that a vertex of the frontier (or any reached one) has a larger inner product than one that is \
not reached, ties counted half, over the vertices of all graphs together; 0.5 is chance. **Support** is exp of the \
entropy of the softmax over a graph's vertices, **alike** is (sum x)^2 / sum x^2 of positive inner products: exactly \
the number of reached vertices for a uniform superposition.

**Intervals** cover 95 %: bootstrap over graphs, since vertices of one graph are not independent. Means are over all \
vertices of all graphs, as published, so that large graphs weigh more."""


def superposition_report(done: Probed, *, command: str = "") -> Report:
    """The report.

    Args:
        done: What was found.
        command: The command that continues or repeats it, shown at the end.
    """
    config, found = done.config, done.result
    sections = [
        *_graphs(done),
        _inner_products(done),
        _retrieval(found.thoughts),
        *_attention(done),
        Section("How this is computed", [Prose(_COMPUTED)]),
    ]
    if command:
        sections.append(Section("Run", [Code(command, "Continue or repeat")]))
    held_out = "" if done.is_exact else ", none of which it was trained on"
    source = f" of {config.graphs.name}" if config.graphs is not None else held_out
    read = "no attention"
    if done.layers is not None:
        read = f"attention of layer {done.layers.edge.layer}"
    return Report(
        f"Superposition: {done.name}",
        f"Up to {len(found.thoughts)} thoughts about each of {found.num_graphs} graphs{source}",
        _facts(done),
        sections,
        f"seed {config.seed}; frontier by {config.frontier}; {read}",
    )


def _facts(done: Probed) -> list[Fact]:
    thoughts = done.result.thoughts
    first, worst = thoughts[0], min(thoughts, key=lambda t: t.auroc_frontier.value or 0.0)
    facts = [
        Fact("AUROC of the frontier", estimate(first.auroc_frontier), "thought 1", "decimal", 3),
        Fact("The lowest", estimate(worst.auroc_frontier), f"thought {worst.thought}", "decimal", 3),
    ]
    if done.is_exact:
        error = max(t.error or 0.0 for t in thoughts)
        facts.append(Fact("Largest error", f"{error:.1g}", "against 1 / sqrt(|V_c|) on V_c, 0 elsewhere"))
    else:
        told = [t.ordering.holds for t in thoughts if t.ordering.holds is not None]
        facts.append(Fact("Groups in order", f"{sum(told)} of {len(told)} thoughts", ORDER))
    if first.norm.value is not None:
        norm = done.result.embedding_norm
        facts.append(Fact("Norm of thought 1", first.norm.value, f"vertices' embeddings {norm:.2f}", "decimal", 2))
    return facts


# ---------------------------------------------------------------- graphs


def _graphs(done: Probed) -> list[Section]:
    if not done.shown:
        return []
    blocks: list[Block] = []
    for seen in done.shown:
        about = (
            "The graph in rows by distance from the root. Vertices are filled by their inner product with the thought "
            "and outlined by their place in the search; the slider goes from thought to thought."
        )
        paid = "" if seen.attention_CE is None else " Their colour is the attention they are paid where it is made."
        caption = f"Move the slider to go through the thoughts. Edges taper to where they lead.{paid}"
        title = f"Graph {seen.number + 1}: {path_len(seen.graph)} steps to the target"
        blocks.append(Chart(graph_drawing(seen, by=done.config.frontier), title, about, caption))
        about = "Inner product of every vertex with every thought, vertices in the order of their distance."
        blocks.append(Chart(_matrix(seen), f"Graph {seen.number + 1}, all thoughts", about))
    lead = (
        "What each thought holds: the stronger a vertex is filled, the more of it there is. Below 0 nothing is shown."
    )
    return [Section("Thought by thought", blocks, lead)]


def _matrix(seen: Observation) -> Spec:
    """Vertices nearest to the root first, those never reached last, by thought."""
    away, nodes = distances(seen.graph), present(seen.graph)
    order = sorted(range(len(nodes)), key=lambda at: (away[nodes[at]] is None, away[nodes[at]] or 0, nodes[at]))
    values = [[round(float(dots_N[at]), 4) for at in order] for dots_N in seen.dots_CN]
    spec = heatmap(
        values,
        row_labels=[f"thought {c}" for c in range(1, len(values) + 1)],
        column_labels=[str(nodes[at]) for at in order],
        row_title="",
        column_title="vertices, nearest to the root first",
        value_title="inner product",
        domain=(0.0, max(1e-9, float(seen.dots_CN.max()))),
    )
    for layer in spec["layer"]:
        layer["encoding"]["color"].get("scale", {})["clamp"] = True
        layer["encoding"]["x"]["axis"] |= {"labelAngle": 0, "labelFontSize": 10, "labelOverlap": "greedy"}
    return spec


# ---------------------------------------------------------------- inner products


def _inner_products(done: Probed) -> Section:
    thoughts = done.result.thoughts
    blocks: list[Block] = [
        Chart(
            spread_chart(thoughts),
            "Inner products by thought",
            "Distribution of inner products of vertices with each thought, by their place in the search.",
            "Boxes hold half of the vertices, lines nine tenths. The four parts do not overlap.",
            height=320,
        ),
        group_table(thoughts, "Inner products, means"),
    ]
    if done.is_exact:
        note = (
            "All reached vertices weigh the same in a thought of the construction, so that no order is expected among "
            "them; means differ only because graphs of different sizes enter the groups in different shares."
        )
        blocks = [Claims([exact_row(t) for t in thoughts], "Uniform superposition"), Note(note), *blocks]
    else:
        rows = [order_row("vertices", t.thought, t.ordering) for t in thoughts]
        blocks.insert(0, Claims(rows, "Ordering"))
    return Section("Inner products", blocks)


# ---------------------------------------------------------------- retrieval


def _retrieval(thoughts: Sequence[Thought]) -> Section:
    names = {"frontier": "auroc_frontier", "all reached": "auroc_reachable"}
    curves = [_curve(name, thoughts, [getattr(t, field) for t in thoughts]) for name, field in names.items()]
    shown = [value for curve in curves for value in (*(curve.low or ()), *curve.y) if value is not None]
    lowest = min([0.5, *shown])
    spec = curve_chart(
        curves,
        x_title="thought",
        y_title="AUROC",
        y_format=".2f",
        y_domain=(max(0.0, round(lowest - 0.05, 2)), 1.0),
        references=[Reference(0.5, "chance")],
    )
    spec["layer"][0]["encoding"]["x"]["axis"]["values"] = [t.thought for t in thoughts]
    about = "AUROC by thought: how well inner products tell the frontier, and all reached vertices, from the others."
    columns = [Column("thought", "integer")]
    for name in ("frontier", "all reached"):
        columns += [Column(f"AUROC, {name}", "decimal", 3), Column("mean of graphs", "decimal", 3)]
    columns += [Column("frontier on top", "percent", 0), Column("reached on top", "percent", 0)]
    table = [
        [
            t.thought,
            *(estimate(t.auroc_frontier), t.auroc_frontier_by_graph.value),
            *(estimate(t.auroc_reachable), t.auroc_reachable_by_graph.value),
            *(t.precision_frontier.value, t.precision_reachable.value),
        ]
        for t in thoughts
    ]
    caption = "On top: share of a group's vertices among as many with the largest inner products."
    spread = [Column("thought", "integer"), Column("vertices reached", "decimal", 1), Column("support", "decimal", 1)]
    spread += [Column("alike", "decimal", 1), Column("norm", "decimal", 2)]
    sizes = [
        [t.thought, *(v.value for v in (t.num_reached, t.effective_support, t.participation, t.norm))]
        for t in thoughts
    ]  # fmt: skip
    blocks: list[Block] = [
        Chart(spec, "Told from what is not reached, by inner products", about, "Bands are 95 % intervals.", height=280),
        Table(columns, table, "", caption),
        Table(spread, sizes, "How many vertices a thought is spread over", "Means over graphs."),
    ]
    return Section("Telling vertices apart", blocks)


def _curve(name: str, thoughts: Sequence[Thought], values: Sequence[Value]) -> Series:
    lows = [value.value if value.low is None else value.low for value in values]
    highs = [value.value if value.high is None else value.high for value in values]
    return Series(name, [t.thought for t in thoughts], [value.value for value in values], lows, highs)


# ---------------------------------------------------------------- attention


def _attention(done: Probed) -> list[Section]:
    making, found, layers = done.result.making, done.result, done.layers
    if not making or layers is None:
        return []
    bars = [_bar(m, group) for m in making for group in GROUPS]
    spec = bar_chart(bars, x_title="", y_title="attention to an edge")
    # The colours that vertices of these groups have in the other charts.
    spec["layer"][0]["encoding"]["color"]["scale"]["range"] = [KIND_COLOURS[kind] for kind in KINDS]
    about = "Attention to an edge where a thought is made, by where the edge begins, mean over edges."
    caption = f"In layer {layers.edge.layer}, summed over {heads(layers.edge)} and over the tokens of an edge."
    blocks: list[Block] = [
        Chart(spec, "Attention to edges", about, caption, height=300),
        group_table(making, "Attention, means"),
        gap_table(making),
    ]
    if not done.is_exact:
        blocks.insert(0, Claims([order_row("edges", m.thought, m.ordering) for m in making], "Ordering"))
    if found.copy is not None:
        share = found.copy.mean.value or 0.0
        text = (
            f"In layer {layers.copy.layer} the last token of an edge pays {share:.3f} of "
            f"{heads(layers.copy)} to the edge's own two vertices, on average."
        )
        blocks.append(Prose(text))
    return [Section("Where thoughts come from", blocks)]


def _bar(m: Making, group: Group) -> Measure:
    mean = m.groups[group].mean
    return Measure(f"thought {m.thought}", mean.value, mean.low, mean.high, NAMES[group])
