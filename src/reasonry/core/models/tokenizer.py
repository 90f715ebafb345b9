"""Loads a tokenizer without its model: for work on token ids that runs no network.

Nothing here needs torch, except the first use of a packaged GGUF model, which is converted then; transformers imports
torch by itself where it is installed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from reasonry.core import optional
from reasonry.core.models.config import ModelConfig, trusts_code
from reasonry.core.models.find import find_model
from reasonry.core.models.packaged import PACKAGED
from reasonry.core.models.safety import check_configs
from reasonry.core.models.source import Source

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


@dataclass(frozen=True)
class LoadedTokenizer:
    """A tokenizer.

    Attributes:
        tokenizer: As transformers made it; nothing is changed here.
        name: As the user named it.
    """

    tokenizer: PreTrainedTokenizerBase
    name: str


def load_tokenizer(
    name: str, options: ModelConfig | None = None, *, why: str = "to turn text into tokens"
) -> LoadedTokenizer:
    """Load a model's tokenizer and nothing else of it.

    Args:
        name: Hub id, local folder or packaged alias; also a folder that holds a tokenizer only.
        options: Revision and trust; dtype and device are the model's business.
        why: What transformers is needed for, shown when it is not installed.

    Raises:
        ConfigError: Unknown model.
        MissingDependencyError: transformers or the packaged model is not installed.
        UnsafeArtifactError: A config would run code, or the folder has only pickled weights.
        DataError: The folder holds no tokenizer, or a damaged one.
        ResourceError: The hub cannot be reached.
    """
    options = options or ModelConfig()
    folder = _tokenizer_folder(name, options)
    if folder is None:
        find_model(name, options)  # every cheap mistake is found before transformers is imported
    optional.need("transformers", extra="hf", why=why)
    source = Source(name, folder, trusts_code(options), "") if folder else Source.of(name, options)
    from transformers import AutoTokenizer

    with source.loading():
        loaded = AutoTokenizer.from_pretrained(source.where, **source.keywords)
    return LoadedTokenizer(cast("PreTrainedTokenizerBase", loaded), name)


def _tokenizer_folder(name: str, options: ModelConfig) -> str | None:
    """The folder, if ``name`` is one that holds a tokenizer and no model."""
    if name in PACKAGED:
        return None
    try:
        path = Path(name).expanduser()
        found = bool(name) and not (path / "config.json").exists()
        found = found and any((path / file).is_file() for file in _TOKENIZER_FILES)
    except (OSError, RuntimeError):  # no path at all: `find_model` says why
        return None
    if not found:
        return None
    check_configs(path, trust=trusts_code(options))
    return str(path)
