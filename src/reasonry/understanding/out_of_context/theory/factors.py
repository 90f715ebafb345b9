"""Weights of the lab's models before the first step, by parameterisation.

    factorised    W = W_O W_V^T, both learn        entries scale * N(0, 1)
    combined      W learns                         zeros, or scale * N(0, 1)
    frozen-value  W = W_O W_V^T, only W_O learns   W_V entries N(0, 1 / H), W_O zeros

Only in the first does the gradient flow have the bias to a small nuclear norm. ``frozen-value`` is a probe for
mitigation and RECONSTRUCTED.

Shapes: A answers, C columns, H width of the factors.
"""

# pyright: strict
from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from reasonry.core import seeds
from reasonry.errors import ConfigError, nearest
from reasonry.understanding.out_of_context.theory.table import Floats

Parameterisation = Literal["factorised", "combined", "frozen-value"]

_ROOM = "out of context lab"
Weights = dict[str, Floats]
"""``output`` (A, H) and ``value`` (C, H), or ``combined`` (C, A), which is W^T."""


def initial_weights(
    kind: Parameterisation, num_answers: int, num_columns: int, *, width: int, scale: float, seed: int
) -> Weights:
    """Weights before the first step.

    Args:
        kind: Parameterisation.
        num_answers: A.
        num_columns: C.
        width: H.
        scale: Of the entries that are drawn and learn.
        seed: Root.

    Raises:
        ConfigError: An unknown parameterisation.
    """
    known = get_args(Parameterisation)
    if kind not in known:
        raise ConfigError(
            f"unknown parameterisation {kind!r}", remedy=nearest(kind, known) or f"There are {', '.join(known)}."
        )

    def drawn(name: str, *shape: int) -> Floats:
        return seeds.stream(seed, _ROOM, "weights", name).normal(size=shape)

    if kind == "combined":
        return {"combined": scale * drawn("combined", num_columns, num_answers)}
    if kind == "frozen-value":
        value = drawn("value", num_columns, width) / np.sqrt(width)
        return {"output": np.zeros((num_answers, width)), "value": value}
    return {"output": scale * drawn("output", num_answers, width), "value": scale * drawn("value", num_columns, width)}


def product(weights: Weights) -> Floats:
    """W^T, (C, A)."""
    if "combined" in weights:
        return weights["combined"]
    return weights["value"] @ weights["output"].T


def gradients(kind: Parameterisation, weights: Weights, gradient_CA: Floats) -> Weights:
    """Of what learns, from that of W^T."""
    if kind == "combined":
        return {"combined": gradient_CA}
    found = {"output": gradient_CA.T @ weights["value"]}
    if kind == "factorised":
        found["value"] = gradient_CA @ weights["output"]
    return found
