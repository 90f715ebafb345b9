"""The lab from end to end: ``reasonry probe out-of-context lab [fixed-attention|one-layer|transformer]``.

    RUN/ARM/looks.jsonl      what was measured, a row for each look
    RUN/ARM/checkpoints/     weights and moments
    RUN/ARM/results.json     what the arm came to, with its matrix; the mark of an arm that is finished
    RUN/results.json         all arms of the command, and the closed forms they are compared with

Running the command again goes on where it was killed. Further arms may be added: what is finished is not done again.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from reasonry.core import atomic, jsonl, optional
from reasonry.core.made_with import MadeWith
from reasonry.core.plain import plain
from reasonry.core.rows import Row
from reasonry.core.run import Run, default_folder, read_json
from reasonry.core.work import Say
from reasonry.errors import DataError
from reasonry.understanding.out_of_context.theory.config import (
    VERB,
    AnyConfig,
    Arm,
    FixedAttentionConfig,
    OneLayerConfig,
    TransformerConfig,
    find_arms,
    preset_of,
)
from reasonry.understanding.out_of_context.theory.looks import Optima, look, look_steps, optima_of
from reasonry.understanding.out_of_context.theory.loop import LOOKS, train_with_looks
from reasonry.understanding.out_of_context.theory.table import Floats, Table, make_table

RESULTS = "results.json"
_VERSION = 1


class ArmResult(NamedTuple):
    """What an arm came to.

    Attributes:
        name: Of the arm.
        rows: Of its looks, in order.
        matrix: W (A, C); of a transformer, logits (A, S) of the implication.
        singular: Its singular values, largest first.
        ended: Why it ended before its steps; empty if it did not.
    """

    name: str
    rows: list[Row]
    matrix: Floats
    singular: Floats
    ended: str

    @property
    def last(self) -> Row:
        """The last look."""
        return self.rows[-1]


class Lab(NamedTuple):
    """Finished trainings.

    Attributes:
        config: What was asked for.
        preset: Its name.
        folder: Run directory.
        table: The task.
        arms: In the order of the command.
        optima: Closed forms of the task, where there are any.
    """

    config: AnyConfig
    preset: str
    folder: Path
    table: Table
    arms: list[ArmResult]
    optima: Optima | None

    @property
    def is_linear(self) -> bool:
        """Whether models have a W."""
        return self.preset != "transformer"

    def to_json(self) -> dict[str, Any]:
        """The content of ``results.json``."""
        table = self.table
        arms = {arm.name: {"last": arm.last, "singular": arm.singular, "ended": arm.ended} for arm in self.arms}
        return plain(
            {
                "preset": self.preset,
                "num_groups": table.num_groups,
                "bridge": table.bridge,
                "others": table.others,
                "chance_rank_within": (table.num_groups - 1) / 2,
                "floor_loss": float(np.log(table.num_groups)),
                "optima": self.optima.values if self.optima else None,
                "optima_by": self.optima.how if self.optima else None,
                "arms": arms,
            }
        )

    def arm(self, name: str) -> ArmResult:
        """An arm by name."""
        return next(arm for arm in self.arms if arm.name == name)


def lab(
    config: AnyConfig,
    *,
    say: Say = lambda line: None,
    open_run: Any = lambda run, determinism: None,
) -> Lab:
    """Train the arms of a config, or go on with them.

    Args:
        config: Of a preset.
        say: Told what a user should know.
        open_run: Called once with the open run and its determinism level.

    Raises:
        ConfigError: An unknown arm, or sizes that do not go together.
        RunMismatchError: The run directory is that of another config.
        MissingDependencyError: A transformer without torch.
        CheckFailed: A loss that is no number.
        Interrupted: The user asked to stop; it is saved where it stands.
    """
    arms = find_arms(config)
    if config.solve:
        optional.need("cvxpy", extra="svm", why="to solve the maximum-margin problems numerically")
    tables = {arm.name: _table(config, arm) for arm in arms}
    if isinstance(config, TransformerConfig):
        optional.need("torch", extra="hf", why="to train a transformer")
    preset = preset_of(config)
    folder = config.run or default_folder(VERB, config, preset)
    with Run(f"{VERB} {preset}", config, folder=folder, seed=config.seed, warn=say) as run:
        run.record_environment("bitwise")
        open_run(run, "bitwise")
        MadeWith(run.folder).check("lab", {"version": _VERSION})
        results = [_train_arm(run, config, arm, tables[arm.name], say) for arm in arms]
        table = _table(config, Arm("", "factorised", None, "true"))
        is_linear = not isinstance(config, TransformerConfig)
        done = Lab(config, preset, folder, table, results, optima_of(table, solve=config.solve and is_linear))
        atomic.write_json(run.path(RESULTS), done.to_json())
    return done


def _table(config: AnyConfig, arm: Arm) -> Table:
    return make_table(
        config.num_groups, bridge=config.bridge, others=config.others, pairing=arm.pairing, seed=config.seed
    )


def _train_arm(run: Run, config: AnyConfig, arm: Arm, table: Table, say: Say) -> ArmResult:
    part = copy.copy(run)
    part.folder = run.folder / arm.name
    path = part.path(RESULTS)
    if path.exists():
        return _read_result(arm, part)
    part.folder.mkdir(exist_ok=True)
    atomic.sweep(part.folder)
    model = make_model(config, arm, table)
    is_linear = not isinstance(config, TransformerConfig)
    optima = optima_of(table, solve=config.solve) if is_linear else None
    rows = train_with_looks(
        part,
        model,
        lambda: look(model, is_linear=is_linear, optima=optima),
        steps=look_steps(config.steps, config.num_looks),
        save_every=config.save_every,
        label=arm.name,
        say=say,
    )
    matrix: Floats = model.matrix
    singular: Floats = np.linalg.svd(matrix, compute_uv=False).astype(np.float64)
    if model.ended:
        say(f"{arm.name}: {model.ended}")
    body = {"name": arm.name, "matrix": matrix, "singular": singular, "ended": model.ended}
    atomic.write_json(path, plain(body))
    return ArmResult(arm.name, rows, matrix, singular, model.ended)


def make_model(config: AnyConfig, arm: Arm, table: Table) -> Any:
    """A new model of a preset: `FixedAttention`, `OneLayer` or `SmallTransformer`."""
    if isinstance(config, FixedAttentionConfig):
        from reasonry.understanding.out_of_context.theory.fixed_attention import FixedAttention

        return FixedAttention(
            table,
            arm.kind,
            width=arm.width or config.width,
            lr=config.lr,
            descent=config.descent,
            scale=config.init_scale,
            seed=config.seed,
        )
    if isinstance(config, OneLayerConfig):
        from reasonry.understanding.out_of_context.theory.one_layer_training import OneLayer

        return OneLayer(
            table,
            "combined" if arm.kind == "combined" else "factorised",
            key_query=config.key_query,
            width=arm.width or config.width,
            init="default" if arm.width else config.init,
            num_noise=config.num_noise,
            length=config.length,
            batch_size=config.batch_size,
            lr=config.lr,
            weight_decay=config.weight_decay,
            seed=config.seed,
        )
    from reasonry.understanding.out_of_context.theory.transformer import SmallTransformer

    return SmallTransformer(
        table,
        num_layers=config.num_layers,
        num_heads=config.num_heads,
        width=config.width,
        mlp_ratio=config.mlp_ratio,
        embedding_std=config.embedding_std,
        lr=config.lr,
        weight_decay=config.weight_decay,
        seed=config.seed,
    )


def _read_result(arm: Arm, part: Run) -> ArmResult:
    body: Mapping[str, Any] = read_json(part.path(RESULTS))
    looks = part.path(LOOKS)
    rows = jsonl.recover(looks).rows if looks.exists() else []
    try:
        matrix, singular = (np.array(body[name], dtype=np.float64) for name in ("matrix", "singular"))
        ended = cast("str", body["ended"])
    except (KeyError, TypeError, ValueError) as e:
        raise DataError(
            f"not the results of an arm: {e}", place=str(part.path(RESULTS)), remedy="Delete it; it is made again."
        ) from e
    if not rows or matrix.ndim != 2:
        raise DataError(f"the looks of arm {arm.name} are missing", place=str(looks), remedy="Delete the arm's folder.")
    return ArmResult(arm.name, rows, matrix, singular, ended)
