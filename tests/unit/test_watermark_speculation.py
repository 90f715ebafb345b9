"""Keyed speculative decoding: the law of the text, the most drafts and the most evidence, and generate's promises."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from tests.watermark_models import HASH, VOCAB, prompts, tiny_llama
from tokenizers import Tokenizer
from tokenizers.decoders import Fuse
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from transformers import (
    GenerationConfig,
    LogitsProcessorList,
    MaxLengthCriteria,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    StoppingCriteria,
    StoppingCriteriaList,
    StopStringCriteria,
)
from transformers.generation.streamers import BaseStreamer

from reasonry.errors import ConfigError
from reasonry.watermark.anchors.model import ModelAnchor
from reasonry.watermark.detection import WatermarkDetector
from reasonry.watermark.generation.drafting import Drafts, Randomness
from reasonry.watermark.generation.processor import AnchoredWatermarkConfig
from reasonry.watermark.generation.rewinding import AnchorLaws, Law
from reasonry.watermark.generation.speculative import KeyedSpeculation
from reasonry.watermark.keys import SecretKey, unlocking
from reasonry.watermark.prf import contexts_of_rows, labels, make_prf, uniforms
from reasonry.watermark.profile import AnchorProfile, Profile

KEY = SecretKey.from_hex("ab" * 32)
OTHER = SecretKey.from_hex("cd" * 32)
TOO_RARE = 1e-4  # smallest p-value taken for chance: all draws here are fixed


def profile_of(*, num_bins: int = 16, window: int = 7, vocab: int = VOCAB, **changes: Any) -> Profile:
    anchor = AnchorProfile(kind="model", model="tiny", revision="r", context_tok=window)
    return Profile(vocab_size=vocab, tokenizer_hash=HASH, num_bins=num_bins, anchor=anchor, **changes)


def anchor_of(model: Any, *, window: int = 7, floor: float = 1e-4) -> ModelAnchor:
    return ModelAnchor(model, vocab_size=model.config.vocab_size, context_tok=window or None, floor=floor)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def target() -> Any:
    return tiny_llama(1)


@pytest.fixture(scope="module")
def small(target: Any) -> Any:
    return near(target, 0.2)


def near(model: Any, noise: float) -> Any:
    """A model whose laws overlap with those of ``model`` the less, the more noise there is in its weights."""
    other = tiny_llama(7, vocab=model.config.vocab_size)
    for mine, its in zip(other.parameters(), model.parameters(), strict=True):
        mine.data = its.data + noise * mine.data
    return other


# ---------------------------------------------------------------- one step, laws that stay the same


class FixedAnchor(ModelAnchor):
    """The same law after every text."""

    def __init__(self, law_V: np.ndarray, *, floor: float) -> None:
        self.law_1V = torch.from_numpy(law_V)[None].float()
        self.vocab_size, self.floor, self.context_tok = len(law_V), floor, 1

    def next_laws(self, texts: Any) -> torch.Tensor:
        return self.law_1V


class FixedLaws:
    """In place of a pass of the marked model."""

    def __init__(self, q_V: torch.Tensor) -> None:
        self.law = Law(q_V, q_V[None], q_V[None])

    def after(self, num_drafts: int) -> Law:
        return self.law


def dirichlet(seed: int, size: int = 24) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(size, 0.5))


def one_step(q_V: np.ndarray, p_V: np.ndarray, *, num_bins: int, num: int, floor: float = 1e-4) -> dict[str, Any]:
    """Many steps with contexts that are all new: tokens drawn, drafts accepted, agreements and their expectation."""
    size = len(q_V)
    profile = profile_of(num_bins=num_bins, vocab=size, context_tok=2)
    anchor = FixedAnchor(p_V, floor=floor)
    speculation = KeyedSpeculation(profile, KEY, anchor, generator=seeded(3))
    prf = make_prf(profile.prf, KEY)
    device = torch.device("cpu")
    drafts = Drafts(profile, prf, anchor, vocab_size=size, device=device, randomness=speculation._random)
    laws: Any = FixedLaws(torch.from_numpy(q_V))
    texts = np.stack([np.arange(num) // 1000, np.arange(num) % 1000 + 5000], 1)
    tokens = [next(speculation._verify(drafts, drafts.after(text, 1), laws)).token for text in texts.tolist()]
    words = prf.words(contexts_of_rows(texts))
    n = num_bins or size
    label_SV = labels(words.label_N[:, None], np.arange(size), n) if num_bins else np.arange(size)[None].repeat(num, 0)
    q_SN = np.stack([np.bincount(row, q_V, n) for row in label_SV])
    p_SN = (1 - floor) * np.stack([np.bincount(row, p_V, n) for row in label_SV]) + floor / n
    keyed_S = (np.cumsum(p_SN, 1) <= uniforms(words.draw_N)[:, None]).sum(1)
    return {
        "tokens": np.array(tokens),
        "accepted": speculation.stats.acceptance,
        "agreed": float((label_SV[np.arange(num), tokens] == keyed_S).mean()),
        "overlap_of_bins": float(np.minimum(q_SN, p_SN).sum(1).mean()),
        "overlap": float(np.minimum(q_V, p_V).sum()),
    }


LAWS = {
    "good": (dirichlet(1), 0.9 * dirichlet(1) + 0.1 * dirichlet(2)),
    "bad": (dirichlet(1), dirichlet(4)),
    "apart": (np.r_[np.full(12, 1 / 12), np.zeros(12)], np.r_[np.zeros(12), np.full(12, 1 / 12)]),
    "equal": (dirichlet(1), dirichlet(1)),
}


@pytest.mark.parametrize("num_bins", [2, 16, 0])
@pytest.mark.parametrize("laws", LAWS)
def test_one_step_has_its_law_the_most_drafts_and_the_most_evidence(laws: str, num_bins: int) -> None:
    """Tokens by q; accepted 1 - TV of the tokens' laws; text and key agree 1 - TV of the symbols' laws."""
    (q_V, p_V), num = LAWS[laws], 2000
    seen = one_step(q_V, p_V, num_bins=num_bins, num=num)
    counts, some = np.bincount(seen["tokens"], minlength=len(q_V)), q_V > 0
    assert counts[~some].sum() == 0
    assert stats.chisquare(counts[some], q_V[some] * num).pvalue > TOO_RARE
    slack = 4 * 0.5 / math.sqrt(num)
    assert abs(seen["accepted"] - seen["overlap"]) < slack
    assert abs(seen["agreed"] - seen["overlap_of_bins"]) < slack
    if laws == "equal":
        assert seen["accepted"] > 1 - 5 / num, "the floor alone makes the laws differ"


def test_a_replacement_by_the_wrong_law_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: a rejected draft that is replaced by a token of q, not of what q has over p."""
    monkeypatch.setattr(Drafts, "instead_of", lambda self, draft, q_V: self._random.sample(q_V))
    q_V, p_V = LAWS["bad"]
    seen = one_step(q_V, p_V, num_bins=16, num=3000)
    counts = np.bincount(seen["tokens"], minlength=len(q_V))
    assert stats.chisquare(counts, q_V * 3000).pvalue < 1e-8


