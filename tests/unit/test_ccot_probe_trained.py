"""Observations of a model: its own thoughts, the right columns, whatever the layout and the company."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from tests.ccot_probe_runs import random_model, train_config

from reasonry.core import seeds
from reasonry.errors import ConfigError
from reasonry.tasks.graphs.graph import path_len, present, shuffle
from reasonry.tasks.graphs.prosqa import GraphConfig, prosqa_graphs
from reasonry.training.continuous_cot.graph_rows import row_of
from reasonry.training.continuous_cot.graph_source import GraphSource
from reasonry.training.continuous_cot.latent.chain import chained_forward
from reasonry.training.continuous_cot.probe.records import Observation
from reasonry.training.continuous_cot.probe.results import superposition
from reasonry.training.continuous_cot.probe.subject import Question
from reasonry.training.continuous_cot.probe.trained import TrainedSubject


def subject(*, edge_layer: int | None = 2, has_attention: bool = True, **changes: Any) -> TrainedSubject:
    config = train_config(**changes)
    sizes = GraphConfig(num_nodes=config.grown_nodes, min_hops=config.hops, max_hops=config.most_hops)
    form = GraphSource(config).form
    return TrainedSubject(
        random_model(config),
        form,
        name="random",
        identity={},
        sizes=sizes,
        edge_layer=edge_layer,
        has_attention=has_attention,
    )


def questions(probed: TrainedSubject, num: int, *, thoughts: int | None = None) -> list[Question]:
    graphs = prosqa_graphs(probed.sizes, num=num, seed=1, split="test")
    told = [shuffle(g, seeds.stream(0, "told", at), num_ids=probed.max_nodes) for at, g in enumerate(graphs)]
    return [Question(at, graph, thoughts or path_len(graph)) for at, graph in enumerate(told)]


def close(one: Observation, other: Observation) -> bool:
    parts = [(a, b) for a, b in zip(one, other, strict=True) if isinstance(a, np.ndarray) and isinstance(b, np.ndarray)]
    return len(parts) >= 4 and all(
        a.shape == b.shape and np.allclose(a, b, atol=1e-4, equal_nan=True) for a, b in parts
    )


@pytest.mark.parametrize("layout", ["packed", "paper"])
def test_a_graph_is_observed_in_company_as_alone(layout: str) -> None:
    probed = subject(layout=layout, max_hops=3)
    asked = questions(probed, 6)
    assert len({question.num_thoughts for question in asked}) == 2
    for together, question in zip(probed.observe(asked), asked, strict=True):
        assert close(together, probed.observe([question])[0])


@pytest.mark.parametrize("layout", ["packed", "paper"])
@torch.no_grad()
def test_inner_products_are_those_of_the_thoughts_that_the_chain_feeds(layout: str) -> None:
    probed = subject(layout=layout)
    question = questions(probed, 1, thoughts=3)[0]
    seen = probed.observe([question])[0]
    batch = probed.batch([question])
    thoughts_KD = probed.model(batch).thoughts_BKD[0]
    table_VD = probed.model.backbone.model.get_input_embeddings().weight
    expected = thoughts_KD @ table_VD[list(present(question.graph))].T
    assert np.allclose(seen.dots_CN, expected, atol=1e-5)
    assert np.allclose(seen.thought_norm_C, thoughts_KD.norm(dim=1), atol=1e-5)
    assert seen.embedding_norm == pytest.approx(float(table_VD[: probed.max_nodes].norm(dim=1).mean()))


@torch.no_grad()
def by_hand(
    probed: TrainedSubject, question: Question, *, num_slots: int | None = None
) -> tuple[np.ndarray, list[int], torch.Tensor]:
    """All attention of the chain's inputs by the eager way, the row's ids, and columns of the queries."""
    batch = probed.batch([question])
    model = probed.model
    embeds = model.embed(batch)
    chained = chained_forward(model.backbone, embeds, batch, feedback=model.feedback)
    embeds[batch.is_thought_BT] = chained.thoughts_BKD[0]
    model.backbone.model.set_attn_implementation("eager")
    out = model.backbone.model(inputs_embeds=embeds, position_ids=batch.position_ids_BT, output_attentions=True)
    first = int(batch.is_thought_BT[0].nonzero()[0])
    made_at = torch.arange(first - 1, first - 1 + (num_slots or question.num_thoughts))
    # The same inputs give the same states: what is made there is the thought.
    hidden = model.backbone.run(embeds, attend_BS=None, position_ids_BT=batch.position_ids_BT, cache=None)
    assert torch.allclose(hidden[0, made_at], chained.thoughts_BKD[0], atol=1e-4)
    return torch.stack(out.attentions)[:, 0].numpy(), batch.ids_BT[0].tolist(), made_at


def test_packed_edges_are_paid_what_their_one_column_is_paid() -> None:
    probed = subject(layout="packed")
    question = questions(probed, 1)[0]
    seen = probed.observe([question])[0]
    attention_LHTT, ids, made_at = by_hand(probed, question)
    columns = [at for at, token in enumerate(ids) if token == probed.form.symbols.edge_id]
    assert len(columns) == len(question.graph.edges)
    assert seen.attention_CE is not None
    assert np.allclose(seen.attention_CE, attention_LHTT[1].sum(0)[made_at][:, columns], atol=1e-5)
    edges = row_of(probed.batch([question]), 0, fill="thought").edges
    assert edges is not None
    assert [edges[at] for at in columns] == list(question.graph.edges)
    assert seen.copy_E is None


def test_an_edge_of_three_tokens_is_paid_their_sum_and_copies_from_its_own_two() -> None:
    probed = subject(layout="paper")
    question = questions(probed, 1)[0]
    seen = probed.observe([question])[0]
    attention_LHTT, ids, made_at = by_hand(probed, question)
    assert seen.attention_CE is not None
    assert seen.logits_CE is not None
    assert seen.copy_E is not None
    edges = question.graph.edges
    for number, edge in enumerate(edges):
        start = 1 + 3 * number
        is_last = number == len(edges) - 1
        assert tuple(ids[start : start + 2]) == edge
        assert (ids[start + 2] == probed.form.symbols.edge_id) != is_last
        columns = [start, start + 1] if is_last else [start, start + 1, start + 2]
        paid = attention_LHTT[1].sum(0)[made_at][:, columns].sum(1)
        assert np.allclose(seen.attention_CE[:, number], paid, atol=1e-5)
        if is_last:
            assert np.isnan(seen.copy_E[number])
            assert np.isnan(seen.logits_CE[:, number]).all()
        else:
            copied = attention_LHTT[0].sum(0)[start + 2, [start, start + 1]].sum()
            assert seen.copy_E[number] == pytest.approx(copied, abs=1e-5)
    assert seen.copy_E[:-1].max() <= probed.model.backbone.model.config.n_head


def test_logits_differ_between_edges_as_logarithms_of_probabilities_do() -> None:
    # With one head the sum over heads is that head, and z_a - z_b = ln p_a - ln p_b.
    probed = subject(layout="packed", shape={"width": 16, "num_heads": 1})
    seen = probed.observe(questions(probed, 1))[0]
    assert seen.logits_CE is not None
    assert seen.attention_CE is not None
    logp = np.log(seen.attention_CE)
    assert np.allclose(seen.logits_CE - seen.logits_CE[:, :1], logp - logp[:, :1], atol=1e-4)


@torch.no_grad()
def test_with_two_slots_for_each_step_the_last_of_each_is_probed() -> None:
    probed = subject(thoughts={"per_step": 2})
    question = questions(probed, 1)[0]
    seen = probed.observe([question])[0]
    thoughts_KD = probed.model(probed.batch([question])).thoughts_BKD[0]
    assert len(thoughts_KD) == 4
    assert np.allclose(seen.thought_norm_C, thoughts_KD[1::2].norm(dim=1), atol=1e-5)
    assert seen.attention_CE is not None
    attention_LHTT, ids, made_at = by_hand(probed, question, num_slots=4)
    columns = [at for at, token in enumerate(ids) if token == probed.form.symbols.edge_id]
    assert np.allclose(seen.attention_CE, attention_LHTT[1].sum(0)[made_at[1::2]][:, columns], atol=1e-5)


def test_dropout_is_off_even_for_a_model_in_training_mode() -> None:
    probed = subject(shape={"width": 16, "num_heads": 2, "dropout": 0.5})
    probed.model.train()
    asked = questions(probed, 3)
    first, second = probed.observe(asked), probed.observe(asked)
    assert all(np.array_equal(a.dots_CN, b.dots_CN) for a, b in zip(first, second, strict=True))
    assert all(close(a, b) for a, b in zip(first, second, strict=True))
    assert probed.model.training


@pytest.mark.parametrize(("layout", "layer"), [("packed", 1), ("paper", 2)])
def test_edges_are_read_a_layer_earlier_where_there_is_nothing_to_copy(layout: str, layer: int) -> None:
    probed = subject(edge_layer=None, layout=layout)
    assert probed.layers == ((1, 2), (layer, 2))
    asked = questions(probed, 2)
    again = subject(edge_layer=layer, layout=layout).observe(asked)
    assert all(close(a, b) for a, b in zip(probed.observe(asked), again, strict=True))


def test_without_layers_no_attention_is_read() -> None:
    seen = subject(has_attention=False).observe(questions(subject(), 1))[0]
    assert (seen.attention_CE, seen.logits_CE, seen.copy_E) == (None, None, None)


def test_a_layer_that_the_model_does_not_have_is_refused() -> None:
    with pytest.raises(ConfigError, match="layer 3 of a model that has 2"):
        subject(edge_layer=3)


def test_random_weights_do_not_know_the_frontier() -> None:
    shape = {"width": 64, "num_heads": 2}
    probed = subject(hops=3, shape=shape)
    asked = questions(probed, 100)
    values: list[float] = []
    num_held = 0
    for seed in range(3):
        probed.model = random_model(train_config(hops=3, shape=shape), seed=seed)
        for thought in superposition(probed.observe(asked)).thoughts:
            value, low, high = thought.auroc_frontier
            assert value is not None
            assert low is not None
            assert high is not None
            assert high - low < 0.12
            values.append(value)
            num_held += low < 0.5 < high
    # Of nine intervals of 95 %, two or more miss with probability 7 %; one model's own bias is a little more.
    assert num_held >= 7
    assert np.mean(values) == pytest.approx(0.5, abs=0.025)
