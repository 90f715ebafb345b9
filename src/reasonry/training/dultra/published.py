"""Published masked diffusion models whose networks transformers already has under other names.

    model_type                    runs as              names of its tensors                logits
    llada                         LlamaForCausalLM     translated by `LLADA_NAMES`         of their own position
    Dream                         Qwen2ForCausalLM     the same                            of the position after
    a2d-llama, -qwen2, -qwen3     Llama, Qwen2, Qwen3  the same                            of their own position

(LLaDA, arXiv 2502.09992; Dream, arXiv 2508.15487; a2d: autoregressive models converted with dllm.) Their repositories
ask transformers to run their own code, which is not done here. A config that asks for what the stand-in does not
compute is refused rather than computed wrongly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reasonry.errors import DataError

PUBLISHED: Mapping[str, str] = {
    "llada-8b": "GSAI-ML/LLaDA-8B-Instruct",
    "llada-1.5": "GSAI-ML/LLaDA-1.5",
    "dream-7b": "Dream-org/Dream-v0-Instruct-7B",
}
"""Hub ids by alias."""

LLADA_NAMES: Mapping[str, str] = {
    r"^model\.transformer\.wte\.": "model.embed_tokens.",
    r"^model\.transformer\.ln_f\.": "model.norm.",
    r"^model\.transformer\.ff_out\.": "lm_head.",
    **{
        rf"^model\.transformer\.blocks\.(\d+)\.{theirs}\.": rf"model.layers.\1.{ours}."
        for theirs, ours in {
            "attn_norm": "input_layernorm",
            "q_proj": "self_attn.q_proj",
            "k_proj": "self_attn.k_proj",
            "v_proj": "self_attn.v_proj",
            "attn_out": "self_attn.o_proj",
            "ff_norm": "post_attention_layernorm",
            "ff_proj": "mlp.gate_proj",
            "up_proj": "mlp.up_proj",
            "ff_out": "mlp.down_proj",
        }.items()
    },
}
"""Names of LLaDA's tensors as regular expressions, and those of Llama."""

_LLADA_IS: Mapping[str, Any] = {
    "block_type": "llama",
    "layer_norm_type": "rms",
    "activation_type": "silu",
    "rope": True,
    "alibi": False,
    "attention_layer_norm": False,
    "input_emb_norm": False,
    "scale_logits": False,
    "include_bias": False,
    "include_qkv_bias": False,
    "multi_query_attention": False,
}
"""What LLaDA's config may say, where it says anything."""

_NOT_OF_THE_NETWORK = ("model_type", "auto_map", "architectures", "torch_dtype", "dtype", "mask_token_id")


@dataclass(frozen=True)
class StandIn:
    """How transformers runs a published model.

    Attributes:
        model_class: Name of the class in transformers.
        config: Values of its config.
        is_shifted: Logits at i are of the token at i + 1.
        tokenizer_class: Name of the tokenizer's class, which no code of the repository may replace.
        mask_id: The mask token, where the config names it.
        max_len: Longest canvas, where that is less than the config says.
        key_mapping: Names of tensors to translate.
    """

    model_class: str
    config: Mapping[str, Any]
    is_shifted: bool
    tokenizer_class: str
    mask_id: int | None
    max_len: int | None = None
    key_mapping: Mapping[str, str] = field(default_factory=dict[str, str])


def stand_in(config: Mapping[str, Any], *, place: str) -> StandIn | None:
    """How to run the model of a ``config.json``; None when it is none of those known here.

    Raises:
        DataError: The config lacks a size, or asks for what the stand-in does not compute.
    """
    model_type = config.get("model_type")
    if model_type == "llada":
        return _llada(config, place)
    if model_type == "Dream":
        # It was trained on 2,048 tokens; its config repeats the limit of the model that it began as.
        values = _same_names(config, place)
        return StandIn("Qwen2ForCausalLM", values, True, "Qwen2Tokenizer", config.get("mask_token_id", 151666), 2048)
    converted = {"a2d-llama": "Llama", "a2d-qwen2": "Qwen2", "a2d-qwen3": "Qwen3"}.get(str(model_type))
    if converted is None:
        return None
    values = _same_names(config, place)
    return StandIn(f"{converted}ForCausalLM", values, False, "AutoTokenizer", config.get("mask_token_id"))


def _llada(config: Mapping[str, Any], place: str) -> StandIn:
    for key, value in _LLADA_IS.items():
        if config.get(key) not in (None, value):
            raise DataError(
                f"{key} = {config[key]!r} is not computed here; LLaDA has {value!r}",
                place=place,
                remedy="Use a checkpoint in the layout of LLaDA-8B.",
            )
    try:
        width, num_heads = int(config["d_model"]), int(config["n_heads"])
        hidden = config.get("mlp_hidden_size") or int(config["mlp_ratio"]) * width
        values = {
            "vocab_size": config.get("embedding_size") or config["vocab_size"],
            "hidden_size": width,
            "intermediate_size": hidden,
            "num_hidden_layers": config["n_layers"],
            "num_attention_heads": num_heads,
            "num_key_value_heads": config.get("n_kv_heads") or num_heads,
            "max_position_embeddings": config["max_sequence_length"],
            "rms_norm_eps": config.get("rms_norm_eps", 1e-5),
            "rope_parameters": {"rope_type": "default", "rope_theta": config.get("rope_theta", 10000.0)},
            "tie_word_embeddings": bool(config.get("weight_tying", False)),
            "eos_token_id": config.get("eos_token_id"),
            "pad_token_id": config.get("pad_token_id"),
            "bos_token_id": None,
        }
    except KeyError as e:
        raise DataError(f"the config of a LLaDA model lacks {e}", place=place) from e
    mask_id = config.get("mask_token_id", 126336)
    return StandIn("LlamaForCausalLM", values, False, "PreTrainedTokenizerFast", mask_id, key_mapping=dict(LLADA_NAMES))


def _same_names(config: Mapping[str, Any], place: str) -> dict[str, Any]:
    if config.get("use_mrope"):
        raise DataError("use_mrope = true is not computed here", place=place)
    values = {key: value for key, value in config.items() if key not in _NOT_OF_THE_NETWORK}
    if not values.get("use_sliding_window"):
        values = {key: value for key, value in values.items() if key not in ("sliding_window", "max_window_layers")}
    return values
