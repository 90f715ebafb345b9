"""What marking costs at generation: a real model with and without watermarks, ours and those of transformers.

Run ``python benchmarks/watermark_generate.py [--json] [--rounds 5] [--threads 1]``. The packaged 135M model in bfloat16
draws 64 tokens for each of 8 prompts (no early end, temperature 1, no filter), in ``generate`` and in this package's
own sampler. ``added`` is the processor time within the watermark over that of all the rest of the same run: a busy
machine slows both. Beside it stands the plain comparison: every marked way takes turns with the unmarked one, a ratio
is that of their processor times one after the other. Medians over rounds, with the smallest and the largest. One
thread, because processor time on several counts threads that wait. The slow ways run once only.

uniform: our default, which needs no model. self, K = 20: the marked model on the last 20 tokens of the output, computed
anew at each step, as an anchor that makes the text easier to detect at low temperature. SynthID has 30 keys, KGW its
defaults; both of transformers. KGW changes the law of the text, the others do not (SynthID up to repeated contexts).

Target: the uniform anchor adds at most 10 %.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from transformers import SynthIDTextWatermarkingConfig, SynthIDTextWatermarkLogitsProcessor, WatermarkingConfig
from transformers import WatermarkLogitsProcessor as KGWProcessor

from reasonry.core.models import LoadedModel, load_causal_lm
from reasonry.core.sampling.base import Request
from reasonry.core.sampling.config import SamplingConfig
from reasonry.core.sampling.hf import HFSampler
from reasonry.watermark import AnchorProfile, Profile, SecretKey
from reasonry.watermark.anchors.model import ModelAnchor
from reasonry.watermark.generation.hook import WatermarkHook
from reasonry.watermark.generation.marking import Marking
from reasonry.watermark.generation.processor import AnchoredWatermarkConfig, AnchoredWatermarkProcessor

NUM_ROWS = 8
NEW_TOK = 64
MOST_ADDED = 0.10
SLOW = ("self, K = 20", "SynthID of transformers")
KEY = SecretKey.from_integer(2026)
PROMPTS = [
    "Write a short story about a lighthouse keeper.",
    "Explain how a bicycle stays upright.",
    "Describe a walk through an old market town in the rain.",
    "What should a beginner know about growing tomatoes?",
    "Summarise the history of the printing press.",
    "Give advice to somebody who moves to a new city.",
    "Tell me how bread is made, step by step.",
    "Write a letter from a sailor to his sister.",
]


def profiles(vocab_size: int) -> dict[str, Profile]:
    uniform = Profile(vocab_size=vocab_size, tokenizer_hash="0" * 16)
    anchor = AnchorProfile(kind="self", model="smollm2-135m", revision="benchmark", context_tok=20)
    return {"uniform": uniform, "self, K = 20": uniform.model_copy(update={"anchor": anchor})}


def ways(loaded: LoadedModel) -> dict[str, dict[str, Callable[[], int]]]:
    """By engine and watermark, something that generates and returns the number of tokens."""
    model: Any = loaded.model
    tokenizer: Any = loaded.tokenizer
    chats = [tokenizer.apply_chat_template([{"role": "user", "content": p}], tokenize=False) for p in PROMPTS]
    tokenizer.padding_side = "left"
    inputs = tokenizer(chats, return_tensors="pt", padding=True)
    vocab_size = model.config.vocab_size
    marks = profiles(vocab_size)
    anchor = ModelAnchor(model, vocab_size=vocab_size, context_tok=20)
    configs: dict[str, Any] = {"unmarked": None}
    for name, profile in marks.items():
        given = None if profile.anchor.kind == "uniform" else anchor
        configs[name] = AnchoredWatermarkConfig.of(profile, KEY, anchor=given)
    configs["SynthID of transformers"] = SynthIDTextWatermarkingConfig(ngram_len=5, keys=list(range(1, 31)))
    configs["KGW of transformers"] = WatermarkingConfig()

    def generate(config: Any) -> int:
        out = model.generate(
            **inputs,
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            max_new_tokens=NEW_TOK,
            min_new_tokens=NEW_TOK,
            watermarking_config=config,
        )
        return out[:, inputs["input_ids"].shape[1] :].numel()

    def sample(marking: Marking | None) -> int:
        hook = None if marking is None else WatermarkHook(marking)
        sampling = SamplingConfig(temperature=1.0, max_new_tokens=NEW_TOK)
        sampler = HFSampler(loaded, sampling, batch_size=NUM_ROWS, law_hook=hook)
        sampler._end_ids = frozenset()  # every row draws NEW_TOK tokens
        requests = [Request(str(i), raw=chat) for i, chat in enumerate(chats)]
        return sum(c.num_completion_tok for c in sampler.sample(requests))

    uniform = Marking(marks["uniform"], KEY, vocab_size=vocab_size)
    windowed = Marking(marks["self, K = 20"], KEY, vocab_size=vocab_size, anchor=anchor)
    return {
        "generate": {name: lambda c=config: generate(c) for name, config in configs.items()},
        "our sampler": {
            "unmarked": lambda: sample(None),
            "uniform": lambda: sample(uniform),
            "self, K = 20": lambda: sample(windowed),
        },
    }


class Clock:
    """Processor time within the watermarks' own calls."""

    def __init__(self) -> None:
        self.seconds = 0.0
        for kind in (AnchoredWatermarkProcessor, WatermarkHook, SynthIDTextWatermarkLogitsProcessor, KGWProcessor):
            kind.__call__ = self.timed(kind.__call__)

    def timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any) -> Any:
            start_s = time.process_time()
            result = call(*args)
            self.seconds += time.process_time() - start_s
            return result

        return timed

    def run(self, generate: Callable[[], int]) -> tuple[float, float]:
        """Seconds in all, and those within a watermark."""
        self.seconds, start_s = 0.0, time.process_time()
        num_tok = generate()
        assert num_tok == NUM_ROWS * NEW_TOK
        return time.process_time() - start_s, self.seconds


