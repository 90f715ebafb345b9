"""Exact best-of-k and maj@k curves of one pool against a Monte Carlo estimate of the same curves.

Run ``python benchmarks/pool_estimators.py [--json]``. Both sides give all k = 1..256 of a pool of 256.
The Monte Carlo side shuffles the pool 10,000 times and reads every k off the prefixes of each shuffle,
vectorised over shuffles: 10,000 subsets per k, which leaves a standard error of up to 0.005 at each k where
the exact side leaves none.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable

import numpy as np

from reasonry.core.groups import best_of_k, maj_at_k
from reasonry.core.seeds import stream

NUM_SAMPLES = 256
NUM_SUBSETS = 10_000
NUM_REPEATS = 5

HISTOGRAMS: dict[str, list[int]] = {
    "2 answers": [128, 128],
    "4 answers": [64] * 4,
    "16 answers": [16] * 16,
    "100 answers": [58] + [2] * 99,
    "256 answers": [1] * 256,
}


def monte_carlo_best_of_k(score_N: np.ndarray, correct_N: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    order_RN = rng.permuted(np.tile(np.arange(score_N.size), (NUM_SUBSETS, 1)), axis=1)
    # A random rank within each tie, drawn per shuffle, breaks ties uniformly.
    key_RN = score_N[order_RN] + 1e-9 * rng.random(order_RN.shape)
    best_R, right_R = np.full(NUM_SUBSETS, -np.inf), np.zeros(NUM_SUBSETS)
    curve = np.empty(score_N.size)
    for k in range(score_N.size):
        better = key_RN[:, k] > best_R
        best_R = np.where(better, key_RN[:, k], best_R)
        right_R = np.where(better, correct_N[order_RN[:, k]], right_R)
        curve[k] = right_R.mean()
    return curve


def monte_carlo_maj_at_k(counts: list[int], target: int, rng: np.random.Generator) -> np.ndarray:
    pool_N = np.repeat(np.arange(len(counts)), counts)
    vote_RN = rng.permuted(np.tile(pool_N, (NUM_SUBSETS, 1)), axis=1)
    row_R = np.arange(NUM_SUBSETS)
    tally_RA = np.zeros((NUM_SUBSETS, len(counts)), dtype=np.int16)
    curve = np.empty(pool_N.size)
    for k in range(pool_N.size):
        tally_RA[row_R, vote_RN[:, k]] += 1
        leads_RA = tally_RA == tally_RA.max(axis=1, keepdims=True)
        curve[k] = (leads_RA[:, target] / leads_RA.sum(axis=1)).mean()
    return curve


def best_seconds(call: Callable[[], object]) -> float:
    times_s = []
    for _ in range(NUM_REPEATS):
        start_s = time.perf_counter()
        call()
        times_s.append(time.perf_counter() - start_s)
    return min(times_s)


def compare(name: str, exact: Callable[[], np.ndarray], sampled: Callable[[], np.ndarray]) -> dict[str, object]:
    start_s = time.perf_counter()
    estimate = sampled()
    sampled_s = time.perf_counter() - start_s
    exact_s = best_seconds(exact)
    return {
        "curve": name,
        "exact_s": exact_s,
        "monte_carlo_s": sampled_s,
        "ratio": sampled_s / exact_s,
        "max_abs_difference": float(np.abs(estimate - exact()).max()),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Exact against sampled curves of a pool.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    rng = stream(args.seed, "pool")
    score_N, correct_N = np.floor(rng.normal(size=NUM_SAMPLES) * 8), rng.random(NUM_SAMPLES) < 0.4
    rows = [
        compare(
            "best_of_k",
            lambda: best_of_k(score_N, correct_N).curve,
            lambda: monte_carlo_best_of_k(score_N, correct_N, stream(args.seed, "best_of_k")),
        )
    ]
    for name, counts in HISTOGRAMS.items():
        rows.append(
            compare(
                f"maj_at_k, {name}",
                lambda counts=counts: maj_at_k(counts, 0),
                lambda counts=counts, name=name: monte_carlo_maj_at_k(counts, 0, stream(args.seed, name)),
            )
        )
    if args.json:
        print(json.dumps({"num_samples": NUM_SAMPLES, "num_subsets": NUM_SUBSETS, "rows": rows}))
        return 0
    print(f"all k = 1..{NUM_SAMPLES}; Monte Carlo with {NUM_SUBSETS} subsets per k")
    print(f"{'curve':26}{'exact s':>10}{'sampled s':>11}{'ratio':>8}{'max |diff|':>12}")
    for row in rows:
        print(
            f"{row['curve']:26}{row['exact_s']:10.4f}{row['monte_carlo_s']:11.3f}{row['ratio']:8.0f}"
            f"{row['max_abs_difference']:12.4f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
