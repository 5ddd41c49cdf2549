"""Prices by asset: against a naive look-up of every cell, in parts, and addressed by what they are made of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabt.data.dataset import Dataset
from metabt.data.point_in_time.asset_prices import by_asset
from metabt.data.point_in_time.lives import EVER, Lives
from metabt.data.point_in_time.with_events import with_events
from metabt.data.prices import Prices
from tests.data.point_in_time.rows import stored, table, tables

Row = dict[str, object]
START = np.datetime64("2018-10-01")
FIELDS = ("close", "returns", "volume")


def market(seed: int) -> tuple[Prices, list[Row], tuple[str, ...]]:
    """Return random prices of tickers P to T with gaps over five years, lives of assets under P to S, and assets."""
    rng = np.random.default_rng(seed)
    days = START + np.sort(rng.choice(1500, 260, replace=False))
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.03, (len(days), 5)), axis=0))
    close[rng.random(close.shape) < rng.choice([0.1, 0.6, 0.9])] = np.nan
    volume = np.where(np.isnan(close), np.nan, rng.integers(1, 99, close.shape).astype(float))
    seen = ~np.isnan(close).all(axis=1)
    prices = Prices("m", days[seen], tuple("PQRST"), close[seen], volume[seen])
    cuts = [0, *np.sort(rng.choice(np.arange(1, 1500), rng.integers(1, 7), replace=False)).tolist(), 1500]
    if rng.random() < 0.5:  # a year that begins with a rename
        cuts = sorted({*cuts, int((np.datetime64("2020-01-01") - START).astype(int))})
    rows: list[Row] = []
    holder: dict[str, tuple[str, Row]] = {}  # ticker -> its asset and row
    for start, stop in zip(cuts[:-1], cuts[1:], strict=True):
        holders = rng.permutation(list("abcde")).tolist()[:4]
        named = dict(zip(rng.permutation(list("PQRS")).tolist(), holders, strict=True))
        named = {ticker: asset for ticker, asset in named.items() if rng.random() < 0.7}
        now: dict[str, tuple[str, Row]] = {}
        for ticker, asset in named.items():
            known = holder.get(ticker)
            kept = known is not None and rng.random() < 0.6 and known[0] not in named.values()
            now[ticker] = known if kept and known else (asset, {})
        holder = {}
        for ticker, (asset, row) in now.items():
            if asset in {it for it, _ in holder.values()}:
                continue
            if not row:
                row |= {"asset": asset, "symbol": ticker, "first_date": START + start, "known_at": START + start}
                rows.append(row)
            row["last_date"] = START + stop - 1
            holder[ticker] = (asset, row)
    for _, row in holder.values():
        row["last_date"] = np.datetime64("NaT")  # it lives on
    assets = tuple(sorted({str(row["asset"]) for row in rows} | {"T"} | set("PQRS") - {str(r["symbol"]) for r in rows}))
    return prices, rows, assets


def looked_up(prices: Prices, rows: list[Row], assets: tuple[str, ...], field: str) -> np.ndarray:
    """Return each cell of a field, found by looking through all rows."""
    values = getattr(prices, field)
    found = np.full((len(prices.dates), len(assets)), np.nan)
    named = {str(row["symbol"]) for row in rows}
    for t, day in enumerate(prices.dates):
        for column, asset in enumerate(assets):
            own = [asset] if asset in prices.symbols and asset not in named else []
            for row in rows:
                is_over = not np.isnat(row["last_date"]) and day > row["last_date"]
                if row["asset"] == asset and row["first_date"] <= day and not is_over:
                    own.append(str(row["symbol"]))
            for symbol in own:
                found[t, column] = values[t, prices.symbols.index(symbol)]
    return found


@given(st.integers(0, 100_000))
def test_an_assets_prices_are_those_of_the_symbol_that_it_has(seed: int) -> None:
    prices, rows, assets = market(seed)
    known = tables(assets=rows)
    assert Lives.of(prices.symbols, known.tables.get("assets")).assets_of(prices.symbols) == assets
    found = by_asset(Dataset.of(prices, known), assets)
    np.testing.assert_array_equal(found.prices.close, looked_up(prices, rows, assets, "close"))
    np.testing.assert_array_equal(found.prices.volume, looked_up(prices, rows, assets, "volume"))
    np.testing.assert_array_equal(found.facts.dates, prices.dates)  # the calendar stays


@given(st.integers(0, 100_000), st.data())
def test_parts_have_the_bits_of_the_whole_whatever_a_symbol_was_since(seed: int, data: st.DataObject) -> None:
    prices, rows, assets = market(seed)
    known = tables(assets=rows)
    whole = Prices("m", prices.dates, assets, looked_up(prices, rows, assets, "close"))
    found = by_asset(stored(prices, known), assets)
    some = tuple(sorted(data.draw(st.sets(st.sampled_from(assets), min_size=1))))
    columns = whole.columns(some)
    parts = list(found.facts.partitions.values())
    first = data.draw(st.integers(0, len(parts) - 1))
    last = data.draw(st.integers(first, len(parts) - 1))
    span = slice(parts[first].start, parts[last].stop)
    part = found.part(span, some, FIELDS)()
    assert part.symbols == some
    for what in ("close", "returns", "observed", "last"):
        np.testing.assert_array_equal(getattr(part, what), getattr(whole, what)[span][:, columns], err_msg=what)
    if span.start:
        for asset, entry, entered in zip(some, part.entry, part.entered, strict=True):
            before = np.flatnonzero(~np.isnan(whole.close[: span.start, assets.index(asset)]))
            assert np.isnat(entered) == (not len(before))
            if len(before):
                assert entered == whole.dates[before[-1]]
                assert entry == whole.close[before[-1], assets.index(asset)]


@given(st.integers(0, 100_000), st.data())
def test_what_changes_in_a_cell_is_addressed_anew(seed: int, data: st.DataObject) -> None:
    """Another row of assets or another price changes every cell whose contents it changes, and no stranger's."""
    prices, rows, _ = market(seed)
    close, others = prices.close.copy(), [dict(row) for row in rows]
    touched: set[str]
    if data.draw(st.booleans()) and rows:
        place = data.draw(st.integers(0, len(rows) - 1))
        row = others.pop(place)
        touched = {str(row["asset"])}
        if data.draw(st.booleans()):  # shortened
            length = data.draw(st.integers(1, 400))
            name = data.draw(st.sampled_from(["first_date", "last_date"]))
            moved = row["first_date"] + length
            if np.isnat(row["last_date"]) or moved <= row["last_date"]:
                others.append(row | {name: moved})
    else:
        t, column = data.draw(st.sampled_from(np.argwhere(~np.isnan(close)).tolist()))
        close[t, column] = data.draw(st.sampled_from([np.nan, 7.0]))
        symbol = prices.symbols[column]
        touched = {str(row["asset"]) for row in rows if row["symbol"] == symbol} | {symbol}
        if np.isnan(close[t]).all():
            return  # the calendar would be another one
    other = Prices("m", prices.dates, prices.symbols, close, np.where(np.isnan(close), np.nan, prices.volume))
    assets = tuple(sorted({*"abcdePQRST"}))
    here, there = (
        by_asset(stored(panel, tables(assets=own)), assets) for panel, own in ((prices, rows), (other, others))
    )
    differing = {
        cell
        for cell in here.facts.digests.keys() | there.facts.digests.keys()
        if here.facts.digests.get(cell) != there.facts.digests.get(cell)
    }
    freed = {str(row["symbol"]) for row in rows}  # a symbol without any life is an asset of its own name
    assert {asset for asset, _, _ in differing} <= touched | freed
    for label, part in here.facts.partitions.items():
        one, two = (it.part(part, assets, FIELDS)() for it in (here, there))
        for column, asset in enumerate(assets):
            seen = [~np.isnan(it.close[:, column]) for it in (one, two)]
            moved = any(
                not np.array_equal(a[:, column], b[:, column], equal_nan=True)
                for a, b in ((one.close, two.close), (one.returns, two.returns))
            )
            assert not (moved and (seen[0] | seen[1]).any()) or (asset, label, "close") in differing


