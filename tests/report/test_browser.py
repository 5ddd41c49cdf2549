"""The report in a browser: figures are drawn, a click filters, names do nothing, no request leaves the machine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Any

import pytest

import metabt
from metabt.report import render
from metabt.report.comparison.pair import Pair
from metabt.report.contents import sections
from metabt.report.replayed import Replayed
from metabt.report.run import Run
from tests.shared.reported import EVIL, IMAGE, backtested, closes, stored_row

PROBE = """
const answers = {errors: [], violations: 0};
addEventListener("error", (event) => answers.errors.push(event.message));
addEventListener("securitypolicyviolation", () => (answers.violations += 1));
"""
ASK = """
function shown() {
  const data = document.getElementById("figure-growth").data;
  return figures.growth.data.filter((_, place) => data[place].visible === true).map((trace) => trace.path);
}
function press(path) {
  [...document.querySelectorAll("button[data-path]")].find((button) => button.dataset.path === path).click();
  return shown();
}
function report() {
  answers.screen = document.querySelector(".chart .main-svg").clientWidth;
  const note = document.createElement("pre");
  note.id = "answers";
  note.textContent = JSON.stringify(answers);
  document.body.append(note);
}
const waiting = setInterval(() => {
  if (document.documentElement.dataset.drawn !== "all") return;
  clearInterval(waiting);
  answers.drawn = {};
  for (const place of document.querySelectorAll(".chart")) {
    const marks = place.querySelectorAll(".js-line, .js-fill, .point, .heatmaplayer image, .hm image");
    answers.drawn[place.id] = {marks: marks.length, width: place.clientWidth};
  }
  const folded = [...document.querySelectorAll(".tree details")];
  answers.open = folded.map((row) => row.open);
  answers.heights = [folded[1].offsetHeight];
  folded[1].querySelector("summary").click();
  answers.heights.push(folded[1].offsetHeight);
  answers.all = shown();
  answers.inner = press("mine/calm");
  answers.pressed = document.querySelectorAll("button[aria-pressed=true]").length;
  answers.again = press("mine/calm");
  const legend = document.querySelectorAll("#figure-growth .legendtoggle");
  answers.legends = legend.length;
  legend[1].dispatchEvent(new MouseEvent("mousedown", {bubbles: true}));
  legend[1].dispatchEvent(new MouseEvent("mouseup", {bubbles: true}));
  setTimeout(() => {
    answers.legend = shown();
    answers.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    dispatchEvent(new Event("beforeprint"));
    answers.paper = Math.max(...[...document.querySelectorAll(".chart .main-svg")].map((svg) => svg.clientWidth));
    dispatchEvent(new Event("afterprint"));

    answers.title = document.title;
    answers.images = document.querySelectorAll("main img").length;
    answers.background = getComputedStyle(document.body).backgroundColor;
    answers.resources = performance.getEntriesByType("resource").map((entry) => entry.name);
    setTimeout(report, 1500);
  }, 1500);
}, 50);
"""


@dataclass(frozen=True)
class Visit:
    """What a browser made of the page."""

    answers: dict[str, Any]
    """What the page said of itself."""
    console: list[str]
    """Messages of the console."""
    requests: list[str]
    """Addresses that the page asked the network for."""


@pytest.fixture(scope="module")
def run() -> Run:
    result = backtested()
    return Run(stored_row(result), result.tables, Replayed.wanted(result.origin, None))


ASK_TWO = """
const waiting = setInterval(() => {
  if (document.documentElement.dataset.drawn !== "all") return;
  clearInterval(waiting);
  answers.drawn = {};
  for (const place of document.querySelectorAll(".chart")) {
    const marks = place.querySelectorAll(".js-line, .js-fill, .point");
    answers.drawn[place.id] = {marks: marks.length, width: place.clientWidth};
  }
  answers.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const firsts = [...document.querySelectorAll("td:first-child")];
  answers.cut = firsts.filter((cell) => cell.scrollWidth > cell.clientWidth).map((cell) => cell.textContent);
  answers.title = document.title;
  answers.images = document.querySelectorAll("main img").length;
  answers.resources = performance.getEntriesByType("resource").map((entry) => entry.name);
  const note = document.createElement("pre");
  note.id = "answers";
  note.textContent = JSON.stringify(answers);
  document.body.append(note);
}, 50);
"""


def visit(page: str, folder: Path, *options: str, ask: str = ASK) -> Visit:
    """Return what a browser makes of a page after what `ask` does."""
    allowed = [b64encode(sha256(script.encode()).digest()).decode() for script in (PROBE, ask)]
    probed = page.replace("script-src ", "script-src " + "".join(f"'sha256-{text}' " for text in allowed), 1)
    probed = probed.replace("<body>", f"<body><script>{PROBE}</script>")
    probed = probed.replace("</body>", f"<script>{ask}</script></body>")
    (folder / "probed.html").write_text(probed, encoding="utf-8")
    network = folder / "network.json"
    dom = _browser(folder, "probed.html", "--dump-dom", f"--log-net-log={network}", "--enable-logging=stderr", *options)
    found = re.search(r'<pre id="answers">(.*?)</pre>', dom.stdout, re.S)
    assert found, dom.stderr
    console = [line for line in dom.stderr.splitlines() if "CONSOLE" in line]
    return Visit(json.loads(unescape(found.group(1))), console, requests(network.read_text(encoding="utf-8")))


def picture(page: str, folder: Path, *options: str) -> Path:
    """Return a picture of a page; where METABT_SCREENSHOTS names a folder it is kept there too, to be looked at."""
    (folder / "page.html").write_text(page, encoding="utf-8")
    _browser(folder, "page.html", f"--screenshot={folder / 'page.png'}", "--hide-scrollbars", *options)
    if kept := os.environ.get("METABT_SCREENSHOTS"):
        Path(kept).mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "page.png", Path(kept) / f"{folder.name}.png")
    return folder / "page.png"


def requests(network: str) -> list[str]:
    """Return what a page asked the network for, from the browser's log; its own requests have no origin."""
    asked = [line for line in network.splitlines() if re.search('"initiator":"(?!not an origin")', line)]
    return [url for line in asked for url in re.findall(r'"url":"((?:https?|wss?|ftp):[^"]*)"', line)]


