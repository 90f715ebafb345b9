"""Graphs as a source: held-out questions, answers and how they are judged, ablations, sizes that cannot be."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from tests.ccot_train_runs import tiny

from reasonry.core import seeds
from reasonry.errors import ConfigError
from reasonry.tasks.graphs.fingerprint import fingerprint
from reasonry.tasks.graphs.prosqa import prosqa_graphs
from reasonry.training.continuous_cot.graph_answers import Asking, judge_answer, judge_step, judge_written
from reasonry.training.continuous_cot.graph_rows import asking_tail, row_of
from reasonry.training.continuous_cot.graph_source import GraphSource
from reasonry.training.continuous_cot.latent.model import LatentCausalLM
from reasonry.training.continuous_cot.methods import METHODS
from reasonry.training.continuous_cot.source import AsksBySlots, KnowsLengths, Source
from reasonry.training.continuous_cot.tiny_model import tiny_model


@pytest.fixture(scope="module")
def source() -> GraphSource:
    return GraphSource(tiny(hops=1, max_hops=2, num_nodes=10))


def new_model(source: GraphSource, seed: int = 0) -> LatentCausalLM:
    return tiny_model(source.config.shape, source.form, context_tok=source.context_tok, seed=seed)


@pytest.fixture(scope="module")
def model(source: GraphSource) -> LatentCausalLM:
    return new_model(source)


def _asks(source: GraphSource, model: LatentCausalLM, method: str = "continuous", **more: Any) -> list[Any]:
    given = {"stage": 2, "split": "test", "num": 20, "batch_size": 8, **more}
    return source.evaluate(model, method=METHODS[method], **given)


def test_graphs_are_a_source_that_knows_lengths_and_asks_by_slots(source: GraphSource) -> None:
    as_source: Source = source
    assert as_source.max_stage == 2
    assert isinstance(source, KnowsLengths)
    assert isinstance(source, AsksBySlots)
    assert [source.num_steps(i) for i in range(5)] == source.train_graphs.hops_G[:5].tolist()
    assert set(source.train_graphs.hops_G.tolist()) == {1, 2}


# ---------------------------------------------------------------- held-out questions


def test_held_out_questions_are_others_than_those_of_training(source: GraphSource) -> None:
    train = {fingerprint(g) for g in prosqa_graphs(source.graph_config, num=source.num_train, seed=source.config.seed)}
    test = {fingerprint(g) for g in source.held_out("test", 20).graphs}
    validation = {fingerprint(g) for g in source.held_out("validation", 20).graphs}
    assert len(test) == len(validation) == 20
    assert not train & test
    assert not (train | test) & validation


def test_a_held_out_question_is_told_in_one_way_however_many_are_asked_for(source: GraphSource) -> None:
    fresh = GraphSource(source.config)
    assert fresh.held_out("test", 4).graphs == source.held_out("test", 20).graphs[:4]
    first = fresh.held_out("test", 7).asked
    np.testing.assert_array_equal(first.first_B, source.held_out("test", 20).asked.first_B[:7])


def test_rows_and_batches_are_told_anew_for_every_stream(source: GraphSource) -> None:
    def ids(*names: Any) -> Any:
        rng = seeds.stream(0, *names)
        return source.batch([1, 2], stages=[1, 1], method=METHODS["continuous"], rng=rng).edges_BT2

    assert torch.equal(ids("a", 1), ids("a", 1))
    assert ids("a", 1).shape != ids("a", 2).shape or not torch.equal(ids("a", 1), ids("a", 2))


def test_all_methods_are_told_a_question_in_the_same_way(source: GraphSource) -> None:
    def question(method: str) -> Any:
        batch = source.batch([3], stages=[2], method=METHODS[method], rng=seeds.stream(0, "x"))
        assert batch.edges_BT2 is not None
        return batch.edges_BT2[0, : int(source.lengths[3]) + 1].tolist()

    assert all(question(name) == question("continuous") for name in METHODS)


# ---------------------------------------------------------------- answers


@pytest.mark.parametrize("method", ["continuous", "pause", "cot", "no-cot"])
def test_answers_do_not_hang_on_how_many_are_asked_at_once(
    source: GraphSource, model: LatentCausalLM, method: str
) -> None:
    assert _asks(source, model, method, batch_size=3) == _asks(source, model, method, batch_size=20)
    assert _asks(source, model, method, num=5) == _asks(source, model, method)[:5]


def test_an_answer_is_judged_among_all_symbols_and_among_the_candidates(source: GraphSource) -> None:
    asked = source.held_out("test", 3).asked
    symbols = source.form.symbols
    _, target, distractor = asked.graphs.question_G3[1].tolist()

    def judged(**scores: float) -> Any:
        logits = np.zeros(symbols.size, np.float32)
        for name, value in scores.items():
            logits[{"target": target, "distractor": distractor, "end": symbols.end_id}[name]] = value
        return judge_answer(asked, logits, symbols, 1, split="test")

    right = judged(target=2, distractor=1)
    assert (right.is_right, right.is_right_of_candidates, right.is_tie) == (True, True, False)
    assert (right.answer, right.id) == (str(target), "test-1")
    other = judged(target=2, distractor=1, end=3)
    assert (other.is_right, other.is_right_of_candidates, other.answer) == (False, True, "<eos>")
    assert not judged(target=1, distractor=2).is_right_of_candidates
    equal = judged(target=2, distractor=2)
    assert (equal.is_right_of_candidates, equal.is_tie) == (False, True)
    assert judged(end=3).is_tie, "neither candidate is likelier"


def test_a_step_is_right_when_it_may_come_next(source: GraphSource) -> None:
    asked = source.held_out("test", 1).asked
    right = np.zeros(source.form.symbols.num_nodes, bool)
    right[[2, 5]] = True

    def judged(best: int) -> bool:
        logits = np.zeros(source.form.symbols.size, np.float32)
        logits[best] = 1
        return judge_step(asked, logits, right, source.form.symbols, 0, split="test").is_right

    assert [judged(best) for best in (2, 5, 3, source.form.symbols.answer_id)] == [True, True, False, False]


def test_before_its_last_stage_a_question_is_asked_for_its_next_step(
    source: GraphSource, model: LatentCausalLM
) -> None:
    hops = source.held_out("test", 20).asked.graphs.hops_G
    found = _asks(source, model, stage=1)
    assert [each.is_right_of_candidates is None for each in found] == (hops > 1).tolist()
    assert [each.num_thoughts for each in found] == [1] * 20
    assert [each.group for each in found] == [f"{n} hop{'s' * (n > 1)}" for n in hops.tolist()]
    last = _asks(source, model)
    assert all(each.is_right_of_candidates is not None for each in last)
    assert [each.num_thoughts for each in last] == hops.tolist()


class _Writer(Asking):
    """Writes what it is told to."""

    texts: ClassVar[list[list[int]]] = []

    def write(self, asked: Any) -> list[list[int]]:
        return self.texts


def test_written_answers_are_read_behind_the_last_a(source: GraphSource, model: LatentCausalLM) -> None:
    symbols = source.form.symbols
    asked = source.held_out("test", 4).asked
    A, end = symbols.answer_id, symbols.end_id
    writer = _Writer(model, source.form, METHODS["cot"], 4)
    _Writer.texts = [[1, A, 2, end], [1, 2, 3, 3, 3, 3], [1, A], [A, 3, A, 4, end]]
    found = judge_written(writer, asked, split="test")
    assert [each.num_tokens for each in found] == [3, 6, 2, 4]
    assert [each.answer for each in found][1:3] == ["1 2 3 3 3 3", "1 [A]"]
    assert [each.is_right_of_candidates for each in found][1:3] == [False, False]
    assert not any(each.is_tie for each in found)


def test_a_model_that_knows_the_path_writes_the_answer(source: GraphSource) -> None:
    """What is generated, and what is looked at again, are the same model's: its own text leads to its own answer."""
    model = new_model(source, seed=1)
    found = _asks(source, model, "cot")
    texts = Asking(model, source.form, METHODS["cot"], 20).write(source.held_out("test", 20).asked)
    for each, text in zip(found, texts, strict=True):
        answers = [at for at, token in enumerate(text[:-1]) if token == source.form.symbols.answer_id]
        if answers:
            assert each.answer == source.form.symbols.text(text[answers[-1] + 1])