def measure(work: dict[str, Callable[[], int]], clock: Clock, rounds: int) -> dict[str, dict[str, Any]]:
    plain = work["unmarked"]
    plain()  # warm-up
    rows = {}
    for name, generate in work.items():
        if name == "unmarked":
            continue
        pairs = [(clock.run(plain)[0], *clock.run(generate)) for _ in range(1 if name in SLOW else rounds)]
        added = [inside / (marked - inside) for _, marked, inside in pairs]
        ratios = [marked / unmarked for unmarked, marked, _ in pairs]
        rows[name] = {
            "unmarked_s": min(unmarked for unmarked, _, _ in pairs),
            "s": min(marked for _, marked, _ in pairs),
            "added": statistics.median(added),
            "added_range": [min(added), max(added)],
            "ratio": statistics.median(ratios),
            "ratio_range": [min(ratios), max(ratios)],
        }
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description="The cost of marking while generating.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    loaded = load_causal_lm(args.model)
    clock = Clock()
    rows = {engine: measure(work, clock, args.rounds) for engine, work in ways(loaded).items()}
    if args.json:
        print(json.dumps({"rows": NUM_ROWS, "new_tok": NEW_TOK, "dtype": loaded.identity["dtype"], "seconds": rows}))
        return 0
    print(f"{args.model}, {loaded.identity['dtype']}, {NUM_ROWS} texts of {NEW_TOK} tokens, {args.threads} thread(s)")
    print(f"{'seconds at best':40}{'unmarked':>9}{'marked':>8}{'added':>8}  (range){'ratio':>17}  (range)")
    for engine, marks in rows.items():
        for name, row in marks.items():
            missed = name == "uniform" and row["added"] > MOST_ADDED
            print(
                f"{engine + ', ' + name:40}{row['unmarked_s']:9.2f}{row['s']:8.2f}{row['added']:8.1%}"
                f"  ({row['added_range'][0]:.1%} to {row['added_range'][1]:.1%}){row['ratio']:8.2f}"
                f"  ({row['ratio_range'][0]:.2f} to {row['ratio_range'][1]:.2f}){'  MISSED' if missed else ''}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
