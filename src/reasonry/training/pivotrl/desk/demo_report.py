"""The part of ``reasonry demo`` on training: where a help desk's pivots are, what a moment of training does."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reasonry.core.demo import Part
from reasonry.core.plain import plain
from reasonry.core.report import (
    Block,
    Chart,
    Code,
    Column,
    Estimate,
    Fact,
    Measure,
    Note,
    Report,
    Samples,
    Section,
    Series,
    Table,
    bar_chart,
    curve_chart,
)
from reasonry.core.report.model import Cell
from reasonry.core.stats.intervals import wilson
from reasonry.tasks.desk.configs import world_of
from reasonry.training.pivotrl.choice import FATES
from reasonry.training.pivotrl.choosing import Chosen
from reasonry.training.pivotrl.desk.config import ArmName
from reasonry.training.pivotrl.desk.demo import Taught
from reasonry.training.pivotrl.desk.measuring import Measured
from reasonry.training.pivotrl.report.turns import turns_section

_PAGE = 6
_ARMS: Mapping[ArmName, str] = {
    "pivots-functional": "pivots, any form",
    "pivots-strict": "pivots, same words",
    "random-functional": "any turn, any form",
}
_ABOUT = """\
PivotRL (arXiv 2603.21383) trains on single turns of logs, and only on those in which the model sometimes succeeds and \
sometimes fails. **Synthetic:** {num_chats} chats of a help desk, its customers, tools and rules. **Real:** a model of \
0.16 million weights that comes with the package, its {num_samples:,} sampled actions, every verdict, the training \
below. The chats went the way of any log: extract, audit, profile, select."""
_TABLE = """\
**Any form:** the right tool with the right number, in any of the eight ways in which this desk writes a call. **Same \
words:** exactly as demonstrated; the demonstrator's way is one that the model seldom takes, so that {refused} of its \
right actions are refused. A turn whose samples are all right or all wrong gives no gradient. **Pivots:** rewards \
differ, and less than {threshold:.0%} of the samples succeed (a reconstructed threshold)."""
_TRAINED = """\
{num_steps} optimiser steps of single-turn GRPO each, {prompts} turns and {group} samples a step, from the same model. \
Success: share of {num_test} new customers served without any mistake, {turns} turns in a row."""
_ONE_RUN = """\
**One run of each**, and a short one. The intervals are over the test customers alone: they say nothing about how \
another run would end, and ways of training whose intervals overlap are not told apart here. `reasonry pivots desk` \
repeats the comparison, with more ways of training and for longer."""


def demo_part(taught: Taught) -> Part:
    """The part of the demo."""
    return Part(demo_report(taught), demo_lines(taught), demo_results(taught))


# ---------------------------------------------------------------- page


def demo_report(taught: Taught) -> Report:
    """A fact, a section on the turns, and one on the training."""
    choice = taught.functional.choice
    note = f"{choice.counts.num_kept:,} of {choice.counts.num_candidates:,} turns of a synthetic help desk"
    return Report(
        "Pivots of a help desk",
        f"{choice.counts.num_candidates:,} turns, {choice.k} samples each",
        [Fact("Turns worth training on", _share(taught.functional), note, "percent", 1)],
        [_turns(taught), _training(taught)],
        "PivotRL, arXiv 2603.21383; the help desk is ours",
    )


def _turns(taught: Taught) -> Section:
    shown = turns_section(taught.functional)
    refused = 1 - _pass_rate(taught.strict) / max(_pass_rate(taught.functional), 1e-12)
    blocks: list[Block] = [
        _fate_chart(taught.functional, "Paid for the right action, in any form"),
        _fate_chart(taught.strict, "Paid for the same words"),
        _reward_table(taught, f"{refused:.0%}"),
        *(replace(b, page_size=_PAGE) if isinstance(b, Samples) else b for b in (shown.blocks if shown else ())),
    ]
    about = _ABOUT.format(num_chats=taught.config.num_demos, num_samples=taught.profiles[0].summary.num_samples)
    return Section("Which turns can teach this model", blocks, about)


