"""The detector: any cut of a text, what is skipped, exact p-values, error rates however often one looks, size."""

import copy
import inspect
import itertools
import json
import math
import pickle  # noqa: TID251 - the test that proves a detector refuses to be pickled
import subprocess
import sys
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from tests.secret_search import CANARY_KEY, shows_a_secret
from tests.watermark_texts import (
    NumpyAnchor,
    WindowAnchor,
    key_of,
    loop_text,
    marked_text,
    profile_of,
    random_text,
    uniform_law,
    zipf_law,
)

from reasonry.core.seeds import stream
from reasonry.errors import ConfigError, DataError
from reasonry.watermark.detection import Detection, DetectorState, WatermarkDetector
from reasonry.watermark.profile import AnchorProfile

ALPHA = 0.02
KEY, OTHER = key_of("the key"), key_of("another")
VOCAB = 40
ANCHORS = {
    "uniform": None,
    "constant": NumpyAnchor(zipf_law(VOCAB, 0.7)),
    "window": WindowAnchor(VOCAB, context_tok=5),
    "one token": WindowAnchor(VOCAB, context_tok=1),
    "whole text": WindowAnchor(VOCAB, context_tok=None),
}


def most(rate: float, num: int) -> float:
    """Three standard errors above a rate."""
    return rate + 3 * math.sqrt(rate * (1 - rate) / num)


def detector(profile: Any = None, keys: Any = (KEY,), **options: Any) -> WatermarkDetector:
    return WatermarkDetector(profile or profile_of(), keys, **options)


def mixed_text(anchor: str, n: int, seed: int) -> NDArray[np.int64]:
    """A random part, a marked one, and a loop."""
    rng = stream(seed, "mixed", anchor)
    profile = profile_of(VOCAB, num_bins=n)
    head = rng.integers(0, VOCAB, int(rng.integers(0, 30))).tolist()
    ids = marked_text(KEY, profile, zipf_law(VOCAB, 0.5), 60, rng=rng, anchor=ANCHORS[anchor], before=head)
    return np.concatenate([ids, np.resize(ids[-7:], 40), rng.integers(0, VOCAB, 40)])


def plain(found: Detection) -> dict[str, Any]:
    """The row of a result; it goes through JSON, without infinities, and comes back."""
    assert Detection.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False))) == replace(found, trace=None)
    return found.to_json()


def assert_same(one: Detection, other: Detection) -> None:
    left, right = plain(one), plain(other)
    floats = [name for name, value in left.items() if isinstance(value, float)]
    assert {name: left[name] for name in floats} == pytest.approx({n: right[n] for n in floats}, rel=1e-8, abs=1e-9)
    assert {k: v for k, v in left.items() if k not in floats} == {k: v for k, v in right.items() if k not in floats}
    assert (one.trace is None) == (other.trace is None)
    if one.trace is not None and other.trace is not None:
        assert one.trace.position_S.tolist() == other.trace.position_S.tolist()
        assert one.trace.match_S.tolist() == other.trace.match_S.tolist()
        assert one.trace.p_S == pytest.approx(other.trace.p_S, rel=1e-12)
        assert one.trace.log_e_S == pytest.approx(other.trace.log_e_S, rel=1e-8, abs=1e-9)


# ---------------------------------------------------------------- any cut


@pytest.mark.parametrize("anchor", ANCHORS)
@given(
    seed=st.integers(0, 20),
    cuts=st.lists(st.integers(0, 175), max_size=8),
    n=st.sampled_from([0, 2, 16]),
    dedup=st.sampled_from(["document", "corpus", "none"]),
    alpha=st.sampled_from([0.3, 0.02, 1e-5, 1e-300]),
    flags=st.tuples(st.booleans(), st.booleans()),
    prf=st.sampled_from(["mix64-v1", "blake2b-v1"]),
)
@settings(max_examples=25)
def test_reading_in_pieces_is_reading_at_once(
    anchor: str,
    seed: int,
    cuts: list[int],
    n: int,
    dedup: str,
    alpha: float,
    flags: tuple[bool, bool],
    prf: str,
) -> None:
    stops, late_start = flags
    profile = profile_of(VOCAB, num_bins=n, dedup=dedup, prf=prf)
    make = {"alpha": alpha, "stops": stops, "late_start": late_start, "anchor": ANCHORS[anchor]}
    ids = mixed_text(anchor, n, seed)
    whole = detector(profile, (KEY, OTHER), **make).detect(ids)
    state = detector(profile, (KEY, OTHER), **make).start()
    for a, b in itertools.pairwise([0, *sorted(c % len(ids) for c in cuts), len(ids)]):
        state.push(ids[a:b])
        assert state.num_tok == (state.result().num_tok if not state.is_stopped else whole.stop_index)
    assert_same(whole, state.result())
    assert state.is_stopped == (stops and whole.stop_index is not None)
    assert state.log_e == pytest.approx(whole.log_e, rel=1e-8, abs=1e-9)
    assert whole.num_tok == whole.num_scored + whole.num_short_context + whole.num_duplicate
    assert whole.num_tok == (whole.stop_index if state.is_stopped else len(ids))


