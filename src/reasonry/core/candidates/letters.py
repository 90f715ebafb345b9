"""Scores from a chat endpoint that tells the most probable first tokens: the candidates as options with letters.

    P_r(j)  = probability of the letter of candidate j in order r, over all candidates' letters
    score_j = mean over r of log P_r(j), then normalised so that exponentials add up to 1

Order r moves every option r places on, so with as many orders as options each candidate stands in every place once, and
a factor that a model gives to a letter or a place alone cancels. A letter beyond the tokens that the server tells has
at most the smallest probability told: it gets that, or an equal share of what is left, whichever is less.

What a chat model chooses when it is shown the options is not how probable it finds them by itself: these scores can be
compared with each other, not with log-probabilities of text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import httpx

from reasonry.core.candidates.base import CandidateQuestion, CandidateScores, check_questions, check_scores
from reasonry.core.candidates.config import CandidateConfig
from reasonry.core.candidates.endpoint_answers import EndpointAnswers, Question
from reasonry.core.sampling.config import EndpointConfig, SamplingConfig
from reasonry.errors import DataError, EndpointError

LETTERS = "ABCDEFGHIJKLMNOPQRST"
NUM_TOP = 20  # the most that the interface allows
FIELDS: dict[str, Any] = {"logprobs": True, "top_logprobs": NUM_TOP, "max_tokens": 1, "temperature": 0.0}
INSTRUCTION = "Choose the option that completes the text. Answer with its letter only."
REMEDY = "Use way = sampled, a server that gives top_logprobs in chats, or the model's weights."
_MOST_MASS = 1.02
_LEAST_LOGP = -100.0  # a letter without any probability left


class LettersFault(ValueError):
    """An answer without the probabilities of first tokens."""


class LetterShares(NamedTuple):
    """One order's answer.

    Attributes:
        logp: Of each place's letter, nats, not normalised.
        other: Probability that is on no letter.
        num_missing: Letters that the server did not tell.
    """

    logp: tuple[float, ...]
    other: float
    num_missing: int


class LettersScorer:
    """A ``CandidateScorer`` over ``/chat/completions`` with ``top_logprobs``.

    Args:
        model: Model name the server knows.
        config: How many orders.
        endpoint: Where, and how patiently.
        transport: httpx transport, for tests.
    """

    def __init__(
        self,
        model: str,
        config: CandidateConfig,
        *,
        endpoint: EndpointConfig,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.config = config
        rule = SamplingConfig(temperature=0.0, max_new_tokens=1)
        self._answers = EndpointAnswers(model, rule, endpoint=endpoint, fields=FIELDS, transport=transport)
        self._place = f"{endpoint.base_url.rstrip('/')}/chat/completions"
        self._num = {"questions": 0, "letters_missing": 0}
        self._is_tested = False

    @property
    def identity(self) -> dict[str, Any]:
        """Model, address, orders and wording; no key."""
        where = {"model": self._answers.model, "base_url": self._answers.endpoint.base_url}
        how = {"num_rotations": self.config.num_rotations, "ending": self.config.ending, "instruction": INSTRUCTION}
        return {"scorer": "letters", **where, **how}

    def describe(self) -> dict[str, Any]:
        """``identity``, and counts so far."""
        return {
            **self.identity,
            "kind": "letters",
            **{f"num_{name}": num for name, num in self._num.items()},
            "num_requests": self._answers.stats.num_completions,
            "num_retries": self._answers.stats.num_retries,
        }

    def open(self) -> None:
        """Ask one question whose answer is plain to see, once.

        Raises:
            EndpointError: The server gives no probabilities, or makes them up.
        """
        if self._is_tested:
            return
        options = ("three", "zebra")
        asked = [letters_prompt("one, two,", rotated(options, by)) for by in range(2)]
        try:
            found = [read_letters(raw, 2) for raw in self._ask(asked)]
        except LettersFault as e:
            raise EndpointError(f"the endpoint cannot score letters: {e}", place=self._place, remedy=REMEDY) from None
        if all(f.num_missing == 2 for f in found):
            raise EndpointError(
                "the endpoint cannot score letters: no letter is among the model's most probable answers",
                place=self._place,
                remedy=REMEDY,
            )
        if found[0] == found[1] and len(set(found[0].logp)) == 1:
            raise EndpointError(
                "the endpoint cannot score letters: all letters have the same probability",
                place=self._place,
                remedy=REMEDY,
            )
        self._is_tested = True

    def score(self, questions: Sequence[CandidateQuestion]) -> list[CandidateScores]:
        """Scores of the letters, in the order of the questions.

        Raises:
            DataError: A question that cannot be asked, or more options than letters.
            EndpointError: The server gives no probabilities, refused a request, or kept failing.
        """
        check_questions(questions)
        for number, question in enumerate(questions, 1):
            if len(question.candidates) > len(LETTERS):
                raise DataError(
                    f"{len(question.candidates)} candidates, and a server tells {NUM_TOP} letters at most",
                    place=f"question {number} ({question.prompt[-60:]!r})",
                    remedy="Give fewer candidates, or use way = sampled or the model's weights.",
                )
        self.open()
        texts = [
            letters_prompt(q.prompt, rotated(self._options(q), by)) for q in questions for by in range(self._orders(q))
        ]
        raws = iter(self._ask(texts))
        scores: list[CandidateScores] = []
        for question in questions:
            num = len(question.candidates)
            try:
                found = [read_letters(next(raws), num) for _ in range(self._orders(question))]
            except LettersFault as e:
                raise EndpointError(
                    f"the endpoint gave letters' probabilities, and now: {e}", place=self._place, remedy=REMEDY
                ) from None
            self._num["letters_missing"] += sum(f.num_missing for f in found)
            logp = combined([f.logp for f in found])
            other = sum(f.other for f in found) / len(found)
            scores.append(CandidateScores(logp, logp, None, False, "letters", other=other))
        check_scores(scores, questions, name=self._answers.model)
        self._num["questions"] += len(questions)
        return scores

    def _options(self, question: CandidateQuestion) -> tuple[str, ...]:
        return tuple((c + self.config.ending).strip() for c in question.candidates)

    def _orders(self, question: CandidateQuestion) -> int:
        num = len(question.candidates)
        return min(self.config.num_rotations or num, num)

    def _ask(self, texts: Sequence[str]) -> list[Any]:
        found: list[Any] = []
        for answer in self._answers.ask([Question(text, is_chat=True) for text in texts]):
            if answer.raw is None:
                raise EndpointError(
                    f"the endpoint refuses a question: {answer.completion.reason}", place=self._place, remedy=REMEDY
                )
            found.append(answer.raw)
        return found


def letters_prompt(prompt: str, options: Sequence[str]) -> str:
    """The user's turn: instruction, text, one option a line."""
    lines = [f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False)]
    return "\n".join([INSTRUCTION, "", f"Text: {prompt.rstrip()} ...", "", *lines])


