"""The certificate of `reasonry.test_time.stopping.certify`, for many problems at once, with the same decisions.

It goes through the votes in order and keeps, for each problem, what the streaming form keeps: leader, runner-up, the
strongest rival since the leader appeared. A vote costs the same whatever the number of answers; only when the lead
changes, and the new leader could be certified, is the problem's past read again.

Shapes: P problems, N samples, R problems of one block, K answers (column K stands for no answer).
"""

# pyright: strict
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.core.stats import log_e_value
from reasonry.errors import DataError
from reasonry.test_time.stopping.base import check_delta
from reasonry.test_time.stopping.certificate import DECLARED, Evidence, check_num_answers, evidence

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_BLOCK_CELLS = 1 << 17  # cells of each of a block's tables (1 MiB): larger ones leave the cache


class CertifyBatch(NamedTuple):
    """Result of `certify_batch`, one entry per problem.

    Attributes:
        stop_P: Samples taken: the one that certified included, N without a certificate.
        certified_P: Whether the leader was certified; otherwise the samples ended first.
        leader_P: The answer with the most votes, of several the one that had them first; -1 without any answer.
        runner_up_P: The answer with the most votes among the others, ties likewise; -1 when there is none.
        log_e_P: Logarithm of the leader's e-value when it stopped, in nats; NaN without any answer.
    """

    stop_P: IntArray
    certified_P: BoolArray
    leader_P: IntArray
    runner_up_P: IntArray
    log_e_P: NDArray[np.float64]


