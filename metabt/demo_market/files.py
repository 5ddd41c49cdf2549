"""Files: the demo market as CSV, prices by ticker and date, and each table with its own columns.

A number is written with as many digits as give the same double again; what is missing is an empty cell.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from metabt.data.point_in_time.tables import COLUMNS, DATE, FLAG, TEXT, DatedTable
from metabt.demo_market.hindsight import hindsight
from metabt.demo_market.market import DIGITS, DemoMarket
from metabt.values.tables import texts

PRICES, HINDSIGHT = "prices", "hindsight"


def write_market(market: DemoMarket, folder: str | Path) -> dict[str, Path]:
    """Write a market into a folder, which is made, and return the file of `prices` and of each table by name.

    `hindsight` are more members: universes of whoever is in them on the last session.

    Raises
    ------
    OSError
        If the folder cannot be made or written to.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    tables = {**market.tables, HINDSIGHT: hindsight(market)}
    files = {name: place / f"{name}.csv" for name in (PRICES, *tables)}
    _write_prices(market, files[PRICES])
    for name, table in tables.items():
        _write_table(table, files[name])
    return files


def _write_prices(market: DemoMarket, file: Path) -> None:
    days = np.datetime_as_string(market.dates).tolist()
    with file.open("w", encoding="utf-8", newline="") as out:
        out.write("date,ticker,close,volume\n")
        for ticker, asset, first, last in market.tickers:
            rows = first + np.flatnonzero(~np.isnan(market.close[first : last + 1, asset]))
            numbers = zip(
                rows.tolist(), market.close[rows, asset].tolist(), market.volume[rows, asset].tolist(), strict=True
            )
            out.writelines(f"{days[row]},{ticker},{close:.{DIGITS}g},{volume:.0f}\n" for row, close, volume in numbers)


def _write_table(table: DatedTable, file: Path) -> None:
    columns = [_cells(table, column, kind) for column, kind in COLUMNS[table.name].items()]
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS[table.name])
        writer.writerows(zip(*columns, strict=True))


def _cells(table: DatedTable, column: str, kind: str) -> list[str]:
    if kind == TEXT:
        return ["" if it is None else it for it in texts(table.texts(column)).tolist()]
    values = table.numbers(column)
    if kind == DATE:
        return ["" if it == "NaT" else it for it in np.datetime_as_string(values).tolist()]
    if kind == FLAG:
        return ["true" if it else "false" for it in values.tolist()]
    return ["" if it != it else repr(it) for it in values.tolist()]
