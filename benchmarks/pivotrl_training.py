"""Steps a second of the two training engines on the same model, pivots and settings, as a ratio in one run.

The engine ``trl`` is TRL's ``GRPOTrainer`` with our rendering and rewards; ``minimal`` is our plain loop, which reads
the prompt of a group once, for sampling and for the gradient. Both take B pivots a step and G actions of each, all
weights, no divergence term. A training of few steps and one of more are timed; their difference is free of what it
takes to load, to audit and to save. The engines take turns.

The model is a Llama of 3 layers and width 64 with a vocabulary of bytes, made here, or ``--model`` of your own.

Run ``python benchmarks/pivotrl_training.py [--prompt-tok 60 300] [--model smollm2-135m] [--json]``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from reasonry.core import jsonl
from reasonry.core.messages import user
from reasonry.training.pivotrl.config import TrainConfig
from reasonry.training.pivotrl.records import Action, Candidate, Verdict
from reasonry.training.pivotrl.rows import candidate_to_row
from reasonry.training.pivotrl.train.run import train_pivots


class FirstLetter:
    """Rewards by the length of what was said, so that most groups have a signal."""

    name = "benchmark"

    @property
    def identity(self) -> dict[str, Any]:
        return {"verifier": self.name}

    def verify(self, candidate: Candidate, action: Action) -> Verdict:
        is_right = not action.content or ord(action.content[0]) % 2 == 1
        return Verdict(float(is_right), "match" if is_right else "other")


def make_model(folder: Path, context: int) -> str:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {"<end>": 0, "<pad>": 1, **{c: i + 2 for i, c in enumerate(alphabet)}}
    core = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<end>", pad_token="<pad>")
    tokenizer.chat_template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant: "
    config = LlamaConfig(
        vocab_size=len(vocab),
        hidden_size=64,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=context,
        eos_token_id=0,
        pad_token_id=1,
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def write_pivots(folder: Path, num: int, prompt_tok: int) -> Path:
    folder.mkdir()
    expected = (Action("message", content="a"),)
    rows = []
    for i in range(num):
        text = (f"Order {i * 7919 % 10_000} of user {i}: what is next? " * (prompt_tok // 30 + 1))[: prompt_tok - 20]
        rows.append(candidate_to_row(Candidate(f"p{i}", f"p{i}", 0, 1, 1, (user(text),), (), expected)))
    jsonl.write(folder / "pivots.jsonl", rows)
    return folder


def seconds(engine: str, model: str, pivots: Path, run: Path, steps: int, args: argparse.Namespace) -> float:
    config = TrainConfig.model_validate(
        {
            "folder": pivots,
            "model": model,
            "engine": engine,
            "num_steps": steps,
            "prompts_per_step": args.prompts,
            "group_size": args.group,
            "micro_batch": args.prompts * args.group if args.model == "" else args.group,
            "lora": {"rank": args.rank},
            "learning_rate": 1e-6,
            "sampling": {"max_new_tokens": args.new_tok},
            "save_every": 10_000,
            "run": run,
            "model_options": {"dtype": "float32"},
        }
    )
    start = time.perf_counter()
    train_pivots(config, verifier=FirstLetter())
    return time.perf_counter() - start


def measure(prompt_tok: int, args: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model = args.model or make_model(folder / "model", prompt_tok + args.new_tok + 64)
        pivots = write_pivots(folder / "pivots", args.prompts * 4, prompt_tok)
        few, more = args.steps, 3 * args.steps
        step_s: dict[str, list[float]] = {"trl": [], "minimal": []}
        for round_ in range(args.rounds):
            for engine, found in step_s.items():
                times = [
                    seconds(engine, model, pivots, folder / f"{engine}-{round_}-{n}", n, args) for n in (few, more)
                ]
                found.append((times[1] - times[0]) / (more - few))
        ratios = [t / m for t, m in zip(step_s["trl"], step_s["minimal"], strict=True)]
        return {
            "prompt_tok": prompt_tok,
            "step_s": {engine: round(statistics.median(found), 3) for engine, found in step_s.items()},
            "ratio": round(statistics.median(ratios), 2),
            "ratio_range": [round(min(ratios), 2), round(max(ratios), 2)],
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="", help="hub id, folder or packaged alias; a tiny Llama when not given")
    parser.add_argument("--prompt-tok", type=int, nargs="+", default=[60, 300])
    parser.add_argument("--prompts", type=int, default=16)
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--new-tok", type=int, default=8)
    parser.add_argument("--rank", type=int, default=0, help="of the adapters; 0 trains all weights")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows = [measure(prompt_tok, args) for prompt_tok in args.prompt_tok]
    if args.json:
        print(json.dumps({"prompts": args.prompts, "group": args.group, "new_tok": args.new_tok, "rows": rows}))
        return
    print(f"{args.model or 'tiny Llama'}, B = {args.prompts}, G = {args.group}, {args.new_tok} new tokens at most")
    for row in rows:
        step, low, high = row["step_s"], *row["ratio_range"]
        print(
            f"  prompts of {row['prompt_tok']} tokens: minimal {step['minimal']:.2f} s a step, "
            f"trl {step['trl']:.2f} s; {row['ratio']:.2f}x ({low:.2f} to {high:.2f})"
        )


if __name__ == "__main__":
    main()
