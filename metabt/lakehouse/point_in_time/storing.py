"""Store rows of one table of what is dated beside prices, within a transaction; what is refused has written nothing.

1. What is stored of the dataset's tables is compared with its seals: nothing is added to damaged rows.
2. Rows are checked by themselves (`rules`), merged with the stored ones (`merging`), checked together and against the
   prices (`coherence`).
3. Rows that are replaced or withdrawn are deleted, those that are new are appended; the dataset's row records the
   number of rows and the seal of the table as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

import duckdb
import numpy as np

from metabt.data.point_in_time.tables import ORDER, DatedTable, PointInTime
from metabt.errors import DataError
from metabt.lakehouse.catalog.schema import insert, lend, to_arrow
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.point_in_time.coherence import check_against_prices, check_together
from metabt.lakehouse.point_in_time.incoming import OWN_DATE, Incoming
from metabt.lakehouse.point_in_time.loading import load_point_in_time
from metabt.lakehouse.point_in_time.merging import Merged, merged
from metabt.lakehouse.point_in_time.rules import check_rows, tidied
from metabt.lakehouse.point_in_time.seals import recorded, recorded_text, table_seal
from metabt.lakehouse.point_in_time.whole_rows import with_whole_rows
from metabt.lakehouse.prices.dataset_rows import extent_of, insert_row, record, stated_facts
from metabt.values.tables import Coded, Table


@dataclass(frozen=True)
class Stored:
    """What became of the rows of a source; `read` = duplicates + added + changed + unchanged."""

    read: int
    """Rows of the source."""
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
    late: tuple[tuple[str, date, int], ...]
    """Of each asset (or rate, or universe) with rows that come late: its name, the first of their dates, how many."""
    rows: int
    """Rows of the table now."""
    notes: tuple[str, ...]
    """What was chosen or left out, in sentences."""

    @property
    def n_late(self) -> int:
        """How many rows come late."""
        return sum(count for _, _, count in self.late)

    @property
    def is_new(self) -> bool:
        """Whether anything was written."""
        return bool(self.added or self.changed or self.withdrawn)


def store_rows(
    con: duckdb.DuckDBPyConnection,
    dataset: str,
    incoming: Incoming,
    symbols: tuple[str, ...],
    source: str,
    *,
    whole: bool = False,
    today: date | None = None,
) -> Stored:
    """Write rows of a table of a dataset that is there, and return what became of them.

    Parameters
    ----------
    con : connection
        Within the transaction.
    dataset : str
        Its name.
    incoming : Incoming
        Rows as they were read.
    symbols : tuple of str
        All that the dataset has prices of.
    source : str
        What the source is called.
    whole : bool
        The source is all that there is: stored rows that it does not have are deleted.
    today : date, optional
        The day of ingestion; by default that of the clock, UTC.

    Raises
    ------
    DataError
        For rows that must not be stored.
    StoreError
        For damage in what is stored of the dataset's tables.
    """
    day = datetime.now(UTC).date() if today is None else today
    held = load_point_in_time(con, [dataset])[dataset]
    check_adjusted(dataset, incoming.name, held)
    incoming = tidied(incoming)
    check_rows(incoming)
    if incoming.name == "signals" and not whole:
        incoming = with_whole_rows(held.tables.get("signals"), incoming)
    found = merged(held.tables.get(incoming.name), incoming, day, whole=whole)
    check_together(found)
    check_against_prices(con, dataset, found, symbols, held.tables)
    write(con, dataset, found.table, found.gone, found.new)
    done = Stored(
        incoming.read,
        found.duplicates,
        found.added,
        found.changed,
        found.unchanged,
        found.withdrawn,
        _late(found),
        len(found.table),
        incoming.notes,
    )
    if done.is_new:
        _log(con, dataset, incoming.name, source, done)
    return done


def check_adjusted(dataset: str, name: str, held: PointInTime) -> None:
    """Raise DataError for actions of a dataset whose prices are adjusted for them already, or made of returns."""
    if name == "actions" and held.returns:
        raise DataError(
            f"dataset '{dataset}' is made of returns, which have splits and distributions in them, so actions would "
            "count twice; leave them out, or ingest raw closes as a dataset of their own"
        )
    if name == "actions" and held.adjusted:
        raise DataError(
            f"the prices of dataset '{dataset}' are stated to be adjusted for splits and dividends, so actions would "
            f"count twice; if they are raw, say so first: metabt ingest --dataset {dataset} --adjusted false"
        )


def write(con: duckdb.DuckDBPyConnection, dataset: str, table: DatedTable, gone: Table, new: Table) -> None:
    """Delete and append rows of a table of a dataset, and record what it is then: `table`."""
    name = table.name
    if _size(gone):
        columns = [f"coalesce(\"{column}\"::VARCHAR, '')" for column in ORDER[name]]
        lend(con, "gone", to_arrow(name, gone, {"dataset": dataset}))
        key = ", ".join(columns)
        sql = f"DELETE FROM {name} WHERE dataset = $1 AND ({key}) IN (SELECT ({key}) FROM gone)"
        execute(con, sql, dataset)
        con.unregister("gone")
    if _size(new):
        order = ", ".join(f'"{column}"' for column in ORDER[name])
        insert(con, name, to_arrow(name, new, {"dataset": dataset}), f"ORDER BY {order}")
    known = recorded(stated_facts(con, dataset)["tables"]) | {name: (len(table), table_seal(table))}
    record(con, dataset, {"tables": recorded_text(known)}, extent_of(con, dataset))


def drop_table(con: duckdb.DuckDBPyConnection, dataset: str, name: str) -> int:
    """Delete a table of a dataset; return how many rows it had.

    Raises
    ------
    DataError
        For a table that the dataset does not have.
    """
    known = recorded(stated_facts(con, dataset)["tables"])
    if name not in known:
        raise DataError(f"dataset '{dataset}' has no table '{name}'; it has {', '.join(known) or 'none'}")
    execute(con, f"DELETE FROM {name} WHERE dataset = $1", dataset)
    n_rows, _ = known.pop(name)
    record(con, dataset, {"tables": recorded_text(known)}, extent_of(con, dataset))
    return n_rows


def _late(found: Merged) -> tuple[tuple[str, date, int], ...]:
    """Return of each first text of ORDER with late rows: it, the first of their dates, and how many they are."""
    if not len(found.late):
        return ()
    name, own = ORDER[found.table.name][0], OWN_DATE[found.table.name]
    first, days = found.new[name], found.new[own]
    assert isinstance(first, Coded) and isinstance(days, np.ndarray)
    codes, days = first.codes[found.late], days[found.late]
    order = np.lexsort((days, codes))
    distinct, starts, counts = np.unique(codes[order], return_index=True, return_counts=True)
    return tuple(
        (first.values[code], days[order[start]].item(), int(count))
        for code, start, count in zip(distinct.tolist(), starts.tolist(), counts.tolist(), strict=True)
    )


def _log(con: duckdb.DuckDBPyConnection, dataset: str, name: str, source: str, done: Stored) -> None:
    row = {
        "dataset": dataset,
        "source": source,
        "ingested_at": datetime.now(UTC).replace(tzinfo=None),
        "rows_read": done.read,
        **{what: getattr(done, what) for what in ("duplicates", "added", "changed", "unchanged", "withdrawn")},
        **{"empty": 0, "rescaled": 0, "table_name": name, "late": done.n_late},
    }
    insert_row(con, "ingests", row)


def _size(table: Table) -> int:
    return len(next(iter(table.values())))
