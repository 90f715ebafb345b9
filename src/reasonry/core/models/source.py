"""What loading a model and loading a tokenizer share: where from, what is checked first, whose errors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reasonry.core.models.config import ModelConfig, trusts_code
from reasonry.core.models.find import local_folder
from reasonry.core.models.packaged import PACKAGED
from reasonry.core.models.quiet import quiet_transformers
from reasonry.core.models.safety import check_hub_configs
from reasonry.errors import DataError, MissingDependencyError, ReasonryError, ResourceError, UnsafeArtifactError


@dataclass(frozen=True)
class Source:
    """Where transformers loads from.

    Attributes:
        name: As the user named it.
        where: Folder or hub id.
        trust: Whether code of the repository may run.
        revision: Commit or tag of a hub model; empty for its default branch, and for a folder.
    """

    name: str
    where: str
    trust: bool
    revision: str

    @classmethod
    def of(cls, name: str, options: ModelConfig) -> Source:
        """Resolve a name, converting a packaged GGUF once.

        Raises:
            ReasonryError: As `reasonry.core.models.local_folder`.
        """
        trust = trusts_code(options)
        where = local_folder(name, model=options)
        return cls(name, where, trust, "" if Path(where).is_dir() else options.revision)

    @property
    def is_local(self) -> bool:
        """True for a folder."""
        return Path(self.where).is_dir()

    @property
    def keywords(self) -> dict[str, Any]:
        """What every ``from_pretrained`` of it is given."""
        pinned = {"revision": self.revision} if self.revision else {}
        return {"trust_remote_code": self.trust, **pinned}

    @contextlib.contextmanager
    def loading(self) -> Iterator[None]:
        """Context of the loading: configs of a hub model are checked first, transformers keeps quiet.

        Raises:
            UnsafeArtifactError: A config of the hub model would run code, or it has only pickled weights.
            DataError: The folder's files are damaged, incomplete, or of another kind.
            MissingDependencyError: The model needs a package that is not installed.
            ResourceError: The hub cannot be reached, or has no such model.
        """
        try:
            with quiet_transformers():
                if not self.is_local:
                    check_hub_configs(self.where, trust=self.trust, revision=self.revision or None)
                yield
        except (ReasonryError, MemoryError):
            raise
        except Exception as e:  # a folder of unknown content goes through four libraries: there is no list of errors
            raise self._error(e) from e

    def _error(self, error: Exception) -> ReasonryError:
        """The user's error for what the libraries raised."""
        text = " ".join(str(error).split())[:300].rstrip(". ")
        if isinstance(error, ImportError):
            return MissingDependencyError(f"the model needs a package that is not installed: {text}", place=self.name)
        if "trust_remote_code" in text:
            return UnsafeArtifactError(
                "the model needs code from its repository",
                place=self.name,
                remedy="Use a model of a built-in architecture, or read the code and opt in with "
                "--model-options.trust-remote-code and a pinned --model-options.revision.",
            )
        if self.is_local:
            return DataError(
                f"cannot be loaded: {type(error).__name__}: {text}",
                place=self.name,
                remedy="Are all files of the model there, and whole? Copy or download it again.",
            )
        if "safetensors" in text:
            return UnsafeArtifactError(
                f"the model has no safetensors weights: {text}",
                place=self.name,
                remedy="Pickled weights can run code when loaded. Convert them where you trust them, or use another "
                "model.",
            )
        return ResourceError(
            f"cannot get the model from the hub: {text}",
            place=self.name,
            remedy=f"Check the name and the network, give a local folder, or use a packaged model: "
            f"{', '.join(a for a, m in PACKAGED.items() if m.kind == 'causal-lm')}.",
        )