def test_a_bin_in_which_the_anchor_has_nothing_costs_no_law() -> None:
    """More bins than likely tokens, and a floor that often chooses an empty one."""
    q_V = dirichlet(1)
    p_V = np.r_[dirichlet(2, 4), np.zeros(20)]
    seen = one_step(q_V, p_V, num_bins=20, num=3000, floor=0.3)
    assert stats.chisquare(np.bincount(seen["tokens"], minlength=24), q_V * 3000).pvalue > TOO_RARE


# ---------------------------------------------------------------- several steps


def sequences(
    model: Any, anchor: ModelAnchor, prompt: torch.Tensor, *, num: int, tok: int, num_bins: int, num_draft: int = 2
) -> np.ndarray:
    """Texts of ``tok`` tokens under as many keys."""
    vocab, end = model.config.vocab_size, prompt.shape[-1] + tok
    profile = profile_of(num_bins=num_bins, vocab=vocab, window=anchor.context_tok or 0, context_tok=1)
    request = GenerationConfig(do_sample=True, max_length=end)
    stop, none, random = StoppingCriteriaList([MaxLengthCriteria(end)]), LogitsProcessorList(), seeded(5)
    texts = []
    for i in range(num):
        speculation = KeyedSpeculation(
            profile, SecretKey.from_integer(i), anchor, num_draft=num_draft, generator=random
        )
        ids: Any = speculation(model, prompt, logits_processor=none, stopping_criteria=stop, generation_config=request)
        texts.append(ids[0, prompt.shape[-1] :].tolist())
    return np.array(texts)


