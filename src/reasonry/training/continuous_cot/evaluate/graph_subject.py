"""A small model and questions about graphs: the answer is the likeliest symbol behind [A], after any number of slots.

    exact        the target is the likeliest of all symbols
    candidates   it is likelier than the distractor
    tie          several symbols, or the two candidates, are equally likely

A model that writes its steps is let write, and has no slots.

Legend: B rows, T columns, D width, K slots, V symbols.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reasonry.core.rows import Row
from reasonry.core.work import Say
from reasonry.errors import ConfigError
from reasonry.training.continuous_cot.config import GraphTrainConfig
from reasonry.training.continuous_cot.evaluate.config import EvalConfig, Thoughts
from reasonry.training.continuous_cot.evaluate.locate import Located
from reasonry.training.continuous_cot.evaluate.looks import Look, embedding_norm, look
from reasonry.training.continuous_cot.evaluate.subject import Facts, make_row
from reasonry.training.continuous_cot.evaluate.weights import load, weights_identity
from reasonry.training.continuous_cot.graph_arrays import Ints
from reasonry.training.continuous_cot.graph_rows import Asked, asking_tail, build
from reasonry.training.continuous_cot.graph_source import GraphSource
from reasonry.training.continuous_cot.latent.ablations import random_like, swapped
from reasonry.training.continuous_cot.latent.backbone import evaluating
from reasonry.training.continuous_cot.latent.chain import chained_forward
from reasonry.training.continuous_cot.latent.model import LatentCausalLM
from reasonry.training.continuous_cot.latent.rows import Batch
from reasonry.training.continuous_cot.source import HeldOut, Judged

_TEXT_FLAGS = ("data", "marker", "max_new_tokens", "chat_template")


class GraphSubject:
    """A `Subject` of graphs.

    Args:
        config: What was asked for.
        located: The model and its training.
        say: Told what a user should know.

    Raises:
        ConfigError: Settings for texts; thoughts for a model without slots; more thoughts than fit.
        ReasonryError: As `load`.
    """

    def __init__(self, config: EvalConfig, located: Located, say: Say) -> None:
        trained, method = located.trained, located.method
        assert isinstance(trained, GraphTrainConfig)
        assert method is not None
        _check_flags(config)
        if config.seed is not None:
            trained = trained.with_(seed=config.seed)
        self._method, self._seed, self._batch_size = method, trained.seed, config.batch_size
        self._kept: tuple[list[Judged], float] | None = None
        self._latent = load(located, config.model_options)
        self._source = GraphSource(trained)
        form = self._source.form
        self._split: HeldOut = "validation" if config.split == "validation" else "test"
        held = self._source.held_out(self._split, config.num)
        self._graphs, self._asked = held.graphs, held.asked
        if method.fill == "nothing" and any(config.counts):
            raise ConfigError(
                f"thoughts for a model of {method.name}: {method.about}",
                place="num_thoughts",
                remedy="Leave num_thoughts and sweep out.",
            )
        if method.fill != "thought" and any(kind != "own" for kind in config.thoughts):
            raise ConfigError(
                f"there are no thoughts to replace in a model of {method.name}",
                place="thoughts",
                remedy="Ask for own ones only, or give a model with thoughts.",
            )
        is_alike = form.pad_to_max or trained.hops == trained.most_hops
        own = form.per_step * trained.most_hops if method.fill != "nothing" else 0
        self._own_B: Ints = np.full(len(self._graphs), own)
        if not is_alike and own:
            self._own_B = form.per_step * np.asarray(held.asked.graphs.hops_G)
        self._check_room(config)
        self._facts = Facts(
            name=located.label,
            questions=f"graphs of {trained.hops} to {trained.most_hops} hops, {self._split} split"
            if trained.hops < trained.most_hops
            else f"graphs of {trained.hops} hops, {self._split} split",
            num=len(self._graphs),
            method=method.name if method.fill != "nothing" else "",
            own_slots=own if is_alike or not own else None,
            context_tok=self._latent.backbone.context_tok,
            embedding_norm=embedding_norm(self._latent),
            has_candidates=True,
            notes=(),
        )
        self._identity = {
            **weights_identity(located.name, config.model_options, self._latent),
            "method": method.name,
            "split": self._split,
        }

    @property
    def facts(self) -> Facts:
        """What is known of it."""
        return self._facts

    @property
    def identity(self) -> dict[str, Any]:
        """What decides its answers, questions aside."""
        return self._identity

    @property
    def latent(self) -> LatentCausalLM:
        """The model."""
        return self._latent

    @property
    def fingerprints(self) -> list[str]:
        """The questions as they are told."""
        return [self._told(number) for number in range(len(self._graphs))]

    def answers(self, part: slice, *, slots: int | None, thoughts: Thoughts) -> list[Row]:
        """Rows of a batch of questions."""
        numbers = list(range(part.start, part.stop))
        if self._method.writes_steps:
            every, seconds = self._written()
            judged, looks = every[part], [Look([], [], [])] * len(numbers)
        else:
            start = time.perf_counter()
            judged, looks = self._asked_once(part, slots=slots, thoughts=thoughts)
            seconds = (time.perf_counter() - start) / len(numbers)
        return [
            make_row(
                thoughts=thoughts,
                slots=slots,
                index=number,
                name=one.id,
                group=one.group,
                question=self._told(number),
                oracle=str(self._graphs[number].target),
                grade="right" if one.is_right else "wrong",
                answer=one.answer,
                reply=one.answer,
                is_right_of_candidates=one.is_right_of_candidates,
                is_tie=one.is_tie,
                is_cut_off=False,
                num_tokens=one.num_tokens,
                num_slots=one.num_thoughts,
                seconds=seconds,
                look=seen,
            )
            for number, one, seen in zip(numbers, judged, looks, strict=True)
        ]

    # ------------------------------------------------------------ asking

    def _written(self) -> tuple[list[Judged], float]:
        """What a model that writes its steps says, and the seconds of a question. It is asked once, about all."""
        if self._kept is None:
            start = time.perf_counter()
            judged = self._source.evaluate(
                self._latent,
                method=self._method,
                stage=self._source.max_stage,
                split=self._split,
                num=len(self._graphs),
                batch_size=self._batch_size,
            )
            self._kept = judged, (time.perf_counter() - start) / len(judged)
        return self._kept

    def _asked_once(
        self, part: slice, *, slots: int | None, thoughts: Thoughts
    ) -> tuple[list[Judged], list[Look]]:  # fmt: skip
        symbols = self._source.form.symbols
        slots_B = self._own_B[part] if slots is None else np.full(part.stop - part.start, slots)
        batch = self._batch(part, slots_B).to(self._latent.device)
        with torch.inference_mode(), evaluating(self._latent):
            logits_BV, thoughts_BKD = self._run(batch, slots_B, part, thoughts)
            looks = look(self._latent, thoughts_BKD, slots_B.tolist(), name_of=symbols.text)
        judged = [
            self._judge(number, logits_V, int(count))
            for number, logits_V, count in zip(range(part.start, part.stop), logits_BV, slots_B, strict=True)
        ]
        return judged, looks

    def _batch(self, part: slice, slots_B: Ints) -> Batch:
        symbols = self._source.form.symbols
        graphs = self._asked.graphs.take(np.arange(part.start, part.stop))
        opening_B1 = np.full((len(slots_B), 1), symbols.answer_id)
        tail = asking_tail(slots_B, opening_B1, num_nodes=graphs.num_nodes)
        return build(Asked(graphs, self._asked.first_B[part]), tail, self._source.form, fill=self._method.fill)

    def _run(self, batch: Batch, slots_B: Ints, part: slice, thoughts: Thoughts) -> tuple[Tensor, Tensor]:
        """Logits (B, V) of the answer, and the thoughts (B, K, D) that were fed."""
        backbone, feedback = self._latent.backbone, self._latent.feedback
        embeds_BTD = self._latent.embed(batch)
        chained = chained_forward(backbone, embeds_BTD, batch, feedback=feedback, how="auto")
        fed_BKD = chained.thoughts_BKD
        if thoughts != "own" and fed_BKD.shape[1]:
            numbers = range(part.start, part.stop)
            if thoughts == "random":
                fed_BKD = random_like(fed_BKD, [("graphs", number) for number in numbers], seed=self._seed)
            else:
                fed_BKD = swapped(fed_BKD, slots_B.tolist(), [[number] for number in numbers])
            rows_M, columns_M = batch.is_thought_BT.nonzero(as_tuple=True)
            order_M = batch.is_thought_BT.cumsum(1)[rows_M, columns_M] - 1
            embeds_BTD[rows_M, columns_M] = fed_BKD[rows_M, order_M].to(embeds_BTD)
            batch = batch._replace(is_thought_BT=torch.zeros_like(batch.is_thought_BT))
            chained = chained_forward(backbone, embeds_BTD, batch, feedback=feedback, how="auto")
        last_B = batch.attend_BT.shape[1] - 1 - batch.attend_BT.flip(1).to(torch.int8).argmax(1)
        rows = torch.arange(len(last_B), device=last_B.device)
        return backbone.logits(chained.hidden_BTD[rows, last_B]).float().cpu(), fed_BKD

    def _judge(self, number: int, logits_V: Tensor, num_slots: int) -> Judged:
        graph, hops = self._graphs[number], int(self._asked.graphs.hops_G[number])
        best, target, other = int(logits_V.argmax()), logits_V[graph.target], logits_V[graph.distractor]
        return Judged(
            is_right=best == graph.target,
            is_right_of_candidates=bool(target > other),
            is_tie=int((logits_V == logits_V[best]).sum()) > 1 or bool(target == other),
            answer=self._source.form.symbols.text(best),
            num_tokens=1,
            num_thoughts=num_slots,
            group=f"{hops} hop" if hops == 1 else f"{hops} hops",
            id=f"{self._split}-{number}",
        )

    # ------------------------------------------------------------ questions

    def _told(self, number: int) -> str:
        graph, is_swapped = self._graphs[number], int(self._asked.first_B[number]) == 2
        pair = (graph.distractor, graph.target) if is_swapped else (graph.target, graph.distractor)
        edges = ", ".join(f"{source}>{target}" for source, target in graph.edges)
        return f"{edges}. From {graph.root}: {pair[0]} or {pair[1]}?"

    def _check_room(self, config: EvalConfig) -> None:
        context, most_slots = self._latent.backbone.context_tok, max(config.counts, default=0)
        if not context or not most_slots:
            return
        whole = slice(0, len(self._graphs))
        none_B = np.zeros(len(self._graphs), np.int64)
        fixed = int(self._batch(whole, none_B).attend_BT.sum(1).max())
        if fixed + most_slots > context:
            raise ConfigError(
                f"{most_slots} thoughts and a question of {fixed} tokens do not fit the model's context of {context}",
                place="sweep" if config.sweep else "num_thoughts",
                remedy=f"Ask for at most {context - fixed}.",
            )


def _check_flags(config: EvalConfig) -> None:
    given = [name for name in _TEXT_FLAGS if getattr(config, name)]
    if given or config.prompt or config.split in ("train", "all"):
        flag = given[0] if given else "prompt" if config.prompt else "split"
        raise ConfigError(
            f"--{flag.replace('_', '-')} for a model of symbolic graphs",
            place=flag,
            remedy="It answers questions about graphs like those it was trained on; leave the flag out.",
        )
