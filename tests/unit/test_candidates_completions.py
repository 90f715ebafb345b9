"""Scores from a completions endpoint: equal to the model's own, and refused where log-probabilities are not real."""

import hashlib
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.candidate_fakes import ENDPOINT, URL, echoed, logp, text_logp, tokenize, transport

from reasonry.core.candidates import CandidateConfig, CandidateQuestion
from reasonry.core.candidates.completions import CompletionsScorer
from reasonry.core.sampling import EndpointConfig
from reasonry.errors import ConfigError, DataError, EndpointError

pytestmark = pytest.mark.usefixtures("no_thread_is_left")
CITIES = (" Paris", " Tokyo", " Johannesburg")
Server = Callable[[dict[str, Any]], Any]


def _scorer(server: Server | int, config: CandidateConfig | None = None, **endpoint: Any) -> CompletionsScorer:
    settings = EndpointConfig(**{**ENDPOINT.model_dump(), **endpoint})
    return CompletionsScorer("m", config or CandidateConfig(), endpoint=settings, transport=transport(server)[0])


# ---------------------------------------------------------------- an honest server


@pytest.mark.parametrize("how", [{}, {"bos": "<s>"}, {"bos": "<s>", "hidden": True}], ids=["plain", "bos", "hidden"])
def test_scores_are_sums_over_the_whole_candidate_given_the_prompt(how: dict[str, Any]) -> None:
    scorer = _scorer(lambda body: echoed(body, **how))
    questions = [CandidateQuestion("Alice lives in", CITIES), CandidateQuestion("Bob Stone lives in", CITIES[::-1])]
    for question, found in zip(questions, scorer.score(questions), strict=True):
        np.testing.assert_allclose(found.logp, [text_logp(question.prompt, c) for c in question.candidates])
        assert found.kind == "sequence"
        assert sorted(found.num_tok) == [1, 1, 2]
        assert found.first_token is not None
        before = tokenize(question.prompt)
        np.testing.assert_allclose(found.first_token, [logp(before, tokenize(c)[0]) for c in question.candidates])
        np.testing.assert_allclose(found.logp_per_tok, np.array(found.logp) / found.num_tok)
    told = scorer.describe()
    assert (told["self_test"], told["num_questions"], told["num_merged"]) == ("passed", 2, 0)
    assert told["num_requests"] > 8


def test_the_server_is_asked_to_repeat_the_text_and_to_draw_one_token() -> None:
    server, seen = transport(echoed)
    scorer = CompletionsScorer("m", CandidateConfig(ending="."), endpoint=ENDPOINT, transport=server)
    scorer.open()
    num_tests = len(seen)
    scorer.open()
    scorer.score([CandidateQuestion("Alice lives in", (" Paris", " Tokyo"))])
    assert [body["prompt"] for body in seen[num_tests:]] == [
        "Alice lives in", "Alice lives in Paris.", "Alice lives in Tokyo.",
    ]  # fmt: skip
    for body in seen:
        assert (body["echo"], body["logprobs"], body["max_tokens"], body["temperature"]) == (True, 5, 1, 0)
        assert "messages" not in body
    assert num_tests == 15


def test_common_first_tokens_merged_borders_and_nested_candidates_are_marked() -> None:
    scorer = _scorer(echoed)
    common, merged, nested = scorer.score(
        [
            CandidateQuestion("Alice lives in", (" Johannesburg", " Johannesville")),
            CandidateQuestion("Alice lives in ", ("Paris", "Tokyo")),
            CandidateQuestion("Alice lives in", (" Paris", " Paris Tokyo")),
        ]
    )
    assert common.shared_first_token
    assert common.first_token == common.logp
    assert merged.merged
    np.testing.assert_allclose(merged.logp, [text_logp("Alice lives in", c) for c in (" Paris", " Tokyo")])
    assert (nested.nested, common.nested) == (True, False)
    told = scorer.describe()
    assert (told["num_merged"], told["num_shared_first_token"], told["num_nested"]) == (1, 2, 1)


