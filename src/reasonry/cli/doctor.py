"""``reasonry doctor``."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.cli.output import Output
from reasonry.core import doctor, flags
from reasonry.core.config import Config
from reasonry.errors import EXIT_CHECK_FAILED, EXIT_OK


class DoctorConfig(Config):
    """Check this machine and the installed packages."""


def main(args: Sequence[str], as_json: bool) -> int:
    """Exit code 1 when something must be mended; optional things that are absent are fine."""
    flags.parse(DoctorConfig, args, prog="reasonry doctor")
    out = Output(as_json=as_json)
    findings = doctor.examine()
    out.table("doctor", ["", "what", "found", "remedy"], [[f.level, f.what, f.value, f.remedy] for f in findings])
    bad = [f.what for f in findings if f.level == "bad"]
    out.line(f"mend: {', '.join(bad)}" if bad else "all good")
    out.result({"findings": [f._asdict() for f in findings], "bad": bad})
    return EXIT_CHECK_FAILED if bad else EXIT_OK
