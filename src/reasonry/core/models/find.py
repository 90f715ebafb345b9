"""Where the weights behind a name are. Every cheap mistake is found here, without torch."""

from __future__ import annotations

import re
from pathlib import Path

from reasonry.core.models import gguf
from reasonry.core.models.adapter import adapter_folder, base_of
from reasonry.core.models.config import ModelConfig, trusts_code
from reasonry.core.models.packaged import PACKAGED, check_causal_lm, packaged_path
from reasonry.core.models.safety import check_folder
from reasonry.errors import ConfigError, nearest


def find_model(name: str, model: ModelConfig | None = None) -> str:
    """Where the weights of ``name`` are: a folder, a GGUF file of a package, or a hub id. Loads and writes nothing.

    Everything that can be wrong with the name, the folder's config or the trust in it is found here, at once.

    Raises:
        ConfigError: ``name`` is neither an alias, nor a folder, nor of the form of a hub id.
        DataError: The folder holds no model.
        MissingDependencyError: The packaged model is not installed.
        UnsafeArtifactError: The model has only pickled weights, or its config would run code.
    """
    trust = trusts_code(model)
    if name in PACKAGED:
        return str(packaged_path(name) / PACKAGED[name].weights)
    try:
        path = Path(name).expanduser()
        if name and path.is_dir():
            check_folder(path, trust=trust)
            return str(path)
        is_file = path.is_file()
    except (OSError, RuntimeError) as e:  # a name too long for a file, a home directory that is not there
        raise ConfigError(f"model {name[:80]!r} cannot be looked up: {e}"[:300], place="model") from e
    if is_file or name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ConfigError(
            f"model {name!r} is not a folder", place="model", remedy="Give the folder that holds config.json."
        )
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        hint = nearest(name, PACKAGED) or f"Packaged models: {', '.join(PACKAGED)}; or a local path, or owner/name."
        raise ConfigError(f"unknown model {name!r}", place="model", remedy=hint)
    return name


def find_causal_lm(name: str, model: ModelConfig | None = None) -> str:
    """`find_model`, of its base model where ``name`` is an adapter; and refuse a packaged encoder.

    Raises:
        ConfigError: As `find_model`, or the model is an encoder.
    """
    check_causal_lm(name)
    if (adapter := adapter_folder(name)) is not None:
        return find_causal_lm(base_of(adapter, model), model)
    return find_model(name, model)


def local_folder(name: str, *, model: ModelConfig | None = None) -> str:
    """Resolve ``name`` to a folder or hub id that transformers loads from, converting GGUF once.

    Raises:
        ReasonryError: As `find_model`; or the conversion does not fit on the disk (ResourceError).
    """
    found = find_model(name, model)
    if name in PACKAGED and found.endswith(".gguf"):
        return str(gguf.converted(PACKAGED[name], packaged_path(name)))
    return found
