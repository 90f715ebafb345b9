"""What a stopping rule would have done on samples already paid for.

A pool of N samples in submission order is a prefix of what any rule with at most N samples would have drawn, so every
rule can be replayed on it without a new sample. ``num_wrong_stops`` counts the problems where the rule ended before N
with another answer than the vote of all N: a stand-in for "not the mode", which only more samples could tell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from reasonry.core import seeds
from reasonry.core.rows import Row
from reasonry.core.stats import log_e_value
from reasonry.test_time import selection
from reasonry.test_time.stopping import make_rule

RULES = ("curtail", "certify:0.05", "beta:0.95", "doubling:0.75")


class Replay(NamedTuple):
    """One rule over all problems.

    Attributes:
        rule: Name of the rule.
        accuracy: Share of problems answered right.
        mean_n: Samples used per problem.
        mean_tok: Completion tokens used per problem.
        num_stopped: Problems in which it ended before the last sample.
        num_wrong_stops: See the module.
        stops: Samples used for each problem, in problem order.
    """

    rule: str
    accuracy: float
    mean_n: float
    mean_tok: float
    num_stopped: int
    num_wrong_stops: int
    stops: list[int]


def replay_rules(pools: Mapping[str, Sequence[Row]], *, seed: int, rules: Sequence[str] = RULES) -> list[Replay]:
    """Replay every rule on every pool."""
    return [_replay(pools, rule, seed) for rule in rules]


def stop_of(answers: Sequence[str | None], rule: str) -> int:
    """Samples that a rule looks at before it ends."""
    watch = make_rule(rule, max_n=len(answers)).start()
    for num, answer in enumerate(answers, start=1):
        if watch.observe(answer):
            return num
    return len(answers)


def certificate_trace(answers: Sequence[str | None], *, delta: float) -> list[float]:
    """Evidence for the leader minus what `certify` needs, nats, after each sample; certified from 0 on.

    The formula of `reasonry.test_time.stopping.certificate`, written out plainly: it is for figures.
    """
    seen: dict[str, dict[str, int]] = {}  # answer -> votes of every answer since it appeared
    total: dict[str, int] = {}
    trace: list[float] = []
    for answer in answers:
        if answer is not None:
            for counts in seen.values():
                counts[answer] = counts.get(answer, 0) + 1
            seen.setdefault(answer, {})
            total[answer] = total.get(answer, 0) + 1
        if not total:
            trace.append(-math.log(2 / delta))
            continue
        leader = max(total, key=lambda a: total[a])  # of several the one that appeared first
        order = list(seen).index(leader) + 1
        own = seen[leader].get(leader, 0)
        rival = max((c for a, c in seen[leader].items() if a != leader), default=0)
        trace.append(float(log_e_value(own, own + rival)) - math.log(order * (order + 1) / delta))
    return trace


def _replay(pools: Mapping[str, Sequence[Row]], rule: str, seed: int) -> Replay:
    stops: list[int] = []
    right = wrong_stops = stopped = 0
    num_tok = 0
    for pid, rows in pools.items():
        answers = [r["answer"] for r in rows]
        stop = stop_of(answers, rule)
        stops.append(stop)
        # The same stream for both votes: an answer that ties in both falls the same way.
        early = selection.majority(answers[:stop], rng=seeds.stream(seed, "tie", pid))
        full = selection.majority(answers, rng=seeds.stream(seed, "tie", pid))
        right += early.index is not None and rows[early.index]["grade"] == "right"
        stopped += stop < len(rows)
        wrong_stops += stop < len(rows) and early.answer != full.answer
        num_tok += sum(r["num_completion_tok"] for r in rows[:stop])
    num = len(pools)
    return Replay(rule, right / num, sum(stops) / num, num_tok / num, stopped, wrong_stops, stops)
