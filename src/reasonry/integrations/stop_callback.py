"""Ctrl-C in trainers of transformers and TRL: the step under way ends, is saved, and then the run stops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reasonry.errors import Interrupted


def stop_callback(tick: Callable[[], None]) -> Any:
    """A callback of a trainer.

    Args:
        tick: Called after every step; raises Interrupted when the user asked to stop.
    """
    from transformers import TrainerCallback

    class StopWhenAsked(TrainerCallback):
        """Lets a step that is under way end and be saved before the run stops."""

        def __init__(self) -> None:
            self.reason: Interrupted | None = None

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
            try:
                tick()
            except Interrupted as e:
                self.reason = e
                control.should_save = control.should_log = True
            return control

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if self.reason is not None:
                raise self.reason

    return StopWhenAsked()
