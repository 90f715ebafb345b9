"""Measurements behind the claims about tokens needed, on the synthetic model.

Everything here holds for that model, which is ours, at the calibrations named: an operating point each, not a law.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.core import seeds
from reasonry.core.claims import Measurement
from reasonry.core.stats import clopper_pearson
from reasonry.watermark.baselines.seal import seal_p_path
from reasonry.watermark.bench.size import bonferroni_crossing, first_crossing, last_recrossing
from reasonry.watermark.bets import Bets, mixture_bets, paper_bet
from reasonry.watermark.e_process import crossings, log_e_path
from reasonry.watermark.e_values import log_e_star
from reasonry.watermark.simulate import Kind, Texts, draw_texts
from reasonry.watermark.synthetic_model import StepLaws, calibration, make_laws

FloatArray = NDArray[np.float64]

_BATCH = 2000  # texts side by side


def text_batches(laws: StepLaws, kind: Kind, *, num_tok: int, num_texts: int, seed: int) -> Iterator[Texts]:
    """Texts of one pool, some thousand at a time."""
    for start in range(0, num_texts, _BATCH):
        rng = seeds.stream(seed, "texts", kind, laws.num_bins, start)
        yield draw_texts(laws, kind, num_tok=num_tok, num_texts=min(_BATCH, num_texts - start), rng=rng)


def crossing_tok(
    laws: StepLaws, bets: Bets, *, num_tok: int, num_texts: int, alpha: float, seed: int, kind: Kind = "marked"
) -> FloatArray:
    """Tokens until a mixture of bets reaches 1 / alpha, shape ``(num_texts,)``; infinite beyond ``num_tok``."""
    batches = text_batches(laws, kind, num_tok=num_tok, num_texts=num_texts, seed=seed)
    return np.concatenate([crossings(log_e_path(t.match_TR, t.p_text_TR, bets), alpha) for t in batches])


def paper_log_e_path(texts: Texts, *, delta: float, num_bins: int) -> FloatArray:
    """Log of the product of the paper's e* after each token, shape ``(T, R)``, for any number of bins."""
    return np.cumsum(log_e_star(texts.match_TR, texts.p_keyed_TR, delta=delta, n=num_bins), axis=0)


def paper_crossing_tok(
    laws: StepLaws, *, delta: float, num_tok: int, num_texts: int, alpha: float, seed: int, kind: Kind = "marked"
) -> FloatArray:
    """Tokens until the product of e* reaches 1 / alpha; as `crossing_tok`."""
    batches = text_batches(laws, kind, num_tok=num_tok, num_texts=num_texts, seed=seed)
    return np.concatenate([crossings(paper_log_e_path(t, delta=delta, num_bins=laws.num_bins), alpha) for t in batches])


# ---------------------------------------------------------------- tokens needed


class Columns(NamedTuple):
    """What detectors of one text need, over several pools and their texts.

    Attributes:
        paper_S: Median tokens of e*, for each pool.
        mixture_S: Of the mixture of bets.
        seal_S: Of SEAL's exact p-value, last re-crossing: the size of MarkMyWords.
        bonferroni_S: Of the same p-value against alpha / (k (k + 1)).
        peeking_S: Its first crossing, uncorrected.
        paper_found: Share of texts that e* detects at all.
        bonferroni_found: Share that SEAL with Bonferroni detects.
    """

    paper_S: FloatArray
    mixture_S: FloatArray
    seal_S: FloatArray
    bonferroni_S: FloatArray
    peeking_S: FloatArray
    paper_found: float
    bonferroni_found: float

    def line(self) -> str:
        """One line for people."""
        paper, mixture, seal, bonferroni, peeking = (float(np.mean(c)) for c in self[:5])
        return (
            f"e* {paper:.1f} ({self.paper_found:.0%} found), SEAL {seal:.1f} (e* {_change(paper, seal)}), SEAL with "
            f"alpha/(k(k+1)) {bonferroni:.1f} ({self.bonferroni_found:.0%} found; e* {_change(paper, bonferroni)}), "
            f"SEAL peeking {peeking:.1f}, mixture {mixture:.1f}"
        )


