"""Probes of a trained model: thoughts from its own chain, attention from one more pass with these thoughts put in.

What a thought is made of stands before it: thought i is the state at column e + i - 2, with e the column behind the
question, so that attention "where thought i is made" is that of the query there (with c slots for each step: of the
last slot of step i). The second pass sees the same inputs in every column, and attention is causal, so its states are
those of the chain; nothing has to be kept from one pass to the other.

Legend: B rows, T columns, K thoughts, D width, C steps, E edges, H heads, N vertices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from reasonry.core import seeds
from reasonry.core.models.load import content_hash
from reasonry.errors import ConfigError, DataError
from reasonry.tasks.graphs.graph import path_len, present
from reasonry.tasks.graphs.prosqa import GraphConfig
from reasonry.training.continuous_cot.graph_arrays import GraphArrays, Ints
from reasonry.training.continuous_cot.graph_rows import Asked, Format, asking_tail, build
from reasonry.training.continuous_cot.graph_source import GraphSource
from reasonry.training.continuous_cot.latent.backbone import evaluating
from reasonry.training.continuous_cot.latent.chain import chained_forward, check_length
from reasonry.training.continuous_cot.latent.model import LatentCausalLM
from reasonry.training.continuous_cot.latent.rows import Batch
from reasonry.training.continuous_cot.probe.attention import LayerAttention, captured
from reasonry.training.continuous_cot.probe.config import ProbeConfig
from reasonry.training.continuous_cot.probe.locate import Located
from reasonry.training.continuous_cot.probe.records import Observation
from reasonry.training.continuous_cot.probe.scores import Floats
from reasonry.training.continuous_cot.probe.subject import Question, ReadLayer, ReadLayers


class TrainedSubject:
    """A trained model that thinks about graphs.

    Args:
        model: It.
        form: How its rows look.
        name: For people.
        identity: Which weights they are.
        sizes: Graphs of the kind it was trained on.
        fixed_thoughts: How often it thinks whatever the graph; None: once for every edge of a shortest path.
        copy_layer: In which edges' last tokens look at their vertices, from 1; 1 unless given.
        edge_layer: In which thoughts look at edges; 2 unless given, but 1 where edges are packed: the first layer then
            has nothing to copy, and a model of two layers looks at edges at once.
        has_attention: Read attention.
        seed: Decides which candidate a question tells first.

    Raises:
        ConfigError: The model has fewer layers.
    """

    is_exact = False

    def __init__(
        self,
        model: LatentCausalLM,
        form: Format,
        *,
        name: str,
        identity: dict[str, Any],
        sizes: GraphConfig,
        fixed_thoughts: int | None = None,
        copy_layer: int | None = None,
        edge_layer: int | None = None,
        has_attention: bool = True,
        seed: int = 0,
    ) -> None:
        self.model, self.form = model, form
        self.name, self.identity, self.sizes, self.fixed_thoughts = name, identity, sizes, fixed_thoughts
        self._seed = seed
        config = model.backbone.model.config.get_text_config()
        self.layers: ReadLayers | None = None
        if not has_attention:
            return
        edge_layer = usual_edge_layer(form) if edge_layer is None else edge_layer
        chosen = {"copy": 1 if copy_layer is None else copy_layer, "edge": edge_layer}
        for name, layer in chosen.items():
            if not 1 <= layer <= config.num_hidden_layers:
                raise ConfigError(
                    f"layer {layer} of a model that has {config.num_hidden_layers}",
                    place=f"{name}_layer",
                    remedy=f"Use 1 to {config.num_hidden_layers}, or --no-attention.",
                )
        num_heads = int(config.num_attention_heads)
        self.layers = ReadLayers(ReadLayer(chosen["copy"], num_heads), ReadLayer(chosen["edge"], num_heads))

    @property
    def max_nodes(self) -> int:
        """Vertices it has symbols for."""
        return self.form.symbols.num_nodes

    def check(self, questions: Sequence[Question]) -> None:
        """Refuse rows longer than the model's context.

        Raises:
            ConfigError: There is one.
        """
        longest = max(questions, key=lambda q: (q.num_thoughts, len(q.graph.edges)))
        check_length(self.model.backbone, int(self.batch([longest]).attend_BT.sum()), is_cached=True)

    @torch.no_grad()
    def observe(self, questions: Sequence[Question]) -> list[Observation]:
        """Think about several graphs at once, in eval mode."""
        with evaluating(self.model):
            batch = self.batch(questions)
            embeds_BTD = self.model.embed(batch)
            thoughts_BKD = chained_forward(
                self.model.backbone, embeds_BTD, batch, feedback=self.model.feedback
            ).thoughts_BKD  # fmt: skip
            table_ND = self.model.backbone.embed(torch.arange(self.max_nodes, device=self.model.device)).float()
            paid = self._attention(batch, embeds_BTD, thoughts_BKD, questions)
        last_of_step = slice(self.form.per_step - 1, None, self.form.per_step)
        thoughts_BCD = thoughts_BKD[:, last_of_step].float()
        dots_BCN = _array(thoughts_BCD @ table_ND.T)
        norms_BC, embedding_norm = _array(thoughts_BCD.norm(dim=-1)), float(table_ND.norm(dim=-1).mean())
        found: list[Observation] = []
        for row, (number, graph, C) in enumerate(questions):
            dots_CN = dots_BCN[row, :C][:, list(present(graph))]
            found.append(Observation(number, graph, dots_CN, norms_BC[row, :C], embedding_norm, *paid[row]))
        return found

    def batch(self, questions: Sequence[Question]) -> Batch:
        """Rows of questions, as in training, with their slots and nothing after these."""
        graphs = [question.graph for question in questions]
        most = max(path_len(graph) for graph in graphs)
        arrays = GraphArrays.of(graphs, num_nodes=self.max_nodes, max_hops=most)
        # Of each graph its own draw, whatever batch it stands in.
        draws = [seeds.stream(self._seed, "probe", "candidates", question.number) for question in questions]
        first_B = np.array([int(rng.integers(1, 3)) for rng in draws], dtype=np.int64)
        slots_B = np.array([question.num_thoughts * self.form.per_step for question in questions], dtype=np.int64)
        tail = asking_tail(slots_B, np.zeros((len(graphs), 0), np.int64), num_nodes=self.max_nodes)
        return build(Asked(arrays, first_B), tail, self.form, fill="thought").to(self.model.device)

    def _attention(
        self, batch: Batch, embeds_BTD: Tensor, thoughts_BKD: Tensor, questions: Sequence[Question]
    ) -> list[tuple[Floats | None, Floats | None, Floats | None]]:
        """Attention to edges, logits on edges, and attention of edges to their vertices, for each row."""
        if self.layers is None:
            return [(None, None, None)] * len(questions)
        per_step = self.form.per_step
        is_thought_BT = batch.is_thought_BT
        num_B = is_thought_BT.sum(1)
        K = thoughts_BKD.shape[1]
        is_there_BK = torch.arange(K, device=num_B.device) < num_B[:, None]
        filled_BTD = embeds_BTD.clone()
        filled_BTD[is_thought_BT] = thoughts_BKD[is_there_BK]
        behind = int(is_thought_BT.any(0).nonzero()[0])  # column behind the question, the same in all rows
        making_C = behind - 1 + torch.arange(per_step - 1, K, per_step)
        places = [_edge_places(batch, row, len(q.graph.edges), self.form) for row, q in enumerate(questions)]
        ends_BE = _padded([place.end_E for place in places])
        queries_BQ = torch.cat([making_C.expand(len(questions), -1), ends_BE.clamp_min(0)], 1).to(num_B.device)
        has_copies = self.form.layout == "paper"
        edge_at, copy_at = self.layers.edge.layer - 1, self.layers.copy.layer - 1
        layers = sorted({edge_at, copy_at} if has_copies else {edge_at})
        with captured(self.model.backbone.model, layers, queries_BQ=queries_BQ) as read:
            self.model.backbone.run(
                filled_BTD, attend_BS=batch.attend_BT, position_ids_BT=batch.position_ids_BT, cache=None
            )
        C = len(making_C)
        edge = _summed(read[edge_at], slice(0, C))
        copy_BET = _summed(read[copy_at], slice(C, None)).probs_BQT if has_copies else None
        return [
            _of_row(
                edge.probs_BQT[row, : q.num_thoughts],
                edge.logits_BQT[row, : q.num_thoughts],
                None if copy_BET is None else copy_BET[row],
                places[row],
            )
            for row, q in enumerate(questions)
        ]


def usual_edge_layer(form: Format) -> int:
    """Layer, from 1, in which thoughts look at edges: the second, but the first where nothing has to be copied."""
    return 1 if form.layout == "packed" else 2


def load_subject(config: ProbeConfig, located: Located) -> TrainedSubject:
    """The model that was located.

    Raises:
        ReasonryError: It cannot be loaded, see `LatentCausalLM.from_pretrained`; or has too few layers.
    """
    train = located.config
    options = config.model_options
    if options.dtype == "auto":
        options = options.with_(dtype="float32")
    latent = LatentCausalLM.from_pretrained(str(located.folder), options)
    form = GraphSource(train).form
    size = int(cast("Tensor", latent.backbone.model.get_input_embeddings().weight).shape[0])
    if size < form.symbols.size:
        raise DataError(
            f"the model knows {size} symbols, and its training {form.symbols.size}",
            place=str(located.folder),
            remedy="Was the model replaced by another one? Give a run directory as it was written.",
        )
    hops = f"{train.hops}" if train.hops == train.most_hops else f"{train.hops} to {train.most_hops}"
    hops = f"{hops} hop" if hops == "1" else f"{hops} hops"
    return TrainedSubject(
        latent,
        form,
        name=f"{located.method.name}, trained on {hops}",
        identity={
            "weights": content_hash(located.folder),
            "dtype": options.dtype,
            "method": located.method.name,
            "layout": form.layout,
        },
        sizes=GraphConfig(
            num_nodes=train.grown_nodes, min_hops=train.hops, max_hops=train.most_hops, balanced=train.balanced
        ),
        fixed_thoughts=train.most_hops if form.pad_to_max else None,
        copy_layer=config.copy_layer,
        edge_layer=config.edge_layer,
        has_attention=config.attention,
        seed=config.seed,
    )


class _EdgePlaces(NamedTuple):
    """Columns of each edge of a row.

    Attributes:
        all_EW: Every column it takes; -1 where it has fewer than others.
        ends_E2: Of its vertices; empty where they have none of their own.
        end_E: Of its last token, which stands for the whole; -1 where it has none.
    """

    all_EW: Ints
    ends_E2: Ints
    end_E: Ints


def _edge_places(batch: Batch, row: int, num_edges: int, form: Format) -> _EdgePlaces:
    start = int(batch.attend_BT[row].nonzero()[0]) + 1  # behind the token that begins the row
    number_E = np.arange(num_edges, dtype=np.int64)
    if form.layout == "packed":
        column_E = start + number_E
        return _EdgePlaces(column_E[:, None], np.empty((num_edges, 0), np.int64), column_E)
    all_E3 = start + 3 * number_E[:, None] + np.arange(3, dtype=np.int64)
    all_E3[-1:, 2] = -1  # nothing parts the last edge from what follows
    return _EdgePlaces(all_E3, all_E3[:, :2], all_E3[:, 2])


class _Summed(NamedTuple):
    probs_BQT: Floats
    logits_BQT: Floats


def _summed(read: LayerAttention, queries: slice) -> _Summed:
    """Sums over heads."""
    return _Summed(_array(read.probs_BHQK[:, :, queries].sum(1)), _array(read.logits_BHQK[:, :, queries].sum(1)))


def _of_row(
    probs_CT: Floats, logits_CT: Floats, copy_ET: Floats | None, place: _EdgePlaces
) -> tuple[Floats, Floats, Floats | None]:
    has_end_E = place.end_E >= 0
    paid_CEW = probs_CT[:, place.all_EW] * (place.all_EW >= 0)
    logits_CE = np.where(has_end_E, logits_CT[:, place.end_E], np.nan)
    if copy_ET is None:
        return paid_CEW.sum(2), logits_CE, None
    number_E = np.arange(len(place.end_E))
    own_E = copy_ET[number_E[:, None], place.ends_E2].sum(1)
    return paid_CEW.sum(2), logits_CE, np.where(has_end_E, own_E, np.nan)


def _padded(places: Sequence[Ints]) -> Tensor:
    most = max(len(place) for place in places)
    return torch.tensor(np.array([np.pad(place, (0, most - len(place)), constant_values=-1) for place in places]))


def _array(values: Tensor) -> Floats:
    return cast("Floats", values.double().cpu().numpy())
