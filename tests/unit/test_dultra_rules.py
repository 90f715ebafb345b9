"""Unmasking rules: what each reveals, worked out by hand."""

import pytest
import torch
from tests.dultra_fakes import CoinPolicy, context_of

from reasonry.errors import ConfigError
from reasonry.training.dultra.policies.make import POLICIES, make_policy

CONFIDENCES = [[0.95, 0.92, 0.5]]


def _revealed(text, **given):
    return [row.nonzero()[:, 0].tolist() for row in make_policy(text).select(context_of(**given)).reveal_BL]


# ---------------------------------------------------------------- threshold, factor


def test_a_threshold_reveals_what_is_likely_enough():
    assert _revealed("threshold:0.9", confidence=CONFIDENCES) == [[0, 1]]


def test_below_the_threshold_exactly_the_likeliest_is_revealed_and_counts_as_forced():
    decision = make_policy("threshold:0.99").select(context_of(confidence=[*CONFIDENCES, [0.1, 0.995, 0.999]]))
    assert decision.reveal_BL.tolist() == [[True, False, False], [False, True, True]]
    assert decision.is_forced_B.tolist() == [True, False]


def test_a_confidence_that_is_the_threshold_up_to_rounding_is_enough():
    assert _revealed("threshold:0.3", confidence=[[0.1 + 0.2, 0.3 - 1e-12, 0.2999]]) == [[0, 1]]


@pytest.mark.parametrize(
    ("confidence", "defined", "upstream"),
    [
        ([0.99, 0.2], [0], [0, 1]),
        ([0.2, 0.2], [0], [0, 1]),
        ([0.99, 0.99, 0.2], [0, 1], [0, 1, 2]),
        ([0.99, 0.99, 0.2, 0.2], [0, 1], [0, 1]),
        ([0.2], [0], [0]),
        ([0.9, 0.9, 0.9], [0, 1, 2], [0, 1, 2]),
    ],
)
def test_the_factor_rule_stops_at_the_first_that_fails_and_the_released_loop_takes_a_last_one_too(
    confidence, defined, upstream
):
    assert _revealed("factor:1", confidence=[confidence]) == [defined]
    assert _revealed("factor:1:fast-dllm", confidence=[confidence]) == [upstream]


@pytest.mark.parametrize("seed", range(30))
def test_the_variant_is_what_fast_dllm_runs(seed):
    rng = torch.Generator().manual_seed(seed)
    n = int(torch.randint(1, 8, (1,), generator=rng))
    confidence = (1 - 0.6 * torch.rand(n, generator=rng, dtype=torch.float64) ** 2).tolist()
    ordered = sorted(confidence, reverse=True)
    # Their loop, in words: go down the sorted confidences until one is below 1 - f / (j + 1), never stopping at the
    # first; then one more is taken when it ended at either end.
    at = 0
    for at, value in enumerate(ordered):
        if value < (-1 if at == 0 else 1 - 1 / (at + 2)):
            break
    at += at in (0, n - 1)
    assert len(_revealed("factor:1:fast-dllm", confidence=[confidence])[0]) == at


def test_factors_look_at_eligible_positions_alone():
    eligible = [[False, True, True, False]]
    assert _revealed("factor:1:fast-dllm", confidence=[[0.0, 0.99, 0.2, 0.0]], eligible=eligible) == [[1, 2]]
    assert _revealed("factor:1", confidence=[[1.0, 0.99, 0.2, 1.0]], eligible=eligible) == [[1]]


# ---------------------------------------------------------------- entropies


def test_the_entropy_bound_leaves_out_the_largest_term():
    assert _revealed("entropy_bound:0.1", entropy=[[0.01, 0.05, 0.2, 1.0]]) == [[0, 1, 2]]


def test_an_entropy_bound_of_0_takes_what_is_certain_and_one_more():
    assert _revealed("entropy_bound:0", entropy=[[2.3, 0.0, 2.3, 0.0]]) == [[0, 1, 3]]


def test_the_entropy_bound_is_that_of_transformers():
    sampling = pytest.importorskip("transformers.models.diffusion_gemma.generation_diffusion_gemma")
    rng = torch.Generator().manual_seed(0)
    logits_BLV = torch.randn(40, 9, 7, generator=rng, dtype=torch.float64) * 4
    entropy_BL = torch.distributions.Categorical(logits=logits_BLV).entropy()
    for bound in (0.05, 0.5, 2.0):
        theirs = sampling.EntropyBoundSampler(
            sampling.EntropyBoundSamplerConfig(bound), canvas_length=9, vocab_size=7, max_denoising_steps=9
        )
        zeros_BL = torch.zeros(40, 9, dtype=torch.int64)
        accepted_BL = theirs.accept_canvas(zeros_BL, zeros_BL + 1, logits_BLV, 0) == 1
        ours = make_policy(f"entropy_bound:{bound}").select(context_of(entropy=entropy_BL.tolist()))
        assert ours.reveal_BL.tolist() == accepted_BL.tolist()


