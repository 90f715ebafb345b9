"""The ids of a text that comes in pieces are those of the whole; a tokenizer is known by what it does."""

from __future__ import annotations

import copy
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))

from reasonry.core import models
from reasonry.core.models import load_tokenizer
from reasonry.errors import DataError
from reasonry.watermark.profile import tokenizer_hash
from reasonry.watermark.tokenizing import IncrementalTokenizer, encode, tokenizer_hash_of
from tokenizers_of_many_kinds import KINDS, corpus, tokenizer_of

PROSE = "\n".join(corpus())[:60_000]
UNSPACED = re.sub(r"\s+", "", PROSE)[:6_000]
SCRIPTS = (
    "Vim 是一个具有很多命令的功能非常强大的编辑器。限于篇幅,在本教程当中就不详细介绍了。" * 12
    + " Это предложение на русском языке, с пробелами. "
    + "日本語の文章には空白がありません。それでも同じ結果になります。" * 12
    + " Ein Satz mit Umlauten: äöüß, und noch einer. 😀👩‍👩‍👧 tail"
)


def cut(text: str, mean: float, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    pieces, at = [], 0
    while at < len(text):
        size = int(rng.geometric(1 / mean))
        pieces.append(text[at : at + size])
        at += size
    return pieces


def in_pieces(tokenizer: Any, pieces: list[str]) -> list[int]:
    incremental = IncrementalTokenizer(tokenizer)
    ids = [i for piece in pieces for i in incremental.feed(piece)]
    return ids + incremental.finish()


# ---------------------------------------------------------------- equality with the whole


@pytest.mark.parametrize("kind", [*KINDS, "awkward"])
@pytest.mark.parametrize("mean", [2, 30, 5000])
def test_text_with_spaces_gives_the_ids_of_the_whole(kind: str, mean: float) -> None:
    text = PROSE[:8_000] if mean == 2 else PROSE
    incremental = IncrementalTokenizer(tokenizer_of(kind))
    ids = [i for piece in cut(text, mean, seed=1) for i in incremental.feed(piece)] + incremental.finish()
    assert ids == encode(tokenizer_of(kind), text)
    assert incremental.num_out_of_step == 0


@pytest.mark.parametrize("kind", ["byte level", "digits in threes", "prefix space", "metaspace", "across spaces"])
@pytest.mark.parametrize("text", [UNSPACED, SCRIPTS, "\n".join(PROSE.split())[:8_000]], ids=["no", "few", "lines"])
def test_text_without_spaces_gives_the_ids_of_the_whole(kind: str, text: str) -> None:
    for mean in (3, 60, 1000):
        assert in_pieces(tokenizer_of(kind), cut(text, mean, seed=2)) == encode(tokenizer_of(kind), text), mean


@pytest.mark.model
@pytest.mark.parametrize("alias", ["smollm2-135m", pytest.param("gemma3-270m", marks=pytest.mark.slow)])
def test_the_packaged_models_tokenizers_give_the_ids_of_the_whole(alias: str) -> None:
    if not models.is_installed(alias):
        pytest.skip(f"{alias} is not installed")
    tokenizer = load_tokenizer(alias).tokenizer
    rng = np.random.default_rng(5)
    odd = "".join(chr(c) for c in rng.choice([*range(32, 127), 10, 9, *[32] * 40, *range(0x300, 0x330)], 4000))
    runs = "".join(str(rng.choice(list("= -\n\t#a1"))) * int(rng.integers(1, 200)) for _ in range(100))
    digits = "".join(map(str, rng.integers(0, 10, 2000)))
    for text in (PROSE, UNSPACED, SCRIPTS, odd, runs, digits):
        whole = encode(tokenizer, text)
        for mean in (5, 100, 3000):
            assert in_pieces(tokenizer, cut(text, mean, seed=6)) == whole, (text[:30], mean)


@settings(max_examples=60)
@given(
    st.lists(
        st.sampled_from(["word", " ", "\n", "  ", ".", "'s", "12", " a", "é", "\u0301", "的", "<left>", "_", "-"])
    ),
    st.lists(st.integers(1, 7), min_size=1),
    st.sampled_from([*KINDS, "awkward"]),
)
def test_short_texts_of_any_make_give_the_ids_of_the_whole(words: list[str], sizes: list[int], kind: str) -> None:
    text, pieces, at = "".join(words), [], 0
    while at < len(text):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(text[at : at + size])
        at += size
    assert in_pieces(tokenizer_of(kind), pieces) == encode(tokenizer_of(kind), text)


def test_a_long_run_of_digits_out_of_phase_is_counted() -> None:
    """Where ids differ from those of the whole, it is known: here the groups of three come out shifted."""
    digits = "".join(map(str, np.random.default_rng(0).integers(0, 10, 3000)))
    tokenizer = tokenizer_of("digits in threes")
    incremental = IncrementalTokenizer(tokenizer)
    ids = [i for piece in cut(digits, 40, seed=0) for i in incremental.feed(piece)] + incremental.finish()
    assert "".join(tokenizer.convert_ids_to_tokens(ids)) == digits
    assert ids != encode(tokenizer, digits) and incremental.num_out_of_step > 0


def test_added_tokens_that_hold_or_swallow_spaces_stay_whole() -> None:
    tokenizer = tokenizer_of("awkward")
    text = "one <right> two <left> three statement is a four statement is five " * 30
    whole = encode(tokenizer, text)
    assert {"<left>", "<right>", "statement is a"} <= set(tokenizer.convert_ids_to_tokens(whole))
    for size in range(1, 12):
        assert in_pieces(tokenizer, [text[i : i + size] for i in range(0, len(text), size)]) == whole


# ---------------------------------------------------------------- promptness and memory


@pytest.mark.parametrize("kind", ["byte level", "prefix space", "word pieces"])
def test_no_more_than_the_last_words_are_held_back(kind: str) -> None:
    tokenizer, text = tokenizer_of(kind), " ".join(re.findall("[A-Za-z]+", PROSE))[:2000]
    incremental = IncrementalTokenizer(tokenizer)
    num = 0
    for end in range(1, len(text) + 1):
        num += len(incremental.feed(text[end - 1]))
        if end % 97 == 0:
            assert num >= len(encode(tokenizer, text[:end].rsplit(" ", 2)[0]))


def test_text_without_spaces_is_not_held_back_for_ever() -> None:
    tokenizer = tokenizer_of("byte level")
    incremental = IncrementalTokenizer(tokenizer)
    text, num = SCRIPTS[:500] * 4, 0
    for end in range(1, len(text) + 1):
        num += len(incremental.feed(text[end - 1]))
        if end % 101 == 0:
            assert len(encode(tokenizer, text[:end])) - num < 4 * 300, "at most some hundred characters"


def test_a_single_endless_token_costs_linear_time() -> None:
    """An unknown word of word pieces is one token however long: no boundary ever comes."""
    tokenizer = tokenizer_of("word pieces")
    calls: list[int] = []

    def counted(text: str, **options: Any) -> Any:
        calls.append(len(text))
        return tokenizer(text, **options)

    wrapped: Any = Wrapped(tokenizer, counted)
    assert in_pieces(wrapped, ["a" * 10] * 2000) == encode(tokenizer, "a" * 20_000)
    assert sum(calls) < 6 * 20_000


class Wrapped:
    """A tokenizer whose calls go through a function."""

    def __init__(self, tokenizer: Any, call: Any) -> None:
        self._tokenizer, self._call = tokenizer, call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def __call__(self, text: str, **options: Any) -> Any:
        return self._call(text, **options)


def test_a_slow_tokenizer_waits_for_spaces_and_gives_the_ids_of_the_whole() -> None:
    inner = tokenizer_of("prefix space")

    def without_offsets(text: str, **options: Any) -> Any:
        assert not options["return_offsets_mapping"], "a slow tokenizer has none"
        return inner(text, **options)

    slow: Any = Wrapped(inner, without_offsets)
    slow.is_fast = False
    assert in_pieces(slow, cut(PROSE[:5000], 20, seed=3)) == encode(inner, PROSE[:5000])
    assert in_pieces(slow, cut(UNSPACED[:2000], 20, seed=3)) == encode(inner, UNSPACED[:2000])


def test_after_the_end_another_text_can_begin() -> None:
    tokenizer = tokenizer_of("prefix space")
    incremental = IncrementalTokenizer(tokenizer)
    for text in ("one two three", "", "four five", SCRIPTS):
        assert incremental.feed(text) + incremental.finish() == encode(tokenizer, text)


# ---------------------------------------------------------------- whole texts


def test_nothing_is_added_and_nothing_is_cut_off(tiny_model: Path) -> None:
    tokenizer: Any = load_tokenizer(str(tiny_model)).tokenizer
    tokenizer.model_max_length = 5
    tokenizer.backend_tokenizer.enable_truncation(3)
    tokenizer.backend_tokenizer.enable_padding(length=64)
    assert encode(tokenizer, "abcdefgh") == tokenizer.convert_tokens_to_ids(list("abcdefgh"))
    assert encode(tokenizer, "") == []


def test_special_tokens_around_a_text_are_no_part_of_it() -> None:
    from tokenizers import processors

    tokenizer = copy.deepcopy(tokenizer_of("byte level"))
    plain = encode(tokenizer, "one two")
    ends: list[Any] = [("a", 0), ("b", 1)]
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(single="a $A b", special_tokens=ends)
    assert len(tokenizer("one two")["input_ids"]) == len(plain) + 2
    assert encode(tokenizer, "one two") == plain


def test_half_a_surrogate_pair_is_no_text() -> None:
    with pytest.raises(DataError, match=r"lone surrogate U\+D83D at character 4"):
        encode(tokenizer_of("byte level"), "abc\ud83d")


# ---------------------------------------------------------------- identity


def changed(kind: str, edit: Any) -> Any:
    """A copy of a tokenizer whose JSON was edited."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    table = json.loads(tokenizer_of(kind).backend_tokenizer.to_str())
    edit(table)
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(table)))


def test_the_hash_is_that_of_what_cuts_text_and_of_nothing_else(tmp_path: Path) -> None:
    tokenizer = copy.deepcopy(tokenizer_of("byte level"))
    known = tokenizer_hash_of(tokenizer)
    assert re.fullmatch("[0-9a-f]{32}", known)
    tokenizer.backend_tokenizer.enable_truncation(7)
    tokenizer.backend_tokenizer.enable_padding(length=9)
    tokenizer.chat_template, tokenizer.padding_side = "{{ messages }}", "left"
    assert tokenizer_hash_of(tokenizer) == known
    tokenizer.backend_tokenizer.no_padding()  # transformers would make a token of it when it loads the folder
    tokenizer.save_pretrained(tmp_path / "elsewhere")
    assert tokenizer_hash_of(load_tokenizer(str(tmp_path / "elsewhere")).tokenizer) == known


def test_merges_normaliser_and_pre_tokeniser_are_part_of_the_hash() -> None:
    known = tokenizer_hash_of(tokenizer_of("byte level"))
    edits = {
        "the same": lambda t: None,
        "merges": lambda t: t["model"]["merges"].reverse(),
        "normaliser": lambda t: t.update(normalizer={"type": "Lowercase"}),
        "prefix": lambda t: t["pre_tokenizer"].update(add_prefix_space=True),
        "regex": lambda t: t["pre_tokenizer"].update(use_regex=False),
        "dropout": lambda t: t["model"].update(ignore_merges=True),
    }
    found = {name: tokenizer_hash_of(changed("byte level", edit)) for name, edit in edits.items()}
    assert found["the same"] == known
    assert len(set(found.values())) == len(edits)


def test_scores_of_a_unigram_model_are_part_of_the_hash() -> None:
    def edit(table: Any) -> None:
        table["model"]["vocab"][-1][1] -= 1

    assert tokenizer_hash_of(changed("unigram", edit)) != tokenizer_hash_of(tokenizer_of("unigram"))


def test_merges_written_the_old_way_are_the_same_merges() -> None:
    class Old:
        is_fast = True

        def __init__(self, is_old: bool) -> None:
            merges = ["a b", "ab c"] if is_old else [["a", "b"], ["ab", "c"]]
            table: dict[str, Any] = {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": merges}}
            if not is_old:
                table["model"] |= {"ignore_merges": False, "dropout": None}
            self.backend_tokenizer = SimpleNamespace(to_str=lambda: json.dumps(table))

        def get_vocab(self) -> dict[str, int]:
            return {"a": 0}

    old: Any = Old(True)
    new: Any = Old(False)
    assert tokenizer_hash_of(old) == tokenizer_hash_of(new)


def test_of_a_slow_tokenizer_the_vocabulary_counts() -> None:
    slow: Any = SimpleNamespace(is_fast=False, get_vocab=lambda: {"a": 0, "b": 1})
    assert tokenizer_hash_of(slow) == tokenizer_hash({"b": 1, "a": 0})
