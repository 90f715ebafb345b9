"""Writes the generated blocks of README.md and docs/*.md.

    <!-- generated: NAME -->
    ... replaced ...
    <!-- end generated -->

NAME is ``methods``, ``tasks``, ``claims``, ``help`` or ``help VERB [ACTION]``. Markers stand alone on their line; those
inside a code fence are text. Run ``python docs/build.py`` to write, ``python docs/build.py --check`` to compare: it
prints the difference and exits with 1 when a page is stale. A malformed page exits with 2.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HELP_WIDTH = 100

_BEGIN = re.compile(r"<!-- generated: ([^>]*?) -->")
_END = "<!-- end generated -->"
_FENCE = re.compile(r"\s*(`{3,}|~{3,})")


class PageError(Exception):
    """A page whose markers do not match, or that asks for an unknown block."""


# ---------------------------------------------------------------- blocks


def methods() -> str:
    """The table of methods."""
    from reasonry import registry

    rows = ["| method | job | command | paper | status |", "|---|---|---|---|---|"]
    for m in registry.METHODS:
        verbs = ", ".join(f"`reasonry {verb}`" for verb in m.verbs)
        rows.append(f"| [{m.name}]({{{m.page}}}) | {m.job} | {verbs} | {m.paper} | {m.status} |")
    return "\n".join(rows)


def tasks() -> str:
    """The table of registered tasks."""
    from reasonry.tasks import TASKS

    rows = [f"| `{row.name}` | {row.line} |" for row in TASKS.values()]
    return "\n".join(["| task | what it is |", "|---|---|", *rows])


def claims() -> str:
    """The table of claims with their stored results."""
    from reasonry.core import claims as cards

    return cards.markdown_table(cards.load_claims())


def help_page(words: Sequence[str]) -> str:
    """What ``reasonry WORDS --help`` prints, without its frames, in a text fence."""
    from reasonry.cli.main import main

    wrong = io.StringIO()
    # Stated, because the look of a help page follows the encoding of where it is printed.
    printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(wrong):
        try:
            code = main([*words, "--help"])
        except SystemExit as e:
            code = e.code
    if code:
        raise PageError(f"reasonry {' '.join(words)} --help: {wrong.getvalue().strip()}")
    printed.seek(0)
    return f"```text\n{unframe(printed.read()).strip()}\n```"


def unframe(text: str) -> str:
    """Help text without box-drawing characters and colours; the titles of boxes become headings."""
    lines: list[str] = []
    for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines():
        line = line.rstrip()
        if title := re.fullmatch(r"╭─ (.*?) ─*╮", line):
            lines += ["", f"{title[1]}:"]
        elif line.startswith("│"):
            inner = line.strip("│").rstrip()
            if inner.strip(" ─"):
                lines.append(f"  {inner.removeprefix(' ')}")
        elif not re.fullmatch(r"╰─*╯", line):
            lines.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


_BLOCKS: dict[str, Callable[[], str]] = {"methods": methods, "tasks": tasks, "claims": claims}


def block(name: str) -> str:
    """The content of the block called ``name``.

    Raises:
        PageError: There is no such block.
    """
    first, *rest = name.split() or [""]
    if first == "help":
        return help_page(rest)
    if name not in _BLOCKS:
        raise PageError(f"unknown block {name!r}; there are {', '.join(_BLOCKS)}, help, help VERB")
    return _BLOCKS[name]()


# ---------------------------------------------------------------- pages


def rebuilt(text: str, *, place: Path, make: Callable[[str], str] = block) -> str:
    """``text`` with every generated block made anew.

    Raises:
        PageError: A block that is not closed, not opened, or unknown; the message names file and line.
    """
    out: list[str] = []
    fence, open_line = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        if open_line:
            if _BEGIN.fullmatch(line):
                raise PageError(f"{place}:{number}: the block of line {open_line} is not closed")
            if line == _END:
                out.append(line)
                open_line = 0
            continue
        out.append(line)
        if mark := _FENCE.match(line):
            if not fence:
                fence = mark[1]
            elif line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        if fence:
            continue
        if line == _END:
            raise PageError(f"{place}:{number}: the end of a block that was not opened")
        if begin := _BEGIN.fullmatch(line):
            try:
                out.append(_with_links(make(begin[1].strip()), place))
            except PageError as e:
                raise PageError(f"{place}:{number}: {e}") from e
            open_line = number
    if open_line:
        raise PageError(f"{place}:{open_line}: the block is not closed")
    return "\n".join(out) + "\n" if out else text


def _with_links(text: str, page: Path) -> str:
    """``({docs/x.md})`` as a link from the page that shows it."""
    return re.sub(r"\(\{([^}]*)\}\)", lambda m: f"({Path(os.path.relpath(ROOT / m[1], page.parent)).as_posix()})", text)


def pages() -> list[Path]:
    """README.md and the pages under docs."""
    return [p for p in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if p.is_file()]


def main(argv: Sequence[str]) -> int:
    """Write or check the pages."""
    parser = argparse.ArgumentParser(description="Write the generated blocks of README.md and docs/*.md.")
    parser.add_argument("--check", action="store_true", help="print what is stale and exit with 1; write nothing")
    parser.add_argument("page", nargs="*", type=Path, help="pages; README.md and docs/*.md when none is named")
    args = parser.parse_args(argv)
    # The width and look of help pages must not depend on who runs this.
    os.environ.update(COLUMNS=str(HELP_WIDTH), TERM="dumb", NO_COLOR="1")
    os.environ.pop("FORCE_COLOR", None)
    num_stale = 0
    try:
        for page in [p.resolve() for p in args.page] or pages():
            shown = page.relative_to(ROOT) if page.is_relative_to(ROOT) else page
            before = page.read_text("utf-8")
            after = rebuilt(before, place=page)
            if before == after:
                continue
            num_stale += 1
            if args.check:
                old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
                sys.stdout.writelines(difflib.unified_diff(old, new, f"{shown}", f"{shown} (generated)"))
            else:
                page.write_text(after, "utf-8")
                print(f"wrote {shown}")
    except PageError as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    if args.check and num_stale:
        print(f"{num_stale} stale; run: python docs/build.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