def test_an_entropy_threshold_reveals_what_is_below_or_else_the_lowest():
    entropy = [[0.6, 0.5, 0.1], [0.9, 0.7, 0.7]]
    decision = make_policy("entropy_threshold:0.5").select(context_of(entropy=entropy))
    assert decision.reveal_BL.tolist() == [[False, True, True], [False, True, False]]
    assert decision.is_forced_B.tolist() == [False, True]


# ---------------------------------------------------------------- scheduled


def test_ten_masks_in_four_steps_are_3_3_2_2():
    sizes = []
    eligible = [True] * 10
    for step in range(4):
        context = context_of(confidence=[[1.0] * 10], eligible=[eligible], step=step, block_len=10)
        revealed = make_policy("low_confidence:4").select(context).reveal_BL[0]
        eligible = [e and not r for e, r in zip(eligible, revealed.tolist(), strict=True)]
        sizes.append(int(revealed.sum()))
    assert sizes == [3, 3, 2, 2]


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("low_confidence:1", {"confidence": [[0.1, 0.9, 0.5]]}),
        ("margin:1", {"margin": [[0.1, 0.9, 0.5]]}),
        ("entropy:1", {"entropy": [[0.9, 0.1, 0.5]]}),
        ("random:1", {"uniform": [[0.1, 0.9, 0.5]]}),
        ("top:1", {"confidence": [[0.1, 0.9, 0.5]]}),
        ("rand:1", {"uniform": [[0.1, 0.9, 0.5]]}),
    ],
)
def test_rules_rank_by_what_they_are_named_for(text, given):
    name = text.split(":")[0]
    text = text if name in ("top", "rand") else name  # one a step
    assert _revealed(text, **given) == [[1]]
    if name not in ("top", "rand"):
        assert _revealed(f"{name}:1", **given) == [[0, 1, 2]]


def test_of_equals_the_leftmost_comes_first_and_rounding_does_not_part_them():
    assert _revealed("top:2", confidence=[[0.1, 0.1 + 1e-12, 0.1 - 1e-12, 0.1]]) == [[0, 1]]
    assert _revealed("top:1", confidence=[[0.1 - 1e-12, 0.1, 0.1 + 1e-12]]) == [[0]]
    assert _revealed("entropy", entropy=[[2.0 + 1e-12, 2.0, 2.0 - 1e-12]]) == [[0]]


def test_each_row_has_its_own_step_and_block():
    policy = make_policy("low_confidence:3")  # 2 blocks of 4 and 2 tokens: 2 steps and 1
    context = context_of(
        confidence=[[0.9] * 6, [0.9] * 6],
        eligible=[[True] * 4 + [False] * 2, [False] * 4 + [True] * 2],
        masked=[[True] * 6, [False] * 4 + [True] * 2],
        block_len=4,
    )
    context.num_block_masks_B[1] = 2
    assert policy.select(context).reveal_BL.sum(1).tolist() == [2, 2]


def test_fewer_steps_than_blocks_are_refused_before_any_forward_pass():
    with pytest.raises(ConfigError, match="fewer steps than the answer has blocks"):
        make_policy("entropy:2").eligible(torch.ones(1, 9, dtype=torch.bool), block_len=4)


# ---------------------------------------------------------------- several blocks


def _multi(masked, entropy, *, text="multi_block:0.5:1:0.3", block_len=2):
    policy = make_policy(text)
    masked_BL = torch.tensor([masked])
    eligible_BL = policy.eligible(masked_BL, block_len=block_len)
    context = context_of(entropy=[entropy], eligible=eligible_BL.tolist(), masked=[masked], block_len=block_len)
    decision = policy.select(context)
    return eligible_BL[0].nonzero()[:, 0].tolist(), decision.reveal_BL[0].nonzero()[:, 0].tolist(), decision


def test_the_next_block_opens_when_the_last_one_has_got_far_enough():
    T, F = True, False
    assert _multi([T, T, T, T, T], [1] * 5)[0] == [0, 1]
    assert _multi([T, F, T, T, T], [1] * 5)[0] == [0, 2, 3]
    assert _multi([T, F, F, T, T], [1] * 5)[0] == [0, 3, 4]
    assert _multi([T, T, F, F, T], [1] * 5)[0] == [0, 1]  # a block is not skipped


