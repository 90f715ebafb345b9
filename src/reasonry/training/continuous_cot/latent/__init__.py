"""Causal language models that think in hidden states: rows, the chained forward pass, wrapping, generation."""

from reasonry.training.continuous_cot.latent.adapters import add_adapters
from reasonry.training.continuous_cot.latent.chain import Chained, chained_forward, logits
from reasonry.training.continuous_cot.latent.chain_inputs import Feedback
from reasonry.training.continuous_cot.latent.generation import GenerateOutput
from reasonry.training.continuous_cot.latent.model import LatentCausalLM, Output
from reasonry.training.continuous_cot.latent.rows import IGNORED, Batch, Row, collate
from reasonry.training.continuous_cot.latent.tokens import LatentTokens

__all__ = [
    "IGNORED",
    "Batch",
    "Chained",
    "Feedback",
    "GenerateOutput",
    "LatentCausalLM",
    "LatentTokens",
    "Output",
    "Row",
    "add_adapters",
    "chained_forward",
    "collate",
    "logits",
]
