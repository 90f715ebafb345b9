"""Decoding: rows that do not disturb each other, trajectories that can be replayed, and counts that are right."""

import numpy as np
import pytest
import torch
from scipy import stats
from tests.dultra_fakes import END, MASK, CoinPolicy, FlatDenoiser, HashDenoiser, prompts_of, row_of

from reasonry.errors import ConfigError, DataError
from reasonry.training.dultra.decoding import DecodingConfig, answer_lengths, decode, until_end
from reasonry.training.dultra.denoiser import Denoised
from reasonry.training.dultra.plan_likelihood import plan_logp, tokens_logp
from reasonry.training.dultra.policies.base import StepDecision, current_block
from reasonry.training.dultra.policies.make import make_policy
from reasonry.training.dultra.proposals import propose
from reasonry.training.dultra.tiny_denoiser import TinyDenoiser, TinyDenoiserConfig
from reasonry.training.dultra.trajectory import NEVER, canvas_at, revealed_by

RULES = [
    *["random:7", "low_confidence:9", "margin:8", "entropy:20", "top:1", "rand:3", "threshold:0.5", "factor:1"],
    *["factor:2:fast-dllm", "entropy_bound:1", "entropy_threshold:1", "multi_block:0.3:0.8:1"],
]


def _decode(denoiser, lengths, policy, *, seeds=None, pad_to=None, record=None, **config):
    config = DecodingConfig(**{"answer_len": 14, "block_len": 5, "stop_early": False, **config})
    prompt_BP, attend_BP = prompts_of(lengths, pad_to=pad_to)
    policy = make_policy(policy) if isinstance(policy, str) else policy
    seeds = range(len(lengths)) if seeds is None else seeds
    return decode(denoiser, prompt_BP, attend_BP, policy=policy, config=config, seeds_B=seeds, record=record)


# ---------------------------------------------------------------- rows do not disturb each other


@pytest.mark.parametrize("temperature", [0.0, 0.8])
@pytest.mark.parametrize("text", [*RULES, "coin"])
def test_a_row_alone_is_the_row_in_a_batch_with_longer_prompts(text, temperature):
    policy = CoinPolicy(0.3, reads_hidden=True) if text == "coin" else make_policy(text)
    lengths, given = [3, 9, 1, 6], {"temperature": temperature, "stop_early": True}
    prompt_BP, attend_BP = prompts_of(lengths, pad_to=11)
    config = DecodingConfig(answer_len=14, block_len=5, **given)
    denoiser = HashDenoiser(end_bias=1.0)
    seeds = [5, 6, 7, 8]
    together = decode(denoiser, prompt_BP, attend_BP, policy=policy, config=config, seeds_B=seeds)
    for i, length in enumerate(lengths):
        ids, there = prompt_BP[[i], 11 - length :], attend_BP[[i], 11 - length :]
        alone = decode(denoiser, ids, there, policy=policy, config=config, seeds_B=[seeds[i]])
        assert row_of(alone.trajectory, 0) == row_of(together.trajectory, i)
        assert alone.tokens_per_forward_B[0] == together.tokens_per_forward_B[i]


def test_a_tiny_model_says_the_same_to_a_prompt_alone_and_in_a_batch():
    denoiser = TinyDenoiser(TinyDenoiserConfig(vocab_size=12, max_len=32), seed=4)
    lengths = [2, 12, 5]
    prompt_BP, attend_BP = prompts_of(lengths)
    config = DecodingConfig(answer_len=12, block_len=5)
    policy = make_policy("entropy_bound:2.4")
    together = decode(denoiser, prompt_BP, attend_BP, policy=policy, config=config, seeds_B=range(3)).trajectory
    assert len(set(together.nfe_B.tolist())) > 1, "rows that all take as long show nothing"
    for i, length in enumerate(lengths):
        ids, there = prompt_BP[[i], 12 - length :], attend_BP[[i], 12 - length :]
        alone = decode(denoiser, ids, there, policy=policy, config=config, seeds_B=[0]).trajectory
        assert alone.tokens_BL[0].tolist() == together.tokens_BL[i].tolist()
        assert alone.revealed_at_BL[0].tolist() == together.revealed_at_BL[i].tolist()
        assert alone.nfe_B[0] == together.nfe_B[i]


