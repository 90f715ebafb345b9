"""The explicit transformer searches breadth first: its thoughts, states and answers have closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from reasonry.core import seeds
from reasonry.tasks.graphs.graph import Graph, path_len, reachable
from reasonry.tasks.graphs.stress import random_graph
from reasonry.training.continuous_cot.construction.attention import attention_of
from reasonry.training.continuous_cot.construction.check import check_set, enough_thoughts, teacher_forced_errors
from reasonry.training.continuous_cot.construction.model import SuperpositionConstruction
from reasonry.training.continuous_cot.construction.sequences import place_prompts, place_whole
from reasonry.training.continuous_cot.construction.vocabulary import edge_position, prompt

# 0 -> 1, 2;  2 -> 3 -> 4;  5 -> 6, and a cycle 3 -> 0
GRAPH = Graph(7, ((0, 1), (0, 2), (2, 3), (3, 0), (3, 4), (5, 6)), root=0, target=4, distractor=6)
SETS = ((0,), (0, 1, 2), (0, 1, 2, 3), (0, 1, 2, 3, 4), (0, 1, 2, 3, 4))


@pytest.fixture(scope="module")
def model() -> SuperpositionConstruction:
    return SuperpositionConstruction(n_max=8, max_len=80, dtype=torch.float64)


@pytest.fixture(scope="module")
def large() -> SuperpositionConstruction:
    return SuperpositionConstruction(n_max=30, max_len=217)


def drawn(num: int, name: str) -> list[Graph]:
    rng = seeds.stream(0, "test", name)
    return [random_graph(rng) for _ in range(num)]


def unit(model: SuperpositionConstruction, **blocks: list[int]) -> Tensor:
    """A state of norm 1 with equal weights: ``content=[v, ..], buffer1=[..], buffer2=[..]``."""
    V = model.vocabulary.size
    state = torch.zeros(3 * V + model.num_position_dims, dtype=model.dtype)
    for number, block in enumerate(("content", "buffer1", "buffer2")):
        for token in blocks.get(block, []):
            state[number * V + token] = 1.0
    return state / state.norm()


# ---------------------------------------------------------------- thoughts and answers


def test_a_thought_is_the_uniform_superposition_of_all_that_is_reached(model: SuperpositionConstruction) -> None:
    thoughts = model.think(GRAPH, 4)
    assert thoughts.support == SETS == tuple(reachable(GRAPH, c) for c in range(5))
    for row, held in zip(thoughts.content_KV, SETS):
        expected = torch.zeros(model.vocabulary.size, dtype=torch.float64)
        expected[list(held)] = 1.0 / math.sqrt(len(held))
        torch.testing.assert_close(row, expected, rtol=0.0, atol=1e-15)
    assert thoughts.max_error <= 1e-15


def test_the_answer_is_right_exactly_when_there_are_as_many_thoughts_as_edges(
    model: SuperpositionConstruction,
) -> None:
    answers = model.answer_each(GRAPH, 5)
    assert path_len(GRAPH) == 3
    assert [answer.is_right for answer in answers] == [False, False, False, True, True, True]
    assert [answer.choice for answer in answers] == [None, None, None, 4, 4, 4]
    assert [answer.is_tie for answer in answers] == [True, True, True, False, False, False]


def test_the_margin_is_one_over_the_root_of_the_number_reached_plus_five(model: SuperpositionConstruction) -> None:
    answer = model.answer(GRAPH, 3)
    assert answer.argmax == "4"
    assert answer.margin == pytest.approx(1.0 / math.sqrt(5 + 5), abs=1e-15)
    assert float(answer.logits_V[4]) == pytest.approx(2.0 / math.sqrt(10), abs=1e-15)
    assert float(answer.logits_V[6]) == pytest.approx(1.0 / math.sqrt(10), abs=1e-15)


def test_with_too_few_thoughts_both_candidates_the_question_and_all_reached_tie(
    model: SuperpositionConstruction,
) -> None:
    answer = model.answer(GRAPH, 2)
    assert answer.best == (0, 1, 2, 3, 4, 6, model.vocabulary.answer)
    assert answer.margin == 0.0
    assert answer.argmax == "0"  # the first of them, and no candidate: why a tie is told
    assert float(answer.logits_V.max()) == pytest.approx(1.0 / math.sqrt(4 + 3), abs=1e-15)


def test_two_reachable_candidates_tie_for_good(model: SuperpositionConstruction) -> None:
    answer = model.answer(GRAPH._replace(distractor=1), 4)
    assert answer.best == (1, 4)
    assert answer.choice is None
    assert not answer.is_right


def test_the_order_of_the_candidates_says_nothing(model: SuperpositionConstruction) -> None:
    swapped = GRAPH._replace(target=6, distractor=4)
    assert prompt(swapped, model.vocabulary) == prompt(GRAPH, model.vocabulary)
    assert model.answer(GRAPH, 3).choice == model.answer(swapped, 3).choice == 4
    assert not model.answer(swapped, 3).is_right


@pytest.mark.parametrize("num_position_dims", [64, 32, 16, 8])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_random_graphs_are_searched_exactly_after_every_number_of_thoughts(
    num_position_dims: int, dtype: torch.dtype
) -> None:
    model = SuperpositionConstruction(30, 217, num_position_dims=num_position_dims, dtype=dtype)
    graphs = drawn(20, "random")
    found = check_set(model, graphs)
    assert found.wrong == ()
    assert found.max_error < (1e-7 if dtype == torch.float32 else 1e-15)
    assert found.max_margin_error < (1e-7 if dtype == torch.float32 else 1e-15)
    assert found.num_ties == sum(map(path_len, graphs))  # C = 0 .. distance - 1
    assert found.num_answers == found.num_thoughts + 20 == sum(map(enough_thoughts, graphs)) + 20


@st.composite
def any_graph(draw: st.DrawFn) -> Graph:
    """Edges as they come: cycles, self-loops, duplicates, an isolated root, two reachable candidates, none at all."""
    num_nodes = draw(st.integers(3, 8))
    vertex = st.integers(0, num_nodes - 1)
    edges = draw(st.lists(st.tuples(vertex, vertex), max_size=20))
    root, target, distractor = draw(st.permutations(range(num_nodes)))[:3]
    return Graph(num_nodes, tuple(edges), root, target, distractor)


@settings(max_examples=60)
@given(graphs=st.lists(any_graph(), min_size=1, max_size=6))
def test_whatever_graphs_are_given_together_all_are_searched_exactly(
    model: SuperpositionConstruction, graphs: list[Graph]
) -> None:
    assert check_set(model, graphs).wrong == ()


# ---------------------------------------------------------------- states


@pytest.mark.parametrize("num_thoughts", [0, 1, 3])
def test_the_states_after_layer_1_are_those_of_the_proof(model: SuperpositionConstruction, num_thoughts: int) -> None:
    v = model.vocabulary
    passed = model.whole_pass(model.think(GRAPH, num_thoughts))
    state = passed.layer1_BTD[0]
    m = len(GRAPH.edges)
    wanted = {1: unit(model, content=[v.start]), 3 * m + 2: unit(model, content=[v.question])}
    for number, (source, target) in enumerate(GRAPH.edges):
        at = edge_position(number)
        wanted[at - 2], wanted[at - 1] = unit(model, content=[source]), unit(model, content=[target])
        wanted[at] = unit(model, content=[v.edge], buffer1=[source], buffer2=[target])
    wanted[3 * m + 3], wanted[3 * m + 4] = unit(model, content=[4]), unit(model, content=[6])
    wanted[3 * m + 5] = unit(model, content=[v.root], buffer2=[4, 6])
    for c in range(num_thoughts + 1):
        wanted[3 * m + 6 + c] = unit(model, content=list(SETS[c]))
    wanted[3 * m + 7 + num_thoughts] = unit(model, content=[v.answer], buffer1=list(SETS[num_thoughts]))
    assert sorted(wanted) == list(range(1, len(state) + 1))
    for position, expected in wanted.items():
        torch.testing.assert_close(state[position - 1], expected, rtol=0.0, atol=1e-15)


def test_the_states_after_layer_2_are_the_next_thoughts_and_the_answer(model: SuperpositionConstruction) -> None:
    out = model.whole_pass(model.think(GRAPH, 3)).layer2_BTD[0]
    root = 3 * len(GRAPH.edges) + 5
    for c in range(4):
        torch.testing.assert_close(out[root + c], unit(model, content=list(SETS[c + 1])), rtol=0.0, atol=1e-15)
    asked = torch.zeros_like(out[-1])
    asked[[0, 1, 2, 3, 6, model.vocabulary.answer]] = 1.0 / math.sqrt(5 + 5)
    asked[4] = 2.0 / math.sqrt(5 + 5)  # reached and a candidate
    torch.testing.assert_close(out[-1], asked, rtol=0.0, atol=1e-15)


def test_layer_1_copies_and_layer_2_follows_the_edges_that_leave_what_is_reached(
    model: SuperpositionConstruction,
) -> None:
    seen = attention_of(model, GRAPH, 3)
    assert seen.names[:4] == ("<s>", "0", "1", "<e>")
    assert seen.names[-5:] == ("0", "t_1", "t_2", "t_3", "<A>")
    assert len(seen.names) == len(seen.layer2_TT) == 3 * 6 + 7 + 3
    # eta leaves the other positions eps1 / 10 at most
    for on in (seen.source_E, seen.target_E):
        assert float(on.min()) > 1.0 - model.constants.eps1 / 10.0
    for c, reached in enumerate(SETS[:4]):
        leaving = torch.tensor([float(source in reached) for source, _ in GRAPH.edges], dtype=torch.float64)
        torch.testing.assert_close(seen.edges_KE[c], leaving / leaving.sum(), rtol=0.0, atol=1e-6)
    assert float(seen.sink_K.max()) < 1e-6
    assert seen.answer_on_candidates == pytest.approx(1.0, abs=1e-6)


def test_a_thought_from_which_no_edge_leaves_looks_at_the_start(model: SuperpositionConstruction) -> None:
    seen = attention_of(model, GRAPH._replace(root=1), 2)
    assert float(seen.sink_K.min()) > 1.0 - model.constants.eps2 / 4.0
    assert seen.thoughts.support == ((1,), (1,), (1,))


def test_attention_of_a_graph_without_edges_is_empty_and_not_an_error(model: SuperpositionConstruction) -> None:
    seen = attention_of(model, Graph(3, (), 0, 1, 2), 1)
    assert seen.edges_KE.shape == (2, 0)
    assert seen.names == ("<s>", "<Q>", "1", "2", "<R>", "0", "t_1", "<A>")


# ---------------------------------------------------------------- batches, caches, given thoughts


def test_a_batch_of_different_sizes_and_thoughts_gives_what_each_gives_alone(large: SuperpositionConstruction) -> None:
    graphs = drawn(12, "batch")
    counts = [path_len(graph) + number % 3 for number, graph in enumerate(graphs)]
    assert len({len(graph.edges) for graph in graphs}) > 3 and len(set(counts)) > 2
    together = large.answer_all(graphs, counts, batch_size=12)
    in_threes = large.answer_all(graphs, counts, batch_size=3)
    for graph, count, one, other in zip(graphs, counts, together, in_threes):
        alone = large.answer(graph, count)
        assert one.thoughts.graph == graph and one.thoughts.num_thoughts == count
        for found in (one, other):
            assert torch.equal(found.logits_V, alone.logits_V)
            assert torch.equal(found.thoughts.content_KV, alone.thoughts.content_KV)


def test_thinking_in_a_batch_gives_what_answering_in_a_batch_thought(large: SuperpositionConstruction) -> None:
    graphs, counts = drawn(5, "batch"), [0, 3, 1, 4, 2]
    thoughts = large.think_all(graphs, counts)
    answers = large.answer_all(graphs, counts)
    each = large.answer_each_all(graphs, counts)
    for one, answer, several in zip(thoughts, answers, each):
        assert torch.equal(one.content_KV, answer.thoughts.content_KV)
        assert len(several) == one.num_thoughts + 1
        assert torch.equal(several[-1].logits_V, answer.logits_V)


def test_the_kept_keys_and_values_give_what_whole_passes_give(large: SuperpositionConstruction) -> None:
    V = large.vocabulary.size
    for graph in drawn(5, "cache"):
        kept = large.think(graph, 4)
        # Without a cache: a pass over everything so far for each thought.
        content = kept.content_KV[:1]
        for _ in range(4):
            whole = large.network(place_whole([graph], [content], large.network))
            content = torch.cat([content, whole.layer2_BTD[:, -2, :V]])  # what stands before <A> thinks next
        assert torch.equal(content, kept.content_KV)
        whole = large.whole_pass(kept)
        assert torch.equal(whole.layer2_BTD[0, -1, :V], large.answer(graph, 4).logits_V)


def test_keys_and_values_of_a_chain_are_those_of_one_pass(model: SuperpositionConstruction) -> None:
    network = model.network
    prompts = place_prompts([GRAPH, GRAPH._replace(edges=GRAPH.edges[:2])], network)
    cache, thought = network.read_prompt(prompts.h_BTD, prompts.lengths_B, num_more=2)
    for c in (1, 2):
        thought = network.think(cache, thought, prompts.lengths_B + c)
    whole = place_whole([GRAPH], [model.think(GRAPH, 2).content_KV], network)[:, :-1]
    key1, value1 = network._read1(whole)
    key2, value2 = network._read2(network(whole).layer1_BTD)
    torch.testing.assert_close(cache.key1_HBSK[:, :1], key1, rtol=0.0, atol=1e-9)
    assert torch.equal(cache.value1_BSV[:1], value1)
    torch.testing.assert_close(cache.key2_BSV[:1], key2, rtol=0.0, atol=1e-9)
    assert torch.equal(cache.value2_BSV[:1], value2)


def test_padding_and_later_thoughts_are_never_seen_whatever_stands_there(model: SuperpositionConstruction) -> None:
    network = model.network
    prompts = place_prompts([GRAPH, GRAPH._replace(edges=GRAPH.edges[:2])], network)
    cache, thought = network.read_prompt(prompts.h_BTD, prompts.lengths_B, num_more=4)
    padding = slice(int(prompts.lengths_B[1]), cache.num_prompt_col)
    assert padding.stop - padding.start == 12

    def poison(rows: slice, columns: slice) -> None:
        # What every query of a vertex, a thought or <A> would run to, if it could.
        cache.key1_HBSK[:, rows, columns] = 1e6 * network.query1_HKD.sum(2)[:, None, None].sign()
        cache.key2_BSV[rows, columns] = 1e6
        cache.value1_BSV[rows, columns] = cache.value2_BSV[rows, columns] = 1.0

    poison(slice(1, 2), padding)
    thoughts = []
    for c in (1, 2, 3):
        thought = network.think(cache, thought, prompts.lengths_B + c)
        thoughts.append(thought)
    counts = torch.tensor([[1], [1]])
    before = network.ask(cache, counts, prompts.lengths_B)
    poison(slice(None), slice(cache.num_prompt_col + 1, cache.num_col))  # thoughts 2 and 3
    assert torch.equal(network.ask(cache, counts, prompts.lengths_B), before)
    assert not torch.equal(network.ask(cache, counts + 1, prompts.lengths_B), before)
    for row, graph in enumerate((GRAPH, GRAPH._replace(edges=GRAPH.edges[:2]))):
        assert torch.equal(before[row, 0], model.answer(graph, 1).logits_V)
        alone = model.think(graph, 4).content_KV
        for c, found in enumerate(thoughts):
            assert torch.equal(found[row], alone[c + 2])


def test_with_ideal_thoughts_given_one_pass_puts_out_every_next_one(large: SuperpositionConstruction) -> None:
    graphs = drawn(10, "forced")
    errors = teacher_forced_errors(large, graphs, [number % 5 for number in range(10)])
    assert max(errors) < 1e-7


def test_the_forced_pass_notices_a_wrong_state() -> None:
    broken = SuperpositionConstruction(8, 80)
    broken.network.value2_VD[3, :] = 0.0  # vertex 3 is never found
    assert teacher_forced_errors(broken, [GRAPH], 3)[0] > 0.1
    found = check_set(broken, [GRAPH]).graphs[0]
    assert found.wrong_thoughts == (2, 3, 4) and not found.holds()


def test_given_thoughts_need_not_be_those_that_were_thought(model: SuperpositionConstruction) -> None:
    thoughts = model.think(GRAPH, 1)
    other = torch.zeros_like(thoughts.content_KV)
    other[0, 0], other[1, 5] = 1.0, 1.0  # as if the root had led to 5
    out = model.whole_pass(type(thoughts)(GRAPH, model.vocabulary, other)).layer2_BTD[0]
    torch.testing.assert_close(out[-2], unit(model, content=[5, 6]), rtol=0.0, atol=1e-15)


# ---------------------------------------------------------------- as a module


def test_nothing_can_be_trained_and_nothing_needs_a_gradient(model: SuperpositionConstruction) -> None:
    assert list(model.parameters()) == []
    assert not model.answer(GRAPH, 1).logits_V.requires_grad


def test_the_weights_do_not_depend_on_the_graph_and_are_the_same_every_time(model: SuperpositionConstruction) -> None:
    before = {name: matrix.clone() for name, matrix in model.state_dict().items()}
    model.answer(GRAPH, 4)
    again = SuperpositionConstruction(n_max=8, max_len=80, dtype=torch.float64).state_dict()
    for name, matrix in before.items():
        assert torch.equal(matrix, model.state_dict()[name])
        assert torch.equal(matrix, again[name])


def test_a_number_of_thoughts_may_be_numpys(model: SuperpositionConstruction) -> None:
    assert model.answer(GRAPH, np.int64(3)).choice == 4  # pyright: ignore[reportArgumentType]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_gpu_thinks_the_same(dtype: torch.dtype) -> None:
    graphs = drawn(50, "gpu")
    here = SuperpositionConstruction(30, 217, dtype=dtype)
    there = SuperpositionConstruction(30, 217, dtype=dtype).to("cuda")
    assert check_set(there, graphs).wrong == ()
    for one, other in zip(here.answer_all(graphs, 4), there.answer_all(graphs, 4)):
        torch.testing.assert_close(one.logits_V, other.logits_V, rtol=0.0, atol=1e-7)
    assert max(teacher_forced_errors(there, graphs[:5], 3)) < 1e-7
