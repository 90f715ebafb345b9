"""``reasonry probe out-of-context lab``: presets, runs that go on, reports, and errors that say what to do."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from reasonry.cli.main import main
from reasonry.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE
from reasonry.understanding.out_of_context.theory.config import PRESETS

LAB = ("probe", "out-of-context", "lab")
SMALL = ("--steps", 300, "--num-looks", 10)


def lab(*args: object, capsys: Any) -> tuple[int, dict[str, Any], str]:
    capsys.readouterr()
    code = main([*LAB, *map(str, args), "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out) if out.strip() else {}, err


@pytest.mark.parametrize("preset", ["", *PRESETS])
def test_help_pages_are_short(preset: str, capsys: Any) -> None:
    with pytest.raises(SystemExit):
        main([*LAB, *filter(None, [preset]), "--help"])
    text = capsys.readouterr().out
    assert text.startswith(f"usage: reasonry probe out-of-context lab {preset or 'fixed-attention'}")
    assert len(text.splitlines()) <= 60


def test_the_default_shows_the_theory(tmp_path: Path, capsys: Any) -> None:
    run = tmp_path / "run"
    code, found, err = lab(*SMALL, "--run", run, capsys=capsys)
    assert code == EXIT_OK
    arms = found["results"]["arms"]
    assert arms["factorised"]["last"]["test_accuracy"] == 1
    assert arms["combined"]["last"]["test_loss"] > found["results"]["floor_loss"]
    assert "0.577" in err and f"run {run} (new)" in err
    again = lab(f"@{run / 'config.toml'}", "--run", run, capsys=capsys)
    assert again[1]["results"] == found["results"] and "(continued)" in again[2]


def test_the_command_that_it_prints_repeats_another_preset(tmp_path: Path, capsys: Any) -> None:
    run = tmp_path / "run"
    sizes = ("--num-groups", 4, "--steps", 40, "--batch-size", 24, "--num-looks", 4)
    _, first, err = lab("one-layer", *sizes, "--run", run, capsys=capsys)
    line = next(line for line in err.splitlines() if line.startswith("again  reasonry "))
    words = line.removeprefix("again  reasonry ").split()
    assert words[:4] == [*LAB, "one-layer"]
    _, second, _ = lab(*words[3:], capsys=capsys)
    assert second["results"] == first["results"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("fixed-atention",), "Did you mean 'fixed-attention'"),
        (("--arms", "factorized"), "Did you mean 'factorised'"),
        (("--bridge", "0"), "one or more"),
        (("--bridge", "1", "2"), "one of 0 or more for each"),
        (("--lr", "-1"), "lr"),
        (("transformer", "--descent", "plain"), "--descent"),
    ],
)
def test_mistakes_say_what_to_do(args: tuple[str, ...], said: str, tmp_path: Path, capsys: Any) -> None:
    code, _, err = lab(*args, "--run", tmp_path / "run", capsys=capsys)
    assert code == EXIT_USAGE and said in err
    assert not (tmp_path / "run").exists()


def test_ctrl_c_saves_and_the_same_command_goes_on(tmp_path: Path) -> None:
    flags = ["--steps", "30000", "--num-looks", "5", "--arms", "factorised"]
    command = [sys.executable, "-m", "reasonry", *LAB, *flags, "--run"]
    looks = tmp_path / "stopped" / "factorised" / "looks.jsonl"
    with subprocess.Popen([*command, str(tmp_path / "stopped")], stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not (looks.exists() and looks.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == EXIT_INTERRUPTED, err
    assert not (tmp_path / "stopped" / "results.json").exists()
    for name in ("stopped", "whole"):
        subprocess.run([*command, str(tmp_path / name)], check=True, capture_output=True)
    results = [(tmp_path / name / "results.json").read_bytes() for name in ("stopped", "whole")]
    assert results[0] == results[1]


def test_fixed_attention_needs_no_torch(tmp_path: Path) -> None:
    """And neither do its help page and the one-layer model."""
    script = (
        "import sys\nfrom reasonry.cli.main import main\n"
        f"assert main(['probe', 'out-of-context', 'lab', '--steps', '20', '--run', {str(tmp_path / 'a')!r}]) == 0\n"
        "assert main(['probe', 'out-of-context', 'lab', 'one-layer', '--steps', '5', '--run', "
        f"{str(tmp_path / 'b')!r}]) == 0\n"
        "assert 'torch' not in sys.modules and 'cvxpy' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
