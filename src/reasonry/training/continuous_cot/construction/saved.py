"""The explicit transformer on disk: sizes and constants as JSON, matrices as safetensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from reasonry.core.atomic import write_bytes, write_json
from reasonry.errors import DataError
from reasonry.training.continuous_cot.construction.constants import Constants

CONFIG = "construction.json"
WEIGHTS = "construction.safetensors"
FORMAT = 1
_SIZES = ("n_max", "max_len", "num_position_dims")
_REMEDY = "Save it once more: the weights have a closed form, nothing is lost."


class Saved(NamedTuple):
    """What is on disk.

    Attributes:
        n_max: Most vertices.
        max_len: Most positions.
        num_position_dims: P.
        constants: Strengths and thresholds.
        matrices: By name.
    """

    n_max: int
    max_len: int
    num_position_dims: int
    constants: Constants
    matrices: dict[str, Tensor]

    @property
    def dtype(self) -> torch.dtype:
        """Of the matrices."""
        return next(iter(self.matrices.values())).dtype


def write(
    folder: Path,
    *,
    n_max: int,
    max_len: int,
    num_position_dims: int,
    constants: Constants,
    matrices: Mapping[str, Tensor],
) -> None:
    """Write both files.

    Raises:
        ResourceError: The disk is full or not writable.
    """
    from safetensors.torch import save

    sizes = {"n_max": n_max, "max_len": max_len, "num_position_dims": num_position_dims}
    config = {"format": FORMAT, **sizes, "constants": constants._asdict()}
    tensors = {name: matrix.detach().cpu().contiguous() for name, matrix in matrices.items()}
    # The matrices say what they were built from, so that a kill between the two files is noticed.
    write_bytes(folder / WEIGHTS, save(tensors, {"config": json.dumps(config, sort_keys=True)}))
    write_json(folder / CONFIG, config)


def read(folder: Path) -> Saved:
    """Read both files.

    Raises:
        DataError: A file is missing or damaged, or the two are of different constructions.
    """
    from safetensors import SafetensorError, safe_open

    place = str(folder / CONFIG)
    try:
        values = json.loads((folder / CONFIG).read_text("utf-8"))
        with safe_open(folder / WEIGHTS, framework="pt") as f:
            built_from = json.loads((f.metadata() or {}).get("config", "{}"))
            matrices = {name: f.get_tensor(name) for name in f.keys()}  # noqa: SIM118  (safe_open is no mapping)
    except (OSError, ValueError, RecursionError, SafetensorError) as e:
        remedy = f"Are {CONFIG} and {WEIGHTS} there, and whole?"
        raise DataError(f"not a saved construction: {e}", place=str(folder), remedy=remedy) from e
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise DataError(f"format is not {FORMAT}", place=place, remedy=_REMEDY)
    if built_from != values:
        raise DataError(f"{CONFIG} and {WEIGHTS} are of different constructions", place=str(folder), remedy=_REMEDY)
    if len({matrix.dtype for matrix in matrices.values()}) != 1:
        raise DataError("the matrices are not of one dtype", place=str(folder / WEIGHTS), remedy=_REMEDY)
    n_max, max_len, num_position_dims = (_number(values, name, int, place) for name in _SIZES)
    given: Any = values.get("constants")
    constants = Constants(*(_number(given, name, float, place) for name in Constants._fields))
    return Saved(int(n_max), int(max_len), int(num_position_dims), constants, matrices)


def _number(values: Any, name: str, kind: type[int] | type[float], place: str) -> float:
    value = values.get(name) if isinstance(values, dict) else None
    if isinstance(value, bool) or not isinstance(value, (int, kind)):
        raise DataError(f"{name} = {value!r} is not a number that it can be", place=place, remedy=_REMEDY)
    return value
