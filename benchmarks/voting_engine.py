"""Overhead of voting strategies over a bare sampler, against its_hub, and how often an early stop is wrong.

Run ``python benchmarks/voting_engine.py [--json]``; its_hub comes with ``pip install its_hub``, and without it only our
side is shown. Both sides read the same written answers (the same answer for sample i of problem p), find answers with
the same verifier and, in each row, follow the same rule with the same budget, so that both are right equally often up
to the order in which its_hub takes its samples in. Overhead is what remains after the time of reading the answers
bare; the lower it is, the closer the engine is to the sampler. "Wrong stops": problems that ended before all 64 samples
had counted, with an answer that is not the mode, on 400 problems with the law (.55, .45).
"""

import argparse
import asyncio
import json
import logging
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from reasonry.core import seeds
from reasonry.core.messages import user
from reasonry.core.sampling import Request
from reasonry.core.sampling.scripted import ScriptedSampler
from reasonry.core.verify import make_verifier
from reasonry.test_time.pool import Question
from reasonry.test_time.stopping import make_rule
from reasonry.test_time.strategies import SelfConsistency

NUM_PROBLEMS = 400
NUM_SAMPLES = 64
NUM_REPEATS = 5
EASY = {"24": 0.6, "7": 0.25, "12": 0.15}
CLOSE = {"24": 0.55, "7": 0.45}
VERIFIER = make_verifier("regex:#### (\\d+)")
RULES = {"fixed": "fixed", "beta:0.95": "beta", "doubling:0.75": "doubling", "certify:0.05": None}

Texts = dict[str, list[str]]


class Ended(NamedTuple):
    answer: str | None
    num_used: int


def write_answers(law: dict[str, float], *, seed: int) -> Texts:
    answers, weights = list(law), list(law.values())
    texts: Texts = {}
    for i in range(NUM_PROBLEMS):
        picks = seeds.stream(seed, "problem", i).choice(len(answers), size=NUM_SAMPLES, p=weights)
        texts[f"p{i}"] = [f"Thinking it through.\n#### {answers[pick]}" for pick in picks]
    return texts


def ours(texts: Texts, rule: str) -> list[Ended]:
    engine = SelfConsistency(ScriptedSampler(texts), VERIFIER, stop=make_rule(rule, max_n=NUM_SAMPLES))
    results = engine.run_batch([Question(pid, (user(pid),)) for pid in texts])
    return [Ended(r.answer, r.num_used) for r in results]


def ours_bare(texts: Texts) -> int:
    requests = [Request(pid, (user(pid),), range(NUM_SAMPLES)) for pid in texts]
    return sum(1 for _ in ScriptedSampler(texts).sample(requests))


