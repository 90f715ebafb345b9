"""Checkpoints in the formats of LLaDA, Dream, converted and masked language models load without their code."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from torch import Tensor

from reasonry.core import seeds
from reasonry.core.models.config import ModelConfig
from reasonry.errors import ConfigError, DataError, ResourceError, UnsafeArtifactError
from reasonry.training.dultra.checkpoints import load_denoiser, save_denoiser
from reasonry.training.dultra.decoder_denoiser import DecoderDenoiser
from reasonry.training.dultra.hf_denoiser import HfDenoiser
from reasonry.training.dultra.published import LLADA_NAMES, stand_in
from reasonry.training.dultra.tiny_denoiser import TinyDenoiser, TinyDenoiserConfig

CPU = ModelConfig(device="cpu")
V, D = 23, 16
LLADA: dict[str, Any] = {
    "model_type": "llada",
    "architectures": ["LLaDAModelLM"],
    "auto_map": {
        "AutoConfig": "configuration_llada.LLaDAConfig",
        "AutoModelForCausalLM": "modeling_llada.LLaDAModelLM",
    },
    "activation_type": "silu",
    "alibi": False,
    "attention_layer_norm": False,
    "block_type": "llama",
    "d_model": D,
    "embedding_size": V,
    "eos_token_id": 2,
    "include_bias": False,
    "include_qkv_bias": False,
    "layer_norm_type": "rms",
    "mask_token_id": 4,
    "max_sequence_length": 32,
    "mlp_hidden_size": 24,
    "mlp_ratio": 4,
    "n_heads": 4,
    "n_kv_heads": 2,
    "n_layers": 2,
    "pad_token_id": 2,
    "rms_norm_eps": 1e-5,
    "rope": True,
    "rope_theta": 500000.0,
    "vocab_size": V,
    "weight_tying": False,
}
DREAM: dict[str, Any] = {
    "model_type": "Dream",
    "architectures": ["DreamModel"],
    "auto_map": {"AutoConfig": "configuration_dream.DreamConfig", "AutoModel": "modeling_dream.DreamModel"},
    "attention_dropout": 0.0,
    "bos_token_id": 3,
    "eos_token_id": 2,
    "hidden_act": "silu",
    "hidden_size": D,
    "intermediate_size": 24,
    "mask_token_id": 4,
    "max_position_embeddings": 131072,
    "max_window_layers": 1,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
    "pad_token_id": 2,
    "rms_norm_eps": 1e-6,
    "rope_scaling": None,
    "rope_theta": 1000000.0,
    "sliding_window": None,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "use_mrope": False,
    "use_sliding_window": False,
    "vocab_size": V,
}


def _normal(name: str, *shape: int) -> Tensor:
    return torch.as_tensor(seeds.stream(0, name).normal(size=shape), dtype=torch.float32) * 0.2


def _filled(model: Any) -> Any:
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(_normal(name, *weight.shape) + (1.0 if name.lower().endswith("norm.weight") else 0.0))
    return model.eval()


def _folder(path: Path, config: dict[str, Any], weights: dict[str, Tensor]) -> Path:
    path.mkdir()
    (path / "config.json").write_text(json.dumps(config), "utf-8")
    save_file(weights, path / "model.safetensors", {"format": "pt"})
    return path


def _llada_weights() -> dict[str, Tensor]:
    shapes: dict[str, tuple[int, ...]] = {"wte": (V, D), "ln_f": (D,), "ff_out": (V, D)}
    for i in range(2):
        for name, shape in {
            "attn_norm": (D,),
            "ff_norm": (D,),
            "q_proj": (D, D),
            "k_proj": (D // 2, D),
            "v_proj": (D // 2, D),
            "attn_out": (D, D),
            "ff_proj": (24, D),
            "up_proj": (24, D),
            "ff_out": (D, 24),
        }.items():
            shapes[f"blocks.{i}.{name}"] = shape
    return {
        f"model.transformer.{name}.weight": _normal(name, *shape) + (1.0 if len(shape) == 1 else 0.0)
        for name, shape in shapes.items()
    }


def _llada_by_hand(w: dict[str, Tensor], tokens: Tensor) -> Tensor:
    """Logits of LLaDA's network on whole rows, from its own tensors."""

    def norm(x: Tensor, name: str) -> Tensor:
        return x * (x.square().mean(-1, keepdim=True) + 1e-5).rsqrt() * w[f"model.transformer.{name}.weight"]

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ w[f"model.transformer.{name}.weight"].T

    B, N = tokens.shape
    size = D // 4
    angle = torch.arange(N)[:, None] * 500000.0 ** (-torch.arange(0, size, 2) / size)
    cos, sin = angle.cos().repeat(1, 2), angle.sin().repeat(1, 2)

    def heads(x: Tensor) -> Tensor:
        return x.view(B, N, -1, size).transpose(1, 2)

    def rotate(x: Tensor) -> Tensor:
        first, second = x.chunk(2, -1)
        return x * cos + torch.cat([-second, first], -1) * sin

    h = w["model.transformer.wte.weight"][tokens]
    for i in range(2):
        x = norm(h, f"blocks.{i}.attn_norm")
        q, k = (rotate(heads(linear(x, f"blocks.{i}.{p}_proj"))) for p in "qk")
        v = heads(linear(x, f"blocks.{i}.v_proj"))
        k, v = k.repeat_interleave(2, 1), v.repeat_interleave(2, 1)
        mixed = (q @ k.transpose(2, 3) / size**0.5).softmax(-1) @ v
        h = h + linear(mixed.transpose(1, 2).reshape(B, N, D), f"blocks.{i}.attn_out")
        x = norm(h, f"blocks.{i}.ff_norm")
        gated = torch.nn.functional.silu(linear(x, f"blocks.{i}.ff_proj")) * linear(x, f"blocks.{i}.up_proj")
        h = h + linear(gated, f"blocks.{i}.ff_out")
    return linear(norm(h, "ln_f"), "ff_out")


