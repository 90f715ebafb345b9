"""Run directories of trainings that never were: small models with random weights, as the probes find them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reasonry.core.config import from_dict
from reasonry.training.continuous_cot.config import VERB, GraphTrainConfig
from reasonry.training.continuous_cot.graph_source import GraphSource
from reasonry.training.continuous_cot.latent.model import LatentCausalLM
from reasonry.training.continuous_cot.methods import METHODS
from reasonry.training.continuous_cot.tiny_model import tiny_model
from reasonry.training.continuous_cot.train.saved import write_trained_for

SMALL = {"hops": 2, "shape": {"width": 16, "num_heads": 2}}


def train_config(**changes: Any) -> GraphTrainConfig:
    return from_dict(GraphTrainConfig, {**SMALL, **changes})


def random_model(config: GraphTrainConfig, *, seed: int = 0) -> LatentCausalLM:
    source = GraphSource(config)
    return tiny_model(
        config.shape, source.form, context_tok=source.context_tok, seed=seed, num_thoughts=config.most_hops
    )


def training_run(
    folder: Path, *, methods: tuple[str, ...] = ("continuous", "pause"), kind: str = "graphs", **changes: Any
) -> Path:
    config = train_config(**changes)
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"verb": f"{VERB} {kind}", "format": 1}))
    for method in methods:
        (folder / method).mkdir()
        random_model(config).save_pretrained(folder / method / "model")
        write_trained_for(folder / method / "model", config, kind=kind, method=METHODS[method], stage=config.most_hops)
    return folder
