"""What came of every pair, and of everything beside the pairs: from questions and scores alone.

A `PairOutcome` has the numbers of one model or arm about one pair; `judge` sets two of them side by side, adjusts their
p-values over the pairs by Holm and gives the verdicts. Nothing here loads a model, so a finished audit can be judged
again by another rule.
"""

# pyright: strict
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from reasonry.core.stats import benjamini_hochberg, holm
from reasonry.understanding.out_of_context.audit.classify import Evidence, Prior, Rule, Verdict, classify, prior_of
from reasonry.understanding.out_of_context.audit.compare import Compared, Ranks, Scores, compare, ranks_of
from reasonry.understanding.out_of_context.audit.intervals import IndexInterval, gain_interval, index_interval
from reasonry.understanding.out_of_context.audit.measures import chance_rank
from reasonry.understanding.out_of_context.audit.pairs import AuditPair
from reasonry.understanding.out_of_context.audit.questions import Question


class Transfer(NamedTuple):
    """One model's answers about a pair that training did not give.

    Attributes:
        mean_rank: Among c's, mean over groups.
        mean_rank_subjects: The same, mean over subjects: the paper's number where groups differ in size.
        mean_rank_all: Among c's and b's.
        chance: Mean rank of a random order, among c's.
        chance_all: The same among c's and b's.
        transfer_index: Of ``mean_rank``, with its interval.
        index_trained: In the wording of training alone.
        index_held_out: In held-out wordings alone.
        hits_at_1: Share of questions.
        mrr: Mean reciprocal rank.
        margin: Nats.
        p_right: Mean share of the label among c's.
        says_it: Share of questions whose first answer is the label, foils among the candidates.
        says_foil: Share of questions whose first answer is a foil.
        rank_GC: Mean rank of each candidate in each group.
    """

    mean_rank: float
    mean_rank_subjects: float
    mean_rank_all: float
    chance: float
    chance_all: float
    transfer_index: IndexInterval
    index_trained: float
    index_held_out: float
    hits_at_1: float
    mrr: float
    margin: float
    p_right: float
    says_it: float
    says_foil: float
    rank_GC: list[list[float]]


class PairOutcome(NamedTuple):
    """Everything about a pair.

    Attributes:
        pair: Its groups.
        answers: The candidates c, in the order of the columns of ``rank_GC``.
        before: The base model.
        after: The tuned one.
        gain: Index after less before.
        tests: Unadjusted.
        p_before: Holm's over the pairs.
        p_after: Holm's.
        p_gain: Holm's.
        q_gain: Benjamini and Hochberg's, for looking around.
        prior: Of the base model.
        in_context: Index of the base model with the facts as text; NaN where it was not asked.
        fact_rank: Mean rank of the facts of test subjects: before and after, in the wording of training.
        fact_rank_held_out: In held-out wordings.
        bridge_rank: Mean rank of the implications that training had: before and after, in its wording.
        verdict: By the rule.
    """

    pair: AuditPair
    answers: tuple[str, ...]
    before: Transfer
    after: Transfer
    gain: IndexInterval
    tests: Compared
    p_before: float
    p_after: float
    p_gain: float
    q_gain: float
    prior: Prior
    in_context: float
    fact_rank: tuple[float, float]
    fact_rank_held_out: tuple[float, float]
    bridge_rank: tuple[float, float]
    verdict: Verdict


def transfer_of(ranks: Ranks, questions: Sequence[Question], scores: Scores, *, seed: int, num_boot: int) -> Transfer:
    """Numbers of one model."""
    pair = next(q.pair for q in questions if q.kind == "transfer" and q.subject == ranks.subjects[0])
    trained = ranks_of(questions, scores, kind="transfer", pair=pair, only=lambda q: not q.is_held_out)
    held = ranks_of(questions, scores, kind="transfer", pair=pair, only=lambda q: q.is_held_out)
    group_S, num = ranks.group_S, ranks.num_candidates
    return Transfer(
        mean_rank=ranks.mean_rank,
        mean_rank_subjects=float(ranks.own_S.mean()),
        mean_rank_all=ranks.mean_rank_all,
        chance=chance_rank(num),
        chance_all=chance_rank(ranks.num_all),
        transfer_index=index_interval(ranks.own_S, group_S, num_candidates=num, seed=seed, num_boot=num_boot),
        index_trained=trained.transfer_index if trained else math.nan,
        index_held_out=held.transfer_index if held else math.nan,
        hits_at_1=ranks.hits_at_1,
        mrr=ranks.mrr,
        margin=ranks.margin,
        p_right=ranks.p_right,
        says_it=ranks.says_it,
        says_foil=ranks.says_foil,
        rank_GC=ranks.mean_GC.tolist(),
    )


