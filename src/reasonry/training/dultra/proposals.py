"""The token that is proposed for a position, and how sure the model is of it.

With l the logits at a position, the mask token's set to -inf, and T the temperature of tokens:

    p          = softmax(l)                       confidence p[token], entropy -sum p ln p, margin p(1) - p(2)
    token      = argmax l                         T = 0, the first of equals
                 first v with F(v) > u F(V)       T > 0, F the running sum of softmax(l / T), u a uniform number
    logp       = 0, or ln softmax(l / T)[token]

Confidence, entropy and margin are those of the law at temperature 1 whatever T is, as in LLaDA and Fast-dLLM.
Everything is float64: with Gumbel noise or softmax in lower precision unlikely tokens are drawn too rarely (Zheng et
al., arXiv 2409.02908). One number a position is enough by inverting F, where Gumbel noise takes V of them.

Shapes: M positions, V vocabulary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from reasonry.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

_CHUNK = 2**25
"""Most numbers that are widened to float64 at once: 256 MiB each time that they are copied."""

_NOTHING = -1e4
"""A logit so far below the largest that its exponential is 0 in float64, and finite so that 0 times it is 0."""


class Proposals(NamedTuple):
    """What could be revealed.

    Attributes:
        token_M: Proposed token, int64.
        confidence_M: Its probability, float64.
        entropy_M: Entropy of the position's law, nats, float64.
        margin_M: Largest probability less the second, float64.
        logp_M: Log-probability of the token under the law it was drawn from, nats, float64; 0 at temperature 0.
    """

    token_M: Tensor
    confidence_M: Tensor
    entropy_M: Tensor
    margin_M: Tensor
    logp_M: Tensor


def propose(logits_MV: Tensor, *, mask_id: int, temperature: float = 0.0, uniform_M: Tensor | None = None) -> Proposals:
    """Propose a token for each position.

    Args:
        logits_MV: As the model gives them, at least two tokens.
        mask_id: The token that is never proposed.
        temperature: T.
        uniform_M: u, float64 in [0, 1); needed when T > 0.

    Raises:
        DataError: Logits that are not numbers, or infinite: an overflow in the model.
    """
    import torch

    num = max(1, _CHUNK // logits_MV.shape[1])
    if len(logits_MV) <= num:
        return _propose(logits_MV, mask_id, temperature, uniform_M)
    parts = [
        _propose(logits_MV[i : i + num], mask_id, temperature, None if uniform_M is None else uniform_M[i : i + num])
        for i in range(0, len(logits_MV), num)
    ]
    return Proposals(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _propose(logits_MV: Tensor, mask_id: int, temperature: float, uniform_M: Tensor | None) -> Proposals:
    import torch

    below_MV = logits_MV.to(torch.float64, copy=True)
    below_MV[:, mask_id] = -torch.inf
    top_M2 = below_MV.topk(2, 1).values
    token_M = below_MV.argmax(1)
    below_MV.sub_(top_M2[:, :1]).clamp_min_(_NOTHING * max(1.0, temperature))
    weight_MV = below_MV.exp()
    sum_M = weight_MV.sum(1)
    if not bool(sum_M.isfinite().all()):
        raise DataError(
            "the model gave logits that are not finite", remedy="Run it in float32 or bfloat16, or mend its weights."
        )
    entropy_M = (sum_M.log() - (weight_MV * below_MV).sum(1) / sum_M).clamp_min_(0)
    margin_M = (1 - (top_M2[:, 1] - top_M2[:, 0]).exp()) / sum_M
    if temperature == 0:
        return Proposals(token_M, 1 / sum_M, entropy_M, margin_M, torch.zeros_like(sum_M))
    assert uniform_M is not None, "tokens are drawn with one uniform number each"
    drawn_MV = weight_MV if temperature == 1 else below_MV.div_(temperature).exp()
    running_MV = drawn_MV.cumsum(1)
    total_M1 = running_MV[:, -1:]
    token_M1 = torch.searchsorted(running_MV, uniform_M[:, None] * total_M1, right=True)
    confidence_M = weight_MV.gather(1, token_M1)[:, 0] / sum_M
    logp_M = (below_MV.gather(1, token_M1) - total_M1.log())[:, 0]
    return Proposals(token_M1[:, 0], confidence_M, entropy_M, margin_M, logp_M)
