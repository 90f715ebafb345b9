"""The pages say what the code does: generated blocks are fresh, links lead somewhere, commands run."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from reasonry import registry

ROOT = Path(__file__).parents[2]
PAGES = sorted(p for p in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")] if p.is_file())
RUN = ROOT / "docs" / "run_commands.py"
SHOWN_LANGUAGES = {"bash", "python", "text", "toml", "json", "jsonl", "mermaid", "markdown"}


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


build = _load("build")
run_commands = _load("run_commands")


def _id(path: Path) -> str:
    return str(path.relative_to(ROOT))


# ---------------------------------------------------------------- the pages of the project


def test_generated_blocks_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "build.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_pages_that_a_visitor_expects_are_there() -> None:
    names = {_id(p) for p in PAGES}
    assert {"README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/architecture.md"} <= names


@pytest.mark.parametrize("verb", [v.name for v in registry.VERBS])
def test_every_verb_has_its_help_on_the_page_of_the_command_line(verb: str) -> None:
    text = (ROOT / "docs" / "command_line.md").read_text("utf-8")
    assert re.search(rf"^<!-- generated: help {verb}( \w+)? -->$", text, re.MULTILINE)


def prose(page: Path) -> str:
    """The page without its fenced blocks and inline code."""
    kept: list[str] = []
    fence = ""
    for line in page.read_text("utf-8").splitlines():
        mark = re.match(r"\s*(`{3,}|~{3,})", line)
        if mark and not fence:
            fence = mark[1]
        elif mark and line.strip() == fence:
            fence = ""
        elif not fence:
            kept.append(re.sub(r"`[^`]*`", "", line))
    return "\n".join(kept)


def anchors(page: Path) -> set[str]:
    """Headings as GitHub turns them into anchors."""
    titles = re.findall(r"^#{1,6} +(.*?) *$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", t.lower()).replace(" ", "-") for t in titles}


def dead_links(page: Path) -> list[str]:
    """Relative links and image sources of a page that lead nowhere, with anchors checked too."""
    targets = re.findall(r"\[[^\]]*\]\(([^)\s]+)[^)]*\)", prose(page))
    targets += re.findall(r"<(?:img|a|source)\b[^>]*?(?:src|srcset|href)=\"([^\"]+)\"", prose(page))
    dead: list[str] = []
    for target in targets:
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        name, _, anchor = target.partition("#")
        path = page if not name else (page.parent / name)
        if not path.exists() or (anchor and path.suffix == ".md" and anchor not in anchors(path)):
            dead.append(target)
    return dead


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    assert dead_links(page) == []


def test_a_dead_link_and_a_dead_anchor_are_found(tmp_path: Path) -> None:
    (tmp_path / "b.md").write_text("# A Title, `coded`\n", "utf-8")
    page = tmp_path / "a.md"
    page.write_text(
        "[gone](c.md) [no such part](b.md#other) [fine](b.md#a-title-coded) [own](#here) [web](https://x.org/y)\n"
        '`[code](z.md)`\n\n<img src="no.svg">\n\n# Here\n\n```text\n[fenced](z.md)\n```\n',
        "utf-8",
    )
    assert dead_links(page) == ["c.md", "b.md#other", "no.svg"]


MACHINE_PATH = re.compile(r"(?<![\w.:/~$}])/(?:home|root|tmp|work|mnt|Users|private|var|opt)/|\b[A-Z]:\\\\?Users")


def test_no_page_names_a_folder_of_somebodys_machine() -> None:
    found = {_id(p): m.group() for p in PAGES if (m := MACHINE_PATH.search(p.read_text("utf-8")))}
    assert found == {}


@pytest.mark.parametrize("text", ["see /home/me/x", "`/work/a`", "C:\\Users\\me", "(/tmp/x)"])
def test_a_folder_of_somebodys_machine_is_recognised(text: str) -> None:
    assert MACHINE_PATH.search(text)


@pytest.mark.parametrize("text", ["https://x.org/home/a", "runs/tmp/x", "a/work/b", "$HOME/work/"])
def test_other_paths_are_left_in_peace(text: str) -> None:
    assert not MACHINE_PATH.search(text)


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_every_block_names_its_language_so_that_no_command_hides_in_a_plain_one(page: Path) -> None:
    blocks = list(run_commands.fences(page))
    assert {b.language for b in blocks} <= SHOWN_LANGUAGES
    run_commands.commands(page)  # and no unknown tag
    plain = [b for b in blocks if b.language == "text" and not b.text.startswith("usage: reasonry")]  # help pages
    hidden = [b.place for b in plain if re.search(r"^(\$ )?(reasonry|pip) ", b.text, re.MULTILINE)]
    assert hidden == []


# ---------------------------------------------------------------- build.py


def test_a_block_is_replaced_and_the_rest_of_the_page_stays(tmp_path: Path) -> None:
    text = (
        "a\n<!-- generated: one -->\nold\nolder\n<!-- end generated -->\nb\n"
        "<!-- generated: two -->\n<!-- end generated -->\n"
    )
    made = build.rebuilt(text, place=tmp_path / "p.md", make=lambda name: f"<{name}>")
    assert made == (
        "a\n<!-- generated: one -->\n<one>\n<!-- end generated -->\nb\n"
        "<!-- generated: two -->\n<two>\n<!-- end generated -->\n"
    )
    assert build.rebuilt(made, place=tmp_path / "p.md", make=lambda name: f"<{name}>") == made


def test_markers_inside_a_fence_are_text(tmp_path: Path) -> None:
    text = "```markdown\n<!-- generated: one -->\n<!-- end generated -->\n```\n"
    assert build.rebuilt(text, place=tmp_path / "p.md") == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a\n<!-- generated: methods -->\nb\n", r"p\.md:2: the block is not closed"),
        ("<!-- generated: methods -->\n<!-- generated: tasks -->\n<!-- end generated -->\n", "line 1 is not closed"),
        ("a\n\n<!-- end generated -->\n", r"p\.md:3: the end of a block that was not opened"),
        ("<!-- generated: claim -->\n<!-- end generated -->\n", "unknown block 'claim'"),
        ("<!-- generated: help slove -->\n<!-- end generated -->\n", "unknown verb 'slove'"),
    ],
)
def test_a_page_with_wrong_markers_is_refused_by_line(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(build.PageError, match=problem):
        build.rebuilt(text, place=tmp_path / "p.md")


def test_a_stale_page_is_shown_as_a_difference_and_writing_it_makes_it_fresh(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("COLUMNS", "TERM", "NO_COLOR"):
        monkeypatch.setenv(name, "1")  # build.main sets them: undone after this test
    page = tmp_path / "p.md"
    page.write_text("<!-- generated: help -->\nusage: something old\n<!-- end generated -->\n", "utf-8")
    assert build.main(["--check", str(page)]) == 1
    said = capsys.readouterr().out
    assert "-usage: something old" in said
    assert "+usage: reasonry VERB" in said
    assert "something old" in page.read_text("utf-8"), "a check writes nothing"
    assert build.main([str(page)]) == 0
    assert build.main(["--check", str(page)]) == 0


def test_a_malformed_page_is_an_error_not_a_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "p.md"
    page.write_text("<!-- generated: nonsense -->\n<!-- end generated -->\n", "utf-8")
    assert build.main(["--check", str(page)]) == 2
    assert f"{page}:1" in capsys.readouterr().err


def test_a_help_page_loses_its_frames_and_nothing_else() -> None:
    framed = "usage: x\n\n╭─ options ──╮\n│ --n INT  Samples. │\n│ ───────── │\n│     (default: 8)  │\n╰───────────╯\n"
    assert build.unframe(framed) == "usage: x\n\noptions:\n  --n INT  Samples.\n      (default: 8)"


def test_the_link_of_a_method_leads_from_the_page_that_shows_it(tmp_path: Path) -> None:
    made = build.rebuilt(
        "<!-- generated: x -->\n<!-- end generated -->\n",
        place=ROOT / "docs" / "p.md",
        make=lambda name: "[m]({docs/test_time.md}) [r]({README.md})",
    )
    assert "[m](test_time.md) [r](../README.md)" in made


# ---------------------------------------------------------------- run_commands.py


def _run(page: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(RUN), str(page), *args],
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )


def _page(folder: Path, text: str) -> Path:
    page = folder / "page.md"
    page.write_text(text, "utf-8")
    return page


def test_a_failing_block_is_reported_with_its_file_and_line(tmp_path: Path) -> None:
    page = _page(tmp_path, "# Page\n\n```bash\necho fine\n```\n\n```bash\necho before\nfalse\necho after\n```\n")
    done = _run(page)
    assert done.returncode == 1
    assert f"ok    {page}:4" in done.stdout
    assert f"FAIL  {page}:8  bash" in done.stdout
    assert "exit code 1" in done.stdout
    assert "before\n" in done.stdout.split("----")[1]
    assert "after" not in done.stdout.split("----")[1], "set -e stops at the failing line"


@pytest.mark.parametrize("text", ["false | true", "echo $NO_SUCH_VARIABLE", "no-such-command"])
def test_a_block_fails_at_the_first_wrong_thing_in_it(tmp_path: Path, text: str) -> None:
    assert _run(_page(tmp_path, f"```bash\n{text}\n```\n")).returncode == 1


def test_a_failing_python_block_is_reported(tmp_path: Path) -> None:
    done = _run(_page(tmp_path, "```python\nassert 1 + 1 == 3\n```\n"))
    assert done.returncode == 1
    assert "AssertionError" in done.stdout


def test_tagged_blocks_are_skipped_counted_and_listed(tmp_path: Path) -> None:
    page = _page(
        tmp_path,
        "```bash slow\nfalse\n```\n```bash gpu\nfalse\n```\n```python network slow\nraise SystemExit(1)\n```\n"
        "```bash make\nmake test\n```\n```bash\ntrue\n```\n```toml\nx = 1\n```\n",
    )
    done = _run(page)
    assert done.returncode == 0, done.stdout
    assert f"skip  {page}:2  bash  (slow)" in done.stdout
    assert done.stdout.splitlines()[-1] == "1 blocks ran, 4 skipped (gpu 1, make 1, network 1, slow 2)"


def test_blocks_of_a_page_share_a_folder_outside_the_checkout_and_see_this_python_first(tmp_path: Path) -> None:
    page = _page(
        tmp_path,
        "```bash\necho one > file.txt\n```\n\n1. In a list:\n\n   ```python\n   import os, sys\n"
        "   assert open('file.txt').read() == 'one\\n'\n"
        f"   assert not os.getcwd().startswith({str(ROOT)!r})\n"
        f"   assert sys.executable == {sys.executable!r}\n   ```\n\n"
        f'```bash\ntest "$(dirname "$(command -v python)")" = "{Path(sys.executable).parent}"\n```\n',
    )
    done = _run(page)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == "3 blocks ran, 0 skipped"


def test_a_block_that_never_ends_is_ended_with_everything_it_started(tmp_path: Path) -> None:
    page = _page(tmp_path, "```bash\nsleep 100 &\necho $! > " + str(tmp_path / "pid") + "\nsleep 100\n```\n")
    done = _run(page, "--timeout-s", "1")
    assert done.returncode == 1
    assert "took over 1 s" in done.stdout
    state = Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}/stat")
    assert not state.exists() or state.read_text("utf-8").split()[2] == "Z"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("```bash slwo\ntrue\n```\n", "unknown tag 'slwo'"),
        ("```bash\nmake test\n```\n", "tag the block"),
        ("```bash\ntrue\n", "never closed"),
    ],
)
def test_a_malformed_page_is_refused_before_anything_runs(tmp_path: Path, text: str, problem: str) -> None:
    page = _page(tmp_path, f"```bash\ntouch {tmp_path}/ran\n```\n{text}")
    done = _run(page)
    assert done.returncode == 2
    assert problem in done.stderr
    assert f"{page}:" in done.stderr
    assert not (tmp_path / "ran").exists()
