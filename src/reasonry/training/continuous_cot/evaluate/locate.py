"""What the user means by MODEL: a training run, one of its methods, a folder of a model, or any language model.

    RUN/METHOD/model/                      a model with thoughts
    RUN/METHOD/model/trained_for.json      its method, and the settings of its training

RUN, RUN/METHOD and RUN/METHOD/model will do, and a copy of the last from anywhere. Of a model without that file nobody
knows what it was trained on, and how; it is evaluated too.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from reasonry.core.config import from_dict
from reasonry.core.run import read_json
from reasonry.errors import ConfigError, DataError, nearest
from reasonry.training.continuous_cot.config import VERB as TRAIN
from reasonry.training.continuous_cot.config import GraphTrainConfig
from reasonry.training.continuous_cot.methods import METHODS, REFERENCE, Method, find_method
from reasonry.training.continuous_cot.text_config import TextTrainConfig
from reasonry.training.continuous_cot.train.saved import TRAINED_FOR, read_trained_for

MODEL = "model"

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
        path = Path(self.name).expanduser()
        if not path.is_dir():
            return self.name
        path = path.resolve()
        parts = path.parts[-3:-1] if self.trained is not None and path.name == MODEL else (path.name,)
        return "/".join(parts)


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
        return _known(_of_run(path, asked), asked)
    folder = path / MODEL if (path / MODEL / TRAINED_FOR).is_file() else path
    return _known(folder, asked) if (folder / TRAINED_FOR).is_file() else Located(str(folder), asked, None)


def _known(folder: Path, asked: Method | None) -> Located:
    found = read_trained_for(folder)
    if asked is not None and found.method != asked:
        raise ConfigError(
            f"this is the model of {found.method.name}, not of {asked.name}",
            place="method",
            remedy="Give the run directory, or leave --method out.",
        )
    if found.kind == "graphs":
        return Located(str(folder), found.method, found.graph_config())
    if found.kind != "text":
        raise DataError(f"it was trained on {found.kind}, which is not known here", place=found.place)
    return Located(str(folder), found.method, from_dict(TextTrainConfig, found.settings, place=found.place))


def _of_run(run: Path, asked: Method | None) -> Path:
    verb = str(read_json(run / "run.json").get("verb"))
    if not verb.startswith(f"{TRAIN} "):
        raise DataError(
            f"a run of 'reasonry {verb}', which trains no thoughts",
            place=str(run),
            remedy=f"Give a run of 'reasonry {TRAIN} text' or 'graphs', or the folder of a model.",
        )
    finished = [name for name in METHODS if (run / name / MODEL / TRAINED_FOR).is_file()]
    if not finished:
        raise DataError("no finished model", place=str(run), remedy="Let the training finish: run its command again.")
    if asked is not None and asked.name not in finished:
        hint = nearest(asked.name, finished) or f"There are: {', '.join(finished)}."
        raise ConfigError(f"no model of method {asked.name!r} in {run}", place="method", remedy=hint)
    chosen = asked.name if asked is not None else REFERENCE if REFERENCE in finished else finished[0]
    return run / chosen / MODEL
