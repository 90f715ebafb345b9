"""Worked examples as a source: splits, lengths, stages, and answers that are judged."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tests.ccot_text_runs import text_config

from reasonry.core import seeds
from reasonry.core.scoped_random import drawing_from
from reasonry.errors import ConfigError, DataError
from reasonry.training.continuous_cot.latent.rows import collate
from reasonry.training.continuous_cot.methods import METHODS
from reasonry.training.continuous_cot.source import AsksBySlots, KnowsLengths
from reasonry.training.continuous_cot.text_config import TextTrainConfig
from reasonry.training.continuous_cot.text_model import make_text_model
from reasonry.training.continuous_cot.text_source import TextSource

TEXT_METHODS = [name for name, method in METHODS.items() if method.label == "path" and not method.is_deep]
CONTINUOUS = METHODS["continuous"]


@pytest.fixture(scope="module")
def latent(tiny_model: Path) -> Any:
    return make_text_model(text_config(tiny_model), CONTINUOUS).latent


@pytest.fixture(scope="module")
def source(tiny_model: Path, latent: Any) -> TextSource:
    return TextSource(text_config(tiny_model, data="word-problems:1-3", max_stage=2), latent)


def rng() -> np.random.Generator:
    return seeds.stream(0, "test")


def rows_file(folder: Path, rows: list[dict[str, Any]], name: str = "rows.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def example(number: int, *, steps: int = 2, words: int = 1) -> dict[str, Any]:
    question = " ".join([f"Question {number}.", *["More"] * words])
    return {"question": question, "steps": [f"{number} + {i} = {number + i}" for i in range(steps)], "answer": "7"}


def test_it_is_what_training_asks_for(source: TextSource) -> None:
    assert isinstance(source, AsksBySlots)
    assert isinstance(source, KnowsLengths)
    assert source.num_train == 12
    assert source.lengths.shape == (12,)
    # Examples of three steps lose the third at a stage of its own.
    assert (source.stages.max_stage, source.max_stage) == (2, 3)
    assert {source.num_steps(i) for i in range(12)} == {1, 2, 3}


@pytest.mark.parametrize("name", TEXT_METHODS)
def test_a_batch_is_its_rows_side_by_side(source: TextSource, latent: Any, name: str) -> None:
    indices, stages = [3, 0, 7], [1, 3, 0]
    batch = source.batch(indices, stages=stages, method=METHODS[name], rng=rng())
    one = rng()
    rows = [source.row(i, stage=s, method=METHODS[name], rng=one) for i, s in zip(indices, stages, strict=True)]
    expected = collate(rows, pad_id=latent.tokens.pad_id, latent_id=latent.tokens.latent_id)
    for name_, part in batch._asdict().items():
        other = getattr(expected, name_)
        assert torch.equal(part, other) if isinstance(part, torch.Tensor) else part == other
    assert latent(batch).loss is not None


def test_the_answer_is_all_that_is_learnt_at_the_last_stage(source: TextSource, latent: Any) -> None:
    for index in range(source.num_train):
        row = source.row(index, stage=source.max_stage, method=CONTINUOUS, rng=rng())
        learnt = [token for token, label in zip(row.ids, row.labels, strict=True) if label >= 0]
        text = latent.tokenizer.decode(learnt)
        assert text.startswith("### ")
        assert text.endswith("<end>")
        assert "<<" not in text


def test_no_question_stands_in_two_splits(source: TextSource, latent: Any) -> None:
    trained = {source.row(i, stage=0, method=METHODS["no-cot"], rng=rng()).ids[:-8] for i in range(source.num_train)}
    held = {split: source.held_out(split, 5) for split in ("validation", "test")}
    questions = {split: {text.question for text in each.texts} for split, each in held.items()}
    assert not questions["validation"] & questions["test"]
    told = {latent.tokenizer.decode(ids).split("\n")[0] for ids in trained}
    assert not told & (questions["validation"] | questions["test"])
    assert [len(each.pieces) for each in held.values()] == [5, 5]


def test_asking_for_more_questions_keeps_the_first_ones(source: TextSource) -> None:
    few, many = source.held_out("test", 3), source.held_out("test", 9)
    assert many.first(3) == few
    assert many.ids[8] == "test-9"


# ---------------------------------------------------------------- what does not fit


def test_rows_that_are_too_long_are_counted_and_shown_and_never_cut(
    tiny_model: Path, latent: Any, tmp_path: Path
) -> None:
    path = rows_file(tmp_path, [example(i) for i in range(20)] + [example(99, words=60)], "train.jsonl")
    said: list[str] = []
    short = TextSource(text_config(tiny_model, data=str(path), num_train=100), latent, say=said.append)
    assert short.num_train == 21
    assert not said
    config = text_config(tiny_model, data=str(path), num_train=100, words={"max_row_tok": 100})
    left = TextSource(config, latent, say=said.append)
    assert left.num_train == 20
    assert len(said) == 1
    assert said[0].startswith("1 of 21 training examples are longer than 100 tokens and left out; the longest takes ")
    assert "Question 99. More More" in said[0]


def test_rows_are_measured_with_all_their_thoughts(tiny_model: Path, latent: Any, tmp_path: Path) -> None:
    path = rows_file(tmp_path, [example(1)], "train.jsonl")
    row = TextSource(text_config(tiny_model, data=str(path)), latent).row(0, stage=0, method=CONTINUOUS, rng=rng())
    longest = len(row.ids)  # a step in tiny bytes is longer than its thought
    fits = text_config(tiny_model, data=str(path), words={"max_row_tok": longest})
    assert TextSource(fits, latent).num_train == 1
    for change in ({"words": {"max_row_tok": longest - 1}}, {"thoughts": {"per_step": 40}}):
        body = {"words": {"max_row_tok": longest}, **change}
        with pytest.raises(DataError, match="no training example fits"):
            TextSource(text_config(tiny_model, data=str(path), **body), latent)


def test_questions_without_room_for_an_answer_are_left_out_aloud(tiny_model: Path, latent: Any, tmp_path: Path) -> None:
    rows_file(tmp_path, [example(i) for i in range(3)], "train.jsonl")
    rows_file(tmp_path, [example(8, words=80), example(9)], "test.jsonl")
    said: list[str] = []
    config = text_config(tiny_model, data=str(tmp_path), words={"max_new_tokens": 300})
    source = TextSource(config, latent, say=said.append)
    assert source.held_out("test", 5).ids == ["test-2"]
    assert said == ["1 of 2 test questions leave no room for an answer and are left out"]
    with pytest.raises(DataError, match="leaves room"):
        TextSource(config.with_(words={"max_new_tokens": 600}), latent).held_out("test", 5)


# ---------------------------------------------------------------- bad data


def test_a_row_without_steps_is_refused_with_its_number(tiny_model: Path, latent: Any, tmp_path: Path) -> None:
    path = rows_file(tmp_path, [example(1), {"question": "Why?", "answer": "7"}], "train.jsonl")
    with pytest.raises(DataError, match="train example 2: no steps"):
        TextSource(text_config(tiny_model, data=str(path)), latent)


def test_unknown_data_and_missing_files_are_refused(tiny_model: Path, latent: Any) -> None:
    with pytest.raises(ConfigError, match="unknown source of texts"):
        TextSource(text_config(tiny_model, data="word-problem"), latent)
    with pytest.raises(DataError, match="no such file"):
        TextSource(text_config(tiny_model, data="nowhere.jsonl"), latent)


def test_data_that_changed_is_told_from_what_it_was(tiny_model: Path, latent: Any, tmp_path: Path) -> None:
    config = text_config(tiny_model, data=str(rows_file(tmp_path, [example(1)], "train.jsonl")))
    before = TextSource(config, latent).identity
    assert TextSource(config, latent).identity == before
    rows_file(tmp_path, [{**example(1), "answer": "8"}], "train.jsonl")
    assert TextSource(config, latent).identity != before
    json.dumps(before)


# ---------------------------------------------------------------- answers


class Scripted:
    """Writes what it is told to; everything else is the model's."""

    def __init__(self, latent: Any, replies: list[str]) -> None:
        self._latent, self._replies = latent, iter(replies)
        self.calls: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._latent, name)

    def generate(self, prompts: Any, num_thoughts: Any, **more: Any) -> Any:
        self.calls.append({"num_thoughts": num_thoughts, **more})
        tokenizer = self._latent.tokenizer
        ids = [tokenizer(next(self._replies), add_special_tokens=False)["input_ids"] for _ in prompts]
        counts = [num_thoughts] * len(prompts) if isinstance(num_thoughts, int) else list(num_thoughts)
        thoughts = torch.zeros(len(prompts), max(counts), 1)
        return SimpleNamespace(sequences=ids, num_thoughts=counts, thoughts_BKD=thoughts)


