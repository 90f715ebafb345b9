"""Strategies: a sampler, a verifier and a rule for spending samples, ready to be asked.

    vote = SelfConsistency(sampler, "number", stop=certify(0.05, max_n=64))
    result = vote.run("A farmer has 3 fields of 7 trees. How many trees?")
    result.answer, result.verdict, result.num_used

`run` takes one question (a text, messages or a `Problem`), `run_batch` many at once, `arun` and `arun_batch` the same
without blocking an event loop. Ties fall by the question's own seeded stream, so that a result depends on
(seed, question) and on nothing else.

    SelfConsistency   the most frequent answer                       (Wang et al. 2023, arXiv 2203.11171)
    BestOfN           the answer with the highest score
    WeightedVote      the answer with the largest sum of weights     (Li et al. 2023, arXiv 2206.02336)
    BestThenVote      vote among the m best
    SoftBestOfN       a sample drawn with probability ~ exp(score / temperature)
    KnockoutVote      single elimination by a pairwise judge, in `knockout_vote`
    SelfCorrect       try, hear the verdict, try again, in `self_correction`
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

import numpy as np
from numpy.typing import NDArray

from reasonry.core import seeds
from reasonry.core.messages import Message, to_openai, user
from reasonry.core.outcome import Grade
from reasonry.core.rows import Row, Store
from reasonry.core.sampling import Sampler
from reasonry.core.scoring import CallableScorer, Scorer
from reasonry.core.task import Problem
from reasonry.core.verify import Verifier, make_verifier
from reasonry.errors import ConfigError
from reasonry.test_time import selection
from reasonry.test_time.drawing import Drawing, draw, draw_async
from reasonry.test_time.pool import Pool, Question, graded_row
from reasonry.test_time.scores import LogpScores, ModelScores, OracleScores, Scores
from reasonry.test_time.selection import Choice
from reasonry.test_time.stopping import Decision, Rule, fixed, make_rule

Ask = str | Problem | Sequence[Message] | Question
ScoreBy = Literal["logp", "verifier"] | Scorer | Scores | Callable[..., float]

DEFAULT_N = 8
"""Samples per question, when nothing is said."""
MAX_N = 64
"""Most samples per question of an early stop that is given by name, when nothing is said."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a strategy answered.

    Attributes:
        id: The question's id.
        answer: In canonical form; None when no sample holds one.
        text: The reply that stands for the answer.
        grade: Of the answer; None without an oracle answer.
        strategy: Name of the strategy.
        decision: Why drawing ended; a certificate speaks of the mode of the model's law, not of truth.
        weights: Votes, or sums of weights, of each answer, largest first.
        num_used: Samples that counted.
        num_drawn: Samples paid for.
        num_prompt_tok: Prompt tokens, as if each sample had its own.
        num_completion_tok: Tokens drawn.
        parse_rate: Share of the used samples that hold an answer.
        was_tied: The first place was shared, and the seeded tie-break decided.
        warnings: What the reader should know before trusting the answer.
        rows: Every sample drawn, in submission order.
    """

    id: str
    answer: str | None
    text: str
    grade: Grade | None
    strategy: str
    decision: Decision
    weights: dict[str, float]
    num_used: int
    num_drawn: int
    num_prompt_tok: int
    num_completion_tok: int
    parse_rate: float
    was_tied: bool
    warnings: tuple[str, ...]
    rows: Sequence[Row]

    @property
    def verdict(self) -> str:
        """``certified``, ``decided``, ``heuristic`` or ``budget_exhausted``."""
        return self.decision.verdict

    def cost(self, *, price_per_mtok: float, prompt_price_per_mtok: float = 0.0) -> float:
        """Price of all tokens drawn, in the currency of the prices (per million tokens)."""
        return (self.num_completion_tok * price_per_mtok + self.num_prompt_tok * prompt_price_per_mtok) / 1e6


def question_of(ask: Ask) -> Question:
    """The question that a user asks, with an id made from its text where it has none."""
    if isinstance(ask, Question):
        return ask
    if isinstance(ask, Problem):
        return Question(ask.id, (user(ask.question),), ask)
    messages = (user(ask),) if isinstance(ask, str) else tuple(ask)
    body = json.dumps([to_openai(m) for m in messages], sort_keys=True).encode("utf-8", "surrogatepass")
    return Question(hashlib.blake2b(body, digest_size=8).hexdigest(), messages)


class Strategy(ABC):
    """Base of all strategies over a pool of independent samples.

    Args:
        sampler: Draws the samples.
        verifier: Finds answers in replies: a name such as ``number`` or ``regex:PATTERN``, or a `Verifier`.
        n: Samples per question, with an early stop the most of them; not needed with a rule, which says it itself.
        stop: A stopping rule or its name, such as ``certify:0.05``; only a plain vote may stop
            early, because every other rule needs the whole pool.
        score: What selection goes by; see `scores`.
        seed: Root of the tie-breaks.
        store: Keeps samples between calls; a fresh one per strategy when not given.
        min_round: See `Drawing`.

    Raises:
        ConfigError: An unknown verifier or rule, n out of range, or an early stop where there can be none.
    """

    name: ClassVar[str]
    scored: ClassVar[bool] = True

    def __init__(
        self,
        sampler: Sampler,
        verifier: str | Verifier = "number",
        *,
        n: int | None = None,
        stop: str | Rule | None = None,
        score: ScoreBy = "logp",
        seed: int = 0,
        store: Store | None = None,
        min_round: int = 1,
    ) -> None:
        self.sampler = sampler
        self.verifier = make_verifier(verifier) if isinstance(verifier, str) else verifier
        if stop is None or stop == "fixed":
            self.rule = fixed(DEFAULT_N if n is None else n)
        else:
            self.rule = make_rule(stop, max_n=MAX_N if n is None else n) if isinstance(stop, str) else stop
        if self.scored and self.rule.name != "fixed":
            raise ConfigError(
                f"{self.name} with the stopping rule {self.rule.name!r}",
                place="stop",
                remedy="Only self-consistency can stop early; every other strategy weighs a pool of fixed size.",
            )
        self.seed, self.min_round = seed, min_round
        self.store = store if store is not None else Store()
        self.scores = scores_of(score)
        self._asked: dict[str, Question] = {}

    @abstractmethod
    def choose(self, answers: Sequence[str | None], scores: NDArray[np.float64], *, rng: np.random.Generator) -> Choice:
        """The rule: from answers and scores, each of shape (num_used,), to one of them."""

    def run(self, ask: Ask) -> Result:
        """Answer one question."""
        return self.run_batch([ask])[0]

    def run_batch(self, asks: Sequence[Ask]) -> list[Result]:
        """Answer many questions in shared rounds; results in the order of the questions."""
        drawing = self._drawing(asks)
        return self.select([pool for _, pool in sorted(draw(drawing, self.sampler), key=_position)])

    async def arun(self, ask: Ask) -> Result:
        """`run` for an event loop."""
        return (await self.arun_batch([ask]))[0]

    async def arun_batch(self, asks: Sequence[Ask]) -> list[Result]:
        """`run_batch` for an event loop: sampling and scoring happen in worker threads."""
        pools = [settled async for settled in draw_async(self._drawing(asks), self.sampler)]
        return await asyncio.to_thread(self.select, [pool for _, pool in sorted(pools, key=_position)])

    def select(self, pools: Sequence[Pool]) -> list[Result]:
        """Choose from finished pools."""
        scores = self.scores.of(pools) if self.scored else [np.full(p.num_used, np.nan) for p in pools]
        return [self._result(p, self._chosen(p, s)) for p, s in zip(pools, scores, strict=True)]

    def _chosen(self, pool: Pool, scores: NDArray[np.float64]) -> Choice:
        rng = seeds.stream(self.seed, "tie", pool.question.id)
        return self.choose([r["answer"] for r in pool.used], scores, rng=rng)

    def _drawing(self, asks: Sequence[Ask]) -> Drawing:
        questions = [question_of(a) for a in asks]
        drawing = Drawing(questions, self.rule, read=self.read, store=self.store, min_round=self.min_round)
        if changed := [q.id for q in questions if self._asked.get(q.id, q) != q]:
            raise ConfigError(
                f"question {changed[0]!r} was another one when it was asked before",
                remedy="Ids key the samples that are kept: give it another id, or take a fresh strategy.",
            )
        self._asked.update({q.id: q for q in questions})
        return drawing

    def read(self, completion: Any, question: Question) -> Row:
        """A completion as a row, by this strategy's verifier."""
        return graded_row(completion, question, self.verifier)

    def _result(self, pool: Pool, choice: Choice) -> Result:
        used = pool.used
        chosen = used[choice.index] if choice.index is not None else None
        grade: Grade | None = None
        if pool.question.problem is not None:
            grade = chosen["grade"] if chosen is not None else "ungradable"
        return Result(
            id=pool.question.id,
            answer=choice.answer,
            text=chosen["text"] if chosen is not None else "",
            grade=grade,
            strategy=self.name,
            decision=pool.decision,
            weights=choice.weights,
            num_used=len(used),
            num_drawn=len(pool.rows),
            num_prompt_tok=sum(r["num_prompt_tok"] for r in pool.rows),
            num_completion_tok=sum(r["num_completion_tok"] for r in pool.rows),
            parse_rate=1 - choice.num_abstain / len(used),
            was_tied=choice.was_tied,
            warnings=tuple(self.warnings(used, choice)),
            rows=pool.rows,
        )

    def warnings(self, used: Sequence[Row], choice: Choice) -> Iterator[str]:
        """What the reader should know."""
        if len(used) > 1 and all(r["text"] == used[0]["text"] for r in used):
            yield (
                f"all {len(used)} samples are the same text: unless the model is certain they are not independent "
                "(temperature 0, one seed for all), and then no vote or certificate says more than one sample"
            )
        if choice.num_abstain:
            yield f"{choice.num_abstain} of {len(used)} samples hold no answer; they do not vote"
        if choice.warning:
            yield choice.warning
        if self.scored and choice.num_unscored:
            yield f"{choice.num_unscored} of {len(used)} samples have no score; they are chosen last"


