"""From a model's name and settings to a scorer: its weights, or the best that an endpoint allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import httpx

from reasonry.core.candidates.base import CandidateQuestion, CandidateScorer, CandidateScores
from reasonry.core.candidates.completions import CompletionsScorer
from reasonry.core.candidates.config import CandidateConfig
from reasonry.core.candidates.letters import LettersScorer
from reasonry.core.candidates.sampled import SampledScorer
from reasonry.core.models import ModelConfig
from reasonry.core.sampling.config import EndpointConfig
from reasonry.errors import ConfigError, EndpointError

EndpointScorer = CompletionsScorer | LettersScorer | SampledScorer
_SELF_TEST_RETRIES = 1  # some servers answer what they do not support with an internal error


def open_scorer(
    model: str,
    config: CandidateConfig | None = None,
    *,
    endpoint: EndpointConfig | None = None,
    options: ModelConfig | None = None,
    seed: int = 0,
    transport: httpx.AsyncBaseTransport | None = None,
) -> CandidateScorer:
    """The scorer that a model name and an endpoint ask for. An endpoint is tested here.

    Args:
        model: With an endpoint the server's model name, otherwise a hub id, local path or packaged alias.
        config: How candidates are scored.
        endpoint: Used when its ``base_url`` is set.
        options: How a local model is loaded.
        seed: Root of the seeds of drawn answers.
        transport: httpx transport, for tests.

    Raises:
        ConfigError: The way does not fit the model; or an unknown model.
        EndpointError: The endpoint fails the test of the way asked for, or cannot be reached.
        MissingDependencyError: torch or transformers is not installed.
    """
    config = config or CandidateConfig()
    if endpoint is None or not endpoint.base_url:
        if config.way not in ("auto", "weights"):
            raise ConfigError(
                f"way = {config.way} needs an endpoint",
                place="way",
                remedy="Give --endpoint.base-url, or use way = auto to score with the model's weights.",
            )
        from reasonry.core.candidates.hf import WeightsScorer
        from reasonry.core.models import load_causal_lm

        return WeightsScorer(load_causal_lm(model, options), config)
    if config.way == "weights":
        raise ConfigError(
            "way = weights, and an endpoint",
            place="way",
            remedy="Leave out the endpoint's address, or use another way.",
        )
    make: dict[str, Callable[[EndpointConfig], EndpointScorer]] = {
        "completions": lambda e: CompletionsScorer(model, config, endpoint=e, transport=transport),
        "letters": lambda e: LettersScorer(model, config, endpoint=e, transport=transport),
        "sampled": lambda e: SampledScorer(model, config, endpoint=e, seed=seed, transport=transport),
    }
    if config.way != "auto":
        chosen = make[config.way](endpoint)
        chosen.open()
        return chosen
    refused: dict[str, str] = {}
    impatient = endpoint.model_copy(update={"retries": min(endpoint.retries, _SELF_TEST_RETRIES)})
    for way in ("completions", "letters"):
        if way == "completions" and config.prompt_as == "chat":
            refused[way] = "it continues plain text, and prompts shall be put in a chat"
            continue
        try:
            make[way](impatient).open()
        except EndpointError as e:
            if not _is_refusal(e):
                raise
            refused[way] = e.problem
            continue
        found = make[way](endpoint)
        found.open()
        return _Chosen(found, refused)
    return _Chosen(make["sampled"](endpoint), refused)


def _is_refusal(error: EndpointError) -> bool:
    """Another way may still work: it is not that nobody is there, or that the key is wrong."""
    if "HTTP 401" in error.problem or "HTTP 403" in error.problem:
        return False
    return "HTTP" in error.problem or "cannot score" in error.problem


class _Chosen:
    """A scorer that was chosen among several; it says which ways were tried before, and why they were refused."""

    def __init__(self, inner: EndpointScorer, refused: dict[str, str]) -> None:
        self._inner = inner
        self._refused = refused

    @property
    def identity(self) -> dict[str, Any]:
        return self._inner.identity

    def describe(self) -> dict[str, Any]:
        return {**self._inner.describe(), "ways_refused": self._refused}

    def score(self, questions: Sequence[CandidateQuestion]) -> list[CandidateScores]:
        return self._inner.score(questions)


class LazyScorer:
    """Stands for the scorer that ``make`` returns, made when the first question is scored."""

    def __init__(self, make: Callable[[], CandidateScorer]) -> None:
        self._make = make
        self._inner: CandidateScorer | None = None

    @property
    def inner(self) -> CandidateScorer:
        """The scorer itself."""
        if self._inner is None:
            self._inner = self._make()
        return self._inner

    @property
    def identity(self) -> dict[str, Any]:
        """The inner scorer's; makes it."""
        return self.inner.identity

    def describe(self) -> dict[str, Any]:
        """The inner scorer's; empty when nobody needed it."""
        return self._inner.describe() if self._inner is not None else {}

    def score(self, questions: Sequence[CandidateQuestion]) -> list[CandidateScores]:
        """The inner scorer's scores."""
        return self.inner.score(questions)
