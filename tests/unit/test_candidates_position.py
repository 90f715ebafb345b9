"""Where a candidate begins in the tokens of prompt and candidate, for every kind of tokenizer."""

import pytest
from tests.tokenizer_makers import byte_bpe, sentence_piece, word_piece
from transformers import PreTrainedTokenizerFast

from reasonry.core.candidates import CandidateQuestion
from reasonry.core.candidates.position import Encoded, QuestionEncoder, common_tok
from reasonry.core.models.word_level import word_level_tokenizer
from reasonry.errors import ConfigError, DataError

MAKERS = {"byte-bpe": byte_bpe, "sentence-piece": sentence_piece, "word-piece": word_piece}
CITIES = (" Paris", " Tokyo", " French")


def _encode(tokenizer: PreTrainedTokenizerFast, prompt: str, *candidates: str, **how: object) -> Encoded:
    encoder = QuestionEncoder(tokenizer, name="m", **how)  # pyright: ignore[reportArgumentType]
    return encoder.encode([CandidateQuestion(prompt, candidates)])[0]


@pytest.mark.parametrize("kind", MAKERS)
def test_the_scored_part_is_the_answer_and_nothing_else(kind: str) -> None:
    tokenizer = MAKERS[kind]()
    found = _encode(tokenizer, "Alice Stone lives in", *CITIES)
    fold = str.lower if kind == "word-piece" else str
    for row, candidate in zip(found.rows, CITIES, strict=True):
        assert tokenizer.decode(row[found.start :]).strip() == fold(candidate.strip())
        assert tokenizer.decode(row[: found.start], skip_special_tokens=True).strip() == fold("Alice Stone lives in")
    assert (found.merged, found.nested) == (False, False)


@pytest.mark.parametrize("kind", MAKERS)
def test_rows_are_what_the_tokenizer_makes_of_the_whole_text_without_what_it_sets_behind(kind: str) -> None:
    tokenizer = MAKERS[kind]()
    found = _encode(tokenizer, "Alice Stone lives in", *CITIES)
    for row, candidate in zip(found.rows, CITIES, strict=True):
        whole = tokenizer("Alice Stone lives in" + candidate)["input_ids"]
        assert list(row) == (whole[:-1] if kind == "word-piece" else whole)


def test_a_begin_token_stands_in_front_and_the_first_logit_is_read_at_the_prompts_last_token() -> None:
    with_bos, without = byte_bpe(bos=True), byte_bpe()
    found = _encode(with_bos, "Alice lives in", " Paris")
    assert found.rows[0][0] == with_bos.bos_token_id
    assert found.start == len(with_bos("Alice lives in")["input_ids"])
    assert with_bos.decode([found.rows[0][found.start - 1]]) == " in"
    bare = _encode(without, "Alice lives in", " Paris")
    assert (bare.rows[0], bare.start) == (found.rows[0][1:], found.start - 1)


def test_a_prompt_that_ends_in_a_space_goes_back_to_the_border_that_all_candidates_share() -> None:
    tokenizer = byte_bpe()
    apart = tokenizer("Alice lives in ")["input_ids"]
    assert tokenizer.decode([apart[-1]]) == " ", "the space is a token of its own here"
    found = _encode(tokenizer, "Alice lives in ", "Paris", "Tokyo")
    assert found.merged
    assert found.start == len(apart) - 1
    clean = _encode(tokenizer, "Alice lives in", " Paris", " Tokyo")
    assert (found.rows, found.start) == (clean.rows, clean.start), "nothing is lost by the space"
    assert not clean.merged


def test_where_only_some_candidates_merge_the_prompts_tail_counts_in_all() -> None:
    tokenizer = byte_bpe()
    found = _encode(tokenizer, "Alice lives in ", "Paris", "\tTokyo")
    assert found.merged
    assert [tokenizer.decode(row[found.start :]) for row in found.rows] == [" Paris", " \tTokyo"]
    assert tokenizer.decode(found.rows[1][: found.start]) == "Alice lives in"


