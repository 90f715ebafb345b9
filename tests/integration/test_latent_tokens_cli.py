"""``reasonry train latent-tokens`` as a user runs it: all stages, a stage alone, again, and mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.latent_finetune_runs import fingerprint, make_codes, make_encoded, write_sums

from reasonry.cli import main as cli
from reasonry.core import jsonl

ROOT = Path(__file__).parents[2]

RECIPE = """\
num_train = 24
num_validation = 6
seed = 3

[codes]
steps = 6
batch_size = 16
look_every = 3

[codes.codec]
chunk_tok = 4
num_codes = 8
width = 8
heads = 2

[finetune]
methods = ["latent", "cot"]
steps = 6

[finetune.mix]
law = "scaled"

[finetune.optimizer]
batch_size = 8

[finetune.shape]
num_layers = 1
width = 16
num_heads = 2

[finetune.looks]
num = 4

[answers]
num = 4
max_new_tokens = 12
"""


def _run(args: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any], str]:
    code = cli.main([*args, "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out) if out.strip() else {}, err


def test_all_stages_come_from_one_recipe_and_the_same_command_repeats_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    data, folder = write_sums(tmp_path / "sums.jsonl"), tmp_path / "run"
    args = ["train", "latent-tokens", str(data), f"@{tmp_path / 'recipe.toml'}", "--run", str(folder)]
    code, found, err = _run(args, capsys)
    assert code == 0, err
    assert "Learnt tokens of a row" in err
    assert f"model  {folder}/finetune/latent/model" in err
    assert set(found["results"]) == {"codes", "encoded", "finetune", "evaluation"}
    assert [m["name"] for m in found["results"]["finetune"]["methods"]] == ["latent", "cot"]
    assert [m["name"] for m in found["results"]["evaluation"]["methods"]] == ["latent", "cot"]
    assert {p.name for p in folder.iterdir() if p.is_dir()} == {"codes", "encoded", "finetune", "evaluation"}
    before = fingerprint(folder)
    code, again, _ = _run(args, capsys)
    assert (code, again["results"]) == (0, found["results"])
    assert fingerprint(folder) == before
    code, _, err = _run([*args, "--finetune.steps", "7"], capsys)
    assert code == 2
    assert "finetune.steps: 6 -> 7" in err


def test_fine_tuning_alone_says_what_it_learnt_and_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    encoded = make_encoded(tmp_path / "encoded", make_codes(tmp_path / "codes"))
    flags = "--steps 4 --optimizer.batch-size 8 --shape.num-layers 1 --shape.width 16 --shape.num-heads 2 --looks.num 4"
    args = ["train", "latent-tokens", "finetune", str(encoded), "--run", str(tmp_path / "run"), *flags.split()]
    code, found, err = _run([*args, "--methods", "cot", "truncated", "--mix.law", "all"], capsys)
    assert code == 0, err
    assert (tmp_path / "run" / "cot" / "model" / "config.json").is_file()
    assert sorted(found["models"]) == ["cot", "truncated"]
    assert "again  reasonry train latent-tokens finetune @" in err
    assert len(list(jsonl.read(tmp_path / "run" / "truncated" / "metrics.jsonl"))) == 4


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["finetune", "nowhere"], 3, "no encoded examples here"),
        (["finetune", "nowhere", "--methods", "latnt"], 2, "Did you mean 'latent'"),
        (["finetune", "nowhere", "--mix.lawe", "all"], 2, "unknown flag '--mix.lawe'"),
        (["finetune", "nowhere", "--adapter.rank", "4"], 2, "adapters belong into a model that has learnt something"),
        (["--finetune.shape.width", "30"], 2, "no multiple of 4 heads"),
        (["no-such-data"], 2, "no-such-data"),
    ],
)
def test_mistakes_are_told_and_leave_no_run_behind(
    args: list[str], code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, _, err = _run(["train", "latent-tokens", *args, "--run", str(tmp_path / "run")], capsys)
    assert found == code, err
    assert said in err
    assert not (tmp_path / "run").exists() or args == ["no-such-data"]


@pytest.mark.parametrize("verb", [[], ["finetune"]])
def test_help_pages_are_short(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["train", "latent-tokens", *verb, "--help"])
    assert ended.value.code == 0
    assert len(capsys.readouterr().out.splitlines()) <= 60


@pytest.mark.slow
def test_the_smoke_recipe_shows_the_numbers_it_promises(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = ROOT / "recipes" / "latent_tokens" / "smoke.toml"
    said = recipe.read_text("utf-8").splitlines()[0]
    code, found, err = _run(["train", "latent-tokens", f"@{recipe}", "--run", str(tmp_path / "run")], capsys)
    assert code == 0, err
    named = {m["name"]: m for m in found["results"]["finetune"]["methods"]}
    tokens = {name: m["text_tok"] + m["codes"] + m["markers"] for name, m in named.items()}
    assert f"{tokens['latent']:.1f} tokens" in said
    assert f"{tokens['cot']:.1f}" in said
