"""What the rows of a benchmark say: sizes, shares detected, false alarms, quality, resistance to tampering.

    rule         size of a text                                                     valid if one looks after every token
    fixed        tokens from which on p <= alpha (MarkMyWords)                      no
    bonferroni   first k with p_k < alpha / (k (k + 1))                             yes
    e            first token with an e-value of 1 / alpha                           yes
    anytime      ``e``, and ``bonferroni`` for a scheme without an e-process

    quality      2^(bits per byte of unmarked text - bits per byte): the ratio of the per-byte perplexities; 1 is the
                 unmarked text's, 0 worthless. Where no unmarked text was sampled, the scheme's own text without an
                 attack stands in. This normalisation is reconstructed: MarkMyWords has grades out of 100 instead.

Medians have the distribution-free interval of order statistics, shares Clopper-Pearson's, means Student's t over texts
(a bootstrap of a dozen texts covers too little).
A false alarm's trials are pairs of an unmarked text and a fresh key; given the texts they are independent.
"""

# pyright: strict, reportMissingTypeStubs=false
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from reasonry.core.rows import Row
from reasonry.core.stats import clopper_pearson
from reasonry.watermark.bench.measure import NO_ATTACK, RULES
from reasonry.watermark.bench.records import AttackResult, Mean, Results, SchemeResult, Share
from reasonry.watermark.bench.schemes import UNMARKED, Scheme, Unmarked
from reasonry.watermark.bench.size import summarize
from reasonry.watermark.bench.tamper import Outcome, Resistance, tamper_resistance

LEVEL = 0.95
"""Coverage of the intervals of means; the others have the same by default."""


def summarise(
    schemes: Sequence[Scheme],
    attacks: Sequence[str],
    *,
    texts: Sequence[Row],
    detections: Sequence[Row],
    alarms: Sequence[Row],
    quality: Sequence[Row],
) -> Results:
    """Summarise the rows of a run.

    Args:
        schemes: The rows of the benchmark.
        attacks: Names, without that of no attack.
        texts: Rows of ``texts.jsonl``.
        detections: Rows of ``detections.jsonl``.
        alarms: Rows of ``false_alarms.jsonl``.
        quality: Rows of ``quality.jsonl``; none without a quality model.
    """
    bits = _Bits(quality)
    unmarked = [t for t in texts if t["mark"] == UNMARKED]
    reference = bits.mean(UNMARKED, NO_ATTACK)
    return Results(
        tuple(
            _scheme(
                scheme,
                attacks,
                [t for t in texts if t["mark"] == scheme.mark],
                [d for d in detections if d["scheme"] == scheme.name],
                [a for a in alarms if a["scheme"] == scheme.name],
                bits,
                reference,
            )
            for scheme in schemes
            if not isinstance(scheme, Unmarked)
        ),
        reference,
        float(np.mean([t["num_tok"] for t in unmarked])) if unmarked else None,
        float(np.mean([t["entropy_nats"] for t in unmarked])) if unmarked else None,
        bits.unscored(),
    )


