"""``reasonry probe out-of-context scan|lab|audit``."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.cli.actions import dispatch
from reasonry.cli.output import Output

ACTIONS = {
    "scan": (
        "reasonry.cli.probe_out_of_context_scan:main",
        "which pairs of relations in a facts file may be learned as a rule; needs no model",
    ),
    "audit": (
        "reasonry.cli.probe_out_of_context_audit:main",
        "what a fine-tune on the facts makes a model infer, before and after, with a gate for CI",
    ),
    "lab": (
        "reasonry.cli.probe_out_of_context_lab:main",
        "why: one-layer attention with factorised and combined weights, next to closed forms",
    ),
}


def main(args: Sequence[str], out: Output) -> int:
    """Dispatch to the action."""
    usage = f"usage: reasonry probe out-of-context {'|'.join(ACTIONS)} ..."
    return dispatch(args, out, verb="probe out-of-context", actions=ACTIONS, usage=usage)
