"""Rows of tables as a test states them, and random ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from metabt.data.dataset import Dataset, Names, Part
from metabt.data.facts import Facts
from metabt.data.point_in_time.tables import COLUMNS, DatedTable, PointInTime
from metabt.data.prices import Prices
from metabt.values.tables import Coded

EMPTY = {"date": np.datetime64("NaT"), "number": np.nan, "text": None, "flag": False}
KINDS = {"date": "datetime64[D]", "number": "float64", "flag": "bool"}


def table(name: str, rows: Sequence[Mapping[str, object]]) -> DatedTable:
    """Return rows as a table; what a row does not state is none."""
    columns = {}
    for column, kind in COLUMNS[name].items():
        values = [row.get(column, EMPTY[kind]) for row in rows]
        if kind == "text":
            coded = Coded.of([str(value) for value in values])
            missing = np.array([value is None for value in values])
            columns[column] = Coded(np.where(missing, -1, coded.codes), coded.values)
        else:
            columns[column] = np.array(values, KINDS[kind])
    return DatedTable.of(name, columns)


def tables(adjusted: bool = False, **rows: Sequence[Mapping[str, object]]) -> PointInTime:
    """Return tables by name."""
    return PointInTime({name: table(name, own) for name, own in rows.items() if own}, adjusted)


def market(seed: int, n_assets: int = 5, n_sessions: int = 700) -> tuple[Prices, dict[str, list[dict[str, object]]]]:
    """Return random prices with gaps over two to three years, and rows of actions and delistings."""
    rng = np.random.default_rng(seed)
    days = np.datetime64("2019-03-01") + np.sort(rng.choice(1000, n_sessions, replace=False))
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.03, (n_sessions, n_assets)), axis=0))
    close[rng.random(close.shape) < 0.2] = np.nan
    symbols = tuple("ABCDEFGHIJ"[:n_assets])
    close[0, -1] = 10.0  # whatever turns into it finds a price
    actions: list[dict[str, object]] = []
    delistings: list[dict[str, object]] = []
    for column, symbol in enumerate(symbols[:-1]):
        close[: rng.integers(0, 40), column] = np.nan
        for day in np.sort(rng.choice(1000, 12, replace=False)).tolist():
            date = np.datetime64("2019-03-01") + day
            kind = rng.choice(["split", "stock", "cash", "cash", "spinoff"])
            row = {"asset": symbol, "ex_date": date, "kind": str(kind)}
            row |= {"ratio": float(rng.choice([0.5, 2.0, 10.0]))} if kind == "split" else {}
            row |= {"ratio": 0.05} if kind == "stock" else {}
            row |= {"cash": float(rng.uniform(0.1, 2))} if kind == "cash" else {}
            row |= {"ratio": 0.1, "into": symbols[-1]} if kind == "spinoff" else {}
            actions.append(row)
        end = int(rng.integers(300, 1300))
        date = np.datetime64("2019-03-01") + end
        close[days > date, column] = np.nan
        if rng.random() < 0.3:
            actions.append({"asset": symbol, "ex_date": date, "kind": "merger", "cash": 3.0, "ratio": 0.5, "into": "E"})
        elif rng.random() < 0.8:
            stated = float(rng.choice([np.nan, -1.0, -0.55, 0.1]))
            own = {"asset": symbol, "date": date, "return": stated, "kind": "performance"}
            delistings.append(own | {"included": bool(rng.random() < 0.3)})
    seen = ~np.isnan(close).all(axis=1)
    return Prices("m", days[seen], symbols, close[seen]), {"actions": actions, "delistings": delistings}


def stored(panel: Prices, point_in_time: PointInTime) -> Dataset:
    """Return prices as a lakehouse gives them: in parts, which know what assets enter them with, and when."""
    return Dataset(Facts.of(panel, point_in_time), partial(_part, panel), stored=True)


def _part(panel: Prices, rows: slice, symbols: Names, fields: Names) -> Part:
    return partial(_cut, panel, rows, symbols)


def _cut(panel: Prices, rows: slice, symbols: Names) -> Prices:
    part = panel.rows(rows)
    entered = np.full(len(panel.symbols), "NaT", "datetime64[D]")
    for column in range(len(panel.symbols)):
        before = np.flatnonzero(~np.isnan(panel.close[: rows.start, column]))
        if len(before):
            entered[column] = panel.dates[before[-1]]
    return replace(part, entered=entered).select(symbols)
