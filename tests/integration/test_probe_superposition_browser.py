"""The page of the probes in headless Chromium: graphs are drawn, and the slider goes through the thoughts."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("vl_convert", reason="the report extra is not installed")

sys.path.insert(0, str(Path(__file__).parent))

from chromium import CHROMIUM, Browser
from tests.ccot_probe_runs import training_run

from reasonry.core.report import write_report
from reasonry.training.continuous_cot.probe.config import ProbeConfig
from reasonry.training.continuous_cot.probe.report import superposition_report
from reasonry.training.continuous_cot.probe.run import probe

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH")
FILLS = """[...document.querySelectorAll('figure:first-of-type .mark-symbol path')]
  .map((path) => path.getAttribute("fill")).join(" ")"""
MOVE_TO_THE_END = """{
  const slider = document.querySelector("input[type=range]");
  slider.value = slider.max;
  slider.dispatchEvent(new Event("input"));
  slider.max
}"""


class Page(NamedTuple):
    url: str
    num_vertices: int


@pytest.fixture(scope="module")
def page_of(tmp_path_factory: pytest.TempPathFactory) -> Page:
    folder = tmp_path_factory.mktemp("probe")
    model = training_run(folder / "trained", methods=("continuous",), hops=2, max_hops=3)
    done = probe(ProbeConfig(model=str(model), num_graphs=6, show=1, run=folder / "run"))
    assert len(done.shown[0].dots_CN) == 3
    return Page(write_report(done.folder, superposition_report(done)).html.as_uri(), done.shown[0].dots_CN.shape[1])


@pytest.mark.parametrize("width_px", [1400, 400])
def test_the_page_draws_its_graphs_and_the_slider_goes_through_the_thoughts(
    page_of: Page, tmp_path: Path, width_px: int
) -> None:
    browser = Browser(tmp_path)
    try:
        page = browser.open(page_of.url, width_px=width_px).ready()
        before = page.run(FILLS)
        assert before.count("#") >= page_of.num_vertices
        assert page.run(MOVE_TO_THE_END) == "3"
        page.wait(f"{FILLS} !== {json.dumps(before)}")
        assert page.run("document.documentElement.scrollWidth") == width_px
        assert page.complaints() == []
    finally:
        browser.close()
