"""The explicit transformer of "Reasoning by Superposition" (arXiv 2505.12514): one edge further with every thought.

    thoughts  t_0 = e_root,  t_c = sum_{v in V_c} e_v / sqrt(|V_c|)    V_c: what the root reaches in c edges   Lemma 2
    answer    the candidate in V_C, by a margin of 1 / sqrt(|V_C| + 5), as soon as C is the distance           Theorem 1

One set of weights serves every graph of at most n_max vertices whose prompt, thoughts and <A> take at most max_len
positions. Where the paper's sufficient condition is a number of thoughts above the diameter, the distance suffices.
Its thresholds are step functions and its norm is not a GPT-2's, so this is a module of its own. The paper's second
variant, with rotary positions, is left out.

    >>> from reasonry.tasks.graphs.graph import Graph
    >>> model = SuperpositionConstruction(n_max=6, max_len=40)
    >>> answer = model.answer(Graph(6, ((0, 1), (0, 2), (2, 3), (4, 5)), root=0, target=3, distractor=5), 2)
    >>> answer.choice, answer.support
    (3, ((0,), (0, 1, 2), (0, 1, 2, 3)))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from reasonry.errors import DataError
from reasonry.tasks.graphs.graph import Graph
from reasonry.training.continuous_cot.construction.answers import Answer, Thoughts
from reasonry.training.continuous_cot.construction.constants import Constants, sufficient_constants
from reasonry.training.continuous_cot.construction.network import Cache, ExplicitNetwork, Pass
from reasonry.training.continuous_cot.construction.precision import check_dtype, exact
from reasonry.training.continuous_cot.construction.saved import read, write
from reasonry.training.continuous_cot.construction.sequences import batches, counts_for, place_prompts, place_whole
from reasonry.training.continuous_cot.construction.vocabulary import Vocabulary
from reasonry.training.continuous_cot.construction.weights import make_weights


class _Run(NamedTuple):
    """A batch after its last thought."""

    cache: Cache
    lengths_B: Tensor
    content_BKV: Tensor


class SuperpositionConstruction(nn.Module):
    """Two layers with weights in closed form that search a directed graph breadth first, one edge per thought.

    Args:
        n_max: Most vertices of a graph.
        max_len: Most positions: 3 edges + 7 + thoughts.
        num_position_dims: P, even; with few of them neighbouring positions are hard to tell apart and scores large.
        dtype: float32 or float64. Half precision is refused.
        sink_fix: Close the published construction's gap where no edge leaves the vertices reached.
        dense_fix: Close its gap where more than 4 n_max / sqrt(3) edges leave them.
        constants: Strengths and thresholds; sufficient ones unless given.

    Raises:
        ConfigError: A size is out of range, or the dtype is too coarse for it.
    """

    def __init__(
        self,
        n_max: int,
        max_len: int,
        *,
        num_position_dims: int = 16,
        dtype: torch.dtype = torch.float32,
        sink_fix: bool = True,
        dense_fix: bool = True,
        constants: Constants | None = None,
    ) -> None:
        super().__init__()
        self.vocabulary, self.max_len, self.num_position_dims = Vocabulary(n_max), max_len, num_position_dims
        # Computed also where constants are given: it checks the sizes.
        sufficient = sufficient_constants(
            n_max, max_len, num_position_dims=num_position_dims, sink_fix=sink_fix, dense_fix=dense_fix
        )
        self.constants = sufficient if constants is None else constants
        self._check_dtype(dtype)
        weights = make_weights(self.vocabulary, max_len, num_position_dims=num_position_dims, constants=self.constants)
        self.network = ExplicitNetwork(weights, self.vocabulary, self.constants, dtype=dtype)
        self.eval()

    @property
    def n_max(self) -> int:
        """Most vertices of a graph."""
        return self.vocabulary.n_max

    @property
    def dtype(self) -> torch.dtype:
        """Number format of the weights and of all that is computed."""
        return self.network.readout_VD.dtype

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.network.readout_VD.device

    # ---------------------------------------------------------------- thinking and answering

    def think(self, graph: Graph, num_thoughts: int) -> Thoughts:
        """The thoughts t_0 .. t_C about one graph.

        The prompt is read once; every thought then costs one column.

        Raises:
            ConfigError: The graph does not fit, see `check_graph`.
            DataError: It poses no question.
        """
        return self.think_all([graph], num_thoughts)[0]

    def answer(self, graph: Graph, num_thoughts: int) -> Answer:
        """The answer about one graph after ``num_thoughts`` thoughts.

        Raises:
            ConfigError: The graph does not fit, see `check_graph`.
            DataError: It poses no question.
        """
        return self.answer_all([graph], num_thoughts)[0]

    def answer_each(self, graph: Graph, num_thoughts: int) -> list[Answer]:
        """The answers about one graph after 0, 1, .. ``num_thoughts`` thoughts, from one chain of thoughts.

        Raises:
            ConfigError: The graph does not fit, see `check_graph`.
            DataError: It poses no question.
        """
        return self.answer_each_all([graph], num_thoughts)[0]

    def think_all(
        self, graphs: Sequence[Graph], num_thoughts: int | Sequence[int], *, batch_size: int | None = None
    ) -> list[Thoughts]:
        """`think` for many graphs of any sizes at once; each as if it were alone.

        Args:
            graphs: In any order.
            num_thoughts: For all of them, or for each.
            batch_size: Graphs computed together; as many as suit a processor's cache unless given.
        """
        counts = self._counts(graphs, num_thoughts)
        found: dict[int, Thoughts] = {}
        with exact(self.dtype, self.device):
            for chosen in batches(graphs, self.network, batch_size=batch_size):
                content_BKV = self._run([graphs[i] for i in chosen], max(counts[i] for i in chosen)).content_BKV.cpu()
                for row, i in enumerate(chosen):
                    found[i] = Thoughts(graphs[i], self.vocabulary, content_BKV[row, : counts[i] + 1])
        return [found[i] for i in range(len(graphs))]

    def answer_all(
        self, graphs: Sequence[Graph], num_thoughts: int | Sequence[int], *, batch_size: int | None = None
    ) -> list[Answer]:
        """`answer` for many graphs at once, arguments as of `think_all`."""
        return [answers[0] for answers in self._answers(graphs, num_thoughts, batch_size, each=False)]

    def answer_each_all(
        self, graphs: Sequence[Graph], num_thoughts: int | Sequence[int], *, batch_size: int | None = None
    ) -> list[list[Answer]]:
        """`answer_each` for many graphs at once, arguments as of `think_all`."""
        return self._answers(graphs, num_thoughts, batch_size, each=True)

    def whole_pass(self, thoughts: Thoughts) -> Pass:
        """States and attention at every position of a prompt, given thoughts and <A>, in one pass without a cache.

        Args:
            thoughts: As `think` gave them, or any others.

        Returns:
            Of one row; position i stands at index i - 1.
        """
        self._counts([thoughts.graph], thoughts.num_thoughts)
        with exact(self.dtype, self.device):
            return self.network(place_whole([thoughts.graph], [thoughts.content_KV], self.network))

    # ---------------------------------------------------------------- to disk

    def save(self, folder: Path) -> None:
        """Write ``construction.json`` and ``construction.safetensors``.

        Raises:
            ResourceError: The disk is full or not writable.
        """
        write(
            folder,
            n_max=self.n_max,
            max_len=self.max_len,
            num_position_dims=self.num_position_dims,
            constants=self.constants,
            matrices=self.network.state_dict(),
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote, on the CPU.

        Raises:
            DataError: A file is missing or damaged, or the two are of different constructions.
            ConfigError: The sizes are out of range, or the dtype is.
        """
        saved = read(folder)
        model = cls(
            saved.n_max,
            saved.max_len,
            num_position_dims=saved.num_position_dims,
            dtype=saved.dtype,
            constants=saved.constants,
        )
        try:
            model.network.load_state_dict(saved.matrices)
        except RuntimeError as e:
            raise DataError(f"the matrices do not fit the sizes: {e}", place=str(folder)) from e
        return model

    # ---------------------------------------------------------------- inside

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self._check_dtype(fn(self.network.readout_VD.new_zeros(0)).dtype)  # .half(), .to(torch.bfloat16)
        return super()._apply(fn, recurse)

    def _check_dtype(self, dtype: torch.dtype) -> None:
        check_dtype(dtype, self.constants, n_max=self.n_max, num_position_dims=self.num_position_dims)

    def _counts(self, graphs: Sequence[Graph], num_thoughts: int | Sequence[int]) -> list[int]:
        return counts_for(graphs, num_thoughts, self.vocabulary, max_len=self.max_len)

    def _run(self, graphs: Sequence[Graph], num_thoughts: int, *, num_asked: int = 0) -> _Run:
        """Read the prompts and think, all rows equally often; leave room to ask."""
        prompts = place_prompts(graphs, self.network)
        num_more = num_thoughts + num_asked
        cache, thought_BV = self.network.read_prompt(prompts.h_BTD, prompts.lengths_B, num_more=num_more)
        thoughts = [prompts.roots_BV, thought_BV]
        for c in range(1, num_thoughts + (num_asked > 0)):  # the last thought is read only by an <A>
            # Rows that need fewer thoughts go on beyond their end, unseen: no position there is theirs.
            positions_B = (prompts.lengths_B + c).clamp_max(self.max_len)
            thoughts.append(self.network.think(cache, thoughts[-1], positions_B))
        return _Run(cache, prompts.lengths_B, torch.stack(thoughts[: num_thoughts + 1], 1))

    def _answers(
        self, graphs: Sequence[Graph], num_thoughts: int | Sequence[int], batch_size: int | None, *, each: bool
    ) -> list[list[Answer]]:
        counts = self._counts(graphs, num_thoughts)
        found: list[list[Answer]] = [[] for _ in graphs]
        with exact(self.dtype, self.device):
            for chosen in batches(graphs, self.network, batch_size=batch_size):
                most = max(counts[i] for i in chosen)
                run = self._run([graphs[i] for i in chosen], most, num_asked=most + 1 if each else 1)
                asked_BA = torch.tensor([[counts[i]] for i in chosen], device=self.device)
                if each:  # beyond a row's own number its last question is asked again, and not used
                    asked_BA = torch.arange(most + 1, device=self.device).minimum(asked_BA)
                logits_BAV = self.network.ask(run.cache, asked_BA, run.lengths_B).cpu()
                content_BKV = run.content_BKV.cpu()
                for row, i in enumerate(chosen):
                    after = range(counts[i] + 1) if each else (counts[i],)
                    found[i] = [
                        Answer(Thoughts(graphs[i], self.vocabulary, content_BKV[row, : C + 1]), logits_V)
                        for C, logits_V in zip(after, logits_BAV[row])
                    ]
        return found

    def extra_repr(self) -> str:
        """Sizes, for print."""
        sizes = f"n_max={self.n_max}, max_len={self.max_len}, num_position_dims={self.num_position_dims}"
        return f"{sizes}, dtype={self.dtype}"
