"""Load what is dated beside prices, as it is now or was at a snapshot, compared with what ingestion recorded.

1. The rows of `datasets` say which tables there are, how many rows each has, and its seal.
2. One statement for each kind of table reads it of all datasets that have it: a statement costs more than rows do.
3. Rows that are not those that were recorded are refused, and named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import duckdb
import numpy as np

from metabt.data.point_in_time.tables import COLUMNS, DatedTable, PointInTime
from metabt.lakehouse.catalog.connection_loss import reported
from metabt.lakehouse.catalog.damage import COPY, damage
from metabt.lakehouse.catalog.schema import from_arrow
from metabt.lakehouse.point_in_time.seals import recorded, table_seal
from metabt.lakehouse.prices.dataset_facts import chosen, dataset_symbols, read_datasets
from metabt.lakehouse.prices.snapshots import read_at
from metabt.values.tables import Coded, Table


@reported
def load_point_in_time(
    con: duckdb.DuckDBPyConnection, names: Sequence[str], at: int | None = None
) -> dict[str, PointInTime]:
    """Return what is dated beside the prices of some datasets.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    names : sequence of str
        Names of datasets.
    at : int, optional
        Number of the snapshot to read; None is the current one.

    Returns
    -------
    dict of str to PointInTime
        By dataset, in the order of `names`; tables without rows are left out.

    Raises
    ------
    ConfigError
        For a dataset that the lakehouse does not have.
    StoreError
        For a snapshot that it does not have, and rows that are not those that were recorded.
    """
    rows = read_datasets(con, names, at)
    if len(rows) < len(set(names)):
        chosen(dataset_symbols(con, at), next(name for name in names if name not in rows), None)
    known = {name: recorded(rows[name]["tables"]) for name in names}
    found: dict[str, dict[str, DatedTable]] = {name: {} for name in names}
    for table in COLUMNS:
        owners = [name for name in found if table in known[name]]
        for owner, dated in _read(con, table, owners, at):
            if (len(dated), table_seal(dated)) != known[owner][table]:
                what = f"dataset '{owner}', table {table}: its rows are not those that were ingested"
                raise damage(con, what, [table], COPY, at)
            found[owner][table] = dated
    facts = {name: (bool(rows[name]["adjusted"]), bool(rows[name]["returns"])) for name in found}
    return {name: PointInTime(found[name], *facts[name]) for name in found}


def stray_rows(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Return in sentences which tables have rows of datasets of which nothing is recorded."""
    sql = "SELECT dataset, tables FROM datasets"
    known = {(name, table) for name, tables in con.execute(sql).fetchall() for table in recorded(tables)}
    strays = []
    for table in COLUMNS:
        counts = con.execute(f"SELECT dataset, count(*) FROM {table} GROUP BY dataset ORDER BY dataset").fetchall()
        strays += [
            f"table {table} has {n_rows:,} rows of dataset '{name}' that were never recorded: nothing reads them; "
            "delete them, or restore the lakehouse from a copy"
            for name, n_rows in counts
            if (name, table) not in known
        ]
    return strays


def _read(
    con: duckdb.DuckDBPyConnection, table: str, owners: Sequence[str], at: int | None
) -> Iterator[tuple[str, DatedTable]]:
    """Yield dataset and table of each of the owners, in their order."""
    if not owners:
        return
    columns = ", ".join(f'"{column}"' for column in ("dataset", *COLUMNS[table]))
    sql = f"SELECT {columns} FROM {table}{{at}} WHERE list_contains($1::VARCHAR[], dataset)"
    read = from_arrow(table, read_at(con, sql, at, list(owners)).to_arrow_table())
    whose = read.pop("dataset")
    assert isinstance(whose, Coded)
    for owner in owners:
        code = whose.values.index(owner) if owner in whose.values else -1
        yield owner, DatedTable.of(table, _taken(read, np.flatnonzero(whose.codes == code)))


def _taken(table: Table, rows: np.ndarray) -> Table:
    return {name: column.take(rows) if isinstance(column, Coded) else column[rows] for name, column in table.items()}