def test_another_seed_draws_other_tokens_and_the_same_seed_the_same():
    first, again, other = (
        _decode(HashDenoiser(), [4, 4], "rand:2", seeds=seeds, temperature=1.0).trajectory
        for seeds in ([1, 2], [1, 2], [3, 4])
    )
    assert torch.equal(first.tokens_BL, again.tokens_BL)
    assert not torch.equal(first.revealed_at_BL, other.revealed_at_BL)
    assert not torch.equal(first.tokens_BL, other.tokens_BL)


def test_the_same_seed_gives_every_policy_the_same_numbers():
    drawn = {}
    for text in ("top:1", "rand:2"):
        steps = []
        _decode(HashDenoiser(), [4, 4], text, temperature=1.0, record=lambda s, to=steps: to.append(s.context))
        drawn[text] = [c.uniform_BL for c in steps]
    assert len(drawn["rand:2"]) == 8  # blocks of 5, 5 and 4
    assert all(torch.equal(a, b) for a, b in zip(drawn["rand:2"], drawn["top:1"][:8], strict=True))
    assert len({float(u[0, 0]) for u in drawn["top:1"]}) == 14  # new ones at each step


# ---------------------------------------------------------------- replay


@pytest.mark.parametrize("stop_early", [False, True])
def test_canvases_can_be_rebuilt_from_the_trajectory(stop_early):
    denoiser, steps = HashDenoiser(end_bias=2.0), []
    decoded = _decode(denoiser, [3, 8, 1, 1, 6], "rand:2", temperature=0.7, stop_early=stop_early, record=steps.append)
    trajectory = decoded.trajectory
    assert len(set(trajectory.nfe_B.tolist())) == (4 if stop_early else 1)
    for step, ((canvas_AN, _), seen) in enumerate(zip(denoiser.seen, steps, strict=True)):
        rebuilt_BL = canvas_at(trajectory, step, mask_id=MASK)
        assert torch.equal(rebuilt_BL[seen.rows_A], canvas_AN[:, -14:])
        assert torch.equal(revealed_by(trajectory, step)[seen.rows_A], seen.decision.reveal_BL)
        num_masks_B = (rebuilt_BL == MASK).sum(1)
        share_B = 1 - num_masks_B.double() / (trajectory.attend_BP.sum(1) + 14)
        assert torch.equal(seen.context.known_share_B, share_B[seen.rows_A])
        block_A = seen.context.eligible_BL.byte().argmax(1) // 5
        opened_A = torch.tensor([5, 5, 4])[block_A]
        assert torch.equal(seen.context.num_block_masks_B, opened_A)
        assert torch.equal(seen.context.step_B, (opened_A - seen.context.eligible_BL.sum(1)) // 2)
        assert (seen.step, seen.rows_A.tolist()) == (step, (trajectory.nfe_B > step).nonzero()[:, 0].tolist())


@pytest.mark.parametrize("temperature", [0.0, 0.5, 1.0])
def test_log_probabilities_of_a_replay_are_those_of_the_decoding(temperature):
    denoiser, policy = HashDenoiser(end_bias=1.0), CoinPolicy(0.3, reads_hidden=True)
    decoded = _decode(denoiser, [3, 8, 1, 6], policy, temperature=temperature, stop_early=True)
    t = decoded.trajectory
    assert t.logp_plan_BS is not None
    for step in range(int(t.nfe_B.max())):
        answer_BL = canvas_at(t, step, mask_id=MASK)
        attend_BN = torch.cat([t.attend_BP, torch.ones_like(answer_BL, dtype=torch.bool)], 1)
        said = denoiser.denoise(torch.cat([t.prompt_BP, answer_BL], 1), attend_BN, with_hidden=True)
        takes_part_B = t.nfe_B > step
        eligible_BL = current_block(answer_BL == MASK, block_len=5) & takes_part_B[:, None]
        reveal_BL = revealed_by(t, step)
        logit_BL = np.log(0.3 / 0.7) + said.hidden_BND[:, -14:, 0]
        plan_B = plan_logp(logit_BL, reveal_BL, eligible_BL=eligible_BL)
        tok_B = tokens_logp(
            said.logits_BNV[:, -14:], t.tokens_BL, reveal_BL=reveal_BL, mask_id=MASK, temperature=temperature
        )
        torch.testing.assert_close(t.logp_plan_BS[:, step], plan_B.double(), atol=1e-5, rtol=0)
        torch.testing.assert_close(t.logp_tok_BS[:, step], tok_B.double(), atol=1e-5, rtol=0)
    assert bool((t.logp_tok_BS == 0).all()) == (temperature == 0)


def test_a_plan_without_chance_has_no_log_probability():
    assert _decode(HashDenoiser(), [3], CoinPolicy(0.3, is_stochastic=False)).trajectory.logp_plan_BS is None
    assert _decode(HashDenoiser(), [3], "top:1").trajectory.logp_plan_BS is None


# ---------------------------------------------------------------- how many passes


@pytest.mark.parametrize(("num", "block_len", "expected"), [(2, 2, 1.75), (3, 3, 2.25), (4, 2, 3.5), (5, 3, 4.0)])
def test_a_constant_planner_takes_the_expected_number_of_passes(num, block_len, expected):
    n = 3000
    decoded = _decode(
        FlatDenoiser(logits=torch.zeros(12)), [1] * n, CoinPolicy(0.5), answer_len=num, block_len=block_len
    )
    nfe_B = decoded.trajectory.nfe_B.double()
    assert abs(nfe_B.mean() - expected) < 3 * nfe_B.std() / n**0.5
    # A step is forced when no coin comes up: with two masks in a quarter of first steps.
    share = decoded.trajectory.is_forced_BS[:, 0].double().mean()
    assert abs(share - 0.5 ** min(num, block_len)) < 3 * (0.25 / n) ** 0.5


@pytest.mark.parametrize("num_steps", [3, 4, 7, 13, 14])
def test_a_budget_of_steps_is_spent_exactly(num_steps):
    for name in ("random", "low_confidence", "margin", "entropy"):
        decoded = _decode(HashDenoiser(), [3, 5], f"{name}:{num_steps}")
        assert decoded.trajectory.nfe_B.tolist() == [num_steps, num_steps]


def test_a_budget_above_the_number_of_tokens_is_one_token_a_step():
    assert _decode(HashDenoiser(), [3], "margin:40").trajectory.nfe_B.tolist() == [14]


def test_steps_below_the_number_of_blocks_are_refused_before_any_pass():
    denoiser = HashDenoiser()
    with pytest.raises(ConfigError, match="fewer steps than the answer has blocks"):
        _decode(denoiser, [3], "margin:2")
    assert denoiser.num_calls == 0


# ---------------------------------------------------------------- blocks


@pytest.mark.parametrize("block_len", [1, 3, 5, 14, 99])
@pytest.mark.parametrize("text", RULES)
def test_no_mask_remains_and_blocks_are_filled_from_left_to_right(text, block_len):
    text = text if ":7" not in text and ":8" not in text and ":9" not in text else text.split(":")[0]
    text = text.replace("entropy:20", "entropy:14")
    t = _decode(HashDenoiser(), [3, 5, 1], text, block_len=block_len, temperature=0.5).trajectory
    assert not (t.tokens_BL == MASK).any()
    assert not (t.revealed_at_BL == NEVER).any()
    blocks = -(-14 // block_len)
    assert ((t.nfe_B >= 1) & (t.nfe_B <= 14)).all()
    assert torch.equal(t.nfe_B, t.revealed_at_BL.amax(1) + 1)
    for row in range(3):
        steps = set(t.revealed_at_BL[row].tolist())
        assert steps == set(range(int(t.nfe_B[row]))), "every step reveals something"
    if not text.startswith("multi_block"):
        assert (t.nfe_B >= blocks).all()
        for start in range(block_len, 14, block_len):
            assert (t.revealed_at_BL[:, :start].amax(1) < t.revealed_at_BL[:, start:].amin(1)).all()


def test_several_open_blocks_take_fewer_passes_than_there_are_blocks():
    sure = torch.zeros(12)
    sure[7] = 30.0
    decoded = _decode(FlatDenoiser(logits=sure), [2], "multi_block:0.1:0.95:0.5", block_len=2)
    assert decoded.trajectory.nfe_B.tolist() == [7]  # all of a block at once, which opens the next
    unsure = torch.zeros(14, 12)
    unsure[:, 7] = 30.0
    unsure[[1, 3, 5, 7, 9, 11, 13]] = 0.0
    # The first step reveals one of block 0's two and opens block 1, and so on: the second ones follow meanwhile.
    decoded = _decode(FlatDenoiser(logits=unsure), [2], "multi_block:0.5:0.95:0.5", block_len=2)
    assert decoded.trajectory.nfe_B.tolist() == [8]
    assert decoded.trajectory.revealed_at_BL.tolist() == [[0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7]]


# ---------------------------------------------------------------- the end of an answer


def _written(tokens, order, *, end_id=END):
    """A denoiser that writes these tokens, the surest first in this order."""
    logits = torch.zeros(len(tokens), 12)
    for place, token in enumerate(tokens):
        logits[place, token] = 10.0 - order[place]
    return FlatDenoiser(logits=logits, end_id=end_id)


def test_decoding_stops_at_an_end_token_with_everything_before_it_known():
    denoiser = _written([5, END, 6, 7], [1, 0, 3, 2])
    decoded = _decode(denoiser, [2], "top:1", answer_len=4, block_len=4, stop_early=True)
    t = decoded.trajectory
    assert t.tokens_BL.tolist() == [[5, END, END, END]]
    assert t.revealed_at_BL.tolist() == [[1, 0, NEVER, NEVER]]
    assert t.nfe_B.tolist() == [2]
    assert denoiser.num_calls == 2
    assert decoded.tokens_per_forward_B.tolist() == [1.0]


def test_what_was_revealed_behind_the_end_token_stays_for_replay_and_is_not_part_of_the_answer():
    decoded = _decode(_written([5, END, 6, 7], [2, 1, 3, 0]), [2], "top:1", answer_len=4, block_len=4, stop_early=True)
    t = decoded.trajectory
    assert t.tokens_BL.tolist() == [[5, END, END, 7]]
    assert t.revealed_at_BL.tolist() == [[2, 1, NEVER, 0]]
    assert until_end(t.tokens_BL, END).tolist() == [[5, END, END, END]]
    assert decoded.tokens_per_forward_B.tolist() == pytest.approx([2 / 3])


def test_without_stopping_early_every_position_is_decoded_and_tokens_still_count_to_the_first_end():
    decoded = _decode(_written([5, END, 6, END], [0, 1, 2, 3]), [2], "top:1", answer_len=4, block_len=4)
    assert decoded.trajectory.tokens_BL.tolist() == [[5, END, 6, END]]
    assert decoded.trajectory.nfe_B.tolist() == [4]
    assert decoded.tokens_per_forward_B.tolist() == [0.5]


def test_without_an_end_token_all_tokens_count():
    denoiser = _written([5, END, 6, 7], [0, 1, 2, 3], end_id=None)
    decoded = _decode(denoiser, [2], "top:2", answer_len=4, block_len=4, stop_early=True)
    assert decoded.trajectory.tokens_BL.tolist() == [[5, END, 6, 7]]
    assert decoded.tokens_per_forward_B.tolist() == [2.0]
    assert until_end(decoded.trajectory.tokens_BL, None).tolist() == [[5, END, 6, 7]]


def test_lengths_of_answers():
    tokens_BL = torch.tensor([[END, 5, END], [5, 6, 7], [5, 6, END]])
    assert answer_lengths(tokens_BL, END).tolist() == [1, 3, 3]
    assert answer_lengths(tokens_BL, None).tolist() == [3, 3, 3]


# ---------------------------------------------------------------- what it costs, and what is told


def test_rows_that_are_done_are_not_paid_for():
    denoiser = HashDenoiser()
    lengths = [9, 1, 4, 2]
    decoded = _decode(denoiser, lengths, "factor:2", pad_to=12)
    nfe = decoded.trajectory.nfe_B
    assert len(set(nfe.tolist())) > 1
    assert sum(len(tokens) for tokens, _ in denoiser.seen) == int(nfe.sum())
    assert decoded.token_forwards == sum(int(n) * (length + 14) for n, length in zip(nfe, lengths, strict=True))
    for step, (tokens, attend) in enumerate(denoiser.seen):
        longest = max(length for length, n in zip(lengths, nfe.tolist(), strict=True) if n > step)
        assert tokens.shape[1] == longest + 14, "columns of padding alone are left out"
        assert torch.equal(attend.sum(1), torch.tensor([x + 14 for x, n in zip(lengths, nfe.tolist()) if n > step]))


def test_a_policy_is_told_how_far_decoding_has_come():
    steps = []
    _decode(HashDenoiser(), [6, 2], "top:2", record=steps.append)
    first, third, fourth = (steps[i].context for i in (0, 2, 3))
    assert first.known_share_B.tolist() == pytest.approx([6 / 20, 2 / 16])
    assert third.known_share_B.tolist() == pytest.approx([10 / 20, 6 / 16])
    assert (first.block_len, third.step_B.tolist(), third.num_block_masks_B.tolist()) == (5, [2, 2], [5, 5])
    assert (fourth.step_B.tolist(), fourth.num_block_masks_B.tolist()) == ([0, 0], [5, 5])
    last = steps[-1].context
    assert last.num_block_masks_B.tolist() == [4, 4]
    assert first.eligible_BL.sum(1).tolist() == [5, 5]
    assert first.masked_BL.all()
    assert first.hidden_BLD is None


def test_confidence_entropy_and_margin_are_those_of_temperature_1():
    steps = []
    _decode(HashDenoiser(), [3], "top:1", temperature=0.3, record=steps.append)
    denoiser = HashDenoiser()
    _decode(denoiser, [3], "top:1", temperature=0.3)
    canvas_BN, attend_BN = denoiser.seen[0]
    logits_BLV = denoiser.denoise(canvas_BN, attend_BN).logits_BNV[:, 3:8].double()
    logits_BLV[..., MASK] = -torch.inf
    law = torch.distributions.Categorical(logits=logits_BLV)
    context, token = steps[0].context, steps[0].token_AL[:, :5]
    expected = law.probs.gather(2, token[..., None])[..., 0]
    torch.testing.assert_close(context.confidence_BL[:, :5], expected)
    torch.testing.assert_close(context.entropy_BL[:, :5], law.entropy())
    top2 = law.probs.topk(2).values
    torch.testing.assert_close(context.margin_BL[:, :5], top2[..., 0] - top2[..., 1])
    for values in (context.confidence_BL, context.entropy_BL, context.margin_BL):
        assert not values[:, 5:].any()
        assert values.dtype == torch.float64


def test_an_empty_batch_is_decoded_to_nothing():
    decoded = _decode(HashDenoiser(), [], "top:1")
    assert decoded.trajectory.tokens_BL.shape == (0, 14)
    assert (decoded.token_forwards, decoded.tokens_per_forward_B.shape) == (0, (0,))


def test_prompts_may_be_empty():
    assert _decode(HashDenoiser(), [0, 3], "top:7", block_len=14).trajectory.nfe_B.tolist() == [2, 2]
    assert _decode(HashDenoiser(), [0], "top:7", block_len=14).trajectory.nfe_B.tolist() == [2]


# ---------------------------------------------------------------- tokens


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_draws_follow_the_softmax_whatever_the_precision_of_the_logits(temperature, dtype):
    num = 100_000
    logits_V = torch.tensor([9.0, 0.0, -1.0, 2.5, 0.3, -3.0, 1.0]).to(dtype)
    uniform_M = torch.from_numpy(np.random.default_rng(1).random(num))
    drawn = propose(logits_V.expand(num, 7), mask_id=0, temperature=temperature, uniform_M=uniform_M)
    law_V = (logits_V.double()[1:] / temperature).softmax(0).numpy()
    counts_V = np.bincount(drawn.token_M.numpy(), minlength=7)
    assert counts_V[0] == 0
    assert stats.chisquare(counts_V[1:], law_V * num).pvalue > 1e-3
    torch.testing.assert_close(drawn.logp_M, torch.from_numpy(np.log(law_V))[drawn.token_M - 1])


def test_tokens_decoded_in_one_pass_follow_the_softmax_row_by_row():
    logits_V = torch.linspace(-2, 2, 12)
    decoded = _decode(
        FlatDenoiser(logits=logits_V, end_id=None),
        [1] * 500,
        "threshold:0",
        answer_len=200,
        block_len=200,
        temperature=1.0,
    )
    law_V = logits_V[1:].double().softmax(0).numpy()
    counts_V = np.bincount(decoded.trajectory.tokens_BL.flatten().numpy(), minlength=12)
    assert decoded.trajectory.nfe_B.tolist() == [1] * 500
    assert counts_V[0] == 0
    assert stats.chisquare(counts_V[1:], law_V * 100_000).pvalue > 1e-3
    by_row = decoded.trajectory.tokens_BL.double().mean(1)
    assert stats.kstest((by_row - by_row.mean()) / by_row.std(), "norm").pvalue > 1e-3  # rows are not copies


def test_extreme_uniform_numbers_draw_tokens_that_can_be():
    logits_MV = torch.tensor([[5.0, 0.0, 0.0, -1e4]]).expand(2, 4)
    uniform_M = torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64)
    for temperature in (0.1, 1.0, 50.0):
        drawn = propose(logits_MV, mask_id=0, temperature=temperature, uniform_M=uniform_M)
        assert drawn.token_M.tolist() == [1, 2]


def test_certain_tokens_have_no_entropy_and_ties_are_exact():
    logits_MV = torch.tensor([[0.0, 0.0, -1e4, -1e4], [9.0, 1.0, 1.0, 1.0]])
    proposed = propose(logits_MV, mask_id=0)
    assert proposed.entropy_M.tolist() == pytest.approx([0.0, np.log(3)], abs=1e-15)
    assert proposed.entropy_M[0] == 0
    assert proposed.token_M.tolist() == [1, 1]
    assert proposed.confidence_M.tolist() == pytest.approx([1, 1 / 3], abs=1e-15)
    assert proposed.margin_M.tolist() == [1.0, 0.0]


def test_large_tables_of_logits_are_read_in_parts(monkeypatch):
    logits_MV = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    uniform_M = torch.from_numpy(np.random.default_rng(0).random(50))
    whole = propose(logits_MV, mask_id=0, temperature=0.7, uniform_M=uniform_M)
    monkeypatch.setattr("reasonry.training.dultra.proposals._CHUNK", 24)
    parts = propose(logits_MV, mask_id=0, temperature=0.7, uniform_M=uniform_M)
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))


