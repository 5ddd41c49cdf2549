"""Put a table of what is dated beside prices into the lakehouse: only what is new is written.

1. Read the whole source as rows of the table; what is refused has touched nothing.
2. In one transaction: make memberships of a list of changes, check, merge and write rows
   (metabt.lakehouse.point_in_time.storing), and note what is odd beside the prices.
3. Report what was added, changed and left as it was, what came late, and what is odd.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from metabt.data.point_in_time.tables import COLUMNS
from metabt.errors import ConfigError, DataError, nearest
from metabt.lakehouse.catalog.catalog_location import located
from metabt.lakehouse.catalog.transaction import transact
from metabt.lakehouse.ingestion.anomalies import note_anomalies, note_tables, told
from metabt.lakehouse.ingestion.many_files import parts_of
from metabt.lakehouse.ingestion.options import Options
from metabt.lakehouse.ingestion.readers.sources import read_table
from metabt.lakehouse.ingestion.tables.change_lists import Changes
from metabt.lakehouse.ingestion.tables.late_rows import late_found, late_told
from metabt.lakehouse.ingestion.tables.table_layout import laid_out
from metabt.lakehouse.point_in_time.incoming import Incoming
from metabt.lakehouse.point_in_time.loading import load_point_in_time
from metabt.lakehouse.point_in_time.notes import Found, of_table
from metabt.lakehouse.point_in_time.storing import Stored, drop_table, store_rows
from metabt.lakehouse.prices.dataset_facts import chosen, dataset_symbols
from metabt.values.ranges import plural

OF_PRICES = ("date", "symbol", "symbol_name", "close", "volume", "returns", "percent", "wide", "adjusted")
"""Options of a source that make no sense with a table."""
Source = Incoming | Changes


@dataclass(frozen=True)
class TableReport:
    """What the ingestion of a table did; `rows_read` = duplicates + added + changed + unchanged."""

    dataset: str
    """The dataset's name."""
    table: str
    """Which table."""
    source: str
    """Path of the file, or `frame`."""
    rows_read: int
    """Rows of the source; of changes and matrices, the memberships that they are."""
    duplicates: int
    """Exact repeats, dropped."""
    added: int
    """Rows that are new."""
    changed: int
    """Rows that replaced a stored one."""
    unchanged: int
    """Rows that were stored already."""
    withdrawn: int
    """Stored rows that were deleted, since a source that replaces all does not have them."""
    late: int
    """Rows that came late: known from the day of ingestion on, or restatements that count from their own date on."""
    rows: int
    """Rows of the table now."""
    notes: tuple[str, ...] = ()
    """What was chosen or left out while reading, what came late and what is odd, in sentences."""

    def __str__(self) -> str:
        """Return a readable paragraph, and a line for each note."""
        text = (
            f"{self.dataset}, table {self.table}: {plural(self.added, 'row')} added, {self.changed:,} changed, "
            f"{self.unchanged:,} unchanged{f', {self.withdrawn:,} withdrawn' * bool(self.withdrawn)}"
            f"{f', {self.late:,} late' * bool(self.late)} "
            f"({self.rows_read:,} read from {self.source}, {self.duplicates:,} duplicates dropped). "
            f"It holds {plural(self.rows, 'row')}."
        )
        if not (self.added or self.changed or self.withdrawn):
            text += " Nothing new: the table is as it was."
        return "\n".join([text, *(f"Note: {note}." for note in self.notes)])


