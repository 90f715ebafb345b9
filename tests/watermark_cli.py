"""What the tests of ``reasonry watermark generate`` and ``detect`` share: a tiny model, keys, texts, a command.

Importing this imports no torch: some tests are about commands that do not need it.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from reasonry.cli.main import main
from reasonry.core.seeds import stream
from reasonry.watermark.keys.ring import KeyRing
from reasonry.watermark.keys.secret import SecretKey
from reasonry.watermark.profile import Profile
from tests.solve_calls import ENVIRONMENT
from tests.watermark_texts import marked_text, uniform_law

CHARACTERS = "".join(map(chr, range(32, 127))) + "\n"
NUM_TOKENS = len(CHARACTERS) + 2  # the end, and what is not in the vocabulary
_NEVER = -40.0  # a logit that is not drawn

Row = dict[str, Any]

KINDS: dict[str, tuple[type, ...]] = {
    "verdict": (str,), "is_watermarked": (bool,), "log_e": (float,), "e_value": (float, type(None)),
    "p_anytime": (float,), "p_fixed": (float, type(None)), "alpha": (float,), "num_tok": (int,),
    "num_tokens_scored": (int,), "num_short_context": (int,), "num_duplicates": (int,), "num_matches": (int,),
    "stop_index": (int, type(None)), "key_id": (str,), "log_e_of_key": (float,), "num_keys": (int,),
    "best_bet": (str,), "profile_id": (str,),
}  # fmt: skip


class Done(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout."""
        assert self.out.count("\n") == 1, self
        return json.loads(self.out)


def make_char_tokenizer(folder: Path, *, characters: str = CHARACTERS) -> Path:
    """A tokenizer with one token per character: whatever a model draws comes back when the text is tokenised."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocab = {**{c: i for i, c in enumerate(characters)}, "<end>": len(characters), "<unknown>": len(characters) + 1}
    core = Tokenizer(models.WordLevel(vocab=vocab, unk_token="<unknown>"))
    core.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    core.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, unk_token="<unknown>", eos_token="<end>", clean_up_tokenization_spaces=False
    )
    tokenizer.save_pretrained(folder)
    return folder


def make_char_model(
    folder: Path, *, seed: int = 1, characters: str = CHARACTERS, num_logits: int = NUM_TOKENS, scale: float = 3.0
) -> Path:
    """A folder with a one-layer Llama of random weights over characters. It ends no text by itself.

    Args:
        folder: Where to write it.
        seed: Of the weights.
        characters: Of the tokenizer, in the order of their ids.
        num_logits: Width of the logits; ids that are no token are never drawn.
        scale: Sharpens the laws; 3 gives about 3 nats.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    width = 32
    config = LlamaConfig(
        vocab_size=num_logits,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=2048,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=len(characters),
        pad_token_id=len(characters),
    )
    model = LlamaForCausalLM(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / parameter.shape[-1] ** 0.5)
        # The first feature is constant, so that a row of the head can hold a bias.
        model.model.embed_tokens.weight[:, 0] = 1.0
        for matrix in (model.model.layers[0].self_attn.o_proj, model.model.layers[0].mlp.down_proj):
            matrix.weight[0] = 0.0
        head = model.lm_head.weight
        head.mul_(scale)
        head[:, 0] = 0.0
        head[len(characters) :] = 0.0
        head[len(characters) :, 0] = 4 * _NEVER
    model.save_pretrained(folder)
    return make_char_tokenizer(folder, characters=characters)


def make_ring(path: Path, *keys: SecretKey, retired: Sequence[SecretKey] = ()) -> Path:
    """A private ring file; the last of ``keys`` is the newest active one."""
    ring = KeyRing()
    for key in (*retired, *keys):
        ring.add(key)
    for key in retired:
        ring.retire(key.key_id)
    ring.save(path)
    return path


def key_of(*names: str | int) -> SecretKey:
    """A key of its own for each name."""
    return SecretKey(stream(0, "key", *names).bytes(32))


def random_text(num_chars: int, *names: str | int) -> str:
    """Characters that know nothing of any key."""
    return "".join(CHARACTERS[i] for i in stream(0, "text", *names).integers(0, len(CHARACTERS), num_chars))


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """JSON Lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def read_rows(path: Path) -> list[Row]:
    """The rows of a JSONL file."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file's content."""
    files = (p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != ".lock")
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def command(*args: object, stdin: bytes | None = None) -> Done:
    """A command in this process, in the current folder."""
    out, err = io.StringIO(), io.StringIO()
    before = sys.stdin
    if stdin is not None:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(stdin)))
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = main([str(a) for a in args])
            except SystemExit as e:  # the flag parser's own
                code = int(e.code or 0)
    finally:
        sys.stdin = before
    return Done(code, out.getvalue(), err.getvalue())


def generate(*args: object, model: object, ring: object, num_tok: int = 120, json: bool = True) -> Done:
    """``reasonry watermark generate`` in float32, which repeats bit by bit."""
    return command(
        "watermark", "generate", *args, "--model", model, "--ring", ring, "--sampling.max-new-tokens", num_tok,
        "--model-options.dtype", "float32", *(["--json"] if json else []),
    )  # fmt: skip


def detect(*args: object, ring: object, json: bool = True, stdin: bytes | None = None) -> Done:
    """``reasonry watermark detect``."""
    return command("watermark", "detect", *args, "--ring", ring, *(["--json"] if json else []), stdin=stdin)


def without(row: Mapping[str, Any], *names: str) -> Row:
    """A row without some of its fields."""
    return {name: value for name, value in row.items() if name not in names}


class Home(NamedTuple):
    """A model, a ring with one key, and a finished run of six texts of 120 tokens."""

    folder: Path
    model: Path
    ring: Path
    run: Path
    made: Done

    @property
    def signed(self) -> Path:
        return self.run / "signed.jsonl"

    @property
    def profile(self) -> Path:
        return self.run / "profile.json"


def make_home(folder: Path, key: SecretKey) -> Home:
    """A model, a ring and a finished run."""
    model, ring = make_char_model(folder / "model"), make_ring(folder / "ring.json", key)
    made = generate("Tell me.", "--n", 6, "--run", folder / "run", model=model, ring=ring)
    assert made.code == 0, made.err
    return Home(folder, model, ring, folder / "run", made)


def quicken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions and commit are asked for once: half of a small run's time goes into it."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setattr(f"reasonry.core.environment.{name}", lambda value=value: value)


def is_detection(row: dict[str, Any]) -> bool:
    return all(isinstance(row[name], kinds) and not (kinds == (int,) and row[name] is True)
               for name, kinds in KINDS.items())  # fmt: skip


def marked(key: SecretKey, profile: Profile, num_tok: int, *names: str | int) -> str:
    """One line of text marked under a profile of the tiny tokenizer, without any model."""
    law_V = uniform_law(CHARACTERS.index("\n"))
    ids = marked_text(key, profile, law_V, num_tok, rng=stream(0, "marked", *names))
    return "".join(CHARACTERS[i] for i in ids)
