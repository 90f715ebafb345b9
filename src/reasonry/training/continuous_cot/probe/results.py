"""What the probes say of all graphs together: a row for each thought, from what was observed graph by graph.

    P1  inner products <t_c, E_v> of a thought with the input embeddings of vertices, by group of vertices
    P2  attention of the layer that reads edges, summed over heads and over the positions of an edge, by group of edges,
        where thought i is made
    P3  attention that the last token of an edge pays to its two vertices in the layer that copies, summed over heads
    P4  pre-softmax logit of the layer that reads edges, summed over heads, on the last position of frontier edges less
        that on all other edges; the mean over graphs of the difference of means
    P5  how well inner products tell frontier, or all that is reachable, from what is not reachable

Groups are those of `groups`. P1 to P3: mean and standard deviation over all vertices, or edges, of all graphs. The
ordering that is asked for is Optimal > Frontier > Reachable > NotReachable; where two of them have the same members, as
Frontier and Reachable of edges at the first thought, they are not compared. Intervals: `resampling`.

Sources: P1 to P3 arXiv 2505.12514, section 5; P4 arXiv 2509.23365; P5 is not published.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from reasonry.tasks.graphs.graph import present
from reasonry.training.continuous_cot.probe.groups import (
    GROUPS,
    KINDS,
    By,
    Group,
    Groups,
    Kind,
    edge_groups,
    kind_of,
    vertex_groups,
)
from reasonry.training.continuous_cot.probe.records import (
    QUANTILES,
    Gap,
    Making,
    Observation,
    Ordering,
    Superposition,
    Thought,
)
from reasonry.training.continuous_cot.probe.resampling import Resampler, Sums, Value
from reasonry.training.continuous_cot.probe.scores import (
    Floats,
    auroc,
    effective_support,
    participation,
    top_precision,
)


def superposition(
    observations: Sequence[Observation], *, by: By = "distance", seed: int = 0, is_exact: bool = False
) -> Superposition:
    """Put observations together.

    Args:
        observations: At least one; graphs may have different numbers of thoughts.
        by: What the frontier is.
        seed: Of the resampling.
        is_exact: Compare inner products with those of the uniform superposition, too.
    """
    most = max(len(seen.dots_CN) for seen in observations)
    thoughts: list[Thought] = []
    making: list[Making] = []
    for c in range(1, most + 1):
        there = [seen for seen in observations if len(seen.dots_CN) >= c]
        resampler = Resampler(len(there), seed=seed)
        thoughts.append(_thought(there, c, resampler, by=by, is_exact=is_exact))
        read = [seen for seen in there if seen.attention_CE is not None]
        if read:
            making.append(_making(read, c, Resampler(len(read), seed=seed), by=by))
    copies = [seen.copy_E[np.isfinite(seen.copy_E)] for seen in observations if seen.copy_E is not None]
    copy = Resampler(len(copies), seed=seed).spread(copies) if copies else None
    norm = float(np.mean([seen.embedding_norm for seen in observations]))
    return Superposition(len(observations), tuple(thoughts), tuple(making), copy, norm)


def _thought(
    there: Sequence[Observation], c: int, resampler: Resampler, *, by: By, is_exact: bool
) -> Thought:  # fmt: skip
    dots_G = [seen.dots_CN[c - 1] for seen in there]
    groups_G = [vertex_groups(seen.graph, c, by=by) for seen in there]
    nodes_G = [present(seen.graph) for seen in there]
    in_group: dict[Group, list[Floats]] = {name: _by_group(dots_G, nodes_G, groups_G, name) for name in GROUPS}
    away = in_group["not_reachable"]

    def mean(score: Callable[[Floats], float | None]) -> Value:
        return resampler.mean_of([score(dots_N) for dots_N in dots_G])

    def by_graph(name: Group) -> Value:
        return resampler.mean_of([auroc(near, far) for near, far in zip(in_group[name], away, strict=True)])

    def precision(name: Group) -> Value:
        members_G = [np.isin(nodes, getattr(g, name)) for nodes, g in zip(nodes_G, groups_G, strict=True)]
        return resampler.mean_of([top_precision(d, m) for d, m in zip(dots_G, members_G, strict=True)])

    error = None
    if is_exact:
        error = max(_error(d, n, g) for d, n, g in zip(dots_G, nodes_G, groups_G, strict=True))
    return Thought(
        thought=c,
        num_graphs=len(there),
        groups={name: resampler.spread(in_group[name]) for name in GROUPS},
        ordering=_ordering(in_group, resampler),
        auroc_frontier=resampler.auroc(in_group["frontier"], away),
        auroc_frontier_by_graph=by_graph("frontier"),
        auroc_reachable=resampler.auroc(in_group["reachable"], away),
        auroc_reachable_by_graph=by_graph("reachable"),
        precision_frontier=precision("frontier"),
        precision_reachable=precision("reachable"),
        num_reached=resampler.mean_of([float(len(groups.reachable)) for groups in groups_G]),
        effective_support=mean(effective_support),
        participation=mean(participation),
        norm=resampler.mean_of([float(seen.thought_norm_C[c - 1]) for seen in there]),
        quantiles=_quantiles(dots_G, nodes_G, groups_G),
        error=error,
    )


def _making(read: Sequence[Observation], i: int, resampler: Resampler, *, by: By) -> Making:
    groups_G = [edge_groups(seen.graph, i, by=by) for seen in read]
    places_G = [tuple(range(len(seen.graph.edges))) for seen in read]
    paid_G = [seen.attention_CE[i - 1] for seen in read if seen.attention_CE is not None]
    in_group: dict[Group, list[Floats]] = {name: _by_group(paid_G, places_G, groups_G, name) for name in GROUPS}
    return Making(
        thought=i,
        num_graphs=len(read),
        groups={name: resampler.spread(in_group[name]) for name in GROUPS},
        ordering=_ordering(in_group, resampler),
        logit_gap=resampler.mean_of([logit_gap(seen, i, g) for seen, g in zip(read, groups_G, strict=True)]),
    )


def _by_group(
    values_G: Sequence[Floats], members_G: Sequence[tuple[int, ...]], groups_G: Sequence[Groups], name: Group
) -> list[Floats]:
    """Values of a group's members, by graph."""
    wanted_G: list[tuple[int, ...]] = [getattr(groups, name) for groups in groups_G]
    triples = zip(values_G, members_G, wanted_G, strict=True)
    return [values[np.isin(members, wanted)] for values, members, wanted in triples]


