"""The measurement behind the card about a real model runs, on a tiny one."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.ooc_audit_fakes import World
from tests.ooc_audit_models import SETTINGS, make_model

from reasonry.core.claims import load_claims
from reasonry.errors import ConfigError
from reasonry.understanding.out_of_context.claims.audit import real_facts_lm


def test_the_measurement_tells_every_data_set(tmp_path: Path) -> None:
    world = World("sport-music", per_group=8, bridge_share=0.25)
    model = make_model(tmp_path / "model", world)
    found = real_facts_lm(
        model=str(model),
        presets=["sport-music"],
        value_of="sport-music",
        control="sport-music",
        num_groups=5,
        per_group=8,
        bridge_share=0.25,
        seed=0,
        folder=str(tmp_path / "runs"),
        **{**SETTINGS, "train": {**SETTINGS["train"], "epochs": 15}, "tests": {"num_boot": 50}},
    )
    assert found.low == found.value == found.high <= 0.05
    assert found.num == 30
    assert "sport-music, permuted: mean rank" in found.detail
    with pytest.raises(ConfigError, match="is none of"):
        real_facts_lm(model="m", presets=["a"], value_of="b", num_groups=5, per_group=8, bridge_share=0.2, seed=0)


def test_the_cards_are_read() -> None:
    ids = {claim.id for claim in load_claims()}
    assert {"real-facts-lm", "ocr-paper-table"} <= ids
