"""What training starts from: pivots, the profile they were chosen by, and what both cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.pivotrl_training import WORDS, config, write_pivots

from reasonry.core import atomic, jsonl
from reasonry.core import config as configs
from reasonry.core.sampling.config import SamplingConfig
from reasonry.errors import ConfigError, DataError
from reasonry.training.pivotrl.config import ProfileConfig, VerifierConfig
from reasonry.training.pivotrl.records import Profile
from reasonry.training.pivotrl.rows import profile_to_row
from reasonry.training.pivotrl.train.inputs import ProfileUsed, check_sampling, disagreements, read_inputs
from reasonry.training.pivotrl.train.ledger import ledger_of

POLICY = {"model": "local", "weights": "aa", "dtype": "float32", "template": "t1"}


def write_profile(folder: Path, *, k: int = 8, **settings: Any) -> Path:
    """A finished profile as the step before leaves it."""
    made = ProfileConfig.model_validate({"verifier": {"name": "exact"}, **settings})
    profile = folder / "profile"
    profile.mkdir()
    atomic.write_text(profile / "config.toml", configs.dump_toml(made))
    identity = {"policy": POLICY, "verifier": {"verifier": "exact"}, "tool_format": "hermes"}
    atomic.write_json(profile / "made_with.json", identity)
    rows = [profile_to_row(Profile(w, (0.0,) * k, ("other",) * k, 9, (3,) * (k - 1) + (40,))) for w in WORDS]
    jsonl.write(profile / "profile.jsonl", rows)
    return profile


def test_the_profile_beside_the_pivots_is_found(tmp_path: Path) -> None:
    write_pivots(tmp_path)
    write_profile(tmp_path)
    found = read_inputs(config(folder=tmp_path))
    assert [c.id for c in found.pivots] == list(WORDS)
    assert found.profile is not None
    assert found.profile.num_samples == 4 * 8
    assert found.profile.tool_format == "hermes"
    assert found.verifier == VerifierConfig(name="exact")


def test_without_a_profile_there_is_none(tmp_path: Path) -> None:
    found = read_inputs(config(folder=write_pivots(tmp_path)))
    assert found.profile is None
    assert found.verifier is None


def test_all_candidates_are_there_to_be_profiled_again(tmp_path: Path) -> None:
    write_pivots(tmp_path)
    jsonl.write(tmp_path / "pivots.jsonl", list(jsonl.read(tmp_path / "candidates.jsonl"))[1:2])
    assert len(read_inputs(config(folder=tmp_path)).pool) == 1
    found = read_inputs(config(folder=tmp_path, reprofile_every=5))
    assert [c.id for c in found.pivots] == ["green"]
    assert sorted(c.id for c in found.pool) == sorted(WORDS)


def test_no_pivot_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    write_pivots(tmp_path)
    (tmp_path / "pivots.jsonl").write_text("")
    with pytest.raises(DataError, match="threshold"):
        read_inputs(config(folder=tmp_path))
    (tmp_path / "pivots.jsonl").unlink()
    with pytest.raises(DataError, match="pivots select"):
        read_inputs(config(folder=tmp_path))


def used(**changes: Any) -> ProfileUsed:
    values: dict[str, Any] = {
        "folder": Path("p"),
        "config": ProfileConfig(),
        "policy": POLICY,
        "verifier": {"verifier": "exact"},
        "tool_format": "template",
        "num_samples": 8,
        "longest_tok": 100,
    }
    return ProfileUsed(**{**values, **changes})


SAME: dict[str, Any] = {
    "policy": POLICY,
    "verifier": {"verifier": "exact"},
    "tool_format": "template",
    "drawn": SamplingConfig(temperature=1.0, max_new_tokens=256),
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"policy": {**POLICY, "template": "t2"}}, "template t1 -> t2"),
        ({"policy": {**POLICY, "dtype": "bfloat16"}}, "dtype float32 -> bfloat16"),
        ({"verifier": {"verifier": "exact", "canonical": True}}, "differs in canonical"),
        ({"tool_format": "hermes"}, "tool_format"),
        ({"drawn": SamplingConfig(temperature=0.7, max_new_tokens=256)}, "temperature 1.0"),
        ({"drawn": SamplingConfig(temperature=1.0, top_k=5, max_new_tokens=256)}, "top_k 0"),
        ({"drawn": SamplingConfig(temperature=1.0, top_p=0.9, max_new_tokens=256)}, "top_p 1.0"),
        ({"drawn": SamplingConfig(temperature=1.0, max_new_tokens=64)}, "up to 100 tokens"),
        ({"policy": {**POLICY, "weights": "bb"}}, "weights aa -> bb"),
    ],
)
def test_what_differs_from_the_profile_is_told(change: dict[str, Any], words: str) -> None:
    lines = disagreements(used(), **{**SAME, **change})
    assert len(lines) == 1
    assert words in lines[0]


def test_nothing_is_told_where_nothing_differs() -> None:
    assert disagreements(used(), **SAME) == []


def test_sampling_without_variance_is_refused() -> None:
    with pytest.raises(ConfigError, match="temperature 0"):
        check_sampling(SamplingConfig(temperature=0))
    with pytest.raises(ConfigError, match="end token"):
        check_sampling(SamplingConfig(temperature=1, stop=("\n",)))


def test_the_ledger_counts_the_profiles_too() -> None:
    rows = [
        {"step": 1, "pivot/turns_train": 32, "pivot/turns_profile": 0, "completions/mean_length": 3.0},
        {"step": 2, "pivot/turns_train": 96, "pivot/turns_profile": 40, "completions/mean_length": 2.0},
    ]
    found = ledger_of(rows, 100)
    assert (found.turns_train, found.turns_profile, found.turns_reprofile) == (96, 100, 40)
    assert found.turns == 236
    assert found.num_completion_tok == 32 * 3 + 64 * 2
    assert ledger_of([], 100).turns == 100
