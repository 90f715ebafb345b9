"""How probable a model finds each of several answers. Importing this package imports no torch.

scorer = open_scorer("smollm2-135m")                      weights; or an endpoint, which is tested first
scores = scorer.score([CandidateQuestion("Alice Stone lives in", (" Paris", " Tokyo"))])
place(scores[0].logp, right=0).rank                       0-based, ties shared; chance is (C - 1)/2
"""

from reasonry.core.candidates.base import (
    CandidateQuestion,
    CandidateScorer,
    CandidateScores,
    Kind,
    check_questions,
    check_scores,
)
from reasonry.core.candidates.config import CandidateConfig, Way
from reasonry.core.candidates.opening import LazyScorer, open_scorer
from reasonry.core.candidates.ranks import Placing, RankSummary, chance_rank, mid_ranks, place, summarise

__all__ = [
    "CandidateConfig",
    "CandidateQuestion",
    "CandidateScorer",
    "CandidateScores",
    "Kind",
    "LazyScorer",
    "Placing",
    "RankSummary",
    "Way",
    "chance_rank",
    "check_questions",
    "check_scores",
    "mid_ranks",
    "open_scorer",
    "place",
    "summarise",
]
