"""Tokens that each method takes out of training rows: expected exactly, before anything is trained.

    saved = E[text tokens that are not written] - E[codes] - E[markers] - E[pauses]

of an example with t_c tokens of reasoning, summed over the examples. For n full chunks of L tokens with r codes each:

    drawn        E[m] (1 - r/L) - 2 P(m > 0)       `truncated`: E[m]
    every        n (L - r) - 2 [n > 0]
    some         n p (L - r) - 2 (p + (n - 1) p (1 - p)) [n > 0]    a run begins where a chunk is replaced and
                                                                    the one before it, if there is one, is not
    whole        t_c; `pause`: t_c - number of pauses
    shrinking    E[min(t_c, s + o)] = s + sum_{k = 1 .. t_c - s} exp(-lambda k),  s = floor(D e) <= t_c

`growing` and `shrinking` are given for the end of training, which a model is left with: after one epoch where nothing
else is said. Others do not change.

These are the rows that a model learns from. What it writes is another matter: a model trained with random m chooses how
much of its reasoning is codes. The published drops of generated length (137, 129 and 65 tokens, arXiv 2502.03275) lie
around the 67 that is expected of `two_stage`, and were measured, not expected.
"""

# pyright: strict
from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from reasonry.training.latent_tokens.mixing.methods import METHODS, REFERENCE, Method
from reasonry.training.latent_tokens.mixing.mixer import Mixer
from reasonry.training.latent_tokens.mixing.spans import END, MixSettings, Moment, cap_chunks, num_removed


class Saving(NamedTuple):
    """Expected tokens of a set of examples, or counted ones.

    Attributes:
        num_examples: How many.
        cot_tok: Tokens of all reasoning as text.
        answer_tok: Tokens of all answers.
        gone_tok: Reasoning that is not written.
        codes: Codes in its place.
        markers: Around them.
        pauses: In prompts.
    """

    num_examples: int
    cot_tok: int
    answer_tok: int
    gone_tok: float
    codes: float
    markers: float
    pauses: float

    @property
    def saved_tok(self) -> float:
        """Tokens fewer than with the whole reasoning as text; below 0 where markers cost more than codes save."""
        return self.gone_tok - self.codes - self.markers - self.pauses

    @property
    def reply_tok(self) -> float:
        """Tokens of all replies, pauses with them."""
        return self.cot_tok + self.answer_tok - self.saved_tok

    @property
    def share(self) -> float:
        """Of the tokens of reasoning and answers; 0 where there are none."""
        whole = self.cot_tok + self.answer_tok
        return self.saved_tok / whole if whole else 0.0

    @property
    def cot_share(self) -> float:
        """Of the tokens of reasoning; 0 where there are none."""
        return self.saved_tok / self.cot_tok if self.cot_tok else 0.0


class _Expected(NamedTuple):
    gone_tok: float
    codes: float = 0.0
    markers: float = 0.0
    pauses: float = 0.0


def expected(
    method: Method, cot_toks: Sequence[int], *, settings: MixSettings, answer_tok: int = 0, moment: Moment = END
) -> Saving:
    """What a method saves on average.

    Args:
        method: Which.
        cot_toks: Tokens of the reasoning of each example.
        settings: Numbers; where the longest reasoning is 0 it becomes that of the examples.
        answer_tok: Tokens of all answers together, for the share.
        moment: When, for methods that change: `curriculum` looks at the progress, `icot` at the epochs.
    """
    if not settings.longest_tok:
        settings = settings._replace(longest_tok=max(cot_toks, default=0))
    sums = [0.0, 0.0, 0.0, 0.0]
    for cot_tok, num in sorted(Counter(cot_toks).items()):
        for at, value in enumerate(_expected(method, cot_tok, settings, moment)):
            sums[at] += num * value
    return Saving(len(cot_toks), sum(cot_toks), answer_tok, *sums)


