"""Samplers, scores, verifiers and experts whose law is known: what voting, selection and stopping are held against.

    CategoricalSampler   sample i of a prompt ~ probs, independent
    CorrelatedSampler    with chance `share` a copy of the prompt's common draw; share 1: all samples identical
    DriftingSampler      sample i ~ (1 - w_i) first + w_i last,  w_i = min(1, i / over)
    ScoredSampler        categorical, score of a sample = 1[right] + noise * N(0, 1)
    BernoulliVerifier    accepts a right answer with chance `recall`, a wrong one with chance `false_accept`
    ExpertPool           experts that are right with known chances
    LatencySampler       any of these, with a completion time that depends on what is said

A draw depends on (seed, prompt id, sample index) only, as with a real sampler. The correlated and the drifting one
break the assumption of independent, identically distributed samples on purpose: everything that is guaranteed elsewhere
in this room is guaranteed under it. Draws are inverted cumulative sums, made in blocks of 64, so that a sample costs a
few microseconds and the overhead of the engine around it can be measured.
"""

# pyright: strict
from __future__ import annotations

import asyncio
import heapq
import itertools
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reasonry.core import seeds
from reasonry.core.environment import Determinism
from reasonry.core.outcome import Outcome
from reasonry.core.sampling.base import Completion, Request, Sampler, SamplerStats, Skip
from reasonry.core.task import Problem
from reasonry.core.verify.base import Verifier
from reasonry.core.verify.number import NumberVerifier, canonical_number, find_number
from reasonry.errors import ConfigError
from reasonry.test_time.self_correction.experts import Expert

FloatArray = NDArray[np.float64]
Answers = Sequence[str | None]
Law = Sequence[float] | FloatArray

MARK = "#### "
_BLOCK = 64
_MAX_BLOCKS = 1 << 14  # held at once; a block is made again when it is asked for again


class _Simulated(ABC):
    """Draws answer numbers in blocks; what is said for a number is the subclass's business."""

    def __init__(self, *, seed: int) -> None:
        self.stats = SamplerStats()
        self._seed = seed
        self._blocks: dict[str, tuple[int, list[int]]] = {}

    @property
    def determinism(self) -> Determinism:
        """A named stream per prompt: order and batches do not matter."""
        return "sample-stable"

    @abstractmethod
    def picks(self, prompt: str, start: int, num: int) -> list[int]:
        """Answer numbers of samples ``start .. start + num - 1`` of a prompt."""

    @abstractmethod
    def say(self, prompt: str, pick: int) -> tuple[str, int]:
        """The reply for answer number ``pick`` and its length in tokens."""

    def pick(self, prompt: str, index: int) -> int:
        """Answer number of one sample."""
        number, at = divmod(index, _BLOCK)
        held = self._blocks.get(prompt)
        if held is None or held[0] != number:
            if len(self._blocks) >= _MAX_BLOCKS:
                self._blocks.clear()
            held = self._blocks[prompt] = (number, self.picks(prompt, number * _BLOCK, _BLOCK))
        return held[1][at]

    def sample(self, requests: Sequence[Request], *, skip: Skip = ()) -> Iterator[Completion]:
        """Yield completions in request order, indices ascending."""
        done = skip if isinstance(skip, set | frozenset) else set(skip)
        stats = self.stats
        for request in requests:
            for index in sorted(request.indices):
                if done and (request.id, index) in done:
                    continue
                text, num_tok = self.say(request.id, self.pick(request.id, index))
                stats.num_completions += 1
                stats.num_completion_tok += num_tok
                yield Completion(request.id, index, text, "stop", 0, num_tok)


