"""Measurements behind the claims about runs of the embedded model."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reasonry.core import groups
from reasonry.core.claims import Measurement
from reasonry.core.sampling import Request, SamplingConfig
from reasonry.core.stats import bootstrap
from reasonry.test_time.config import SolveConfig
from reasonry.test_time.run import solve
from reasonry.test_time.votes import Graded, curves


def order_dependence(*, model: str, num_problems: int, n: int, max_new_tokens: int, seed: int) -> Measurement:
    """Samples that change when the problems are permuted or the batch size is 1, 3 or 8 (float32)."""
    from reasonry.core.messages import user
    from reasonry.core.models import ModelConfig, load_causal_lm
    from reasonry.core.sampling.hf import HFSampler
    from reasonry.tasks import load_task

    loaded = load_causal_lm(model, ModelConfig(dtype="float32"))
    task = load_task("word-problems:1-2", num=num_problems, seed=seed)
    requests = [Request(p.id, (user(p.question),), range(n)) for p in task.problems]
    sampling = SamplingConfig(max_new_tokens=max_new_tokens)
    seen: list[dict[tuple[str, int], tuple[int, ...]]] = []
    for batch_size, ordered in ((8, requests), (3, requests), (1, requests), (8, requests[::-1])):
        sampler = HFSampler(loaded, sampling, seed=seed, batch_size=batch_size)
        seen.append({(c.id, c.index): c.tokens for c in sampler.sample(ordered)})
    changed = sum(any(other[key] != tokens for other in seen[1:]) for key, tokens in seen[0].items())
    return Measurement(changed, changed, changed, len(seen[0]), seed, "batch sizes 8, 3, 1 and reversed order")


def demo_config(*, seed: int = 0, num_problems: int = 48, n: int = 16) -> SolveConfig:
    """What the demo runs: easy problems, because the embedded model is small."""
    return SolveConfig(
        task="word-problems:1-2",
        limit=num_problems,
        n=n,
        seed=seed,
        sampling=SamplingConfig(temperature=0.7, max_new_tokens=96),
    )


def run_folder(claim: str, config: SolveConfig, folder: str) -> Path:
    """The given run directory, or one of the claim's own: a run that has more samples cannot shrink."""
    return Path(folder) if folder else Path("runs", "claims", f"{claim}-{config.limit}x{config.n}-seed{config.seed}")


def voting_gain(*, num_problems: int, n: int, seed: int, folder: str = "") -> Measurement:
    """maj@n minus the accuracy of one sample, embedded model on embedded problems; paired over problems."""
    config = demo_config(seed=seed, num_problems=num_problems, n=n)
    solved = solve(config.with_(run=run_folder("voting-gain", config, folder)))
    gains = [pool_gain(pool) for pool in solved.pools.values()]
    found = bootstrap(np.array(gains), lambda gain_RP: gain_RP.mean(axis=1), seed=seed, vectorized=True)
    return Measurement(
        float(found.estimate), found.interval.low, found.interval.high, len(gains), seed, "95 % BCa bootstrap"
    )


def pool_gain(pool: list[Graded]) -> float:
    """maj@N - maj@1 of one pool."""
    return float(curves(pool).maj_at_k[-1] - groups.pass_at_k(sum(s.grade == "right" for s in pool), len(pool), 1))