def expected_all(
    cot_toks: Sequence[int], *, settings: MixSettings, answer_tok: int = 0, moment: Moment = END
) -> dict[str, Saving]:
    """`expected` of every method, by name."""
    return {
        name: expected(method, cot_toks, settings=settings, answer_tok=answer_tok, moment=moment)
        for name, method in METHODS.items()
    }


def pauses_for(cot_toks: Sequence[int], *, settings: MixSettings) -> int:
    """As many pauses as `latent` has codes on average, rounded; at least 1."""
    if not cot_toks:
        return 1
    codes = expected(METHODS[REFERENCE], cot_toks, settings=settings).codes
    return max(1, math.floor(codes / len(cot_toks) + 0.5))


def counted(mixer: Mixer, moments: Sequence[Moment]) -> Saving:
    """What the rows of a mixer save, as they are drawn.

    Args:
        mixer: Of the examples.
        moments: All rows are counted at each; the sums are means over them.
    """
    totals: Counter[str] = Counter()
    for moment in moments:
        for number in range(len(mixer)):
            row = mixer.row(number, moment)
            totals.update(gone=row.m_tok, codes=row.num_codes, markers=row.num_markers)
    times = max(1, len(moments))
    pauses = mixer.settings.num_pauses * len(mixer) if mixer.method.has_pauses else 0
    return Saving(
        len(mixer),
        sum(len(row.cot_ids) for row in mixer.rows),
        sum(len(row.answer_ids) for row in mixer.rows),
        totals["gone"] / times,
        totals["codes"] / times,
        totals["markers"] / times,
        float(pauses),
    )


def table(savings: Mapping[str, Saving]) -> list[dict[str, float | str]]:
    """Rows to print: per example, and shares."""
    found: list[dict[str, float | str]] = []
    for name, saving in savings.items():
        num = max(1, saving.num_examples)
        found.append(
            {
                "method": name,
                "saved_tok": saving.saved_tok / num,
                "share": saving.share,
                "cot_share": saving.cot_share,
                "codes": saving.codes / num,
                "markers": saving.markers / num,
                "pauses": saving.pauses / num,
                "reply_tok": saving.reply_tok / num,
            }
        )
    return found


def _expected(method: Method, cot_tok: int, settings: MixSettings, moment: Moment) -> _Expected:
    """Of one example."""
    law = settings.law
    num = law.num_chunks(cot_tok)
    if method.goes == "drawn":
        found = law.distribution(cot_tok)
        mean_tok = float(found.mean_tok)
        if method.instead == "nothing":
            return _Expected(mean_tok)
        return _marked(mean_tok / law.chunk_tok, 2 * float(found.positive), float(1 - found.positive), settings)
    if method.goes in ("every", "growing"):
        chunks = num if method.goes == "every" else min(num, cap_chunks(settings, moment.progress))
        return _marked(chunks, 2.0 * (chunks > 0), float(chunks == 0), settings)
    if method.goes == "some":
        p = settings.probability
        runs = p + (num - 1) * p * (1 - p) if num else 0.0
        return _marked(num * p, 2 * runs, (1 - p) ** num, settings)
    if method.goes == "whole":
        return _Expected(cot_tok, pauses=float(settings.num_pauses * method.has_pauses))
    if method.goes == "shrinking":
        certain = num_removed(settings, moment.epoch)
        if certain >= cot_tok:
            return _Expected(cot_tok)
        more = math.fsum(math.exp(-settings.smoothing * k) for k in range(1, cot_tok - certain + 1))
        return _Expected(certain + more)
    return _Expected(0.0)


def _marked(chunks: float, markers: float, without: float, settings: MixSettings) -> _Expected:
    """Chunks that codes stand for, their markers, and the share of rows that have none."""
    empty = 2 * without if settings.empty_markers else 0.0
    return _Expected(chunks * settings.law.chunk_tok, chunks * settings.codes_per_chunk, markers + empty)
