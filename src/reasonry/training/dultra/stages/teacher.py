"""A teacher that writes from left to right, and says how likely a text is.

For texts any causal language model, with its own tokenizer and template. For tasks over symbols a tiny one, trained on
answers of the same generator: next symbol, cross entropy on the answer.

Shapes: B rows, T tokens, L answer.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from safetensors.torch import load, save
from torch import Tensor

from reasonry.core import seeds
from reasonry.core.atomic import write_bytes
from reasonry.core.models import load_causal_lm
from reasonry.core.tiny import TinyConfig, TinyGPT
from reasonry.errors import ConfigError
from reasonry.tasks.token_tasks.base import PAD, Ints, TokenTask
from reasonry.training.dultra.data import Rows, Source, TaskSource
from reasonry.training.dultra.decoding import answer_lengths
from reasonry.training.dultra.rewards import Encoded, Floats, chat_encoder, mean_logp

TINY = "tiny"
_BATCH, _LR = 64, 3e-3

Teacher = Callable[[Rows, Tensor, int | None], Floats]
"""Mean log-probability per token (B,) of answers (B, L) to prompts, given the token that ends an answer; nats."""


def open_teacher(name: str, source: Source, *, folder: Path, num_steps: int, seed: int) -> Teacher:
    """The teacher that a name stands for.

    Args:
        name: ``tiny`` for tasks over symbols, else a causal language model.
        source: What is decoded.
        folder: Run directory; a tiny teacher is kept in it.
        num_steps: Training steps of a tiny teacher.
        seed: Root of its weights and answers.

    Raises:
        ConfigError: A tiny teacher for texts, or a language model for symbols.
    """
    if isinstance(source, TaskSource):
        if name != TINY:
            raise ConfigError(
                f"the task {source.name} is of symbols that {name!r} does not know",
                place="reward.teacher",
                remedy="Use the teacher tiny, which is trained on the task.",
            )
        return _of_symbols(source.task, folder / "teacher.safetensors", num_steps=num_steps, seed=seed)
    if name == TINY:
        raise ConfigError("a tiny teacher knows no texts", place="reward.teacher", remedy="Name a causal model.")
    return _of_texts(name, source)


def _of_texts(name: str, source: Source) -> Teacher:
    loaded = load_causal_lm(name)
    encode = chat_encoder(loaded.tokenizer)

    def score(rows: Rows, tokens_BL: Tensor, end_id: int | None) -> Floats:
        lengths = answer_lengths(tokens_BL, end_id).tolist()
        texts: list[Encoded] = []
        for problem, ids, length in zip(rows.problems, tokens_BL.tolist(), lengths, strict=True):
            said = ids[: length - (end_id is not None and ids[length - 1] == end_id)]
            texts.append(encode(problem.question, source.text(said)))
        return mean_logp(loaded.model, texts, max_tok=4 * tokens_BL.shape[1])

    return score


def _of_symbols(task: TokenTask, path: Path, *, num_steps: int, seed: int) -> Teacher:
    shape = TinyConfig(vocab_size=len(task.vocab), max_len=task.max_prompt_len + task.answer_len, width=64, num_heads=4)
    model = TinyGPT(shape, seed=seeds.derive(seed, "dultra", "teacher"))
    if path.exists():
        model.load_state_dict(load(path.read_bytes()))
    else:
        train_teacher(model, task, num_steps=num_steps, seed=seed)
        write_bytes(path, save({name: weight.contiguous() for name, weight in model.state_dict().items()}))
    model.eval()

    def score(rows: Rows, tokens_BL: Tensor, end_id: int | None) -> Floats:
        lengths = answer_lengths(tokens_BL, end_id).tolist()
        texts = [
            Encoded([i for i, is_there in zip(prompt, attend, strict=True) if is_there], ids[:length])
            for prompt, attend, ids, length in zip(
                rows.prompt_BP.tolist(), rows.attend_BP.tolist(), tokens_BL.tolist(), lengths, strict=True
            )
        ]
        return mean_logp(model, texts, batch=128)

    return score


def train_teacher(model: TinyGPT, task: TokenTask, *, num_steps: int, seed: int) -> float:
    """Train a tiny teacher on a task's answers; the cross entropy of the last step, nats per token."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=_LR, betas=(0.9, 0.95), weight_decay=0.01)
    loss = torch.zeros(())
    for at in range(num_steps):
        drawn = task.draw(seeds.stream(seed, "dultra", "teacher", at), _BATCH)
        tokens_BT, target_BT = causal_rows(drawn.prompt_BP, drawn.answer_BL)
        logits_BTV = model(tokens_BT[:, :-1])
        loss = F.cross_entropy(logits_BTV.flatten(0, 1), target_BT[:, 1:].flatten(), ignore_index=-100)
        for group in optimizer.param_groups:
            group["lr"] = _LR * min(1.0, (at + 1) / 20) * (1 - at / num_steps)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return float(loss.detach())


def causal_rows(prompt_BP: Ints, answer_BL: Ints) -> tuple[Tensor, Tensor]:
    """Rows that begin with their prompt, padded on the right, and targets that count the answer alone (-100 elsewhere).

    Answers are counted up to their first end token.
    """
    lengths = answer_lengths(torch.from_numpy(answer_BL), 2).tolist()
    rows: list[list[int]] = []
    targets: list[list[int]] = []
    for prompt, answer, length in zip(prompt_BP.tolist(), answer_BL.tolist(), lengths, strict=True):
        first = next(i for i, token in enumerate(cast("list[int]", prompt)) if token != PAD)
        rows.append(prompt[first:] + answer[:length])
        targets.append([-100] * (len(prompt) - first) + answer[:length])
    longest = max(map(len, rows))
    tokens_BT = torch.tensor([row + [PAD] * (longest - len(row)) for row in rows])
    return tokens_BT, torch.tensor([row + [-100] * (longest - len(row)) for row in targets])
