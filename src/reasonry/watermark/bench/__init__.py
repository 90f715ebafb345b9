"""How good a watermark is: attacks, the tokens a detector needs, and resistance to tampering.

    attacks   what a person or a script does to a text without a language model
    size      tokens until detection, read off a path of p-values, with intervals over texts
    tamper    tamper-resistance from quality and detection after each attack

The measures are those of MarkMyWords (Piet et al. 2023, arXiv 2312.00273), with intervals.
"""

from reasonry.watermark.bench.attacks import (
    Attack,
    attacks,
    changed_share,
    delete_tokens,
    make_attack,
    substitute_tokens,
)
from reasonry.watermark.bench.size import (
    SizeSummary,
    bonferroni_crossing,
    bonferroni_path,
    first_crossing,
    last_recrossing,
    summarize,
)
from reasonry.watermark.bench.tamper import Outcome, Resistance, hull_area, tamper_resistance, worst_attack

__all__ = [
    "Attack",
    "Outcome",
    "Resistance",
    "SizeSummary",
    "attacks",
    "bonferroni_crossing",
    "bonferroni_path",
    "changed_share",
    "delete_tokens",
    "first_crossing",
    "hull_area",
    "last_recrossing",
    "make_attack",
    "substitute_tokens",
    "summarize",
    "tamper_resistance",
    "worst_attack",
]
