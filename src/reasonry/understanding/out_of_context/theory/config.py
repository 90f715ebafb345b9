"""Settings of ``reasonry probe out-of-context lab``: three models, from the one of the theory to an ordinary one.

Defaults of the one-layer model are the authors' script; what is reconstructed says so.
"""

# pyright: strict
from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, NamedTuple, cast, get_args

from pydantic import Field

from reasonry.core.config import Config, Neutral
from reasonry.errors import ConfigError, nearest
from reasonry.understanding.out_of_context.theory.factors import Parameterisation
from reasonry.understanding.out_of_context.theory.table import Pairing

VERB = "probe out-of-context lab"
Count = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]

RANK = "rank-"
CONTROLS = ("permuted-bridge", "no-bridge")


class Arm(NamedTuple):
    """One training of a run.

    Attributes:
        name: In the config and in the report.
        kind: Parameterisation of the output-value matrix.
        width: Of its factors; the preset's when None.
        pairing: Of bridge subjects with implications.
    """

    name: str
    kind: Parameterisation
    width: int | None
    pairing: Pairing


class LabConfig(Config):
    """What every preset has."""

    num_groups: Annotated[int, Field(ge=2)] = 4
    """Pairs of a fact and its implication, n."""
    bridge: tuple[int, ...] = (1,)
    """Subjects of a group whose implication is learnt, m_train: one number for all groups, or one for each."""
    others: tuple[int, ...] = (3,)
    """Subjects of a group whose implication is only asked for, m_test, likewise."""
    solve: bool = False
    """Solve the maximum-margin problems numerically where groups are of unequal size and there is no closed form, to
    compare with; needs cvxpy."""
    seed: int = 0
    """Root of weights, data and permutations."""
    num_looks: Annotated[int, Neutral, Field(ge=2)] = 60
    """Steps at which everything is measured, spread evenly in their logarithm."""
    save_every: Annotated[int, Neutral, Field(ge=1)] = 1000
    """Steps between checkpoints."""
    run: Annotated[Path | None, Neutral] = None
    """Run directory; a name under runs/ made from the settings when not given."""


class FixedAttentionConfig(LabConfig):
    """The model of the theory: attention fixed to subject and relation, full-batch gradient descent in float64.

    Arms: factorised, combined, frozen-value, rank-K (factors of width K), and on a control of the data permuted-bridge,
    no-bridge (both factorised).
    """

    arms: Annotated[tuple[str, ...], Neutral] = ("factorised", "combined")
    """Trained one after the other on the same table, and compared: factorised, combined, frozen-value, rank-4 (or
    another number), permuted-bridge, no-bridge."""
    steps: Count = 10_000
    """Steps of gradient descent."""
    lr: Positive = 1.0
    """Step size; 0.05 suits normalised steps."""
    descent: Literal["plain", "normalised"] = "plain"
    """Plain gradient descent, or steps of length lr, which come closer to the limit sooner."""
    width: Annotated[int | None, Field(ge=1)] = None
    """Width of the factors; as many as tokens when not given."""
    init_scale: Positive = 0.01
    """Standard deviation of the factors' first entries; the combined matrix begins at 0."""


