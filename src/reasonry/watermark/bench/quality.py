"""Quality: how well a language model predicts the reply, given the prompt.

    bits per byte = - sum log2 p(token | prompt, reply so far) / bytes of the reply in UTF-8

Per byte, because attacked text falls into more tokens. Lower is better, with the usual reservation: text that repeats
itself is predicted well, too. MarkMyWords has a language model grade the text instead (Piet et al. 2023), and so has
arXiv 2602.17608; a perplexity needs no judge that can be trusted with a grade, and is not comparable with their grades.

``quality.jsonl`` has a row for each text and attack. Rows are scored in batches that depend on the list of texts alone,
so that a run that was killed ends in the same numbers; what cannot be scored has a reason instead of a number.

Legend: B rows, T tokens, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from reasonry.core.messages import to_openai
from reasonry.core.models import LoadedModel
from reasonry.core.rows import Row
from reasonry.core.run import Run
from reasonry.core.sampling import Request
from reasonry.core.work import Say, stored, working
from reasonry.errors import DataError
from reasonry.watermark.bench.attacks import Attack
from reasonry.watermark.bench.measure import NO_ATTACK, attacked
from reasonry.watermark.bench.models import check_made_with
from reasonry.watermark.bench.schemes import UNMARKED
from reasonry.watermark.config import BenchConfig
from reasonry.watermark.tokenizing import encode

if TYPE_CHECKING:
    import torch

QUALITY = "quality.jsonl"
_KEY = ("mark", "id", "index", "attack")
_TOKENS_PER_PASS = 1024  # with a vocabulary of 262,144 the logits of so many take 1 GiB in float32
_ROWS_PER_PASS = 16


class Scored(NamedTuple):
    """A prompt with its reply, for the model to predict.

    Attributes:
        prompt_ids: What the reply is conditioned on.
        reply_ids: What is predicted.
        num_bytes: Of the reply.
    """

    prompt_ids: list[int]
    reply_ids: list[int]
    num_bytes: int

    @property
    def length(self) -> int:
        """Tokens in all."""
        return len(self.prompt_ids) + len(self.reply_ids)


def score_texts(
    config: BenchConfig,
    requests: Sequence[Request],
    texts: Sequence[Row],
    attacks: Sequence[Attack],
    run: Run,
    *,
    say: Say,
) -> list[Row]:
    """Score every text, and every marked one after every attack; the rows asked for.

    A row: ``mark``, ``id``, ``index``, ``attack``, ``bits_per_byte`` (null where there is none), ``num_bytes``,
    ``reason``.
    """
    asked = [
        (text, attack) for attack in [None, *attacks] for text in texts if attack is None or text["mark"] != UNMARKED
    ]
    wanted = [(t["mark"], t["id"], t["index"], a.name if a else NO_ATTACK) for t, a in asked]
    with stored(run, QUALITY, say, key=_KEY) as store:
        done = sum(key in store.rows for key in wanted)
        if done == len(wanted):
            return [store.rows[key] for key in wanted]
        from reasonry.core.models import load_causal_lm

        options = config.model_options.model_copy(update={"revision": "", "trust_remote_code": False})
        loaded = load_causal_lm(config.quality_model, options)
        check_made_with(run, {"quality_model": loaded.identity})
        prompts = {r.id: _prompt_ids(loaded, r) for r in requests}
        with working(run, "quality", total=len(wanted), done=done, unit="texts", say=say) as work:
            for part in _parts(wanted):
                if all(key in store.rows for key in wanted[part]):
                    continue
                items: list[Scored] = []
                for text, attack in asked[part]:
                    name, index = text["id"], text["index"]
                    now = attacked(text["text"], attack, seed=config.seed, name=name, index=index)
                    items.append(Scored(prompts[name], encode(loaded.tokenizer, now), len(now.encode())))
                for key, item, bits in zip(wanted[part], items, bits_of(loaded, items), strict=True):
                    if key not in store.rows:
                        store.put({**dict(zip(_KEY, key, strict=True)), **_result(item, bits)})
                        work.tick()
        return [store.rows[key] for key in wanted]


def _parts(wanted: Sequence[Any]) -> Iterator[slice]:
    for start in range(0, len(wanted), _ROWS_PER_PASS):
        yield slice(start, start + _ROWS_PER_PASS)


def _result(item: Scored, bits: float | str) -> Row:
    if isinstance(bits, str):
        return {"bits_per_byte": None, "num_bytes": item.num_bytes, "reason": bits}
    return {"bits_per_byte": round(bits / item.num_bytes, 6), "num_bytes": item.num_bytes, "reason": ""}


def _prompt_ids(loaded: LoadedModel, request: Request) -> list[int]:
    tokenizer: Any = loaded.tokenizer
    if tokenizer.chat_template:
        messages = [to_openai(m) for m in request.messages]
        ids = list(tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"])
    else:  # a base model: the turns as plain paragraphs
        ids = list(tokenizer("\n\n".join(m.content for m in request.messages) + "\n")["input_ids"])
    if not ids:
        raise DataError("the prompt is empty", place=f"prompt {request.id}", remedy="Give it some text.")
    return ids


def bits_of(loaded: LoadedModel, items: Sequence[Scored]) -> list[float | str]:
    """Bits that each reply takes, or why it has none."""
    context = int(getattr(loaded.model.config.get_text_config(), "max_position_embeddings", 0) or 0)
    found: list[float | str] = []
    for item in items:
        if not item.reply_ids:
            found.append("empty text")
        elif context and item.length > context:
            found.append("longer than the model's context")
        else:
            found.append("")
    able = sorted((i for i, reason in enumerate(found) if reason == ""), key=lambda i: (-items[i].length, i))
    while able:
        num = max(1, _TOKENS_PER_PASS // items[able[0]].length)
        batch, able = able[:num], able[num:]
        for i, bits in zip(batch, _forward(loaded, [items[i] for i in batch]), strict=True):
            found[i] = bits if math.isfinite(bits) else "the model gave no finite number"
    return found


def _forward(loaded: LoadedModel, rows: Sequence[Scored]) -> list[float]:
    import torch

    device = loaded.model.device
    longest = max(row.length for row in rows)
    ids = [row.prompt_ids + row.reply_ids for row in rows]
    input_BT = torch.tensor([i + [0] * (longest - len(i)) for i in ids], device=device)
    mask_BT = torch.tensor([[1] * len(i) + [0] * (longest - len(i)) for i in ids], device=device)
    first = min(len(row.prompt_ids) for row in rows) - 1
    kept = torch.arange(first, longest - 1, device=device)
    with torch.inference_mode():
        logits_BTV = loaded.model(
            input_ids=input_BT, attention_mask=mask_BT, logits_to_keep=kept, use_cache=False
        ).logits
        return [_bits(logits_BTV[b], row, first) for b, row in enumerate(rows)]


def _bits(logits_TV: torch.Tensor, row: Scored, first: int) -> float:
    import torch

    start = len(row.prompt_ids) - 1 - first
    reply_T = torch.tensor(row.reply_ids, device=logits_TV.device)
    logits_TV = logits_TV[start : start + len(reply_T)].float()
    logp_T = logits_TV.gather(-1, reply_T[:, None])[:, 0] - logits_TV.logsumexp(-1)
    return float(-logp_T.double().sum()) / math.log(2)
