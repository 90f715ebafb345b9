"""A tokenizer with one token a word: nothing is lost but spaces, and unknown words are not passed over."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonry.core.models import load_tokenizer
from reasonry.core.models.word_level import MARKER, check_words, unknown_words, word_level_tokenizer, words_of
from reasonry.errors import ConfigError, DataError
from reasonry.tasks import reasoning_tokens
from reasonry.tasks.maze.words import WORDS
from reasonry.tasks.reasoning_text import ReasoningText, make_texts
from reasonry.tasks.reasoning_tokens import Grader, PieceMaker

TOKENIZER = word_level_tokenizer(["up", "down", "c1", "c12", "1", "12", "7"])


def ids(text: str) -> list[int]:
    return list(TOKENIZER(text)["input_ids"])


def test_every_word_is_one_token_in_the_order_given() -> None:
    assert TOKENIZER.convert_tokens_to_ids(["<pad>", "<eos>", "<unk>", "\n", "up", "down"]) == [0, 1, 2, 3, 4, 5]
    assert (TOKENIZER.pad_token_id, TOKENIZER.eos_token_id, TOKENIZER.unk_token_id) == (0, 1, 2)
    assert len(TOKENIZER) == 4 + 7 + 1
    assert ids("c12 c1 12 1") == [7, 6, 9, 8]


def test_newlines_are_tokens_and_other_white_space_is_none() -> None:
    assert ids("up  down\tup\n") == [4, 5, 4, 3]
    assert ids("\n\nup\n \ndown") == [3, 3, 4, 3, 3, 5]
    assert ids("") == ids("  \t") == []
    assert ids("up\r\ndown") == [4, 3, 5]


def test_unknown_words_become_unk_and_nothing_is_put_around_a_text() -> None:
    assert ids("up left c13 Up") == [4, 2, 2, 2]
    assert list(TOKENIZER("up")["input_ids"]) == [4]


@given(st.lists(st.sampled_from(["up", "down", "c12", "\n", "###", "7"]), max_size=12))
def test_decoding_gives_words_joined_by_single_spaces(words: list[str]) -> None:
    found = ids("  ".join(words))
    assert len(found) == len(words)
    assert TOKENIZER.decode(found) == " ".join(words)


MARKED = "Every gorpus is a jompus, so -3 < 10-3.5 (is it?)\n### Tom's <<52/2=26>> jompus."


def test_marks_are_parted_from_words_and_numbers_stay_whole() -> None:
    words = words_of(MARKED, parts_marks=True)
    assert words[:9] == ["Every", "gorpus", "is", "a", "jompus", ",", "so", "-3", "<"]
    assert words[9:18] == ["10", "-", "3.5", "(", "is", "it", "?", ")", "###"]
    assert words[18:] == ["Tom", "'", "s", "<", "<", "52", "/", "2", "=", "26", ">", ">", "jompus", "."]
    tokenizer = word_level_tokenizer(list(dict.fromkeys(words)), parts_marks=True)
    found = list(tokenizer(MARKED)["input_ids"])
    assert tokenizer.unk_token_id not in found
    told = tokenizer.convert_ids_to_tokens(found)
    assert told == [*words[:17], "\n", *words[17:]], "the tokenizer parts a text as words_of does"
    assert words_of("a. b") == ["a.", "b"]


@given(st.text(alphabet="ab1.,-#?' \n", max_size=20))
def test_the_tokenizer_parts_texts_as_words_of_does(text: str) -> None:
    words = words_of(text, parts_marks=True)
    tokenizer = word_level_tokenizer(list(dict.fromkeys([*words, "x"])), parts_marks=True)
    told = tokenizer.convert_ids_to_tokens(list(tokenizer(text)["input_ids"]))
    assert [word for word in told if word != "\n"] == words


def test_special_tokens_are_left_out_where_that_is_asked_for() -> None:
    assert TOKENIZER.decode([4, 1, 0, 0], skip_special_tokens=True) == "up"
    assert TOKENIZER.decode([4, 1, 0]) == "up <eos> <pad>"
    assert ids("up <eos>") == [4, 1]


def test_texts_of_a_batch_are_padded_on_the_right() -> None:
    batch = TOKENIZER(["up down", "up"], padding=True)
    assert batch["input_ids"] == [[4, 5], [4, 0]]
    assert batch["attention_mask"] == [[1, 1], [1, 0]]


def test_it_is_saved_and_loaded(tmp_path: Path) -> None:
    TOKENIZER.save_pretrained(tmp_path)
    loaded = load_tokenizer(str(tmp_path)).tokenizer
    assert loaded.get_vocab() == TOKENIZER.get_vocab()
    text = "up down\nc1 ### 7 left <eos>"
    assert loaded(text)["input_ids"] == ids(text)
    assert loaded.decode(ids(text)) == TOKENIZER.decode(ids(text))
    assert (loaded.pad_token, loaded.eos_token, loaded.unk_token) == ("<pad>", "<eos>", "<unk>")
    assert loaded.padding_side == "right"


def test_the_marker_is_a_word_of_it() -> None:
    assert MARKER == reasoning_tokens.MARKER
    assert ids("###") == [11]
    assert len(word_level_tokenizer(["###", "up"])) == 6, "it is not added twice"
    assert len(word_level_tokenizer(["up"], marker="")) == 5
    several = word_level_tokenizer(["answer", "up"], marker="answer :")
    assert several("answer : up")["input_ids"] == [4, 6, 5]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "without words"),
        (["up", ""], "'' is not one word"),
        (["go up"], "'go up' is not one word"),
        (["up\n"], "is not one word"),
        (["\n"], "is not one word"),
        (["<eos>"], "a meaning of its own"),
        (["up", "down", "up"], "'up' comes twice"),
    ],
)
def test_bad_vocabularies_are_refused(words: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        word_level_tokenizer(words)


def test_unknown_words_are_counted() -> None:
    assert unknown_words(TOKENIZER, ["up left", "left\nc1 right <unk>", "down"]) == {"left": 2, "right": 1, "<unk>": 1}
    assert unknown_words(TOKENIZER, ["up\ndown", ""]) == {}


def test_texts_with_unknown_words_are_refused_with_the_words_and_the_place() -> None:
    check_words(TOKENIZER, ["up down", "c12"], place="mine.jsonl")
    with pytest.raises(DataError) as caught:
        check_words(TOKENIZER, ["up", "left c13 c13", "c13"], place="mine.jsonl")
    told = str(caught.value)
    assert told.startswith("mine.jsonl: ")
    assert "4 words (2 different: 'c13', 'left'), first in text 2" in told


def test_pieces_of_mazes_are_made_and_graded_with_it() -> None:
    maker = PieceMaker(word_level_tokenizer(WORDS))
    examples = make_texts("maze:small", num=5)
    pieces = maker.make(examples)
    assert maker.lossy(examples, pieces).num == 0
    for example, piece in zip(examples, pieces, strict=True):
        assert len(piece.question) == len(example.question.split()) + 1
        assert {len(step) for step in piece.steps} == {8}
        assert len(piece.answer) == len(example.answer.split()) + 2
    grader = Grader(maker, examples)
    reply = maker.decode([token for part in (*pieces[0].steps, pieces[0].answer) for token in part])
    graded = grader.grade(reply, grader.oracle(pieces[0]), cut_off=False, question=examples[0].question)
    assert graded.is_right


def test_a_tokenizer_without_the_words_is_noticed() -> None:
    example = ReasoningText("up", ("left",), "down")
    maker = PieceMaker(TOKENIZER)
    assert maker.lossy([example], maker.make([example])).num == 1
