"""The planner: a small head on a masked diffusion model that says how likely each masked position is to be revealed.

    x_i  = h_i + f(s_i)                    the denoiser's last hidden state, its confidence, entropy, margin, or both
    c_i  = MLP(sinusoid(1000 tau)) + E[e_i]          e_i = 1 where position i is eligible
    z    = AdaLN_1(x, c) + P                         AdaLN(x, c) = LN(x) (1 + scale(c)) + shift(c)
    z    = Block(z)                                  RMSNorm, attention in both directions, RMSNorm, SwiGLU
    y_i  = w . AdaLN_2(z, c)_i + b
    logit_i = C tanh(y_i / C)                        q_i = sigmoid(logit_i)

tau is the share of the canvas, prompt included, that is known. This is the head of dUltra (arXiv 2512.21446); at
LLaDA-8B's size it has 303,083,521 parameters (`PlannerConfig.released`). What differs from the authors' release, and
is reconstructed:

* the head sees the answer's positions, theirs the whole canvas. Give it the canvas and ``attend_BL`` to do as they do;
* tau is scaled by 1000: in [0, 1] most of the sinusoid's channels hardly move;
* AdaLN and w start at 0, so that AdaLN is LN and every logit is the chosen bias; theirs start at random, b at 0;
* C bounds q away from 0 and 1, an exploration floor for reinforcement learning;
* positions: RoPE as theirs, or a learned P (added after the norm, so that its scale matches x whatever the denoiser
  is). Some is needed: without it a head has to recover its position from h alone. RoPE tells positions apart only
  through what stands elsewhere: where all x and c are equal, so are all logits, but not with P;
* scalar features, and no hidden state at all: a planner that reads nothing but the law of each token. They count as 0
  where a position is not eligible.

c_i takes two values for each distinct tau, and maps of it are computed for these instead of for every position; the MLP
and all that follows is computed where a position is eligible.

Shapes: B rows, L answer (or canvas), D width of the denoiser, W width of the head, M eligible positions, K conditions:
two for each distinct tau.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from reasonry.core import seeds
from reasonry.core.models.quiet import quiet_transformers
from reasonry.errors import ConfigError, DataError, nearest

if TYPE_CHECKING:
    from reasonry.training.dultra.denoiser import Denoiser
    from reasonry.training.dultra.policies.base import StepContext

Feature = Literal["hidden", "confidence", "entropy", "margin"]
FEATURES: tuple[Feature, ...] = ("hidden", "confidence", "entropy", "margin")

_SCALAR_UNITS = 32  # random features of the scalars, before they are mixed into the width
_MAX_PERIOD = 10_000.0


class PlannerWarning(UserWarning):
    """A planner is used away from what it was trained for."""


class PlannerConfig(PreTrainedConfig):
    """Shape of a planner, and what it was trained for.

    Args:
        width: D of the denoiser whose hidden states are read; 0 when none are.
        inner_width: W; D when None. A head narrower than the denoiser reads through a linear map.
        features: What is read: some of hidden, confidence, entropy, margin.
        num_heads: Attention heads; divides W.
        mlp_width: Hidden units of the block's MLP; 3 W when None.
        position: ``learned`` up to ``max_len``, ``rope``, or ``none`` (for comparisons).
        max_len: Most positions with ``learned``.
        rope_theta: Base of the rotary frequencies.
        time_dim: Channels of the sinusoid; even.
        time_scale: What tau is multiplied by.
        clamp: C; None for no bound.
        output_bias: Logit of every position at the start.
        init: ``identity`` as described in the module, ``released`` as in the authors' release.
        norm_eps: Of RMSNorm.
        denoiser: Name of the denoiser it was trained on.
        block_len: Block length it was trained for, tokens; None when it has not been trained.

    Raises:
        ConfigError: Values that make no planner.
    """

    model_type = "reasonry-planner"

    def __init__(
        self,
        *,
        width: int = 64,
        inner_width: int | None = None,
        features: Sequence[str] = ("hidden",),
        num_heads: int = 4,
        mlp_width: int | None = None,
        position: str = "learned",
        max_len: int = 256,
        rope_theta: float = 10_000.0,
        time_dim: int = 64,
        time_scale: float = 1000.0,
        clamp: float | None = 4.0,
        output_bias: float = -1.5,
        init: str = "identity",
        norm_eps: float = 1e-5,
        denoiser: str = "",
        block_len: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.width, self.features, self.num_heads = width, list(features), num_heads
        self.inner_width = width if inner_width is None else inner_width
        self.mlp_width = 3 * self.inner_width if mlp_width is None else mlp_width
        self.position, self.max_len, self.rope_theta = position, max_len, rope_theta
        self.time_dim, self.time_scale = time_dim, time_scale
        self.clamp, self.output_bias, self.init, self.norm_eps = clamp, output_bias, init, norm_eps
        self.denoiser, self.block_len = denoiser, block_len
        self._check()

    def _check(self) -> None:
        unknown = [f for f in self.features if f not in FEATURES]
        if unknown or not self.features or len(set(self.features)) < len(self.features):
            hint = nearest(str(unknown[0]), FEATURES) if unknown else ""
            raise ConfigError(f"features={self.features}", remedy=hint or f"Choose some of {', '.join(FEATURES)}.")
        for name, known in (("position", ("learned", "rope", "none")), ("init", ("identity", "released"))):
            if getattr(self, name) not in known:
                raise ConfigError(f"unknown {name}={getattr(self, name)!r}", remedy=f"Use one of {', '.join(known)}.")
        if "hidden" in self.features and self.width < 1:
            raise ConfigError(
                "a planner that reads hidden states needs their width", remedy="Give width, or drop hidden."
            )
        if self.inner_width < 1:
            raise ConfigError("a planner without hidden states has no width to inherit", remedy="Give inner_width.")
        if self.num_heads < 1 or self.inner_width % self.num_heads:
            raise ConfigError(f"num_heads={self.num_heads} does not divide the width {self.inner_width}")
        if self.position == "rope" and self.inner_width // self.num_heads % 2:
            raise ConfigError(f"rotary positions need heads of even size, not {self.inner_width // self.num_heads}")
        if self.time_dim < 2 or self.time_dim % 2 or self.max_len < 1 or self.mlp_width < 1:
            raise ConfigError(
                f"time_dim={self.time_dim}, max_len={self.max_len}, mlp_width={self.mlp_width} make no head"
            )
        if self.clamp is not None and not (self.clamp > 0 and abs(self.output_bias) < self.clamp):
            raise ConfigError(
                f"a logit of {self.output_bias} is not within the clamp {self.clamp}",
                remedy="Raise clamp, or use none.",
            )

    @classmethod
    def released(cls, **changes: Any) -> PlannerConfig:
        """The head of the authors' checkpoints on LLaDA-8B, with fields replaced by ``changes``."""
        fields: dict[str, Any] = {
            "width": 4096, "num_heads": 32, "mlp_width": 12288, "position": "rope", "rope_theta": 500_000.0,
            "time_dim": 256, "time_scale": 1.0, "clamp": None, "output_bias": 0.0, "init": "released",
        }  # fmt: skip
        return cls(**{**fields, **changes})


