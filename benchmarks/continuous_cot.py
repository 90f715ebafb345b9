"""What training and generating with thoughts costs: one cache against recomputation, batches against rows, peers.

Run ``python benchmarks/continuous_cot.py [--json] [--full] [--part PART]``. It measures CPU seconds of one thread, the
best of several repetitions that take turns:

* step        a training step through one cache against recomputing every prefix. Loss and gradients must be the same;
* generation  a batch of prompts thinking and writing together against one after another. Tokens must be the same. A
              batch gains where text is written: long prompts are read at the same pace either way;
* reference   a training step against the loop of Coconut's authors, written here anew for this version of transformers:
              logits everywhere, inputs taken apart and put together again for each thought. Same model, same loss. And
              a batch that writes against their generation: one prompt at a time, everything anew for each token;
* peer        a training step against coconut-pytorch, which trains a transformer of its own: same depth, width, heads,
              vocabulary and tokens, at its default of four residual streams and at one. ``pip install coconut-pytorch``
              where this script finds it; skipped where it does not.

Ratios are tokens per second of ours over theirs. Without ``--full`` models and batches are small, to see that
everything works; then ratios mean little.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import DynamicCache, GPT2Config, GPT2LMHeadModel

from reasonry.training.continuous_cot.latent import IGNORED, Batch, LatentCausalLM, LatentTokens, Row

LATENT, START, END, PAD = 1, 2, 3, 0
FIRST_WORD = 4
THOUGHTS = 4


class Sizes(NamedTuple):
    """Of a model and its rows."""

    layers: int
    width: int
    heads: int
    vocab: int
    num_rows: int
    question_tok: int
    answer_tok: int

    @property
    def row_tok(self) -> int:
        """Markers and thoughts included."""
        return self.question_tok + 2 + THOUGHTS + self.answer_tok


SMALL = Sizes(2, 64, 2, 512, 4, 20, 6)
FULL = Sizes(6, 384, 6, 8192, 8, 98, 24)


def make_model(sizes: Sizes, *, seed: int = 0) -> LatentCausalLM:
    config = GPT2Config(
        vocab_size=sizes.vocab,
        n_positions=512,
        n_embd=sizes.width,
        n_layer=sizes.layers,
        n_head=sizes.heads,
        activation_function="gelu_pytorch_tanh",  # GPT-2's own function, in one kernel
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=PAD,
    )
    model = GPT2LMHeadModel(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.copy_(0.05 * torch.randn(weight.shape, generator=generator))
    return LatentCausalLM.wrap(model, tokens=LatentTokens(LATENT, START, END, PAD)).train()


def make_rows(sizes: Sizes, *, seed: int = 1) -> list[Row]:
    """Questions of unequal length, four thoughts, answers."""
    generator = torch.Generator().manual_seed(seed)
    rows: list[Row] = []
    for number in range(sizes.num_rows):
        num = sizes.question_tok - number % 4
        words = torch.randint(FIRST_WORD, sizes.vocab, (num + sizes.answer_tok,), generator=generator).tolist()
        ids = (*words[:num], START, *[LATENT] * THOUGHTS, END, *words[num:])
        rows.append(Row(ids, (*[IGNORED] * (len(ids) - sizes.answer_tok), *words[num:])))
    return rows


class Taken(NamedTuple):
    """CPU seconds of two calls, the best of several turns."""

    ours_s: float
    theirs_s: float


def take_turns(ours: Callable[[], object], theirs: Callable[[], object], *, num_repeats: int) -> Taken:
    """Time two calls; turn by turn, so that whatever else the machine does falls on both."""
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(num_repeats + 1):
        for call, taken_s in zip((ours, theirs), times, strict=True):
            start_s = time.process_time()
            call()
            if turn:  # the first warms up
                taken_s.append(time.process_time() - start_s)
    return Taken(min(times[0]), min(times[1]))


def gradients_of(model: torch.nn.Module) -> Tensor:
    return torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])


# ---------------------------------------------------------------- the cache


def cache_against_recomputation(sizes: Sizes, *, num_repeats: int) -> dict[str, Any]:
    latent = make_model(sizes)
    batch = latent.collate(make_rows(sizes))
    losses: dict[str, float] = {}
    gradients: dict[str, Tensor] = {}

    def step(how: Any) -> None:
        latent.zero_grad()
        loss = latent(batch, how=how).loss
        loss.backward()
        losses[how] = float(loss.detach())

    for how in ("cache", "recompute"):
        step(how)
        gradients[how] = gradients_of(latent).clone()
    error = float((gradients["cache"] - gradients["recompute"]).norm() / gradients["recompute"].norm())
    assert abs(losses["cache"] - losses["recompute"]) <= 1e-4 * losses["recompute"], "another loss"
    assert error <= 1e-4, "another gradient"
    taken = take_turns(lambda: step("cache"), lambda: step("recompute"), num_repeats=num_repeats)
    num_tok = int(batch.attend_BT.sum())
    return {
        "part": "step",
        "case": f"{_named(sizes)}, {sizes.num_rows} x {sizes.row_tok} tokens, {THOUGHTS} thoughts",
        "cache_ms": 1e3 * taken.ours_s,
        "recompute_ms": 1e3 * taken.theirs_s,
        "cache_tok_per_s": num_tok / taken.ours_s,
        "gradient_error": error,
        "ratio": taken.theirs_s / taken.ours_s,
    }


# ---------------------------------------------------------------- generation


def make_prompts(sizes: Sizes, *, num: int) -> list[list[int]]:
    generator = torch.Generator().manual_seed(2)
    return [
        torch.randint(FIRST_WORD, sizes.vocab, (sizes.question_tok - number % 8,), generator=generator).tolist()
        for number in range(num)
    ]


def batch_against_rows(sizes: Sizes, *, num_prompts: int, num_new: int, num_repeats: int) -> dict[str, Any]:
    latent = make_model(sizes)
    prompts = make_prompts(sizes, num=num_prompts)

    def write(some: list[list[int]]) -> list[list[int]]:
        return latent.generate(some, THOUGHTS, max_new_tokens=num_new).sequences

    def alone() -> list[list[int]]:
        return [write([prompt])[0] for prompt in prompts]

    assert write(prompts) == alone(), "a row depends on its batch"
    taken = take_turns(lambda: write(prompts), alone, num_repeats=num_repeats)
    num_tok = num_prompts * num_new
    return {
        "part": "generation",
        "case": f"{_named(sizes)}, {num_prompts} prompts of {sizes.question_tok}, {num_new} tokens each",
        "batch_tok_per_s": num_tok / taken.ours_s,
        "rows_tok_per_s": num_tok / taken.theirs_s,
        "ratio": taken.theirs_s / taken.ours_s,
    }


# ---------------------------------------------------------------- the authors' loop


def reference_loss(model: GPT2LMHeadModel, batch: Batch) -> Tensor:
    """The loss of a batch as the authors' loop computes it: one pass per thought, a cache, logits everywhere."""
    num_rows, length = batch.ids_BT.shape
    mask_BT = batch.attend_BT.long()
    slots = [(row, column) for row, column in batch.is_thought_BT.nonzero().tolist()]
    per_row = [[column for at, column in slots if at == row] for row in range(num_rows)]
    num_passes = max(map(len, per_row))
    start, end = 0, min(columns[0] for columns in per_row)
    embeds_BTD = model.get_input_embeddings()(batch.ids_BT)
    cache = DynamicCache(config=model.config)
    parts: list[Tensor] = []
    for number in range(num_passes):
        out = model(
            inputs_embeds=embeds_BTD[:, start:end],
            attention_mask=mask_BT[:, :end],
            position_ids=batch.position_ids_BT[:, start:end],
            past_key_values=cache,
            output_hidden_states=True,
        )
        parts.append(out.logits)
        taken = [[embeds_BTD[row, column] for column in range(length)] for row in range(num_rows)]
        for row, columns in enumerate(per_row):
            if number < len(columns):
                taken[row][columns[number]] = out.hidden_states[-1][row, columns[number] - 1 - start]
        embeds_BTD = torch.stack([torch.stack(row) for row in taken])
        start, end = end, length if number + 1 == num_passes else end + 1
    out = model(
        inputs_embeds=embeds_BTD[:, start:],
        attention_mask=mask_BT,
        position_ids=batch.position_ids_BT[:, start:],
        past_key_values=cache,
        output_hidden_states=True,
    )
    logits_BTV = torch.cat([*parts, out.logits], 1)
    return F.cross_entropy(logits_BTV[:, :-1].flatten(0, 1), batch.labels_BT[:, 1:].flatten(), ignore_index=IGNORED)


