"""Generation of codes and text: as transformers would, whatever the batch, and nothing that is forbidden."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.latent_models import EOS, FAMILIES, PAD, gpt2, tokenizer

from reasonry.core.sampling.config import SamplingConfig
from reasonry.training.latent_tokens.evaluate.generation import Asked, Reply, Rules, end_ids_of, replies
from reasonry.training.latent_tokens.mixing.constraint import CodeConstraint
from reasonry.training.latent_tokens.mixing.latent_ids import LatentIds
from reasonry.training.latent_tokens.mixing.vocabulary import extend

K = 6
PROMPTS = [(5, 6, 7), (8, 9, 10, 11, 12), (20,), (30, 31), (13, 14, 15, 16)]


def made(family: str = "gpt2") -> tuple[Any, LatentIds, int]:
    """A model with codes, their ids, and the number of ids of its tokenizer."""
    words, model = tokenizer(), FAMILIES[family]()
    ids = extend(words, model, num_codes=K, with_pause=True)
    return model.eval(), ids, len(words)


def rules(ids: LatentIds, num_tokens: int, **more: Any) -> Rules:
    sampling = SamplingConfig(temperature=more.pop("temperature", 0.0), top_k=more.pop("top_k", 0), max_new_tokens=24)
    return Rules(sampling, frozenset({EOS}), num_tokens, ids, **{"batch_size": 4, **more})


def asked(indices: tuple[int, ...] = (0,)) -> list[Asked]:
    return [Asked(f"q{number}", prompt, indices) for number, prompt in enumerate(PROMPTS)]


def written(model: Any, how: Rules, wanted: list[Asked]) -> dict[tuple[str, int], Reply]:
    return {(reply.id, reply.sample): reply for wave in replies(model, how, wanted) for reply in wave}


@pytest.mark.parametrize("family", list(FAMILIES))
def test_greedy_replies_are_those_of_transformers_with_the_constraint(family: str) -> None:
    model, ids, num_tokens = made(family)
    constraint = CodeConstraint(ids, num_tokens=num_tokens, max_codes=3)
    found = written(model, rules(ids, num_tokens, constrain=constraint, force=True, banned=(PAD,)), asked())
    for each in asked():
        prompt = torch.tensor([[*each.prompt_ids, ids.begin]])
        expected = model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            logits_processor=[constraint],
            do_sample=False,
            max_new_tokens=24,
            suppress_tokens=[PAD],
        )[0, len(each.prompt_ids) :].tolist()
        assert list(found[each.id, 0].ids) == expected
        assert found[each.id, 0].is_cut_off == (expected[-1] != EOS)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_batches_order_and_restarts_change_nothing(temperature: float) -> None:
    model, ids, num_tokens = made()
    constraint = CodeConstraint(ids, num_tokens=num_tokens, max_codes=3)
    indices = (0, 1, 2) if temperature else (0,)
    more: dict[str, Any] = {"constrain": constraint, "temperature": temperature, "force": True}
    whole = written(model, rules(ids, num_tokens, **more), asked(indices))
    assert len(whole) == len(PROMPTS) * len(indices)
    for batch_size in (1, 3, 64):
        again = written(model, rules(ids, num_tokens, batch_size=batch_size, **more), asked(indices))
        assert {key: reply.ids for key, reply in again.items()} == {key: reply.ids for key, reply in whole.items()}
    some = written(model, rules(ids, num_tokens, **more), asked(indices[-1:])[::-1][:2])
    assert all(reply.ids == whole[key].ids for key, reply in some.items())
    if temperature:
        assert len({reply.ids for reply in whole.values()}) > len(PROMPTS)  # samples of a question differ
        other = written(model, rules(ids, num_tokens, seed=1, **more), asked(indices))
        assert any(other[key].ids != whole[key].ids for key in whole)


def test_codes_stand_between_markers_and_not_more_than_allowed() -> None:
    model, ids, num_tokens = made()
    constraint = CodeConstraint(ids, num_tokens=num_tokens, max_codes=2, once=True)
    found = written(model, rules(ids, num_tokens, constrain=constraint, temperature=4.0), asked(tuple(range(40))))
    num_begun = 0
    for reply in found.values():
        inside, codes = False, 0
        num_begun += reply.ids.count(ids.begin)
        assert reply.ids.count(ids.begin) <= 1  # once
        for token in reply.ids:
            assert token < num_tokens and token != ids.pause
            if token in ids.codes:
                codes += 1
                assert inside and codes <= 2
            elif token in (ids.begin, ids.end):
                assert inside == (token == ids.end)
                inside = token == ids.begin
            else:
                assert not inside
    assert num_begun > 10  # so that there was something to see


def test_without_the_constraint_codes_come_anywhere_but_padding_rows_never() -> None:
    model, ids, num_tokens = made()
    assert model.get_output_embeddings().weight.shape[0] > num_tokens
    with torch.no_grad():  # padding would be what greedy decoding takes
        model.get_output_embeddings().weight[num_tokens:] = 3 * model.get_output_embeddings().weight[5]
    found = written(model, rules(ids, num_tokens, temperature=4.0), asked(tuple(range(20))))
    tokens = {token for reply in found.values() for token in reply.ids}
    assert max(tokens) < num_tokens
    assert tokens & set(ids.codes)


def test_banned_tokens_are_never_drawn() -> None:
    model, ids, num_tokens = made()
    found = written(model, rules(ids, num_tokens, temperature=4.0, banned=ids.added), asked(tuple(range(20))))
    assert not {token for reply in found.values() for token in reply.ids} & set(ids.added)


def test_a_forced_marker_is_part_of_the_reply() -> None:
    model, ids, num_tokens = made()
    constraint = CodeConstraint(ids, num_tokens=num_tokens, max_codes=2)
    for reply in written(model, rules(ids, num_tokens, constrain=constraint, force=True), asked()).values():
        assert reply.ids[0] == ids.begin
        assert reply.ids[1] in (*ids.codes, ids.end)


def test_a_reply_ends_where_the_context_does() -> None:
    model, ids, num_tokens = made()
    long = Asked("long", tuple(range(3, 3 + 30)) * 4)  # 120 of 128 tokens
    how = rules(ids, num_tokens, banned=(EOS,))
    (reply,) = written(model, how, [long]).values()
    assert len(reply.ids) == 8 and reply.is_cut_off


def test_the_end_token_is_part_of_a_reply_that_ended() -> None:
    model, ids, num_tokens = made()
    found = written(model, rules(ids, num_tokens, temperature=4.0), asked(tuple(range(30))))
    ended = [reply for reply in found.values() if not reply.is_cut_off]
    assert ended and all(reply.ids[-1] == EOS and EOS not in reply.ids[:-1] for reply in ended)
    assert all(len(reply.ids) == 24 for reply in found.values() if reply.is_cut_off)
    assert sum(reply.seconds for reply in found.values()) > 0


def test_all_end_tokens_that_a_model_declares_count() -> None:
    model, words = gpt2(), tokenizer()
    model.generation_config.eos_token_id = [7, 9]
    assert end_ids_of(model, words) == {EOS, 7, 9}
    model.generation_config.eos_token_id = None
    assert end_ids_of(model, words) == {EOS}
