"""``reasonry train METHOD``."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.cli.actions import dispatch
from reasonry.cli.output import Output

METHODS = {
    "pivotrl": (
        "reasonry.cli.train_pivotrl:main",
        "train on the turns of agent logs that can teach the model anything",
    ),
    "dultra": (
        "reasonry.cli.train_dultra:main",
        "decode a masked diffusion model in fewer passes, by a planner that learns what to reveal",
    ),
    "continuous-cot": (
        "reasonry.cli.train_continuous_cot:main",
        "reason in hidden states in place of written steps, next to the controls that tell whether these help",
    ),
    "latent-tokens": (
        "reasonry.cli.train_latent_tokens:main",
        "shorten reasoning: chunks of its text become codes, and a model is fine-tuned on the mix",
    ),
}


def main(args: Sequence[str], as_json: bool) -> int:
    """Dispatch to the method."""
    usage = f"usage: reasonry train {'|'.join(METHODS)} ..."
    return dispatch(args, Output(as_json=as_json), verb="train", actions=METHODS, usage=usage, noun="method")
