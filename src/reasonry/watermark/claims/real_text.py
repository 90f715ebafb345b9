"""Measurements behind the claims about real text: a packaged model signs, and its text is read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from reasonry.core import jsonl, seeds
from reasonry.core.claims import Measurement
from reasonry.core.sampling.config import SamplingConfig
from reasonry.core.stats import clopper_pearson
from reasonry.watermark.calibration.corpus import read_corpus
from reasonry.watermark.calibration.rates import Dedup, measure
from reasonry.watermark.config import AnchorConfig, CalibrateConfig, GenerateConfig
from reasonry.watermark.detection import Detection, WatermarkDetector
from reasonry.watermark.generation.run import Generated, generate
from reasonry.watermark.keys import SecretKey
from reasonry.watermark.keys.ring import KeyRing

PROMPTS = (
    "Write a book report about a novel of your choice.",
    "Write a short story about a clockmaker.",
    "Write a news article about a storm on the coast.",
    "Write a short story that begins in a library.",
    "Write a travel report about a small island.",
    "Write a letter to a friend about a new job.",
)
_KEY = 20260217  # a number that anyone can guess: measurements hide nothing


class Found(NamedTuple):
    """Detection of the texts of a run.

    Attributes:
        by_text: From the text, tokenised again.
        by_ids: From the ids that were drawn.
        same_ids: Whether the text gave the same ids.
        null: Human text, cut to the same length, under the same key.
    """

    by_text: list[Detection]
    by_ids: list[Detection]
    same_ids: list[bool]
    null: list[Detection]


def tokens_to_detection(
    *,
    model: str,
    anchor: str,
    num_texts: int,
    max_new_tokens: int,
    temperature: float,
    num_null: int,
    alpha: float,
    seed: int,
    folder: str = "",
) -> Measurement:
    """Median tokens until the mark is found in the text itself; infinite when half of the texts are not recognised."""
    from reasonry.core.models.tokenizer import load_tokenizer
    from reasonry.watermark.detection.run import anchor_of

    ring = KeyRing()
    key = SecretKey.from_integer(_KEY)
    ring.add(key)
    generated = _generate(model, anchor, num_texts, max_new_tokens, temperature, seed, folder, ring)
    tokenizer = load_tokenizer(model).tokenizer
    law = anchor_of(generated.profile, _options())
    detector = WatermarkDetector(generated.profile, [key], alpha=alpha, anchor=law)
    found = _detect(generated, detector, tokenizer, num_null=num_null, length=max_new_tokens)
    sizes = np.sort([d.stop_index if d.stop_index is not None else np.inf for d in found.by_text])
    low, high = _median_ranks(len(sizes))
    num_false = sum(d.is_watermarked for d in found.null)
    rate = clopper_pearson(num_false, len(found.null))
    by_ids = float(np.median([d.stop_index if d.stop_index is not None else np.inf for d in found.by_ids]))
    return Measurement(
        float(np.median(sizes)),
        float(sizes[low]),
        float(sizes[high]),
        len(sizes),
        seed,
        f"{sum(d.is_watermarked for d in found.by_text)} of {len(sizes)} texts recognised within {max_new_tokens} "
        f"tokens; median by ids {by_ids:g}; {sum(found.same_ids)} texts give the same ids again; human text: "
        f"{num_false} of {len(found.null)} windows called marked [{rate.low:.1%}, {rate.high:.1%}]; interval of order "
        "statistics, 95 %",
    )


def false_alarms(
    *,
    dedup: Dedup,
    model: str,
    num_windows: int,
    window_tok: int,
    num_keys: int,
    num_bins: int,
    context_tok: int,
    alpha: float,
    seed: int,
) -> Measurement:
    """Share of windows of human text that are called marked, over keys; looked at after every token."""
    config = CalibrateConfig(
        model=model,
        window_tok=window_tok,
        max_windows=num_windows,
        num_keys=num_keys,
        num_bins=num_bins,
        context_tok=context_tok,
        alpha=alpha,
        seed=seed,
    )
    windows = read_corpus(config)
    keys = [SecretKey.from_integer(_KEY + i) for i in range(num_keys)]
    found = measure(windows.windows_NT, windows.profile, keys, alpha=alpha)
    rate = found[dedup].rate
    rates = ", ".join(f"{name} {outcome.rate.value:.2%}" for name, outcome in found.items())
    return Measurement(
        rate.value,
        rate.low,
        rate.high,
        rate.num_trials,
        seed,
        f"{len(windows.windows_NT)} windows of {window_tok} tokens x {num_keys} keys; by repeated contexts skipped in: "
        f"{rates}; 95 % Clopper-Pearson over windows and keys",
    )


def _generate(
    model: str,
    anchor: str,
    num_texts: int,
    max_new_tokens: int,
    temperature: float,
    seed: int,
    folder: str,
    ring: KeyRing,
) -> Generated:
    run = Path(folder) if folder else Path("runs", "claims", f"real-text-{anchor}-{num_texts}x{max_new_tokens}-{seed}")
    prompts = run.with_name(f"{run.name}-prompts.jsonl")
    jsonl.write(prompts, [{"id": str(i), "prompt": PROMPTS[i % len(PROMPTS)]} for i in range(num_texts)])
    config = GenerateConfig(
        prompts=str(prompts),
        model=model,
        seed=seed,
        run=run,
        batch_size=num_texts,
        anchor=AnchorConfig(kind=anchor, temperature=temperature if anchor != "uniform" else 1.0),  # pyright: ignore[reportArgumentType]  # pydantic checks the name
        sampling=SamplingConfig(temperature=temperature, max_new_tokens=max_new_tokens),
        model_options=_options(),
    )
    return generate(config, ring=ring)


def _detect(generated: Generated, detector: WatermarkDetector, tokenizer: Any, *, num_null: int, length: int) -> Found:
    from reasonry.watermark.tokenizing import encode

    ends = set(getattr(tokenizer, "all_special_ids", ()))
    by_text: list[Detection] = []
    by_ids: list[Detection] = []
    same: list[bool] = []
    for row in generated.rows:
        drawn = [i for i in row["token_ids"] if i not in ends]
        again = encode(tokenizer, row["text"])
        same.append(again == drawn)
        by_text.append(detector.detect(again))
        by_ids.append(by_text[-1] if same[-1] else detector.detect(drawn))
    return Found(by_text, by_ids, same, [detector.detect(w) for w in _human_windows(generated.model, num_null, length)])


def _human_windows(model: str, num: int, length: int) -> list[list[int]]:
    """Windows of the documentation that comes with Python, spread over it."""
    config = CalibrateConfig(model=model, window_tok=length, max_windows=100_000)
    windows_NT = read_corpus(config).windows_NT
    chosen = np.sort(seeds.stream(0, "human windows").permutation(len(windows_NT))[:num])
    return windows_NT[chosen].tolist()


def _median_ranks(num: int, level: float = 0.95) -> tuple[int, int]:
    """Ranks (from 0) of the order statistics that enclose the median."""
    from scipy.stats import binom

    low = int(binom.ppf((1 - level) / 2, num, 0.5))
    low = max(0, low - 1)
    return low, num - 1 - low


def _options() -> Any:
    from reasonry.core.models import ModelConfig

    return ModelConfig()