class CategoricalSampler(_Simulated):
    """Independent draws from a known law.

    A reply is ``mark`` and the answer (``#### 3``): what the number verifier reads. The exact verifier takes the whole
    reply for the answer, so give it ``mark=""``. An answer of None is an empty reply: no verifier finds one in it.

    Args:
        probs: Shape ``(K,)``, the law of every prompt; or prompt id -> law, when prompts differ.
        seed: Root of the draws.
        answers: K answers; "0", "1", ... when not given.
        mark: Put before the answer.
        num_tok: Tokens of a reply, one number or one per answer.

    Raises:
        ConfigError: Not a law, or as many answers as probabilities are not there.
    """

    def __init__(
        self,
        probs: Law | Mapping[str, Law],
        *,
        seed: int = 0,
        answers: Answers | None = None,
        mark: str = MARK,
        num_tok: int | Sequence[int] = 1,
    ) -> None:
        super().__init__(seed=seed)
        laws = probs if isinstance(probs, Mapping) else {"": probs}
        self._has_one_law = not isinstance(probs, Mapping)
        self._laws = {prompt: check_law(law) for prompt, law in laws.items()}
        self._steps = {prompt: _steps(law) for prompt, law in self._laws.items()}
        width = max((law.size for law in self._laws.values()), default=0)
        self.answers: tuple[str | None, ...] = tuple(map(str, range(width)) if answers is None else answers)
        lengths = [num_tok] * len(self.answers) if isinstance(num_tok, int) else list(num_tok)
        if len(self.answers) != width or len(lengths) != width:
            raise ConfigError(
                f"{len(self.answers)} answers of {len(lengths)} lengths for a law over {width}",
                place="simulated sampler",
                remedy="Give one answer, and one length or a common one, per probability.",
            )
        said = ["" if a is None else f"{mark}{a}" for a in self.answers]
        self._said = list(zip(said, lengths, strict=True))
        self._mark = mark

    @property
    def identity(self) -> dict[str, Any]:
        """The law, the answers and the seed."""
        laws = {prompt: law.tolist() for prompt, law in self._laws.items()}
        return {
            "sampler": type(self).__name__,
            "model": "simulated",
            "probs": laws[""] if self._has_one_law else laws,
            "answers": list(self.answers),
            "mark": self._mark,
            "num_tok": [num for _, num in self._said],
            "seed": self._seed,
        }

    def law(self, prompt: str = "") -> dict[str | None, float]:
        """Answer -> probability for one prompt; equal answers are added up."""
        law: dict[str | None, float] = {}
        for answer, p in zip(self.answers, self._laws[self._key(prompt)].tolist(), strict=False):
            law[answer] = law.get(answer, 0.0) + p
        return law

    def picks(self, prompt: str, start: int, num: int) -> list[int]:
        """Answer numbers of samples ``start .. start + num - 1``."""
        u = seeds.uniforms(self._seed, "categorical", prompt, num=num, start=start)
        return np.searchsorted(self._steps[self._key(prompt)], u, side="right").tolist()

    def say(self, prompt: str, pick: int) -> tuple[str, int]:
        """The reply for an answer number and its length in tokens."""
        return self._said[pick]

    def _key(self, prompt: str) -> str:
        if self._has_one_law:
            return ""
        if prompt not in self._laws:
            raise ConfigError(f"no law for the prompt {prompt!r}", place="simulated sampler")
        return prompt


class CorrelatedSampler(CategoricalSampler):
    """Samples of a prompt that are not independent: with chance ``share`` each repeats the prompt's common draw.

    Every single sample still follows ``probs``. With ``share=1`` all are identical, as from a model at temperature 0 or
    a server that is given the same seed each time; the correlation of two samples' indicators is ``share ** 2``.
    """

    def __init__(self, probs: Law | Mapping[str, Law], *, share: float = 1.0, **rest: Any) -> None:
        super().__init__(probs, **rest)
        self.share = _chance("share", share)

    @property
    def identity(self) -> dict[str, Any]:
        """The law and the share."""
        return {**super().identity, "share": self.share}

    def picks(self, prompt: str, start: int, num: int) -> list[int]:
        """The common draw, or an own one."""
        u = seeds.uniforms(self._seed, "common", prompt, num=1)
        common = int(np.searchsorted(self._steps[self._key(prompt)], u, side="right")[0])
        copies = seeds.uniforms(self._seed, "copies", prompt, num=num, start=start) < self.share
        own = super().picks(prompt, start, num)
        return [common if copy else pick for copy, pick in zip(copies.tolist(), own, strict=True)]


