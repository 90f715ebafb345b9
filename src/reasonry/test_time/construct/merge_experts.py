"""One Transformer that computes what any of K expert Transformers computes, chosen by its own context.

The general-purpose construction of Huang et al. 2025 (arXiv 2506.05295), Propositions 4.2 (disjoint vocabularies) and
4.4 (shared vocabulary): experts of width d and depth L become one model of width t1 d + t2 and depth L + O(1), by a
rule that does not depend on the weights. The statement is the paper's; the weights below are worked out here. It is a
demonstration that the statement is true: to use several models, call them (`reasonry.test_time.self_correction`).

    residual   x_t = [ h^(1) | ... | h^(K) | kappa one-hot (K) | segment signs (c) | in-query bit (1) ]
    width      K d + t2,   t2 = K + c + 1,   c = ceil(log2(max_attempts + 1));   disjoint: t2 = K
    layer      every matrix is block diagonal over the h^(k), K H heads, one LayerNorm per block
    attention  score_ij = q_i.k_j / sqrt(d / H) + (M / 2) (s_i.s_j + c b_j - c)
               s in {-1, +1}^c is the segment's number in binary, 0 inside the query; b is the in-query bit.
               0 for keys of the query or of the same attempt, at most -M for the others: a leak below T e^-M
    gate       one more layer, x -> relu(x + B [kappa = k] - B) - relu(-x + B [kappa = k] - B) on each block k:
               the identity where kappa = k, else 0, for B >= max |x|
    read-out   sum_k W_k x^(k) + sum_k [kappa = k] b_k

The constant -c drops out of the softmax and is left out. B is known beforehand: after a LayerNorm with gain g and bias
b, |x| <= sqrt(d) max|g| + max|b|. A LayerNorm over the whole residual stream instead of one per block would mix the
experts' means and variances; ``joint_norm=True`` shows that this breaks the equality. Which expert is at work is read
off the tokens in `routing` and written into the embedding, where the paper spends O(1) layers on it.

Shapes: B batch, T tokens, D width K d + t2, H heads of an expert, K experts, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reasonry.core.tiny import TinyGPT
from reasonry.errors import ConfigError
from reasonry.test_time.construct.layers import BlockNorm, Codes, MergedLayer, linear
from reasonry.test_time.construct.routing import Route, by_owner, by_selector


class MergedExperts(nn.Module):
    """The merged model; made by `merge_experts`."""

    def __init__(
        self,
        experts: Sequence[TinyGPT],
        *,
        selectors: Sequence[int] | None,
        max_attempts: int,
        penalty_nats: float,
        joint_norm: bool,
    ) -> None:
        super().__init__()
        config, K = experts[0].config, len(experts)
        self.num_experts, self.max_len = K, config.max_len
        self.max_attempts = max_attempts if selectors is not None else None
        num_bits = math.ceil(math.log2(max_attempts + 1)) if selectors is not None else 0
        self._codes = Codes(num_experts=K, num_bits=num_bits)
        self.extra_size = self._codes.size
        """t2: numbers per token beside the experts' own; independent of their width."""
        self.hidden_size = K * config.width + self.extra_size
        """Numbers in the residual stream per token, K d + t2."""
        sizes = [e.config.vocab_size for e in experts]
        offsets = [0] * K if selectors is not None else [sum(sizes[:k]) for k in range(K)]
        self.vocab_size = max(o + s for o, s in zip(offsets, sizes))
        self.is_shared = selectors is not None
        self.token_embedding = nn.Parameter(_embedding(experts, offsets, self.vocab_size))
        routes = offsets if selectors is None else list(selectors)
        self.register_buffer("routes_K", torch.tensor(routes, device=self.token_embedding.device))
        self.position_embedding = nn.Parameter(torch.cat([e.position_embedding.weight.detach() for e in experts], 1))
        self.layers = nn.ModuleList(
            MergedLayer(
                [e.blocks[i] for e in experts],  # pyright: ignore[reportArgumentType]
                self._codes,
                head_size=config.head_size,
                penalty_nats=penalty_nats,
                joint=joint_norm,
            )
            for i in range(config.num_layers)
        )
        self.final_norm = BlockNorm([e.final_norm for e in experts], joint=joint_norm)  # pyright: ignore[reportArgumentType]
        self.gate_in = _gate(self.final_norm, num_blocks=K, num_codes=self.extra_size, joint=joint_norm)
        self.head = _head(experts, offsets, self.vocab_size, num_codes=self.extra_size, penalty_nats=penalty_nats)

    def route(self, tokens_BT: Tensor) -> Route:
        """Expert, segment and position of each token.

        Raises:
            ConfigError: More attempts or longer segments than the model was built for.
        """
        routes_K: Tensor = self.get_buffer("routes_K")
        route = by_selector(tokens_BT, routes_K) if self.is_shared else by_owner(tokens_BT, routes_K)
        num_attempts, num_tok = int(route.segment_BT.max()), int(route.position_BT.max()) + 1
        if self.max_attempts is not None and num_attempts > self.max_attempts:
            raise ConfigError(
                f"{num_attempts} attempts in the context, but the model was built for {self.max_attempts}",
                remedy="Merge with a larger max_attempts.",
            )
        if num_tok > self.max_len:
            raise ConfigError(
                f"an expert would read {num_tok} tokens, but its max_len is {self.max_len}",
                remedy="Use a shorter query or shorter attempts.",
            )
        return route

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Logits (B, T, V). Zero at the tokens of a query before the first selector: nobody has the word yet."""
        route = self.route(tokens_BT)
        codes = self._codes.write(route, self.token_embedding.dtype)
        h = self.token_embedding[tokens_BT] + self.position_embedding[route.position_BT]
        x_BTD = torch.cat([h, codes], -1)
        for layer in self.layers:
            x_BTD = layer(x_BTD)
        x_BTD = self.final_norm(x_BTD)
        up, down = F.relu(self.gate_in(x_BTD)).chunk(2, -1)
        return self.head(torch.cat([up - down, codes], -1))


@torch.no_grad()
def merge_experts(
    experts: Sequence[TinyGPT],
    *,
    selectors: Sequence[int] | None = None,
    max_attempts: int = 63,
    penalty_nats: float = 80.0,
    joint_norm: bool = False,
) -> MergedExperts:
    """One model that computes, at each token, the logits of the expert which the context has chosen.

    Shared vocabulary (``selectors`` given): after ``query, ..., omega_k, u_1, ..., u_m`` the logits are those of expert
    k on ``query, omega_k, u_1, ..., u_m``, whatever other attempts stand between; experts must know omega_k as the
    first token of a response. Disjoint vocabularies (``selectors`` None): expert k's token v becomes ``offset_k + v``
    with ``offset_k = V_1 + ... + V_{k-1}``; after a token of expert k the logits of its vocabulary are its own on the
    tokens of its vocabulary, and all others are ``-penalty_nats``.

    Args:
        experts: Models of one shape; only their vocabularies may differ, and only without selectors. The result has
            their number format: use float64 to see equality to 1e-9.
        selectors: omega_k of each expert, different tokens of the shared vocabulary.
        max_attempts: Most attempts in a context; enters the width as its logarithm.
        penalty_nats: M, taken from the attention scores of foreign tokens; a leak of at most T e^-M times the ratio of
            the experts' own attention scores is left.
        joint_norm: Use one LayerNorm over all experts. Wrong on purpose.

    Raises:
        ConfigError: No experts, experts of different shapes or without LayerNorm, or bad selectors.
    """
    _check(experts, selectors, max_attempts)
    return MergedExperts(
        experts,
        selectors=selectors,
        max_attempts=max_attempts,
        penalty_nats=penalty_nats,
        joint_norm=joint_norm,
    ).requires_grad_(False)


def _check(experts: Sequence[TinyGPT], selectors: Sequence[int] | None, max_attempts: int) -> None:
    if not experts:
        raise ConfigError("no experts to merge", remedy="Give at least one.")
    first = experts[0].config
    for k, expert in enumerate(experts):
        own = first.with_(vocab_size=expert.config.vocab_size) if selectors is None else first
        # Tying is a matter of training, a missing head bias is a bias of zero.
        if expert.config.with_(tied=own.tied, head_bias=own.head_bias) != own:
            raise ConfigError(
                f"expert {k} has another shape than expert 0: {expert.config} and {first}",
                remedy="Merge experts of one shape; only without selectors may their vocabularies differ.",
            )
    if not first.layer_norm:
        raise ConfigError("experts without LayerNorm have no known bound for the gate", remedy="Use layer_norm=True.")
    if selectors is None:
        return
    if max_attempts < 1:
        raise ConfigError(f"max_attempts = {max_attempts} leaves no room for an attempt", remedy="Use 1 or more.")
    in_range = all(0 <= s < first.vocab_size for s in selectors)
    if len(set(selectors)) != len(experts) or len(selectors) != len(experts) or not in_range:
        raise ConfigError(
            f"selectors = {list(selectors)} are not {len(experts)} different tokens below {first.vocab_size}",
            remedy="Give each expert one token of the shared vocabulary.",
        )


# ---------------------------------------------------------------- weights


def _embedding(experts: Sequence[TinyGPT], offsets: Sequence[int], vocab_size: int) -> Tensor:
    columns: list[Tensor] = []
    for expert, offset in zip(experts, offsets):
        table = expert.token_embedding.weight.detach()
        columns.append(F.pad(table, (0, 0, offset, vocab_size - offset - len(table))))
    return torch.cat(columns, 1)


def _gate(norm: BlockNorm, *, num_blocks: int, num_codes: int, joint: bool) -> nn.Linear:
    """[x + B (kappa - 1), -x + B (kappa - 1)] on every block, before the ReLU."""
    size = len(norm.gain)
    width = size if joint else size // num_blocks
    bound = math.sqrt(width) * float(norm.gain.abs().max()) + float(norm.bias.abs().max())
    bound = 2.0 ** math.ceil(math.log2(max(bound, 1.0)))  # a power of two, with which rounding is least
    one = torch.eye(size, dtype=norm.gain.dtype, device=norm.gain.device)
    kappa = torch.block_diag(*[torch.full((size // num_blocks, 1), bound)] * num_blocks).to(one)
    codes = F.pad(kappa, (0, num_codes - num_blocks))
    weight = torch.cat([torch.cat([one, codes], 1), torch.cat([-one, codes], 1)])
    return linear(weight, torch.full((2 * size,), -bound).to(one))


def _head(
    experts: Sequence[TinyGPT], offsets: Sequence[int], vocab_size: int, *, num_codes: int, penalty_nats: float
) -> nn.Linear:
    """Heads side by side; the codes' columns hold the biases, and M off each foreign vocabulary."""
    heads: list[Tensor] = []
    biases: list[Tensor] = []
    for expert, offset in zip(experts, offsets):
        weight = expert.head.weight.detach()
        behind = vocab_size - offset - len(weight)
        bias = expert.head.bias.detach() if expert.config.head_bias else weight.new_zeros(len(weight))
        heads.append(F.pad(weight, (0, 0, offset, behind)))
        biases.append(F.pad(bias, (offset, behind), value=-penalty_nats))
    columns = torch.stack(biases, 1)
    weight = torch.cat([*heads, F.pad(columns, (0, num_codes - len(experts)))], 1)
    return linear(weight, weight.new_zeros(vocab_size))
