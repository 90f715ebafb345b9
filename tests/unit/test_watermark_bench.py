"""``watermark bench`` on a tiny model: what a run leaves, that it goes on where it was killed, that no key is left."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.secret_search import shows_a_secret
from tests.watermark_words import make_word_model

from reasonry.cli import watermark_bench
from reasonry.cli.output import Output
from reasonry.core import jsonl
from reasonry.core.config import from_dict, read_toml
from reasonry.core.report import render_html
from reasonry.core.rows import FileStore
from reasonry.errors import ConfigError, RunMismatchError
from reasonry.watermark.bench import measure
from reasonry.watermark.bench.report import build_report, remarks, table_of
from reasonry.watermark.bench.run import Benched, bench, make_attacks, results_json
from reasonry.watermark.bench.schemes import bench_key, make_bench_scheme, make_bench_schemes
from reasonry.watermark.config import AnchorConfig, BenchConfig

STORES = ("texts.jsonl", "detections.jsonl", "false_alarms.jsonl", "quality.jsonl")
RESULTS = (*STORES, "results.json", "made_with.json")
SCHEMES = ("anchored", "anchored:bet=paper:0.3", "seal", "gumbel", "kgw", "none")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_word_model(tmp_path_factory.mktemp("words") / "model")


@pytest.fixture(scope="module")
def small(model: Path) -> BenchConfig:
    values: dict[str, Any] = {
        "model": str(model),
        "quality_model": str(model),
        "schemes": SCHEMES,
        "attacks": ("synonym:1", "delete:0.3"),
        "num_texts": 4,
        "sampling": {"temperature": 1.0, "max_new_tokens": 70},
        "model_options": {"dtype": "float32", "device": "cpu"},
    }
    return BenchConfig.model_validate(values)


@pytest.fixture(scope="module")
def done(small: BenchConfig, tmp_path_factory: pytest.TempPathFactory) -> Benched:
    return bench(small.with_(run=tmp_path_factory.mktemp("done") / "run"))


def content(folder: Path, names: tuple[str, ...] = RESULTS) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names}


# ---------------------------------------------------------------- what a run leaves


def test_texts_are_sampled_once_per_mark_and_read_by_every_scheme(done: Benched) -> None:
    texts, detections, alarms, quality = (list(jsonl.read(done.folder / name)) for name in STORES)
    marks = {make_bench_scheme(s).mark for s in SCHEMES}
    assert len(marks) == 4 and len(texts) == 4 * 4
    assert len(detections) == 5 * 4 * 3  # schemes that mark, texts, no attack and two
    assert len(alarms) == 5 * 4 and {row["num_keys"] for row in alarms} == {50}
    assert len(quality) == 4 * 4 + 3 * 4 * 2  # attacks on unmarked text say nothing
    assert all(row["num_survived"] == row["num_tok"] > 0 for row in texts), "words come back from their text"
    assert all(0.5 < row["entropy_nats"] < np.log(200) for row in texts)
    of_a_text = {(row["scheme"], row["attack"], row["fixed"]) for row in detections if row["id"] == "book-01"}
    for attack in ("", "synonym:1", "delete:0.3"):
        ours, paper, seal = (next(f for s, a, f in of_a_text if (s, a) == (n, attack)) for n in SCHEMES[:3])
        assert ours == paper == seal, "one text, one exact test"


def test_marks_are_found_and_unmarked_text_is_not(done: Benched) -> None:
    found = {s.name: s for s in done.results.schemes}
    for name in ("anchored", "gumbel"):
        assert found[name].plain.shares["e"].num >= 3, "these laws leave much to chance"
        assert found[name].plain.sizes["e"].median_tok < 70
        alarms = found[name].false_alarms
        assert alarms is not None and alarms["e"].num <= 10 and alarms["e"].total == 200
    assert found["seal"].anytime == "bonferroni" and "e" not in found["seal"].plain.sizes
    assert found["anchored"].plain.changed == 0 and found["anchored"].attacks[1].changed > 0.5
    after = [a.shares["e"].num for a in found["anchored"].attacks]
    assert after[0] > after[1], "with every word exchanged the mark is gone"


def test_attacks_cost_quality_and_resistance_is_within_its_bounds(done: Benched) -> None:
    for s in done.results.schemes:
        plain, synonyms, deleted = (a.quality for a in s.attacks)
        assert plain is not None and synonyms is not None and deleted is not None
        assert synonyms < plain and deleted < plain
        assert s.resistance is not None and 0 <= s.resistance["anytime"].value <= 0.5
    kgw = next(s for s in done.results.schemes if s.name == "kgw")
    assert kgw.extra_bits is not None and kgw.extra_bits.num == 4


def test_the_results_are_plain_json(done: Benched) -> None:
    said = json.loads((done.folder / "results.json").read_text("utf-8"))
    assert said == json.loads(json.dumps(results_json(done), allow_nan=False))
    assert [s["name"] for s in said["schemes"]] == list(SCHEMES[:-1])
    assert set(said["rules"]) == {"fixed", "peek", "bonferroni", "e"}


def test_the_report_has_both_rules_everywhere(done: Benched) -> None:
    report = build_report(done, command="reasonry watermark bench")
    assert [s.title for s in report.sections] == [
        "Tokens until detection",
        "What survives",
        "Quality",
        "False alarms",
        "Power against entropy",
        "Run",
    ]
    page = report.to_json()
    tables = {b["title"]: b for s in page["sections"] for b in s["blocks"] if b["kind"] == "table"}
    for title in ("Sizes under every rule", "Sizes over texts and attacks together", "Every attack"):
        heads = " ".join(column["title"] for column in tables[title]["columns"])
        assert "MarkMyWords" in heads and ("e-process" in heads or "anytime" in heads)
    assert len(tables["Every attack"]["rows"]) == 5 * 3
    assert "Watermarks on" in render_html(page)
    columns, rows = table_of(done)
    assert len(rows) == len(SCHEMES) and all(len(row) == len(columns) for row in rows)
    assert rows[2][0] == "seal" and "Bonferroni" in rows[2][3]
    assert remarks(done) == ["4 texts are too few for a 95 % interval of a median; it takes 6"]


def test_every_block_of_the_report_is_left_out_with_what_it_shows(small: BenchConfig, tmp_path: Path) -> None:
    bare = small.with_(schemes=("seal",), attacks=(), quality_model="", num_texts=1, run=tmp_path / "run")
    report = build_report(bench(bare), command="again")
    assert report.sections[0].title == "Tokens until detection"
    assert not {"What survives", "Quality", "False alarms"} & {s.title for s in report.sections}


# ---------------------------------------------------------------- runs that go on


def test_a_finished_run_loads_no_model_and_says_the_same(done: Benched, monkeypatch: pytest.MonkeyPatch) -> None:
    import reasonry.core.models as models

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(models, "load_causal_lm", refuse)
    before = content(done.folder)
    again = bench(done.config)
    assert content(done.folder) == before
    assert again.results == done.results


class _Killer:
    """Lets some rows be written, then stops the run in the middle of the next one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows_left = 0
        self._put = FileStore.put
        monkeypatch.setattr(FileStore, "put", lambda store, row: self._count(store, row))

    def _count(self, store: FileStore, row: dict[str, Any]) -> None:
        if self.rows_left == 0:
            raise KeyboardInterrupt
        self.rows_left -= 1
        self._put(store, row)


