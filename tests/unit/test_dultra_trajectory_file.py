"""Trajectories on disk."""

import json

import pytest
import torch
from tests.dultra_fakes import PAD, CoinPolicy, HashDenoiser, prompts_of

from reasonry.errors import DataError
from reasonry.training.dultra.decoding import DecodingConfig, decode
from reasonry.training.dultra.policies.make import make_policy
from reasonry.training.dultra.tiny_denoiser import TinyDenoiser, TinyDenoiserConfig
from reasonry.training.dultra.trajectory import NEVER
from reasonry.training.dultra.trajectory_file import (
    check_origin,
    origin_of,
    read,
    rows_of,
    weights_fingerprint,
    write,
)

CONFIG = DecodingConfig(answer_len=11, block_len=4, temperature=0.8)


def _decoded(policy, *, lengths=(3, 7, 1, 5), denoiser=None, config=CONFIG):
    prompt_BP, attend_BP = prompts_of(list(lengths))
    denoiser = denoiser or HashDenoiser(end_bias=2.0)
    seeds = range(40, 40 + len(lengths))
    got = decode(denoiser, prompt_BP, attend_BP, policy=policy, config=config, seeds_B=seeds)
    return got.trajectory, list(seeds), origin_of(denoiser, policy, config)


@pytest.mark.parametrize("policy", [CoinPolicy(0.3, reads_hidden=True), make_policy("threshold:0.7")])
def test_what_is_written_is_read_back_exactly(tmp_path, policy):
    trajectory, seeds, origin = _decoded(policy)
    assert (trajectory.revealed_at_BL == NEVER).any()
    write(tmp_path / "t.jsonl", trajectory, seeds_B=seeds, origin=origin)
    saved = read(tmp_path / "t.jsonl", pad_id=PAD)
    assert (saved.seeds_B, saved.origin) == (tuple(seeds), origin)
    for name, was, now in zip(trajectory._fields, trajectory, saved.trajectory, strict=True):
        assert (was is None) == (now is None), name
        if was is not None:
            assert was.dtype == now.dtype, name
            assert torch.equal(was, now), name


def test_a_row_says_what_each_step_revealed():
    trajectory, seeds, origin = _decoded(make_policy("top:2"), lengths=(3, 5), denoiser=HashDenoiser(end_id=None))
    row = next(rows_of(trajectory, seeds_B=seeds, origin=origin))
    assert json.loads(json.dumps(row)) == row
    assert len(row["prompt_ids"]) == 3
    assert row["nfe"] == len(row["steps"])
    assert (row["policy"], row["seed"], row["block_len"]) == ("top:2", 40, 4)
    assert [step["block"] for step in row["steps"]] == sorted(step["block"] for step in row["steps"])
    for number, step in enumerate(row["steps"]):
        assert step["revealed"] == (trajectory.revealed_at_BL[0] == number).nonzero()[:, 0].tolist()
        assert step["tokens"] == [row["final_ids"][at] for at in step["revealed"]]
        assert all(at // 4 == step["block"] for at in step["revealed"])
        assert step["logp_plan"] is None
        assert step["logp_tok"] < 0


def test_the_file_is_replaced_as_a_whole(tmp_path):
    trajectory, seeds, origin = _decoded(make_policy("top:2"))
    path = tmp_path / "t.jsonl"
    write(path, trajectory, seeds_B=seeds, origin=origin)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="argument"):
        write(path, trajectory, seeds_B=seeds[:2], origin=origin)
    assert path.read_bytes() == before


def test_fingerprints_tell_weights_apart_and_not_copies():
    config = TinyDenoiserConfig(vocab_size=12, max_len=24)
    first, same, other = (TinyDenoiser(config, seed=seed) for seed in (0, 0, 1))
    assert weights_fingerprint(first) == weights_fingerprint(same) != weights_fingerprint(other)
    with torch.no_grad():
        next(iter(same.parameters())).add_(1e-3)
    assert weights_fingerprint(first) != weights_fingerprint(same)
    assert weights_fingerprint(HashDenoiser()) == ""

    class Holder:
        def __init__(self, head):
            self.head = head

    assert weights_fingerprint(Holder(first)) not in ("", weights_fingerprint(Holder(other)))


def test_a_replay_with_something_else_is_refused_by_name(tmp_path):
    denoiser = TinyDenoiser(TinyDenoiserConfig(vocab_size=12, max_len=24), seed=0)
    policy = make_policy("threshold:0.7")
    trajectory, seeds, origin = _decoded(policy, denoiser=denoiser)
    write(tmp_path / "t.jsonl", trajectory, seeds_B=seeds, origin=origin)
    saved = read(tmp_path / "t.jsonl", pad_id=PAD)
    check_origin(saved, origin_of(denoiser, policy, CONFIG))
    for now, field in [
        (origin_of(denoiser, make_policy("threshold:0.8"), CONFIG), "policy 'threshold:0.7'"),
        (origin_of(denoiser, policy, CONFIG.with_(temperature=1.0)), "config"),
        (origin_of(TinyDenoiser(denoiser.config, seed=1), policy, CONFIG), "denoiser_weights"),
    ]:
        with pytest.raises(DataError, match=field):
            check_origin(saved, now)


def _broken(change):
    trajectory, seeds, origin = _decoded(make_policy("top:2"), lengths=(3, 5), denoiser=HashDenoiser(end_id=None))
    rows = list(rows_of(trajectory, seeds_B=seeds, origin=origin))
    change(rows[1])
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row.pop("seed"),
        lambda row: row.pop("policy"),
        lambda row: row.update(nfe=row["nfe"] + 1),
        lambda row: row["steps"].pop(),
        lambda row: row["steps"][0]["tokens"].pop(),
        lambda row: row["steps"][0]["tokens"].__setitem__(0, 99),
        lambda row: row["steps"][0]["revealed"].__setitem__(0, 99),
        lambda row: row["steps"][1].update(row["steps"][0]),
        lambda row: row["steps"][0].update(revealed=[], tokens=[]),
        lambda row: row["steps"][0].update(logp_plan=-1.0),
        lambda row: [step.update(logp_plan=-1.0) for step in row["steps"]],
        lambda row: row["final_ids"].append(5),
        lambda row: row.update(policy="top:3"),
        lambda row: row.update(steps=[], nfe=0),
        lambda row: row.update(final_ids=None),
    ],
)
def test_damaged_rows_are_refused_with_their_line(tmp_path, change):
    path = tmp_path / "t.jsonl"
    path.write_text(_broken(change))
    with pytest.raises(DataError) as caught:
        read(path, pad_id=PAD)
    assert caught.value.place == f"{path}:2"


def test_a_file_without_rows_is_refused(tmp_path):
    (tmp_path / "t.jsonl").write_text("")
    with pytest.raises(DataError, match="no trajectories"):
        read(tmp_path / "t.jsonl", pad_id=PAD)