class SelfConsistency(Strategy):
    """The most frequent answer, with an optional early stop."""

    name = "self-consistency"
    scored = False

    def choose(self, answers: Sequence[str | None], scores: NDArray[np.float64], *, rng: np.random.Generator) -> Choice:
        """Plurality."""
        return selection.majority(answers, rng=rng)


class BestOfN(Strategy):
    """The answer with the highest score."""

    name = "best-of-n"

    def choose(self, answers: Sequence[str | None], scores: NDArray[np.float64], *, rng: np.random.Generator) -> Choice:
        """The argmax."""
        return selection.best_of_n(answers, scores, rng=rng)


class WeightedVote(Strategy):
    """The answer with the largest sum of weights; ``transform`` makes positive weights of scores.

    Args:
        sampler: As for every strategy.
        verifier: As for every strategy.
        transform: ``exp`` (of beta times the score), ``sigmoid``, ``rank`` or ``raw``.
        beta: Sharpness of ``exp``.
        **options: Those of `Strategy`.
    """

    name = "weighted-vote"

    def __init__(
        self,
        sampler: Sampler,
        verifier: str | Verifier = "number",
        *,
        transform: selection.Transform = "exp",
        beta: float = 1.0,
        **options: Any,
    ) -> None:
        super().__init__(sampler, verifier, **options)
        self.transform: selection.Transform = transform
        self.beta = beta

    def choose(self, answers: Sequence[str | None], scores: NDArray[np.float64], *, rng: np.random.Generator) -> Choice:
        """Sums of weights."""
        return selection.weighted_vote(answers, scores, transform=self.transform, beta=self.beta, rng=rng)


