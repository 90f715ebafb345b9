"""Training draws as the profile of its pivots did, and says where it does not."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from tests import pivotrl_profiling as made
from tests.pivotrl_training import config

pytest.importorskip("torch")
pytest.importorskip("transformers")

from reasonry.core.models import ModelConfig
from reasonry.core.sampling import SamplingConfig
from reasonry.training.pivotrl.config import AS_PROFILED, ProfileConfig, TrainConfig
from reasonry.training.pivotrl.profiling import profile_candidates
from reasonry.training.pivotrl.train.run import train_pivots


@pytest.fixture(scope="module")
def profiled(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pivots with their profile, drawn in a way that is nobody's default."""
    folder = made.write_candidates(tmp_path_factory.mktemp("set"), [made.plain_candidate(i) for i in range(3)])
    shutil.copy(folder / "candidates.jsonl", folder / "pivots.jsonl")
    profile_candidates(
        ProfileConfig(
            folder=folder,
            model=str(tiny_model),
            k=4,
            sampling=SamplingConfig(temperature=0.9, top_k=200, max_new_tokens=5, stop=("\n\n",)),
            model_options=ModelConfig(dtype="float32", device="cpu"),
            max_truncated=1,
        )
    )
    return folder


def trained(folder: Path, model: Path, run: Path, **changes: Any) -> Any:
    options = {"dtype": "float32", "device": "cpu", **changes.pop("model_options", {})}
    settings = {"num_steps": 1, "group_size": 2, "sampling": {}, "learning_rate": 1e-4, "save_every": 1, **changes}
    return train_pivots(config(folder=folder, model=str(model), run=run, model_options=options, **settings))


def test_training_draws_as_the_profile_did_and_counts_what_it_cost(
    profiled: Path, tiny_model: Path, tmp_path: Path
) -> None:
    found = trained(profiled, tiny_model, tmp_path / "run")
    drawn = found.config.drawn
    assert (drawn.temperature, drawn.top_p, drawn.top_k, drawn.max_new_tokens) == (0.9, 1.0, 200, 5)
    (note,) = found.notes
    assert note == "the profile cut answers off at any of ['\\n\\n'], training at the model's own end alone"
    assert found.rows[0]["completions/mean_length"] <= 5
    ledger = found.to_json()["ledger"]
    assert (ledger["turns_profile"], ledger["turns_train"], ledger["turns"]) == (4 * 3, 2 * 3, 4 * 3 + 2 * 3)
    stored = (tmp_path / "run/config.toml").read_text()
    assert "max_new_tokens = 5" in stored and "temperature = 0.9" in stored, "it can be repeated without the profile"
    again = trained(profiled, tiny_model, tmp_path / "run", num_steps=2)
    assert [row["step"] for row in again.rows] == [1, 2]


def test_what_is_given_comes_before_the_profile_and_differences_are_told(
    profiled: Path, tiny_model: Path, tmp_path: Path
) -> None:
    model = shutil.copytree(tiny_model, tmp_path / "model")
    template = model / "chat_template.jinja"
    template.write_text(template.read_text().replace("assistant: ", "bot: "))
    given = {"temperature": 0.5, "max_new_tokens": 9}
    found = trained(profiled, model, tmp_path / "run", sampling=given, model_options={"dtype": "bfloat16"})
    told = "\n".join(found.notes)
    for words in (
        *("template", "dtype float32 -> bfloat16", "temperature 0.9, training draws at 0.5"),
        *("actions of pivots off at 5 tokens", "training lets them go on to 9"),
    ):
        assert words in told, words
    assert "top_k" not in told
    short = trained(profiled, tiny_model, tmp_path / "short", sampling={"max_new_tokens": 2})
    assert any("up to 5 tokens, training cuts them off at 2" in note for note in short.notes)


def test_an_adapter_that_was_merged_is_another_policy(profiled: Path, tiny_model: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model = shutil.copytree(tiny_model, tmp_path / "merged")
    weights = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    layer = weights.model.layers[0].self_attn.q_proj
    with torch.no_grad():
        layer.weight += 0.01 * torch.ones(layer.weight.shape[0], 1) @ torch.ones(1, layer.weight.shape[1])
    weights.save_pretrained(model)
    found = trained(profiled, model, tmp_path / "run")
    assert any("another policy (weights " in note for note in found.notes)


def test_without_a_profile_training_draws_as_a_profile_would(tmp_path: Path) -> None:
    assert TrainConfig().drawn == ProfileConfig().sampling == AS_PROFILED
    assert TrainConfig().drawn == SamplingConfig(temperature=1.0, max_new_tokens=1024)
    cfg = TrainConfig.model_validate({"sampling": {"max_new_tokens": 7}})
    assert cfg.drawn == SamplingConfig(temperature=1.0, max_new_tokens=7)
    profile = SamplingConfig(temperature=0.3, top_p=0.9, max_new_tokens=50, stop=("x",))
    assert cfg.sampling.over(profile) == SamplingConfig(temperature=0.3, top_p=0.9, max_new_tokens=7)
