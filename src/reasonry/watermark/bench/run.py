"""``reasonry watermark bench``: watermarks side by side on one model, in a run directory that continues.

Files: ``texts.jsonl`` (a text a line, for each mark), ``detections.jsonl`` (each text read after each attack, by each
scheme), ``false_alarms.jsonl`` (unmarked text read under fresh keys), ``quality.jsonl`` (bits per byte),
``made_with.json`` (prompts and weights, by hash), ``costs.jsonl``, ``results.json``. Keys are a function of the seed,
serve this measurement only, and are in none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reasonry.core import atomic
from reasonry.core.rows import Row
from reasonry.core.run import Run, default_folder
from reasonry.core.work import Say
from reasonry.errors import ConfigError
from reasonry.watermark.bench.attacks import Attack, attacks, make_attack
from reasonry.watermark.bench.measure import read_texts, read_unmarked
from reasonry.watermark.bench.models import BenchModels, check_names, check_prompts
from reasonry.watermark.bench.prompts import requests_of
from reasonry.watermark.bench.quality import score_texts
from reasonry.watermark.bench.results import Results, summarise
from reasonry.watermark.bench.schemes import make_bench_schemes
from reasonry.watermark.bench.texts import sample_texts
from reasonry.watermark.config import BenchConfig

ALL_ATTACKS = "all"


@dataclass(frozen=True)
class Benched:
    """A finished benchmark.

    Attributes:
        folder: The run directory.
        config: What was asked.
        results: What was found.
        texts: Rows of texts.jsonl.
        detections: Rows of detections.jsonl.
    """

    folder: Path
    config: BenchConfig
    results: Results
    texts: Sequence[Row]
    detections: Sequence[Row]


def bench(
    config: BenchConfig,
    *,
    say: Say = lambda line: None,
    open_run: Callable[[Run, str], None] = lambda run, determinism: None,
) -> Benched:
    """Run (or continue) ``reasonry watermark bench``.

    Args:
        config: The resolved config.
        say: Called with a line for people.
        open_run: Called once with the open run and its determinism level.

    Raises:
        ReasonryError: See the errors of its parts. What was finished is in the run directory.
        Interrupted: The user asked to stop; run the same command again.
    """
    if config.sampling.temperature == 0:
        raise ConfigError(
            "temperature 0 leaves nothing to chance that could carry a mark",
            place="sampling.temperature",
            remedy="Sample with a positive temperature.",
        )
    schemes = make_bench_schemes(config.schemes)
    asked = make_attacks(config.attacks)
    requests = requests_of(config.prompts, num_texts=config.num_texts)
    check_names(config)
    folder = config.run or default_folder("watermark-bench", config, Path(config.model).name)
    with Run("watermark bench", config, folder=folder, seed=config.seed, warn=say) as run:
        check_prompts(run, requests)
        models = BenchModels(config, run)
        texts = sample_texts(config, schemes, requests, models, run, say=say, open_run=open_run)
        detections = read_texts(config, schemes, texts, asked, models, run, say=say)
        alarms = read_unmarked(config, schemes, texts, models, run, say=say)
        models.drop()
        quality = score_texts(config, requests, texts, asked, run, say=say) if config.quality_model else []
        results = summarise(
            schemes,
            [attack.name for attack in asked],
            texts=texts,
            detections=detections,
            alarms=alarms,
            quality=quality,
        )
        benched = Benched(folder, config, results, texts, detections)
        atomic.write_json(run.path("results.json"), results_json(benched))
    return benched


def make_attacks(names: Sequence[str]) -> list[Attack]:
    """The attacks asked for; ``all`` stands for every one there is.

    Raises:
        ConfigError: An unknown attack, or one twice.
    """
    made = [attack for name in names for attack in (attacks() if name == ALL_ATTACKS else (make_attack(name),))]
    known = [attack.name for attack in made]
    twice = sorted({name for name in known if known.count(name) > 1})
    if twice:
        raise ConfigError(f"the attack {twice[0]} is given twice", place="attacks", remedy="Give every one once.")
    return made


def results_json(benched: Benched) -> dict[str, Any]:
    """The content of ``results.json``."""
    config = benched.config
    return {
        "model": config.model,
        "quality_model": config.quality_model or None,
        "alpha": config.alpha,
        "num_texts": config.num_texts,
        "rules": {
            "fixed": "tokens from which on the p-value for a fixed length stays at or below alpha (MarkMyWords); "
            "in false alarms: the p-value at the end of the text",
            "peek": "first token at which that p-value is at or below alpha; not valid",
            "bonferroni": "first k at which it is below alpha / (k (k + 1))",
            "e": "first token at which the e-process reaches 1 / alpha",
        },
        **benched.results.to_json(),
    }
