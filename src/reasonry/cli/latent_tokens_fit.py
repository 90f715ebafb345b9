"""``reasonry train latent-tokens fit-codes``."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.cli.output import Output
from reasonry.core import flags
from reasonry.errors import EXIT_OK
from reasonry.training.latent_tokens.codes.config import VERB, FitConfig


def main(args: Sequence[str], out: Output) -> int:
    """Train a codec."""
    cfg = flags.parse(FitConfig, args, prog=f"reasonry {VERB} fit-codes")
    from reasonry.training.latent_tokens.codes.fit import fit_codes
    from reasonry.training.latent_tokens.codes.report import fit_report

    done = fit_codes(cfg, say=out.aside, open_run=out.run_opened)
    own, other, use = done.held_out.own, done.held_out.other_codes, done.use
    out.line(
        f"held-out reasoning: {own.accuracy:.1%} of tokens come back, {own.nll_nats:.3f} nats per token "
        f"({other.nll_nats:.3f} with codes of other chunks)"
    )
    out.line(
        f"codes: {use.num_used} of {use.num_codes} in use for reasoning, perplexity {use.perplexity:.1f}, "
        f"{done.bits_used:.2f} of {done.bits_bound:.2f} bits per token"
    )
    out.line(f"codes    {done.codes}")
    html = out.report_written(done.folder, fit_report(done, command=out.command))
    out.run_finished(html, out.command)
    places = {"run": str(done.folder), "codes": str(done.codes), "report": html and str(html)}
    out.result({**places, "results": done.to_json()})
    return EXIT_OK