def test_answers_are_judged_by_what_follows_the_marker(source: TextSource, latent: Any) -> None:
    oracles = source.held_out("test", 5).oracles
    replies = [
        f"### {oracles[0]}<end>",
        f"<<1+1=2>>\n### {oracles[1]}<end>",
        f"### {int(oracles[2]) + 1}<end>",
        f"{oracles[3]}<end>",
        f"### {oracles[4]}",
    ]
    model: Any = Scripted(latent, replies)
    judged = source.evaluate(model, method=CONTINUOUS, stage=2, split="test", num=5, batch_size=5)
    assert [each.is_right for each in judged] == [True, True, False, False, False]
    assert [each.answer for each in judged[2:]] == [str(int(oracles[2]) + 1), "(none)", "(cut off)"]
    assert judged[0].num_tokens == len(f"### {oracles[0]}")
    assert [each.id for each in judged] == [f"test-{i}" for i in range(1, 6)]
    assert judged[0].group == f"{len(source.held_out('test', 1).texts[0].steps)} " + (
        "step" if judged[0].group == "1 step" else "steps"
    )


@pytest.mark.parametrize(
    ("name", "counts", "slot", "markers"),
    [
        ("continuous", [2, 2], "thought", None),
        ("pause", [2, 2], "token", None),
        ("cot", 0, "thought", ()),
        ("no-thought", 0, "thought", ()),
    ],
)
def test_a_model_is_asked_in_the_layout_it_was_trained_in(
    source: TextSource, latent: Any, name: str, counts: Any, slot: str, markers: Any
) -> None:
    model: Any = Scripted(latent, ["", ""])
    source.evaluate(model, method=METHODS[name], stage=2, split="validation", num=2, batch_size=2)
    (call,) = model.calls
    assert (call["num_thoughts"], call["slot"], call["before"], call["after"]) == (counts, slot, markers, markers)


