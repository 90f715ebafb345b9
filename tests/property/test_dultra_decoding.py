"""What holds of every rule and every decoding."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.dultra_fakes import END, MASK, CoinPolicy, HashDenoiser, context_of, prompts_of, row_of

from reasonry.training.dultra.decoding import DecodingConfig, decode
from reasonry.training.dultra.policies.make import make_policy
from reasonry.training.dultra.trajectory import NEVER

RULES = [
    *["random", "low_confidence", "margin", "entropy", "top:1", "top:3", "rand:2", "threshold:0.4", "factor:1"],
    *["factor:2.5:fast-dllm", "entropy_bound:0.7", "entropy_threshold:1", "multi_block:0.2:0.6:1.2"],
]
probabilities = st.floats(0, 1, width=32)


@st.composite
def steps(draw):
    L = draw(st.integers(1, 9))
    B = draw(st.integers(1, 3))

    def table(values):
        return draw(st.lists(st.lists(values, min_size=L, max_size=L), min_size=B, max_size=B))

    return context_of(
        confidence=table(probabilities),
        entropy=table(st.floats(0, 3, width=32)),
        margin=table(probabilities),
        uniform=table(st.floats(0, 1, width=32, exclude_max=True)),
        eligible=table(st.booleans()),
        block_len=draw(st.integers(1, L)),
    )


@given(steps(), st.sampled_from(RULES))
def test_every_rule_reveals_eligible_positions_and_at_least_one_where_there_is_any(context, text):
    decision = make_policy(text).select(context)
    assert not (decision.reveal_BL & ~context.eligible_BL).any()
    has_any_B = context.eligible_BL.any(1)
    if text.startswith("multi_block"):  # decides on rows whose first open block has masks, as all others do
        has_any_B = context.eligible_BL[:, : context.block_len].any(1)
    assert (decision.reveal_BL.any(1) | ~has_any_B).all()
    assert not (decision.is_forced_B & ~context.eligible_BL.any(1)).any()
    assert not (decision.is_forced_B & (decision.reveal_BL.sum(1) == 0)).any()


@given(st.lists(probabilities, min_size=1, max_size=8), st.floats(0.1, 6))
def test_the_factor_rule_takes_the_largest_number_that_its_definition_allows(confidence, factor):
    ordered = sorted(confidence, reverse=True)
    n = 1
    while n < len(ordered) and ordered[n] >= 1 - factor / (n + 2) - 2**-31:
        n += 1
    margins = [abs(c - (1 - factor / (j + 2))) for j, c in enumerate(ordered)]
    if min(margins) < 1e-8:
        return  # a hair's breadth from the limit either is right
    decision = make_policy(f"factor:{factor}").select(context_of(confidence=[confidence]))
    assert int(decision.reveal_BL.sum()) == n


@given(st.lists(st.floats(0, 3, width=32), min_size=1, max_size=8), st.floats(0, 6))
def test_the_entropy_bound_takes_the_largest_number_that_its_definition_allows(entropy, bound):
    ordered = sorted(entropy)
    costs = [sum(ordered[:n]) - max(ordered[:n]) for n in range(1, len(ordered) + 1)]
    if min(abs(cost - bound) for cost in costs) < 1e-7:
        return
    n = max(n for n, cost in enumerate(costs, 1) if cost <= bound or n == 1)
    decision = make_policy(f"entropy_bound:{bound}").select(context_of(entropy=[entropy]))
    assert int(decision.reveal_BL.sum()) == n
    assert sorted(e for e, r in zip(entropy, decision.reveal_BL[0].tolist(), strict=True) if r) == ordered[:n]


@settings(max_examples=60)
@given(
    num_tokens=st.integers(1, 40),
    block_len=st.integers(1, 45),
    spare=st.floats(0, 1),
    name=st.sampled_from(["random", "low_confidence", "margin", "entropy"]),
)
def test_a_budget_of_steps_is_spent_exactly_whatever_the_blocks(num_tokens, block_len, spare, name):
    blocks = math.ceil(num_tokens / min(block_len, num_tokens))
    num_steps = blocks + round(spare * (num_tokens - blocks))
    prompt_BP, attend_BP = prompts_of([2])
    decoded = decode(
        HashDenoiser(end_id=None),
        prompt_BP,
        attend_BP,
        policy=make_policy(f"{name}:{num_steps}"),
        config=DecodingConfig(answer_len=num_tokens, block_len=block_len),
        seeds_B=[1],
    )
    assert decoded.trajectory.nfe_B.tolist() == [num_steps]


@settings(max_examples=40)
@given(
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=5),
    num_tokens=st.integers(1, 12),
    block_len=st.integers(1, 13),
    temperature=st.sampled_from([0.0, 0.5, 1.0]),
    text=st.sampled_from([*RULES, "coin"]),
    end_bias=st.sampled_from([0.0, 3.0]),
    stop_early=st.booleans(),
    padding=st.integers(0, 3),
)
def test_rows_are_independent_and_trajectories_whole(
    lengths, num_tokens, block_len, temperature, text, end_bias, stop_early, padding
):
    denoiser = HashDenoiser(end_bias=end_bias)
    policy = CoinPolicy(0.4, reads_hidden=True) if text == "coin" else make_policy(text)
    config = DecodingConfig(answer_len=num_tokens, block_len=block_len, temperature=temperature, stop_early=stop_early)
    P = max(lengths) + padding
    prompt_BP, attend_BP = prompts_of(lengths, pad_to=P)
    B = len(lengths)
    decoded = decode(denoiser, prompt_BP, attend_BP, policy=policy, config=config, seeds_B=range(B))
    t = decoded.trajectory
    row = B // 2
    keep = P - lengths[row]
    alone = decode(
        denoiser, prompt_BP[[row], keep:], attend_BP[[row], keep:], policy=policy, config=config, seeds_B=[row]
    )
    assert row_of(alone.trajectory, 0) == row_of(t, row)
    assert not (t.tokens_BL == MASK).any()
    assert torch.equal(t.nfe_B, t.revealed_at_BL.amax(1) + 1)
    assert t.is_forced_BS.shape == t.logp_tok_BS.shape == (B, int(t.nfe_B.max()))
    filled_BL = t.revealed_at_BL == NEVER
    assert (t.tokens_BL[filled_BL] == END).all()
    assert stop_early or not filled_BL.any()
    # What was never revealed lies behind an end token that was.
    for places, revealed, tokens in zip(filled_BL, ~filled_BL, t.tokens_BL, strict=True):
        if places.any():
            first = int(places.byte().argmax())
            assert ((tokens[:first] == END) & revealed[:first]).any()