def test_pieces_longer_than_a_chunk_and_single_tokens_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = np.concatenate([random_text(5000, "chunks", vocab_size=60), loop_text(9, 500, "chunks", vocab_size=60)])
    for keys in ([KEY], [key_of(i) for i in range(5)]):
        make = lambda keys=keys: detector(profile_of(60), keys, stops=False)  # noqa: E731
        found, traced = make().detect(ids), make().traced(ids)
        assert found.num_duplicate > 1500
        assert_same(found, replace(traced, trace=None))
        state = make().start()
        for token in ids.tolist():
            state.push([token])
        assert_same(found, state.result())
        with monkeypatch.context() as patched:
            patched.setattr("reasonry.watermark.detection.state._CHUNK_TOK", 300)
            assert_same(found, make().detect(ids))
            assert_same(traced, make().traced(ids))


@pytest.mark.parametrize("make", [list, tuple, lambda x: x.astype(np.uint16), lambda x: x.astype(np.int32)[None]])
def test_ids_may_come_in_any_integers(make: Any) -> None:
    ids = random_text(200, "kinds")
    assert_same(detector().detect(make(ids)), detector().detect(ids))


# ---------------------------------------------------------------- what is not read


@pytest.mark.parametrize("num_tok", [0, 1, 2])
def test_a_short_text_has_nothing_to_score(num_tok: int) -> None:
    found = detector().traced(random_text(num_tok, "short"))
    assert_same(detector().detect(random_text(num_tok, "short")), replace(found, trace=None))
    assert (found.verdict, found.is_watermarked) == ("nothing to score", False)
    assert (found.log_e, found.e_value, found.p_anytime, found.p_fixed) == (0.0, 1.0, 1.0, None)
    assert (found.num_tok, found.num_scored, found.num_short_context, found.stop_index) == (num_tok, 0, num_tok, None)
    assert found.trace is not None and [len(x) for x in vars(found.trace).values()] == [0] * 4
    assert detector().detect(random_text(3, "short")).verdict == "not detected"


@pytest.mark.parametrize(("wrong", "said"), [(1000, "token id 1000"), (-1, "token id -1"), (10**12, "outside")])
def test_an_id_outside_the_vocabulary_is_refused_with_its_position(wrong: int, said: str) -> None:
    state = detector().start()
    state.push(random_text(50, "right"))
    before = state.result()
    with pytest.raises(DataError, match=said) as caught:
        state.push([1, 2, wrong, 4])
    assert caught.value.place == "token 53"
    assert "vocabulary of 1000 tokens" in str(caught.value) and "tokenizer" in caught.value.remedy
    assert_same(before, state.result())
    state.push([1, 2, 3, 4])
    assert state.num_tok == 54


@pytest.mark.parametrize(
    "wrong", [[1.0, 2.0], [1.5], ["1", "2"], [True, False], [None], [2**70], [1, 2**63], [[1, 2], [3, 4]]]
)
def test_what_is_no_list_of_ids_is_refused(wrong: Any) -> None:
    with pytest.raises(DataError, match=r"token ids (are integers|of shape)"):
        detector().detect(wrong)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"keys": []}, "no key"),
        ({"alpha": 0.0}, "alpha is 0"),
        ({"alpha": 1.0}, "alpha is 1"),
        ({"alpha": math.nan}, "alpha is nan"),
        ({"bet": "paper:2"}, "delta=2"),
        ({"bet": "all"}, "unknown bet"),
        ({"profile": profile_of(scheme="kgw")}, "not 'kgw'"),
        ({"profile": profile_of(anchor=AnchorProfile(kind="model", model="m", revision="r"))}, "load_anchor"),
    ],
)
def test_a_detector_that_makes_no_sense_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        detector(**options)