class DriftingSampler(CategoricalSampler):
    """Samples whose law moves with their index, from ``probs`` to ``last`` over the first ``over`` of them.

    What happens when a server is updated, a prompt cache warms up or a history grows during one run.
    """

    def __init__(self, probs: Law, last: Law, *, over: int, **rest: Any) -> None:
        super().__init__(probs, **rest)
        self._last = check_law(last)
        if self._last.shape != self._laws[""].shape or over < 1:
            raise ConfigError(
                f"a law over {self._last.size} answers in {over} samples does not follow one over {len(self.answers)}",
                place="simulated sampler",
            )
        self._last_steps = _steps(self._last)
        self.over = over

    @property
    def identity(self) -> dict[str, Any]:
        """Both laws."""
        return {**super().identity, "last": self._last.tolist(), "over": self.over}

    def law_at(self, index: int) -> FloatArray:
        """Shape ``(K,)``: the law of sample ``index``."""
        w = min(1.0, index / self.over)
        return (1 - w) * self._laws[""] + w * self._last

    def picks(self, prompt: str, start: int, num: int) -> list[int]:
        """Inverts each sample's own cumulative sums: those of a mixture are the mixture of theirs."""
        u = seeds.uniforms(self._seed, "categorical", prompt, num=num, start=start)
        w = np.minimum(1.0, np.arange(start, start + num) / self.over)[:, None]
        steps = (1 - w) * self._steps[""] + w * self._last_steps
        return np.minimum((steps <= u[:, None]).sum(axis=1), len(self.answers) - 1).tolist()


class ScoredSampler(CategoricalSampler):
    """Categorical answers with the scores of an imperfect reward model: ``1[right] + noise * N(0, 1)``.

    Args:
        probs: As for `CategoricalSampler`.
        noise: Standard deviation of the score's error; 0 is a perfect verifier.
        right: Number of the right answer.
        rest: As for `CategoricalSampler`.
    """

    def __init__(self, probs: Law | Mapping[str, Law], *, noise: float, right: int = 0, **rest: Any) -> None:
        super().__init__(probs, **rest)
        if not 0 <= noise < float("inf") or not 0 <= right < len(self.answers):
            raise ConfigError(f"noise={noise}, right={right} define no score", place="simulated sampler")
        self.noise, self.right = noise, right

    @property
    def identity(self) -> dict[str, Any]:
        """The law, the noise and which answer is right."""
        return {**super().identity, "noise": self.noise, "right": self.right}

    def scores(self, prompt: str, indices: Sequence[int]) -> FloatArray:
        """Shape ``(len(indices),)``: scores of samples of one prompt, whatever else was scored before."""
        return np.array([self._score(prompt, index) for index in indices], dtype=np.float64)

    def score(self, completion: Completion) -> float:
        """The score of one of this sampler's completions."""
        return self._score(completion.id, completion.index)

    def _score(self, prompt: str, index: int) -> float:
        u, v = seeds.uniforms(self._seed, "score", prompt, num=2, start=2 * index).tolist()
        normal = np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * v)  # Box and Muller
        return float((self.pick(prompt, index) == self.right) + self.noise * normal)


def noisy_scores(correct: ArrayLike, *, noise: float, rng: np.random.Generator) -> FloatArray:
    """``1[correct] + noise * N(0, 1)`` for an array of any shape.

    Args:
        correct: True where the sample is right.
        noise: Standard deviation of the error.
        rng: Where the error comes from.
    """
    right = np.asarray(correct, dtype=bool)
    return right.astype(np.float64) + noise * rng.standard_normal(right.shape)