def test_an_open_block_that_is_not_active_reveals_only_what_is_low_enough():
    T, F = True, False
    assert _multi([T, F, T, T, T], [1.0, 1.0, 0.2, 0.9, 0.1])[1] == [0, 2]  # block 0 moves on, 4 is not open
    assert _multi([T, F, T, T, T], [1.0, 1.0, 0.8, 0.9, 0.1])[1] == [0]
    assert _multi([T, F, T, T, T], [1.0, 1.0, 0.8, 0.9, 0.1], text="multi_block:0.5:0.5:0.3")[1] == [0, 2]


def test_several_blocks_are_forced_only_where_nothing_was_low_enough():
    T, F = True, False
    assert _multi([T, F, T, T, T], [1.0, 1.0, 0.2, 0.9, 0.1])[2].is_forced_B.tolist() == [False]
    assert _multi([T, F, T, T, T], [1.0, 1.0, 0.8, 0.9, 0.1])[2].is_forced_B.tolist() == [True]


def test_progress_of_19_in_20_is_095():
    masked = [True] + [False] * 19 + [True] * 20
    assert _multi(masked, [1.0] * 40, text="multi_block:0.95:0.95:0.3", block_len=20)[0] == [0, *range(20, 40)]


# ---------------------------------------------------------------- policies as text


@pytest.mark.parametrize(
    "text",
    [
        *["random", "random:8", "low_confidence:64", "margin:3", "entropy", "top:2", "rand:4", "threshold:0.9"],
        *["threshold:1", "factor:1", "factor:0.5:fast-dllm", "entropy_bound:0.1", "entropy_threshold:0.45"],
        *["multi_block:0.1:0.95:0.5", "threshold:0.123456789"],
    ],
)
def test_a_policy_is_named_as_it_is_written(text):
    assert make_policy(text).name == text


def test_what_is_left_out_is_the_usual_value():
    names = {name: make_policy(name).name for name in POLICIES if name != "planner"}
    assert names == {
        "random": "random",
        "low_confidence": "low_confidence",
        "margin": "margin",
        "entropy": "entropy",
        "top": "top:1",
        "rand": "rand:1",
        "threshold": "threshold:0.9",
        "factor": "factor:1",
        "entropy_bound": "entropy_bound:0.1",
        "entropy_threshold": "entropy_threshold:0.5",
        "multi_block": "multi_block:0.1:0.95:0.5",
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("treshold:0.9", "Did you mean 'threshold'"),
        ("threshold:1.5", "from 0 to 1"),
        ("threshold:nan", "out of range"),
        ("threshold:high", "not a number"),
        ("threshold:0.9:2", "more arguments"),
        ("factor:0", "above 0"),
        ("factor:1:slow", "fast-dllm"),
        ("entropy_bound:-1", "0 or more"),
        ("entropy_bound:inf", "out of range"),
        ("entropy_threshold:-0.1", "0 or more"),
        ("top:0", "reveals nothing"),
        ("low_confidence:0", "no steps"),
        ("low_confidence:1.5", "not a number"),
        ("multi_block:0:0.9:0.5", "more than 0"),
        ("multi_block:0.1:1.5:0.5", "from 0 to 1"),
        ("planner:sample", "needs a planner"),
        ("planner:greedy", "unknown mode"),
        ("planner:sample:1:2", "factor alone"),
    ],
)
def test_what_is_wrong_with_a_policy_is_said(text, why):
    with pytest.raises(ConfigError) as caught:
        make_policy(text)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("text", "mode", "threshold", "factor"),
    [
        ("planner", "sample", 0.5, 1.0),
        ("planner:sample:0.8", "sample", 0.5, 0.8),
        ("planner:expected:1.2", "expected", 0.5, 1.2),
        ("planner:threshold:0.4:1.5", "threshold", 0.4, 1.5),
    ],
)
def test_a_planner_is_read_with_its_mode_threshold_and_factor(text, mode, threshold, factor):
    head = object()
    policy = make_policy(text, head)
    assert (policy.head, policy.mode, policy.threshold, policy.factor) == (head, mode, threshold, factor)


def test_only_rules_of_chance_are_marked_as_random():
    assert {name for name, kind in POLICIES.items() if kind.is_random} == {"random", "rand", "planner"}


def test_the_constant_planner_of_these_tests_reveals_by_its_coin():
    decision = CoinPolicy(0.5).select(context_of(uniform=[[0.4, 0.6, 0.1], [0.9, 0.8, 0.7]]))
    assert decision.reveal_BL.tolist() == [[True, False, True], [True, False, False]]
    assert decision.is_forced_B.tolist() == [False, True]
