"""``reasonry probe WHAT``."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.cli.actions import dispatch
from reasonry.cli.output import Output

PROBES = {
    "out-of-context": (
        "reasonry.cli.probe_out_of_context:main",
        "what a fine-tune on facts makes a model infer, and hallucinate: scan a file, audit a model, see why",
    ),
    "superposition": (
        "reasonry.cli.probe_superposition:main",
        "which vertices of a graph a continuous thought holds at once, and which edges it came from",
    ),
}


def main(args: Sequence[str], as_json: bool) -> int:
    """Dispatch to the probe."""
    usage = f"usage: reasonry probe {'|'.join(PROBES)} ..."
    return dispatch(args, Output(as_json=as_json), verb="probe", actions=PROBES, usage=usage, noun="probe")
