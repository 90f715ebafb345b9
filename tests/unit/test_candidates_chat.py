"""Endpoints without log-probabilities of text: letters in rotated orders, drawn answers, and which way is taken."""

import math
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.candidate_fakes import ENDPOINT, echoed, lettered, spoken, transport

from reasonry.core.candidates import CandidateConfig, CandidateQuestion, open_scorer
from reasonry.core.candidates.letters import (
    LETTERS,
    LettersFault,
    LettersScorer,
    combined,
    letters_prompt,
    read_letters,
    rotated,
)
from reasonry.core.candidates.opening import LazyScorer
from reasonry.core.candidates.sampled import SampledScorer, first_mentioned, scores_of
from reasonry.core.sampling import EndpointConfig
from reasonry.errors import ConfigError, DataError, EndpointError

CITIES = (" Paris", " Tokyo", " Berlin", " Madrid")
QUESTION = CandidateQuestion("Alice lives in", CITIES)


# ---------------------------------------------------------------- letters


def test_every_option_stands_in_every_place_once() -> None:
    orders = [rotated("abcd", by) for by in range(4)]
    assert orders == [tuple("abcd"), tuple("dabc"), tuple("cdab"), tuple("bcda")]
    assert all(sorted(column) == list("abcd") for column in zip(*orders, strict=True))


@given(st.lists(st.floats(-5, 0), min_size=2, max_size=6), st.lists(st.floats(-5, 5), min_size=6, max_size=6))
def test_a_preference_for_letters_or_places_cancels(score: list[float], bias: list[float]) -> None:
    num = len(score)
    rows = [[score[(place - r) % num] + bias[place] for place in range(num)] for r in range(num)]
    expected = np.array(score) - np.log(np.exp(score).sum())
    np.testing.assert_allclose(combined(rows), expected, atol=1e-9)


def test_letters_choose_the_likely_answer_against_a_bias_for_the_first_place() -> None:
    server, seen = transport(chat=lambda body: lettered(body, bias=(6.0,)))
    scorer = LettersScorer("m", CandidateConfig(), endpoint=ENDPOINT, transport=server)
    moved = CandidateQuestion(QUESTION.prompt, CITIES[1:] + CITIES[:1])
    first, last = scorer.score([QUESTION, moved])
    assert int(np.argmax(first.logp)) == 0
    assert int(np.argmax(last.logp)) == 3, "wherever it stands"
    assert math.fsum(map(math.exp, first.logp)) == pytest.approx(1)
    assert (first.kind, first.first_token, first.num_tok) == ("letters", None, ())
    assert first.other == pytest.approx(0.1)
    assert len(seen) == 2 + 2 * 4
    assert (seen[-1]["top_logprobs"], seen[-1]["logprobs"], seen[-1]["max_tokens"]) == (20, True, 1)
    # One order only believes the bias.
    server, _ = transport(chat=lambda body: lettered(body, bias=(6.0,)))
    one = LettersScorer("m", CandidateConfig(num_rotations=1), endpoint=ENDPOINT, transport=server)
    assert int(np.argmax(one.score([moved])[0].logp)) == 0


def test_the_question_shows_the_options_with_their_letters() -> None:
    assert letters_prompt("Alice lives in ", ("Paris", "Tokyo")).splitlines()[-4:] == [
        "Text: Alice lives in ...", "", "A. Paris", "B. Tokyo",
    ]  # fmt: skip


def _first_token(*top: tuple[str, float]) -> dict[str, Any]:
    rows = [{"token": token, "logprob": math.log(p)} for token, p in top]
    content = [{"token": "A", "logprob": 0.0, "top_logprobs": rows}]
    return {"choices": [{"message": {"content": "A"}, "logprobs": {"content": content}}]}


def test_spellings_of_a_letter_are_added_and_a_missing_one_gets_at_most_the_least_told() -> None:
    found = read_letters(_first_token(("A", 0.5), (" A", 0.2), ("(B", 0.1), ("the", 0.05)), 3)
    np.testing.assert_allclose(np.exp(found.logp), [0.7, 0.1, 0.05])
    assert found.num_missing == 1
    assert found.other == pytest.approx(0.15)
    found = read_letters(_first_token(("A", 0.9), ("B", 0.08)), 4)
    np.testing.assert_allclose(np.exp(found.logp), [0.9, 0.08, 0.01, 0.01])


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"choices": [{"logprobs": None}]},
        {"choices": [{"logprobs": {"content": []}}]},
        {"choices": [{"logprobs": {"content": [{"token": "A", "logprob": 0.0, "top_logprobs": []}]}}]},
        _first_token(("A", 0.9), ("B", 0.9)),
        _first_token(("A", 1.5)),
    ],
)
def test_answers_without_probabilities_are_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(LettersFault):
        read_letters(answer, 2)


def test_servers_that_tell_no_letters_are_refused_with_a_remedy() -> None:
    for chat in (
        lambda body: spoken("A"),
        lambda body: {**_first_token(("A", 0.5), ("B", 0.5)), "usage": None},
        lambda body: _first_token(("the", 0.9)),
    ):
        scorer = LettersScorer("m", CandidateConfig(), endpoint=ENDPOINT, transport=transport(chat=chat)[0])
        with pytest.raises(EndpointError, match="cannot score letters") as caught:
            scorer.score([QUESTION])
        assert "sampled" in caught.value.remedy


