"""The report of a comparison: the frontier, who is fastest at an accuracy, and what the decodings looked like."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reasonry.core.report import Block, Chart, Code, Column, Estimate, Fact, Note, Prose, Report, Section, Table
from reasonry.core.report.model import Cell
from reasonry.training.dultra.frontier.results import Frontier, PolicyResult, Value, fewest_passes
from reasonry.training.dultra.frontier.run import Compared
from reasonry.training.dultra.frontier.shown import ShownRow
from reasonry.training.dultra.report import Strip, TradeOff, plan_map, reveal_chart, trade_off_chart
from reasonry.training.dultra.report.reveal import MOST_IN_A_LINE

DECODINGS = "Decodings"
_MOST_LONG = 4
_MOST_MAPS = 3
_MOST_POLICIES = 24
_COMPUTED = """\
**Forward passes** (NFE) are counted for each row until it is done; rows do not wait for each other. **Tokens per \
forward** count up to and with the first end token. **Tokens read** are what the denoiser processed for one \
decoding, which is what caches save. **Seconds** are the wall time of decoding a batch over its rows, the planner's \
included; its own are given beside.

**Intervals** cover 95 %. Accuracy: Wilson's, with as many decodings as independent ones would be as precise (prompts \
are clusters when each is decoded more than once). Passes: bootstrap over prompts. The best of many settings is \
chosen and measured on the same prompts, so it looks a little better than it is.

**AUP** (accuracy under parallelism, d3LLM) is the area under accuracy over tokens per forward, where accuracy below \
the best of all policies counts for less: y min(exp(-3 (1 - y / y_max)), 1), in percent; settings more than 5 points \
below the most careful one are left out.

**Dominated** policies are no better than another one in accuracy and in passes, by the point estimates."""


def frontier_report(compared: Compared, *, command: str = "") -> Report:
    """The report of a comparison.

    Args:
        compared: What was found.
        command: The command that continues or repeats it, shown at the end.
    """
    result, config, decoding = compared.result, compared.config, compared.decoding
    first = result.policies[0]
    sections = [
        _frontier(result),
        Section(f"At {result.target:.0%} accuracy or more", [fastest_block(result)]),
        *_decodings(compared),
        _everything(result),
        Section("How this is computed", [Prose(_COMPUTED)]),
    ]
    if command:
        sections.append(Section("Run", [Code(command, "Continue or repeat")]))
    most = max(p.num_seeds for p in result.policies)
    return Report(
        f"Which tokens to reveal: {result.denoiser}",
        f"{len(result.policies)} policies on {first.num_prompts} prompts of {result.task}, "
        + (f"up to {most} decodings of each" if most > 1 else "one decoding of each"),
        _facts(result),
        sections,
        f"seed {config.seed}; answers of {decoding.answer_len} tokens, blocks of {decoding.block_len}, temperature "
        f"{decoding.temperature:g}, cache {decoding.cache}, {config.batch_size} prompts at once",
    )


def _facts(result: Frontier) -> list[Fact]:
    best, label, about = result.fastest, "Best policy", f"fewest passes at {result.target:.0%} accuracy or more"
    if best is None:
        best = max(result.policies, key=lambda p: (p.accuracy.value, -p.nfe.value))
        label, about = "Most accurate policy", f"none reaches {result.target:.0%}"
    facts = [
        Fact(label, best.label, about),
        Fact("Its forward passes", _estimate(best.nfe), _speed(best), "decimal", 2),
        Fact("Its accuracy", _estimate(best.accuracy), "", "percent", 1),
    ]
    rule = rule_fact(result)
    if rule is not None and _is_planned(best):
        facts.append(rule)
    ranked = [f for f in result.families if f.aup is not None]
    if ranked:
        top = max(ranked, key=lambda f: f.aup or 0.0)
        facts.append(Fact("Best AUP", top.aup, f"{top.name}; percent times tokens per forward", "decimal", 1))
    return facts


def rule_fact(result: Frontier) -> Fact | None:
    """Passes of the fastest rule among those that are accurate enough; None where none is."""
    rule = fewest_passes([p for p in result.policies if p.accuracy.value >= result.target and not _is_planned(p)])
    if rule is None:
        return None
    return Fact("Passes of the best rule", rule.nfe.value, f"{rule.label} at {rule.accuracy.value:.1%}", "decimal", 2)


def _speed(p: PolicyResult) -> str:
    return f"{p.tokens_per_forward:.3g} tokens per forward"


def _is_planned(p: PolicyResult) -> bool:
    return p.family.startswith("planner")


def _estimate(value: Value) -> Estimate:
    if value.low == value.high:
        return Estimate(value.value)
    return Estimate(value.value, value.low, value.high)


# ---------------------------------------------------------------- the frontier


def _frontier(result: Frontier) -> Section:
    blocks: list[Block] = [Note(note) for note in result.notes]
    if result.num_errors:
        text = f"The verifier failed on {result.num_errors:,} answers, which count as wrong. First: {result.error}"
        blocks.append(Note(text, "warning"))
    blocks.append(passes_block(result))
    by_seconds = trade_off_chart(
        _by_seconds(result.policies), cost_title="milliseconds for one decoding", target=result.target
    )
    about = "Accuracy against wall time of decoding, the planner's included."
    caption = "On this machine, in these batches. Hollow: another policy is as accurate in less time."
    blocks.append(Chart(by_seconds, "Accuracy against wall time", about, caption, height=320))
    return Section("The frontier", blocks)


def passes_block(result: Frontier) -> Chart:
    """Accuracy against forward passes."""
    spec = trade_off_chart(_points(result.policies), cost_title="forward passes", target=result.target)
    about = (
        "Accuracy against forward passes, one line for each kind of policy from its careful settings to its bold ones; "
        "up and to the left is better."
    )
    caption = (
        "Filled: on the frontier. Hollow: dominated. The broad grey line is the best that each number of passes buys. "
        "Click a name to see it alone."
    )
    return Chart(spec, "Accuracy against forward passes", about, caption, height=420)


def _points(policies: Sequence[PolicyResult]) -> list[TradeOff]:
    return [TradeOff(p.label, p.family, *p.nfe, *p.accuracy, p.is_dominated) for p in _planned_first(policies)]


def _planned_first(policies: Sequence[PolicyResult]) -> list[PolicyResult]:
    """In this order kinds get their colours and marks: those of planners should be like no rule's."""
    return sorted(policies, key=lambda p: not _is_planned(p))