class BernoulliVerifier:
    """A verifier that errs with known chances: P(accept | right) = recall, P(accept | wrong) = false_accept.

    ``grade`` says ``right`` for what it accepts. Which replies it errs on is a function of (seed, problem, reply), as
    with a judge at temperature 0; ``per="call"`` draws anew each time the same reply is shown, so that verdicts are
    independent over samples even when there are few different answers (it then depends on the order of calls).
    A reply without an answer stays ungradable.

    Args:
        recall: Chance that a right answer is accepted.
        false_accept: Chance that a wrong one is.
        seed: Root of the errors.
        oracle: Says what is right.
        per: What an error is tied to.

    Raises:
        ConfigError: A chance is not in [0, 1].
    """

    def __init__(
        self,
        recall: float,
        false_accept: float,
        seed: int = 0,
        *,
        oracle: Verifier | None = None,
        per: Literal["text", "call"] = "text",
    ) -> None:
        self.recall = _chance("recall", recall)
        self.false_accept = _chance("false_accept", false_accept)
        self.name = f"bernoulli:{recall:g}:{false_accept:g}"
        self._oracle = oracle if oracle is not None else NumberVerifier()
        self._seed = seed
        self._per = per
        self._num_calls: dict[tuple[str, str], int] = {}

    def extract(self, text: str, *, cut_off: bool = False) -> str | None:
        """As the oracle does."""
        return self._oracle.extract(text, cut_off=cut_off)

    def grade(self, text: str, problem: Problem, *, cut_off: bool = False) -> Outcome:
        """``right`` when accepted, ``wrong`` when not; the reason tells a mistake."""
        true = self._oracle.grade(text, problem, cut_off=cut_off)
        if true.grade == "ungradable":
            return true
        key = (problem.id, text)
        nth = self._num_calls.get(key, 0)
        if self._per == "call":
            self._num_calls[key] = nth + 1
        u = float(seeds.uniforms(self._seed, "verdict", problem.id, text, num=1, start=nth)[0])
        accepted = u < (self.recall if true.is_right else self.false_accept)
        reason = "as it is" if accepted == true.is_right else "mistaken"
        return Outcome("right" if accepted else "wrong", true.answer, reason)

    def accept(self, prompt: str, right: ArrayLike, *, start: int = 0) -> NDArray[np.bool_]:
        """Verdicts on samples ``start, start + 1, ...`` of a prompt, independent, whatever was asked before.

        Args:
            prompt: The prompt's id.
            right: Shape ``(n,)``: which samples are right.
            start: Index of the first one.
        """
        is_right = np.asarray(right, dtype=bool)
        u = seeds.uniforms(self._seed, "accept", prompt, num=is_right.size, start=start)
        return u < np.where(is_right, self.recall, self.false_accept)


class _Solver(_Simulated):
    """Right with a known chance; a wrong answer is the right one plus 1 (``not X`` where it is no number)."""

    def __init__(self, success: float, *, number: int, seed: int, oracle: Mapping[str, str], num_tok: int) -> None:
        super().__init__(seed=seed)
        self._success, self._number, self._oracle, self._num_tok = success, number, oracle, num_tok

    @property
    def identity(self) -> dict[str, Any]:
        about = {"success": self._success, "number": self._number, "num_tok": self._num_tok, "seed": self._seed}
        return {"sampler": "ExpertPool", "model": "simulated", **about}

    def picks(self, prompt: str, start: int, num: int) -> list[int]:
        u = seeds.uniforms(self._seed, "expert", self._number, prompt, num=num, start=start)
        return (u >= self._success).astype(int).tolist()

    def say(self, prompt: str, pick: int) -> tuple[str, int]:
        answer = self._oracle.get(prompt, "1")
        return f"{MARK}{_wrong(answer) if pick else answer}", self._num_tok


def _wrong(answer: str) -> str:
    number = find_number(answer)
    if number is None:
        return f"not {answer}"
    other = str(Fraction(number) + 1)
    return canonical_number(other) or other


class ExpertPool(Sequence[Expert]):
    """Experts that are right with known chances, whatever stands in the conversation.

    Args:
        success_probs: One chance per expert.
        seed: Root of the draws.
        problems: Whose answers the experts know; a problem that is not among them has the answer 1.
        num_tok: Tokens of every reply.

    Raises:
        ConfigError: A chance is not in [0, 1], or there is no expert.
    """

    def __init__(
        self, success_probs: Sequence[float], seed: int = 0, *, problems: Sequence[Problem] = (), num_tok: int = 1
    ) -> None:
        if not success_probs:
            raise ConfigError("an expert pool without experts", place="success_probs")
        self.success_probs = tuple(_chance("success_probs", p) for p in success_probs)
        oracle = {p.id: p.answer for p in problems}
        self._experts = [
            Expert(f"expert-{k}", _Solver(p, number=k, seed=seed, oracle=oracle, num_tok=num_tok))
            for k, p in enumerate(self.success_probs)
        ]

    @overload
    def __getitem__(self, index: int) -> Expert: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Expert]: ...
    def __getitem__(self, index: int | slice) -> Expert | Sequence[Expert]:
        return self._experts[index]

    def __len__(self) -> int:
        return len(self._experts)

    @property
    def best(self) -> int:
        """Number of the expert with the highest chance, the first of equals."""
        return int(np.argmax(self.success_probs))

    @staticmethod
    def problems(num: int) -> list[Problem]:
        """Problems ``p0, p1, ...`` with the answer 1, which every pool can be asked."""
        return [Problem(f"p{i}", "What is the answer?", "1") for i in range(num)]


