"""Questions about graphs as a source of rows, and as a test of whatever was trained on them.

Training graphs get new names and a new order of their edges whenever they are drawn, so that a few thousand of them are
practically without end. Held-out questions are other graphs up to isomorphism, told in one way for good.

How answers are judged is in `graph_answers`.

Legend: B rows, V symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.core import seeds
from reasonry.tasks.graphs.graph import Graph, shuffle
from reasonry.tasks.graphs.prosqa import GraphConfig, prosqa_graphs, prosqa_splits
from reasonry.tasks.reasoning_text import Split
from reasonry.training.continuous_cot.config import GraphTrainConfig
from reasonry.training.continuous_cot.graph_answers import Asking, judge_answer, judge_step, judge_written
from reasonry.training.continuous_cot.graph_arrays import Bools, GraphArrays, Ints
from reasonry.training.continuous_cot.graph_format import Format, Symbols
from reasonry.training.continuous_cot.graph_rows import (
    Asked,
    ask,
    asking_tail,
    build,
    learning_tail,
    next_vertices,
    num_slots,
    part_of,
    row_of,
)
from reasonry.training.continuous_cot.latent.ablations import random_like, swapped
from reasonry.training.continuous_cot.latent.model import LatentCausalLM
from reasonry.training.continuous_cot.latent.rows import Batch, Row
from reasonry.training.continuous_cot.methods import Method
from reasonry.training.continuous_cot.source import Ablation, HeldOut, Judged

KIND = "graphs"


class Held(NamedTuple):
    """Held-out questions.

    Attributes:
        graphs: With the names and the order of edges in which they are told.
        asked: The same as arrays.
    """

    graphs: list[Graph]
    asked: Asked


class GraphSource:
    """Generated questions.

    Args:
        config: Sizes, layout, seed.

    Attributes:
        form: How rows look.
        graph_config: Sizes and fairness of the graphs.

    Raises:
        ConfigError: Graphs of that size hold no question of so many hops, or not so many different ones.
    """

    def __init__(self, config: GraphTrainConfig) -> None:
        self.config = config
        self.form = Format(
            Symbols(config.grown_nodes),
            config.layout,
            config.thoughts.per_step,
            config.thoughts.pad_to_max,
            config.label_set,
        )
        self.graph_config = GraphConfig(
            num_nodes=config.grown_nodes, min_hops=config.hops, max_hops=config.most_hops, balanced=config.balanced
        )
        self._train: GraphArrays | None = None
        self._made: dict[HeldOut, list[Graph]] = {}
        self._held: dict[HeldOut, Held] = {}

    @property
    def identity(self) -> dict[str, Any]:
        """Sizes, layout and seed."""
        form = self.form._asdict() | {"symbols": self.form.symbols.size}
        return {"kind": KIND, **self.graph_config.model_dump(), **form, "seed": self.config.seed}

    @property
    def num_train(self) -> int:
        """Training graphs."""
        return self.config.num_graphs

    @property
    def max_stage(self) -> int:
        """The most hops: then every vertex of the path is left to thoughts."""
        return self.config.most_hops

    @property
    def train_graphs(self) -> GraphArrays:
        """Training graphs, made when first asked for; held-out ones with them, which costs less than one by one."""
        if self._train is None:
            asked = self.config.evaluation
            num: dict[Split, int] = {
                "train": self.num_train,
                "validation": asked.num_validation,
                "test": asked.num_test,
            }
            made = prosqa_splits(self.graph_config, num=num, seed=self.config.seed)
            self._train = self._arrays(made["train"])
            self._made = {"validation": made["validation"], "test": made["test"]}
        return self._train

    @property
    def context_tok(self) -> int:
        """Tokens of the longest row there may be."""
        return self.form.context_tok(self.max_stage)

    @property
    def lengths(self) -> Ints:
        """Edges of each training graph."""
        return self.train_graphs.num_edges_G

    def num_steps(self, index: int) -> int:
        """Hops of training graph ``index``."""
        return int(self.train_graphs.hops_G[index])

    def row(self, index: int, *, stage: int, method: Method, rng: np.random.Generator) -> Row:
        """Training row of graph ``index``, told in a new way."""
        batch = self.batch([index], stages=[stage], method=method, rng=rng)
        return row_of(batch, 0, fill=method.fill)

    def batch(
        self, indices: Sequence[int] | Ints, *, stages: Sequence[int] | Ints, method: Method, rng: np.random.Generator
    ) -> Batch:
        """Training rows of several graphs, told in a new way."""
        told = ask(self.train_graphs.take(indices), rng, rename=self.config.shuffle)
        tail = learning_tail(told, self.form, stages=np.asarray(stages, dtype=np.int64), method=method, rng=rng)
        return build(told, tail, self.form, fill=method.fill)

    def held_out(self, split: HeldOut, num: int) -> Held:
        """The first ``num`` questions of a split, always told in the same way."""
        kept = self._held.get(split)
        if kept is None or len(kept.graphs) < num:
            made = self._made.get(split, [])
            if len(made) < num:
                made = prosqa_graphs(self.graph_config, num=num, seed=self.config.seed, split=split)
            made = made[:num]
            # One stream for each question: how it is told does not hang on how many are asked for.
            names = [seeds.stream(self.config.seed, "continuous cot", "told", split, number) for number in range(num)]
            size = self.form.symbols.num_nodes
            graphs = [shuffle(graph, rng, num_ids=size) for graph, rng in zip(made, names, strict=True)]
            first_B = np.array([int(rng.integers(1, 3)) for rng in names], dtype=np.int64)
            kept = self._held[split] = Held(graphs, Asked(self._arrays(graphs), first_B))
        return Held(kept.graphs[:num], part_of(kept.asked, slice(num)))

    # ------------------------------------------------------------ evaluation

    def evaluate(
        self,
        model: LatentCausalLM,
        *,
        method: Method,
        stage: int,
        split: HeldOut,
        num: int,
        batch_size: int,
        thoughts: Ablation = "own",
    ) -> list[Judged]:
        """Let a model answer held-out questions. See `source.Source.evaluate`.

        Raises:
            ConfigError: There are not so many questions of that size.
        """
        asked = self.held_out(split, num).asked
        asking = Asking(model, self.form, method, batch_size)
        if method.writes_steps:
            return judge_written(asking, asked, split=split)
        graphs = asked.graphs
        stages_B = np.full(num, self.max_stage if method.steps == "omitted" else stage, dtype=np.int64)
        slots_B = num_slots(graphs, self.form, stages_B, method)
        answers_B = stages_B >= graphs.hops_G
        logits_BV = self._logits(asking, asked, slots_B, answers_B, thoughts=thoughts)
        right_BN = next_vertices(graphs, np.where(answers_B, 0, stages_B + 1), self.form, method)
        found: list[Judged] = []
        for number, logits_V in enumerate(logits_BV):
            if answers_B[number]:
                judged = judge_answer(asked, logits_V, self.form.symbols, number, split=split)
            else:
                judged = judge_step(asked, logits_V, right_BN[number], self.form.symbols, number, split=split)
            found.append(judged._replace(num_thoughts=int(slots_B[number])))
        return found

    def by_slots(
        self, model: LatentCausalLM, *, method: Method, split: HeldOut, num: int, batch_size: int
    ) -> dict[int, list[Judged]]:
        """Answers after every number of slots, trained for or not, from none to those of the last stage."""
        asked = self.held_out(split, num).asked
        asking = Asking(model, self.form, method, batch_size)
        found: dict[int, list[Judged]] = {}
        for slots in range(0, self.form.per_step * self.max_stage + 1, self.form.per_step):
            logits_BV = self._logits(asking, asked, np.full(num, slots), np.ones(num, bool))
            found[slots] = [
                judge_answer(asked, each, self.form.symbols, number, split=split)._replace(num_thoughts=slots)
                for number, each in enumerate(logits_BV)
            ]
        return found

    def look(self, model: LatentCausalLM) -> dict[str, float]:
        """How well thoughts of validation graphs tell the frontier, and find its edges. See `probe.looks`."""
        from reasonry.training.continuous_cot.probe.looks import look

        if not self.config.num_probed:
            return {}
        graphs = self.held_out("validation", min(self.config.num_probed, self.config.evaluation.num_validation)).graphs
        fixed = self.max_stage if self.form.pad_to_max else None
        return look(model, self.form, graphs, sizes=self.graph_config, fixed_thoughts=fixed)

    def _logits(
        self, asking: Asking, asked: Asked, slots_B: Ints, answers_B: Bools, *, thoughts: Ablation = "own"
    ) -> NDArray[np.float32]:
        """Logits (B, V) behind slots, and [A] where an answer is asked for."""
        opening_B1 = np.where(answers_B, self.form.symbols.answer_id, -1)[:, None]
        tail = asking_tail(slots_B, opening_B1, num_nodes=asked.graphs.num_nodes)
        if thoughts == "own" or asking.method.fill != "thought" or not slots_B.any():
            return asking.last_logits(asked, tail)
        own_BKD = asking.thoughts(asked, tail)
        names: list[tuple[int | str, ...]] = [("graphs", number) for number in range(len(slots_B))]
        if thoughts == "random":
            placed_BKD = random_like(own_BKD, names, seed=self.config.seed)
        else:
            placed_BKD = swapped(own_BKD, slots_B.tolist(), [[number] for number in range(len(slots_B))])
        return asking.last_logits(asked, tail, placed_BKD=placed_BKD)

    def _arrays(self, graphs: list[Graph]) -> GraphArrays:
        return GraphArrays.of(graphs, num_nodes=self.form.symbols.num_nodes, max_hops=self.max_stage)
