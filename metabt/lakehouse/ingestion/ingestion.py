"""Put prices into the lakehouse: only what is new is written.

1. Read and check the whole source; what is refused has touched nothing.
2. Compare what is stored of its symbols with its digests: nothing is added to damaged prices. Then compare every row
   with what is stored under its (dataset, symbol, date): added, changed or unchanged.
3. Write the added and the changed rows, the sessions that are new, and the digests of the partitions that differ.
4. Record the dataset and the ingestion; commit all of it at once. With nothing new there is no commit.

A field that the source does not have leaves what is stored as it is; an empty close changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from metabt.errors import ConfigError, DataError
from metabt.lakehouse.catalog.catalog_location import located
from metabt.lakehouse.catalog.schema import ARROW, SCHEMA, insert
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.catalog.transaction import transact
from metabt.lakehouse.ingestion.column_layout import read_observations
from metabt.lakehouse.ingestion.column_names import ColumnNames
from metabt.lakehouse.ingestion.file_readers import source_name
from metabt.lakehouse.ingestion.observations import Observations
from metabt.lakehouse.ingestion.upsert import compare, replace_prices
from metabt.lakehouse.prices.calendars import add_sessions
from metabt.lakehouse.prices.price_digests import check_stored, dataset_seals, replace_digests
from metabt.lakehouse.prices.seals import row_seal

DATASET = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""Pattern of a dataset's name, which becomes part of a path."""


FIRST = date(1, 1, 1)
"""What no date is before."""


@dataclass(frozen=True)
class IngestReport:
    """What an ingestion did; `rows_read` = duplicates + empty + added + changed + unchanged."""

    dataset: str
    """The dataset's name."""
    source: str
    """Path of the file, or `frame`."""
    rows_read: int
    """Observations in the source: cells of a wide table, rows of a long one."""
    duplicates: int
    """Exact repeats, dropped."""
    empty: int
    """Observations without a close, left out."""
    added: int
    """Rows that are new."""
    changed: int
    """Rows that replaced a stored one."""
    unchanged: int
    """Rows that were stored already."""
    symbols: int
    """Symbols in the dataset now."""
    sessions: int
    """Sessions in the dataset now."""
    first_date: date
    """First session of the dataset."""
    last_date: date
    """Last session of the dataset."""
    notes: tuple[str, ...] = ()
    """What was chosen or left out while reading, in sentences."""

    def __str__(self) -> str:
        """Return one readable paragraph."""
        text = (
            f"{self.dataset}: {self.added:,} prices added, {self.changed:,} changed, {self.unchanged:,} unchanged "
            f"({self.rows_read:,} read from {self.source}, {self.duplicates:,} duplicates dropped, "
            f"{self.empty:,} empty). "
            f"It holds {self.symbols:,} symbols in {self.sessions:,} sessions, {self.first_date} to {self.last_date}."
        )
        if not self.added and not self.changed:
            text += " Nothing new: the prices are as they were."
        return " ".join([text, *(f"Note: {note}." for note in self.notes)])


