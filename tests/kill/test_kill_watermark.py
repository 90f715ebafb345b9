"""``reasonry watermark generate`` and ``detect`` killed at random instants: the same command ends in the same bytes."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from tests import watermark_cli as cli
from tests.kill import forked, watermark_runs

from reasonry.watermark.profile import read_profile

forked.preload(
    "reasonry.cli.watermark_generate",
    "reasonry.cli.watermark_detect",
    "reasonry.watermark.generation.report",
    "reasonry.watermark.generation.hook",
    "reasonry.watermark.anchors.model",
    "reasonry.core.sampling.hf",
    "transformers.models.llama.modeling_llama",
)

KEY = cli.key_of("kill")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    made = cli.make_home(folder, KEY)
    cli.write_rows(folder / "prompts.jsonl", [{"prompt": f"Say {i}."} for i in range(4)])
    texts = [cli.random_text(300, "kill", i) for i in range(147)]
    for at in (10, 70, 149):
        texts.insert(at, cli.marked(KEY, read_profile(made.profile), 300, at))
    cli.write_rows(folder / "texts.jsonl", [{"text": text} for text in texts])
    return folder


def check(experiments: list[forked.Experiment]) -> None:
    different = [e for e in experiments if e.differences]
    assert not different, different[0]
    killed = sum(e.was_killed for e in experiments)
    assert killed >= 0.5 * len(experiments), f"only {killed} of {len(experiments)} runs were killed before their end"


@pytest.mark.parametrize("anchor", ["uniform", pytest.param("self", marks=pytest.mark.slow)])
@pytest.mark.parametrize("instants", [5, pytest.param(30, marks=pytest.mark.slow)])
def test_generation_survives_sigkill_at_any_instant(tmp_path: Path, home: Path, instants: int, anchor: str) -> None:
    run = functools.partial(watermark_runs.generate, home=str(home), anchor=anchor)
    check(forked.kill_and_continue(run, watermark_runs.generated, instants, 1, tmp_path))


@pytest.mark.parametrize("instants", [5, pytest.param(30, marks=pytest.mark.slow)])
def test_detection_survives_sigkill_at_any_instant(tmp_path: Path, home: Path, instants: int) -> None:
    run = functools.partial(watermark_runs.detect, home=str(home))
    check(forked.kill_and_continue(run, watermark_runs.detected, instants, 2, tmp_path))


@pytest.mark.slow
def test_several_kills_in_a_row_change_nothing(tmp_path: Path, home: Path) -> None:
    for name, run, found in (
        ("generate", functools.partial(watermark_runs.generate, anchor="uniform"), watermark_runs.generated),
        ("detect", watermark_runs.detect, watermark_runs.detected),
    ):
        (tmp_path / name).mkdir()
        check(
            forked.kill_and_continue(functools.partial(run, home=str(home)), found, 6, 3, tmp_path / name, num_kills=4)
        )