# ---------------------------------------------------------------- thoughts in their place


def _logits(source: GraphSource, model: LatentCausalLM, thoughts: Any) -> Any:
    asked = source.held_out("test", 12).asked
    slots, every = np.full(12, 2), np.ones(12, bool)
    asking = Asking(model, source.form, METHODS["continuous"], 5)
    return source._logits(asking, asked, slots, every, thoughts=thoughts)


def test_other_thoughts_change_answers_and_own_thoughts_put_in_place_do_not(
    source: GraphSource, model: LatentCausalLM
) -> None:
    own = _logits(source, model, "own")
    assert np.abs(_logits(source, model, "random") - own).max() > 1e-3
    assert np.abs(_logits(source, model, "swapped") - own).max() > 1e-3
    asked = source.held_out("test", 12).asked
    asking = Asking(model, source.form, METHODS["continuous"], 5)
    tail = asking_tail(np.full(12, 2), np.full((12, 1), source.form.symbols.answer_id), num_nodes=10)
    placed = asking.last_logits(asked, tail, placed_BKD=asking.thoughts(asked, tail))
    np.testing.assert_allclose(placed, own, atol=1e-5)


def test_pauses_have_no_thoughts_to_replace(source: GraphSource, model: LatentCausalLM) -> None:
    assert _asks(source, model, "pause", thoughts="random") == _asks(source, model, "pause")


