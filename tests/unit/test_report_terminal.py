"""The outline of a report on a terminal: every figure in its format, and nothing a terminal would obey."""

from __future__ import annotations

import pytest

from reasonry.core.outcome import Outcome
from reasonry.core.report import (
    ClaimRow,
    Claims,
    Estimate,
    Fact,
    Note,
    Passage,
    Passages,
    ProblemRow,
    Prose,
    Report,
    SampleRow,
    Samples,
    Section,
    TokenMark,
)
from reasonry.core.report.terminal import outline


def lines(*facts: Fact, blocks=(), title: str = "Title", subtitle: str = "") -> list[str]:
    sections = [Section("Section", list(blocks))] if blocks else []
    return list(outline(Report(title, subtitle, list(facts), sections, "footer").to_json()))


@pytest.mark.parametrize(
    ("fact", "shown"),
    [
        (Fact("Share", 0.5, format="percent"), "Share  50.0%"),
        (Fact("Share", 0.12345, format="percent", digits=2), "Share  12.35%"),
        (Fact("Share", Estimate(0.5, 0.25, 0.75), format="percent"), "Share  50.0% [25.0%, 75.0%]"),
        (Fact("Share", Estimate(0.5), format="percent"), "Share  50.0%"),
        (Fact("Share", Estimate(None), format="percent"), "Share  -"),
        (Fact("Tokens", 1234567, "12 per sample", "integer"), "Tokens  1,234,567  12 per sample"),
        (Fact("Time", 3.14159, format="seconds"), "Time  3.1 s"),
        (Fact("Gain", 0.125, format="decimal"), "Gain  0.125"),
        (Fact("Gain", 0.125, format="decimal", digits=2), "Gain  0.12"),
        (Fact("Model", "tiny", "local"), "Model  tiny  local"),
        (Fact("Stopped", True), "Stopped  True"),
        (Fact("Absent", None, "not measured"), "Absent  -  not measured"),
    ],
)
def test_a_fact_is_shown_in_its_format(fact: Fact, shown: str) -> None:
    assert lines(fact) == ["Title", "", shown]


def test_facts_are_aligned_by_their_labels() -> None:
    found = lines(Fact("One", 1, format="integer"), Fact("Twenty", 20, format="integer"))[2:]
    assert found == ["One     1", "Twenty  20"]


def test_title_and_subtitle_come_first() -> None:
    assert lines(subtitle="below") == ["Title", "below", ""]


def test_claims_and_warnings_are_listed_and_plain_blocks_are_not() -> None:
    blocks = [
        Prose("Long text."),
        Note("All samples are equal.", "warning"),
        Note("By the way.", "note"),
        Claims(
            [
                ClaimRow("a", "A holds", "pass", Estimate(1.0), "1", "cpu-2min", "source", "metric"),
                ClaimRow("b", "B holds", "unverified", None, "1", "gpu", "source", "metric"),
            ]
        ),
    ]
    assert lines(blocks=blocks)[2:] == [
        "warning: All samples are equal.",
        "",
        "PASS       a  A holds",
        "UNVERIFIED b  B holds",
    ]


def test_samples_are_left_to_the_page() -> None:
    reply = SampleRow("the reply", Outcome("right", "4", "equal"), 3, "stop", {})
    rows = [ProblemRow("p", "the question", "4", Outcome("right", "4", "votes"), [reply], {})]
    assert not any("the reply" in line or "the question" in line for line in lines(blocks=[Samples(rows)]))


def test_a_passage_is_one_line_of_tokens_and_sum() -> None:
    tokens = [TokenMark("The", None, "too little context"), TokenMark(" cat", 1.5), TokenMark(" sat", -0.25)]
    blocks = [
        Passage(tokens, "Reply", stop_index=1),
        Passages([Passage(tokens * 1000, "long", digits=1), Passage([], "empty"), Passage(tokens[:1], "short")]),
    ]
    assert lines(blocks=blocks)[2:] == [
        "Reply: 3 tokens, 2 scored, sum +1.25 (evidence, nats), detected here: token 2",
        "long: 3,000 tokens, 2,000 scored, sum +1250.0 (evidence, nats)",
        "empty: 0 tokens, 0 scored, sum +0.00",
        "short: 1 token, 0 scored, sum +0.00",
    ]


def test_no_control_sequence_reaches_the_terminal() -> None:
    evil = "\x1b]0;owned\x07\x1b[2Jtext\u202e"
    blocks = [
        Note(evil, "warning"),
        Passage([TokenMark(evil, 1.0)], evil + "\n", value_title=evil, stop_index=0, stop_label=evil),
        Claims([ClaimRow(evil, evil, "fail", None, "1", "gpu", "source", "metric")]),
    ]
    found = lines(Fact(evil, evil, evil), blocks=blocks, title=evil, subtitle=evil)
    assert len(found) == 8 and all("text" in line for line in found if line)
    assert not any(c in line for line in found for c in ("\x1b", "\x07", "\u202e", "owned"))


def test_a_report_without_facts_and_sections_is_its_title() -> None:
    assert list(outline({"title": "T"})) == ["T", ""]
