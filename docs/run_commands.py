"""Runs every ``bash`` and ``python`` block of the pages named on the command line, and stops at the first that fails.

    python docs/run_commands.py README.md docs/*.md

The blocks of one page run in order in one empty temporary folder outside the checkout, so that a block can use what an
earlier one wrote. bash blocks run under ``set -euo pipefail``; the folder of this Python comes first on PATH. Words
after the language exempt a block, which is then counted and listed: ``gpu``, ``network``, ``slow``, and ``make`` for
targets that would call this program again. Nothing else is skipped.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

LANGUAGES = ("bash", "python")
TAGS = ("gpu", "network", "slow", "make")
TIMEOUT_S = 600.0
_MAX_SHOWN_CHARS = 8000


class Block(NamedTuple):
    """One fenced block; ``line`` is that of its first line of content."""

    page: Path
    line: int
    language: str
    tags: tuple[str, ...]
    text: str

    @property
    def place(self) -> str:
        """``file:line``."""
        return f"{self.page}:{self.line}"


class PageError(Exception):
    """A page that cannot be taken apart, or a block that must not run."""


def fences(page: Path) -> Iterator[Block]:
    """Every fenced block of a page, whatever its language.

    Raises:
        PageError: A fence is never closed.
    """
    mark, start, info, indent = "", 0, "", 0
    body: list[str] = []
    for number, line in enumerate(page.read_text("utf-8").splitlines(), start=1):
        found = re.fullmatch(r"( *)(`{3,}|~{3,})(.*)", line)
        if not mark:
            if found:
                mark, start, info, indent = found[2], number, found[3].strip(), len(found[1])
                body = []
        elif found and found[2].startswith(mark) and not found[3].strip():
            language, *tags = info.split() or [""]
            yield Block(page, start + 1, language, tuple(tags), "\n".join(body) + "\n")
            mark = ""
        else:
            body.append(line[min(indent, len(line) - len(line.lstrip(" "))) :])
    if mark:
        raise PageError(f"{page}:{start}: the block is never closed")


def commands(page: Path) -> list[Block]:
    """The blocks of a page that are commands.

    Raises:
        PageError: An unknown tag, or ``make`` in a block that is not tagged with it.
    """
    blocks = [b for b in fences(page) if b.language in LANGUAGES]
    for b in blocks:
        for tag in b.tags:
            if tag not in TAGS:
                raise PageError(f"{b.place}: unknown tag {tag!r}; there are {', '.join(TAGS)}")
        if b.language == "bash" and not b.tags and re.search(r"^\s*make\b", b.text, re.MULTILINE):
            raise PageError(f"{b.place}: a make target may call this program again; tag the block: ```bash make")
    return blocks


class Outcome(NamedTuple):
    """What became of a block. ``code`` is None when it took too long."""

    code: int | None
    seconds: float
    output: str


def run(block: Block, folder: Path, *, timeout_s: float = TIMEOUT_S) -> Outcome:
    """Run one block in ``folder``. Whatever it left running is ended with it."""
    # No symlinks resolved: a virtual environment's python is a link out of it.
    bin_dir = Path(sys.executable).parent
    env = {**os.environ, "PATH": f"{bin_dir}{os.pathsep}{os.environ.get('PATH', '')}", "PYTHONUNBUFFERED": "1"}
    env.pop("PYTHONPATH", None)  # the page's reader has only what is installed
    if block.language == "bash":
        argv = ["bash", "--noprofile", "--norc", "-euo", "pipefail", "-c", block.text]
    else:
        argv = [sys.executable, "-c", block.text]
    start_s = time.monotonic()
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(
            argv, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        try:
            code: int | None = child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end(child)
        log.seek(0)
        output = log.read().decode("utf-8", "replace")
    return Outcome(code, time.monotonic() - start_s, output)


def _end(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def run_page(page: Path, *, timeout_s: float = TIMEOUT_S) -> tuple[list[Block], list[Block], Block | None]:
    """Run a page's blocks; returns those that ran, those skipped, and the one that failed, if one did."""
    ran: list[Block] = []
    skipped: list[Block] = []
    with tempfile.TemporaryDirectory(prefix="reasonry-docs-") as folder:
        for b in commands(page):
            if b.tags:
                skipped.append(b)
                print(f"skip  {b.place}  {b.language}  ({' '.join(b.tags)})", flush=True)
                continue
            outcome = run(b, Path(folder), timeout_s=timeout_s)
            ran.append(b)
            if outcome.code != 0:
                why = f"took over {timeout_s:g} s" if outcome.code is None else f"exit code {outcome.code}"
                print(f"FAIL  {b.place}  {b.language}  {outcome.seconds:.1f} s  {why}", flush=True)
                print(b.text.rstrip(), outcome.output[-_MAX_SHOWN_CHARS:].rstrip(), sep="\n----\n", flush=True)
                return ran, skipped, b
            print(f"ok    {b.place}  {b.language}  {outcome.seconds:.1f} s", flush=True)
    return ran, skipped, None


def main(argv: Sequence[str]) -> int:
    """0 when every block that ran succeeded, 1 when one failed, 2 when a page is malformed."""
    parser = argparse.ArgumentParser(description="Run the bash and python blocks of Markdown pages.")
    parser.add_argument("page", nargs="+", type=Path)
    parser.add_argument("--timeout-s", type=float, default=TIMEOUT_S, help="longest time for one block")
    args = parser.parse_args(argv)
    num_ran = 0
    skipped: list[Block] = []
    try:
        for page in args.page:
            commands(page)  # every page is sound before the first command runs
        for page in args.page:
            ran, left, failed = run_page(page, timeout_s=args.timeout_s)
            num_ran += len(ran)
            skipped += left
            if failed:
                return 1
    except (PageError, OSError, UnicodeDecodeError) as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    why = Counter(tag for b in skipped for tag in b.tags)
    listed = ", ".join(f"{tag} {count}" for tag, count in sorted(why.items()))
    print(f"{num_ran} blocks ran, {len(skipped)} skipped" + (f" ({listed})" if listed else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
