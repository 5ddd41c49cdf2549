"""The demo market keeps its books: whoever reads its tables finds what its listings truly earned."""

from __future__ import annotations

import csv
from bisect import bisect_left
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from metabt.data.point_in_time.tables import COLUMNS, ORDER, DatedTable
from metabt.demo_market import DemoMarket, demo_market, write_market
from metabt.demo_market.market import DOLLARS, INDEX, SEED
from metabt.values.tables import Coded, texts

MADE = [name for name in COLUMNS if name not in ("signals", "schedules")]
"""Tables of a market; what somebody decides, and when, is none of it."""
SEEDS = (SEED, 1, pytest.param(2, marks=pytest.mark.slow))
NAT = np.datetime64("NaT")
Row = dict[str, object]


@cache
def market(seed: int) -> DemoMarket:
    return demo_market(seed)


@cache
def rows(seed: int, table: str) -> list[Row]:
    """Return the rows of a table as dicts; what is missing is None."""
    of: DatedTable = market(seed).tables[table]
    columns = [
        texts(column).tolist() if isinstance(column, Coded) else [None if it != it else it for it in column]
        for column in (of.columns[name] for name in COLUMNS[table])
    ]
    return [dict(zip(COLUMNS[table], values, strict=True)) for values in zip(*columns, strict=True)]


def of_asset(seed: int, table: str) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows(seed, table):
        found.setdefault(str(row["asset"]), []).append(row)
    return found


def session(of: DemoMarket, date: object) -> int:
    return int(np.searchsorted(of.dates, date))


def naive_wealth(of: DemoMarket, asset: str, actions: list[Row], delisting: Row | None) -> dict[int, float]:
    """Return what 1 has become by each session with a price, and by the end, from closes and tables alone."""
    column = of.assets.index(asset)
    close = of.close[:, column].tolist()
    seen = np.flatnonzero(~np.isnan(of.close[:, column])).tolist()
    due: dict[int, list[Row]] = {}
    for row in actions:
        at = bisect_left(seen, session(of, row["ex_date"]))
        due.setdefault(seen[at] if at < len(seen) else -1, []).append(row)
    found, wealth = {seen[0]: 1.0}, 1.0
    for before, t in zip(seen, seen[1:], strict=False):
        worth = close[t]
        for row in sorted(due.get(t, ()), key=lambda it: it["kind"] in ("split", "stock")):  # backwards: splits last
            if row["kind"] == "split":
                worth *= row["ratio"]
            elif row["kind"] == "stock":
                worth *= 1 + row["ratio"]
            elif row["kind"] == "cash":
                worth += row["cash"]
            else:
                worth += row["ratio"] * of.close[t, of.assets.index(str(row["into"]))]
        wealth *= worth / close[before]
        found[t] = wealth
    for row in due.get(-1, ()):
        t = session(of, row["ex_date"])
        shares = row["ratio"] * of.close[t, of.assets.index(str(row["into"]))] if row["into"] else 0.0
        found[t] = wealth * ((row["cash"] or 0.0) + shares) / close[seen[-1]]
    if delisting is not None:
        t, final = session(of, delisting["date"]), delisting["return"]
        found.pop(t, None)  # of an end whose return is missing nobody knows what it was worth
        if final is not None:
            found[t] = wealth * (1 if delisting["included"] else 1 + final)
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_closes_and_tables_give_the_total_return_of_every_listing(seed: int) -> None:
    of = market(seed)
    actions, delistings = of_asset(seed, "actions"), of_asset(seed, "delistings")
    apart = {}
    for column, asset in enumerate(of.assets):
        (gone,) = delistings.get(asset, [None])
        found = naive_wealth(of, asset, actions.get(asset, []), gone)
        true = of.wealth[list(found), column]
        apart[asset] = np.abs(np.array(list(found.values())) - true).max() / max(true.max(), 1.0)
        if gone is None or gone["return"] is not None:
            assert max(found) == np.flatnonzero(~np.isnan(of.wealth[:, column]))[-1]
    worst = max(apart, key=apart.__getitem__)
    assert apart[worst] <= 1e-9, (worst, apart[worst])


