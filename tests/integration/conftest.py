"""Commands run in this process, with the simulated solver as model and as judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.judging_solver import JudgingSolver
from tests.solve_calls import (
    ENVIRONMENT,
    Call,
    Done,
)

from reasonry.cli.main import main
from reasonry.core.sampling import ScriptedConfig
from reasonry.core.sampling.scripted import ScriptedSampler


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[ScriptedSampler]:
    """The samplers that commands have made; each can judge, too."""
    samplers: list[ScriptedSampler] = []

    def make(model: str, config: Any, *, seed: int, scripted: ScriptedConfig, problems: Any, **rest: Any) -> Any:
        assert model == "scripted"
        samplers.append(JudgingSolver(problems, scripted, seed=seed))
        return samplers[-1]

    monkeypatch.setattr("reasonry.test_time.run.make_sampler", make)
    monkeypatch.setattr("reasonry.test_time.self_correction.pools.make_sampler", make)
    return samplers


@pytest.fixture
def call(
    tmp_path: Path, made: list[ScriptedSampler], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """A command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name, value in ENVIRONMENT.items():  # half of a small run's time goes into asking for it
        monkeypatch.setattr(f"reasonry.core.environment.{name}", lambda value=value: value)

    def run(*args: object) -> Done:
        capsys.readouterr()
        try:
            code = main([str(a) for a in args])
        except SystemExit as e:  # the flag parser's own
            code = int(e.code or 0)
        return Done(code, *capsys.readouterr())

    return run
