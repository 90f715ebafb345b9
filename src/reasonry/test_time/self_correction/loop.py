"""Sequential self-correction with a verifier (Huang et al. 2025, Algorithm 1), batched over problems.

    for t = 0, 1, ... : a_t ~ controller;  u_t = expert a_t (request, attempts so far);  r_t = verifier(u_t)

until an attempt is a success, or the budget is used up. Algorithm 1 returns the last attempt; here the default is the
best one by the verifier, the earliest of equals, because the last can be worse than the first.

One controller serves all problems, so that what is learned on one helps the next: within a problem and with a binary
verifier there is little to learn, since the first success ends it. Problems go in rounds: up to ``concurrency`` of
them are in flight and each makes one attempt per round; those that end are replaced in problem order, and rewards are
learned in problem order after the round. So a run depends on its arguments alone, ``concurrency`` included.

Attempt t of a problem is sample t of the request with the problem's id, and every attempt is one JSON row. A run that
is continued finds its rows in the store and replays them instead of paying again; the result is the same.
"""

# pyright: strict
from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from reasonry.core import seeds
from reasonry.core.messages import Message, user
from reasonry.core.task import Problem
from reasonry.core.verify.base import Verifier
from reasonry.errors import ConfigError, DataError, ResourceError, nearest
from reasonry.test_time.self_correction.attempts import Attempted, Plan, check_row, digest, make_attempts, make_plan
from reasonry.test_time.self_correction.base import Controller
from reasonry.test_time.self_correction.budget import Budget, Spent
from reasonry.test_time.self_correction.controllers import make_controller
from reasonry.test_time.self_correction.corrected import Asked, Corrected, Stop, Totals
from reasonry.test_time.self_correction.experts import Expert, Turn
from reasonry.test_time.self_correction.feedback import (
    Case,
    Feedback,
    Judge,
    Judged,
    Scale,
    Verdict,
    feedback_turn,
    leaks,
    make_judge,
)
from reasonry.test_time.self_correction.store import MemoryStore, Row, Store

if TYPE_CHECKING:
    from reasonry.core.scoring.base import Scorer

Output = Literal["best", "last"]

MAX_FAILURES = 3
"""Failures of every expert, one after the other, that end a run."""


class _Item(NamedTuple):
    id: str
    messages: tuple[Message, ...]
    problem: Problem


@dataclass
class _Open:
    """A problem in flight."""

    order: int
    item: _Item
    controller: Controller
    rows: list[Row] = field(default_factory=list[Row])
    turns: list[Turn] = field(default_factory=list[Turn])
    spent: Spent = field(default_factory=Spent)


def self_correct(
    problems: Sequence[Problem | Asked],
    experts: Sequence[Expert],
    verifier: Verifier | Scorer | Judged,
    *,
    controller: str | Controller = "ucb1",
    max_attempts: int = 4,
    budget: Budget | None = None,
    concurrency: int = 8,
    output: Output = "best",
    feedback: Feedback = "scalar",
    history_window: int | None = None,
    stop_at: float | None = 1.0,
    shared: bool = True,
    warm_start: Mapping[str, Any] | None = None,
    scale: Scale = "none",
    reader: Verifier | None = None,
    seed: int = 0,
    store: Store | None = None,
) -> SelfCorrection:
    """Correct the answers to many problems; an iterator in problem order.

    Args:
        problems: Problems, or requests (``id`` and ``messages``) that carry a ``problem``.
        experts: K ways to make an attempt, with different names.
        verifier: A `Verifier` (an oracle: it knows the answer), a `Scorer`, or a function (problem, text) -> reward in
            [0, 1] or (reward, critique).
        controller: Name of a controller, or one of your own; the run teaches it.
        max_attempts: Most attempts per problem.
        budget: Further limits: tokens, seconds, money.
        concurrency: Problems in flight. Their attempts are made before any of their rewards is learned.
        output: Return the best attempt by the verifier, or the last one, as Algorithm 1 does.
        feedback: What an attempt is shown of the earlier ones: replies with their rewards; with the verifier's critique
            as well; or nothing, which makes the attempts independent.
        history_window: Show the last so many attempts only; None shows all.
        stop_at: A reward that ends a problem; None never does, as in Algorithm 1.
        shared: One controller for all problems; otherwise each begins anew from ``warm_start``.
        warm_start: A controller's state to begin with (`Controller.state`).
        scale: ``sigmoid`` for a scorer whose scores do not lie in [0, 1].
        reader: Reads the answer from a reply, for verifiers that do not.
        seed: Root of the controller's draws; samplers have their own.
        store: Keeps the rows, and has those of an earlier, interrupted run.

    Raises:
        ConfigError: Arguments that do not fit together, or a budget that buys nothing.
        DataError: Two problems with one id; a reward outside [0, 1]; rows in the store that are another run's.
        ResourceError: While iterating: every expert fails. Its failures are not stored, so that the same call tries
            again.
    """
    return SelfCorrection(
        [_item(p) for p in problems],
        experts,
        make_judge(verifier, scale=scale, reader=reader),
        controller=controller,
        max_attempts=max_attempts,
        budget=budget or Budget(),
        concurrency=concurrency,
        output=output,
        feedback=feedback,
        history_window=history_window,
        stop_at=stop_at,
        shared=shared,
        warm_start=warm_start,
        seed=seed,
        store=store if store is not None else MemoryStore(),
    )


