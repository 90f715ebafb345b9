"""``reasonry reproduce``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tyro

from reasonry.cli.output import Output
from reasonry.core import claims, flags
from reasonry.core.config import Config
from reasonry.core.shared_files import shared_folder
from reasonry.errors import EXIT_CHECK_FAILED, EXIT_OK, ConfigError


class ReproduceConfig(Config):
    """Measure claims on this machine and print PASS or FAIL with the interval."""

    claim: tyro.conf.Positional[tuple[str, ...]] = ()
    """Ids of claims; see `reasonry list claims`."""
    all: bool = False
    """Every claim of the chosen cost class."""
    cost: claims.Cost | None = None
    """Only claims of this cost class."""
    record: bool = False
    """Store the results beside the cards, where README's table is made from."""
    out: Path = Path("runs/reproduce")
    """Folder for the results when they are not recorded."""


def main(args: Sequence[str], as_json: bool) -> int:
    """Exit code 1 when a claim failed."""
    cfg = flags.parse(ReproduceConfig, args, prog="reasonry reproduce")
    if not cfg.claim and not cfg.all and cfg.cost is None:
        raise ConfigError("no claim named", remedy="Name claims, or give --all or --cost cpu-2min.")
    chosen = claims.choose(claims.load_claims(), cfg.claim, cfg.cost)
    if cfg.claim and not chosen:
        raise ConfigError(f"none of the named claims has cost {cfg.cost}", remedy="Leave --cost out.")
    out = Output(as_json=as_json)
    folder = shared_folder("claims") / "results" if cfg.record else cfg.out
    results: list[claims.Result] = []
    for claim in chosen:
        result = claims.measure(claim, say=out.aside)
        claims.record(result, folder)
        results.append(result)
        shown = claims.show(claim, result.measurement) if result.measurement else result.reason
        out.line(
            f"{result.status.upper():<10} {claim.id}  {shown}  (passes when {claim.expected}; "
            f"{claim.metric}; {result.seconds:.1f} s)"
        )
    failed = [r.claim.id for r in results if r.status == "fail"]
    verified = sum(r.status == "pass" for r in results)
    out.line(f"{verified} of {len(results)} claims pass, {len(failed)} fail; results in {folder}")
    out.result({"results": [r.to_json() for r in results]})
    return EXIT_CHECK_FAILED if failed else EXIT_OK