def joint_law(model: Any, prompt: torch.Tensor, tok: int) -> np.ndarray:
    """Probability of every text of ``tok`` tokens."""
    vocab = model.config.vocab_size
    texts = torch.tensor(list(itertools.product(range(vocab), repeat=tok)))
    with torch.no_grad():
        logits = model(torch.cat([prompt.expand(len(texts), -1), texts], -1)).logits
    logp = logits[:, prompt.shape[-1] - 1 : -1].double().log_softmax(-1)
    return logp.gather(-1, texts[..., None])[..., 0].sum(-1).exp().numpy()


@pytest.mark.parametrize(
    ("anchor", "window", "num_bins"), [("equal", 0, 2), ("good", 3, 3), ("bad", 0, 2), ("bad", 3, 0)]
)
def test_the_joint_law_of_the_first_steps_is_that_of_plain_sampling(anchor: str, window: int, num_bins: int) -> None:
    """Three tokens under 900 keys: one without a context, two that are marked, over all of a vocabulary of 5."""
    model = tiny_llama(1, vocab=5, scale=3)
    drafter = {"equal": model, "good": near(model, 0.15), "bad": tiny_llama(7, vocab=5, scale=3)}[anchor]
    prompt = torch.tensor([[3]])
    texts = sequences(model, anchor_of(drafter, window=window), prompt, num=900, tok=3, num_bins=num_bins)
    expected = joint_law(model, prompt, 3) * len(texts)
    counts = np.bincount(texts @ [25, 5, 1], minlength=125)
    order = np.argsort(expected)
    _, cells = np.unique(np.cumsum(expected[order]) // 8, return_inverse=True)  # at least about 8 texts a cell
    pooled = stats.chisquare(np.bincount(cells, counts[order]), np.bincount(cells, expected[order]))
    assert cells.max() > 25
    assert pooled.pvalue > TOO_RARE


@pytest.mark.parametrize("window", [0, 7])
@pytest.mark.parametrize("num_draft", [1, 4])
def test_every_law_is_that_of_a_fresh_pass_over_the_text(target: Any, small: Any, window: int, num_draft: int) -> None:
    """Caches that are cut again and again, and a left-padded prompt: the laws are those of one pass without them."""
    ids, mask = prompts(4, 8)
    speculation = KeyedSpeculation(
        profile_of(window=window), KEY, anchor_of(small, window=window), num_draft=num_draft, generator=seeded(1)
    )
    out = target.generate(
        ids[3:],
        attention_mask=mask[3:],
        do_sample=True,
        top_k=0,
        custom_generate=speculation,
        max_new_tokens=60,
        return_dict_in_generate=True,
        output_scores=True,
        output_logits=True,
    )
    with torch.no_grad():
        fresh = target(out.sequences[:, 3:]).logits[0, 4:-1]
    torch.testing.assert_close(torch.cat(out.logits), fresh, atol=2e-4, rtol=1e-4)
    torch.testing.assert_close(torch.cat(out.scores), fresh, atol=2e-4, rtol=1e-4)
    assert 0 < speculation.stats.num_accepted < speculation.stats.num_verified
    assert speculation.stats.num_tok == 60
    assert speculation.stats.tok_per_pass == 60 / speculation.stats.num_rounds > 1


@pytest.mark.parametrize("sliding", [False, True])
def test_the_anchor_forgets_what_did_not_come_true(small: Any, sliding: bool) -> None:
    model: Any = small
    if sliding:
        config = MistralConfig(
            vocab_size=VOCAB, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
            num_key_value_heads=1, sliding_window=6,
        )  # fmt: skip
        model = MistralForCausalLM(config).eval()
        for parameter in model.parameters():
            parameter.data = torch.randn(parameter.shape, generator=seeded(1)) / 4
    laws, rng = AnchorLaws(anchor_of(model, window=0)), np.random.default_rng(0)
    text = [1]
    with torch.no_grad():
        for _ in range(60):
            drafted = text + rng.integers(0, VOCAB, 4).tolist()
            for end in range(len(text), len(drafted) + 1):
                fresh = model(torch.tensor([drafted[:end]])).logits[:, -1].softmax(-1)
                torch.testing.assert_close(laws.after(drafted[:end]), fresh, atol=1e-6, rtol=1e-4)
            text = drafted[: len(text) + int(rng.integers(0, 4))]


def test_an_equal_anchor_has_every_draft_accepted() -> None:
    """A model that looks at the last token only has the same law with and without its prompt."""
    model = tiny_llama(1)
    for layer in model.model.layers:
        layer.self_attn.o_proj.weight.data.zero_()
    for num_bins, window in ((16, 7), (2, 0), (0, 7)):
        anchor = anchor_of(model, window=window, floor=1e-12)
        profile = profile_of(num_bins=num_bins, window=window)
        speculation = KeyedSpeculation(profile, KEY, anchor, num_draft=3, generator=seeded(2))
        out = model.generate(
            torch.tensor([[5, 6]]), do_sample=True, top_k=0, custom_generate=speculation, max_new_tokens=81
        )
        assert out.shape[-1] == 83
        assert speculation.stats.acceptance == 1
        assert speculation.stats.num_rounds == 1 + 20, "the first token alone, then four at a time"


# ---------------------------------------------------------------- evidence


@pytest.mark.parametrize("num_bins", [2, 16, 0])
@pytest.mark.parametrize("window", [0, 7])
def test_the_detector_scores_what_was_marked_and_finds_the_text(target: Any, num_bins: int, window: int) -> None:
    profile = profile_of(num_bins=num_bins, window=window)
    anchor = anchor_of(target, window=window)
    speculation = KeyedSpeculation(profile, KEY, anchor, generator=seeded(4))
    found, others = [], []
    for prompt in prompts(3, 5)[0]:
        before = speculation.stats.num_marked
        ids = target.generate(prompt[None], do_sample=True, top_k=0, custom_generate=speculation, max_new_tokens=150)[
            0, 5:
        ].tolist()
        mine = WatermarkDetector(profile, [KEY], anchor=anchor, stops=False).detect(ids)
        assert mine.num_scored == speculation.stats.num_marked - before
        found.append(mine.is_watermarked)
        others.append(WatermarkDetector(profile, [OTHER], anchor=anchor).detect(ids).is_watermarked)
    assert sum(found) >= 2
    assert sum(others) <= 1


def test_repeated_contexts_and_empty_bins_are_counted_as_the_detector_does() -> None:
    """A text that loops, and bins without a token of the anchor, which the floor chooses in every third step."""
    model = tiny_llama(3, vocab=12, scale=14)
    profile = profile_of(num_bins=12, window=7, vocab=12, context_tok=2)
    anchor = anchor_of(tiny_llama(4, vocab=12), floor=0.4)
    for dedup in ("document", "none"):
        speculation = KeyedSpeculation(profile.model_copy(update={"dedup": dedup}), KEY, anchor, generator=seeded(4))
        ids = model.generate(
            torch.tensor([[1, 2]]), do_sample=True, top_k=0, custom_generate=speculation, max_new_tokens=200
        )[0, 2:]
        found = WatermarkDetector(
            profile.model_copy(update={"dedup": dedup}), [KEY], anchor=anchor, stops=False
        ).detect(ids.tolist())
        assert found.num_scored == speculation.stats.num_marked
        assert found.num_duplicate > 50 if dedup == "document" else found.num_scored == 198


# ---------------------------------------------------------------- what generate promises


class Watching(StoppingCriteria):
    """Notes every text it is shown, and stops at a token."""

    def __init__(self, token: int | None = None) -> None:
        self.token = token
        self.texts: list[list[int]] = []

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        self.texts.append(input_ids[0].tolist())
        return torch.tensor([self.texts[-1][-1] == self.token])


class Noting(BaseStreamer):
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.pieces: list[list[int]] = []
        self.num_ends = 0

    def put(self, value: torch.Tensor) -> None:
        self.pieces.append(value.ravel().tolist())

    def end(self) -> None:
        self.num_ends += 1


def speculative(target: Any, small: Any, *, seed: int = 6, length: int = 5, tok: int = 50, **settings: Any) -> Any:
    ids, mask = prompts(1, length)
    speculation = KeyedSpeculation(profile_of(), KEY, anchor_of(small), num_draft=4, generator=seeded(seed))
    return target.generate(
        ids,
        attention_mask=mask,
        **{"do_sample": True, "top_k": 0, "custom_generate": speculation, "max_new_tokens": tok, **settings},
    )


def test_criteria_see_the_text_grow_token_by_token(target: Any, small: Any) -> None:
    watching = Watching()
    for tok in (1, 2, 7, 50):
        watching.texts.clear()
        out = speculative(target, small, tok=tok, stopping_criteria=StoppingCriteriaList([watching]))[0].tolist()
        assert watching.texts == [out[: 5 + t] for t in range(1, tok + 1)]


def test_the_text_ends_at_the_first_stop_token_even_within_accepted_drafts(target: Any) -> None:
    """The marked model as its own anchor: most drafts are accepted, so stops fall within rounds."""
    plain = speculative(target, target, tok=60)[0, 5:].tolist()
    for token in sorted(set(plain))[:8]:
        until = plain[: plain.index(token) + 1]
        watching = Watching(token)
        by_criterion = speculative(target, target, tok=60, stopping_criteria=StoppingCriteriaList([watching]))
        assert by_criterion[0, 5:].tolist() == until
        by_eos = speculative(target, target, tok=60, eos_token_id=token, pad_token_id=0)
        assert by_eos[0, 5:].tolist() == until


def test_a_stop_string_ends_the_text(target: Any) -> None:
    letters = [chr(ord("a") + i) for i in range(26)] + [chr(0x4E00 + i) for i in range(VOCAB - 26)]
    characters = Tokenizer(WordLevel({letter: i for i, letter in enumerate(letters)}, unk_token="a"))
    characters.pre_tokenizer, characters.decoder = Split("", "isolated"), Fuse()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=characters, unk_token="a")
    plain = speculative(target, target)[0, 5:].tolist()
    for start in (11, 24, 32):
        wanted = "".join(letters[t] for t in plain[start : start + 2])
        first = "".join(letters[t] for t in plain).index(wanted)
        criteria = StoppingCriteriaList([StopStringCriteria(tokenizer, wanted)])
        assert speculative(target, target, stopping_criteria=criteria)[0, 5:].tolist() == plain[: first + 2]


