"""Runs the explicit matrices: a whole sequence at once, or a prompt once and then one column per thought.

    layer 1   a = h + sum_h O_h softmax(<Q_h h_i, K_h h_j>) V h_j       h' = LN(W2 1{W1 a >= eps1})
    layer 2   a = h' + O softmax(<Q h'_i, K h'_j>) V h'_j               h'' = LN(W2 1{W1 a >= eps2}),  logits = W_O h''

A thought is h'' at the last position, put in as it is at the next one, plus that position's code. Nothing computed for
an earlier column ever changes, so keys and values are kept; a row's padding stands between its prompt and its thoughts
and is never attended to.

Shapes: B graphs, T columns, S columns attended to, A questions asked of one graph, H heads of layer 1, K query size,
V vocabulary, D width, P position dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from reasonry.training.continuous_cot.construction.constants import Constants
from reasonry.training.continuous_cot.construction.vocabulary import Vocabulary
from reasonry.training.continuous_cot.construction.weights import Weights


class Pass(NamedTuple):
    """What one pass over whole sequences computes at every position.

    Attributes:
        layer1_BTD: States after layer 1.
        layer2_BTD: States after layer 2: the next thought, and at <A> the answer.
        attention1_HBTT: Attention of the five choosers, from position (third axis) to position (fourth).
        attention2_BTT: Attention of layer 2.
    """

    layer1_BTD: Tensor
    layer2_BTD: Tensor
    attention1_HBTT: Tensor
    attention2_BTT: Tensor


@dataclass
class Cache:
    """Keys and values of the columns read so far, in tensors with room for all that will be.

    Attributes:
        key1_HBSK: Keys of layer 1; heads come first, so that each head's batch lies in one piece.
        value1_BSV: Values of layer 1.
        key2_BSV: Keys of layer 2.
        value2_BSV: Values of layer 2.
        real_BS: True where a column is no padding.
        num_prompt_col: Columns of the longest prompt; thought c >= 1 is column ``num_prompt_col + c - 1``.
        num_col: Columns filled so far.
    """

    key1_HBSK: Tensor
    value1_BSV: Tensor
    key2_BSV: Tensor
    value2_BSV: Tensor
    real_BS: Tensor
    num_prompt_col: int
    num_col: int


class ExplicitNetwork(nn.Module):
    """The two layers. It has buffers only: nothing to train, nothing random.

    Args:
        weights: The matrices.
        vocabulary: Which tokens they are for.
        constants: For the thresholds.
        dtype: float32 or float64.
    """

    position_TP: Tensor
    query1_HKD: Tensor
    key1_HKD: Tensor
    value1_VD: Tensor
    out1_HDV: Tensor
    mlp1_in_MD: Tensor
    mlp1_out_DM: Tensor
    query2_VD: Tensor
    key2_VD: Tensor
    value2_VD: Tensor
    out2_DV: Tensor
    mlp2_in_ND: Tensor
    mlp2_out_DN: Tensor
    readout_VD: Tensor

    def __init__(self, weights: Weights, vocabulary: Vocabulary, constants: Constants, *, dtype: torch.dtype) -> None:
        super().__init__()
        self.vocabulary, self.constants = vocabulary, constants
        for name, matrix in weights._asdict().items():
            self.register_buffer(name, torch.tensor(matrix, dtype=dtype))  # a copy: some matrices are the same array

    # ---------------------------------------------------------------- what goes in

    def place(self, content_BTV: Tensor, positions_BT: Tensor) -> Tensor:
        """Contents with the code of their positions, which count from 1: (B, T, D)."""
        B, T, V = content_BTV.shape
        h_BTD = content_BTV.new_zeros(B, T, self.readout_VD.shape[1])
        h_BTD[..., :V] = content_BTV
        h_BTD[..., 3 * V :] = self.position_TP[positions_BT - 1]
        return h_BTD

    def embed(self, ids_BT: Tensor) -> Tensor:
        """Contents of tokens, unit vectors; an id below 0 is padding and has none: (B, T, V)."""
        content_BTV = self.readout_VD.new_zeros(*ids_BT.shape, self.vocabulary.size)
        is_real_BT = ids_BT >= 0
        return content_BTV.scatter_(2, ids_BT.clamp_min(0)[..., None], is_real_BT[..., None].to(content_BTV.dtype))

    # ---------------------------------------------------------------- a whole sequence

    def forward(self, h_BTD: Tensor) -> Pass:
        """All positions at once; padding may only follow what is real."""
        later_TT = self._later(h_BTD.shape[1])
        state_BTD, attention1 = self._layer1(h_BTD, *self._read1(h_BTD), hidden=later_TT)
        out_BTD, attention2 = self._layer2(state_BTD, *self._read2(state_BTD), hidden=later_TT)
        return Pass(state_BTD, out_BTD, attention1, attention2)

    # ---------------------------------------------------------------- a prompt once, then column by column

    def read_prompt(self, h_BTD: Tensor, lengths_B: Tensor, *, num_more: int) -> tuple[Cache, Tensor]:
        """Read prompts of different lengths, padded on the right.

        Args:
            h_BTD: Prompts.
            lengths_B: Their lengths, tokens.
            num_more: Columns to leave room for.

        Returns:
            The cache, and thought 1: (B, V), what layer 2 makes of each last position.
        """
        B, T, _ = h_BTD.shape
        key1_HBTK, value1_BTV = self._read1(h_BTD)
        state_BTD, _ = self._layer1(h_BTD, key1_HBTK, value1_BTV, hidden=self._later(T))
        real_BT = torch.arange(T, device=h_BTD.device) < lengths_B[:, None]
        key2_BTV, value2_BTV = self._read2(state_BTD)
        last_B1D = state_BTD[torch.arange(B, device=h_BTD.device), lengths_B - 1][:, None]
        out_B1D, _ = self._layer2(last_B1D, key2_BTV, value2_BTV, hidden=~real_BT[:, None])
        cache = Cache(
            _with_room(key1_HBTK, 2, num_more),
            _with_room(value1_BTV, 1, num_more),
            _with_room(key2_BTV, 1, num_more),
            _with_room(value2_BTV, 1, num_more),
            nn.functional.pad(real_BT, (0, num_more), value=True),
            num_prompt_col=T,
            num_col=T,
        )
        return cache, self._content(out_B1D)[:, 0]

    def think(self, cache: Cache, thought_BV: Tensor, positions_B: Tensor) -> Tensor:
        """Read one thought per row into the cache.

        Args:
            cache: Grows by a column.
            thought_BV: What was thought.
            positions_B: Where it stands, counted from 1.

        Returns:
            The next thought: (B, V).
        """
        h_B1D = self.place(thought_BV[:, None], positions_B[:, None])
        hidden_B1S = ~cache.real_BS[:, None, : cache.num_col + 1]
        out_B1D = self._read_on(cache, h_B1D, hidden_B1S)
        cache.num_col += 1
        return self._content(out_B1D)[:, 0]

    def ask(self, cache: Cache, num_thoughts_BA: Tensor, prompt_lengths_B: Tensor) -> Tensor:
        """Logits of an <A> that follows each of several numbers of thoughts; the cache stays as it is.

        Args:
            cache: Holds the prompt and at least as many thoughts, and has room for A more columns.
            num_thoughts_BA: After how many thoughts to ask; each <A> sees these, and no other <A>.
            prompt_lengths_B: Length of each prompt, tokens.

        Returns:
            Shape (B, A, V).
        """
        _, A = num_thoughts_BA.shape
        S, device = cache.num_col, num_thoughts_BA.device
        ids_BA = torch.full_like(num_thoughts_BA, self.vocabulary.answer)
        h_BAD = self.place(self.embed(ids_BA), prompt_lengths_B[:, None] + num_thoughts_BA + 1)
        # Column S holds thought S - num_prompt_col + 1; prompts count as thought 0 and below.
        thought_S = torch.arange(S, device=device) - cache.num_prompt_col + 1
        seen_BAS = (thought_S <= num_thoughts_BA[..., None]) & cache.real_BS[:, None, :S]
        own_BAA = torch.eye(A, dtype=torch.bool, device=device).expand(len(ids_BA), A, A)
        hidden_BAS = ~torch.cat([seen_BAS, own_BAA], 2)
        return self._read_on(cache, h_BAD, hidden_BAS) @ self.readout_VD.T

    # ---------------------------------------------------------------- the layers

    def _read_on(self, cache: Cache, h_BTD: Tensor, hidden_BTS: Tensor) -> Tensor:
        """Both layers on columns behind those of the cache, into whose free room their keys and values go."""
        free = slice(cache.num_col, cache.num_col + h_BTD.shape[1])
        cache.key1_HBSK[:, :, free], cache.value1_BSV[:, free] = self._read1(h_BTD)
        key1, value1 = cache.key1_HBSK[:, :, : free.stop], cache.value1_BSV[:, : free.stop]
        state_BTD, _ = self._layer1(h_BTD, key1, value1, hidden=hidden_BTS)
        cache.key2_BSV[:, free], cache.value2_BSV[:, free] = self._read2(state_BTD)
        key2, value2 = cache.key2_BSV[:, : free.stop], cache.value2_BSV[:, : free.stop]
        return self._layer2(state_BTD, key2, value2, hidden=hidden_BTS)[0]

    def _read1(self, h_BTD: Tensor) -> tuple[Tensor, Tensor]:
        """Keys (H, B, T, K) and values (B, T, V) of layer 1."""
        return _each_head(h_BTD, self.key1_HKD), h_BTD @ self.value1_VD.T

    def _layer1(self, h_BTD: Tensor, key_HBSK: Tensor, value_BSV: Tensor, *, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """States after layer 1, and the attention (H, B, T, S); ``hidden`` is (B or 1, T, S), True for no attention."""
        query_HBTK = _each_head(h_BTD, self.query1_HKD)
        attention_HBTS = _attend(query_HBTK @ key_HBSK.transpose(2, 3), hidden)
        mixed_HBTV = attention_HBTS @ value_BSV
        out_HVD = self.out1_HDV.transpose(1, 2)
        a_BTD = h_BTD + mixed_HBTV.permute(1, 2, 0, 3).flatten(2) @ out_HVD.flatten(0, 1)
        return _step_and_norm(a_BTD, self.mlp1_in_MD, self.constants.eps1, self.mlp1_out_DM), attention_HBTS

    def _read2(self, state_BTD: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (B, T, V) of layer 2."""
        return state_BTD @ self.key2_VD.T, state_BTD @ self.value2_VD.T

    def _layer2(
        self, state_BTD: Tensor, key_BSV: Tensor, value_BSV: Tensor, *, hidden: Tensor
    ) -> tuple[Tensor, Tensor]:
        """States after layer 2, and the attention (B, T, S)."""
        attention_BTS = _attend((state_BTD @ self.query2_VD.T) @ key_BSV.transpose(1, 2), hidden)
        a_BTD = state_BTD + attention_BTS @ value_BSV @ self.out2_DV.T
        return _step_and_norm(a_BTD, self.mlp2_in_ND, self.constants.eps2, self.mlp2_out_DN), attention_BTS

    def _content(self, out_BTD: Tensor) -> Tensor:
        return out_BTD[..., : self.vocabulary.size]

    def _later(self, num_col: int) -> Tensor:
        """(1, T, T): True where a position would look ahead."""
        ones = torch.ones(1, num_col, num_col, dtype=torch.bool, device=self.readout_VD.device)
        return ones.triu_(1)