def _rows(num: int = 2, length: int = 8) -> tuple[Tensor, Tensor]:
    tokens = torch.as_tensor(seeds.stream(1, "rows").integers(3, V, (num, length)))
    return tokens, torch.ones_like(tokens, dtype=torch.bool)


def _tokenizer(mask: str | None = "[MASK]") -> transformers.PreTrainedTokenizerFast:
    vocab = {"[UNK]": 0, "[PAD]": 1, "[SEP]": 2, "a": 3, "[MASK]": 4} | {f"w{i}": i for i in range(5, V)}
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel(vocab, unk_token="[UNK]")),
        mask_token=mask,
        pad_token="[PAD]",
        sep_token="[SEP]",
        unk_token="[UNK]",
    )


# ---------------------------------------------------------------- LLaDA


def test_a_llada_checkpoint_says_what_its_own_tensors_say(tmp_path: Path) -> None:
    weights = _llada_weights()
    loaded = load_denoiser(str(_folder(tmp_path / "m", LLADA, weights)), CPU)
    denoiser = loaded.denoiser
    assert isinstance(denoiser, DecoderDenoiser) and not denoiser.is_shifted and loaded.tokenizer is None
    assert (denoiser.mask_id, denoiser.pad_id, denoiser.end_id, denoiser.max_len) == (4, 2, 2, 32)
    assert (denoiser.vocab_size, denoiser.width, denoiser.name) == (V, D, "m")
    tokens, attend = _rows()
    said = denoiser.denoise(tokens, attend).logits_BNV
    assert torch.allclose(said, _llada_by_hand(weights, tokens), atol=1e-5)
    pads = torch.full((2, 3), 2)
    padded = denoiser.denoise(torch.cat([pads, tokens], 1), torch.cat([pads != 2, attend], 1)).logits_BNV
    assert torch.allclose(padded[:, 3:], said, atol=1e-5)
    assert loaded.identity["model"] == "local" and loaded.identity["dtype"] == "float32"


def test_a_sharded_llada_checkpoint_with_other_heads_beside_it(tmp_path: Path) -> None:
    weights = _llada_weights()
    folder = _folder(tmp_path / "m", LLADA, {})
    (folder / "model.safetensors").unlink()
    extra = {"mask_linear.weight": torch.zeros(1, D)}  # what a planner's checkpoint carries besides
    names = sorted(weights)
    shards = [{n: weights[n] for n in names[::2]}, {n: weights[n] for n in names[1::2]} | extra]
    index: dict[str, str] = {}
    for number, shard in enumerate(shards):
        file = f"model-0000{number + 1}-of-00002.safetensors"
        save_file(shard, folder / file, {"format": "pt"})
        index |= dict.fromkeys(shard, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}), "utf-8")
    tokens, attend = _rows()
    said = load_denoiser(str(folder), CPU).denoiser.denoise(tokens, attend).logits_BNV
    assert torch.allclose(said, _llada_by_hand(weights, tokens), atol=1e-5)


