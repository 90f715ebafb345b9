r"""How replies use the codebook, at every place of the latent part.

    perplexity   exp( - sum_k p_k log p_k )     p_k: share of code k among the codes at a place, or among all

From 1, always the same code, to the number of different codes. With few replies it is biased downwards: it cannot
exceed their number.

Degenerate: without codes there is no place, and the perplexity is 0.
"""

# pyright: strict
from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from reasonry.core.plain import plain
from reasonry.core.rows import Row


class Place(NamedTuple):
    """The codes at one place of the latent part.

    Attributes:
        num: Replies that have a code there.
        num_different: Codes among them.
        perplexity: Of them.
        counts: How often each code comes there, the most frequent first.
    """

    num: int
    num_different: int
    perplexity: float
    counts: Mapping[int, int]


class Usage(NamedTuple):
    """How replies use codes.

    Attributes:
        num_uses: Codes in all replies.
        num_different: Different ones.
        num_codes: K.
        perplexity: Of all.
        places: From the first code of a reply on.
        lengths: How many replies have how many codes.
        uses: How often each code comes.
    """

    num_uses: int
    num_different: int
    num_codes: int
    perplexity: float
    places: tuple[Place, ...]
    lengths: Mapping[int, int]
    uses: Mapping[int, int]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return plain(self._asdict())


def usage_of(rows: Sequence[Row], *, num_codes: int) -> Usage:
    """How replies use codes.

    Args:
        rows: Of ``answers.jsonl``.
        num_codes: K.
    """
    replies = [codes_of(row) for row in rows]
    at_place: list[Counter[int]] = [Counter() for _ in range(max(map(len, replies), default=0))]
    for codes in replies:
        for place, code in enumerate(codes):
            at_place[place][code] += 1
    uses = Counter(code for codes in replies for code in codes)
    return Usage(
        num_uses=uses.total(),
        num_different=len(uses),
        num_codes=num_codes,
        perplexity=perplexity(uses),
        places=tuple(
            Place(counts.total(), len(counts), perplexity(counts), dict(ranked(counts))) for counts in at_place
        ),
        lengths=dict(sorted(Counter(map(len, replies)).items())),
        uses=dict(ranked(uses)),
    )


def codes_of(row: Row) -> list[int]:
    """All codes of a reply, in order."""
    return [code for part in row["parts"] for code in part.get("codes", ())]


def ranked(counts: Mapping[int, int]) -> list[tuple[int, int]]:
    """Codes and their numbers, the most frequent first, of equals the smaller one."""
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def perplexity(counts: Mapping[int, int]) -> float:
    """Exp of the entropy; 0 of nothing."""
    total = sum(counts.values())
    if not total:
        return 0.0
    return math.exp(-sum(num / total * math.log(num / total) for num in counts.values() if num))