@given(st.integers(0, 50), st.integers(0, 119), st.sampled_from([2, 3, 4]), st.sampled_from(["document", "corpus"]))
@settings(max_examples=50)
def test_what_is_scored_depends_on_the_tokens_before_it_alone(seed: int, at: int, h: int, dedup: str) -> None:
    ids = random_text(120, "skips", seed, vocab_size=6)
    profile = profile_of(6, num_bins=2, context_tok=h, dedup=dedup)

    def scored(ids: NDArray[np.int64], keys: Sequence[Any] = (KEY,)) -> list[int]:
        trace = detector(profile, keys).traced(ids).trace
        assert trace is not None
        return trace.position_S.tolist()

    seen: set[tuple[int, ...]] = set()
    first = [i for i in range(h, 120) if (c := tuple(ids[i - h : i].tolist())) not in seen and not seen.add(c)]
    assert scored(ids) == first
    assert scored(ids, (OTHER, KEY)) == first, "whatever the key draws"
    other = ids.copy()
    other[at:] = (other[at:] + 1 + random_text(120 - at, "others", seed, vocab_size=5)) % 6
    assert [i for i in scored(other) if i <= at] == [i for i in first if i <= at], "whatever the token is"
    assert scored(stream(seed, "names").permutation(6)[ids]) == first, "whatever the tokens are called"


# ---------------------------------------------------------------- where it stops


@pytest.mark.parametrize("anchor", ["uniform", "window"])
def test_it_stops_at_the_first_token_that_is_enough(anchor: str) -> None:
    ids = mixed_text(anchor, 16, 1)
    profile = profile_of(VOCAB, num_bins=16)
    made = detector(profile, anchor=ANCHORS[anchor])
    found, traced = made.detect(ids), made.traced(ids)
    assert found.verdict == traced.verdict == "detected" and traced.trace is not None
    assert found.stop_index == found.num_tok == traced.stop_index is not None
    path_S = traced.trace.log_e_S
    last = int((path_S >= math.log(50)).argmax())
    assert found.stop_index == traced.trace.position_S[last] + 1
    assert found.num_scored == last + 1 and found.num_match == traced.trace.match_S[: last + 1].sum()
    assert found.log_e == pytest.approx(path_S[last]) and found.log_e >= math.log(50)
    assert found.p_anytime == pytest.approx(math.exp(-found.log_e)) and found.p_fixed is None
    assert traced.num_tok == len(ids) and traced.log_e == pytest.approx(path_S[-1])
    assert traced.p_anytime == pytest.approx(math.exp(-path_S.max()))
    before = detector(profile, anchor=ANCHORS[anchor]).detect(ids[: found.stop_index - 1])
    assert before.verdict == "not detected" and before.p_fixed is not None


def test_without_stopping_a_threshold_once_passed_counts() -> None:
    profile = profile_of()
    ids = marked_text(KEY, profile, uniform_law(1000), 30, rng=stream(0, "start"))
    ids = np.concatenate([ids, random_text(2000, "unmarked rest")])
    stopped, whole = detector().detect(ids), detector(stops=False).detect(ids)
    assert stopped.stop_index == whole.stop_index is not None
    assert (whole.verdict, whole.num_tok, whole.stop_index) == ("detected", 2030, stopped.stop_index)
    assert whole.log_e < math.log(50) <= stopped.log_e <= -math.log(whole.p_anytime)
    assert whole.p_fixed is not None, "the length was not chosen by the evidence"


# ---------------------------------------------------------------- p for a fixed length


@pytest.mark.parametrize("n", [2, 3, 16, 0])
def test_p_for_a_fixed_length_is_the_binomial_tail(n: int) -> None:
    profile = profile_of(50, num_bins=n)
    for i in range(30):
        found = detector(profile, alpha=1e-9).detect(random_text(100 + i, "p", i, vocab_size=50))
        expected = stats.binom.sf(found.num_match - 1, found.num_scored, 1 / (n or 50))
        assert found.p_fixed == pytest.approx(expected, rel=1e-9)
    strong = detector(profile, stops=False).detect(
        marked_text(KEY, profile, uniform_law(50), 200, rng=stream(0, "strong", n))
    )
    assert strong.p_fixed == pytest.approx(
        stats.binom.sf(strong.num_match - 1, strong.num_scored, 1 / (n or 50)), rel=1e-6
    )
    assert detector(profile, alpha=0.5).detect(random_text(3, "one token", n, vocab_size=50)).p_fixed != 0.0


