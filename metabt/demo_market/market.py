"""The demo market: prices, and the tables beside them.

1. Draw listings, their ends and their latent returns; let them trade.
2. Name them; follow the index; draw rates.
3. Put all of it into arrays and tables, assets in alphabetical order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metabt.data.point_in_time.tables import COLUMNS, DATE, FLAG, NUMBER, DatedTable
from metabt.demo_market.ends import Ends, draw_ends
from metabt.demo_market.index import follow
from metabt.demo_market.latent import draw_returns
from metabt.demo_market.listings import Listings, draw_listings
from metabt.demo_market.rates import draw_rates, trading_costs
from metabt.demo_market.sessions import trading_days
from metabt.demo_market.tickers import Spell, draw_tickers
from metabt.demo_market.trading import Tape, trade
from metabt.values.tables import Coded, Column

SEED = 1994
INDEX, DOLLARS = "top100", "dollar"
"""Universes: the index, and all listings in dollars while they are listed."""
UNTRADED = 0.03
"""Part of the sessions in which a thin listing does not trade."""
DIGITS = 12
"""Significant digits of a close."""

Row = tuple[object, ...]


@dataclass(frozen=True)
class DemoMarket:
    """An exchange's prices and what is dated beside them. Assets are in alphabetical order."""

    dates: np.ndarray
    """(n_sessions,) datetime64[D]"""
    assets: tuple[str, ...]
    """(n_assets,) what tables call them."""
    close: np.ndarray
    """(n_sessions, n_assets) raw closes, NaN where there is none."""
    volume: np.ndarray
    """(n_sessions, n_assets) shares traded, NaN where there is no close."""
    tickers: tuple[tuple[str, int, int, int], ...]
    """Ticker, asset (its position), and the first and last session of the asset's life under it."""
    tables: dict[str, DatedTable]
    """Table -> its rows: assets, actions, members, delistings, rates, costs."""
    wealth: np.ndarray
    """(n_sessions, n_assets) what 1 at the first price has become with all that was paid put back, in the listing's own
    currency, to the session with which it ends; missing returns of delistings are as they truly were."""


def demo_market(seed: int = SEED) -> DemoMarket:
    """Return the demo market: the same bits for the same seed on one numeric platform.

    Examples
    --------
    >>> market = demo_market()
    >>> len(market.assets), str(market.dates[0]), str(market.dates[-1])
    (400, '1994-01-03', '2023-12-29')
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    days = trading_days()
    listings = draw_listings(rng, len(days))
    ends = draw_ends(rng, listings, days)
    returns = draw_returns(rng, listings, len(days))
    first_price = np.round(np.exp(rng.normal(3.3, 0.5, listings.n)), 2)
    tape = trade(listings, ends, returns, first_price, days)
    assets, spells = draw_tickers(rng, listings)
    close = np.where(_traded(rng, listings, tape), significant(tape.price), np.nan)
    volume = np.where(np.isnan(close), np.nan, _volume(rng, listings, tape))
    tables: dict[str, Sequence[Row]] = {
        "assets": [_life(assets, listings, spell, days) for spell in spells],
        "actions": _actions(assets, tape, days),
        "members": _members(assets, listings, tape, days),
        "delistings": _delistings(assets, ends),
        "rates": [
            (rate.name, date, value, rate.day_count)
            for rate in draw_rates(rng, days)
            for date, value in zip(rate.dates, rate.values.tolist(), strict=True)
        ],
        "costs": trading_costs(listings, assets, days),
    }
    order = sorted(range(listings.n), key=assets.__getitem__)
    place = {listing: position for position, listing in enumerate(order)}
    return DemoMarket(
        dates=days,
        assets=tuple(assets[listing] for listing in order),
        close=close[:, order],
        volume=volume[:, order],
        tickers=tuple(sorted((it.ticker, place[it.listing], it.first, it.last) for it in spells)),
        tables={name: DatedTable.of(name, _columns(name, rows)) for name, rows in tables.items()},
        wealth=tape.wealth[:, order],
    )


def significant(prices: np.ndarray) -> np.ndarray:
    """Return prices with DIGITS significant digits: the doubles that their decimal texts are read as."""
    scale = 10.0 ** (DIGITS - 1 - np.floor(np.log10(prices)))
    return np.rint(prices * scale) / scale


def _traded(rng: np.random.Generator, listings: Listings, tape: Tape) -> np.ndarray:
    """Return in which sessions each listing has a close; in its first and last one it has."""
    row = np.arange(len(tape.price))[:, None]
    kept = (
        ~listings.thin | (rng.random(tape.price.shape) >= UNTRADED) | (row == listings.first) | (row == listings.last)
    )
    return kept & ~np.isnan(tape.price)


def _volume(rng: np.random.Generator, listings: Listings, tape: Tape) -> np.ndarray:
    """Return shares traded: a part of all shares a day, which are as many as splits have made of them."""
    first = tape.price[listings.first, np.arange(listings.n)]
    outstanding = listings.size * 1e6 / first * tape.shares
    turnover = rng.uniform(0.001, 0.006, listings.n) * np.exp(rng.normal(0, 0.5, tape.price.shape))
    return np.maximum(np.rint(outstanding * turnover), 100.0)


def _life(assets: tuple[str, ...], listings: Listings, spell: Spell, days: np.ndarray) -> Row:
    """Return the row of a listing's life under a ticker, which is open where it is there to the last session."""
    last = None if spell.last == len(days) - 1 else days[spell.last]
    currency = "EUR" if listings.euro[spell.listing] else "USD"
    return assets[spell.listing], spell.ticker, days[spell.first], last, currency, days[spell.first]


