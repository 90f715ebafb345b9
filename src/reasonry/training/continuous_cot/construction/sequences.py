"""Graphs as columns of the explicit transformer: batches of similar length, padded prompts, whole sequences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, SupportsIndex

import torch
from torch import Tensor

from reasonry.errors import ConfigError
from reasonry.tasks.graphs.graph import Graph
from reasonry.training.continuous_cot.construction.network import ExplicitNetwork
from reasonry.training.continuous_cot.construction.vocabulary import Vocabulary, check_graph, prompt, prompt_len

_SCORE_BYTES = 8_000_000  # attention scores of one batch; many more fall out of a processor's cache
_PAD = -1


class Prompts(NamedTuple):
    """Prompts of several graphs.

    Attributes:
        h_BTD: What layer 1 reads; padded on the right.
        lengths_B: Their lengths, tokens.
        roots_BV: Content of the roots: thought 0.
    """

    h_BTD: Tensor
    lengths_B: Tensor
    roots_BV: Tensor


def counts_for(
    graphs: Sequence[Graph], num_thoughts: int | Sequence[int], vocabulary: Vocabulary, *, max_len: int
) -> list[int]:
    """Thoughts for each graph, after all have been checked.

    Raises:
        ConfigError: As many numbers as graphs were not given, or a graph does not fit.
        DataError: A graph poses no question.
    """
    counts = [int(num_thoughts)] * len(graphs) if isinstance(num_thoughts, SupportsIndex) else list(num_thoughts)
    if len(counts) != len(graphs):
        raise ConfigError(
            f"{len(counts)} numbers of thoughts for {len(graphs)} graphs",
            place="num_thoughts",
            remedy="Give one number for all, or one for each.",
        )
    for number, (graph, count) in enumerate(zip(graphs, counts)):
        check_graph(graph, vocabulary, max_len=max_len, num_thoughts=count, place=f"graph {number}")
    return counts


def batches(graphs: Sequence[Graph], network: ExplicitNetwork, *, batch_size: int | None = None) -> Iterator[list[int]]:
    """Indices of graphs to compute together, longest first, so that little is padded.

    Args:
        graphs: In any order.
        network: Says how much memory a score takes.
        batch_size: Most graphs in a batch; as many as suit a processor's cache unless given.

    Raises:
        ConfigError: ``batch_size`` is below 1.
    """
    if batch_size is not None and batch_size < 1:
        raise ConfigError(f"batch_size = {batch_size}", place="batch_size", remedy="Use 1 or more.")
    order = sorted(range(len(graphs)), key=lambda i: -len(graphs[i].edges))
    while order:
        num_scores = len(network.query1_HKD) * prompt_len(len(graphs[order[0]].edges)) ** 2
        num = batch_size or max(1, _SCORE_BYTES // (num_scores * network.readout_VD.dtype.itemsize))
        yield order[:num]
        order = order[num:]


def place_prompts(graphs: Sequence[Graph], network: ExplicitNetwork) -> Prompts:
    """Prompts of a batch, from <s> to the root."""
    device = network.readout_VD.device
    prompts = [prompt(graph, network.vocabulary) for graph in graphs]
    longest = max(map(len, prompts))
    ids_BT = torch.tensor([ids + [_PAD] * (longest - len(ids)) for ids in prompts], device=device)
    roots_B = torch.tensor([graph.root for graph in graphs], device=device)
    return Prompts(
        network.place(network.embed(ids_BT), _positions(ids_BT)),
        torch.tensor([len(ids) for ids in prompts], device=device),
        network.embed(roots_B[:, None])[:, 0],
    )


def place_whole(graphs: Sequence[Graph], content: Sequence[Tensor], network: ExplicitNetwork) -> Tensor:
    """Prompts, thoughts and <A> in one piece, padded on the right.

    Args:
        graphs: The batch.
        content: Of each, (C + 1, V): thoughts 0 to C. Thought 0 is the root, which the prompt already holds.
        network: Embeds.

    Returns:
        Shape (B, T, D), T the longest of 3 edges + 7 + C.
    """
    device, answer = network.readout_VD.device, network.vocabulary.answer
    prompts = [prompt(graph, network.vocabulary) for graph in graphs]
    spans = [range(len(ids), len(ids) + len(rows) - 1) for ids, rows in zip(prompts, content)]
    longest = max(span.stop + 1 for span in spans)
    ids_BT = torch.tensor(
        [
            [*ids, *(_PAD for _ in span), answer, *[_PAD] * (longest - span.stop - 1)]
            for ids, span in zip(prompts, spans)
        ],
        device=device,
    )
    content_BTV = network.embed(ids_BT)
    for row, (span, rows) in enumerate(zip(spans, content)):
        content_BTV[row, span.start : span.stop] = rows[1:].to(content_BTV)
    return network.place(content_BTV, _positions(ids_BT))


def _positions(ids_BT: Tensor) -> Tensor:
    return torch.arange(1, ids_BT.shape[1] + 1, device=ids_BT.device).expand(ids_BT.shape)
