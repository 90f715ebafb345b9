"""Attacks on texts and token ids: what each does to a sentence, what it leaves alone, how they are named."""

import math
import time

import numpy as np
import pytest

from reasonry.core.seeds import stream
from reasonry.errors import ConfigError, DataError
from reasonry.watermark.bench import Attack, attacks, changed_share, delete_tokens, make_attack, substitute_tokens
from reasonry.watermark.bench import words as word_lists
from reasonry.watermark.bench.exchanges import _neighbours
from reasonry.watermark.bench.moves import WORD

STORY = (
    'The old house stood on the hill. "I do not know why," she said, and I\'m sure that they were afraid of the dark! '
    "In 1990 the well-known doctor started to help the children; he couldn't find the answer.\n\n"
    "Suddenly the quick fox stopped  and looked at their beautiful garden (it was huge). They have received many gifts."
)


def attacked(attack: str, text: str, seed: int = 0) -> str:
    return make_attack(attack).apply(text, stream(seed, "attack"))


# ---------------------------------------------------------------- what each does


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I do not know.", "I don't know."),
        ("Do not go. DO NOT GO.", "Don't go. DON'T GO."),
        ("It is late, and we will leave.", "It's late, and we'll leave."),
        ("You are not here; they cannot stay.", "You're not here; they can't stay."),
        ("Yes, I am. So it is.", "Yes, I am. So it is."),  # no short form at the end of a phrase
        ("I know that they do not.", "I know that they don't."),
        ("do\nnot, do  not", "do\nnot, do  not"),
        ("undo nothing, do notes", "undo nothing, do notes"),
        ("He’s gone and I will go", "He’s gone and I’ll go"),
        ("", ""),
    ],
)
def test_contraction_shortens_what_has_a_short_form(text: str, expected: str) -> None:
    assert attacked("contraction", text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I don't know.", "I do not know."),
        ("Don't! DON'T!", "Do not! DO NOT!"),
        ("I'm here, I'LL go; we’ve won", "I am here, I WILL go; we have won"),
        ("They can't and won't.", "They cannot and will not."),
        ("John's dog and the dogs' house", "John's dog and the dogs' house"),
        ("o'clock rock'n'roll", "o'clock rock'n'roll"),
    ],
)
def test_expansion_writes_contractions_out_and_leaves_the_genitive(text: str, expected: str) -> None:
    assert attacked("expansion", text) == expected


def test_contraction_undoes_expansion_wherever_words_follow() -> None:
    for short in word_lists.expansions():
        text = f"Well, {short} be so."
        assert attacked("contraction", attacked("expansion", text)) == text


def test_a_letter_case_that_no_list_knows_is_left_alone() -> None:
    assert attacked("contraction", "ſhould not") == "ſhould not"  # a long s matches s when case is ignored


def test_misspelling_takes_the_capitals_of_the_word() -> None:
    assert attacked("misspelling:1", "Because, BECAUSE! because") in {
        f"{a.capitalize()}, {b.upper()}! {c}" for a in S for b in S for c in S
    }
    assert attacked("misspelling:1", "zebra Friend's") == "zebra Friend's"


S = ("becuase", "becouse")


def test_synonyms_keep_the_grammatical_form() -> None:
    assert attacked("synonym:1", "She was terrified; HURRYING children attempted it.") in {
        f"She was terrified; {h} {c} tried it." for h in ("RUSHING", "HASTENING") for c in ("kids", "youngsters")
    }
    table = word_lists.synonyms()
    assert set(table["throwing"]) == {"tossing", "hurling"}
    assert set(table["threw"]) == {"tossed", "hurled"}
    assert set(table["tossed"]) == {"hurled"}, "threw or thrown depends on the sentence"
    assert set(table["help"]) == {"aid", "support"}, "both as noun and as verb"
    assert set(table["thieves"]) == {"robbers", "burglars"}
    assert "complete" not in table, "an adjective and a verb, with nothing in common"
    assert "hidden" not in table


@pytest.mark.parametrize(
    ("entry", "forms"),
    [
        ("stop", "stop stops stopped stopped stopping"),
        ("carry", "carries carried carrying"),
        ("agree", "agrees agreed agreeing"),
        ("grasp", "grasps grasped grasping"),
        ("admit", "admits admitted admitting"),
        ("answer", "answers answered answering"),
        ("journey", "journeys journeyed journeying"),
        ("vow", "vows vowed vowing"),
        ("fix", "fixes fixed fixing"),
        ("choose/chose/chosen", "chooses chose chosen choosing"),
        ("build/built", "builds built building"),
        ("argue", "argues argued arguing"),
    ],
)
def test_verbs_are_inflected_by_the_rules_of_spelling(entry: str, forms: str) -> None:
    assert set(forms.split()) <= set(word_lists.verb_forms(entry))


