"""``reasonry probe WHAT``."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.cli.actions import dispatch
from reasonry.cli.output import Output

PROBES = {
    "superposition": (
        "reasonry.cli.probe_superposition:main",
        "which vertices of a graph a continuous thought holds at once, and which edges it came from",
    ),
}


def main(args: Sequence[str], as_json: bool) -> int:
    """Dispatch to the probe."""
    usage = f"usage: reasonry probe {'|'.join(PROBES)} ..."
    return dispatch(args, Output(as_json=as_json), verb="probe", actions=PROBES, usage=usage, noun="probe")
