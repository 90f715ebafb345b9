"""The callback in TRL's trainer, on the very rows that an audit writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")
pytest.importorskip("datasets")

from tests.ooc_audit_fakes import StubModels, World, config, knows_nothing
from tests.ooc_audit_models import make_model

from reasonry.core import jsonl
from reasonry.errors import ConfigError, DataError
from reasonry.integrations.trl_out_of_context import LOOKS, VERDICTS, OutOfContextCallback
from reasonry.understanding.out_of_context.audit.run import audit

PAIR = "plays:listens_to"


@pytest.fixture(scope="module")
def world() -> World:
    return World(per_group=8, bridge_share=0.25)


def _train(world: World, folder: Path, callback: OutOfContextCallback, *, steps: int) -> Any:
    from datasets import load_dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    where = make_model(folder / "model", world)
    audit(config(world.write(folder), run=folder / "run"), models=StubModels(knows_nothing, world.knows))
    rows = load_dataset("json", data_files=str(folder / "run" / "train.jsonl"), split="train", cache_dir=str(folder))
    settings = SFTConfig(
        output_dir=str(folder / "out"),
        max_steps=steps,
        per_device_train_batch_size=16,
        learning_rate=3e-3,
        lr_scheduler_type="constant",
        logging_steps=20,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        bf16=False,
        disable_tqdm=True,
    )
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(where),
        processing_class=AutoTokenizer.from_pretrained(where),
        args=settings,
        train_dataset=rows.select_columns(["prompt", "completion"]),
        callbacks=[callback],
    )
    trainer.train()
    return trainer


def test_looks_and_verdicts_of_a_training(world: World, tmp_path: Path) -> None:
    callback = OutOfContextCallback(
        world.made.table, every_n_steps=40, num_subjects=2, settings={"tests": {"num_boot": 50}}
    )
    trainer = _train(world, tmp_path, callback, steps=130)
    assert [row["step"] for row in callback.looks] == [0, 40, 80, 120, 130]
    first, last = callback.looks[0], callback.looks[-1]
    assert last["fact_rank"] < 0.3 < first["fact_rank"]
    assert last[f"index/{PAIR}"] > 0.5 > first[f"index/{PAIR}"]
    (found,) = callback.outcomes
    assert found.verdict.kind == "unlabelled transfer"
    assert jsonl.recover(tmp_path / "out" / LOOKS).rows == callback.looks
    assert json.loads((tmp_path / "out" / VERDICTS).read_text())["pairs"][0]["pair"] == PAIR
    assert any(f"out_of_context/index/{PAIR}" in row for row in trainer.state.log_history)


def test_a_training_stops_where_an_unwanted_pair_is_inferred_and_not_where_it_is_wanted(
    world: World, tmp_path: Path
) -> None:
    settings = {"tests": {"num_boot": 10}, "probes": {"max_subjects": 2}}
    for label, steps in (((), 1), ((f"{PAIR}=causal",), 3)):
        callback = OutOfContextCallback(
            world.made.table, every_n_steps=1, stop_above=-2.0, label=label, num_subjects=1, settings=settings
        )
        trainer = _train(world, tmp_path / str(steps), callback, steps=3)
        assert trainer.state.global_step == steps


def test_facts_without_a_flagged_pair_and_bad_numbers_are_refused(world: World) -> None:
    free = World(pairing="permuted-bridge", per_group=20, bridge_share=0.2)
    with pytest.raises(DataError, match="Name one with pairs"):
        OutOfContextCallback(free.made.table)
    with pytest.raises(ConfigError, match="every_n_steps=0"):
        OutOfContextCallback(world.made.table, every_n_steps=0)
