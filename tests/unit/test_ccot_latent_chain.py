"""The chained forward pass: the same numbers and gradients as computing everything anew for each thought."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from tests import ccot_models
from tests.ccot_models import CONTEXT, END, FAMILIES, LATENT, MORE_FAMILIES, PAD, START, VOCAB, ragged, row
from torch import Tensor
from transformers import (
    MambaConfig,
    MambaForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

from reasonry.errors import ConfigError
from reasonry.training.continuous_cot.latent.backbone import Backbone
from reasonry.training.continuous_cot.latent.chain import cached, chained_forward
from reasonry.training.continuous_cot.latent.chain_inputs import HIDDEN, ChainInputs, Feedback
from reasonry.training.continuous_cot.latent.model import LatentCausalLM
from reasonry.training.continuous_cot.latent.rows import IGNORED, Batch, Row, collate
from reasonry.training.continuous_cot.latent.tokens import LatentTokens

TOKENS = LatentTokens(LATENT, START, END, PAD)


def _wrap(model: Any, **more: Any) -> LatentCausalLM:
    return LatentCausalLM.wrap(model, tokens=TOKENS, **more)


def _gradient(latent: LatentCausalLM, rows: list[Row], **how: Any) -> tuple[float, Tensor]:
    latent.zero_grad()
    loss = latent(latent.collate(rows), **how).loss
    loss.backward()
    return loss.item(), torch.cat([weight.grad.flatten() for weight in latent.parameters() if weight.grad is not None])


def _written_out(model: Any, one: Row) -> tuple[Tensor, Tensor]:
    """Thoughts of a row and logits at all its positions, with nothing but the whole model, from the definition."""
    ids_T = torch.tensor(one.ids)
    x_TD = model.get_input_embeddings()(ids_T)
    thoughts: list[Tensor] = []
    for at in (ids_T == LATENT).nonzero()[:, 0].tolist():
        states = model(inputs_embeds=x_TD[None, :at], output_hidden_states=True, use_cache=False).hidden_states
        thoughts.append(states[-1][0, -1])
        x_TD = torch.cat([x_TD[:at], thoughts[-1][None], x_TD[at + 1 :]])
    logits_TV = model(inputs_embeds=x_TD[None], use_cache=False).logits[0]
    return torch.stack(thoughts) if thoughts else x_TD[:0], logits_TV


# ---------------------------------------------------------------- the definition


@pytest.mark.parametrize("family", MORE_FAMILIES)
def test_loss_and_thoughts_are_those_of_the_definition(family: str) -> None:
    latent = _wrap(MORE_FAMILIES[family]())
    for one in ragged():
        out = latent(latent.collate([one]))
        thoughts_KD, logits_TV = _written_out(latent.model, one)
        labels_T = torch.tensor(one.labels)
        expected = torch.nn.functional.cross_entropy(logits_TV[:-1], labels_T[1:], ignore_index=IGNORED)
        torch.testing.assert_close(out.loss, expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(out.thoughts_BKD[0], thoughts_KD, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("family", MORE_FAMILIES)
def test_the_head_of_a_thought_gives_the_logits_of_the_position_before_it(family: str) -> None:
    model = MORE_FAMILIES[family]()
    one = row(6, 1, 2, seed=5)
    thought_D = _wrap(model)(collate([one], pad_id=PAD, latent_id=LATENT)).thoughts_BKD[0, 0]
    expected_V = model(input_ids=torch.tensor([one.ids[:6]])).logits[0, -1]
    torch.testing.assert_close(Backbone.of(model).logits(thought_D), expected_V, rtol=1e-4, atol=1e-5)


# ---------------------------------------------------------------- cache and recomputation


@pytest.mark.parametrize(("family", "tolerance"), [("gpt2", 1e-9), ("llama", 1e-6), ("qwen3", 1e-6)])
def test_cache_and_recomputation_give_the_same_loss_and_gradients(family: str, tolerance: float) -> None:
    # Llama and Qwen3 normalise and rotate in float32 whatever their weights are: their gradients are no better.
    latent = _wrap(FAMILIES[family]().double())
    loss, gradient = _gradient(latent, ragged(), how="cache")
    other_loss, other_gradient = _gradient(latent, ragged(), how="recompute")
    assert loss == pytest.approx(other_loss, rel=1e-9)
    assert (gradient - other_gradient).abs().max() <= tolerance * gradient.abs().max()


@pytest.mark.parametrize("family", FAMILIES)
def test_cache_and_recomputation_agree_in_single_precision(family: str) -> None:
    latent = _wrap(FAMILIES[family]())
    loss, gradient = _gradient(latent, ragged(), how="cache")
    other_loss, other_gradient = _gradient(latent, ragged(), how="recompute")
    assert loss == pytest.approx(other_loss, rel=1e-4)
    assert (gradient - other_gradient).norm() <= 1e-4 * gradient.norm()


@pytest.mark.parametrize("family", MORE_FAMILIES)
@pytest.mark.parametrize("how", ["cache", "recompute"])
def test_a_row_says_the_same_in_a_ragged_batch_and_alone(family: str, how: Any) -> None:
    latent = _wrap(MORE_FAMILIES[family]())
    together = latent(latent.collate(ragged()), how=how)
    for number, one in enumerate(ragged()):
        alone = latent(latent.collate([one]), how=how)
        torch.testing.assert_close(together.loss_B[number], alone.loss_B[0], rtol=1e-5, atol=1e-5)
        num = int(together.chained.num_thoughts_B[number])
        assert num == int(alone.chained.num_thoughts_B[0]) == one.ids.count(LATENT)
        own_KD = together.thoughts_BKD[number]
        torch.testing.assert_close(own_KD[:num], alone.thoughts_BKD[0], rtol=1e-4, atol=1e-4)
        assert not own_KD[num:].any()


def test_the_gradient_of_a_ragged_batch_is_the_sum_of_its_rows() -> None:
    latent = _wrap(ccot_models.gpt2().double())
    _, together = _gradient(latent, ragged())
    counts = [sum(label != IGNORED for label in one.labels) for one in ragged()]
    parts = [count * _gradient(latent, [one])[1] for count, one in zip(counts, ragged(), strict=True)]
    torch.testing.assert_close(together, torch.stack(parts).sum(0) / sum(counts), rtol=1e-9, atol=1e-12)


def test_rows_whose_slots_do_not_line_up_are_right_too() -> None:
    latent = _wrap(ccot_models.llama())
    rows = [row(8, 2, 3, seed=1), row(3, 2, 8, seed=2)]
    batches = [latent.collate([one]) for one in rows]
    tensors = [torch.cat(pair) for pair in zip(*[batch[:5] for batch in batches], strict=True)]
    out = latent(Batch(*tensors, None, [(), ()]))  # pyright: ignore[reportCallIssue]  # five tensors
    assert batches[0].is_thought_BT.int().argmax() != batches[1].is_thought_BT.int().argmax()
    for number, batch in enumerate(batches):
        torch.testing.assert_close(out.loss_B[number], latent(batch).loss_B[0], rtol=1e-5, atol=1e-5)


def test_every_column_is_computed_once_in_one_call_more_than_there_are_thoughts() -> None:
    latent = _wrap(ccot_models.gpt2())
    calls: list[int] = []
    latent.backbone.decoder.register_forward_pre_hook(
        lambda module, args, kwargs: calls.append(kwargs["inputs_embeds"].shape[1]), with_kwargs=True
    )
    batch = latent.collate(ragged())
    latent(batch, how="cache")
    assert len(calls) == 1 + int(batch.is_thought_BT.sum(1).max())
    assert sum(calls) == batch.ids_BT.shape[1]
    calls.clear()
    latent(batch, how="recompute")
    assert calls == [12, 13, 14, batch.ids_BT.shape[1]]
    calls.clear()
    latent(latent.collate(ragged(slot="token")))
    assert len(calls) == 1


def test_memory_grows_by_the_same_amount_with_every_thought() -> None:
    latent = _wrap(ccot_models.gpt2())

    def kept_bytes(num: int, how: Any) -> int:
        kept: dict[int, int] = {}

        def pack(x: Tensor) -> Tensor:
            kept[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
            return x

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            out = latent(latent.collate([row(30 - num, num, 4, seed=s) for s in range(4)]), how=how)
        assert out.loss is not None
        return sum(kept.values())

    cached_bytes = [kept_bytes(num, "cache") for num in (1, 2, 3, 4)]
    steps = [after - before for before, after in pairwise(cached_bytes)]
    assert max(steps) < 1.2 * min(steps)
    anew = [kept_bytes(num, "recompute") for num in (1, 2, 3, 4)]
    assert 4 * max(steps) < anew[1] - anew[0], "a thought costs a small part of another whole pass"


def test_slots_that_are_tokens_need_only_one_pass() -> None:
    backbone = Backbone.of(ccot_models.llama())
    batch = collate(ragged(slot="token"), pad_id=PAD, latent_id=LATENT)
    embeds_BTD = backbone.embed(batch.ids_BT)
    single = chained_forward(backbone, embeds_BTD, batch)
    inputs = ChainInputs.of(batch, embeds_BTD)
    assert inputs.columns == []
    several = inputs._replace(columns=[12, 13, 14], is_full=[False] * 3)
    multi = cached(backbone, several, HIDDEN, cache=backbone.new_cache()).chained
    attended = batch.attend_BT
    torch.testing.assert_close(single.hidden_BTD[attended], multi.hidden_BTD[attended], rtol=1e-5, atol=1e-5)
    assert single.thoughts_BKD.shape[1] == 0
    assert single.num_thoughts_B.tolist() == [0, 0, 0, 0]


# ---------------------------------------------------------------- how far gradients flow


def _thinkers() -> list[Row]:
    return [row(6, 3, 1, seed=seed) for seed in range(4)]


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_detached_thoughts_have_another_gradient(family: str) -> None:
    latent = _wrap(FAMILIES[family]().double())
    loss, full = _gradient(latent, _thinkers())
    cut_loss, cut = _gradient(latent, _thinkers(), bptt="detach")
    assert cut_loss == loss
    assert torch.cosine_similarity(full, cut, 0) < 0.95


@pytest.mark.parametrize("how", ["cache", "recompute"])
def test_truncation_lies_between_detached_and_full(how: Any) -> None:
    latent = _wrap(ccot_models.gpt2().double())
    gradients = [_gradient(latent, _thinkers(), bptt=k, how=how)[1] for k in (0, 1, 2, 3, 7)]
    full = _gradient(latent, _thinkers(), how=how)[1]
    detached = _gradient(latent, _thinkers(), bptt="detach", how=how)[1]
    assert torch.equal(gradients[0], detached)
    assert torch.equal(gradients[3], full) and torch.equal(gradients[4], full)
    cosines = [float(torch.cosine_similarity(full, each, 0)) for each in gradients]
    assert max(cosines[:3]) < 0.999
    assert len({round(cosine, 6) for cosine in cosines[:4]}) == 4


def test_truncation_counts_the_thoughts_of_each_row_from_its_last() -> None:
    latent = _wrap(ccot_models.gpt2().double())
    rows = [row(6, 1, 3, seed=1), row(6, 3, 3, seed=2)]
    gradients = [_gradient(latent, [one], bptt=1)[1] for one in rows]
    together = _gradient(latent, rows, bptt=1)[1]
    torch.testing.assert_close(together, (gradients[0] + gradients[1]) / 2, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(gradients[0], _gradient(latent, rows[:1])[1], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("bptt", [-1, "truncate", 1.5, True])
def test_a_truncation_that_is_none_is_refused(bptt: Any) -> None:
    latent = _wrap(ccot_models.gpt2())
    with pytest.raises(ConfigError, match="bptt"):
        latent(latent.collate(_thinkers()), bptt=bptt)


# ---------------------------------------------------------------- what is fed back


@pytest.mark.parametrize("family", FAMILIES)
def test_a_soft_thought_is_the_mean_embedding_under_the_next_tokens_law(family: str) -> None:
    model = FAMILIES[family]()
    one = row(6, 1, 2, seed=5)
    thought_D = _wrap(model, feedback=Feedback("soft", temperature=0.7))(
        collate([one], pad_id=PAD, latent_id=LATENT)
    ).thoughts_BKD[0, 0]
    law_V = (model(input_ids=torch.tensor([one.ids[:6]])).logits[0, -1] / 0.7).softmax(-1)
    expected_D = law_V @ model.get_input_embeddings()(torch.arange(VOCAB))
    torch.testing.assert_close(thought_D, expected_D, rtol=1e-4, atol=1e-5)


def test_soft_thoughts_over_all_tokens_or_at_the_limit_are_what_they_should_be() -> None:
    model = ccot_models.gemma()
    rows = ragged()

    def hidden(feedback: Feedback) -> Tensor:
        latent = _wrap(model, feedback=feedback)
        batch = latent.collate(rows)
        return latent(batch).chained.hidden_BTD[batch.attend_BT]

    soft = hidden(Feedback("soft"))
    torch.testing.assert_close(hidden(Feedback("topk_soft", top_k=VOCAB)), soft, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(hidden(Feedback("topk_soft", top_k=10 * VOCAB)), soft, rtol=1e-4, atol=1e-4)
    likeliest = hidden(Feedback("topk_soft", top_k=1))
    torch.testing.assert_close(hidden(Feedback("soft", temperature=1e-4)), likeliest, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(soft, likeliest, atol=0.1)


@pytest.mark.parametrize("kind", ["soft", "topk_soft"])
def test_soft_thoughts_have_the_same_gradient_by_cache_and_recomputation(kind: Any) -> None:
    latent = _wrap(ccot_models.gpt2().double(), feedback=Feedback(kind, temperature=0.5, top_k=4))
    _, gradient = _gradient(latent, ragged(), how="cache")
    _, other = _gradient(latent, ragged(), how="recompute")
    torch.testing.assert_close(gradient, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("bad", [Feedback("hard"), Feedback(temperature=0.0), Feedback("topk_soft", top_k=0)])  # pyright: ignore[reportArgumentType]
def test_a_feedback_that_makes_no_sense_is_refused(bad: Feedback) -> None:
    with pytest.raises(ConfigError, match="feedback"):
        _wrap(ccot_models.gpt2(), feedback=bad)


# ---------------------------------------------------------------- what goes silently wrong elsewhere


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_gradient_checkpointing_recomputes_to_the_same_loss_and_never_drops_a_cache(family: str) -> None:
    latent = _wrap(FAMILIES[family]()).train()
    loss, gradient = _gradient(latent, ragged())
    latent.model.gradient_checkpointing_enable()
    with pytest.raises(ConfigError, match="gradient checkpointing"):
        latent(latent.collate(ragged()), how="cache")
    for how in ("auto", "recompute"):
        other_loss, other_gradient = _gradient(latent, ragged(), how=how)
        assert other_loss == pytest.approx(loss, rel=1e-5)
        assert (gradient - other_gradient).norm() <= 1e-4 * gradient.norm()
    latent.eval()
    assert latent(latent.collate(ragged()), how="cache").loss.item() == pytest.approx(loss, rel=1e-5)


def test_windows_that_slide_past_the_beginning_change_nothing() -> None:
    latent = _wrap(ccot_models.gemma(window=3))
    rows = [row(14, 4, 6, seed=1), row(9, 2, 9, seed=2)]
    loss, gradient = _gradient(latent, rows, how="cache")
    other_loss, other_gradient = _gradient(latent, rows, how="recompute")
    assert loss == pytest.approx(other_loss, rel=1e-5)
    assert (gradient - other_gradient).norm() <= 1e-4 * gradient.norm()


def test_without_gradients_the_chain_says_the_same() -> None:
    latent = _wrap(ccot_models.qwen3())
    batch = latent.collate(ragged())
    with torch.no_grad():
        quick = latent(batch)
    torch.testing.assert_close(quick.loss_B, latent(batch).loss_B, rtol=1e-5, atol=1e-6)


def test_rows_longer_than_the_context_are_refused_with_their_thoughts_counted() -> None:
    latent = _wrap(ccot_models.gpt2())
    latent(latent.collate([row(CONTEXT - 4, 3, 1)]))
    with pytest.raises(ConfigError, match=f"{CONTEXT + 1} tokens, thoughts included, for a context of {CONTEXT}"):
        latent(latent.collate([row(CONTEXT - 4, 4, 1)]))


def test_padding_does_not_count_towards_the_context() -> None:
    latent = _wrap(ccot_models.gpt2())
    batch = latent.collate([row(CONTEXT - 8, 1, 1), row(2, 1, 30)])
    assert batch.ids_BT.shape[1] > CONTEXT
    assert torch.isfinite(latent(batch).loss)


def test_a_batch_that_begins_with_a_thought_is_refused() -> None:
    backbone = Backbone.of(ccot_models.gpt2())
    batch = collate([row(2, 1, 1)], pad_id=PAD, latent_id=LATENT)
    batch = batch._replace(is_thought_BT=torch.ones_like(batch.is_thought_BT))
    with pytest.raises(ConfigError, match="begins with a thought"):
        chained_forward(backbone, backbone.embed(batch.ids_BT), batch)


def test_an_unknown_way_is_refused() -> None:
    latent = _wrap(ccot_models.gpt2())
    with pytest.raises(ConfigError, match="how 'twice'"):
        latent(latent.collate(ragged()), how="twice")


def test_a_model_that_does_something_else_to_its_logits_is_refused() -> None:
    model = ccot_models.llama()
    model.lm_head.register_forward_hook(lambda module, args, output: output)  # harmless
    _wrap(model)
    whole = model.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        out = whole(*args, **kwargs)
        assert out.logits is not None
        out.logits = out.logits * 1.1
        return out

    model.forward = forward
    with pytest.raises(ConfigError, match="makes its logits in a way that is not known here"):
        _wrap(model)


def test_a_model_without_embeddings_as_input_or_with_an_encoder_is_refused() -> None:
    with pytest.raises(ConfigError, match="inputs_embeds"):
        Backbone.of(torch.nn.Linear(2, 2))
    config = T5Config(vocab_size=20, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    with pytest.raises(ConfigError, match="encoder"):
        Backbone.of(T5ForConditionalGeneration(config))


def test_a_model_whose_state_is_overwritten_is_refused_with_a_cache() -> None:
    config = MambaConfig(vocab_size=VOCAB, hidden_size=16, state_size=4, num_hidden_layers=1, pad_token_id=PAD)
    latent = _wrap(MambaForCausalLM(config).eval())
    with pytest.raises(ConfigError, match="recompute"):
        latent(latent.collate([row(5, 2, 2)]), how="cache")
    assert torch.isfinite(latent(latent.collate([row(5, 2, 2)]), how="recompute").loss)


def test_keys_are_not_kept_beyond_where_the_model_rotates_them_anew() -> None:
    factors = {"short_factor": [1.0] * 4, "long_factor": [2.0] * 4}
    config = Phi3Config(
        vocab_size=VOCAB,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=64,
        original_max_position_embeddings=16,
        rope_parameters={
            "rope_type": "longrope", "rope_theta": 1e4, "original_max_position_embeddings": 16, **factors
        },
        pad_token_id=PAD,
        bos_token_id=None,
        eos_token_id=None,
    )  # fmt: skip
    latent = _wrap(Phi3ForCausalLM(config).eval())
    assert torch.isfinite(latent(latent.collate([row(10, 2, 4)]), how="cache").loss)
    with pytest.raises(ConfigError, match="beyond 16"):
        latent(latent.collate([row(10, 2, 5)]), how="cache")
    assert torch.isfinite(latent(latent.collate([row(10, 2, 5)]), how="recompute").loss)