def test_a_rename_keeps_the_digests_of_years_that_have_one_symbol() -> None:
    days = np.arange("2018-01-01", "2022-01-01", 7, dtype="datetime64[D]")
    old, new = np.full(len(days), 10.0), np.full(len(days), 20.0)
    old[days >= np.datetime64("2020-06-01")] = np.nan
    new[days < np.datetime64("2020-06-01")] = np.nan
    prices = Prices("m", days, ("FB", "META"), np.column_stack([old, new]))
    life = [
        {"asset": "META", "symbol": "FB", "first_date": "2012-05-18", "last_date": "2020-05-31"},
        {"asset": "META", "symbol": "META", "first_date": "2020-06-01"},
    ]
    plain = Dataset.of(prices).facts.digests
    found = by_asset(Dataset.of(prices, tables(assets=life)), ("META",)).facts.digests
    assert found["META", "2018", "close"] == plain["FB", "2018", "close"]
    assert found["META", "2019", "close"] == plain["FB", "2019", "close"]
    assert found["META", "2020", "close"] not in plain.values()
    # the price that it enters with is the one of before, until the year is whole
    assert found["META", "2021", "close"] not in plain.values()
    assert set(found) == {("META", year, "close") for year in ("2018", "2019", "2020", "2021")}


def test_without_the_table_nothing_changes() -> None:
    prices, _, _ = market(1)
    own = stored(prices, tables(delistings=[{"asset": "P", "date": "2022-01-01", "return": -0.5}]))
    assert by_asset(own, prices.symbols) is own


