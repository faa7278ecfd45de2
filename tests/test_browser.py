"""The pages in a real browser: what stands there, nothing in the console, nothing fetched from outside."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.fixtures_segmentation import made_up_pictures, made_up_run, segmentation_study
from tests.fixtures_studies import HAPPENINGS, synthetic_study, write_study

CHROMIUM = shutil.which("chromium") or ""
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip
SCREENSHOTS = ROOT / "tests" / "screenshots"
WAIT_MS = 120_000

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed (Debian: apt-get install chromium)"),
]

# The dashboard as it is, with made-up bundles in place of trained ones and one made-up data set more.
STAND_IN = """
import runpy, sys
sys.path.insert(0, {root!r})
from dashboard.widgets import store
from tests.fixtures_segmentation import install, made_up_dataset
from tests.test_dashboard_counseling import BUNDLES, FakePredictor
store.bundles, store.predictor = (lambda: BUNDLES), FakePredictor
install(made_up_dataset())
runpy.run_path({app!r})
"""


@dataclass
class Watched:
    """A browser page, and everything that went wrong in it."""

    page: Any
    address: str
    troubles: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def open(self, path: str, text: str) -> None:
        self.page.goto(f"{self.address}/{path}")
        self.page.get_by_text(text).first.wait_for(timeout=WAIT_MS)

    def shoot(self, name: str, height: int) -> None:
        """A picture of the whole page; the app scrolls inside, so the window is made as tall as the page."""
        width = self.page.viewport_size["width"]
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.wait_for_timeout(1500)
        SCREENSHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=str(SCREENSHOTS / f"{name}.png"), timeout=WAIT_MS)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running dashboard with two synthetic studies of outcomes and one of segmentation, run here with outlines kept."""
    home = tmp_path_factory.mktemp("house")
    write_study(home, synthetic_study())
    phantom = synthetic_study(
        "phantom", title="Phantom: simulated surgery", simulated=True, published=False, happenings=HAPPENINGS[:1]
    )
    write_study(home, phantom, run="0123456789abcdef")
    write_study(home, segmentation_study(), run="0123456789abcdef")
    made_up_run(home / "data" / "runs" / "segmentation_made_up" / "0123456789abcdef", "dynunet", made_up_pictures())
    script = home / "app.py"
    script.write_text(STAND_IN.format(root=str(ROOT), app=str(ROOT / "dashboard" / "app.py")), encoding="utf-8")
    port = _free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.headless=true", f"--server.port={port}"]
    environment = {**os.environ, "OPSIGHT_HOME": str(home)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _wait_for(f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


@pytest.fixture(params=["1280-light", "1920-dark"])
def watched(address: str, request: pytest.FixtureRequest) -> Iterator[Watched]:
    """A fresh browser page in one width and theme."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    width, theme = request.param.split("-")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        page = browser.new_page(viewport={"width": int(width), "height": 1000}, color_scheme=theme)
        found = Watched(page, address)
        page.on("console", lambda message: _note_console(found, message))
        page.on("pageerror", lambda error: found.troubles.append(str(error)))
        page.on("request", lambda asked: _note_request(found, asked.url))
        yield found
        browser.close()


def _note_console(found: Watched, message: Any) -> None:
    # On a page's own address Streamlit first asks for its health below that address, is told 404, and asks at the root.
    own_probe = "/_stcore/" in str(message.location.get("url", "")) and "404" in message.text
    if message.type == "error" and not own_probe:
        found.troubles.append(f"{message.text} ({message.location.get('url', '')})")


def _note_request(found: Watched, url: str) -> None:
    if not url.startswith((found.address, "data:", "blob:")):
        found.foreign.append(url)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(address: str) -> None:
    for _ in range(300):
        try:
            if urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).read() == b"ok":
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise AssertionError("the dashboard did not start within a minute")


def test_a_reader_walks_through_the_three_pages(watched: Watched, request: pytest.FixtureRequest) -> None:
    look = request.node.callspec.params["watched"]
    page = watched.page

    watched.open("", "Where this comes from")
    assert page.get_by_text("KiTS23 · 489 patients").count() == 1
    assert page.get_by_text("SIMULATED").count() >= 1
    watched.shoot(f"overview-{look}", 1700)

    page.get_by_role("link", name="Open").nth(4).click()
    page.get_by_text("Which model ranks patients best?").first.wait_for(timeout=WAIT_MS)
    assert "study=kits_outcomes" in page.url and "outcome=long_stay" in page.url
    page.locator(".js-plotly-plot .main-svg").nth(6).wait_for(timeout=WAIT_MS, state="attached")
    page.get_by_text("The models, and what they cost").wait_for(timeout=WAIT_MS)
    watched.shoot(f"outcome-models-{look}", 3600)
    assert _overflowing(page) == []

    page.get_by_role("link", name="Counseling").click()
    page.get_by_role("button", name="Fill with an example").click()
    # A click that overtakes the filled form would send the empty fields back, which counts as an edit.
    page.wait_for_function("document.querySelector('[data-testid=stNumberInput] input')?.value !== ''", timeout=WAIT_MS)
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=WAIT_MS)
    page.wait_for_timeout(1000)
    page.get_by_role("button", name="Show what may be expected").click()
    page.get_by_text("12 of 100 people like you will have a complication").wait_for(timeout=WAIT_MS)
    page.locator("img[alt^='Of 100 persons, 12 are filled']").first.wait_for(timeout=WAIT_MS)
    watched.shoot(f"counseling-{look}", 2600)
    assert _overflowing(page) == []

    page.get_by_role("spinbutton", name="Age").fill("80")
    page.keyboard.press("Enter")
    page.get_by_text("Changing a field clears the numbers").wait_for(timeout=WAIT_MS)
    assert page.get_by_text("people like you will have a complication").count() == 0

    assert watched.troubles == []
    assert watched.foreign == []


def test_a_reader_clicks_a_dot_and_sees_the_case(watched: Watched, request: pytest.FixtureRequest) -> None:
    look = request.node.callspec.params["watched"]
    page = watched.page

    watched.open("segmentation", "outlines best")
    page.set_viewport_size({"width": page.viewport_size["width"], "height": 5600})
    page.locator("img[alt^='Difference of case']").first.wait_for(timeout=WAIT_MS)
    page.get_by_text("What would change this conclusion").wait_for(timeout=WAIT_MS)
    page.locator(".js-plotly-plot .main-svg").nth(20).wait_for(timeout=WAIT_MS, state="attached")
    assert _overflowing(page) == []

    shown = page.locator("img[alt^='Reference of case']").first.get_attribute("alt")
    spread = page.locator(".js-plotly-plot").nth(2)
    dot = spread.locator(".scatterlayer .trace").nth(10).locator("path.point").first.bounding_box()
    page.mouse.move(dot["x"] + dot["width"] / 2, dot["y"] + dot["height"] / 2)
    page.wait_for_timeout(500)
    page.mouse.click(dot["x"] + dot["width"] / 2, dot["y"] + dot["height"] / 2)
    page.locator(f"img[alt^='Reference of case']:not([alt='{shown}'])").first.wait_for(timeout=WAIT_MS)
    assert "method=dynunet" in page.url and "case=" in page.url
    watched.shoot(f"segmentation-{look}", 5600)

    watched.open("errors", "Which cases fail?")
    page.get_by_text("What would change this conclusion").wait_for(timeout=WAIT_MS)
    watched.shoot(f"errors-{look}", 4900)
    assert _overflowing(page) == []

    watched.open("ablations?study=segmentation_made_up", "What does each part add?")
    page.get_by_text("What would change this conclusion").wait_for(timeout=WAIT_MS)
    watched.shoot(f"ablations-{look}", 1400)
    assert _overflowing(page) == []

    assert watched.troubles == []
    assert watched.foreign == []


def test_a_reader_takes_the_report_away_and_finds_the_own_site(watched: Watched, request: pytest.FixtureRequest) -> None:
    look = request.node.callspec.params["watched"]
    page = watched.page

    watched.open("report?study=kits_outcomes", "TRIPOD+AI items are met")
    page.get_by_text("What would change this conclusion").wait_for(timeout=WAIT_MS)
    watched.shoot(f"report-{look}", 3500)
    assert _overflowing(page) == []
    with page.expect_download(timeout=WAIT_MS) as taken:
        page.get_by_role("button", name="Download the report").click()
    assert taken.value.suggested_filename == "kits_outcomes_report.html"
    assert Path(taken.value.path()).read_text(encoding="utf-8").startswith("<!doctype html>")
    with page.expect_download(timeout=WAIT_MS) as taken:
        page.locator("[data-testid=stDownloadButton]").get_by_role("button", name="Download as CSV").first.click()
    assert Path(taken.value.path()).read_text(encoding="utf-8-sig").startswith("Item,Topic")

    watched.open("own-site", "not known to hold here")
    page.get_by_text("What would change this conclusion").wait_for(timeout=WAIT_MS)
    assert [tab.inner_text() for tab in page.get_by_role("tab").all()] == ["Local check", "Observed outcomes", "Next week's list"]
    watched.shoot(f"own-site-{look}", 1400)
    assert _overflowing(page) == []

    assert watched.troubles == []
    assert watched.foreign == []


PARTS = ", ".join(f"[data-testid=stMain] {part}" for part in ("p", "h1", "h3", "button", "svg.main-svg"))
OVERFLOW = """parts => [...document.querySelectorAll(parts)]
    .filter(part => part.getBoundingClientRect().right > window.innerWidth + 1 && part.offsetParent !== null)
    .map(part => (part.textContent || part.tagName).slice(0, 60))"""


def _overflowing(page: Any) -> list[str]:
    """Texts and figures that stick out of the window on the right."""
    return list(page.evaluate(OVERFLOW, PARTS))
