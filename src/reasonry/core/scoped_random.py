"""Random numbers of torch's modules from a named stream: dropout, and initial weights of models that are not ours.

They draw from a generator that the whole process shares and that cannot be handed to them. Within `drawing_from` it
follows the stream, and after it everything is as it was: what is drawn inside hangs on the names alone, and nobody
outside notices. So a step with dropout is a function of its number too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from reasonry.core import seeds
from reasonry.core.seeds import Name


@contextlib.contextmanager
def drawing_from(seed: int, *names: Name, device: torch.device | None = None) -> Iterator[None]:
    """Within the block modules draw from the stream of a name.

    Args:
        seed: Root.
        *names: Of the stream.
        device: Where they draw besides the CPU.
    """
    generators = [torch.default_generator]
    if device is not None and device.type == "cuda":
        torch.cuda.init()
        index = torch.cuda.current_device() if device.index is None else device.index
        generators.append(torch.cuda.default_generators[index])
    before = [generator.get_state() for generator in generators]
    try:
        for generator in generators:
            generator.manual_seed(seeds.derive(seed, *names))
        yield
    finally:
        for generator, state in zip(generators, before, strict=True):
            generator.set_state(state)
