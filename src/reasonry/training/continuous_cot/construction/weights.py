"""Every matrix of the explicit two-layer transformer of "Reasoning by Superposition" (arXiv 2505.12514, appendix B).

The residual stream holds D = 3 V + P numbers, V tokens of vocabulary and P position dimensions:

    h = [ content (V) | buffer 1 (V) | buffer 2 (V) | position (P) ]

Tokens and thoughts enter in the content block, token v as the unit vector e_v, and every position i adds its code

    p_i[2k-1] = cos(i w_k),  p_i[2k] = sin(i w_k),  k = 1 .. P/2,      <p_i, p_j> = sum_k cos((i - j) w_k)

A layer is   a = h + sum_heads O softmax(<q_i, k_j>) V h,   h' = LN(W2 1{W1 a >= eps}),   LN(x) = x / |x|.

Attention is causal and without the factor 1 / sqrt(D); the MLP has no residual connection and its non-linearity is a
step, so that h' is an exact superposition again whatever small weights attention left elsewhere. The step cannot be
trained, and LN neither centres nor scales: these are no weights for a GPT-2.

Shapes: H chooser heads (5), V vocabulary, P position dimensions, D width, T positions, K = 2 P query size.
"""

# pyright: strict
from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.training.continuous_cot.construction.constants import Constants, frequencies
from reasonry.training.continuous_cot.construction.vocabulary import Vocabulary

Array = NDArray[np.float64]


class Chooser(NamedTuple):
    """A head of layer 1: where ``token`` stands it attends ``lag`` positions back, elsewhere to <s>.

    Attributes:
        token: The token it waits for.
        lag: How far back it then looks, positions.
        buffer: Block that it writes to, 1 or 2.
    """

    token: int
    lag: int
    buffer: int


class Weights(NamedTuple):
    """All matrices, float64; layer 1 has one value matrix for all heads.

    Attributes:
        position_TP: Code of positions 1 .. T.
        query1_HKD: Queries of the choosers.
        key1_HKD: Keys of the choosers.
        value1_VD: Values of layer 1.
        out1_HDV: Where each chooser writes.
        mlp1_in_MD: Into the step of layer 1, M = 3 V.
        mlp1_out_DM: Out of it.
        query2_VD: Query of layer 2.
        key2_VD: Key of layer 2.
        value2_VD: Value of layer 2.
        out2_DV: Where layer 2 writes.
        mlp2_in_ND: Into the step of layer 2, N = 2 V.
        mlp2_out_DN: Out of it.
        readout_VD: Logits from the last state.
    """

    position_TP: Array
    query1_HKD: Array
    key1_HKD: Array
    value1_VD: Array
    out1_HDV: Array
    mlp1_in_MD: Array
    mlp1_out_DM: Array
    query2_VD: Array
    key2_VD: Array
    value2_VD: Array
    out2_DV: Array
    mlp2_in_ND: Array
    mlp2_out_DN: Array
    readout_VD: Array


def choosers(vocabulary: Vocabulary) -> tuple[Chooser, ...]:
    """The five heads of layer 1: an edge fetches its source and target, <R> the candidates, <A> the last thought."""
    e, r, a = vocabulary.edge, vocabulary.root, vocabulary.answer
    return Chooser(e, 2, 1), Chooser(e, 1, 2), Chooser(r, 2, 2), Chooser(r, 1, 2), Chooser(a, 1, 1)


def width(vocabulary: Vocabulary, num_position_dims: int) -> int:
    """D = 3 V + P."""
    return 3 * vocabulary.size + num_position_dims


def position_code(positions: NDArray[np.int64], num_position_dims: int) -> Array:
    """p_i of each position i, counted from 1.

    Returns:
        Shape (T, P): cos(i w_1), sin(i w_1), cos(i w_2), ...
    """
    angle_TF = positions[:, None] * frequencies(num_position_dims)
    return np.stack([np.cos(angle_TF), np.sin(angle_TF)], -1).reshape(len(positions), num_position_dims)


def rotation(lag: int, num_position_dims: int) -> Array:
    """R(l): the matrix with p_{i+l} = R(l) p_i, blocks of two on its diagonal.

    R(l) = diag_k [[cos(l w_k), -sin(l w_k)], [sin(l w_k), cos(l w_k)]]
    """
    found = np.zeros((num_position_dims, num_position_dims))
    for k, w in enumerate(frequencies(num_position_dims)):
        c, s = np.cos(lag * w), np.sin(lag * w)
        found[2 * k : 2 * k + 2, 2 * k : 2 * k + 2] = [[c, -s], [s, c]]
    return found


