"""Text that a model wrote, before it is printed."""

from __future__ import annotations

import time

import pytest

from reasonry.core.text import escape_html, one_line, strip_controls


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[1;1Hgone", "gone"),
        ("\x1b]0;root@host\x07ok", "ok"),
        ("\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\ here", "click here"),
        ("\x9d8;;https://evil.example\x9cclick", "click"),
        ("\x1bPq#0;2;0;0;0\x1b\\after", "after"),
        ("\x1b_payload\x1b\\x\x1b^p\x1b\\y\x1bXz\x1b\\", "xy"),
        ("\x9b31mred", "red"),
        ("\x1bcreset\x1b(B\x1b7", "reset"),
        ("a\x1b\x1b[31mb", "ab"),
        ("loading\r\x08\x07done\x00\x7f\x85", "loadingdone"),
        ("line\n\tindent\r\n", "line\n\tindent\n"),
        ("safe\u202egpj.exe\u202c", "safegpj.exe"),
        ("\u2066x\u2069", "x"),
        ("pass\u200bword pass\u200dword\ufeff", "password password"),
        ("hidden\U000e0041\U000e0042", "hidden"),
        ("\ud800 and \udfff", "\ufffd and \ufffd"),
    ],
)
def test_what_a_terminal_would_obey_is_removed(raw: str, clean: str) -> None:
    assert strip_controls(raw) == clean


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain text, 12 + 7 = 19",
        "naïve Ωmega — 東京 𝑥² ≤ 3",
        "family \U0001f468\u200d\U0001f469\u200d\U0001f467 and fire heart \u2764\ufe0f\u200d\U0001f525",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\u05e9\u05dc\u05d5\u05dd\u200f!",
        "two\nlines\tand a tab",
    ],
)
def test_honest_text_passes_unchanged(text: str) -> None:
    assert strip_controls(text) == text


def test_an_unterminated_string_sequence_swallows_no_text() -> None:
    assert strip_controls("before \x1b]0;the rest of the reply") == "before 0;the rest of the reply"


@pytest.mark.parametrize("unit", ["\x1b]", "\x9d", "\x1b[", "\x1b[1", "\x1bP8;;a", "\x9b0"])
def test_stripping_takes_linear_time_on_unfinished_sequences(unit: str) -> None:
    start = time.perf_counter()
    out = strip_controls(unit * 200_000)
    assert time.perf_counter() - start < 5.0
    assert "\x1b" not in out


def test_escaped_text_holds_no_markup_and_no_quote() -> None:
    assert escape_html("<img src=x onerror='alert(1)'> & \"q\"\x1b[31m") == (
        "&lt;img src=x onerror=&#x27;alert(1)&#x27;&gt; &amp; &quot;q&quot;"
    )


@pytest.mark.parametrize(
    ("text", "width", "line"),
    [
        ("short", 10, "short"),
        ("exactly10!", 10, "exactly10!"),
        ("eleven char", 10, "eleven ch…"),
        ("two\n  lines\t here ", 40, "two lines here"),
        ("東京都", 6, "東京都"),
        ("東京都庁", 6, "東京…"),
        ("\x1b[31mred\x1b[0m alert", 5, "red…"),
        ("abc", 1, "…"),
        ("", 3, ""),
    ],
)
def test_one_line_fits_its_cell(text: str, width: int, line: str) -> None:
    assert one_line(text, width) == line


def test_one_line_refuses_a_cell_of_no_width() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        one_line("x", 0)