def ingest(
    path: str | Path,
    dataset: str,
    source: object,
    *,
    date: str | None = None,
    symbol: str | None = None,
    fields: Mapping[str, str] | None = None,
    date_format: str | None = None,
    closed: bool | None = None,
    catalog: str | None = None,
) -> IngestReport:
    """Store the prices of a file or frame in a dataset, and make the lakehouse where there is none.

    Parameters
    ----------
    path : str or Path
        Directory of the lakehouse.
    dataset : str
        Letters, digits, ``_ . -``, at most 64.
    source : str, Path or pandas.DataFrame
        Wide or long ``.csv``, ``.csv.gz`` or ``.parquet``, or a frame (wide, long, or with yfinance's two levels).
    date, symbol : str, optional
        Columns that hold the dates and, in a long table, the symbols; found by their names by default.
    fields : mapping, optional
        Field (close, open, high, low, volume) -> column of a long table.
    date_format : str, optional
        How dates are written, as for strptime; ISO 8601 by default.
    closed : bool, optional
        True when no more data will come, so that the dataset does not hold a tree at its last date;
        None leaves it as it was (False for a new dataset).
    catalog : str, optional
        Where a new lakehouse's catalogue is made, as for `attach`.

    Returns
    -------
    IngestReport
        What was read, added and changed; as text it is a paragraph.

    Raises
    ------
    ConfigError
        For a dataset name that cannot be one.
    DataError
        For data that must not be stored; the lakehouse is as it was.
    StoreError
        For a lakehouse that cannot be written.
    """
    if not DATASET.fullmatch(dataset):
        raise ConfigError(f"dataset name {dataset!r}: use letters, digits, '_', '.' and '-', at most 64 of them")
    located(path)  # what is no folder is refused before anything is read
    name = source_name(source)
    try:
        rows = read_observations(source, ColumnNames(date, symbol, dict(fields or {}), date_format))
    except DataError as error:
        raise DataError(f"dataset '{dataset}' from {name}: {error}") from error
    return transact(path, lambda con: store(con, dataset, name, rows, closed), create=True, catalog=catalog)


def store(
    con: duckdb.DuckDBPyConnection, dataset: str, source: str, rows: Observations, closed: bool | None
) -> IngestReport:
    """Write checked observations within the transaction that `con` is in."""
    first = rows.dates.min().item() if len(rows) else FIRST
    check_stored(con, dataset, rows.symbols.values, first)
    merge = compare(con, dataset, rows)
    if merge.rows.num_rows:
        replace_prices(con, dataset, merge)
        add_sessions(con, dataset, merge.rows["date"])
        replace_digests(con, dataset, set(merge.rows["symbol"].unique().to_pylist()), first)
    extent = _extent(con, dataset)
    seals = dataset_seals(con, dataset)
    was_recorded = _record(con, dataset, closed, {**extent, **seals})
    counts = {
        "rows_read": rows.rows_read,
        "duplicates": rows.duplicates,
        "empty": rows.empty,
        "added": merge.rows.num_rows - merge.stale.num_rows,
        "changed": merge.stale.num_rows,
        "unchanged": merge.unchanged,
    }
    if was_recorded or merge.rows.num_rows:
        stamp = datetime.now(UTC).replace(tzinfo=None)
        _insert_row(con, "ingests", {"dataset": dataset, "source": source, "ingested_at": stamp, **counts})
    return IngestReport(dataset, source, **counts, **extent, notes=rows.notes)


def _extent(con: duckdb.DuckDBPyConnection, dataset: str) -> dict[str, Any]:
    names = ("symbols", "sessions", "first_date", "last_date")
    sql = "SELECT count(DISTINCT symbol), count(DISTINCT date), min(date), max(date) FROM prices WHERE dataset = $1"
    return dict(zip(names, execute(con, sql, dataset).fetchall()[0], strict=True))


def _record(con: duckdb.DuckDBPyConnection, dataset: str, closed: bool | None, extent: dict[str, Any]) -> bool:
    """Write the dataset's row of `datasets` where it differs; return whether it did."""
    found = execute(con, "SELECT * FROM datasets WHERE dataset = $1", dataset).to_arrow_table().to_pylist()
    was_closed = bool(found and found[0]["closed"])
    row = {"dataset": dataset, "closed": was_closed if closed is None else closed, **extent}
    row["digest"] = row_seal(row)
    if found == [row]:
        return False
    execute(con, "DELETE FROM datasets WHERE dataset = $1", dataset)
    _insert_row(con, "datasets", row)
    return True


def _insert_row(con: duckdb.DuckDBPyConnection, name: str, row: dict[str, Any]) -> None:
    insert(con, name, pa.table({key: pa.array([row[key]], ARROW[kind]) for key, kind in SCHEMA[name].items()}))
