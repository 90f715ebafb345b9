"""Groups packed behind one prompt give what rows of their own give, and adapters leave the starting model alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.pivotrl_training import trainer

from reasonry.core import jsonl
from reasonry.errors import Interrupted
from reasonry.training.pivotrl.train.batches import logps_of, micro_batches
from reasonry.training.pivotrl.train.packing import Packed, supports
from reasonry.training.pivotrl.train.tokens import Padded

Groups = list[tuple[list[int], list[list[int]]]]


def llama(**changes: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=50, num_hidden_layers=2, **shape, **changes)).eval()


MODEL = llama()
tokens = st.lists(st.integers(0, 49), min_size=1, max_size=9)


@st.composite
def groups(draw: st.DrawFn) -> Groups:
    size = draw(st.integers(1, 4))
    num = draw(st.integers(1, 4))
    actions = st.lists(tokens, min_size=size, max_size=size)
    return [(draw(tokens), draw(actions)) for _ in range(num)]


def flat(model: Any, made: Groups, *, size: int, packed: bool) -> torch.Tensor:
    batches = micro_batches(made, size=size, packed=packed)
    assert all(isinstance(b, Packed if packed else Padded) for b in batches)
    return torch.cat([logps_of(model, b, temperature=0.8)[b.mask_BC] for b in batches])


@given(groups(), st.integers(1, 9))
@settings(deadline=None, max_examples=40)
def test_packed_and_padded_rows_have_the_same_log_probabilities(made: Groups, size: int) -> None:
    with torch.no_grad():
        packed, padded = (flat(MODEL, made, size=size, packed=packed) for packed in (True, False))
    assert packed.shape == (sum(len(a) for _, actions in made for a in actions),)
    torch.testing.assert_close(packed, padded, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_packed_and_padded_rows_have_the_same_gradient(attention: str) -> None:
    model = llama(attn_implementation=attention)
    made: Groups = [([1, 2, 3], [[4], [5, 6, 7]]), ([8] * 7, [[9, 3], [1, 1, 1, 1]])]
    gradients = []
    for packed in (True, False):
        value = (flat(model, made, size=4, packed=packed) * torch.arange(10.0)).sum()
        gradients.append(torch.autograd.grad(value, list(model.parameters())))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_an_action_does_not_see_the_others() -> None:
    first = flat(MODEL, [([1, 2], [[3, 4, 5], [6, 7, 8]])], size=2, packed=True)
    second = flat(MODEL, [([1, 2], [[3, 4, 5], [9, 9, 9]])], size=2, packed=True)
    torch.testing.assert_close(first[:3], second[:3], atol=0, rtol=0)
    assert not torch.allclose(first[3:], second[3:])


def test_models_with_windows_read_each_row() -> None:
    from transformers import MistralConfig, MistralForCausalLM

    shape = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2}
    assert supports(MODEL)
    assert not supports(
        MistralForCausalLM(MistralConfig(vocab_size=50, num_hidden_layers=1, sliding_window=4, **shape))
    )


# ---------------------------------------------------------------- adapters


def test_adapters_learn_and_the_reference_is_the_starting_model(tiny_model: Path, tmp_path: Path) -> None:
    from reasonry.training.pivotrl.train.adapters import without_adapters

    made = trainer(tmp_path, tiny_model, num_steps=12, learning_rate=3e-2, lora={"rank": 8})
    ids = torch.arange(20)[None]
    with torch.no_grad():
        before = made.model(ids).logits
    made.run()
    with torch.no_grad():
        after = made.model(ids).logits
        with without_adapters(made.model):
            reference = made.model(ids).logits
    torch.testing.assert_close(reference, before, atol=0, rtol=0)
    assert (after - before).abs().max() > 1e-2
    rows = list(jsonl.read(tmp_path / "metrics.jsonl"))
    assert sum(r["reward"] for r in rows[-3:]) / 3 > sum(r["reward"] for r in rows[:2]) / 2 + 0.2
    assert rows[0]["kl_ref"] == pytest.approx(0, abs=1e-6)
    assert rows[-1]["kl_ref"] > 1e-3
    assert all(p.requires_grad == ("lora_" in name) for name, p in made.model.named_parameters())


def test_a_stopped_run_with_adapters_ends_like_one_that_was_not(tiny_model: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"num_steps": 4, "learning_rate": 1e-2, "lora": {"rank": 2}}
    whole = trainer(tmp_path / "whole", tiny_model, **settings)
    whole.run()

    def stop() -> None:
        raise Interrupted("asked to")

    first = trainer(tmp_path / "parts", tiny_model, **settings)
    with pytest.raises(Interrupted):
        first.run(stop)
    first.stop()
    second = trainer(tmp_path / "parts", tiny_model, **settings)
    assert second.state.step == 1
    second.run()
    one, other = whole.model.state_dict(), second.model.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert (tmp_path / "parts/metrics.jsonl").read_bytes() == (tmp_path / "whole/metrics.jsonl").read_bytes()


def test_peft_reads_what_was_saved(tiny_model: Path, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    from reasonry.core.models import ModelConfig, load_causal_lm
    from reasonry.training.pivotrl.train.adapters import save_adapter

    made = trainer(tmp_path / "run", tiny_model, num_steps=2, learning_rate=1e-2, lora={"rank": 4})
    made.run()
    folder = tmp_path / "adapter"
    folder.mkdir()
    save_adapter(made.model, made.config.lora, folder, base=str(tiny_model))
    base = load_causal_lm(str(tiny_model), ModelConfig(dtype="float32", device="cpu")).model
    read = peft.PeftModel.from_pretrained(base, str(folder)).eval()
    ids = torch.arange(20)[None]
    with torch.no_grad():
        torch.testing.assert_close(read(ids).logits, made.model(ids).logits)
        with read.disable_adapter():
            assert not torch.allclose(read(ids).logits, made.model(ids).logits)
        merged = load_causal_lm(str(folder), ModelConfig(dtype="float32", device="cpu"))
        torch.testing.assert_close(merged.model(ids).logits, made.model(ids).logits, atol=1e-4, rtol=1e-4)
    assert merged.name == str(folder)
    assert merged.identity["adapter"]