def _fate_chart(chosen: Chosen, title: str) -> Chart:
    names, fates = _turn_names(), [fate for i, fate in enumerate(FATES) if (chosen.fate_N == i).any()]
    heads = [chosen.file.heads[i] for i in chosen.profile.candidate_N.tolist()]
    found = Counter((head.turn_index, FATES[fate]) for head, fate in zip(heads, chosen.fate_N.tolist(), strict=True))
    total = Counter(head.turn_index for head in heads)
    bars = [Measure(names[t], found[t, fate] / total[t], group=fate) for t in sorted(total) for fate in fates]
    spec = bar_chart(bars, x_title="turn of the chat", y_title="share of turns", y_format=".0%", stacked=True)
    words = f"For each turn of the chats the share that is kept, mastered, always right, always wrong. {title}."
    return Chart(spec, title, words, span="half", height=240)


def _turn_names() -> list[str]:
    return [*(step.tool.replace("_", " ") for step in world_of("plain").before), "decide", "last word"]


def _reward_table(taught: Taught, refused: str) -> Table:
    columns = [
        *(Column("reward"), Column("pass rate", "percent", 0), Column("all pass", "percent", 0)),
        *(Column("all fail", "percent", 0), Column("rewards differ", "percent", 0), Column("pivots", "integer")),
        Column("pivots by turn"),
    ]
    rows: list[list[Cell]] = []
    for name, chosen in (("any form", taught.functional), ("same words", taught.strict)):
        counts = chosen.choice.counts
        num = max(counts.num_candidates, 1)
        shares = (counts.num_all_pass / num, counts.num_all_fail / num, counts.num_mixed / num)
        by_turn = " · ".join(str(row.num_kept) for row in chosen.choice.by_turn)
        rows.append([name, _pass_rate(chosen), *shares, counts.num_kept, by_turn])
    caption = _TABLE.format(refused=refused, threshold=taught.functional.config.threshold)
    return Table(columns, rows, "The same samples, judged by two rewards", caption)


def _training(taught: Taught) -> Section:
    config = taught.config
    lead = _TRAINED.format(
        num_steps=config.num_steps,
        prompts=config.prompts_per_step,
        group=config.group_size,
        num_test=config.num_test,
        turns=world_of(config.world).num_turns,
    )
    success = _curves(taught, lambda m: m.desk_sampled, with_band=True)
    style = _curves(taught, lambda m: m.drift.inside, with_band=False)
    blocks: list[Block] = [
        Chart(
            curve_chart(success, x_title="optimiser steps", y_title="success", y_format=".0%"),
            "Customers served without a mistake",
            "Lines: share of test customers served without a mistake against optimiser steps, by way of training.",
            span="half",
            height=260,
        ),
        Chart(
            curve_chart(style, x_title="optimiser steps", y_title="KL among right actions, nats", y_format=".2f"),
            "How far the wording moved",
            "Lines: divergence from the starting model among the right actions, by way of training.",
            span="half",
            height=260,
        ),
        _arm_table(taught),
        Note(_ONE_RUN),
        _commands(taught.folder),
    ]
    return Section("What a few steps on them do", blocks, lead)


def _curves(taught: Taught, value: Callable[[Measured], float], *, with_band: bool) -> list[Series]:
    found: list[Series] = []
    for name, looks in taught.arms.items():
        y = [value(taught.base), *(value(look.found) for look in looks)]
        ends = [_interval(taught, v) for v in y] if with_band else []
        low, high = ([getattr(e, end) for e in ends] or None for end in ("low", "high"))
        found.append(Series(_ARMS[name], [0, *(look.step for look in looks)], y, low, high))
    return found


def _interval(taught: Taught, share: float) -> Any:
    return wilson(round(share * taught.config.num_test), taught.config.num_test)


def _success(taught: Taught, found: Measured) -> Estimate:
    ends = _interval(taught, found.desk_sampled)
    return Estimate(found.desk_sampled, ends.low, ends.high)


