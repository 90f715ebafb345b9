"""A wrapped model: losses, new tokens, adapters, packed edges."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from tests import ccot_models
from tests.ccot_models import END, LATENT, PAD, START, VOCAB, ragged, row
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from reasonry.errors import ConfigError, DataError
from reasonry.training.continuous_cot.latent.adapters import add_adapters
from reasonry.training.continuous_cot.latent.edges import PackedEdges
from reasonry.training.continuous_cot.latent.model import LatentCausalLM
from reasonry.training.continuous_cot.latent.rows import IGNORED, Row
from reasonry.training.continuous_cot.latent.tokens import END as END_TOKEN
from reasonry.training.continuous_cot.latent.tokens import LATENT as LATENT_TOKEN
from reasonry.training.continuous_cot.latent.tokens import START as START_TOKEN
from reasonry.training.continuous_cot.latent.tokens import LatentTokens

TOKENS = LatentTokens(LATENT, START, END, PAD)
LR = 0.1


def _wrap(model: Any, **more: Any) -> LatentCausalLM:
    return LatentCausalLM.wrap(model, tokens=TOKENS, **more)


def _pretrained(folder: Path) -> tuple[Any, Any]:
    return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def _marked(thoughts: int = 2, **more: Any) -> Row:
    """A row with markers around its slots."""
    ids = (7, 8, 9, START, *[LATENT] * thoughts, END, 10, 11)
    return Row(ids, (*[IGNORED] * (len(ids) - 2), 10, 11), **more)


# ---------------------------------------------------------------- losses


def test_the_loss_is_the_mean_over_labels_and_each_rows_loss_over_its_own() -> None:
    latent = _wrap(ccot_models.llama())
    out = latent(latent.collate(ragged()))
    counts = torch.tensor([4, 6, 5, 2])
    assert out.num_labels_B.tolist() == counts.tolist()
    torch.testing.assert_close(out.loss, (out.loss_B * counts).sum() / counts.sum())
    logps_M = out.logits_MV.log_softmax(-1)
    labels = [label for one in ragged() for label in one.labels if label != IGNORED]
    torch.testing.assert_close(out.loss, -logps_M[range(len(labels)), labels].mean())


def test_logits_are_computed_at_labels_alone() -> None:
    latent = _wrap(ccot_models.llama())
    seen: list[int] = []
    latent.model.lm_head.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape[0]))
    latent(latent.collate(ragged()))
    assert seen == [4 + 6 + 5 + 2]


def test_logits_are_given_where_they_are_asked_for() -> None:
    latent = _wrap(ccot_models.llama())
    batch = latent.collate([row(5, 0, 3, seed=1), row(4, 0, 2, seed=2)])
    last_BT = batch.position_ids_BT == batch.position_ids_BT.amax(1, keepdim=True)
    last_BT &= batch.attend_BT
    out = latent(batch, logits_at_BT=last_BT)
    assert (out.rows_M.tolist(), out.columns_M.tolist()) == ([0, 1], [7, 5])
    for number, one in enumerate((row(5, 0, 3, seed=1), row(4, 0, 2, seed=2))):
        whole = latent.model(input_ids=torch.tensor([one.ids])).logits[0, -1]
        torch.testing.assert_close(out.logits_MV[number], whole, rtol=1e-5, atol=1e-5)


def test_rows_without_labels_have_no_loss() -> None:
    latent = _wrap(ccot_models.gpt2())
    silent = Row((6, 7, LATENT, 8), (IGNORED,) * 4)
    out = latent(latent.collate([silent, row(3, 1, 2)]))
    assert out.loss_B[0].isnan()
    assert torch.isfinite(out.loss)
    assert latent(latent.collate([silent])).loss is None


def test_the_set_loss_is_minus_the_log_of_the_sets_probability() -> None:
    latent = _wrap(ccot_models.llama())
    one = row(6, 2, 1, seed=3)
    law_V = latent(latent.collate([one])).logits_MV[0].detach().softmax(-1)
    for chosen in ((9,), (5, 9, 30), (9, 9, 5, 30), tuple(range(VOCAB))):
        loss = latent(latent.collate([one._replace(label_set=chosen), row(4, 1, 3, seed=4)])).loss_B[0]
        assert loss.item() == pytest.approx(-math.log(float(law_V[list(set(chosen))].sum())), abs=1e-5)


def test_a_set_of_the_label_alone_is_cross_entropy() -> None:
    latent = _wrap(ccot_models.gpt2())
    one = row(6, 2, 1, seed=3)
    plain = latent(latent.collate([one, row(5, 1, 2)])).loss_B
    as_set = latent(latent.collate([one._replace(label_set=(one.ids[-1],)), row(5, 1, 2)])).loss_B
    torch.testing.assert_close(plain, as_set)


def test_nothing_is_learnt_at_the_position_before_the_first_slot() -> None:
    latent = _wrap(ccot_models.llama())
    out = latent(latent.collate([_marked()]))
    assert out.columns_M.tolist() == [6, 7], "the states at the end marker and at the first word behind it"


def test_the_latent_tokens_embedding_is_read_in_token_slots_alone() -> None:
    latent = _wrap(ccot_models.llama())  # its head is a matrix of its own
    for slot, is_read in (("thought", False), ("token", True)):
        latent.zero_grad()
        latent(latent.collate([_marked(slot=slot)])).loss.backward()
        assert bool(latent.model.model.embed_tokens.weight.grad[LATENT].any()) is is_read


# ---------------------------------------------------------------- new tokens


@pytest.mark.parametrize("tied", [False, True])
def test_new_tokens_begin_as_another_tokens_row_in_embedding_and_head(tiny_model: Path, tied: bool) -> None:
    model, tokenizer = _pretrained(tiny_model)
    if tied:
        model.config.tie_word_embeddings = True
        model.tie_weights()
    before = [model.get_input_embeddings().weight.clone(), model.get_output_embeddings().weight.clone()]
    latent = LatentCausalLM.wrap(model, tokenizer)
    embedding, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    assert (embedding is head) is tied
    (mark,) = set(tokenizer.encode("<<", add_special_tokens=False))  # a byte-level alphabet: twice the same byte
    ids = tokenizer.convert_tokens_to_ids([START_TOKEN, LATENT_TOKEN, END_TOKEN])
    assert latent.tokens == LatentTokens(ids[1], ids[0], ids[2], tokenizer.pad_token_id)
    assert len(tokenizer) == len(embedding) == len(before[0]) + 3 == model.config.vocab_size
    for weight, old in zip((embedding, head), before, strict=True):
        torch.testing.assert_close(weight[ids], old[[mark] * 3])
        assert torch.equal(weight[: len(old)], old)
    assert tokenizer.encode(f"a{LATENT_TOKEN}{LATENT_TOKEN}b", add_special_tokens=False)[1:3] == [ids[1]] * 2


def test_several_tokens_to_begin_from_are_averaged(tiny_model: Path) -> None:
    model, tokenizer = _pretrained(tiny_model)
    rows = model.get_input_embeddings().weight[tokenizer.encode("ab", add_special_tokens=False)].detach().clone()
    latent = LatentCausalLM.wrap(model, tokenizer, init_from="ab")
    torch.testing.assert_close(latent.backbone.embed(torch.tensor(latent.tokens.latent_id)), rows.mean(0))


def test_spare_rows_are_used_before_any_are_added(tiny_model: Path) -> None:
    model, tokenizer = _pretrained(tiny_model)
    model.resize_token_embeddings(len(tokenizer) + 10, mean_resizing=False)
    LatentCausalLM.wrap(model, tokenizer)
    assert len(model.get_input_embeddings().weight) == len(tokenizer) - 3 + 10


def test_wrapping_again_changes_nothing(tiny_model: Path) -> None:
    model, tokenizer = _pretrained(tiny_model)
    first = LatentCausalLM.wrap(model, tokenizer)
    with torch.no_grad():
        model.get_input_embeddings().weight[first.tokens.latent_id] = 3.0
    again = LatentCausalLM.wrap(model, tokenizer)
    assert again.tokens == first.tokens
    assert (model.get_input_embeddings().weight[first.tokens.latent_id] == 3.0).all()


@pytest.mark.parametrize(
    ("tokens", "problem"),
    [
        (LatentTokens(VOCAB), "embeddings"),
        (LatentTokens(LATENT, pad_id=-1), "embeddings"),
        (LatentTokens(LATENT, LATENT, END), "one id for two things"),
        (LatentTokens(PAD), "fixed"),
    ],
)
def test_ids_that_cannot_be_latent_are_refused(tokens: LatentTokens, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        LatentCausalLM.wrap(ccot_models.llama(), tokens=tokens)


def test_neither_tokenizer_nor_ids_are_refused_and_so_is_nothing_to_begin_from(tiny_model: Path) -> None:
    with pytest.raises(ConfigError, match="no tokenizer"):
        LatentCausalLM.wrap(ccot_models.gpt2())
    model, tokenizer = _pretrained(tiny_model)
    with pytest.raises(ConfigError, match="init_from"):
        LatentCausalLM.wrap(model, tokenizer, init_from="")
    assert len(tokenizer) == len(model.get_input_embeddings().weight)
    with pytest.raises(DataError, match="without a tokenizer"):
        _wrap(ccot_models.gpt2()).encode("a")


# ---------------------------------------------------------------- adapters


def _descend(latent: LatentCausalLM, rows: list[Row]) -> None:
    latent.zero_grad()
    latent(latent.collate(rows)).loss.backward()
    with torch.no_grad():
        for weight in latent.parameters():
            if weight.grad is not None and weight.requires_grad:
                weight -= LR * weight.grad


def _merged_rows(latent: LatentCausalLM) -> tuple[Tensor, Tensor]:
    """Embedding and head as the adapted model uses them."""
    model: Any = latent.backbone.model
    identity = torch.eye(latent.width)
    return model.get_input_embeddings()(torch.arange(VOCAB)), model.get_output_embeddings()(identity).T


@pytest.mark.parametrize("tied", [False, True])
def test_adapters_leave_the_function_and_train_the_latent_tokens_rows_alone(tied: bool) -> None:
    latent = _wrap(ccot_models.llama(tied=tied))
    rows = [_marked(), _marked(3), _marked(slot="token")]
    before = latent(latent.collate(rows)).loss
    add_adapters(latent, rank=2, alpha=4.0)
    torch.testing.assert_close(latent(latent.collate(rows)).loss, before)
    trained = [name for name, weight in latent.named_parameters() if weight.requires_grad]
    assert all("lora_" in name or "trainable_tokens" in name for name in trained)
    embedding, head = (part.detach().clone() for part in _merged_rows(latent))
    _descend(latent, rows)
    new_embedding, new_head = _merged_rows(latent)
    others = [token for token in range(VOCAB) if token not in (START, LATENT, END)]
    assert torch.equal(new_embedding[others], embedding[others])
    assert torch.equal(new_head[others], head[others])
    for token in (START, LATENT, END):
        assert not torch.equal(new_embedding[token], embedding[token])
        assert not torch.equal(new_head[token], head[token])
    assert torch.equal(new_embedding, new_head) is tied


def test_a_tied_row_moves_by_one_step_of_the_gradient_of_both_its_uses() -> None:
    rows = [_marked(), _marked(slot="token")]
    plain = _wrap(ccot_models.llama(tied=True))
    plain(plain.collate(rows)).loss.backward()
    weight = plain.model.get_input_embeddings().weight
    expected = (weight - LR * weight.grad)[[START, LATENT, END]]
    latent = _wrap(ccot_models.llama(tied=True))
    add_adapters(latent, rank=2)
    _descend(latent, rows)
    torch.testing.assert_close(_merged_rows(latent)[0][[START, LATENT, END]], expected, rtol=1e-5, atol=1e-6)
    assert len([name for name, each in latent.named_parameters() if "trainable_tokens" in name]) == 1


def test_full_training_moves_a_tied_row_once() -> None:
    latent = _wrap(ccot_models.gpt2())
    names = [name for name, weight in latent.named_parameters() if weight.shape == (VOCAB, latent.width)]
    assert len(names) == 1
    _descend(latent, [_marked()])
    assert latent.model.lm_head.weight is latent.model.transformer.wte.weight


def test_with_adapters_cache_and_recomputation_still_agree() -> None:
    latent = _wrap(ccot_models.qwen3())
    add_adapters(latent, rank=2)
    _descend(latent, [_marked()])  # until then B is zero, and A has no gradient
    gradients: list[Tensor] = []
    for how in ("cache", "recompute"):
        latent.zero_grad()
        latent(latent.collate(ragged()), how=how).loss.backward()
        trained = [weight.grad for weight in latent.parameters() if weight.requires_grad]
        gradients.append(torch.cat([grad.flatten() for grad in trained if grad is not None]))
    assert (gradients[0] - gradients[1]).norm() <= 1e-4 * gradients[0].norm()


def test_adapters_are_those_of_the_seed_and_are_put_in_once() -> None:
    weights: list[dict[str, Tensor]] = []
    for seed in (1, 1, 2):
        latent = _wrap(ccot_models.llama())
        add_adapters(latent, rank=2, seed=seed)
        weights.append({name: w.detach() for name, w in latent.named_parameters() if "lora_A" in name})
        with pytest.raises(ConfigError, match="adapters already"):
            add_adapters(latent)
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not any(torch.equal(weights[0][name], weights[2][name]) for name in weights[0])


def test_adapters_for_layers_that_are_not_there_are_refused() -> None:
    with pytest.raises(ConfigError, match="do not fit"):
        add_adapters(_wrap(ccot_models.gpt2()), targets=["nowhere"])


# ---------------------------------------------------------------- packed edges


def _edged(shift: int = 0) -> Row:
    edges = ((-1, -1), (10 + shift, 11), (11, 12 + shift), (-1, -1), (-1, -1), (-1, -1))
    return Row((6, 7, 7, 8, LATENT, 12), (*[IGNORED] * 5, 12), edges=edges)


def test_packed_edges_work_in_sixteen_bits() -> None:
    latent = _wrap(ccot_models.llama().bfloat16(), pack_edges=True)
    assert latent.embed(latent.collate([_edged()])).dtype == torch.bfloat16


@pytest.mark.parametrize("family", ["gpt2", "gemma"])
def test_a_packed_edge_adds_both_its_ends_through_the_learned_maps(family: str) -> None:
    latent = _wrap(ccot_models.FAMILIES[family](), pack_edges=True, seed=3)
    assert latent.edges is not None
    embed, (p1, p2) = latent.backbone.embed, (latent.edges.source, latent.edges.target)

    def at(token: int) -> Tensor:
        return embed(torch.tensor(token))

    embeds_TD = latent.embed(latent.collate([_edged()]))[0]
    torch.testing.assert_close(embeds_TD[1], at(7) + p1 @ at(10) + p2 @ at(11))
    torch.testing.assert_close(embeds_TD[2], at(7) + p1 @ at(11) + p2 @ at(12))
    for place, token in ((0, 6), (3, 8), (5, 12)):
        torch.testing.assert_close(embeds_TD[place], at(token))


def test_the_maps_begin_orthogonal_and_different_and_hang_on_the_seed_alone() -> None:
    edges = PackedEdges(16, seed=1)
    for weight in (edges.source, edges.target):
        torch.testing.assert_close(weight @ weight.T, torch.eye(16), rtol=0, atol=1e-5)
    assert not torch.allclose(edges.source, edges.target)
    assert torch.equal(edges.source, PackedEdges(16, seed=1).source)
    assert not torch.equal(edges.source, PackedEdges(16, seed=2).source)


def test_packed_edges_are_learnt_and_rows_do_not_mix() -> None:
    latent = _wrap(ccot_models.gpt2(), pack_edges=True)
    rows = [_edged(), _edged(5), row(7, 1, 2)]
    together = latent(latent.collate(rows))
    together.loss.backward()
    assert latent.edges is not None
    assert latent.edges.source.grad is not None and latent.edges.source.grad.abs().sum() > 0
    for number, one in enumerate(rows):
        torch.testing.assert_close(together.loss_B[number], latent(latent.collate([one])).loss_B[0])


def test_packed_edges_for_a_model_without_them_are_refused() -> None:
    latent = _wrap(ccot_models.gpt2())
    with pytest.raises(ConfigError, match="pack_edges"):
        latent(latent.collate([_edged()]))