def test_its_tokenizer_comes_along_and_its_code_does_not_run(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "m", LLADA, _llada_weights())
    _tokenizer().save_pretrained(folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["auto_map"] = {"AutoTokenizer": ["tokenization_llada.LLaDATokenizer", None]}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    for name in ("modeling_llada", "configuration_llada", "tokenization_llada"):
        (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n", "utf-8")
    loaded = load_denoiser(str(folder), CPU)
    assert loaded.tokenizer is not None and loaded.tokenizer.convert_tokens_to_ids("w7") == 7
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"block_type": "sequential"}, "block_type = 'sequential'"),
        ({"include_qkv_bias": True}, "include_qkv_bias = True"),
        ({"alibi": True}, "alibi = True"),
        ({"d_model": None}, "d_model"),
    ],
)
def test_a_llada_that_the_stand_in_does_not_compute_is_refused(change: dict[str, Any], message: str) -> None:
    config = {k: v for k, v in (LLADA | change).items() if v is not None}
    with pytest.raises(DataError, match=message):
        stand_in(config, place="config.json")


def test_sizes_that_the_config_leaves_out_follow_from_the_others() -> None:
    config = LLADA | {"n_kv_heads": None, "mlp_hidden_size": None, "embedding_size": None}
    found = stand_in(config, place="config.json")
    assert found is not None and found.key_mapping == dict(LLADA_NAMES)
    assert found.config["num_key_value_heads"] == 4
    assert found.config["intermediate_size"] == 4 * D and found.config["vocab_size"] == V


def test_a_checkpoint_without_a_tensor_is_refused(tmp_path: Path) -> None:
    weights = _llada_weights()
    del weights["model.transformer.blocks.1.up_proj.weight"]
    with pytest.raises(DataError, match=r"lack 1 tensors of LlamaForCausalLM, such as model.layers.1.mlp.up_proj"):
        load_denoiser(str(_folder(tmp_path / "m", LLADA, weights)), CPU)


def test_pickled_weights_and_kernels_of_strangers_are_refused(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "m", LLADA | {"_attn_implementation": "stranger/kernel"}, _llada_weights())
    with pytest.raises(UnsafeArtifactError, match="_attn_implementation"):
        load_denoiser(str(folder), CPU)
    folder = _folder(tmp_path / "n", LLADA, {})
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UnsafeArtifactError, match="pickled"):
        load_denoiser(str(folder), CPU)


# ---------------------------------------------------------------- Dream and converted models


def _qwen(kind: str) -> Any:
    sizes = {k: v for k, v in DREAM.items() if k in transformers.Qwen2Config().to_dict() and k != "model_type"}
    sizes["rope_parameters"] = {"rope_type": "default", "rope_theta": 1000000.0}
    config = getattr(transformers, f"{kind}Config")(**sizes | ({"head_dim": 4} if kind == "Qwen3" else {}))
    return _filled(getattr(transformers, f"{kind}ForCausalLM")(config))


def _both_ways(model: Any, tokens: Tensor) -> Tensor:
    """Logits of a decoder of transformers with attention to everything."""
    with torch.no_grad():
        length = tokens.shape[1]
        return model(input_ids=tokens, attention_mask=torch.zeros(len(tokens), 1, length, length)).logits


def test_a_dream_checkpoint_is_a_qwen_whose_logits_are_of_the_token_after(tmp_path: Path) -> None:
    model = _qwen("Qwen2")
    folder = _folder(tmp_path / "m", DREAM, {k: v.clone() for k, v in model.state_dict().items()})
    denoiser = load_denoiser(str(folder), CPU).denoiser
    assert isinstance(denoiser, DecoderDenoiser) and denoiser.is_shifted
    assert (denoiser.mask_id, denoiser.pad_id, denoiser.end_id, denoiser.max_len) == (4, 2, 2, 2048)
    tokens, attend = _rows()
    wanted = _both_ways(model, tokens)
    wanted = torch.cat([wanted[:, :1], wanted[:, :-1]], 1)
    assert torch.allclose(denoiser.denoise(tokens, attend).logits_BNV, wanted, atol=1e-5)
    assert next(denoiser.parameters()).dtype == torch.float32  # small, whatever the config was saved in


