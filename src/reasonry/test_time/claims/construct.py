"""Measurements behind the claim that one Transformer can hold K experts exactly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from reasonry.core import seeds
from reasonry.core.claims import Measurement

if TYPE_CHECKING:
    import torch

    from reasonry.core.tiny import TinyConfig, TinyGPT

_VOCAB = 13
_MAX_LEN = 32


def random_expert(config: TinyConfig, *, rng: np.random.Generator, scale: float = 0.35) -> TinyGPT:
    """A float64 model with large random numbers in every weight, bias and norm: nothing is small or zero by chance."""
    import torch

    from reasonry.core.tiny import TinyGPT

    model = TinyGPT(config).double()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            drawn = rng.normal(0.0, scale, tuple(weight.shape))
            weight.copy_(torch.from_numpy(drawn + 1.0 if "norm.weight" in name else drawn))
    return model


def merge_error(
    *,
    num_experts: Sequence[int],
    forms: Sequence[str],
    num_contexts: int,
    width: int,
    num_layers: int,
    seed: int,
    penalty_nats: float = 80.0,
    joint_norm: bool = False,
) -> Measurement:
    """Largest |logit of the merged model - logit of the chosen expert| over random experts and contexts, in float64.

    Each context has new experts. ``shared``: a query of 1 to 8 tokens and 2 to 6 attempts of 0 to 5 tokens, each begun
    by a selector; compared at every token of every attempt. ``disjoint``: 1 to 12 tokens of each expert's vocabulary,
    shuffled; compared at every token.
    """
    import torch

    from reasonry.core.tiny import TinyConfig
    from reasonry.test_time.construct.merge_experts import merge_experts

    worst, num = 0.0, 0
    for K in num_experts:
        for form in forms:
            for i in range(num_contexts):
                rng = seeds.stream(seed, "merge", K, form, i)
                shape = TinyConfig(
                    vocab_size=_VOCAB,
                    max_len=_MAX_LEN,
                    num_layers=num_layers,
                    num_heads=3,
                    width=width,
                    head_bias=True,
                    activation=("gelu", "relu")[i % 2],
                )
                experts = [random_expert(shape, rng=rng) for _ in range(K)]
                selectors = [int(s) for s in rng.permutation(_VOCAB)[:K]] if form == "shared" else None
                merged = merge_experts(experts, selectors=selectors, penalty_nats=penalty_nats, joint_norm=joint_norm)
                with torch.no_grad():
                    found = (
                        _disjoint_error(merged, experts, rng)
                        if selectors is None
                        else _shared_error(merged, experts, selectors, rng)
                    )
                worst, num = max(worst, found), num + 1
    detail = f"maximum over contexts, float64; K in {list(num_experts)}, {' and '.join(forms)} vocabulary"
    return Measurement(worst, worst, worst, num, seed, detail)


def _shared_error(
    merged: torch.nn.Module, experts: Sequence[TinyGPT], selectors: Sequence[int], rng: np.random.Generator
) -> float:
    import torch

    plain = [v for v in range(_VOCAB) if v not in selectors]
    query = rng.choice(plain, rng.integers(1, 9)).tolist()
    context, parts = list(query), list[tuple[int, list[int], int]]()
    for _ in range(rng.integers(2, 7)):
        k = int(rng.integers(len(experts)))
        attempt = [selectors[k], *rng.choice(plain, rng.integers(0, 6)).tolist()]
        parts.append((k, attempt, len(context)))
        context += attempt
    logits_TV = merged(torch.tensor([context]))[0]
    worst = 0.0
    for k, attempt, start in parts:
        own_TV = experts[k](torch.tensor([[*query, *attempt]]))[0, len(query) :]
        worst = max(worst, float((logits_TV[start : start + len(attempt)] - own_TV).abs().max()))
    return worst


def _disjoint_error(merged: torch.nn.Module, experts: Sequence[TinyGPT], rng: np.random.Generator) -> float:
    import torch

    own = [rng.integers(0, _VOCAB, rng.integers(1, 13)) for _ in experts]
    owners = rng.permutation(np.repeat(np.arange(len(own)), [len(t) for t in own]))
    context = np.zeros(len(owners), dtype=np.int64)
    for k, tokens in enumerate(own):
        context[owners == k] = tokens + k * _VOCAB
    logits_TV = merged(torch.from_numpy(context)[None])[0]
    worst = 0.0
    for k, tokens in enumerate(own):
        mine_TV = logits_TV[torch.from_numpy(owners == k), k * _VOCAB : (k + 1) * _VOCAB]
        worst = max(worst, float((mine_TV - experts[k](torch.from_numpy(tokens)[None])[0]).abs().max()))
    return worst
