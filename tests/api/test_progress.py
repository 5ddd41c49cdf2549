"""The bar of a notebook: there without being asked for, and nowhere else."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

import metabt
from metabt.api import progress
from tests.shared.panels import stocks
from tests.shared.small_tree import tree


class Screen:
    """What a notebook was told to show, in the order in which it was."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.htmls: list[str] = []

    def display(self, shown: object, display_id: bool) -> Screen:
        self.update(shown)
        return self

    def update(self, shown: object) -> None:
        self.texts.append(repr(shown))
        self.htmls.append(shown._repr_html_())  # type: ignore[attr-defined]


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """Make this process look like an IPython kernel."""
    found, ipython, module = Screen(), ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = lambda: SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
    module.display = found.display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr(progress, "PATIENCE", -1.0)
    monkeypatch.setattr(progress, "EVERY", 0.0)
    return found


def test_a_notebook_shows_a_bar_that_fills_and_goes(screen: Screen) -> None:
    metabt.backtest(tree(), {"stocks": stocks(5)})
    assert screen.texts[0].endswith("blocks  book/a 2021") or " of 3 blocks" in screen.texts[0]
    assert " 3 of 3 blocks" in screen.texts[-2] and f"[{'#' * 30}]" in screen.texts[-2]
    assert 'value="3" max="3"' in screen.htmls[-2]
    assert screen.texts[-1] == screen.htmls[-1] == ""


def test_the_bar_goes_after_an_error_as_well(screen: Screen) -> None:
    with pytest.raises(metabt.MetabtError, match="nothing was traded"):
        metabt.backtest(tree(), {"stocks": stocks(5)}, end="2021-01-20")
    assert screen.texts[-1] == ""


def test_what_the_caller_reports_to_is_instead_of_the_bar(screen: Screen) -> None:
    seen: list[tuple[int, int, str]] = []
    metabt.backtest(tree(), {"stocks": stocks(5)}, progress=lambda *state: seen.append(state))
    assert seen and not screen.texts


def test_quick_runs_and_other_processes_show_nothing(
    screen: Screen, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 1e9)
    metabt.backtest(tree(), {"stocks": stocks(5)})
    monkeypatch.setattr(progress, "PATIENCE", -1.0)
    for shell in (None, SimpleNamespace()):  # no shell; IPython in a terminal
        monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda shell=shell: shell)
        assert not progress.is_notebook()
        metabt.backtest(tree(), {"stocks": stocks(5)})
    monkeypatch.delitem(sys.modules, "IPython")
    metabt.backtest(tree(), {"stocks": stocks(5)})
    assert not screen.texts and capfd.readouterr() == ("", "")


def test_names_in_the_bar_are_escaped() -> None:
    bar = progress.NotebookBar()
    bar._state = (1, 4, "<b>&")
    assert "&lt;b&gt;&amp;" in bar._repr_html_() and "<b>&" in repr(bar)
