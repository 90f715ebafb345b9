"""What the user means by MODEL: a run of finetune, one of its methods, a folder of a model, or any language model.

    RUN/METHOD/results.json                  the method is finished
    RUN/METHOD/model/                        its model
    RUN/METHOD/model/latent_config.json      what its codes and prompts mean

RUN, RUN/METHOD and RUN/METHOD/model will do, a run of all stages, and a copy of a model's folder from anywhere. Of a
model without that file nobody knows what it was trained on; it is evaluated as one without codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from reasonry.core.run import read_json
from reasonry.errors import ConfigError, DataError, nearest
from reasonry.training.latent_tokens.mixing.latent_ids import LatentIds
from reasonry.training.latent_tokens.mixing.merged import FILE, LatentConfig, is_latent, read_latent_config
from reasonry.training.latent_tokens.mixing.methods import METHODS, Method, find_methods

MODEL, RESULTS = "model", "results.json"
_TRAIN = "train latent-tokens"
_STAGE = "finetune"


class Located(NamedTuple):
    """A model and what is known of its training.

    Attributes:
        name: Folder, hub id or alias.
        label: What it is called among others: its method's name where that is known.
        config: What its codes and prompts mean; None where nobody knows.
    """

    name: str
    label: str
    config: LatentConfig | None

    @property
    def method(self) -> Method | None:
        """It was trained by; None where nobody knows."""
        return METHODS.get(self.config.method) if self.config is not None else None

    @property
    def ids(self) -> LatentIds | None:
        """Of its added tokens."""
        return self.config.ids if self.config is not None else None

    @property
    def writes_codes(self) -> bool:
        """Whether it has learnt to."""
        if self.config is None or self.config.ids is None:
            return False
        return self.method is None or self.method.has_codes

    def beside(self, name: str) -> Path | None:
        """The folder that training noted under a name; None where it noted none."""
        found = self.config.more.get(name) if self.config is not None else None
        return Path(self.name, str(found)).resolve() if found else None


def locate(name: str, *, methods: Sequence[str] = ()) -> list[Located]:
    """Find models and their training.

    Args:
        name: As the user typed it.
        methods: Which ones of a run.

    Raises:
        ConfigError: No such method, or one that the model is not of.
        DataError: A run of something else, or without finished models; or a model of none of these.
    """
    asked = [method.name for method in find_methods(methods)] if methods else []
    path = Path(name).expanduser()
    if not name or not path.is_dir():
        return _single(Located(name, name.rpartition("/")[2] or name, None), asked)
    if (path / "run.json").is_file():
        return _of_run(path, asked)
    folder = path / MODEL if is_latent(path / MODEL) else path
    if not is_latent(folder):
        if not (folder / "config.json").is_file() and (folder / FILE).is_file():
            read_latent_config(folder)  # which says what it is
        return _single(Located(str(folder), folder.resolve().name, None), asked)
    return _single(_model(folder), asked)


def _model(folder: Path) -> Located:
    config = read_latent_config(folder)
    return Located(str(folder), config.method or folder.resolve().name, config)


def _single(found: Located, asked: Sequence[str]) -> list[Located]:
    if asked and list(asked) != [found.label]:
        own = f"of {found.label}" if found.config is not None else "of no known method"
        raise ConfigError(
            f"this is a model {own}, not of {', '.join(asked)}",
            place="methods",
            remedy="Give the run directory, or leave --methods out.",
        )
    return [found]


def _of_run(run: Path, asked: Sequence[str]) -> list[Located]:
    verb = str(read_json(run / "run.json").get("verb"))
    if verb not in (_TRAIN, f"{_TRAIN} {_STAGE}"):
        raise DataError(
            f"a run of 'reasonry {verb}', which fine-tunes no model on codes",
            place=str(run),
            remedy=f"Give a run of 'reasonry {_TRAIN} {_STAGE}', or the folder of a model.",
        )
    folder = run / _STAGE if (run / _STAGE).is_dir() else run
    finished = [name for name in METHODS if (folder / name / RESULTS).is_file() and is_latent(folder / name / MODEL)]
    if not finished:
        raise DataError("no finished model", place=str(run), remedy="Let the training finish: run its command again.")
    for name in asked:
        if name not in finished:
            hint = nearest(name, finished) or f"There are: {', '.join(finished)}."
            raise ConfigError(f"no finished model of method {name!r} in {run}", place="methods", remedy=hint)
    return [_model(folder / name / MODEL) for name in asked or finished]
