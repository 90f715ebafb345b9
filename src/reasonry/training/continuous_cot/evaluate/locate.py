"""What the user means by MODEL: a training run, one of its methods, a folder of a model, or any language model.

    RUN/config.toml            settings of the training
    RUN/METHOD/model/          a model with thoughts

RUN, RUN/METHOD and RUN/METHOD/model will do. A folder that was taken out of its run, and a model from elsewhere, is
evaluated too; then nobody knows what it was trained on, and how.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from reasonry.core.config import from_dict, read_toml_file
from reasonry.core.run import read_json
from reasonry.errors import ConfigError, DataError, nearest
from reasonry.training.continuous_cot.config import VERB as TRAIN
from reasonry.training.continuous_cot.config import GraphTrainConfig
from reasonry.training.continuous_cot.methods import METHODS, REFERENCE, Method, find_method
from reasonry.training.continuous_cot.text_config import TextTrainConfig

SETTINGS, MODEL = "continuous_cot.json", "model"
_CONFIGS: dict[str, type[TextTrainConfig] | type[GraphTrainConfig]] = {
    f"{TRAIN} text": TextTrainConfig,
    f"{TRAIN} graphs": GraphTrainConfig,
}

Trained = TextTrainConfig | GraphTrainConfig


class Located(NamedTuple):
    """A model and what is known of its training.

    Attributes:
        name: Folder, hub id or alias.
        method: It was trained by; None where nobody knows.
        trained: Settings of its training; None where nobody knows.
    """

    name: str
    method: Method | None
    trained: Trained | None

    @property
    def label(self) -> str:
        """What it is called in a report."""
        if self.trained is None:
            return Path(self.name).name or self.name
        run = Path(self.name).resolve().parents[1].name
        return f"{run}/{self.method.name}" if self.method else run


def locate(name: str, *, method: str = "") -> Located:
    """Find a model and its training.

    Args:
        name: As the user typed it.
        method: Which one of a run; or, of a model of unknown origin, what its slots hold.

    Raises:
        ConfigError: No such method, or another than the folder is of.
        DataError: A run of something else, or without a finished model.
    """
    asked = find_method(method) if method else None
    path = Path(name).expanduser()
    if not name or not path.is_dir():
        return Located(name, asked, None)
    if (path / "run.json").is_file():
        return _of_run(path, asked)
    folder = path / MODEL if (path / MODEL / SETTINGS).is_file() else path
    run = folder.resolve().parents[1]
    trained = _trained(run) if (run / "run.json").is_file() and folder.resolve().name == MODEL else None
    if trained is None:
        return Located(str(folder), asked, None)
    found = METHODS.get(folder.resolve().parent.name)
    if asked is not None and found is not None and asked != found:
        raise ConfigError(
            f"this is the model of {found.name}, not of {asked.name}",
            place="method",
            remedy="Give the run directory, or leave --method out.",
        )
    return Located(str(folder), found or asked, trained)


def _of_run(run: Path, asked: Method | None) -> Located:
    trained = _trained(run)
    if trained is None:
        raise DataError(
            f"a run of 'reasonry {read_json(run / 'run.json').get('verb')}', which trains no thoughts",
            place=str(run),
            remedy=f"Give a run of 'reasonry {TRAIN} text' or 'graphs', or the folder of a model.",
        )
    finished = [name for name in METHODS if (run / name / MODEL / SETTINGS).is_file()]
    if not finished:
        raise DataError("no finished model", place=str(run), remedy="Let the training finish: run its command again.")
    if asked is not None and asked.name not in finished:
        hint = nearest(asked.name, finished) or f"There are: {', '.join(finished)}."
        raise ConfigError(f"no model of method {asked.name!r} in {run}", place="method", remedy=hint)
    chosen = asked.name if asked is not None else REFERENCE if REFERENCE in finished else finished[0]
    return Located(str(run / chosen / MODEL), METHODS[chosen], trained)


def _trained(run: Path) -> Trained | None:
    """Settings of a training run; None for any other."""
    kind = _CONFIGS.get(str(read_json(run / "run.json").get("verb")))
    if kind is None:
        return None
    path = run / "config.toml"
    return from_dict(kind, read_toml_file(path).table, place=str(path))