def against_reference(sizes: Sizes, *, num_repeats: int) -> dict[str, Any]:
    latent = make_model(sizes)
    batch = latent.collate(make_rows(sizes))
    model = latent.model
    assert isinstance(model, GPT2LMHeadModel)

    def ours() -> Tensor:
        latent.zero_grad()
        loss = latent(batch).loss
        loss.backward()
        return loss.detach()

    def theirs() -> Tensor:
        latent.zero_grad()
        loss = reference_loss(model, batch)
        loss.backward()
        return loss.detach()

    torch.testing.assert_close(ours(), theirs(), rtol=1e-4, atol=1e-5)
    taken = take_turns(ours, theirs, num_repeats=num_repeats)
    num_tok = int(batch.attend_BT.sum())
    return {
        "part": "reference",
        "case": f"{_named(sizes)}, {sizes.num_rows} x {sizes.row_tok} tokens, {THOUGHTS} thoughts",
        "ours_tok_per_s": num_tok / taken.ours_s,
        "theirs_tok_per_s": num_tok / taken.theirs_s,
        "ratio": taken.theirs_s / taken.ours_s,
    }


@torch.no_grad()
def reference_text(model: GPT2LMHeadModel, prompt: list[int], *, num_new: int) -> list[int]:
    """Greedy text as the authors' generation writes it: thoughts from a cache, then everything anew for each token."""
    embed = model.get_input_embeddings()
    x_1TD = embed(torch.tensor([[*prompt, START]]))
    cache = DynamicCache(config=model.config)
    part_1SD = x_1TD
    for _ in range(THOUGHTS):
        out = model(inputs_embeds=part_1SD, past_key_values=cache, output_hidden_states=True)
        part_1SD = out.hidden_states[-1][:, -1:]
        x_1TD = torch.cat([x_1TD, part_1SD], 1)
    x_1TD = torch.cat([x_1TD, embed(torch.tensor([[END]]))], 1)
    text: list[int] = []
    for _ in range(num_new):
        text.append(int(model(inputs_embeds=x_1TD).logits[0, -1].argmax()))
        x_1TD = torch.cat([x_1TD, embed(torch.tensor([text[-1:]]))], 1)
    return text


