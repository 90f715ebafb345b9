"""Terminal table and report of ``reasonry watermark calibrate``."""

from __future__ import annotations

import math

import numpy as np

from reasonry.core.report import (
    Block,
    Chart,
    Code,
    Column,
    Estimate,
    Fact,
    Measure,
    Note,
    Prose,
    Reference,
    Report,
    Section,
    Series,
    Table,
    curve_chart,
    histogram,
    interval_chart,
)
from reasonry.watermark.calibration.rates import DEDUPS, Dedup, Rate
from reasonry.watermark.calibration.run import Calibrated

NAMES: dict[Dedup, str] = {
    "document": "first occurrence in the text",
    "none": "every occurrence",
    "corpus": "first occurrence in the corpus",
}
_MOST_LINES = 24  # of the forest plot; more keys become a histogram
_MOST_ROWS = 500
_POINTS = 81


def title_of(calibrated: Calibrated) -> str:
    """One line over the table."""
    num, tok = calibrated.corpus.windows_NT.shape
    return (
        f"windows called marked at alpha = {calibrated.alpha:g}: {num} windows of {tok} tokens x "
        f"{_counted(calibrated)}; {calibrated.corpus.name}"
    )


def table_of(calibrated: Calibrated) -> tuple[list[str], list[list[str]]]:
    """Columns and rows for the terminal: one row per way to treat repeated contexts."""
    columns = ["dedup", "which contexts count", "rate", "95 % interval", "alarms", "tokens scored"]
    rows = [
        [
            f"{dedup} (profile)" if dedup == calibrated.corpus.profile.dedup else dedup,
            NAMES[dedup],
            f"{outcome.rate.value:.2%}",
            f"{outcome.rate.low:.2%} to {outcome.rate.high:.2%}",
            f"{outcome.rate.num_alarms:,} of {outcome.rate.num_trials:,}",
            f"{outcome.num_scored_N.mean():.0f}",
        ]
        for dedup, outcome in calibrated.outcomes.items()
    ]
    return columns, rows


def build_report(calibrated: Calibrated, *, command: str) -> Report:
    """The report of a calibration."""
    corpus = calibrated.corpus
    num, tok = corpus.windows_NT.shape
    own = corpus.profile.dedup
    facts = [
        Fact("False alarms", _estimate(calibrated.outcomes[own].rate), f"dedup {own}; alpha {calibrated.alpha:g}",
             "percent", 2),
        Fact("Without skipping", _estimate(calibrated.outcomes["none"].rate), "every occurrence counts", "percent", 2),
        Fact("Windows", num, f"of {tok} tokens, {corpus.num_documents} documents", "integer"),
        Fact("Keys", len(calibrated.key_ids), "drawn for this" if calibrated.is_drawn else "of the ring", "integer"),
        Fact("Shared contexts", calibrated.shared_share, "of the tokens that count", "percent"),
    ]  # fmt: skip
    notes: list[Block] = [Note(f"{r.text}.", "warning" if r.is_warning else "note") for r in calibrated.remarks]
    profile = corpus.profile
    return Report(
        f"Calibration of a watermark detector on {corpus.name}",
        f"profile {profile.profile_id}: {profile.num_bins or profile.vocab_size} symbols, context of "
        f"{profile.context_tok} tokens, {profile.anchor.kind} anchor, {profile.prf}; bets {calibrated.bet}",
        facts,
        [
            _rates_section(calibrated),
            _keys_section(calibrated),
            _evidence_section(calibrated),
            *_shared_section(calibrated),
            Section("Run", [*notes, Code(command, "Repeat")]),
        ],
        corpus.name,
    )


def _counted(calibrated: Calibrated) -> str:
    num = len(calibrated.key_ids)
    kind = "new key" if calibrated.is_drawn else "key of the ring"
    return f"{num} {kind}" if num == 1 else f"{num} {kind.replace('key', 'keys')}"


def _estimate(rate: Rate) -> Estimate:
    return Estimate(rate.value, rate.low, rate.high)


# ---------------------------------------------------------------- sections


def _rates_section(calibrated: Calibrated) -> Section:
    rates: dict[Dedup, Rate] = {dedup: calibrated.outcomes[dedup].rate for dedup in DEDUPS}
    chart = Chart(
        interval_chart(
            [Measure(NAMES[d], r.value, r.low, r.high) for d, r in rates.items()],
            x_title="windows called marked",
            x_format=".1%",
            references=[Reference(calibrated.alpha, f"alpha {calibrated.alpha:g}")],
        ),
        "False alarms, by which contexts count",
        "; ".join(f"{NAMES[d]}: {r.value:.2%}, {r.low:.2%} to {r.high:.2%}" for d, r in rates.items())
        + f". The level alpha is {calibrated.alpha:g}.",
        caption="95 % Clopper-Pearson intervals over windows and keys.",
    )
    table = Table(
        [
            Column("contexts that count"),
            Column("rate", "percent", 2),
            Column("alarms", "integer"),
            Column("trials", "integer"),
            Column("tokens scored per window", "decimal", 1),
            Column("windows without any", "integer"),
            Column("spread between keys", "decimal", 2),
        ],
        [
            [
                NAMES[dedup],
                _estimate(outcome.rate),
                outcome.rate.num_alarms,
                outcome.rate.num_trials,
                float(outcome.num_scored_N.mean()),
                int((outcome.num_scored_N == 0).sum()),
                outcome.spread,
            ]
            for dedup, outcome in calibrated.outcomes.items()
        ],
        caption="Spread between keys: standard deviation of the rate of a key, over that of windows that have nothing "
        "in common; above 1 the windows of a key err together.",
    )
    lead = (
        "None of these texts knows the keys, so every window called marked is a false alarm. The e-value was looked at "
        "after every token, as in a stream."
    )
    return Section("How often human text is called marked", [chart, table], lead)


