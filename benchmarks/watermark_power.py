"""Tokens that detectors need on the synthetic model, in one run: anchors, numbers of bins, schemes of the field.

Run ``python benchmarks/watermark_power.py [--json] [--texts 1000]``. Every cell is the median number of tokens until
detection at alpha = .02 among texts of 600 tokens, with the share of texts detected. The
rules "anytime" and "alpha/(k(k+1))" may be looked at after every token; "last re-crossing" is MarkMyWords' size, and
"peeking" has far more false alarms than alpha. The model is ours (`reasonry.watermark.synthetic_model`): what counts is
how the numbers compare, not what they are.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from reasonry.core.seeds import stream
from reasonry.watermark.bench import bonferroni_crossing, first_crossing, last_recrossing, summarize
from reasonry.watermark.bets import mixture_bets
from reasonry.watermark.claims.false_alarms import evidence
from reasonry.watermark.claims.simulation import crossing_tok, paper_crossing_tok
from reasonry.watermark.e_process import crossings
from reasonry.watermark.simulate import green_tokens, gumbel_pivots, tournament_bits
from reasonry.watermark.synthetic_model import CALIBRATIONS, UNIFORM, Anchor, SyntheticModel, make_laws

ALPHA = 0.02
DELTA = 0.3
NUM_TOK = 600
NUM_STEPS = 20_000
BINS = (2, 4, 8, 16, 64, 600)
NUM_SLOW_TEXTS = 200  # of a tournament on 600 tokens

A, B = CALIBRATIONS["A"], CALIBRATIONS["B"]


class Case(NamedTuple):
    name: str
    model: SyntheticModel
    bins: tuple[int, ...] = BINS
    detector: Anchor | None = None
    is_paper: bool = False


CASES = (
    Case("A: T_a 2, noise .42, paper's e*", A, is_paper=True),
    Case("A: T_a 2, noise .42", A),
    Case("A: T_a 1, noise .42", A.with_anchor(temperature=1.0)),
    Case("A: T_a .7, noise .42", A.with_anchor(temperature=0.7)),
    Case("A: T_a 2, noise 2", A.with_anchor(noise=2.0)),
    Case("A: T_a 1, noise 2", A.with_anchor(temperature=1.0, noise=2.0)),
    Case("B: T_a .7, noise .9", B),
    Case("A: detector's anchor + noise .5", A, (2, 16), A.with_anchor(drift=0.5).anchor),
    Case("A: detector's anchor + noise 2", A, (2, 16), A.with_anchor(drift=2.0).anchor),
    Case("A: uniform at detection", A, (2, 8, 64), UNIFORM),
    Case("A: uniform on both sides", A.with_anchor(temperature=math.inf), (2, 8, 16)),
)


def anchored(case: Case, num_bins: int, num_texts: int, seed: int) -> dict[str, Any]:
    laws = make_laws(case.model, num_bins=num_bins, num_steps=NUM_STEPS, seed=seed, detector=case.detector)
    sizes = {"num_tok": NUM_TOK, "num_texts": num_texts, "alpha": ALPHA, "seed": seed}
    if case.is_paper:
        tok_R = paper_crossing_tok(laws, delta=DELTA, **sizes)
    else:
        tok_R = crossing_tok(laws, mixture_bets(), **sizes)
    return {"scheme": case.name, "num_bins": num_bins, "rule": "anytime", **summary(tok_R)}


def others(num_texts: int, seed: int) -> Iterator[dict[str, Any]]:
    """The other schemes on the target of setting A, each by four rules."""
    laws = make_laws(A, num_bins=A.vocab_size, num_steps=NUM_STEPS, seed=seed)
    makers: dict[str, tuple[Callable[..., Any], int]] = {
        "Gumbel": (gumbel_pivots, num_texts),
        "KGW": (green_tokens, num_texts),
        "SynthID": (tournament_bits, min(num_texts, NUM_SLOW_TEXTS)),
    }
    for name, (make, num) in makers.items():
        statistic = make(laws, "marked", num_tok=NUM_TOK, num_texts=num, rng=stream(seed, "scheme", name))
        found = evidence(name, statistic)
        rules = {
            "anytime": crossings(found.log_e_TR, ALPHA),
            "alpha/(k(k+1))": bonferroni_crossing(found.p_TR, alpha=ALPHA),
            "last re-crossing": last_recrossing(found.p_TR, alpha=ALPHA),
            "peeking": first_crossing(found.p_TR, alpha=ALPHA),
        }
        for rule, tok_R in rules.items():
            yield {"scheme": name, "num_bins": None, "rule": rule, **summary(tok_R)}


def summary(tok_R: np.ndarray) -> dict[str, Any]:
    found = summarize(tok_R)
    numbers = {"median_tok": found.median_tok, "low_tok": found.low_tok, "high_tok": found.high_tok}
    finite = {name: None if math.isinf(number) else number for name, number in numbers.items()}
    return {**finite, "detected": found.share_detected, "num_texts": found.num_texts}


def table(num_texts: int, seed: int, say: Callable[[dict[str, Any]], None] = lambda row: None) -> list[dict[str, Any]]:
    """All rows; a median of None is infinite."""
    rows: list[dict[str, Any]] = []
    cells = (anchored(case, n, num_texts, seed) for case in CASES for n in case.bins)
    for part in (cells, others(num_texts, seed)):
        for row in part:
            say(row)
            rows.append(row)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description="Tokens that detectors need on the synthetic model.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--texts", type=int, default=1000, help="texts per cell")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.json:
        print(json.dumps({"alpha": ALPHA, "num_tok": NUM_TOK, "rows": table(args.texts, args.seed)}))
        return 0
    print(f"alpha {ALPHA}, texts of {NUM_TOK} tokens; median tokens, 95 % interval, share detected")
    table(args.texts, args.seed, say=show)
    return 0


def show(row: dict[str, Any]) -> None:
    what = f"n={row['num_bins']}" if row["num_bins"] else row["rule"]
    ends = "-".join("inf" if row[end] is None else f"{row[end]:.0f}" for end in ("low_tok", "high_tok"))
    median = "inf" if row["median_tok"] is None else f"{row['median_tok']:.0f}"
    print(f"{row['scheme']:34}{what:>18}{median:>6}{ends:>10}{row['detected']:>8.1%}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
