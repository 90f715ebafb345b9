r"""What each method reaches with how many tokens, and how methods differ on the same questions.

    solved       questions of which at least one of the k samples is right; with k = 1 the share of right answers
    right        right samples over samples, mean over questions
    tokens       text + codes + markers of a reply, the end token among the text; the prompt is not counted
    equivalent   text + codes L / r: the tokens that the same reply would have as text, chunks of L tokens in r codes
    ratio        tokens of the method over tokens of CoT, of all replies to the same questions

Intervals, 95 %: Wilson's for shares of questions; bootstrap percentiles over questions for means and for the ratio,
whose numerator and denominator are resampled together. Methods answer the same questions, so that differences are
tested on pairs: McNemar's exact test of every method against the reference on `solved`, with Holm's correction for
their number.

Degenerate: of a single question there are no bootstrap intervals; where CoT wrote nothing there is no ratio.
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reasonry.core.plain import plain
from reasonry.core.rows import Row
from reasonry.core.stats import Share, holm, mcnemar_exact
from reasonry.errors import DataError
from reasonry.training.latent_tokens.evaluate.figures import Mean, mean_of, ratio_of
from reasonry.training.latent_tokens.mixing.methods import METHODS, REFERENCE

BASELINE = "cot"
"""Whose tokens others are compared with."""
_MOST_GROUPS = 12


class Pair(NamedTuple):
    """A method against the reference, on the same questions.

    Attributes:
        reference: What it is compared with.
        difference: Share that is solved, less that of the reference.
        only_method: Questions that the method alone solves.
        only_reference: Questions that the reference alone solves.
        p_value: Of McNemar's exact test, two-sided.
        p_holm: The same, corrected for the number of comparisons.
    """

    reference: str
    difference: float
    only_method: int
    only_reference: int
    p_value: float
    p_holm: float


class MethodResult(NamedTuple):
    """What a method reached.

    Attributes:
        name: Of the method.
        num_samples: Replies to each question.
        solved: Questions with a right reply.
        optimal: Questions with a reply of the fewest actions; None where there is no such thing.
        right: Share of right replies, mean over questions.
        num_right: Right replies.
        num_wrong: Wrong ones.
        num_ungradable: Replies without an answer.
        num_cut_off: Replies that ran into the limit of tokens.
        tokens: Generated tokens of a reply.
        text_tok: Text among them.
        codes: Codes among them.
        markers: Markers among them.
        equivalent_tok: Tokens of the same reply as text.
        ratio: Tokens over those of CoT; None without CoT.
        num_with_codes: Replies with at least one code.
        seconds: Wall time of a reply, in batches.
        by_group: Questions solved, by the number of their steps; empty where there are one or too many numbers.
        pair: Against the reference; None for itself, and where there is none.
    """

    name: str
    num_samples: int
    solved: Share
    optimal: Share | None
    right: Mean
    num_right: int
    num_wrong: int
    num_ungradable: int
    num_cut_off: int
    tokens: Mean
    text_tok: float
    codes: float
    markers: float
    equivalent_tok: float
    ratio: Mean | None
    num_with_codes: int
    seconds: float
    by_group: Mapping[str, Share]
    pair: Pair | None

    @property
    def about(self) -> str:
        """What the method is, in a line."""
        return METHODS[self.name].about if self.name in METHODS else ""

    @property
    def num_replies(self) -> int:
        """All of them."""
        return self.num_right + self.num_wrong + self.num_ungradable

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        shares = {"solved": self.solved.to_json(), "optimal": self.optimal and self.optimal.to_json()}
        groups = {name: share.to_json() for name, share in self.by_group.items()}
        return plain({**self._asdict(), **shares, "by_group": groups})


class Replies(NamedTuple):
    """Replies of a method as arrays over Q questions and G samples.

    Attributes:
        right_QG: Whether each is right.
        tokens_QG: Generated tokens.
    """

    right_QG: NDArray[np.bool_]
    tokens_QG: NDArray[np.float64]


def method_results(
    answers: Mapping[str, Sequence[Row]], groups: Mapping[str, str] | None = None
) -> tuple[MethodResult, ...]:
    """Figures of every method.

    Args:
        answers: Rows of each method, in the order of questions and samples; the same questions for each.
        groups: What kind of question each is, by its id.

    Raises:
        DataError: No replies, or two methods answered different questions.
    """
    if not answers or not all(answers.values()):
        raise DataError("a method without replies", place="answers", remedy="Answer one question or more.")
    keys = {name: [(row["id"], row["index"]) for row in rows] for name, rows in answers.items()}
    first = next(iter(keys))
    for name, found in keys.items():
        if found != keys[first]:
            raise DataError(f"{name} and {first} answered different questions", remedy="Evaluate both in one run.")
    found = {name: _replies(rows) for name, rows in answers.items()}
    baseline = found.get(BASELINE)
    pairs = _pairs({name: solved_of(replies) for name, replies in found.items()})
    return tuple(
        _result(name, rows, found[name], baseline, groups or {}, pairs.get(name)) for name, rows in answers.items()
    )


def reference_of(names: Sequence[str]) -> str:
    """What others are compared with: codes, or the first method where these are not among them."""
    return REFERENCE if REFERENCE in names else names[0]


def _replies(rows: Sequence[Row]) -> Replies:
    num_G = sum(row["id"] == rows[0]["id"] for row in rows)
    right = np.array([row["grade"] == "right" for row in rows]).reshape(-1, num_G)
    tokens = np.array([float(row["num_tok"]) for row in rows]).reshape(-1, num_G)
    return Replies(right, tokens)


def solved_of(replies: Replies) -> NDArray[np.bool_]:
    """Which questions have a right reply, (Q,)."""
    return np.asarray(replies.right_QG.any(axis=1), dtype=np.bool_)


def _result(
    name: str,
    rows: Sequence[Row],
    replies: Replies,
    baseline: Replies | None,
    groups: Mapping[str, str],
    pair: Pair | None,
) -> MethodResult:
    num_Q, num_G = replies.right_QG.shape
    solved_Q = solved_of(replies)
    is_optimal = [row.get("is_optimal") for row in rows]
    optimal = None
    if all(each is not None for each in is_optimal):
        optimal = Share(int(np.array(is_optimal, dtype=bool).reshape(num_Q, num_G).any(1).sum()), num_Q)
    ratio = None
    if baseline is not None and name != BASELINE and baseline.tokens_QG.sum() > 0:
        ratio = ratio_of(replies.tokens_QG.mean(1), baseline.tokens_QG.mean(1))
    return MethodResult(
        name=name,
        num_samples=num_G,
        solved=Share(int(solved_Q.sum()), num_Q),
        optimal=optimal,
        right=mean_of(replies.right_QG.mean(1)),
        num_right=sum(row["grade"] == "right" for row in rows),
        num_wrong=sum(row["grade"] == "wrong" for row in rows),
        num_ungradable=sum(row["grade"] == "ungradable" for row in rows),
        num_cut_off=sum(bool(row["is_cut_off"]) for row in rows),
        tokens=mean_of(replies.tokens_QG.mean(1)),
        text_tok=_mean(rows, "num_text"),
        codes=_mean(rows, "num_codes"),
        markers=_mean(rows, "num_markers"),
        equivalent_tok=_mean(rows, "equivalent_tok"),
        ratio=ratio,
        num_with_codes=sum(row["num_codes"] > 0 for row in rows),
        seconds=_mean(rows, "seconds"),
        by_group=_by_group([row["id"] for row in rows[::num_G]], solved_Q, groups),
        pair=pair,
    )


def _pairs(solved: Mapping[str, NDArray[np.bool_]]) -> dict[str, Pair]:
    names = list(solved)
    reference = reference_of(names)
    others = [name for name in names if name != reference]
    if not others:
        return {}
    theirs = solved[reference]
    tests = [mcnemar_exact(solved[name], theirs) for name in others]
    corrected = holm([test.p_value for test in tests])
    return {
        name: Pair(
            reference=reference,
            difference=test.effect,
            only_method=int((solved[name] & ~theirs).sum()),
            only_reference=int((theirs & ~solved[name]).sum()),
            p_value=test.p_value,
            p_holm=float(p_holm),
        )
        for name, test, p_holm in zip(others, tests, corrected, strict=True)
    }


def _by_group(ids: Sequence[str], solved_Q: NDArray[np.bool_], groups: Mapping[str, str]) -> dict[str, Share]:
    names = sorted({groups[each] for each in ids if groups.get(each)}, key=lambda name: (len(name), name))
    if not 1 < len(names) <= _MOST_GROUPS:
        return {}
    found: dict[str, Share] = {}
    for name in names:
        own = [bool(solved) for each, solved in zip(ids, solved_Q, strict=True) if groups.get(each) == name]
        found[name] = Share(sum(own), len(own))
    return found


def _mean(rows: Sequence[Row], name: str) -> float:
    return sum(float(row[name]) for row in rows) / len(rows)
