"""Candidate scoring with a packaged language model: equal to candidate by candidate, in text and in its chat."""

from typing import Any

import numpy as np
import pytest
import torch

from reasonry.core import models
from reasonry.core.candidates import CandidateConfig, CandidateQuestion, open_scorer, place
from reasonry.core.candidates.hf import WeightsScorer
from reasonry.core.models import LoadedModel, ModelConfig

ALIAS = "smollm2-135m"
pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(not models.is_installed(ALIAS), reason=f"the packaged model {ALIAS} is not installed"),
]
CANDIDATES = (" Paris", " Tokyo", " Ulaanbaatar", " San Francisco", " the capital of Burkina Faso", " Ouagadougou")


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return models.load_causal_lm(ALIAS, ModelConfig(dtype="float32", device="cpu"))


@torch.no_grad()
def _by_itself(loaded: LoadedModel, prompt_ids: list[int], ids: list[int]) -> float:
    model: Any = loaded.model
    assert ids[: len(prompt_ids)] == prompt_ids
    logp_TV = torch.log_softmax(model(torch.tensor([ids])).logits[0].double(), -1)
    return sum(float(logp_TV[i - 1, ids[i]]) for i in range(len(prompt_ids), len(ids)))


def test_scores_equal_candidate_by_candidate_with_facts_in_front_and_without(loaded: LoadedModel) -> None:
    facts = " ".join(f"Person {i} lives in town {i * 7 % 31}." for i in range(10))
    prompts = ["Alice Stone lives in", f"{facts} Alice Stone lives in", f"{facts} Bob Reeves was born in"]
    questions = [CandidateQuestion(prompt, CANDIDATES) for prompt in prompts]
    tokenizer: Any = loaded.tokenizer
    expected = [
        [_by_itself(loaded, tokenizer(p)["input_ids"], tokenizer(p + c)["input_ids"]) for c in CANDIDATES]
        for p in prompts
    ]
    for batch_tok in (64, 512):
        scorer = WeightsScorer(loaded, CandidateConfig(batch_tok=batch_tok))
        found = scorer.score(questions)
        np.testing.assert_allclose([f.logp for f in found], expected, atol=1e-4)
        assert scorer.describe()["unpacked_because"] == ""
    assert max(found[0].num_tok) > 4


def test_in_the_models_own_chat_the_reply_stands_behind_the_generation_prompt(loaded: LoadedModel) -> None:
    tokenizer: Any = loaded.tokenizer
    question = CandidateQuestion("What is the capital of France?", (" Paris", " Madrid", " Paris is the capital"))
    (found,) = WeightsScorer(loaded, CandidateConfig(prompt_as="chat")).score([question])
    turn = [{"role": "user", "content": question.prompt}]
    prompt_ids = list(tokenizer.apply_chat_template(turn, add_generation_prompt=True)["input_ids"])
    for candidate, logp in zip(question.candidates, found.logp, strict=True):
        ids = prompt_ids + tokenizer(candidate.strip(), add_special_tokens=False)["input_ids"]
        assert logp == pytest.approx(_by_itself(loaded, prompt_ids, ids), abs=1e-4)
    assert place(found.logp, 0).rank == 0
    assert found.nested


def test_the_model_knows_the_capital_by_name() -> None:
    scorer = open_scorer(ALIAS, options=ModelConfig(device="cpu"))
    (found,) = scorer.score([CandidateQuestion("The capital of France is", (" Madrid", " Paris", " Rome"))])
    assert place(found.logp, 1).rank == 0
    assert scorer.describe()["model"] == ALIAS
