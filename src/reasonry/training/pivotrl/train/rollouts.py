"""Actions of the policy as it is, judged: the groups that the loop learns from and profiles by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from reasonry.core.models import LoadedModel
from reasonry.core.sampling import Completion, Request
from reasonry.core.sampling.hf import HFSampler
from reasonry.training.pivotrl.config import TrainConfig
from reasonry.training.pivotrl.records import Verdict, Verifier
from reasonry.training.pivotrl.states import Format, present
from reasonry.training.pivotrl.train.judging import Asked, Judge, Turn, is_useless


class Group(NamedTuple):
    """The sampled actions of one turn.

    Attributes:
        turn: Which.
        actions: Tokens of each, end token included.
        verdicts: On each.
    """

    turn: Turn
    actions: tuple[tuple[int, ...], ...]
    verdicts: tuple[Verdict, ...]

    @property
    def rewards(self) -> list[float | None]:
        """Of the actions."""
        return [v.reward for v in self.verdicts]

    @property
    def has_signal(self) -> bool:
        """Whether its rewards differ."""
        return not is_useless(self.rewards)

    @property
    def num_tok(self) -> int:
        """Tokens of the actions."""
        return sum(map(len, self.actions))


class Rollouts:
    """Samples a local model's actions and judges them.

    Args:
        loaded: Sampled with its weights as they are at each call.
        config: Sampling, seed, sizes.
        verifier: Judges.
        tool_format: How states are put before the model.
        num_at_once: Verdicts in flight, for a judge behind an endpoint.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        config: TrainConfig,
        verifier: Verifier,
        *,
        tool_format: Format,
        num_at_once: int = 1,
    ) -> None:
        rows = max(32, config.group_size, config.micro_batch)
        self.sampler = HFSampler(loaded, config.drawn, seed=config.seed, batch_size=rows)
        self._judge = Judge(verifier, loaded.tokenizer, num_at_once=num_at_once)
        self._tool_format: Format = tool_format

    def sample(self, turns: Sequence[Turn], names: Sequence[str], num: int) -> list[Group]:
        """Actions of each turn. A sample depends on its name, its index and the weights only.

        Args:
            turns: Where to act.
            names: One for each, all different.
            num: Actions of each.
        """
        requests: list[Request] = []
        for name, turn in zip(names, turns, strict=True):
            shown = present(turn.candidate, self._tool_format)
            requests.append(Request(name, shown.messages, range(num), tools=shown.tools))
        turn_of = dict(zip(names, turns, strict=True))
        actions: dict[str, list[tuple[int, ...]]] = {name: [] for name in names}
        verdicts: dict[str, list[Verdict]] = {name: [] for name in names}

        def asked() -> Iterator[Asked[Completion]]:
            for drawn in self.sampler.sample(requests):
                turn = turn_of[drawn.id]
                action = self._judge.read(turn.candidate, drawn, in_reasoning=turn.in_reasoning)
                yield Asked(drawn, turn.candidate, action)

        for drawn, verdict in self._judge.verdicts(asked()):
            actions[drawn.id].append(drawn.tokens)
            verdicts[drawn.id].append(verdict)
        return [Group(turn_of[name], tuple(actions[name]), tuple(verdicts[name])) for name in names]
