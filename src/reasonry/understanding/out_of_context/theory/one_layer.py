"""The one-layer linear-attention model of arXiv 2506.10887 on whole sequences, by counts of tokens.

    f(X) = W_O W_V^T X^T X W_KQ x_T        factorised        X (T, V) one-hot rows, x_T = EOS
    f(X) = W_OV X^T X W_KQ x_T             combined

Rows are one-hot, so X^T X = diag(counts), and x_T is the same in every sequence: with u = W_KQ e_EOS

    logits = W_OV (counts * u),            dlogits = (softmax - onehot) / B
    dW_OV  = (counts^T dlogits)^T diag(u), du = rows of (counts^T dlogits) * W_OV^T, summed

and nothing of size T x V is ever built; of the at most N + 3 tokens that occur in a sequence only rows of W_OV^T are
added up. W_KQ is combined (W_K = I, W_Q learns) or factorised, u = W_K^T W_Q e_EOS. Of W_Q only the column of EOS acts
and has a gradient; the others would decay unseen, and are left out.

Initial weights, as in the release:

    identity   W_Q, W_O all 1e-4, W_V and W_K 1e-4 I   (W_V all 1e-4 where it is not square, which learns rank one only)
    default    entries N(0, 1 / V)

Shapes: B sequences, V vocabulary, H width of the value factor, N noise tokens.
"""

# pyright: strict
from __future__ import annotations

from typing import Any, Literal, NamedTuple, cast, get_args

import numpy as np
from scipy import sparse  # pyright: ignore[reportMissingTypeStubs]

from reasonry.core import seeds
from reasonry.errors import ConfigError, nearest
from reasonry.understanding.out_of_context.theory.gradients import loss_and_error
from reasonry.understanding.out_of_context.theory.sequences import Counts, Vocabulary
from reasonry.understanding.out_of_context.theory.table import Floats

Switch = Literal["factorised", "combined"]
Init = Literal["identity", "default"]
Weights = dict[str, Floats]
"""``output`` and ``value`` (V, H), or ``combined`` (V, V), which is W_OV^T; ``query`` (V,), perhaps ``key`` (V, V)."""

_SMALL = 1e-4
_ROOM = "out of context one layer"


class Step(NamedTuple):
    """A batch's loss and gradients by name."""

    loss: float
    gradients: Weights


def initial_weights(
    tokens: Vocabulary, output_value: Switch, key_query: Switch, *, width: int | None, init: Init, seed: int
) -> Weights:
    """Weights before the first step.

    Args:
        tokens: Vocabulary.
        output_value: Parameterisation of W_OV.
        key_query: Of W_KQ.
        width: H; V when not given.
        init: ``identity`` or ``default``.
        seed: Of the latter.

    Raises:
        ConfigError: Another init.
    """
    if init not in get_args(Init):
        known = get_args(Init)
        raise ConfigError(f"unknown init {init!r}", remedy=nearest(init, known) or f"There are {', '.join(known)}.")
    size = tokens.size
    inner = width or size

    def entries(name: str, *shape: int, eye: bool = False) -> Floats:
        if init == "default":
            return seeds.stream(seed, _ROOM, name).normal(size=shape) / np.sqrt(size)
        return _SMALL * (np.eye(size) if eye else np.ones(shape))

    weights: Weights = {"query": entries("query", size)}
    if key_query == "factorised":
        weights["key"] = entries("key", size, size, eye=True)
    if output_value == "combined":
        weights["combined"] = entries("output", size, size)
    else:
        weights["output"] = entries("output", size, inner)
        weights["value"] = entries("value", size, inner, eye=inner == size)
    return weights


def attention_to(weights: Weights) -> Floats:
    """u: what EOS gives to each token, (V,)."""
    return weights["key"].T @ weights["query"] if "key" in weights else weights["query"]


def output_of(weights: Weights) -> Floats:
    """W_OV^T (V, V): input tokens by logits."""
    return weights["combined"] if "combined" in weights else weights["value"] @ weights["output"].T


def sparse_counts(counts: Counts, tokens: Vocabulary) -> Any:
    """Counts (B, V) as a sparse matrix."""
    num = len(counts.subject_B)
    noise = np.arange(tokens.first_noise, tokens.eos)
    columns = np.empty((num, tokens.num_noise + 3), dtype=np.int32)
    values = np.ones(columns.shape)
    columns[:, 0], columns[:, 1] = counts.subject_B, counts.relation_B
    columns[:, 2:-1], columns[:, -1] = noise, tokens.eos
    values[:, 2:-1] = counts.noise_BN
    starts = np.arange(0, columns.size + 1, columns.shape[1], dtype=np.int32)
    return sparse.csr_array((values.ravel(), columns.ravel(), starts), shape=(num, tokens.size))


def logits_of(weights: Weights, counts_BV: Any) -> Floats:
    """(B, V), of counts that are sparse or not."""
    attention_V1 = attention_to(weights)[:, None]
    if "combined" in weights:
        return cast("Floats", counts_BV @ (attention_V1 * weights["combined"]))
    return cast("Floats", counts_BV @ (attention_V1 * weights["value"])) @ weights["output"].T


def loss_and_gradients(weights: Weights, counts_BV: Any, answer_B: Any) -> Step:
    """Mean cross entropy of a batch, nats, and its gradients.

    Args:
        weights: Of the model.
        counts_BV: Sparse or not.
        answer_B: The tokens that are right.
    """
    attention_V = attention_to(weights)
    inner = weights.get("value", weights.get("combined"))
    assert inner is not None
    hidden_BH = cast("Floats", counts_BV @ (attention_V[:, None] * inner))
    logits_BV = hidden_BH @ weights["output"].T if "output" in weights else hidden_BH
    num = len(answer_B)
    loss_B, error_BV = loss_and_error(logits_BV, np.arange(num), answer_B)
    error_BV /= num
    gradients: Weights = {}
    error_BH = error_BV
    if "output" in weights:
        gradients["output"] = error_BV.T @ hidden_BH
        error_BH = error_BV @ weights["output"]
    gathered_VH = cast("Floats", counts_BV.T @ error_BH)
    attention_gradient_V = cast("Floats", np.einsum("vh,vh->v", gathered_VH, inner))
    gathered_VH *= attention_V[:, None]
    gradients["value" if "value" in weights else "combined"] = gathered_VH
    if "key" in weights:
        gradients["key"] = weights["query"][:, None] * attention_gradient_V
        gradients["query"] = weights["key"] @ attention_gradient_V
    else:
        gradients["query"] = attention_gradient_V
    return Step(float(loss_B.mean()), gradients)


def effective_matrix(weights: Weights, tokens: Vocabulary) -> Floats:
    """W (A, C) of the fixed-attention view: W (e_s + e_r) is the mean logit of answers over the noise of a sequence.

    What EOS and noise add to every sequence on average stands in the columns of both relations, one of which every
    sequence has. Columns are less their mean over answers, which margins among answers do not see: the softmax is over
    the whole vocabulary, and raises all answers together.
    """
    rows_VA = attention_to(weights)[:, None] * output_of(weights)[:, : tokens.num_answers]
    common_A = rows_VA[tokens.eos].copy()
    if tokens.num_noise_in:
        each = tokens.num_noise_in / tokens.num_noise
        common_A += each * rows_VA[tokens.first_noise : tokens.eos].sum(0)
    columns_CA = rows_VA[tokens.num_answers : tokens.first_noise].copy()
    columns_CA[-2:] += common_A
    columns_CA -= columns_CA.mean(1, keepdims=True)
    return np.ascontiguousarray(columns_CA.T)
