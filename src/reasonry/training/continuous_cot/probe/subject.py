"""What is probed: anything that thinks about graphs. The contract of trained models and of the explicit transformer."""

# pyright: strict
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from reasonry.tasks.graphs.graph import Graph
from reasonry.tasks.graphs.prosqa import GraphConfig
from reasonry.training.continuous_cot.probe.records import Observation


class Question(NamedTuple):
    """A graph to think about.

    Attributes:
        number: Of the graph, from 0.
        graph: With the vertices' names as the subject knows them.
        num_thoughts: How often.
    """

    number: int
    graph: Graph
    num_thoughts: int


class ReadLayer(NamedTuple):
    """A layer whose attention is read.

    Attributes:
        layer: From 1.
        num_heads: Heads that attention is summed over: the most that can be paid.
    """

    layer: int
    num_heads: int


class ReadLayers(NamedTuple):
    """Where attention is read.

    Attributes:
        copy: In which edges' last tokens look at their vertices.
        edge: In which thoughts look at edges.
    """

    copy: ReadLayer
    edge: ReadLayer


class Subject(Protocol):
    """Thinks about graphs and is looked at while it does."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    @property
    def identity(self) -> dict[str, Any]:
        """What decides its thoughts, as JSON."""
        ...

    @property
    def max_nodes(self) -> int | None:
        """Vertices it has names for; None: as many as are needed."""
        ...

    @property
    def sizes(self) -> GraphConfig:
        """Graphs of the kind it is made for."""
        ...

    @property
    def fixed_thoughts(self) -> int | None:
        """How often it thinks whatever the graph; None: once for every edge of a shortest path."""
        ...

    @property
    def layers(self) -> ReadLayers | None:
        """Where attention is read; None for nowhere."""
        ...

    @property
    def is_exact(self) -> bool:
        """Whether its thoughts ought to be uniform superpositions, exactly."""
        ...

    def check(self, questions: Sequence[Question]) -> None:
        """Refuse what it could not think about, before anything is done.

        Raises:
            ConfigError: A question too long for it.
        """
        ...

    def observe(self, questions: Sequence[Question]) -> list[Observation]:
        """Think about several graphs at once, each as if it were alone."""
        ...
