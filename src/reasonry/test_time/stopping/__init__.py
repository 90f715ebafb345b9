"""When to stop sampling one problem: rules with a proved error level, rules without waste, and baselines.

    watch = certify(0.05, max_n=64).start()
    while not watch.observe(next_answer()):
        pass
    watch.decision()

`certify_batch` runs the certificate over the samples of many problems at once.
"""

# pyright: strict
from __future__ import annotations

from reasonry.test_time.stopping.base import Decision, Rule, Verdict, Watch
from reasonry.test_time.stopping.batch import CertifyBatch, certify_batch
from reasonry.test_time.stopping.certificate import certify
from reasonry.test_time.stopping.heuristics import beta, doubling, martingale, window
from reasonry.test_time.stopping.parse import RULES, RuleKind, make_rule
from reasonry.test_time.stopping.sequential import curtail, fixed, group_sequential

__all__ = [
    "RULES",
    "CertifyBatch",
    "Decision",
    "Rule",
    "RuleKind",
    "Verdict",
    "Watch",
    "beta",
    "certify",
    "certify_batch",
    "curtail",
    "doubling",
    "fixed",
    "group_sequential",
    "make_rule",
    "martingale",
    "window",
]
