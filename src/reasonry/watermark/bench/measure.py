"""Reading the texts: after every attack, by every scheme; and unmarked text under keys that it knows nothing of.

``detections.jsonl`` has a row for each scheme, text and attack. A size is the number of tokens of the (attacked) text
that have to be read, null when the text is not detected; three rules stand side by side:

    fixed        MarkMyWords: tokens from which on the fixed-length p-value stays at or below alpha; peeks, uncorrected
    bonferroni   first token at which the k-th p-value is below alpha / (k (k + 1)); valid at any time
    e            first token at which the e-process is at 1/alpha or above; valid at any time

``false_alarms.jsonl`` has a row for each scheme and unmarked text: in how many of several fresh keys each rule raised a
false alarm. ``fixed`` looks once, at the end of the text; ``peek`` looks at the same p-values after every token.

Texts are read as text: they are tokenised again, as whoever checks them has to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from reasonry.core import seeds
from reasonry.core.rows import Row
from reasonry.core.run import Run
from reasonry.core.work import Say, stored, working
from reasonry.watermark.baselines import Reading
from reasonry.watermark.bench.attacks import Attack, changed_share
from reasonry.watermark.bench.models import BenchModels
from reasonry.watermark.bench.schemes import UNMARKED, Scheme, Unmarked, bench_key
from reasonry.watermark.bench.size import bonferroni_crossing, first_crossing, last_recrossing
from reasonry.watermark.config import BenchConfig
from reasonry.watermark.tokenizing import encode

DETECTIONS = "detections.jsonl"
FALSE_ALARMS = "false_alarms.jsonl"
NO_ATTACK = ""
RULES = ("fixed", "bonferroni", "e")

_DETECTION_KEY = ("scheme", "id", "index", "attack")
_ALARM_KEY = ("scheme", "id", "index")


def attacked(text: str, attack: Attack | None, *, seed: int, name: str, index: int) -> str:
    """The text after an attack; None leaves it as it is. Strengths of one kind act on the same draws."""
    if attack is None:
        return text
    return attack.apply(text, seeds.stream(seed, "watermark bench attack", attack.family, name, index))


def sizes(reading: Reading, *, alpha: float, has_e_process: bool) -> dict[str, float]:
    """Tokens read until each rule detects, infinite where it does not; ``peek`` is the first p-value at or below alpha.

    Without an e-process there is no entry ``e``.
    """
    read_T = reading.position_T + 1.0
    known_T = ~np.isnan(reading.p_T)
    p_T, p_read_T = np.clip(reading.p_T[known_T], 0.0, 1.0), read_T[known_T]
    found = {
        "fixed": last_recrossing(p_T, alpha=alpha, read_T=p_read_T),
        "bonferroni": bonferroni_crossing(p_T, alpha=alpha, read_T=p_read_T),
        "peek": first_crossing(p_T, alpha=alpha, read_T=p_read_T),
    }
    if has_e_process:
        anytime_T = np.exp(-np.maximum(reading.log_e_T, 0.0))
        found["e"] = first_crossing(anytime_T, alpha=alpha, read_T=read_T)
    return {name: float(size) for name, size in found.items()}


def read_texts(
    config: BenchConfig,
    schemes: Sequence[Scheme],
    texts: Sequence[Row],
    attacks: Sequence[Attack],
    models: BenchModels,
    run: Run,
    *,
    say: Say,
) -> list[Row]:
    """Read every marked text after every attack; the rows asked for."""
    kinds = [None, *attacks]
    readers = [s for s in schemes if not isinstance(s, Unmarked)]
    # Readers of one text stand together: they share what is computed from text and key.
    asked = [
        (text, attack, [s for s in readers if s.mark == text["mark"]])
        for text in texts
        for attack in kinds
        if text["mark"] != UNMARKED
    ]
    wanted = [_detection_key(s, text, attack) for text, attack, of in asked for s in of]
    with stored(run, DETECTIONS, say, key=_DETECTION_KEY) as store:
        done = sum(key in store.rows for key in wanted)
        if done == len(wanted):
            return [store.rows[key] for key in wanted]
        with working(run, "reading", total=len(wanted), done=done, unit="readings", say=say) as work:
            for text, attack, of in asked:
                todo = [s for s in of if _detection_key(s, text, attack) not in store.rows]
                if not todo:
                    continue
                now = attacked(text["text"], attack, seed=config.seed, name=text["id"], index=text["index"])
                shared = {
                    "id": text["id"],
                    "index": text["index"],
                    "attack": attack.name if attack else NO_ATTACK,
                    "changed": round(changed_share(text["text"], now), 6) if attack else 0.0,
                }
                ids = encode(models.loaded.tokenizer, now)
                key = bench_key(config.seed, text["mark"], text["id"], text["index"])
                for scheme in todo:
                    (reading,) = scheme.read(ids, [key], models.reader)
                    store.put({"scheme": scheme.name, **shared, **_read_row(reading, scheme, config.alpha)})
                    work.tick()
        return [store.rows[key] for key in wanted]


def _detection_key(scheme: Scheme, text: Row, attack: Attack | None) -> tuple[str, str, int, str]:
    return scheme.name, text["id"], text["index"], attack.name if attack else NO_ATTACK


def _read_row(reading: Reading, scheme: Scheme, alpha: float) -> dict[str, Any]:
    found = sizes(reading, alpha=alpha, has_e_process=scheme.has_e_process)
    return {
        "num_tok": reading.num_tok,
        "num_scored": len(reading.position_T),
        "num_short_context": reading.num_short_context,
        "num_duplicate": reading.num_duplicate,
        **{rule: found[rule] if np.isfinite(found.get(rule, np.inf)) else None for rule in RULES},
    }


def read_unmarked(
    config: BenchConfig,
    schemes: Sequence[Scheme],
    texts: Sequence[Row],
    models: BenchModels,
    run: Run,
    *,
    say: Say,
) -> list[Row]:
    """Count the false alarms of every scheme on the unmarked texts; the rows asked for."""
    readers = [s for s in schemes if not isinstance(s, Unmarked)]
    asked = list(_pairs(readers, [text for text in texts if text["mark"] == UNMARKED]))
    wanted = [(s.name, text["id"], text["index"]) for s, text in asked]
    with stored(run, FALSE_ALARMS, say, key=_ALARM_KEY) as store:
        done = sum(key in store.rows for key in wanted)
        if done == len(wanted):
            return [store.rows[key] for key in wanted]
        with working(run, "false alarms", total=len(wanted), done=done, unit="texts", say=say) as work:
            for scheme, text in asked:
                if (scheme.name, text["id"], text["index"]) in store.rows:
                    continue
                ids = encode(models.loaded.tokenizer, text["text"])
                num_keys = scheme.num_alarm_keys
                keys = [bench_key(config.seed, "false alarm", text["id"], text["index"], k) for k in range(num_keys)]
                found = [
                    sizes(reading, alpha=config.alpha, has_e_process=scheme.has_e_process)
                    for reading in scheme.read(ids, keys, models.reader)
                ]
                counts = {rule: sum(bool(np.isfinite(f[rule])) for f in found) for rule in found[0]}
                row = {"scheme": scheme.name, "id": text["id"], "index": text["index"], "num_keys": num_keys}
                store.put({**row, **{rule: counts.get(rule) for rule in ("fixed", "peek", "bonferroni", "e")}})
                work.tick()
        return [store.rows[key] for key in wanted]


def _pairs(schemes: Sequence[Scheme], texts: Sequence[Row]) -> Iterator[tuple[Scheme, Row]]:
    for text in texts:
        for scheme in schemes:
            yield scheme, text