def test_questions_that_cannot_be_asked_are_refused_before_the_server_is() -> None:
    server, seen = transport(echoed)
    scorer = CompletionsScorer("m", CandidateConfig(), endpoint=ENDPOINT, transport=server)
    for bad in (CandidateQuestion("", CITIES), CandidateQuestion("A", (" b", " b"))):
        with pytest.raises(DataError):
            scorer.score([bad])
    assert seen == []
    with pytest.raises(ConfigError, match="chat template"):
        CompletionsScorer("m", CandidateConfig(prompt_as="chat"), endpoint=ENDPOINT)


def test_no_key_is_told_or_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "sk-secret-value")
    scorer = _scorer(echoed, api_key_env="A_KEY")
    scorer.score([CandidateQuestion("Alice lives in", CITIES)])
    assert "sk-secret" not in json.dumps(scorer.describe())
    with pytest.raises(EndpointError) as caught:
        _scorer(500, api_key_env="A_KEY").open()
    assert "sk-secret" not in str(caught.value)


# ---------------------------------------------------------------- servers that fake


def _changed(change: Callable[[dict[str, Any], list[Any]], None]) -> Server:
    """An honest answer after a change of its choice or of its log-probabilities."""

    def server(body: dict[str, Any]) -> Any:
        answer = echoed(body)
        choice = answer["choices"][0]
        change(choice, choice["logprobs"]["token_logprobs"])
        choice["logprobs"] = choice["logprobs"] and {**choice["logprobs"], "top_logprobs": None}
        return answer

    return server


def _set(values: Callable[[str, int, int], Any]) -> Server:
    def change(choice: dict[str, Any], logps: list[Any]) -> None:
        tokens = choice["logprobs"]["tokens"]
        logps[1:] = [values(token, i, len(tokens)) for i, token in enumerate(tokens)][1:]

    return _changed(change)


def _of_text(token: str, salt: str) -> float:
    return -(1 + hashlib.blake2b((token + salt).encode(), digest_size=1).digest()[0] / 64)


def _only_drawn(choice: dict[str, Any], logps: list[Any]) -> None:
    choice["logprobs"] = {"tokens": [" and"], "token_logprobs": [-0.3]}


def _chat_style(choice: dict[str, Any], logps: list[Any]) -> None:
    choice["logprobs"] = {"content": [{"token": " and", "logprob": -0.3, "top_logprobs": []}]}


FAKES: dict[str, tuple[Server, str]] = {
    "ignores echo": (_changed(lambda choice, _: choice.update(text=" and")), "echo is ignored"),
    "log-probabilities of drawn tokens only": (_changed(_only_drawn), "those of the text are missing"),
    "log-probabilities as in a chat": (_changed(_chat_style), "gives no log-probabilities"),
    "no log-probabilities": (_changed(lambda choice, _: choice.update(logprobs=None)), "gives no log-probabilities"),
    "null for all tokens": (_set(lambda *_: None), "are missing"),
    "zero for all tokens": (_set(lambda *_: 0.0), "same log-probability"),
    "one value for all tokens": (_set(lambda *_: -2.5), "same log-probability"),
    "positive numbers": (_set(lambda token, i, n: 0.5), "no log-probability"),
    "text for numbers": (_set(lambda *_: ""), "no log-probability"),
    "probabilities instead of logarithms": (_set(lambda token, i, n: 0.01 + 0.1 * i), "no log-probability"),
    "by length": (_set(lambda token, i, n: -float(len(token))), "scrambled"),
    "by place": (_set(lambda token, i, n: -0.1 * i), "scrambled"),
    "by the word alone": (_set(lambda token, i, n: _of_text(token.strip(), "")), "scrambled"),
    "too few values": (_changed(lambda _, logps: logps.pop()), "log-probabilities for"),
}