@pytest.mark.parametrize("anchor", ["constant", "window", "whole text"])
def test_p_for_unequal_probabilities_is_the_sum_over_all_outcomes(anchor: str) -> None:
    profile = profile_of(VOCAB, num_bins=4)
    for i in range(6):
        made = detector(profile, alpha=1e-9, anchor=ANCHORS[anchor])
        ids, state = random_text(11, "unequal", i, vocab_size=VOCAB), made.start()
        state.push(ids[:5])
        state.push(ids[5:])
        found, trace = state.result(), made.traced(ids).trace
        assert trace is not None
        p_S = trace.p_S
        assert len(set(p_S.tolist())) > 3
        total = 0.0
        for outcome in itertools.product([False, True], repeat=len(p_S)):
            if sum(outcome) >= found.num_match:
                total += float(np.where(outcome, p_S, 1 - p_S).prod())
        assert found.p_fixed == pytest.approx(total, rel=1e-9)


def test_p_of_a_very_long_text_is_given_where_it_is_quick() -> None:
    ids = random_text(25_000, "long", vocab_size=32)
    profile = profile_of(32, num_bins=0, context_tok=4)
    assert detector(profile, stops=False).detect(ids).p_fixed is not None
    found = detector(profile, stops=False, anchor=NumpyAnchor(zipf_law(32))).detect(ids)
    assert found.num_scored > 20_000 and found.p_fixed is None and 0 < found.p_anytime <= 1


# ---------------------------------------------------------------- texts that share contexts


def test_documents_are_read_apart_and_a_corpus_together() -> None:
    one, two = random_text(200, "one"), random_text(200, "two")
    three = np.concatenate([two[50:120], random_text(100, "three")])
    apart = list(detector(stops=False).detect_all([one, two, one, three]))
    assert [d.num_duplicate for d in apart] == [0, 0, 0, 0]
    assert_same(apart[0], apart[2])
    shared = detector(profile_of(dedup="corpus"), stops=False)
    together = list(shared.detect_all([one, two, one, three]))
    assert [d.num_duplicate for d in together] == [0, 0, 198, 69]
    assert together[2].verdict == "nothing to score"
    assert together[3].num_scored == 99, "the context at its first own token is still the other's"
    assert detector(profile_of(dedup="corpus")).detect(one).num_duplicate == 0, "another detector has read nothing"


def test_texts_read_side_by_side_share_their_contexts() -> None:
    shared = detector(profile_of(dedup="corpus"), stops=False)
    ids, states = random_text(100, "side by side"), [shared.start(), shared.start()]
    for i in range(0, 100, 10):
        for state in states:
            state.push(ids[i : i + 10])
    assert [s.result().num_duplicate for s in states] == [0, 98]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_what_stands_behind_the_stop_stays_fresh_for_other_texts(size: int) -> None:
    profile = profile_of(dedup="corpus")
    ids = marked_text(KEY, profile, uniform_law(1000), 400, rng=stream(0, "shared"))
    both = detector(profile)
    state = both.start()
    for i in range(0, len(ids), size):
        state.push(ids[i : i + size])
    stop = state.result().stop_index
    assert stop is not None and stop < 20
    again = both.detect(ids)
    assert (again.verdict, again.num_duplicate) == ("detected", stop - 2)
    assert both.detect(ids).num_duplicate == again.num_tok - 2


# ---------------------------------------------------------------- power


@pytest.mark.parametrize("prf", ["mix64-v1", "blake2b-v1"])
@pytest.mark.parametrize(("n", "law", "slowest"), [(16, "uniform", 8), (16, "zipf", 60), (2, "zipf", 150)])
def test_marked_text_is_found_with_its_key_alone(prf: str, n: int, law: str, slowest: int) -> None:
    profile = profile_of(200, num_bins=n, prf=prf)
    law_V = uniform_law(200) if law == "uniform" else zipf_law(200)
    stops = []
    for i in range(15):
        ids = marked_text(KEY, profile, law_V, 250, rng=stream(i, "power", n, law))
        found = detector(profile).detect(ids)
        stops.append(found.stop_index or math.inf)
        assert found.key_id == KEY.key_id
        among = detector(profile, [OTHER, key_of("third"), KEY]).detect(ids)
        assert (among.key_id, among.num_keys) == (KEY.key_id, 3)
        assert not among.is_watermarked or among.log_e <= among.log_e_of_key <= among.log_e + math.log(3) + 1e-9
        assert detector(profile, [OTHER], alpha=1e-4).detect(ids).verdict == "not detected"
    assert np.median(stops) < slowest


