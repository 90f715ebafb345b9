"""Rows read in packs have the log-probabilities that each has alone, whatever shares its pass."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tests.candidate_models import seeded
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
)

from reasonry.core.candidates.row_scores import RowScorer, packable_tok
from reasonry.core.candidates.tree import Row

V = 50
SIZE: dict[str, Any] = {
    "vocab_size": V, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 128, "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip


def _model(kind: str, **more: Any) -> Any:
    ids = {"bos_token_id": 0, "eos_token_id": 0}
    makers: dict[str, Callable[[], Any]] = {
        "llama": lambda: LlamaForCausalLM(LlamaConfig(**SIZE, **more)),
        "gpt2": lambda: GPT2LMHeadModel(GPT2Config(vocab_size=V, n_embd=32, n_layer=2, n_head=4, **ids, **more)),
        "bloom": lambda: BloomForCausalLM(BloomConfig(vocab_size=V, hidden_size=32, n_layer=2, n_head=4, **ids)),
        "gemma3": lambda: Gemma3ForCausalLM(Gemma3TextConfig(**SIZE, head_dim=8, sliding_window=16, **more)),
    }
    return seeded(makers[kind])


def _rows(num: int = 8, *, trunk: int = 0, longest: int = 20, seed: int = 0) -> list[Row]:
    rng = np.random.default_rng(seed)

    def some(num_tok: int) -> tuple[int, ...]:
        return tuple(int(i) for i in rng.integers(0, V, size=num_tok))

    begin, found = some(trunk), []
    for _ in range(num):
        prompt = begin + some(int(rng.integers(2, longest)))
        found += [Row(prompt + some(int(rng.integers(1, 5))), len(prompt)) for _ in range(5)]
    return [found[i] for i in rng.permutation(len(found))]


@torch.no_grad()
def _alone(model: Any, row: Row) -> np.ndarray:
    logp_TV = torch.log_softmax(model(torch.tensor([row.ids])).logits[0].double(), -1)
    return np.array([float(logp_TV[i - 1, row.ids[i]]) for i in range(row.start, len(row.ids))])


@torch.no_grad()
def _padded_left(model: Any, rows: list[Row]) -> list[np.ndarray]:
    """All rows as one batch, padded on the left, as transformers does it."""
    width = max(len(row.ids) for row in rows)
    ids = torch.tensor([[0] * (width - len(row.ids)) + list(row.ids) for row in rows])
    mask = torch.tensor([[0] * (width - len(row.ids)) + [1] * len(row.ids) for row in rows])
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    logp_BTV = torch.log_softmax(model(ids, attention_mask=mask, position_ids=positions).logits.double(), -1)
    return [
        np.array([float(logp_BTV[b, i - len(r.ids) - 1, r.ids[i]]) for i in range(r.start, len(r.ids))])
        for b, r in enumerate(rows)
    ]


def _worst(found: list[Any], expected: list[Any]) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gemma3", "bloom"])
@pytest.mark.parametrize("batch_tok", [1, 24, 512])
def test_every_architecture_and_batch_size_gives_what_the_row_gives_alone(kind: str, batch_tok: int) -> None:
    model = _model(kind)
    rows = [*_rows(4), *_rows(4, trunk=30, seed=1)]
    scorer = RowScorer(model, batch_tok=batch_tok)
    assert _worst(scorer.score(rows), [_alone(model, row) for row in rows]) < 1e-4
    assert scorer.num_row_tok == sum(len(row.ids) for row in rows)
    if kind in ("llama", "gpt2"):
        assert (scorer.unpacked_because, scorer.num_alone) == ("", 0)
        assert scorer.num_read_tok < scorer.num_row_tok / 2
    if kind == "bloom":  # its biases for distances cannot be put into a mask
        assert "refuses" in scorer.unpacked_because
        assert scorer.num_alone == len(rows)
    if kind == "gemma3":  # rows beyond its window of 16 are read alone
        assert scorer.unpacked_because == ""
        assert scorer.num_alone == sum(len(row.ids) > 16 for row in rows) > 0


def test_a_batch_of_one_and_of_thirty_two_and_a_batch_padded_on_the_left_agree() -> None:
    model = _model("llama")
    rows = _rows(7)[:32]
    together = RowScorer(model).score(rows)
    one_by_one = [RowScorer(model).score([row])[0] for row in rows]
    assert _worst(together, one_by_one) < 1e-5
    assert _worst(together, _padded_left(model, rows)) < 1e-5


def test_the_order_of_rows_does_not_matter() -> None:
    model = _model("llama")
    rows = _rows(6)
    forward = RowScorer(model, batch_tok=32).score(rows)
    assert _worst(RowScorer(model, batch_tok=32).score(rows[::-1])[::-1], forward) < 1e-5


def test_a_long_beginning_is_read_once_however_many_rows_share_it() -> None:
    model = _model("llama")
    rows = _rows(8, trunk=60, longest=4)
    scorer = RowScorer(model, batch_tok=40)
    assert _worst(scorer.score(rows), [_alone(model, row) for row in rows]) < 1e-4
    own = {row.ids[:i] for row in rows for i in range(1, len(row.ids))}
    assert scorer.num_read_tok < scorer.num_row_tok / 4, "the check included"
    before = scorer.num_read_tok
    scorer.score(rows)
    # What neighbouring packs share of a prompt, less than 16 tokens, may be read twice.
    assert scorer.num_read_tok - before <= len(own) + 40


def test_the_sum_over_all_next_tokens_is_one_and_equal_logits_give_equal_scores() -> None:
    model = _model("llama")
    rows = [Row((3, 4, token), 2) for token in range(V)]
    found = RowScorer(model).score(rows)
    assert np.exp(np.concatenate(found)).sum() == pytest.approx(1, abs=1e-5)
    with torch.no_grad():
        model.lm_head.weight.zero_()
    uniform = np.concatenate(RowScorer(model).score(rows))
    assert set(uniform.tolist()) == {float(uniform[0])}
    assert uniform[0] == pytest.approx(-np.log(V))


def test_a_mask_that_lets_too_much_through_is_found_by_the_check() -> None:
    class Leaky(LlamaForCausalLM):
        def forward(self, *args: Any, attention_mask: Any = None, **kwargs: Any) -> Any:
            return super().forward(*args, **kwargs)  # pyright: ignore

    model = _model("llama")
    model.__class__ = Leaky
    rows = _rows(4)
    scorer = RowScorer(model)
    assert _worst(scorer.score(rows), [_alone(model, row) for row in rows]) < 1e-5
    assert "differ by" in scorer.unpacked_because
    assert scorer.num_alone == len(rows)


def test_a_model_in_training_is_scored_without_dropout_and_stays_as_it_was() -> None:
    model = _model("gpt2", resid_pdrop=0.5, embd_pdrop=0.5)
    rows = _rows(2)
    expected = [_alone(model, row) for row in rows]
    model.train()
    model.transformer.h[0].eval()
    assert _worst(RowScorer(model).score(rows), expected) < 1e-4
    assert model.training
    assert [block.training for block in model.transformer.h] == [False, True]


def test_weights_that_changed_between_two_calls_count() -> None:
    model = _model("llama")
    rows = _rows(3, trunk=40)
    scorer = RowScorer(model, batch_tok=16)
    scorer.score(rows)
    with torch.no_grad():
        model.model.embed_tokens.weight.mul_(0.5)
    assert _worst(scorer.score(rows), [_alone(model, row) for row in rows]) < 1e-4


def test_no_rows_are_no_work() -> None:
    assert RowScorer(_model("llama")).score([]) == []


def test_how_long_a_packed_row_may_be() -> None:
    assert packable_tok(LlamaConfig(**SIZE)) == 0
    assert packable_tok(Gemma3TextConfig(**SIZE, sliding_window=16)) == 16
    rope = {"rope_type": "dynamic", "rope_theta": 10_000.0, "factor": 2.0}
    assert packable_tok(LlamaConfig(**SIZE, rope_parameters=rope)) == 128


def test_a_model_with_an_adapter_is_packed_as_well() -> None:
    peft = pytest.importorskip("peft")
    settings = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    model = peft.get_peft_model(_model("llama"), settings).eval()
    rows = _rows(4)
    scorer = RowScorer(model)
    assert _worst(scorer.score(rows), [_alone(model, row) for row in rows]) < 1e-4
    assert (scorer.unpacked_because, scorer.num_alone) == ("", 0)
    with model.disable_adapter():
        assert _worst(scorer.score(rows), [_alone(model, row) for row in rows]) < 1e-4