class AdaLayerNorm(nn.Module):
    """Layer norm without weights of its own, scaled by 1 + scale(c) and shifted by shift(c)."""

    eps = 1e-4  # the release's, larger than usual

    def __init__(self, width: int) -> None:
        super().__init__()
        self.modulation = nn.Linear(width, 2 * width)

    def forward(self, x_BLW: Tensor, c_KW: Tensor, which_BL: Tensor) -> Tensor:
        """Shape (B, L, W), or (M, W); ``which_BL`` says which of the K conditions holds at each position."""
        scale_KW, shift_KW = self.modulation(c_KW).chunk(2, -1)
        normed_BLW = F.layer_norm(x_BLW, x_BLW.shape[-1:], eps=self.eps)
        return torch.addcmul(F.embedding(which_BL, shift_KW), normed_BLW, F.embedding(which_BL, 1 + scale_KW))


class PlannerBlock(nn.Module):
    """One layer as in LLaMA, without biases, with attention in both directions."""

    def __init__(self, config: PlannerConfig) -> None:
        super().__init__()
        width, hidden = config.inner_width, config.mlp_width
        self.num_heads = config.num_heads
        self.theta = config.rope_theta if config.position == "rope" else None
        self.attention_norm = nn.RMSNorm(width, eps=config.norm_eps)
        self.query, self.key, self.value, self.attention_out = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.mlp_norm = nn.RMSNorm(width, eps=config.norm_eps)
        self.gate, self.up = nn.Linear(width, hidden, bias=False), nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, z_BLW: Tensor, mask: Tensor | None, at_M: Tensor | None) -> Tensor:
        """What becomes of some positions, shape (M, W).

        Args:
            z_BLW: All positions, which are attended to.
            mask: True where attention is allowed, broadcastable to (B, H, L, L).
            at_M: Places of the positions asked for among all B L; None for all.
        """
        B, L, W = z_BLW.shape
        normed = self.attention_norm(z_BLW)
        q, k, v = (m(normed).view(B, L, self.num_heads, -1).transpose(1, 2) for m in (self.query, self.key, self.value))
        if self.theta is not None:
            q, k = _rotate(q, self.theta), _rotate(k, self.theta)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        z_MW, mixed_MW = z_BLW.reshape(B * L, W), mixed.transpose(1, 2).reshape(B * L, W)
        if at_M is not None:
            z_MW, mixed_MW = z_MW[at_M], mixed_MW[at_M]
        z_MW = z_MW + self.attention_out(mixed_MW)
        normed = self.mlp_norm(z_MW)
        return z_MW + self.down(F.silu(self.gate(normed)) * self.up(normed))