# ---------------------------------------------------------------- caches


@pytest.mark.parametrize("cache", ["prefix", "dual"])
def test_a_cache_that_is_refreshed_at_every_step_is_no_cache_and_one_that_is_not_reads_less(cache):
    denoiser = TinyDenoiser(TinyDenoiserConfig(vocab_size=12, max_len=40), seed=1)
    plain = _decode(denoiser, [3, 9], "top:1", block_len=4)
    fresh = _decode(denoiser, [3, 9], "top:1", block_len=4, cache=cache, refresh_every=1)
    kept = _decode(denoiser, [3, 9], "top:1", block_len=4, cache=cache)
    assert torch.equal(fresh.trajectory.tokens_BL, plain.trajectory.tokens_BL)
    assert torch.equal(fresh.trajectory.revealed_at_BL, plain.trajectory.revealed_at_BL)
    assert fresh.token_forwards == plain.token_forwards == 14 * (3 + 14) + 14 * (9 + 14)
    assert kept.token_forwards < plain.token_forwards
    assert torch.equal(kept.trajectory.nfe_B, plain.trajectory.nfe_B)


def test_a_denoiser_without_keys_cannot_be_cached():
    with pytest.raises(ConfigError, match="keeps no keys"):
        _decode(HashDenoiser(), [3], "top:1", cache="dual")


