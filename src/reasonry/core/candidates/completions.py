"""Scores from a completions endpoint that tells the log-probabilities of given text (``echo``); vLLM does.

The server tokenizes prompt + candidate itself. Where the candidate begins is found as `position` does it, from the
tokens that it lists for the prompt alone and for each whole text. Before anything is scored the server is tested
(`self_test`); one that leaves log-probabilities out or makes them up is refused, because its scores would be chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import httpx

from reasonry.core.candidates.base import CandidateQuestion, CandidateScores, check_questions, check_scores
from reasonry.core.candidates.config import CandidateConfig
from reasonry.core.candidates.echo import FIELDS, Echo, EchoFault, parse_echo
from reasonry.core.candidates.endpoint_answers import EndpointAnswers, Question
from reasonry.core.candidates.self_test import check_echo
from reasonry.core.sampling.config import EndpointConfig, SamplingConfig
from reasonry.errors import ConfigError, DataError, EndpointError

REMEDY = (
    "Score with the model's weights (a hub id or a folder, no endpoint), serve the model with vLLM, which gives "
    "log-probabilities of prompts, or set way = letters or way = sampled for scores of another kind."
)


class CompletionsScorer:
    """A ``CandidateScorer`` over ``/completions`` with ``echo`` and ``logprobs``.

    Args:
        model: Model name the server knows.
        config: What stands behind candidates.
        endpoint: Where, and how patiently.
        transport: httpx transport, for tests.

    Raises:
        ConfigError: A chat is wanted: the server's chat template is not known here.
    """

    def __init__(
        self,
        model: str,
        config: CandidateConfig,
        *,
        endpoint: EndpointConfig,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        if config.prompt_as == "chat":
            raise ConfigError(
                "a completions endpoint continues plain text and puts nothing into a chat template",
                place="prompt_as",
                remedy="Use prompt_as = text, the model's weights, or way = letters.",
            )
        self.config = config
        rule = SamplingConfig(temperature=0.0, max_new_tokens=1)
        self._answers = EndpointAnswers(model, rule, endpoint=endpoint, fields=FIELDS, transport=transport)
        self._place = f"{endpoint.base_url.rstrip('/')}/completions"
        self._num_hidden: int | None = None
        self._num = dict.fromkeys(("questions", "merged", "shared_first_token", "nested"), 0)

    @property
    def identity(self) -> dict[str, Any]:
        """Model, address and what stands behind candidates; no key."""
        where = {"model": self._answers.model, "base_url": self._answers.endpoint.base_url}
        return {"scorer": "completions", **where, "ending": self.config.ending}

    def describe(self) -> dict[str, Any]:
        """``identity``, whether the self-test was passed, and counts so far."""
        return {
            **self.identity,
            "kind": "sequence",
            "self_test": "not run yet" if self._num_hidden is None else "passed",
            **{f"num_{name}": num for name, num in self._num.items()},
            "num_requests": self._answers.stats.num_completions,
            "num_retries": self._answers.stats.num_retries,
        }

    def open(self) -> None:
        """Test the server, once.

        Raises:
            EndpointError: It cannot be used for this; says how that shows, and what to do.
        """
        if self._num_hidden is not None:
            return
        try:
            self._num_hidden = check_echo(self._ask)
        except EchoFault as e:
            raise EndpointError(
                f"the endpoint cannot score given text: {e}", place=self._place, remedy=REMEDY
            ) from None

    def score(self, questions: Sequence[CandidateQuestion]) -> list[CandidateScores]:
        """Log-probabilities of the candidates, in the order of the questions.

        Raises:
            DataError: A question that cannot be asked.
            EndpointError: The server fails the self-test, refused a text, or kept failing.
        """
        check_questions(questions)
        for number, question in enumerate(questions, 1):
            if not question.prompt.strip():
                raise DataError("the prompt is empty", place=f"question {number}", remedy="Give it some text.")
        self.open()
        texts = [q.prompt + tail for q in questions for tail in ("", *(c + self.config.ending for c in q.candidates))]
        try:
            answers = iter(self._ask(texts))
            echoes = iter([parse_echo(next(answers), text, num_hidden=self._num_hidden or 0) for text in texts])
        except EchoFault as e:
            raise EndpointError(f"the endpoint scored some texts, and now: {e}", place=self._place) from None
        scores: list[CandidateScores] = []
        for number, question in enumerate(questions, 1):
            prompt = next(echoes)
            rows = [next(echoes) for _ in question.candidates]
            scores.append(self._scores_of(prompt, rows, place=f"question {number} ({question.prompt[-60:]!r})"))
        check_scores(scores, questions, name=self._answers.model)
        self._num["questions"] += len(questions)
        return scores

    def _ask(self, texts: Sequence[str]) -> list[Any]:
        found: list[Any] = []
        for answer in self._answers.ask([Question(text) for text in texts]):
            if answer.raw is None:
                raise EchoFault(f"it refuses the request ({answer.completion.reason})")
            found.append(answer.raw)
        return found

    def _scores_of(self, prompt: Echo, rows: Sequence[Echo], *, place: str) -> CandidateScores:
        start = min(_common(prompt.tokens, row.tokens) for row in rows)
        tails = [row.tokens[start:] for row in rows]
        parts = [row.logp[start:] for row in rows]
        if any(not part or math.isnan(part[0]) for part in parts):
            raise DataError(
                "no token stands before a candidate, or it has none itself",
                place=place,
                remedy="Give the prompt some text that does not end in a space.",
            )
        logp = tuple(math.fsum(part) for part in parts)
        shared = len({tail[0] for tail in tails}) < len(tails)
        merged = start < len(prompt.tokens)
        nested = any(
            i != j and long[: len(short)] == short for i, short in enumerate(tails) for j, long in enumerate(tails)
        )
        self._num["merged"] += merged
        self._num["shared_first_token"] += shared
        self._num["nested"] += nested
        return CandidateScores(
            logp=logp,
            logp_per_tok=tuple(s / len(part) for s, part in zip(logp, parts, strict=True)),
            first_token=logp if shared else tuple(part[0] for part in parts),
            shared_first_token=shared,
            kind="sequence",
            num_tok=tuple(map(len, parts)),
            merged=merged,
            nested=nested,
        )


def _common(a: Sequence[str], b: Sequence[str]) -> int:
    most = min(len(a), len(b))
    return next((i for i in range(most) if a[i] != b[i]), most)
