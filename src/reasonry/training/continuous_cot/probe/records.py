"""What is observed on one graph, and what is found on all of them: records of the probes.

See `results` for how the one becomes the other.
"""

# pyright: strict
from __future__ import annotations

from typing import NamedTuple

from reasonry.tasks.graphs.graph import Graph
from reasonry.training.continuous_cot.probe.groups import Group, Kind
from reasonry.training.continuous_cot.probe.resampling import Spread, Value
from reasonry.training.continuous_cot.probe.scores import Floats

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
EXACT_TOLERANCE = 1e-5


class Observation(NamedTuple):
    """What was seen on one graph. C thoughts, N vertices that the graph names, in the order of `present`, E edges.

    Attributes:
        number: Of the graph, from 0.
        graph: It.
        dots_CN: Inner products of thoughts and embeddings.
        thought_norm_C: Euclidean norms of the thoughts.
        embedding_norm: Mean norm of the embeddings of all vertices that the model knows.
        attention_CE: Attention to each edge where a thought is made; None when it was not read.
        logits_CE: Pre-softmax logits on the last position of each edge; NaN where an edge has none of its own.
        copy_E: Attention of an edge's last token to its vertices; NaN likewise, None where edges are one position.
    """

    number: int
    graph: Graph
    dots_CN: Floats
    thought_norm_C: Floats
    embedding_norm: float
    attention_CE: Floats | None = None
    logits_CE: Floats | None = None
    copy_E: Floats | None = None


class Gap(NamedTuple):
    """Mean of one group less that of the next.

    Attributes:
        upper: The group that should be higher.
        lower: The other.
        size: By how much it is.
        is_same: In every graph both have the same members, so that there is nothing to compare.
    """

    upper: Group
    lower: Group
    size: Value
    is_same: bool


class Ordering(NamedTuple):
    """Whether groups are in order.

    Attributes:
        gaps: Between groups that follow each other.
        holds: All that can be compared are of the right sign; None where a group is empty.
        is_clear: And no interval holds 0.
    """

    gaps: tuple[Gap, ...]
    holds: bool | None
    is_clear: bool


class Thought(NamedTuple):
    """Inner products of one thought with vertices.

    Attributes:
        thought: Its number, from 1.
        num_graphs: Graphs on which it was thought.
        groups: Inner products by group.
        ordering: Whether groups are in order.
        auroc_frontier: Frontier against NotReachable, vertices of all graphs together.
        auroc_frontier_by_graph: The same in each graph, mean.
        auroc_reachable: Reachable against NotReachable, all graphs together.
        auroc_reachable_by_graph: The same in each graph, mean.
        precision_frontier: Share of the frontier among as many vertices with the highest inner products, mean.
        precision_reachable: The same of all that is reachable.
        num_reached: Vertices reached, mean.
        effective_support: exp(entropy of softmax(inner products)), mean.
        participation: (sum x)^2 / sum x^2 of positive inner products, mean.
        norm: Of the thought, mean.
        quantiles: Of inner products, at `QUANTILES`, by parts that do not overlap; parts without members are left out.
        error: Largest distance of an inner product from 1 / sqrt|V_c| on V_c and 0 elsewhere; None unless asked for.
    """

    thought: int
    num_graphs: int
    groups: dict[Group, Spread]
    ordering: Ordering
    auroc_frontier: Value
    auroc_frontier_by_graph: Value
    auroc_reachable: Value
    auroc_reachable_by_graph: Value
    precision_frontier: Value
    precision_reachable: Value
    num_reached: Value
    effective_support: Value
    participation: Value
    norm: Value
    quantiles: dict[Kind, tuple[float, ...]]
    error: float | None

    @property
    def is_exact(self) -> bool:
        """Whether it is the uniform superposition of what is reachable."""
        return self.error is not None and self.error <= EXACT_TOLERANCE


class Making(NamedTuple):
    """Attention to edges where one thought is made.

    Attributes:
        thought: Its number, from 1.
        num_graphs: Graphs.
        groups: Attention to an edge, by group of edges.
        ordering: Whether groups are in order.
        logit_gap: Logit on frontier edges less that on others, mean over graphs that have both.
    """

    thought: int
    num_graphs: int
    groups: dict[Group, Spread]
    ordering: Ordering
    logit_gap: Value


class Superposition(NamedTuple):
    """What was found.

    Attributes:
        num_graphs: Graphs.
        thoughts: Inner products, thought by thought.
        making: Attention, likewise; empty when it was not read.
        copy: Attention of edges' last tokens to their own vertices; None where edges are one position, or unread.
        embedding_norm: Mean norm of the vertices' embeddings.
    """

    num_graphs: int
    thoughts: tuple[Thought, ...]
    making: tuple[Making, ...]
    copy: Spread | None
    embedding_norm: float