def test_more_options_than_letters_are_refused() -> None:
    many = CandidateQuestion("A", tuple(f" w{i}" for i in range(len(LETTERS) + 1)))
    scorer = LettersScorer("m", CandidateConfig(), endpoint=ENDPOINT, transport=transport()[0])
    with pytest.raises(DataError, match="21 candidates"):
        scorer.score([many])


# ---------------------------------------------------------------- drawn answers


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("Paris.", 0),
        (" she lives in TOKYO, not in Paris", 1),
        ("Parisian life", -1),
        ("", -1),
        ("New  York City", 3),
        ("New\nYork", 2),
        ("C++ and Paris", 4),
    ],
)
def test_the_first_candidate_mentioned_counts_and_of_two_the_longer(text: str, index: int) -> None:
    assert first_mentioned(text, (" Paris", " Tokyo", " New York", " New York City", " C++")) == index


def test_counts_become_scores_with_half_an_answer_added() -> None:
    found = scores_of([3, 0, 1], 4)
    np.testing.assert_allclose(np.exp(found.logp), [3.5 / 10, 0.5 / 10, 1.5 / 10])
    assert (found.kind, found.other, found.first_token) == ("sampled", 0.5, None)
    assert scores_of([1, 1], 0).logp == (math.log(1.5 / 3.5),) * 2


@pytest.mark.parametrize("prompt_as", ["text", "chat"])
def test_answers_are_drawn_and_matched(prompt_as: str) -> None:
    def answer(body: dict[str, Any]) -> Any:
        return spoken(["Paris", "in Paris", "Tokyo", "nowhere"][body["seed"] % 4])

    server, seen = transport(answer, answer)
    config = CandidateConfig(way="sampled", num_samples=40, prompt_as=prompt_as)  # pyright: ignore
    scorer = SampledScorer("m", config, endpoint=ENDPOINT, transport=server)
    (found,) = scorer.score([QUESTION])
    drawn = [["Paris", "in Paris", "Tokyo", "nowhere"][body["seed"] % 4] for body in seen]
    num_paris = sum("Paris" in text for text in drawn)
    assert len({body["seed"] for body in seen}) == 40
    np.testing.assert_allclose(math.exp(found.logp[0]), (num_paris + 0.5) / (40 + 2.5))
    assert found.logp[2] == found.logp[3] == math.log(0.5 / 42.5)
    assert found.other == drawn.count("nowhere") / 40
    assert scorer.describe()["num_answers_without_candidate"] == drawn.count("nowhere")
    assert ("prompt" in seen[0]) == (prompt_as == "text")


def test_a_refused_question_ends_in_an_error() -> None:
    scorer = SampledScorer("m", CandidateConfig(), endpoint=ENDPOINT, transport=transport(400, 400)[0])
    with pytest.raises(EndpointError, match="refuses a question"):
        scorer.score([QUESTION])


# ---------------------------------------------------------------- which way


def _open(completions: Any, chat: Any, config: CandidateConfig | None = None) -> Any:
    return open_scorer("m", config, endpoint=ENDPOINT, transport=transport(completions, chat)[0])


def test_the_best_way_that_works_is_taken_and_the_others_are_told() -> None:
    best = _open(echoed, lettered)
    assert (best.describe()["scorer"], best.describe()["ways_refused"]) == ("completions", {})
    letters = _open(lambda body: spoken(" and"), lettered)
    assert letters.identity["scorer"] == "letters"
    assert "echo is ignored" in letters.describe()["ways_refused"]["completions"]
    assert letters.score([QUESTION])[0].kind == "letters"
    drawn = _open(404, lambda body: spoken("Paris"), CandidateConfig(prompt_as="chat"))
    told = drawn.describe()
    assert told["scorer"] == "sampled"
    assert "chat" in told["ways_refused"]["completions"]
    assert "top_logprobs" in told["ways_refused"]["letters"]
    assert drawn.score([QUESTION])[0].kind == "sampled"


def test_a_way_that_was_asked_for_is_not_replaced_by_another() -> None:
    with pytest.raises(EndpointError, match="cannot score given text"):
        _open(lambda body: spoken(" and"), lettered, CandidateConfig(way="completions"))
    with pytest.raises(EndpointError, match="cannot score letters"):
        _open(echoed, lambda body: spoken("A"), CandidateConfig(way="letters"))
    assert _open(echoed, lettered, CandidateConfig(way="sampled")).identity["scorer"] == "sampled"


def test_a_wrong_key_and_a_server_that_is_not_there_end_the_search() -> None:
    with pytest.raises(EndpointError, match="HTTP 401"):
        _open(401, lettered)

    def gone(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("nobody there")

    with pytest.raises(EndpointError, match="cannot reach"):
        open_scorer("m", endpoint=ENDPOINT, transport=httpx.MockTransport(gone))


def test_ways_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="needs an endpoint"):
        open_scorer("m", CandidateConfig(way="letters"))
    with pytest.raises(ConfigError, match="and an endpoint"):
        open_scorer("m", CandidateConfig(way="weights"), endpoint=ENDPOINT)
    with pytest.raises(ConfigError, match="no-such-model"):
        open_scorer("no-such-model", endpoint=EndpointConfig())


def test_a_lazy_scorer_is_made_when_somebody_asks() -> None:
    made: list[Any] = []

    def make() -> Any:
        made.append(_open(echoed, lettered))
        return made[-1]

    lazy = LazyScorer(make)
    assert lazy.describe() == {}
    assert made == []
    assert lazy.score([QUESTION])[0].kind == "sequence"
    assert lazy.score([QUESTION])[0].kind == "sequence"
    assert len(made) == 1
    assert lazy.describe()["num_questions"] == 2
