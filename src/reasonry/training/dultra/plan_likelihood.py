"""How likely a planner was to reveal what it revealed, and a denoiser to write what it wrote.

At a step the eligible positions E have probabilities q_i = sigmoid(z_i). Each is revealed on its own coin; when none
is, the likeliest one, a = argmax z, is revealed so that decoding moves on. The set U that ends up revealed has

    P(U) = prod_{i in U} q_i  prod_{i in E - U} (1 - q_i)                      U is not {a}
    P({a}) = q_a prod_{j != a} (1 - q_j) + prod_j (1 - q_j) = prod_{j != a} (1 - q_j)

``exact`` is that law. ``none_action`` scores the planner's own choice instead: where a step was forced the choice was
"none", prod_j (1 - q_j), and what follows is the environment's doing. Both sum to 1. ``naive`` is the first line for
every U, as in the authors' release: it sums to 1 - prod_j (1 - q_j), and rewards q_a for what q_a did not do. With
q = (.2, .5, .3) it sums to .72, and gives the second position alone .28 in place of .56.

``a`` is that of the logits scored, as the law is theirs. Where training swaps the two likeliest positions P({a}) jumps;
no gradient sees the jump.

Given the canvas, tokens are independent of U: log P(step) = log P(U) + sum_{i in U} log p(token_i). dUltra (arXiv
2512.21446) draws tokens at one temperature and scores them at temperature 1; that is ``unit``. ``rollout`` scores the
law they were drawn from, which at temperature 0 is certain.

Everything is computed from logits, so that q = 0 and q = 1 up to rounding are finite, with finite gradients. A row
without eligible positions has log-probability 0 and no gradient.

Shapes: B rows, L answer, V vocabulary.
"""

# pyright: strict
from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from reasonry.errors import ConfigError, nearest

Forced = Literal["exact", "none_action", "naive"]
Score = Literal["rollout", "unit"]

FORCED: tuple[Forced, ...] = ("exact", "none_action", "naive")
SCORES: tuple[Score, ...] = ("rollout", "unit")

CERTAIN = 30.0
"""Logit that stands for certainty: 1 - q is below 1e-13."""


def likeliest(logit_BL: Tensor, eligible_BL: Tensor) -> Tensor:
    """True at each row's eligible position of the highest logit, the first of equal ones; nowhere in rows without."""
    score_BL = logit_BL.detach().masked_fill(~eligible_BL, -torch.inf)
    best_BL = eligible_BL & (score_BL == score_BL.amax(1, keepdim=True))
    return best_BL & (best_BL.cumsum(1) == 1)


def plan_logp(
    logit_BL: Tensor,
    reveal_BL: Tensor,
    *,
    eligible_BL: Tensor,
    is_forced_B: Tensor | None = None,
    forced: Forced = "exact",
) -> Tensor:
    """Log-probability of what one step revealed, nats, shape (B,).

    Args:
        logit_BL: z; may be anything, even not a number, where positions are not eligible.
        reveal_BL: U: at least one eligible position in every row that has any.
        eligible_BL: E.
        is_forced_B: Steps at which the planner chose nothing; needed by ``none_action``.
        forced: Which law, see the module.

    Raises:
        ConfigError: An unknown law, or ``none_action`` without ``is_forced_B``.
        ValueError: A row reveals what is not eligible, or nothing though it could.
    """
    if forced not in FORCED:
        raise ConfigError(f"unknown forced={forced!r}", remedy=nearest(forced, FORCED) or f"Known: {FORCED}.")
    if bool((reveal_BL & ~eligible_BL).any()):
        raise ValueError("a step reveals positions that were not eligible")
    if bool((eligible_BL.any(1) & ~reveal_BL.any(1)).any()):
        raise ValueError("a step reveals nothing though positions were eligible")
    z_BL = _wide(logit_BL).masked_fill(~eligible_BL, 0.0)
    revealed_BL, kept_BL = F.logsigmoid(z_BL), F.logsigmoid(-z_BL)
    term_BL = torch.where(reveal_BL, revealed_BL, kept_BL)
    if forced == "exact":
        is_single_B1 = reveal_BL.sum(1, keepdim=True) == 1
        term_BL = term_BL.masked_fill(reveal_BL & is_single_B1 & likeliest(z_BL, eligible_BL), 0.0)
    elif forced == "none_action":
        if is_forced_B is None:
            raise ConfigError("forced='none_action' scores forced steps apart", remedy="Give is_forced_B.")
        term_BL = torch.where(is_forced_B[:, None], kept_BL, term_BL)
    return term_BL.masked_fill(~eligible_BL, 0.0).sum(1)


def plan_entropy(logit_BL: Tensor, eligible_BL: Tensor) -> Tensor:
    """Mean entropy of a planner's coins over eligible positions, nats, shape (B,); 0 in rows without.

    Near 0 the planner no longer explores: imitation should end before, with .2 nats or more left.
    """
    z_BL = _wide(logit_BL).masked_fill(~eligible_BL, 0.0)
    coin_BL = torch.sigmoid(z_BL) * F.softplus(-z_BL) + torch.sigmoid(-z_BL) * F.softplus(z_BL)
    return coin_BL.masked_fill(~eligible_BL, 0.0).sum(1) / eligible_BL.sum(1).clamp(min=1)