def _by_seconds(policies: Sequence[PolicyResult]) -> list[TradeOff]:
    def is_slower(p: PolicyResult) -> bool:
        return any(
            (o.accuracy.value >= p.accuracy.value and o.seconds < p.seconds)
            or (o.accuracy.value > p.accuracy.value and o.seconds <= p.seconds)
            for o in policies
        )

    ms = {p.label: max(1e3 * p.seconds, 1e-6) for p in policies}
    return [
        TradeOff(p.label, p.family, ms[p.label], ms[p.label], ms[p.label], *p.accuracy, is_slower(p))
        for p in _planned_first(policies)
    ]


def fastest_rows(result: Frontier) -> list[tuple[str, PolicyResult | None, PolicyResult, float | None]]:
    """For each kind its fastest policy at the target, its most accurate one, and its AUP; the fastest kinds first."""
    rows = [
        (f.name, result.of(f.fastest) if f.fastest else None, result.of(f.most_accurate), f.aup)
        for f in result.families
    ]
    return sorted(rows, key=lambda r: (r[1].nfe.value if r[1] else float("inf"), -r[2].accuracy.value))


def fastest_block(result: Frontier) -> Table:
    """Of each kind the fastest policy at the target."""
    columns = [
        Column("kind"),
        Column(f"fastest at {result.target:.0%} or more"),
        Column("forward passes", "decimal", 2),
        Column("accuracy", "percent", 1),
        Column("ms a decoding", "decimal", 2),
        Column("ms in the planner", "decimal", 2),
        Column("AUP", "decimal", 1),
    ]
    table: list[list[Cell]] = []
    for name, fastest, most, aup in fastest_rows(result):
        if fastest is None:
            told = f"none: {most.label} has {most.accuracy.value:.1%} in {most.nfe.value:.1f} passes"
            table.append([name, told, None, None, None, None, aup])
            continue
        head = 1e3 * fastest.head_seconds if fastest.head_seconds else None
        figures: list[Cell] = [_estimate(fastest.nfe), _estimate(fastest.accuracy), 1e3 * fastest.seconds, head, aup]
        table.append([name, fastest.label, *figures])
    caption = f"The setting with the fewest passes among those with a measured accuracy of {result.target:.0%} or more."
    return Table(columns, table, "The fastest of each kind", caption)


# ---------------------------------------------------------------- decodings


