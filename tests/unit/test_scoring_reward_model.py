"""Reward models: tiny sequence classifiers of several architectures, each batch against single rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    BartConfig,
    BartForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    FNetConfig,
    FNetForSequenceClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
    LlamaConfig,
    LlamaForSequenceClassification,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from reasonry.core.messages import Message, system, user
from reasonry.core.models import ModelConfig
from reasonry.core.scoring import (
    Item,
    RewardModel,
    Scorer,
    make_scorer,
)
from reasonry.core.scoring.load import load_reward_model
from reasonry.errors import ConfigError, DataError, ResourceError, UnsafeArtifactError

FLOAT32 = ModelConfig(dtype="float32", device="cpu")
TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}<end>{% endfor %}"
END, PAD, CLS, SEP = 0, 1, 2, 3
NUM_TOKENS = 260


def ask(text: str) -> tuple[Message, ...]:
    return (user(text),)


ITEMS = [
    Item(ask("What is 6 x 7?"), "42"),
    Item(ask("Name a colour."), "Blue, as the sky is on a clear day in the first week of May."),
    Item(ask("x"), "y"),
    Item((system("Be brief."), user("Who?"), Message("assistant", "Me."), user("And?")), "You too."),
    Item(ask("q" * 90), "z" * 120),
]


def tokenizer(*, template: str | None = TEMPLATE, separates: bool = False, pad: bool = True) -> PreTrainedTokenizerFast:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {"<end>": END, "<pad>": PAD, "[CLS]": CLS, "[SEP]": SEP, **{c: i + 4 for i, c in enumerate(alphabet)}}
    core = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    if separates:
        core.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)],
        )
    special: dict[str, Any] = {"eos_token": "<end>"}
    special |= {"pad_token": "<pad>"} if pad else {}
    special |= {"cls_token": "[CLS]", "sep_token": "[SEP]"} if separates else {}
    special |= {"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]} if separates else {}
    made = PreTrainedTokenizerFast(tokenizer_object=core, **special)
    if template is not None:
        made.chat_template = template
    return made


def save(model: Any, folder: Path, tokens: PreTrainedTokenizerFast) -> Path:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.25)
    model.save_pretrained(folder)
    tokens.save_pretrained(folder)
    return folder


def llama(folder: Path, *, tokens: PreTrainedTokenizerFast | None = None, **changes: Any) -> Path:
    settings: dict[str, Any] = {
        "vocab_size": NUM_TOKENS,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 512,
        "num_labels": 1,
        "bos_token_id": None,
        "eos_token_id": END,
        "pad_token_id": PAD,
    }
    model = LlamaForSequenceClassification(LlamaConfig(**settings | changes))
    return save(model, folder, tokens or tokenizer())


def gpt2(folder: Path) -> Path:  # absolute positions, and no pad token, as published
    config = GPT2Config(
        vocab_size=NUM_TOKENS, n_embd=16, n_layer=2, n_head=2, n_positions=512, num_labels=1, eos_token_id=END
    )
    return save(GPT2ForSequenceClassification(config), folder, tokenizer(pad=False))


def _encoder(**changes: Any) -> dict[str, Any]:
    return {
        "vocab_size": NUM_TOKENS,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "max_position_embeddings": 512,
        "num_labels": 1,
        "pad_token_id": PAD,
        **changes,
    }


def bert(folder: Path) -> Path:
    model = BertForSequenceClassification(BertConfig(**_encoder(num_attention_heads=2)))
    return save(model, folder, tokenizer(template=None, separates=True))


def roberta(folder: Path) -> Path:
    config = RobertaConfig(**_encoder(num_attention_heads=2, max_position_embeddings=514))
    return save(RobertaForSequenceClassification(config), folder, tokenizer(template=None, separates=True))


def fnet(folder: Path) -> Path:  # mixes all positions, padding included
    return save(FNetForSequenceClassification(FNetConfig(**_encoder())), folder, tokenizer())


def bart(folder: Path) -> Path:  # reads at the end token, and wants the same number of them in each row
    config = BartConfig(
        vocab_size=NUM_TOKENS,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        max_position_embeddings=512,
        num_labels=1,
        pad_token_id=PAD,
        bos_token_id=CLS,
        eos_token_id=END,
        decoder_start_token_id=END,
    )
    return save(BartForSequenceClassification(config), folder, tokenizer())


KINDS: dict[str, tuple[Callable[[Path], Path], bool]] = {
    "a pad token of its own": (llama, True),
    "no pad token in the config": (lambda f: llama(f, pad_token_id=None), True),
    "no pad token at all": (lambda f: llama(f, tokens=tokenizer(pad=False), pad_token_id=None), True),
    "a pad token that is no token": (lambda f: llama(f, pad_token_id=-1), True),
    "the end token for padding": (lambda f: llama(f, pad_token_id=END), True),
    "another pad token than the tokenizer's": (lambda f: llama(f, pad_token_id=SEP), True),
    "gpt2": (gpt2, True),
    "bert": (bert, True),
    "roberta": (roberta, True),
    "fnet": (fnet, False),
    "bart": (bart, False),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def of(kind: str) -> Path:
        if kind not in made:
            made[kind] = KINDS[kind][0](tmp_path_factory.mktemp("rm") / "model")
        return made[kind]

    return of


@pytest.fixture(scope="module")
def plain(folders: Callable[[str], Path]) -> RewardModel:
    return RewardModel(folders("a pad token of its own"), options=FLOAT32)


def alone(scorer: RewardModel, item: Item) -> float:
    """What transformers gives for one row: no padding, no batch, nothing of ours but the tokens."""
    row = scorer._encoder.encode(item)
    inputs = {"input_ids": torch.tensor([row.ids])}
    if row.type_ids is not None:
        inputs["token_type_ids"] = torch.tensor([row.type_ids])
    with torch.no_grad():
        return float(scorer.loaded.model(**inputs).logits[0, 0])


# ---------------------------------------------------------------- padding and batches


@pytest.mark.parametrize("kind", KINDS)
def test_a_score_is_what_the_model_gives_for_the_item_alone(kind: str, folders: Callable[[str], Path]) -> None:
    scorer = RewardModel(folders(kind), options=FLOAT32)
    assert isinstance(scorer, Scorer)
    expected = [alone(scorer, item) for item in ITEMS]
    assert len({round(x, 3) for x in expected}) == len(ITEMS), "the model tells the items apart"
    np.testing.assert_allclose(scorer.score(ITEMS), expected, atol=1e-5, rtol=0)
    assert scorer.is_padded == KINDS[kind][1]
    assert bool(scorer.notes and "one by one" in scorer.notes[-1]) == (not KINDS[kind][1])


@pytest.mark.parametrize("pad", [None, -1])
def test_padding_with_the_end_token_would_have_been_wrong(pad: int | None, folders: Callable[[str], Path]) -> None:
    """The usual repair, ``config.pad_token_id = eos``: rows that end in the end token are read one token early."""
    scorer = RewardModel(folders("no pad token in the config"), options=FLOAT32)
    model = scorer.loaded.model
    model.config.pad_token_id = pad
    right = scorer.score(ITEMS)
    assert model.config.pad_token_id == pad, "the config is left as it was"
    model.config.pad_token_id = END
    wrong = scorer.score(ITEMS)
    assert np.abs(right - wrong).min() > 0.01
    np.testing.assert_allclose(right, [_at_last_token(scorer, item) for item in ITEMS], atol=1e-5, rtol=0)


def _at_last_token(scorer: RewardModel, item: Item) -> float:
    model: Any = scorer.loaded.model
    with torch.no_grad():
        hidden = model.model(torch.tensor([scorer._encoder.encode(item).ids])).last_hidden_state
        return float(model.score(hidden)[0, -1, 0])


@pytest.mark.parametrize("batch_size", [1, 2, 3, 16])
def test_scores_do_not_depend_on_the_batch_size(plain: RewardModel, batch_size: int) -> None:
    scorer = RewardModel(plain.loaded, batch_size=batch_size)
    np.testing.assert_allclose(scorer.score(ITEMS), plain.score(ITEMS), atol=1e-5, rtol=0)
    assert scorer.determinism == ("sample-stable" if batch_size == 1 else "bitwise")


def test_a_limit_on_tokens_cuts_batches_and_changes_nothing(
    plain: RewardModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reasonry.core.scoring import padding

    shapes: list[tuple[int, int]] = []
    real = padding.forward

    def forward(model: Any, rows: Sequence[Any], **settings: Any) -> torch.Tensor:
        shapes.append((len(rows), max(len(r.ids) for r in rows)))
        return real(model, rows, **settings)

    scorer = RewardModel(plain.loaded, batch_tok=150)
    monkeypatch.setattr(padding, "forward", forward)
    np.testing.assert_allclose(scorer.score(ITEMS), plain.score(ITEMS), atol=1e-5, rtol=0)
    own = shapes[:-1]  # the last pass is that of `plain`, all in one
    assert sum(rows for rows, _ in own) == len(ITEMS)
    assert all(rows == 1 or rows * longest <= 150 for rows, longest in own)
    assert [longest for _, longest in own] == sorted((longest for _, longest in own), reverse=True)


def test_scores_do_not_depend_on_order_or_company(plain: RewardModel) -> None:
    whole = plain.score(ITEMS)
    np.testing.assert_allclose(plain.score(ITEMS[::-1])[::-1], whole, atol=1e-5, rtol=0)
    np.testing.assert_allclose(plain.score(ITEMS[2:3]), whole[2:3], atol=1e-5, rtol=0)


def test_equal_items_get_equal_scores_bit_by_bit(plain: RewardModel) -> None:
    scores = RewardModel(plain.loaded, batch_size=2).score([ITEMS[0], ITEMS[1], ITEMS[0], ITEMS[4], ITEMS[0]])
    assert scores[0] == scores[2] == scores[4]


def test_no_items_give_no_scores(plain: RewardModel) -> None:
    assert plain.score([]).shape == (0,)


def test_in_a_16_bit_format_scores_are_finer_than_the_format(folders: Callable[[str], Path]) -> None:
    folder = folders("a pad token of its own")
    half = RewardModel(folder, options=ModelConfig(dtype="bfloat16", device="cpu"))
    items = [Item(ask("Count."), "word " * n) for n in range(1, 9)]
    scores = half.score(items)
    coarse = torch.tensor(scores).to(torch.bfloat16).double().numpy()
    assert (scores != coarse).sum() >= 6, "a head in bfloat16 would give multiples of its steps"
    np.testing.assert_allclose(scores, RewardModel(folder, options=FLOAT32).score(items), atol=0.15, rtol=0.1)
    assert half.identity["dtype"] == "bfloat16"


def test_a_model_that_cannot_compute_in_16_bits_says_so(folders: Callable[[str], Path]) -> None:
    with pytest.raises(ConfigError, match=r"cannot compute in torch.bfloat16.*Load it with dtype float32"):
        RewardModel(folders("fnet"), options=ModelConfig(dtype="bfloat16", device="cpu"))


# ---------------------------------------------------------------- what does not fit, what is not finite


def test_what_does_not_fit_the_context_is_refused_or_counted_and_never_cut(plain: RewardModel) -> None:
    items = [ITEMS[0], Item(ask("?"), "x" * 600), ITEMS[0], Item(ask("?"), "x" * 601)]
    with pytest.raises(DataError, match=r"2 of 4 items do not fit .* of 512 tokens; the first, item 1,"):
        plain.score(items)
    scorer = RewardModel(plain.loaded, too_long="unscored")
    scores = scorer.score(items)
    assert np.isnan(scores).tolist() == [False, True, False, True]
    assert scorer.stats.unscored == {"longer than the model's context": 2}
    assert scorer.score([items[1]]).shape == (1,)


def test_an_item_that_just_fits_is_scored(plain: RewardModel) -> None:
    extra = len(plain._encoder.encode(Item(ask("?"), "")).ids)
    assert np.isfinite(plain.score([Item(ask("?"), "x" * (512 - extra))])).all()
    with pytest.raises(DataError, match="has 513"):
        plain.score([Item(ask("?"), "x" * (513 - extra))])


def test_the_context_of_roberta_is_without_its_reserved_positions(folders: Callable[[str], Path]) -> None:
    scorer = RewardModel(folders("roberta"), options=FLOAT32, too_long="unscored")
    extra = len(scorer._encoder.encode(Item(ask("?"), "")).ids)
    scores = scorer.score([Item(ask("?"), "x" * (512 - extra)), Item(ask("?"), "x" * (513 - extra))])
    assert np.isnan(scores).tolist() == [False, True]


def test_a_score_that_is_not_finite_is_nan_and_counted(folders: Callable[[str], Path]) -> None:
    scorer = RewardModel(folders("bert"), options=FLOAT32)
    model: Any = scorer.loaded.model
    with torch.no_grad():
        model.bert.embeddings.word_embeddings.weight[4 + sorted(pre_tokenizers.ByteLevel.alphabet()).index("@")] = (
            float("inf")
        )
    scores = scorer.score([Item(ask("a"), "b"), Item(ask("a"), "@"), Item(ask("a"), "@")])
    assert np.isnan(scores).tolist() == [False, True, True]
    assert scorer.stats.unscored == {"the score is not finite": 2}
    assert (scorer.stats.num_items, scorer.stats.num_unscored) == (3, 2)
    with torch.no_grad():
        model.classifier.bias.fill_(float("-inf"))
    assert np.isnan(scorer.score([Item(ask("a"), "b")])).all(), "an overflow is no verdict"


def test_a_special_token_written_out_in_a_reply_is_counted(plain: RewardModel) -> None:
    scorer = RewardModel(plain.loaded)
    scorer.score([Item(ask("a"), "b<end>"), Item(ask("<pad>"), "b"), Item(ask("a"), "b <END>")])
    assert scorer.stats.warned == {"a special token written out in the text": 2}


def test_running_out_of_memory_names_the_way_out(plain: RewardModel, monkeypatch: pytest.MonkeyPatch) -> None:
    from reasonry.core.scoring import padding

    def forward(*_: Any, **__: Any) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    scorer = RewardModel(plain.loaded)
    monkeypatch.setattr(padding, "forward", forward)
    with pytest.raises(ResourceError, match=r"out of memory with 5 rows.*batch_size below 5"):
        scorer.score(ITEMS)


def test_tokens_that_the_model_does_not_know_are_named(tmp_path: Path) -> None:
    folder = llama(tmp_path / "small", vocab_size=40)
    with pytest.raises(DataError, match=r"the tokenizer gives token \d+, the model knows 40"):
        RewardModel(folder, options=FLOAT32)


# ---------------------------------------------------------------- outputs


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rm") / "three"
    return llama(folder, num_labels=3, id2label={0: "bad", 1: "fair", 2: "good"}, label2id={})


def test_several_outputs_need_a_choice_and_the_error_lists_them(three: Path) -> None:
    with pytest.raises(ConfigError, match=r"3 outputs.*Choose one with label=.*0 \(bad\), 1 \(fair\), 2 \(good\)"):
        RewardModel(three, options=FLOAT32)


def test_a_classifiers_score_is_the_log_probability_of_the_label(three: Path) -> None:
    good = RewardModel(three, options=FLOAT32, label="good")
    scores = [RewardModel(good.loaded, label=i).score(ITEMS) for i in range(3)]
    np.testing.assert_allclose(np.exp(scores).sum(0), 1, rtol=1e-9)
    assert good.score(ITEMS).tolist() == scores[2].tolist()
    logits = [RewardModel(good.loaded, label=i, output="logit").score(ITEMS) for i in range(3)]
    np.testing.assert_allclose(np.subtract(*scores[:2]), np.subtract(*logits[:2]), atol=1e-6)
    assert good.identity != RewardModel(good.loaded, label=1).identity


def test_an_attribute_of_a_regression_model_is_read_as_it_is(tmp_path: Path) -> None:
    folder = llama(tmp_path / "attributes", num_labels=2, problem_type="regression")
    scorer = RewardModel(folder, options=FLOAT32, label=1)
    assert scorer.score(ITEMS).tolist() == RewardModel(scorer.loaded, label=1, output="logit").score(ITEMS).tolist()


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("god", "no output named 'god'.*'good'"),
        (3, "label=3 is not one of 3"),
        (-1, "label=-1 is not one of 3"),
    ],
)
def test_an_unknown_label_is_refused(three: Path, label: int | str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RewardModel(three, options=FLOAT32, label=label)


def test_the_probability_of_an_only_output_is_refused(plain: RewardModel) -> None:
    with pytest.raises(ConfigError, match="always 1"):
        RewardModel(plain.loaded, output="logp")
    with pytest.raises(ConfigError, match="this model is loaded"):
        RewardModel(plain.loaded, options=FLOAT32)
    with pytest.raises(ConfigError, match="hold no row"):
        RewardModel(plain.loaded, batch_size=0)


# ---------------------------------------------------------------- how a conversation is put


def test_with_a_template_the_reply_is_an_assistant_turn_and_nothing_is_added(plain: RewardModel) -> None:
    ids = plain._encoder.encode(ITEMS[3]).ids
    text = "system: Be brief.<end>user: Who?<end>assistant: Me.<end>user: And?<end>assistant: You too.<end>"
    assert plain.loaded.tokenizer.decode(ids) == text
    assert plain._encoder.note == "" and plain.identity["form"] == "template"


def test_without_a_template_an_encoder_gets_a_pair(folders: Callable[[str], Path]) -> None:
    scorer = RewardModel(folders("bert"), options=FLOAT32)
    row = scorer._encoder.encode(Item(ask("a"), "bc"))
    assert [row.ids[i] for i in (0, 2, -1)] == [CLS, SEP, SEP]
    assert row.type_ids == [0, 0, 0, 1, 1, 1]
    assert scorer._encoder.encode(Item(ask("a"), "")).ids == [CLS, row.ids[1], SEP, SEP]
    assert scorer.notes == ["the tokenizer has no chat template: prompt and reply are given as a pair of texts"]


def test_without_a_template_a_decoder_gets_text(tmp_path: Path) -> None:
    scorer = RewardModel(llama(tmp_path / "base", tokens=tokenizer(template=None)), options=FLOAT32)
    assert scorer.loaded.tokenizer.decode(scorer._encoder.encode(Item(ask("a"), "bc")).ids) == "a\nbc"
    assert "as plain text" in scorer.notes[0]
    with pytest.raises(DataError, match="do not fit"):
        scorer.score([Item(ask("a"), "x" * 999)])


def test_a_template_that_leaves_the_reply_out_is_refused(tmp_path: Path) -> None:
    forgetful = "{% for m in messages if m['role'] == 'user' %}{{ m['content'] }}{% endfor %}assistant: "
    folder = llama(tmp_path / "rm", tokens=tokenizer(template=forgetful))
    with pytest.raises(ConfigError, match="leaves the reply out"):
        RewardModel(folder, options=FLOAT32)


def test_a_conversation_that_the_template_refuses_is_named(tmp_path: Path) -> None:
    strict = "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    folder = llama(tmp_path / "rm", tokens=tokenizer(template=strict + "{{ m['content'] }}{% endfor %}"))
    scorer = RewardModel(folder, options=FLOAT32)
    with pytest.raises(DataError, match="conversation of system, user, assistant, user, assistant: no system"):
        scorer.score([ITEMS[3]])


def test_the_identity_holds_what_decides_a_score_and_is_json(plain: RewardModel) -> None:
    identity = plain.identity
    assert json.loads(json.dumps(identity)) == identity
    assert identity["model"] == "local" and len(identity["weights"]) == 32
    other = RewardModel(plain.loaded, batch_size=3)
    assert other.identity == identity
    before = plain.loaded.tokenizer.chat_template
    try:
        plain.loaded.tokenizer.chat_template = before + " "
        assert RewardModel(plain.loaded).identity != identity
    finally:
        plain.loaded.tokenizer.chat_template = before


# ---------------------------------------------------------------- loading


def test_a_language_model_is_refused_before_its_head_is_made_up(tiny_model: Path) -> None:
    with pytest.raises(DataError, match=r"the weights lack 1 tensors of LlamaForSequenceClassification.*score\.weight"):
        load_reward_model(str(tiny_model), FLOAT32)


def test_packaged_models_are_no_reward_models() -> None:
    with pytest.raises(ConfigError, match=r"'smollm2-135m' is no reward model.*judge:MODEL"):
        load_reward_model("smollm2-135m")


def test_pickled_weights_and_code_are_refused(tmp_path: Path) -> None:
    folder = llama(tmp_path / "rm")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "evil.Model"}}))
    with pytest.raises(UnsafeArtifactError, match="auto_map"):
        load_reward_model(str(folder), FLOAT32)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UnsafeArtifactError, match="only pickled weights"):
        load_reward_model(str(folder), FLOAT32)


def test_damaged_weights_are_a_data_error(tmp_path: Path) -> None:
    folder = llama(tmp_path / "rm")
    (folder / "model.safetensors").write_bytes(b"garbage" * 50)
    with pytest.raises(DataError, match="cannot be loaded"):
        load_reward_model(str(folder), FLOAT32)


def test_a_device_that_is_not_there_is_a_resource_error(folders: Callable[[str], Path]) -> None:
    with pytest.raises(ResourceError, match="cannot put the model on 'cuda:99'"):
        load_reward_model(str(folders("bert")), ModelConfig(device="cuda:99", dtype="float32"))


def test_a_reward_model_by_name(folders: Callable[[str], Path]) -> None:
    folder = folders("a pad token of its own")
    scorer = make_scorer(f"reward:{folder}", options=FLOAT32)
    assert isinstance(scorer, RewardModel)
    assert scorer.name == f"reward:{folder}"
