"""From a verifier's verdict to a reward in [0, 1] and to the turn that the next attempt is shown.

Three kinds of verifier, told apart in every row by the judge's label:

    oracle:NAME     a `Verifier`, which compares with the oracle answer: reward 1 or 0. It measures what a perfect
                    verifier would buy; nobody has it in production
    scorer:NAME     a `Scorer` (reward model, judge): its score, through a sigmoid when it does not lie in [0, 1]
    function:NAME   any function (problem, text) -> reward, or (reward, critique)

A critique that contains the reference answer has told it: what follows is copying, not correction. That is logged as a
leak, by the answer's canonical form as a whole number or word, so that 12 is not found in 120.
"""

# pyright: strict
from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, cast

from reasonry.core.messages import Message
from reasonry.core.task import Problem
from reasonry.core.verify.base import Verifier
from reasonry.core.verify.number import canonical_number, find_number
from reasonry.errors import ConfigError, DataError
from reasonry.test_time.self_correction.base import check_reward

if TYPE_CHECKING:
    from reasonry.core.scoring.base import Scorer

Feedback = Literal["scalar", "text", "none"]
Scale = Literal["none", "sigmoid"]
Judged = Callable[[Problem, str], "float | tuple[float, str]"]

_NUMBER = re.compile(r"(?:(?<![\w.)\]])[-+\u2212])?(?<![\w.])[$]?\d[\d,]*(?:\.\d+)?(?:/\d+)?")


class Case(NamedTuple):
    """One reply to judge.

    Attributes:
        problem: What was asked, with its reference answer.
        messages: The request's own messages, without earlier attempts.
        text: The reply.
        cut_off: The reply hit the token limit.
    """

    problem: Problem
    messages: tuple[Message, ...]
    text: str
    cut_off: bool


class Verdict(NamedTuple):
    """What a judge says.

    Attributes:
        reward: In [0, 1]; None when it could not score the reply.
        critique: In words; empty when it has none.
        answer: Canonical form of the answer that was read, None when none was, or nobody reads.
    """

    reward: float | None
    critique: str
    answer: str | None


class Judge(Protocol):
    """A verifier of any kind, in batches."""

    label: str

    def judge(self, cases: Sequence[Case]) -> list[Verdict]:
        """One verdict per case."""
        ...