def test_common_first_tokens_and_candidates_that_begin_others_are_marked() -> None:
    tokenizer = byte_bpe()
    distinct = _encode(tokenizer, "Alice codes in", " Java", " French")
    assert (distinct.shared_first_token, distinct.nested) == (False, False)
    pieces = tokenizer(" Java Java")["input_ids"]
    assert len(pieces) == 2 * len(tokenizer(" Java")["input_ids"])
    nested = _encode(tokenizer, "Alice codes in", " Java Java", " French", " Java")
    assert (nested.shared_first_token, nested.nested) == (True, True)
    ended = _encode(tokenizer, "Alice codes in", " Java Java", " French", " Java", ending=".")
    assert (ended.shared_first_token, ended.nested) == (True, False)
    assert all(tokenizer.decode(row).endswith(".") for row in ended.rows)


# ---------------------------------------------------------------- chat


def test_in_a_chat_the_candidate_is_the_reply_and_the_first_logit_is_the_last_token_of_the_prompt() -> None:
    tokenizer = byte_bpe(bos=True, chat=True)
    found = _encode(tokenizer, "Where does Alice live?", " Paris", " Tokyo", as_chat=True)
    turns = [{"role": "user", "content": "Where does Alice live?"}]
    prompt = tokenizer.apply_chat_template(turns, add_generation_prompt=True)["input_ids"]
    assert found.start == len(prompt)
    assert list(found.rows[0][: found.start]) == prompt
    assert found.rows[0].count(tokenizer.bos_token_id or 0) == 2, "two turns; none is added in front of the template"
    # The reply as the template itself would write it.
    whole = tokenizer.apply_chat_template([*turns, {"role": "assistant", "content": " Paris"}])["input_ids"]
    assert list(found.rows[0]) == whole[: len(found.rows[0])]
    assert not found.merged


def test_a_chat_without_a_template_is_refused() -> None:
    with pytest.raises(ConfigError, match="no chat template") as caught:
        QuestionEncoder(byte_bpe(), name="base", as_chat=True)
    assert "prompt_as = text" in caught.value.remedy


# ---------------------------------------------------------------- what cannot be scored


def test_without_anything_in_front_the_first_token_has_no_probability() -> None:
    for prompt in ("", " "):
        with pytest.raises(DataError, match="no token stands before") as caught:
            _encode(byte_bpe(), prompt, "Paris")
        assert caught.value.place.startswith("question 1")
    found = _encode(byte_bpe(bos=True), "", "Paris")
    assert found.start == 1


def test_candidates_that_the_tokenizer_cannot_tell_apart_are_refused() -> None:
    words = word_level_tokenizer(["Alice", "lives", "in", "Paris"])
    with pytest.raises(DataError, match="writes the candidates ' Rome' and ' Oslo' alike"):
        _encode(words, "Alice lives in", " Paris", " Rome", " Oslo")
    with pytest.raises(DataError, match="alike"):
        _encode(word_piece(), "Alice lives in", " Paris", " PARIS")


def test_a_candidate_of_which_no_token_is_left_is_refused() -> None:
    with pytest.raises(DataError, match="makes no token"):
        _encode(word_piece(), "Alice lives in", " Paris", " \x00")


def test_rows_beyond_the_context_are_refused_before_anything_is_scored() -> None:
    fitting = _encode(byte_bpe(), "Alice lives in", " Paris")
    most = len(fitting.rows[0])
    assert _encode(byte_bpe(), "Alice lives in", " Paris", limit_tok=most) == fitting
    with pytest.raises(DataError, match=f"have {most} tokens, the model's context holds {most - 1}"):
        _encode(byte_bpe(), "Alice lives in", " Paris", limit_tok=most - 1)


def test_no_questions_are_no_work() -> None:
    assert QuestionEncoder(byte_bpe(), name="m").encode([]) == []


def test_the_common_beginning() -> None:
    assert common_tok((1, 2, 3), (1, 2, 4)) == 2
    assert common_tok((1, 2), (1, 2, 4)) == 2
    assert common_tok((), (1,)) == 0
