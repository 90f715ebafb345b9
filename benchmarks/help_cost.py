"""User CPU of the light commands as a ratio of ``python -c "import torch"``, medians of runs that take turns."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

LIMIT_TOP, LIMIT = 0.15, 0.35


def user_seconds(argv: list[str], cwd: Path) -> float:
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=cwd)
    _, status, usage = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, argv
    return usage.ru_utime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    run = [sys.executable, "-m", "reasonry"]
    with tempfile.TemporaryDirectory() as tmp:
        cwd = Path(tmp)
        solve = [*run, "solve", "word-problems:1", "--model", "scripted", "--limit", "2", "--n", "2", "--run", "r"]
        subprocess.run(solve, cwd=cwd, check=True, capture_output=True)
        commands = {
            "import torch": [sys.executable, "-c", "import torch"],
            "--help": [*run, "--help"],
            **{f"{v} --help": [*run, *v.split(), "--help"] for v in ("solve", "demo", "data make", "reproduce")},
            "list": [*run, "list"],
            "list claims": [*run, "list", "claims"],
            "doctor": [*run, "doctor"],
            "view": [*run, "view", "r"],
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for turn in range(args.rounds + 1):
            for name, argv in commands.items():
                used = user_seconds(argv, cwd)
                if turn:  # the first turn fills the disk cache
                    seconds[name].append(used)
    torch_s = statistics.median(seconds.pop("import torch"))
    rows = {name: round(statistics.median(values) / torch_s, 3) for name, values in seconds.items()}
    if args.json:
        print(json.dumps({"torch_s": round(torch_s, 3), "ratios": rows}))
        return
    print(f"user CPU against 'import torch' ({torch_s:.2f} s)")
    for name, ratio in rows.items():
        limit = LIMIT_TOP if name == "--help" else LIMIT
        print(f"  reasonry {name:<18} {ratio:.3f}x  (at most {limit}x){'' if ratio <= limit else '  TOO SLOW'}")


if __name__ == "__main__":
    main()
