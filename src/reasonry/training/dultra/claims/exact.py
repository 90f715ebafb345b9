"""Measurements whose right value is known beforehand: what perfect denoisers cost, and probabilities that sum to 1."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np

from reasonry.core import seeds
from reasonry.core.claims import Measurement


class Cost(NamedTuple):
    """What a rule cost on a task with the oracle.

    Attributes:
        nfe: Forward passes of each decoding, all alike; NaN when they differ.
        accuracy: Share of right answers.
    """

    nfe: float
    accuracy: float


def oracle_cost(task: str, policy: str, *, num: int, seed: int) -> Cost:
    """Decode with exact posteriors at temperature 1, all positions in one block.

    Args:
        task: With an oracle: ``ledger:4``.
        policy: A rule: ``threshold:0.9``.
        num: Decodings, of as many prompts.
        seed: Of prompts and tokens.
    """
    import torch

    from reasonry.tasks.token_tasks.find import make_task
    from reasonry.training.dultra.decoding import DecodingConfig, decode, until_end
    from reasonry.training.dultra.oracle import OracleDenoiser
    from reasonry.training.dultra.policies.make import make_policy

    made = make_task(task)
    draws = made.draw(seeds.stream(seed, "dultra", "oracle claim", task), num)
    prompt = torch.from_numpy(draws.prompt_BP)
    denoiser = OracleDenoiser(cast("Any", made))  # refuses a task that it does not know
    decoded = decode(
        denoiser,
        prompt,
        torch.ones_like(prompt, dtype=torch.bool),
        policy=make_policy(policy),
        config=DecodingConfig(answer_len=made.answer_len, block_len=made.answer_len, temperature=1.0),
        seeds_B=[seeds.derive(seed, "dultra", "oracle claim", i) for i in range(num)],
    )
    said = until_end(decoded.trajectory.tokens_BL, denoiser.end_id).numpy()
    nfe = set(decoded.trajectory.nfe_B.tolist())
    return Cost(
        nfe.pop() if len(nfe) == 1 else float("nan"), float(made.check(draws.prompt_BP, said).is_right_B.mean())
    )


def oracle_analytic(*, entries: Sequence[int], base: int, num: int, seed: int) -> Measurement:
    """Largest deviation of rules from their closed forms on ledgers, in forward passes and in accuracy.

    K entries of 5 tokens: the likeliest token at a time takes 5 K passes, a threshold or factor 4 K + 1, a bound on the
    entropy 2 K + 1, and all of them are always right; everything at once takes 1 pass.
    """
    worst, lines = 0.0, list[str]()
    for K in entries:
        closed = {
            "top:1": 5 * K,
            "rand:1": 5 * K,
            "threshold:0.5": 4 * K + 1,
            "threshold:0.9": 4 * K + 1,
            "factor:1": 4 * K + 1,
            "entropy_bound:0.1": 2 * K + 1,
            "entropy_bound:1": 2 * K + 1,
        }
        for policy, nfe in closed.items():
            found = oracle_cost(f"ledger:{K}:{base}", policy, num=num, seed=seed)
            deviation = max(abs(found.nfe - nfe), abs(found.accuracy - 1.0))
            worst = float("nan") if np.isnan(deviation) else max(worst, deviation)
        lines.append(f"K = {K}: {5 * K}, {4 * K + 1}, {2 * K + 1} passes")
    K = max(entries)
    bold = {p: oracle_cost(f"ledger:{K}:{base}", p, num=num, seed=seed) for p in ("rand:2", "rand:4", "top:2", "top:4")}
    told = ", ".join(f"{p} right {c.accuracy:.3f} in {c.nfe:.0f}" for p, c in bold.items())
    detail = (
        f"{num} decodings each; one at a time, threshold, entropy bound: {'; '.join(lines)}; bold ones, K = {K}: {told}"
    )
    return Measurement(worst, worst, worst, num * len(entries), seed, detail)


def forced_step_sums(*, num_laws: int, max_positions: int, seed: int) -> Measurement:
    """Largest deviation from 1 of the probabilities of all sets of positions that a step may reveal.

    The outcome of a step is a set that is not empty. With q the probabilities of the positions, the product form alone
    sums to 1 - prod(1 - q): a set of one, the likeliest, also comes about when nothing was chosen.
    """
    import torch

    from reasonry.training.dultra.plan_likelihood import plan_logp

    rng = seeds.stream(seed, "dultra", "forced claim")
    worst, naive = 0.0, list[float]()
    for _ in range(num_laws):
        n = int(rng.integers(1, max_positions + 1))
        sets = torch.tensor([s for s in itertools.product((False, True), repeat=n) if any(s)])
        logit = torch.from_numpy(rng.normal(0.0, 3.0, n)).expand(len(sets), n)
        everything = torch.ones_like(sets)
        total = {
            forced: float(plan_logp(logit, sets, eligible_BL=everything, forced=forced).double().exp().sum())
            for forced in ("exact", "naive")
        }
        worst = max(worst, abs(total["exact"] - 1.0))
        naive.append(total["naive"])
    q = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    sets = torch.tensor([s for s in itertools.product((False, True), repeat=3) if any(s)])
    logit = torch.logit(q).expand(len(sets), 3)
    shown = float(plan_logp(logit, sets, eligible_BL=torch.ones_like(sets), forced="naive").exp().sum())
    detail = (
        f"{num_laws} laws over 1 to {max_positions} positions; the product form alone sums to {np.mean(naive):.3f} on "
        f"average, {min(naive):.3f} at least, and to {shown:.2f} for q = (.2, .5, .3)"
    )
    return Measurement(worst, worst, worst, num_laws, seed, detail)
