"""Small runs of every stage, and a masked language model of one's own with prompts for it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from reasonry.core.config import from_dict
from reasonry.training.dultra.config import WholeConfig

WHOLE: dict[str, Any] = {
    "task": "pairs:1",
    "imitation": True,
    "frontier": False,
    "pretrain": {
        "num_steps": 12,
        "batch_size": 16,
        "eval_every": 5,
        "num_eval": 8,
        "save_every": 3,
        "shape": {"width": 16, "num_layers": 2, "num_heads": 2},
    },
    "imitate": {"num_steps": 8, "batch_size": 8, "look_every": 3, "save_every": 3, "head": {"num_heads": 2}},
    "planner": {
        "num_updates": 8,
        "prompts_per_update": 2,
        "group_size": 4,
        "eval_every": 3,
        "num_eval": 8,
        "save_every": 3,
        "freeze": "none",
        "head": {"num_heads": 2},
    },
    "seed": 3,
}


def whole(folder: Path, **changes: Any) -> WholeConfig:
    """All stages on a task of one entry, some seconds."""
    return from_dict(WholeConfig, {**WHOLE, "run": folder, **changes})


def results(folder: Path) -> dict[str, Any]:
    """Everything in a run that must hang on its config and seed alone."""
    kept = ("*.safetensors", "metrics.jsonl", "results.json", "trajectories.jsonl", "state.json")
    files = sorted(p for pattern in kept for p in folder.rglob(pattern))
    return {
        **{str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files},
        "temporary files": [str(p.relative_to(folder)) for p in folder.rglob(".tmp-*")],
    }


def masked_lm(folder: Path) -> Path:
    """A tiny random BERT with a tokenizer of letters and digits."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"0123456789abcdefghij+=?"]
    vocab = {word: i for i, word in enumerate(words)}
    core = Tokenizer(models.WordLevel(vocab=vocab, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    core.decoder = decoders.Fuse()
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )
    config = BertConfig(
        vocab_size=len(vocab),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=24,
    )
    model = BertForMaskedLM(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "LayerNorm" not in name:
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.25)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def prompts(path: Path, *, num: int = 12) -> Path:
    """Sums of two digits."""
    rows = [
        {
            "id": f"sum-{i}",
            "prompt": f"{i % 4}+{i % 3}=?" if i % 2 else f"{i % 4}+{i % 3}=",
            "answer": str(i % 4 + i % 3),
        }
        for i in range(num)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