def _browser(folder: Path, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    browser = shutil.which("chromium")
    if browser is None:
        assert "METABT_NEED_BROWSER" not in os.environ, "chromium is not installed"
        pytest.skip("chromium is not installed")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    flags += ["--disable-component-update", "--disable-sync", f"--user-data-dir={folder / 'browser'}"]
    timing = ["--virtual-time-budget=30000"]
    return subprocess.run(
        [browser, *flags, *timing, *options, (folder / name).as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


LIGHT, DARK = "rgb(252, 252, 251)", "rgb(22, 22, 21)"
SCREENS = {
    "desk": (["--window-size=1200,9000", "--blink-settings=preferredColorScheme=1"], LIGHT),
    "dark": (["--window-size=1200,9000", "--blink-settings=preferredColorScheme=0"], DARK),
    "phone": (["--window-size=500,9000", "--blink-settings=preferredColorScheme=1"], LIGHT),
}


def test_a_script_that_is_not_the_page_s_own_does_not_run(run: Run, tmp_path: Path) -> None:
    foreign = "<script>document.title = 'foreign'</script><b onclick=\"document.title = 'foreign'\"></b></main>"
    seen = visit(render(run).replace("</main>", foreign), tmp_path, ask=ASK_TWO)
    assert seen.answers["violations"] >= 1
    assert seen.answers["title"].startswith("mine") and seen.answers["drawn"]


@pytest.mark.parametrize("screen", SCREENS)
def test_a_browser_draws_the_page_and_a_click_filters(run: Run, tmp_path: Path, screen: str) -> None:
    options, background = SCREENS[screen]
    seen = visit(render(run), tmp_path, *options)
    answers = seen.answers
    charts = [f"figure-{figure.name}" for section in sections(run) for figure in section.figures]
    assert list(answers["drawn"]) == charts and len(charts) >= 9
    assert all(drawn["marks"] > 0 and drawn["width"] > 250 for drawn in answers["drawn"].values()), answers["drawn"]
    assert answers["errors"] == [] and answers["violations"] == 0 and seen.console == []
    assert seen.requests == [] and answers["resources"] == []
    assert answers["title"].startswith("mine") and answers["images"] == 0  # no name ran, none became an element
    assert answers["overflow"] <= 0  # nothing is wider than the screen, boxes that scroll aside
    assert answers["background"] == background
    assert answers["paper"] <= 681 and answers["screen"] == answers["drawn"]["figure-growth"]["width"]  # 180 mm
    assert picture(render(run), tmp_path, *options).stat().st_size > 50_000

    assert answers["open"] == [True, *[False] * (len(run.paths) - 1)] * 2  # contributions, effects
    assert answers["heights"][1] > 2 * answers["heights"][0] > 0, "a click opens what is beneath a sleeve"
    inner = [path for path in run.paths if path.startswith("mine/calm")]
    assert set(answers["all"]) == {"mine", *run.children}
    assert set(answers["inner"]) == set(inner) and len(inner) == 3
    assert answers["pressed"] == 1
    assert answers["again"] == answers["all"]
    assert answers["legends"] == len(run.paths)
    assert set(answers["legend"]) == set(inner), "a click in the legend filters too"
    assert f"mine/{EVIL}" in run.paths


def test_a_page_that_asks_the_network_would_be_seen(run: Run, tmp_path: Path) -> None:
    address = "http://127.0.0.1:9/picture.png"
    page = render(run).replace("img-src", "img-src http:")
    page = page.replace("<main>", f'<main><img src="{address}">')
    assert visit(page, tmp_path).requests == [address]


@pytest.mark.parametrize("screen", SCREENS)
def test_a_browser_draws_two_runs_side_by_side(run: Run, tmp_path: Path, screen: str) -> None:
    options, _ = SCREENS[screen]
    other = backtested(lag=2)
    pair = Pair(run, Run(stored_row(other), other.tables), [])
    seen = visit(render(pair), tmp_path, *options, ask=ASK_TWO)
    answers = seen.answers
    charts = [f"figure-{figure.name}" for section in sections(pair) for figure in section.figures]
    assert list(answers["drawn"]) == charts and len(charts) >= 3
    assert all(drawn["marks"] > 0 and drawn["width"] > 250 for drawn in answers["drawn"].values()), answers["drawn"]
    assert answers["errors"] == [] and answers["violations"] == 0 and seen.console == []
    assert seen.requests == [] and answers["resources"] == []
    assert answers["title"].startswith("mine") and answers["images"] == 0
    assert answers["overflow"] <= 0
    assert answers["cut"] == []  # what a row tells can be read on a phone too
    if "METABT_SCREENSHOTS" in os.environ:
        picture(render(pair), tmp_path, *options)


ASK_PAPER = """
const waiting = setInterval(() => {
  if (document.documentElement.dataset.drawn !== "all") return;
  clearInterval(waiting);
  const room = document.querySelector("main").getBoundingClientRect().right;
  const tables = [...document.querySelectorAll("table, .tree")];
  answers.wide = tables.filter((it) => it.getBoundingClientRect().right > room + 1).map((it) => it.textContent);
  answers.tables = tables.length;
  const note = document.createElement("pre");
  note.id = "answers";
  note.textContent = JSON.stringify(answers);
  document.body.append(note);
}, 50);
"""


def on_paper(page: str) -> str:
    """Return a page that looks on a screen as it does on paper, 180 mm wide."""
    assert page.count("@media print {") == 1
    return page.replace("@media print {", "@media all {").replace("<html ", "<html class=printing ", 1)


def test_paper_shows_every_column(tmp_path: Path) -> None:
    prices = closes(900).rename(columns={IMAGE: "B"})
    leaf = {"lookback": 30, "optimizer": "inverse_volatility"}
    long = "a_sleeve_with_a_very_long_name_that_no_column_of_a_page_has_room_for"
    sleeves = {f"{long}_{i}": {**leaf, "universe": ["A", "B"]} for i in range(2)}
    result = metabt.backtest({"name": "mine", **leaf, "sleeves": sleeves}, prices, benchmark="D")
    run = Run(stored_row(result), result.tables, Replayed.wanted(result.origin, None))
    answers = visit(on_paper(render(run)), tmp_path, "--window-size=760,3000", ask=ASK_PAPER).answers
    assert answers["tables"] > 15 and answers["wide"] == []
    pair = Pair(run, Run(stored_row(backtested()), backtested().tables), [])
    answers = visit(on_paper(render(pair)), tmp_path, "--window-size=760,3000", ask=ASK_PAPER).answers
    assert answers["tables"] > 5 and answers["wide"] == []
