"""What is logged of thoughts during training: the probes' own numbers, and nothing that training hangs on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.ccot_probe_runs import random_model, train_config
from tests.ccot_train_runs import tiny

from reasonry.tasks.graphs.graph import path_len
from reasonry.training.continuous_cot.graph_source import GraphSource
from reasonry.training.continuous_cot.methods import find_method
from reasonry.training.continuous_cot.probe.looks import look
from reasonry.training.continuous_cot.probe.results import superposition
from reasonry.training.continuous_cot.probe.subject import Question
from reasonry.training.continuous_cot.probe.trained import TrainedSubject
from reasonry.training.continuous_cot.train.report import train_report
from reasonry.training.continuous_cot.train.run import train


@pytest.mark.parametrize("layout", ["packed", "paper"])
def test_a_look_has_the_numbers_of_the_probes(layout: str) -> None:
    config = train_config(layout=layout, hops=2, max_hops=3)
    source, model = GraphSource(config), random_model(config)
    graphs = source.held_out("validation", 12).graphs
    found = look(model, source.form, graphs, sizes=source.graph_config, fixed_thoughts=None)
    subject = TrainedSubject(model, source.form, name="random", identity={}, sizes=source.graph_config)
    whole = superposition(subject.observe([Question(n, g, path_len(g)) for n, g in enumerate(graphs)]))
    expected = {f"probe/auroc/{t.thought}": t.auroc_frontier.value for t in whole.thoughts}
    expected |= {f"probe/gap/{m.thought}": m.logit_gap.value for m in whole.making}
    assert set(found) == set(expected) and len(found) == 6
    assert found == pytest.approx(expected, abs=1e-5)


def test_a_model_of_one_layer_has_no_second_to_look_at() -> None:
    config = train_config(layout="paper", shape={"num_layers": 1, "width": 32})
    source = GraphSource(config)
    graphs = source.held_out("validation", 4).graphs
    found = look(random_model(config), source.form, graphs, sizes=source.graph_config, fixed_thoughts=2)
    assert set(found) == {"probe/auroc/1", "probe/auroc/2"}


def test_looks_are_logged_and_drawn_and_change_no_weight(tmp_path: Path) -> None:
    logs = {}
    for num in (0, 8):
        done = train(tiny(methods=("continuous", "pause"), num_probed=num, run=tmp_path / str(num)))
        lines = (tmp_path / str(num) / "continuous" / "metrics.jsonl").read_text().splitlines()
        logs[num] = [json.loads(line) for line in lines]
        page = json.dumps(
            [block.title for s in train_report(done).sections for block in s.blocks if hasattr(block, "title")]
        )
        assert ("The frontier in thoughts" in page) == bool(num)
        assert not any("probe/" in name for row in done.logs["pause"] for name in row)
    looked = [row for row in logs[8] if "eval/accuracy" in row]
    assert looked and all("probe/auroc/1" in row and "probe/gap/1" in row for row in looked)
    assert [row["loss"] for row in logs[0]] == [row["loss"] for row in logs[8]]


def test_pauses_have_no_thoughts_to_look_into() -> None:
    assert find_method("pause").fill != "thought" and find_method("detached").fill == "thought"