class LatencySampler:
    """Another sampler, with a completion time that depends on what it says.

    Short, wrong answers are often the fast ones: whoever takes samples in the order in which they complete, and stops
    early, sees a biased law. Time is virtual unless ``scale`` is positive.

    Args:
        inner: What is said.
        delay_s: Seconds a completion takes.
        scale: Real seconds per virtual second; 0 never sleeps.
    """

    def __init__(self, inner: Sampler, delay_s: Callable[[Completion], float], *, scale: float = 0.0) -> None:
        self.inner = inner
        self.scale = scale
        self._delay_s = delay_s

    @property
    def stats(self) -> SamplerStats:
        """The inner sampler's, with virtual seconds."""
        return self.inner.stats

    @property
    def identity(self) -> dict[str, Any]:
        """Waiting changes no completion."""
        return self.inner.identity

    @property
    def determinism(self) -> Determinism:
        """As the inner sampler's."""
        return self.inner.determinism

    def sample(self, requests: Sequence[Request], *, skip: Skip = ()) -> Iterator[Completion]:
        """Yield in the order of submission, one in flight at a time."""
        for completion in self.inner.sample(requests, skip=skip):
            self.stats.seconds += self._delay_s(completion)
            yield completion

    async def as_completed(
        self, requests: Sequence[Request], *, skip: Skip = (), concurrency: int = 16
    ) -> AsyncIterator[tuple[int, Completion]]:
        """Yield ``(submission number, completion)`` in the order of completion, with so many in flight.

        The next one is submitted the moment one completes, so that the order is that of a real server with as many
        slots. Completions at the same moment come in the order of submission.
        """
        if concurrency < 1:
            raise ConfigError(f"concurrency={concurrency}", remedy="At least one sample must be in flight.")
        waiting = enumerate(self.inner.sample(requests, skip=skip))
        flying: list[tuple[float, int, Completion]] = []
        now_s = 0.0
        for number, completion in itertools.islice(waiting, concurrency):
            heapq.heappush(flying, (self._delay_s(completion), number, completion))
        while flying:
            end_s, number, completion = heapq.heappop(flying)
            await asyncio.sleep((end_s - now_s) * self.scale)
            self.stats.seconds += end_s - now_s
            now_s = end_s
            for following, submitted in itertools.islice(waiting, 1):
                heapq.heappush(flying, (now_s + self._delay_s(submitted), following, submitted))
            yield number, completion


def check_law(probs: Law) -> FloatArray:
    """The probabilities as an array of shape ``(K,)`` that sums to 1.

    Raises:
        ConfigError: Empty, negative, not finite, or a sum further than 1e-9 from 1.
    """
    law = np.asarray(probs, dtype=np.float64)
    if law.ndim != 1 or not law.size or not np.isfinite(law).all() or (law < 0).any() or abs(law.sum() - 1) > 1e-9:
        raise ConfigError(
            f"{law.tolist()!s:.200} is not a law",
            place="simulated sampler",
            remedy="Give one non-negative probability per answer; they must sum to 1.",
        )
    return law


def _steps(law: FloatArray) -> FloatArray:
    steps = np.cumsum(law)
    # What rounding leaves at the end must not fall to an answer of probability 0.
    return steps / steps[-1]


def _chance(name: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise ConfigError(f"{name}={value} is not a chance", place=name, remedy="It must be within [0, 1].")
    return float(value)
