"""What a chain of thoughts is made from: its settings, the columns where thoughts go, and the maker of their vectors.

Legend: B rows, T columns, D width, K most thoughts of a row, N columns in which some row has a thought, V vocabulary.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from reasonry.errors import ConfigError
from reasonry.training.continuous_cot.latent.backbone import Backbone
from reasonry.training.continuous_cot.latent.rows import Batch

Bptt = Literal["full", "detach"] | int
"""Through how many thoughts gradients flow back: all, none, or a row's last so many."""


class Feedback(NamedTuple):
    """What a thought is made of.

    Attributes:
        kind: hidden: the hidden state. soft: the mean embedding under the next token's law. topk_soft: of its likeliest
            tokens only.
        temperature: Of that law, above 0.
        top_k: How many tokens topk_soft takes.
    """

    kind: Literal["hidden", "soft", "topk_soft"] = "hidden"
    temperature: float = 1.0
    top_k: int = 8

    def check(self) -> None:
        """Refuse what makes no sense.

        Raises:
            ConfigError: Unknown kind, temperature not above 0, or top_k below 1.
        """
        if self.kind not in ("hidden", "soft", "topk_soft"):
            raise ConfigError(f"feedback {self.kind!r}", place="feedback", remedy="hidden, soft or topk_soft.")
        if not self.temperature > 0 or self.top_k < 1:
            raise ConfigError(
                f"feedback with temperature {self.temperature} and top_k {self.top_k}",
                place="feedback",
                remedy="The temperature is above 0 and top_k at least 1.",
            )


HIDDEN = Feedback()
"""Thoughts as Coconut has them."""


class ChainInputs(NamedTuple):
    """A batch as the chain reads it.

    Attributes:
        embeds_BTD: Embeddings.
        attend_BT: What is no padding; None without padding, which spares transformers the masks.
        position_ids_BT: Positions.
        is_thought_BT: Where thoughts go.
        columns: Those in which any row has a thought, ascending.
        is_full: Of each of them, whether all rows have.
        longest_tok: Tokens of the longest row.
        depth: How many thoughts gradients flow back through; None: all.
    """

    embeds_BTD: Tensor
    attend_BT: Tensor | None
    position_ids_BT: Tensor
    is_thought_BT: Tensor
    columns: list[int]
    is_full: list[bool]
    longest_tok: int
    depth: int | None

    @classmethod
    def of(cls, batch: Batch, embeds_BTD: Tensor, *, bptt: Bptt = "full") -> ChainInputs:
        """Those of a batch. One wait for the device.

        Raises:
            ConfigError: A bad ``bptt``, or a row that begins with a thought.
        """
        depth = _depth(bptt)
        num_rows = len(batch.ids_BT)
        tokens_B = batch.attend_BT.sum(1)
        *counts, shortest, longest = torch.cat([batch.is_thought_BT.sum(0), torch.stack(tokens_B.aminmax())]).tolist()
        columns = [column for column, count in enumerate(counts) if count]
        if columns and columns[0] == 0:
            raise ConfigError("a row begins with a thought", place="batch", remedy="Make it with collate.")
        return cls(
            embeds_BTD,
            batch.attend_BT if shortest < batch.ids_BT.shape[1] else None,
            batch.position_ids_BT,
            batch.is_thought_BT,
            columns,
            [counts[column] == num_rows for column in columns],
            longest,
            depth,
        )

    def fill(self, index: int, fed_BD: Tensor) -> Tensor:
        """Input (B, D) of column ``columns[index]``: thoughts where they go, tokens elsewhere."""
        column = self.columns[index]
        is_thought_BT = self.is_thought_BT
        if self.depth is not None:
            left_B1 = is_thought_BT[:, column:].sum(1, keepdim=True)
            fed_BD = torch.where(left_B1 <= self.depth, fed_BD, fed_BD.detach())
        if self.is_full[index]:
            return fed_BD
        return torch.where(is_thought_BT[:, column, None], fed_BD, self.embeds_BTD[:, column])

    def thoughts(self, filled: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Thoughts (B, K, D), each row's own side by side, and how many each row has, from the columns' inputs."""
        num_B = self.is_thought_BT.sum(1)
        if not filled:
            return self.embeds_BTD.new_zeros((len(num_B), 0, self.embeds_BTD.shape[-1])), num_B
        made_BND = torch.stack(filled, 1)
        if all(self.is_full):
            return made_BND, num_B
        is_own_BN = self.is_thought_BT[:, self.columns]
        order_BN = (~is_own_BN).to(torch.int8).argsort(dim=1, stable=True)
        made_BND = made_BND.gather(1, order_BN[..., None].expand_as(made_BND))
        made_BND = made_BND.where(is_own_BN.gather(1, order_BN)[..., None], 0.0)
        return made_BND[:, : int(num_B.max())], num_B


class FeedbackTable:
    """Makes thoughts; looks the embeddings up once for a chain.

    Args:
        backbone: The model.
        feedback: What a thought is made of.
    """

    def __init__(self, backbone: Backbone, feedback: Feedback) -> None:
        self._backbone, self._feedback = backbone, feedback
        self._embeds_VD: Tensor | None = None

    def feed(self, hidden_BD: Tensor) -> Tensor:
        """The vectors (B, D) fed after hidden states (B, D)."""
        kind, temperature, top_k = self._feedback
        if kind == "hidden":
            return hidden_BD
        scores_BV = self._backbone.logits(hidden_BD) / temperature
        if kind == "topk_soft":
            best_BK, ids_BK = scores_BV.topk(min(top_k, scores_BV.shape[-1]))
            return torch.einsum("bk,bkd->bd", best_BK.softmax(-1), self._backbone.embed(ids_BK))
        if self._embeds_VD is None:
            self._embeds_VD = self._backbone.embed(torch.arange(scores_BV.shape[-1], device=scores_BV.device))
        return scores_BV.softmax(-1) @ self._embeds_VD


def _depth(bptt: Bptt) -> int | None:
    if bptt == "full":
        return None
    if bptt == "detach":
        return 0
    if isinstance(bptt, bool) or not isinstance(bptt, int) or bptt < 0:
        raise ConfigError(f"bptt {bptt!r}", place="bptt", remedy="full, detach, or a number of thoughts.")
    return bptt
