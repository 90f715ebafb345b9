"""Measurements behind the claims about false alarms, on texts without a mark from the synthetic model.

The e-processes' guarantee holds for any text; that the model is ours matters only for how far below alpha they stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.core import seeds
from reasonry.core.claims import Measurement
from reasonry.core.stats import clopper_pearson
from reasonry.watermark.baselines.green_lists import beta_binomial_log_e_path, binomial_p_path
from reasonry.watermark.baselines.gumbel import gumbel_log_e_path, gumbel_p_path
from reasonry.watermark.baselines.seal import seal_p_path
from reasonry.watermark.baselines.synthid import score_bits
from reasonry.watermark.bench.size import first_crossing
from reasonry.watermark.bets import mixture_bets
from reasonry.watermark.claims.simulation import failures, paper_log_e_path, shown_rate, text_batches, three_se
from reasonry.watermark.e_process import crossings, log_e_path
from reasonry.watermark.simulate import Kind, Texts
from reasonry.watermark.synthetic_model import calibration, make_laws

FloatArray = NDArray[np.float64]

_BATCH = 2000  # texts side by side
_NUM_ROUNDS = 30


def anytime_alarms(
    *,
    setting: str,
    bins: Sequence[int],
    num_steps: int,
    num_texts: int,
    num_tok: int,
    alpha: float,
    delta: float,
    seed: int,
) -> Measurement:
    """Largest rate of false alarms of the e-processes when one looks after every token.

    Bets and e* read sampled and greedy texts, e* with two bins; the other schemes' pivots are fair whatever the text.

    Args:
        setting: Calibration.
        bins: Numbers of bins for the mixture.
        num_steps: Steps of the pool.
        num_texts: Texts for each e-process.
        num_tok: Length of a text.
        alpha: Level.
        delta: Of e*.
        seed: Seed.
    """
    alarms: dict[str, int] = {}
    kinds: tuple[Kind, ...] = ("sampled", "greedy")
    paths: dict[str, Callable[[Texts, int], FloatArray]] = {
        "mixture": lambda t, n: log_e_path(t.match_TR, t.p_text_TR, mixture_bets()),
        "e*": lambda t, n: paper_log_e_path(t, delta=delta, num_bins=n),
    }
    for n in bins:
        laws = make_laws(calibration(setting), num_bins=n, num_steps=num_steps, seed=seed)
        for kind in kinds:
            for texts in text_batches(laws, kind, num_tok=num_tok, num_texts=num_texts, seed=seed):
                for name, path in paths.items():
                    count = int(np.isfinite(crossings(path(texts, n), alpha)).sum())
                    key = f"{name} n={n} {kind}"
                    alarms[key] = alarms.get(key, 0) + count
    for name in ("Gumbel", "SynthID", "KGW"):
        alarms[name] = sum(
            int(np.isfinite(crossings(_null_evidence(name, num_tok, num, rng).log_e_TR, alpha)).sum())
            for num, rng in _null_batches(name, num_texts, seed)
        )
    return _extreme(alarms, num_texts, seed, largest=True, about=f"anytime within {num_tok} tokens")


def peeking_alarms(
    *, setting: str, num_steps: int, num_texts: int, num_tok: int, alpha: float, seed: int
) -> Measurement:
    """Smallest rate of false alarms of p-values for a fixed length when one looks after every token.

    Args:
        setting: Calibration, for SEAL; two bins, its correct p-value.
        num_steps: Steps of the pool.
        num_texts: Texts for each scheme.
        num_tok: Length of a text.
        alpha: Level.
        seed: Seed.
    """
    laws = make_laws(calibration(setting), num_bins=2, num_steps=num_steps, seed=seed)
    alarms = {"SEAL": 0}
    for texts in text_batches(laws, "sampled", num_tok=num_tok, num_texts=num_texts, seed=seed):
        alarms["SEAL"] += _num_found(seal_p_path(texts.match_TR, texts.p_text_TR), alpha)
    for name in ("Gumbel", "SynthID", "KGW"):
        alarms[name] = sum(
            _num_found(_null_evidence(name, num_tok, num, rng).p_TR, alpha)
            for num, rng in _null_batches(name, num_texts, seed)
        )
    return _extreme(alarms, num_texts, seed, largest=False, about=f"peeking at every one of {num_tok} tokens")


def base_verifier_alarms(
    *, setting: str, num_steps: int, num_texts: int, num_tok: int, alpha: float, seed: int
) -> Measurement:
    """Rate of false alarms of SEAL's released base verifier at one fixed length, on sampled text without a mark.

    The correct verifier has to keep alpha + 3 standard errors on sampled and greedy text; where it does not, the lower
    end of the interval is 0 and ``detail`` says so.

    Args:
        setting: Calibration; two bins.
        num_steps: Steps of the pool.
        num_texts: Texts of either kind.
        num_tok: Length of a text.
        alpha: Nominal level.
        seed: Seed.
    """
    laws = make_laws(calibration(setting), num_bins=2, num_steps=num_steps, seed=seed)
    alarms: dict[str, int] = {}
    kinds: tuple[Kind, ...] = ("sampled", "greedy")
    for kind in kinds:
        for texts in text_batches(laws, kind, num_tok=num_tok, num_texts=num_texts, seed=seed):
            for version in ("released-base", "correct"):
                p_R = seal_p_path(texts.match_TR, texts.p_text_TR, texts.p_keyed_TR, version=version)[-1]
                key = f"{version} on {kind} text"
                alarms[key] = alarms.get(key, 0) + int((p_R <= alpha).sum())
    most = (alpha + three_se(alpha, num_texts)) * num_texts
    failed = [key for key, num in alarms.items() if key.startswith("correct") and num > most]
    shown = ", ".join(f"{key} {shown_rate(num, num_texts)}" for key, num in alarms.items())
    base = clopper_pearson(alarms["released-base on sampled text"], num_texts)
    detail = f"95 % Clopper-Pearson; at {num_tok} tokens, nominal {alpha:g}: {shown}{failures(failed)}"
    value = alarms["released-base on sampled text"] / num_texts
    return Measurement(value, 0.0 if failed else base.low, base.high, num_texts, seed, detail)


class Evidence(NamedTuple):
    """Paths over texts, each of shape ``(T, R)``: of p-values for a fixed length, and of log e."""

    p_TR: FloatArray
    log_e_TR: FloatArray


def evidence(name: str, statistic: NDArray[np.bool_] | FloatArray, *, gamma: float = 0.5) -> Evidence:
    """What a scheme says of its statistic.

    Args:
        name: ``Gumbel``, ``KGW`` or ``SynthID``.
        statistic: Pivots of shape (T, R), green tokens (T, R), or bits (T, R, M).
        gamma: Share of green tokens.
    """
    if name == "Gumbel":
        return Evidence(gumbel_p_path(statistic), gumbel_log_e_path(statistic))
    if name == "KGW":
        return Evidence(binomial_p_path(statistic, gamma), beta_binomial_log_e_path(statistic, gamma))
    assert name == "SynthID", name
    bits_RTM = np.moveaxis(statistic, 1, 0)
    counts_TM = np.ones(bits_RTM.shape[1:], dtype=np.bool_)
    scores = [score_bits(bits_TM, counts_TM) for bits_TM in bits_RTM]
    return Evidence(np.stack([s.p_mean_N for s in scores], axis=1), np.stack([s.log_e_N for s in scores], axis=1))


def _null_evidence(name: str, num_tok: int, num_texts: int, rng: np.random.Generator) -> Evidence:
    if name == "Gumbel":
        return evidence(name, rng.random((num_tok, num_texts)))
    shape = (num_tok, num_texts) if name == "KGW" else (num_tok, num_texts, _NUM_ROUNDS)
    return evidence(name, rng.random(shape, dtype=np.float32) < 0.5)


def _null_batches(name: str, num_texts: int, seed: int) -> Iterator[tuple[int, np.random.Generator]]:
    size = _BATCH // 10 if name == "SynthID" else _BATCH
    for start in range(0, num_texts, size):
        yield min(size, num_texts - start), seeds.stream(seed, "null", name, start)


def _num_found(p_TR: FloatArray, alpha: float) -> int:
    return int(np.isfinite(first_crossing(p_TR, alpha=alpha)).sum())


def _extreme(alarms: dict[str, int], num_texts: int, seed: int, *, largest: bool, about: str) -> Measurement:
    """The largest or smallest of several rates; its interval covers all of them together."""
    level = 1 - 0.05 / len(alarms)
    intervals = [clopper_pearson(num, num_texts, level=level) for num in alarms.values()]
    end = max if largest else min
    shown = ", ".join(f"{key} {num / num_texts:.4f}" for key, num in alarms.items())
    return Measurement(
        end(alarms.values()) / num_texts,
        end(i.low for i in intervals),
        end(i.high for i in intervals),
        num_texts,
        seed,
        f"95 % Clopper-Pearson for all {len(alarms)} together; {about}: {shown}",
    )
