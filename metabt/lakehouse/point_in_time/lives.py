"""Lives in prices: when the prices of each asset begin and end, and which prices are of none."""

from __future__ import annotations

from datetime import date

import duckdb
import numpy as np
import pyarrow as pa

from metabt.data.point_in_time.lives import Lives
from metabt.lakehouse.catalog.schema import lend
from metabt.lakehouse.catalog.statements import execute
from metabt.values.buffers import from_numpy, from_texts

SPANS = (
    "SELECT asset, min(p.date) AS first, max(p.date) AS last FROM lives JOIN "
    "(SELECT symbol, date FROM prices WHERE dataset = $1) p "
    "ON p.symbol = lives.symbol AND p.date BETWEEN lives.first_date AND lives.last_date GROUP BY asset"
)
"""What asks for the first and the last price of every asset that `lives` names."""
OF_SYMBOLS = "SELECT symbol, min(date), max(date) FROM prices WHERE dataset = $1 GROUP BY symbol"
"""The same, where every asset is the symbol of its name."""
OUTSIDE = (
    "SELECT symbol, min(date), count(*) FROM prices p WHERE dataset = $1 AND NOT EXISTS (SELECT 1 FROM lives "
    "WHERE lives.symbol = p.symbol AND p.date BETWEEN lives.first_date AND lives.last_date) GROUP BY symbol "
    "ORDER BY symbol"
)
"""What asks for the prices of each symbol that are outside of all its lives."""
EMPTY = (
    "SELECT asset, first_date FROM lives WHERE NOT EXISTS (SELECT 1 FROM prices p WHERE dataset = $1 "
    "AND p.symbol = lives.symbol AND p.date BETWEEN lives.first_date AND lives.last_date) ORDER BY ALL"
)
"""What asks for the lives in which no price of the symbol lies."""


def spans(con: duckdb.DuckDBPyConnection, dataset: str, lives: Lives) -> dict[str, tuple[np.datetime64, np.datetime64]]:
    """Return asset -> the dates of its first and its last price, of those that have any."""
    if lives.are_plain:
        return _as_spans(execute(con, OF_SYMBOLS, dataset).fetchall())
    return _as_spans(_asked(con, SPANS, dataset, lives))


def outside(con: duckdb.DuckDBPyConnection, dataset: str, lives: Lives) -> list[tuple[str, date, int]]:
    """Return each symbol with prices outside of all its lives, the date of the first of them, and how many."""
    return [] if lives.are_plain else _asked(con, OUTSIDE, dataset, lives)


def empty(con: duckdb.DuckDBPyConnection, dataset: str, lives: Lives) -> dict[str, list[np.datetime64]]:
    """Return asset -> the first dates of its lives in which its symbol has no price, of those that have such."""
    found: dict[str, list[np.datetime64]] = {}
    for asset, first in [] if lives.are_plain else _asked(con, EMPTY, dataset, lives):
        found.setdefault(asset, []).append(np.datetime64(first, "D"))
    return found


def _asked(con: duckdb.DuckDBPyConnection, sql: str, dataset: str, lives: Lives) -> list[tuple]:
    columns = {
        "asset": from_texts(lives.asset),
        "symbol": from_texts(lives.symbol),
        "first_date": from_numpy(lives.first),
        "last_date": from_numpy(lives.last),
    }
    lend(con, "lives", pa.table(columns))
    rows = execute(con, sql, dataset).fetchall()
    con.unregister("lives")
    return rows


def _as_spans(rows: list[tuple[str, date, date]]) -> dict[str, tuple[np.datetime64, np.datetime64]]:
    return {asset: (np.datetime64(first, "D"), np.datetime64(last, "D")) for asset, first, last in rows}
