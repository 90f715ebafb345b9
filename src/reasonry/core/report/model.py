"""What a report says, as data: headline facts, then sections made of blocks.

Every block is a frozen record with a ``kind``; `reasonry.core.report.encode` turns a `Report` into plain
JSON, and the page is rendered from that JSON alone. Text may come from a model: it is never markup. Prose
knows two marks only, `` `code` `` and ``**strong**``, and blank lines part paragraphs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

from reasonry.core.outcome import Outcome

Format = Literal["text", "integer", "decimal", "percent", "signed", "seconds", "bytes", "money"]
"""How a number is shown: ``percent`` takes a fraction, ``seconds`` picks a unit, ``money`` is in dollars."""

Align = Literal["auto", "left", "right", "center"]
Span = Literal["full", "half"]
Status = Literal["pass", "fail", "unverified"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval; a table cell or a fact.

    Attributes:
        value: The point estimate.
        low: Lower end of the interval, or None.
        high: Upper end of the interval, or None.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


Cell = str | int | float | bool | Estimate | None


@dataclass(frozen=True, slots=True)
class Fact:
    """One headline figure.

    Attributes:
        label: What it is, two or three words.
        value: The figure.
        note: One line under it: interval, baseline, unit.
        format: How a number is shown.
        digits: Decimals; None takes the format's own.
    """

    label: str
    value: Cell
    note: str = ""
    format: Format = "text"
    digits: int | None = None

    def __post_init__(self) -> None:
        _check_format(self.format)


@dataclass(frozen=True, slots=True)
class Prose:
    """Paragraphs, parted by blank lines; `` `code` `` and ``**strong**`` are marked up."""

    kind: ClassVar[str] = "prose"
    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something to keep in mind (``note``) or to beware of (``warning``)."""

    kind: ClassVar[str] = "note"
    text: str
    level: Literal["note", "warning"] = "note"
    title: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """Preformatted text: the command that repeats the run, a config, a prompt."""

    kind: ClassVar[str] = "code"
    text: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A table column.

    Attributes:
        title: Head of the column.
        format: How numbers are shown; text cells pass as they are.
        digits: Decimals; None takes the format's own.
        align: ``auto`` sets text left and numbers right.
    """

    title: str
    format: Format = "text"
    digits: int | None = None
    align: Align = "auto"

    def __post_init__(self) -> None:
        _check_format(self.format)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns; the reader can sort by any column.

    Raises:
        ValueError: A row has another number of cells than there are columns.
    """

    kind: ClassVar[str] = "table"
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    title: str = ""
    caption: str = ""
    span: Span = "full"

    def __post_init__(self) -> None:
        for i, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise ValueError(f"table row {i} has {len(row)} cells for {len(self.columns)} columns")


