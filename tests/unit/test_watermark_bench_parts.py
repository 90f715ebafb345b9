"""The parts of the benchmark: schemes behind one face, hooks, sizes, quality, prompts, the sums of the results."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.watermark_models import HASH, VOCAB, tiny_llama
from tests.watermark_words import WORDS, make_word_model

from reasonry.core.messages import user
from reasonry.core.models import LoadedModel, ModelConfig, load_causal_lm
from reasonry.core.sampling import Request
from reasonry.core.sampling.decoding import Row
from reasonry.errors import ConfigError
from reasonry.watermark.anchors import UniformAnchor
from reasonry.watermark.anchors.model import ModelAnchor
from reasonry.watermark.baselines import Reading
from reasonry.watermark.baselines.seal import Version, seal_p_path
from reasonry.watermark.bench.attacks import make_attack
from reasonry.watermark.bench.hooks import AnchoredHook, BaselineHook, EntropyHook
from reasonry.watermark.bench.measure import attacked, sizes
from reasonry.watermark.bench.prompts import default_prompts, requests_of
from reasonry.watermark.bench.quality import Scored, bits_of
from reasonry.watermark.bench.reader import Reader
from reasonry.watermark.bench.results import summarise
from reasonry.watermark.bench.run import make_attacks
from reasonry.watermark.bench.schemes import (
    Anchored,
    BaselineScheme,
    Scheme,
    bench_key,
    make_bench_scheme,
    make_bench_schemes,
)
from reasonry.watermark.bench.tamper import Outcome, tamper_resistance
from reasonry.watermark.bench.texts import num_survived
from reasonry.watermark.detection import WatermarkDetector
from reasonry.watermark.generation.marking import Marking, RowState
from reasonry.watermark.generation.profiles import check_shared_ids
from reasonry.watermark.profile import AnchorProfile, Profile

RNG = np.random.default_rng(5)
TEXT = RNG.integers(2, VOCAB, 120)
KEY = bench_key(3, "test")


def reader(kind: str = "uniform") -> Reader:
    anchor: Any = UniformAnchor(VOCAB) if kind == "uniform" else ModelAnchor(tiny_llama(2), vocab_size=VOCAB)
    return Reader(VOCAB, anchor)


def profile(num_bins: int = 16, kind: str = "uniform") -> Profile:
    anchor = AnchorProfile() if kind == "uniform" else AnchorProfile(kind="model", model="tiny", revision="r")
    return Profile(num_bins=num_bins, vocab_size=VOCAB, tokenizer_hash=HASH, anchor=anchor)


def row(tokens: list[int], index: int = 0) -> Row:
    return Row(Request("p"), index, 3, np.full(200, 0.5), tokens=tokens)


# ---------------------------------------------------------------- schemes


def test_schemes_that_differ_in_reading_alone_share_their_texts() -> None:
    names = ("anchored", "anchored:bet=paper:0.3", "seal", "anchored:num_bins=2", "seal:num_bins=2", "gumbel")
    marks = [s.mark for s in make_bench_schemes(names)]
    assert marks[0] == marks[1] == marks[2] != marks[3] == marks[4] != marks[5]
    assert [make_bench_scheme(name).has_e_process for name in ("anchored", "seal", "kgw", "none")] == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("ancored",), "Did you mean 'anchored'"),
        (("anchored:bins=2",), "unknown parameter 'bins'"),
        (("anchored:num_bins=1",), "at least 2"),
        (("anchored:bet=fair",), "unknown bet 'fair'"),
        (("anchored:prf=md5",), "unknown prf='md5'"),
        (("kgw:gamma=2",), "gamma"),
        (("seal:version=released-base",), "num_bins=2"),
        (("kgw", "kgw"), "given twice"),
        (("none",), "no scheme that marks"),
    ],
)
def test_a_slip_in_a_scheme_is_named_before_anything_is_sampled(names: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make_bench_schemes(names)


@pytest.mark.parametrize("kind", ["uniform", "model"])
@pytest.mark.parametrize("bet", ["mixture", "paper:0.3"])
def test_a_reading_is_what_the_detector_finds(kind: str, bet: str) -> None:
    using = reader(kind)
    (reading,) = make_bench_scheme(f"anchored:bet={bet}").read(TEXT, [KEY], using)
    found = WatermarkDetector(profile(kind=kind), [KEY], bet=bet, anchor=using.anchor).traced(TEXT)
    assert found.trace is not None and found.p_fixed is not None
    np.testing.assert_array_equal(reading.position_T, found.trace.position_S)
    np.testing.assert_allclose(reading.log_e_T, found.trace.log_e_S, atol=1e-9)
    assert reading.p_T[-1] == pytest.approx(found.p_fixed, rel=1e-9)
    assert (reading.num_tok, reading.num_short_context, reading.num_duplicate) == (
        found.num_tok,
        found.num_short_context,
        found.num_duplicate,
    )


def test_several_keys_are_read_at_once_as_one_by_one() -> None:
    keys = [bench_key(0, k) for k in range(4)]
    for name in ("anchored", "seal", "gumbel"):
        scheme = make_bench_scheme(name)
        for reading, key in zip(scheme.read(TEXT, keys, reader()), keys, strict=True):
            (alone,) = scheme.read(TEXT, [key], reader())
            np.testing.assert_allclose(reading.p_T, alone.p_T, rtol=1e-12)
            np.testing.assert_allclose(reading.log_e_T, alone.log_e_T, atol=1e-12)


def test_seal_has_its_versions_and_no_e_process() -> None:
    using = reader("model")
    correct, wrong = (make_bench_scheme(f"seal:num_bins=2,version={v}") for v in ("correct", "released-base"))
    assert isinstance(correct, Anchored)
    keyed = using.compare(correct.marking, TEXT, [KEY])
    match_T, p_T = keyed.match_SK[:, 0], keyed.p_SK[:, 0]
    p_keyed_T = np.where(match_T, p_T, 1 - p_T)
    versions: tuple[tuple[Scheme, Version], ...] = ((correct, "correct"), (wrong, "released-base"))
    for scheme, version in versions:
        (reading,) = scheme.read(TEXT, [KEY], using)
        assert np.isnan(reading.log_e_T).all()
        np.testing.assert_allclose(reading.p_T, seal_p_path(match_T, p_T, p_keyed_T, version=version), rtol=1e-12)


@pytest.mark.parametrize("name", ["anchored", "seal", "gumbel", "synthid", "kgw", "unigram", "exp", "binary"])
@pytest.mark.parametrize("length", [0, 3])
def test_a_text_too_short_to_score_is_not_found(name: str, length: int) -> None:
    scheme = make_bench_scheme(name)
    (reading,) = scheme.read(TEXT[:length], [KEY], reader())
    found = sizes(reading, alpha=0.02, has_e_process=scheme.has_e_process)
    assert set(found) == {"fixed", "bonferroni", "peek"} | ({"e"} if scheme.has_e_process else set())
    assert all(math.isinf(size) for size in found.values())


def test_keys_depend_on_all_they_are_for() -> None:
    names = [(0, "a", "b", 1), (1, "a", "b", 1), (0, "ab", "", 1), (0, "a", "b", 2)]
    assert len({bench_key(*n).reveal_hex() for n in names}) == 4
    assert bench_key(0, "a", "b", 1) == bench_key(0, "a", "b", 1)


# ---------------------------------------------------------------- sizes


def test_sizes_count_tokens_of_the_text_and_not_scored_ones() -> None:
    p_T = np.array([0.5, 0.01, 0.5, np.nan, 0.01, 0.0001])
    log_e_T = np.log([1.0, 2.0, 60.0, 1.0, 1.0, 1.0])
    reading = Reading(np.array([4, 6, 8, 10, 12, 14]), p_T, log_e_T, num_tok=20)
    found = sizes(reading, alpha=0.02, has_e_process=True)
    # k counts looks: 0.0001 is the fifth p-value, and 0.02 / 30 is above it.
    assert found == {"fixed": 13.0, "peek": 7.0, "bonferroni": 15.0, "e": 9.0}
    assert "e" not in sizes(reading, alpha=0.02, has_e_process=False)


def test_stronger_attacks_of_a_kind_act_on_the_same_draws() -> None:
    text = " ".join(WORDS)
    weak, strong = (
        attacked(text, make_attack(f"synonym:{share}"), seed=1, name="p", index=0).split() for share in (0.3, 0.6)
    )
    plain = text.split()
    assert attacked(text, None, seed=1, name="p", index=0) == text
    assert len(weak) == len(strong) == len(plain)
    changed = [i for i, word in enumerate(plain) if weak[i] != word]
    assert changed and all(strong[i] == weak[i] for i in changed)
    assert sum(a != b for a, b in zip(strong, plain, strict=True)) > len(changed)
    other = attacked(text, make_attack("synonym:0.3"), seed=1, name="p", index=1).split()
    assert other != weak


@pytest.mark.parametrize(
    ("ids", "again", "num"), [([], [], 0), ([1, 2, 3], [1, 2, 3], 3), ([1, 2, 3, 4], [1, 9, 9, 3, 4], 3), ([1], [], 0)]
)
def test_survivors_are_tokens_that_come_back_in_order(ids: list[int], again: list[int], num: int) -> None:
    assert num_survived(ids, again) == num


# ---------------------------------------------------------------- hooks


@pytest.mark.parametrize("kind", ["uniform", "model"])
def test_rows_are_coupled_together_as_each_would_be_alone(kind: str) -> None:
    anchor: Any = None if kind == "uniform" else ModelAnchor(tiny_llama(2), vocab_size=VOCAB)
    hook = AnchoredHook(profile(kind=kind), lambda name, i: bench_key(0, name, i), vocab_size=VOCAB, anchor=anchor)
    histories = [TEXT[:9].tolist(), TEXT[20:23].tolist(), TEXT[40:60].tolist()]  # the second one is too short
    rows = [row(history, i) for i, history in enumerate(histories)]
    finished = row(TEXT[60:80].tolist(), 3)
    finished.finish = "stop"
    law_BV = torch.softmax(torch.randn(4, VOCAB, generator=torch.Generator().manual_seed(0)) * 2, -1)
    out_BV = hook([*rows, finished], law_BV)
    for i, history in enumerate(histories):
        marking = Marking(profile(kind=kind), bench_key(0, "p", i), vocab_size=VOCAB, anchor=anchor)
        alone = marking.mark(law_BV[i : i + 1], [history], [RowState()])
        torch.testing.assert_close(out_BV[i : i + 1], alone, atol=1e-6, rtol=1e-5)
    assert not torch.equal(out_BV[0], law_BV[0]) and not torch.equal(out_BV[2], law_BV[2])
    assert torch.equal(out_BV[1], law_BV[1]) and torch.equal(out_BV[3], law_BV[3])


def test_a_baseline_draws_what_it_draws_by_itself() -> None:
    scheme = make_bench_scheme("gumbel")
    assert isinstance(scheme, BaselineScheme)
    hook = BaselineHook(scheme, lambda name, i: KEY, seed=7, vocab_size=VOCAB)
    law_BV = torch.softmax(torch.randn(2, VOCAB, generator=torch.Generator().manual_seed(1)), -1) * 0.5  # a nucleus
    rows = [row(TEXT[:8].tolist(), 0), row(TEXT[8:16].tolist(), 1)]
    out_BV = hook(rows, law_BV)
    assert torch.equal(out_BV.sum(-1), torch.ones(2)) and int((out_BV > 0).sum()) == 2
    for i, r in enumerate(rows):
        law = law_BV[i].double().numpy()
        # The context is whole and new: the token is a function of key, context and law alone.
        token = scheme.under(KEY, vocab_size=VOCAB).start().step(law / law.sum(), r.tokens, np.random.default_rng(0))
        assert out_BV[i].argmax() == token


def test_ordinary_randomness_of_a_baseline_is_that_of_its_text() -> None:
    scheme = make_bench_scheme("gumbel")
    assert isinstance(scheme, BaselineScheme)
    law_BV = torch.full((3, VOCAB), 1 / VOCAB)

    def drawn(seed: int, indices: list[int]) -> list[int]:
        hook = BaselineHook(scheme, lambda name, i: KEY, seed=seed, vocab_size=VOCAB)
        return hook([row([], i) for i in indices], law_BV).argmax(-1).tolist()  # too early in the text for a mark

    assert drawn(0, [0, 1, 2]) == drawn(0, [2, 1, 0])[::-1]
    assert len(set(drawn(0, [0, 1, 2]))) > 1
    assert drawn(0, [0, 1, 2]) != drawn(1, [0, 1, 2])


def test_the_entropy_of_even_laws_is_the_logarithm_of_their_support() -> None:
    hook = EntropyHook()
    rows = [row([], 0), row([], 1)]
    for num in (4, 16, 64):  # the laws of a nucleus do not sum to one
        law_BV = torch.zeros(2, VOCAB)
        law_BV[:, :num] = 0.01
        assert hook(rows, law_BV) is law_BV
        for r in rows:
            r.tokens.append(1)
    rows[0].tokens.clear()
    hook(rows[:1], torch.nn.functional.one_hot(torch.tensor([3]), VOCAB).float())  # drawn again from its start
    assert hook.mean_nats("p", 1, num_steps=3) == pytest.approx(math.log(16), abs=1e-5)
    assert hook.mean_nats("p", 0, num_steps=1) == pytest.approx(0.0, abs=1e-6)


# ---------------------------------------------------------------- quality


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder = make_word_model(tmp_path_factory.mktemp("words") / "model")
    return load_causal_lm(str(folder), ModelConfig(dtype="float32", device="cpu"))


def test_bits_are_those_of_one_forward_pass(loaded: LoadedModel) -> None:
    lengths = [(5, 30), (12, 3), (7, 700), (1, 60), (40, 41)]
    items = [Scored(RNG.integers(2, VOCAB, a).tolist(), RNG.integers(2, VOCAB, b).tolist(), 4 * b) for a, b in lengths]
    for item, bits in zip(items, bits_of(loaded, items), strict=True):
        with torch.no_grad():
            logits = loaded.model(torch.tensor([item.prompt_ids + item.reply_ids])).logits[0].double()
        logp = logits.log_softmax(-1)[len(item.prompt_ids) - 1 : -1]
        expected = -logp.gather(-1, torch.tensor(item.reply_ids)[:, None]).sum() / math.log(2)
        assert bits == pytest.approx(float(expected), rel=1e-5)


def test_what_cannot_be_scored_says_why(loaded: LoadedModel) -> None:
    found = bits_of(loaded, [Scored([5], [], 0), Scored([5] * 600, [6] * 600, 9), Scored([5], [6], 4)])
    assert found[:2] == ["empty text", "longer than the model's context"]
    assert isinstance(found[2], float)


def test_an_anchor_may_have_more_tokens_but_no_others(tmp_path: Path, loaded: LoadedModel) -> None:
    check_shared_ids(loaded, loaded)
    more = load_causal_lm(str(make_word_model(tmp_path / "more")), ModelConfig(dtype="float32"))
    more.tokenizer.add_tokens(["<assistant>", "<user>"])
    check_shared_ids(loaded, more)
    with pytest.raises(ConfigError, match=r"have the same id in the anchor"):
        check_shared_ids(loaded, _other_words(tmp_path))


def _other_words(folder: Path) -> LoadedModel:
    from tests.conftest import make_tiny_model

    return load_causal_lm(str(make_tiny_model(folder / "bytes")), ModelConfig(dtype="float32"))


# ---------------------------------------------------------------- prompts, attacks


def test_the_default_prompts_are_thirty_of_three_kinds_in_turn() -> None:
    prompts = default_prompts()
    assert len({p.id for p in prompts}) == len({p.messages[0].content for p in prompts}) == 30
    assert [p.id.split("-")[0] for p in prompts] == ["book", "story", "news"] * 10


def test_more_texts_leave_the_first_ones_alone(tmp_path: Path) -> None:
    few, many = ({(r.id, r.messages, i) for r in requests_of("", num_texts=num) for i in r.indices} for num in (12, 70))
    assert len(few) == 12 and len(many) == 70 and few < many
    file = tmp_path / "prompts.jsonl"
    file.write_text('{"prompt": "one"}\n{"prompt": "two"}\n', "utf-8")
    assert [(r.messages, len(r.indices)) for r in requests_of(str(file), num_texts=3)] == [
        ((user("one"),), 2),
        ((user("two"),), 1),
    ]


def test_all_attacks_stand_for_every_one_there_is() -> None:
    everything = make_attacks(["all"])
    assert len(everything) == len({a.name for a in everything}) > 10
    with pytest.raises(ConfigError, match="given twice"):
        make_attacks(["all", "lowercase"])
    with pytest.raises(ConfigError, match="unknown attack"):
        make_attacks(["deletion:0.1"])


# ---------------------------------------------------------------- results


def text_row(mark: str, index: int, **changes: Any) -> dict[str, Any]:
    known = {"num_tok": 100, "num_survived": 90, "entropy_nats": 1.0 + index, "text": "", "finish": "length"}
    return {"mark": mark, "id": "p", "index": index, **known, **changes}


def detection(scheme: str, index: int, attack: str, fixed: Any, bonferroni: Any, e: Any) -> dict[str, Any]:
    counts = {"num_tok": 99, "num_scored": 90, "num_short_context": 4, "num_duplicate": 5, "changed": 0.1 * len(attack)}
    rules = {"fixed": fixed, "bonferroni": bonferroni, "e": e}
    return {"scheme": scheme, "id": "p", "index": index, "attack": attack, **counts, **rules}


def scored(mark: str, index: int, attack: str, bits: float | None, reason: str = "") -> dict[str, Any]:
    place = {"mark": mark, "id": "p", "index": index, "attack": attack}
    return {**place, "bits_per_byte": bits, "num_bytes": 400, "reason": reason}


def test_the_arithmetic_of_the_results() -> None:
    schemes = make_bench_schemes(["anchored", "seal", "none"])
    mark = schemes[0].mark
    sizes_of = {
        "": [(20, 60, 40), (30, 70, 50), (40, None, 60)],
        "x": [(20, None, 40), (None, None, None), (None,) * 3],
    }
    found = summarise(
        schemes,
        ["x"],
        texts=[text_row(m, i) for m in (mark, "none") for i in range(3)],
        detections=[
            detection(s, i, attack, *row)
            for s in ("anchored", "seal")
            for attack, rows in sizes_of.items()
            for i, row in enumerate(rows)
        ],
        alarms=[
            {"scheme": s, "id": "p", "index": i, "num_keys": 10, "fixed": 0, "peek": 2, "bonferroni": 0, "e": i}
            for s in ("anchored", "seal")
            for i in range(3)
        ],
        quality=[
            *(scored("none", i, "", 1.0 + 0.1 * i) for i in range(3)),
            *(scored(mark, i, "", 1.1 + 0.1 * i) for i in range(3)),
            *(scored(mark, i, "x", 2.1) for i in range(2)),
            scored(mark, 2, "x", None, "empty text"),
        ],
    )
    ours, seal = found.schemes
    assert (ours.anytime, seal.anytime) == ("e", "bonferroni")
    assert {r: s.median_tok for r, s in ours.plain.sizes.items()} == {"fixed": 30, "bonferroni": 70, "e": 50}
    assert set(seal.plain.sizes) == {"fixed", "bonferroni"}
    assert [a.shares["e"].value for a in ours.attacks] == pytest.approx([1, 1 / 3])
    assert ours.pooled_tok == {"fixed": 35.0, "bonferroni": math.inf, "e": 55.0}
    assert ours.survived == pytest.approx(0.9) and ours.entropy_nats == pytest.approx(2.0)
    assert ours.plain.quality == pytest.approx(2**-0.1) and ours.attacks[1].quality == pytest.approx(2**-1.0)
    assert ours.extra_bits is not None and ours.extra_bits.value == pytest.approx(0.1)
    assert ours.plain.bits_per_byte is not None
    reach = 4.302653 * 0.1 / math.sqrt(3)  # Student's t with two degrees of freedom
    assert ours.plain.bits_per_byte[:3] == pytest.approx((1.2, 1.2 - reach, 1.2 + reach), abs=1e-6)
    assert ours.resistance is not None and seal.resistance is not None
    for result, share, rule in ((ours, 1 / 3, "anytime"), (seal, 0.0, "anytime"), (seal, 1 / 3, "fixed")):
        base = Outcome(2**-0.1, 2 / 3 if (result is seal and rule == "anytime") else 1.0)
        assert result.resistance is not None
        expected = tamper_resistance(base, {"x": Outcome(2**-1.0, share)})
        assert result.resistance[rule].value == pytest.approx(expected.value)
        assert result.resistance[rule][2:] == expected[2:]
    assert ours.false_alarms is not None and seal.false_alarms is not None
    assert ours.false_alarms["e"][3:] == (3, 30) and ours.false_alarms["peek"][3:] == (6, 30)
    assert "e" not in seal.false_alarms
    assert found.unscored == {"empty text": 1}
    as_json = found.to_json()
    assert as_json["schemes"][0]["pooled_tok"]["bonferroni"] is None
    assert as_json["schemes"][0]["attacks"][0]["sizes"]["e"]["detected"]["method"]
    assert as_json["unmarked_bits"]["value"] == pytest.approx(1.1)


def test_without_unmarked_text_quality_is_relative_to_the_schemes_own() -> None:
    (scheme,) = make_bench_schemes(["anchored"])
    found = summarise(
        [scheme],
        ["x"],
        texts=[text_row(scheme.mark, 0)],
        detections=[detection("anchored", 0, attack, 20, 30, 40) for attack in ("", "x")],
        alarms=[],
        quality=[scored(scheme.mark, 0, "", 1.5), scored(scheme.mark, 0, "x", 2.0)],
    )
    assert [a.quality for a in found.schemes[0].attacks] == pytest.approx([1.0, 2**-0.5])
    assert found.schemes[0].false_alarms is None and found.unmarked_bits is None
