"""Whole runs: their folders, going on, adding methods, refusals, and runs that end before they have learnt answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.ccot_train_runs import fingerprint, tiny

from reasonry.core import jsonl
from reasonry.core.report import write_report
from reasonry.core.run import read_json
from reasonry.core.stats import Share
from reasonry.errors import ConfigError, DataError, RunMismatchError
from reasonry.training.continuous_cot.latent.model import LatentCausalLM
from reasonry.training.continuous_cot.methods import METHODS
from reasonry.training.continuous_cot.train.report import train_report
from reasonry.training.continuous_cot.train.results import MethodResult, Pair
from reasonry.training.continuous_cot.train.run import Trained, train
from reasonry.training.continuous_cot.train.saved import read_trained_for
from reasonry.training.continuous_cot.train.setups import graph_setup
from reasonry.training.continuous_cot.train.tables import control_verdict, pair_lines, result_table

GATE = {"advance_when": 1e-9, "patience": 2}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(tiny(run=tmp_path_factory.mktemp("ccot") / "run", methods=("continuous", "pause", "cot")))


def test_each_method_has_its_folder_and_a_model_that_says_what_it_is_for(done: Trained) -> None:
    for result in done.methods:
        folder = done.folder / result.name
        assert {p.name for p in folder.iterdir()} == {
            *("answers.jsonl", "checkpoints", "costs.jsonl", "metrics.jsonl", "model", "results.json"),
        }
        trained = read_trained_for(done.model(result.name))
        assert (trained.kind, trained.method, trained.stage) == ("graphs", METHODS[result.name], 2)
        kept = trained.graph_config()
        assert kept == done.config.with_(run=None, methods=kept.methods, save_every=kept.save_every)
        model = LatentCausalLM.from_pretrained(str(done.model(result.name)))
        assert model.num_thoughts == (0 if result.name == "cot" else 2)


def test_results_are_what_the_answers_come_to(done: Trained) -> None:
    body = read_json(done.folder / "results.json")
    assert body == json.loads(json.dumps(done.to_json()))
    assert "seconds" not in json.dumps(body), "results hang on config and seed alone"
    assert set(done.seconds) == {"continuous", "pause", "cot"}
    assert min(done.seconds.values()) > 0
    for result in done.methods:
        rows = jsonl.recover(done.folder / result.name / "answers.jsonl").rows
        assert result.exact == Share(sum(row["is_right"] for row in rows), 12)
        assert result.candidates == Share(sum(row["is_right_of_candidates"] for row in rows), 12)
        assert result.num_steps == 11
        assert (result.mean_slots, result.by_slots.keys()) == (
            (2.0, {0, 1, 2}) if result.name != "cot" else (0.0, set())
        )
    assert [(pair.method, pair.reference) for pair in done.pairs] == [("pause", "continuous"), ("cot", "continuous")]


def test_the_kept_model_is_the_best_look_at_the_last_stage(done: Trained) -> None:
    for result in done.methods:
        looks = [row for row in done.logs[result.name] if row["stage"] == 2 and "eval/accuracy" in row]
        best = max(row["eval/accuracy"] for row in looks)
        assert result.best_validation == best
        assert result.best_step == next(row["step"] for row in looks if row["eval/accuracy"] == best)


def test_answers_of_the_kept_model_are_those_that_were_written(done: Trained) -> None:
    source = graph_setup(tiny()).source
    model = LatentCausalLM.from_pretrained(str(done.model("continuous")))
    found = source.evaluate(model, method=METHODS["continuous"], stage=2, split="test", num=12, batch_size=12)
    rows = jsonl.recover(done.folder / "continuous" / "answers.jsonl").rows
    assert [each._asdict() for each in found] == rows


# ---------------------------------------------------------------- going on


def test_the_same_command_again_changes_nothing_and_a_further_method_is_added(tmp_path: Path, done: Trained) -> None:
    config = tiny(run=tmp_path / "run")
    train(config)
    before = fingerprint(config.run) if config.run else {}
    train(config)
    assert fingerprint(tmp_path / "run") == before
    more = train(tiny(run=tmp_path / "run", methods=("continuous", "pause", "cot")))
    assert more.methods == done.methods, "trained later or at once, it is the same"
    assert more.pairs == done.pairs
    after = fingerprint(tmp_path / "run")
    assert {key: after[key] for key in before if key != "results.json"} == {
        key: value for key, value in before.items() if key != "results.json"
    }


def test_another_curriculum_in_the_same_folder_is_refused(done: Trained) -> None:
    with pytest.raises(RunMismatchError, match=r"curriculum.first: 4 -> 5"):
        train(tiny(run=done.folder, curriculum={"first": 5}))


def test_a_source_that_is_another_one_than_the_run_began_with_is_refused(done: Trained) -> None:
    other = graph_setup(tiny(seed=4))
    with pytest.raises(RunMismatchError, match=r"the run began with the source"):
        train(tiny(run=done.folder, methods=("continuous",)), setup=lambda: other)


def test_a_damaged_result_is_named_and_made_again_when_it_is_removed(tmp_path: Path) -> None:
    config = tiny(run=tmp_path / "run", methods=("pause",))
    first = train(config)
    path = tmp_path / "run" / "pause" / "results.json"
    path.write_text("{}")
    with pytest.raises(DataError, match=r"pause/results.json: not the results of a method.*Remove the file"):
        train(config)
    path.unlink()
    assert train(config).methods == first.methods


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ("continuous", "puase")}, "unknown method 'puase'.*Did you mean 'pause'"),
        ({"methods": ()}, "no method"),
        ({"curriculum": {"patience": 3}}, "for nothing to wait for"),
        ({"shape": {"initializer_range": 0.01}}, "it would not learn to search"),
        ({"hops": 4, "num_nodes": 8}, "none of .* graphs of 8 vertices"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        train(tiny(run=tmp_path / "run", **changes))
    assert not list(tmp_path.rglob("metrics.jsonl"))


def test_a_folder_without_a_word_of_what_it_was_trained_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing says what the model was trained for"):
        read_trained_for(tmp_path)
    (tmp_path / "trained_for.json").write_text('{"format": 1, "kind": "graphs", "method": "none"}')
    with pytest.raises(DataError, match="lacks or misstates 'none'"):
        read_trained_for(tmp_path)
    (tmp_path / "trained_for.json").write_text('{"format": 2}')
    with pytest.raises(DataError, match="format 2, not 1"):
        read_trained_for(tmp_path)


# ---------------------------------------------------------------- a gate that is never reached


def test_a_run_whose_first_stage_is_never_learnt_says_so_and_has_no_answers(tmp_path: Path) -> None:
    said: list[str] = []
    config = tiny(run=tmp_path / "run", methods=("continuous", "cot"), curriculum=GATE)
    done = train(config, say=said.append)
    stopped, other = done.methods
    assert stopped.ended.startswith("stage 0 ended at a loss of")
    assert (stopped.num_steps, stopped.exact, stopped.best_step) == (6, Share(0, 0), 0)
    assert any("warning: continuous: stage 0 ended" in line for line in said)
    assert other.exact.of == 12
    assert done.pairs == []
    assert result_table(done)[1][0][1] == "stopped early"
    report = train_report(done).to_json()
    assert "stage 0 ended" in json.dumps(report)
    again = train(config)
    assert again.methods == done.methods
    assert MethodResult.from_json(stopped.to_json()) == stopped


# ---------------------------------------------------------------- what is said


def verdict(ours: int, control: int, p_value: float) -> str:
    def result(name: str, num: int) -> MethodResult:
        return MethodResult(name, Share(num, 100), None, 0, 1.0, 2.0, {}, {}, (1, 1), 1, 1, 0.5)

    pair = Pair("pause", "continuous", (control - ours) / 100, 1, 1, p_value, p_value)
    return control_verdict([result("continuous", ours), result("pause", control)], [pair])


def test_the_control_is_told_as_it_came_out() -> None:
    assert "the difference is what is fed back" in verdict(95, 50, 1e-9)
    assert "Thoughts answer 95.0%, pauses under the same curriculum 50.0% (p = 1e-09)" in verdict(95, 50, 1e-9)
    assert "nothing here shows that recurrence does what the curriculum alone does not" in verdict(95, 94, 0.4)
    assert "Pauses do better" in verdict(50, 95, 1e-9)
    assert control_verdict([], []) == ""


def test_the_report_shows_all_methods_the_control_and_how_they_learnt(done: Trained, tmp_path: Path) -> None:
    report = train_report(done, command="reasonry train continuous-cot graphs @x --run y")
    titles = [section.title for section in report.sections]
    assert titles == ["What came out", "How many thoughts it takes", "Learning", "How this is computed", "Run"]
    text = json.dumps(report.to_json())
    for words in ("The control", "On the same questions", "Loss by stage, continuous", "Norm of thoughts"):
        assert words in text
    assert [fact.label for fact in report.facts] == ["continuous", "pause", "cot", "Thoughts or pauses"]
    columns, rows = result_table(done)
    assert len(rows) == 3
    assert all(len(row) == len(columns) for row in rows)
    assert pair_lines(done.pairs)[0].startswith("pause - continuous: ")
    pytest.importorskip("vl_convert")
    assert write_report(tmp_path, report).html.stat().st_size > 10_000


def test_accuracies_are_broken_down_where_questions_take_different_numbers_of_steps(tmp_path: Path) -> None:
    done = train(tiny(run=tmp_path / "run", hops=1, max_hops=2, num_nodes=10))
    assert set(done.methods[0].by_group) == {"1 hop", "2 hops"}
    assert sum(share.of for share in done.methods[0].by_group.values()) == 12
    assert "By number of steps" in [section.title for section in train_report(done).sections]


def test_without_the_control_the_report_says_that_it_is_missing(tmp_path: Path) -> None:
    done = train(tiny(run=tmp_path / "run", methods=("continuous",)))
    assert "No control" in json.dumps(train_report(done).to_json())
