"""What is said of a search: what is sought, how far it is, the best, and which points had no objective."""

from __future__ import annotations

from metabt.cli.search.search_text import intention, outcome, reached
from metabt.cli.sweep_ranking import ranking
from metabt.runs.search.searching import Searched
from tests.shared.ranked import sweep_of, swept
from tests.shared.searches import settings

HOW = settings("sobol", objective="volatility", n=8, batch=4, seed=3)


def searched() -> Searched:
    runs = (
        swept(1, "portfolio.lookback=20", volatility=0.2, sharpe=2.0),
        swept(2, "portfolio.lookback=40", volatility=0.1, sharpe=1.0),
        swept(3, "portfolio.lookback=60", error="ruined"),
        swept(4, "portfolio.lookback=80", volatility=float("nan"), sharpe=0.0, total_return=0.1),
    )
    return Searched(HOW, sweep_of(*runs), (0.2, 0.1, None, None))


def test_what_is_sought_is_said_beforehand() -> None:
    said = intention(HOW, 2)
    assert said == "search over 2 keys: 8 points by sobol, 4 at once, seed 3; minimizes volatility"


def test_how_far_it_is() -> None:
    runs = searched().sweep.runs
    assert reached(HOW, runs, (0.2, 0.1, None, None)) == "4 of 8 points, 0 of them found; volatility: best so far 0.1"
    assert reached(HOW, runs[:1], (None,)).endswith("volatility: none has one yet")


def test_the_best_and_what_had_no_objective_come_last() -> None:
    best, lacking = outcome(searched())
    assert best.startswith("sobol with seed 3 minimizes volatility: best of 4 is 0.1, run ")
    assert best.endswith(" (lookback 40)")
    assert lacking == (
        "2 of 4 points have no volatility (1 failed, of 1 it is undefined): the sampler was told that they failed"
    )


def test_the_ranking_goes_by_the_objective() -> None:
    lines = ranking(searched().sweep, "volatility", HOW.sign).splitlines()
    assert lines[0].split()[:4] == ["Rank", "Run", "lookback", "Volatility"]
    assert [line.split()[2] for line in lines[1:]] == ["40", "20", "80", "60"]
    assert [line.split()[2] for line in ranking(searched().sweep).splitlines()[1:3]] == ["20", "40"]