def test_a_streamer_gets_the_prompt_and_every_token_once(target: Any, small: Any) -> None:
    streamer = Noting()
    out = speculative(target, small, streamer=streamer)[0].tolist()
    assert streamer.pieces == [out[:5], *([t] for t in out[5:])]
    assert streamer.num_ends == 1


def test_what_is_asked_for_is_returned(target: Any, small: Any) -> None:
    plain = speculative(target, small)
    out = speculative(target, small, return_dict_in_generate=True)
    assert torch.equal(out.sequences, plain)
    assert out.scores is None and out.logits is None
    out = speculative(target, small, return_dict_in_generate=True, output_scores=True, top_k=3)
    assert len(out.scores) == 50 and out.logits is None
    assert all(int((s > -torch.inf).sum()) == 3 for s in out.scores)
    assert all(float(s[0, t]) > -torch.inf for s, t in zip(out.scores, out.sequences[0, 5:], strict=True))


def test_a_seeded_generator_repeats_and_the_global_one_is_left_alone(target: Any, small: Any) -> None:
    state = torch.random.get_rng_state()
    first = speculative(target, small)
    assert torch.equal(first, speculative(target, small))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not torch.equal(first, speculative(target, small, seed=7))
    without = KeyedSpeculation(profile_of(), KEY, anchor_of(small))
    again = speculative(target, small, custom_generate=without)
    assert not torch.equal(again, speculative(target, small, custom_generate=without))
    torch.random.set_rng_state(state)
    assert torch.equal(again, speculative(target, small, custom_generate=without))


