"""Codes stay between their markers: row by row, under padding, forced beginnings, sampling and beams; and counting."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.latent_models import EOS, FAMILIES, PAD, WORDS, tokenizer
from transformers import LogitsProcessorList

from reasonry.core import seeds
from reasonry.core.scoped_random import drawing_from
from reasonry.errors import ConfigError
from reasonry.training.latent_tokens.mixing.constraint import CodeConstraint
from reasonry.training.latent_tokens.mixing.counting import Run, split
from reasonry.training.latent_tokens.mixing.latent_ids import LatentIds
from reasonry.training.latent_tokens.mixing.vocabulary import extend

K = 6
IDS = LatentIds(WORDS, WORDS + 1, WORDS + 2, K, WORDS + 2 + K, PAD)
B, E, C = IDS.begin, IDS.end, IDS.first_code
NUM_TOKENS, NUM_ROWS = WORDS + 3 + K, 64
CODES, TEXT, PADDING = set(IDS.codes), set(range(WORDS)), set(range(NUM_TOKENS, NUM_ROWS))


def _allowed(*rows: list[int], **more: Any) -> list[set[int]]:
    constraint = CodeConstraint(IDS, num_tokens=NUM_TOKENS, **more)
    scores = constraint(torch.tensor(rows), torch.zeros((len(rows), NUM_ROWS)))
    assert set(scores.unique().tolist()) <= {0.0, -torch.inf}
    return [set((row == 0).nonzero().flatten().tolist()) for row in scores]


def test_what_may_come_next() -> None:
    outside, inside = TEXT | {B}, CODES | {E}
    assert _allowed([PAD, PAD, 5, 6], [5, B, C, C + 1], [B, C, E, 7], [5, 6, 7, B]) == [
        outside,
        inside,
        outside,
        inside,
    ]
    assert _allowed([5, B, C, C + 1], [7, 8, 5, B], max_codes=2) == [{E}, inside]
    assert _allowed([5, B], max_codes=0) == [{E}]
    assert _allowed([5, B, C], [B, C, C], min_codes=2) == [CODES, inside]
    assert _allowed([5, B, C], [B, C, C], codes_per_chunk=2) == [CODES, inside]
    assert _allowed([5, B] + [C] * 40, max_codes=None) == [inside]


def test_one_run_of_codes_for_a_row() -> None:
    assert _allowed([5, B, C, E], [5, 6, 7, 8], [5, 6, 7, B], once=True) == [TEXT, TEXT | {B}, CODES | {E}]


def test_codes_of_worked_examples_in_a_prompt_do_not_count() -> None:
    prompt = [B, C, C, C]
    assert _allowed([*prompt], [*prompt], start_tok=4, once=True) == [TEXT | {B}] * 2
    assert _allowed([*prompt, B, C], start_tok=4, max_codes=1) == [{E}]
    assert _allowed([*prompt, B, C], max_codes=1) == [{E}]
    assert _allowed([B, C, E, B, C], start_tok=3, max_codes=1, once=True) == [{E}]


def test_scores_that_are_allowed_are_left_as_they_are() -> None:
    scores = torch.randn((2, NUM_ROWS), generator=torch.Generator().manual_seed(0))
    before = scores.clone()
    out = CodeConstraint(IDS, num_tokens=NUM_TOKENS)(torch.tensor([[5], [B]]), scores)
    assert torch.equal(scores, before)
    assert torch.equal(out[torch.isfinite(out)], scores[torch.isfinite(out)])


def test_a_vocabulary_without_a_pause_and_scores_of_another_width() -> None:
    constraint = CodeConstraint(IDS._replace(pause=None), num_tokens=NUM_TOKENS - 1)
    for width in (NUM_TOKENS - 1, NUM_ROWS):
        out = constraint(torch.tensor([[5]]), torch.zeros((1, width)))
        assert set((out[0] == 0).nonzero().flatten().tolist()) == TEXT | {B}


@pytest.mark.parametrize(
    "wrong",
    [{"max_codes": -1}, {"max_codes": 3, "codes_per_chunk": 2}, {"max_codes": 1, "min_codes": 2}, {"num_tokens": 45}],
)
def test_limits_that_leave_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        CodeConstraint(IDS, **{"num_tokens": NUM_TOKENS, **wrong})


# ---------------------------------------------------------------- generation


def _model(seed: int, family: str = "gpt2") -> Any:
    """Random, and fond of markers, codes, pauses and padding."""
    model = FAMILIES[family](seed=seed)
    extend(tokenizer(), model, num_codes=K, with_pause=True, seed=seed)
    rng = seeds.stream(seed, "favour")
    head = torch.nn.Linear(32, NUM_ROWS, bias=True)
    with torch.no_grad():
        head.weight.copy_(model.get_output_embeddings().weight)
        head.bias.zero_()
        head.bias[WORDS:] = torch.from_numpy(rng.normal(1.0, 1.5, NUM_ROWS - WORDS)).float()
        head.bias[EOS] -= 3
    model.lm_head = head
    model.config.tie_word_embeddings = False
    return model.eval()


_MODELS = {(seed, family): _model(seed, family) for seed, family in ((0, "gpt2"), (1, "llama"), (2, "gpt2"))}
_WAYS: dict[str, dict[str, Any]] = {
    "greedy": {"do_sample": False},
    "sampling": {"do_sample": True, "top_k": 0},
    "beams": {"do_sample": False, "num_beams": 3, "num_return_sequences": 2},
    "beam sampling": {"do_sample": True, "top_k": 0, "num_beams": 2},
}


@settings(max_examples=25)
@given(
    st.sampled_from(list(_MODELS)),
    st.sampled_from(list(_WAYS)),
    st.lists(st.integers(1, 5), min_size=1, max_size=3),
    st.booleans(),
    st.booleans(),
    st.sampled_from([1, 2]),
    st.sampled_from([0, 2, 4]),
    st.integers(0, 1000),
)
def test_every_reply_is_well_formed(which, way, lengths, is_forced, once, per, max_codes, seed) -> None:
    model = _MODELS[which]
    rng = seeds.stream(seed, "prompts")
    prompts = [[*map(int, rng.integers(3, WORDS, length)), *([B] if is_forced else [])] for length in lengths]
    width = max(map(len, prompts))
    ids = torch.tensor([[PAD] * (width - len(prompt)) + prompt for prompt in prompts])
    attend = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    constraint = CodeConstraint(IDS, num_tokens=NUM_TOKENS, max_codes=max_codes, codes_per_chunk=per, once=once)
    with drawing_from(seed, "sampling"):
        out = model.generate(
            ids,
            attention_mask=attend,
            max_new_tokens=20,
            pad_token_id=PAD,
            eos_token_id=EOS,
            logits_processor=LogitsProcessorList([constraint]),
            **_WAYS[way],
        )
    for row in out.tolist():
        reply = split(row[width:], IDS, eos_id=EOS, is_open=is_forced)
        assert reply.is_well_formed
        assert max(row[width:]) < NUM_TOKENS
        assert reply.num_pauses == 0
        latent = [run for run in reply.runs if run.kind == "latent"]
        whole = latent[:-1] if reply.is_open else latent
        assert all(len(run.ids) <= max_codes and len(run.ids) % per == 0 for run in whole)
        assert not reply.is_open or not latent or len(latent[-1].ids) <= max_codes
        if once:
            assert row.count(B) <= 1
        if not reply.is_ended:
            assert reply.num_tok == len(row) - width


@pytest.mark.parametrize("which", list(_MODELS))
def test_without_the_constraint_these_models_write_anything(which: tuple[int, str]) -> None:
    with drawing_from(0, "sampling"):
        out = _MODELS[which].generate(
            torch.full((16, 3), 5), max_new_tokens=20, pad_token_id=PAD, eos_token_id=EOS, do_sample=True, top_k=0
        )
    assert any(not split(row[3:], IDS, eos_id=EOS).is_well_formed for row in out.tolist()), (
        "the tests above say nothing"
    )
    assert int(out.max()) >= NUM_TOKENS


def test_rows_do_not_depend_on_their_batch() -> None:
    model = _MODELS[1, "llama"]
    prompts = [[5, 6, 7, B], [8, B], [9, 10, 11]]

    def greedy(some: list[list[int]]) -> list[list[int]]:
        width = max(map(len, some))
        ids = torch.tensor([[PAD] * (width - len(prompt)) + prompt for prompt in some])
        attend = (torch.arange(width) >= torch.tensor([width - len(prompt) for prompt in some])[:, None]).long()
        out = model.generate(
            ids,
            attention_mask=attend,
            max_new_tokens=16,
            do_sample=False,
            pad_token_id=PAD,
            eos_token_id=EOS,
            logits_processor=LogitsProcessorList([CodeConstraint(IDS, num_tokens=NUM_TOKENS, max_codes=3)]),
        )
        replies = []
        for row in out[:, width:].tolist():
            replies.append(row[: row.index(EOS) + 1] if EOS in row else row)
        return replies

    assert greedy(prompts) == [greedy([prompt])[0] for prompt in prompts]


# ---------------------------------------------------------------- counting


def test_every_token_is_counted_once() -> None:
    reply = split([B, C, C + 2, E, 5, 6, EOS, PAD, PAD], IDS, eos_id=EOS)
    assert reply.runs == (Run("latent", (0, 2)), Run("text", (5, 6, EOS)))
    assert (reply.num_text, reply.num_codes, reply.num_markers, reply.num_tok) == (3, 2, 2, 7)
    assert (reply.is_ended, reply.is_open, reply.num_stray) == (True, False, 0)
    assert (reply.codes, reply.text) == ((0, 2), (5, 6, EOS))


def test_runs_come_in_order_and_empty_ones_are_kept() -> None:
    reply = split([5, B, C, E, B, E, 6, B, C + 1], IDS)
    assert reply.runs == (
        Run("text", (5,)),
        Run("latent", (0,)),
        Run("latent", ()),
        Run("text", (6,)),
        Run("latent", (1,)),
    )
    assert reply.is_open and not reply.is_ended and reply.is_well_formed


def test_a_run_that_the_prompt_began() -> None:
    reply = split([C, C + 1, E, 5], IDS, is_open=True)
    assert reply.runs == (Run("latent", (0, 1)), Run("text", (5,)))
    assert (reply.num_markers, reply.num_stray) == (1, 0)
    assert split([], IDS, is_open=True).is_open


@pytest.mark.parametrize(
    ("ids", "num_stray"),
    [([C], 1), ([E], 1), ([B, B, C, E], 1), ([B, 5], 1), ([B, C, EOS], 1), ([B, C, 5, C, E], 3), ([5, IDS.pause], 0)],
)
def test_what_is_out_of_place_is_counted_too(ids: list[int], num_stray: int) -> None:
    reply = split(ids, IDS, eos_id=EOS)
    assert reply.num_stray == num_stray
    assert reply.num_tok == len(ids)
    assert reply.is_well_formed == (num_stray == 0)


def test_without_codes_everything_is_text() -> None:
    reply = split([B, 5, EOS], None, eos_id=EOS)
    assert (reply.num_text, reply.num_tok, reply.is_ended) == (3, 3, True)


@given(st.lists(st.integers(0, NUM_ROWS - 1), max_size=30), st.booleans())
def test_counts_add_up_whatever_was_written(ids: list[int], is_open: bool) -> None:
    reply = split(ids, IDS, is_open=is_open)
    assert reply.num_tok == len(ids)
    assert len(reply.text) == reply.num_text
    assert len(reply.codes) <= reply.num_codes
