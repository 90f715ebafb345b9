"""Small comparisons of unmasking policies for tests: a tiny denoiser with a planner, and one that reads words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reasonry.training.dultra.frontier.config import FrontierConfig


def write_tiny(folder: Path, task: str = "ledger:2:5") -> Path:
    """A denoiser for a task, with random weights, in ``folder/tiny``, and two planners for it beside it."""
    from reasonry.tasks.token_tasks.find import make_task
    from reasonry.training.dultra.planner import PlannerConfig, PlannerHead
    from reasonry.training.dultra.tiny_denoiser import TinyDenoiser

    made = make_task(task)
    denoiser = TinyDenoiser.from_task(made, num_layers=1, width=16, num_heads=2)
    (folder / "tiny").mkdir(parents=True)
    denoiser.save(folder / "tiny")
    shape: dict[str, Any] = {"max_len": made.answer_len, "num_heads": 2, "output_bias": 0.0}
    fits = PlannerConfig(width=16, denoiser=denoiser.name, block_len=made.answer_len, **shape)
    PlannerHead(fits, seed=1).save_pretrained(folder / "planner")
    PlannerHead(PlannerConfig(width=24, **shape), seed=1).save_pretrained(folder / "wide")
    return folder


def write_reader(folder: Path) -> Path:
    """A masked language model of bytes, with random weights."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {"<end>": 0, "<pad>": 1, "<mask>": 2, **{c: i + 3 for i, c in enumerate(alphabet)}}
    core = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    special = {"eos_token": "<end>", "pad_token": "<pad>", "mask_token": "<mask>"}
    PreTrainedTokenizerFast(tokenizer_object=core, **special).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocab),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=1024,
        pad_token_id=1,
    )
    model = BertForMaskedLM(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator) * 0.3)
    model.save_pretrained(folder)
    return folder


def config(**changes: Any) -> FrontierConfig:
    """Four prompts of a small ledger, two decodings of each, with the oracle."""
    values: dict[str, Any] = {"denoiser": "oracle:ledger:2:5", "num_prompts": 4, "num_seeds": 2, "batch_size": 3}
    return FrontierConfig.model_validate({**values, **changes})
