"""Is the construction right about these graphs? Every thought, every answer and every margin, against a search.

For each graph and each number of thoughts C from 0 on:

    support(t_C) = V_C,  |t_C[v] - 1 / sqrt(|V_C|)| within tolerance                             Lemma 2
    C >= distance:  the target is chosen, margin = 1 / sqrt(|V_C| + 5) within tolerance          Theorem 1
    C <  distance:  both candidates, <A> and V_C tie; nothing is chosen

Target and distractor are what they are called: a graph whose root reaches the distractor too, or not the target, is
compared with what the formulas then give (a tie) and is no failure of the construction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from reasonry.tasks.graphs.graph import Graph, distances
from reasonry.training.continuous_cot.construction.answers import TIE, Answer
from reasonry.training.continuous_cot.construction.ideal import ideal_logits, ideal_thoughts
from reasonry.training.continuous_cot.construction.model import SuperpositionConstruction
from reasonry.training.continuous_cot.construction.precision import exact
from reasonry.training.continuous_cot.construction.sequences import batches, counts_for, place_whole
from reasonry.training.continuous_cot.construction.vocabulary import prompt_len

TOLERANCE = 1e-6


class GraphCheck(NamedTuple):
    """What was found about one graph; numbers of thoughts run from 0 to ``num_thoughts``.

    Attributes:
        num_thoughts: C at the end.
        wrong_thoughts: c for which the support of t_c is not V_c.
        wrong_answers: C after which the tokens with the largest logit are not those they have to be.
        num_ties: After how many numbers of thoughts several tokens had the largest logit.
        max_error: Largest deviation of a thought's weight.
        max_margin_error: Largest deviation of a margin.
    """

    num_thoughts: int
    wrong_thoughts: tuple[int, ...]
    wrong_answers: tuple[int, ...]
    num_ties: int
    max_error: float
    max_margin_error: float

    def holds(self, tolerance: float = TOLERANCE) -> bool:
        """Everything is right, and every number within ``tolerance``."""
        is_close = max(self.max_error, self.max_margin_error) <= tolerance
        return not self.wrong_thoughts and not self.wrong_answers and is_close


class SetCheck(NamedTuple):
    """What was found about a set of graphs.

    Attributes:
        graphs: One by one, in the order given.
    """

    graphs: tuple[GraphCheck, ...]

    @property
    def num_thoughts(self) -> int:
        """Thoughts compared; the root, which is put in, not counted."""
        return sum(found.num_thoughts for found in self.graphs)

    @property
    def num_answers(self) -> int:
        """Answers compared."""
        return sum(found.num_thoughts + 1 for found in self.graphs)

    @property
    def num_ties(self) -> int:
        """Answers in which tokens tied."""
        return sum(found.num_ties for found in self.graphs)

    @property
    def wrong(self) -> tuple[int, ...]:
        """Indices of the graphs about which something is wrong."""
        return tuple(number for number, found in enumerate(self.graphs) if not found.holds())

    @property
    def max_error(self) -> float:
        """Largest deviation of a thought's weight from the uniform superposition."""
        return max((found.max_error for found in self.graphs), default=0.0)

    @property
    def max_margin_error(self) -> float:
        """Largest deviation of a margin from its closed form."""
        return max((found.max_margin_error for found in self.graphs), default=0.0)


def enough_thoughts(graph: Graph) -> int:
    """One more than it takes to reach all that the root reaches: the last thought finds nothing new."""
    return max(d for d in distances(graph) if d is not None) + 1


def check_set(
    model: SuperpositionConstruction,
    graphs: Sequence[Graph],
    num_thoughts: int | Sequence[int] | None = None,
    *,
    batch_size: int | None = None,
) -> SetCheck:
    """Compare all thoughts, and the answer after every number of them, with what a search finds.

    Args:
        model: The construction.
        graphs: Of any sizes that fit it.
        num_thoughts: For all, or for each; `enough_thoughts` unless given.
        batch_size: Graphs computed together.

    Raises:
        ConfigError: A graph does not fit the construction.
        DataError: A graph poses no question.
    """
    counts = [enough_thoughts(graph) for graph in graphs] if num_thoughts is None else num_thoughts
    return SetCheck(tuple(map(_compared, model.answer_each_all(graphs, counts, batch_size=batch_size))))


def _compared(answers: Sequence[Answer]) -> GraphCheck:
    thoughts = answers[-1].thoughts
    ideal_KV = ideal_thoughts(thoughts.graph, thoughts.num_thoughts, thoughts.vocabulary)
    wanted_KV = ideal_logits(thoughts.graph, thoughts.num_thoughts, thoughts.vocabulary)
    content_KV = thoughts.content_KV.double().numpy()
    logits_KV = torch.stack([answer.logits_V for answer in answers]).double().numpy()
    best_KV, wanted_best_KV = (rows.max(1, keepdims=True) - rows < TIE for rows in (logits_KV, wanted_KV))
    same_support_K = ((content_KV > 0.0) == (ideal_KV > 0.0)).all(1)
    same_best_K = (best_KV == wanted_best_KV).all(1)
    return GraphCheck(
        num_thoughts=thoughts.num_thoughts,
        wrong_thoughts=tuple(np.flatnonzero(~same_support_K).tolist()),
        wrong_answers=tuple(np.flatnonzero(~same_best_K).tolist()),
        num_ties=int((best_KV.sum(1) > 1).sum()),
        max_error=float(abs(content_KV - ideal_KV).max()),
        max_margin_error=float(abs(_margins(logits_KV) - _margins(wanted_KV)).max()),
    )


def _margins(logits_KV: np.ndarray) -> np.ndarray:
    first_two = np.sort(logits_KV, 1)[:, -2:]
    return first_two[:, 1] - first_two[:, 0]


def teacher_forced_errors(
    model: SuperpositionConstruction, graphs: Sequence[Graph], num_thoughts: int | Sequence[int]
) -> list[float]:
    """Per graph the largest deviation from the ideal when all thoughts are given: one pass, no cache, no chain.

    The ideal thoughts t_1 .. t_C go in; t_1 .. t_{C+1} have to come out, nothing beside their content, and at <A> the
    ideal logits.

    Args:
        model: The construction.
        graphs: Of any sizes that fit it.
        num_thoughts: For all, or for each.

    Raises:
        ConfigError: A graph does not fit the construction.
        DataError: A graph poses no question.
    """
    counts = counts_for(graphs, num_thoughts, model.vocabulary, max_len=model.max_len)
    V = model.vocabulary.size
    found = [0.0] * len(graphs)
    for chosen in batches(graphs, model.network):
        ideal = [ideal_thoughts(graphs[i], counts[i] + 1, model.vocabulary) for i in chosen]
        with exact(model.dtype, model.device):
            given = [torch.from_numpy(rows[:-1]) for rows in ideal]
            out_BTD = model.network(place_whole([graphs[i] for i in chosen], given, model.network)).layer2_BTD
        for row, i in enumerate(chosen):
            root = prompt_len(len(graphs[i].edges)) - 1
            out_KD = out_BTD[row, root : root + counts[i] + 2].double().cpu().numpy()
            wanted_KD = np.zeros_like(out_KD)
            wanted_KD[:-1, :V] = ideal[row][1:]
            wanted_KD[-1, :V] = ideal_logits(graphs[i], counts[i], model.vocabulary)[-1]
            found[i] = float(abs(out_KD - wanted_KD).max())
    return found
