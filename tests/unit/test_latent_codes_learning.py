"""Training of codes on data whose right codes are known: random chunks that come again and again."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from tests.latent_codes import merged

from reasonry.core.config import from_dict
from reasonry.training.latent_tokens.codes.chunks import num_distinct
from reasonry.training.latent_tokens.codes.codec import TextCodec
from reasonry.training.latent_tokens.codes.config import FitConfig
from reasonry.training.latent_tokens.codes.corpus import Corpus, make_corpus
from reasonry.training.latent_tokens.codes.learner import CodecLearner
from reasonry.training.latent_tokens.codes.measuring import code_counts, with_controls
from reasonry.training.latent_tokens.codes.quantizer import usage
from reasonry.training.latent_tokens.codes.texts import Tokenised

NUM_TEMPLATES, CHUNK_TOK, NUM_TOKENS = 32, 16, 64
SETTINGS: dict[str, Any] = {
    "codec": {"num_codes": 64, "width": 32, "heads": 2, "encoder_layers": 1, "decoder_layers": 1},
    "steps": 200,
    "batch_size": 64,
    "look_every": 1000,
    "warmup_steps": 10,
    "lr": 5e-3,
}


def rng(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=seed))


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def templates(seed: int, num: int = NUM_TEMPLATES) -> Corpus:
    drawn = rng(seed).integers(0, NUM_TOKENS, (num, CHUNK_TOK)).tolist()
    return make_corpus([Tokenised((), tuple(each), ()) for each in drawn], chunk_tok=CHUNK_TOK)


def make_learner(corpus: Corpus, seed: int = 0, say: Any = print, **changes: Any) -> CodecLearner:
    config = from_dict(FitConfig, merged(SETTINGS, {"seed": seed, **changes}))
    codec = TextCodec(config.codec, range(NUM_TOKENS), vocab_size=NUM_TOKENS, seed=seed)
    return CodecLearner(config, codec, corpus, corpus, say=say)


def train(learner: CodecLearner) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for at in range(learner.config.steps):
        row = learner.step(at)
    return row


def codes_of(learner: CodecLearner) -> list[int]:
    return learner.codec.eval().encode_chunks(torch.from_numpy(learner.corpus.ids_NM)).flatten().tolist()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_template_gets_a_code_of_its_own_and_comes_back_whole(seed: int) -> None:
    learner = make_learner(templates(seed), seed)
    row = train(learner)
    assert row["eval/accuracy"] == 1.0
    assert len(set(codes_of(learner))) == NUM_TEMPLATES
    assert row["perplexity"] == pytest.approx(NUM_TEMPLATES)


def test_half_as_many_codes_as_templates_bring_back_about_half() -> None:
    learner = make_learner(templates(0), codec={"num_codes": 16})
    row = train(learner)
    assert len(set(codes_of(learner))) == 16
    # At least one of the templates of every code comes back; of the others what they share by chance.
    assert 0.45 <= row["eval/accuracy"] <= 0.65


def test_a_codebook_that_learns_by_gradient_gets_there_too() -> None:
    learner = make_learner(templates(0), codec={"codebook": "gradient"})
    assert train(learner)["eval/accuracy"] == 1.0
    assert len(set(codes_of(learner))) == NUM_TEMPLATES


@pytest.mark.parametrize(("revive", "least", "most"), [(True, 28, 32), (False, 1, 4)])
def test_pitfall_5_a_codebook_that_collapsed_at_the_start_is_revived(
    revive: bool, least: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    learner = make_learner(templates(0), say=said.append, codebook={"revive": revive, "free": 0.0}, look_every=50)
    book: Any = learner.codec.quantizer

    def collapse(vectors_ND: torch.Tensor, **_: Any) -> None:
        # One code where vectors are, the others nowhere near, and statistics that keep them there.
        book.vectors_KD.fill_(100.0)
        book.vectors_KD[0] = vectors_ND.mean(0)
        book.counts_K.fill_(1.0)
        book.sums_KD.copy_(book.vectors_KD)

    monkeypatch.setattr(book, "start", collapse)
    train(learner)
    assert least <= len(set(codes_of(learner))) <= most
    warned = any("has collapsed at step 50: 1 of 64 codes are used for 32 different chunks" in line for line in said)
    assert warned  # revived or not: a user is told


def test_reconstruction_grows_with_the_number_of_codes() -> None:
    corpus, found = templates(1), {}
    for num in (4, 12, 40):
        learner = make_learner(corpus, codec={"num_codes": num}, steps=60)
        found[num] = train(learner)["eval/nll"]
    assert found[4] > found[12] > found[40]


def test_codes_carry_what_comes_back_and_questions_help() -> None:
    """Two sets of templates; the question says which of them, and there are codes for half of all."""
    drawn = rng(3).integers(0, NUM_TOKENS, (2, 12, CHUNK_TOK)).tolist()
    examples = [
        Tokenised((60 + which,), tuple(template), ()) for which, each in enumerate(drawn) for template in each
    ] * 4
    corpus = make_corpus(examples, chunk_tok=CHUNK_TOK)
    learner = make_learner(corpus, codec={"num_codes": 12}, steps=150)
    train(learner)
    found = with_controls(learner.codec.eval(), corpus, np.arange(corpus.num_chunks), rng=rng(1))
    assert found.own.nll_nats < found.other_codes.nll_nats - 1.0
    assert found.own.nll_nats < found.other_questions.nll_nats


def test_a_step_is_a_function_of_weights_seed_and_number() -> None:
    learner, again = (make_learner(templates(2), steps=12) for _ in range(2))
    rows = [learner.step(at) for at in range(12)]
    assert [again.step(at) for at in range(6)] == rows[:6]
    tensors = {name: {k: v.clone() for k, v in group.items()} for name, group in again.tensors().items()}

    class Found:
        def load_tensors(self, name: str, framework: str) -> Any:
            return tensors[name]

    fresh = make_learner(templates(2), steps=12)
    fresh.restore(Found())  # pyright: ignore[reportArgumentType]
    assert [fresh.step(at) for at in range(6, 12)] == rows[6:]


def test_a_pass_over_the_chunks_takes_each_once() -> None:
    learner = make_learner(templates(0), batch_size=5)
    places = np.concatenate([learner.chunks(at) for at in range(64)])
    for epoch in range(10):
        assert sorted(places[epoch * NUM_TEMPLATES : (epoch + 1) * NUM_TEMPLATES].tolist()) == list(
            range(NUM_TEMPLATES)
        )
    assert places[:NUM_TEMPLATES].tolist() != places[NUM_TEMPLATES : 2 * NUM_TEMPLATES].tolist()
    learner._epochs.clear()
    assert np.array_equal(learner.chunks(40), places[200:205])


def test_moments_of_a_revived_code_are_forgotten() -> None:
    learner = make_learner(templates(0), codec={"codebook": "gradient"}, codebook={"free": 0.0}, steps=100)
    for at in range(9):
        learner.step(at)
    book: Any = learner.codec.quantizer
    with torch.no_grad():
        book.counts_K[7] = 0.0
    moments = learner.trainee.optimizer.state[book.vectors_KD]
    moments["exp_avg"][7] = 1.0
    revive = partial(learner._revive, torch.randn(64, 32, generator=torch.Generator().manual_seed(0)))
    assert revive(0.001, "test", 9) >= 1
    assert not moments["exp_avg"][7].any()
    assert moments["exp_avg"].any()


def test_collapse_is_judged_by_what_could_be_used() -> None:
    corpus = templates(0)
    assert num_distinct(corpus.ids_NM) == NUM_TEMPLATES
    learner = make_learner(corpus)
    counts = code_counts(learner.codec, torch.tensor([[3], [3], [5]]))
    assert usage(counts).num_used == 2
    assert usage(counts).is_collapsed(NUM_TEMPLATES)
    assert not usage(counts).is_collapsed(4)