def test_a_refresh_without_a_cache_is_refused():
    with pytest.raises(ValueError, match="no cache that could be refreshed"):
        DecodingConfig(refresh_every=4)


# ---------------------------------------------------------------- what is refused


def test_each_row_needs_a_seed():
    with pytest.raises(ConfigError, match="1 seeds for 2 prompts"):
        _decode(HashDenoiser(), [3, 3], "top:1", seeds=[0])


def test_prompts_padded_on_the_right_are_refused():
    prompt_BP, attend_BP = prompts_of([2, 4])
    with pytest.raises(DataError, match="padded on the right"):
        decode(
            HashDenoiser(),
            prompt_BP.flip(1),
            attend_BP.flip(1),
            policy=make_policy("top:1"),
            config=DecodingConfig(),
            seeds_B=[0, 1],
        )


def test_a_canvas_that_is_too_long_is_refused_and_padding_does_not_count():
    denoiser = HashDenoiser(max_len=18)
    assert _decode(denoiser, [4], "top:9", pad_to=30).trajectory.nfe_B.tolist() == [3]
    with pytest.raises(ConfigError, match="a prompt of 5 and an answer of 14 tokens do not fit the 18"):
        _decode(denoiser, [5], "top:9")


def test_a_planner_of_hidden_states_needs_a_model_that_has_some():
    with pytest.raises(ConfigError, match="reads hidden states"):
        _decode(HashDenoiser(width=0), [3], CoinPolicy(0.5, reads_hidden=True))


class _Stuck(CoinPolicy):
    def select(self, context):
        reveal_BL = context.eligible_BL & False
        if self.q > 0.5:
            reveal_BL = ~context.eligible_BL
        return StepDecision(reveal_BL, torch.zeros(len(reveal_BL), dtype=torch.bool))


@pytest.mark.parametrize("q", [0.1, 0.9])
def test_a_policy_that_reveals_nothing_or_too_much_is_stopped(q):
    with pytest.raises(ConfigError, match="revealed what was not eligible, or nothing, at step 0"):
        _decode(HashDenoiser(), [3], _Stuck(q))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_logits_that_are_no_numbers_are_refused(bad):
    class Overflown(HashDenoiser):
        def denoise(self, tokens_BN, attend_BN, *, with_hidden=False):
            said = super().denoise(tokens_BN, attend_BN).logits_BNV
            said[0, -1, 4] = bad
            return Denoised(said, None)

    with pytest.raises(DataError, match="not finite"):
        _decode(Overflown(), [3], "top:1", block_len=14)
