"""The coupled law in torch: its average over keyed symbols is the law itself, whatever the law."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reasonry.core import seeds
from reasonry.watermark.e_values import coupled_law
from reasonry.watermark.generation.coupling import coupled_ratio, keyed_symbol, symbol_mass, with_floor
from reasonry.watermark.generation.marking import Marking, RowState
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.prf.torch_labels import VocabularyLabels
from reasonry.watermark.profile import Profile

KEY = SecretKey.from_hex("ab" * 32)


def law(rng: np.random.Generator, vocab: int, *, sharpness: float = 2.0, zeros: float = 0.0) -> np.ndarray:
    q = np.exp(sharpness * rng.standard_normal(vocab))
    q[rng.random(vocab) < zeros] = 0
    q[int(rng.integers(vocab))] = 1
    return q / q.sum()


def coupled(q_V: np.ndarray, label_V: np.ndarray | None, p_N: np.ndarray, keyed: int) -> np.ndarray:
    """w(. | S = keyed) by the torch code."""
    q_1V = torch.from_numpy(q_V)[None]
    label_1V = None if label_V is None else torch.from_numpy(label_V)[None]
    mass_1N = symbol_mass(q_1V, label_1V, len(p_N))
    ratio_1N = coupled_ratio(mass_1N, torch.from_numpy(p_N)[None], torch.tensor([keyed]))
    factor = ratio_1N if label_1V is None else ratio_1N.gather(-1, label_1V.long())
    return (q_1V * factor)[0].numpy()


@pytest.mark.parametrize("n", [2, 3, 16, 40])
@pytest.mark.parametrize("zeros", [0.0, 0.9])
def test_the_average_over_keyed_symbols_is_the_law(n: int, zeros: float) -> None:
    rng = seeds.stream(1, "coupling", n, str(zeros))
    for _ in range(20):
        q = law(rng, 60, zeros=zeros)
        label = rng.integers(0, n, 60).astype(np.int32)
        p = law(rng, n)
        mean = sum(p[s] * coupled(q, label, p, s) for s in range(n))
        np.testing.assert_allclose(mean, q, atol=1e-12, rtol=0)


def test_every_token_its_own_symbol() -> None:
    rng = seeds.stream(2, "coupling")
    q, p = law(rng, 50, zeros=0.5), law(rng, 50)
    rows = [coupled(q, None, p, s) for s in range(50)]
    np.testing.assert_allclose(sum(p[s] * rows[s] for s in range(50)), q, atol=1e-12, rtol=0)
    agreement = sum(p[s] * rows[s][s] for s in range(50))
    assert agreement == pytest.approx(np.minimum(p, q).sum(), abs=1e-12)  # maximal: 1 - TV


@given(st.integers(0, 2**32), st.integers(2, 9))
def test_it_equals_the_numpy_reference(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    q = law(rng, 30, zeros=float(rng.choice([0, 0.5, 0.97])), sharpness=float(rng.choice([0.1, 3, 8])))
    label, p = rng.integers(0, n, 30).astype(np.int32), law(rng, n, sharpness=float(rng.choice([0.1, 3])))
    for s in range(n):
        np.testing.assert_allclose(coupled(q, label, p, s), coupled_law(q, label, p, s), atol=1e-12)


def test_degenerate_laws_give_laws() -> None:
    one = np.zeros(8)
    one[3] = 1.0
    label = np.arange(8, dtype=np.int32) % 2
    for s in (0, 1):  # Q[S] = 0 for s = 0: all mass goes where it was
        np.testing.assert_allclose(coupled(one, label, np.array([0.5, 0.5]), s), one, atol=1e-15)
    even = np.full(8, 1 / 8)
    for s in (0, 1):  # Q = P: no excess, text and key always agree
        found = coupled(even, label, np.array([0.5, 0.5]), s)
        assert found.sum() == pytest.approx(1)
        assert found[label != s].sum() == 0
    only_one_bin = np.zeros(8, dtype=np.int32)
    found = coupled(even, only_one_bin, np.array([1e-4, 1 - 1e-4]), 0)
    np.testing.assert_allclose(found, even, atol=1e-12)


def test_float32_laws_are_kept_to_float32() -> None:
    rng = seeds.stream(3, "coupling")
    q = torch.from_numpy(law(rng, 5000)).float()[None]
    label = torch.from_numpy(rng.integers(0, 16, 5000).astype(np.int32))[None]
    p = torch.from_numpy(law(rng, 16))[None]
    mean = torch.zeros_like(q)
    for s in range(16):
        ratio = coupled_ratio(symbol_mass(q, label, 16), p, torch.tensor([s]))
        mean += p[0, s].float() * q * ratio.float().gather(-1, label.long())
    assert float((mean - q).abs().max()) < 1e-7


def test_the_floor_keeps_every_symbol_possible() -> None:
    p = with_floor(torch.tensor([[0.0, 0.0, 3.0]], dtype=torch.float64), 1e-4)
    assert p.sum().item() == pytest.approx(1)
    assert p.min().item() == pytest.approx(1e-4 / 3)


def test_the_keyed_symbol_is_the_inverse_cdf() -> None:
    p = torch.tensor([[0.2, 0.0, 0.8]], dtype=torch.float64)
    for u, want in ((0.0, 0), (0.1999, 0), (0.2, 2), (0.999999, 2), (1 - 2**-53, 2)):
        assert keyed_symbol(p, torch.tensor([u])).item() == want


def test_drift_of_the_anchor_costs_few_agreements() -> None:
    """Noise of 0.01 in the anchor's logits, as between number formats: the keyed symbol is nearly always the same."""
    rng = seeds.stream(4, "drift")
    for n, most in ((2, 0.01), (16, 0.03)):
        num = 2000
        logits = 3 * rng.standard_normal((num, 200))
        label = torch.from_numpy(rng.integers(0, n, (num, 200)).astype(np.int32))
        u = torch.from_numpy(rng.random(num))
        symbols = []
        for noise in (0.0, 0.01):
            noisy = torch.from_numpy(logits + noise * rng.standard_normal(logits.shape))
            symbols.append(keyed_symbol(with_floor(symbol_mass(noisy.softmax(-1), label, n), 1e-4), u))
        changed = int((symbols[0] != symbols[1]).sum())
        assert changed / num < most


