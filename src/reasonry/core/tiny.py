"""A small GPT from scratch: every number in it can be read, replaced and built by hand.

    h_0 = E[token] + P[position]
    a_l = h_{l-1} + Attention(LN(h_{l-1}))     causal, scores q.k / sqrt(D / H)
    h_l = a_l + W2 act(W1 LN(a_l))             mlp_ratio * D hidden units; none when mlp_ratio = 0
    logits = W LN(h_L)                         W = E when tied

Pre-norm decoder of GPT-2 (Radford et al. 2019) with learned absolute positions and without dropout; ``nano``,
``micro``, ``mini`` and ``gopher-44m`` are the sizes of these names in minGPT (Karpathy 2020). Initial weights are
normal with standard deviation 0.02, those that write into the residual stream divided by sqrt(2 L), and come from the
seed alone. A layer with the default MLP has 12 D^2 + 13 D parameters.

Shapes: B batch, T tokens, S tokens attended to (T and what the cache holds), H heads, D width, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Self

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from reasonry.core import seeds
from reasonry.core.config import Config, from_dict
from reasonry.errors import ConfigError, nearest

Hook = Callable[[str, Tensor], Tensor | None]
"""Called with a point's name and its value; what it returns, unless None, takes the value's place."""


class TinyConfig(Config):
    """Shape of a small GPT."""

    vocab_size: Annotated[int, Field(ge=1)]
    """Tokens in the vocabulary."""
    max_len: Annotated[int, Field(ge=1)] = 128
    """Most positions, tokens."""
    num_layers: Annotated[int, Field(ge=0)] = 3
    """Blocks of attention and MLP."""
    num_heads: Annotated[int, Field(ge=1)] = 3
    """Attention heads in a block; divides the width."""
    width: Annotated[int, Field(ge=1)] = 48
    """Numbers in the residual stream per token."""
    mlp_ratio: Annotated[int, Field(ge=0)] = 4
    """Hidden units of the MLP as a multiple of the width; 0 leaves attention only."""
    activation: Literal["gelu", "relu"] = "gelu"
    """Non-linearity of the MLP."""
    layer_norm: bool = True
    """Normalise before attention, MLP and read-out."""
    tied: bool = False
    """Read out with the token embedding."""
    head_bias: bool = False
    """Add a bias to the logits."""

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.width % self.num_heads:
            raise ValueError(f"num_heads = {self.num_heads} does not divide width = {self.width}")
        return self

    @property
    def head_size(self) -> int:
        """Numbers per head, D / H."""
        return self.width // self.num_heads


PRESETS: Mapping[str, Mapping[str, int]] = {
    "nano": {"num_layers": 3, "num_heads": 3, "width": 48},
    "micro": {"num_layers": 4, "num_heads": 4, "width": 128},
    "mini": {"num_layers": 6, "num_heads": 6, "width": 192},
    "gopher-44m": {"num_layers": 8, "num_heads": 16, "width": 512},
}


def preset(name: str, *, vocab_size: int, **changes: Any) -> TinyConfig:
    """The config of a named size, with fields replaced by ``changes``.

    Raises:
        ConfigError: An unknown name, or a bad value.
    """
    if name not in PRESETS:
        raise ConfigError(f"unknown size {name!r}", remedy=nearest(name, PRESETS) or f"Sizes: {', '.join(PRESETS)}.")
    return from_dict(TinyConfig, {"vocab_size": vocab_size, **PRESETS[name], **changes}, place=f"size {name}")


class Cache:
    """Keys and values (B, H, S, D / H) of the ``num_tok`` tokens read so far, handed from one call to the next."""

    def __init__(self) -> None:
        self.num_tok = 0
        self.layers: dict[int, tuple[Tensor, Tensor]] = {}


class Block(nn.Module):
    """One layer: attention and MLP, each behind its norm and added to the residual stream."""

    def __init__(self, config: TinyConfig, index: int) -> None:
        super().__init__()
        width, hidden = config.width, config.mlp_ratio * config.width
        self.index, self.num_heads, self.activation = index, config.num_heads, config.activation
        self.attention_norm = _norm(config)
        self.qkv = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        if hidden:
            self.mlp_norm = _norm(config)
            self.mlp_in = nn.Linear(width, hidden)
            self.mlp_out = nn.Linear(hidden, width)
        self.has_mlp = bool(hidden)

    def forward(self, h_BTD: Tensor, mask_TS: Tensor | None, cache: Cache | None, hook: Hook | None) -> Tensor:
        """The residual stream after this layer. ``mask_TS`` is True where attention is allowed; None is causal."""
        B, T, D = h_BTD.shape
        qkv = self.qkv(self.attention_norm(h_BTD)).view(B, T, 3, self.num_heads, D // self.num_heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        if cache is not None:
            if past := cache.layers.get(self.index):
                k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
            cache.layers[self.index] = (k, v)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask_TS, is_causal=mask_TS is None)
        a_BTD = self.attention_out(mixed.transpose(1, 2).reshape(B, T, D))
        h_BTD = h_BTD + _visit(hook, f"attention.{self.index}", a_BTD)
        if self.has_mlp:
            act = F.gelu if self.activation == "gelu" else F.relu
            m_BTD = self.mlp_out(act(self.mlp_in(self.mlp_norm(h_BTD))))
            h_BTD = h_BTD + _visit(hook, f"mlp.{self.index}", m_BTD)
        return _visit(hook, f"layer.{self.index}", h_BTD)


class TinyGPT(nn.Module):
    """A small GPT. Same config and seed, same weights.

    Args:
        config: Its shape.
        seed: Root of the initial weights.
    """

    def __init__(self, config: TinyConfig, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        with torch.device("meta"):  # on a real device the layers would draw from the global generator
            self.token_embedding = nn.Embedding(config.vocab_size, config.width)
            self.position_embedding = nn.Embedding(config.max_len, config.width)
            self.blocks = nn.ModuleList(Block(config, i) for i in range(config.num_layers))
            self.final_norm = _norm(config)
            self.head = nn.Linear(config.width, config.vocab_size, bias=config.head_bias)
        self.to_empty(device="cpu")
        if config.tied:
            self.head.weight = self.token_embedding.weight
        self._initialise(seed)

    @torch.no_grad()
    def _initialise(self, seed: int) -> None:
        # One stream per tensor, named after it: the weights of one part do not depend on what else there is.
        into_residual = 0.02 / math.sqrt(2 * max(self.config.num_layers, 1))
        for name, weight in self.named_parameters():
            if name.endswith("bias"):
                weight.zero_()
            elif "norm" in name:
                weight.fill_(1.0)
            else:
                generator = torch.Generator().manual_seed(seeds.derive(seed, "tiny", name))
                std = into_residual if "_out." in name else 0.02
                weight.copy_(torch.randn(weight.shape, generator=generator, dtype=torch.float32) * std)

    def embed(self, tokens_BT: Tensor, positions: Tensor | None = None, *, start: int = 0) -> Tensor:
        """Input vectors (B, T, D); positions (T,) or (B, T), by default ``start``, ``start + 1``, ...

        Raises:
            ConfigError: The sequence does not fit ``max_len``.
        """
        T = tokens_BT.shape[1]
        if positions is None:
            if start + T > self.config.max_len:
                raise ConfigError(f"{start + T} tokens do not fit max_len = {self.config.max_len}", remedy="Raise it.")
            positions = torch.arange(start, start + T, device=tokens_BT.device)
        return self.token_embedding(tokens_BT) + self.position_embedding(positions)

    def run_layers(
        self, h_BTD: Tensor, *, mask_TS: Tensor | None = None, cache: Cache | None = None, hook: Hook | None = None
    ) -> Tensor:
        """All layers on input vectors, which need not be embeddings of tokens. Gives (B, T, D), not yet normalised.

        Args:
            h_BTD: Input vectors.
            mask_TS: True where attention is allowed, broadcastable to (B, H, T, S); causal when None.
            cache: Tokens read before; these are added.
            hook: Called at ``embed``, and for each layer l at ``attention.l``, ``mlp.l`` (what they add) and
                ``layer.l`` (the stream after it).
        """
        T = h_BTD.shape[1]
        if mask_TS is None and cache is not None and cache.num_tok:
            past = cache.num_tok
            mask_TS = torch.ones(T, past + T, dtype=torch.bool, device=h_BTD.device).tril(past)
        h_BTD = _visit(hook, "embed", h_BTD)
        for block in self.blocks:
            h_BTD = block(h_BTD, mask_TS, cache, hook)
        if cache is not None:
            cache.num_tok += T
        return h_BTD

    def read_out(self, h_BTD: Tensor) -> Tensor:
        """Logits (B, T, V) of a residual stream."""
        return self.head(self.final_norm(h_BTD))

    def forward(
        self,
        tokens_BT: Tensor,
        positions: Tensor | None = None,
        *,
        mask_TS: Tensor | None = None,
        cache: Cache | None = None,
        hook: Hook | None = None,
    ) -> Tensor:
        """Logits (B, T, V) of the next token; see `embed` and `run_layers` for the arguments."""
        h_BTD = self.embed(tokens_BT, positions, start=cache.num_tok if cache is not None else 0)
        return self.read_out(self.run_layers(h_BTD, mask_TS=mask_TS, cache=cache, hook=hook))


def _norm(config: TinyConfig) -> nn.Module:
    return nn.LayerNorm(config.width) if config.layer_norm else nn.Identity()


def _visit(hook: Hook | None, point: str, value: Tensor) -> Tensor:
    replaced = hook(point, value) if hook is not None else None
    return value if replaced is None else replaced


@torch.no_grad()
def greedy(model: TinyGPT, tokens_BT: Tensor, *, num_new: int, cache: Cache | None = None) -> Tensor:
    """The most likely continuation, token by token, shape (B, num_new); of equally likely tokens the first.

    Args:
        model: The model.
        tokens_BT: What to read first, at least one token; with a cache, what follows what it holds.
        num_new: Tokens to add.
        cache: Continued from and added to. The last new token is not in it yet: it begins the next call.
    """
    cache = Cache() if cache is None else cache
    new: list[Tensor] = []
    for _ in range(num_new):
        h_BTD = model.run_layers(model.embed(tokens_BT, start=cache.num_tok), cache=cache)
        tokens_BT = model.read_out(h_BTD[:, -1:]).argmax(-1)
        new.append(tokens_BT)
    return torch.cat(new, 1) if new else tokens_BT[:, :0]
