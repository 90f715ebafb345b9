"""``reasonry eval continuous-cot``."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.cli.output import Output
from reasonry.core import flags
from reasonry.errors import EXIT_OK
from reasonry.training.continuous_cot.evaluate.config import VERB, EvalConfig


def main(args: Sequence[str], out: Output) -> int:
    """Answer questions after thoughts: accuracy by their number, with random ones in their place, and what they are."""
    cfg = flags.parse(EvalConfig, args, prog=f"reasonry {VERB}")
    if cfg.prompt:
        return _prompt(cfg, out)
    from reasonry.training.continuous_cot.evaluate.report import evaluation_report
    from reasonry.training.continuous_cot.evaluate.run import evaluate, results_json
    from reasonry.training.continuous_cot.evaluate.tables import arms_table, summary_lines

    done = evaluate(cfg, say=out.aside, open_run=out.run_opened)
    out.table(f"{done.facts.name}: {done.facts.questions}", *arms_table(done))
    for line in summary_lines(done):
        out.line(line)
    html = out.report_written(done.folder, evaluation_report(done, command=out.command))
    out.run_finished(html, out.command)
    out.result({"run": str(done.folder), "report": html and str(html), "results": results_json(done)})
    return EXIT_OK


def _prompt(cfg: EvalConfig, out: Output) -> int:
    from reasonry.core import optional

    optional.need("torch", extra="hf", why="to run a model")
    optional.need("transformers", extra="hf", why="to run a model")
    from reasonry.training.continuous_cot.evaluate.prompt import answer_prompt
    from reasonry.training.continuous_cot.evaluate.tables import reply_lines, thoughts_table

    prompted = answer_prompt(cfg)
    for line in reply_lines(prompted):
        out.line(line)
    for reply in prompted.replies:
        if reply.look.norms:
            title = f"{reply.thoughts} thoughts; token embeddings have a norm of {prompted.embedding_norm:.3g}"
            out.table(title, *thoughts_table(reply))
    out.result(prompted.to_json())
    return EXIT_OK
