"""Rows in tokens, their order, and a step that learns completions alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from tests.ooc_audit_fakes import World, config
from tests.ooc_audit_models import make_model
from transformers import GPT2Config, GPT2LMHeadModel

from reasonry.core.models.load import load_causal_lm
from reasonry.errors import ConfigError, DataError
from reasonry.understanding.out_of_context.audit.arms import TrainRow
from reasonry.understanding.out_of_context.audit.config import TrainConfig
from reasonry.understanding.out_of_context.audit.learner import FactLearner
from reasonry.understanding.out_of_context.audit.models import trainable
from reasonry.understanding.out_of_context.audit.training_rows import IGNORED, Order, TokenRow, collate, token_rows


def _row(prompt: str, completion: str) -> TrainRow:
    return TrainRow(prompt, completion, "Ann", "r", "file")


def test_labels_are_the_completion_and_nothing_else() -> None:
    rows = [TokenRow((5, 6, 7, 8), 2, False), TokenRow((5, 9), 1, False)]
    batch = collate(rows, pad_id=0)
    assert batch.ids_BT.tolist() == [[5, 6, 7, 8], [5, 9, 0, 0]]
    assert batch.labels_BT.tolist() == [[IGNORED, IGNORED, 7, 8], [IGNORED, 9, IGNORED, IGNORED]]
    assert batch.attend_BT.tolist() == [[True] * 4, [True, True, False, False]]
    assert int((batch.labels_BT != IGNORED).sum()) == 3


def test_every_row_comes_once_in_every_epoch_in_another_order() -> None:
    rows = [TokenRow((1, 2), 1, False)] * 10
    order = Order(rows, batch_size=4, epochs=3, seed=0)
    steps = [order(at) for at in range(order.num_steps)]
    assert [len(step) for step in steps] == [4, 4, 2] * 3
    epochs = [[n for step in steps[3 * epoch : 3 * epoch + 3] for n in step] for epoch in range(3)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(10))] * 3
    assert epochs[0] != epochs[1] != epochs[2]
    assert order(4) == steps[4]


def test_halves_are_never_in_one_batch() -> None:
    rows = [TokenRow((1, 2), 1, at < 3) for at in range(10)]
    order = Order(rows, batch_size=4, epochs=2, seed=0)
    steps = [order(at) for at in range(order.num_steps)]
    assert [{rows[n].is_first for n in step} for step in steps] == [{True}] * 2 + [{False}] * 4


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_causal_lm(str(make_model(tmp_path_factory.mktemp("m") / "model", World())))


def test_prompt_and_completion_are_cut_where_the_completion_begins(loaded: Any, tiny_model: Path) -> None:
    byte_level: Any = load_causal_lm(str(tiny_model))
    for model, completion in ((loaded, " golf"), (byte_level, " golf course")):
        tokenizer = model.tokenizer
        (row,) = token_rows([_row("Ann plays", completion)], tokenizer, name="m", append_eos=False, limit_tok=0)
        assert tokenizer.decode(list(row.ids[row.start :])).strip() == completion.strip()
        (ended,) = token_rows([_row("Ann plays", completion)], tokenizer, name="m", append_eos=True, limit_tok=0)
        assert ended.ids == (*row.ids, tokenizer.eos_token_id)
        long = [_row("Ann plays golf golf golf golf", completion)]
        with pytest.raises(DataError, match="context holds 3"):
            token_rows(long, tokenizer, name="m", append_eos=False, limit_tok=3)


def test_a_step_does_not_learn_the_prompt(loaded: Any) -> None:
    """The loss is that of the completion: another prompt token that is a label nowhere changes no label."""
    model = loaded.model
    rows = [TokenRow((5, 6, 7), 2, False), TokenRow((8, 9, 10, 11), 2, False)]
    learner = FactLearner(
        model, rows, TrainConfig(epochs=1, batch_size=2, lr=1e-9), pad_id=0, seed=0, look=lambda: {"seen": 1.0}
    )
    batch = collate(rows, pad_id=0)
    with torch.no_grad():
        logp = model(input_ids=batch.ids_BT, attention_mask=batch.attend_BT).logits.log_softmax(-1)
    wanted = [(0, 1, 7), (1, 1, 10), (1, 2, 11)]
    expected = -sum(float(logp[b, t, token]) for b, t, token in wanted) / 3
    row = learner.step(0)
    assert row["loss"] == pytest.approx(expected, rel=1e-5)
    assert row["seen"] == 1.0
    assert learner.num_steps == 1


@pytest.mark.parametrize("rank", [0, 4])
def test_frozen_values_learn_nothing_and_all_else_does(tmp_path: Path, rank: int) -> None:
    if rank:
        pytest.importorskip("peft")
    model: Any = load_causal_lm(str(make_model(tmp_path / "model", World(num_groups=3)))).model
    settings = config(train={"adapter": {"rank": rank}})
    learning = {
        name for name, w in trainable(model, settings, freeze_values=True).named_parameters() if w.requires_grad
    }
    assert learning
    assert not [name for name in learning if "v_proj" in name]
    assert [name for name in learning if "o_proj" in name]


def test_a_model_whose_values_are_not_apart_is_refused() -> None:
    model = GPT2LMHeadModel(GPT2Config(vocab_size=8, n_embd=8, n_layer=1, n_head=2, n_positions=8))
    with pytest.raises(ConfigError, match="cannot be frozen alone"):
        trainable(model, config(train={"adapter": {"rank": 0}}), freeze_values=True)