def _change(new: float, old: float) -> str:
    return f"{new / old - 1:+.0%}"


def columns(
    setting: str, *, num_seeds: int, num_steps: int, num_texts: int, num_tok: int, alpha: float, delta: float, seed: int
) -> Columns:
    """Median tokens of each detector with two bins; the same marked texts for all of them.

    Args:
        setting: Calibration.
        num_seeds: Pools, each with texts of its own.
        num_steps: Steps of a pool.
        num_texts: Texts of a pool.
        num_tok: Length of a text.
        alpha: Level.
        delta: Of e*.
        seed: Seed.
    """
    medians: list[list[float]] = []
    found: list[tuple[float, float]] = []
    for own in _own_seeds(seed, setting, num_seeds):
        laws = make_laws(calibration(setting), num_bins=2, num_steps=num_steps, seed=own)
        sizes = np.concatenate(
            [
                _sizes(texts, alpha, delta)
                for texts in text_batches(laws, "marked", num_tok=num_tok, num_texts=num_texts, seed=own)
            ],
            axis=1,
        )
        medians.append(np.median(sizes, axis=1).tolist())
        found.append((float(np.isfinite(sizes[0]).mean()), float(np.isfinite(sizes[3]).mean())))
    return Columns(*np.array(medians).T, *(float(f) for f in np.mean(found, axis=0)))


def _sizes(texts: Texts, alpha: float, delta: float) -> FloatArray:
    p_TR = seal_p_path(texts.match_TR, texts.p_text_TR)
    return np.stack(
        [
            crossings(log_e_path(texts.match_TR, texts.p_text_TR, paper_bet(delta, n=2)), alpha),
            crossings(log_e_path(texts.match_TR, texts.p_text_TR, mixture_bets()), alpha),
            last_recrossing(p_TR, alpha=alpha),
            bonferroni_crossing(p_TR, alpha=alpha),
            first_crossing(p_TR, alpha=alpha),
        ]
    )


def token_reduction(
    *,
    setting: str,
    other_setting: str,
    num_seeds: int,
    num_steps: int,
    num_texts: int,
    num_tok: int,
    num_null: int,
    alpha: float,
    delta: float,
    paper_tok: Sequence[float],
    seal_tok: Sequence[float],
    seed: int,
) -> Measurement:
    """By what share e* needs fewer tokens than SEAL's size, and three conditions on the operating point.

    When a condition fails, the lower end of the interval is 0 and ``detail`` names it.

    Args:
        setting: Calibration that is measured.
        other_setting: Calibration whose columns are shown beside it.
        num_seeds: See `columns`.
        num_steps: See `columns`.
        num_texts: See `columns`.
        num_tok: See `columns`.
        num_null: Texts without a mark, per pool, for the false alarms of e*.
        alpha: Level.
        delta: Of e*.
        paper_tok: Condition: lower and upper end for the median of e*.
        seal_tok: Condition: the same for SEAL's size.
        seed: Seed.
    """
    found, other = (
        columns(
            name,
            num_seeds=num_seeds,
            num_steps=num_steps,
            num_texts=num_texts,
            num_tok=num_tok,
            alpha=alpha,
            delta=delta,
            seed=seed,
        )
        for name in (setting, other_setting)
    )
    value, low, high = _t_interval(1 - found.paper_S / found.seal_S)
    alarms = 0
    for own in _own_seeds(seed, setting, num_seeds):
        laws = make_laws(calibration(setting), num_bins=2, num_steps=num_steps, seed=own)
        tok = paper_crossing_tok(
            laws, delta=delta, num_tok=num_tok, num_texts=num_null, alpha=alpha, seed=own, kind="sampled"
        )
        alarms += int(np.isfinite(tok).sum())
    num_all = num_seeds * num_null
    failed = [
        text
        for text, is_kept in (
            (f"e* within {paper_tok}", paper_tok[0] <= found.paper_S.mean() <= paper_tok[1]),
            (f"SEAL within {seal_tok}", seal_tok[0] <= found.seal_S.mean() <= seal_tok[1]),
            ("false alarms of e*", alarms / num_all <= alpha + three_se(alpha, num_all)),
        )
        if not is_kept
    ]
    detail = (
        f"95 % t interval over {num_seeds} pools; median tokens in {setting}: {found.line()}; false alarms of e* "
        f"within {num_tok} tokens {shown_rate(alarms, num_all)}; in {other_setting}: {other.line()}{failures(failed)}"
    )
    return Measurement(value, 0.0 if failed else low, high, num_seeds * num_texts, seed, detail)