@dataclass(frozen=True, slots=True)
class Chart:
    """A Vega-Lite chart that carries its own data.

    Attributes:
        spec: A Vega-Lite specification, or an ``altair.Chart``.
        title: Says what is seen, as a headline.
        description: For readers who cannot see it, and required for that reason: what is on the axes and what
            comes out.
        caption: Printed under the chart.
        span: ``half`` puts two charts side by side on a wide screen.
        height: Pixels of the plotting area when the specification names none.

    Raises:
        ValueError: ``title`` or ``description`` is empty.
    """

    kind: ClassVar[str] = "chart"
    spec: Mapping[str, Any] | Any
    title: str
    description: str
    caption: str = ""
    span: Span = "full"
    height: int = 300

    def __post_init__(self) -> None:
        if not self.title.strip() or not self.description.strip():
            raise ValueError("a chart needs a title and a description of what it shows")


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One reply of a model.

    Attributes:
        text: The reply.
        outcome: Its grade, the answer found in it, and the reason.
        num_tok: Generated tokens, or None when unknown.
        finish_reason: ``stop``, ``length``, ...
        metadata: Further figures, shown as ``name value``: a reward, a seed.
    """

    text: str
    outcome: Outcome
    num_tok: int | None = None
    finish_reason: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class ProblemRow:
    """One problem with its samples.

    Attributes:
        id: The problem's id.
        question: What was asked.
        oracle: The right answer.
        outcome: Grade of the answer that was chosen; ``outcome.answer`` is the vote.
        samples: The replies it was chosen from.
        metadata: Anything else about the problem (steps, level).
    """

    id: str
    question: str
    oracle: str
    outcome: Outcome
    samples: Sequence[SampleRow]
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Samples:
    """A browser of problems and replies: search, filter by outcome, pages, keyboard.

    Raises:
        ValueError: ``page_size`` is below 1.
    """

    kind: ClassVar[str] = "samples"
    rows: Sequence[ProblemRow]
    title: str = ""
    caption: str = ""
    page_size: int = 20

    def __post_init__(self) -> None:
        if self.page_size < 1:
            raise ValueError(f"page_size must be at least 1, not {self.page_size}")


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """One claim and what was measured.

    Attributes:
        name: Its id.
        statement: The claim in one sentence.
        status: ``pass``, ``fail`` or ``unverified``.
        measured: What was measured, with its interval; None when unverified.
        expected: What counts as a pass, in words: ``>= 0.15``, ``8.1 to 8.9``.
        cost: Cost class, e.g. ``cpu-2min`` or ``gpu``.
        source: Where the claim comes from.
        note: Why it is unverified, or a caveat.
        format: How ``measured`` is shown.
        digits: Decimals; None takes the format's own.
    """

    name: str
    statement: str
    status: Status
    measured: Estimate | None = None
    expected: str = ""
    cost: str = ""
    source: str = ""
    note: str = ""
    format: Format = "decimal"
    digits: int | None = None

    def __post_init__(self) -> None:
        _check_format(self.format)
        if self.status not in get_args(Status):
            raise ValueError(f"claim status must be one of {', '.join(get_args(Status))}, not {self.status!r}")


@dataclass(frozen=True, slots=True)
class Claims:
    """Claims with PASS, FAIL or unverified."""

    kind: ClassVar[str] = "claims"
    rows: Sequence[ClaimRow]
    title: str = ""


@dataclass(frozen=True, slots=True)
class TokenMark:
    """A token of a text and what it contributes.

    Attributes:
        text: The piece of the text it stands for; the texts of all tokens together are the whole, white space
            included. Empty for a token that ends no character, or is never shown.
        value: Positive speaks for, negative against; None when the token is not scored.
        note: One short phrase in its tooltip. For a token that is not scored, the reason: the legend counts
            tokens by it.

    Raises:
        ValueError: ``value`` is NaN or infinite, which no sum over tokens survives.
    """

    text: str
    value: float | None
    note: str = ""

    def __post_init__(self) -> None:
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"token {self.text!r:.40} has value {self.value}; None says that it is not scored")


@dataclass(frozen=True, slots=True)
class Passage:
    """A heat map over running text: each token on the colour of its value, with sums and notes in its tooltip.

    Attributes:
        tokens: The text, in reading order.
        title: Says what is seen, as a headline.
        caption: Printed under it.
        value_title: What a value is, with its unit.
        for_label: Meaning of positive values.
        against_label: Meaning of negative values.
        unscored_label: Meaning of no value.
        stop_index: Index of the token after which a flag stands: a threshold was reached there.
        stop_label: The words on the flag.
        limit: Where the colours end; values beyond have the strongest one. None takes a quantile of the values,
            so that one wild token does not pale all others. Passages to be compared need the same.
        digits: Decimals of values and sums.

    Raises:
        ValueError: ``title`` is empty, ``stop_index`` names no token, or ``limit`` is not positive and finite.
    """

    kind: ClassVar[str] = "passage"
    tokens: Sequence[TokenMark]
    title: str
    caption: str = ""
    value_title: str = "evidence, nats"
    for_label: str = "for"
    against_label: str = "against"
    unscored_label: str = "not scored"
    stop_index: int | None = None
    stop_label: str = "detected here"
    limit: float | None = None
    digits: int = 2

    def __post_init__(self) -> None:
        if not self.title.strip():
            raise ValueError("a passage needs a title")
        if self.stop_index is not None and not 0 <= self.stop_index < len(self.tokens):
            raise ValueError(f"stop_index {self.stop_index} names none of {len(self.tokens)} tokens")
        if self.limit is not None and not 0 < self.limit < math.inf:
            raise ValueError(f"limit must be positive and finite, not {self.limit}")


@dataclass(frozen=True, slots=True)
class Passages:
    """Passages to compare: one is shown, the reader picks which; all have the colours of one scale.

    Attributes:
        items: Their titles are what the reader picks from.
        title: Says what is compared, as a headline.
        caption: Printed under it.

    Raises:
        ValueError: There is no passage, or two have the same title.
    """

    kind: ClassVar[str] = "passages"
    items: Sequence[Passage]
    title: str = ""
    caption: str = ""

    def __post_init__(self) -> None:
        titles = [item.title for item in self.items]
        if not titles or len(set(titles)) != len(titles):
            raise ValueError(f"passages need distinct titles, got {titles}")


Block = Prose | Note | Code | Table | Chart | Samples | Claims | Passage | Passages


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part of the report.

    Attributes:
        title: Shown as a heading and in the navigation.
        blocks: In reading order.
        lead: One or two sentences under the heading.
    """

    title: str
    blocks: Sequence[Block]
    lead: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """One run, told: one HTML file and one JSON file.

    Attributes:
        title: The report's name.
        subtitle: What was run on what, in one line.
        facts: The three to six figures a reader came for.
        sections: The rest.
        footer: Small print: the command, the seed, versions. Nothing here reads the clock.
    """

    title: str
    subtitle: str = ""
    facts: Sequence[Fact] = ()
    sections: Sequence[Section] = ()
    footer: str = ""

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values: control characters stripped, NaN and infinities null.

        Raises:
            DataError: A chart refers to data outside the report.
        """
        from reasonry.core.report.encode import report_json

        return report_json(self)


def _check_format(name: str) -> None:
    if name not in get_args(Format):
        raise ValueError(f"number format must be one of {', '.join(get_args(Format))}, not {name!r}")
