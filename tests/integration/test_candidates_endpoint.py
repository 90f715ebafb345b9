"""Candidate scoring over real HTTP: a small scripted server, and llama.cpp with a packaged model on loopback."""

import importlib.util
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
from tests.candidate_fakes import echoed, lettered, text_logp

from reasonry.core import models
from reasonry.core.candidates import CandidateConfig, CandidateQuestion, CandidateScorer, open_scorer, place
from reasonry.core.sampling import EndpointConfig
from reasonry.errors import EndpointError
from reasonry.integrations.llama_server import serve

ALIAS = "smollm2-135m"
QUESTION = CandidateQuestion("Alice lives in", (" Paris", " Tokyo", " Berlin"))


class Scripted(BaseHTTPRequestHandler):
    """Answers completions honestly where the path says so, and chats with letters."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/chat/completions"):
            answer: Any = lettered(body)
        elif self.path.startswith("/honest"):
            answer = echoed(body)
        else:  # as servers that know no echo: what was drawn, and nothing of the text
            answer = echoed({**body, "echo": False})
            answer["choices"][0]["logprobs"] = {"tokens": [" and"], "token_logprobs": [-0.5]}
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 64
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is none of the server's business."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = Server(("127.0.0.1", 0), Scripted)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def _open(base_url: str, **config: Any) -> CandidateScorer:
    return open_scorer(ALIAS, CandidateConfig(**config), endpoint=EndpointConfig(base_url=base_url, retries=0))


def test_an_honest_server_gives_the_sums_of_its_own_log_probabilities(address: str) -> None:
    scorer = _open(f"{address}/honest/v1")
    assert scorer.describe()["scorer"] == "completions"
    questions = [QUESTION] * 20
    for found in scorer.score(questions):
        np.testing.assert_allclose(found.logp, [text_logp(QUESTION.prompt, c) for c in QUESTION.candidates])
    assert scorer.describe()["num_questions"] == 20


def test_a_server_without_echo_is_refused_or_asked_for_letters_when_any_way_will_do(address: str) -> None:
    with pytest.raises(EndpointError, match="echo is ignored"):
        _open(f"{address}/other/v1", way="completions")
    scorer = _open(f"{address}/other/v1")
    told = scorer.describe()
    assert told["scorer"] == "letters"
    assert "echo is ignored" in told["ways_refused"]["completions"]
    (found,) = scorer.score([QUESTION])
    assert place(found.logp, 0).rank == 0


# ---------------------------------------------------------------- llama.cpp


@pytest.fixture(scope="module")
def llama() -> Iterator[str]:
    if importlib.util.find_spec("xllamacpp") is None or not models.is_installed(ALIAS):
        pytest.skip("xllamacpp or the packaged model is not installed")
    with serve(ALIAS) as base_url:
        yield base_url


FACT = CandidateQuestion("The capital of France is", (" Madrid", " Paris", " banana"))


@pytest.mark.model
def test_llama_cpp_gives_no_log_probabilities_of_prompts_and_is_refused(llama: str) -> None:
    with pytest.raises(EndpointError, match=r"cannot score given text|HTTP") as caught:
        _open(llama, way="completions")
    assert caught.value.exit_code == 5


@pytest.mark.model
def test_llama_cpp_is_asked_for_letters_instead_and_says_so(llama: str) -> None:
    scorer = _open(llama)
    told = scorer.describe()
    assert told["scorer"] == "letters"
    assert told["ways_refused"]["completions"]
    (found,) = scorer.score([FACT])
    assert found.kind == "letters"
    assert sum(np.exp(found.logp)) == pytest.approx(1)


@pytest.mark.model
def test_llama_cpp_answers_drawn_and_matched_rank_the_capital_first(llama: str) -> None:
    scorer = _open(llama, way="sampled", num_samples=6, max_answer_tok=8, temperature=0.3)
    (found,) = scorer.score([FACT])
    assert place(found.logp, 1).rank == 0
    assert found.kind == "sampled"