class PlannerHead(PreTrainedModel):
    """The planner. Same config and seed, same weights; saved and loaded as any model of transformers.

    Args:
        config: Its shape.
        seed: Root of the initial weights.
    """

    config_class = PlannerConfig
    config: PlannerConfig
    base_model_prefix = ""
    main_input_name = "hidden_BLD"

    def __init__(self, config: PlannerConfig, *, seed: int = 0) -> None:
        super().__init__(config)
        self._seed = seed
        width = config.inner_width
        # Attributes of a config of transformers are looked up in Python: too slow for every pass of a small head.
        self._features, self._clamp = tuple(config.features), config.clamp
        self._width, self._is_narrower = config.width, width != config.width
        self._max_len = config.max_len if config.position == "learned" else None
        self._num_angles, self._time_scale = config.time_dim // 2, config.time_scale
        scalars = [f for f in config.features if f != "hidden"]
        place = torch.get_default_device()
        with torch.device("meta"):  # on a real device the layers would draw from the global generator
            if "hidden" in config.features and width != config.width:
                self.read_hidden = nn.Linear(config.width, width, bias=False)
            if scalars:
                self.read_scalars = nn.Sequential(
                    nn.Linear(len(scalars), _SCALAR_UNITS), nn.SiLU(), nn.Linear(_SCALAR_UNITS, width, bias=False)
                )
            self.time = nn.Sequential(nn.Linear(config.time_dim, width), nn.SiLU(), nn.Linear(width, width))
            self.eligible_embedding = nn.Embedding(2, width)
            self.norm_in, self.norm_out = AdaLayerNorm(width), AdaLayerNorm(width)
            if config.position == "learned":
                self.position_embedding = nn.Embedding(config.max_len, width)
            self.block = PlannerBlock(config)
            self.out = nn.Linear(width, 1)
        if place.type != "meta":  # where transformers builds what it then loads, it stays there
            self.to_empty(device=place)
        self.post_init()

    # ------------------------------------------------------------ use

    def forward(
        self,
        hidden_BLD: Tensor | None = None,
        *,
        eligible_BL: Tensor,
        known_share_B: Tensor,
        confidence_BL: Tensor | None = None,
        entropy_BL: Tensor | None = None,
        margin_BL: Tensor | None = None,
        attend_BL: Tensor | None = None,
    ) -> Tensor:
        """Logits of revealing each position, float32, shape (B, L); 0, and without a meaning, where not eligible.

        Args:
            hidden_BLD: The denoiser's last hidden states, after its final norm.
            eligible_BL: Positions that may be revealed.
            known_share_B: tau, 0 to 1.
            confidence_BL: Probability of the token proposed.
            entropy_BL: Of the law of tokens, nats.
            margin_BL: Probability of the likeliest token less that of the second.
            attend_BL: False on positions that no other may look at, such as padding; all may be when None.

        Raises:
            DataError: A feature that it reads is missing, or hidden states have another width.
            ConfigError: More positions than it has embeddings for.
        """
        given = {"hidden": hidden_BLD, "confidence": confidence_BL, "entropy": entropy_BL, "margin": margin_BL}
        if missing := [f for f in self._features if given[f] is None]:
            raise DataError(
                f"the planner reads {', '.join(missing)}, which was not given", remedy="Ask the denoiser for it."
            )
        L, dtype = eligible_BL.shape[1], self.out.weight.dtype
        read: list[Tensor] = []
        if "hidden" in self._features:
            hidden = cast("Tensor", hidden_BLD).to(dtype)
            if hidden.shape[-1] != self._width:
                raise _other_width(self._width, hidden.shape[-1])
            read.append(self.read_hidden(hidden) if self._is_narrower else hidden)
        if scalars := [cast("Tensor", given[f]) for f in self._features if f != "hidden"]:
            stacked = torch.stack(scalars, -1).masked_fill(~eligible_BL[..., None], 0.0)
            read.append(self.read_scalars(stacked.to(dtype)))
        x_BLW = read[0] if len(read) == 1 else read[0] + read[1]

        c_KW, which_BL = self._conditions(known_share_B, eligible_BL)
        z_BLW = self.norm_in(x_BLW, c_KW, which_BL)
        if self._max_len is not None:
            if self._max_len < L:
                raise _too_long(L, self._max_len)
            z_BLW = z_BLW + self.position_embedding.weight[:L]
        at_M, which_M = eligible_BL.flatten().nonzero()[:, 0], which_BL.flatten()
        if len(at_M) == len(which_M):
            at_M = None
        else:
            which_M = which_M[at_M]
        z_MW = self.block(z_BLW, _keys(attend_BL), at_M)
        # A product with one column is summed in an order that hangs on where its numbers lie in memory; this is not.
        read_M = (self.norm_out(z_MW, c_KW, which_M).float() * self.out.weight[0].float()).sum(1)
        logit_M = read_M + self.out.bias.float()
        if self._clamp is not None:
            logit_M = self._clamp * torch.tanh(logit_M / self._clamp)
        if at_M is None:
            return logit_M.view(eligible_BL.shape)
        return logit_M.new_zeros(eligible_BL.shape).masked_scatter(eligible_BL, logit_M)

    def plan(self, context: StepContext) -> Tensor:
        """`forward` on a step's facts, for decoding and for replaying it alike."""
        return self(
            context.hidden_BLD,
            eligible_BL=context.eligible_BL,
            known_share_B=context.known_share_B,
            confidence_BL=context.confidence_BL,
            entropy_BL=context.entropy_BL,
            margin_BL=context.margin_BL,
        )

    def check_fits(self, denoiser: Denoiser, *, block_len: int, answer_len: int | None = None) -> list[str]:
        """Whether it can plan for a denoiser; what is odd about it is warned of and given back.

        Args:
            denoiser: Whose canvases it shall plan.
            block_len: Of the decoding, tokens.
            answer_len: Of the decoding, tokens.

        Raises:
            DataError: The denoiser's hidden states have another width, or it has none.
            ConfigError: The answer is longer than its positions.

        Warns:
            PlannerWarning: It was trained for another block length or on another denoiser.
        """
        config = self.config
        if "hidden" in config.features and denoiser.width != config.width:
            raise _other_width(config.width, denoiser.width)
        if config.position == "learned" and answer_len is not None and answer_len > config.max_len:
            raise _too_long(answer_len, config.max_len)
        odd: list[str] = []
        if config.block_len is not None and config.block_len != block_len:
            odd.append(
                f"the planner was trained for blocks of {config.block_len} tokens, and decodes blocks of {block_len}"
            )
        if config.denoiser and config.denoiser != denoiser.name:
            odd.append(f"the planner was trained on {config.denoiser!r}, and plans for {denoiser.name!r}")
        for line in odd:
            warnings.warn(line, PlannerWarning, stacklevel=2)
        return odd

    def _conditions(self, known_share_B: Tensor, eligible_BL: Tensor) -> tuple[Tensor, Tensor]:
        """Each c that occurs, shape (K, W), and which of them each position has, shape (B, L)."""
        known_share_U, time_B = known_share_B.unique(return_inverse=True)
        c_U2W = self._time(known_share_U)[:, None] + self.eligible_embedding.weight
        return c_U2W.flatten(0, 1), 2 * time_B[:, None] + eligible_BL.long()

    def _time(self, known_share_B: Tensor) -> Tensor:
        """Embedding of tau, shape (B, W); the angles are computed in float32 whatever the weights are."""
        steps = torch.arange(self._num_angles, device=known_share_B.device, dtype=torch.float32)
        angle = (known_share_B.float() * self._time_scale)[:, None] * torch.exp(
            -math.log(_MAX_PERIOD) * steps / self._num_angles
        )
        return self.time(torch.cat([angle.cos(), angle.sin()], -1).to(self.out.weight.dtype))

    # ------------------------------------------------------------ initial weights

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        # One stream per tensor, named after it; tensors that were loaded carry transformers' flag.
        prefix = next(name for name, own in self.named_modules() if own is module)
        for name, weight in module.named_parameters(recurse=False):
            if not getattr(weight, "_is_hf_initialized", False):
                self._fill(f"{prefix}.{name}" if prefix else name, weight)

    def _fill(self, name: str, weight: Tensor) -> None:
        config, released = self.config, self.config.init == "released"
        generator = torch.Generator().manual_seed(seeds.derive(self._seed, "planner", name))
        noise = torch.randn(weight.shape, generator=generator, dtype=torch.float32)
        fan = sum(weight.shape)
        if name == "out.bias":
            c = config.clamp
            weight.fill_(config.output_bias if c is None else c * math.atanh(config.output_bias / c))
        elif name == "read_scalars.0.bias" or name.startswith("position_embedding"):
            weight.copy_(noise)
        elif name.endswith("bias"):
            weight.zero_()
        elif name.endswith("attention_norm.weight") or name.endswith("mlp_norm.weight"):
            weight.fill_(1.0)
        elif name.startswith(("norm_in", "norm_out", "out.")) and not released:
            weight.zero_()
        elif name.startswith(("time.", "norm_in", "norm_out")):
            uniform = torch.rand(weight.shape, generator=generator, dtype=torch.float32)
            weight.copy_((2 * uniform - 1) * math.sqrt(6 / fan))  # Xavier
        elif name.startswith(("out.", "eligible_embedding")):
            weight.copy_(noise.clamp(-2, 2) * 0.02)
        elif name == "read_scalars.0.weight":
            weight.copy_(noise)
        else:
            into_residual = 1 / math.sqrt(2) if name.endswith(("attention_out.weight", "down.weight")) else 1.0
            weight.copy_(noise * into_residual / math.sqrt(weight.shape[1]))


