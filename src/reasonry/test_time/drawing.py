"""Rounds of samples until a stopping rule is content, for many questions at once.

A round asks for every open question as many samples as its rule needs at least before it could stop, so that nothing
is drawn in vain and a local model or an endpoint has all questions in one batch. `Drawing` decides and does no input
or output itself: `draw` drives it with a sampler, `draw_async` without blocking an event loop. What a round asks
for depends on earlier samples only, hence a killed run that finds its rows again asks the same rounds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence

from reasonry.core.rows import Row, Store
from reasonry.core.sampling import Completion, Request, Sampler, sample_async
from reasonry.errors import ConfigError, ResourceError
from reasonry.test_time.pool import Key, Pool, Question
from reasonry.test_time.stopping import Rule, Watch

Read = Callable[[Completion, Question], Row]


class _Open:
    """A question whose rule has not stopped yet."""

    __slots__ = ("asked", "position", "question", "rows", "watch")

    def __init__(self, position: int, question: Question, watch: Watch) -> None:
        self.position, self.question, self.watch = position, question, watch
        self.rows: list[Row] = []
        self.asked = 0


class Drawing:
    """Which samples are wanted next; see the module.

    Args:
        questions: With different ids.
        rule: When to stop, and the most samples per question.
        read: Makes a row of a completion; see `pool.graded_row`.
        store: Where rows are kept; rows that are there already are not drawn again.
        min_round: Fewest samples of one question per round. More than 1 makes fewer, larger rounds; what is drawn
            after the sample at which the rule stops is paid for and not used.
    """

    def __init__(
        self, questions: Sequence[Question], rule: Rule, *, read: Read, store: Store, min_round: int = 1
    ) -> None:
        if min_round < 1:
            raise ConfigError(f"min_round = {min_round}", remedy="A round needs at least one sample.")
        self._questions = {q.id: q for q in questions}
        if len(self._questions) < len(questions):
            raise ConfigError("two questions have the same id", remedy="Ids key the samples: make them different.")
        self._max_n, self._min_round = rule.max_n, min_round
        self._read, self._store = read, store
        self._open = [_Open(i, q, rule.start()) for i, q in enumerate(questions)]

    def wanted(self) -> list[Request]:
        """The next round, empty when every question is settled."""
        requests: list[Request] = []
        for one in self._open:
            more = min(max(one.watch.least_more(), self._min_round), self._max_n - len(one.rows))
            one.asked = len(one.rows) + more
            requests.append(Request(one.question.id, one.question.messages, range(len(one.rows), one.asked)))
        return requests

    def known(self, requests: Sequence[Request]) -> set[Key]:
        """Samples of a round that the store already holds."""
        held = self._store.rows
        return {(r.id, i) for r in requests for i in r.indices if (r.id, i) in held} if held else set()

    def accept(self, completion: Completion) -> Row:
        """Read, keep and return one completion as a row."""
        row = self._read(completion, self._questions[completion.id])
        self._store.put(row)
        return row

    def settle(self) -> Iterator[tuple[int, Pool]]:
        """End a round: yield (position, pool) of the questions whose rule has stopped.

        Raises:
            ResourceError: The sampler left out a sample.
        """
        still: list[_Open] = []
        for one in self._open:
            start = len(one.rows)
            for index in range(start, one.asked):
                row = self._store.rows.get((one.question.id, index))
                if row is None:
                    raise ResourceError(f"the sampler returned no sample {index} of question {one.question.id!r}")
                one.rows.append(row)
            observe = one.watch.observe
            if any(observe(row["answer"]) for row in one.rows[start:]) or len(one.rows) >= self._max_n:
                decision = one.watch.decision()
                yield one.position, Pool(one.question, one.rows, decision.num_seen, decision)
            else:
                still.append(one)
        self._open = still


def draw(
    drawing: Drawing, sampler: Sampler, *, each: Callable[[Row], None] = lambda row: None
) -> Iterator[tuple[int, Pool]]:
    """Drive a drawing to its end; ``each`` is called with every fresh row."""
    while requests := drawing.wanted():
        known = drawing.known(requests)
        if len(known) < sum(len(r.indices) for r in requests):
            for completion in sampler.sample(requests, skip=known):
                each(drawing.accept(completion))
        yield from drawing.settle()


async def draw_async(drawing: Drawing, sampler: Sampler) -> AsyncIterator[tuple[int, Pool]]:
    """`draw` for an event loop: the sampler's blocking steps run in a worker thread."""
    while requests := drawing.wanted():
        known = drawing.known(requests)
        if len(known) < sum(len(r.indices) for r in requests):
            async for completion in sample_async(sampler, requests, skip=known):
                drawing.accept(completion)
        for settled in drawing.settle():
            yield settled
