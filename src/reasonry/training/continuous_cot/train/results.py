"""What a method reached on the test questions, and how two methods differ on them.

Intervals of shares are Wilson's. Methods answer the same questions, so that differences are tested on pairs: McNemar's
exact test of every method against the reference, with Holm's correction for their number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from reasonry.core.stats import Share, holm, mcnemar_exact
from reasonry.errors import DataError
from reasonry.training.continuous_cot.methods import METHODS, REFERENCE
from reasonry.training.continuous_cot.source import Judged


class MethodResult(NamedTuple):
    """What a method reached with the best model of its training.

    Attributes:
        name: Of the method.
        exact: Right answers.
        candidates: Right ones when only the candidates are compared; None where questions name none.
        num_ties: Answers that were arbitrary among equally likely ones.
        mean_tok: Text tokens of an answer.
        mean_slots: Latent slots of an answer.
        by_group: Right answers by the number of hops, or steps.
        by_slots: Right answers after other numbers of slots, on fewer questions; empty for methods without slots.
        num_parameters: Weights that learn, and in all.
        num_steps: Optimiser steps.
        best_step: The one after which the model was kept.
        best_validation: Its accuracy on validation questions.
        ended: Why it ended before its last stage; empty where it did not, and nothing above is empty then.
    """

    name: str
    exact: Share
    candidates: Share | None
    num_ties: int
    mean_tok: float
    mean_slots: float
    by_group: dict[str, Share]
    by_slots: dict[int, Share]
    num_parameters: tuple[int, int]
    num_steps: int
    best_step: int
    best_validation: float
    ended: str = ""

    @property
    def about(self) -> str:
        """What the method is, in a line."""
        return METHODS[self.name].about

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        body = self._asdict()
        body["exact"] = self.exact.to_json()
        body["candidates"] = None if self.candidates is None else self.candidates.to_json()
        body["by_group"] = {name: share.to_json() for name, share in self.by_group.items()}
        body["by_slots"] = {str(num): share.to_json() for num, share in self.by_slots.items()}
        body["num_parameters"] = list(self.num_parameters)
        return body

    @classmethod
    def from_json(cls, found: Mapping[str, Any], *, place: str = "") -> MethodResult:
        """Back from `to_json`.

        Raises:
            DataError: It is something else.
        """
        try:
            learnt, whole = found["num_parameters"]
            return cls(
                **{
                    **found,
                    "exact": Share.from_json(found["exact"]),
                    "candidates": None if found["candidates"] is None else Share.from_json(found["candidates"]),
                    "by_group": {name: Share.from_json(share) for name, share in found["by_group"].items()},
                    "by_slots": {int(num): Share.from_json(share) for num, share in found["by_slots"].items()},
                    "num_parameters": (int(learnt), int(whole)),
                }
            )
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise DataError(
                f"not the results of a method: {e}", place=place, remedy="Remove the file, and it is made again."
            ) from e


class Pair(NamedTuple):
    """A method against the reference, on the same questions.

    Attributes:
        method: Its name.
        reference: What it is compared with.
        difference: Accuracy of the method minus that of the reference.
        only_method: Questions that only the method got right.
        only_reference: Questions that only the reference got right.
        p_value: Of McNemar's exact test, two-sided.
        p_holm: The same, corrected for the number of comparisons.
    """

    method: str
    reference: str
    difference: float
    only_method: int
    only_reference: int
    p_value: float
    p_holm: float


def share(judged: Sequence[Judged], is_right: Callable[[Judged], bool] = lambda each: each.is_right) -> Share:
    """Share of right answers."""
    return Share(sum(map(is_right, judged)), len(judged))


def by_group(judged: Sequence[Judged]) -> dict[str, Share]:
    """Right answers of each group, in the groups' natural order; empty where there is one group or none."""
    names = sorted({each.group for each in judged}, key=lambda name: (len(name), name))
    return {name: share([each for each in judged if each.group == name]) for name in names} if len(names) > 1 else {}


def answer_row(judged: Judged) -> dict[str, Any]:
    """An answer as a row of ``answers.jsonl``."""
    return judged._asdict()


def compare(answers: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Pair]:
    """Every method against the reference: continuous thoughts, or the first method where these are not among them.

    Args:
        answers: Rows of `answer_row` by method; of those without any nothing is said.

    Raises:
        DataError: Two methods answered different questions.
    """
    names = [name for name, rows in answers.items() if rows]
    if len(names) < 2:
        return []
    reference = REFERENCE if REFERENCE in names else names[0]
    right = {name: {row["id"]: bool(row["is_right"]) for row in answers[name]} for name in names}
    ids = list(right[reference])
    others = [name for name in names if name != reference]
    for name in others:
        if right[name].keys() != right[reference].keys():
            raise DataError(f"{name} and {reference} answered different questions", remedy="Train both in one run.")
    theirs = [right[reference][each] for each in ids]
    found = [(name, [right[name][each] for each in ids]) for name in others]
    tests = [mcnemar_exact(mine, theirs) for _, mine in found]
    corrected = holm([test.p_value for test in tests])
    return [
        Pair(
            method=name,
            reference=reference,
            difference=test.effect,
            only_method=sum(a and not b for a, b in zip(mine, theirs, strict=True)),
            only_reference=sum(b and not a for a, b in zip(mine, theirs, strict=True)),
            p_value=test.p_value,
            p_holm=float(p_holm),
        )
        for (name, mine), test, p_holm in zip(found, tests, corrected, strict=True)
    ]
