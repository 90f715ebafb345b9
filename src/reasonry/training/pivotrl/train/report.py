"""The report of ``reasonry train pivotrl``: did the reward rise, were the groups of use, how far did the policy move,
and what did it cost.
"""

from __future__ import annotations

from reasonry.core.report import (
    Block,
    Chart,
    Code,
    Column,
    Fact,
    Note,
    Prose,
    Report,
    Section,
    Series,
    Table,
    curve_chart,
)
from reasonry.core.report.training import (
    Figure,
    Rows,
    change_facts,
    mean_of,
    mean_text,
    num_at_ends,
    step_chart,
    steps_of,
    stretches,
    values_of,
)
from reasonry.training.pivotrl.train.run import Trained

_MOST_CATEGORIES = 8
_MANY = 100_000  # is 100k
_FIGURES = (
    Figure("reward", "Reward", "percent", 1),
    Figure("frac_reward_zero_std", "Useless groups", "percent", 1),
    Figure("kl_ref", "KL to the start", "decimal", 4),
)
_COMPUTED = """\
**Reward** is the mean verdict on the actions sampled in a step, groups that were replaced included. It is measured \
on the pivots that are trained on: it says that training works, not that the model got better elsewhere.

**Useless groups** have rewards that are all alike; their advantages are 0, and nothing is learned from them. When \
most groups are useless the set of pivots is exhausted: profile again.

**KL** is the mean over the tokens of the actions of k3 = exp(log p_0 - log p) - (log p_0 - log p) - 1 to the model \
that training started from.

PivotRL, arXiv 2603.21383. The paper publishes neither its threshold nor its KL weight; those here are reconstructed."""


def train_report(trained: Trained, *, command: str = "") -> Report:
    """The report of a training.

    Args:
        trained: What `run.train_pivots` returned.
        command: The command that continues or repeats it.
    """
    config, rows = trained.config, trained.rows
    sections = [_learning(rows), _distance(rows), _cost(trained), _categories(rows)]
    if trained.notes:
        sections.append(Section("Notes", [Note(text) for text in trained.notes]))
    sections.append(Section("How this is computed", [Prose(_COMPUTED)]))
    if command:
        sections.append(Section("Run", [Code(command, "Continue or repeat")]))
    return Report(
        f"PivotRL: {config.model}",
        f"{trained.num_pivots} pivots, {rows[-1]['step'] if rows else 0} steps of "
        f"{min(config.prompts_per_step, trained.num_pivots)} x {config.group_size} actions, engine {config.engine}",
        _facts(trained),
        sections,
        "PivotRL, arXiv 2603.21383; settings that the paper does not publish are reconstructed",
    )


def progress_rows(rows: Rows) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of the table for the terminal: means over parts of the training, and turns up to their end."""
    shown = {"reward": "{:.3f}", "frac_reward_zero_std": "{:.0%}", "kl_ref": "{:.4f}"}
    return ["steps", "reward", "useless groups", "KL", "turns"], [
        [
            steps_of(part),
            *(mean_text(part, name, form) for name, form in shown.items()),
            f"{part[-1].get('pivot/turns_train', 0):,}",
        ]
        for part in stretches(rows)
    ]


def _facts(trained: Trained) -> list[Fact]:
    ledger = trained.ledger
    turns = Fact("Turns trained on", ledger.turns_train, f"{ledger.turns:,} with profiling", "integer")
    return [*change_facts(trained.rows, _FIGURES, unit="rounds"), turns]


def _curve(rows: Rows, names: dict[str, str], title: str, about: str, *, y_title: str, form: str = "") -> list[Block]:
    chart = step_chart(rows, names, y_title=y_title, y_format=form)
    return [] if chart is None else [Chart(chart, title, about, span="half")]


def _learning(rows: Rows) -> Section:
    about = "Mean verdict on the actions sampled in each step."
    blocks = _curve(rows, {"reward": "reward"}, "Reward", about, y_title="reward", form=".0%")
    about = "Share of groups whose rewards are all alike."
    names = {"frac_reward_zero_std": "useless"}
    blocks += _curve(rows, names, "Useless groups", about, y_title="share of groups", form=".0%")
    return Section("Learning", blocks or [Note("No round has been logged.")])


def _distance(rows: Rows) -> Section:
    about = "Nats per token of the sampled actions."
    blocks = _curve(rows, {"kl_ref": "KL"}, "KL to the starting model", about, y_title="KL, nats per token")
    blocks += _curve(rows, {"grad_norm": "norm"}, "Norm of the gradient", "Before clipping.", y_title="norm")
    if not values_of(rows, "kl_ref"):
        blocks.append(Note("TRL measures the KL divergence only where --loss.beta is above 0."))
    return Section("Distance from the start", blocks)


def _cost(trained: Trained) -> Section:
    rows, ledger = trained.rows, trained.ledger
    before = ledger.turns_profile
    blocks: list[Block] = []
    if rows:
        x = [row["step"] for row in rows]
        train = [float(row.get("pivot/turns_train", 0)) for row in rows]
        profile = [before + float(row.get("pivot/turns_profile", 0)) for row in rows]
        both = [a + b for a, b in zip(train, profile, strict=True)]
        series = [Series("training", x, train)]
        if both != train:
            series.append(Series("training and profiling", x, both, dashed=True))
        form = "~s" if max(both) >= _MANY else ",d"
        chart = curve_chart(series, x_title="step", y_title="sampled actions", y_format=form)
        blocks.append(Chart(chart, "Sampled actions", "Spent up to each step, without and with the profiles."))
    columns = [Column("what"), Column("sampled actions", "integer")]
    table = [
        ["to train on", ledger.turns_train],
        ["profile before", ledger.turns_profile],
        ["profiles during training", ledger.turns_reprofile],
        ["all", ledger.turns],
    ]
    caption = "" if before else "No profile stands beside the pivots: what it cost is not in these sums."
    blocks.append(Table(columns, table, "Ledger", caption))
    return Section("Cost", blocks)


def _categories(rows: Rows) -> Section:
    names = {key for row in rows for key in row if key.startswith("verifier/")}
    filled = [{**dict.fromkeys(names, 0.0), **row} for row in rows]  # a row names only what occurred
    size = num_at_ends(rows)
    share = {name: mean_of(filled, name) or 0.0 for name in names}
    ranked = sorted(names, key=lambda name: (-share[name], name))[:_MOST_CATEGORIES]
    if not ranked:
        return Section("Verdicts", [Note("No verdict has been logged.")])
    blocks: list[Block] = []
    labels = {name: name.removeprefix("verifier/") for name in ranked}
    if chart := step_chart(filled, labels, y_title="share of actions", y_format=".0%"):
        blocks.append(Chart(chart, "Verdicts", "Share of each category among the sampled actions."))
    columns = [Column("verdict"), Column(f"first {size} rounds", "percent", 1), Column(f"last {size}", "percent", 1)]
    table = [[labels[name], mean_of(filled[:size], name), mean_of(filled[-size:], name)] for name in ranked]
    return Section("Verdicts", [*blocks, Table(columns, table)])
