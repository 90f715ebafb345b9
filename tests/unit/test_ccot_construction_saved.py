"""The explicit transformer on disk, and the claim about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from reasonry.errors import ConfigError, DataError
from reasonry.tasks.graphs.graph import Graph
from reasonry.training.continuous_cot.claims.exact import construction_exact
from reasonry.training.continuous_cot.construction import constants, model
from reasonry.training.continuous_cot.construction.model import SuperpositionConstruction

GRAPH = Graph(7, ((0, 1), (0, 2), (2, 3), (3, 4), (5, 6)), root=0, target=4, distractor=6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_saved_comes_back_as_it_was(tmp_path: Path, dtype: torch.dtype) -> None:
    saved = SuperpositionConstruction(8, 60, num_position_dims=8, dtype=dtype, sink_fix=False)
    saved.save(tmp_path / "made")
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == [
        "construction.json",
        "construction.safetensors",
    ]
    loaded = SuperpositionConstruction.load(tmp_path / "made")
    assert (loaded.n_max, loaded.max_len, loaded.num_position_dims) == (8, 60, 8)
    assert loaded.constants == saved.constants and loaded.dtype == dtype
    assert str(loaded) == str(saved)
    for name, matrix in saved.state_dict().items():
        assert torch.equal(matrix, loaded.state_dict()[name])
    assert torch.equal(loaded.answer(GRAPH, 3).logits_V, saved.answer(GRAPH, 3).logits_V)


def test_changed_matrices_come_back_changed(tmp_path: Path) -> None:
    changed = SuperpositionConstruction(8, 60)
    changed.network.value2_VD[3, :] = 0.0
    changed.save(tmp_path)
    assert SuperpositionConstruction.load(tmp_path).think(GRAPH, 3).support[-1] == (0, 1, 2)


def _edit(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path = folder / "construction.json"
        values = json.loads(path.read_text("utf-8"))
        change(values)
        path.write_text(json.dumps(values), "utf-8")

    return apply


def _truncate(folder: Path) -> None:
    path = folder / "construction.safetensors"
    path.write_bytes(path.read_bytes()[:-40])


def _of_another(folder: Path) -> None:
    SuperpositionConstruction(9, 60).save(folder / "other")
    (folder / "other" / "construction.safetensors").replace(folder / "construction.safetensors")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "construction.safetensors").unlink(), "not a saved construction"),
        (lambda folder: (folder / "construction.json").unlink(), "not a saved construction"),
        (lambda folder: (folder / "construction.json").write_text("{", "utf-8"), "not a saved construction"),
        (lambda folder: (folder / "construction.json").write_text("[]", "utf-8"), "format is not 1"),
        (_truncate, "not a saved construction"),
        (_of_another, "are of different constructions"),
        (_edit(lambda values: values.update(n_max=9)), "are of different constructions"),
        (_edit(lambda values: values["constants"].update(eps2=0.5)), "are of different constructions"),
        (_edit(lambda values: values.update(format=2)), "format is not 1"),
    ],
)
def test_a_damaged_folder_is_refused(tmp_path: Path, damage: Callable[[Path], None], message: str) -> None:
    SuperpositionConstruction(8, 60).save(tmp_path)
    damage(tmp_path)
    with pytest.raises(DataError, match=message):
        SuperpositionConstruction.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"n_max": "8"}, DataError, "n_max = '8' is not a number"),
        ({"max_len": True}, DataError, "max_len = True is not a number"),
        ({"max_len": 60.5}, DataError, "max_len = 60.5 is not a number"),
        ({"constants": None}, DataError, "eps1 = None is not a number"),
        ({"n_max": 9}, DataError, "do not fit the sizes"),
        ({"num_position_dims": 7}, ConfigError, "num_position_dims = 7"),
    ],
)
def test_a_config_that_both_files_agree_on_is_still_checked(
    tmp_path: Path, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    from safetensors.torch import save_file

    made = SuperpositionConstruction(8, 60)
    made.save(tmp_path)
    config = {**json.loads((tmp_path / "construction.json").read_text("utf-8")), **change}
    (tmp_path / "construction.json").write_text(json.dumps(config), "utf-8")
    matrices = dict(made.network.state_dict())
    save_file(matrices, tmp_path / "construction.safetensors", {"config": json.dumps(config)})
    with pytest.raises(error, match=message):
        SuperpositionConstruction.load(tmp_path)


def test_matrices_of_two_formats_and_missing_ones_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    made = SuperpositionConstruction(8, 60)
    made.save(tmp_path)
    config = json.loads((tmp_path / "construction.json").read_text("utf-8"))
    path, metadata = tmp_path / "construction.safetensors", {"config": json.dumps(config)}
    matrices = dict(made.network.state_dict())
    save_file({**matrices, "key2_VD": matrices["key2_VD"].double()}, path, metadata)
    with pytest.raises(DataError, match="not of one dtype"):
        SuperpositionConstruction.load(tmp_path)
    save_file({name: m for name, m in matrices.items() if name != "key2_VD"}, path, metadata)
    with pytest.raises(DataError, match="do not fit the sizes"):
        SuperpositionConstruction.load(tmp_path)


# ---------------------------------------------------------------- the claim


def _measured(**changes: Any) -> Any:
    arguments: dict[str, Any] = {"num_graphs": 12, "n_max": 30, "max_edges": 60, "seed": 0}
    return construction_exact(**{**arguments, "num_position_dims": [16], "dtypes": ["float32"], **changes})


def test_the_claim_finds_nothing_wrong() -> None:
    found = _measured(num_position_dims=[16, 8], dtypes=["float32", "float64"])
    assert (found.value, found.low, found.high, found.num, found.seed) == (0.0, 0.0, 0.0, 12, 0)
    assert "P = 16, 8 in float32 and float64" in found.detail


def test_the_claim_fails_when_attention_is_too_weak(monkeypatch: pytest.MonkeyPatch) -> None:
    def weak(*args: Any, **keywords: Any) -> constants.Constants:
        strong = constants.sufficient_constants(*args, **keywords)
        return strong._replace(eta=strong.eta / 10.0)

    monkeypatch.setattr(model, "sufficient_constants", weak)
    assert _measured().value == 12.0


def test_the_claim_knows_its_number_formats() -> None:
    with pytest.raises(ConfigError, match=r"dtype 'float16'.*float32 or float64"):
        _measured(dtypes=["float16"])
