"""Reports of the stages: what was learnt, how it compares, and the decodings themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from reasonry.core.report import Block, Chart, Code, Column, Fact, Note, Prose, Reference, Report, Section, Table
from reasonry.core.report.training import Rows, step_chart
from reasonry.training.dultra.report.training import SOURCE, progress_rows, training_report
from reasonry.training.dultra.stages.imitate import Imitated
from reasonry.training.dultra.stages.planner import Trained
from reasonry.training.dultra.stages.pretrain import Pretrained
from reasonry.training.dultra.stages.rollouts import Evaluated
from reasonry.training.dultra.stages.whole import Whole

if TYPE_CHECKING:
    from reasonry.training.dultra.frontier.run import Compared

_MOST_ENTROPY_NATS = 0.7  # of a coin, ln 2
_BOUND = """\
**The bound** is the mean over all orders of -log p of filling an answer one token at a time, nats per token, on \
answers that were not trained on (LLaDA, arXiv 2502.09992). It cannot be below the **entropy** of the task's answers; \
a denoiser that reaches it knows the exact law of every token given any others."""
_IMITATION = """\
**Agreement** is the share of eligible positions where the planner's probability lies on the side of 1/2 that the \
target asks for. **Entropy** is that of its coins, averaged over positions and states that stay the same: below the \
bound a planner is too sure to find anything better than what it imitates."""


def pretrain_report(done: Pretrained, *, command: str = "") -> Report:
    """The report of a denoiser's training.

    Args:
        done: What `pretrain.pretrain` returned.
        command: The command that continues or repeats it.
    """
    bound = done.bound
    facts = [Fact("Bound", bound.nelbo_nats, f"nats per token, standard error {bound.stderr_nats:.4f}", "decimal", 4)]
    if bound.floor_nats is not None:
        facts.append(
            Fact("Entropy of the task", bound.floor_nats, "nats per token: nothing honest is lower", "decimal", 4)
        )
    return Report(
        f"A denoiser for {done.config.task}",
        f"{len(done.rows)} steps of {done.config.batch_size} answers",
        facts,
        [Section("Learning", pretrain_blocks(done)), _computed(_BOUND), *_again(command)],
        SOURCE,
    )


def pretrain_blocks(done: Pretrained) -> list[Block]:
    """Curves of a denoiser's training."""
    floor = done.bound.floor_nats
    references = () if floor is None else (Reference(floor, "entropy of the task", is_left=True),)
    shown = {"ce_nats": "cross entropy of masked tokens", "nelbo_nats": "bound, on fresh answers"}
    title, about = "Loss", "Cross entropy of masked tokens, and the bound on fresh answers, nats per token."
    return [_chart(done.rows, shown, title, about, span="full", y_title="nats per token", references=references)]


def imitate_report(done: Imitated, *, command: str = "") -> Report:
    """The report of an imitation.

    Args:
        done: What `imitate.imitate` returned.
        command: The command that continues or repeats it.
    """
    last = done.rows[-1]
    facts = [
        Fact("Agreement", float(last["agreement"]), "with the target, in the last step", "percent", 1),
        Fact("Entropy of coins", done.entropy_nats, "nats", "decimal", 3),
        Fact("Mean q", float(last["mean_q"]), f"the target reveals {last['target_share']:.1%}", "percent", 1),
    ]
    what = f"the rule {done.config.rule}" if done.config.target == "rule" else "the margin of the true token"
    notes = [Note(done.ended, title="Ended before the last step")] if done.ended else []
    sections = [Section("Learning", [*notes, *imitate_blocks(done)]), _computed(_IMITATION), *_again(command)]
    return Report(f"A planner that imitates {what}", f"{len(done.rows)} steps", facts, sections, SOURCE)


def imitate_blocks(done: Imitated) -> list[Block]:
    """Curves of an imitation."""
    least = Reference(done.config.min_entropy_nats, "bound", is_left=True)
    return [
        _chart(done.rows, {"bce_nats": "loss"}, "Loss", "Nats per eligible position.", y_title="nats per position"),
        _chart(
            done.rows,
            {"entropy_nats": "entropy"},
            "Entropy of coins",
            "Mean over states that stay the same, nats.",
            y_title="nats per position",
            y_domain=(0, _MOST_ENTROPY_NATS),
            is_noisy=False,
            references=(least,),
        ),
        _chart(
            done.rows,
            {"agreement": "agreement", "mean_q": "mean q", "target_share": "revealed by the target"},
            "What it reveals",
            "Shares of eligible positions.",
            span="full",
            y_title="share of positions",
            y_format=".0%",
            y_domain=(0, 1),
        ),
    ]


def planner_report(done: Trained, *, command: str = "") -> Report:
    """The report of training on decodings.

    Args:
        done: What `planner.train_planner` returned.
        command: The command that continues or repeats it.
    """
    config = done.config
    return training_report(
        done.rows,
        title=f"dUltra: {config.denoiser}",
        subtitle=f"{len(done.rows)} updates of {config.prompts_per_update} x {config.group_size} decodings, "
        f"frozen: {config.freeze}",
        facts=best_facts(done),
        sections=[evaluation_section(done)],
        notes=[*done.notes, *([done.ended] if done.ended else [])],
        command=command,
    )


