"""Attacks on arbitrary text, and token edits: what stays whatever the text is."""

import re
from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from reasonry.core.seeds import stream
from reasonry.watermark.bench import attacks, changed_share, delete_tokens, make_attack, substitute_tokens
from reasonry.watermark.bench.moves import WORD
from reasonry.watermark.bench.words import expansions, misspellings, synonyms

KNOWN = sorted({*misspellings(), *synonyms(), *expansions(), *expansions().values()})
PIECES = st.one_of(
    st.sampled_from(KNOWN),
    st.sampled_from(KNOWN).map(str.capitalize),
    st.sampled_from(KNOWN).map(str.upper),
    st.sampled_from([" ", "  ", "\n", "\t", ". ", ", ", "! ", " (", ") ", '"', "’", "'", "-", ": ", "3.14", "I", "A"]),
    st.text(max_size=6),
)
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(PIECES, max_size=30).map("".join),
    st.lists(PIECES, max_size=30).map(" ".join),
)
SEEDS = st.integers(0, 2**32)
NAMES = st.sampled_from([a.name for a in attacks()])
EXCHANGES = ("misspelling", "synonym", "typo")
WITH_STRENGTH = [a.family for a in attacks() if ":" in a.name]


def around_words(text: str) -> list[str]:
    """What stands between runs of letters, digits and apostrophes."""
    return re.split(r"[\w'’]+", text)


@settings(deadline=None)
@given(TEXTS, NAMES, SEEDS)
def test_equal_generators_give_equal_texts_and_the_input_decides_nothing_else(text: str, name: str, seed: int) -> None:
    attack = make_attack(name)
    out = attack.apply(text, stream(seed))
    assert out == attack.apply(text, stream(seed))
    assert 0.0 <= changed_share(text, out) <= 1.0


@settings(deadline=None)
@given(TEXTS, st.sampled_from(WITH_STRENGTH), SEEDS)
def test_strength_zero_changes_nothing(text: str, family: str, seed: int) -> None:
    assert make_attack(f"{family}:0").apply(text, stream(seed)) == text


@settings(deadline=None)
@given(TEXTS, st.sampled_from(EXCHANGES), SEEDS, st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_exchanges_leave_everything_around_the_words_and_grow_with_the_strength(text, family, seed, strengths) -> None:
    weak, strong = (make_attack(f"{family}:{s}").apply(text, stream(seed)) for s in sorted(strengths))
    assert around_words(weak) == around_words(strong) == around_words(text)
    words, by_weak, by_strong = (re.findall(r"[\w'’]+", t) for t in (text, weak, strong))
    if family != "typo":
        assert all(s == w for o, w, s in zip(words, by_weak, by_strong, strict=True) if w != o)
    else:
        assert all(s == w for o, w, s in zip(text, weak, strong, strict=True) if w != o)


@settings(deadline=None)
@given(TEXTS, st.sampled_from(["misspelling", "synonym"]), SEEDS)
def test_replacements_come_from_the_lists_with_the_capitals_of_the_word(text: str, family: str, seed: int) -> None:
    table = misspellings() if family == "misspelling" else synonyms()
    out = make_attack(f"{family}:1").apply(text, stream(seed))
    letters = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
    for before, after in zip(letters.findall(text), letters.findall(out), strict=True):
        if before.lower() in table:
            assert after.lower() in table[before.lower()]
            assert after[0].isupper() == before[0].isupper()
        else:
            assert after == before


@settings(deadline=None)
@given(TEXTS.filter(str.isascii), SEEDS, st.floats(0, 1))
def test_swapping_keeps_all_words_and_all_that_is_between_them(text: str, seed: int, strength: float) -> None:
    out = make_attack(f"swap:{strength}").apply(text, stream(seed))
    assert WORD.split(out) == WORD.split(text)
    assert len(out) == len(text)
    assert Counter(out.lower()) == Counter(text.lower())


@settings(deadline=None)
@given(TEXTS.filter(str.isascii), SEEDS, st.floats(0, 1))
def test_deleting_keeps_a_subsequence_of_the_characters(text: str, seed: int, strength: float) -> None:
    out = make_attack(f"delete:{strength}").apply(text, stream(seed))
    characters = iter(text.lower())
    assert all(c in characters for c in out.lower())
    marks = re.compile(r"[\w \t]")
    assert Counter(marks.sub("", out)) <= Counter(marks.sub("", text))
    assert out.count("\n") == text.count("\n")


@settings(deadline=None)
@given(TEXTS)
def test_expanding_and_lowering_twice_changes_nothing_more(text: str) -> None:
    for name in ("expansion", "lowercase", "contraction"):
        once = make_attack(name).apply(text, stream(0))
        if name != "contraction":  # "i'm" for "i am" may make room for no other, but "had not have" can
            assert make_attack(name).apply(once, stream(0)) == once
        assert make_attack(name).apply(text, stream(1)) == once


WORDS = st.lists(st.sampled_from("abcde"), max_size=12)


def plain_distance(first: list[str], second: list[str]) -> int:
    table = [[i + j for j in range(len(second) + 1)] for i in range(len(first) + 1)]
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            table[i + 1][j + 1] = min(table[i][j + 1] + 1, table[i + 1][j] + 1, table[i][j] + (a != b))
    return table[-1][-1]


@settings(deadline=None)
@given(WORDS, WORDS)
def test_the_share_changed_is_levenshteins_distance_over_the_longer(first: list[str], second: list[str]) -> None:
    share = changed_share(" ".join(first), " ".join(second))
    assert share == plain_distance(first, second) / max(len(first), len(second), 1)
    assert share == changed_share(" ".join(second), " ".join(first))


@given(st.lists(st.integers(0, 8), max_size=50), st.floats(0, 1), SEEDS)
def test_token_edits_act_on_the_rounded_share(ids: list[int], share: float, seed: int) -> None:
    num = int(share * len(ids) + 0.5)
    kept = delete_tokens(ids, share, stream(seed)).tolist()
    assert len(kept) == len(ids) - num
    rest = iter(ids)
    assert all(i in rest for i in kept)
    changed = substitute_tokens(ids, share, 9, stream(seed))
    assert int((changed != np.array(ids, dtype=np.int64)).sum()) == num
    assert ((changed >= 0) & (changed < 9)).all()