def _decodings(compared: Compared) -> list[Section]:
    rows = compared.shown
    if not rows:
        return []
    blocks: list[Block] = []
    for index in dict.fromkeys(row.number for row in rows):
        mine = [row for row in rows if row.number == index]
        blocks.append(Prose(f"**Prompt {index + 1}** {_quoted(mine[0].prompt)}"))
        blocks += _strips(mine, index)
    planned = [row for row in rows if row.q and row.number == 0][:_MOST_MAPS]
    for row in planned:
        spec = plan_map(row.q, revealed_at=row.revealed_at, forced=row.forced, tokens=row.tokens)
        about = "Probability of revealing each position at each forward pass, and what was revealed."
        title = f"What {row.policy} had in mind, prompt {row.number + 1}"
        caption = "A dot: revealed at this pass. A ring: nothing was chosen, and the likeliest was revealed."
        blocks.append(Chart(spec, title, about, caption))
    lead = "Cells are tokens, darker where they were revealed later; an amber frame: the policy chose nothing itself."
    return [Section(DECODINGS, blocks, lead)]


def _strips(rows: Sequence[ShownRow], index: int) -> list[Block]:
    """One chart for all policies where answers are short, else one for each of a few."""
    about = "Tokens of an answer, coloured by the forward pass that revealed them; the slider goes through the passes."
    if max(len(row.tokens) for row in rows) <= MOST_IN_A_LINE:
        spec = reveal_chart([_strip(row) for row in rows])
        return [Chart(spec, f"Pass by pass, prompt {index + 1}", about)]
    return [
        Chart(reveal_chart([_strip(row)]), f"Pass by pass, {row.policy}, prompt {index + 1}", about)
        for row in rows[:_MOST_LONG]
    ]


def _strip(row: ShownRow) -> Strip:
    verdict = "right" if row.right else f"{row.share:.0%} right" if 0 < row.share < 1 else "wrong"
    passes = "1 pass" if row.nfe == 1 else f"{row.nfe} passes"
    return Strip(f"{row.policy}\n{passes}, {verdict}", row.tokens, row.revealed_at, row.forced)


def _quoted(text: str) -> str:
    one_line = " ".join(text.split()).replace("`", "'")
    return f"`{one_line[:400]}{'…' if len(one_line) > 400 else ''}`"


# ---------------------------------------------------------------- every policy


def _everything(result: Frontier) -> Section:
    columns = [
        Column("policy"),
        Column("accuracy", "percent", 1),
        Column("right parts", "percent", 1),
        Column("forward passes", "decimal", 2),
        Column("tokens per forward", "decimal", 2),
        Column("tokens read", "integer"),
        Column("ms a decoding", "decimal", 2),
        Column("ms in the planner", "decimal", 2),
        Column("forced passes", "percent", 0),
        Column("distinct", "percent", 0),
        Column("frontier"),
    ]
    shown = _worth_a_row(result)
    table: list[Sequence[Cell]] = [list(_cells(p)) for p in shown]
    caption = "Distinct: different answers among those to one prompt. "
    if len(shown) == len(result.policies):
        return Section("Every policy", [Table(columns, table, "", f"{caption}The same figures are in results.csv.")])
    lead = (
        "Those on the frontier, and of each kind the most accurate and the fastest at "
        f"{result.target:.0%}. results.csv has all {len(result.policies)}."
    )
    return Section("Policies in figures", [Table(columns, table, "", caption)], lead)


def _worth_a_row(result: Frontier) -> list[PolicyResult]:
    """All policies of a few; of many those that are best at something, from few passes to many."""
    if len(result.policies) <= _MOST_POLICIES:
        return list(result.policies)
    best = {label for f in result.families for label in (f.fastest, f.most_accurate)}
    kept = {
        (p.family, p.nfe.value, p.accuracy.value): p
        for p in reversed(result.policies)  # of settings that come to the same the first
        if p.label in best or not p.is_dominated
    }
    return sorted(kept.values(), key=lambda p: (p.nfe.value, -p.accuracy.value))


def _cells(p: PolicyResult) -> Iterable[Cell]:
    yield from (p.label, _estimate(p.accuracy), p.share_right, _estimate(p.nfe), p.tokens_per_forward)
    yield from (round(p.token_forwards), 1e3 * p.seconds, 1e3 * p.head_seconds if p.head_seconds else None)
    yield from (p.forced_share, p.distinct, "" if p.is_dominated else "yes")