class SelfCorrection(Iterator[Corrected]):
    """A run of `self_correct`: iterate to make it.

    Attributes:
        controller: The one that serves all problems; None when each has its own.
        judge: The verifier; its ``label`` says of what kind.
        totals: What was done so far.
    """

    def __init__(
        self,
        items: Sequence[_Item],
        experts: Sequence[Expert],
        judge: Judge,
        *,
        controller: str | Controller,
        max_attempts: int,
        budget: Budget,
        concurrency: int,
        output: Output,
        feedback: Feedback,
        history_window: int | None,
        stop_at: float | None,
        shared: bool,
        warm_start: Mapping[str, Any] | None,
        seed: int,
        store: Store,
    ) -> None:
        _check_choice("output", output, ("best", "last"))
        _check_choice("feedback", feedback, ("scalar", "text", "none"))
        _check_at_least_one(max_attempts=max_attempts, concurrency=concurrency, history_window=history_window)
        if stop_at is not None and not 0 < stop_at <= 1:
            raise ConfigError(f"stop_at={stop_at}", place="stop_at", remedy="A reward above 0 and up to 1, or None.")
        names = Counter(e.name for e in experts)
        if not names or max(names.values()) > 1:
            raise ConfigError(
                f"experts {[e.name for e in experts]}", place="experts", remedy="Give at least one, named differently."
            )
        twice = [name for name, num in Counter(i.id for i in items).items() if num > 1]
        if twice:
            raise DataError(f"two problems are called {twice[0]!r}", remedy="Attempts are kept by the problem's id.")
        self._items, self._experts, self._max_attempts, self._budget = items, experts, max_attempts, budget
        self._concurrency, self._output, self._window = concurrency, output, history_window
        self._feedback: Feedback = feedback
        self._stop_at, self._seed, self._store = stop_at, seed, store
        self._identities = [digest(e.identity) for e in experts]
        self._warm_start = warm_start
        self._controller_name = controller if isinstance(controller, str) else controller.name
        self.judge = judge
        self.totals = Totals()
        first = self._new_controller() if isinstance(controller, str) else controller
        if not isinstance(controller, str):
            if not shared:
                raise ConfigError(
                    "each problem its own controller, but one was given", place="shared", remedy="Give its name."
                )
            self._warm(first)
        if first.num_arms != len(experts) or first.name == "hedge":
            raise ConfigError(
                f"the controller {first.name!r} with {first.num_arms} arms does not fit {len(experts)} experts",
                place="controller",
                remedy="It needs one arm per expert and must learn from one reward at a time: 'exp3', not 'hedge'.",
            )
        self.controller = first if shared else None
        self._failing = [0] * len(experts)
        self._unsettled: list[Row] = []
        self._steps = self._run()

    def __iter__(self) -> SelfCorrection:
        return self

    def __next__(self) -> Corrected:
        return next(self._steps)

    # ------------------------------------------------------------ rounds

    def _new_controller(self) -> Controller:
        return self._warm(make_controller(self._controller_name, len(self._experts)))

    def _warm(self, controller: Controller) -> Controller:
        if self._warm_start is not None:
            controller.restore(self._warm_start)
            controller.pending.clear()  # their rewards belong to a run that will not come back
        return controller

    def _run(self) -> Iterator[Corrected]:
        waiting = iter(enumerate(self._items))
        flying: list[_Open] = []
        ended: dict[int, Corrected] = {}
        next_out = 0
        while True:
            is_over = self._budget.scope == "run" and self.totals.spent.exhausts(self._budget)
            if not is_over:
                flying += [self._open(*w) for w in itertools.islice(waiting, self._concurrency - len(flying))]
                if flying:
                    self._round(flying)
            staying: list[_Open] = []
            for problem in [*flying, *(self._open(*w) for w in waiting)] if is_over else flying:
                if (stop := "budget" if is_over else self._stop(problem)) is None:
                    staying.append(problem)
                else:
                    ended[problem.order] = self._corrected(problem, stop)
            flying = staying
            while next_out in ended:
                yield ended.pop(next_out)
                next_out += 1
            if next_out == len(self._items):
                break
        if self.totals.spent.num_attempts and self.totals.failures.total() == self.totals.spent.num_attempts:
            raise self._all_failed()
        self._settle()

    def _open(self, order: int, item: _Item) -> _Open:
        return _Open(order, item, self.controller or self._new_controller())

    def _round(self, flying: Sequence[_Open]) -> None:
        """One attempt per problem in flight, then what it taught."""
        plans = [self._plan(problem) for problem in flying]
        found = {plan.key: row for plan in plans if (row := self._found(plan)) is not None}
        start_s = time.perf_counter()
        fresh = make_attempts(plans, done=found)
        verdicts = self._judge(flying, fresh)
        seconds = (time.perf_counter() - start_s) / max(1, len(plans) - len(found))
        for problem, plan in zip(flying, plans, strict=True):
            row = found.get(plan.key)
            if row is None:
                row = self._row(problem, plan, fresh[plan.key], verdicts.get(plan.key), seconds)
                self._keep(row)
            else:
                self.totals.num_replayed += 1
            self._learn(problem, plan, row)

    def _plan(self, problem: _Open) -> Plan:
        attempt = len(problem.rows)
        state = digest(problem.controller.state())
        rng = seeds.stream(self._seed, "choose", problem.item.id, attempt)
        arm = problem.controller.choose(rng)
        _, prob = problem.controller.pending[-1]
        shown = problem.turns if self._feedback != "none" else []
        shown = shown[-self._window :] if self._window else shown
        return make_plan(
            problem.item.id,
            attempt,
            arm,
            self._experts[arm],
            problem.item.messages,
            shown,
            prob=prob,
            state=state,
            identity=self._identities[arm],
        )

    def _found(self, plan: Plan) -> Row | None:
        row = self._store.get(*plan.key)
        if row is not None:
            check_row(row, plan, verifier=self.judge.label)
        return row

    def _judge(
        self, flying: Sequence[_Open], fresh: Mapping[tuple[str, int], Attempted]
    ) -> dict[tuple[str, int], Verdict]:
        judged: dict[tuple[str, int], Case] = {}
        for problem in flying:
            key = (problem.item.id, len(problem.rows))
            if key in fresh and (made := fresh[key]).finish != "error":
                case = Case(problem.item.problem, problem.item.messages, made.text, made.finish == "length")
                judged[key] = case
        return dict(zip(judged, self.judge.judge(list(judged.values())), strict=True))

    def _row(self, problem: _Open, plan: Plan, made: Attempted, verdict: Verdict | None, seconds: float) -> Row:
        told = verdict is not None and self._feedback == "text" and leaks(verdict.critique, problem.item.problem)
        return {
            "id": plan.id,
            "attempt": plan.attempt,
            "expert": plan.expert.name,
            "arm": plan.arm,
            "choice_prob": plan.prob,
            "state": plan.state,
            "prompt": plan.prompt,
            "verifier": self.judge.label,
            "text": made.text,
            "finish": made.finish,
            "reason": made.reason,
            "answer": verdict.answer if verdict else None,
            "reward": verdict.reward if verdict else None,
            "critique": verdict.critique if verdict else "",
            "feedback": feedback_turn(verdict, self._feedback) if verdict else "",
            "leak": told,
            "num_prompt_tok": made.num_prompt_tok,
            "num_completion_tok": made.num_completion_tok,
            # Clock times make no two runs alike; they are kept only where a result depends on them.
            **({"seconds": seconds} if self._budget.max_s is not None else {}),
        }

    def _learn(self, problem: _Open, plan: Plan, row: Row) -> None:
        failed = row["finish"] == "error"
        problem.controller.update(plan.arm, row["reward"] or 0.0)
        problem.rows.append(row)
        problem.spent.add(row)
        totals = self.totals
        totals.spent.add(row)
        totals.pulls[row["expert"]] += 1
        totals.num_leaks += row["leak"]
        if failed:
            totals.failures[row["expert"]] += 1
            totals.reasons[row["reason"]] += 1
            self._failing[plan.arm] += 1
            if min(self._failing) >= MAX_FAILURES:
                raise self._all_failed()
            return
        self._failing[plan.arm] = 0
        totals.num_unscored += row["reward"] is None
        problem.turns.append(Turn(row["expert"], row["text"], row["reward"], row["feedback"]))

    # ------------------------------------------------------------ rows that are kept

    def _keep(self, row: Row) -> None:
        """Store a row. Failures wait for the next success: if there is none, the run ends and tries them again."""
        self._unsettled.append(row)
        if row["finish"] != "error":
            self._settle()

    def _settle(self) -> None:
        while self._unsettled:
            self._store.put(self._unsettled[0])
            self._unsettled.pop(0)

    def _all_failed(self) -> ResourceError:
        reason, _ = self.totals.reasons.most_common(1)[0]
        return ResourceError(
            f"every expert fails ({self.totals.failures.total()} failed attempts), most often: {reason}",
            place="experts",
            remedy="Mend the cause and run again; what was finished before is kept.",
        )

    # ------------------------------------------------------------ ends

    def _stop(self, problem: _Open) -> Stop | None:
        reward = problem.rows[-1]["reward"]
        if self._stop_at is not None and reward is not None and reward >= self._stop_at:
            return "success"
        if len(problem.rows) >= self._max_attempts:
            return "attempts"
        spent = problem.spent if self._budget.scope == "problem" else self.totals.spent
        return "budget" if spent.exhausts(self._budget) else None

    def _corrected(self, problem: _Open, stop: Stop) -> Corrected:
        made = [row for row in problem.rows if row["finish"] != "error"]
        num_failed = len(problem.rows) - len(made)
        if not made:
            return Corrected(problem.item.id, "", None, None, None, "", stop, False, num_failed, tuple(problem.rows))
        if self._output == "last":
            row = made[-1]
        else:  # max takes the first of equals; what could not be scored comes after everything that could
            row = max(made, key=lambda r: -1.0 if r["reward"] is None else r["reward"])
        return Corrected(
            problem.item.id,
            row["text"],
            row["answer"],
            row["reward"],
            row["attempt"],
            row["expert"],
            stop,
            any(r["leak"] for r in problem.rows[: row["attempt"]]),
            num_failed,
            tuple(problem.rows),
        )


def _item(asked: Problem | Asked) -> _Item:
    if isinstance(asked, Problem):
        return _Item(asked.id, (user(asked.question),), asked)
    if not asked.messages:
        raise ConfigError(
            f"the request {asked.id!r} has no messages",
            place="problems",
            remedy="Self-correction is a conversation: it needs a chat model and messages, not a raw prompt.",
        )
    problem = getattr(asked, "problem", None) or Problem(asked.id, asked.messages[-1].content, "")
    return _Item(asked.id, asked.messages, problem)


def _check_choice(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        remedy = nearest(value, known) or f"Known: {', '.join(known)}."
        raise ConfigError(f"unknown {name} {value!r}", place=name, remedy=remedy)


def _check_at_least_one(**numbers: int | None) -> None:
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise ConfigError(f"{name}={number}", place=name, remedy="It must be at least 1.")