class OracleJudge:
    """Reward 1 for what the verifier calls right, else 0; the critique names the answer that was read."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier
        self.label = f"oracle:{verifier.name}"

    def judge(self, cases: Sequence[Case]) -> list[Verdict]:
        """Grade one by one."""
        out: list[Verdict] = []
        for case in cases:
            graded = self._verifier.grade(case.text, case.problem, cut_off=case.cut_off)
            found = graded.answer
            # The grader's own reason may quote the oracle answer.
            none = "It was cut off before an answer." if case.cut_off else "No answer was found in it."
            said = f"The answer that was read is {found}." if found else none
            out.append(Verdict(1.0 if graded.is_right else 0.0, said, found))
        return out


class FunctionJudge:
    """A function of (problem, text). None and NaN say that it could not score; what it raises is not caught."""

    def __init__(self, function: Judged, *, reader: Verifier | None) -> None:
        self._function = function
        self._reader = reader
        self.label = f"function:{getattr(function, '__name__', type(function).__name__)}"

    def judge(self, cases: Sequence[Case]) -> list[Verdict]:
        """Call one by one.

        Raises:
            DataError: A reward that is no number in [0, 1].
        """
        out: list[Verdict] = []
        for case in cases:
            said: Any = self._function(case.problem, case.text)
            reward, critique = cast("tuple[Any, Any]", said) if isinstance(said, tuple) else (said, "")
            try:
                if isinstance(reward, str | bytes):  # float() would read "1"
                    raise TypeError("text")
                number = math.nan if reward is None else float(reward)
            except (TypeError, ValueError) as e:
                raise DataError(f"the verifier said {said!r:.80}", place=self._place(case), remedy=_RETURNS) from e
            if not math.isnan(number):
                check_reward(number, place=self._place(case))
            out.append(Verdict(None if math.isnan(number) else number, str(critique), _read(self._reader, case)))
        return out

    def _place(self, case: Case) -> str:
        return f"verifier {self.label!r}, problem {case.problem.id!r}"


_RETURNS = "Return a reward in [0, 1], or a pair of it and a critique."


class ScorerJudge:
    """A scorer, all replies at once. NaN says that it could not score."""

    def __init__(self, scorer: Scorer, *, scale: Scale, reader: Verifier | None) -> None:
        self._scorer = scorer
        self._scale = scale
        self._reader = reader
        self.label = f"scorer:{scorer.name}" + (":sigmoid" if scale == "sigmoid" else "")

    def judge(self, cases: Sequence[Case]) -> list[Verdict]:
        """Score all.

        Raises:
            DataError: A score outside [0, 1] without a sigmoid.
        """
        from reasonry.core.scoring.base import Item

        out: list[Verdict] = []
        if not cases:
            return out
        scores = self._scorer.score([Item(case.messages, case.text) for case in cases]).tolist()
        for case, score in zip(cases, scores, strict=True):
            if math.isnan(score):
                out.append(Verdict(None, "", _read(self._reader, case)))
                continue
            reward = sigmoid(score) if self._scale == "sigmoid" else score
            if not 0 <= reward <= 1:
                raise DataError(
                    f"the score {score} is not in [0, 1]",
                    place=f"verifier {self.label!r}, problem {case.problem.id!r}",
                    remedy='Pass scale="sigmoid" for a reward model whose scores are log-odds.',
                )
            out.append(Verdict(reward, "", _read(self._reader, case)))
        return out


def make_judge(verifier: Verifier | Scorer | Judged, *, scale: Scale = "none", reader: Verifier | None = None) -> Judge:
    """The judge for any kind of verifier.

    Args:
        verifier: A `Verifier`, a `Scorer`, or a function (problem, text) -> reward or (reward, critique).
        scale: ``sigmoid`` maps the scores of a scorer to [0, 1].
        reader: Reads the answer from a reply where the verifier itself does not.

    Raises:
        ConfigError: None of the three, or a scale that has nothing to do.
    """
    if hasattr(verifier, "score"):
        return ScorerJudge(cast("Scorer", verifier), scale=scale, reader=reader)
    if scale != "none":
        raise ConfigError(f"scale={scale!r} is for scorers", place="scale", remedy="Leave it out.")
    if isinstance(verifier, Verifier):
        return OracleJudge(verifier)
    if callable(verifier):
        return FunctionJudge(verifier, reader=reader)
    raise ConfigError(
        f"{verifier!r:.80} is no verifier",
        place="verifier",
        remedy="Give a Verifier, a Scorer or a function (problem, text) -> reward.",
    )


def _read(reader: Verifier | None, case: Case) -> str | None:
    return reader.extract(case.text, cut_off=case.cut_off) if reader else None


def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)), without overflow."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


# ---------------------------------------------------------------- what the next attempt is shown


def feedback_turn(verdict: Verdict, mode: Feedback) -> str:
    """The user's turn after an attempt; empty for ``none``."""
    if mode == "none":
        return ""
    if verdict.reward is None:
        said = "Your answer could not be checked."
    elif verdict.reward in (0, 1):
        said = f"Your answer was checked, and it is {'right' if verdict.reward else 'not right'}."
    else:
        said = f"Your answer was checked and scores {verdict.reward:.3g} on a scale from 0 to 1."
    critique = verdict.critique.strip() if mode == "text" else ""
    then = "Give it again." if verdict.reward == 1 else "Find the mistake and solve the problem again."
    return f"{said}\n\n{critique}\n\n{then}" if critique else f"{said} {then}"


def leaks(critique: str, problem: Problem) -> bool:
    """True when a critique contains the reference answer as a whole number or word.

    A number counts in any way of writing it (``1,000.0`` for 1000), but not as a part of another one. A number that
    stands in the question too is found as well: the flag asks for a look, it proves nothing.
    """
    answer = problem.answer.strip()
    if not critique or not answer:
        return False
    # The line break says that a marked number at the very end is whole, not cut off.
    number = canonical_number(answer) or find_number(answer + "\n", only_marked=True)
    if number is not None:
        return any(found == number for found in _numbers(critique))
    words = re.escape(" ".join(answer.casefold().split()))
    return re.search(rf"(?<!\w){words}(?!\w)", " ".join(critique.casefold().split())) is not None


def _numbers(text: str) -> Iterator[str]:
    for token in _NUMBER.findall(text):
        whole = canonical_number(token.rstrip(","))
        if whole is not None:
            yield whole
        else:  # a list such as "1,2,12"
            yield from filter(None, map(canonical_number, token.split(",")))
