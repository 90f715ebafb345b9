"""What the lab prints: a row for each arm, and what it says about the theory."""

from __future__ import annotations

import math

from reasonry.understanding.out_of_context.theory.looks import NORMS
from reasonry.understanding.out_of_context.theory.run import ArmResult, Lab


def arm_table(done: Lab) -> tuple[list[str], list[list[str]]]:
    """Columns and rows for a terminal."""
    columns = ["arm", "steps", "train loss", "test loss", "test right", "rank among implications"]
    if done.is_linear:
        columns += ["test/train margin", "cos nuclear", "cos Frobenius"]
    return columns, [_row(done, arm) for arm in done.arms]


def _row(done: Lab, arm: ArmResult) -> list[str]:
    last = arm.last
    chance = (done.table.num_groups - 1) / 2
    cells = [
        arm.name,
        str(last["step"]),
        f"{last['train_loss']:.2g}",
        f"{last['test_loss']:.3g}",
        f"{last['test_accuracy']:.1%}",
        f"{last['test_rank_within']:.2f} (chance {chance:g})",
    ]
    if done.is_linear:
        cells += [_number(last.get(name)) for name in ("margin_ratio", "cosine_nuclear", "cosine_frobenius")]
    return cells


def _number(value: float | None) -> str:
    return "-" if value is None else f"{round(value, 3) + 0.0:.3f}"  # no -0.000


def summary_lines(done: Lab) -> list[str]:
    """A sentence on the floor of the test loss, and one on the closed forms."""
    n = done.table.num_groups
    lines = [f"A model that infers nothing has a test loss of at least log {n} = {math.log(n):.3f} nats."]
    if not done.is_linear:
        return lines
    if done.optima is None:
        lines.append(
            "Groups are of unequal size: there is no closed form to compare with; --solve computes the "
            "maximum-margin solutions numerically (needs cvxpy)."
        )
        return lines
    two, product = (done.optima.values[norm].within for norm in NORMS)
    why = " = min(sqrt(m_train / m_test), 1)" if done.table.is_balanced else ", the smallest of all groups"
    lines.append(
        f"Nuclear-norm optimum: test margin {two:.3f} of the training margin{why}; Frobenius-norm optimum: "
        f"{product:.3g} ({done.optima.how})."
    )
    return lines
