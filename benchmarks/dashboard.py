"""Times the dashboard in a headless Chromium: from process start to the first plot, and switches between pages that are warm.

    python benchmarks/dashboard.py [--starts 3] [--rounds 5] [--page outcome-models]

A start is timed from the launch of the server process to the first drawn plot of one page, in a browser that is already open with
an empty cache. Switches are clicks in the menu after every page was visited once; three moments are taken: the new title, the
first plot (or picture) of the new page, and the end of its script. Numbers are medians. The studies are those that this
installation holds; whoever sets ``OPSIGHT_HOME`` times others. At the end stands which of the libraries that take long to load
were loaded in the server after each page's first visit. Needs chromium and playwright.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "monai", "shap", "timm", "sklearn", "lifelines", "lightgbm", "scipy", "scipy.stats", "numba", "skimage")
GOAL_FIRST_PLOT_S, GOAL_SWITCH_S = 3.0, 0.3
WAIT_MS = 120_000
WINDOW: Any = {"width": 1280, "height": 1000}
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip

# The dashboard as it is; after each run the names of loaded modules are written down.
STAND_IN = """
import json, pathlib, runpy, sys
try:
    runpy.run_path({app!r})
finally:
    pathlib.Path({told!r}).write_text(json.dumps([name for name in {heavy!r} if name in sys.modules]))
"""

PAGE_OF_NO_PLOT = "Overview"
MENU = "[data-testid=stSidebarNav]"
FRESH = "[data-testid=stMain] [data-testid=stElementContainer]:not([data-stale=true])"
PLOT = f"{FRESH} .js-plotly-plot .main-svg"
HAS_PLOT = f"() => document.querySelector('{PLOT}') !== null"
STANDS = "() => document.querySelector('[data-testid=stApp][data-test-script-state=notRunning]') !== null"

# Looks at the page in every frame after the next click: once the script has been seen to run, what an earlier page left standing
# is marked stale until it is replaced, so a title or plot that is not is a new one.
WATCH = f"""() => {{
  const seen = window.seen = {{title: null, plot: null, done: null}};
  let clicked = null, ran = false;
  document.addEventListener('click', () => clicked = performance.now(), {{once: true, capture: true}});
  const look = () => {{
    const state = document.querySelector('[data-testid=stApp]').dataset.testScriptState;
    if (clicked !== null && state !== 'notRunning') ran = true;
    if (ran) {{
      const since = (performance.now() - clicked) / 1000;
      if (seen.title === null && document.querySelector('{FRESH} h1')) seen.title = since;
      if (seen.plot === null && document.querySelector('{PLOT}')) seen.plot = since;
      if (state === 'notRunning') seen.done ??= since;
    }}
    if (seen.done === null || performance.now() - clicked - 1000 * seen.done < 1500) requestAnimationFrame(look);
    else seen.closed = true;
  }};
  requestAnimationFrame(look);
}}"""


@dataclass(frozen=True)
class Server:
    """A running dashboard: its address, when it was launched, and the file that tells what it has loaded."""

    address: str
    launched: float
    told: Path

    def loaded(self) -> list[str]:
        return json.loads(self.told.read_text(encoding="utf-8")) if self.told.exists() else []


@dataclass(frozen=True)
class Switch:
    """Seconds from a click to the new title, to the first plot (none on a page without one), and to the end of the script."""

    title: float
    plot: float | None
    done: float


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """The dashboard in a process of its own."""
    script, told, port = folder / "app.py", folder / "loaded.json", free_port()
    script.write_text(STAND_IN.format(app=str(ROOT / "dashboard" / "app.py"), told=str(told), heavy=HEAVY), encoding="utf-8")
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.headless=true", f"--server.port={port}"]
    launched = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(f"http://127.0.0.1:{port}")
            yield Server(f"http://127.0.0.1:{port}", launched, told)
        finally:
            process.terminate()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(address: str) -> None:
    for _ in range(3000):
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).read()
            return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.02)
    raise SystemExit("The dashboard did not start within a minute.")


def first_plot(browser: Any, path: str) -> tuple[float, float]:
    """Seconds from the launch of a new server process to its first answer, and to the first plot of a page."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server:
        answered = time.perf_counter() - server.launched
        context = browser.new_context(viewport=WINDOW)
        page = context.new_page()
        page.goto(f"{server.address}/{path}")
        page.wait_for_function(HAS_PLOT, timeout=WAIT_MS)
        drawn = time.perf_counter() - server.launched
        context.close()
    return answered, drawn