def _arm_table(taught: Taught) -> Table:
    columns = [
        *(Column("trained on"), Column("turns", "integer"), Column("success", "percent", 0)),
        *(Column("useless groups", "percent", 0), Column("wording moved, nats", "decimal", 2)),
        *(Column("sampled to train", "integer"), Column("to profile", "integer"), Column("seconds", "decimal", 1)),
    ]
    num_all = taught.functional.choice.counts.num_candidates
    turns = {
        "pivots-functional": taught.functional.choice.counts.num_kept,
        "pivots-strict": taught.strict.choice.counts.num_kept,
    }
    rows: list[list[Cell]] = [["nothing: the start", None, _success(taught, taught.base), None, 0.0, 0, 0, 0.0]]
    for name, looks in taught.arms.items():
        end = looks[-1]
        about = (_useless(taught, name), end.found.drift.inside, end.ledger.train_turns, end.ledger.profile_turns)
        row = [_ARMS[name], turns.get(name, num_all), _success(taught, end.found)]
        rows.append([*row, *about, end.ledger.train_s])
    caption = (
        "95% Wilson intervals. **Useless groups** have rewards that are all alike, and were sampled for nothing. "
        "**Wording moved:** divergence among the right actions, which no reward for the right action asks for. "
        "Seconds are those of the training alone; the profile, paid once for both pivots, took "
        f"{taught.seconds['profile']:.1f}."
    )
    return Table(columns, rows, "What it did, and what it cost", caption)


def _useless(taught: Taught, name: ArmName) -> float:
    """Share of groups without a signal, all steps."""
    looks = taught.arms[name]
    steps = [end.step - start for start, end in zip([0, *(k.step for k in looks)], looks, strict=False)]
    return sum(look.signal.useless * num for look, num in zip(looks, steps, strict=True)) / sum(steps)


def _commands(folder: Path) -> Code:
    where = shlex.quote(str(folder))
    lines = [
        f"reasonry pivots select {where} --threshold 0.5 --out pivots-harder",
        "reasonry pivots extract YOUR-LOGS --out pivots",
        "reasonry pivots desk",
    ]
    return Code("\n".join(lines), "Select otherwise; your own logs; the comparison, repeated")


# ---------------------------------------------------------------- terminal and results


def demo_lines(taught: Taught) -> list[str]:
    """What the terminal shows."""
    kept = [(c.choice.counts.num_kept, c.choice.counts.share_zero_variance) for c in (taught.functional, taught.strict)]
    summary, config = taught.profiles[0].summary, taught.config
    ends = [f"{_ARMS[name]} {looks[-1].found.desk_sampled:.0%}" for name, looks in taught.arms.items()]
    return [
        f"{summary.num_states:,} turns of {config.num_demos} synthetic chats, {summary.num_samples:,} actions of a "
        "real model of 0.16 million weights",
        f"turns worth training on: {kept[0][0]} when any form counts (zero variance {kept[0][1]:.0%}), "
        f"{kept[1][0]} when the same words do ({kept[1][1]:.0%})",
        f"served without a mistake: {taught.base.desk_sampled:.0%}; after {config.num_steps} steps {', '.join(ends)} "
        "(one run each)",
    ]


def demo_results(taught: Taught) -> dict[str, Any]:
    """The same as JSON values; no clock, no path of this machine."""
    rewards: Sequence[tuple[str, Chosen]] = (("functional", taught.functional), ("strict", taught.strict))
    return plain(
        {
            "is_synthetic": True,
            "num_chats": taught.config.num_demos,
            "k": taught.functional.choice.k,
            "is_sound": taught.audited.audit.is_sound,
            "rewards": {
                name: {
                    "pass_rate": _pass_rate(chosen),
                    "zero_variance": chosen.choice.counts.share_zero_variance,
                    "fates": dict(chosen.choice.fates),
                    "pivots_by_turn": [row.num_kept for row in chosen.choice.by_turn],
                }
                for name, chosen in rewards
            },
            "num_steps": taught.config.num_steps,
            "num_test": taught.config.num_test,
            "start": _told(taught.base),
            "arms": {
                name: {
                    **_told(looks[-1].found),
                    "useless": _useless(taught, name),
                    "turns": looks[-1].ledger.train_turns,
                }
                for name, looks in taught.arms.items()
            },
        }
    )


def _told(found: Measured) -> dict[str, float]:
    return {"success": found.desk_sampled, "hotel": found.hotel, "wording_moved_nats": found.drift.inside}


def _share(chosen: Chosen) -> float:
    return chosen.choice.counts.num_kept / max(chosen.choice.counts.num_candidates, 1)


def _pass_rate(chosen: Chosen) -> float:
    return float(chosen.profile.moments.mean_N.mean())
