"""The strategy that a config asks for."""

from __future__ import annotations

from typing import Any

from reasonry.core.models import find_model
from reasonry.core.sampling import Sampler, make_sampler, with_sampling
from reasonry.core.sampling.lazy import LazySampler
from reasonry.core.scoring import JUDGE_SAMPLING, Judge, PairwiseJudge, Scorer, make_scorer
from reasonry.core.scoring.lazy import LazyScorer
from reasonry.core.verify import Verifier
from reasonry.errors import ConfigError, nearest
from reasonry.test_time.config import SolveConfig
from reasonry.test_time.knockout_vote import KnockoutVote
from reasonry.test_time.stopping import make_rule
from reasonry.test_time.strategies import (
    BestOfN,
    BestThenVote,
    ScoreBy,
    SelfConsistency,
    SoftBestOfN,
    Strategy,
    WeightedVote,
)


def make_strategy(config: SolveConfig, sampler: Sampler, verifier: Verifier) -> Strategy:
    """The strategy over pools that ``config.strategy`` names.

    Raises:
        ConfigError: An unknown stopping rule or score, or two that do not go together.
    """
    chosen = config.selection
    options: dict[str, Any] = {
        "stop": make_rule(config.stop, max_n=config.n),
        "seed": config.seed,
        "min_round": config.min_round,
    }
    if config.strategy == "self-consistency":
        if config.score != "auto":
            raise ConfigError(
                f"self-consistency looks at no score, and score is {config.score!r}",
                place="score",
                remedy="Leave it out, or choose another --strategy, such as weighted-vote.",
            )
        return SelfConsistency(sampler, verifier, **options)
    if config.strategy == "knockout":
        if config.score == "auto" or _is_judge(config.score):
            options["judge"] = PairwiseJudge(judge_sampler(config, sampler))
        else:
            options["score"] = _score(config, sampler)
        return KnockoutVote(sampler, verifier, **options)
    options["score"] = _score(config, sampler)
    match config.strategy:
        case "best-of-n":
            return BestOfN(sampler, verifier, **options)
        case "weighted-vote":
            return WeightedVote(sampler, verifier, transform=chosen.transform, beta=chosen.beta, **options)
        case "best-then-vote":
            return BestThenVote(sampler, verifier, top=chosen.top, **options)
        case "soft-best-of-n":
            return SoftBestOfN(sampler, verifier, temperature=chosen.temperature, **options)
        case "self-correct":
            raise ConfigError("self-correct is not a strategy over a pool", place="strategy")


def _score(config: SolveConfig, sampler: Sampler) -> ScoreBy:
    match config.score:
        case "auto" | "logp":
            if config.endpoint.base_url and not config.endpoint.logprobs:
                raise ConfigError(
                    f"{config.strategy} by log-probabilities, which the endpoint is not asked for",
                    place="endpoint.logprobs",
                    remedy="Ask for them (--endpoint.logprobs), or choose another --score.",
                )
            return "logp"
        case "verifier":
            return "verifier"
        case _:
            return scorer_of(config, sampler)


def _is_judge(score: str) -> bool:
    return score == "judge" or (score.startswith("judge:") and len(score) > len("judge:"))


def judge_sampler(config: SolveConfig, sampler: Sampler) -> Sampler:
    """Greedy verdicts of the sampled model, or of the one that ``judge:MODEL`` names, loaded when first asked.

    Raises:
        ConfigError: No such model.
    """
    _, _, model = config.score.partition(":")
    if not model:
        return with_sampling(sampler, JUDGE_SAMPLING)
    if not config.endpoint.base_url:
        find_model(model, config.model_options)
    return LazySampler(
        lambda: make_sampler(
            model,
            JUDGE_SAMPLING,
            seed=config.seed,
            endpoint=config.endpoint,
            options=config.model_options,
            batch_size=config.batch_size,
        )
    )


def scorer_of(config: SolveConfig, sampler: Sampler) -> Scorer:
    """The judge or reward model that ``config.score`` names; it is loaded when the first score is wanted.

    Raises:
        ConfigError: No such scorer, or no such model.
    """
    if _is_judge(config.score):
        return Judge(judge_sampler(config, sampler), name=config.score)

    def make() -> Scorer:
        return make_scorer(config.score, options=config.model_options, batch_size=config.batch_size)

    kind, _, model = config.score.partition(":")
    if kind not in ("judge", "reward"):
        hint = nearest(kind, ("logp", "verifier", "judge", "reward"))
        known = "Known: logp, verifier, judge, judge:MODEL and reward:MODEL."
        raise ConfigError(f"unknown score {config.score!r}", place="score", remedy=f"{hint} {known}".strip())
    if kind != "reward" or not model:
        return make()  # says what is wrong with the name, before anything is sampled
    find_model(model, config.model_options)
    return LazyScorer(config.score, make)