def test_a_padded_prompt_continues_like_the_prompt(target: Any, small: Any) -> None:
    """Processors that count tokens see the text as generate does: the least length holds."""
    ids, mask = prompts(4, 8)
    outs = []
    for prompt, seen in ((ids[3:], mask[3:]), (ids[3:, 3:], mask[3:, 3:])):
        speculation = KeyedSpeculation(profile_of(), KEY, anchor_of(small), generator=seeded(8))
        outs.append(
            target.generate(
                prompt,
                attention_mask=seen,
                do_sample=True,
                top_k=0,
                custom_generate=speculation,
                max_new_tokens=40,
                min_new_tokens=30,
                eos_token_id=list(range(0, VOCAB, 3)),
                pad_token_id=0,
            )[0, prompt.shape[-1] :].tolist()
        )
    assert outs[0] == outs[1]
    assert len(outs[0]) >= 30
    assert not any(t % 3 == 0 for t in outs[0][:30]) and (outs[0][-1] % 3 == 0 or len(outs[0]) == 40)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"do_sample": False}, "do_sample is False"),
        ({"num_beams": 2}, "num_beams is 2"),
        ({"num_return_sequences": 2}, "2 texts at once"),
        ({"guidance_scale": 1.5}, "guidance"),
        ({"return_dict_in_generate": True, "output_hidden_states": True}, "no hidden states"),
        ({"input_ids": None, "inputs_embeds": torch.zeros(1, 3, 32), "attention_mask": None}, "text alone"),
    ],
)
def test_what_would_break_the_law_is_refused(target: Any, small: Any, settings: dict[str, Any], message: str) -> None:
    speculation = KeyedSpeculation(profile_of(), KEY, anchor_of(small))
    ids, mask = prompts(1, 4)
    call = {"input_ids": ids, "attention_mask": mask, "do_sample": True, "max_new_tokens": 3, **settings}
    with pytest.raises(ConfigError, match=message):
        target.generate(custom_generate=speculation, **call)