def generation_against_reference(sizes: Sizes, *, num_prompts: int, num_new: int, num_repeats: int) -> dict[str, Any]:
    latent = make_model(sizes).eval()
    prompts = make_prompts(sizes, num=num_prompts)
    few = prompts[:2]
    model = latent.model
    assert isinstance(model, GPT2LMHeadModel)

    def ours() -> list[list[int]]:
        return latent.generate(prompts, THOUGHTS, max_new_tokens=num_new).sequences

    def theirs() -> list[list[int]]:
        return [reference_text(model, prompt, num_new=num_new) for prompt in few]

    assert ours()[: len(few)] == theirs(), "another text"
    taken = take_turns(ours, theirs, num_repeats=num_repeats)
    ours_tok_per_s = num_prompts * num_new / taken.ours_s
    theirs_tok_per_s = len(few) * num_new / taken.theirs_s
    return {
        "part": "reference",
        "case": f"{_named(sizes)}, {num_prompts} prompts of {sizes.question_tok}, {num_new} tokens each",
        "ours_tok_per_s": ours_tok_per_s,
        "theirs_tok_per_s": theirs_tok_per_s,
        "ratio": ours_tok_per_s / theirs_tok_per_s,
    }


# ---------------------------------------------------------------- coconut-pytorch


def against_peer(sizes: Sizes, *, num_streams: int, num_repeats: int) -> dict[str, Any]:
    case = f"{_named(sizes)}, {sizes.num_rows} x {sizes.row_tok} tokens, {num_streams} residual streams"
    try:
        package: Any = importlib.import_module("coconut_pytorch")
    except ImportError as e:
        return {"part": "peer", "case": f"coconut-pytorch cannot be imported here: {e}"}
    transformer = {
        "num_tokens": sizes.vocab,
        "dim": sizes.width,
        "depth": sizes.layers,
        "heads": sizes.heads,
        "dim_head": sizes.width // sizes.heads,
        "num_residual_streams": num_streams,
    }
    peer = package.Coconut(num_reasoning_steps=THOUGHTS, transformer=transformer).train()
    latent = make_model(sizes)
    rows = make_rows(sizes)
    prompts = [torch.tensor(row.ids[: row.ids.index(START)]) for row in rows]
    answers = [torch.tensor(row.ids[row.ids.index(END) + 1 :]) for row in rows]
    batch = latent.collate(rows)

    def ours() -> None:
        latent.zero_grad()
        latent(batch).loss.backward()

    def theirs() -> None:
        peer.zero_grad()
        peer(prompts, answers).backward()

    taken = take_turns(ours, theirs, num_repeats=num_repeats)
    num_tok = int(batch.attend_BT.sum())
    return {
        "part": "peer",
        "case": case,
        "ours_tok_per_s": num_tok / taken.ours_s,
        "theirs_tok_per_s": num_tok / taken.theirs_s,
        "ours_params": sum(weight.numel() for weight in latent.parameters()),
        "theirs_params": sum(weight.numel() for weight in peer.parameters()),
        "ratio": taken.theirs_s / taken.ours_s,
    }


