"""Measurement behind the claim about a language model that is fine-tuned on worked examples in words.

Two parts, as the published training on GSM8K has them: first the model learns to write its steps, then every method
goes on from that model, with the same examples in the same order for as many steps; writing steps is one of them.

    positions of an answer    tokens written, and with slots: slots and the two markers around them
    ratio                     mean positions with written steps / mean positions with continuous thoughts
    interval                  bootstrap over questions, which both answered (BCa, 95 %)

The end token is counted for nobody. What the ratio costs in right answers is in the detail, whatever it is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from reasonry.core import jsonl
from reasonry.core.claims import Measurement
from reasonry.core.rows import Row
from reasonry.core.stats import bootstrap, mcnemar_exact, wilson
from reasonry.errors import DataError
from reasonry.training.continuous_cot.methods import REFERENCE

if TYPE_CHECKING:
    from reasonry.training.continuous_cot.train.run import Trained

WRITTEN = "cot"
_NUM_MARKERS = 2


class Ratio(NamedTuple):
    """One mean over another, of numbers that belong together in pairs.

    Attributes:
        value: The ratio.
        low: Lower end of the 95 % interval.
        high: Upper end.
    """

    value: float
    low: float
    high: float


def num_positions(row: Row) -> int:
    """What a model computes between question and end of an answer, one position after the other."""
    slots = int(row["num_thoughts"])
    return int(row["num_tokens"]) + (slots + _NUM_MARKERS if slots else 0)


def ratio_of_means(above_N: Sequence[int], below_N: Sequence[int], *, seed: int) -> Ratio:
    """Mean of one over mean of the other, with its interval over pairs.

    Args:
        above_N: Of each question.
        below_N: Of the same questions, in the same order.
        seed: Of the bootstrap.

    Raises:
        DataError: Different numbers of them, fewer than two, or a mean of 0 below.
    """
    if len(above_N) != len(below_N):
        raise DataError(f"{len(above_N)} numbers and {len(below_N)} are not pairs")
    if not any(below_N):
        raise DataError("a ratio to nothing: no answer has a token")
    pairs_N2 = np.column_stack([np.asarray(above_N, dtype=np.float64), np.asarray(below_N, dtype=np.float64)])

    def of_means(pairs_RN2: Any) -> Any:
        means_R2 = pairs_RN2.mean(axis=1)
        return means_R2[:, 0] / means_R2[:, 1]

    if len(pairs_N2) > 1 and (pairs_N2 == pairs_N2[0]).all():
        value = float(pairs_N2[0, 0] / pairs_N2[0, 1])  # every question the same: there is nothing to resample
        return Ratio(value, value, value)
    found = bootstrap(pairs_N2, of_means, seed=seed, vectorized=True)
    return Ratio(found.estimate, found.interval.low, found.interval.high)


def shorter_answers(answers: Mapping[str, Sequence[Row]], *, seed: int) -> Measurement:
    """Positions of an answer with written steps over those with continuous thoughts, from answers that are there.

    Args:
        answers: Rows of ``answers.jsonl`` of each method, written steps and continuous thoughts among them.
        seed: Of the bootstrap.

    Raises:
        DataError: A method answered other questions than the others.
    """
    by_id = {name: {str(row["id"]): row for row in rows} for name, rows in answers.items()}
    ids = list(by_id[REFERENCE])
    if other := next((name for name, rows in by_id.items() if rows.keys() != set(ids)), None):
        raise DataError(f"{other} and {REFERENCE} answered different questions", remedy="Train both in one run.")
    rows = {name: [found[each] for each in ids] for name, found in by_id.items()}
    written, thought = rows[WRITTEN], rows[REFERENCE]
    ratio = ratio_of_means([num_positions(r) for r in written], [num_positions(r) for r in thought], seed=seed)
    text = ratio_of_means([int(r["num_tokens"]) for r in written], [int(r["num_tokens"]) for r in thought], seed=seed)
    detail = (
        f"text tokens alone {text.value:.2f} [{text.low:.2f}, {text.high:.2f}]; right, tokens and positions of an "
        f"answer: {'; '.join(_told(name, found) for name, found in rows.items())}; {_against(rows)}; bootstrap over "
        f"{len(ids)} questions"
    )
    return Measurement(ratio.value, ratio.low, ratio.high, len(ids), seed, detail)


def _told(name: str, rows: Sequence[Row]) -> str:
    num = sum(bool(row["is_right"]) for row in rows)
    interval = wilson(num, len(rows))
    tokens = float(np.mean([row["num_tokens"] for row in rows]))
    positions = float(np.mean([num_positions(row) for row in rows]))
    share = f"{num / len(rows):.1%} [{interval.low:.1%}, {interval.high:.1%}]"
    return f"{name} {share} in {tokens:.1f} tokens, {positions:.1f} positions"


def _against(rows: Mapping[str, Sequence[Row]]) -> str:
    """Continuous thoughts against each of the others: how many more are right, and whether that may be chance."""
    right = {name: [bool(row["is_right"]) for row in found] for name, found in rows.items()}
    parts: list[str] = []
    for name, theirs in right.items():
        if name == REFERENCE:
            continue
        test = mcnemar_exact(right[REFERENCE], theirs)
        parts.append(f"{name} {test.effect:+.1%} (p = {test.p_value:.2g})")
    return f"thoughts less others, McNemar's exact test: {', '.join(parts)}"


# ---------------------------------------------------------------- training


def coconut_text(
    *,
    model: str,
    data: str,
    written_steps: int,
    rivals: Sequence[str],
    seed: int,
    folder: str = "",
    **settings: Any,
) -> Measurement:
    """Positions of an answer with written steps over those with continuous thoughts, after training both.

    Args:
        model: To be fine-tuned.
        data: Worked examples.
        written_steps: Optimiser steps of the first part, in which steps are written.
        rivals: What is trained beside continuous thoughts in the second part; written steps among them.
        seed: Of the first part. The second has the next one: other examples, and test questions of its own.
        folder: Where to train; a temporary one when empty.
        **settings: Of both parts, other than the defaults; the curriculum is that of the second.
    """
    common = {key: value for key, value in settings.items() if key not in ("curriculum", "evaluation")}
    asked = {"num_validation": 2, "num_test": 2, "num_by_slots": 0, "every": written_steps}
    length = {"first": 0, "middle": 0, "last": written_steps}
    with tempfile.TemporaryDirectory() as temporary:
        where = Path(folder or temporary)
        first = _train(
            where / "written", (WRITTEN,), seed, model=model, data=data, **common, curriculum=length, evaluation=asked
        )
        start = str(first.model(WRITTEN))
        done = _train(where / "thoughts", (REFERENCE, *rivals), seed + 1, model=start, data=data, **settings)
        answers = {name: jsonl.recover(done.folder / name / "answers.jsonl").rows for name in (REFERENCE, *rivals)}
    found = shorter_answers(answers, seed=seed)
    seconds = {**first.seconds, **{f"{name} after it": value for name, value in done.seconds.items()}}
    took = ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items())
    return found._replace(detail=f"{found.detail}; training took {took}")


def _train(folder: Path, methods: Sequence[str], seed: int, **settings: Any) -> Trained:
    from reasonry.core.config import from_dict
    from reasonry.training.continuous_cot.text_config import TextTrainConfig
    from reasonry.training.continuous_cot.train.run import train

    values = {"methods": tuple(methods), "seed": seed, "run": folder, **settings}
    return train(from_dict(TextTrainConfig, values))