# ---------------------------------------------------------------- files


def load_planner(folder: str | Path) -> PlannerHead:
    """A planner saved with ``save_pretrained``; reads safetensors and runs no code of the folder's.

    Args:
        folder: Where it was saved.

    Raises:
        DataError: There is no planner, or its weights are not those of its config.
    """
    place = str(folder)
    try:
        kind = json.loads((Path(folder) / "config.json").read_text("utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError) as e:
        said = e.strerror if isinstance(e, OSError) else "it is not a JSON object"
        raise DataError(f"no config.json can be read: {said}", place=place, remedy="Name a planner's folder.") from e
    if kind != PlannerConfig.model_type:
        raise DataError(
            f"it holds a model of type {kind!r}, not a planner", place=place, remedy="Is it the right folder?"
        )
    try:
        with quiet_transformers():
            loaded = PlannerHead.from_pretrained(
                place, use_safetensors=True, output_loading_info=True, local_files_only=True
            )
    except ConfigError as e:
        raise DataError(f"its config makes no planner: {e.problem}", place=place, remedy=e.remedy) from e
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as e:
        said = (str(e).splitlines() or [type(e).__name__])[0]
        raise DataError(f"its weights cannot be read: {said}", place=place, remedy="Was it saved whole?") from e
    head, info = cast("tuple[PlannerHead, dict[str, Any]]", loaded)
    if wrong := sorted(info["missing_keys"]) + sorted(info["unexpected_keys"]):  # the missing would be random numbers
        raise DataError(
            f"{len(wrong)} tensors are missing or unknown, such as {wrong[0]}",
            place=place,
            remedy="Was it saved whole?",
        )
    return head.eval()


RELEASED_NAMES: Mapping[str, str] = {
    "time.0": "time_embedding.mlp.0",
    "time.2": "time_embedding.mlp.2",
    "eligible_embedding": "mask_embedding",
    "norm_in.modulation": "norm_out_1.modulation",
    "norm_out.modulation": "norm_out_2.modulation",
    "out": "mask_linear",
    "block.attention_norm": "mask_head.0.attn_norm",
    "block.query": "mask_head.0.q_proj",
    "block.key": "mask_head.0.k_proj",
    "block.value": "mask_head.0.v_proj",
    "block.attention_out": "mask_head.0.attn_out",
    "block.mlp_norm": "mask_head.0.ff_norm",
    "block.gate": "mask_head.0.ff_proj",
    "block.up": "mask_head.0.up_proj",
    "block.down": "mask_head.0.ff_out",
}
"""Our modules and those of the authors' checkpoints."""


def from_released(tensors: Mapping[str, Tensor], **changes: Any) -> PlannerHead:
    """The planner in one of the authors' checkpoints, which hold it beside the language model.

    Args:
        tensors: Tensors by their names there; others are ignored.
        **changes: Fields of `PlannerConfig.released`; widths are read off the tensors. Say ``block_len`` and
            ``denoiser``: the checkpoints do not.

    Raises:
        DataError: A tensor of the planner is missing or has another shape.
    """
    try:
        shapes = {
            "width": tensors["mask_linear.weight"].shape[1],
            "mlp_width": tensors["mask_head.0.ff_proj.weight"].shape[0],
        }
        head = PlannerHead(PlannerConfig.released(**{**shapes, **changes}))
        ours = {name: name.rpartition(".") for name in head.state_dict()}
        renamed = {name: tensors[f"{RELEASED_NAMES[module]}.{kind}"] for name, (module, _, kind) in ours.items()}
        head.load_state_dict(renamed)
    except (KeyError, RuntimeError) as e:
        raise DataError(
            f"not a released planner: {e}", remedy="It has mask_head, mask_linear, mask_embedding ..."
        ) from e
    return head.eval()


# ---------------------------------------------------------------- parts


def _other_width(own: int, other: int) -> DataError:
    return DataError(
        f"the planner reads hidden states of width {own}, and the denoiser gives {other or 'none'}",
        remedy="Use the denoiser that it was trained on, or train a planner for this one.",
    )


def _too_long(length: int, most: int) -> ConfigError:
    return ConfigError(f"{length} positions are more than the planner's max_len={most}", remedy="Train one with more.")


def _keys(attend_BL: Tensor | None) -> Tensor | None:
    if attend_BL is None:
        return None
    own_LL = torch.eye(attend_BL.shape[1], dtype=torch.bool, device=attend_BL.device)
    return (attend_BL[:, None, :] | own_LL)[:, None]  # without any key a value would not be a number


def _rotate(x_BHLK: Tensor, theta: float) -> Tensor:
    """Rotary positions 0 .. L-1: channel i turns with channel i + K/2, at frequency theta^(-2 i / K)."""
    half = x_BHLK.shape[-1] // 2
    index = torch.arange(half, device=x_BHLK.device, dtype=torch.float32)
    place = torch.arange(x_BHLK.shape[2], device=x_BHLK.device, dtype=torch.float32)
    angle_LK = place[:, None] * theta ** (-index / half)
    cos, sin = angle_LK.cos(), angle_LK.sin()
    a, b = x_BHLK.float().split(half, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1).to(x_BHLK.dtype)