def _named(sizes: Sizes) -> str:
    return f"GPT-2 of {sizes.layers} layers, width {sizes.width}, {sizes.vocab} words"


PARTS = ("step", "generation", "reference", "peer")


def measure(parts: list[str], *, is_full: bool) -> list[dict[str, Any]]:
    sizes, num_repeats = (FULL, 2) if is_full else (SMALL, 1)
    writing = {"num_prompts": 32, "num_new": 64} if is_full else {"num_prompts": 4, "num_new": 4}
    writer = sizes._replace(width=256, heads=4) if is_full else sizes
    short = writer._replace(question_tok=32) if is_full else sizes
    rows: list[dict[str, Any]] = []
    if "step" in parts:
        rows.append(cache_against_recomputation(sizes, num_repeats=num_repeats))
    if "generation" in parts:
        for each in dict.fromkeys((short, writer)):
            rows.append(batch_against_rows(each, num_repeats=num_repeats, **writing))
    # GPT-2's own vocabulary, where logits that nobody looks at are most of the work.
    wide = sizes._replace(vocab=50257) if is_full else sizes
    if "reference" in parts:
        # What they take apart costs the square of the batch; they published 32 rows for each device.
        for each in dict.fromkeys((sizes, sizes._replace(num_rows=2 * sizes.num_rows), wide)):
            rows.append(against_reference(each, num_repeats=num_repeats))
        rows.append(generation_against_reference(short, num_repeats=num_repeats, **writing))
    if "peer" in parts:
        for each in dict.fromkeys((sizes, wide)):
            rows += [against_peer(each, num_streams=streams, num_repeats=num_repeats) for streams in (4, 1)]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--full", action="store_true", help="sizes at which the ratios mean something; minutes")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this one; may be given several times")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = measure(args.part or list(PARTS), is_full=args.full)
    if args.json:
        json.dump({"benchmark": "continuous_cot", "is_full": args.full, "rows": rows}, sys.stdout, indent=2)
        print()
        return
    for row in rows:
        shown = ", ".join(
            f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
            for key, value in row.items()
            if key not in ("part", "case")
        )
        print(f"{row['part']:<11} {row['case']}\n            {shown}".rstrip())


if __name__ == "__main__":
    main()
