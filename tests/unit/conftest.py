"""Fixtures of the unit tests."""

import asyncio
import gc
import threading
from collections.abc import Iterator

import pytest

from reasonry.core.sampling import openai as module


@pytest.fixture
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    gc.collect()
    left = [t for t in set(threading.enumerate()) - before if "reasonry" in t.name]
    assert left == []


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits before another try, in seconds; none is really waited for."""
    waits: list[float] = []

    async def sleep(wait_s: float) -> None:
        waits.append(wait_s)
        await asyncio.sleep(0)

    monkeypatch.setattr(module, "_sleep", sleep)
    return waits