@pytest.mark.parametrize("seed", SEEDS)
def test_every_listing_ends_once_and_after_its_last_price(seed: int) -> None:
    of = market(seed)
    last = {asset: of.dates[np.flatnonzero(~np.isnan(of.close[:, k]))[-1]] for k, asset in enumerate(of.assets)}
    ends = [(row["asset"], row["date"], row["kind"]) for row in rows(seed, "delistings")]
    ends += [(row["asset"], row["ex_date"], "bought") for row in rows(seed, "actions") if row["kind"] == "merger"]
    assert len({asset for asset, _, _ in ends}) == len(ends)
    assert all(date >= last[asset] for asset, date, _ in ends)
    assert all(last[asset] < of.dates[-1] for asset, _, _ in ends)
    kinds = Counter(kind for _, _, kind in ends)
    kinds["nothing"] = sum(day < of.dates[-1] for day in last.values()) - len(ends)
    assert min(kinds[kind] for kind in ("performance", "merger", "unknown", "bought", "nothing")) >= 5
    stated = [row for row in rows(seed, "delistings") if row["kind"] == "performance"]
    assert {-1.0, None} < {row["return"] for row in stated} and any(row["included"] for row in stated)
    assert all(row["return"] is None or -1 <= row["return"] <= -0.2 for row in stated)
    merged = [row for row in rows(seed, "actions") if row["kind"] == "merger"]
    assert {(row["cash"] is None, row["ratio"] is None) for row in merged} == {
        (False, False),
        (True, False),
        (False, True),
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_members_are_a_hundred_after_each_review_and_leave_as_announced(seed: int) -> None:
    of, members = market(seed), [row for row in rows(seed, "members") if row["universe"] == INDEX]
    currency = {row["asset"]: row["currency"] for row in rows(seed, "assets")}
    first = {row["first_date"] for row in members}
    assert all(date == of.dates[0] or str(date)[5:7] == "07" for date in first) and len(first) > 20
    assert {currency[row["asset"]] for row in members} == {"USD"}
    stays: dict[tuple, list[Row]] = {}
    for row in members:
        stays.setdefault((row["asset"], row["first_date"]), []).append(row)
    told_late = told_ahead = 0
    for (asset, begins), known in stays.items():
        early, *replaced = sorted(known, key=lambda it: it["known_at"])
        assert early["last_date"] is None and early["known_at"] == begins and len(replaced) <= 1
        for row in replaced:
            assert row["last_date"] >= begins and row["known_at"] > early["known_at"]
            told_late += row["known_at"] > row["last_date"]
            told_ahead += row["known_at"] < row["last_date"]
        there = ~np.isnan(of.close[:, of.assets.index(asset)])
        assert there[session(of, begins) : session(of, begins) + 20].any()
    assert told_late > 10 and told_ahead > 10
    for t in sorted(first):
        inside = [s for s, k in stays.items() if s[1] <= t and (k[-1]["last_date"] is None or k[-1]["last_date"] >= t)]
        assert len(inside) == len({asset for asset, _ in inside}) == 100, t
    by_asset: dict[str, list[tuple]] = {}
    for (asset, begins), known in stays.items():
        by_asset.setdefault(asset, []).append((begins, max(known, key=lambda it: it["known_at"])["last_date"]))
    for spells in by_asset.values():
        for (_, ended), (begins, _) in zip(sorted(spells)[:-1], sorted(spells)[1:], strict=True):
            assert ended is not None and ended < begins


@pytest.mark.parametrize("seed", SEEDS)
def test_the_universe_of_dollars_has_what_is_listed_while_it_is(seed: int) -> None:
    of = market(seed)
    found = {r["asset"]: r["first_date"] for r in rows(seed, "members") if r["universe"] == DOLLARS}
    euros = {row["asset"] for row in rows(seed, "assets") if row["currency"] == "EUR"}
    assert found.keys() == set(of.assets) - euros and len(euros) == 12
    begins = {asset: of.dates[np.flatnonzero(~np.isnan(of.close[:, k]))[0]] for k, asset in enumerate(of.assets)}
    assert all(date == begins[asset] for asset, date in found.items())


@pytest.mark.parametrize("seed", SEEDS)
def test_tickers_are_lives_of_assets_some_renamed_and_one_used_twice(seed: int) -> None:
    of, lives = market(seed), rows(seed, "assets")
    tickers = Counter(row["symbol"] for row in lives)
    (twice,) = [ticker for ticker, count in tickers.items() if count == 2]
    one, other = sorted((row for row in lives if row["symbol"] == twice), key=lambda it: it["first_date"])
    assert one["last_date"] < other["first_date"] and other["asset"] == f"{twice}.2" and one["asset"] == twice
    assert sum(count == 2 for count in Counter(row["asset"] for row in lives).values()) == 8
    for asset, spells in of_asset(seed, "assets").items():
        assert spells[0]["symbol"] == asset.split(".")[0]
        seen = of.dates[~np.isnan(of.close[:, of.assets.index(asset)])]
        covered = np.zeros(len(seen), int)
        for row in spells:
            covered += (seen >= row["first_date"]) & (seen <= (row["last_date"] or of.dates[-1]))
        assert (covered == 1).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_survivors_look_better_than_all_and_who_fails_fell_first(seed: int) -> None:
    of = market(seed)
    there = ~np.isnan(of.close)
    returns = of.wealth[1:] / of.wealth[:-1] - 1
    held = there[:-1] & ~np.isnan(returns)
    alive = held & there[-1]
    mean = {name: np.nanmean(np.where(mask, returns, np.nan)) * 252 for name, mask in (("all", held), ("left", alive))}
    assert mean["left"] - mean["all"] > 0.01  # more than 100 bp a year, by equal weights
    failed = [row for row in rows(seed, "delistings") if row["kind"] == "performance"]
    falls = []
    for row in failed:
        column = of.assets.index(str(row["asset"]))
        last = np.flatnonzero(there[:, column])[-1]
        falls.append(of.wealth[last - 1, column] / of.wealth[last - 504, column])
    assert np.median(falls) < 0.5


def test_volumes_count_shares_after_splits() -> None:
    of, ratios = market(SEED), []
    for row in rows(SEED, "actions"):
        if row["kind"] == "split":
            column, t = of.assets.index(str(row["asset"])), session(of, row["ex_date"])
            before, after = (np.nanmedian(of.volume[part, column]) for part in (slice(t - 40, t), slice(t, t + 40)))
            if row["ratio"] >= 2 and before > 1000:
                ratios.append(after / before / row["ratio"])
    assert len(ratios) > 50 and 0.9 < np.median(ratios) < 1.1


def test_thin_listings_have_sessions_without_a_close_and_nothing_is_zero() -> None:
    of = market(SEED)
    gaps = 0
    for column in range(len(of.assets)):
        seen = np.flatnonzero(~np.isnan(of.close[:, column]))
        gaps += (np.diff(seen) > 1).any()
    assert gaps >= 10
    assert np.nanmin(of.close) > 0.1 and np.nanmin(of.volume) >= 1
    assert (np.isnan(of.close) == np.isnan(of.volume)).all()


def test_rates_begin_before_the_first_session_and_cost_rows_are_of_assets() -> None:
    of = market(SEED)
    names = {name: [row for row in rows(SEED, "rates") if row["name"] == name] for name in ("usd", "eur", "fx:EURUSD")}
    assert sum(map(len, names.values())) == len(rows(SEED, "rates"))
    for name in ("usd", "eur"):
        assert names[name][0]["date"] < of.dates[0] and {row["day_count"] for row in names[name]} == {360.0}
        assert all(0 <= row["value"] < 0.15 for row in names[name])
    assert [row["date"] for row in names["fx:EURUSD"]] == list(of.dates)
    assert all(0.5 < row["value"] < 2 and row["day_count"] is None for row in names["fx:EURUSD"])
    assert {row["asset"] for row in rows(SEED, "costs")} - set(of.assets) == {"*"}


def test_no_two_rows_are_about_the_same() -> None:
    for name in MADE:
        keys = [tuple(row[column] for column in ORDER[name]) for row in rows(SEED, name)]
        assert len(set(keys)) == len(keys) > 0, name


def test_the_same_seed_gives_the_same_bits_and_another_one_does_not() -> None:
    one, again, other = market(1), demo_market(1), market(SEED)
    for name in ("close", "volume", "wealth"):
        assert getattr(one, name).tobytes() == getattr(again, name).tobytes() != getattr(other, name).tobytes()
    for name, table in one.tables.items():
        for column, values in table.columns.items():
            twin = again.tables[name].columns[column]
            assert (
                texts(values).tolist() == texts(twin).tolist()
                if isinstance(values, Coded)
                else (values.tobytes() == twin.tobytes())
            )


def test_files_have_the_numbers_of_the_arrays(tmp_path: Path) -> None:
    whole = market(SEED)
    twice = {ticker for ticker, count in Counter(it[0] for it in whole.tickers).items() if count == 2}
    of = replace(whole, tickers=tuple(it for k, it in enumerate(whole.tickers) if k % 20 == 0 or it[0] in twice))
    files = write_market(of, tmp_path / "made")
    assert set(files) == {"prices", "hindsight", *MADE} and all(file.stat().st_size > 100 for file in files.values())
    place = {str(day): row for row, day in enumerate(of.dates)}
    found = {name: np.full(of.close.shape, np.nan) for name in ("close", "volume")}
    by_ticker: dict[str, list[tuple[int, int, int]]] = {}
    for ticker, asset, first, last in of.tickers:
        by_ticker.setdefault(ticker, []).append((asset, first, last))
    with files["prices"].open(newline="") as read:
        assert next(read) == "date,ticker,close,volume\n"
        for date, ticker, price, traded in csv.reader(read):
            t = place[date]
            (asset,) = [asset for asset, first, last in by_ticker[ticker] if first <= t <= last]
            found["close"][t, asset], found["volume"][t, asset] = float(price), float(traded)
    kept = np.zeros(of.close.shape, bool)
    for _, asset, first, last in of.tickers:
        kept[first : last + 1, asset] = True
    for name in ("close", "volume"):
        expected = np.where(kept, getattr(of, name), np.nan)
        assert found[name].tobytes() == expected.tobytes() and not np.isnan(expected).all()
    for name in MADE:
        with files[name].open(newline="") as read:
            listed = list(csv.DictReader(read))
        wanted_rows = [{c: "" if v is None else v for c, v in row.items()} for row in rows(SEED, name)]
        assert list(listed[0]) == list(COLUMNS[name])
        for row, wanted in zip(listed, wanted_rows, strict=True):
            for column, value in wanted.items():
                same = (
                    float(row[column]) == value
                    if isinstance(value, float)
                    else row[column].lower() == str(value).lower()
                )
                assert same, (name, row, column, value)