def whole_report(done: Whole, *, command: str = "") -> Report:
    """The report of all stages.

    Args:
        done: What `whole.train_whole` returned.
        command: The command that continues or repeats it.
    """
    trained, compared = done.trained, done.compared
    stages = [
        evaluation_section(trained),
        Section("The denoiser", [*pretrain_blocks(done.pretrained), Prose(_BOUND)]),
    ]
    if done.imitated is not None:
        stages.append(Section("Imitation", [*imitate_blocks(done.imitated), Prose(_IMITATION)]))
    return training_report(
        trained.rows,
        title=f"dUltra on {done.config.task}",
        subtitle=f"{len(done.pretrained.rows)} steps of pretraining, {len(trained.rows)} updates of the planner",
        facts=[*best_facts(trained), *(rule_facts(compared) if compared else [])],
        first=[frontier_section(compared)] if compared else [],
        sections=stages,
        notes=[*trained.notes, *([trained.ended] if trained.ended else [])],
        command=command,
    )


# ---------------------------------------------------------------- parts


def best_facts(done: Trained) -> list[Fact]:
    """Accuracy and passes of the best planner on fresh random numbers."""
    name, found = next(iter(done.final.items()))
    before = done.start
    return [
        Fact("Forward passes", found.nfe, f"{name}; before: {before['eval/nfe']:.2f}", "decimal", 2),
        Fact("Accuracy", found.accuracy, f"{name}; before: {before['eval/accuracy']:.1%}", "percent", 1),
    ]


def rule_facts(compared: Compared) -> list[Fact]:
    """Passes of the best rule of a comparison, where one is accurate enough."""
    from reasonry.training.dultra.frontier.report import rule_fact

    fact = rule_fact(compared.result)
    return [] if fact is None else [fact]


def final_table(final: Mapping[str, Evaluated]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows for the terminal: how the best planner decodes."""
    columns = ["policy", "accuracy", "parts", "passes", "tokens/forward", "forced", "distinct"]
    return columns, [
        [
            name,
            f"{e.accuracy:.1%}",
            f"{e.share:.1%}",
            f"{e.nfe:.2f}",
            f"{e.tokens_per_forward:.2f}",
            f"{e.forced_share:.0%}",
            "" if e.distinct is None else f"{e.distinct:.0%}",
        ]
        for name, e in final.items()
    ]


def evaluation_section(done: Trained) -> Section:
    """How the planner decodes as in use, on the way and at the end."""
    rows = [{"step": 0, **done.start}, *done.rows]
    columns = [
        Column("policy"),
        Column("accuracy", "percent", 1),
        Column("parts", "percent", 1),
        Column("passes", "decimal", 2),
        Column("tokens per forward", "decimal", 2),
        Column("forced steps", "percent", 0),
        Column("distinct", "percent", 0),
    ]
    body = [
        [name, e.accuracy, e.share, e.nfe, e.tokens_per_forward, e.forced_share, e.distinct]
        for name, e in done.final.items()
    ]
    best = done.best
    caption = (
        f"The planner of update {best['update']:.0f}, the best of all evaluations by reward, decodes "
        f"{next(iter(done.final.values())).num} answers with fresh random numbers."
    )
    about = f"Of {done.config.num_eval} decodings as in use, now and then."
    accuracy: dict[str, Any] = {"y_title": "accuracy", "y_format": ".0%", "y_domain": (0, 1)}
    passes: dict[str, Any] = {"y_title": "forward passes"}
    return Section(
        "As in use",
        [
            Table(columns, body, "The best planner", caption),
            *(
                _chart(rows, {name: title.lower()}, title, about, x_title="update", is_noisy=False, **looks)
                for name, title, looks in (("eval/accuracy", "Accuracy", accuracy), ("eval/nfe", "Passes", passes))
            ),
        ],
    )


def frontier_section(compared: Compared) -> Section:
    """Accuracy against passes of a comparison, and its fastest policies."""
    from reasonry.training.dultra.frontier.report import fastest_block, passes_block

    return Section("Against rules", [passes_block(compared.result), fastest_block(compared.result)])


def _chart(
    rows: Rows,
    names: Mapping[str, str],
    title: str,
    about: str,
    *,
    span: Literal["full", "half"] = "half",
    **looks: Any,
) -> Block:
    """What `step_chart` draws, with its arguments; a word where nothing was measured."""
    chart = step_chart(rows, names, **looks)
    return Note(f"{title}: nothing was measured") if chart is None else Chart(chart, title, about, span=span)


def _computed(text: str) -> Section:
    return Section("How this is computed", [Prose(text)])


def _again(command: str) -> list[Section]:
    return [Section("Run", [Code(command, "Continue or repeat")])] if command else []


__all__ = [
    "final_table",
    "imitate_report",
    "planner_report",
    "pretrain_report",
    "progress_rows",
    "whole_report",
]
