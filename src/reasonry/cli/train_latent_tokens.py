"""``reasonry train latent-tokens [fit-codes|encode|finetune]``; without a stage, all of them."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry import registry
from reasonry.cli.output import Output

STAGES = {
    "fit-codes": "reasonry.cli.latent_tokens_fit:main",
    "encode": "reasonry.cli.latent_tokens_encode:main",
    "finetune": "reasonry.cli.latent_tokens_finetune:main",
}
WHOLE = "reasonry.cli.latent_tokens_whole:main"


def main(args: Sequence[str], out: Output) -> int:
    """Learn codes, encode examples, fine-tune; or one after the other."""
    if args and args[0] in STAGES:
        return registry.resolve(STAGES[args[0]])(args[1:], out)
    return registry.resolve(WHOLE)(args, out)