def switch(page: Any, title: str) -> Switch:
    """Clicks a page in the menu and watches it come."""
    page.wait_for_function(STANDS, timeout=WAIT_MS)
    page.evaluate(WATCH)
    page.locator(MENU).get_by_role("link", name=title, exact=True).click()
    page.wait_for_function("() => window.seen.closed === true", timeout=WAIT_MS)
    seen = page.evaluate("() => window.seen")
    return Switch(seen["title"], seen["plot"], seen["done"])


def first_visits(page: Any, server: Server) -> dict[str, list[str]]:
    """Opens every page of the menu once; by page, which of the heavy libraries have been loaded by then."""
    page.goto(server.address)
    page.locator("[data-testid=stMain] h1").wait_for(timeout=WAIT_MS)
    titles = [link.strip() for link in page.locator(MENU).get_by_role("link").all_text_contents()]
    loaded = {}
    for title in titles:
        if title != PAGE_OF_NO_PLOT:
            switch(page, title)
        page.wait_for_function(STANDS, timeout=WAIT_MS)
        loaded[title] = server.loaded()
    return loaded


def warm_switches(page: Any, titles: list[str], rounds: int) -> dict[str, list[Switch]]:
    """By page, switches to it from a page without a plot; to that one from the page before."""
    found: dict[str, list[Switch]] = {title: [] for title in titles}
    for title in titles * rounds:
        back = switch(page, PAGE_OF_NO_PLOT) if title != PAGE_OF_NO_PLOT else None
        if back is not None:
            found[title].append(switch(page, title))
            found[PAGE_OF_NO_PLOT].append(back)
    return found


def median(values: Iterable[float | None]) -> float | None:
    """Of those that there are; none of none."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def told(seconds: float | None) -> str:
    return "none" if seconds is None else f"{seconds:.2f}"


def show_switches(found: dict[str, list[Switch]], loaded: dict[str, list[str]]) -> None:
    """Prints the table of pages; a page is there at its first plot, or without one at the end of its script."""
    print("| page | title, s | first plot, s | whole script, s | goal met | loaded in the server after its first visit |")
    print("|---|---|---|---|---|---|")
    for title, switches in found.items():
        moments = [median(getattr(one, name) for one in switches) for name in ("title", "plot", "done")]
        there = moments[1] if moments[1] is not None else moments[2]
        met = "" if there is None else "yes" if there <= GOAL_SWITCH_S else "no"
        print(f"| {title} | {' | '.join(map(told, moments))} | {met} | {', '.join(loaded[title]) or 'none'} |")


def main() -> None:
    """Prints the start and the table of pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--page", default="outcome-models", help="whose first plot is waited for")
    given = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), headless=True, args=FLAGS)
        starts = [first_plot(browser, given.page) for _ in range(given.starts)]
        answered, drawn = (statistics.median(column) for column in zip(*starts))
        print(f"From process start to the first answer {answered:.2f} s, to the first plot of {given.page} {drawn:.2f} s "
              f"(goal {GOAL_FIRST_PLOT_S:.0f} s).\n")  # fmt: skip
        with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server:
            page = browser.new_page(viewport=WINDOW)
            loaded = first_visits(page, server)
            print(f"Switches between warm pages (goal {GOAL_SWITCH_S:.1f} s to the first plot):\n")
            show_switches(warm_switches(page, list(loaded), given.rounds), loaded)
        browser.close()


if __name__ == "__main__":
    main()
