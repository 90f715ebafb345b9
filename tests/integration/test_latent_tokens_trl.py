"""TRL's trainer learns from the rows of the plain loop, gets where that gets, goes on, and leaves such a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")
pytest.importorskip("datasets")
pytest.importorskip("peft")

import torch
from tests.latent_finetune_fakes import CHUNK, model, rows, task
from tests.latent_finetune_runs import fingerprint, make_codes, make_encoded, tiny, without_codes

from reasonry.core import jsonl
from reasonry.core.models import ModelConfig, load_causal_lm
from reasonry.errors import ConfigError, Interrupted
from reasonry.integrations.trl_latent_tokens import MixedRowCollator, make_trainer, sft_config, step_dataset
from reasonry.training.latent_tokens.finetune.learner import FinetuneLearner
from reasonry.training.latent_tokens.finetune.run import finetune
from reasonry.training.latent_tokens.mixing.loader import Loader
from reasonry.training.latent_tokens.mixing.methods import METHODS

pytestmark = [pytest.mark.filterwarnings("ignore::FutureWarning"), pytest.mark.filterwarnings("ignore::UserWarning")]


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("encoded")
    return make_encoded(root / "encoded", make_codes(root / "codes"))


@pytest.mark.parametrize("name", ["latent", "icot", "pause", "poisson"])
def test_batches_have_the_ids_and_labels_of_the_plain_loop_in_every_epoch(name: str) -> None:
    made = task(num=19, steps=12)  # 16 examples are learnt from, in 4 steps an epoch
    loader, order = Loader(made.mixer(METHODS[name]), pad_id=made.ids.pad), made.order()
    dataset, collator = step_dataset(made), MixedRowCollator(made, METHODS[name])
    assert len(dataset) == 12 * 4
    for at in range(12):
        found = collator([dataset[row] for row in range(4 * at, 4 * at + 4)])
        expected = loader(order(at).numbers_B.tolist(), made.moment(at))
        assert torch.equal(found["input_ids"], expected.ids_BT)
        assert torch.equal(found["labels"], expected.labels_BT)
        assert torch.equal(found["attention_mask"], expected.attend_BT.long())


def test_m_is_drawn_anew_in_every_epoch() -> None:
    made = task(examples=rows(43), steps=40)
    dataset: Any = step_dataset(made)
    collator = MixedRowCollator(made, METHODS["latent"])
    long = [n for n, row in enumerate(made.examples.train) if len(row.cot_ids) >= 3 * CHUNK]
    seen: dict[int, set[int]] = {n: set() for n in long}
    for row in dataset:
        if row["example"] in seen:
            seen[row["example"]].add(collator([row])["labels"].shape[1])
    assert sum(len(lengths) > 1 for lengths in seen.values()) > 0.7 * len(long)


def test_losses_and_looks_are_those_of_the_plain_loop(encoded: Path, tmp_path: Path) -> None:
    plain = finetune(tiny(encoded, run=tmp_path / "plain"))
    trl = finetune(tiny(encoded, run=tmp_path / "trl", trainer="trl"))
    for name in ("latent", "cot"):
        assert len(trl.logs[name]) == len(plain.logs[name]) == 7
        for mine, theirs in zip(trl.logs[name], plain.logs[name], strict=True):
            assert mine.keys() == theirs.keys()
            for key, value in theirs.items():
                assert mine[key] == pytest.approx(value, rel=1e-4), (name, theirs["step"], key)
    for mine, theirs in zip(trl.methods, plain.methods, strict=True):
        assert mine.num_parameters == theirs.num_parameters
    one: Any = load_causal_lm(str(plain.model("latent")), ModelConfig(dtype="float32", device="cpu")).model
    other: Any = load_causal_lm(str(trl.model("latent")), ModelConfig(dtype="float32", device="cpu")).model
    ids = torch.tensor([[4, 5, 6, 15, 17, 16, 7]])
    assert torch.allclose(one(ids).logits, other(ids).logits, atol=1e-3)  # biases of keys have no gradient but rounding


def test_the_loss_falls_and_micro_batches_change_nothing(tmp_path: Path) -> None:
    class Extended:
        def __init__(self) -> None:
            self.model, self.tokenizer = model(), _tokenizer()

    told: list[list[float]] = []
    for micro in (None, 2):
        made = task(num=19, steps=24, optimizer={"micro_batch": micro} if micro else {}, looks={"every": 0})
        folder = tmp_path / str(micro)
        make_trainer(Extended(), made, METHODS["latent"], folder=folder).train()
        told.append([row["loss"] for row in jsonl.read(folder / "metrics.jsonl")])
    assert told[0] == pytest.approx(told[1], rel=1e-3)
    assert sum(told[0][-4:]) < 0.8 * sum(told[0][:4])
    learner = FinetuneLearner(task(num=19, steps=24, looks={"every": 0}), METHODS["latent"], model())
    assert told[0] == pytest.approx([learner.step(at)["loss"] for at in range(24)], rel=1e-3)


def test_adapters_are_trained_merged_and_saved(encoded: Path, tmp_path: Path, tiny_model: Path) -> None:
    first = finetune(tiny(encoded, run=tmp_path / "first", methods=("cot",)))
    without_codes(first.model("cot"), encoded, tmp_path / "base")
    config = {
        "methods": ("latent",),
        "model": str(tmp_path / "base"),
        "adapter": {"rank": 2},
        "model_options": {"dtype": "float32", "device": "cpu"},
    }
    plain = finetune(tiny(encoded, run=tmp_path / "plain", **config))
    trl = finetune(tiny(encoded, run=tmp_path / "trl", trainer="trl", **config))
    assert [row["loss"] for row in trl.logs["latent"]] == pytest.approx(
        [row["loss"] for row in plain.logs["latent"]], rel=1e-3
    )
    loaded: Any = load_causal_lm(str(trl.model("latent")), ModelConfig(dtype="float32", device="cpu")).model
    assert "lora" not in " ".join(name for name, _ in loaded.named_parameters())


@pytest.mark.parametrize("with_adapters", [False, True])
def test_a_run_that_was_stopped_goes_on_to_the_same_weights(
    with_adapters: bool, encoded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: dict[str, Any] = {"methods": ("latent",), "trainer": "trl"}
    if with_adapters:
        first = finetune(tiny(encoded, run=tmp_path / "first", methods=("cot",)))
        without_codes(first.model("cot"), encoded, tmp_path / "base")
        changes |= {"model": str(tmp_path / "base"), "adapter": {"rank": 2}}
        changes |= {"model_options": {"dtype": "float32", "device": "cpu"}}
    alone = finetune(tiny(encoded, run=tmp_path / "alone", **changes))
    from reasonry.core.work import Work

    calls = [0]

    def stop(self: Work, **_: Any) -> None:
        calls[0] += 1
        if calls[0] == 5:
            raise Interrupted("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(Work, "tick", stop)
        with pytest.raises(Interrupted):
            finetune(tiny(encoded, run=tmp_path / "run", **changes))
    again = finetune(tiny(encoded, run=tmp_path / "run", **changes))
    assert again.logs == alone.logs
    one, other = (
        {k: v for k, v in fingerprint(d.folder).items() if "/model/" in k or k.endswith("metrics.jsonl")}
        for d in (alone, again)
    )
    assert one == other


def test_a_batch_that_cannot_be_shared_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(ConfigError, match="a batch of 4 rows for 3 processes"):
        sft_config(task(), output_dir=tmp_path, num_rows=8, save_every=1, use_cpu=True)


def _tokenizer() -> Any:
    from reasonry.core.models.word_level import word_level_tokenizer

    return word_level_tokenizer([str(number) for number in range(20)])
