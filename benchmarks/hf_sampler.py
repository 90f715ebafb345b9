"""Our local sampler against ``model.generate(num_return_sequences=n)``, as a ratio of medians in one process.

Both draw n = 16 samples of 32 new tokens (no early end) from the packaged model in the number format it is loaded in by
default; the two take turns, so that a drifting machine slows both. Greedy decoding must give the same text.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import torch

from reasonry.core.models import ModelConfig, load_causal_lm
from reasonry.core.sampling.base import Request
from reasonry.core.sampling.config import SamplingConfig
from reasonry.core.sampling.hf import HFSampler

N = 16
NEW_TOK = 32


def prompt_of(tokenizer, length: int) -> str:
    text = "A farmer has twelve fields and plants four rows of corn in each of them. " * 60
    ids = tokenizer(text)["input_ids"][:length]
    prompt = tokenizer.decode(ids)
    assert len(tokenizer(prompt)["input_ids"]) == length
    return prompt


def measure(model_name: str, length: int, rounds: int) -> dict:
    loaded = load_causal_lm(model_name)
    model, tokenizer = loaded.model, loaded.tokenizer
    prompt = prompt_of(tokenizer, length)
    ids = tokenizer(prompt, return_tensors="pt").to(model.device)
    ends = model.generation_config.eos_token_id

    def ours() -> int:
        sampler = HFSampler(loaded, SamplingConfig(temperature=1.0, max_new_tokens=NEW_TOK), seed=0, batch_size=N)
        sampler._end_ids = frozenset()  # both sides draw exactly NEW_TOK tokens
        return sum(c.num_completion_tok for c in sampler.sample([Request("p", indices=range(N), raw=prompt)]))

    def theirs() -> int:
        with torch.inference_mode():
            out = model.generate(
                **ids,
                do_sample=True,
                temperature=1.0,
                top_k=0,
                top_p=1.0,
                num_return_sequences=N,
                max_new_tokens=NEW_TOK,
                min_new_tokens=NEW_TOK,
                pad_token_id=ends if isinstance(ends, int) else ends[0],
            )
        return out[:, ids["input_ids"].shape[1] :].numel()

    assert ours() == theirs() == N * NEW_TOK  # also the warm-up
    seconds: dict[str, list[float]] = {"ours": [], "generate": []}
    for _ in range(rounds):
        for name, work in (("ours", ours), ("generate", theirs)):
            start = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - start)
    ratios = [g / o for g, o in zip(seconds["generate"], seconds["ours"])]
    return {
        "prompt_tok": length,
        "dtype": loaded.identity["dtype"],
        "ours_s": round(statistics.median(seconds["ours"]), 3),
        "generate_s": round(statistics.median(seconds["generate"]), 3),
        "ratio": round(statistics.median(ratios), 2),
        "ratio_range": [round(min(ratios), 2), round(max(ratios), 2)],
    }


def same_greedy_text(model_name: str, lengths: tuple[int, ...]) -> bool:
    """In float32, where rounding cannot choose between near-equal tokens."""
    loaded = load_causal_lm(model_name, ModelConfig(dtype="float32"))
    sampler = HFSampler(loaded, SamplingConfig(temperature=0, max_new_tokens=NEW_TOK), batch_size=N)
    for length in lengths:
        prompt = prompt_of(loaded.tokenizer, length)
        ids = loaded.tokenizer(prompt, return_tensors="pt").to(loaded.model.device)
        with torch.inference_mode():
            out = loaded.model.generate(**ids, do_sample=False, max_new_tokens=NEW_TOK)
        reference = loaded.tokenizer.decode(out[0, length:], skip_special_tokens=True)
        if any(c.text != reference for c in sampler.sample([Request("p", indices=range(3), raw=prompt)])):
            return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    lengths = (16, 512)
    rows = [measure(args.model, length, args.rounds) for length in lengths]
    result = {"n": N, "new_tok": NEW_TOK, "rows": rows, "same_greedy_text": same_greedy_text(args.model, lengths)}
    if args.json:
        print(json.dumps(result))
        return
    print(f"{args.model}, n = {N}, {NEW_TOK} new tokens, {rows[0]['dtype']}")
    for r in rows:
        print(
            f"  prompt {r['prompt_tok']:>4} tok: ours {r['ours_s']:.2f} s, generate {r['generate_s']:.2f} s, "
            f"ratio {r['ratio']:.2f}x  (range {r['ratio_range'][0]:.2f} to {r['ratio_range'][1]:.2f})"
        )
    print(f"  same text under greedy decoding (float32): {result['same_greedy_text']}")


if __name__ == "__main__":
    main()
