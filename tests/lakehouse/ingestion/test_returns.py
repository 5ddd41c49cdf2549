"""Returns are told from prices, and compounded where the caller says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import metabt
from metabt.errors import ConfigError, DataError
from metabt.lakehouse import attach, ingest, load_prices
from metabt.lakehouse.ingestion.ingestion import restate
from metabt.lakehouse.ingestion.options import Options
from tests.lakehouse.conftest import state, wide

PRICES = wide(60)
MOVES = PRICES.pct_change()[1:]
RETURNS = Options(returns=True)


def stored(lake: Path) -> pd.DataFrame:
    with attach(lake, read_only=True) as con:
        found = load_prices(con, {"d": None})["d"]
    return pd.DataFrame(found.close, pd.DatetimeIndex(found.dates), list(found.symbols))


@pytest.mark.parametrize("scale", [1, 100])
def test_returns_are_recognised(fresh: Path, scale: int) -> None:
    told = "returns=True, percent=True" if scale == 100 else "returns=True$"
    with pytest.raises(DataError, match=rf"look like returns, not prices: \d+ of 177 are negative.*say {told}"):
        ingest(fresh, "d", MOVES * scale)


def test_small_positive_returns_are_recognised(fresh: Path) -> None:
    cash = pd.DataFrame({"RF": np.random.default_rng(1).uniform(0, 2e-4, 60)}, PRICES.index)
    with pytest.raises(DataError, match=r"look like returns, not prices: 0 of 60 are negative"):
        ingest(fresh, "d", cash)


@pytest.mark.parametrize("price", [0.00001, 0.05, 37000.0])
def test_prices_of_any_size_are_no_returns(fresh: Path, price: float) -> None:
    ingest(fresh, "d", PRICES / 100 * price)


@pytest.mark.parametrize("percent", [False, True])
def test_compounded_returns_give_the_returns_back(fresh: Path, percent: bool) -> None:
    ingest(fresh, "d", MOVES * (100 if percent else 1), Options(returns=True, percent=percent))
    found = stored(fresh)
    assert found.iloc[0].tolist() == [100.0] * 3 and found.index[0] == PRICES.index[0]
    np.testing.assert_allclose(found[1:].to_numpy(), 100 * (1 + MOVES).cumprod().to_numpy(), rtol=1e-13)


def test_a_first_row_without_returns_is_where_prices_begin(fresh: Path) -> None:
    ingest(fresh, "d", PRICES.pct_change().reset_index(), RETURNS)
    assert stored(fresh).index[0] == PRICES.index[0]


def test_later_symbols_begin_a_row_before_their_first_return(fresh: Path) -> None:
    moves = MOVES.copy()
    moves.iloc[:20, 1] = np.nan
    moves.iloc[30:33, 2] = np.nan
    ingest(fresh, "d", moves, RETURNS)
    found = stored(fresh)
    assert found["BB"].first_valid_index() == moves.index[19] and found["BB"].dropna().iloc[0] == 100.0
    np.testing.assert_allclose(found["CC"].dropna()[1:], 100 * (1 + moves["CC"].dropna()).cumprod(), rtol=1e-13)


def test_later_files_go_on_from_what_is_stored_to_the_bit(fresh: Path) -> None:
    ingest(fresh, "d", MOVES[:40], RETURNS)
    report = ingest(fresh, "d", MOVES[30:], RETURNS)
    assert (report.changed, report.unchanged, report.added) == (0, 30, 57)
    np.testing.assert_allclose(stored(fresh)[1:].to_numpy(), 100 * (1 + MOVES).cumprod().to_numpy(), rtol=1e-13)
    before = state(fresh)
    ingest(fresh, "d", MOVES, RETURNS)
    assert state(fresh) == before


def test_a_dataset_remembers_that_it_is_made_of_returns(fresh: Path) -> None:
    """Whatever would take its levels for closes is refused, with the reason: raw prices, actions, sizes."""
    ingest(fresh, "d", MOVES, RETURNS)
    ingest(fresh, "raw", PRICES, Options(adjusted=False))
    with pytest.raises(ConfigError, match="'d' is made of returns, .*not raw; ingest raw closes"):
        restate(fresh, "d", adjusted=False)
    with pytest.raises(DataError, match="'d' is made of returns, .*would count twice; leave them out"):
        split = pd.DataFrame({"asset": ["AA"], "ex_date": ["2019-11-01"], "kind": ["split"], "ratio": [2.0]})
        metabt.ingest(split, dataset="d", lakehouse=fresh, table="actions")
    with pytest.raises(DataError, match="its stored prices are raw, and returns have dividends.*of their own"):
        ingest(fresh, "raw", MOVES, RETURNS)
    ingest(fresh, "d", PRICES[-1:] * 2)  # a price among them does not make them closes
    rules = {"min_price": {"min_price": 5}, "largest": {"largest": 2, "by": "close"}}
    for key, universe in rules.items():
        with pytest.raises(ConfigError, match=rf"universe.{key} is of the size of prices, .* compounded from 100"):
            metabt.backtest({"name": "x", "dataset": "d", "lookback": 5, "universe": universe}, fresh)
    counted = {"name": "x", "dataset": "d", "lookback": 5, "schedule": "weekly", "universe": {"min_prices": 9}}
    assert len(metabt.backtest(counted, fresh).returns())


def test_the_first_return_of_a_file_is_earned(fresh: Path) -> None:
    """Its level is on the weekday before; a signal of that day, traded at its close, earns every return of the file."""
    ingest(fresh, "d", MOVES[["AA"]], RETURNS)
    held = pd.DataFrame({"AA": [1.0]}, [PRICES.index[0]])
    metabt.ingest(held, dataset="d", lakehouse=fresh, table="signals", name="all")
    found = metabt.backtest({"name": "x", "dataset": "d", "signal": "all", "lag": 0}, fresh).returns()["gross"]
    assert list(found.index) == list(MOVES.index)
    np.testing.assert_allclose(found, MOVES["AA"], rtol=0, atol=1e-13)


def test_what_is_no_return_is_refused(fresh: Path) -> None:
    bad = MOVES.copy()
    bad.iloc[3, 1] = -1.0
    with pytest.raises(DataError, match=r"BB on .*: return -1 is not above -1 and finite"):
        ingest(fresh, "d", bad, RETURNS)
    with pytest.raises(
        DataError, match=r"half of the returns are above .*percent, or prices.*returns=True, percent=True"
    ):
        ingest(fresh, "d", MOVES * 100, RETURNS)
    with pytest.raises(DataError, match=r"even in percent: they look like prices"):
        ingest(fresh, "d", PRICES, Options(returns=True, percent=True))
    with pytest.raises(ConfigError, match="percent is of returns; say returns too"):
        Options(percent=True)


def test_a_sign_of_percent_is_read_where_percent_is_said(fresh: Path, tmp_path: Path) -> None:
    (MOVES * 100).map("{:.4f}%".format).to_csv(tmp_path / "r.csv")
    ingest(fresh, "d", tmp_path / "r.csv", Options(returns=True, percent=True))
    expected = 100 * (1 + MOVES.round(6)).cumprod()
    np.testing.assert_allclose(stored(fresh)[1:], expected, rtol=1e-12)


@pytest.mark.parametrize("missing", [-99.99, -999.0])
def test_what_stands_for_a_missing_return_is_no_loss(fresh: Path, missing: float) -> None:
    moves = (MOVES * 100).round(2)
    moves.iloc[:5, 0] = missing
    with pytest.raises(DataError, match=f"5 returns are {missing:g}, which data libraries write where there is none"):
        ingest(fresh, "d", moves, Options(returns=True, percent=True))


@settings(max_examples=8, deadline=None)
@given(rows=st.sets(st.integers(1, 58), min_size=1, max_size=6), late=st.booleans())
def test_a_corrected_return_is_the_only_one_that_changes(
    tmp_path_factory: pytest.TempPathFactory, rows: set[int], late: bool
) -> None:
    """Others keep theirs, and closes before it all their bits; with `late`, a missing date comes in as well."""
    lake, expected = tmp_path_factory.mktemp("corrected") / "lake", MOVES.copy()
    first = MOVES.drop(MOVES.index[20]) if late else MOVES
    ingest(lake, "d", first, RETURNS)
    held = stored(lake)
    own = sorted(rows | ({20} if late else set()))
    expected.iloc[own, 0] = expected.iloc[own, 0] / 2 + 0.01
    if late:
        expected.iloc[20, 1:] = np.nan
    ingest(lake, "d", expected.iloc[own, :1], RETURNS)
    found = stored(lake)
    wanted = 100 * (1 + expected["AA"]).cumprod()
    np.testing.assert_allclose(found["AA"][1:], wanted, rtol=1e-12)
    same = found.index[found.index < MOVES.index[own[0]]]
    assert found["AA"][same].tolist() == held["AA"][same].tolist()
    assert found["BB"].dropna().tolist() == held["BB"].dropna().tolist()
