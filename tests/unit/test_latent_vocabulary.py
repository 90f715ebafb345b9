"""New tokens: ids, rows of tied and untied models, padding, what is refused; adapters that train them and no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.latent_models import EOS, FAMILIES, PAD, WORDS, gpt2, llama, matrices, tokenizer

from reasonry.errors import ConfigError
from reasonry.training.latent_tokens.mixing.adapters import add_latent_adapters
from reasonry.training.latent_tokens.mixing.latent_ids import LatentIds
from reasonry.training.latent_tokens.mixing.new_rows import INITS, from_codebook, mean_cov, mean_row
from reasonry.training.latent_tokens.mixing.vocabulary import extend, latent_ids

K = 10
VECTORS = torch.randn((K, 6), generator=torch.Generator().manual_seed(9))


def _extended(family: str = "gpt2", **more: Any) -> tuple[Any, Any, LatentIds]:
    words, model = tokenizer(), FAMILIES[family]()
    return words, model, extend(words, model, num_codes=K, **{"vectors": VECTORS, **more})


def test_tokens_follow_those_that_are_there() -> None:
    words, model, ids = _extended(with_pause=True)
    assert ids == LatentIds(WORDS, WORDS + 1, WORDS + 2, K, WORDS + 2 + K, PAD)
    assert latent_ids(words) == ids
    text = "w5 <boLatent> <|latent_0|> <|latent_9|> <eoLatent> w6"
    assert words(text)["input_ids"] == [5, ids.begin, ids.codes[0], ids.codes[9], ids.end, 6]
    assert words.decode([5, ids.begin, ids.codes[3], ids.end, 6], skip_special_tokens=True) == "w5 w6"
    assert words.convert_ids_to_tokens(list(ids.added)) == list(ids.names().values())
    assert (ids.names()[ids.begin], ids.names()[ids.codes[3]]) == ("<boLatent>", "<|latent_3|>")
    assert model.config.vocab_size == 64


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("family", list(FAMILIES))
def test_old_rows_stay_bit_for_bit_and_ties_stay(family: str, init: Any) -> None:
    before = [weight.clone() for weight in matrices(FAMILIES[family]())]
    _, model, ids = _extended(family, init=init)
    after = matrices(model)
    assert len(after) == len(before) == (2 if family == "llama" else 1)
    for old, new in zip(before, after, strict=True):
        assert torch.equal(new[:WORDS], old)
        assert len(new) == 64
        assert torch.isfinite(new).all()
        added = new[list(ids.added)]
        if init != "mean":
            assert len(torch.unique(added, dim=0)) == len(added), "two tokens begin as one"
    if len(after) == 2 and init not in ("mean",):
        assert not torch.equal(*(weight[list(ids.added)] for weight in after))


@pytest.mark.parametrize("family", list(FAMILIES))
def test_logits_of_old_tokens_stay_and_padding_is_never_the_best(family: str) -> None:
    text = torch.tensor([[5, 6, 7, 8, 9]])
    before = FAMILIES[family]()(text).logits
    _, model, ids = _extended(family)
    logits = model(text).logits
    torch.testing.assert_close(logits[..., :WORDS], before, rtol=1e-5, atol=1e-5)
    padding = logits[..., max(ids.added) + 1 :]
    assert padding.shape[-1] == 64 - WORDS - 2 - K
    torch.testing.assert_close(padding, before.mean(-1, keepdim=True).expand_as(padding), rtol=1e-4, atol=1e-4)
    assert (logits.softmax(-1)[..., max(ids.added) + 1 :] <= 1 / WORDS).all()
    assert (logits.argmax(-1) < max(ids.added) + 1).all()


def test_the_same_seed_gives_the_same_rows_and_the_shared_generator_is_left_alone() -> None:
    models = [gpt2() for _ in range(3)]
    state = torch.get_rng_state()
    for model, seed in zip(models, (0, 0, 1), strict=True):
        extend(tokenizer(), model, num_codes=K, seed=seed)
    rows = [matrices(model)[0] for model in models]
    assert torch.equal(rows[0], rows[1])
    assert not torch.equal(rows[0], rows[2])
    assert torch.equal(torch.get_rng_state(), state)


def test_rows_with_mean_and_covariance() -> None:
    generator = torch.Generator().manual_seed(0)
    old = torch.randn((9000, 4), generator=generator) @ torch.randn((4, 4), generator=generator) + 3
    new = mean_cov(old, 20_000, seed=1, name="x")
    torch.testing.assert_close(new.mean(0), old.mean(0), rtol=0, atol=0.08)
    torch.testing.assert_close(torch.cov(new.T), torch.cov(old.T), rtol=0.08, atol=0.15)
    narrow = mean_cov(old, 5, seed=1, name="x", spread=0.01)
    torch.testing.assert_close(narrow - old.mean(0), 0.01 * (new - old.mean(0))[:5], rtol=1e-2, atol=1e-2)
    assert torch.equal(mean_cov(old, 2, seed=1, name="x", spread=0.0), mean_row(old).repeat(2, 1))


def test_transformers_own_resizing_is_the_narrow_case() -> None:
    peer = llama()
    with torch.no_grad():
        peer.resize_token_embeddings(WORDS + K)
    ours = mean_cov(matrices(llama())[0], K, seed=0, name="embedding", spread=1e-9**0.5)
    torch.testing.assert_close(matrices(peer)[0][WORDS:], ours, rtol=0, atol=5e-4)


def test_rows_of_a_codebook_lie_as_its_vectors_do() -> None:
    old = torch.randn((500, 32), generator=torch.Generator().manual_seed(2)) * 0.3 + 1
    vectors = VECTORS.clone()
    vectors[1] = vectors[0]
    rows = from_codebook(old, vectors, seed=0, name="x")
    assert torch.equal(rows[0], rows[1]) or torch.allclose(rows[0], rows[1], atol=1e-5)
    far = (rows - old.mean(0)).square().sum(1).mean().sqrt()
    torch.testing.assert_close(far, (old - old.mean(0)).square().sum(1).mean().sqrt(), rtol=1e-4, atol=0)
    white = rows - rows.mean(0)
    spectrum = torch.linalg.svdvals(white)
    torch.testing.assert_close(spectrum[:6], spectrum[0].expand(6), rtol=1e-3, atol=0)
    assert spectrum[6] < 1e-3 * spectrum[0]
    assert torch.equal(from_codebook(old, torch.ones((3, 5)), seed=0, name="x"), mean_row(old).repeat(3, 1))
    assert from_codebook(
        old, torch.randn((100, 64), generator=torch.Generator().manual_seed(1)), seed=0, name="x"
    ).shape == (100, 32)


def test_spare_rows_are_used_before_new_ones_are_made() -> None:
    words, model = tokenizer(), llama(rows=128)
    before = [weight.clone() for weight in matrices(model)]
    ids = extend(words, model, num_codes=K)
    for old, new in zip(before, matrices(model), strict=True):
        assert len(new) == 128
        kept = [row for row in range(128) if row not in ids.added]
        assert torch.equal(new[kept], old[kept])
        assert (new[list(ids.added)] != old[list(ids.added)]).any(1).all()


@pytest.mark.parametrize(("multiple", "rows"), [(None, WORDS + 2 + K), (8, 56), (64, 64)])
def test_the_number_of_rows_is_rounded_up(multiple: int | None, rows: int) -> None:
    assert len(matrices(_extended("llama", pad_to_multiple_of=multiple)[1])[0]) == rows


def test_bias_of_a_head() -> None:
    model = llama()
    model.lm_head = torch.nn.Linear(32, WORDS, bias=True)
    with torch.no_grad():
        model.lm_head.bias.copy_(torch.arange(WORDS))
    extend(tokenizer(), model, num_codes=K)
    assert model.lm_head.bias[:WORDS].tolist() == list(range(WORDS))
    assert model.lm_head.bias[WORDS:].tolist() == [19.5] * 24


def test_extending_again_changes_nothing_but_a_pause_may_be_added() -> None:
    words, model, ids = _extended()
    before = matrices(model)[0].clone()
    assert extend(words, model, num_codes=K, seed=5) == ids
    assert torch.equal(matrices(model)[0], before)
    paused = extend(words, model, num_codes=K, with_pause=True)
    assert paused == ids._replace(pause=WORDS + 2 + K)
    assert torch.equal(matrices(model)[0][: WORDS + 2 + K], before[: WORDS + 2 + K])


def test_another_number_of_codes_is_refused() -> None:
    words, model, _ = _extended()
    for num in (K - 1, K + 1):
        with pytest.raises(ConfigError, match=f"has {K} codes already, {num} are wanted"):
            extend(words, model, num_codes=num)


@pytest.mark.parametrize("names", [["<boLatent>"], ["<|latent_0|>"], ["<boLatent>", "<eoLatent>", "<|latent_1|>"]])
def test_some_of_the_tokens_are_not_all_of_them(names: list[str]) -> None:
    words = tokenizer()
    words.add_tokens(names, special_tokens=True)
    with pytest.raises(ConfigError, match="lacks others"):
        extend(words, llama(), num_codes=1)
    with pytest.raises(ConfigError, match="lacks others"):
        latent_ids(words)


def test_a_tokenizer_without_codes_has_no_ids_of_them() -> None:
    with pytest.raises(ConfigError, match="no codes"):
        latent_ids(tokenizer())


def test_without_padding_the_end_token_fills_up_and_without_that_nothing_does() -> None:
    words, model = tokenizer(has_pad=False), gpt2()
    assert extend(words, model, num_codes=K).pad == EOS
    assert words.pad_token is None, "the tokenizer is not given a padding it did not have"
    with pytest.raises(ConfigError, match="neither a padding nor an end token"):
        extend(tokenizer(has_pad=False, has_eos=False), gpt2(), num_codes=K)


@pytest.mark.parametrize(
    ("wrong", "shown"),
    [
        ({"num_codes": 0}, "0 codes"),
        ({"init": "codebok"}, "Did you mean 'codebook'"),
        ({"init": "codebook"}, "no codebook vectors"),
        ({"init": "codebook", "vectors": torch.zeros((3, 2))}, r"shape \(3, 2\) for 10 codes"),
        ({"init": "codebook", "vectors": torch.full((K, 2), torch.nan)}, "finite"),
        ({"pad_to_multiple_of": 0}, "pad_to_multiple_of"),
    ],
)
def test_what_cannot_be_made_is_refused_before_anything_changes(wrong: dict[str, Any], shown: str) -> None:
    words, model = tokenizer(), gpt2()
    with pytest.raises(ConfigError, match=shown):
        extend(words, model, **{"num_codes": K, **wrong})
    assert len(words) == len(matrices(model)[0]) == WORDS


def test_a_tokenizer_comes_back_from_its_folder(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    words, _, ids = _extended(with_pause=True)
    words.save_pretrained(tmp_path)
    assert latent_ids(AutoTokenizer.from_pretrained(tmp_path)) == ids


# ---------------------------------------------------------------- adapters


@pytest.mark.parametrize("family", list(FAMILIES))
def test_a_step_with_adapters_moves_new_rows_of_both_matrices_and_no_old_row(family: str) -> None:
    pytest.importorskip("peft")
    _, model, ids = _extended(family, with_pause=True)
    before = [weight.detach().clone() for weight in matrices(model)]
    adapted = add_latent_adapters(model, ids, rank=2, seed=3)
    optimizer = torch.optim.AdamW([w for w in adapted.parameters() if w.requires_grad], lr=1e-2, weight_decay=0.1)
    row = [5, 6, *([ids.pause] if ids.pause else []), ids.begin, *ids.codes, ids.end, 7, 8, EOS]
    batch = torch.tensor([row])
    adapted(input_ids=batch, labels=batch).loss.backward()
    optimizer.step()
    merged = adapted.merge_and_unload()
    after = matrices(merged)
    assert len(after) == len(before)
    old = [i for i in range(len(before[0])) if i not in ids.added]
    for was, now in zip(before, after, strict=True):
        assert torch.equal(now[old], was[old])
        assert (now[list(ids.added)] != was[list(ids.added)]).any(1).all()


def test_adapters_train_so_many_numbers_and_begin_as_the_seed_says() -> None:
    pytest.importorskip("peft")

    def first(seed: int) -> tuple[int, torch.Tensor]:
        _, model, ids = _extended("llama")
        adapted = add_latent_adapters(model, ids, rank=2, seed=seed)
        rows = sum(w.numel() for name, w in adapted.named_parameters() if w.requires_grad and "lora" not in name)
        return rows, next(w for name, w in adapted.named_parameters() if "lora_A" in name).detach()

    rows, weight = first(0)
    assert rows == 2 * (2 + K) * 32
    assert torch.equal(first(0)[1], weight)
    assert not torch.equal(first(1)[1], weight)


def test_adapters_for_a_vocabulary_that_was_not_extended_are_refused() -> None:
    with pytest.raises(ConfigError, match="Extend its vocabulary first"):
        add_latent_adapters(gpt2(), LatentIds(WORDS, WORDS + 1, WORDS + 2, K, None, PAD))


def test_an_adapted_model_is_not_extended() -> None:
    pytest.importorskip("peft")
    words, model, ids = _extended()
    with pytest.raises(ConfigError, match="adapters already"):
        extend(words, add_latent_adapters(model, ids, rank=2), num_codes=K)