def test_the_lists_are_as_long_as_they_are_said_to_be() -> None:
    heads = [
        w for t in (word_lists.VERBS, word_lists.NOUNS, word_lists.ADJECTIVES) for e in word_lists.entries(t) for w in e
    ]
    assert len(word_lists.expansions()) >= 60
    assert len(word_lists.misspellings()) >= 150
    assert len(heads) >= 300
    for word, others in {**word_lists.misspellings(), **word_lists.synonyms()}.items():
        assert others, word
        assert word not in others
        assert all(o == o.lower() and o.replace("'", "").isalpha() for o in (word, *others))
    assert len(set(word_lists.expansions().values())) == len(word_lists.expansions()), (
        "every expansion has one short form"
    )


def test_typos_are_neighbours_on_the_keyboard() -> None:
    keys = _neighbours()
    assert set(keys["g"]) == set("ftyhbv")
    assert set(keys["q"]) == set("wa")
    assert set(keys["p"]) == set("ol")
    assert set(keys["m"]) == set("njk")
    assert all(a in keys[b] for a in keys for b in keys[a])
    out = attacked("typo:1", "Go, Paul! 42 é")
    assert [c.isupper() for c in out] == [c.isupper() for c in "Go, Paul! 42 é"]
    assert all(
        w.lower() in keys[c.lower()] if c.lower() in keys else w == c
        for c, w in zip("Go, Paul! 42 é", out, strict=True)
    )


def test_lowercase_lowers_every_letter() -> None:
    assert attacked("lowercase", "NASA, Émile: OK?") == "nasa, émile: ok?"


def test_swapping_keeps_the_capital_at_the_start_and_the_marks_in_place() -> None:
    assert attacked("swap:1", "The cat, sat down. I left it.") == "Cat sat, down the. Left it I."
    assert attacked("swap:1", "One.\nTwo! Three? 3.14: pi") == "One.\nTwo! Three? 3.14: pi"
    assert attacked("swap:1", "NASA flew") == "Flew NASA"
    assert attacked("swap:1", "word") == "word"


@pytest.mark.parametrize("text", ['The cat sat, down.  It (really) left "us" at 3.14!\n\n  - Done', STORY])
def test_deleting_leaves_no_double_space_and_keeps_the_capital(text: str) -> None:
    for seed in range(40):
        out = attacked("delete:0.3", text, seed)
        given = iter(WORD.findall(text.lower()))
        assert all(word in given for word in WORD.findall(out.lower())), "the other words, in their order"
        assert out.count("  ") <= text.count("  ")
        assert not {" ,", " .", " !", " )"} & {out[i : i + 2] for i in range(len(out))}
        assert out.count("\n") == text.count("\n")


def test_a_deleted_first_word_hands_its_capital_on() -> None:
    outs = {attacked("delete:0.5", "The cat sat. I left.", seed) for seed in range(60)}
    assert "Cat sat. I left." in outs
    assert "Sat. I left." in outs
    assert not any(out.startswith(("cat", "sat")) for out in outs)


def test_repeating_doubles_the_word_in_place() -> None:
    outs = {attacked("repeat-delete:0.4", "The cat sat, there.", seed) for seed in range(200)}
    assert "The the cat sat, there." in outs
    assert "The cat sat sat, there." in outs
    assert "Cat cat sat, there there." in outs


# ---------------------------------------------------------------- all of them


@pytest.mark.parametrize("attack", attacks(), ids=lambda a: a.name)
def test_an_attack_is_a_function_of_text_and_generator(attack: Attack) -> None:
    one, again = (attack.apply(STORY * 3, stream(3, attack.name)) for _ in range(2))
    assert one == again
    assert 0 < changed_share(STORY * 3, one) < 0.6
    if attack.family in {"lowercase", "contraction", "expansion"}:
        assert attack.apply(STORY * 3, stream(4)) == one
    else:
        assert len({attack.apply(STORY * 3, stream(seed)) for seed in range(5)}) > 1


@pytest.mark.parametrize("attack", attacks(), ids=lambda a: a.name)
@pytest.mark.parametrize("text", ["", " \n\t ", "...!? (--)", "12 34 56", "你好。"])
def test_a_text_without_anything_to_change_survives(attack: Attack, text: str) -> None:
    if attack.family in {"swap", "delete", "repeat-delete"} and any(c.isalnum() for c in text):
        return  # numbers and ideographs are words that can move
    assert attack.apply(text, stream(0)) == text


@pytest.mark.parametrize(
    ("family", "strengths"), [("misspelling", (0.25, 0.5)), ("typo", (0.05, 0.1)), ("synonym", (0.25, 0.5, 0.75, 1.0))]
)
def test_the_share_of_places_acted_on_is_the_strength(family: str, strengths: tuple[float, ...]) -> None:
    text = " ".join(["because the answer helped beautiful children"] * 400)
    most = changed_share(text, attacked(f"{family}:1", text))
    for strength in strengths:
        out = attacked(f"{family}:{strength}", text)
        if family == "typo":
            share, num = sum(a != b for a, b in zip(text, out, strict=True)) / sum(c.isalpha() for c in text), len(text)
        else:
            share, num = changed_share(text, out) / most, most * 2400
        assert share == pytest.approx(strength, abs=4 * math.sqrt(strength * (1 - strength) / num) + 1e-12)


