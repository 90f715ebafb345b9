"""The figures of the pages on the watermark, all on the synthetic language model; drawn by `docs/figures.py`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reasonry.core import seeds
from reasonry.core.report import Chart, Reference, Series, curve_chart
from reasonry.watermark.bets import mixture_bets, paper_bet
from reasonry.watermark.claims.simulation import crossing_tok, paper_crossing_tok
from reasonry.watermark.e_process import log_e_path
from reasonry.watermark.simulate import draw_texts
from reasonry.watermark.synthetic_model import SyntheticModel, calibration, make_laws

ALPHA = 0.02
DELTA = 0.3
NUM_STEPS = 5000
SEED = 0


def wealth() -> Chart:
    """How the evidence grows: the paper's e-value and the mixture on the same marked texts, and unmarked text."""
    num_tok, num_texts = 100, 4000
    laws = make_laws(calibration("B"), num_bins=2, num_steps=NUM_STEPS, seed=SEED)
    marked, plain = (
        draw_texts(laws, kind, num_tok=num_tok, num_texts=num_texts, rng=seeds.stream(SEED, "figure", kind))
        for kind in ("marked", "sampled")
    )
    paths = {
        "marked, mixture of bets": log_e_path(marked.match_TR, marked.p_text_TR, mixture_bets()),
        "marked, e*": log_e_path(marked.match_TR, marked.p_text_TR, paper_bet(DELTA, n=2)),
        "not marked, mixture of bets": log_e_path(plain.match_TR, plain.p_text_TR, mixture_bets()),
    }
    x = np.arange(0, num_tok + 1, 2)
    series: list[Series] = []
    for name, path in paths.items():
        log10_TR = np.vstack([np.zeros(num_texts), path])[x] / math.log(10)
        low, mid, high = np.quantile(log10_TR, (0.25, 0.5, 0.75), axis=1)
        dashed = name.startswith("not")
        series.append(Series(name, x.tolist(), mid.tolist(), low.tolist(), high.tolist(), dashed=dashed))
    spec = curve_chart(
        series,
        x_title="tokens",
        y_title="log10 of the e-value",
        references=[Reference(-math.log10(ALPHA), f"1/alpha = {1 / ALPHA:g}")],
    )
    return Chart(spec, "Wealth", "Median log10 of the e-value against tokens, marked and unmarked texts.")


def bins() -> Chart:
    """Tokens against the number of symbols, for both operating points."""
    settings = {"anchor flattened (A)": calibration("A"), "anchor not flattened (B)": calibration("B")}
    numbers = (2, 4, 8, 16, 32, 64)
    series: list[Series] = []
    for label, model in settings.items():
        mixture: list[float | None] = []
        paper: list[float | None] = []
        for n in numbers:
            laws = make_laws(model, num_bins=n, num_steps=NUM_STEPS, seed=SEED)
            mixture.append(
                median(crossing_tok(laws, mixture_bets(), num_tok=600, num_texts=2000, alpha=ALPHA, seed=SEED))
            )
            paper.append(
                median(paper_crossing_tok(laws, delta=DELTA, num_tok=600, num_texts=2000, alpha=ALPHA, seed=SEED))
            )
        series += [Series(f"mixture, {label}", numbers, mixture), Series(f"e*, {label}", numbers, paper, dashed=True)]
    spec = curve_chart(
        series, x_title="symbols n", y_title="median tokens until detection", log_x=True, y_domain=(0, 100)
    )
    return Chart(spec, "Symbols", "Median tokens until detection against the number of symbols.")


def power() -> Chart:
    """Tokens against entropy, for the anchors a user chooses from."""
    base = calibration("A")
    anchors: dict[str, tuple[SyntheticModel, int]] = {
        "model as anchor, n = 16": (base, 16),
        "model as anchor, n = 2": (base, 2),
        "uniform anchor, n = 16": (base.with_anchor(temperature=math.inf), 16),
        "uniform anchor, n = 2": (base.with_anchor(temperature=math.inf), 2),
    }
    series: list[Series] = []
    for name, (model, n) in anchors.items():
        entropy: list[float] = []
        tokens: list[float | None] = []
        for temperature in (0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.25, 1.5, 2.0):
            at = replace(model, temperature=temperature)
            if not math.isinf(model.anchor.temperature):
                at = at.with_anchor(temperature=temperature)
            laws = make_laws(at, num_bins=n, num_steps=NUM_STEPS, seed=SEED)
            entropy.append(float(laws.entropy_nats_P.mean()))
            tokens.append(
                median(crossing_tok(laws, mixture_bets(), num_tok=2000, num_texts=200, alpha=ALPHA, seed=SEED))
            )
        series.append(Series(name, entropy, tokens, dashed=name.startswith("uniform")))
    spec = curve_chart(
        series,
        x_title="entropy of the model's law, nats per token",
        y_title="median tokens until detection",
        log_x=True,
        log_y=True,
        y_domain=(3, 2000),
    )
    for layer in spec["layer"]:
        layer["encoding"]["y"]["axis"] |= {"values": [3, 10, 30, 100, 300, 1000], "tickCount": 20}
    return Chart(spec, "Power", "Median tokens until detection against entropy, two anchors, two numbers of symbols.")


def median(tok_R: NDArray[np.float64]) -> float | None:
    """None where half of the texts or more are not found."""
    found = float(np.median(tok_R))
    return found if math.isfinite(found) else None


def figures() -> Iterator[tuple[str, Chart]]:
    """Name and chart of every figure."""
    yield "watermark_wealth", wealth()
    yield "watermark_bins", bins()
    yield "watermark_power", power()
