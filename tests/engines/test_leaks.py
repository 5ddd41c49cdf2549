"""Eight planted leaks: the detector reports each of them, and passes the honest run beside it.

A leak is planted where such leaks live: in the preparation of the prices, in the choice of the universe, or in an
estimator that reaches for rows its window does not hold.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.data.prices import Prices
from metabt.estimators import registry
from tests.shared import panels
from tests.shared.leak_detector import Data, first_difference

LEAF = {"dataset": "stocks", "universe": panels.STOCKS, "schedule": {"every": 4}, "lookback": 15}
CUT = "2021-04-23"
"""A Friday in the middle of the panel, with decisions before and after it in the same year."""


@pytest.fixture(autouse=True)
def leaky_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the leaky estimators."""
    optimizers = {
        "end_of_sample": "tests.shared.leaky_estimators:EndOfSample",
        "centred": "tests.shared.leaky_estimators:Centred",
        "one_more": "tests.shared.leaky_estimators:OneMore",
        "full_sample_scaling": "tests.shared.leaky_estimators:FullSampleScaling",
    }
    monkeypatch.setattr(registry, "OPTIMIZERS", {**registry.OPTIMIZERS, **optimizers})
    selectors = {"most_traded": "tests.shared.leaky_estimators:MostTraded"}
    monkeypatch.setattr(registry, "SELECTORS", {**registry.SELECTORS, **selectors})


def leaf(**changes: object) -> dict:
    return {"name": "root", **LEAF, "optimizer": "inverse_volatility", **changes}


def meta(optimizer: object) -> dict:
    halves = {"first": panels.STOCKS[:2], "second": panels.STOCKS[2:]}
    sleeves = {name: {**LEAF, "universe": half} for name, half in halves.items()}
    return {"name": "root", "optimizer": optimizer, "schedule": {"every": 4}, "lookback": 12, "sleeves": sleeves}


def prepared(prepare: Callable[[pd.DataFrame], pd.DataFrame], tree: dict) -> Callable[[Data], object]:
    """Return a run whose prices go through `prepare` first."""
    return lambda prices: metabt.backtest(tree, {name: prepare(frame) for name, frame in prices.items()})


def as_given(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


def scaled(frame: pd.DataFrame) -> pd.DataFrame:
    """Return prices whose returns have the same volatility over the whole sample."""
    returns = frame.pct_change(fill_method=None)
    return 100 * (1 + 0.01 * returns / returns.std()).fillna(1.0).cumprod()


def holed() -> dict[str, pd.DataFrame]:
    """Return stocks of which one has no price around the cut."""
    prices = panels.stocks(3)
    prices.loc["2021-04-20":"2021-05-04", "BB"] = np.nan
    return {"stocks": prices}


def test_backward_fill() -> None:
    tree = leaf(min_coverage=0.5)
    assert first_difference(prepared(as_given, tree), holed(), CUT) is None
    assert first_difference(prepared(pd.DataFrame.bfill, tree), holed(), CUT)


def test_shift_by_minus_one() -> None:
    prices = {"stocks": panels.stocks(3)}
    assert first_difference(prepared(lambda frame: frame.shift(1), leaf()), prices, CUT) is None
    assert first_difference(prepared(lambda frame: frame.shift(-1), leaf()), prices, CUT)


@pytest.mark.parametrize("tree", [leaf(optimizer={"name": "full_sample_scaling", "leak": True}), leaf()])
def test_full_sample_scaling(tree: dict) -> None:
    prices = {"stocks": panels.stocks(3)}
    honest = leaf(optimizer={"name": "full_sample_scaling", "leak": False})
    assert first_difference(prepared(as_given, honest), prices, CUT) is None
    assert first_difference(prepared(scaled if tree == leaf() else as_given, tree), prices, CUT)


@pytest.mark.parametrize("name", ["end_of_sample", "centred"])
@pytest.mark.parametrize("build", [lambda optimizer: leaf(optimizer=optimizer), meta])
def test_end_of_sample_covariance_and_centred_window(name: str, build: Callable[[object], dict]) -> None:
    prices = {"stocks": panels.stocks(3)}
    assert first_difference(prepared(as_given, build({"name": name, "leak": False})), prices, CUT) is None
    found = first_difference(prepared(as_given, build({"name": name, "leak": True})), prices, CUT)
    assert found and "decisions" in found


def test_stream_including_the_next_session() -> None:
    prices = {"stocks": panels.stocks(3)}
    cut = str(decision_before(meta("min_variance"), prices, CUT).date())  # its T+1 is the first session after the cut
    assert first_difference(prepared(as_given, meta({"name": "one_more", "leak": False})), prices, cut) is None
    found = first_difference(prepared(as_given, meta({"name": "one_more", "leak": True})), prices, cut)
    assert found and f"date {cut}" in found


def decision_before(tree: dict, prices: Data, day: str) -> pd.Timestamp:
    """Return the root's newest decision date at or before `day`."""
    dates = pd.DatetimeIndex(metabt.backtest(tree, prices).decisions()["date"])
    return dates[dates <= day].max()


def test_survivor_universe() -> None:
    prices = panels.stocks(3)
    prices.loc["2021-05-05":, "CC"] = np.nan

    def survivors(data: Data) -> object:
        last = data["stocks"].iloc[-1]
        return metabt.backtest(leaf(universe=sorted(last.dropna().index)), data)

    everyone = prepared(as_given, leaf())
    assert first_difference(everyone, {"stocks": prices}, CUT) is None
    assert first_difference(survivors, {"stocks": prices}, CUT)


def test_later_volume() -> None:
    frame = panels.stocks(3)
    volume = np.random.default_rng(5).lognormal(10, 0.7, frame.shape)
    dates = frame.index.to_numpy().astype("datetime64[D]")
    prices = {"stocks": Prices("stocks", dates, tuple(frame.columns), frame.to_numpy().copy(), volume)}

    def run(leak: bool) -> Callable[[Data], object]:
        return lambda data: metabt.backtest(leaf(selector={"name": "most_traded", "leak": leak}), data)

    assert first_difference(run(leak=False), prices, CUT) is None
    found = first_difference(run(leak=True), prices, CUT)
    assert found and "decisions" in found


def test_the_honest_selectors_that_read_volume_pass() -> None:
    frame = panels.stocks(3)
    volume = np.random.default_rng(5).lognormal(10, 0.7, frame.shape)
    dates = frame.index.to_numpy().astype("datetime64[D]")
    prices = {"stocks": Prices("stocks", dates, tuple(frame.columns), frame.to_numpy().copy(), volume)}
    tree = leaf(selector={"name": "log_mps", "top": 1}, lookback=30)
    assert first_difference(lambda data: metabt.backtest(tree, data), prices, CUT) is None
