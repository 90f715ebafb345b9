"""From what a policy sampled to its reward, the same way for every engine; and what is counted on the way."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from reasonry.core.sampling.base import Completion
from reasonry.training.pivotrl.moments import VARIANCE_TOL
from reasonry.training.pivotrl.reading import Reader
from reasonry.training.pivotrl.records import Action, Candidate, Verdict, Verifier
from reasonry.training.pivotrl.verifying import verdicts

Sample = TypeVar("Sample")


class Turn(NamedTuple):
    """A turn to train on.

    Attributes:
        candidate: The state and what was demonstrated.
        prompt_ids: The state's tokens.
        text: The prompt as text, for engines that tokenize by themselves; empty for others.
        in_reasoning: The prompt opens the model's reasoning, as some templates do.
    """

    candidate: Candidate
    prompt_ids: tuple[int, ...]
    text: str = ""
    in_reasoning: bool = False


class Asked(NamedTuple, Generic[Sample]):
    """What a verdict is wanted on.

    Attributes:
        sample: Whatever the action was read from.
        candidate: The turn it was sampled at.
        action: It.
    """

    sample: Sample
    candidate: Candidate
    action: Action


class Judge:
    """Reads completions as they are read for a profile, and asks the verifier.

    Args:
        verifier: Gives the rewards.
        tokenizer: Of the policy.
        end_ids: Tokens that end a turn, for `read_tokens`.
        num_at_once: Verdicts in flight, for a judge behind an endpoint.
    """

    def __init__(
        self, verifier: Verifier, tokenizer: Any, *, end_ids: Collection[int] = (), num_at_once: int = 1
    ) -> None:
        self._verifier, self._tokenizer, self._end_ids = verifier, tokenizer, frozenset(end_ids)
        self._reader, self._num_at_once = Reader(tokenizer), num_at_once

    def read(self, candidate: Candidate, completion: Completion, *, in_reasoning: bool = False) -> Action:
        """The action that a sampler's completion is.

        Args:
            candidate: The turn.
            completion: What was sampled.
            in_reasoning: The prompt opens the model's reasoning: a reply that does not end it is no message.
        """
        return self._reader.read(completion, tools=candidate.tools, in_reasoning=in_reasoning)

    def read_tokens(self, candidate: Candidate, tokens: Sequence[int], *, in_reasoning: bool = False) -> Action:
        """The action of sampled tokens, the prompt's left out; without an end token at their end they were cut off."""
        is_whole = bool(tokens) and tokens[-1] in self._end_ids
        text = str(self._tokenizer.decode(list(tokens[:-1] if is_whole else tokens), skip_special_tokens=True))
        finish = "stop" if is_whole else "length"
        completion = Completion(candidate.id, 0, text, finish, tokens=tuple(tokens))
        return self.read(candidate, completion, in_reasoning=in_reasoning)

    def verdicts(self, asked: Iterable[Asked[Sample]]) -> Iterator[tuple[Sample, Verdict]]:
        """What was sampled with the verdicts on it, in order; they are asked for as the samples arrive."""
        found = verdicts(asked, lambda a: self._verifier.verify(a.candidate, a.action), num_at_once=self._num_at_once)
        return ((a.sample, verdict) for a, verdict in found)


def is_useless(rewards: Sequence[float | None]) -> bool:
    """Whether a group has no signal: fewer than two verdicts, or rewards that are all alike."""
    judged = [r for r in rewards if r is not None]
    return len(judged) < 2 or float(np.var(judged)) <= VARIANCE_TOL


def reward_metrics(groups: Iterable[Sequence[Verdict]]) -> dict[str, float]:
    """What is logged of the verdicts of some groups: TRL's names, and a share for each category.

    Returns:
        ``reward`` and ``reward_std`` (population, over all) are left out where nothing was judged.
    """
    groups = list(groups)
    verdicts = [v for group in groups for v in group]
    rewards = [v.reward for v in verdicts if v.reward is not None]
    useless = sum(is_useless([v.reward for v in group]) for group in groups)
    found: dict[str, float] = {
        "frac_reward_zero_std": useless / len(groups) if groups else math.nan,
        "pivot/useful_groups": len(groups) - useless,
    }
    if rewards:
        found |= {"reward": float(np.mean(rewards)), "reward_std": float(np.std(rewards))}
    for category, num in sorted(Counter(v.category for v in verdicts).items()):
        found[f"verifier/{category}"] = num / len(verdicts)
    return found
