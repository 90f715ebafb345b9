"""What batched decoding, and a planner's head, cost a masked diffusion model.

Run ``python benchmarks/dultra_decoding.py [--json] [--full]``, with ``--denoiser FOLDER --planner FOLDER --task TASK``
for the third part. It measures, with one thread, the best of several repetitions each:

* batch       a batch of prompts decoded together against one after another: tokens per second of both as a ratio.
              Tokens and forward passes must be the same for every row: the comparison is one of speed alone;
* head        a planner's head against one layer of the denoiser, at equal width: the share of a pass that it adds;
* wall clock  a planner against the fastest rule at 95 % accuracy or more, on the same prompts, its head included.

Without ``--full`` models and batches are small, to see that everything works; then ratios mean little.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from reasonry.core import seeds
from reasonry.tasks.token_tasks.find import make_task
from reasonry.training.dultra.checkpoints import load_denoiser
from reasonry.training.dultra.decoding import Decoded, DecodingConfig, decode
from reasonry.training.dultra.denoiser import Denoiser
from reasonry.training.dultra.frontier.config import FrontierConfig
from reasonry.training.dultra.frontier.results import fewest_passes
from reasonry.training.dultra.frontier.run import compare
from reasonry.training.dultra.planner import PlannerConfig, PlannerHead
from reasonry.training.dultra.policies.make import make_policy
from reasonry.training.dultra.tiny_denoiser import TinyDenoiser

TASK = "ledger:4:10:mixed"
BATCH = 32
TARGET = 0.95


def best_seconds(call: Callable[[], object], *, num_repeats: int) -> float:
    times_s: list[float] = []
    for _ in range(num_repeats):
        start_s = time.perf_counter()
        call()
        times_s.append(time.perf_counter() - start_s)
    return min(times_s)


def batch_against_rows(denoiser: Denoiser, task_name: str, policy: str, *, num_repeats: int) -> dict[str, Any]:
    """Tokens per second of a batch over those of its rows one by one."""
    task = make_task(task_name)
    prompt_BP = torch.from_numpy(task.draw(seeds.stream(0, "benchmark"), BATCH).prompt_BP)
    attend_BP = prompt_BP != denoiser.pad_id
    config = DecodingConfig(answer_len=task.answer_len, block_len=task.answer_len, temperature=1.0)

    def together() -> Decoded:
        return decode(
            denoiser, prompt_BP, attend_BP, policy=make_policy(policy), config=config, seeds_B=range(BATCH)
        )  # fmt: skip

    def alone() -> list[Decoded]:
        return [
            decode(
                denoiser, prompt_BP[i : i + 1], attend_BP[i : i + 1], policy=make_policy(policy), config=config,
                seeds_B=[i],
            )
            for i in range(BATCH)
        ]  # fmt: skip

    batch, rows = together().trajectory, [one.trajectory for one in alone()]
    assert batch.tokens_BL.tolist() == [row.tokens_BL[0].tolist() for row in rows], "a row depends on its batch"
    assert batch.nfe_B.tolist() == [int(row.nfe_B[0]) for row in rows], "a row's passes depend on its batch"
    batch_s = best_seconds(together, num_repeats=num_repeats)
    rows_s = best_seconds(alone, num_repeats=num_repeats)
    num_tok = BATCH * task.answer_len
    return {
        "part": "batch",
        "case": f"{denoiser.name}, {policy}",
        "num_rows": BATCH,
        "mean_nfe": float(batch.nfe_B.double().mean()),
        "batch_tok_per_s": num_tok / batch_s,
        "rows_tok_per_s": num_tok / rows_s,
        "ratio": rows_s / batch_s,
    }


@torch.no_grad()
def head_against_layer(width: int, *, num_rows: int, answer_len: int, num_repeats: int) -> dict[str, Any]:
    """Time of the head on an answer over that of one layer on the same tokens."""
    task = make_task(f"ledger:{answer_len // 5}")
    shape: dict[str, Any] = {"width": width, "num_heads": 4}
    passes_s: list[float] = []
    tokens_BN = torch.zeros(num_rows, task.answer_len, dtype=torch.int64)
    attend_BN = torch.ones_like(tokens_BN, dtype=torch.bool)
    for num_layers in (1, 3):
        denoiser = TinyDenoiser.from_task(task, num_layers=num_layers, **shape).eval()
        passes_s.append(best_seconds(lambda d=denoiser: d.denoise(tokens_BN, attend_BN), num_repeats=num_repeats))
    layer_s = (passes_s[1] - passes_s[0]) / 2
    head = PlannerHead(PlannerConfig(max_len=task.answer_len, **shape)).eval()
    hidden_BLD, known_B = torch.zeros(num_rows, task.answer_len, width), torch.zeros(num_rows)
    head_s = best_seconds(
        lambda: head(hidden_BLD, eligible_BL=attend_BN, known_share_B=known_B), num_repeats=num_repeats
    )
    return {
        "part": "head",
        "case": f"width {width}, {num_rows} x {task.answer_len} tokens",
        "layer_ms": 1e3 * layer_s,
        "head_ms": 1e3 * head_s,
        "ratio": head_s / layer_s,
    }


def planner_against_rules(denoiser: str, planner: str, task: str, *, num_prompts: int) -> dict[str, Any]:
    """Wall time of the fastest rule over that of the fastest setting of the planner, both at 95 % or more."""
    with tempfile.TemporaryDirectory() as folder:
        config = FrontierConfig(
            denoiser=denoiser,
            task=task,
            planners=(Path(planner),),
            num_prompts=num_prompts,
            num_seeds=1,
            target=TARGET,
            show=0,
            run=Path(folder) / "run",
        )
        found = compare(config, say=lambda line: print(line, file=sys.stderr)).result
    enough = [p for p in found.policies if p.accuracy.value >= TARGET]
    planned = fewest_passes([p for p in enough if p.family.startswith("planner")])
    rules = [p for p in enough if not p.family.startswith("planner")]
    rule = min(rules, key=lambda p: p.seconds, default=None)
    if planned is None or rule is None:
        return {"part": "wall clock", "case": "no setting of the planner, or no rule, is accurate enough"}
    return {
        "part": "wall clock",
        "case": f"{planned.label} against {rule.label}",
        "planner_ms": 1e3 * planned.seconds,
        "of_these_head_ms": 1e3 * planned.head_seconds,
        "rule_ms": 1e3 * rule.seconds,
        "planner_nfe": planned.nfe.value,
        "rule_nfe": rule.nfe.value,
        "nfe_ratio": rule.nfe.value / planned.nfe.value,
        "ratio": rule.seconds / planned.seconds,
    }


def measure(args: argparse.Namespace) -> list[dict[str, Any]]:
    num_repeats, widths = (7, (64, 256, 1024)) if args.full else (2, (64,))
    if args.denoiser:
        denoiser, task = load_denoiser(args.denoiser).denoiser, args.task
    else:
        task, layers = TASK, {"num_layers": 6, "width": 256} if args.full else {}
        denoiser = TinyDenoiser.from_task(make_task(task), **layers).eval()
    rows = [
        batch_against_rows(denoiser, task, policy, num_repeats=num_repeats)
        for policy in ("threshold:0.9", "entropy_bound:0.1", "rand:4")
    ]
    sizes = {"num_rows": BATCH, "answer_len": 100} if args.full else {"num_rows": 8, "answer_len": 20}
    rows += [head_against_layer(width, num_repeats=3 * num_repeats, **sizes) for width in widths]
    if args.denoiser and args.planner:
        num = 256 if args.full else 32
        rows.append(planner_against_rules(args.denoiser, args.planner, task, num_prompts=num))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--full", action="store_true", help="sizes at which the ratios mean something; minutes")
    parser.add_argument("--denoiser", default="", help="folder of a trained denoiser")
    parser.add_argument("--planner", default="", help="folder of its planner")
    parser.add_argument("--task", default=TASK, help="the task that the denoiser was trained on")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = measure(args)
    if args.json:
        json.dump({"benchmark": "dultra_decoding", "is_full": args.full, "rows": rows}, sys.stdout, indent=2)
        print()
        return
    for row in rows:
        shown = ", ".join(
            f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
            for key, value in row.items()
            if key not in ("part", "case")
        )
        print(f"{row['part']:<11} {row['case']}\n            {shown}")


if __name__ == "__main__":
    main()
