"""The report of detections: who is marked, how the evidence grew, and where in the text it lies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from reasonry.core.report import (
    Block,
    Chart,
    Code,
    Column,
    Estimate,
    Fact,
    Note,
    Passage,
    Passages,
    Reference,
    Report,
    Section,
    Series,
    Table,
    TokenMark,
    curve_chart,
    histogram,
)
from reasonry.core.stats import clopper_pearson
from reasonry.watermark.detection.result import Detection, Trace

_MOST_ROWS = 500
_MOST_LINES = 8  # trajectories that still can be told apart
_MOST_TOKENS = 3000
_MOST_POINTS = 400


class Shown(NamedTuple):
    """A text whose evidence is shown token by token.

    Attributes:
        name: Of the text.
        pieces: Its tokens as text, in order.
        detection: Read to the end, with its trace.
    """

    name: str
    pieces: Sequence[str]
    detection: Detection


class Corpus(NamedTuple):
    """Everything a report tells about some texts.

    Attributes:
        title: Of the report.
        subtitle: Profile and bets, in one line.
        names: Of the texts.
        detections: One per text.
        rejected: With false discovery control: which texts are called marked; None without.
        shown: Some texts token by token.
        remarks: Lines that a reader should know.
        command: Repeats the run.
        log: File of the run that holds all detections; empty when there is none.
    """

    title: str
    subtitle: str
    names: Sequence[str]
    detections: Sequence[Detection]
    rejected: Sequence[bool] | None
    shown: Sequence[Shown]
    remarks: list[str]
    command: str
    log: str = ""


def build_report(corpus: Corpus) -> Report:
    """The report."""
    found = called(corpus)
    num, total = sum(found), len(found)
    share = clopper_pearson(num, total) if total else None
    stops = [d.stop_index for d in corpus.detections if d.stop_index is not None]
    facts = [
        Fact("Called marked", f"{num} of {total}", _rule(corpus), "text"),
        Fact(
            "Share", Estimate(num / total, share.low, share.high) if share else None, "Clopper-Pearson 95 %", "percent"
        ),
        Fact("Tokens to detection", float(np.median(stops)) if stops else None, "median of those found", "integer"),
        Fact("Tokens scored", sum(d.num_scored for d in corpus.detections), _skipped(corpus.detections), "integer"),
    ]
    sections = [Section("Texts", [_table(corpus, found), *_size_chart(corpus)])]
    if corpus.shown:
        sections.append(Section("Evidence", _evidence(corpus), _EVIDENCE_LEAD))
    blocks: list[Block] = [Note(text) for text in corpus.remarks]
    sections.append(Section("Run", [*blocks, Code(corpus.command, "Repeat")]))
    return Report(corpus.title, corpus.subtitle, facts, sections)


_EVIDENCE_LEAD = (
    "The e-value is the wealth of a gambler who bets that text and keyed symbol agree; without the key nobody can make "
    "it grow on average. Do not publish this page together with a way to query it: evidence by token tells an attacker "
    "which tokens to change."
)


def called(corpus: Corpus) -> list[bool]:
    """Which texts are called marked."""
    return list(corpus.rejected) if corpus.rejected is not None else [d.is_watermarked for d in corpus.detections]


def summary_lines(corpus: Corpus) -> list[str]:
    """What the terminal shows: one line per text for a few, and the totals."""
    lines: list[str] = []
    found = called(corpus)
    for name, detection, is_marked in list(zip(corpus.names, corpus.detections, found, strict=True))[:12]:
        lines.append(f"{name}: {line_of(detection, is_marked)}")
    if len(found) > 12:
        lines.append(f"... and {len(found) - 12} more in {corpus.log or 'the report'}")
    if len(found) > 1 or corpus.rejected is not None:
        lines.append(f"{sum(found)} of {len(found)} texts are called marked ({_rule(corpus)})")
    return lines


def line_of(detection: Detection, is_marked: bool) -> str:
    """One text in one line."""
    if detection.verdict == "nothing to score":
        return f"nothing to score in {detection.num_tok} tokens ({_skipped([detection])}); no answer"
    where = f" after {detection.stop_index} tokens" if detection.stop_index is not None else ""
    verdict = f"MARKED{where}, key {detection.key_id}" if is_marked else "no mark found"
    e = f"{detection.e_value:.3g}" if detection.log_e < 30 else f"10^{detection.log_e / math.log(10):.0f}"
    return (
        f"{verdict}; e-value {e}, anytime p {detection.p_anytime:.2g}, "
        f"{detection.num_scored} of {detection.num_tok} tokens scored"
    )


def _rule(corpus: Corpus) -> str:
    alpha = corpus.detections[0].alpha if corpus.detections else 0
    return f"false discoveries at most {alpha:g}" if corpus.rejected is not None else f"alpha {alpha:g} per text"


def _skipped(detections: Sequence[Detection]) -> str:
    short, again = sum(d.num_short_context for d in detections), sum(d.num_duplicate for d in detections)
    return f"skipped: {short} too early in the text, {again} repeated contexts"


def _table(corpus: Corpus, found: Sequence[bool]) -> Table:
    rows = [
        [
            name,
            "marked" if is_marked else "no answer" if d.verdict == "nothing to score" else "not found",
            d.log_e / math.log(10),
            d.p_anytime,
            d.stop_index,
            d.num_tok,
            d.num_scored,
            d.num_match,
            d.num_duplicate,
            d.key_id,
        ]
        for name, d, is_marked in zip(corpus.names, corpus.detections, found, strict=True)
    ]
    cut = f"The first {_MOST_ROWS} of {len(rows)}" if len(rows) > _MOST_ROWS else ""
    cut += f"; all stand in {corpus.log}." if cut and corpus.log else ""
    return Table(
        [
            Column("text"),
            Column("verdict"),
            Column("log10 e", "signed", 2),
            Column("anytime p", "decimal", 4),
            Column("found at", "integer"),
            Column("tokens", "integer"),
            Column("scored", "integer"),
            Column("matches", "integer"),
            Column("repeated", "integer"),
            Column("key"),
        ],
        rows[:_MOST_ROWS],
        caption=cut,
    )


def _size_chart(corpus: Corpus) -> list[Block]:
    stops = [float(d.stop_index) for d in corpus.detections if d.stop_index is not None]
    if len(stops) < 5:
        return []
    return [
        Chart(
            histogram(stops, x_title="tokens until detection", y_title="texts"),
            "How much text detection takes",
            f"Histogram of the token at which the e-value reached 1/alpha, {len(stops)} texts.",
            caption="Texts that were not found are not in it.",
        )
    ]


def _evidence(corpus: Corpus) -> list[Block]:
    blocks: list[Block] = [_trajectories(corpus)]
    passages = [_passage(shown) for shown in corpus.shown]
    blocks.append(passages[0] if len(passages) == 1 else Passages(passages, "Where the evidence lies"))
    return blocks


def _trajectories(corpus: Corpus) -> Chart:
    alpha = corpus.detections[0].alpha
    series: list[Series] = []
    for shown in corpus.shown[:_MOST_LINES]:
        trace = shown.detection.trace
        assert trace is not None
        keep = np.unique(np.linspace(0, len(trace.log_e_S) - 1, min(_MOST_POINTS, len(trace.log_e_S))).astype(int))
        x = [0.0, *(trace.position_S[keep] + 1.0).tolist()]
        series.append(Series(shown.name, x, [0.0, *(trace.log_e_S[keep] / math.log(10)).tolist()]))
    return Chart(
        curve_chart(
            series,
            x_title="tokens read",
            y_title="log10 of the e-value",
            references=[Reference(math.log10(1 / alpha), f"1/alpha = {1 / alpha:g}")],
        ),
        "Wealth of the gambler",
        "Lines of log10 of the e-value against tokens read, one per text, with the level at which a text is called "
        "marked.",
        caption="Whoever looks after every token keeps the error probability: it bounds the chance of ever crossing.",
    )


def _passage(shown: Shown) -> Passage:
    detection = shown.detection
    trace = detection.trace
    assert trace is not None
    gains = _gains(trace)
    marks: list[TokenMark] = []
    for index, piece in enumerate(shown.pieces[:_MOST_TOKENS]):
        gain = gains.get(index)
        if gain is None:
            early = index < detection.num_short_context
            marks.append(TokenMark(piece, None, "too early in the text" if early else "repeated context"))
        else:
            value, is_match, p = gain
            agrees = "agrees with the key" if is_match else "differs from the key"
            note = "" if math.isnan(p) else f"{agrees}; by chance with probability {p:.2g}"
            marks.append(TokenMark(piece, value, note))
    stop = detection.stop_index - 1 if detection.stop_index and detection.stop_index <= len(marks) else None
    cut = f"The first {_MOST_TOKENS} of {len(shown.pieces)} tokens. " if len(shown.pieces) > _MOST_TOKENS else ""
    return Passage(
        marks,
        shown.name,
        caption=f"{cut}Growth of the log e-value at each token under key {detection.key_id}.",
        for_label="for a mark",
        against_label="against",
        stop_index=stop,
        stop_label="detected here",
    )


def _gains(trace: Trace) -> dict[int, tuple[float, bool, float]]:
    steps_S = np.diff(trace.log_e_S, prepend=0.0)
    return {
        int(at): (float(step), bool(match), float(p))
        for at, step, match, p in zip(trace.position_S, steps_S, trace.match_S, trace.p_S, strict=True)
    }