def mixture_share(
    *,
    setting: str,
    other_setting: str,
    other_bins: Sequence[int],
    num_seeds: int,
    num_steps: int,
    num_texts: int,
    num_tok: int,
    alpha: float,
    delta: float,
    seed: int,
) -> Measurement:
    """Median tokens of the mixture of bets over those of e*, two bins; ``detail`` compares them over more bins.

    Args:
        setting: Calibration that is measured.
        other_setting: Calibration for the comparison over numbers of bins.
        other_bins: These numbers.
        num_seeds: See `columns`; one pool for each of the other numbers of bins.
        num_steps: See `columns`.
        num_texts: See `columns`.
        num_tok: See `columns`.
        alpha: Level.
        delta: Of e*.
        seed: Seed.
    """
    ratios: list[float] = []
    medians: list[tuple[float, float]] = []
    for own in _own_seeds(seed, setting, num_seeds):
        laws = make_laws(calibration(setting), num_bins=2, num_steps=num_steps, seed=own)
        medians.append(_both(laws, num_tok, num_texts, alpha, delta, own))
        ratios.append(medians[-1][0] / medians[-1][1])
    value, low, high = _t_interval(np.array(ratios))
    mixture, paper = np.mean(medians, axis=0)
    table: list[str] = []
    for n in other_bins:
        laws = make_laws(calibration(other_setting), num_bins=n, num_steps=num_steps, seed=seed)
        a, b = _both(laws, num_tok, num_texts, alpha, delta, seed)
        table.append(f"n={n} {a:.0f}/{b:.0f}")
    detail = (
        f"95 % t interval over {num_seeds} pools; {setting}: {mixture:.1f} against {paper:.1f} tokens; "
        f"{other_setting}, mixture/e*: {', '.join(table)}"
    )
    return Measurement(value, low, high, num_seeds * num_texts, seed, detail)


def _both(laws: StepLaws, num_tok: int, num_texts: int, alpha: float, delta: float, seed: int) -> tuple[float, float]:
    """Median tokens of the mixture and of e* on the same texts."""
    mixture_R = crossing_tok(laws, mixture_bets(), num_tok=num_tok, num_texts=num_texts, alpha=alpha, seed=seed)
    paper_R = paper_crossing_tok(laws, delta=delta, num_tok=num_tok, num_texts=num_texts, alpha=alpha, seed=seed)
    return float(np.median(mixture_R)), float(np.median(paper_R))


def _own_seeds(seed: int, setting: str, num_seeds: int) -> list[int]:
    return [seeds.derive(seed, "pool", setting, i) for i in range(num_seeds)]


def _t_interval(value_S: FloatArray) -> tuple[float, float, float]:
    """Mean with the ends of its 95 % interval by Student's t."""
    from scipy.special import stdtrit

    num = len(value_S)
    mean = float(value_S.mean())
    half = float(stdtrit(num - 1, 0.975)) * float(value_S.std(ddof=1)) / math.sqrt(num)
    return mean, mean - half, mean + half


def three_se(alpha: float, num: int) -> float:
    """Three standard errors of a rate of ``alpha`` among ``num`` texts."""
    return 3 * math.sqrt(alpha * (1 - alpha) / num)


def shown_rate(num_found: int, num: int) -> str:
    """A rate with its 95 % Clopper-Pearson interval."""
    interval = clopper_pearson(num_found, num)
    return f"{num_found / num:.4f} [{interval.low:.4f}, {interval.high:.4f}]"


def failures(failed: Sequence[str]) -> str:
    """End of a detail line: the conditions that were not kept, if any."""
    return f"; NOT KEPT: {', '.join(failed)}" if failed else ""