def make_weights(vocabulary: Vocabulary, max_len: int, *, num_position_dims: int, constants: Constants) -> Weights:
    """The matrices for any graph that fits; none of them depends on a graph.

    Args:
        vocabulary: Of V tokens.
        max_len: T.
        num_position_dims: P, even.
        constants: Strengths, see `sufficient_constants`.
    """
    V, P, D = vocabulary.size, num_position_dims, width(vocabulary, num_position_dims)
    eye, none = np.eye(V), np.zeros((V, V))
    no_position = np.zeros((V, P))
    heads = choosers(vocabulary)

    def blocks(content: Array, buffer1: Array, buffer2: Array) -> Array:
        """(V, D): three blocks side by side, nothing from the position."""
        return np.concatenate([content, buffer1, buffer2, no_position], 1)

    keep_position = np.zeros((P, D))  # [ 0 | 0 | 0 | I_P ]
    keep_position[:, 3 * V :] = np.eye(P)
    first = position_code(np.array([1]), P)[0]

    # Q = [ 0 0 0 I_P ; xi p_1 (x) ubar_x 0 0 0 ],  K = eta [ 0 0 0 R(l) ; 0 0 0 I_P ]
    #   => <q_i, k_j> = eta ( <p_i, p_{j+l}> + xi <ubar_x, content_i> <p_1, p_j> )
    # ubar_x = sum_{v != x} e_v is 0 on x alone: elsewhere the second term sends the head to position 1, the sink.
    query1, key1, out1 = (
        np.zeros((len(heads), 2 * P, D)),
        np.zeros((len(heads), 2 * P, D)),
        np.zeros((len(heads), D, V)),
    )
    for number, head in enumerate(heads):
        others = np.ones(V)
        others[head.token] = 0.0
        query1[number, :P] = keep_position
        query1[number, P:, :V] = constants.xi * np.outer(first, others)
        key1[number, :P] = constants.eta * rotation(head.lag, P) @ keep_position
        key1[number, P:] = constants.eta * keep_position
        out1[number, head.buffer * V : (head.buffer + 1) * V] = eye

    # V = [ I - e_<s> e_<s>^T | 0 | 0 | 0 ]: the sink carries nothing.
    nothing_at_start = eye.copy()
    nothing_at_start[vocabulary.start, vocabulary.start] = 0.0

    # W1 = [ diag(I, I, I) | 0 ], W2 = W1^T: every block is cut at eps1, the position code is dropped.
    mlp1_in = np.concatenate([np.eye(3 * V), np.zeros((3 * V, P))], 1)

    # K = [ tau e_<A> (x) e_<R> + tau_s 1 (x) e_<s> | tau I | 0 | 0 ],  Q = [ I | 0 | 0 | 0 ]
    #   => <q_i, k_j> = tau <content_i, buffer1_j> + tau content_i[<A>] content_j[<R>]
    #                 + tau_s |content_i|_1 content_j[<s>]
    # A thought finds the edges whose source it holds, <A> finds <R>; the last term is the sink of layer 2.
    by_token = none.copy()
    by_token[vocabulary.answer, vocabulary.root] += constants.tau
    by_token[:, vocabulary.start] += constants.tau_s

    # W1 = [ I 0 0 0 ; 0 I 0 0 ], W2 = [ I I ] into content: what was held and what was found, each cut at eps2.
    # (The paper prints the first block twice; its proof needs content and buffer 1, which holds V_C at <A>.)
    content, buffer1 = blocks(eye, none, none), blocks(none, eye, none)
    mlp2_out = np.zeros((D, 2 * V))
    mlp2_out[:V] = np.concatenate([eye, eye], 1)

    return Weights(
        position_TP=position_code(np.arange(1, max_len + 1), P),
        query1_HKD=query1,
        key1_HKD=key1,
        value1_VD=blocks(nothing_at_start, none, none),
        out1_HDV=out1,
        mlp1_in_MD=mlp1_in,
        mlp1_out_DM=mlp1_in.T.copy(),
        query2_VD=content,
        key2_VD=blocks(by_token, constants.tau * eye, none),
        value2_VD=blocks(none, none, eye),  # a found edge gives its target, <R> the candidates
        out2_DV=content.T.copy(),
        mlp2_in_ND=np.concatenate([content, buffer1], 0),
        mlp2_out_DN=mlp2_out,
        readout_VD=content,  # [ e_1 .. e_V ]^T
    )