class Judging(NamedTuple):
    """Numbers of the tests.

    Attributes:
        rule: Of the verdicts.
        seed: Of permutations and resamples.
        num_permutations: Where not all are counted.
        num_boot: Resamples of an interval.
    """

    rule: Rule
    seed: int
    num_permutations: int
    num_boot: int


def judge(
    pairs: Sequence[AuditPair],
    questions: Sequence[Question],
    before: Scores,
    after: Scores,
    judging: Judging,
    *,
    priors: Mapping[str, Prior] | None = None,
) -> list[PairOutcome]:
    """Verdicts on all pairs.

    Args:
        pairs: That were audited.
        questions: Of the audit.
        before: Scores of the base model.
        after: Of the tuned one.
        judging: Numbers of the tests.
        priors: Of the pairs; read off the base model's scores when not given.
    """
    seed, num = judging.seed, judging.num_permutations
    ranks = {pair.name: (_transfer(questions, before, pair), _transfer(questions, after, pair)) for pair in pairs}
    tests = {name: compare(old, new, seed=seed, num_samples=num) for name, (old, new) in ranks.items()}
    names = list(tests)
    adjusted = {
        which: dict(zip(names, holm([getattr(tests[n], which).p_value for n in names]).tolist(), strict=True))
        for which in ("before", "after", "gain")
    }
    q = dict(zip(names, benjamini_hochberg([tests[n].gain.p_value for n in names]).tolist(), strict=True))
    out: list[PairOutcome] = []
    for pair in pairs:
        old, new = ranks[pair.name]
        found = tests[pair.name]
        prior = (priors or {}).get(pair.name) or prior_of_scores(questions, before, pair, judging.rule)
        told = {"seed": seed, "num_boot": judging.num_boot}
        after_it = transfer_of(new, questions, after, **told)
        evidence = Evidence(
            index_after=after_it.transfer_index.value,
            p_before=adjusted["before"][pair.name],
            p_after=adjusted["after"][pair.name],
            p_gain=adjusted["gain"][pair.name],
            is_testable=found.after.is_testable(judging.rule.level),
            label=pair.label,
            opinion=prior.opinion,
        )
        context = ranks_of(questions, before, kind="in-context", pair=pair.name)
        out.append(
            PairOutcome(
                pair=pair,
                answers=_answers(questions, pair),
                before=transfer_of(old, questions, before, **told),
                after=after_it,
                gain=gain_interval(new.own_S - old.own_S, new.group_S, num_candidates=new.num_candidates, **told),
                tests=found,
                p_before=evidence.p_before,
                p_after=evidence.p_after,
                p_gain=evidence.p_gain,
                q_gain=q[pair.name],
                prior=prior,
                in_context=context.transfer_index if context else math.nan,
                fact_rank=_both(questions, before, after, "fact", pair, held=False),
                fact_rank_held_out=_both(questions, before, after, "fact", pair, held=True),
                bridge_rank=_both(questions, before, after, "bridge", pair, held=False),
                verdict=classify(evidence, judging.rule),
            )
        )
    return out


def prior_of_scores(questions: Sequence[Question], before: Scores, pair: AuditPair, rule: Rule) -> Prior:
    """What the base model would say of a pair; silent where it was not asked."""
    asked = sorted(
        (q for q in questions if q.kind == "prior" and q.pair == pair.name and q.id in before), key=lambda q: q.group
    )
    if not asked or asked[0].num_within < 2:
        return Prior("silent", 0.0, 0.0, ())
    logp_GC = np.array([before[q.id][: q.num_within] for q in asked], dtype=np.float64)
    logp_GC = np.where(np.isfinite(logp_GC), logp_GC, -1e4)
    return prior_of(logp_GC, np.array([q.right for q in asked]), rule)


def _transfer(questions: Sequence[Question], scores: Scores, pair: AuditPair) -> Ranks:
    ranks = ranks_of(questions, scores, kind="transfer", pair=pair.name)
    assert ranks is not None, pair.name
    return ranks


def _answers(questions: Sequence[Question], pair: AuditPair) -> tuple[str, ...]:
    first = next(q for q in questions if q.kind == "transfer" and q.pair == pair.name)
    return tuple(candidate.strip() for candidate in first.asked.candidates[: first.num_within])


def _both(
    questions: Sequence[Question], before: Scores, after: Scores, kind: Any, pair: AuditPair, *, held: bool
) -> tuple[float, float]:
    def of(scores: Scores) -> float:
        ranks = ranks_of(questions, scores, kind=kind, pair=pair.name, only=lambda q: q.is_held_out == held)
        return float(ranks.own_S.mean()) if ranks else math.nan

    return of(before), of(after)
