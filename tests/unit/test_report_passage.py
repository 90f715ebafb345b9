"""A heat map over text: not a character of the text is lost, and nothing in it acts."""

from __future__ import annotations

import json
import math
import re
from itertools import accumulate, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasonry.core.report import Passage, Passages, Prose, Report, Section, TokenMark, render_html
from reasonry.core.report.encode import checked
from reasonry.core.report.passage import colour_limit, token_columns
from reasonry.core.text import strip_controls
from reasonry.errors import DataError

ROCKET_WOMAN = "\U0001f469\u200d\U0001f680"
PERSIAN = "می\u200cخواهم"
PAYLOAD = "</script><script>alert(1)</script><!-- &lt; \u2028"

VALUES = st.none() | st.floats(-50, 50)
CLEAN = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cf")) | st.sampled_from("\n\t"))


def block_of(block: Passage | Passages) -> dict[str, Any]:
    value = Report("T", sections=[Section("S", [block])]).to_json()
    assert checked(value) == value  # what is written can be read, and cleaning it again changes nothing
    return value["sections"][0]["blocks"][0]


def marks(*texts: str) -> list[TokenMark]:
    return [TokenMark(text, 0.5) for text in texts]


def pieces(block: dict[str, Any]) -> list[str]:
    ends = list(accumulate(block["num_chars"], initial=0))
    return [block["text"][a:b] for a, b in pairwise(ends)]


# The text -----------------------------------------------------------------------------------------


@given(st.lists(st.builds(TokenMark, CLEAN, VALUES, CLEAN), max_size=30))
def test_the_texts_of_the_tokens_are_kept_exactly(tokens: list[TokenMark]) -> None:
    block = block_of(Passage(tokens, "title"))
    assert pieces(block) == [token.text for token in tokens]
    assert block["values"] == [token.value for token in tokens]
    assert block["notes"] == [token.note for token in tokens]


@given(st.lists(st.text(st.characters() | st.sampled_from("\x1b[]\x07\u200d\u200cé\n"), max_size=8), max_size=12))
def test_whatever_a_model_writes_no_token_is_lost_and_no_control_stays(texts: list[str]) -> None:
    block = block_of(Passage(marks(*texts), "title"))
    assert len(block["num_chars"]) == len(texts)
    assert sum(block["num_chars"]) == len(block["text"])
    assert strip_controls(block["text"]) == block["text"]


@given(st.lists(st.text(st.characters(exclude_characters="\u200c\u200d") | st.sampled_from("\x1b[]m\x07"), max_size=8)))
def test_each_token_shows_what_cleaning_leaves_of_it_alone(texts: list[str]) -> None:
    assert pieces(block_of(Passage(marks(*texts), "title"))) == [strip_controls(text) for text in texts]


@pytest.mark.parametrize("text", [ROCKET_WOMAN, PERSIAN, "e\u0301 \U0001f1e9\U0001f1ea"])
def test_a_joiner_is_kept_wherever_the_text_is_cut(text: str) -> None:
    assert strip_controls(text) == text
    for cut in range(len(text) + 1):
        for more in range(cut, len(text) + 1):
            parts = [text[:cut], text[cut:more], text[more:]]
            assert pieces(block_of(Passage(marks(*parts), "title"))) == parts


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        (["a", "\u200d", "b"], ["a", "", "b"]),
        (["é\u200d", "b"], ["é", "b"]),
        (["é\u200d", "\u200dü"], ["é", "ü"]),
        (["\x1b[31m", "red", "\x1b[0m"], ["", "red", ""]),
        (["\u202eabc", "\u2066d\u2069", "\x00\r\n"], ["abc", "d", "\n"]),
        (["\x1b", "]0;owned\x07"], ["", "]0;owned"]),
        (["\ud83d", "\ude00"], ["\ufffd", "\ufffd"]),
        ([], []),
    ],
)
def test_what_a_reader_would_not_see_goes_and_its_token_stays(texts: list[str], shown: list[str]) -> None:
    assert pieces(block_of(Passage(marks(*texts), "title"))) == shown


def test_markup_in_a_passage_is_only_in_the_escaped_data_block() -> None:
    tokens = [TokenMark(PAYLOAD, 1.0, PAYLOAD), TokenMark(PAYLOAD, None, PAYLOAD)]
    one = Passage(tokens, PAYLOAD, PAYLOAD, PAYLOAD, PAYLOAD, PAYLOAD, PAYLOAD, stop_index=1, stop_label=PAYLOAD)
    value = Report("T", sections=[Section("S", [one, Passages([one], PAYLOAD, PAYLOAD)])]).to_json()
    page = render_html(value)
    found = re.findall(r"<script([^>]*)>(.*?)</script>", page, re.DOTALL)
    assert [attributes for attributes, _ in found] == [
        ' type="application/json" id="report"',
        ' type="application/json" id="theme"',
        "",
    ]
    assert not set(found[0][1]) & set("<>&\u2028\u2029")
    assert json.loads(found[0][1]) == value
    assert "alert(1)" not in page.replace(found[0][1], "")


# Values -------------------------------------------------------------------------------------------