def test_a_row_known_later_replaces_the_one_of_the_same_first_date() -> None:
    rows = [
        {"asset": "a", "symbol": "P", "first_date": "2018-01-01", "known_at": "2018-01-01"},
        {"asset": "a", "symbol": "P", "first_date": "2018-01-01", "last_date": "2019-01-31", "known_at": "2019-02-01"},
    ]
    lives = Lives.of(("P", "Q"), table("assets", rows))
    assert (lives.asset, lives.symbol) == (("a", "Q"), ("P", "Q"))
    assert lives.last.tolist() == [np.datetime64("2019-01-31").item(), EVER[1].item()]
    assert lives.newest_assets() == {"P": "a", "Q": "Q"}


@given(st.integers(0, 100_000))
def test_events_are_of_assets(seed: int) -> None:
    """Actions and delistings above renamed prices are those above prices that bear the assets' names."""
    prices, rows, assets = market(seed)
    rng = np.random.default_rng(seed)
    close = looked_up(prices, rows, assets, "close")
    actions = [
        {"asset": str(rng.choice(assets)), "ex_date": START + int(day), "kind": "split", "ratio": 2.0}
        for day in np.unique(rng.integers(0, 1500, 8))
    ]
    priced = [it for it in range(len(assets)) if not np.isnan(close[:, it]).all()]
    gone = []
    for column in priced[::2]:
        last = prices.dates[np.flatnonzero(~np.isnan(close[:, column]))[-1]]
        gone.append({"asset": assets[column], "date": last + int(rng.integers(0, 500)), "return": -0.5})
        gone[-1]["kind"] = "performance"
    named = Prices("m", prices.dates, assets, close)
    expected = with_events(Dataset.of(named, tables(actions=actions, delistings=gone)), assets).prices
    known = tables(actions=actions, delistings=gone, assets=rows)
    whole = with_events(by_asset(Dataset.of(prices, known), assets), assets)
    parts = with_events(by_asset(stored(prices, known), assets), assets)
    for what in ("close", "returns", "observed"):
        np.testing.assert_array_equal(getattr(whole.prices, what), getattr(expected, what), err_msg=what)
        for part in parts.facts.partitions.values():
            found = parts.part(part, assets, FIELDS)()
            np.testing.assert_array_equal(getattr(found, what), getattr(expected, what)[part], err_msg=what)
    assert whole.facts.digests == parts.facts.digests


@pytest.mark.parametrize("seed", range(3))
def test_digests_of_years_do_not_change_with_what_comes_later(seed: int) -> None:
    """Neither with prices and lives of later years, nor with the end of a life that a later year brings."""
    prices, rows, _ = market(seed)
    cut = int(np.searchsorted(prices.dates, np.datetime64("2021-01-01")))
    before = [row for row in rows if row["first_date"] < np.datetime64("2021-01-01")]
    opened = [
        row | {"last_date": np.datetime64("NaT")} if row["last_date"] >= np.datetime64("2021-01-01") else row
        for row in before
    ]
    assets = tuple("abcde")
    early = by_asset(stored(prices.rows(slice(0, cut)), tables(assets=opened)), assets).facts.digests
    late = by_asset(stored(prices, tables(assets=rows)), assets).facts.digests
    assert early == {cell: text for cell, text in late.items() if cell[1] < "2021"}


def digests(symbols: str, closes: dict[str, dict[int, float]], rows: list[Row]) -> dict[int, str]:
    """Return the digests of the closes of asset a by year, of prices by symbol, 30-day period and value."""
    days = np.arange("2018-01-01", "2021-01-01", 30, dtype="datetime64[D]")
    close = np.full((len(days), len(symbols) + 1), np.nan)
    close[:, -1] = 1.0  # whatever has a price in every session
    for symbol, values in closes.items():
        for row, value in values.items():
            close[row, symbols.index(symbol)] = value
    prices = Prices("m", days, (*symbols, "Z"), close)
    found = by_asset(stored(prices, tables(assets=rows)), ("a",)).facts.digests
    return {int(label): text for _, label, _ in found if (text := found["a", label, "close"])}


def test_a_price_from_before_a_life_is_no_price_of_it() -> None:
    closes = {"P": {1: 10.0, 30: 12.0, 31: 13.0}}  # of 2018 and 2020
    late, early = (
        digests("P", closes, [{"asset": "a", "symbol": "P", "first_date": first}])
        for first in ("2019-06-01", "2018-01-01")
    )
    assert set(late) == {2020} and late[2020] != early[2020]  # 2020 begins with a return, or with none


def test_the_price_that_a_year_is_entered_with_is_looked_for_until_it_is_sure_to_be_there() -> None:
    rows: list[Row] = [
        {"asset": "a", "symbol": "P", "first_date": "2018-01-01", "last_date": "2019-01-09"},
        {"asset": "a", "symbol": "Q", "first_date": "2019-01-10", "last_date": "2019-06-30"},  # without a price
        {"asset": "a", "symbol": "R", "first_date": "2019-07-01"},
    ]
    one, other = (digests("PQR", {"P": {3: x}, "Q": {22: 5.0}, "R": {30: 12.0}}, rows) for x in (10.0, 11.0))
    assert one[2018] != other[2018] and one[2020] != other[2020]
