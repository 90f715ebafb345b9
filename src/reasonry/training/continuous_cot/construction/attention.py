"""Where the explicit transformer looks: what a report draws of one graph.

    layer 1   <e>_i on s_i and on t_i: 1       <R> on both candidates: 1       <A> on the last thought: 1
    layer 2   thought c on the <e> of each edge that leaves V_c: 1 / their number, elsewhere 0;  <A> on <R>: 1

all up to the leaks that the thresholds remove. When no edge leaves V_c, the thought looks at <s>. An edge told twice
counts twice.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from reasonry.tasks.graphs.graph import Graph
from reasonry.training.continuous_cot.construction.answers import Thoughts
from reasonry.training.continuous_cot.construction.model import SuperpositionConstruction
from reasonry.training.continuous_cot.construction.vocabulary import edge_position, prompt, prompt_len


class Attention(NamedTuple):
    """Attention of both layers on the CPU; C thoughts, E edges, T = 3 E + 7 + C positions.

    Attributes:
        thoughts: What was thought meanwhile.
        names: Of the T positions: vertices by number, thoughts as ``t_1``.
        layer1_HTT: Of the five choosers, from position to position.
        layer2_TT: Of layer 2.
        source_E: Of each <e> on its edge's source, layer 1.
        target_E: Of each <e> on its edge's target, layer 1.
        edges_KE: For c = 0 .. C of thought c on the <e> of each edge, layer 2.
        sink_K: For c = 0 .. C of thought c on <s>, layer 2.
        answer_on_candidates: Of <A> on <R>, which holds the candidates, layer 2.
    """

    thoughts: Thoughts
    names: tuple[str, ...]
    layer1_HTT: Tensor
    layer2_TT: Tensor
    source_E: Tensor
    target_E: Tensor
    edges_KE: Tensor
    sink_K: Tensor
    answer_on_candidates: float


def attention_of(model: SuperpositionConstruction, graph: Graph, num_thoughts: int) -> Attention:
    """Think about a graph, then read the attention of one pass over prompt, thoughts and <A>.

    Raises:
        ConfigError: The graph does not fit, see `check_graph`.
        DataError: It poses no question.
    """
    thoughts = model.think(graph, num_thoughts)
    passed = model.whole_pass(thoughts)
    layer1_HTT, layer2_TT = passed.attention1_HBTT[:, 0].cpu(), passed.attention2_BTT[0].cpu()
    ends_E = torch.tensor([edge_position(number) - 1 for number in range(len(graph.edges))], dtype=torch.long)
    root = prompt_len(len(graph.edges)) - 1  # index of its position, as all below: thought c stands c behind it
    thinking = slice(root, root + num_thoughts + 1)
    named = tuple(model.vocabulary.name(token) for token in prompt(graph, model.vocabulary))
    return Attention(
        thoughts=thoughts,
        names=(*named, *(f"t_{c}" for c in range(1, num_thoughts + 1)), model.vocabulary.name(model.vocabulary.answer)),
        layer1_HTT=layer1_HTT,
        layer2_TT=layer2_TT,
        source_E=layer1_HTT[0, ends_E, ends_E - 2],
        target_E=layer1_HTT[1, ends_E, ends_E - 1],
        edges_KE=layer2_TT[thinking][:, ends_E],
        sink_K=layer2_TT[thinking, 0],
        answer_on_candidates=float(layer2_TT[-1, root - 1]),
    )