def rotated(options: Sequence[str], by: int) -> tuple[str, ...]:
    """The options, each ``by`` places further; the last ones come first."""
    num = len(options)
    return tuple(options[(place - by) % num] for place in range(num))


def combined(logps: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Scores of the candidates from those of the places in order 0, 1, ...

    Args:
        logps: ``logps[r][place]``; candidate j stands at place (j + r) mod C.

    Returns:
        Mean over the orders of the normalised log-probabilities, normalised; C numbers.
    """
    num = len(logps[0])
    normal = [[p - _log_sum(row) for p in row] for row in logps]
    mean = [math.fsum(row[(j + r) % num] for r, row in enumerate(normal)) / len(normal) for j in range(num)]
    return tuple(m - _log_sum(mean) for m in mean)


def read_letters(answer: Any, num: int) -> LetterShares:
    """The first ``num`` letters' log-probabilities from the first token of a chat completion.

    Raises:
        LettersFault: There are none, or they add up to more than 1.
    """
    try:
        rows: Any = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        told = [(str(row["token"]), float(row["logprob"])) for row in rows]
    except (LookupError, TypeError, ValueError, AttributeError):
        raise LettersFault("it gives no top_logprobs of the first token") from None
    if not told or any(math.isnan(p) or p > 0.01 for _, p in told):
        raise LettersFault("its top_logprobs are no log-probabilities")
    mass = math.fsum(math.exp(p) for _, p in told)
    if mass > _MOST_MASS:
        raise LettersFault(f"the probabilities of the first tokens add up to {mass:.2f}")
    by_letter = _by_letter(told, LETTERS[:num])
    missing = num - len(by_letter)
    left = max(0.0, 1 - mass)
    least = min(p for _, p in told)
    floor = max(min(least, math.log(left / missing)) if missing and left > 0 else _LEAST_LOGP, _LEAST_LOGP)
    logp = tuple(by_letter.get(letter, floor) for letter in LETTERS[:num])
    return LetterShares(logp, max(0.0, 1 - math.fsum(map(math.exp, logp))), missing)


def _by_letter(told: Sequence[tuple[str, float]], letters: str) -> Mapping[str, float]:
    """Log-probability of each letter that is told, in all its spellings (with a space in front, in brackets)."""
    mass: dict[str, float] = {}
    for token, logp in told:
        letter = token.strip().strip("().:*").upper()
        if len(letter) == 1 and letter in letters:
            mass[letter] = mass.get(letter, 0.0) + math.exp(max(logp, _LEAST_LOGP))
    return {letter: math.log(p) for letter, p in mass.items()}


def _log_sum(logps: Sequence[float]) -> float:
    most = max(logps)
    return most + math.log(math.fsum(math.exp(p - most) for p in logps))