@pytest.mark.parametrize("kind", ["Qwen2", "Qwen3"])
def test_a_converted_checkpoint_takes_its_mask_from_its_tokenizer(tmp_path: Path, kind: str) -> None:
    model = _qwen(kind)
    config = {**model.config.to_dict(), "model_type": f"a2d-{kind.lower()}", "architectures": [f"A2D{kind}LMHeadModel"]}
    folder = _folder(tmp_path / "m", config, {k: v.clone() for k, v in model.state_dict().items()})
    with pytest.raises(DataError, match="names the mask token"):
        load_denoiser(str(folder), CPU)
    _tokenizer().save_pretrained(folder)
    denoiser = load_denoiser(str(folder), CPU).denoiser
    assert isinstance(denoiser, DecoderDenoiser) and not denoiser.is_shifted
    assert (denoiser.mask_id, denoiser.pad_id, denoiser.end_id) == (4, 1, 2)
    tokens, attend = _rows()
    assert torch.allclose(denoiser.denoise(tokens, attend).logits_BNV, _both_ways(model, tokens), atol=1e-5)


# ---------------------------------------------------------------- masked language models


def _bert(folder: Path, **changes: Any) -> Any:
    config = transformers.BertConfig(
        vocab_size=V,
        hidden_size=D,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=32,
        initializer_range=0.2,
        **changes,
    )
    model = _filled(transformers.BertForMaskedLM(config))
    model.save_pretrained(folder)
    _tokenizer().save_pretrained(folder)
    return model


def test_a_masked_language_model_is_loaded_with_its_tokenizer(tmp_path: Path) -> None:
    model = _bert(tmp_path / "m")
    loaded = load_denoiser(str(tmp_path / "m"), CPU)
    assert isinstance(loaded.denoiser, HfDenoiser) and loaded.denoiser.max_len == 32
    assert (loaded.denoiser.mask_id, loaded.denoiser.pad_id, loaded.denoiser.end_id) == (4, 1, 2)
    tokens, attend = _rows()
    with torch.no_grad():
        wanted = model(input_ids=tokens).logits
    assert torch.allclose(loaded.denoiser.denoise(tokens, attend).logits_BNV, wanted, atol=1e-5)
    assert load_denoiser(str(tmp_path / "m"), CPU).identity == loaded.identity
    assert load_denoiser(str(tmp_path / "m"), ModelConfig(device="cpu", dtype="bfloat16")).identity != loaded.identity


def test_what_is_no_denoiser_is_refused(tmp_path: Path) -> None:
    _bert(tmp_path / "causal", is_decoder=True)
    with pytest.raises(DataError, match="does not look ahead"):
        load_denoiser(str(tmp_path / "causal"), CPU)
    assert isinstance(load_denoiser(str(tmp_path / "causal"), CPU, check=False).denoiser, HfDenoiser)
    _qwen("Qwen2").save_pretrained(tmp_path / "decoder")
    _tokenizer().save_pretrained(tmp_path / "decoder")
    with pytest.raises(DataError, match="Qwen2Config"):
        load_denoiser(str(tmp_path / "decoder"), CPU)
    transformers.BertModel(_bert(tmp_path / "x").config).save_pretrained(tmp_path / "headless")
    _tokenizer().save_pretrained(tmp_path / "headless")
    with pytest.raises(DataError, match="weights lack"):
        load_denoiser(str(tmp_path / "headless"), CPU)
    _bert(tmp_path / "maskless")
    _tokenizer(None).save_pretrained(tmp_path / "maskless")
    with pytest.raises(ConfigError, match="no mask token"):
        load_denoiser(str(tmp_path / "maskless"), CPU)


def test_a_name_that_is_nothing_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown model"):
        load_denoiser("lladda", CPU)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no config\.json"):
        load_denoiser(str(tmp_path / "empty"), CPU)
    with pytest.raises(ConfigError, match="no denoiser"):
        load_denoiser("smollm2-135m", CPU)
    (tmp_path / "empty" / "config.json").write_text("[1]", "utf-8")
    with pytest.raises(DataError, match="no JSON object"):
        load_denoiser(str(tmp_path / "empty"), CPU)


