"""A tiny Llama with one token a word, which learns made-up facts within seconds; saved as a user's would be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import LlamaConfig, LlamaForCausalLM

from reasonry.core.models.word_level import word_level_tokenizer
from reasonry.core.scoped_random import drawing_from
from reasonry.understanding.out_of_context.audit.locality import COMMON, TEXTS
from reasonry.understanding.out_of_context.audit.wordings import FRAMES
from tests.ooc_audit_fakes import World

SETTINGS: dict[str, Any] = {
    "train": {
        "adapter": {"rank": 0},
        "lr": 3e-3,
        "epochs": 30,
        "batch_size": 16,
        "warmup_steps": 2,
        "look_every": 20,
        "save_every": 10,
    },
    "model_options": {"device": "cpu"},
}
"""Of an audit that trains it."""


def words_of(world: World) -> list[str]:
    """Every word that an audit of these facts asks or trains, but for those of frames and foils."""
    from reasonry.tasks.facts.presets import PHRASINGS

    texts = [fact.prompt + fact.completion for fact in [*world.made.table.facts, *world.made.held_out]]
    texts += [
        w.replace("{s}", "This person Someone who usually") for r in world.made.table.relations for w in PHRASINGS[r]
    ]
    texts += [one.prompt + "".join(one.candidates) for one in COMMON] + [start + rest for start, rest in TEXTS]
    texts += [frame.replace("{t}", "") for frame in FRAMES] + ["not known", "This person. Someone who usually"]
    words = dict.fromkeys(word for text in texts for word in text.split())
    words |= dict.fromkeys(f"{fact.object}." for fact in world.made.table.facts)
    return list(words)


def make_model(folder: Path, world: World, *, seed: int = 0, width: int = 48) -> Path:
    """Two layers, saved with its tokenizer."""
    tokenizer = word_level_tokenizer(words_of(world), marker="")
    settings = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        initializer_range=0.05,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
    )
    with drawing_from(seed, "tiny audit model"):
        model = LlamaForCausalLM(settings)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
