"""Measurements whose right value is known beforehand: what the explicit transformer has to think and answer."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.core import seeds
from reasonry.core.claims import Measurement
from reasonry.errors import ConfigError
from reasonry.training.continuous_cot.construction.vocabulary import max_len_for

_TORCH_NAMES = ("float32", "float64")


def construction_exact(
    *,
    num_graphs: int,
    n_max: int,
    max_edges: int,
    num_position_dims: Sequence[int],
    dtypes: Sequence[str],
    seed: int,
) -> Measurement:
    """Graphs about which the explicit transformer thinks or answers anything wrong, in any configuration.

    Random directed graphs with cycles. Each is thought about until one thought finds nothing new, and asked after every
    number of thoughts from 0 on. Right is: the thought's support is the set of vertices within that many edges, its
    weights are equal to 1e-6, the target is chosen by a margin of 1 / sqrt(|V_C| + 5) to 1e-6 as soon as it is within
    reach, and before that there is a tie.

    Args:
        num_graphs: How many.
        n_max: Most vertices.
        max_edges: Most edges.
        num_position_dims: Sizes of the position code to try.
        dtypes: Number formats to try: float32, float64.
        seed: Of the graphs.

    Raises:
        ConfigError: Another number format.
    """
    import torch

    from reasonry.tasks.graphs.stress import random_graph
    from reasonry.training.continuous_cot.construction.check import check_set, enough_thoughts
    from reasonry.training.continuous_cot.construction.model import SuperpositionConstruction

    if unknown := [name for name in dtypes if name not in _TORCH_NAMES]:
        raise ConfigError(f"dtype {unknown[0]!r}", place="dtypes", remedy=f"Use {' or '.join(_TORCH_NAMES)}.")
    rng = seeds.stream(seed, "continuous_cot", "construction claim")
    graphs = [random_graph(rng, max_nodes=n_max, max_edges=max_edges) for _ in range(num_graphs)]
    counts = [enough_thoughts(graph) for graph in graphs]
    # A chain of n - 1 edges is the longest that there is; the thought behind it finds nothing.
    max_len = max_len_for(max_edges, n_max)
    wrong, worst, worst_margin = set[int](), 0.0, 0.0
    num_ties = 0
    for num_dims in num_position_dims:
        for name in dtypes:
            model = SuperpositionConstruction(n_max, max_len, num_position_dims=num_dims, dtype=getattr(torch, name))
            found = check_set(model, graphs, counts)
            wrong.update(found.wrong)
            worst, worst_margin = max(worst, found.max_error), max(worst_margin, found.max_margin_error)
            num_ties = found.num_ties
    detail = (
        f"{num_graphs} graphs of 4 to {n_max} vertices, {sum(counts)} thoughts, {sum(counts) + num_graphs} answers of "
        f"which {num_ties} come before the target is reached and tie; P = {', '.join(map(str, num_position_dims))} in "
        f"{' and '.join(dtypes)}; largest error of a weight {worst:.1e}, of a margin {worst_margin:.1e}"
    )
    return Measurement(float(len(wrong)), float(len(wrong)), float(len(wrong)), num_graphs, seed, detail)
