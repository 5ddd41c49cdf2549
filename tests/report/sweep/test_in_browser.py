"""The page of a sweep in a browser: figures are drawn, and the maps show what a reader chooses."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from metabt.report import render
from metabt.report.contents import sections
from tests.report.test_browser import SCREENS, picture, visit
from tests.shared.reported import EVIL
from tests.shared.tried import tried_of

ASK = """
function pick(name, value) {
  const list = document.querySelector(`.choices select[name=${name}]`);
  list.value = value;
  list.dispatchEvent(new Event("change"));
}
const waiting = setInterval(() => {
  if (document.documentElement.dataset.drawn !== "all") return;
  clearInterval(waiting);
  const charts = [...document.querySelectorAll(".chart")];
  answers.drawn = charts.filter((it) => it.querySelector(".main-svg")).map((it) => it.id);
  const map = () => {
    const [{ x, y, z, text }] = document.getElementById("figure-maps").data;
    return { x, y, z, text };
  };
  answers.first = map();
  pick("statistic", "best");
  answers.best = map();
  pick("across", 1);
  pick("up", 2);
  answers.other = map();
  answers.lists = document.querySelectorAll(".choices select").length;
  answers.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  answers.images = document.querySelectorAll("main img").length;
  answers.background = getComputedStyle(document.body).backgroundColor;
  const note = document.createElement("pre");
  note.id = "answers";
  note.textContent = JSON.stringify(answers);
  document.body.append(note);
}, 50);
"""


@pytest.mark.parametrize("screen", SCREENS)
def test_a_browser_draws_the_page_and_the_maps_follow_the_choice(tmp_path: Path, screen: str) -> None:
    options, background = SCREENS[screen]
    grid = {"a.lookback": [9, 63, 126], "a.method": [EVIL, "b"], "a.lag": [0, 1, 2, 3, 4]}
    rng = np.random.default_rng(5)
    tried = tried_of(grid, lambda lookback, method, lag: lookback / 100 + 0.1 * lag + 0.01 * rng.normal())
    seen = visit(render(tried), tmp_path, *options, ask=ASK)
    if "METABT_SCREENSHOTS" in os.environ:
        picture(render(tried), tmp_path, *options)
    answers = seen.answers
    assert answers["errors"] == [] and answers["violations"] == 0 and seen.requests == [] and seen.console == []
    charts = {f"figure-{chart.name}" for section in sections(tried) for chart in section.figures}
    assert set(answers["drawn"]) == charts
    assert answers["overflow"] <= 0 and answers["images"] == 0 and answers["lists"] == 4
    assert answers["background"] == background

    def cells(across: str, up: str, statistic: object) -> list[list[float]]:
        groups = [[[] for _ in tried.values[across]] for _ in tried.values[up]]
        for place, score in enumerate(tried.score):
            groups[tried.places[up][place]][tried.places[across][place]].append(score)
        return [[statistic(group) for group in row] for row in groups]  # type: ignore[operator]

    wanted = {
        "first": ("a.lookback", "a.lag", np.median),
        "best": ("a.lookback", "a.lag", max),
        "other": ("a.lag", "a.method", max),
    }
    for name, choice in wanted.items():
        assert np.allclose(np.array(answers[name]["z"], float), cells(*choice), rtol=1e-3), name
    assert answers["first"]["text"] == [["2"] * 3] * 5