@pytest.mark.parametrize("name", FAKES)
def test_a_server_that_fakes_or_lacks_log_probabilities_is_refused_with_a_remedy(name: str) -> None:
    server, problem = FAKES[name]
    scorer = _scorer(server)
    with pytest.raises(EndpointError, match=problem) as caught:
        scorer.score([CandidateQuestion("Alice lives in", CITIES)])
    assert caught.value.exit_code == 5
    assert "cannot score given text" in caught.value.problem
    assert caught.value.place == f"{URL}/completions"
    for way in ("weights", "vLLM", "letters", "sampled"):
        assert way in caught.value.remedy
    assert scorer.describe()["self_test"] == "not run yet"


def test_values_that_change_from_request_to_request_are_refused() -> None:
    rng = np.random.default_rng(0)

    def noisy(body: dict[str, Any]) -> Any:
        answer = echoed(body)
        logps = answer["choices"][0]["logprobs"]["token_logprobs"]
        logps[1:] = [p - float(rng.exponential(1.0)) for p in logps[1:]]
        answer["choices"][0]["logprobs"]["top_logprobs"] = None
        return answer

    with pytest.raises(EndpointError, match="in another request"):
        _scorer(noisy).open()


def test_probabilities_that_add_up_to_more_than_one_are_refused() -> None:
    def flattering(body: dict[str, Any]) -> Any:  # in order is still more probable than scrambled
        answer = echoed(body)
        found = answer["choices"][0]["logprobs"]
        found["token_logprobs"][1:] = [p / 12 for p in found["token_logprobs"][1:]]
        found["top_logprobs"] = None
        return answer

    with pytest.raises(EndpointError, match=r"next words after .* add up to"):
        _scorer(flattering).open()


def test_a_token_with_two_different_probabilities_is_refused() -> None:
    def contradictory(body: dict[str, Any]) -> Any:
        answer = echoed(body)
        found = answer["choices"][0]["logprobs"]
        found["top_logprobs"] = [top and {t: p - 1 for t, p in top.items()} for top in found["top_logprobs"]]
        return answer

    with pytest.raises(EndpointError, match="among the most probable"):
        _scorer(contradictory).open()


def test_noise_of_a_server_in_sixteen_bits_passes() -> None:
    rng = np.random.default_rng(0)

    def rounded(body: dict[str, Any]) -> Any:
        answer = echoed(body)
        logps = answer["choices"][0]["logprobs"]["token_logprobs"]
        logps[1:] = [min(0.005, p + float(rng.normal(0, 0.02))) for p in logps[1:]]
        return answer

    _scorer(rounded).open()


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_refusal_is_told_as_such(status: int) -> None:
    with pytest.raises(EndpointError, match=f"HTTP {status}"):
        _scorer(status).open()


def test_a_server_that_fails_later_is_not_believed() -> None:
    asked = [0]

    def tired(body: dict[str, Any]) -> Any:
        asked[0] += 1
        answer = echoed(body)
        if asked[0] > 15:
            answer["choices"][0]["logprobs"] = None
        return answer

    with pytest.raises(EndpointError, match="and now: it gives no log-probabilities"):
        _scorer(tired, concurrency=1).score([CandidateQuestion("Alice lives in", CITIES)])


def test_minus_infinity_is_a_log_probability() -> None:
    def zero(body: dict[str, Any]) -> Any:
        answer = echoed(body)
        found = answer["choices"][0]["logprobs"]
        at = next((i for i, token in enumerate(found["tokens"]) if token == " Tokyo"), None)
        if at is not None:
            found["token_logprobs"][at] = -math.inf
            found["top_logprobs"] = None
        return answer

    (found,) = _scorer(zero).score([CandidateQuestion("Alice lives in", CITIES)])
    assert found.logp[1] == -math.inf
    assert math.isfinite(found.logp[0])
