"""``reasonry eval METHOD``."""

from __future__ import annotations

from collections.abc import Sequence

from reasonry.cli.actions import dispatch
from reasonry.cli.output import Output

METHODS = {
    "gsm-agent": ("reasonry.cli.gsm_agent:main", "an agent that must find the premises itself, and the paths it takes"),
    "ppe": ("reasonry.cli.ppe:main", "choose a reward model by what predicts the outcome of training with it"),
    "diffusion-frontier": (
        "reasonry.cli.eval_diffusion_frontier:main",
        "decode with a masked diffusion model: accuracy against forward passes of every way to choose what to reveal",
    ),
    "continuous-cot": (
        "reasonry.cli.eval_continuous_cot:main",
        "answer after thoughts in hidden states: accuracy by their number, and with others in their place",
    ),
    "latent-tokens": (
        "reasonry.cli.eval_latent_tokens:main",
        "answer with codes for reasoning: accuracy against tokens, controls, and codes read back as text",
    ),
}


def main(args: Sequence[str], as_json: bool) -> int:
    """Dispatch to the method."""
    usage = f"usage: reasonry eval {'|'.join(METHODS)} ..."
    return dispatch(args, Output(as_json=as_json), verb="eval", actions=METHODS, usage=usage, noun="method")
