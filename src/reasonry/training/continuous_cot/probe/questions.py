"""The graphs that are probed: of the test split of a model's own generator, or of a file."""

from __future__ import annotations

from pathlib import Path

from reasonry.core import seeds
from reasonry.errors import ConfigError, DataError
from reasonry.tasks.graphs.graph import Graph, path_len, shuffle
from reasonry.tasks.graphs.prosqa import GraphConfig, prosqa_graphs
from reasonry.tasks.graphs.read import read_symbolic
from reasonry.training.continuous_cot.probe.config import ProbeConfig
from reasonry.training.continuous_cot.probe.subject import Question, Subject


def questions(config: ProbeConfig, subject: Subject) -> list[Question]:
    """Graphs, as the subject knows their vertices, and how often to think about each.

    Raises:
        ConfigError: Graphs too large for the subject, or sizes of which there are none.
        DataError: A file that cannot be read, with ``file:line``.
    """
    graphs = _generated(config, subject) if config.graphs is None else _read(config.graphs, config, subject)
    fixed = config.thoughts or subject.fixed_thoughts
    return [Question(number, graph, fixed or path_len(graph)) for number, graph in enumerate(graphs)]


def sizes(config: ProbeConfig, subject: Subject) -> GraphConfig:
    """What graphs are generated.

    Raises:
        ConfigError: Sizes that do not fit each other or the subject.
    """
    own = subject.sizes
    least = config.hops or own.min_hops
    most = config.max_hops or config.hops or own.max_hops
    nodes = config.num_nodes or own.num_nodes
    if subject.max_nodes is not None and nodes > subject.max_nodes:
        raise ConfigError(
            f"{nodes} vertices, and {subject.name} has symbols for {subject.max_nodes}",
            place="num_nodes",
            remedy=f"Use at most {subject.max_nodes}.",
        )
    return own.with_(num_nodes=nodes, min_hops=min(least, most), max_hops=most)


def _generated(config: ProbeConfig, subject: Subject) -> list[Graph]:
    made = prosqa_graphs(sizes(config, subject), num=config.num_graphs, seed=config.seed, split="test")
    if subject.max_nodes is None:
        return made
    # Names are drawn among all that the model has, as in training; each graph has a stream of its own.
    streams = [seeds.stream(config.seed, "probe", "names", number) for number in range(len(made))]
    return [shuffle(graph, rng, num_ids=subject.max_nodes) for graph, rng in zip(made, streams, strict=True)]


def _read(path: Path, config: ProbeConfig, subject: Subject) -> list[Graph]:
    rows = read_symbolic(path, limit=config.num_graphs, max_nodes=subject.max_nodes).items
    if len(rows) < 2:
        raise DataError("one graph is too few for intervals", place=str(path), remedy="Give two or more.")
    return [row.graph for row in rows]
