"""Questions scored with a model's weights: whole candidates, first tokens, chats, and what is counted."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from tests.candidate_models import seeded
from tests.tokenizer_makers import byte_bpe
from transformers import LlamaConfig, LlamaForCausalLM

from reasonry.core.candidates import CandidateConfig, CandidateQuestion, CandidateScorer, CandidateScores, place
from reasonry.core.candidates.hf import WeightsScorer
from reasonry.core.models import LoadedModel
from reasonry.errors import ConfigError, DataError

LANGUAGES = (" Java", " JavaScript", " French", " Java Java")


def _loaded(*, chat: bool = False, bos: bool = True, seed: int = 0, context: int = 256) -> LoadedModel:
    tokenizer = byte_bpe(bos=bos, chat=chat)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=context, bos_token_id=0, eos_token_id=1,
    )  # fmt: skip
    model = seeded(lambda: LlamaForCausalLM(config), seed=seed)
    return LoadedModel(model, tokenizer, "tiny", {"model": "tiny", "dtype": "float32", "device": "cpu"})


@torch.no_grad()
def _token_logps(loaded: LoadedModel, ids: list[int]) -> list[float]:
    model: Any = loaded.model
    logp_TV = torch.log_softmax(model(torch.tensor([ids])).logits[0].double(), -1)
    return [math.nan, *(float(logp_TV[i - 1, ids[i]]) for i in range(1, len(ids)))]


def _expected(loaded: LoadedModel, prompt: str, candidate: str) -> list[float]:
    """Candidate by candidate: the last tokens of the whole text."""
    tokenizer: Any = loaded.tokenizer
    num_prompt = len(tokenizer(prompt)["input_ids"])
    return _token_logps(loaded, tokenizer(prompt + candidate)["input_ids"])[num_prompt:]


def test_scores_are_those_of_each_candidate_by_itself() -> None:
    loaded = _loaded()
    questions = [CandidateQuestion(f"{name} codes in", LANGUAGES) for name in ("Alice", "Bob", "Carla Mint")]
    scorer = WeightsScorer(loaded)
    assert isinstance(scorer, CandidateScorer)
    for question, found in zip(questions, scorer.score(questions), strict=True):
        expected = [_expected(loaded, question.prompt, c) for c in LANGUAGES]
        np.testing.assert_allclose(found.logp, [sum(x) for x in expected], atol=1e-4)
        np.testing.assert_allclose(found.logp_per_tok, [np.mean(x) for x in expected], atol=1e-4)
        assert found.num_tok == tuple(len(x) for x in expected)
        assert max(found.num_tok) > 1
        assert found.kind == "sequence"


def test_first_tokens_alone_where_they_differ_and_whole_candidates_where_they_do_not() -> None:
    loaded = _loaded()
    apart, common = WeightsScorer(loaded).score(
        [CandidateQuestion("Alice codes in", (" Java", " French")), CandidateQuestion("Alice codes in", LANGUAGES)]
    )
    first = [_expected(loaded, "Alice codes in", c)[0] for c in (" Java", " French")]
    assert apart.first_token is not None
    np.testing.assert_allclose(apart.first_token, first, atol=1e-4)
    assert not apart.shared_first_token
    assert common.shared_first_token
    assert common.first_token == common.logp, "first tokens would tie what whole candidates tell apart"
    assert (apart.nested, common.nested) == (False, True)


def test_a_question_alone_and_among_others_has_the_same_scores() -> None:
    loaded = _loaded()
    questions = [CandidateQuestion(f"{'Bob lives. ' * k}Alice codes in", LANGUAGES) for k in range(8)]
    together = WeightsScorer(loaded).score(questions)
    for question, found in zip(questions, together, strict=True):
        (alone,) = WeightsScorer(loaded, CandidateConfig(batch_tok=8)).score([question])
        np.testing.assert_allclose(found.logp, alone.logp, atol=1e-5)
        assert found._replace(logp=(), logp_per_tok=(), first_token=()) == alone._replace(
            logp=(), logp_per_tok=(), first_token=()
        )


def test_in_a_chat_the_reply_is_scored_behind_the_templates_own_tokens() -> None:
    loaded = _loaded(chat=True)
    tokenizer: Any = loaded.tokenizer
    (found,) = WeightsScorer(loaded, CandidateConfig(prompt_as="chat")).score(
        [CandidateQuestion("Where is Alice?", (" Paris", " Tokyo"))]
    )
    turns = [{"role": "user", "content": "Where is Alice?"}]
    prompt = tokenizer.apply_chat_template(turns, add_generation_prompt=True)["input_ids"]
    for candidate, logp in zip(("Paris", "Tokyo"), found.logp, strict=True):
        reply = tokenizer(candidate, add_special_tokens=False)["input_ids"]
        assert logp == pytest.approx(sum(_token_logps(loaded, prompt + reply)[len(prompt) :]), abs=1e-4)
    assert found.first_token is not None
    first = tokenizer("Paris", add_special_tokens=False)["input_ids"][0]
    assert found.first_token[0] == pytest.approx(_token_logps(loaded, [*prompt, first])[-1], abs=1e-4)


def test_a_prompt_that_ends_in_a_space_scores_the_same_text_and_is_counted() -> None:
    loaded = _loaded()
    scorer = WeightsScorer(loaded)
    merged, clean = scorer.score(
        [
            CandidateQuestion("Alice lives in ", ("Paris", "Tokyo")),
            CandidateQuestion("Alice lives in", (" Paris", " Tokyo")),
        ]
    )
    assert (merged.merged, clean.merged) == (True, False)
    np.testing.assert_allclose(merged.logp, clean.logp, atol=1e-5)
    assert max(merged.logp) <= 0
    assert scorer.describe()["num_merged"] == 1


def test_what_was_done_is_told() -> None:
    scorer = WeightsScorer(_loaded(), CandidateConfig(ending="."))
    assert scorer.identity == {
        "scorer": "weights", "model": "tiny", "dtype": "float32", "device": "cpu", "prompt_as": "text", "ending": ".",
    }  # fmt: skip
    scorer.score([CandidateQuestion("Alice codes in", LANGUAGES)])
    told = scorer.describe()
    assert {**told, **scorer.identity} == told
    assert (told["num_questions"], told["num_shared_first_token"], told["num_nested"]) == (1, 1, 0)
    assert (told["unpacked_because"], told["num_rows_unpacked"]) == ("", 0)
    assert told["num_read_tok"] > 0


def test_a_model_without_a_preference_ranks_at_chance() -> None:
    loaded = _loaded()
    model: Any = loaded.model
    with torch.no_grad():
        model.lm_head.weight.zero_()
    cities = (" Paris", " Tokyo", " Java", " French")
    (found,) = WeightsScorer(loaded).score([CandidateQuestion("Alice lives in", cities)])
    assert found.first_token is not None
    assert {place(found.first_token, right).rank for right in range(4)} == {1.5}


def test_scores_that_are_no_numbers_end_in_an_error_not_in_a_rank() -> None:
    loaded = _loaded()
    model: Any = loaded.model
    with torch.no_grad():
        model.model.norm.weight.fill_(math.nan)
    with pytest.raises(DataError, match="no numbers") as caught:
        WeightsScorer(loaded).score([CandidateQuestion("Alice lives in", (" Paris", " Tokyo"))])
    assert "float32" in caught.value.remedy


def test_a_question_beyond_the_context_and_a_base_model_in_a_chat_are_refused() -> None:
    with pytest.raises(DataError, match="context holds 16"):
        WeightsScorer(_loaded(context=16)).score([CandidateQuestion("Alice lives in " * 9, (" Paris", " Tokyo"))])
    with pytest.raises(ConfigError, match="no chat template"):
        WeightsScorer(_loaded(), CandidateConfig(prompt_as="chat"))


def test_no_questions_give_no_scores() -> None:
    found: list[CandidateScores] = WeightsScorer(_loaded()).score([])
    assert found == []
