"""Steps that look ahead, or further back than they say, are refused with the first session and asset that moved."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from metabt import Sheet, open_panel
from metabt.data.dataset import Dataset
from metabt.data.panel import step_causality
from metabt.data.panel.step_causality import check_step
from metabt.data.panel.stepped import stepped
from metabt.data.prices import Prices
from metabt.data.step import Step
from metabt.errors import DataError
from metabt.lakehouse.price_source import to_prices
from tests.shared.panels import punch, random_walk
from tests.shared.stepping import averaged, peeking, relative, step, weighted

SYMBOLS = ["AA", "BB", "CC"]


def prices(seed: int, n: int = 500) -> Prices:
    return to_prices("stocks", punch(random_walk(seed, pd.bdate_range("2019-06-03", periods=n), SYMBOLS), seed))


def check(given: Prices, one: Step) -> None:
    check_step(stepped(Dataset.of(given), one))


@pytest.mark.parametrize("seed", range(4))
def test_causal_steps_pass_and_with_less_history_than_they_need_they_do_not(seed: int) -> None:
    function, before = weighted(seed)
    for whole in (False, True):
        check(prices(seed), step(function, before, whole=whole))
    check(prices(seed), step(relative, whole=True))
    check(prices(seed), step(averaged, 2))
    with pytest.raises(DataError, match="needs more than the 1 sessions of history .* state a larger `before`"):
        check(prices(seed), step(averaged, 1))


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("calls", [16_000, 60])
def test_a_leak_in_one_session_is_found_with_its_session_and_asset(
    whole: bool, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where not every session is looked at, the one before the largest return is."""
    monkeypatch.setattr(step_causality, "CALLS", calls)
    monkeypatch.setattr(step_causality, "LEAST", 20)
    close = random_walk(1, pd.bdate_range("2019-06-03", periods=500), SYMBOLS)
    close.iloc[300:, 1] *= 1.4  # a jump that a cleaning may know beforehand
    given = to_prices("stocks", close)
    what = rf"looks ahead: its return of BB on {given.dates[299]} is .* when later sessions are taken away"
    with pytest.raises(DataError, match=what):
        check(given, step(lambda sheet: peeking(sheet, above=0.3), whole=whole))


def test_the_first_session_that_moved_is_told_though_few_were_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_causality, "CALLS", 60)
    given = to_prices("stocks", random_walk(2, pd.bdate_range("2019-06-03", periods=500), SYMBOLS))
    with pytest.raises(DataError, match=f"of AA on {given.dates[1]} is"):
        check(given, step(peeking))


def test_filling_a_gap_from_behind_is_found() -> None:
    def filled(sheet: Sheet) -> Sheet:
        ahead = pd.DataFrame(sheet["close"]).bfill().to_numpy()
        known = np.where(np.isnan(sheet["close"]), 0.0, 1.0) * np.where(np.isnan(ahead), 0.5, 1.0)
        later = np.concatenate([np.isnan(sheet["close"])[1:], np.zeros((1, sheet["close"].shape[1]), bool)])
        return sheet.derive(returns=sheet["returns"] * known * np.where(later, 0.9, 1.0))

    with pytest.raises(DataError, match="looks ahead"):
        check(prices(3), step(filled))


def test_a_step_that_answers_by_chance_is_refused() -> None:
    rng = np.random.default_rng(0)

    def noisy(sheet: Sheet) -> Sheet:
        return sheet.derive(returns=sheet["returns"] * rng.uniform(0.9, 1.1))

    with pytest.raises(DataError, match="looks ahead"):
        check(prices(4), step(noisy))


def test_a_panel_s_own_check_is_of_the_steps_beneath_it_too() -> None:
    given = random_walk(5, pd.bdate_range("2019-06-03", periods=300), SYMBOLS)
    for panel, leaks in (("averaged", True), ({"name": "averaged", "before": 2}, False), ("peeking", True)):
        opened = open_panel(given, panel=panel)["returns"].map_partitions(lambda sheet: sheet)
        if leaks:
            with pytest.raises(DataError, match="looks ahead|needs more"):
                opened.check_causal(3)
        else:
            opened.check_causal(3)
