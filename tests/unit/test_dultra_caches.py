"""Sessions: what is read, what is kept, what is counted; and where the caches are exact."""

from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from reasonry.core import seeds
from reasonry.errors import ConfigError
from reasonry.training.dultra.caches import CacheKind, start_session
from reasonry.training.dultra.columns import CachingDenoiser, KeyValues
from reasonry.training.dultra.denoiser import Denoised
from reasonry.training.dultra.policies.base import current_block
from reasonry.training.dultra.tiny_denoiser import TinyDenoiser, TinyDenoiserConfig

P, L, BLOCK, V = 4, 10, 4, 9
CACHES: tuple[Literal["prefix", "dual"], ...] = ("prefix", "dual")


def _model(num_layers: int = 3) -> TinyDenoiser:
    config = TinyDenoiserConfig(vocab_size=V, max_len=P + L, num_layers=num_layers, num_heads=2, width=16)
    return TinyDenoiser(config)


class _Shifted:
    """A denoiser whose logits are of the token after, as Dream's are, made from one whose logits are not."""

    lookback = 1

    def __init__(self, inner: TinyDenoiser) -> None:
        self.inner = inner
        self.name, self.vocab_size, self.width, self.max_len = "shifted", V, inner.width, inner.max_len
        self.mask_id, self.pad_id, self.end_id = 0, 1, 2

    def denoise(self, tokens_BN: Tensor, attend_BN: Tensor, *, with_hidden: bool = False) -> Denoised:
        return self.denoise_columns(
            tokens_BN, attend_BN, None, cache=None, num_last=tokens_BN.shape[1], with_hidden=with_hidden
        )

    def denoise_columns(
        self, tokens_BN: Tensor, attend_BN: Tensor, columns_BW: Tensor | None, **options: Any
    ) -> Denoised:
        num_last = options.pop("num_last")
        columns = torch.arange(tokens_BN.shape[1]).expand(tokens_BN.shape) if columns_BW is None else columns_BW
        said = self.inner.denoise_columns(
            tokens_BN, attend_BN, columns_BW, num_last=columns.shape[1], cache=options["cache"]
        )
        shifted = said.logits_BNV.clone()
        for row, read in enumerate(columns.tolist()):
            for place, column in enumerate(read):
                if column - 1 in read:
                    shifted[row, place] = said.logits_BNV[row, read.index(column - 1)]
        return Denoised(shifted[:, -num_last:], None)


