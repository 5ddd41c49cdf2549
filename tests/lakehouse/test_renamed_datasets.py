"""A dataset of tickers with a table `assets` is one of assets, wherever it is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import metabt
from metabt.cli.main import main
from metabt.errors import ConfigError, DataError
from metabt.lakehouse.price_source import Lakehouse, source_of
from metabt.lakehouse.prices.price_changes import price_changes
from metabt.runs.last_closes import assets_held, last_closes
from tests.shared.agreement import same
from tests.shared.executors import NESTED, STOCKS, years
from tests.shared.renamed import renamed


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("renamed") / "lake"
    prices, assets = renamed(5)
    metabt.ingest(prices, dataset="stocks", lakehouse=path)
    metabt.ingest(years(5)["coins"], dataset="coins", lakehouse=path)
    metabt.ingest(assets, dataset="stocks", lakehouse=path, table="assets")
    return path


def test_a_run_is_the_one_on_prices_that_bear_the_assets_names(lake: Path) -> None:
    expected = metabt.backtest(NESTED, years(5))
    prices, assets = renamed(5)
    handed = metabt.backtest(NESTED, {**years(5), "stocks": prices}, tables={"stocks": {"assets": assets}})
    stored = metabt.backtest(NESTED, lake, engine="local")
    for found in (handed, stored):
        assert same(found.tables, expected.tables, ignoring=("stages",))
    assert handed.run_id == stored.run_id != expected.run_id


def test_a_run_in_parts_finds_its_blocks_again(lake: Path) -> None:
    """What follows from `start` is read from a later year on; a second setting finds what it shares."""
    tree = {**NESTED, "start": "2021-06-01"}
    later = metabt.backtest(tree, lake, engine="local")
    assert same(later.tables, metabt.backtest(tree, years(5)).tables, ignoring=("stages",))
    again = metabt.backtest({**tree, "optimizer": "equal"}, lake, engine="local")
    assert same(again.tables, metabt.backtest({**tree, "optimizer": "equal"}, years(5)).tables, ignoring=("stages",))
    assert again.frame("stages")["cache_hit"].any()


def test_its_symbols_are_assets_and_so_are_those_of_panels(lake: Path) -> None:
    source = Lakehouse(lake)
    assert source.symbols()["stocks"] == tuple(sorted(STOCKS))
    with pytest.raises(ConfigError, match="no symbol 'T1'"):
        source.dataset("stocks", ("T1",))
    panel = metabt.open_panel(str(lake), "stocks", [STOCKS[1]])
    expected = metabt.open_panel(years(5), "stocks", [STOCKS[1]])
    for field in ("close", "returns"):
        pd.testing.assert_frame_equal(panel.to_pandas(field), expected.to_pandas(field))


def test_an_asset_is_priced_right_under_the_ticker_that_it_has_now(lake: Path) -> None:
    source = Lakehouse(lake)
    closes = last_closes(source, {"stocks": (STOCKS[1], STOCKS[2])}, [STOCKS[3]])
    for asset in STOCKS[1:4]:
        own = years(5)["stocks"][asset].dropna()
        assert (closes[asset].price, closes[asset].date) == (own.iloc[-1], own.index[-1].date())
    # T3 was the third stock's in the first spell, and is the first's in the last one
    assert assets_held(source, ["stocks"], ["T3", STOCKS[2], "nothing"]) == {"T3": STOCKS[1]}


def test_what_is_held_under_todays_ticker_is_traded(
    lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leaf = {"name": "leaf", "dataset": "stocks", "universe": STOCKS, "optimizer": "equal", "lookback": 20}
    run = metabt.backtest(leaf, lake, engine="local")
    held = tmp_path / "mine.csv"
    told = []
    for name in ("T3", STOCKS[1]):
        held.write_text(f"symbol,shares\n{name},7\n")
        arguments = ["weights", run.run_id, "--lakehouse", str(lake), "--holdings", str(held), "--nav", "1000"]
        assert main([*arguments, "--format", "csv"]) == 0
        told.append(capsys.readouterr())
    assert told[0].out == told[1].out and f"T3 is what asset {STOCKS[1]} is called now" in told[0].err
    held.write_text(f"symbol,shares\nT3,7\n{STOCKS[1]},2\n")
    assert main(["weights", run.run_id, "--lakehouse", str(lake), "--holdings", str(held), "--nav", "1000"]) == 1
    assert "held twice" in capsys.readouterr().err


def test_prices_outside_of_all_lives_are_counted(tmp_path: Path) -> None:
    prices = pd.DataFrame(
        {"X": [1.0, 2.0, 3.0], "Y": [4.0, 5.0, 6.0]}, pd.to_datetime(["2020-01-02", "2020-01-03", "2020-01-06"])
    )
    metabt.ingest(prices, dataset="d", lakehouse=tmp_path / "lake")
    assets = pd.DataFrame([{"asset": "A", "symbol": "X", "first_date": "2020-01-06"}])
    metabt.ingest(assets, dataset="d", lakehouse=tmp_path / "lake", table="assets")
    with metabt.connect(tmp_path / "lake") as con:
        rows = con.execute(
            "SELECT symbol, date::VARCHAR, value FROM checks WHERE kind = 'prices of no asset'"
        ).fetchall()
    assert rows == [("X", "2020-01-02", 2.0)]
    assert Lakehouse(tmp_path / "lake").symbols() == {"d": ("A", "Y")}
    close = metabt.open_panel(str(tmp_path / "lake")).to_pandas("close")
    np.testing.assert_array_equal(close.to_numpy(), [[np.nan, 4.0], [np.nan, 5.0], [3.0, 6.0]])


def test_tables_in_memory_speak_of_assets() -> None:
    prices, assets = renamed(5)
    members = pd.DataFrame([{"universe": "u", "asset": STOCKS[2], "first_date": prices.index[0]}])
    source = source_of(prices, tables={"assets": assets, "members": members})
    assert source.members()["prices"] == {"u": (STOCKS[2],)}
    with pytest.raises(DataError, match="prices of none of its assets, such as 'T1'"):
        source_of(prices, tables={"assets": assets, "members": members.assign(asset="T1")})


def test_the_close_of_an_asset_that_ends_while_its_ticker_goes_on_is_its_own(tmp_path: Path) -> None:
    """In the year of its end the ticker has prices, which are another asset's."""
    days = pd.to_datetime(["2019-12-30", "2019-12-31", "2020-01-02", "2020-03-02", "2020-03-03"])
    prices = pd.DataFrame({"X": [1.0, 2.0, np.nan, 30.0, 31.0], "Z": 5.0}, days)
    rows = [("A", "X", "2019-01-01", "2020-01-31"), ("B", "X", "2020-02-01", None)]
    assets = pd.DataFrame(rows, columns=["asset", "symbol", "first_date", "last_date"])
    metabt.ingest(prices, dataset="d", lakehouse=tmp_path / "lake")
    metabt.ingest(assets, dataset="d", lakehouse=tmp_path / "lake", table="assets")
    closes = last_closes(Lakehouse(tmp_path / "lake"), {"d": ("A", "B")}, [])
    assert {name: (it.price, str(it.date)) for name, it in closes.items()} == {
        "A": (2.0, "2019-12-31"),
        "B": (31.0, "2020-03-03"),
    }


def test_a_corrected_price_of_an_old_ticker_is_named_for_the_asset_that_had_it(tmp_path: Path) -> None:
    path = tmp_path / "lake"
    days = pd.to_datetime(["2019-12-30", "2019-12-31", "2020-01-02"])
    metabt.ingest(
        pd.DataFrame({"X": [1.0, 2.0, np.nan], "Y": [np.nan, np.nan, 3.0]}, days), dataset="d", lakehouse=path
    )
    rows = [("A", "X", "2019-01-01", "2019-12-31"), ("A", "Y", "2020-01-01", None)]
    assets = pd.DataFrame(rows, columns=["asset", "symbol", "first_date", "last_date"])
    metabt.ingest(assets, dataset="d", lakehouse=path, table="assets")
    before = Lakehouse(path).snapshot
    metabt.ingest(pd.DataFrame({"X": [1.5]}, days[:1]), dataset="d", lakehouse=path)
    source = Lakehouse(path)
    (change,) = price_changes(source.connection, {"d": ("A",)}, before, source.snapshot)
    assert (change.symbol, change.field, change.dates.tolist()) == ("X", "close", [days[0].date()])