# ---------------------------------------------------------------- a marked step


def marking(**changes: object) -> Marking:
    profile = Profile(vocab_size=40, tokenizer_hash="0" * 16, **{"num_bins": 4, "context_tok": 2, **changes})
    return Marking(profile, KEY, vocab_size=40)


def test_marked_text_has_the_law_of_unmarked_text() -> None:
    """Chi-square over 100,000 marked draws with contexts that are all distinct."""
    rng = seeds.stream(5, "marginal")
    q = law(rng, 40)
    mark, num = marking(), 100_000
    drawn = np.zeros(40)
    for start in range(0, num, 1000):
        histories = [[int(i // 40), int(i % 40), start, i] for i in range(start, start + 1000)]
        laws = torch.from_numpy(q).float().expand(1000, -1)
        out = mark.mark(laws, histories, [RowState() for _ in histories]).numpy()
        cdf = np.cumsum(out, axis=1)
        u = rng.random((1000, 1)) * cdf[:, -1:]
        drawn += np.bincount((cdf <= u).sum(1), minlength=40)
    assert stats.chisquare(drawn, q * num).pvalue > 1e-3


def test_two_marked_steps_have_the_joint_law() -> None:
    """The second step's law depends on the first token; with distinct contexts the joint law is kept."""
    rng = seeds.stream(6, "joint")
    first = law(rng, 5)
    second = np.stack([law(rng, 5) for _ in range(5)])
    profile = Profile(vocab_size=5, tokenizer_hash="0" * 16, num_bins=2, context_tok=1)
    drawn, num = np.zeros((5, 5)), 40_000
    for i in range(0, num, 500):
        mark = Marking(profile, SecretKey.from_integer(i), vocab_size=5)
        starts = [[1000 + i + j] for j in range(500)]  # contexts of their own: independent keyed symbols
        states = [RowState() for _ in starts]
        a = _draw(mark.mark(torch.from_numpy(first).expand(500, -1), starts, states).numpy(), rng)
        histories = [[*start, 1_000_000 + 5 * start[0] + int(t)] for start, t in zip(starts, a, strict=True)]
        b = _draw(mark.mark(torch.from_numpy(second[a]), histories, states).numpy(), rng)
        np.add.at(drawn, (a, b), 1)
    expected = first[:, None] * second * num
    assert stats.chisquare(drawn.ravel(), expected.ravel()).pvalue > 1e-3


def _draw(law_BV: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    cdf = np.cumsum(law_BV, axis=1)
    return (cdf <= rng.random((len(cdf), 1)) * cdf[:, -1:]).sum(1)


def test_a_context_counts_once_per_row_and_short_rows_wait() -> None:
    mark = marking()
    states = [RowState(), RowState()]
    assert mark.plan([[1], []], states) is None
    step = mark.plan([[1, 2], [1, 2]], states)
    assert step is not None and step.rows == [0, 1]
    step = mark.plan([[5, 1, 2], [1, 2, 3]], states)
    assert step is not None and step.rows == [1]
    assert (states[0].num_short_context, states[0].num_marked, states[0].num_duplicate) == (1, 1, 1)
    no_dedup = marking(dedup="none")
    assert no_dedup.plan([[1, 2]], states[:1]) is not None


def test_logits_wider_than_the_vocabulary_keep_their_extra_tokens() -> None:
    """Every token its own symbol, in a profile of 40 tokens; the model has 43 logits."""
    profile = Profile(vocab_size=40, tokenizer_hash="0" * 16, num_bins=0, context_tok=2)
    mark = Marking(profile, KEY, vocab_size=43)
    rng = seeds.stream(7, "wide")
    q = torch.from_numpy(law(rng, 43)).float()[None]
    out = mark.mark(q, [[1, 2]], [RowState()])
    assert out.shape == (1, 43)
    torch.testing.assert_close(out[:, 40:], q[:, 40:])
    assert float(out.sum()) == pytest.approx(1, abs=1e-5)


def test_labels_of_a_vocabulary_are_those_of_single_tokens() -> None:
    from reasonry.watermark.prf import labels

    words = np.array([2**64 - 1, 12345, 2**31], dtype=np.uint64)
    for n in (2, 7, 16):
        table = VocabularyLabels(1000, n)(words).numpy()
        np.testing.assert_array_equal(table, labels(words[:, None], np.arange(1000)[None], n).astype(np.int32))
