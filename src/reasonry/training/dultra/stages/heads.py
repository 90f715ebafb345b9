"""Planners of runs: made for a denoiser, saved whole or not at all."""

from __future__ import annotations

from pathlib import Path

from reasonry.core.models.quiet import quiet_transformers
from reasonry.core.whole_folder import whole_folder
from reasonry.errors import ConfigError
from reasonry.training.dultra.config import HeadConfig
from reasonry.training.dultra.denoiser import Denoiser
from reasonry.training.dultra.planner import PlannerConfig, PlannerHead


def new_head(config: HeadConfig, denoiser: Denoiser, *, answer_len: int, block_len: int, seed: int) -> PlannerHead:
    """An untrained planner for a denoiser, on the CPU, in eval mode.

    Args:
        config: Its shape.
        denoiser: Whose canvases it shall plan.
        answer_len: Positions it must tell apart.
        block_len: Of the decodings it will be trained on, tokens.
        seed: Root of its weights.

    Raises:
        ConfigError: The denoiser has no hidden states to read, or numbers that make no planner.
    """
    reads_hidden = "hidden" in config.features
    if reads_hidden and not denoiser.width:
        raise ConfigError(
            f"{denoiser.name} has no hidden states for a planner to read",
            place="head.features",
            remedy="Let it read confidence, entropy and margin.",
        )
    width = denoiser.width if reads_hidden else 0
    shape = PlannerConfig(
        width=width,
        inner_width=config.inner_width or width or 64,
        features=config.features,
        num_heads=config.num_heads,
        mlp_width=config.mlp_width,
        position=config.position,
        max_len=answer_len,
        clamp=config.clamp or None,
        output_bias=config.output_bias,
        time_scale=config.time_scale,
        denoiser=denoiser.name,
        block_len=block_len,
    )
    return PlannerHead(shape, seed=seed).eval()


def save_planner(head: PlannerHead, folder: Path) -> None:
    """Write a planner so that `planner.load_planner` gives it back; the folder appears whole or not at all.

    Raises:
        ResourceError: The disk is full or not writable.
    """
    with whole_folder(folder, "the planner") as tmp, quiet_transformers():
        head.save_pretrained(tmp)
