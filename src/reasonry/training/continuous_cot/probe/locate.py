"""What the user means by MODEL: the folder of a model, of a method, or of a whole training run.

    RUN/METHOD/model/          a model with thoughts, and beside it for what it was trained

Any of RUN, RUN/METHOD and RUN/METHOD/model will do; so will a copy of the last.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from reasonry.errors import ConfigError, DataError, nearest
from reasonry.training.continuous_cot.config import GraphTrainConfig
from reasonry.training.continuous_cot.methods import METHODS, REFERENCE, Method
from reasonry.training.continuous_cot.train.saved import TRAINED_FOR, read_trained_for

SETTINGS = "continuous_cot.json"
MODEL = "model"
_REMEDY = "Give a run directory of 'reasonry train continuous-cot graphs', or 'construction'."


class Located(NamedTuple):
    """A trained model and what it was trained with.

    Attributes:
        folder: Of the model.
        method: It was trained by.
        config: Settings of its training.
    """

    folder: Path
    method: Method
    config: GraphTrainConfig


def locate(name: str, *, method: str = "") -> Located:
    """Find a model and its training.

    Args:
        name: As the user typed it.
        method: Which one, where several were trained; `REFERENCE` when empty.

    Raises:
        ConfigError: There is no such folder, or no such method in it.
        DataError: The model has no thoughts, or was not trained on graphs.
    """
    path = Path(name).expanduser()
    if not path.is_dir():
        raise ConfigError(f"no such folder: {name}", place="model", remedy=_REMEDY)
    folder = next((each for each in (path, path / MODEL) if (each / SETTINGS).is_file()), None)
    if folder is None:
        folder = _of_run(path, method)
    trained = read_trained_for(folder)
    if trained.kind != "graphs":
        raise DataError(
            f"the model was trained on {trained.kind}, not on graphs: it knows no vertices that thoughts could hold",
            place=str(folder),
            remedy=_REMEDY,
        )
    if trained.method.fill != "thought":
        raise DataError(
            f"a model of method {trained.method.name}, which has no thoughts: {trained.method.about}",
            place=str(folder),
            remedy=f"Probe {REFERENCE}, or another method with thoughts.",
        )
    if method and method != trained.method.name:
        raise ConfigError(
            f"this is the model of {trained.method.name}, not of {method}",
            place="method",
            remedy="Give the run directory, or leave --method out.",
        )
    return Located(folder, trained.method, trained.graph_config())


def _of_run(run: Path, method: str) -> Path:
    """The folder of one model of a run."""
    trained = [name for name in METHODS if (run / name / MODEL / TRAINED_FOR).is_file()]
    if not trained:
        if (run / "run.json").is_file():
            remedy = "Let the training finish: run its command again."
            raise DataError("a run without a finished model with thoughts", place=str(run), remedy=remedy)
        if (run / "config.json").is_file():
            raise DataError(
                f"a model that never learnt to think in hidden states: there is no {SETTINGS}",
                place=str(run),
                remedy=_REMEDY,
            )
        raise DataError("neither a model nor a training run", place=str(run), remedy=_REMEDY)
    if method and method not in trained:
        hint = " ".join(filter(None, (nearest(method, trained), f"There are: {', '.join(trained)}.")))
        raise ConfigError(f"no model of method {method!r} in {run}", place="method", remedy=hint)
    thinking = [name for name in trained if METHODS[name].fill == "thought"] or trained
    return run / (method or (REFERENCE if REFERENCE in thinking else thinking[0])) / MODEL
