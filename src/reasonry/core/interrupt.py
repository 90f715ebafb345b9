"""Ctrl-C once finishes the step and saves; twice stops now. SIGTERM counts as the first Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self


class GracefulStop:
    """Context manager whose ``requested`` turns true at the first interrupt; the second raises KeyboardInterrupt.

    Off the main thread (where Python cannot install handlers) it never requests a stop.
    """

    def __init__(self, notify: Callable[[str], None] = lambda line: None) -> None:
        self.requested = False
        self._notify = notify
        self._old: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._old[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._old:
            number, handler = self._old.popitem()
            # None: a handler of an embedding program, which Python can neither see nor restore.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        # The signal may arrive inside a write to the very stream that the notice goes to, or after its reader has left:
        # neither may end the step that is to be finished.
        with contextlib.suppress(RuntimeError, OSError):
            self._notify("stopping after this step; press Ctrl-C again to stop now")
