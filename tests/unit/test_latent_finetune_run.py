"""Whole fine-tunings: what they write, that they go on, what they refuse, and what the saved models are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from tests.latent_finetune_runs import NUM_TRAIN, fingerprint, make_codes, make_encoded, tiny, without_codes

from reasonry.core import jsonl
from reasonry.core.models import load_causal_lm
from reasonry.core.models.config import ModelConfig
from reasonry.core.report import Report
from reasonry.errors import ConfigError, RunMismatchError
from reasonry.training.latent_tokens.encoded import INFO, ROWS, read_encoded
from reasonry.training.latent_tokens.finetune.prepare import prepare
from reasonry.training.latent_tokens.finetune.report import finetune_report, result_table
from reasonry.training.latent_tokens.finetune.results import Finetuned
from reasonry.training.latent_tokens.finetune.run import finetune
from reasonry.training.latent_tokens.mixing.merged import read_latent_config
from reasonry.training.latent_tokens.mixing.methods import METHODS

CPU = ModelConfig(dtype="float32", device="cpu")


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("encoded")
    return make_encoded(root / "encoded", make_codes(root / "codes"))


@pytest.fixture(scope="module")
def done(encoded: Path, tmp_path_factory: pytest.TempPathFactory) -> Finetuned:
    folder = tmp_path_factory.mktemp("run") / "run"
    return finetune(tiny(encoded, run=folder, methods=("latent", "cot", "truncated")))


# ---------------------------------------------------------------- what is written


def test_every_method_leaves_a_log_a_model_and_results(done: Finetuned) -> None:
    for name in ("latent", "cot", "truncated"):
        rows = list(jsonl.read(done.folder / name / "metrics.jsonl"))
        assert [row["step"] for row in rows] == list(range(1, 8))
        assert {"config.json", "model.safetensors", "tokenizer.json", "latent_config.json"} <= {
            path.name for path in done.model(name).iterdir()
        }
        assert json.loads((done.folder / name / "results.json").read_text())["num_steps"] == 7
    found = json.loads((done.folder / "results.json").read_text())
    assert found == done.to_json()
    assert (found["num_train"], found["num_left_out"], found["num_held_out"]) == (NUM_TRAIN, 0, 4)
    latent, cot, truncated = done.methods
    assert latent.codes > 0
    assert (cot.codes, truncated.codes) == (0, 0)
    assert latent.text_tok == truncated.text_tok < cot.text_tok
    assert latent.num_parameters == cot.num_parameters


def test_a_saved_model_is_a_plain_checkpoint_that_says_what_its_codes_are(done: Finetuned, encoded: Path) -> None:
    loaded: Any = load_causal_lm(str(done.model("latent")), CPU)
    info = read_encoded(encoded).info
    config = read_latent_config(done.model("latent"))
    assert config.ids is not None
    assert (config.method, config.chunk_tok, config.codes_hash) == ("latent", info.chunk_tok, info.codes_hash)
    assert loaded.tokenizer.convert_tokens_to_ids("<|latent_3|>") == config.ids.first_code + 3
    assert loaded.model.get_input_embeddings().weight.shape[0] % 64 == 0
    assert config.max_codes == max(len(row.codes) for row in read_encoded(encoded).of("train"))
    assert (done.model("latent") / config.more["encoded"]).resolve() == encoded.resolve()
    assert (done.model("latent") / config.more["codes"]).resolve() == info.codes_folder.resolve()
    assert read_latent_config(done.model("cot")).max_codes == 0


def test_a_saved_model_gives_the_logits_of_the_trained_one(encoded: Path, tmp_path: Path) -> None:
    config = tiny(encoded, run=tmp_path / "run", methods=("latent",))
    done = finetune(config)
    learnt: Any = load_causal_lm(str(done.model("latent")), CPU).model
    stored = next(iter((done.folder / "latent" / "checkpoints").glob("step-000007")))
    from safetensors.torch import load_file

    weights = load_file(stored / "weights.safetensors")
    again = prepare(config).make_model().model
    again.load_state_dict(weights, strict=False)
    ids = torch.tensor([[4, 5, 6, 15, 17, 16, 7]])
    assert torch.equal(again.eval()(ids).logits, learnt(ids).logits)


# ---------------------------------------------------------------- going on


def test_a_finished_run_is_read_and_methods_can_be_added(encoded: Path, tmp_path: Path) -> None:
    config = tiny(encoded, run=tmp_path / "run", methods=("cot",))
    finetune(config)
    before = fingerprint(tmp_path / "run" / "cot")
    told: list[str] = []
    more = finetune(tiny(encoded, run=tmp_path / "run", methods=("latent", "cot")), say=told.append)
    assert [method.name for method in more.methods] == ["latent", "cot"]
    assert fingerprint(tmp_path / "run" / "cot") == before
    alone = finetune(tiny(encoded, run=tmp_path / "alone", methods=("latent", "cot")))
    assert fingerprint(alone.folder) == fingerprint(more.folder)


def test_other_settings_or_examples_are_refused_in_the_same_directory(encoded: Path, tmp_path: Path) -> None:
    finetune(tiny(encoded, run=tmp_path / "run", methods=("cot",)))
    with pytest.raises(RunMismatchError, match=r"optimizer.lr: 0.01 -> 0.02"):
        finetune(tiny(encoded, run=tmp_path / "run", methods=("cot",), optimizer={"lr": 0.02}))
    rows = (encoded / ROWS).read_text().splitlines()
    changed = json.loads(rows[0])
    changed["answer_ids"][1] = 4 + (changed["answer_ids"][1] - 3) % 10
    (encoded / ROWS).write_text("\n".join([json.dumps(changed), *rows[1:]]) + "\n")
    try:
        with pytest.raises(RunMismatchError, match="the run began with the examples"):
            finetune(tiny(encoded, run=tmp_path / "run", methods=("cot",)))
    finally:
        (encoded / ROWS).write_text("\n".join(rows) + "\n")


def test_answers_can_be_looked_at_when_a_model_is_finished(encoded: Path, tmp_path: Path) -> None:
    asked: list[tuple[Path, Path, str]] = []

    def look(model: Path, encoded: Path, *, method: str, say: Any) -> dict[str, Any]:
        asked.append((model, encoded, method))
        assert (model / "config.json").is_file()
        return {"accuracy": 0.5}

    done = finetune(tiny(encoded, run=tmp_path / "run", methods=("cot",)), evaluate_answers=look)
    assert asked == [(done.model("cot"), encoded, "cot")]
    assert done.methods[0].answers == {"accuracy": 0.5}
    assert finetune(tiny(encoded, run=tmp_path / "run", methods=("cot",))).methods[0].answers == {"accuracy": 0.5}


# ---------------------------------------------------------------- what is refused


def test_codes_of_another_codebook_are_refused(tmp_path: Path) -> None:
    encoded = make_encoded(tmp_path / "encoded", make_codes(tmp_path / "codes"))
    make_codes(tmp_path / "codes", seed=1)
    for changes in ({}, {"init": "codebook"}):
        with pytest.raises(ConfigError, match="are not those of the encoded examples"):
            finetune(tiny(encoded, run=tmp_path / f"run{len(changes)}", **changes))


def test_a_model_with_another_tokenizer_is_refused_before_it_is_loaded(
    encoded: Path, tmp_path: Path, tiny_model: Path
) -> None:
    with pytest.raises(ConfigError, match=r"this tokenizer .* is not the one that the codes were made with"):
        finetune(tiny(encoded, run=tmp_path / "run", model=str(tiny_model)))
    assert not (tmp_path / "run").exists()


def test_bad_settings_are_refused(encoded: Path) -> None:
    for changes, match in (
        ({"methods": ("latents",)}, "unknown method 'latents'"),
        ({"methods": ("cot", "cot")}, "named twice"),
        ({"adapter": {"rank": 4}}, "adapters belong into a model that has learnt something"),
        ({"shape": {"width": 15}}, "no multiple of 2 heads"),
        ({"shape": {"kind": "llama", "dropout": 0.1}}, "llama has no dropout"),
    ):
        with pytest.raises(ConfigError, match=match):
            tiny(encoded, **changes)


def test_an_encoding_that_was_not_finished_is_refused(encoded: Path, tmp_path: Path) -> None:
    half = tmp_path / "half"
    half.mkdir()
    (half / ROWS).write_text((encoded / ROWS).read_text())
    with pytest.raises(Exception, match="its encoding has not been finished"):
        finetune(tiny(half, run=tmp_path / "run"))
    assert not (half / INFO).exists()


# ---------------------------------------------------------------- other models


def test_a_llama_is_made_and_its_embeddings_may_begin_as_the_codebook(encoded: Path, tmp_path: Path) -> None:
    shape = {"kind": "llama", "num_layers": 1, "width": 16, "num_heads": 2}
    config = tiny(encoded, run=tmp_path / "run", methods=("latent",), shape=shape, init="codebook", steps=2)
    assert load_causal_lm(str(finetune(config).model("latent")), CPU).model.config.model_type == "llama"


def test_adapters_are_merged_into_the_saved_model_and_old_rows_stay(encoded: Path, tmp_path: Path) -> None:
    first = finetune(tiny(encoded, run=tmp_path / "first", methods=("cot",)))
    base = tmp_path / "base"
    without_codes(first.model("cot"), encoded, base)
    config = tiny(
        encoded, run=tmp_path / "run", methods=("latent",), model=str(base), adapter={"rank": 2}, model_options=CPU
    )
    done = finetune(config)
    result = done.methods[0]
    assert result.num_parameters[0] < result.num_parameters[1]
    before: Any = load_causal_lm(str(base), CPU).model
    after: Any = load_causal_lm(str(done.model("latent")), CPU).model
    num = before.get_input_embeddings().weight.shape[0]
    assert torch.equal(before.get_input_embeddings().weight, after.get_input_embeddings().weight[:num])
    ids = read_latent_config(done.model("latent")).ids
    assert ids is not None
    prepared: Any = prepare(config).make_model().model
    begun = prepared.get_base_model().get_input_embeddings()
    start = getattr(begun, "original_module", getattr(begun, "base_layer", begun)).weight[list(ids.added)[:4]]
    assert not torch.equal(start, after.get_input_embeddings().weight[list(ids.added)[:4]])
    assert "lora" not in " ".join(name for name, _ in after.named_parameters())


# ---------------------------------------------------------------- methods and report


def test_every_method_can_be_trained(encoded: Path, tmp_path: Path) -> None:
    done = finetune(tiny(encoded, run=tmp_path / "run", methods=tuple(METHODS), steps=2))
    assert [method.name for method in done.methods] == list(METHODS)
    assert read_latent_config(done.model("pause")).num_pauses > 0


def test_the_report_has_every_method_and_the_table_every_number(done: Finetuned) -> None:
    report = finetune_report(done, command="reasonry again")
    assert isinstance(report, Report)
    text = str(report)
    assert all(name in text for name in ("latent", "cot", "truncated", "reasonry again"))
    assert "No control" not in text
    columns, rows = result_table(done)
    assert [len(row) for row in rows] == [len(columns)] * 3
    alone = done._replace(methods=done.methods[:1])
    assert "No control" in str(finetune_report(alone))
