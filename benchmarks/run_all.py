"""Runs every benchmark in this folder, one after another (several at once would measure each other)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def main() -> None:
    here = Path(__file__).parent
    for script in sorted(p for p in here.glob("*.py") if p.name != Path(__file__).name):
        print(f"== {script.name}", flush=True)
        subprocess.run([sys.executable, str(script)], check=True)


if __name__ == "__main__":
    main()
