"""``fit-codes`` as a user runs it: what it writes and says, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from tests.latent_codes import fingerprint, fit_config, write_data

from reasonry.cli.main import main
from reasonry.errors import ConfigError, DataError, Interrupted, RunMismatchError
from reasonry.training.latent_tokens.codes import learner as learning
from reasonry.training.latent_tokens.codes.fit import fit_codes
from reasonry.training.latent_tokens.codes.report import fit_report
from reasonry.training.latent_tokens.codes.saving import load_codes

FLAGS = [
    "--tokenizer",
    "words",
    "--num-train",
    "60",
    "--num-validation",
    "12",
    "--codec.chunk-tok",
    "4",
    "--codec.num-codes",
    "16",
    "--codec.width",
    "16",
    "--codec.heads",
    "2",
    "--codec.encoder-layers",
    "1",
    "--codec.decoder-layers",
    "1",
    "--steps",
    "12",
    "--batch-size",
    "16",
    "--look-every",
    "6",
    "--model-options.device",
    "cpu",
]


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "texts.jsonl")


def test_the_command_line_learns_codes_and_says_how_good_they_are(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    args = ["train", "latent-tokens", "fit-codes", str(data), *FLAGS, "--run", str(run), "--json"]
    assert main(args) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["codes"] == str(run / "codes")
    results = found["results"]
    assert results == json.loads((run / "results.json").read_text())
    assert 0 < results["held_out"]["own"]["accuracy"] < 1
    assert results["bits_bound"] == 1.0
    assert results["use"]["num_codes"] == 16
    assert sum(results["counts"]) == results["sizes"]["num_cot_chunks"]
    assert results["sizes"]["num_parameters"] > 1000
    assert {"codec.safetensors", "latent_config.json", "tokenizer"} == {p.name for p in (run / "codes").iterdir()}
    assert main(args) == 0  # nothing is left to do, and it is said once more
    assert json.loads(capsys.readouterr().out)["results"] == results


def test_the_report_shows_reconstruction_use_and_what_codes_stand_for(data: Path, tmp_path: Path) -> None:
    done = fit_codes(fit_config(data, tmp_path / "run"))
    body = json.dumps(fit_report(done, command="again").to_json())
    for said in ("Tokens that come back", "codes of other chunks", "Use of the codes", "The most frequent codes", "w1"):
        assert said in body
    assert all(len(each.text.split()) == 4 for each in done.shown)
    assert [row["step"] for row in done.rows if "eval/nll" in row] == [10, 20, 30]
    assert done.meanings[0].num == max(done.counts)
    assert all(len(each.nearest) <= 3 for each in done.meanings)


def test_a_stopped_run_goes_on_to_the_same_bytes(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit_codes(fit_config(data, tmp_path / "whole"))
    step = learning.CodecLearner.step

    def stop(self: Any, at: int) -> Any:
        if at == 17:
            raise Interrupted("stopped")
        return step(self, at)

    monkeypatch.setattr(learning.CodecLearner, "step", stop)
    with pytest.raises(Interrupted):
        fit_codes(fit_config(data, tmp_path / "stopped"))
    with pytest.raises(DataError, match="not been finished"):
        load_codes(tmp_path / "stopped")
    monkeypatch.setattr(learning.CodecLearner, "step", step)
    fit_codes(fit_config(data, tmp_path / "stopped"))
    assert fingerprint(tmp_path / "stopped") == fingerprint(tmp_path / "whole")


@pytest.mark.parametrize(
    "codec",
    [
        {"context": "causal", "context_chunks": 1},
        {"quantizer": "fsq", "levels": (4, 4)},
        {"codebook": "gradient"},
        {"codes_per_chunk": 2},
    ],
)
def test_every_kind_of_codec_learns(codec: dict[str, Any], data: Path, tmp_path: Path) -> None:
    done = fit_codes(fit_config(data, tmp_path / "run", codec=codec))
    assert done.rows[-1]["nll"] < done.rows[0]["nll"]
    assert load_codes(done.folder).codec.config == done.config.codec


def test_codes_can_be_learnt_of_reasoning_alone(data: Path, tmp_path: Path) -> None:
    whole = fit_codes(fit_config(data, tmp_path / "all", steps=2))
    cot = fit_codes(fit_config(data, tmp_path / "cot", steps=2, train_on="reasoning"))
    assert cot.sizes["num_chunks"] == cot.sizes["num_cot_chunks"] == whole.sizes["num_cot_chunks"]
    assert whole.sizes["num_chunks"] > whole.sizes["num_cot_chunks"]


def test_mazes_have_a_token_for_every_word(tmp_path: Path) -> None:
    done = fit_codes(fit_config("maze:tiny", tmp_path / "run", tokenizer="", steps=3, num_train=20))
    tokenizer: Any = load_codes(done.folder).tokenizer
    assert tokenizer.tokenize("create 1 2 carry none c3 c4") == ["create", "1", "2", "carry", "none", "c3", "c4"]
    assert "create" in done.shown[0].text or "close" in done.shown[0].text


def test_a_collapsed_codebook_is_told(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(learning.CodecLearner, "_start", lambda self: self.codec.quantizer.vectors_KD.fill_(9.0))
    config = fit_config(data, tmp_path / "run", steps=2, codebook={"revive": False, "free": 0.0})
    done = fit_codes(config, say=said.append)
    assert done.is_collapsed
    assert any("the codebook is collapsed: 1 of 16 codes" in line for line in said)
    assert "is collapsed" in json.dumps(fit_report(done).to_json())


# ---------------------------------------------------------------- bad input


def test_data_without_a_whole_chunk_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no training text has 400 tokens.*chunk-tok"):
        fit_codes(fit_config(data, tmp_path / "run", codec={"chunk_tok": 400}))


def test_reasoning_shorter_than_a_chunk_is_told(tmp_path: Path) -> None:
    said: list[str] = []
    data = write_data(tmp_path / "short.jsonl", steps=1)
    config = fit_config(data, tmp_path / "run", codec={"chunk_tok": 8}, steps=2)
    fit_codes(config, say=said.append)
    assert any("nothing will ever be replaced by a code" in line for line in said)
    with pytest.raises(DataError, match="no reasoning has 8 tokens"):
        fit_codes(fit_config(data, tmp_path / "other", codec={"chunk_tok": 8}, train_on="reasoning"))


def test_other_texts_under_the_same_name_are_refused(data: Path, tmp_path: Path) -> None:
    fit_codes(fit_config(data, tmp_path / "run", steps=2))
    write_data(data, seed=9)
    with pytest.raises(RunMismatchError, match="texts"):
        fit_codes(fit_config(data, tmp_path / "run", steps=2))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"tokenizer": "no-such-model"}, ConfigError),
        ({"data": "mazes"}, ConfigError),
        ({"data": "a/b.jsonl"}, DataError),
    ],
)
def test_names_that_stand_for_nothing_are_refused(
    changes: dict[str, Any], error: type[Exception], data: Path, tmp_path: Path
) -> None:
    with pytest.raises(error):
        fit_codes(fit_config(**{"data": data, "run": tmp_path / "run", **changes}))


def test_a_loss_that_is_no_number_ends_the_run(data: Path, tmp_path: Path) -> None:
    from reasonry.errors import CheckFailed

    with pytest.raises(CheckFailed, match="lower --lr"):
        fit_codes(fit_config(data, tmp_path / "run", lr=1e30, max_grad_norm=1e30, warmup_steps=0))
