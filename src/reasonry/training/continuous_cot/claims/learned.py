"""Measurements behind the claims about models that are trained on the spot, on graphs without leaks."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reasonry.core.claims import Measurement
from reasonry.core.stats import spread

if TYPE_CHECKING:
    from torch import Tensor

    from reasonry.training.continuous_cot.train.run import Trained

_NUM_GRAPHS = 500


def latent_beats_discrete(
    *, rivals: Sequence[str], num_seeds: int, seed: int, folder: str = "", **settings: Any
) -> Measurement:
    """Test accuracy of continuous thoughts less that of the best rival, mean over trainings from scratch.

    Args:
        rivals: Methods without thoughts, trained on the same graphs for as many steps.
        num_seeds: Trainings of each method.
        seed: Of the first.
        folder: Where to train; a temporary one when empty.
        **settings: Of the training other than the defaults.
    """
    differences, lines, num = list[float](), list[str](), 0
    with tempfile.TemporaryDirectory() as temporary:
        for s in range(seed, seed + num_seeds):
            done = _train(Path(folder or temporary) / str(s), ("continuous", *rivals), seed=s, **settings)
            accuracy = {method.name: method.exact.value for method in done.methods}
            differences.append(accuracy["continuous"] - max(accuracy[name] for name in rivals))
            num = done.methods[0].exact.of
            lines.append(f"seed {s}: " + ", ".join(f"{name} {value:.3f}" for name, value in accuracy.items()))
    found = spread(differences)
    detail = f"{'; '.join(lines)}; {num} test graphs each, t interval over {num_seeds} trainings"
    return Measurement(found.mean, found.low, found.high, num_seeds, seed, detail)


def superposition_emerges(*, seed: int, folder: str = "", **settings: Any) -> Measurement:
    """How well a thought tells the frontier from vertices out of reach: the AUROC of the thought that does worst.

    Nobody told the model about frontiers: it learnt from one vertex of a shortest path at a time.

    Args:
        seed: Of the training and of the graphs.
        folder: Where to train; a temporary one when empty.
        **settings: Of the training other than the defaults.
    """
    from reasonry.core.config import from_dict
    from reasonry.training.continuous_cot.probe.config import ProbeConfig
    from reasonry.training.continuous_cot.probe.run import probe

    with tempfile.TemporaryDirectory() as temporary:
        where = Path(folder or temporary)
        done = _train(where / "train", ("continuous",), seed=seed, **settings)
        values = {"model": str(done.folder), "num_graphs": _NUM_GRAPHS, "seed": seed, "run": where / "probe", "show": 0}
        found = probe(from_dict(ProbeConfig, values)).result
    aurocs = [thought.auroc_frontier for thought in found.thoughts]
    worst = min(aurocs, key=lambda auroc: _number(auroc.value))
    shown = "; ".join(
        f"thought {t.thought}: frontier {_number(t.auroc_frontier.value):.3f}, "
        f"all reached {_number(t.auroc_reachable.value):.3f}, "
        + ", ".join(f"{group} {_number(spread.mean.value):+.2f}" for group, spread in t.groups.items())
        for t in found.thoughts
    )
    orders = sum(bool(t.ordering.holds) for t in found.thoughts)
    detail = (
        f"{shown}; Optimal > Frontier > Reachable > NotReachable in {orders} of {len(found.thoughts)}; "
        f"{found.num_graphs} graphs, bootstrap interval over graphs; the model is right on "
        f"{done.methods[0].exact.value:.3f}"
    )
    value, low, high = map(_number, worst)
    return Measurement(value, low, high, found.num_graphs, seed, detail)


def reachability_by_thoughts(*, seed: int, folder: str = "", **settings: Any) -> Measurement:
    """Accuracy after as many thoughts as the answer is edges away, less the best accuracy after fewer.

    Args:
        seed: Of the training and of the graphs, whose answers are all equally far away.
        folder: Where to train; a temporary one when empty.
        **settings: Of the training other than the defaults.
    """
    with tempfile.TemporaryDirectory() as temporary:
        done = _train(Path(folder or temporary) / "train", ("continuous",), seed=seed, **settings)
    (method,) = done.methods
    hops = max(method.by_slots)
    enough, fewer = method.by_slots[hops], [share for slots, share in method.by_slots.items() if slots < hops]
    best = max(fewer, key=lambda share: share.value)
    difference = enough.value - best.value
    half = 1.96 * math.sqrt(sum(s.value * (1 - s.value) / s.of for s in (enough, best)))
    detail = ", ".join(f"{slots} thoughts {share.value:.3f}" for slots, share in sorted(method.by_slots.items()))
    detail += f"; {enough.of} graphs, normal interval that leaves out that they are the same"
    return Measurement(difference, difference - half, difference + half, enough.of, seed, detail)


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _train(folder: Path, methods: Sequence[str], *, seed: int, **settings: Any) -> Trained:
    from reasonry.core.config import from_dict
    from reasonry.training.continuous_cot.config import GraphTrainConfig
    from reasonry.training.continuous_cot.train.run import train

    values = {"methods": tuple(methods), "seed": seed, "run": folder, **settings}
    return train(from_dict(GraphTrainConfig, values))


def bptt_matters(*, num_thoughts: int, num_models: int, seed: int) -> Measurement:
    """Cosine of the true gradient and the one that stops at thoughts: the largest over random models.

    Args:
        num_thoughts: In the rows.
        num_models: Random small models, half of them GPT-2, half Llama.
        seed: Of the first.
    """
    import torch

    cosines = dict[str, list[float]]()
    for number in range(num_models):
        for family in ("gpt2", "llama"):
            full, detached = (_gradient(family, num_thoughts, seed + number, bptt) for bptt in ("full", "detach"))
            cosine = float(torch.nn.functional.cosine_similarity(full, detached, dim=0))
            cosines.setdefault(family, []).append(cosine)
    flat = np.array([value for values in cosines.values() for value in values])
    shown = "; ".join(f"{name} {min(v):.3f} to {max(v):.3f}" for name, v in cosines.items())
    detail = f"{num_thoughts} thoughts, {num_models} random models of each family: {shown}; range, median as value"
    return Measurement(float(np.median(flat)), float(flat.min()), float(flat.max()), len(flat), seed, detail)


def _gradient(family: str, num_thoughts: int, seed: int, bptt: Any) -> Tensor:
    """Gradient of the loss on two rows, in float64, as one vector (all weights,)."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    from reasonry.core.scoped_random import drawing_from
    from reasonry.training.continuous_cot.latent.model import LatentCausalLM
    from reasonry.training.continuous_cot.latent.rows import IGNORED, Row
    from reasonry.training.continuous_cot.latent.tokens import LatentTokens

    vocab, width, latent_id, pad_id = 40, 32, 1, 0
    ends: dict[str, Any] = {"bos_token_id": None, "eos_token_id": pad_id}
    with drawing_from(seed, "continuous cot", "claims", family):
        if family == "gpt2":
            config = GPT2Config(vocab_size=vocab, n_positions=64, n_embd=width, n_layer=2, n_head=4, **ends)
            model = GPT2LMHeadModel(config)
        else:
            config = LlamaConfig(
                vocab_size=vocab,
                hidden_size=width,
                intermediate_size=2 * width,
                num_hidden_layers=2,
                num_attention_heads=4,
                max_position_embeddings=64,
                **ends,
            )
            model = LlamaForCausalLM(config)
    latent = LatentCausalLM(model.double().eval(), LatentTokens(latent_id=latent_id, pad_id=pad_id))
    rng = np.random.default_rng(seed)
    rows = []
    for length in (12, 9):
        prompt, answer = rng.integers(2, vocab, length).tolist(), rng.integers(2, vocab, 4).tolist()
        slots = [latent_id] * num_thoughts
        rows.append(Row((*prompt, *slots, *answer), (*[IGNORED] * (length + num_thoughts), *answer)))
    loss = latent(latent.collate(rows), bptt=bptt).loss
    assert loss is not None
    loss.backward()
    return torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])
