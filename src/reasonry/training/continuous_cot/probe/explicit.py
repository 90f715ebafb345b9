"""Probes of the explicit transformer of arXiv 2505.12514: what a trained model is measured against.

Its embeddings are orthonormal, so that inner products are the weights of a thought on its vertices: 1 / sqrt(|V_c|) on
what is reachable, 0 elsewhere. Attention is read from its own pass over prompt and thoughts; the scores of its second
layer are those of its matrices. An edge is three tokens, and two of the five heads of layer 1 copy.

Legend: C thoughts, E edges, T positions, V vocabulary, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from reasonry.tasks.graphs.graph import present
from reasonry.tasks.graphs.prosqa import GraphConfig
from reasonry.training.continuous_cot.construction.answers import Thoughts
from reasonry.training.continuous_cot.construction.model import SuperpositionConstruction
from reasonry.training.continuous_cot.construction.vocabulary import edge_position, max_len_for, prompt_len
from reasonry.training.continuous_cot.probe.records import Observation
from reasonry.training.continuous_cot.probe.scores import Floats
from reasonry.training.continuous_cot.probe.subject import Question, ReadLayer, ReadLayers

NAME = "construction"


class ExplicitSubject:
    """The explicit transformer, built large enough for whatever graphs come.

    Args:
        sizes: Graphs to probe it on, unless others are given.
        has_attention: Read its attention too.
    """

    name = "the explicit construction"
    max_nodes = None
    fixed_thoughts = None
    is_exact = True

    def __init__(self, sizes: GraphConfig, *, has_attention: bool = True) -> None:
        self.sizes, self._has_attention = sizes, has_attention
        self.layers = ReadLayers(copy=ReadLayer(1, 5), edge=ReadLayer(2, 1)) if has_attention else None

    @property
    def identity(self) -> dict[str, Any]:
        """Its weights follow from the sizes of graphs, and do not change what it thinks."""
        return {"model": NAME, "dtype": "float64"}

    def check(self, questions: Sequence[Question]) -> None:
        """It is built for whatever comes."""

    def observe(self, questions: Sequence[Question]) -> list[Observation]:
        """Think about several graphs at once."""
        graphs = [question.graph for question in questions]
        counts = [question.num_thoughts for question in questions]
        lengths = [max_len_for(len(g.edges), c) for g, c in zip(graphs, counts, strict=True)]
        most_nodes = max(3, *(graph.num_nodes for graph in graphs))
        model = SuperpositionConstruction(most_nodes, max(lengths), dtype=torch.float64)
        thought = model.think_all(graphs, counts)
        return [self._seen(model, question, found) for question, found in zip(questions, thought, strict=True)]

    def _seen(self, model: SuperpositionConstruction, question: Question, thoughts: Thoughts) -> Observation:
        graph = question.graph
        content_CV = thoughts.content_KV[1:].numpy()
        dots_CN = content_CV[:, list(present(graph))]
        norm_C = np.linalg.norm(content_CV, axis=1)
        paid = _attention(model, thoughts) if self._has_attention else (None, None, None)
        return Observation(question.number, graph, dots_CN, norm_C, 1.0, *paid)


def _attention(model: SuperpositionConstruction, thoughts: Thoughts) -> tuple[Floats, Floats, Floats]:
    graph, network = thoughts.graph, model.network
    seen = model.whole_pass(thoughts)
    made_at_C = prompt_len(len(graph.edges)) - 1 + np.arange(thoughts.num_thoughts)
    end_E = np.array([edge_position(edge) - 1 for edge in range(len(graph.edges))], dtype=np.int64)
    paid_CT = seen.attention2_BTT[0].numpy()[made_at_C]
    state_TD = seen.layer1_BTD[0]
    score_TT = ((state_TD @ network.query2_VD.T) @ (state_TD @ network.key2_VD.T).T).numpy()
    copied_TT = seen.attention1_HBTT[:, 0].sum(0).numpy()
    all_E3 = end_E[:, None] - np.arange(3)
    copy_E = copied_TT[end_E[:, None], all_E3[:, 1:]].sum(1)
    return paid_CT[:, all_E3].sum(2), score_TT[made_at_C][:, end_E], copy_E