@pytest.mark.parametrize(("attack", "share"), [("delete:0.1", 0.1), ("repeat-delete:0.05", 0.05 + 0.95 * 0.05)])
def test_the_share_of_words_deleted_and_doubled_is_the_strength(attack: str, share: float) -> None:
    text = " ".join(f"w{i}" for i in range(3000))
    out = attacked(attack, text)
    assert changed_share(text, out) == pytest.approx(share, abs=4 * math.sqrt(share / 3000) + 0.003)


def test_the_standard_set_has_the_usual_strengths_and_every_name_makes_its_attack() -> None:
    names = [a.name for a in attacks()]
    assert names == [
        "misspelling:0.25", "misspelling:0.5", "typo:0.05", "typo:0.1", "lowercase", "contraction", "expansion",
        "swap:0.05", "swap:0.1", "repeat-delete:0.05", "delete:0.05", "delete:0.1",
        "synonym:0.25", "synonym:0.5", "synonym:0.75", "synonym:1",
    ]  # fmt: skip
    assert tuple(make_attack(name) for name in names) == attacks()
    assert make_attack("typo:.05").name == "typo:0.05"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("typos:0.1", "Did you mean 'typo'"),
        ("synonim:0.5", "Did you mean 'synonym'"),
        ("zzz", "Known: misspelling"),
        ("typo", "Write typo:0.05"),
        ("typo:", "typo needs a probability"),
        ("typo:1.5", "from 0 to 1"),
        ("typo:nan", "from 0 to 1"),
        ("typo:a", "from 0 to 1"),
        ("lowercase:0.5", "lowercase has no strength"),
        ("", "unknown attack"),
    ],
)
def test_an_attack_that_does_not_exist_is_refused_with_the_nearest(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace("(", "\\(")):
        make_attack(text)


def test_attacks_are_fast_enough_for_a_corpus() -> None:
    text = STORY * 30
    start = time.perf_counter()
    for attack in attacks():
        attack.apply(text, stream(0))
    assert time.perf_counter() - start < 5, "some 13 kB through 16 attacks; it is 0.2 s on one core"


# ---------------------------------------------------------------- the measure, and token ids


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [
        ("", "", 0.0),
        ("a b c d", "a b c d", 0.0),
        ("a b c d", "a, b -- c  d!", 0.0),
        ("a b c d", "a x c d", 0.25),
        ("a b c d", "a c d", 0.25),
        ("a b c d", "a b b c d", 0.2),
        ("a b c d", "b a c d", 0.5),
        ("a b c d", "A b c d", 0.25),
        ("a b c d", "", 1.0),
        ("", "x", 1.0),
        ("don't stop", "do not stop", 2 / 3),
    ],
)
def test_the_share_changed_is_the_edit_distance_in_words(before: str, after: str, share: float) -> None:
    assert changed_share(before, after) == pytest.approx(share)


def test_deleting_and_substituting_tokens_acts_on_exactly_the_share() -> None:
    ids = np.arange(1000)
    kept = delete_tokens(ids, 0.1, stream(0))
    assert len(kept) == 900
    assert (np.diff(kept) > 0).all()
    changed = substitute_tokens(ids, 0.25, 50_000, stream(0))
    assert int((changed != ids).sum()) == 250
    assert ids.tolist() == list(range(1000)), "the caller's array is not touched"
    assert (delete_tokens(ids, 0.1, stream(0)) == kept).all()
    assert delete_tokens([1, 2, 3], 1.0, stream(0)).tolist() == []
    assert delete_tokens([1, 2, 3], 0.0, stream(0)).tolist() == substitute_tokens([1, 2, 3], 0, 9, stream(0)).tolist()
    assert substitute_tokens([], 0.5, 9, stream(0)).tolist() == []


def test_a_substitute_is_uniform_over_the_other_tokens() -> None:
    out = substitute_tokens([2] * 30_000, 1.0, 4, stream(1))
    counts = np.bincount(out, minlength=4)
    assert counts[2] == 0
    assert counts[[0, 1, 3]] == pytest.approx([10_000] * 3, abs=4 * math.sqrt(30_000 * 2 / 9))


def test_token_attacks_refuse_what_they_cannot_do() -> None:
    for share in (-0.1, 1.1, math.nan):
        with pytest.raises(ConfigError, match="share"):
            delete_tokens([1], share, stream(0))
        with pytest.raises(ConfigError, match="share"):
            substitute_tokens([1], share, 5, stream(0))
    with pytest.raises(ConfigError, match="vocab_size"):
        substitute_tokens([0], 0.5, 1, stream(0))
    with pytest.raises(DataError, match="outside a vocabulary of 5"):
        substitute_tokens([1, 5], 0.5, 5, stream(0))