def _keys_section(calibrated: Calibrated) -> Section:
    of_key = {dedup: outcome.rate_of_key for dedup, outcome in calibrated.outcomes.items()}
    alpha = Reference(calibrated.alpha, f"alpha {calibrated.alpha:g}")
    two: tuple[Dedup, ...] = ("document", "none")
    if len(calibrated.key_ids) <= _MOST_LINES:
        measures = [
            Measure(key_id, of_key[dedup][k].value, of_key[dedup][k].low, of_key[dedup][k].high, NAMES[dedup])
            for k, key_id in enumerate(calibrated.key_ids)
            for dedup in two
        ]
        spec = interval_chart(measures, x_title="windows called marked", x_format=".1%", references=[alpha])
    else:
        groups = {NAMES[dedup]: [rate.value for rate in of_key[dedup]] for dedup in two}
        spec = histogram(groups, x_title="windows called marked", y_title="keys", references=[alpha])
    extremes: dict[Dedup, tuple[float, float]] = {
        d: (min(r.value for r in of_key[d]), max(r.value for r in of_key[d])) for d in two
    }
    chart = Chart(
        spec,
        "The rate of each key",
        "; ".join(f"{NAMES[d]}: from {low:.2%} to {high:.2%}" for d, (low, high) in extremes.items())
        + f", over {len(calibrated.key_ids)} keys.",
        caption="An interval takes the windows of its key for independent; where they share contexts it is too short.",
    )
    table = Table(
        [Column("key"), *(Column(NAMES[d], "percent", 2) for d in DEDUPS), Column("alarms, as in a text", "integer")],
        [
            [key_id, *(_estimate(of_key[d][k]) for d in DEDUPS), of_key["document"][k].num_alarms]
            for k, key_id in enumerate(calibrated.key_ids[:_MOST_ROWS])
        ],
        caption="All keys are in calibrations.json." if len(calibrated.key_ids) > _MOST_ROWS else "",
    )
    lead = (
        "The guarantee is about a random key; one key has the luck it has with the phrases that come back in a corpus."
    )
    return Section("Keys", [chart, table], lead)


def _evidence_section(calibrated: Calibrated) -> Section:
    """How often evidence of a given strength came up, against Ville's bound."""
    top = max(1.5 * -math.log(calibrated.alpha), *(float(o.max_log_e_NK.max()) for o in calibrated.outcomes.values()))
    x = np.linspace(0.0, top, _POINTS)
    series = [Series("bound 1/E", x.tolist(), np.exp(-x).tolist(), dashed=True)]
    for dedup, outcome in calibrated.outcomes.items():
        highest = np.sort(outcome.max_log_e_NK, axis=None)
        share = 1 - np.searchsorted(highest, x, side="left") / highest.size
        series.append(Series(NAMES[dedup], x.tolist(), [float(v) if v > 0 else None for v in share]))
    chart = Chart(
        curve_chart(
            series, x_title="log of the largest e-value of a window, nats", y_title="share of windows", log_y=True
        ),
        "How strong evidence got by chance",
        "Share of windows and keys whose largest e-value reached a level, against the bound of Ville's inequality, "
        "which is the reciprocal of the level.",
        caption=f"At log(1/alpha) = {-math.log(calibrated.alpha):.2f} nats the curves are the rates above. A curve "
        "above the bound has lost the guarantee.",
        height=340,
    )
    return Section("Evidence", [chart])


def _shared_section(calibrated: Calibrated) -> list[Section]:
    if not calibrated.shared:
        return []
    tokenizer, total = calibrated.corpus.tokenizer, len(calibrated.corpus.windows_NT)
    rows = [
        [
            repr(tokenizer.decode(list(shared.ids))) if tokenizer is not None else " ".join(map(str, shared.ids)),
            shared.num_windows,
            shared.num_windows / total,
        ]
        for shared in calibrated.shared
    ]
    table = Table(
        [Column("context"), Column("windows", "integer"), Column("share", "percent")],
        rows,
        caption="The contexts that occur in most windows.",
    )
    said = (
        f"{calibrated.shared_share:.1%} of the tokens that count in their window have a context that occurred in an "
        "earlier window. Under one key the keyed symbol is the same there every time: what it wins or loses in one "
        "window, it wins or loses in all."
    )
    return [Section("Boilerplate", [Prose(said), table])]
