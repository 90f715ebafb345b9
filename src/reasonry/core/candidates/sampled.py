"""Scores from answers that are drawn and matched as text: all that an endpoint without log-probabilities allows.

    n_j     = answers, of k drawn, in which candidate j is the first candidate mentioned
    score_j = log((n_j + 1/2) / (k + (C + 1)/2))        the further category is "none of them"

The half is Jeffreys' prior: a candidate that was never drawn has a finite score, and equal counts tie. Ranks among rare
candidates are ties unless many answers are drawn.

Mentions are words, case and white space aside; of candidates that begin at the same place the longest counts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import httpx

from reasonry.core.candidates.base import CandidateQuestion, CandidateScores, check_questions
from reasonry.core.candidates.config import CandidateConfig
from reasonry.core.candidates.endpoint_answers import EndpointAnswers, Question
from reasonry.core.sampling.config import EndpointConfig, SamplingConfig
from reasonry.errors import EndpointError

INSTRUCTION = "Complete the text with one or a few words. Answer with these words only."


class SampledScorer:
    """A ``CandidateScorer`` over any endpoint.

    Args:
        model: Model name the server knows.
        config: How many answers, how they are drawn, and how the prompt is put.
        endpoint: Where, and how patiently.
        seed: Root of the samples' seeds.
        transport: httpx transport, for tests.
    """

    def __init__(
        self,
        model: str,
        config: CandidateConfig,
        *,
        endpoint: EndpointConfig,
        seed: int = 0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.config = config
        rule = SamplingConfig(temperature=config.temperature, max_new_tokens=config.max_answer_tok)
        self._answers = EndpointAnswers(model, rule, endpoint=endpoint, seed=seed, transport=transport)
        self._num = {"questions": 0, "answers": 0, "answers_without_candidate": 0}

    @property
    def identity(self) -> dict[str, Any]:
        """Model, address, drawing rule, seed and wording; no key."""
        names = ("num_samples", "temperature", "max_answer_tok", "prompt_as")
        how = {name: getattr(self.config, name) for name in names}
        about = self._answers.identity
        where = {"model": about["model"], "base_url": about["base_url"], "seed": about["seed"]}
        wording = {"instruction": INSTRUCTION} if self.config.prompt_as == "chat" else {}
        return {"scorer": "sampled", **where, **how, **wording}

    def describe(self) -> dict[str, Any]:
        """``identity``, and counts so far."""
        return {
            **self.identity,
            "kind": "sampled",
            **{f"num_{name}": num for name, num in self._num.items()},
            "num_retries": self._answers.stats.num_retries,
        }

    def open(self) -> None:
        """Nothing to test."""

    def score(self, questions: Sequence[CandidateQuestion]) -> list[CandidateScores]:
        """Scores from drawn answers, in the order of the questions.

        Raises:
            DataError: A question that cannot be asked.
            EndpointError: The server refused a request, or kept failing.
        """
        check_questions(questions)
        is_chat = self.config.prompt_as == "chat"
        asked = [
            Question(f"{INSTRUCTION}\n\n{q.prompt}" if is_chat else q.prompt, is_chat, index)
            for q in questions
            for index in range(self.config.num_samples)
        ]
        answers = self._answers.ask(asked)
        scores: list[CandidateScores] = []
        for question in questions:
            counts = [0] * (len(question.candidates) + 1)  # the last: none of them
            for _ in range(self.config.num_samples):
                completion = next(answers).completion
                if completion.finish == "error":
                    raise EndpointError(
                        f"the endpoint refuses a question: {completion.reason}",
                        place=self._answers.endpoint.base_url,
                        remedy="Is it too long for the model? Put it in fewer words.",
                    )
                counts[first_mentioned(completion.text, question.candidates)] += 1
            scores.append(scores_of(counts[:-1], counts[-1]))
            self._num["answers_without_candidate"] += counts[-1]
        self._num["questions"] += len(questions)
        self._num["answers"] += len(asked)
        return scores


def first_mentioned(text: str, candidates: Sequence[str]) -> int:
    """Index of the first candidate mentioned in a text, -1 for none."""
    flat = " ".join(text.casefold().split())
    best: tuple[int, int, int] | None = None
    for index, candidate in enumerate(candidates):
        words = re.escape(" ".join(candidate.casefold().split()))
        # Not within another word; a candidate may itself begin or end with a sign, such as C++.
        found = re.search(rf"(?<!\w){words}(?!\w)", flat)
        if found and (best is None or (found.start(), -len(words)) < best[:2]):
            best = (found.start(), -len(words), index)
    return -1 if best is None else best[2]


def scores_of(counts: Sequence[int], num_other: int) -> CandidateScores:
    """Scores from how often each candidate was the answer.

    Args:
        counts: For each candidate.
        num_other: Answers that were none of them.
    """
    num = sum(counts) + num_other
    logp = tuple(math.log((n + 0.5) / (num + (len(counts) + 1) / 2)) for n in counts)
    return CandidateScores(logp, logp, None, False, "sampled", other=num_other / num if num else None)
