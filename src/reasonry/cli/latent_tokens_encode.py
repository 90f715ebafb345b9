"""``reasonry train latent-tokens encode``."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.cli.output import Output
from reasonry.core import flags
from reasonry.errors import EXIT_OK
from reasonry.training.latent_tokens.codes.config import VERB, EncodeConfig


def main(args: Sequence[str], out: Output) -> int:
    """Read examples into codes."""
    cfg = flags.parse(EncodeConfig, args, prog=f"reasonry {VERB} encode")
    from reasonry.training.latent_tokens.codes.encoding import encode
    from reasonry.training.latent_tokens.codes.report import encode_report, savings_rows

    done = encode(cfg, say=out.aside, open_run=out.run_opened)
    counts = done.counts
    out.line(
        f"{counts.rows} examples: {counts.codes} codes for {counts.cot_tok - counts.tail_tok} tokens of reasoning, "
        f"{counts.tail_tok} tokens stay text"
    )
    if done.tok_per_s is not None:
        out.line(f"{done.tok_per_s:.0f} tokens of reasoning a second, tokenising and writing included")
    out.line(f"{done.reconstruction.accuracy:.1%} of {done.reconstruction.num_tok} sampled tokens come back")
    out.table("Tokens that training rows would save", *savings_rows(done))
    out.line(f"encoded  {done.rows}")
    html = out.report_written(done.folder, encode_report(done, command=out.command))
    out.run_finished(html, out.command)
    places = {"run": str(done.folder), "encoded": str(done.rows), "report": html and str(html)}
    out.result({**places, "results": done.to_json()})
    return EXIT_OK