def ingest_table(
    path: str | Path,
    dataset: str,
    source: object,
    table: str,
    options: Options | None = None,
    *,
    replace: bool = False,
    today: date | None = None,
    **stated: Any,
) -> TableReport:
    """Store rows of a table of what is dated beside the prices of a dataset.

    Parameters
    ----------
    path : str or Path
        Directory of the lakehouse.
    dataset : str
        The dataset that the table belongs to; its prices are there already.
    source : str, Path or frame
        One CSV, Parquet or Excel file, or a frame.
    table : str
        assets, actions, members, delistings, rates, costs, schedules or signals (docs/point_in_time.md).
    options : Options, optional
        What is said of the source where reading alone cannot tell.
    replace : bool
        The source is all that there is: stored rows of the table that it does not have are deleted.
    today : date, optional
        The day of ingestion; by default that of the clock, UTC.
    **stated
        What was stated beside, of prices: anything but None and False is refused.

    Returns
    -------
    TableReport
        What was read, added and changed, and notes; as text it is a paragraph.

    Raises
    ------
    ConfigError
        For a table that there is not, an option of prices, or a dataset that the lakehouse does not have.
    DataError
        For rows that must not be stored; the lakehouse is as it was.
    StoreError
        For a lakehouse that is not there, or cannot be written.
    """
    how = options or Options()
    check_table(table)
    _refuse_options(table, how, stated)
    located(path)  # an address is refused before anything is read
    name = "frame"
    try:
        parts = parts_of(source)
        name = parts.name
        if parts.from_folder:
            raise DataError(f"table '{table}' comes from one file; ingest the files one by one")
        rows = laid_out(table, read_table(parts.sources[0], how), how)
        work = partial(_store, dataset=dataset, table=table, rows=rows, source=name, whole=replace, today=today)
        return transact(path, work)
    except DataError as error:
        raise DataError(f"dataset '{dataset}' from {name}: {error}") from error


def check_table(table: str) -> None:
    """Raise ConfigError for a table that there is not."""
    if table not in COLUMNS:
        raise ConfigError(f"there is no table '{table}'{nearest(table, COLUMNS)}; wanted one of {', '.join(COLUMNS)}")


def drop_dated(path: str | Path, dataset: str, table: str) -> int:
    """Delete a table of a dataset from now on, and return how many rows it had.

    Parameters
    ----------
    path : str or Path
        Directory of the lakehouse.
    dataset : str
        The dataset's name.
    table : str
        Which table.

    Raises
    ------
    ConfigError
        For a dataset that the lakehouse does not have, or a table that there is not.
    DataError
        For a table that the dataset does not have.
    StoreError
        For a lakehouse that is not there, or cannot be written.
    """
    check_table(table)

    def work(con: duckdb.DuckDBPyConnection) -> int:
        chosen(dataset_symbols(con), dataset, None)
        gone = drop_table(con, dataset, table)
        note_anomalies(con, dataset)
        return gone

    return transact(path, work)


def _store(
    con: duckdb.DuckDBPyConnection,
    dataset: str,
    table: str,
    rows: Source,
    source: str,
    whole: bool,
    today: date | None,
) -> TableReport:
    """Write rows within the transaction that `con` is in."""
    symbols = chosen(dataset_symbols(con), dataset, None)
    if isinstance(rows, Changes):
        held = load_point_in_time(con, [dataset])[dataset].tables
        rows = rows.memberships(None if whole else held.get("members"))
    done = store_rows(con, dataset, rows, symbols, source, whole=whole, today=today)
    odd = _noted(con, dataset, table, done) if done.is_new else []
    notes = (*done.notes, *late_told(table, done), *([told(odd, dataset)] if odd else []))
    counts = {what: getattr(done, what) for what in ("duplicates", "added", "changed", "unchanged", "withdrawn")}
    return TableReport(dataset, table, source, done.read, **counts, late=done.n_late, rows=done.rows, notes=notes)


def _noted(con: duckdb.DuckDBPyConnection, dataset: str, table: str, done: Stored) -> list[Found]:
    """Note what is odd about a dataset after rows of a table were stored; return what is so of that table."""
    late = late_found(table, done)
    # splits explain jumps of closes, which are looked for anew then
    found = (note_anomalies if table in ("actions", "assets") else note_tables)(con, dataset, late)
    return [row for row in found if of_table(row[2], table)]


def _refuse_options(table: str, options: Options, stated: dict[str, Any]) -> None:
    said = [name for name in OF_PRICES if not (name == "wide" and table == "signals")]  # weights may be wide, too
    given = {name: getattr(options, name) for name in said} | stated
    # False is a statement of these two, and of the others none
    unsaid = {name: (None,) if name in ("adjusted", "closed") else (None, False) for name in given}
    named = [options.named(name) for name, value in given.items() if value not in unsaid[name]]
    if named:
        raise ConfigError(f"{', '.join(named)}: of prices, and table '{table}' has none; leave {named[0]} out")
    if options.universe is not None and table != "members":
        raise ConfigError(f"{options.named('universe')}: of members, and table '{table}' has no universe; leave it out")
    if options.name is not None and table != "signals":
        raise ConfigError(f"{options.named('name')}: of signals, and table '{table}' has none; leave it out")