def test_answers_do_not_hang_on_the_batch(source: TextSource, latent: Any) -> None:
    def ask(size: int, **more: Any) -> list[Any]:
        return source.evaluate(latent, method=CONTINUOUS, stage=3, split="test", num=5, batch_size=size, **more)

    assert ask(5) == ask(2)
    assert ask(5, thoughts="random") == ask(2, thoughts="random")
    assert len(ask(2, thoughts="swapped")) == 5  # the last row is not left alone


def test_every_number_of_slots_may_be_tried(source: TextSource, latent: Any) -> None:
    found = source.by_slots(latent, method=CONTINUOUS, split="test", num=3, batch_size=3)
    assert {slots: [each.num_thoughts for each in judged] for slots, judged in found.items()} == {
        slots: [slots] * 3 for slots in (0, 1, 2)
    }
    assert found[2] == source.evaluate(latent, method=CONTINUOUS, stage=3, split="test", num=3, batch_size=3)


# ---------------------------------------------------------------- models and settings


@pytest.mark.parametrize(("name", "why"), [("bfs-set", "vertices of a graph"), ("cot-deep", "the layers it has")])
def test_methods_that_need_graphs_or_new_models_are_refused(name: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        TextTrainConfig(methods=("continuous", name))


def test_adapters_and_the_rows_of_new_tokens_learn_in_full_precision_and_nothing_else(tiny_model: Path) -> None:
    config = text_config(tiny_model, adapter={"rank": 2}, model_options={"dtype": "bfloat16"})
    latent = make_text_model(config, CONTINUOUS).latent
    learnt = {name: weight for name, weight in latent.named_parameters() if weight.requires_grad}
    assert learnt
    assert all("lora_" in name or "trainable_tokens" in name for name in learnt)
    assert {weight.dtype for weight in learnt.values()} == {torch.float32}
    rows = [weight for name, weight in learnt.items() if "trainable_tokens" in name]
    assert all(len(weight) == 3 for weight in rows)


def test_all_weights_are_trained_in_full_precision_unless_a_format_is_named(tiny_model: Path) -> None:
    said: list[str] = []
    latent = make_text_model(text_config(tiny_model), CONTINUOUS, say=said.append).latent
    assert {weight.dtype for weight in latent.parameters()} == {torch.float32}
    assert all(weight.requires_grad for weight in latent.parameters())
    assert not said
    half = text_config(tiny_model, model_options={"dtype": "bfloat16"})
    make_text_model(half, CONTINUOUS, say=said.append)
    assert said[0].startswith("warning: all weights are trained in bfloat16")


def test_models_of_two_methods_begin_with_the_same_weights(tiny_model: Path) -> None:
    config = text_config(tiny_model, adapter={"rank": 2})
    first, second = (make_text_model(config, METHODS[name]).latent for name in ("continuous", "pause"))
    others = dict(second.named_parameters())
    assert all(torch.equal(weight, others[name]) for name, weight in first.named_parameters())


def test_gradient_checkpointing_changes_no_loss(tiny_model: Path, source: TextSource) -> None:
    batch = source.batch([0, 1, 2], stages=[2, 2, 1], method=CONTINUOUS, rng=rng())
    losses: list[float] = []
    for is_on in (False, True):
        model = make_text_model(text_config(tiny_model, gradient_checkpointing=is_on), CONTINUOUS).latent.train()
        loss = model(batch).loss
        assert loss is not None
        loss.backward()
        losses.append(float(loss.detach()))
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


@pytest.mark.parametrize(("rank", "drop_nats"), [(0, 1.0), (8, 0.1)])
def test_models_of_other_families_learn_from_texts(
    tiny_model: Path, tmp_path: Path, rank: int, drop_nats: float
) -> None:
    from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

    sizes = {"initializer_range": 0.1, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 400, "vocab_size": 258}
    with drawing_from(0, "test"):
        model = GPT2LMHeadModel(GPT2Config(**sizes, eos_token_id=0, pad_token_id=1))  # embedding and head are one
    model.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(tmp_path)
    config = text_config(tmp_path, adapter={"rank": rank})
    latent = make_text_model(config, CONTINUOUS).latent
    source = TextSource(config, latent)
    optimizer = torch.optim.AdamW([w for w in latent.parameters() if w.requires_grad], lr=1e-2)
    losses: list[float] = []
    for _ in range(20):
        loss = latent(source.batch([0, 1], stages=[2, 1], method=CONTINUOUS, rng=rng())).loss
        assert loss is not None
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - drop_nats
    assert len(source.evaluate(latent, method=CONTINUOUS, stage=2, split="test", num=3, batch_size=2)) == 3