def test_a_config_that_asks_for_code_is_refused_for_models_without_a_stand_in(tmp_path: Path) -> None:
    _bert(tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoModelForMaskedLM": "modeling.Mine"}}
    (tmp_path / "m" / "config.json").write_text(json.dumps(config), "utf-8")
    with pytest.raises(UnsafeArtifactError, match="auto_map"):
        load_denoiser(str(tmp_path / "m"), CPU)
    with pytest.raises(ConfigError, match="trust_remote_code: no code"):
        load_denoiser(str(tmp_path / "m"), ModelConfig(device="cpu", revision="0" * 40, trust_remote_code=True))


def test_a_masked_language_model_without_a_tokenizer_has_no_mask(tmp_path: Path) -> None:
    _bert(tmp_path / "m")
    (tmp_path / "m" / "tokenizer.json").unlink()
    with pytest.raises(DataError, match="no tokenizer says which token the mask is"):
        load_denoiser(str(tmp_path / "m"), CPU)


def test_small_models_compute_in_float32_where_the_processor_prefers_16_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reasonry.core.models.load.torch_dtype", lambda wanted, device: torch.bfloat16)
    _bert(tmp_path / "bert")
    _folder(tmp_path / "llada", LLADA, _llada_weights())
    for name in ("bert", "llada"):
        assert load_denoiser(str(tmp_path / name), CPU).identity["dtype"] == "float32"
        with monkeypatch.context() as patch:
            patch.setattr("reasonry.training.dultra.checkpoints._SMALL", 100)
            large = load_denoiser(str(tmp_path / name), CPU, check=False)
        assert (large.identity["dtype"], next(large.denoiser.parameters()).dtype) == ("bfloat16", torch.bfloat16)


# ---------------------------------------------------------------- saving


def test_each_kind_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    model = _qwen("Qwen2")
    _folder(tmp_path / "dream", DREAM, {k: v.clone() for k, v in model.state_dict().items()})
    _folder(tmp_path / "llada", LLADA, _llada_weights())
    _bert(tmp_path / "bert")
    tiny = TinyDenoiser(TinyDenoiserConfig(vocab_size=V, max_len=12, num_layers=1, width=16, name="tiny:x"))
    tokens, attend = _rows()
    for name in ("dream", "llada", "bert", "tiny"):
        loaded = load_denoiser(str(tmp_path / name), CPU) if name != "tiny" else None
        before = tiny if loaded is None else loaded.denoiser
        with torch.no_grad():
            for weight in before.parameters():  # as training would
                weight += 0.01
        save_denoiser(before, tmp_path / "out" / name, tokenizer=loaded.tokenizer if loaded else None)
        again = load_denoiser(str(tmp_path / "out" / name), CPU)
        after = again.denoiser
        assert type(after) is type(before)
        for field in ("name", "vocab_size", "width", "max_len", "mask_id", "pad_id", "end_id"):
            assert getattr(after, field) == getattr(before, field), (name, field)
        same = torch.allclose(
            after.denoise(tokens, attend).logits_BNV, before.denoise(tokens, attend).logits_BNV, atol=1e-5
        )
        assert same, name
        assert (again.tokenizer is not None) == (name == "bert")


def test_saving_replaces_a_denoiser_and_nothing_else(tmp_path: Path) -> None:
    config = TinyDenoiserConfig(vocab_size=5, max_len=4, num_layers=1, width=16)
    for seed in (0, 1):
        save_denoiser(TinyDenoiser(config, seed=seed), tmp_path / "m")
    loaded = load_denoiser(str(tmp_path / "m"), CPU).denoiser
    assert isinstance(loaded, TinyDenoiser)
    assert torch.equal(loaded.network.head.weight, TinyDenoiser(config, seed=1).network.head.weight)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m"]  # nothing temporary is left
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    with pytest.raises(ConfigError, match="something else"):
        save_denoiser(TinyDenoiser(config), tmp_path / "photos")
    assert (tmp_path / "photos" / "cat.jpg").exists()


def test_a_save_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = TinyDenoiserConfig(vocab_size=5, max_len=4, num_layers=1, width=16)
    save_denoiser(TinyDenoiser(config), tmp_path / "m")
    rename = os.rename

    def full(source: Any, target: Any) -> None:
        if Path(target) == tmp_path / "m" and (Path(source) / "config.json").is_file() and not failed:
            failed.append(source)
            raise OSError(28, "No space left on device")
        rename(source, target)

    failed: list[Any] = []
    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(ResourceError, match="No space left"):
        save_denoiser(TinyDenoiser(config, seed=1), tmp_path / "m")
    loaded = load_denoiser(str(tmp_path / "m"), CPU).denoiser
    assert isinstance(loaded, TinyDenoiser)
    assert torch.equal(loaded.network.head.weight, TinyDenoiser(config).network.head.weight)
    assert failed and sorted(p.name for p in tmp_path.iterdir()) == ["m"]
