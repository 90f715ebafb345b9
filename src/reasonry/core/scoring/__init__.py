"""Scorers behind one protocol: a reward model, an LLM judge, a function. Importing this package imports no torch."""

from __future__ import annotations

from reasonry.core.models import ModelConfig
from reasonry.core.sampling import EndpointConfig, Sampler, SamplingConfig, make_sampler
from reasonry.core.scoring.base import CallableScorer, Item, Scorer, ScorerStats, check_scores, item_key, prompt_text
from reasonry.core.scoring.judge import Judge, JudgeStats
from reasonry.core.scoring.pairwise_judge import Comparisons, Pair, PairwiseJudge, PositionBias
from reasonry.core.scoring.reward_model import RewardModel
from reasonry.errors import ConfigError, nearest

__all__ = [
    "JUDGE_SAMPLING",
    "CallableScorer",
    "Comparisons",
    "Item",
    "Judge",
    "JudgeStats",
    "Pair",
    "PairwiseJudge",
    "PositionBias",
    "RewardModel",
    "Scorer",
    "ScorerStats",
    "check_scores",
    "item_key",
    "make_scorer",
    "prompt_text",
]

JUDGE_SAMPLING = SamplingConfig(temperature=0.0, max_new_tokens=512)
"""How a judge of its own draws: one greedy verdict, with room for some sentences of reasons."""


def make_scorer(
    text: str,
    *,
    sampler: Sampler | None = None,
    label: int | str | None = None,
    num_samples: int = 1,
    judge_sampling: SamplingConfig = JUDGE_SAMPLING,
    endpoint: EndpointConfig | None = None,
    options: ModelConfig | None = None,
    seed: int = 0,
    batch_size: int = 16,
) -> Scorer:
    """The scorer that a name asks for.

    Args:
        text: ``reward:MODEL`` (hub id or local path), ``judge`` (the model that ``sampler`` samples from), or
            ``judge:MODEL`` (hub id, local path, packaged alias, or with an endpoint the server's model name).
        sampler: What ``judge`` asks.
        label: Which output of a reward model with several; see `RewardModel`.
        num_samples: Verdicts of a judge for each item.
        judge_sampling: How ``judge:MODEL`` draws.
        endpoint: Where ``judge:MODEL`` is served; used when its ``base_url`` is set.
        options: How a local model is loaded.
        seed: Root of the judge's random streams.
        batch_size: Most rows at once in a local model.

    Raises:
        ConfigError: Unknown kind, no model, no sampler, or an option that the kind does not have.
        ReasonryError: As loading the model raises.
    """
    kind, colon, model = text.partition(":")
    if kind == "reward" and model:
        if num_samples != 1:
            raise ConfigError("num_samples is a judge's: a reward model has one score", place=f"scorer {text!r}")
        return RewardModel(model, options=options, label=label, batch_size=batch_size)
    if kind not in ("judge", "reward") or (colon and not model) or (kind == "reward" and not colon):
        hint = "Give reward:MODEL, judge or judge:MODEL."
        if kind not in ("judge", "reward"):
            hint = f"{nearest(kind, ['judge', 'reward'])} {hint}".strip()
        raise ConfigError(f"no scorer is named {text!r}", place="scorer", remedy=hint)
    if label is not None:
        raise ConfigError("label chooses an output of a reward model; a judge has none", place=f"scorer {text!r}")
    if model:
        sampler = make_sampler(
            model, judge_sampling, seed=seed, endpoint=endpoint, options=options, batch_size=batch_size
        )
    if sampler is None:
        raise ConfigError(
            "'judge' asks the model that is sampled from, and there is none",
            place="scorer",
            remedy="Name the judge's model: judge:MODEL.",
        )
    return Judge(sampler, num_samples=num_samples, name=text)