def mean_q(logit_BL: Tensor, eligible_BL: Tensor) -> float:
    """Mean probability of revealing an eligible position, over all rows; NaN when nothing is eligible."""
    q_BL = torch.sigmoid(_wide(logit_BL.detach()))
    return float(q_BL[eligible_BL].mean())


def effective_logits(logit_BL: Tensor, *, temperature: float = 1.0, factor: float = 1.0) -> Tensor:
    """Logits of q' = min(1, factor * sigmoid(z / temperature)), at most `CERTAIN` where the factor raises q.

        logit(f q) = log f + z - log(1 + (1 - f) exp(z))

    so that log(1 - q') never is the logarithm of a negative number. The gradient is 0 where q' = 1.

    Args:
        logit_BL: z.
        temperature: Above 1 draws q towards 1/2.
        factor: Scales every probability: above 1 reveals more at once.

    Raises:
        ConfigError: A temperature or factor that is not positive.
    """
    if not (temperature > 0 and factor > 0 and math.isfinite(temperature) and math.isfinite(factor)):
        raise ConfigError(
            f"temperature={temperature} and factor={factor} must be positive", remedy="1 changes nothing."
        )
    z_BL = _wide(logit_BL) / temperature
    if factor == 1:
        return z_BL
    log_f = math.log(factor)
    if factor < 1:
        return log_f + z_BL - F.softplus(z_BL + math.log1p(-factor))
    # f q < 1 as long as z < -log(f - 1); below that, log1p(-exp(z + log(f - 1))) is finite.
    room_BL = z_BL + math.log(factor - 1)
    is_certain = room_BL >= 0
    safe_BL = room_BL.masked_fill(is_certain, -1.0)
    below_BL = log_f + z_BL - torch.log(-torch.expm1(safe_BL))
    return below_BL.masked_fill(is_certain, CERTAIN).clamp(max=CERTAIN)


def tokens_logp(
    logits_BLV: Tensor,
    tokens_BL: Tensor,
    *,
    reveal_BL: Tensor,
    mask_id: int,
    temperature: float,
    score: Score = "rollout",
) -> Tensor:
    """Log-probability of the tokens revealed at one step, their sum in nats, shape (B,).

    Args:
        logits_BLV: The denoiser's, at the answer's positions; the mask token's is taken out here.
        tokens_BL: What stands there in the end; read only where revealed.
        reveal_BL: Positions revealed.
        mask_id: The token that is never drawn.
        temperature: That tokens were drawn at; 0 took the likeliest.
        score: ``rollout`` scores the law they were drawn from (0 at temperature 0); ``unit`` temperature 1.

    Raises:
        ConfigError: An unknown ``score`` or a negative temperature.
    """
    if score not in SCORES:
        raise ConfigError(f"unknown score={score!r}", remedy=nearest(score, SCORES) or f"Known: {SCORES}.")
    if not temperature >= 0:
        raise ConfigError(f"temperature={temperature} is negative", remedy="0 takes the likeliest tokens.")
    wide_B = _wide(logits_BLV[:, :0, 0]).sum(1)
    if score == "rollout" and temperature == 0:
        return wide_B
    at = reveal_BL.nonzero(as_tuple=True)  # only these rows of the vocabulary are widened and normalised
    logits_KV = _wide(logits_BLV[at])
    logits_KV = logits_KV.index_fill(1, torch.tensor([mask_id], device=logits_KV.device), -torch.inf)
    if score == "rollout":
        logits_KV = logits_KV / temperature
    token_K1 = tokens_BL[at][:, None]
    logp_K = logits_KV.gather(1, token_K1)[:, 0] - logits_KV.logsumexp(1)
    return wide_B.index_add(0, at[0], logp_K)


def expected_nfe(num_masks: int, q: float, *, block_len: int | None = None) -> float:
    """Expected forward passes of a planner that gives every position the same q, forced steps included.

        E_0 = 0,  E_n = 1 + sum_k P(k of n) E_{n-k},  P binomial with P(0) added to P(1)

    E_2 = 2 - q^2. At q = 0 every step is forced (n passes); at q = 1 one pass does.

    Args:
        num_masks: Positions to fill.
        q: In [0, 1].
        block_len: Fill blocks of this many from left to right, the last may be shorter; one block when None.

    Raises:
        ConfigError: ``q`` is not a probability, or ``num_masks`` or ``block_len`` not a size.
    """
    if not 0 <= q <= 1 or num_masks < 0 or (block_len is not None and block_len < 1):
        raise ConfigError(
            f"num_masks={num_masks}, q={q}, block_len={block_len} describe no decoding",
            remedy="Use num_masks >= 0, 0 <= q <= 1 and block_len >= 1.",
        )
    size = num_masks if block_len is None else min(block_len, num_masks)
    passes = [0.0]
    for n in range(1, size + 1):
        law = [math.comb(n, k) * q**k * (1 - q) ** (n - k) for k in range(n + 1)]
        law[1] += law[0]
        passes.append(1 + sum(law[k] * passes[n - k] for k in range(1, n + 1)))
    if not size:
        return 0.0
    whole, rest = divmod(num_masks, size)
    return whole * passes[size] + passes[rest]


def _wide(logits: Tensor) -> Tensor:
    """In float32, or float64 if it is that already."""
    return logits if logits.dtype == torch.float64 else logits.float()