def test_a_run_that_is_killed_again_and_again_ends_in_the_same_bytes(
    small: BenchConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = small.with_(schemes=("anchored", "exp", "none"), num_texts=3, attacks=("delete:0.3",))
    whole = bench(quick.with_(run=tmp_path / "whole"))
    killed = quick.with_(run=tmp_path / "killed")
    rng = np.random.default_rng(0)
    killer = _Killer(monkeypatch)
    num_kills = 0
    while True:
        killer.rows_left = int(rng.integers(2, 9))
        try:
            bench(killed, say=lambda line: None)
            break
        except KeyboardInterrupt:
            num_kills += 1
        there = [path for name in STORES if (path := tmp_path / "killed" / name).exists()]
        torn = max(there, key=lambda path: path.stat().st_mtime_ns)
        if num_kills % 2:  # the last row was only half on the disk
            torn.write_bytes(torn.read_bytes()[:-9])
    assert num_kills >= 5
    assert content(tmp_path / "killed") == content(whole.folder)


def test_more_texts_keep_those_that_are_there(small: BenchConfig, tmp_path: Path) -> None:
    quick = small.with_(schemes=("gumbel", "none"), attacks=("synonym:1",), quality_model="", run=tmp_path / "run")
    bench(quick.with_(num_texts=2))
    before = content(tmp_path / "run", STORES[:3])
    grown = bench(quick.with_(num_texts=5))
    for name, old in before.items():
        assert (tmp_path / "run" / name).read_bytes().startswith(old)
    assert grown.results.schemes[0].plain.sizes["e"].num_texts == 5
    fresh = bench(quick.with_(num_texts=5, run=tmp_path / "fresh"))
    assert fresh.results == grown.results


def test_the_batch_size_changes_nothing(small: BenchConfig, done: Benched, tmp_path: Path) -> None:
    other = bench(small.with_(schemes=("gumbel",), num_texts=4, batch_size=1, quality_model="", run=tmp_path / "run"))
    assert [t["text"] for t in other.texts] == [t["text"] for t in done.texts if t["mark"] == "gumbel"]


def test_other_prompts_or_weights_are_not_mixed_in(small: BenchConfig, tmp_path: Path) -> None:
    file, run, model = tmp_path / "prompts.jsonl", tmp_path / "run", make_word_model(tmp_path / "model")
    file.write_text('{"prompt": "about"}\n', "utf-8")
    quick = small.with_(
        prompts=str(file), model=str(model), schemes=("gumbel",), attacks=(), quality_model="", num_texts=1, run=run
    )
    bench(quick)
    before = content(run, ("texts.jsonl", "made_with.json"))
    file.write_text('{"prompt": "above"}\n', "utf-8")
    with pytest.raises(RunMismatchError, match="the prompt '1' is another one"):
        bench(quick)
    file.write_text('{"prompt": "about"}\n', "utf-8")
    make_word_model(model, seed=2)
    with pytest.raises(RunMismatchError, match="the run began with the model"):
        bench(quick.with_(num_texts=2))
    assert content(run, ("texts.jsonl", "made_with.json")) == before


# ---------------------------------------------------------------- keys, anchors, refusals


def test_no_key_is_left_in_the_run_directory(done: Benched) -> None:
    seed = done.config.seed
    keys = [bench_key(seed, t["mark"], t["id"], t["index"]) for t in done.texts]
    keys += [bench_key(seed, "false alarm", t["id"], t["index"], k) for t in done.texts[:4] for k in range(50)]
    text = "".join(p.read_bytes().decode("latin-1") for p in sorted(done.folder.rglob("*")) if p.is_file())
    assert len(text) > 10_000
    for key in keys:
        assert not shows_a_secret(text, bytes.fromhex(key.reveal_hex()))
        assert key.key_id not in re.findall(r"[0-9a-f]{8}", text)
    canary = keys[0].reveal_hex()
    assert shows_a_secret(text + canary, bytes.fromhex(canary)), "this test can fail"


def test_a_model_as_anchor_is_read_once_for_all_schemes_of_a_text(
    small: BenchConfig, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reasonry.watermark.anchors.model import ModelAnchor

    calls: list[int] = []
    plain = ModelAnchor.read

    def noting(self: ModelAnchor, ids: Any, position: Any, words: Any, num_bins: int) -> Any:
        calls.append(len(words))
        return plain(self, ids, position, words, num_bins)

    monkeypatch.setattr(ModelAnchor, "read", noting)
    quick = small.with_(
        schemes=("anchored:num_bins=4", "seal:num_bins=4", "none"), attacks=(), num_texts=2, quality_model=""
    )
    for kind, name in (("self", ""), ("model", str(model))):
        calls.clear()
        anchor = AnchorConfig(kind=kind, model=name, context_tok=5)  # pyright: ignore[reportArgumentType]
        found = bench(quick.with_(anchor=anchor, run=tmp_path / kind))
        assert calls == [1, 1, 50, 50]
        ours, seal = found.results.schemes
        assert ours.plain.shares["fixed"].num == seal.plain.shares["fixed"].num == 2, "the anchor is the model itself"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sampling": {"temperature": 0.0}}, "temperature 0"),
        ({"schemes": ("gumble",)}, "Did you mean 'gumbel'"),
        ({"attacks": ("deletion:0.1",)}, "unknown attack 'deletion'"),
        ({"attacks": ("typo",)}, "typo needs a probability"),
        ({"anchor": {"kind": "model"}}, "anchor.model is ''"),
        ({"anchor": {"model": "smollm2-135m"}}, "anchor.kind is 'uniform'"),
        ({"quality_model": "no-such"}, "unknown model 'no-such'"),
    ],
)
def test_a_slip_leaves_no_run_directory(small: BenchConfig, tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    config = BenchConfig.model_validate({**small.model_dump(), **changes, "run": tmp_path / "run"})
    with pytest.raises(ConfigError, match=said):
        bench(config)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("recipe", [None, "smoke.toml", "paper.toml"])
def test_defaults_and_recipes_name_schemes_and_attacks_that_there_are(recipe: str | None) -> None:
    folder = Path(__file__).parents[2] / "recipes" / "watermark"
    config = BenchConfig() if recipe is None else from_dict(BenchConfig, read_toml(folder / recipe))
    assert make_attacks(config.attacks)
    assert len(make_bench_schemes(config.schemes)) == len(config.schemes)


def test_nothing_heavy_is_loaded_before_it_is_needed() -> None:
    code = (
        "import sys, reasonry.cli.watermark_bench, reasonry.watermark.bench.run, reasonry.watermark.bench.report\n"
        "print([name for name in ('torch', 'transformers', 'altair') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_the_verb_prints_a_table_and_one_json_object(done: Benched, capsys: pytest.CaptureFixture[str]) -> None:
    config = str(done.folder / "config.toml")
    assert watermark_bench.main([f"@{config}", "--run", str(done.folder)], Output(as_json=True)) == 0
    printed = capsys.readouterr()
    said = json.loads(printed.out)
    assert said["run"] == str(done.folder) and Path(said["report"]).exists()
    assert "MarkMyWords size" in printed.err and "anytime size" in printed.err
    assert measure.RULES == ("fixed", "bonferroni", "e")
