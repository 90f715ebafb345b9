"""Candidate scoring against scoring candidate by candidate, as ratios of medians in one process.

Both give log p(candidate | prompt) over whole candidates, ten for each prompt, with the packaged model in float32:

    ours             everything that prompts and candidates share is read once
    one by one       a forward pass for each prompt and candidate
    batched          the same rows in batches of 32, padded on the left, logits of the candidate's tokens alone

in three settings: candidates of one token, of several tokens, and prompts behind the same 250 tokens of facts. The ways
take turns, so that a drifting machine slows all. "One by one" in float64 is the reference for some of the prompts: ours
must be within 1e-4 of it, and at least 3 times as fast as one by one in float32.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch

from reasonry.core.candidates import CandidateQuestion
from reasonry.core.candidates.hf import WeightsScorer
from reasonry.core.models import LoadedModel, ModelConfig, load_causal_lm

NAMES = ("Alice Stone", "Bob Reeves", "Carla Mint", "Dan Overton", "Eve Larkin", "Finn Hale", "Gina Rook", "Hugo Birch")
SHORT = (" Paris", " Tokyo", " Berlin", " Madrid", " Moscow", " French", " Japanese", " German", " Spanish", " Russian")
LONG = (
    " Ulaanbaatar, Mongolia", " San Francisco Bay", " Ouagadougou", " Reykjavik in Iceland", " Antananarivo",
    " Thiruvananthapuram", " Dar es Salaam", " Llanfairpwll", " Kuala Lumpur", " Tegucigalpa",
)  # fmt: skip
BATCH = 32
NUM_REFERENCE = 2
Scores = list[tuple[float, ...]]


def settings() -> dict[str, list[CandidateQuestion]]:
    facts = " ".join(f"{NAMES[i % 8]} has {i % 7} friends in town {i * 5 % 31}." for i in range(18)) + " "
    return {
        "one token": [CandidateQuestion(f"{name} lives in the city of", SHORT) for name in NAMES],
        "several tokens": [CandidateQuestion(f"{name} lives in the city of", LONG) for name in NAMES],
        "shared facts": [CandidateQuestion(f"{facts}{name} lives in the city of", LONG) for name in NAMES],
    }


def rows_of(loaded: LoadedModel, questions: list[CandidateQuestion]) -> list[tuple[list[int], int]]:
    tokenizer = loaded.tokenizer
    rows = []
    for prompt, candidates in questions:
        start = len(tokenizer(prompt)["input_ids"])
        rows += [(tokenizer(prompt + candidate)["input_ids"], start) for candidate in candidates]
    return rows


def one_by_one(loaded: LoadedModel, questions: list[CandidateQuestion]) -> Scores:
    found = []
    for ids, start in rows_of(loaded, questions):
        with torch.inference_mode():
            logits = loaded.model(torch.tensor([ids]), use_cache=False, logits_to_keep=len(ids) - start + 1).logits[0]
        logp = torch.log_softmax(logits[:-1], -1)
        found.append(float(logp.gather(1, torch.tensor(ids[start:])[:, None]).sum()))
    return grouped(found, questions)


def batched(loaded: LoadedModel, questions: list[CandidateQuestion]) -> Scores:
    rows = rows_of(loaded, questions)
    found = []
    for first in range(0, len(rows), BATCH):
        part = rows[first : first + BATCH]
        width = max(len(ids) for ids, _ in part)
        keep = max(len(ids) - start for ids, start in part) + 1
        ids_BT = torch.tensor([[0] * (width - len(ids)) + ids for ids, _ in part])
        mask_BT = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids, _ in part])
        positions_BT = (mask_BT.cumsum(-1) - 1).clamp(min=0)
        with torch.inference_mode():
            logits = loaded.model(
                ids_BT, attention_mask=mask_BT, position_ids=positions_BT, use_cache=False, logits_to_keep=keep
            ).logits
        for row, (ids, start) in zip(logits, part, strict=True):
            num = len(ids) - start
            logp = torch.log_softmax(row[-num - 1 : -1], -1)
            found.append(float(logp.gather(1, torch.tensor(ids[start:])[:, None]).sum()))
    return grouped(found, questions)


def grouped(found: list[float], questions: list[CandidateQuestion]) -> Scores:
    values = iter(found)
    return [tuple(next(values) for _ in question.candidates) for question in questions]


def measure(loaded: LoadedModel, questions: list[CandidateQuestion], rounds: int) -> dict:
    scorer = WeightsScorer(loaded)
    ways: dict[str, Callable[[], Scores]] = {
        "ours": lambda: [scores.logp for scores in scorer.score(questions)],
        "one_by_one": lambda: one_by_one(loaded, questions),
        "batched": lambda: batched(loaded, questions),
    }
    first = {name: way()[:NUM_REFERENCE] for name, way in ways.items()}  # also the warm-up; ours checks itself, once
    assert scorer.describe()["unpacked_because"] == ""
    loaded.model.double()
    reference = one_by_one(loaded, questions[:NUM_REFERENCE])
    loaded.model.float()

    def error(name: str) -> float:
        pairs = zip(first[name], reference, strict=True)
        return max(abs(a - b) for found, exact in pairs for a, b in zip(found, exact, strict=True))

    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    result: dict = {f"{name}_s": round(statistics.median(values), 3) for name, values in seconds.items()}
    result |= {f"{name}_error": error(name) for name in ways}
    for name in ("one_by_one", "batched"):
        ratios = [theirs / ours for theirs, ours in zip(seconds[name], seconds["ours"], strict=True)]
        result[f"ratio_{name}"] = round(statistics.median(ratios), 2)
        result[f"ratio_{name}_range"] = [round(min(ratios), 2), round(max(ratios), 2)]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    loaded = load_causal_lm(args.model, ModelConfig(dtype="float32", device=args.device))
    rows = {name: measure(loaded, questions, args.rounds) for name, questions in settings().items()}
    worst = max(row["ours_error"] for row in rows.values())
    least = min(row["ratio_one_by_one"] for row in rows.values())
    holds = worst <= 1e-4 and least >= 3
    if args.json:
        print(json.dumps({"rows": rows, "largest_error": worst, "least_ratio": least, "holds": holds}))
    else:
        print(f"{args.model}, float32, {len(NAMES)} prompts with {len(SHORT)} candidates each")
        for name, row in rows.items():
            print(
                f"  {name:<15} ours {row['ours_s']:.2f} s;  one by one {row['one_by_one_s']:.2f} s, "
                f"{row['ratio_one_by_one']:.1f}x;  batched {row['batched_s']:.2f} s, {row['ratio_batched']:.1f}x;  "
                f"errors {row['ours_error']:.0e}, {row['one_by_one_error']:.0e}, {row['batched_error']:.0e} nats"
            )
        print(f"  largest error of ours: {worst:.1e} nats (must be at most 1e-4)")
        print(f"  least ratio to one by one: {least:.1f}x (must be at least 3)")
    raise SystemExit(0 if holds else 1)


if __name__ == "__main__":
    main()
