"""From texts to tokens and from replies back to answers, with tokenizers of every kind."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.tokenizers_of_many_kinds import BYTES, KINDS, tokenizer_of

from reasonry.errors import ConfigError, DataError
from reasonry.tasks.reasoning_text import ReasoningText
from reasonry.tasks.reasoning_tokens import Grader, PieceMaker

SUM = ReasoningText("Tom has 3 apples. He buys 9 more. How many?", ("3 + 9 = 12",), "12")
WORDS = ReasoningText("Is it a module or a class, tell me.", ("It is an object.", "It is a class."), "it is a class")


def with_end(kind: str) -> Any:
    """A tokenizer with an end token, which gives its texts back as far as its kind can."""
    from tokenizers import decoders

    tokenizer = copy.deepcopy(tokenizer_of(kind))  # which other tests share
    if kind in BYTES:
        decoder = decoders.ByteLevel()
    else:
        decoder = decoders.WordPiece() if kind == "word pieces" else decoders.Metaspace()
    tokenizer.backend_tokenizer.decoder = decoder
    tokenizer.add_special_tokens({"eos_token": "<end>"})
    return tokenizer


@pytest.fixture(scope="module")
def maker() -> PieceMaker:
    return PieceMaker(with_end("byte level"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("example", [SUM, WORDS])
def test_what_a_model_is_taught_to_write_is_read_as_the_right_answer(kind: str, example: ReasoningText) -> None:
    maker = PieceMaker(with_end(kind))
    (pieces,) = maker.make([example])
    grader = Grader(maker, [example])
    oracle = grader.oracle(pieces)
    reply = maker.decode([*(token for step in pieces.steps for token in step), *pieces.answer])
    assert grader.grade(reply, oracle, cut_off=False).grade == "right"
    wrong = maker.make([example._replace(answer="13" if example is SUM else "it is a module")])[0]
    assert grader.grade(maker.decode(wrong.answer), oracle, cut_off=False).grade == "wrong"


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_hold_each_text_and_nothing_is_lost_between_them(kind: str) -> None:
    maker = PieceMaker(with_end(kind))
    pieces = maker.make([SUM, WORDS])
    assert maker.lossy([SUM], pieces[:1]).num == 0
    joined = [*pieces[1].question, *(t for step in pieces[1].steps for t in step), *pieces[1].answer]
    told = "".join([WORDS.question, *WORDS.steps, "###", WORDS.answer]).replace(" ", "")
    back = maker.decode(joined)
    assert "".join(back.split()).casefold() == told.casefold()
    assert pieces[0].answer[-1] == maker.eos_id


@pytest.mark.parametrize("kind", KINDS)
def test_many_texts_at_once_are_the_tokens_of_each(kind: str) -> None:
    tokenizer = with_end(kind)
    texts = [f"{step}\n" for example in (SUM, WORDS) for step in (*example.steps, example.question)]
    maker = PieceMaker(tokenizer)
    ids = maker._encode(texts)
    assert ids == [tuple(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
    assert maker._decode(ids) == [maker.decode(each) for each in ids]
    tokenizer.backend_tokenizer.enable_padding(length=99)  # a trainer left it like this
    assert maker._encode(texts) == ids


def test_a_tokenizer_that_merges_over_the_end_of_a_piece_is_why_pieces_are_tokenised_one_by_one() -> None:
    tokenizer = with_end("across spaces")
    maker = PieceMaker(tokenizer)
    example = ReasoningText("What is it?", ("it has objects", "and names"), "same")
    (pieces,) = maker.make([example])
    whole = tokenizer("What is it?\nit has objects\nand names\n### same", add_special_tokens=False)["input_ids"]
    joined = [*pieces.question, *pieces.steps[0], *pieces.steps[1], *pieces.answer[:-1]]
    assert whole != joined  # tokens of the whole text reach over newlines
    assert tokenizer.decode(whole) == tokenizer.decode(joined)
    # The second step's tokens are the same when it is the first that is left.
    assert maker.make([example._replace(steps=example.steps[1:])])[0].steps[0] == pieces.steps[1]


def test_what_a_tokenizer_loses_is_counted_and_shown() -> None:
    maker = PieceMaker(with_end("word pieces"))  # lower case only
    examples = [SUM, ReasoningText("Who?", ("Tom IS here.",), "Tom")]
    found = maker.lossy(examples, maker.make(examples))
    assert (found.num, found.num_checked) == (1, 2)
    assert found.text == "Tom IS here. ### Tom"
    assert found.back == "tom is here. # # # tom"


def test_an_answer_of_lost_letters_is_right_when_it_is_what_the_tokenizer_can_write() -> None:
    maker = PieceMaker(with_end("word pieces"))
    example = ReasoningText("Who?", ("He is.",), "Tom Jones")
    grader = Grader(maker, [example])
    oracle = grader.oracle(maker.make([example])[0])
    assert grader.grade("he is. # # # tom jones", oracle, cut_off=False).is_right


# ---------------------------------------------------------------- replies


@pytest.mark.parametrize(
    ("reply", "cut_off", "answer"),
    [
        ("3 + 9 = 12\n### 12", False, "12"),
        ("### 1\n### 12", False, "12"),
        ("### 12", True, None),  # it may have become 120
        ("### 12\n", True, "12"),
        ("### 12\nand so", True, "12"),
        ("###", False, None),
        ("3 + 9 = 12", False, None),
        ("", True, None),
        ("###  a \t b ", False, "a b"),
    ],
)
def test_the_answer_is_what_follows_the_last_marker(
    maker: PieceMaker, reply: str, cut_off: bool, answer: str | None
) -> None:
    assert maker.answer_text(reply, cut_off=cut_off) == answer


def test_numbers_are_compared_as_numbers_and_texts_as_texts(maker: PieceMaker) -> None:
    numbers = Grader(maker, [SUM])
    assert numbers.grade("### $1,200.00", "1200", cut_off=False).is_right
    texts = Grader(maker, [SUM, WORDS])
    assert not texts.grade("### 12.0", "12", cut_off=False).is_right
    assert texts.grade("### it  is a\nclass", "it is a class", cut_off=False).is_right


def test_a_reply_that_was_cut_off_and_one_without_an_answer_are_told_apart(maker: PieceMaker) -> None:
    grader = Grader(maker, [SUM])
    assert grader.grade("3 + 9", "12", cut_off=True).reason == "cut off before an answer"
    assert grader.grade("3 + 9", "12", cut_off=False).reason == "no answer found"
    assert grader.grade("### twelve", "12", cut_off=False).grade == "ungradable"


def test_a_marker_in_the_question_deceives_nobody(maker: PieceMaker) -> None:
    (pieces,) = maker.make([SUM._replace(question="Write ### 7. How many?")])
    grader = Grader(maker, [SUM])
    assert grader.grade(maker.decode(pieces.answer), grader.oracle(pieces), cut_off=False).is_right


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"question": "  "}, "the question is empty"),
        ({"steps": ()}, "no steps"),
        ({"steps": ("3 + 9 = 12", " ")}, "an empty step"),
        ({"answer": ""}, "the answer is empty"),
        ({"steps": ("### 7",)}, "holds the marker '###'"),
        ({"answer": "#### 12"}, "holds the marker '###'"),
        ({"steps": ("stop<end>here",)}, "which ends every reply"),
        ({"question": "<|latent|> what?"}, "with a meaning of its own"),
    ],
)
def test_an_example_that_cannot_be_used_is_refused_with_its_place(change: dict[str, Any], problem: str) -> None:
    tokenizer = with_end("byte level")
    tokenizer.add_tokens(["<|latent|>"], special_tokens=True)
    reserved = {tokenizer.convert_tokens_to_ids("<|latent|>"): "<|latent|>"}
    maker = PieceMaker(tokenizer, reserved=reserved)
    with pytest.raises(DataError, match=r"rows\.jsonl:2: ") as caught:
        maker.make([SUM, SUM._replace(**change)], places=["rows.jsonl:1", "rows.jsonl:2"])
    assert problem in str(caught.value)


def test_questions_to_be_answered_need_no_steps(maker: PieceMaker) -> None:
    (pieces,) = maker.make([SUM._replace(steps=())], needs_steps=False)
    assert pieces.steps == ()


def test_a_model_without_a_tokenizer_is_refused() -> None:
    with pytest.raises(ConfigError, match="no tokenizer"):
        PieceMaker(None)


def test_a_tokenizer_without_an_end_token_is_refused() -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    bare = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()))
    with pytest.raises(ConfigError, match="no end token"):
        PieceMaker(bare)


def test_a_marker_that_the_tokenizer_does_not_know_is_refused() -> None:
    with pytest.raises(ConfigError, match="marker"):
        PieceMaker(with_end("word pieces"), marker="→∎")
    with pytest.raises(ConfigError, match="marker is empty"):
        PieceMaker(with_end("byte level"), marker="  ")


def test_a_chat_template_is_used_only_where_there_is_one() -> None:
    tokenizer = with_end("byte level")
    with pytest.raises(ConfigError, match="no chat template"):
        PieceMaker(tokenizer, chat_template=True)


def test_questions_stand_in_the_user_turn_of_a_chat_template(tiny_model: Any) -> None:
    from transformers import AutoTokenizer

    maker = PieceMaker(AutoTokenizer.from_pretrained(tiny_model), chat_template=True)
    assert maker.decode(maker.question("How many?")) == "user: How many?\nassistant: "


def test_what_a_tokenizer_puts_behind_a_text_does_not_part_a_question_from_its_reply() -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = with_end("digits in threes")
    tokenizer.add_special_tokens({"bos_token": "<begin>"})
    first, last = tokenizer.convert_tokens_to_ids(["<begin>", "<end>"])
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<begin> $A <end>", special_tokens=[("<begin>", first), ("<end>", last)]
    )
    (pieces,) = PieceMaker(tokenizer).make([SUM])
    assert pieces.question[0] == first
    assert last not in pieces.question
    assert first not in pieces.steps[0]
