"""What a saved model was trained for, kept beside it, so that it can be asked the same kind of questions again.

METHOD/model/trained_for.json    kind of source, method, last stage, settings of the run
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from reasonry.core import atomic
from reasonry.core.config import from_dict
from reasonry.core.run import read_json
from reasonry.errors import DataError
from reasonry.training.continuous_cot.config import GraphTrainConfig, TrainSettings
from reasonry.training.continuous_cot.methods import METHODS, Method

TRAINED_FOR = "trained_for.json"
_FORMAT = 1
_NOT_KEPT = ("run", "methods", "save_every")


class TrainedFor(NamedTuple):
    """What a model was trained for.

    Attributes:
        kind: graphs or text.
        method: The way of training.
        stage: The last stage.
        settings: Of the run, as JSON.
        place: The file, for errors.
    """

    kind: str
    method: Method
    stage: int
    settings: dict[str, Any]
    place: str = ""

    def graph_config(self) -> GraphTrainConfig:
        """Settings of a training on graphs.

        Raises:
            DataError: It was trained on something else.
            ConfigError: Settings of another version.
        """
        if self.kind != "graphs":
            raise DataError(f"the model was trained on {self.kind}, not on graphs", place=self.place)
        return from_dict(GraphTrainConfig, self.settings, place=self.place)


def write_trained_for(folder: Path, config: TrainSettings, *, kind: str, method: Method, stage: int) -> None:
    """Write the file into a model's folder."""
    dumped = config.model_dump(mode="json", exclude_none=True)
    settings = {name: value for name, value in dumped.items() if name not in _NOT_KEPT}
    body = {"format": _FORMAT, "kind": kind, "method": method.name, "stage": stage, "settings": settings}
    atomic.write_json(folder / TRAINED_FOR, body)


def read_trained_for(folder: Path) -> TrainedFor:
    """Read it back.

    Raises:
        DataError: There is none, or it is damaged.
    """
    path = folder / TRAINED_FOR
    if not path.exists():
        raise DataError(
            "nothing says what the model was trained for",
            place=str(folder),
            remedy="Give the folder METHOD/model of a run of train continuous-cot, with all its files.",
        )
    found = read_json(path)
    try:
        if found["format"] != _FORMAT:
            raise DataError(f"format {found['format']}, not {_FORMAT}", place=str(path))
        return TrainedFor(
            str(found["kind"]), METHODS[found["method"]], int(found["stage"]), dict(found["settings"]), str(path)
        )
    except (KeyError, TypeError, ValueError) as e:
        raise DataError(f"lacks or misstates {e}", place=str(path), remedy="Train once more.") from e
