"""How strong the attention of the explicit transformer must be: numbers that suffice for every graph of a size.

With n = n_max vertices, T = max_len positions, P position dimensions and at most m = (T - 7) / 3 edges:

    eps1  = 1 / (2 sqrt(n))                   threshold of layer 1: half of the faintest vertex of a thought
    eps2  = 1 / (4 n)                         threshold of layer 2 as published
    eps_T = min_{1 <= D < T} sum_k (1 - cos(D w_k))          how much a neighbouring position resembles one less
    xi    = 2 P / eps_T                       the sink beats every position by P when a chooser does not apply
    eta   = ln((T - 1) (1 - a) / a) / min(eps_T, P),  a = eps1 / 10      mass outside the chosen position below a
    tau   = sqrt(3 (n + 1)) ln(8 T^2 / eps2)                             without a sink in layer 2

Two gaps of the published choice are closed unless told otherwise; both are reconstructed, not in the paper.

Sink (``sink_fix``). When no edge leaves the vertices reached, layer 2 attends to everything alike, and a vertex of
in-degree above about sqrt(3) t / (4 n), t the position, enters the next thought. A key on <s>, whose value is nothing,

    tau_s = ln(4 T / eps2)                    takes all but eps2 / 4 when no edge competes, and loses to edges:
    tau   = sqrt(3 n) (ln(4 T^2 / eps2) + tau_s sqrt(n))

Dense graphs (``dense_fix``). A thought attends alike to the m' edges that leave its vertices, so a vertex that one of
them enters gets 1 / (sqrt(3) m'). This is below 1 / (4 n) when m' > 4 n / sqrt(3), about 2.3 n, and the vertex is lost.

    eps2  = min(1 / (4 n), 1 / (2 sqrt(3) m))

Source: arXiv 2505.12514, appendix B; it asks for numbers that are large enough, these ones are a reconstruction.
"""

# pyright: strict
from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.errors import ConfigError
from reasonry.training.continuous_cot.construction.vocabulary import check_vertices, max_edges_in, max_len_for

BASE = 10_000.0
"""M of the position code."""


class Constants(NamedTuple):
    """Thresholds and strengths; symbols as in the module's text.

    Attributes:
        eps1: Threshold of layer 1.
        eps2: Threshold of layer 2.
        eps_t: Gap between a position's code and its neighbours', eps_T.
        xi: How much a sink outweighs the positions in layer 1.
        eta: Sharpness of layer 1, nats.
        tau: Sharpness of layer 2, nats.
        tau_s: Strength of the sink in layer 2, nats; 0 for none.
    """

    eps1: float
    eps2: float
    eps_t: float
    xi: float
    eta: float
    tau: float
    tau_s: float


def frequencies(num_position_dims: int) -> NDArray[np.float64]:
    """w_k = M^(-2 k / P), k = 1 .. P / 2, radians per position."""
    k = np.arange(1, num_position_dims // 2 + 1)
    return BASE ** (-2.0 * k / num_position_dims)


def position_gap(max_len: int, num_position_dims: int) -> float:
    """eps_T: how much less than itself any other position resembles a position."""
    apart = np.arange(1, max_len)[:, None] * frequencies(num_position_dims)
    # 2 sin^2(x / 2) is 1 - cos(x) without losing the digits of small angles
    return float((2.0 * np.sin(apart / 2.0) ** 2).sum(1).min())


def check_sizes(n_max: int, max_len: int, *, num_position_dims: int) -> None:
    """Refuse sizes for which there is no construction.

    Raises:
        ConfigError: Fewer than three vertices, an odd number of position dimensions, no room for a question.
    """
    check_vertices(n_max)
    if num_position_dims < 2 or num_position_dims % 2:
        raise ConfigError(
            f"num_position_dims = {num_position_dims}: a frequency takes two, a cosine and a sine",
            place="num_position_dims",
            remedy="Use an even number, such as 16.",
        )
    if max_len < (least := max_len_for(0, 0)):
        raise ConfigError(
            f"max_len = {max_len}: a graph without edges already takes {least} positions",
            place="max_len",
            remedy="Use 3 edges + 7 + thoughts.",
        )


def sufficient_constants(
    n_max: int, max_len: int, *, num_position_dims: int = 16, sink_fix: bool = True, dense_fix: bool = True
) -> Constants:
    """Constants with which the construction is right for every graph that fits.

    Args:
        n_max: Most vertices.
        max_len: Most positions: prompt, thoughts and <A>.
        num_position_dims: P, even.
        sink_fix: Give layer 2 a sink. Without it thoughts go wrong where no edge leaves the vertices reached.
        dense_fix: Let the threshold of layer 2 know the number of edges. Without it thoughts lose vertices where more
            than 4 n_max / sqrt(3) edges leave the vertices reached.

    Raises:
        ConfigError: A size that is out of range.
    """
    check_sizes(n_max, max_len, num_position_dims=num_position_dims)
    eps1 = 1.0 / (2.0 * math.sqrt(n_max))
    eps2 = 1.0 / (4.0 * n_max)
    if dense_fix:
        eps2 = min(eps2, 1.0 / (2.0 * math.sqrt(3.0) * max(max_edges_in(max_len), 1)))
    eps_t = position_gap(max_len, num_position_dims)
    tau, tau_s = _layer2(n_max, max_len, eps2, sink_fix=sink_fix)
    return Constants(
        eps1=eps1,
        eps2=eps2,
        eps_t=eps_t,
        xi=2.0 * num_position_dims / eps_t,
        eta=_needed_nats(eps1, max_len) / min(eps_t, num_position_dims),
        tau=tau,
        tau_s=tau_s,
    )


def _needed_nats(eps1: float, max_len: int) -> float:
    """By how much the chosen position must lead for all others together to get eps1 / 10; eps1 / 5 would do."""
    most = eps1 / 10.0
    return math.log((max_len - 1) * (1.0 - most) / most)


def _layer2(n_max: int, max_len: int, eps2: float, *, sink_fix: bool) -> tuple[float, float]:
    answer_scale = math.sqrt(3.0 * (n_max + 1))  # <A> attends to <R> with logit tau / sqrt(3 (|V_C| + 1))
    if not sink_fix:
        return answer_scale * math.log(8.0 * max_len**2 / eps2), 0.0
    lead, tau_s = math.log(4.0 * max_len**2 / eps2), math.log(4.0 * max_len / eps2)
    thought = math.sqrt(3.0 * n_max) * (lead + tau_s * math.sqrt(n_max))
    answer = answer_scale * (lead + tau_s / math.sqrt(n_max + 1))
    return max(thought, answer), tau_s
