"""Invariants of text cleaning on arbitrary text, lone surrogates included."""

from __future__ import annotations

import html
import re

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from reasonry.core.text import escape_html, one_line, strip_controls

PIECES = st.sampled_from(
    [
        "\x1b",
        "[",
        "]",
        "0;",
        "\x07",
        "\x1b\\",
        "\x9c",
        "\x9b",
        "\x9d",
        "P",
        "m",
        "A",
        "\r",
        "\n",
        "\t",
        "\x00",
        "\u202e",
        "\u2066",
        "\u200d",
        "\u200c",
        "\u200b",
        "\ufe0f",
        "❤",
        "👩",
        "é",
        "東",
        "<",
        "&",
        '"',
        "\ud800",
        " ",
    ]
)
TEXT = st.one_of(st.text(st.characters(codec=None)), st.lists(PIECES, max_size=30).map("".join))
FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b\ufeff\ud800-\udfff]")


@given(TEXT)
def test_stripping_twice_is_stripping_once(text: str) -> None:
    once = strip_controls(text)
    assert strip_controls(once) == once


@given(TEXT)
def test_stripped_text_holds_no_control_and_encodes(text: str) -> None:
    clean = strip_controls(text)
    assert not FORBIDDEN.search(clean)
    clean.encode("utf-8")


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="\ufeff")))
def test_letters_digits_and_signs_are_never_lost(text: str) -> None:
    assert strip_controls(text) == text


@given(TEXT)
def test_escaping_loses_nothing_but_controls(text: str) -> None:
    escaped = escape_html(text)
    assert not set(escaped) & set("<>\"'")
    assert html.unescape(escaped) == strip_controls(text)


@given(TEXT, st.integers(1, 40))
def test_one_line_is_one_clean_line_within_its_width(text: str, width: int) -> None:
    line = one_line(text, width)
    assert cell_len(line) <= width
    assert not re.search(r"[\n\t\r\x1b]", line)
    assert one_line(line, width) == line