def test_marking_keeps_the_law_and_agrees_as_often_as_laws_overlap() -> None:
    law_V, anchor = zipf_law(30), NumpyAnchor(zipf_law(30, 0.5))
    profile = profile_of(30, num_bins=4, context_tok=3)
    tokens, num_match, num_scored, expected = [], 0, 0, 0.0
    for i in range(60):
        ids = marked_text(key_of("law", i), profile, law_V, 60, rng=stream(i, "law"), anchor=anchor)
        tokens.append(ids)
        found = detector(profile, [key_of("law", i)], anchor=anchor, stops=False).detect(ids)
        num_match, num_scored = num_match + found.num_match, num_scored + found.num_scored
    counts = np.bincount(np.concatenate(tokens), minlength=30)
    assert stats.chisquare(counts, law_V * counts.sum()).pvalue > 1e-4
    bins = stream(0, "bins").integers(0, 4, (4000, 30))
    for row in bins:
        q_N, p_N = (np.bincount(row, x, 4) for x in (law_V, anchor.law_V))
        expected += float(np.minimum(q_N, p_N).sum()) / len(bins)
    assert num_match / num_scored == pytest.approx(expected, abs=4 * math.sqrt(0.25 / num_scored))


def test_a_late_start_finds_a_mark_behind_a_long_beginning() -> None:
    profile, head = profile_of(200), random_text(800, "head", vocab_size=200).tolist()
    ids = marked_text(KEY, profile, zipf_law(200), 300, rng=stream(0, "late"), before=head)
    late, early = (detector(profile, late_start=late).detect(ids) for late in (True, False))
    assert late.stop_index is not None and 800 < late.stop_index < 900
    assert early.stop_index is None or early.stop_index > late.stop_index


# ---------------------------------------------------------------- error rates


@pytest.mark.parametrize("bet", ["mixture", "paper:0.3"])
@pytest.mark.parametrize("n", [2, 16])
def test_text_that_knows_no_key_is_rarely_called_marked(n: int, bet: str) -> None:
    num = 4000
    ids_RT = stream(0, "null", n, bet).integers(0, 1000, (num, 300))
    profile = profile_of(num_bins=n)
    found = [detector(profile, [key_of("null", n, bet, i)], bet=bet).detect(ids) for i, ids in enumerate(ids_RT)]
    rate = sum(d.is_watermarked for d in found) / num
    assert rate <= most(ALPHA, num)
    assert rate > ALPHA / 10, "a test that never errs has no power, or is no test"
    assert np.mean([d.p_anytime <= 0.1 for d in found]) <= most(0.1, num)
    kept = [d.p_fixed for d in found if d.p_fixed is not None]
    assert len(kept) == num - sum(d.is_watermarked for d in found)


@pytest.mark.parametrize("anchor", ["constant", "window"])
def test_error_rates_hold_with_unequal_probabilities(anchor: str) -> None:
    num, differences, variance = 400, 0.0, 0.0
    profile, false_alarms = profile_of(VOCAB, num_bins=4), 0
    for i in range(num):
        ids = stream(i, "skewed", anchor).choice(VOCAB, 60, p=zipf_law(VOCAB))
        keys = [key_of("unequal", anchor, i)]
        found = detector(profile, keys, alpha=0.1, anchor=ANCHORS[anchor]).traced(ids)
        false_alarms += found.is_watermarked
        assert found.trace is not None
        differences += float((found.trace.match_S - found.trace.p_S).sum())
        variance += float((found.trace.p_S * (1 - found.trace.p_S)).sum())
    assert abs(differences) < 4 * math.sqrt(variance), "they agree as often as p says"
    assert false_alarms / num <= most(0.1, num)


def test_a_loop_counts_once_or_it_is_called_marked() -> None:
    num, rates = 1000, {}
    for dedup in ("document", "none"):
        for n in (2, 16):
            profile = profile_of(num_bins=n, dedup=dedup)
            found = [
                detector(profile, [key_of("loop", i)]).detect(loop_text(5, 300, i, vocab_size=1000)) for i in range(num)
            ]
            rates[dedup, n] = sum(d.is_watermarked for d in found) / num
            if dedup == "document":
                assert {d.num_scored for d in found if not d.is_watermarked} == {5}
    assert max(rates["document", 2], rates["document", 16]) <= most(ALPHA, num)
    assert min(rates["none", 2], rates["none", 16]) > 5 * ALPHA, "this test would notice"


