"""False alarms are counted as a detector would raise them, and on real text they keep below alpha."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reasonry.cli.output import Output
from reasonry.cli.watermark_calibrate import main
from reasonry.core import models, seeds
from reasonry.core.report import render_html
from reasonry.core.stats import clopper_pearson
from reasonry.errors import ConfigError, DataError
from reasonry.watermark.calibration.corpus import BUILT_IN, read_corpus
from reasonry.watermark.calibration.rates import DEDUPS, Dedup, Outcome, Rate, measure, shared_contexts
from reasonry.watermark.calibration.report import build_report, table_of, title_of
from reasonry.watermark.calibration.run import calibrate, per_key, results_json
from reasonry.watermark.config import CalibrateConfig
from reasonry.watermark.detection import WatermarkDetector
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.keys.ring import KeyRing
from reasonry.watermark.profile import Profile, ProfileMismatchError, write_profile

PROFILE = Profile(vocab_size=300, tokenizer_hash="0" * 16, num_bins=4, context_tok=1)


def keys(num: int, seed: int = 0) -> list[SecretKey]:
    return [SecretKey(bytes([seed]) * 31 + bytes([i])) for i in range(num)]


def random_windows(num: int, tok: int, *, vocab: int = 300, name: str = "windows") -> np.ndarray:
    return seeds.stream(0, name).integers(0, vocab, (num, tok))


def rows(path: Path, windows: Any) -> Path:
    path.write_text("".join(json.dumps({"token_ids": [int(i) for i in w]}) + "\n" for w in windows))
    return path


# ---------------------------------------------------------------- on real text


@pytest.mark.model
def test_human_text_is_called_marked_less_often_than_alpha_and_more_often_without_skipping(tmp_path: Path) -> None:
    """The standard library's documentation: 2,000 windows of 200 tokens under 10 keys, 20,000 trials.

    Contexts of one token repeat often enough to see what skipping them is for: half of a window's contexts occurred
    before. With contexts of four tokens prose of this length repeats too little to tell.
    """
    if not models.is_installed("smollm2-135m"):
        pytest.skip("smollm2-135m is not installed")
    config = CalibrateConfig(context_tok=1, num_bins=4, num_keys=10, run=tmp_path / "run")
    done = calibrate(config)
    rates = {dedup: outcome.rate for dedup, outcome in done.outcomes.items()}
    assert done.corpus.name == BUILT_IN and rates["document"].num_trials == 20_000
    of_key_K = done.outcomes["document"].alarm_NK.mean(axis=0)
    error = of_key_K.std(ddof=1) / math.sqrt(len(of_key_K))  # windows of a key share contexts; keys are independent
    assert rates["document"].value <= 0.02 + 3 * error
    assert rates["corpus"].value <= 0.02 + 3 * error
    assert rates["none"].low > rates["document"].high, "visibly more"
    assert rates["none"].value > 0.02, "and more than alpha"
    scored = {dedup: outcome.num_scored_N.mean() for dedup, outcome in done.outcomes.items()}
    assert scored["corpus"] < scored["document"] < 0.6 * scored["none"] == pytest.approx(0.6 * 199)
    assert not done.is_above and any("context that occurred in an earlier window" in r.text for r in done.remarks)


@pytest.mark.model
def test_text_of_another_tokenizer_is_refused(tmp_path: Path, tiny_model: Path) -> None:
    if not models.is_installed("smollm2-135m"):
        pytest.skip("smollm2-135m is not installed")
    profile = read_corpus(CalibrateConfig(model=str(tiny_model))).profile
    assert profile.tokenizer == str(tiny_model)
    write_profile(tmp_path / "profile.json", profile)
    config = CalibrateConfig(profile=tmp_path / "profile.json", num_keys=1, max_windows=3, run=tmp_path / "run")
    assert calibrate(config).corpus.profile == profile
    write_profile(tmp_path / "profile.json", profile.with_(tokenizer="smollm2-135m"))
    with pytest.raises(ProfileMismatchError, match="tokenizer_hash"):
        calibrate(config.with_(run=tmp_path / "other"))
    assert not (tmp_path / "other").exists(), "refused before anything is written"


# ---------------------------------------------------------------- counting


@pytest.mark.parametrize("dedup", DEDUPS)
@pytest.mark.parametrize("num_bins", [2, 0])
def test_every_window_is_read_as_a_detector_reads_it(dedup: Dedup, num_bins: int) -> None:
    profile = PROFILE.with_(dedup=dedup, num_bins=num_bins, vocab_size=6 if num_bins == 0 else 300)
    windows = random_windows(25, 120, vocab=6)  # few tokens: contexts repeat, and alarms are frequent without skipping
    outcomes = measure(windows, profile, keys(4), alpha=0.2)
    for k, key in enumerate(keys(4)):
        found = list(WatermarkDetector(profile, [key], alpha=0.2, stops=False).detect_all(windows))
        assert [d.is_watermarked for d in found] == outcomes[dedup].alarm_NK[:, k].tolist()
        assert [d.num_scored for d in found] == outcomes[dedup].num_scored_N.tolist()
        best = [-math.log(d.p_anytime) for d in found]
        assert best == pytest.approx(outcomes[dedup].max_log_e_NK[:, k].tolist(), abs=1e-9)


def test_one_context_all_over_is_one_coin_counted_again_and_again() -> None:
    """A text of one repeated token: every keyed symbol is the same, it agrees for half of the keys."""
    windows = np.full((1, 100), 7)
    outcomes = measure(windows, PROFILE.with_(num_bins=2), keys(250), alpha=0.02)
    low, high = clopper_pearson(outcomes["none"].rate.num_alarms, 250, level=0.999)[:2]
    assert low < 0.5 < high
    assert outcomes["document"].rate.num_alarms == 0, "one coin is worth a factor of two at most"
    assert outcomes["document"].num_scored_N.tolist() == [1]


def test_a_context_counts_once_in_the_corpus() -> None:
    window = random_windows(1, 60)
    outcomes = measure(np.concatenate([window, window]), PROFILE, keys(2), alpha=0.02)
    first, second = outcomes["corpus"].num_scored_N
    assert first == outcomes["document"].num_scored_N[0] and second == 0
    assert outcomes["corpus"].max_log_e_NK[1].tolist() == [0, 0]
    assert outcomes["document"].max_log_e_NK[1].tolist() == outcomes["document"].max_log_e_NK[0].tolist()


def test_random_ids_raise_no_more_alarms_than_alpha() -> None:
    windows = random_windows(400, 100)
    outcomes = measure(windows, PROFILE.with_(context_tok=4), keys(10), alpha=0.1)
    assert outcomes["document"].rate.value > 0.02 and outcomes["document"].rate.low < 0.1
    assert outcomes["document"].alarm_NK.tolist() == outcomes["none"].alarm_NK.tolist(), "no context occurs twice"
    spread = outcomes["document"].spread
    assert spread is not None and 0.3 < spread < 2.2, "windows have nothing in common"


def test_rates_and_their_intervals() -> None:
    alarm_NK = np.zeros((200, 3), dtype=bool)
    alarm_NK[:6, 0] = True
    outcome = Outcome(np.zeros((200, 3)), alarm_NK, np.full(200, 9))
    interval = clopper_pearson(6, 600)
    assert outcome.rate == Rate(6, 600, 0.01, interval.low, interval.high)
    assert [r.num_alarms for r in outcome.rate_of_key] == [6, 0, 0]
    assert outcome.rate_of_key[0].num_trials == 200
    assert outcome.spread == pytest.approx(0.03 / math.sqrt(3) / math.sqrt(0.01 * 0.99 / 200))
    assert Outcome(np.zeros((5, 1)), np.ones((5, 1), bool), np.ones(5, int)).spread is None
    assert Outcome(np.zeros((5, 2)), np.zeros((5, 2), bool), np.ones(5, int)).spread is None


def test_contexts_in_most_windows_come_first() -> None:
    windows = np.array([[1, 2, 3, 1, 2], [9, 1, 2, 8, 8], [5, 5, 8, 8, 4]])
    found = shared_contexts(windows, 2)
    assert {(c.ids, c.num_windows) for c in found} == {((1, 2), 2), ((8, 8), 2)}
    assert shared_contexts(windows, 4) == ()


# ---------------------------------------------------------------- the corpus


def test_windows_do_not_cross_documents_and_remainders_are_left_out(tmp_path: Path) -> None:
    path = rows(tmp_path / "ids.jsonl", [range(100, 125), range(5), range(200, 210)])
    corpus = read_corpus(CalibrateConfig(corpus=str(path), window_tok=10))
    assert corpus.windows_NT.tolist() == [list(range(100, 110)), list(range(110, 120)), list(range(200, 210))]
    assert (corpus.num_documents, corpus.num_short, corpus.is_cut) == (3, 1, False)
    assert corpus.profile.vocab_size == 210 and corpus.tokenizer is None
    cut = read_corpus(CalibrateConfig(corpus=str(path), window_tok=10, max_windows=2))
    assert cut.windows_NT.tolist() == corpus.windows_NT[:2].tolist() and cut.is_cut and cut.num_documents == 1


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path, tiny_model: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "b.txt").write_text("b" * 12)
    (tmp_path / "deep" / "c.md").write_text("c" * 9)
    (tmp_path / "ignored.bin").write_bytes(b"\xff\0")
    rows(tmp_path / "a.jsonl", [[1] * 8])
    config = CalibrateConfig(corpus=str(tmp_path), window_tok=8, model=str(tiny_model))
    corpus = read_corpus(config)
    assert corpus.num_documents == 3 and corpus.windows_NT[0].tolist() == [1] * 8
    assert corpus.tokenizer.decode(corpus.windows_NT[1]) == "b" * 8
    assert corpus.tokenizer.decode(corpus.windows_NT[2]) == "c" * 8
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"the folder holds no texts.*\.txt"):
        read_corpus(config.with_(corpus=str(tmp_path / "empty")))


def test_a_corpus_without_a_window_is_refused(tmp_path: Path) -> None:
    path = rows(tmp_path / "ids.jsonl", [range(25), range(5)])
    with pytest.raises(DataError, match="no document of 2 has 30 tokens; the longest has 25"):
        read_corpus(CalibrateConfig(corpus=str(path), window_tok=30))
    with pytest.raises(ConfigError, match=r"has nothing to score.*at least 13"):
        read_corpus(CalibrateConfig(corpus=str(path), window_tok=12, context_tok=12))


@pytest.mark.parametrize("bad", [-1, 300])
def test_ids_of_another_vocabulary_are_refused(tmp_path: Path, bad: int) -> None:
    path = rows(tmp_path / "ids.jsonl", [range(20), [*range(9), bad]])
    with pytest.raises(DataError, match=f"token id {bad} is outside the vocabulary") as caught:
        read_corpus(CalibrateConfig(corpus=str(path), window_tok=8), PROFILE)
    assert caught.value.place == f"{path}:2, token 10"


def test_token_ids_need_neither_a_tokenizer_nor_transformers(tmp_path: Path) -> None:
    path = rows(tmp_path / "ids.jsonl", random_windows(4, 40))
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from reasonry.watermark.calibration.run import calibrate\n"
        "from reasonry.watermark.config import CalibrateConfig\n"
        f"run = Path({str(tmp_path / 'run')!r})\n"
        f"calibrate(CalibrateConfig(corpus={str(path)!r}, window_tok=20, num_keys=2, run=run))\n"
        "assert not {'torch', 'transformers', 'tokenizers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ---------------------------------------------------------------- keys, runs and reports


def small(tmp_path: Path, **changes: Any) -> CalibrateConfig:
    path = tmp_path / "ids.jsonl"
    if not path.exists():
        rows(path, random_windows(12, 60, vocab=8))
    given: dict[str, Any] = {"corpus": str(path), "window_tok": 30, "num_keys": 3, "run": tmp_path / "run", **changes}
    return CalibrateConfig(**given)


def test_the_same_seed_draws_the_same_keys_and_gives_the_same_files(tmp_path: Path) -> None:
    first = calibrate(small(tmp_path))
    files = {name: (tmp_path / "run" / name).read_bytes() for name in ("results.json", "calibrations.json")}
    again = calibrate(small(tmp_path))
    assert again.key_ids == first.key_ids and len(set(first.key_ids)) == 3 and first.is_drawn
    assert files == {name: (tmp_path / "run" / name).read_bytes() for name in files}
    assert json.loads(files["results.json"]) == results_json(first)
    assert json.loads(files["calibrations.json"]) == {"keys": per_key(first)}
    other = calibrate(small(tmp_path, seed=1, run=tmp_path / "other"))
    assert not set(other.key_ids) & set(first.key_ids)
    assert [k["document"]["num_trials"] for k in per_key(first)] == [24, 24, 24]


def test_keys_of_a_ring_are_tried_by_name_or_all(tmp_path: Path) -> None:
    ring = KeyRing()
    for key in keys(3, seed=9):
        ring.add(key)
    ring.save(tmp_path / "ring.json")
    ids = tuple(key.key_id for key in keys(3, seed=9))
    found = calibrate(small(tmp_path, ring=tmp_path / "ring.json"))
    assert found.key_ids == ids and not found.is_drawn
    one = calibrate(small(tmp_path, ring=tmp_path / "ring.json", key_id=(ids[1],), run=tmp_path / "one"))
    assert one.key_ids == ids[1:2]
    assert (
        one.outcomes["document"].max_log_e_NK[:, 0].tolist() == found.outcomes["document"].max_log_e_NK[:, 1].tolist()
    )
    with pytest.raises(ConfigError, match="no key '00000000'"):
        calibrate(small(tmp_path, ring=tmp_path / "ring.json", key_id=("00000000",)))
    secrets = [key.reveal_hex() for key in keys(3, seed=9)]
    for path in (tmp_path / "run").iterdir():
        assert not any(secret in path.read_text() for secret in secrets)


def test_a_profile_that_counts_repeated_contexts_fails_the_check_on_loops(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows(tmp_path / "ids.jsonl", [[1, 2] * 100] * 3)
    write_profile(tmp_path / "profile.json", PROFILE.with_(num_bins=2, dedup="none"))
    args = [str(tmp_path / "ids.jsonl"), "--profile", str(tmp_path / "profile.json"), "--window-tok", "100"]
    args += ["--run", str(tmp_path / "run"), "--num-keys", "30"]
    assert main(args, Output(as_json=True)) == 1
    shown = capsys.readouterr()
    result = json.loads(shown.out)
    assert result["is_above_alpha"] and result["rates"]["document"]["num_alarms"] == 0
    assert result["rates"]["none"]["low"] > 0.02 and result["num_windows"] == 6
    assert "warning: human text is called marked more often than alpha" in shown.err
    assert "voids the guarantee" in shown.err and str(tmp_path / "run") in shown.err
    write_profile(tmp_path / "profile.json", PROFILE.with_(num_bins=2))
    assert main([*args[:-4], "--run", str(tmp_path / "safe")], Output(as_json=False)) == 0
    assert "first occurrence in the text" in capsys.readouterr().out


@pytest.mark.parametrize("num_keys", [1, 3, 40])
def test_the_report_shows_the_rates_against_alpha(tmp_path: Path, num_keys: int) -> None:
    done = calibrate(small(tmp_path, num_keys=num_keys, num_bins=2, context_tok=1, alpha=0.1))
    report = build_report(done, command="reasonry watermark calibrate")
    page = report.to_json()
    text = json.dumps(page)
    assert "alpha 0.1" in text and done.key_ids[0] in text
    assert [s["title"] for s in page["sections"]] == [
        "How often human text is called marked",
        "Keys",
        "Evidence",
        "Boilerplate",
        "Run",
    ]
    assert "<html" in render_html(page)
    columns, table = table_of(done)
    assert len(table) == 3 and all(len(row) == len(columns) for row in table)
    assert table[0][2] == f"{done.outcomes['document'].rate.value:.2%}"
    assert f"24 windows of 30 tokens x {num_keys} new key" in title_of(done)