def _actions(assets: tuple[str, ...], tape: Tape, days: np.ndarray) -> list[Row]:
    return [
        (assets[it.listing], days[it.row], it.kind, it.ratio, it.cash, assets[it.into] if it.into >= 0 else None)
        for it in tape.actions
    ]


def _delistings(assets: tuple[str, ...], ends: Ends) -> list[Row]:
    return [(assets[it.listing], it.date, it.stated, it.kind, it.included) for it in ends.delistings]


def _members(assets: tuple[str, ...], listings: Listings, tape: Tape, days: np.ndarray) -> list[Row]:
    """Return the rows of the index, and of the universe of what is listed in dollars."""
    first = tape.price[listings.first, np.arange(listings.n)]
    value = tape.price * tape.shares * (listings.size / first)
    stays = follow(np.where(listings.euro, np.nan, value), listings.last, days)
    rows: list[Row] = []
    for stay in stays:
        known = max(stay.first, stay.known)  # who joins is announced before, and a row is not known before its day
        rows += _stay(INDEX, assets[stay.listing], (stay.first, known), (stay.last, stay.end_known), days)
    for listing in np.flatnonzero(~listings.euro).tolist():
        begins, ends = int(listings.first[listing]), int(listings.last[listing])
        gone = (ends, ends + 1) if ends < len(days) - 1 else (-1, -1)
        rows += _stay(DOLLARS, assets[listing], (begins, begins), gone, days)
    return rows


def _stay(universe: str, asset: str, begins: tuple[int, int], ends: tuple[int, int], days: np.ndarray) -> list[Row]:
    """Return the rows of a membership by the sessions of its first and last day and of when each was known."""
    open_row: Row = (universe, asset, days[begins[0]], None, days[begins[1]])
    if ends[0] < 0:
        return [open_row]
    return [open_row, (universe, asset, days[begins[0]], days[ends[0]], days[ends[1]])]


def _columns(name: str, rows: Sequence[Row]) -> dict[str, Column]:
    """Return the columns of a table's rows."""
    kinds = COLUMNS[name]
    return {column: _column(kind, [row[k] for row in rows]) for k, (column, kind) in enumerate(kinds.items())}


def _column(kind: str, values: list[object]) -> Column:
    if kind == DATE:
        return np.array([np.datetime64("NaT") if it is None else it for it in values], "datetime64[D]")
    if kind == NUMBER:
        return np.array(values, float)
    if kind == FLAG:
        return np.array(values, bool)
    texts = Coded.of(["" if it is None else str(it) for it in values])
    missing = np.array([it is None for it in values])
    return Coded(np.where(missing, -1, texts.codes).astype(np.int32), texts.values)