class OneLayerConfig(LabConfig):
    """One layer of linear attention over sequences with noise, AdamW: the authors' scale.

    Arms: as of fixed-attention, without frozen-value.
    """

    num_groups: Annotated[int, Field(ge=2)] = 20
    """Pairs of a fact and its implication, n."""
    arms: Annotated[tuple[str, ...], Neutral] = ("factorised", "combined")
    """Trained one after the other on the same sequences, and compared: factorised, combined, rank-4 (or another
    number), permuted-bridge, no-bridge."""
    steps: Count = 2000
    """Steps of AdamW; the authors' sweep of ranks takes 20000."""
    lr: Positive = 5e-3
    """Learning rate, constant."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.03
    """Of AdamW."""
    batch_size: Count = 252
    """Sequences of a step, in equal parts facts and implications of bridge subjects and facts of the others."""
    num_noise: NotNegative = 5
    """Noise tokens in the vocabulary; without any, sequences are subject, relation, end."""
    length: Annotated[int, Field(ge=3)] = 16
    """Tokens of a sequence."""
    key_query: Literal["combined", "factorised"] = "combined"
    """Parameterisation of attention: W_Q alone, or W_K and W_Q."""
    width: Annotated[int | None, Field(ge=1)] = None
    """Width of the value factor; the vocabulary's size when not given."""
    init: Literal["identity", "default"] = "identity"
    """First weights: all 1e-4 (1e-4 I for W_V), or N(0, 1 / V). Arms rank-K always begin with the latter: where W_V is
    not square, the former learns rank one only."""


class TransformerConfig(LabConfig):
    """An ordinary small transformer (softmax, MLPs, layer norm) on the same questions, and its controls.

    Arms: true, permuted-bridge, no-bridge. RECONSTRUCTED: the paper fine-tunes large models instead.
    """

    num_groups: Annotated[int, Field(ge=2)] = 5
    """Pairs of a fact and its implication, n."""
    bridge: tuple[int, ...] = (4,)
    """Subjects of a group whose implication is learnt: one number for all groups, or one for each."""
    others: tuple[int, ...] = (16,)
    """Subjects of a group whose implication is only asked for, likewise."""
    arms: Annotated[tuple[str, ...], Neutral] = ("true", "permuted-bridge")
    """Trained one after the other, and compared: true, permuted-bridge, no-bridge."""
    steps: Count = 300
    """Steps of AdamW on all training questions."""
    lr: Positive = 1e-3
    """Learning rate, constant."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Of AdamW."""
    num_layers: Count = 2
    """Blocks."""
    num_heads: Count = 2
    """Attention heads of a block."""
    width: Count = 64
    """Of the residual stream."""
    mlp_ratio: NotNegative = 4
    """Hidden units of an MLP as a multiple of the width; 0 for none."""
    embedding_std: Positive = 0.02
    """Standard deviation of the first token embeddings; 1 is torch's default, and less is inferred."""


AnyConfig = FixedAttentionConfig | OneLayerConfig | TransformerConfig
PRESETS: dict[str, type[AnyConfig]] = {
    "fixed-attention": FixedAttentionConfig,
    "one-layer": OneLayerConfig,
    "transformer": TransformerConfig,
}


def preset_of(config: AnyConfig) -> str:
    """The name of a config's preset."""
    return next(name for name, kind in PRESETS.items() if isinstance(config, kind))


def find_arms(config: AnyConfig) -> list[Arm]:
    """The arms of a run, each once.

    Raises:
        ConfigError: An unknown arm, none, or one that the preset does not have.
    """
    if not config.arms:
        raise ConfigError("no arms", place="arms", remedy="Name one or more.")
    return [_arm(name, config) for name in dict.fromkeys(config.arms)]


def _arm(name: str, config: AnyConfig) -> Arm:
    if name in CONTROLS:
        return Arm(name, "factorised", None, cast("Pairing", name))
    if isinstance(config, TransformerConfig):
        known: tuple[str, ...] = ("true", *CONTROLS)
        if name == "true":
            return Arm(name, "factorised", None, "true")
    else:
        kinds = [
            k for k in get_args(Parameterisation) if k != "frozen-value" or isinstance(config, FixedAttentionConfig)
        ]
        known = (*kinds, "rank-4", *CONTROLS)
        if name in kinds:
            return Arm(name, cast("Parameterisation", name), None, "true")
        number = name.removeprefix(RANK)
        if name.startswith(RANK) and number.isdecimal() and int(number) >= 1:
            return Arm(name, "factorised", int(number), "true")
    raise ConfigError(
        f"unknown arm {name!r}", place="arms", remedy=nearest(name, known) or f"There are {', '.join(known)}."
    )
