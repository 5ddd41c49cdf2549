"""Dividends and splits beside raw bars are actions, and closes that are adjusted already are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.errors import ConfigError, DataError
from metabt.lakehouse import attach, load_point_in_time
from metabt.lakehouse.ingestion.ingestion import restate
from metabt.values.tables import texts
from tests.lakehouse.conftest import wide

FRAME = wide(60)
DAY = FRAME.index


def bars(symbol: str, *, jumps: bool = True) -> pd.DataFrame:
    """Return bars as yfinance has them: a dividend on day 10, a split of 4:1 on day 30."""
    close = FRAME[symbol].copy()
    if jumps:
        close[30:] /= 4.0
    found = pd.DataFrame({"Open": close, "High": close, "Low": close, "Close": close, "Adj Close": close / 2}, DAY)
    found = found.assign(Volume=5, Dividends=0.0, **{"Stock Splits": 0.0})
    found.loc[DAY[10], "Dividends"], found.loc[DAY[30], "Stock Splits"] = 0.5, 4.0
    return found.rename_axis("Date")


def actions(lake: Path) -> list[tuple[str, str, str, float, float]]:
    with attach(lake, read_only=True) as con:
        table = load_point_in_time(con, ["d"])["d"].tables["actions"]
    numbers = [np.nan_to_num(table.numbers(name), nan=-1.0) for name in ("ratio", "cash")]
    rows = zip(texts(table.texts("asset")), table.numbers("ex_date"), texts(table.texts("kind")), *numbers, strict=True)
    return [(asset, str(day), kind, float(ratio), float(cash)) for asset, day, kind, ratio, cash in rows]


def shapes() -> dict[str, tuple[object, dict[str, object]]]:
    """Return the shapes in which bars come, and what is said of them."""
    both = {symbol: bars(symbol) for symbol in ("AA", "BB")}
    long = pd.concat([frame.assign(Ticker=symbol).reset_index() for symbol, frame in both.items()])
    return {
        "one asset": (both["AA"], {"symbol_name": "AA"}),
        "long": (long, {}),
        "two levels": (pd.concat(both, axis=1).swaplevel(axis=1), {}),
    }


@pytest.mark.parametrize("shape", ["one asset", "long", "two levels"])
def test_what_stands_beside_bars_becomes_actions(tmp_path: Path, shape: str) -> None:
    frame, said = shapes()[shape]
    symbols = ["AA"] if shape == "one asset" else ["AA", "BB"]
    report = metabt.ingest(frame, dataset="d", lakehouse=tmp_path, adjusted=False, **said)
    wanted = [
        row
        for symbol in symbols
        for row in (
            (symbol, str(DAY[10].date()), "cash", -1.0, 0.5),
            (symbol, str(DAY[30].date()), "split", 4.0, -1.0),
        )
    ]
    assert actions(tmp_path) == wanted
    assert f"{len(wanted)} actions added" in str(report)
    with attach(tmp_path, read_only=True) as con:
        closes = con.execute("SELECT close FROM prices WHERE symbol = 'AA' ORDER BY date").fetchnumpy()["close"]
        assert con.execute("FROM checks").fetchall() == []  # the split explains the jump
    np.testing.assert_array_equal(closes, bars("AA")["Close"])
    again = metabt.ingest(frame, dataset="d", lakehouse=tmp_path, adjusted=False, **said)
    assert "Nothing new" in str(again) and "0 actions added, 0 changed" in str(again)


def test_files_of_a_folder_bring_their_actions(tmp_path: Path) -> None:
    (tmp_path / "bars").mkdir()
    for symbol in ("AA", "BB"):
        bars(symbol).to_csv(tmp_path / "bars" / f"{symbol}.csv")
    metabt.ingest(tmp_path / "bars", dataset="d", lakehouse=tmp_path / "lake", adjusted=False)
    assert [row[0] for row in actions(tmp_path / "lake")] == ["AA", "AA", "BB", "BB"]


def test_prices_without_a_word_are_what_they_were(tmp_path: Path) -> None:
    report = metabt.ingest(bars("AA"), dataset="d", lakehouse=tmp_path, symbol_name="AA")
    assert "'Adj Close' is the price" in str(report) and "left out: Open, High, Low, Close, Dividends" in str(report)
    with attach(tmp_path, read_only=True) as con:
        assert not load_point_in_time(con, ["d"])["d"]


def test_closes_that_are_adjusted_for_splits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"AA on .*: a split of 4 .*as those of Yahoo are.*delete the column of splits"):
        metabt.ingest(bars("AA", jumps=False), dataset="d", lakehouse=tmp_path, adjusted=False, symbol_name="AA")
    rest = bars("AA", jumps=False).drop(columns="Stock Splits")
    metabt.ingest(rest, dataset="d", lakehouse=tmp_path, adjusted=False, symbol_name="AA")
    assert [row[2] for row in actions(tmp_path)] == ["cash"]


def test_raw_and_adjusted_closes_are_not_mixed(tmp_path: Path) -> None:
    metabt.ingest(bars("AA"), dataset="d", lakehouse=tmp_path, adjusted=False, symbol_name="AA")
    with pytest.raises(DataError, match="its stored prices are raw, and column 'Adj Close' .*say adjusted=False"):
        metabt.ingest(bars("BB"), dataset="d", lakehouse=tmp_path, symbol_name="BB")
    only = bars("BB")[["Adj Close"]]
    with pytest.raises(DataError, match="'Adj Close' is an adjusted close, and the prices are said to be raw"):
        metabt.ingest(only, dataset="d", lakehouse=tmp_path, symbol_name="BB", adjusted=False)
    with pytest.raises(ConfigError, match="returns contain dividends and splits already; leave adjusted out"):
        metabt.ingest(FRAME.pct_change()[1:], dataset="r", lakehouse=tmp_path, returns=True, adjusted=False)
    metabt.ingest(FRAME, dataset="f", lakehouse=tmp_path)
    assert restate(tmp_path, "f", adjusted=False).endswith("none, prices not adjusted")
    assert restate(tmp_path, "f", adjusted=True).endswith("returns: none")
