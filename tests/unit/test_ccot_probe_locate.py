"""Whatever a user may mean by a model, and what is none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.ccot_models import gpt2
from tests.ccot_probe_runs import training_run

from reasonry.errors import ConfigError, DataError, ReasonryError
from reasonry.tasks.graphs.fingerprint import fingerprint
from reasonry.tasks.graphs.graph import path_len
from reasonry.tasks.graphs.prosqa import GraphConfig, prosqa_graphs
from reasonry.tasks.graphs.read import SymbolicRow, write_symbolic
from reasonry.training.continuous_cot.probe.config import ProbeConfig
from reasonry.training.continuous_cot.probe.explicit import ExplicitSubject
from reasonry.training.continuous_cot.probe.locate import locate
from reasonry.training.continuous_cot.probe.questions import questions
from reasonry.training.continuous_cot.probe.run import make_subject


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return training_run(tmp_path_factory.mktemp("probe") / "run", methods=("continuous", "pause", "bfs-set"))


@pytest.mark.parametrize("below", ["", "continuous", "continuous/model"])
def test_a_run_a_method_and_a_model_are_the_same_model(run: Path, below: str) -> None:
    found = locate(str(run / below))
    assert found.folder == run / "continuous" / "model"
    assert found.method.name == "continuous"
    assert found.config.hops == 2


def test_a_copy_of_the_model_alone_will_do(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "bfs-set" / "model", tmp_path / "mine")
    assert locate(str(tmp_path / "mine")).method.name == "bfs-set"


def test_another_method_of_a_run_is_named(run: Path) -> None:
    assert locate(str(run), method="bfs-set").folder == run / "bfs-set" / "model"


def check(error: type[ReasonryError], text: str, remedy: str, path: Path, *, method: str = "") -> None:
    with pytest.raises(error, match=text) as caught:
        locate(str(path), method=method)
    assert remedy in str(caught.value)


def test_a_model_without_thoughts_is_refused(run: Path, tmp_path: Path) -> None:
    check(DataError, "pause, which has no thoughts", "Probe continuous", run / "pause")
    check(DataError, "pause, which has no thoughts", "Probe continuous", run, method="pause")
    gpt2().save_pretrained(tmp_path / "plain")
    check(DataError, "never learnt to think", "train continuous-cot graphs", tmp_path / "plain")


def test_a_model_of_texts_has_no_vertices(tmp_path: Path) -> None:
    run = training_run(tmp_path / "run", methods=("continuous",), kind="text")
    check(DataError, "trained on text, not on graphs", "train continuous-cot graphs", run)


def test_what_is_no_model_at_all_is_refused(run: Path, tmp_path: Path) -> None:
    check(ConfigError, "no such folder", "construction", tmp_path / "nowhere")
    check(DataError, "neither a model nor a training run", "construction", tmp_path)
    (tmp_path / "run.json").write_text("{}")
    check(DataError, "without a finished model", "run its command again", tmp_path)
    check(ConfigError, "no model of method 'bfs-sample'", "bfs-set", run, method="bfs-sample")
    check(
        ConfigError,
        "the model of continuous, not of bfs-set",
        "leave --method out",
        run / "continuous",
        method="bfs-set",
    )


def test_a_model_without_a_word_on_its_training_is_refused(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "continuous" / "model", tmp_path / "mine")
    (tmp_path / "mine" / "trained_for.json").unlink()
    check(DataError, "nothing says what the model was trained for", "METHOD/model", tmp_path / "mine")


def test_a_model_that_knows_fewer_symbols_than_its_training_is_refused(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "continuous" / "model", tmp_path / "mine")
    path = tmp_path / "mine" / "trained_for.json"
    body = json.loads(path.read_text())
    body["settings"]["num_nodes"] = 50
    path.write_text(json.dumps(body))
    with pytest.raises(DataError, match="the model knows 18 symbols, and its training 56"):
        make_subject(ProbeConfig(model=str(tmp_path / "mine")))


# ---------------------------------------------------------------- which graphs


def test_graphs_are_of_the_sizes_of_the_training_and_of_its_names(run: Path) -> None:
    config = ProbeConfig(model=str(run), num_graphs=40)
    asked = questions(config, make_subject(config))
    assert [question.num_thoughts for question in asked] == [2] * 40
    assert {question.graph.num_nodes for question in asked} == {12}
    # Names are drawn among all of them, and more graphs leave the first ones as they are.
    assert {question.graph.root for question in asked} | {question.graph.target for question in asked} == set(range(12))
    assert questions(config.with_(num_graphs=60), make_subject(config))[:40] == asked


def test_none_of_them_is_a_training_graph_whatever_the_seed(run: Path) -> None:
    sizes = GraphConfig(num_nodes=12, min_hops=2, max_hops=2)
    learnt = {fingerprint(graph) for graph in prosqa_graphs(sizes, num=200, seed=0)}
    for seed in (0, 1):
        config = ProbeConfig(model=str(run), num_graphs=30, seed=seed)
        assert learnt.isdisjoint(fingerprint(q.graph) for q in questions(config, make_subject(config)))


def test_a_user_may_ask_for_longer_paths_and_more_thoughts(run: Path) -> None:
    config = ProbeConfig(model=str(run), num_graphs=5, hops=3, thoughts=4)
    asked = questions(config, make_subject(config))
    assert {path_len(question.graph) for question in asked} == {3}
    assert {question.num_thoughts for question in asked} == {4}


def test_slots_that_every_graph_has_are_as_many_thoughts_for_every_graph(tmp_path: Path) -> None:
    run = training_run(tmp_path / "run", methods=("continuous",), max_hops=3, thoughts={"pad_to_max": True})
    config = ProbeConfig(model=str(run), num_graphs=12)
    assert {question.num_thoughts for question in questions(config, make_subject(config))} == {3}


def test_more_vertices_than_the_model_has_names_for_are_refused(run: Path, tmp_path: Path) -> None:
    config = ProbeConfig(model=str(run), num_nodes=13)
    with pytest.raises(ConfigError, match=r"13 vertices, and .* has symbols for 12"):
        questions(config, make_subject(config))
    large = prosqa_graphs(GraphConfig(num_nodes=20, min_hops=2, max_hops=3), num=3, seed=0)
    write_symbolic(tmp_path / "g.json", [SymbolicRow(graph, (), None) for graph in large])
    config = ProbeConfig(model=str(run), graphs=tmp_path / "g.json")
    with pytest.raises(DataError, match=r"g\.json:2.*more than 12"):
        questions(config, make_subject(config))


def test_a_file_gives_its_graphs_as_they_are(tmp_path: Path) -> None:
    graphs = prosqa_graphs(GraphConfig(num_nodes=16, min_hops=2, max_hops=3), num=7, seed=0)
    write_symbolic(tmp_path / "g.json", [SymbolicRow(graph, (), None) for graph in graphs])
    config = ProbeConfig(model="construction", graphs=tmp_path / "g.json", num_graphs=5)
    asked = questions(config, ExplicitSubject(GraphConfig()))
    assert [question.graph for question in asked] == graphs[:5]
    write_symbolic(tmp_path / "one.json", [SymbolicRow(graphs[0], (), None)])
    with pytest.raises(DataError, match="one graph is too few"):
        questions(config.with_(graphs=tmp_path / "one.json"), ExplicitSubject(GraphConfig()))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"graphs": "g.json", "hops": 3}, "hops is of generated graphs"),
        ({"hops": 4, "max_hops": 3}, "max_hops = 3 is below hops = 4"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes: dict[str, object], text: str) -> None:
    from reasonry.core.config import from_dict

    with pytest.raises(ConfigError, match=text):
        from_dict(ProbeConfig, {"model": "construction", **changes})