def test_a_passage_is_plain_lists_with_the_end_of_its_colours() -> None:
    tokens = [
        TokenMark("The", None, "too little context"),
        TokenMark(" cat", 0.5),
        TokenMark(" sat", -0.25),
    ]
    assert block_of(Passage(tokens, "Reply", stop_index=1)) == {
        "kind": "passage",
        "title": "Reply",
        "caption": "",
        "text": "The cat sat",
        "num_chars": [3, 4, 4],
        "values": [None, 0.5, -0.25],
        "notes": ["too little context", "", ""],
        "value_title": "evidence, nats",
        "for_label": "for",
        "against_label": "against",
        "unscored_label": "not scored",
        "stop_index": 1,
        "stop_label": "detected here",
        "limit": 0.5,
        "digits": 2,
    }


def test_the_end_of_the_colours_does_not_follow_a_wild_token() -> None:
    calm = [0.1 * (i % 10 + 1) for i in range(100)]
    assert colour_limit(calm) == 1.0
    assert colour_limit([*calm, 1e9, -1e9, None, 0.0]) == 1.0


@pytest.mark.parametrize(
    ("values", "limit"),
    [
        ([], 1.0),
        ([None, 0.0, -0.0], 1.0),
        ([-3.0], 3.0),
        ([0.0] * 1000 + [0.5, -2.0], 2.0),
        ([0.123456], 0.12),
        ([5e-324], 5e-324),
        ([1.7976931348623157e308], 1.7976931348623157e308),
    ],
)
def test_the_end_of_the_colours_is_a_positive_round_number(values: list[float | None], limit: float) -> None:
    assert colour_limit(values) == limit


@given(st.lists(VALUES | st.floats(allow_nan=False, allow_infinity=False), max_size=60))
def test_the_end_of_the_colours_covers_nineteen_of_twenty_values(values: list[float | None]) -> None:
    limit = colour_limit(values)
    sizes = [abs(v) for v in values if v]
    assert 0 < limit < math.inf
    assert sum(size > 1.06 * limit for size in sizes) <= 0.05 * len(sizes)
    assert not sizes or limit <= 1.06 * max(sizes)


def test_passages_side_by_side_share_one_scale_unless_one_names_its_own() -> None:
    large, small = [TokenMark("a", 4.0)], [TokenMark("b", 0.1)]
    block = block_of(Passages([Passage(small, "one"), Passage(large, "two"), Passage(small, "three", limit=0.1)]))
    assert [item["limit"] for item in block["items"]] == [4.0, 4.0, 0.1]
    assert [item["kind"] for item in block["items"]] == ["passage"] * 3
    assert block_of(Passage(small, "one"))["limit"] == 0.1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TokenMark("a", math.nan), "value nan"),
        (lambda: TokenMark("a", -math.inf), "value -inf"),
        (lambda: Passage([], " "), "needs a title"),
        (lambda: Passage([], "t", stop_index=0), "stop_index 0 names none of 0 tokens"),
        (lambda: Passage(marks("a"), "t", stop_index=-1), "stop_index -1"),
        (lambda: Passage([], "t", limit=0.0), "limit"),
        (lambda: Passage([], "t", limit=math.inf), "limit"),
        (lambda: Passage([], "t", limit=math.nan), "limit"),
        (lambda: Passages([]), "distinct titles"),
        (lambda: Passages([Passage([], "t"), Passage([], "t")]), "distinct titles"),
    ],
)
def test_a_malformed_passage_is_refused_when_it_is_made(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


# Reading ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("text", None),
        ("text", "abc"),
        ("num_chars", [1, 2]),
        ("num_chars", [3, -1]),
        ("num_chars", [True, True]),
        ("num_chars", "11"),
        ("values", [0.5]),
        ("values", ["0.5", None]),
        ("values", [True, None]),
        ("notes", ["", None]),
        ("notes", [""]),
        ("stop_index", 2),
        ("stop_index", 0.0),
        ("limit", 0),
        ("limit", math.nan),
        ("digits", 16),
        ("digits", None),
        ("title", 7),
        ("stop_label", None),
    ],
)
def test_json_that_is_no_passage_is_refused_with_its_place(key: str, value: Any) -> None:
    block = block_of(Passage([TokenMark("a", 0.5), TokenMark("b", None)], "title", stop_index=1))
    for whole in ({**block, key: value}, {"kind": "passages", "title": "", "items": [block, {**block, key: value}]}):
        report = {**Report("T").to_json(), "sections": [{"title": "S", "lead": "", "blocks": [whole]}]}
        with pytest.raises(DataError, match="report block 'passage': key '") as caught:
            checked(report, place="report.json")
        assert caught.value.place == "report.json"
        assert caught.value.remedy


@pytest.mark.parametrize("items", [None, [], "ab", [1], [{"kind": "prose", "text": "x"}]])
def test_json_that_is_no_set_of_passages_is_refused(items: Any) -> None:
    report = Report("T", sections=[Section("S", [Prose("x")])]).to_json()
    report["sections"][0]["blocks"][0] = {"kind": "passages", "title": "", "items": items}
    with pytest.raises(DataError, match="'passages'"):
        checked(report)


def test_five_thousand_tokens_take_little_room() -> None:
    tokens = [TokenMark(" token", round(0.01 * (i % 100), 2), "" if i % 3 else "repeated context") for i in range(5000)]
    assert len(json.dumps(block_of(Passage(tokens, "long")))) < 40 * len(tokens)


def test_columns_are_as_long_as_the_tokens() -> None:
    columns = token_columns(marks("a", "", "bc"))
    assert columns == {"text": "abc", "num_chars": [1, 0, 2], "values": [0.5] * 3, "notes": [""] * 3}