def test_sixteen_keys_share_one_error_probability() -> None:
    num, num_keys = 1500, 16
    texts = stream(0, "keys").integers(0, 1000, (num, 200))
    keys = [[key_of("sixteen", i, k) for k in range(num_keys)] for i in range(num)]
    found = [detector(profile_of(), keys[i]).detect(ids) for i, ids in enumerate(texts)]
    assert sum(d.is_watermarked for d in found) / num <= most(ALPHA, num)
    unstopped = [detector(profile_of(), keys[i], stops=False).detect(ids) for i, ids in enumerate(texts[:500])]
    small = [d.p_fixed is not None and d.p_fixed <= 0.1 for d in unstopped]
    assert 0 < np.mean(small) <= most(0.1, 500), "the key with most evidence was chosen after looking"
    one_by_one = [
        any(detector(profile_of(), [k]).detect(ids).is_watermarked for k in keys[i])
        for i, ids in enumerate(texts[:200])
    ]
    assert np.mean(one_by_one) > 3 * ALPHA, "each key with its own alpha errs for all of them"


# ---------------------------------------------------------------- size


def test_ten_million_tokens_take_little_memory_and_stay_finite() -> None:
    rng, state = stream(0, "endless"), detector(profile_of(50_000), alpha=1e-12).start()
    state.push(rng.integers(0, 50_000, 1000))
    tracemalloc.start()
    try:
        for _ in range(20):
            state.push(rng.integers(0, 50_000, 500_000))
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    found = state.result()
    assert held < 60e6, "two tables of contexts"
    assert peak < 120e6
    assert found.num_tok == 10_001_000 and found.num_scored > 9_900_000
    assert -1e6 < found.log_e < -1e3, "even the best bet loses"
    assert plain(found)["p_anytime"] > 1e-12
    assert found.p_fixed is not None and 1e-6 < found.p_fixed < 1 - 1e-6


def test_endless_evidence_is_still_a_number() -> None:
    profile = profile_of(200)
    ids = marked_text(KEY, profile, uniform_law(200), 700, rng=stream(0, "endless evidence"))
    found = detector(profile, stops=False).detect(ids)
    assert found.log_e > 1000 and found.e_value == math.inf
    told = plain(found)
    assert told["e_value"] is None and told["p_anytime"] == 0.0 and told["is_watermarked"] is True
    lost = detector(profile_of(200, num_bins=2), bet="paper:0.01").detect(random_text(3000, "lost", vocab_size=200))
    unmarked = plain(lost)
    assert unmarked["e_value"] == 0.0 and unmarked["log_e"] < -745


def test_memory_does_not_grow_with_tokens_times_keys() -> None:
    many = detector(profile_of(5000), [key_of(k) for k in range(300)], stops=False)
    ids = random_text(40_000, "many keys", vocab_size=5000)
    tracemalloc.start()
    try:
        found = many.detect(ids)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.num_keys == 300 and found.num_tok == 40_000
    assert peak < 100e6


# ---------------------------------------------------------------- what it shows and imports


def test_a_detector_shows_no_key_and_is_not_pickled() -> None:
    made = detector(keys=[CANARY_KEY])
    state = made.start()
    state.push(random_text(20, "shown"))
    for thing in (made, state, state.result()):
        said = f"{thing!r} {thing} {vars(thing)!r} {inspect.getmembers(thing)!r}"
        assert not shows_a_secret(said)
    assert made.key_ids == (CANARY_KEY.key_id,)
    for thing in (made, state):
        with pytest.raises(TypeError, match="holds a key"):
            pickle.dumps(thing)
        with pytest.raises(TypeError, match="holds a key"):
            copy.deepcopy(thing)


SCORE = """
import sys
import numpy as np
from reasonry.watermark.detection import WatermarkDetector
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.profile import Profile
found = WatermarkDetector(Profile(tokenizer_hash="0" * 32, vocab_size=100), [SecretKey.from_hex("ab" * 32)]).detect(
    np.arange(90)
)
assert found.num_scored == 86, found
{more}
print(*sorted({{"torch", "transformers", "tokenizers", "altair"}} & set(sys.modules)))
"""


def heavy_imports(more: str) -> list[str]:
    script = SCORE.format(more=more)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_detection_imports_no_torch() -> None:
    assert heavy_imports("") == []
    assert "torch" in heavy_imports("import reasonry.watermark.prf.torch_labels"), "this test would notice"


def test_a_state_is_what_start_makes() -> None:
    assert isinstance(detector().start(), DetectorState)
