"""An LLM judge over any `Sampler`: a grade for each reply by itself.

    score = mean over the readable ones of m verdicts of (grade - 1) / 9,    grade in 1..10

Requests are named by a hash of their text, so that a cache or a continued run finds them again, and equal requests are
made once. A verdict that cannot be read is left out of the mean and counted; an item without any readable verdict has
NaN, never a middling or a low grade that would be mistaken for an opinion.
"""

# pyright: strict
from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from reasonry.core.environment import Determinism
from reasonry.core.messages import user
from reasonry.core.sampling.base import Completion, Request, Sampler
from reasonry.core.scoring import judge_prompts as prompts
from reasonry.core.scoring.base import FloatArray, Item, ScorerStats, content_key, distinct
from reasonry.core.scoring.verdicts import HIGHEST, LOWEST, ReadVerdict, read_grade
from reasonry.errors import ConfigError, DataError


@dataclass
class JudgeStats(ScorerStats):
    """What judging did so far.

    Attributes:
        num_verdicts: Texts that the judge wrote.
        num_uncoded: Verdicts that were read although they lack the code (see `verdicts`).
        unreadable: Reason -> texts without a readable verdict.
    """

    num_verdicts: int = 0
    num_uncoded: int = 0
    unreadable: Counter[str] = field(default_factory=Counter[str])


class Grades(NamedTuple):
    """Result of `Judge.grade` for N items.

    Attributes:
        scores: Shape (N,), in [0, 1]; NaN where no verdict could be read.
        num_read: Shape (N,), int64: verdicts that the score is the mean of.
        texts: What the judge wrote, for each item and sample.
    """

    scores: FloatArray
    num_read: np.ndarray[Any, np.dtype[np.int64]]
    texts: list[tuple[str, ...]]


class Reader(Protocol):
    """Reads a verdict out of a judge's text: `read_grade` or `read_pick`."""

    def __call__(
        self, text: str, *, code: str, judged: Sequence[str], cut_off: bool = False, require_code: bool = False
    ) -> ReadVerdict:
        """The verdict, or why there is none."""
        ...


class Judging:
    """What the judges share: asking each request once, and counting what came back."""

    def __init__(self, sampler: Sampler, *, num_samples: int, criteria: str, require_code: bool) -> None:
        if num_samples < 1:
            raise ConfigError(f"num_samples={num_samples} verdicts cannot be averaged", remedy="Use 1 or more.")
        self.sampler = sampler
        self.stats = JudgeStats()
        self._num_samples = num_samples
        self._criteria = criteria
        self._require_code = require_code

    @property
    def determinism(self) -> Determinism:
        """The sampler's."""
        return self.sampler.determinism

    def describe(self, kind: str, **more: Any) -> dict[str, Any]:
        """What decides a verdict besides the judged texts."""
        return {
            "scorer": kind,
            "prompt": prompts.VERSION,
            "criteria": self._criteria,
            "require_code": self._require_code,
            **more,
            "sampler": self.sampler.identity,
        }

    def ask(self, asked: Sequence[prompts.JudgePrompt]) -> list[list[Completion]]:
        """The completions for each prompt, in order of sample index; equal prompts are asked once.

        Raises:
            DataError: The sampler left out a sample.
        """
        ids = ["judge-" + content_key(prompt.text) for prompt in asked]
        texts = dict(zip(ids, (prompt.text for prompt in asked), strict=True))
        requests = [Request(id_, (user(text),), range(self._num_samples)) for id_, text in texts.items()]
        found: dict[str, dict[int, Completion]] = {id_: {} for id_ in texts}
        for completion in self.sampler.sample(requests) if requests else ():
            if completion.id in found:
                found[completion.id][completion.index] = completion
        for id_, by_index in found.items():
            if by_index.keys() != set(range(self._num_samples)):
                raise DataError(
                    f"the judge's sampler gave samples {sorted(by_index)} of {self._num_samples} for {id_}",
                    remedy="A sampler yields one completion for each index asked for.",
                )
        return [[found[id_][i] for i in range(self._num_samples)] for id_ in ids]

    def read(self, completion: Completion, prompt: prompts.JudgePrompt, reader: Reader) -> ReadVerdict | str:
        """The verdict, or why there is none."""
        if completion.finish in ("error", "content_filter"):
            return "the judge failed" if completion.finish == "error" else "the judge was filtered"
        verdict = reader(
            completion.text,
            code=prompt.code,
            judged=prompt.judged,
            cut_off=completion.finish == "length",
            require_code=self._require_code,
        )
        return verdict if verdict.value is not None else verdict.problem

    def count(self, verdicts: Sequence[ReadVerdict | str]) -> None:
        """Add what came back to ``stats``."""
        self.stats.num_verdicts += len(verdicts)
        for verdict in verdicts:
            if isinstance(verdict, str):
                self.stats.unreadable[verdict] += 1
            elif not verdict.is_coded:
                self.stats.num_uncoded += 1


