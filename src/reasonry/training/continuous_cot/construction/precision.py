"""Which number formats the explicit transformer can be computed in, and the surroundings that would coarsen them.

A score of layer 1 is a product over 2 P terms whose absolute values sum to S at most. In a format of unit roundoff u it
is off by at most about (2 P + 8) u S: S = eta P / 2 where a chooser applies, eta (1 + xi sqrt(n)) P / 2 where it rests
on the sink. Of two scores that compete, the first kind may lose ln 2 nats in all, as eta leaves that much, the second
half of the sink's lead eta P.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from reasonry.errors import ConfigError
from reasonry.training.continuous_cot.construction.constants import Constants


def check_dtype(dtype: torch.dtype, constants: Constants, *, n_max: int, num_position_dims: int) -> None:
    """Refuse a number format whose rounding could change what a chooser of layer 1 attends to.

    Raises:
        ConfigError: Half precision, or too coarse for these sizes; says what would do.
    """
    name = str(dtype).removeprefix("torch.")
    if dtype not in (torch.float32, torch.float64):
        raise ConfigError(
            f"dtype {name}: scores as large as eta xi = {constants.eta * constants.xi:.3g} must be exact to less than "
            "a nat; float16 overflows at 65504, bfloat16 keeps 8 bits",
            place="dtype",
            remedy="Use float32 or float64.",
        )
    worst = rounding(constants, torch.finfo(dtype).eps / 2.0, n_max=n_max, num_position_dims=num_position_dims)
    if worst > 1.0:
        raise ConfigError(
            f"dtype {name} with num_position_dims = {num_position_dims}: scores as large as eta xi = "
            f"{constants.eta * constants.xi:.3g} are rounded {worst:.3g} times too coarsely",
            place="dtype",
            remedy="Use float64, more position dimensions, or a smaller max_len.",
        )


def rounding(constants: Constants, unit_roundoff: float, *, n_max: int, num_position_dims: int) -> float:
    """The largest error that rounding can make in a lead, as a share of what it may be; above 1 is too coarse."""
    per_nat = 2.0 * (2 * num_position_dims + 8) * unit_roundoff * num_position_dims / 2.0  # of two scores, S / (P / 2)
    chosen = per_nat * constants.eta / math.log(2.0)
    at_sink = per_nat * (1.0 + constants.xi * math.sqrt(n_max)) / (num_position_dims / 2.0)
    return max(chosen, at_sink)


@contextmanager
def exact(dtype: torch.dtype, device: torch.device) -> Iterator[None]:
    """No gradients, no autocast, and no matrix products in fewer bits than ``dtype`` has.

    Raises:
        ConfigError: torch was told to multiply float32 with fewer bits.
    """
    if dtype == torch.float32 and (precision := torch.get_float32_matmul_precision()) != "highest":
        raise ConfigError(
            f"matrix products of float32 run at precision {precision!r}, without bits that attention needs",
            place="dtype",
            remedy='Call torch.set_float32_matmul_precision("highest"), or use float64.',
        )
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        yield
