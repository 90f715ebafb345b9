"""Run directories with untrained models in them: what evaluation reads, without the training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reasonry.core import atomic
from reasonry.core.config import Config, from_dict
from reasonry.training.continuous_cot.config import VERB, GraphTrainConfig
from reasonry.training.continuous_cot.methods import METHODS
from reasonry.training.continuous_cot.text_config import TextTrainConfig


def text_config(model: Path, **more: Any) -> TextTrainConfig:
    """Small settings; tables may be given as dictionaries."""
    body = {
        "model": str(model),
        "num_train": 12,
        "adapter": {"rank": 0},
        "words": {"max_new_tokens": 6},
        "evaluation": {"num_validation": 4, "num_test": 5, "batch_size": 4},
        **more,
    }
    return from_dict(TextTrainConfig, body, place="test")


def text_run(folder: Path, config: TextTrainConfig, methods: tuple[str, ...] = ("continuous",)) -> Path:
    """The run directory of a training on texts that has taken no step."""
    from reasonry.training.continuous_cot.text_model import make_text_model
    from reasonry.training.continuous_cot.text_source import KIND, TextSource

    for name in methods:
        method = METHODS[name]
        latent = make_text_model(config, method).latent
        source = TextSource(config, latent)
        latent.num_thoughts = source.num_thoughts(method)
        _save(folder, config, latent, KIND, name, stage=source.max_stage)
    return folder


def graph_run(folder: Path, methods: tuple[str, ...] = ("continuous",), **more: Any) -> Path:
    """The same for graphs."""
    from reasonry.training.continuous_cot.train.setups import graph_setup

    shape = {"width": 16, "num_heads": 2}
    config = from_dict(GraphTrainConfig, {"hops": 2, "num_graphs": 8, "shape": shape, **more}, place="test")
    setup = graph_setup(config)
    for name in methods:
        model = setup.make_model(METHODS[name])
        _save(folder, config, model, "graphs", name, stage=setup.source.max_stage)
    return folder


def _save(folder: Path, config: Any, latent: Any, kind: str, name: str, *, stage: int) -> None:
    from reasonry.training.continuous_cot.train.saved import write_trained_for

    assert isinstance(config, Config)
    target = folder / name / "model"
    target.parent.mkdir(parents=True, exist_ok=True)
    latent.save_pretrained(target)
    write_trained_for(target, config, kind=kind, method=METHODS[name], stage=stage)
    atomic.write_json(folder / "run.json", {"verb": f"{VERB} {kind}", "fingerprint": "", "format": 1})
