"""A rich report in headless Chromium: it draws itself, asks no host for anything, no model text acts."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from reasonry.core.outcome import Outcome
from reasonry.core.report import (
    Column,
    ProblemRow,
    Prose,
    Report,
    SampleRow,
    Samples,
    Section,
    Table,
    render_html,
    write_report,
)
from reasonry.core.report.style import DARK, LIGHT

sys.path.insert(0, str(Path(__file__).parent))

from chromium import CHROMIUM, Browser
from report_demo import LAST_K, PAYLOADS, SENTINEL, demo_report

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH")
pytest.importorskip("vl_convert", reason="the report extra is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def url(folder: Path) -> str:
    return write_report(folder, demo_report()).html.as_uri()


@pytest.fixture(scope="module")
def browser(folder: Path) -> Iterator[Browser]:
    browser = Browser(folder)
    yield browser
    browser.close()


SIZES = pytest.mark.parametrize(("width_px", "dark"), [(400, False), (400, True), (1400, False), (1400, True)])
BROWSERS_OWN_ERRANDS = (".google.com", ".googleapis.com", ".gvt1.com")
OVER_THE_EDGE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
APPEND_SOMETHING_BROAD = """{
  const broad = document.createElement("div");
  broad.style.width = "1600px"; broad.style.height = "1px";
  document.body.append(broad); 0
}"""
LOAD_AN_IMAGE = """new Promise((done) => {
  const image = new Image();
  image.onload = () => done("sent");
  image.onerror = () => done("stopped");
  image.src = "http://127.0.0.1:9/x.png";
})"""
CLICK_AN_INLINE_HANDLER = """{
  const element = document.createElement("div");
  element.setAttribute("onclick", "window.__ran = true");
  document.body.append(element); element.click(); 0
}"""
WATCH_THE_LONGEST_PAUSE = """{
  window.__longest_ms = 0;
  let last = performance.now();
  (function tick() {
    window.__longest_ms = Math.max(window.__longest_ms, performance.now() - last);
    last = performance.now();
    setTimeout(tick, 1);
  })(); 0
}"""


@SIZES
def test_the_report_draws_itself_without_complaint(
    browser: Browser, url: str, width_px: int, dark: bool, folder: Path
) -> None:
    page = browser.open(url, width_px=width_px, dark=dark).ready()
    assert page.run("document.documentElement.dataset.charts") == "7"
    assert page.run("[...document.querySelectorAll('.chart-box svg .mark-group')].length") >= 7
    marks = page.run(
        "[...document.querySelectorAll('figure')].map(f => f.querySelectorAll('[class*=role-mark] path').length)"
    )
    assert min(marks) >= 4, marks
    widths = page.run("[...document.querySelectorAll('.chart-box svg')].map(e => e.getBoundingClientRect().width)")
    assert all(100 < width <= width_px for width in widths), widths
    ground = page.run("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(20, 23, 27)" if dark else "rgb(251, 250, 247)")
    assert page.complaints() == []
    page.shoot(folder / f"report-{width_px}-{'dark' if dark else 'light'}.png")
    assert (folder / f"report-{width_px}-{'dark' if dark else 'light'}.png").stat().st_size > 50_000


@SIZES
def test_nothing_reaches_over_the_edge_even_with_everything_open(
    browser: Browser, url: str, width_px: int, dark: bool
) -> None:
    page = browser.open(url, width_px=width_px, dark=dark).ready()
    assert page.run("document.documentElement.dataset.overflow") == "0"
    page.run("document.querySelectorAll('button.problem').forEach(b => b.click())")
    page.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    page.wait("document.querySelectorAll('details table').length === 7")
    assert page.run(OVER_THE_EDGE) == 0
    # The measure itself must be able to find an overflow.
    page.run(APPEND_SOMETHING_BROAD)
    assert page.run(OVER_THE_EDGE) > 0


def test_bars_of_every_histogram_have_width_and_height(browser: Browser, url: str) -> None:
    page = browser.open(url).ready()
    boxes = page.run(
        "[...document.querySelectorAll('path[aria-roledescription=bar]')].map(p => p.getBBox()).map(b => b.width)"
    )
    assert len(boxes) > 40
    assert min(boxes) > 1


def test_no_text_of_a_model_acts(browser: Browser, url: str) -> None:
    page = browser.open(url).ready()
    page.run("document.querySelectorAll('button.problem').forEach(b => b.click())")
    page.run("document.querySelectorAll('.problem-body > button.quiet').forEach(b => b.click())")
    assert page.run("document.title") == "Self-consistency on word problems"
    assert page.run("typeof window.__ran") == "undefined"
    assert (
        page.run("document.querySelectorAll('img, iframe, main script, main style, base, object, embed').length") == 0
    )
    assert page.run("document.querySelectorAll('script').length") == 4
    shown = page.run("[...document.querySelectorAll('.reply-text')].map(e => e.textContent).join('\\n')")
    for payload in PAYLOADS[:4]:
        assert payload in shown
    assert not set(shown) & {"\x1b", "\u202e"}


def test_the_payloads_do_run_where_nothing_stops_them(browser: Browser, folder: Path) -> None:
    file = folder / "unsafe.html"
    file.write_text(f"<!doctype html><title>Safe</title><body>{PAYLOADS[0]}</body>")
    page = browser.open(file.as_uri())
    page.wait("document.title === 'owned'", timeout_s=20)


def test_the_policy_stops_what_a_script_would_try(browser: Browser, url: str) -> None:
    page = browser.open(url).ready()
    assert page.run("fetch('https://example.com/').then(() => 'sent', () => 'stopped')") == "stopped"
    assert page.run(LOAD_AN_IMAGE) == "stopped"
    page.run(f"const s = document.createElement('script'); s.textContent = `{SENTINEL}`; document.body.append(s); 0")
    page.run(CLICK_AN_INLINE_HANDLER)
    assert page.run("typeof window.__ran") == "undefined"
    evaluated = page.call(
        "Runtime.evaluate", expression="new Function('return 1')()", allowUnsafeEvalBlockedByCSP=False
    )
    assert "EvalError" in evaluated["exceptionDetails"]["exception"]["description"]
    assert any("Content Security Policy" in line for line in page.complaints())


def test_the_page_asks_no_host_for_anything(url: str, tmp_path: Path) -> None:
    def hosts_asked(address: str, name: str) -> tuple[list[str], str]:
        browser = Browser(tmp_path / name)
        try:
            page = browser.open(address)
            page.wait("document.readyState === 'complete'")
            time.sleep(0.5)
            asked = page.requests()
        finally:
            browser.close()
        return asked, browser.net_log.read_text("utf-8", errors="replace")

    control = tmp_path / "control.html"
    control.write_text("<!doctype html><img src='http://control.invalid/x.png'>")
    asked, log = hosts_asked(control.as_uri(), "control")
    assert "http://control.invalid/x.png" in asked
    assert "control.invalid" in log
    asked, log = hosts_asked(url, "report")
    assert [a for a in asked if not a.startswith(("data:", "blob:"))] == [url]
    events = json.loads(log)["events"]
    hosts = {urlsplit(str(e.get("params", {}).get("url", ""))).hostname for e in events} - {None}
    assert not {host for host in hosts if not str(host).endswith(BROWSERS_OWN_ERRANDS)}


def test_the_samples_are_filtered_searched_and_paged(browser: Browser, url: str) -> None:
    page = browser.open(url).ready()
    listed = "document.querySelectorAll('.problems > li').length"
    status = "document.querySelector('.pager [role=status]').textContent"
    assert page.run(listed) == 20
    assert page.run(status) == "1–20 of 120 problems"
    page.run("[...document.querySelectorAll('.pager button')][1].click()")
    assert page.run(status) == "21–40 of 120 problems"
    page.run("document.querySelector('.filter.ungradable').click()")
    page.wait(f"{status}.endsWith('of 4 problems')")
    assert page.run(
        "[...document.querySelectorAll('.problem > .glyph')].every(e => e.classList.contains('ungradable'))"
    )
    page.run("document.querySelector('.filter.all').click()")
    page.run("document.querySelector('input[type=search]').focus()")
    page.type("wp-0042")
    page.wait(f"{status} === '1–1 of 1 problems'")
    assert page.run("document.querySelector('.problem-id').textContent") == "wp-0042"
    page.run("document.querySelector('input[type=search]').value = ''")
    page.type("onload=")
    page.wait("document.querySelector('.problem-id')?.textContent === 'wp-0001'")
    assert page.run(status) == "1–1 of 1 problems"
    page.run("document.querySelector('button.problem').click()")
    assert "onload=" in page.run("document.querySelector('.reply-text mark').textContent")
    page.type("no such words")
    page.wait(f"{status} === 'No problem matches.'")


def test_the_samples_are_usable_by_keyboard_alone(browser: Browser, url: str) -> None:
    page = browser.open(url).ready()
    page.press("/", "/")
    assert page.run("document.activeElement.type") == "search"
    page.run("document.querySelector('button.problem').focus()")
    page.press("ArrowDown")
    page.press("ArrowDown")
    page.press("ArrowUp")
    focused = "[...document.querySelectorAll('button.problem')].indexOf(document.activeElement)"
    assert page.run(focused) == 1
    page.press("Enter", "\r")
    assert page.run("document.activeElement.getAttribute('aria-expanded')") == "true"
    assert page.run("document.querySelectorAll('.reply').length") == 8
    page.press("ArrowRight")
    assert page.run("document.querySelector('.problem-id').textContent") == "wp-0020"
    assert page.run(focused) == 0
    page.press("End")
    assert page.run(focused) == 19


def test_a_reader_can_switch_to_dark_and_the_charts_follow(browser: Browser, url: str) -> None:
    page = browser.open(url).ready()
    line = "document.querySelector('.mark-line path').getAttribute('stroke')"
    assert page.run(line) == LIGHT.series[0]
    page.run("document.querySelector('.switch').click()")
    page.wait(f"document.querySelector('.mark-line path') && {line} === '{DARK.series[0]}'")
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
    assert page.run("document.querySelector('.switch').textContent") == "Light"


def test_pointing_near_a_curve_shows_its_figures_as_text(browser: Browser, url: str) -> None:
    page = browser.open(url).ready()
    page.run("document.querySelector('figure').scrollIntoView({block: 'center', behavior: 'instant'})")
    box = "document.querySelector('.chart-box').getBoundingClientRect()"
    x, y = page.run(f"(b => [b.x + b.width * 0.52, b.y + b.height * 0.62])({box})")
    for step in range(40):
        page.point_at(x + step % 7, y)
        if page.run("!document.getElementById('tip').hidden"):
            break
        time.sleep(0.05)
    names = page.run("[...document.querySelectorAll('#tip dt')].map(e => e.textContent)")
    values = page.run("[...document.querySelectorAll('#tip dd')].map(e => e.textContent)")
    assert names == ["series", "replies k", "accuracy", "interval"]
    assert values[0] in {"maj@k", "best-of-k", "pass@k"}
    assert values[1] == "4"
    assert re.fullmatch(r"\d\d% to \d\d%", values[3])


def test_a_chart_can_be_saved_as_svg(browser: Browser, url: str) -> None:
    page = browser.open(url).ready()
    page.run("URL.createObjectURL = (blob) => { window.__saved = blob; return 'blob:none'; }; 0")
    page.run("document.querySelector('.chart-tools button').click()")
    page.wait("window.__saved")
    assert page.run("window.__saved.type") == "image/svg+xml"
    assert page.run("window.__saved.text().then(t => t.startsWith('<svg') && t.includes('replies k'))")


def test_the_page_has_landmarks_labels_and_one_order_of_headings(browser: Browser, url: str) -> None:
    page = browser.open(url).ready()
    for landmark in ("header", "nav", "main", "footer"):
        assert page.run(f"document.querySelectorAll('body > {landmark}').length") == 1
    levels = page.run("[...document.querySelectorAll('h1, h2, h3')].map(e => Number(e.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    unnamed = (
        "[...document.querySelectorAll('button, input, select, a')]"
        ".filter(e => !(e.textContent.trim() || e.getAttribute('aria-label'))).length"
    )
    assert page.run(unnamed) == 0
    described = page.run("[...document.querySelectorAll('.chart-box')].map(e => e.getAttribute('aria-label'))")
    assert described[0].endswith("all rise, pass@k highest.")
    assert all(described)
    assert page.run("[...document.querySelectorAll('nav a')].every(a => document.querySelector(a.hash))")


def test_the_data_behind_a_chart_is_a_table_with_its_labels_first(browser: Browser, url: str) -> None:
    page = browser.open(url).ready()
    page.run("document.querySelector('details').open = true")
    page.wait("document.querySelector('details table')")
    heads = page.run("[...document.querySelectorAll('details thead button')].map(e => e.textContent)")
    assert heads == ["series", "x", "y", "low", "high"]
    assert page.run("document.querySelectorAll('details tbody tr').length") == 3 * LAST_K


def test_a_table_is_sorted_by_its_numbers(browser: Browser, url: str) -> None:
    page = browser.open(url).ready()
    first = "[...document.querySelectorAll('.table tbody tr > :first-child')].map(e => e.textContent).join(' ')"
    assert page.run(first) == "1 2 4 8 16"
    heads = "document.querySelectorAll('.table thead button')[1]"
    page.run(f"{heads}.click(); {heads}.click()")
    assert page.run(first) == "16 8 4 2 1"
    assert page.run(f"{heads}.closest('th').getAttribute('aria-sort')") == "descending"


def test_one_block_that_cannot_be_shown_does_not_take_the_page_with_it(browser: Browser, tmp_path: Path) -> None:
    value = Report(
        "Broken", sections=[Section("S", [Prose("First."), Table([Column("a")], [[1]]), Prose("Last.")])]
    ).to_json()
    value["sections"][0]["blocks"][1]["rows"] = 7
    value["sections"][0]["blocks"].append({"kind": "hologram"})
    file = tmp_path / "broken.html"
    file.write_text(render_html(value), "utf-8")
    text = browser.open(file.as_uri()).ready().run("document.querySelector('main').textContent")
    assert "First." in text
    assert "Last." in text
    assert text.count("cannot be shown") == 2


def test_five_hundred_problems_of_sixty_four_replies_stay_fluid(browser: Browser, tmp_path: Path) -> None:
    reply = "Step one, add the apples. Step two, take the pears away. " * 6
    samples = [
        SampleRow(f"{reply}({i})", Outcome("right" if i % 3 else "wrong", str(i)), 90, "stop") for i in range(64)
    ]
    rows = [ProblemRow(f"p{i}", f"Question {i}?", "1", Outcome("right", "1"), samples) for i in range(500)]
    rows[499] = ProblemRow("p499", "A needle.", "1", Outcome("wrong", "2"), samples)
    paths = write_report(tmp_path, Report("Large", sections=[Section("Replies", [Samples(rows)])]))
    page = browser.open(paths.html.as_uri()).ready()
    assert page.run("document.querySelectorAll('*').length") < 1500
    page.run("document.querySelector('input[type=search]').focus()")
    page.run(WATCH_THE_LONGEST_PAUSE)
    page.type("needle")
    page.wait("document.querySelector('.pager [role=status]').textContent === '1–1 of 1 problems'", timeout_s=30)
    # A pause of a tenth of a second goes unnoticed; the rest is for a busy machine.
    assert page.run("window.__longest_ms") < 400
