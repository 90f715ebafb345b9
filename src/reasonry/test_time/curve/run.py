"""``reasonry curve``: from pools of finished samples to mean curves with bands, in a run directory.

Files: ``results.json`` (depends on the samples, the config and the seed alone), and the CSV that was asked for.

Pools of different sizes: every curve ends at the smallest pool, so that each of its points is about the same problems;
a larger pool still lends all its samples, because each point averages over all subsets of the whole pool. Going on with
the problems that have more samples would mix the effect of k with that of losing problems.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from reasonry.core import atomic, groups, seeds
from reasonry.core.progress import Progress
from reasonry.core.run import Run, default_folder
from reasonry.errors import ConfigError, DataError, nearest
from reasonry.test_time.curve import estimate
from reasonry.test_time.curve.config import CurveConfig
from reasonry.test_time.curve.estimate import METRICS, Metric, PoolCurve
from reasonry.test_time.curve.read import CurveData, Remark, load
from reasonry.test_time.pool_files import Pool

Say = Callable[[str], None]

NAMES: dict[Metric, str] = {"maj": "maj@k", "bon": "bon@k", "weighted": "weighted@k", "pass": "pass@k"}
_PEER_NAMES: dict[Metric, str] = {"bon": "pred_naive", "weighted": "pred_weighted", "maj": "pred_maj"}
_NEEDS: dict[Metric, tuple[str, ...]] = {
    "maj": ("answer",),
    "bon": ("score",),
    "weighted": ("answer", "score"),
    "pass": (),
}
_MOST_POINTS = 64  # sizes up to here are all drawn when none are asked for


class MetricCurve(NamedTuple):
    """The mean of one metric over problems, at each k.

    Attributes:
        mean: Accuracy.
        low: Lower ends of the pointwise band over problems; None with a single problem.
        high: Upper ends.
        monte_carlo_se: Standard error of ``mean`` from random orders alone, already part of the spread between
            problems; None when every point is exact.
    """

    mean: list[float]
    low: list[float] | None
    high: list[float] | None
    monte_carlo_se: list[float] | None


class Standing(NamedTuple):
    """Where the right answer stands in the votes of whole pools, as counts of problems."""

    first: int
    shared_first: int
    outvoted: int
    never_given: int


@dataclass(frozen=True)
class Drawn:
    """What ``reasonry curve`` found.

    Attributes:
        data: The samples.
        k: Sizes of the curves, ascending.
        shown: Those of them for tables.
        curves: Metric -> curve.
        level: Nominal coverage of the bands.
        mean_tok: Completion tokens per sample, averaged over problems; None when they are not known.
        standing: Of the right answers; None without answers.
        remarks: What the reader should know.
        folder: The run directory.
    """

    data: CurveData
    k: tuple[int, ...]
    shown: tuple[int, ...]
    curves: dict[Metric, MetricCurve]
    level: float
    mean_tok: float | None
    standing: Standing | None
    remarks: tuple[Remark, ...]
    folder: Path


def draw_curves(
    config: CurveConfig,
    *,
    say: Say = lambda line: None,
    open_run: Callable[[Run, str], None] = lambda run, determinism: None,
) -> Drawn:
    """Run ``reasonry curve``.

    Args:
        config: The resolved config.
        say: Called with a line for people: what the samples lack, and what was left out.
        open_run: Called once with the open run and its determinism level.

    Raises:
        DataError: The samples cannot carry a curve; see `reasonry.test_time.curve.read.load`.
        ConfigError: A size beyond the smallest pool, an unknown metric, or an unusable run directory.
    """
    data = load(config)
    metrics, left_out = _metrics(config, data)
    k = _sizes(config, data)
    folder = config.run or default_folder("curve", config, label_of(config.samples))
    with Run("curve", config, folder=folder, seed=config.seed, warn=say) as run:
        run.record_environment("bitwise")
        open_run(run, "bitwise")
        remarks = (*data.remarks, *left_out, *_on_sizes(data), *_on_raw(config, data, metrics))
        for remark in remarks:
            say(f"{'warning' if remark.is_warning else 'note'}: {remark.text}")
        drawn = Drawn(
            data=data,
            k=k,
            shown=k if config.k else tuple(x for x in k if x == k[-1] or x & (x - 1) == 0),
            curves=_mean_curves(config, data, metrics, k),
            level=config.level,
            mean_tok=_mean_tok(data.pools),
            standing=_standing(data.pools) if data.has_answers else None,
            remarks=remarks,
            folder=run.folder,
        )
        atomic.write_json(run.path("results.json"), results_json(drawn, config))
        if config.csv is not None:
            atomic.write_text(config.csv, curves_csv(drawn))
    return drawn


# ---------------------------------------------------------------- what is drawn


def _metrics(config: CurveConfig, data: CurveData) -> tuple[list[Metric], list[Remark]]:
    """The metrics to draw, and a remark on each that the file cannot give although nobody excluded it."""
    columns = {"answer": data.has_answers, "score": data.has_scores}
    missing = {m: [c for c in _NEEDS[m] if not columns[c]] for m in METRICS}
    if not config.metrics.strip():
        left_out = [Remark(f"no {NAMES[m]}: no sample has {_listed(missing[m])}") for m in METRICS if missing[m]]
        return [m for m in METRICS if not missing[m]], left_out
    known: dict[str, Metric] = {m: m for m in METRICS}
    wanted: list[Metric] = []
    for word in (w.strip() for w in config.metrics.split(",")):
        found = known.get(word)
        if found is None:
            hint = nearest(word, METRICS) or f"Known: {', '.join(METRICS)}."
            raise ConfigError(f"unknown metric {word!r}", place="metrics", remedy=hint)
        if missing[found]:
            raise DataError(
                f"{NAMES[found]} needs {_listed(missing[found])}, which no sample has",
                place=str(data.path),
                remedy=f"Add the column {' and '.join(map(repr, missing[found]))} to the rows, or leave "
                f"{found} out of --metrics.",
            )
        wanted.append(found)
    return [m for m in METRICS if m in wanted], []


def _listed(columns: Sequence[str]) -> str:
    return " or ".join(f"{'an' if c[0] in 'aeiou' else 'a'} {c}" for c in columns)


def _sizes(config: CurveConfig, data: CurveData) -> tuple[int, ...]:
    smallest = data.smallest
    most = smallest.num_samples
    largest = max(p.num_samples for p in data.pools)
    if largest > groups.MAX_VOTES:
        raise ConfigError(
            f"a pool of {largest} samples, but curves are exact for up to {groups.MAX_VOTES}",
            place=str(data.path),
            remedy=f"Keep a random {groups.MAX_VOTES} samples of each problem; that leaves the curve without bias.",
        )
    if not config.k.strip():
        if most <= _MOST_POINTS:
            return tuple(range(1, most + 1))
        steps = {round(2 ** (i / 4)) for i in range(4 * most.bit_length() + 1)}
        return tuple(sorted({x for x in steps if x <= most} | {most}))
    try:
        sizes = sorted({int(word) for word in config.k.split(",")})
    except ValueError:
        raise ConfigError(f"k = {config.k!r} is no list of sizes", place="k", remedy="Write --k 1,2,4,8.") from None
    if sizes[0] < 1:
        raise ConfigError(f"k = {sizes[0]} samples cannot be drawn", place="k", remedy="Sizes begin at 1.")
    if sizes[-1] > most:
        raise ConfigError(
            f"k = {sizes[-1]}, but the smallest pool ({smallest.id!r}) holds {most} samples",
            place="k",
            remedy=f"Ask for at most {most}, sample more, or leave small pools out with --min-samples {sizes[-1]}.",
        )
    return tuple(sizes)


def _on_sizes(data: CurveData) -> list[Remark]:
    sizes = [p.num_samples for p in data.pools]
    least, most = min(sizes), max(sizes)
    if least == most:
        return []
    text = (
        f"pools hold {least} to {most} samples: the curves end at k = {least}, so that every point is about the same "
        f"{len(sizes)} problems; each point averages over all subsets of the whole pools, and no sample is unused. If "
        "the sizes depend on what was drawn (an early stop), the curves are biased"
    )
    return [Remark(text, True)]


def _on_raw(config: CurveConfig, data: CurveData, metrics: Sequence[Metric]) -> list[Remark]:
    if config.transform != "raw" or "weighted" not in metrics:
        return []
    negative = sum(bool((p.scores < 0).any()) for p in data.pools)
    if not negative:
        return []
    text = (
        f"{negative} of {len(data.pools)} problems have negative scores, and raw weights add them up: an answer then "
        "loses by every vote for it; the transforms exp, sigmoid and rank are positive"
    )
    return [Remark(text, True)]


def _mean_curves(
    config: CurveConfig, data: CurveData, metrics: Sequence[Metric], k: Sequence[int]
) -> dict[Metric, MetricCurve]:
    found: dict[Metric, list[PoolCurve]] = {m: [] for m in metrics}
    with Progress("curves", total=len(data.pools), unit="problems") as progress:
        for pool in data.pools:
            for metric in metrics:
                found[metric].append(_pool_curve(metric, pool, k, config, data))
            progress.advance()
    return {metric: _averaged(each, config) for metric, each in found.items()}


def _pool_curve(metric: Metric, pool: Pool, k: Sequence[int], config: CurveConfig, data: CurveData) -> PoolCurve:
    if metric == "maj":
        return estimate.maj(pool, k)
    if metric == "bon":
        return estimate.bon(pool, k, has_answers=data.has_answers)
    if metric == "pass":
        return estimate.pass_(pool, k)
    return estimate.weighted(
        pool,
        k,
        transform=config.transform,
        beta=config.beta,
        num_orders=config.orders,
        rng=seeds.stream(config.seed, "weighted@k", pool.id),
    )


def _averaged(each: Sequence[PoolCurve], config: CurveConfig) -> MetricCurve:
    band = groups.mean_curve(np.stack([c.value_K for c in each]), seed=config.seed, level=config.level)
    error_K = np.sqrt((np.stack([c.standard_error_K for c in each]) ** 2).sum(axis=0)) / len(each)
    single = band.num_problems < 2
    return MetricCurve(
        mean=band.mean_K.tolist(),
        low=None if single else band.low_K.tolist(),
        high=None if single else band.high_K.tolist(),
        monte_carlo_se=error_K.tolist() if error_K.any() else None,
    )


def _mean_tok(pools: Sequence[Pool]) -> float | None:
    means: list[float] = []
    for pool in pools:
        known = [n for n in pool.num_tok if n is not None]
        if len(known) < pool.num_samples:
            return None
        means.append(sum(known) / len(known))
    return float(np.mean(means))


def _standing(pools: Sequence[Pool]) -> Standing:
    counts = [0, 0, 0, 0]
    for pool in pools:
        votes, right = estimate.votes_of(pool), estimate.right_answers(pool)
        leaders = {a for a, n in votes.items() if n == max(votes.values())}
        counts[0 if leaders and leaders <= right else 1 if leaders & right else 2 if right else 3] += 1
    return Standing(*counts)


# ---------------------------------------------------------------- written down


def results_json(drawn: Drawn, config: CurveConfig) -> dict[str, Any]:
    """The content of ``results.json``.

    ``search_and_learn`` repeats the means under that project's names: ``pred_naive@n`` is the highest-scored sample,
    ``pred_weighted@n`` the weighted vote (there of raw scores), ``pred_maj@n`` the majority vote.
    """
    sizes = [p.num_samples for p in drawn.data.pools]
    silent = sum(a is None for p in drawn.data.pools for a in p.answers)
    peer = {
        f"{name}@{k}": mean
        for metric, name in _PEER_NAMES.items()
        if metric in drawn.curves
        for k, mean in zip(drawn.k, drawn.curves[metric].mean, strict=True)
    }
    return {
        "source": str(drawn.data.path),
        "num_problems": len(sizes),
        "num_samples": sum(sizes),
        "smallest_pool": min(sizes),
        "largest_pool": max(sizes),
        "parse_rate": 1 - silent / sum(sizes) if drawn.data.has_answers else None,
        "score_fields": list(drawn.data.score_fields),
        "transform": config.transform,
        "beta": config.beta,
        "level": config.level,
        "is_biased": drawn.data.is_biased,
        "k": list(drawn.k),
        "mean_tok": None if drawn.mean_tok is None else [k * drawn.mean_tok for k in drawn.k],
        "curves": {NAMES[metric]: curve._asdict() for metric, curve in drawn.curves.items()},
        "right_answer": drawn.standing._asdict() if drawn.standing else None,
        "search_and_learn": {**peer, "transform": config.transform},
        "remarks": [remark.text for remark in drawn.remarks],
    }


def curves_csv(drawn: Drawn) -> str:
    """The curves as CSV, a row per metric and k; a cell is empty where there is nothing to say."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["metric", "k", "mean", "low", "high", "monte_carlo_se", "mean_tok"])
    for metric, curve in drawn.curves.items():
        for at, k in enumerate(drawn.k):
            table.writerow(
                [
                    NAMES[metric],
                    k,
                    curve.mean[at],
                    curve.low[at] if curve.low else "",
                    curve.high[at] if curve.high else "",
                    curve.monte_carlo_se[at] if curve.monte_carlo_se else 0.0,
                    k * drawn.mean_tok if drawn.mean_tok is not None else "",
                ]
            )
    return out.getvalue()


def label_of(samples: Path) -> str:
    """A short name for the run directory: that of the run, or of the file."""
    if samples.name == "samples.jsonl":
        samples = samples.parent
    return samples.stem if samples.suffix == ".jsonl" else samples.name