def _each_head(h_BTD: Tensor, matrix_HKD: Tensor) -> Tensor:
    """Each head's matrix on every column: (H, B, T, K)."""
    B, T, D = h_BTD.shape
    return (h_BTD.reshape(1, B * T, D) @ matrix_HKD.transpose(1, 2)).unflatten(1, (B, T))


def _attend(score: Tensor, hidden: Tensor) -> Tensor:
    """Softmax over what may be seen; ``score`` is overwritten."""
    return score.masked_fill_(hidden, -torch.inf).softmax(-1)


def _step_and_norm(a: Tensor, w_in: Tensor, threshold: float, w_out: Tensor) -> Tensor:
    """LN(W2 1{W1 a >= threshold}); padding, in which nothing reaches the threshold, stays 0."""
    h = ((a @ w_in.T) >= threshold).to(a.dtype) @ w_out.T
    return h / torch.linalg.vector_norm(h, dim=-1, keepdim=True).clamp_min(1.0)


def _with_room(tensor: Tensor, dim: int, num_more: int) -> Tensor:
    """A copy with ``num_more`` free columns behind it."""
    shape = list(tensor.shape)
    shape[dim] += num_more
    roomy = tensor.new_empty(shape)
    roomy.narrow(dim, 0, tensor.shape[dim]).copy_(tensor)
    return roomy
