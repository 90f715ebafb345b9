"""Certificates for many problems: the batch form against the same certificate, vote by vote.

Run ``python benchmarks/certify.py [--json]``. 100,000 problems of 64 votes each, one core; the batch form must take
less than 3 s. The other side is a plain loop over problems and votes with the streaming form, which stops reading a
problem once it is certified; it runs on the first 5,000 problems and is scaled up. Both must decide alike on these.
Processor time, best of the repeats for the batch form.
"""

import argparse
import json
import sys
import time

import numpy as np

from reasonry.core.seeds import stream
from reasonry.test_time.claims.stopping import LAWS, draw
from reasonry.test_time.stopping import certify, certify_batch

NUM_PROBLEMS = 100_000
NUM_VOTES = 64
NUM_STREAMED = 5_000
NUM_REPEATS = 3
DELTA = 0.05
LIMIT_S = 3.0

NAMES = ("(.8, .2)", "(.55, .45)", "zipf-20")


def streamed(answers: list[list[str]]) -> tuple[list[int], int]:
    """Samples of each problem, and votes read in all."""
    rule = certify(DELTA, max_n=NUM_VOTES)
    stops = []
    for votes in answers:
        watch = rule.start()
        for vote in votes:
            if watch.observe(vote):
                break
        stops.append(watch.num_seen)
    return stops, sum(stops)


def measure(answers_PN: np.ndarray) -> dict[str, float]:
    batch_s = float("inf")
    for _ in range(NUM_REPEATS):
        start_s = time.process_time()
        done = certify_batch(answers_PN, DELTA)
        batch_s = min(batch_s, time.process_time() - start_s)
    texts = [[str(a) for a in row] for row in answers_PN[:NUM_STREAMED].tolist()]
    start_s = time.process_time()
    stops, num_read = streamed(texts)
    part_s = time.process_time() - start_s
    assert stops == done.stop_P[:NUM_STREAMED].tolist(), "the two forms disagree"
    stream_s = part_s * NUM_PROBLEMS / NUM_STREAMED
    return {
        "batch_s": batch_s,
        "stream_s": stream_s,
        "ratio": stream_s / batch_s,
        "stream_us_per_vote": part_s / num_read * 1e6,
        "certified": float(done.certified_P.mean()),
        "mean_n": float(done.stop_P.mean()),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="The batch form of the certificate against the streaming form.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    shape = (NUM_PROBLEMS, NUM_VOTES)
    laws = {name: draw(LAWS[name], shape, stream(args.seed, name)) for name in NAMES}
    laws["200 answers"] = stream(args.seed, "many").integers(0, 200, shape)
    rows = {name: measure(answers_PN) for name, answers_PN in laws.items()}
    if args.json:
        print(json.dumps({"problems": NUM_PROBLEMS, "votes": NUM_VOTES, "delta": DELTA, "rows": rows}))
        return 0
    print(f"{NUM_PROBLEMS} problems of {NUM_VOTES} votes, delta {DELTA}")
    print(f"{'law':14}{'batch s':>9}{'stream s':>10}{'ratio':>7}{'us/vote':>9}{'certified':>11}{'mean n':>8}")
    for name, row in rows.items():
        print(
            f"{name:14}{row['batch_s']:9.2f}{row['stream_s']:10.1f}{row['ratio']:7.1f}{row['stream_us_per_vote']:9.2f}"
            f"{row['certified']:11.1%}{row['mean_n']:8.1f}{'' if row['batch_s'] <= LIMIT_S else '  TOO SLOW'}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