def test_a_batch_is_refused(target: Any, small: Any) -> None:
    ids, mask = prompts(2, 4)
    speculation = KeyedSpeculation(profile_of(), KEY, anchor_of(small))
    with pytest.raises(ConfigError, match="2 texts at once"):
        target.generate(ids, attention_mask=mask, do_sample=True, custom_generate=speculation, max_new_tokens=3)


def test_two_watermarks_at_once_are_refused(target: Any, small: Any) -> None:
    try:
        config = AnchoredWatermarkConfig.of(profile_of(), KEY, anchor=anchor_of(small))
        with pytest.raises(ConfigError, match="two watermarks"):
            speculative(target, small, watermarking_config=config)
    finally:
        unlocking.lock()
    with pytest.raises(ConfigError, match="two watermarks"):
        speculative(target, small, watermarking_config={"greenlist_ratio": 0.25, "bias": 2.0})


def test_settings_that_speculate_nothing_are_refused(small: Any) -> None:
    with pytest.raises(ConfigError, match="num_draft is 0"):
        KeyedSpeculation(profile_of(), KEY, anchor_of(small), num_draft=0)
    uniform = Profile(vocab_size=VOCAB, tokenizer_hash=HASH)
    with pytest.raises(ConfigError, match="drafts no text"):
        KeyedSpeculation(uniform, KEY, anchor_of(small))
    with pytest.raises(ConfigError, match="scheme 'kgw'"):
        KeyedSpeculation(profile_of(scheme="kgw"), KEY, anchor_of(small))
    assert isinstance(Randomness().uniform(), float)
