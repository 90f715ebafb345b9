"""Evidence that a text lies along a key sequence, which may be looked at after every token.      [construction: ours]

The rank of one block of tokens among fresh keys is no basis for betting block by block: all blocks share one key, so a
text that repeats a block repeats its rank. What is fresh is the key's column of a token that did not occur before. So
only the first occurrence of each token is scored, all offsets at once:

    w_0(g, j) = 1 / N                                     bets g, offsets j: position of the text's first token
    w_t(g, .) = w_{t-1}(g, .) K                           K(j, j') = P(it slips from offset j to j'); rows sum to 1
    w_t(g, j) <- w_t(g, j) e_g(j + t, y_t)                if y_t occurs for the first time; e >= 0 has mean 1
    E_t = mean over g of sum_j w_t(g, j)

Validity. Let the text be independent of the key and let F_t hold the text and the key's whole columns of y_1 .. y_t.
For a token that did not occur before, the column is random given F_{t-1}, and E[e_g(j, y_t) | F_{t-1}] = 1 at every
position j, however dependent the positions are among themselves. w_{t-1}, and which tokens occur for the first time,
are known. So E[E_t | F_{t-1}] = mean_g sum_j (w_{t-1} K)(g, j) = E_{t-1}: a martingale from 1, and by Ville's
inequality P(E_t >= 1/alpha at any t) <= alpha. Scoring a token again at another offset would bet on a number that
another member has shown already; no mixture of offsets is then a martingale.

With K = 1 each offset keeps its own wealth, at a price of log N nats for not knowing it. With

    K = (1 - s) 1 + (s / 2) (even over slips of 1 .. b positions either way) + (s / 2) (even over all positions)

the text may lose or gain tokens: a slip costs about log(4 b / s) nats instead of the rest of the text. This is Herbster
and Warmuth's fixed share (Machine Learning 32 (1998) 151) over offsets.

Legend: T tokens, U distinct tokens in order of appearance, G bets, N key positions and offsets.
"""

# pyright: strict
from __future__ import annotations

import numpy as np

from reasonry.errors import ConfigError
from reasonry.watermark.baselines.base import Floats, Ints

_NONE = -1


def first_occurrences(ids_T: Ints) -> tuple[Ints, Ints]:
    """Distinct tokens in order of appearance, shape (U,), and the place there of each token of the text, shape (T,)."""
    token, first, place_T = np.unique(ids_T, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return token[order], rank[place_T]


def slip_kernel(num_positions: int, slip_rate: float, *, reach_tok: int = 8) -> Floats | None:
    """K above, shape (N, N); None stands for the identity.

    Args:
        num_positions: N.
        slip_rate: s, probability of a slip at a token.
        reach_tok: b, most positions of a near slip.

    Raises:
        ConfigError: ``slip_rate`` is not within [0, 1).
    """
    if not 0 <= slip_rate < 1:
        raise ConfigError(f"slip_rate={slip_rate} is no probability below 1", place="slip_rate")
    if slip_rate == 0:
        return None
    row = np.full(num_positions, slip_rate / 2 / num_positions)
    row[0] += 1 - slip_rate
    for slip in range(1, reach_tok + 1):
        for position in (slip % num_positions, -slip % num_positions):
            row[position] += slip_rate / 4 / reach_tok
    return np.stack([np.roll(row, j) for j in range(num_positions)])


def log_e_path(log_bet_UGN: Floats, token_T: Ints, kernel_NN: Floats | None = None) -> Floats:
    """The logarithm of E after every token, shape (T,), in nats.

    Args:
        log_bet_UGN: log e_g at each position for the first occurrence of each distinct token; finite.
        token_T: The text, as rows of ``log_bet_UGN`` numbered in order of appearance.
        kernel_NN: Chances of slipping.
    """
    num_bets, num_positions = log_bet_UGN.shape[1:]
    log_w_GN = np.full((num_bets, num_positions), -np.log(num_bets * num_positions))
    log_e_T = np.zeros(len(token_T))
    log_e, newest = 0.0, _NONE
    for t, token in enumerate(token_T):
        if kernel_NN is not None and t > 0:
            # Row by row, so that a bet which has lost all but everything does not vanish: it may still win.
            top_G1 = log_w_GN.max(axis=1, keepdims=True)
            log_w_GN = np.log(np.exp(log_w_GN - top_G1) @ kernel_NN) + top_G1
        if token > newest:
            newest = int(token)
            begin = t % num_positions
            bet_GN = log_bet_UGN[newest]
            log_w_GN[:, : num_positions - begin] += bet_GN[:, begin:]
            log_w_GN[:, num_positions - begin :] += bet_GN[:, :begin]
            top = float(log_w_GN.max())
            log_e = float(np.log(np.exp(log_w_GN - top).sum()) + top)
        log_e_T[t] = log_e
    return log_e_T