class BestThenVote(Strategy):
    """A vote among the ``top`` samples with the highest scores.

    Args:
        sampler: As for every strategy.
        verifier: As for every strategy.
        top: How many vote.
        **options: Those of `Strategy`.
    """

    name = "best-then-vote"

    def __init__(self, sampler: Sampler, verifier: str | Verifier = "number", *, top: int = 4, **options: Any) -> None:
        super().__init__(sampler, verifier, **options)
        self.top = top

    def choose(self, answers: Sequence[str | None], scores: NDArray[np.float64], *, rng: np.random.Generator) -> Choice:
        """Vote of the best."""
        return selection.best_then_vote(answers, scores, top=self.top, rng=rng)


class SoftBestOfN(Strategy):
    """A sample drawn with probability proportional to exp(score / temperature).

    Args:
        sampler: As for every strategy.
        verifier: As for every strategy.
        temperature: In units of the score; towards 0 it becomes best-of-n.
        **options: Those of `Strategy`.
    """

    name = "soft-best-of-n"

    def __init__(
        self, sampler: Sampler, verifier: str | Verifier = "number", *, temperature: float = 1.0, **options: Any
    ) -> None:
        super().__init__(sampler, verifier, **options)
        self.temperature = temperature

    def choose(self, answers: Sequence[str | None], scores: NDArray[np.float64], *, rng: np.random.Generator) -> Choice:
        """One draw from the softmax."""
        return selection.soft_best_of_n(answers, scores, temperature=self.temperature, rng=rng)


def scores_of(score: ScoreBy) -> Scores:
    """The source of scores that a user names or gives.

    Raises:
        ConfigError: An unknown name.
    """
    if score == "logp":
        return LogpScores()
    if score == "verifier":
        return OracleScores()
    if isinstance(score, str):
        raise ConfigError(f"unknown score {score!r}", place="score", remedy="Give logp, verifier, or a scorer.")
    # Not isinstance: before Python 3.12 it reads every property of a protocol, and a lazy scorer would load its model.
    if hasattr(score, "of"):
        return cast("Scores", score)
    if hasattr(score, "score"):
        return ModelScores(cast("Scorer", score))
    function = cast("Callable[..., float]", score)
    return ModelScores(CallableScorer(function, name=getattr(function, "__name__", "function")))


def _position(settled: tuple[int, Pool]) -> int:
    return settled[0]