class _Bits:
    """Bits per byte by mark and attack."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        self._known: dict[tuple[str, str], dict[tuple[str, int], float]] = {}
        for row in rows:
            if row["bits_per_byte"] is not None:
                by_text = self._known.setdefault((row["mark"], row["attack"]), {})
                by_text[row["id"], row["index"]] = row["bits_per_byte"]

    def mean(self, mark: str, attack: str) -> Mean | None:
        return self._mean(list(self._known.get((mark, attack), {}).values()))

    def above_unmarked(self, mark: str) -> Mean | None:
        ours, theirs = (self._known.get((m, NO_ATTACK), {}) for m in (mark, UNMARKED))
        return self._mean([bits - theirs[text] for text, bits in ours.items() if text in theirs])

    def unscored(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for row in self._rows:
            if row["reason"]:
                counts[row["reason"]] = counts.get(row["reason"], 0) + 1
        return counts

    def _mean(self, values: list[float]) -> Mean | None:
        if not values:
            return None
        mean, num = float(np.mean(values)), len(values)
        if num < 2:
            return Mean(mean, None, None, num)
        reach = student_t(num - 1, (1 + LEVEL) / 2) * float(np.std(values, ddof=1)) / math.sqrt(num)
        return Mean(mean, mean - reach, mean + reach, num)


def _scheme(
    scheme: Scheme,
    attacks: Sequence[str],
    texts: Sequence[Row],
    detections: Sequence[Row],
    alarms: Sequence[Row],
    bits: _Bits,
    reference: Mean | None,
) -> SchemeResult:
    rules = RULES if scheme.has_e_process else RULES[:2]
    anytime = rules[-1]
    own = reference or bits.mean(scheme.mark, NO_ATTACK)
    found = tuple(
        _attack(name, rules, [d for d in detections if d["attack"] == name], bits.mean(scheme.mark, name), own)
        for name in (NO_ATTACK, *attacks)
    )
    plain = [d for d in detections if d["attack"] == NO_ATTACK]
    num_tok = sum(t["num_tok"] for t in texts)
    return SchemeResult(
        name=scheme.name,
        mark=scheme.mark,
        anytime=anytime,
        mean_tok=num_tok / len(texts),
        entropy_nats=float(np.mean([t["entropy_nats"] for t in texts])),
        survived=sum(t["num_survived"] for t in texts) / num_tok if num_tok else 0.0,
        attacks=found,
        pooled_tok={rule: float(np.median(_sizes(detections, rule))) for rule in rules},
        extra_bits=bits.above_unmarked(scheme.mark),
        resistance=_resistance(found, anytime),
        false_alarms=_false_alarms(alarms, rules) if alarms else None,
        num_unscored=sum(d["num_scored"] == 0 for d in plain),
        num_short_context=sum(d["num_short_context"] for d in plain),
        num_duplicate=sum(d["num_duplicate"] for d in plain),
        num_tok=sum(d["num_tok"] for d in plain),
    )


def _sizes(rows: Sequence[Row], rule: str) -> list[float]:
    return [math.inf if row[rule] is None else row[rule] for row in rows]


def _attack(
    name: str, rules: Sequence[str], rows: Sequence[Row], bits: Mean | None, reference: Mean | None
) -> AttackResult:
    sizes = {rule: summarize(_sizes(rows, rule)) for rule in rules}
    return AttackResult(
        name,
        float(np.mean([row["changed"] for row in rows])),
        sizes,
        {rule: share(size.num_detected, size.num_texts) for rule, size in sizes.items()},
        bits,
        2.0 ** (reference.value - bits.value) if bits and reference else None,
    )


def _resistance(found: Sequence[AttackResult], anytime: str) -> dict[str, Resistance] | None:
    if len(found) < 2 or any(a.quality is None for a in found):
        return None
    resistances: dict[str, Resistance] = {}
    for name, rule in (("fixed", "fixed"), ("anytime", anytime)):
        outcomes = {a.name: Outcome(a.quality or 0.0, a.shares[rule].value) for a in found}
        plain = outcomes.pop(NO_ATTACK)
        resistances[name] = tamper_resistance(plain, outcomes)
    return resistances


def _false_alarms(rows: Sequence[Row], rules: Sequence[str]) -> dict[str, Share]:
    total = sum(row["num_keys"] for row in rows)
    return {rule: share(sum(row[rule] for row in rows), total) for rule in ("peek", *rules)}


def student_t(num_free: int, level: float) -> float:
    """Quantile of Student's t with ``num_free`` degrees of freedom."""
    from scipy import special

    return float(cast("Any", special).stdtrit(num_free, level))


def share(num: int, total: int) -> Share:
    """A proportion with its interval."""
    interval = clopper_pearson(num, total)
    return Share(num / total, interval.low, interval.high, num, total)