def _ordering(in_group: dict[Group, list[Floats]], resampler: Resampler) -> Ordering:
    sums = {name: Sums.of(values_G) for name, values_G in in_group.items()}

    def gap(upper: Group, lower: Group) -> Gap:
        first, second = sums[upper], sums[lower]
        # All but the last lie within each other: as many members are the same members.
        is_same = lower != "not_reachable" and np.array_equal(first.num_G, second.num_G)
        return Gap(upper, lower, resampler.gap(first, second), is_same)

    gaps = tuple(gap(upper, lower) for upper, lower in pairwise(GROUPS))
    if any(each.size.value is None for each in gaps):
        return Ordering(gaps, None, False)
    asked = [each.size for each in gaps if not each.is_same]
    holds = all(size.value is not None and size.value > 0 for size in asked)
    is_clear = all(size.low is not None and size.low > 0 for size in asked)
    return Ordering(gaps, holds, holds and is_clear)


def logit_gap(seen: Observation, i: int, groups: Groups) -> float | None:
    """P4 of one graph where thought ``i`` is made, with the groups of its edges; None without one of the two kinds."""
    if seen.logits_CE is None:
        return None
    logits_E = seen.logits_CE[i - 1]
    is_near_E = np.isin(np.arange(len(logits_E)), groups.frontier)
    is_known_E = np.isfinite(logits_E)
    near, far = logits_E[is_near_E & is_known_E], logits_E[~is_near_E & is_known_E]
    return float(near.mean() - far.mean()) if near.size and far.size else None


def _quantiles(
    dots_G: Sequence[Floats], nodes_G: Sequence[tuple[int, ...]], groups_G: Sequence[Groups]
) -> dict[Kind, tuple[float, ...]]:
    found: dict[Kind, list[float]] = {kind: [] for kind in KINDS}
    for dots, nodes, groups in zip(dots_G, nodes_G, groups_G, strict=True):
        for dot, node in zip(dots.tolist(), nodes, strict=True):
            found[kind_of(groups, node)].append(dot)
    return {kind: tuple(np.quantile(values, QUANTILES).tolist()) for kind, values in found.items() if values}


def _error(dots_N: Floats, nodes: tuple[int, ...], groups: Groups) -> float:
    """Largest distance from the uniform superposition of the reachable set."""
    ideal_N = np.isin(nodes, groups.reachable) / np.sqrt(len(groups.reachable))
    return float(np.abs(dots_N - ideal_N).max())