class Judge(Judging):
    """A `Scorer`: an LLM grades each reply by itself, from 1 to 10, scaled to [0, 1].

    Args:
        sampler: Any sampler; its settings decide how much the judge may write.
        num_samples: Verdicts for each item, averaged. More than one needs a temperature above 0.
        criteria: What a reply is judged by; completes "Judge the reply by ...".
        require_code: Count only verdicts that repeat the code of the prompt. Safest against replies that are optimised
            against the judge, if the judge reliably repeats the code (see ``stats.num_uncoded``).
        name: For tables.

    Raises:
        ConfigError: ``num_samples`` below 1.
    """

    def __init__(
        self,
        sampler: Sampler,
        *,
        num_samples: int = 1,
        criteria: str = prompts.CRITERIA,
        require_code: bool = False,
        name: str = "judge",
    ) -> None:
        super().__init__(sampler, num_samples=num_samples, criteria=criteria, require_code=require_code)
        self.name = name

    @property
    def identity(self) -> dict[str, Any]:
        """Sampler, wording and number of verdicts."""
        return self.describe("judge", num_samples=self._num_samples)

    def score(self, items: Sequence[Item]) -> FloatArray:
        """Shape ``(len(items),)``, in [0, 1]; NaN where no verdict could be read (counted)."""
        return self.grade(items).scores

    def grade(self, items: Sequence[Item]) -> Grades:
        """The scores with what they rest on.

        Raises:
            DataError: The sampler left out a sample.
            EndpointError: From the sampler.
        """
        start_s = time.perf_counter()
        kept, where = distinct(items)
        asked = [prompts.score_prompt(x.messages, x.reply, criteria=self._criteria) for x in kept]
        scores = np.full(len(kept), np.nan)
        num_read = np.zeros(len(kept), dtype=np.int64)
        texts: list[tuple[str, ...]] = []
        why: list[str] = []
        for i, (prompt, completions) in enumerate(zip(asked, self.ask(asked), strict=True)):
            verdicts = [self.read(c, prompt, read_grade) for c in completions]
            self.count(verdicts)
            grades = [v.value for v in verdicts if isinstance(v, ReadVerdict) and v.value is not None]
            num_read[i] = len(grades)
            if grades:
                scores[i] = (float(np.mean(grades)) - LOWEST) / (HIGHEST - LOWEST)
            problems = Counter(v for v in verdicts if isinstance(v, str))
            why.append(problems.most_common(1)[0][0] if problems else "")
            texts.append(tuple(c.text for c in completions))
        for at in map(int, where):
            self.stats.num_items += 1
            if asked[at].num_broken:
                self.stats.warned["chat-control words in a judged text"] += 1
            if num_read[at] == 0:
                self.stats.unscored[why[at]] += 1
            elif num_read[at] < self._num_samples:
                self.stats.warned["some of its verdicts unreadable"] += 1
        self.stats.seconds += time.perf_counter() - start_s
        return Grades(scores[where], num_read[where], [texts[at] for at in where])
