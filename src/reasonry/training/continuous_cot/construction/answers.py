"""What the explicit transformer thought and answered about one graph, as exact sets and numbers.

    support of t_c = { v : t_c[v] > 0 },   error = max_{c, v} |t_c[v] - 1{v in V_c} / sqrt(|V_c|)|
    margin         = largest logit - second largest;  1 / sqrt(|V_C| + 5) when C thoughts reach the target

With fewer thoughts than the root is away from the target, both candidates, <A> and all of V_C have the same logit: the
largest of them is then no answer, and need not even be a candidate. Such ties are told, never broken.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from reasonry.tasks.graphs.graph import Graph
from reasonry.training.continuous_cot.construction.ideal import ideal_thoughts
from reasonry.training.continuous_cot.construction.vocabulary import Vocabulary

TIE = 1e-6
"""Logits closer than this are alike; those that differ do so by at least 1 / sqrt(n_max + 5)."""


@dataclass(frozen=True, eq=False)
class Thoughts:
    """The thoughts t_0 .. t_C about a graph; t_0 is the root.

    Attributes:
        graph: What was thought about.
        vocabulary: What the components stand for.
        content_KV: (C + 1, V) on the CPU; the rest of a thought's vector is 0.
    """

    graph: Graph
    vocabulary: Vocabulary
    content_KV: Tensor

    @property
    def num_thoughts(self) -> int:
        """C."""
        return len(self.content_KV) - 1

    @cached_property
    def support(self) -> tuple[tuple[int, ...], ...]:
        """For c = 0 .. C the tokens with a positive weight in t_c, vertices by their numbers, ascending."""
        return tuple(tuple(v for v, weight in enumerate(row) if weight > 0.0) for row in self.content_KV.tolist())

    @cached_property
    def errors(self) -> tuple[float, ...]:
        """For c = 0 .. C the largest deviation of a weight in t_c from the uniform superposition of V_c."""
        ideal_KV = ideal_thoughts(self.graph, self.num_thoughts, self.vocabulary)
        return tuple(abs(self.content_KV.double().numpy() - ideal_KV).max(1).tolist())

    @property
    def max_error(self) -> float:
        """The largest of ``errors``."""
        return max(self.errors)


@dataclass(frozen=True, eq=False)
class Answer:
    """The answer after C thoughts.

    Attributes:
        thoughts: What it rests on.
        logits_V: Read-out at <A>, on the CPU.
    """

    thoughts: Thoughts
    logits_V: Tensor

    @cached_property
    def _logits(self) -> list[float]:
        return self.logits_V.tolist()

    @property
    def choice(self) -> int | None:
        """The candidate with the larger logit; None when they tie."""
        graph = self.thoughts.graph
        lead = self._logits[graph.target] - self._logits[graph.distractor]
        if abs(lead) < TIE:
            return None
        return graph.target if lead > 0.0 else graph.distractor

    @property
    def is_right(self) -> bool:
        """The target was chosen, and no other token has as large a logit."""
        return self.choice == self.thoughts.graph.target and self.best == (self.choice,)

    @cached_property
    def best(self) -> tuple[int, ...]:
        """Ids of all tokens that share the largest logit, ascending; one unless they tie."""
        most = max(self._logits)
        return tuple(token for token, logit in enumerate(self._logits) if most - logit < TIE)

    @property
    def argmax(self) -> str:
        """The first token with the largest logit, which a plain argmax would give; on a tie it says nothing."""
        return self.thoughts.vocabulary.name(self.best[0])

    @property
    def is_tie(self) -> bool:
        """Several tokens share the largest logit."""
        return len(self.best) > 1

    @property
    def margin(self) -> float:
        """Largest logit minus second largest, 0 on a tie."""
        if self.is_tie:
            return 0.0
        first, second = sorted(self._logits, reverse=True)[:2]
        return first - second

    @property
    def support(self) -> tuple[tuple[int, ...], ...]:
        """Vertices in each thought, from t_0 on."""
        return self.thoughts.support

    @property
    def max_error(self) -> float:
        """Largest deviation of a thought from the uniform superposition."""
        return self.thoughts.max_error