def test_answers_by_slots_end_with_those_of_the_last_stage(source: GraphSource, model: LatentCausalLM) -> None:
    found = source.by_slots(model, method=METHODS["continuous"], split="test", num=20, batch_size=8)
    assert list(found) == [0, 1, 2]
    last = _asks(source, model)
    two = [number for number, each in enumerate(last) if each.num_thoughts == 2]
    assert [found[2][number] for number in two] == [last[number] for number in two]


# ---------------------------------------------------------------- sizes


def test_graphs_too_small_for_so_many_hops_are_refused() -> None:
    with pytest.raises(ConfigError, match="6 vertices cannot hold a path of 4 edges"):
        tiny(hops=4, num_nodes=6)
    with pytest.raises(ConfigError, match="max_hops = 1 is below hops = 2"):
        tiny(hops=2, max_hops=1)
    with pytest.raises(ConfigError, match="hold"):
        GraphSource(tiny(hops=5, num_nodes=8)).train_graphs  # noqa: B018


def test_by_default_there_are_vertices_enough_for_the_hops() -> None:
    assert [tiny(hops=hops, num_nodes=None).grown_nodes for hops in (2, 3, 4)] == [12, 14, 16]


# ---------------------------------------------------------------- rows and the model


@pytest.mark.parametrize("layout", ["packed", "paper"])
@pytest.mark.parametrize("method", ["continuous", "pause", "cot", "bfs-set"])
def test_a_row_has_the_same_loss_alone_as_among_rows_of_other_lengths(layout: str, method: str) -> None:
    source = GraphSource(tiny(hops=1, max_hops=2, num_nodes=10, layout=layout))
    model = new_model(source).eval()
    batch = source.batch([0, 1, 2, 3, 4], stages=[0, 1, 2, 2, 1], method=METHODS[method], rng=seeds.stream(0, "x"))
    assert not batch.attend_BT.all(), "the rows are of different lengths"
    together = model(batch).loss_B
    rows = [row_of(batch, number, fill=METHODS[method].fill) for number in range(5)]
    alone = [model(model.collate([row])).loss_B[0] for row in rows]
    torch.testing.assert_close(together, torch.stack(alone), rtol=1e-5, atol=1e-6)


def test_vertices_are_told_apart_by_their_part_in_the_question_alone() -> None:
    """What lies at the same place under other names has the same loss, once a model's symbols are renamed with it."""
    source = GraphSource(tiny(num_nodes=9))
    model = new_model(source).eval()
    asked = source.held_out("test", 1).asked
    N = source.form.symbols.num_nodes
    shift = np.roll(np.arange(N), 1)
    asking = Asking(model, source.form, METHODS["no-cot"], 1)
    tail = asking_tail(np.zeros(1, np.int64), np.full((1, 1), source.form.symbols.answer_id), num_nodes=N)
    before = asking.last_logits(asked, tail)[0]
    graphs = asked.graphs
    renamed = graphs._replace(
        edges_GM2=np.where(graphs.edges_GM2 < 0, -1, shift[graphs.edges_GM2]), question_G3=shift[graphs.question_G3]
    )
    with torch.no_grad():
        table = model.backbone.model.get_input_embeddings().weight
        table[torch.from_numpy(shift)] = table[:N].clone()
    after = asking.last_logits(asked._replace(graphs=renamed), tail)[0]
    np.testing.assert_allclose(after[shift], before[:N], atol=1e-5)


def test_held_out_questions_are_the_same_whether_training_graphs_are_made_first_or_never(source: GraphSource) -> None:
    first, second = GraphSource(source.config), GraphSource(source.config)
    first.train_graphs  # noqa: B018
    for split in ("validation", "test"):
        for num in (5, 12, 15):
            assert first.held_out(split, num).graphs == second.held_out(split, num).graphs
