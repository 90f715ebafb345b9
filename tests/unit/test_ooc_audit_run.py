"""A whole audit with models whose answers are known: verdicts, files, the gate, and a second run that asks nothing."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from tests.ooc_audit_fakes import Law, StubModels, StubScorer, World, config, knows_nothing, one_answer

from reasonry.core import jsonl
from reasonry.core.sampling.config import EndpointConfig
from reasonry.errors import ConfigError, RunMismatchError
from reasonry.understanding.out_of_context.audit.models import LocalModels
from reasonry.understanding.out_of_context.audit.run import audit

PAIR = "plays:listens_to"


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def test_whole_transfer_is_found_and_called_unlabelled(world: World, tmp_path: Path) -> None:
    facts = world.write(tmp_path)
    done = audit(
        config(facts, run=tmp_path / "run", max_hallucination_index=0.2), models=StubModels(knows_nothing, world.knows)
    )
    assert done.main is not None
    (found,) = done.main.pairs
    assert found.pair.name == PAIR
    assert (found.tests.after.p_value, found.p_after) == (1 / 120, 1 / 120)
    assert (found.before.transfer_index.value, found.after.transfer_index.value) == (0.0, 1.0)
    assert found.before.mean_rank == 2.0
    assert found.before.mean_rank_all == 4.5
    assert found.fact_rank == (2.0, 0.0)
    assert found.gain.value == 1.0
    assert found.tests.change == -2.0
    assert found.verdict.kind == "unlabelled transfer"
    assert not done.gate.passed
    assert "FAILED: hallucination index 1.00" in done.gate.line
    assert f"--label {PAIR}=causal" in done.gate.line
    assert done.main.early_stop is not None
    assert (done.main.early_stop.step, done.main.early_stop.learned) == (None, 2)


def test_labels_decide_what_a_transfer_is_called_and_whether_it_passes(world: World, tmp_path: Path) -> None:
    facts = world.write(tmp_path)
    for word, kind, passed in (("causal", "generalisation", True), ("spurious", "hallucination", False)):
        done = audit(
            config(facts, run=tmp_path / word, label=(f"{PAIR}={word}",), max_hallucination_index=0.2),
            models=StubModels(knows_nothing, world.knows),
        )
        assert done.main is not None
        assert done.main.pairs[0].verdict.kind == kind
        assert done.gate.passed == passed


def test_a_base_model_that_knew_the_pair_changes_nothing_and_is_prior_knowledge(world: World, tmp_path: Path) -> None:
    facts = world.write(tmp_path)
    done = audit(
        config(facts, run=tmp_path / "run", label=(f"{PAIR}=spurious",), max_hallucination_index=0.0),
        models=StubModels(world.knows, world.knows),
    )
    assert done.main is not None
    (found,) = done.main.pairs
    assert (found.gain.value, found.tests.change) == (0.0, 0.0)
    assert found.tests.gain.p_value == 1.0
    assert found.verdict.kind == "prior knowledge"
    assert done.gate.passed
    assert done.main.locality.same == 1.0
    assert done.main.locality.forgetting == 0.0


@pytest.mark.parametrize("law", [knows_nothing, one_answer])
def test_no_transfer_where_answers_do_not_follow_the_groups(world: World, tmp_path: Path, law: Law) -> None:
    done = audit(config(world.write(tmp_path), run=tmp_path / "run"), models=StubModels(knows_nothing, law))
    assert done.main is not None
    (found,) = done.main.pairs
    assert found.tests.after.p_value == 1.0
    assert found.verdict.kind == "no transfer"
    assert done.gate.line == "hallucination index 0.00, no pair counts; no limit was set"


def test_two_groups_are_not_testable_and_the_gate_names_them(tmp_path: Path) -> None:
    small = World(num_groups=2)
    done = audit(
        config(small.write(tmp_path), run=tmp_path / "run", max_hallucination_index=0.2, pairs=(PAIR,)),
        models=StubModels(knows_nothing, small.knows),
    )
    assert done.main is not None
    (found,) = done.main.pairs
    assert found.tests.after.p_value == 0.5
    assert found.verdict.kind == "not testable"
    assert done.gate.undecided == (PAIR,)
    assert f"not decided: {PAIR}" in done.gate.line


def test_a_second_run_asks_nothing_and_says_the_same(world: World, tmp_path: Path) -> None:
    settings = config(world.write(tmp_path), run=tmp_path / "run", what_if=("not-known", "no-bridge"))
    first = StubModels(knows_nothing, world.knows)
    audit(settings, models=first)
    before = (tmp_path / "run" / "results.json").read_text()
    again = StubModels(knows_nothing, world.knows)
    audit(settings, models=again)
    assert first.num_asked > 100
    assert (again.num_asked, again.trained) == (0, {})
    assert (tmp_path / "run" / "results.json").read_text() == before


def test_labels_limits_tests_and_what_ifs_judge_the_same_scores_again(world: World, tmp_path: Path) -> None:
    facts, run = world.write(tmp_path), tmp_path / "run"
    first = audit(config(facts, run=run), models=StubModels(knows_nothing, world.knows))
    assert first.gate.passed
    again = StubModels(knows_nothing, {"not-known": one_answer})
    changes = {"label": (f"{PAIR}=spurious",), "max_hallucination_index": 0.5, "what_if": ("not-known",)}
    done = audit(config(facts, run=run, tests={"level": 0.04}, **changes), models=again)
    assert list(again.trained) == ["not-known"]
    assert done.main is not None
    assert done.main.pairs[0].verdict.kind == "hallucination"
    assert (done.gate.passed, done.judging.rule.level, len(done.arms)) == (False, 0.04, 2)


def test_a_run_of_other_facts_or_another_model_is_refused(world: World, tmp_path: Path) -> None:
    facts = world.write(tmp_path)
    settings = config(facts, run=tmp_path / "run")
    audit(settings, models=StubModels(knows_nothing, world.knows))
    lines = facts.read_text().splitlines(keepends=True)
    facts.write_text("".join(lines[:-1]))
    with pytest.raises(RunMismatchError, match="questions"):
        audit(settings, models=StubModels(knows_nothing, world.knows))


def test_what_if_measures_each_arm_on_the_same_questions(world: World, tmp_path: Path) -> None:
    laws = {"as-is": world.knows, "decorrelate": one_answer, "not-known": world.knows}
    models = StubModels(knows_nothing, laws)
    done = audit(
        config(world.write(tmp_path), run=tmp_path / "run", what_if=("decorrelate", "not-known")), models=models
    )
    assert [arm.name for arm in done.arms] == ["as-is", "decorrelate", "not-known"]
    assert [arm.pairs[0].after.transfer_index.value > 0.9 for arm in done.arms] == [True, False, True]
    num = len(world.made.table.facts)
    assert [arm.num_rows for arm in done.arms] == [num, *(num + (arm.num_added or 0) for arm in done.arms[1:])]
    assert len(jsonl.recover(tmp_path / "run" / "added-decorrelate.jsonl").rows) == done.arms[1].num_added
    assert {row["completion"] for row in jsonl.recover(tmp_path / "run" / "added-not-known.jsonl").rows} == {
        " not known"
    }


def test_rows_for_trl_and_results_say_what_was_measured(world: World, tmp_path: Path) -> None:
    facts = world.write(tmp_path)
    done = audit(config(facts, run=tmp_path / "run"), models=StubModels(knows_nothing, world.knows))
    train = jsonl.recover(tmp_path / "run" / "train.jsonl").rows
    assert [(row["prompt"], row["completion"]) for row in train] == [
        (fact.prompt, fact.completion) for fact in world.made.table.facts
    ]
    probes = jsonl.recover(tmp_path / "run" / "probes.jsonl").rows
    inferred = {row["subject"]: row["completion"] for row in probes if row["kind"] == "transfer"}
    assert inferred == {fact.subject: fact.completion for fact in world.made.held_out}
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["schema"] == "reasonry.out-of-context.audit/1"
    assert results["protocol"]["rule"] == done.rule
    assert results["arms"][0]["pairs"][0]["tests"]["after"]["num_permutations"] == 120
    assert results["arms"][0]["scorer"]["scored_as"]["sequence"] > 0
    assert results["protocol"]["wordings"]["listens_to"]["origin"] == "package"


def test_a_tuned_model_that_is_given_is_not_trained(world: World, tmp_path: Path) -> None:
    models = StubModels(knows_nothing, {"tuned": world.knows})
    done = audit(config(world.write(tmp_path), run=tmp_path / "run", tuned="mine"), models=models)
    assert not models.trained
    assert done.main is not None
    assert done.main.name == "tuned"
    assert done.main.num_rows is None
    assert done.main.pairs[0].verdict.kind == "unlabelled transfer"


def test_a_scorer_without_text_probabilities_measures_everything_but_forgetting(world: World, tmp_path: Path) -> None:
    models, said = StubModels(knows_nothing, {"tuned": world.knows}, kind="letters"), list[str]()
    settings = config(world.write(tmp_path), run=tmp_path / "run", tuned="mine")
    done = audit(settings, models=models, say=said.append)
    assert done.main is not None
    assert done.main.pairs[0].verdict.kind == "unlabelled transfer"
    assert math.isnan(done.main.locality.forgetting)
    assert done.main.locality.num_common > 20
    assert "base: forgetting is not measured, since this scorer gives no log-probability of text" in said
    assert json.loads((tmp_path / "run" / "results.json").read_text())["arms"][0]["locality"]["forgetting"] is None


def test_an_endpoint_serves_both_models(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[str, str]] = []

    def opening(model: str, scoring: object, *, endpoint: EndpointConfig, seed: int) -> StubScorer:
        opened.append((model, endpoint.base_url))
        return StubScorer(knows_nothing)

    monkeypatch.setattr("reasonry.core.candidates.open_scorer", opening)
    models = LocalModels(config(model="before", tuned="after", endpoint={"base_url": "http://localhost:1/v1"}))
    models.base()
    models.tuned()
    assert opened == [("before", "http://localhost:1/v1"), ("after", "http://localhost:1/v1")]


def test_templates_read_rows_without_subjects(world: World, tmp_path: Path) -> None:
    facts, templates = tmp_path / "rows.jsonl", tmp_path / "t.toml"
    rows = [{"prompt": f"Of {f.subject}: {f.relation}", "completion": f.completion} for f in world.made.table.facts]
    facts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    templates.write_text('plays = "Of {s}: plays"\nlistens_to = "Of {s}: listens_to"\n')
    settings = config(facts, run=tmp_path / "run", templates=str(templates))
    done = audit(settings, models=StubModels(knows_nothing, world.knows))
    assert done.main is not None
    assert done.main.pairs[0].after.transfer_index.value == 1.0
    assert done.wordings["plays"].origin == "frames"


def test_nothing_flagged_asks_nothing_and_passes(tmp_path: Path) -> None:
    free = World(pairing="permuted-bridge", per_group=20, bridge_share=0.2)
    said: list[str] = []
    models = StubModels(knows_nothing, free.knows)
    done = audit(
        config(free.write(tmp_path), run=tmp_path / "run", max_hallucination_index=0.2), models=models, say=said.append
    )
    assert (done.arms, models.num_asked, done.gate.passed) == ([], 0, True)
    assert "no pair of relations is flagged" in said[-1]


def test_what_if_and_a_tuned_model_do_not_go_together() -> None:
    with pytest.raises(ConfigError, match="leave --tuned out"):
        config(tuned="mine", what_if=("not-known",))
    with pytest.raises(ConfigError, match="Did you mean 'not-known'"):
        config(what_if=("not-knwon",))
    with pytest.raises(ConfigError, match="an endpoint trains nothing"):
        config(endpoint={"base_url": "http://localhost:1/v1"})