def best_seconds(call: Callable[[], object]) -> float:
    seconds: list[float] = []
    for _ in range(NUM_REPEATS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def accuracy(ended: Sequence[Ended]) -> float:
    return sum(e.answer == "24" for e in ended) / len(ended)


def wrong_stops(ended: Sequence[Ended]) -> float:
    return sum(e.answer != "24" and e.num_used < NUM_SAMPLES for e in ended) / len(ended)


class Peer:
    """its_hub on the same answers."""

    def __init__(self) -> None:
        logging.disable(logging.WARNING)
        from its_hub.api import AbstractLanguageModel
        from its_hub.core.algorithms.adaptive_self_consistency import AdaptiveSelfConsistency
        from its_hub.core.algorithms.beta_self_consistency import BetaSelfConsistency
        from its_hub.core.algorithms.self_consistency import SelfConsistency as Plain
        from its_hub.core.orchestrator import LMOrchestrator

        class Written(AbstractLanguageModel):
            def __init__(self, texts: Texts) -> None:
                self._texts, self._next = texts, dict.fromkeys(texts, 0)

            async def agenerate_single(self, messages: Any, stop: str | None = None, **rest: Any) -> dict[str, str]:
                pid = messages[0].content
                at = self._next[pid]
                self._next[pid] = at + 1
                return {"role": "assistant", "content": self._texts[pid][at]}

            async def agenerate(self, messages: Any, stop: str | None = None, **rest: Any) -> dict[str, str]:
                return await self.agenerate_single(messages)

        self._lm = Written
        self._orchestrator = LMOrchestrator
        self._algorithms: dict[str, Callable[..., Any]] = {
            "fixed": Plain,
            "beta": lambda **k: BetaSelfConsistency(0.95, **k),
            "doubling": lambda **k: AdaptiveSelfConsistency(0.75, **k),
        }

    def run(self, texts: Texts, name: str, *, max_concurrency: int = 32) -> list[Ended]:
        """32 calls in flight is its default; -1 is no limit, and then no turn has to be waited for."""
        model = self._lm(texts)
        algorithm = self._algorithms[name](
            consistency_space_projection_func=VERIFIER.extract,
            orchestrator=self._orchestrator(max_concurrency=max_concurrency),
        )

        async def everything() -> list[Any]:
            return [await algorithm.ainfer(model, pid, budget=NUM_SAMPLES, return_response_only=False) for pid in texts]

        results = asyncio.run(everything())
        return [Ended(VERIFIER.extract(r.the_one["content"]), len(r.responses)) for r in results]

    def bare(self, texts: Texts) -> None:
        from its_hub.api import ChatMessage

        model = self._lm(texts)

        async def everything() -> None:
            for pid in texts:
                for _ in range(NUM_SAMPLES):
                    await model.agenerate_single([ChatMessage(role="user", content=pid)])

        asyncio.run(everything())


def measure() -> list[dict[str, Any]]:
    try:
        peer = Peer()
    except ModuleNotFoundError:
        peer = None
    easy, close = write_answers(EASY, seed=0), write_answers(CLOSE, seed=1)
    bare_s = best_seconds(lambda: ours_bare(easy))
    peer_bare_s = best_seconds(lambda: peer.bare(easy)) if peer else 0.0
    rows: list[dict[str, Any]] = []
    for rule, name in RULES.items():
        # What an early stop leaves undrawn costs nothing: only the fixed rule has the whole bare time to subtract.
        all_drawn = rule == "fixed"
        row: dict[str, Any] = {"rule": rule, "num_problems": NUM_PROBLEMS, "max_n": NUM_SAMPLES}
        took_s = best_seconds(lambda rule=rule: ours(easy, rule)) - (bare_s if all_drawn else 0.0)
        row |= {"us_per_problem": 1e6 * took_s / NUM_PROBLEMS, "accuracy": accuracy(ours(easy, rule))}
        row["wrong_stop_rate"] = wrong_stops(ours(close, rule))
        if peer and name:
            for label, limit in (("its_hub", 32), ("its_hub_unlimited", -1)):
                if limit > 0 and name == "beta":
                    continue  # never ends: a call that is cancelled while it waits for its turn keeps a thread waiting
                took_s = best_seconds(lambda name=name, limit=limit: peer.run(easy, name, max_concurrency=limit))
                took_s -= peer_bare_s if all_drawn else 0.0
                row[f"{label}_us_per_problem"] = 1e6 * took_s / NUM_PROBLEMS
                row[f"{label}_ratio"] = row[f"{label}_us_per_problem"] / row["us_per_problem"]
            row["its_hub_accuracy"] = accuracy(peer.run(easy, name, max_concurrency=-1))
            row["its_hub_wrong_stop_rate"] = wrong_stops(peer.run(close, name, max_concurrency=-1))
        row["engine_us_per_call"] = row["us_per_problem"] / NUM_SAMPLES if all_drawn else None
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    rows = measure()
    if args.json:
        json.dump({"benchmark": "voting_engine", "rows": rows}, sys.stdout, indent=2)
        print()
        return
    print(
        "microseconds per problem beyond the bare sampler; its_hub with 32 calls in flight, its default, and unlimited"
    )
    print(f"{'rule':<14} {'ours':>6} {'its_hub':>16} {'unlimited':>16}   {'accuracy':>16}   {'wrong stops':>16}")
    for row in rows:
        line = f"{row['rule']:<14} {row['us_per_problem']:>6.0f}"
        for label in ("its_hub", "its_hub_unlimited"):
            key = f"{label}_us_per_problem"
            cell = f"{row[key]:.0f} ({row[f'{label}_ratio']:.1f}x)" if key in row else "-"
            line += f" {cell:>16}"
        for key in ("accuracy", "wrong_stop_rate"):
            theirs = f" / {row[f'its_hub_{key}']:.1%}" if f"its_hub_{key}" in row else ""
            line += f"   {f'{row[key]:.1%}{theirs}':>16}"
        print(line)


if __name__ == "__main__":
    main()