def certify_batch(answers_PN: ArrayLike, delta: float = 0.05, *, num_answers: int | None = None) -> CertifyBatch:
    """Run the certificate over the samples of many problems.

    Args:
        answers_PN: Integers of shape ``(P, N)``, samples in submission order. Equal numbers of one problem are equal
            answers, and -1 is no answer.
        delta: See `reasonry.test_time.stopping.certify`.
        num_answers: Declared number of answers, for all problems.

    Raises:
        ConfigError: ``delta`` or ``num_answers`` is out of range.
        DataError: ``answers_PN`` is not a table of integers of at least -1.
    """
    check_delta(delta)
    check_num_answers(num_answers)
    answers = np.asarray(answers_PN)
    if answers.ndim != 2 or not np.issubdtype(answers.dtype, np.integer) or answers.min(initial=0) < -1:
        raise DataError(
            f"answers of shape {answers.shape} and type {answers.dtype} are not a table of integers of at least -1",
            remedy="Number the answers of each problem from 0 and write -1 for a sample without one.",
        )
    num_problems, num_samples = answers.shape
    sparse = answers.max(initial=0) > 2 * num_samples + 64
    labels = _renumbered(answers) if sparse else answers.astype(np.int64)
    num_labels = int(labels.max(initial=-1)) + 1

    num_labels = int(labels.max(initial=-1)) + 1
    thresholds = _Thresholds(evidence(delta, num_answers), min(num_labels, num_samples), num_samples)
    out = _Outcome(num_problems, num_samples)
    rows = max(64, _BLOCK_CELLS // (num_labels + 1))
    for start in range(0, num_problems, rows):
        _Block(labels[start : start + rows], start, num_labels).run(thresholds, out)
    return out.finish(answers)


def _renumbered(answers_PN: NDArray[np.integer[Any]]) -> IntArray:
    """The same answers as 0, 1, ... within each problem: tables need a column per answer."""
    order = np.argsort(answers_PN, axis=1, kind="stable")
    ranked = np.take_along_axis(answers_PN, order, axis=1)
    rank = np.zeros(answers_PN.shape, dtype=np.int64)
    rank[:, 1:] = np.cumsum(ranked[:, 1:] != ranked[:, :-1], axis=1)
    rank -= ranked[:, :1] == -1  # no answer comes first and stays -1
    labels = np.empty_like(rank)
    np.put_along_axis(labels, order, rank, axis=1)
    return labels


class _Thresholds:
    """Least votes of the leader, by its place in the order of appearance and its strongest rival's votes."""

    def __init__(self, boundary: Evidence, num_orders: int, num_samples: int) -> None:
        self.declared = boundary.num_answers
        self._boundary = boundary
        self._width = num_samples // 2 + 1  # a rival with more votes than this is ahead
        places = range(1 if self.declared is None else DECLARED, num_orders + 1)
        self._unopposed = np.zeros(num_orders + 1, dtype=np.int64)
        self._unopposed[places.start :] = [boundary.least(place, 0) for place in places]
        self.lowest = int(self._unopposed[places.start :].min(initial=num_samples + 1))
        self._tables: dict[int, IntArray] = {}

    def unopposed(self, order_M: IntArray) -> IntArray:
        """Least votes when no rival has any."""
        return self._unopposed[order_M]

    def least(self, order_M: IntArray, rival_M: IntArray) -> IntArray:
        """Least votes against a rival with so many."""
        found = np.empty_like(order_M)
        column = np.minimum(rival_M, self._width - 1)
        for order in np.unique(order_M).tolist():
            if order not in self._tables:
                self._tables[order] = self._boundary.frontier(order).table(self._width)
            here = order_M == order
            found[here] = self._tables[order][column[here]]
        return found


class _Outcome:
    """What is known of every problem; answers as the sample that held them first."""

    def __init__(self, num_problems: int, num_samples: int) -> None:
        self.stop_P = np.full(num_problems, num_samples)
        self.certified_P = np.zeros(num_problems, dtype=bool)
        self.leader_P = np.full(num_problems, -1)
        self.runner_up_P = np.full(num_problems, -1)
        self.own_P = np.zeros(num_problems, dtype=np.int64)
        self.rival_P = np.zeros(num_problems, dtype=np.int64)

    def finish(self, answers_PN: NDArray[np.integer[Any]]) -> CertifyBatch:
        """Answers in the caller's numbers, and the evidence of every leader."""
        led = self.leader_P >= 0
        base = int(self.rival_P.max(initial=0)) + 1
        pairs, where = np.unique(self.own_P[led] * base + self.rival_P[led], return_inverse=True)
        log_e_P = np.full(led.shape, np.nan)
        log_e_P[led] = log_e_value(pairs // base, pairs // base + pairs % base)[where]
        return CertifyBatch(
            self.stop_P,
            self.certified_P,
            _answer_at(answers_PN, self.leader_P),
            _answer_at(answers_PN, self.runner_up_P),
            log_e_P,
        )


def _answer_at(answers_PN: NDArray[np.integer[Any]], time_P: IntArray) -> IntArray:
    found = np.full(time_P.shape, -1)
    rows = np.flatnonzero(time_P >= 0)
    found[rows] = answers_PN[rows, time_P[rows]]
    return found


class _Block:
    """The state of some problems, in step."""

    def __init__(self, labels_RN: NDArray[np.integer[Any]], start: int, num_labels: int) -> None:
        num_rows = labels_RN.shape[0]
        self.none = num_labels
        self.label_NR = np.ascontiguousarray(np.where(labels_RN < 0, num_labels, labels_RN).T.astype(np.int64))
        self.problem_R: IntArray = np.arange(start, start + num_rows, dtype=np.int64)
        cells = (num_rows, num_labels + 1)
        self.count_RK = np.zeros(cells, dtype=np.int64)
        self.first_RK = np.zeros(cells, dtype=np.int64)  # sample that held the answer first
        self.order_RK = np.zeros(cells, dtype=np.int64)  # place in the order of appearance
        self.before_RK = np.zeros(cells, dtype=np.int64)  # votes before the leader appeared
        self.best_R, self.second_R, self.rival_R, self.distinct_R = np.zeros((4, num_rows), dtype=np.int64)
        self.leader_R, self.runner_up_R = np.full((2, num_rows), num_labels)
        self.stale_R = np.zeros(num_rows, dtype=bool)  # rival and votes before are those of an earlier leader
        self.open_R = np.ones(num_rows, dtype=bool)

    def run(self, thresholds: _Thresholds, out: _Outcome) -> None:
        """All samples in order."""
        num_samples = self.label_NR.shape[0]
        for t in range(num_samples):
            record_R = self._vote(t, thresholds.declared)
            rows = np.flatnonzero(record_R & self.open_R & (self.best_R >= thresholds.lowest))
            if not rows.size:
                continue
            order, own = self._standing(rows, thresholds.declared)
            enough = own >= thresholds.unopposed(order)
            rows, order, own = rows[enough], order[enough], own[enough]
            rival = self._rival(rows, order)
            enough = own >= thresholds.least(order, rival)
            rows = rows[enough]
            if rows.size:
                self._settle(rows, own[enough], rival[enough], out)
                problems = self.problem_R[rows]
                out.stop_P[problems], out.certified_P[problems] = t + 1, True
                self.open_R[rows] = False
                num_open = int(self.open_R.sum())
                if not num_open:
                    return
                if 2 * num_open < self.open_R.size:
                    self._keep_open()
        rows = np.flatnonzero(self.open_R & (self.leader_R != self.none))
        order, own = self._standing(rows, thresholds.declared)
        self._settle(rows, own, self._rival(rows, order), out)

    def _vote(self, t: int, declared: int | None) -> BoolArray:
        """Count sample t of every problem; true where its answer now has more votes than any had before."""
        label_R = self.label_NR[t]
        cell_R: IntArray = np.arange(label_R.size, dtype=np.int64) * (self.none + 1) + label_R
        has_R = label_R < self.none
        count_R = self.count_RK.reshape(-1)[cell_R] + 1
        self.count_RK.reshape(-1)[cell_R] = count_R
        new = np.flatnonzero(has_R & (count_R == 1))
        if new.size:
            self.distinct_R[new] += 1
            self.order_RK.reshape(-1)[cell_R[new]] = self.distinct_R[new]
            self.first_RK.reshape(-1)[cell_R[new]] = t
            if declared is not None:
                self.stale_R[new] |= self.distinct_R[new] == declared + 1
        record_R = has_R & (count_R > self.best_R)
        other_R = has_R & ~record_R
        took_R = record_R & (label_R != self.leader_R)
        np.copyto(self.second_R, self.best_R, where=took_R)
        np.copyto(self.runner_up_R, self.leader_R, where=took_R)
        np.copyto(self.leader_R, label_R, where=took_R)
        np.copyto(self.best_R, count_R, where=record_R)
        self.stale_R |= took_R
        up_R = other_R & (count_R > self.second_R)
        np.copyto(self.second_R, count_R, where=up_R)
        np.copyto(self.runner_up_R, label_R, where=up_R)
        since_R = count_R - self.before_RK.reshape(-1)[cell_R]
        np.copyto(self.rival_R, since_R, where=other_R & (since_R > self.rival_R))
        return record_R

    def _standing(self, rows_M: IntArray, declared: int | None) -> tuple[IntArray, IntArray]:
        """Each leader's place in the order of appearance, and its own count."""
        order_M = self.order_RK[rows_M, self.leader_R[rows_M]]
        if declared is not None:
            order_M = np.where(self.distinct_R[rows_M] <= declared, DECLARED, order_M)
        return order_M, self.best_R[rows_M] - (order_M != DECLARED)

    def _rival(self, rows_M: IntArray, order_M: IntArray) -> IntArray:
        """Votes of each leader's strongest rival: all of them, or those since the leader appeared."""
        stale = rows_M[self.stale_R[rows_M] & (order_M != DECLARED)]
        if stale.size:
            self._reread(stale)
        return np.where(order_M == DECLARED, self.second_R[rows_M], self.rival_R[rows_M])

    def _reread(self, rows_M: IntArray) -> None:
        leader_M, each = self.leader_R[rows_M], np.arange(rows_M.size)
        start_M = self.first_RK[rows_M, leader_M]
        past = self.label_NR[: int(start_M.max()), rows_M]
        cell = past + each * (self.none + 1)
        early = cell[np.arange(past.shape[0])[:, None] < start_M]
        before_MK = np.bincount(early, minlength=rows_M.size * (self.none + 1)).reshape(rows_M.size, -1)
        since_MK = self.count_RK[rows_M] - before_MK
        since_MK[each, leader_M] = 0
        since_MK[:, self.none] = 0
        self.before_RK[rows_M] = before_MK
        self.rival_R[rows_M] = since_MK.max(axis=1)
        self.stale_R[rows_M] = False

    def _settle(self, rows_M: IntArray, own_M: IntArray, rival_M: IntArray, out: _Outcome) -> None:
        problems = self.problem_R[rows_M]
        out.own_P[problems], out.rival_P[problems] = own_M, rival_M
        out.leader_P[problems] = self.first_RK[rows_M, self.leader_R[rows_M]]
        second = self.runner_up_R[rows_M]
        out.runner_up_P[problems] = np.where(second == self.none, -1, self.first_RK[rows_M, second])

    def _keep_open(self) -> None:
        """Drop the problems that have stopped."""
        keep = self.open_R
        self.label_NR = np.ascontiguousarray(self.label_NR[:, keep])
        for name, value in list(vars(self).items()):
            if name.endswith(("_R", "_RK")):
                setattr(self, name, value[keep])
