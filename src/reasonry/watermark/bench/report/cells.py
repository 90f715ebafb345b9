"""Cells of the tables, and words that all sections share."""

from __future__ import annotations

import math
from collections.abc import Sequence

from reasonry.core.report import Estimate
from reasonry.watermark.bench.records import Mean, SchemeResult, Share
from reasonry.watermark.bench.size import SizeSummary

RULE_WORDS = {"fixed": "MarkMyWords", "bonferroni": "Bonferroni", "e": "e-process"}
NOT_FOUND = "not found"
NO_ATTACK_WORDS = "no attack"


def size_cell(size: SizeSummary) -> Estimate | str:
    """A median with its interval; words where at most half of the texts were found."""
    if not math.isfinite(size.median_tok):
        return NOT_FOUND
    has_interval = math.isfinite(size.high_tok)
    return Estimate(size.median_tok, size.low_tok if has_interval else None, size.high_tok if has_interval else None)


def number_cell(value: float | None) -> float | str | None:
    """A number of tokens; words where it is infinite."""
    return NOT_FOUND if value is not None and not math.isfinite(value) else value


def share_cell(share: Share) -> Estimate:
    """A proportion with its interval."""
    return Estimate(share.value, share.low, share.high)


def mean_cell(mean: Mean | None) -> Estimate | None:
    """A mean with its interval."""
    return Estimate(mean.value, mean.low, mean.high) if mean else None


def by_mark(schemes: Sequence[SchemeResult]) -> list[SchemeResult]:
    """The first scheme of each mark: those that read the same texts have the same quality."""
    return list({s.mark: s for s in reversed(schemes)}.values())[::-1]
