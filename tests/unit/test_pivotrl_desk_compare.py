"""The comparison on the help desk: a run that goes on, its report, its claims, and what 30 steps of each reward do."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from reasonry.core.config import from_dict
from reasonry.core.report import write_report
from reasonry.errors import DataError, RunMismatchError
from reasonry.training.pivotrl.claims import desk as claims
from reasonry.training.pivotrl.desk import compare as module
from reasonry.training.pivotrl.desk import training
from reasonry.training.pivotrl.desk.arms import ARMS
from reasonry.training.pivotrl.desk.compare import compare, jobs, results_json
from reasonry.training.pivotrl.desk.config import DeskConfig
from reasonry.training.pivotrl.desk.policy import one_thread
from reasonry.training.pivotrl.desk.report import desk_report

SMALL = {
    "arms": ["sft", "pivots-functional", "end-to-end"],
    "num_seeds": 2,
    "num_demos": 20,
    "k": 4,
    "num_steps": 2,
    "num_end_to_end_steps": 2,
    "num_sft_steps": 2,
    "sft_lrs": [1e-4],
    "sft_batch": 4,
    "prompts_per_step": 4,
    "group_size": 4,
    "look_every": 1,
    "num_test": 6,
    "num_items": 4,
    "num_states": 3,
}


def config(folder: Path, **changes: object) -> DeskConfig:
    return from_dict(DeskConfig, {**SMALL, **changes, "run": str(folder)})


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("desk") / "run"
    compare(config(folder))
    return folder


def without_seconds(path: Path) -> str:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        for ledger in [row.get("ledger", {}), *(look["ledger"] for look in row.get("looks", []))]:
            for name in ("train_s", "profile_s"):
                ledger.pop(name, None)
    return json.dumps(sorted(rows, key=json.dumps))


def test_a_run_has_a_row_for_every_training_and_profile(finished: Path) -> None:
    rows = [json.loads(line) for line in (finished / "arms.jsonl").read_text().splitlines()]
    keys = {(r["arm"], r["lr"], r["repetition"]) for r in rows}
    expected = {j.key for j in jobs(config(finished))}
    assert keys == expected | {("base", 0.0, 0)}
    assert len((finished / "profiles.jsonl").read_text().splitlines()) == 2
    assert all(len(r["looks"]) == 2 for r in rows if r["arm"] != "base")


def test_a_run_that_lost_rows_and_the_end_of_one_goes_on_to_the_same_result(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("config.toml", "run.json", "env.json"):
        (folder / name).write_text((finished / name).read_text())
    lines = (finished / "arms.jsonl").read_text().splitlines(keepends=True)
    (folder / "arms.jsonl").write_text("".join(lines[:3]) + lines[3][:40])
    profiles = (finished / "profiles.jsonl").read_text().splitlines(keepends=True)
    (folder / "profiles.jsonl").write_text(profiles[0])
    said: list[str] = []
    compare(config(finished).model_copy(update={"run": folder}), say=said.append)
    assert any("torn" in line for line in said)
    assert (folder / "results.json").read_bytes() == (finished / "results.json").read_bytes()
    for name in ("arms.jsonl", "profiles.jsonl"):
        assert without_seconds(folder / name) == without_seconds(finished / name)


def test_a_finished_run_trains_nothing_again(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "train_arm", lambda *a, **k: pytest.fail("trained"))
    monkeypatch.setattr(training, "make_lab", lambda *a, **k: pytest.fail("profiled"))
    before = (finished / "results.json").read_bytes()
    compare(config(finished))
    assert (finished / "results.json").read_bytes() == before


def test_another_config_is_refused_and_more_repetitions_are_not(finished: Path) -> None:
    with pytest.raises(RunMismatchError, match="num_demos"):
        compare(config(finished, num_demos=21))


@pytest.mark.parametrize("damage", ['{"arm": "sft"}', '{"arm": "sft", "lr": 1e-4, "repetition": 0, "looks": []}'])
def test_a_damaged_row_is_refused_with_its_line(finished: Path, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("config.toml", "run.json", "env.json", "profiles.jsonl"):
        (folder / name).write_text((finished / name).read_text())
    (folder / "arms.jsonl").write_text((finished / "arms.jsonl").read_text().splitlines()[0] + "\n" + damage + "\n")
    with pytest.raises(DataError, match=r"arms\.jsonl:2"):
        compare(config(finished).model_copy(update={"run": folder}))


def test_results_show_training_and_profiling_turns_of_every_arm(finished: Path) -> None:
    found = json.loads((finished / "results.json").read_text())
    pivots = found["arms"]["pivots-functional 0.0002"]
    assert pivots["train_turns"]["mean"] == 2 * 4 * 4
    assert pivots["profile_turns"]["mean"] == 20 * 4 * 4
    assert pivots["total_turns"]["mean"] == 32 + 320
    assert found["arms"]["sft 0.0001"]["total_turns"]["mean"] == 0
    assert found["arms"]["end-to-end 0.0002"]["profile_turns"]["mean"] == 0
    assert found["base"]["held_out"] is None


def test_the_report_shows_every_arm_and_both_counts(finished: Path, tmp_path: Path) -> None:
    cfg = config(finished)
    result = compare(cfg)
    html = write_report(tmp_path, desk_report(result, cfg, command="reasonry pivots desk")).html.read_text("utf-8")
    for word in ("sft 0.0001", "pivots-functional", "end-to-end", "training turns", "profiling turns", "both"):
        assert word in html
    assert "NaN" not in json.dumps(results_json(result))


def test_repetitions_have_other_demonstrations_and_one_test(finished: Path) -> None:
    cfg = config(finished)
    labs = [training.make_lab(cfg, index=i) for i in range(2)]
    assert (labs[0].demos.code_BT != labs[1].demos.code_BT).any()
    tests = [training.make_test(cfg, lab.base).test for lab in labs]
    assert (tests[0].desk.uid_B == tests[1].desk.uid_B).all()


def test_imitation_is_swept_over_learning_rates(tmp_path: Path) -> None:
    found = jobs(config(tmp_path, sft_lrs=[1e-5, 1e-4], arms=["sft", "random-strict"], num_seeds=1))
    assert [(j.arm.name, j.lr) for j in found] == [("sft", 1e-5), ("sft", 1e-4), ("random-strict", 2e-4)]


@pytest.mark.parametrize(
    ("measure", "arguments"),
    [
        (claims.functional_beats_strict, {}),
        (claims.ood_retention, {"level": 0.3}),
    ],
)
def test_claims_read_a_comparison_and_have_no_interval_where_a_level_is_not_reached(
    tmp_path: Path, measure, arguments
) -> None:
    sizes = {k: v for k, v in SMALL.items() if k != "arms"}
    found = measure(seed=0, folder=str(tmp_path), **arguments, **sizes)
    assert found.seed == 0
    assert found.num <= 2
    assert math.isnan(found.value) or found.low <= found.value <= found.high
    assert "repetitions" in found.detail
    assert list((tmp_path / "run").glob("arms.jsonl"))


# ---------------------------------------------------------------- what the base model wobbles on, and what 30 steps do


def test_most_turns_of_demonstrations_have_no_reward_variance() -> None:
    functional, strict = (claims.zero_variance_share(reward=r, seed=0) for r in ("functional", "strict"))
    assert functional.num == strict.num == 1200
    assert 0.5 < functional.low < functional.high < 0.68
    assert 0.7 < strict.low < strict.high < 0.85


def test_functional_rewards_teach_and_keep_the_style_and_strict_ones_do_neither() -> None:
    cfg = DeskConfig(num_demos=300, num_items=10, num_states=48)
    with one_thread():
        lab = training.make_lab(cfg, index=0)
        test = training.make_test(cfg, lab.base)
        found = {
            name: training.train_arm(ARMS[name], lab, test, lr=cfg.lr, num_steps=30)[-1].found
            for name in ("pivots-functional", "pivots-strict")
        }
        start = module.measure(lab.base, test)
    gain = {name: f.desk_sampled - start.desk_sampled for name, f in found.items()}
    assert gain["pivots-functional"] >= 0.12
    assert gain["pivots-strict"] < 0.08
    assert found["pivots-functional"].drift.inside < 0.1
    assert found["pivots-strict"].drift.inside > 0.5