def _canvases(num: int, pads: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Canvases of masks, which positions are attended to, and the answers that will be filled in."""
    rng = seeds.stream(2, "canvases")
    tokens = torch.as_tensor(rng.integers(3, V, (num, P + L)))
    answers = tokens[:, P:].clone()
    tokens[:, P:] = 0
    attend = torch.ones(num, P + L, dtype=torch.bool)
    for row, count in enumerate(pads):
        tokens[row, :count], attend[row, :count] = 1, False
    return tokens, attend, answers


def _orders(num: int) -> Tensor:
    """For each row a step at which each position is filled, block by block, rows at their own pace."""
    rng = seeds.stream(3, "orders")
    steps = torch.zeros(num, L, dtype=torch.long)
    for row in range(num):
        at = 0
        for first in range(0, L, BLOCK):
            places = torch.as_tensor(rng.permutation(range(first, min(first + BLOCK, L))))
            for group in places.split(1 + row % 3):
                steps[row, group] = at
                at += 1
    return steps


def _decode(
    model: Any, cache: CacheKind, rows: list[int], *, refresh_every: int | None = None
) -> tuple[dict[Any, Tensor], Any]:
    """Eligible logits by (row, step), as rows are filled in and leave the batch."""
    tokens, attend, answers = (t[rows] for t in _canvases(4, (0, 2, 0, 3)))
    steps = _orders(4)[rows]
    names = torch.tensor(rows)
    session = start_session(model, answer_len=L, block_len=BLOCK, cache=cache, refresh_every=refresh_every)
    seen: dict[Any, Tensor] = {}
    for step in range(L + 1):
        masked = tokens[:, P:] == 0
        going = masked.any(1)
        if not going.all():
            kept = going.nonzero()[:, 0]
            session.keep(kept)
            tokens, attend, answers, steps, names, masked = (
                t[kept] for t in (tokens, attend, answers, steps, names, masked)
            )
        if not len(tokens):
            break
        eligible = current_block(masked, block_len=BLOCK)
        said = session.denoise(tokens, attend, eligible)
        assert said.logits_BNV.shape == (len(tokens), L, V)
        for name, logits, where in zip(names.tolist(), said.logits_BNV, eligible, strict=True):
            seen[name, step] = logits[where].clone()
        tokens = tokens.clone()
        tokens[:, P:] = torch.where(steps == step, answers, tokens[:, P:])
    return seen, session


def _same(a: dict[Any, Tensor], b: dict[Any, Tensor], atol: float = 1e-5) -> bool:
    assert a.keys() == b.keys() and len(a) > 10
    return all(torch.allclose(a[key], b[key], atol=atol) for key in a)


@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize("shifted", [False, True])
def test_a_cache_refreshed_at_every_step_is_no_cache(cache: CacheKind, shifted: bool) -> None:
    model = _Shifted(_model()) if shifted else _model()
    assert isinstance(model, CachingDenoiser)
    plain, no_cache = _decode(model, "none", [0, 1, 2, 3])
    cached, session = _decode(model, cache, [0, 1, 2, 3], refresh_every=1)
    assert _same(cached, plain)
    assert session.num_token_forwards == no_cache.num_token_forwards


@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize("shifted", [False, True])
def test_with_one_layer_a_cache_is_exact_since_keys_depend_on_their_own_token_alone(
    cache: CacheKind, shifted: bool
) -> None:
    model = _Shifted(_model(1)) if shifted else _model(1)
    plain, no_cache = _decode(model, "none", [0, 1, 2, 3])
    cached, session = _decode(model, cache, [0, 1, 2, 3])
    assert _same(cached, plain)
    assert session.num_token_forwards < no_cache.num_token_forwards


@pytest.mark.parametrize("cache", CACHES)
def test_with_more_layers_a_cache_is_an_approximation(cache: CacheKind) -> None:
    plain, _ = _decode(_model(), "none", [0, 1, 2, 3])
    cached, _ = _decode(_model(), cache, [0, 1, 2, 3])
    assert not _same(cached, plain, atol=1e-3)


@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize("refresh_every", [None, 3])
def test_a_row_does_not_depend_on_its_batch(cache: CacheKind, refresh_every: int | None) -> None:
    together, _ = _decode(_model(), cache, [0, 1, 2, 3], refresh_every=refresh_every)
    apart: dict[Any, Tensor] = {}
    for row in range(4):
        apart |= _decode(_model(), cache, [row], refresh_every=refresh_every)[0]
    assert _same(apart, together)


def test_passes_and_columns_are_counted() -> None:
    # Row 2 fills three positions at a step: blocks of 4, 4 and 2 take 2 + 2 + 1 steps, the first of each reads all.
    assert _orders(4)[2].max() == 4
    for cache, columns in (("none", 5 * 14), ("prefix", 3 * 14 + 10 + 6), ("dual", 3 * 14 + 4 + 4)):
        _, session = _decode(_model(), cache, [2])
        assert (session.num_passes, session.num_token_forwards) == (5, columns), cache
    _, session = _decode(_Shifted(_model()), "dual", [2])
    assert session.num_token_forwards == 3 * 14 + 5 + 5
    # Row 3 has 3 columns of padding, which are not counted.
    _, session = _decode(_model(), "none", [3])
    assert session.num_token_forwards == 11 * session.num_passes


def test_rows_that_read_all_and_rows_that_read_a_block_are_two_passes() -> None:
    model = _model()
    tokens, attend, answers = _canvases(2, (0, 0))
    session = start_session(model, answer_len=L, block_len=BLOCK, cache="dual")
    session.denoise(tokens, attend, current_block(tokens[:, P:] == 0, block_len=BLOCK))
    tokens[0, P : P + 4] = answers[0, :4]  # row 0 goes on to its second block, row 1 stays in its first
    tokens[1, P] = answers[1, 0]
    session.denoise(tokens, attend, current_block(tokens[:, P:] == 0, block_len=BLOCK))
    assert (session.num_passes, session.num_token_forwards) == (3, 28 + 14 + 4)


@pytest.mark.parametrize(("cache", "kept"), [("prefix", [*range(8)]), ("dual", [*range(8), 12, 13])])
def test_kept_keys_and_values_change_at_a_refresh_only(cache: CacheKind, kept: list[int]) -> None:
    model = _model()
    tokens, attend, answers = _canvases(1, (0,))
    tokens[:, P : P + 4] = answers[:, :4]
    session = start_session(model, answer_len=L, block_len=BLOCK, cache=cache, refresh_every=3)
    keys: list[dict[int, Tensor]] = []
    for step in range(4):
        session.denoise(tokens, attend, current_block(tokens[:, P:] == 0, block_len=BLOCK))
        layers = session._kept.keys.layers  # pyright: ignore
        keys.append({layer: k.clone() for layer, (k, _) in layers.items()})
        tokens[0, P + 4 + step] = answers[0, 4 + step]
    read = [c for c in range(P + L) if c not in kept]
    for layer in (1, 2):
        for step in (1, 2):  # the first pass read everything; these two read their span
            assert torch.equal(keys[step][layer][:, :, kept], keys[0][layer][:, :, kept])
            assert not torch.allclose(keys[step][layer][:, :, read], keys[step - 1][layer][:, :, read], atol=1e-3)
        assert not torch.allclose(keys[3][layer][:, :, kept], keys[2][layer][:, :, kept], atol=1e-3)


@pytest.mark.parametrize("cache", CACHES)
def test_reading_again_what_has_not_changed_says_the_same(cache: CacheKind) -> None:
    tokens, attend, _ = _canvases(4, (0, 2, 0, 3))
    session = start_session(_model(), answer_len=L, block_len=BLOCK, cache=cache)
    eligible = current_block(tokens[:, P:] == 0, block_len=BLOCK)
    first = session.denoise(tokens, attend, eligible, with_hidden=True)
    again = session.denoise(tokens, attend, eligible, with_hidden=True)
    assert torch.allclose(first.logits_BNV, again.logits_BNV, atol=1e-5)
    assert first.hidden_BND is not None and again.hidden_BND is not None
    assert torch.allclose(first.hidden_BND, again.hidden_BND, atol=1e-5)


def test_what_was_given_is_not_written_into_later() -> None:
    tokens, attend, answers = _canvases(2, (0, 1))
    session = start_session(_model(), answer_len=L, block_len=BLOCK, cache="dual")
    first = session.denoise(tokens, attend, current_block(tokens[:, P:] == 0, block_len=BLOCK))
    before = first.logits_BNV.clone()
    tokens[:, P] = answers[:, 0]
    second = session.denoise(tokens, attend, current_block(tokens[:, P:] == 0, block_len=BLOCK))
    assert torch.equal(first.logits_BNV, before)
    assert not torch.equal(second.logits_BNV[:, :BLOCK], before[:, :BLOCK])
    assert torch.equal(second.logits_BNV[:, BLOCK:], before[:, BLOCK:])  # not read again: what was said last


def test_several_open_blocks_are_read_together() -> None:
    model = _model(1)
    tokens, attend, answers = _canvases(1, (0,))
    session = start_session(model, answer_len=L, block_len=BLOCK, cache="dual")
    eligible = torch.zeros(1, L, dtype=torch.bool)
    eligible[0, :8] = True
    session.denoise(tokens, attend, eligible)
    tokens[0, P + 1], tokens[0, P + 6] = answers[0, 1], answers[0, 6]
    eligible[0, 1] = eligible[0, 6] = False
    said = session.denoise(tokens, attend, eligible)
    assert session.num_token_forwards == 14 + 8
    assert torch.allclose(said.logits_BNV[:, :8], model.denoise(tokens, attend).logits_BNV[:, P : P + 8], atol=1e-5)


def test_a_block_that_closes_after_it_was_read_is_attended_to_as_it_was_read() -> None:
    model = _model(1)
    tokens, attend, answers = _canvases(2, (0, 0))
    session = start_session(model, answer_len=L, block_len=BLOCK, cache="dual")
    both, second = torch.zeros(2, L, dtype=torch.bool), torch.zeros(2, L, dtype=torch.bool)
    both[:, :8], second[:, 4:8] = True, True
    session.denoise(tokens, attend, both)
    tokens[0, P + 1], tokens[0, P + 6] = answers[0, 1], answers[0, 6]
    tokens[1, P + 9] = answers[1, 9]  # outside what row 1 reads: it is refreshed, so that row 0 is read by itself
    session.denoise(tokens, attend, both)
    assert session.num_token_forwards == 28 + 8 + 14
    said = session.denoise(tokens, attend, second)
    assert session.num_token_forwards == 28 + 8 + 14 + 4 + 4  # nothing was filled in that has not been read
    assert torch.allclose(
        said.logits_BNV[:, 4:8], model.denoise(tokens, attend).logits_BNV[:, P + 4 : P + 8], atol=1e-5
    )


@torch.no_grad()
def test_padding_that_is_read_is_not_attended_to() -> None:
    model = _model()
    tokens, attend, _ = _canvases(1, (3,))
    keys = KeyValues()
    whole = model.denoise_columns(tokens, attend, None, cache=keys, num_last=P + L).logits_BNV
    part = model.denoise_columns(tokens, attend, torch.tensor([[1, 2, 3, 4, 5]]), cache=keys, num_last=2).logits_BNV
    assert torch.allclose(part, whole[:, 4:6], atol=1e-5)


def test_rows_without_an_eligible_position_are_not_read() -> None:
    tokens, attend, _ = _canvases(2, (0, 0))
    session = start_session(_model(), answer_len=L, block_len=BLOCK, cache="prefix")
    eligible = current_block(tokens[:, P:] == 0, block_len=BLOCK)
    session.denoise(tokens, attend, eligible)
    eligible[1] = False
    session.denoise(tokens, attend, eligible)
    assert session.num_token_forwards == 28 + 10


def test_hidden_states_come_from_every_cache() -> None:
    model = _model(1)
    tokens, attend, answers = _canvases(2, (0, 2))
    for cache in ("none", *CACHES):
        canvas = tokens.clone()
        session = start_session(model, answer_len=L, block_len=BLOCK, cache=cache)
        eligible = current_block(canvas[:, P:] == 0, block_len=BLOCK)
        session.denoise(canvas, attend, eligible, with_hidden=True)
        canvas[:, P + 2] = answers[:, 2]
        said = session.denoise(canvas, attend, eligible, with_hidden=True)
        whole = model.denoise(canvas, attend, with_hidden=True)
        assert said.hidden_BND is not None and whole.hidden_BND is not None
        assert torch.allclose(said.hidden_BND[:, :BLOCK], whole.hidden_BND[:, P : P + BLOCK], atol=1e-5)
        assert not said.logits_BNV.requires_grad


def test_a_session_cannot_change_its_mind() -> None:
    tokens, attend, _ = _canvases(2, (0, 0))
    session = start_session(_model(), answer_len=L, block_len=BLOCK, cache="prefix")
    eligible = current_block(tokens[:, P:] == 0, block_len=BLOCK)
    session.denoise(tokens, attend, eligible)
    with pytest.raises(ValueError, match="with_hidden"):
        session.denoise(tokens, attend, eligible, with_hidden=True)
    with pytest.raises(ValueError, match=r"keep\(\)"):
        session.denoise(tokens[:1], attend[:1], eligible[:1])


class _Plain:
    """A denoiser without keys and values."""

    name, vocab_size, width, max_len, mask_id, pad_id, end_id = "plain", V, 0, None, 0, 1, 2

    def denoise(self, tokens_BN: Tensor, attend_BN: Tensor, *, with_hidden: bool = False) -> Denoised:
        return Denoised(torch.zeros(*tokens_BN.shape, V) + tokens_BN[..., None], None)


def test_a_denoiser_that_keeps_nothing_works_without_a_cache_alone() -> None:
    tokens, attend, _ = _canvases(1, (1,))
    session = start_session(_Plain(), answer_len=L, block_len=BLOCK)
    said = session.denoise(tokens, attend, tokens[:, P:] == 0)
    assert said.logits_BNV.shape == (1, L, V) and said.hidden_BND is None
    assert torch.equal(said.logits_BNV[..., 0], tokens[:, P:].float())
    assert (session.num_passes, session.num_token_forwards) == (1, 13)
    with pytest.raises(ConfigError, match="plain keeps no keys and values"):
        start_session(_Plain(), answer_len=L, block_len=BLOCK, cache="dual")


def test_without_a_cache_logits_are_asked_for_at_the_answer_alone() -> None:
    model, asked = _model(), list[int]()
    read_out = model.say
    model.say = lambda h_BSD: asked.append(h_BSD.shape[1]) or read_out(h_BSD)
    tokens, attend, _ = _canvases(2, (0, 1))
    session = start_session(model, answer_len=L, block_len=BLOCK)
    said = session.denoise(tokens, attend, tokens[:, P:] == 0, with_hidden=True)
    assert asked == [L]
    whole = model.denoise(tokens, attend, with_hidden=True)
    assert said.hidden_BND is not None and whole.hidden_BND is not None
    assert torch.allclose(said.logits_BNV, whole.logits_BNV[:, P:], atol=1e-6)
    assert torch.allclose(said.hidden_BND, whole.hidden_BND[:, P:], atol=1e-6)


@pytest.mark.parametrize(("cache", "refresh_every"), [("dual", 0), ("none", 2)])
def test_a_refresh_that_means_nothing_is_refused(cache: CacheKind, refresh_every: int) -> None:
    with pytest.raises(ConfigError, match="refresh_every"):
        start_session(_model(), answer_len=L, block_len=BLOCK, cache=cache, refresh_every=refresh_every)


def test_columns_cannot_be_read_beside_nothing() -> None:
    tokens, attend, _ = _canvases(1, (0,))
    with pytest.raises(ValueError, match="beside the keys"):
        _model().denoise_columns(tokens, attend, torch.tensor([[4, 5]]), cache=KeyValues(), num_last=2)
