"""Whatever is masked, filled in and read: caches are exact with one layer, and losses are the sums they say."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonry.core import seeds
from reasonry.training.dultra.caches import CacheKind, start_session
from reasonry.training.dultra.elbo import Normalise, Weight, diffusion_loss
from reasonry.training.dultra.masking import Canvas, Masked, make_canvas, mask_answers, mask_counts
from reasonry.training.dultra.tiny_denoiser import TinyDenoiser, TinyDenoiserConfig

V = 9
_MODEL = TinyDenoiser(TinyDenoiserConfig(vocab_size=V, max_len=16, num_layers=1, num_heads=2, width=16))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    num_rows=st.integers(1, 4),
    prompt_len=st.integers(1, 6),
    answer_len=st.integers(1, 9),
    block_len=st.integers(1, 10),
    cache=st.sampled_from(["prefix", "dual"]),
    refresh_every=st.one_of(st.none(), st.integers(1, 4)),
)
def test_with_one_layer_any_cache_says_what_no_cache_says(
    seed: int,
    num_rows: int,
    prompt_len: int,
    answer_len: int,
    block_len: int,
    cache: CacheKind,
    refresh_every: int | None,
) -> None:
    rng = seeds.stream(seed, "canvas")
    tokens = torch.as_tensor(rng.integers(3, V, (num_rows, prompt_len + answer_len)))
    tokens[:, prompt_len:] = 0
    attend = torch.ones_like(tokens, dtype=torch.bool)
    for row in range(num_rows):
        num_pad = int(rng.integers(0, prompt_len + 1))
        tokens[row, :num_pad], attend[row, :num_pad] = 1, False
    session = start_session(
        _MODEL, answer_len=answer_len, block_len=block_len, cache=cache, refresh_every=refresh_every
    )
    while len(tokens) and bool((tokens[:, prompt_len:] == 0).any(1).all()):
        masked = tokens[:, prompt_len:] == 0
        eligible = masked & torch.as_tensor(rng.random(masked.shape) < 0.7)  # any set at all, in any blocks
        said = session.denoise(tokens, attend, eligible, with_hidden=True)
        whole = _MODEL.denoise(tokens, attend, with_hidden=True)
        for found, wanted in zip(said, whole, strict=True):
            assert found is not None and wanted is not None
            assert torch.allclose(found[eligible], wanted[:, prompt_len:][eligible], atol=1e-5)
        filled = eligible & torch.as_tensor(rng.random(masked.shape) < 0.6)
        new = torch.as_tensor(rng.integers(2, V, masked.shape))
        tokens = torch.cat([tokens[:, :prompt_len], torch.where(filled, new, tokens[:, prompt_len:])], 1)
        going = (tokens[:, prompt_len:] == 0).any(1).nonzero()[:, 0]
        if len(going) < len(tokens):
            session.keep(going)
            tokens, attend = tokens[going], attend[going]
    assert session.num_passes >= 1


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    num_rows=st.integers(1, 5),
    answer_len=st.integers(1, 7),
    weight=st.sampled_from(["scheduler", "uniform"]),
    normalise=st.sampled_from(["token", "sequence", "batch"]),
)
def test_a_loss_is_the_sum_it_says(
    seed: int, num_rows: int, answer_len: int, weight: Weight, normalise: Normalise
) -> None:
    rng = seeds.stream(seed, "loss")
    prompt = torch.as_tensor(rng.integers(1, V, (num_rows, 3)))
    canvas = make_canvas(prompt, torch.as_tensor(rng.integers(1, V, (num_rows, answer_len))), pad_id=1)
    masked = mask_answers(canvas, rng, mask_id=0)
    logits = torch.as_tensor(rng.normal(size=(*canvas.tokens_BN.shape, V)))
    found = diffusion_loss(logits, canvas, masked, weight=weight, normalise=normalise)

    total, all_positions, all_masks, rows_with_masks = 0.0, 0, 0, 0
    for row in range(num_rows):
        places = masked.is_masked_BN[row].nonzero()[:, 0].tolist()
        costs = [
            math.log(sum(math.exp(float(x)) for x in logits[row, p])) - float(logits[row, p, canvas.tokens_BN[row, p]])
            for p in places
        ]
        cost = sum(costs) * (float(masked.weight_B[row]) if weight == "scheduler" else 1.0)
        if normalise == "sequence":
            cost /= answer_len if weight == "scheduler" else max(len(places), 1)
        total += cost
        all_positions, all_masks = all_positions + answer_len, all_masks + len(places)
        rows_with_masks += bool(places)
    rows = num_rows if weight == "scheduler" else max(rows_with_masks, 1)
    divisor = {
        "token": all_positions if weight == "scheduler" else max(all_masks, 1),
        "sequence": rows,
        "batch": num_rows,
    }
    assert math.isclose(float(found.value), total / divisor[normalise], rel_tol=1e-4, abs_tol=1e-6)
    assert found.num_masked == all_masks


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), num_rows=st.integers(1, 5), answer_len=st.integers(1, 9), data=st.data())
def test_masks_stand_in_answers_and_nothing_else_changes(
    seed: int, num_rows: int, answer_len: int, data: st.DataObject
) -> None:
    rng = seeds.stream(seed, "masks")
    prompt = torch.as_tensor(rng.integers(1, V, (num_rows, 3)))
    canvas: Canvas = make_canvas(prompt, torch.as_tensor(rng.integers(1, V, (num_rows, answer_len))), pad_id=1)
    num = torch.tensor(data.draw(st.lists(st.integers(1, answer_len), min_size=num_rows, max_size=num_rows)))
    found: Masked
    for found in (mask_counts(canvas, num, rng, mask_id=0), mask_answers(canvas, rng, mask_id=0)):
        assert not (found.is_masked_BN & ~canvas.is_answer_BN).any()
        assert torch.equal(found.tokens_BN == 0, found.is_masked_BN)
        assert torch.equal(found.tokens_BN[~found.is_masked_BN], canvas.tokens_BN[~found.is_masked_BN])
        assert (found.weight_B >= 1).all()
    counted = mask_counts(canvas, num, rng, mask_id=0)
    assert torch.equal(counted.is_masked_BN.sum(1), num)
    assert torch.allclose(counted.weight_B * num, torch.full((num_rows,), float(answer_len)))
