"""A plan over 10,000 prompts, and its intervals against one exact binomial interval after the other.

Run ``python benchmarks/planner.py [--json]``. The pilot has 10,000 labelled prompts of 32 scored samples, with answers
drawn from a Dirichlet law of eight answers each. The plan is everything ``reasonry plan`` computes: intervals, exact
finite-pool curves, fitted laws of prompts, simulated weighted votes, and the bootstrap over prompts. Reading the file
is not part of it. The other side of the intervals is ``scipy.stats.binomtest(...).proportion_ci("exact")``, which gives
the same two Clopper-Pearson intervals (theta and p1 + p2) of a prompt at a time, on 500 of the prompts.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable

import numpy as np
from scipy.stats import binomtest

from reasonry.core.seeds import stream
from reasonry.test_time.planner.intervals import top_two
from reasonry.test_time.planner.pilot import count_tokens, make_pilot
from reasonry.test_time.planner.plan import plan
from reasonry.test_time.pool_files import Pool

NUM_PROMPTS = 10_000
NUM_SAMPLES = 32
NUM_ANSWERS = 8
NUM_LOOPED = 500
NUM_REPEATS = 3


def make_pools(seed: int) -> list[Pool]:
    rng = stream(seed, "pools")
    pools = []
    for prompt in range(NUM_PROMPTS):
        law = rng.dirichlet([3.0] + [0.4] * (NUM_ANSWERS - 1))
        drawn = rng.choice(NUM_ANSWERS, size=NUM_SAMPLES, p=law)
        right = drawn == 0
        answers = tuple(None if a == NUM_ANSWERS - 1 else str(a) for a in drawn)
        scores = right + rng.normal(size=NUM_SAMPLES)
        silent = (None,) * NUM_SAMPLES
        pools.append(Pool(str(prompt), answers, tuple(right.tolist()), scores, (100,) * NUM_SAMPLES, silent, False))
    return pools


def looped_intervals(first_P: np.ndarray, second_P: np.ndarray, total_P: np.ndarray) -> None:
    for first, second, total in zip(first_P.tolist(), second_P.tolist(), total_P.tolist(), strict=True):
        both = first + second
        binomtest(first, both).proportion_ci(0.91, "exact")
        binomtest(both, total).proportion_ci(0.99, "exact")


def best_seconds(call: Callable[[], object], repeats: int = NUM_REPEATS) -> float:
    times_s = []
    for _ in range(repeats):
        start_s = time.perf_counter()
        call()
        times_s.append(time.perf_counter() - start_s)
    return min(times_s)


def main() -> int:
    parser = argparse.ArgumentParser(description="Speed of a plan over many prompts.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    pools = make_pools(args.seed)
    tokens = count_tokens(pools)
    pilot = make_pilot(pools)
    votes = (pilot.votes_PK[:, 0], pilot.votes_PK[:, 1], pilot.num_samples_P)
    some = tuple(column[:NUM_LOOPED] for column in votes)

    def planned() -> None:
        plan(pilot, target=0.9, tokens=tokens, price_per_mtok=0.6, recall=0.9, false_accept=0.1, seed=args.seed)

    loop_s = best_seconds(lambda: looped_intervals(*some), 1)
    batch_s = best_seconds(lambda: top_two(*votes))
    result = {
        "num_prompts": NUM_PROMPTS,
        "num_samples": NUM_SAMPLES,
        "arrays_s": best_seconds(lambda: make_pilot(pools)),
        "plan_s": best_seconds(planned),
        "intervals_s": batch_s,
        "intervals_per_prompt_us": 1e6 * batch_s / NUM_PROMPTS,
        "looped_per_prompt_us": 1e6 * loop_s / NUM_LOOPED,
        "ratio": (loop_s / NUM_LOOPED) / (batch_s / NUM_PROMPTS),
    }
    if args.json:
        print(json.dumps(result))
        return 0
    print(f"{NUM_PROMPTS:,} prompts of {NUM_SAMPLES} samples")
    print(f"pools to arrays        {result['arrays_s']:8.2f} s")
    print(f"whole plan             {result['plan_s']:8.2f} s")
    print(f"intervals, all prompts {result['intervals_s']:8.3f} s")
    print(
        f"intervals per prompt   {result['intervals_per_prompt_us']:8.1f} us, one after the other "
        f"{result['looped_per_prompt_us']:.0f} us: {result['ratio']:.0f} times"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
