"""Schema: the tables of a lakehouse, their columns, their DDL, and how columns become Arrow and come back.

1. `SCHEMA` is the contract: every table, its columns in order and their types.
2. `to_arrow` turns a table of NumPy and coded columns into Arrow under that schema; a NaN becomes NULL.
3. `from_arrow` is its inverse; a NULL becomes NaN in numbers and code -1 in text.
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import numpy as np
import pyarrow as pa

from metabt.data.point_in_time.tables import COLUMNS, DATE, FLAG, NUMBER, TEXT
from metabt.lakehouse.folder.orphans import META
from metabt.values.buffers import from_numpy, from_texts, to_numpy
from metabt.values.tables import Coded, Column, Table

KINDS = {TEXT: "VARCHAR", DATE: "DATE", NUMBER: "DOUBLE", FLAG: "BOOLEAN"}
"""Kind of a column of what is dated beside prices -> SQL type."""


def _sql_kinds(name: str) -> dict[str, str]:
    return {column: KINDS[kind] for column, kind in COLUMNS[name].items()}


SCHEMA: dict[str, dict[str, str]] = {
    "prices": {
        "dataset": "VARCHAR",
        "symbol": "VARCHAR",
        "date": "DATE",
        "close": "DOUBLE",
        "open": "DOUBLE",
        "high": "DOUBLE",
        "low": "DOUBLE",
        "volume": "DOUBLE",
    },
    "calendars": {"dataset": "VARCHAR", "date": "DATE"},
    "digests": dict.fromkeys(("dataset", "symbol", "partition", "field", "digest"), "VARCHAR"),
    "datasets": {
        "dataset": "VARCHAR",
        "closed": "BOOLEAN",
        "panel": "VARCHAR",
        "adjusted": "BOOLEAN",
        "returns": "BOOLEAN",
        "tables": "VARCHAR",
        "symbols": "BIGINT",
        "sessions": "BIGINT",
        "first_date": "DATE",
        "last_date": "DATE",
        **dict.fromkeys(("calendar", "contents", "digest"), "VARCHAR"),
    },
    "symbols": dict.fromkeys(("dataset", "symbol", "inputs", "bars"), "VARCHAR"),
    "ingests": {
        "dataset": "VARCHAR",
        "source": "VARCHAR",
        "ingested_at": "TIMESTAMP",
        **dict.fromkeys(("rows_read", "duplicates", "empty", "added", "changed", "unchanged"), "BIGINT"),
        **dict.fromkeys(("withdrawn", "rescaled"), "BIGINT"),
        "table_name": "VARCHAR",
        "late": "BIGINT",
    },
    "checks": {"dataset": "VARCHAR", "symbol": "VARCHAR", "date": "DATE", "kind": "VARCHAR", "value": "DOUBLE"},
    **{name: {"dataset": "VARCHAR", **_sql_kinds(name)} for name in COLUMNS},
    "runs": {
        **dict.fromkeys(("run_id", "sweep_id", "portfolio", "config"), "VARCHAR"),
        "snapshot": "BIGINT",
        **dict.fromkeys(("versions", "engine", "status"), "VARCHAR"),
        "started_at": "TIMESTAMP",
        "seconds": "DOUBLE",
        **dict.fromkeys(("keep", "overrides", "error", "trial", "ledger_head", "digests", "digest"), "VARCHAR"),
    },
    "seals": {"name": "VARCHAR", "rows": "BIGINT", "digest": "VARCHAR"},
    "files": {"path": "VARCHAR", "bytes": "BIGINT", "sha256": "VARCHAR"},
    "ledger": {
        "ordinal": "BIGINT",
        "at": "TIMESTAMP",
        **dict.fromkeys(("who", "kind", "key", "content", "previous", "hash"), "VARCHAR"),
    },
    "trial_returns": {"stream": "BIGINT", "date": "DATE", "net": "DOUBLE"},
    "trial_cash": {"cash": "BIGINT", "date": "DATE", "idle": "DOUBLE"},
    "asked": {"run_id": "VARCHAR", "sweep_id": "VARCHAR", "at": "TIMESTAMP", "overrides": "VARCHAR"},
    "searches": {
        "sweep_id": "VARCHAR",
        "at": "TIMESTAMP",
        **dict.fromkeys(("settings", "space", "library"), "VARCHAR"),
    },
    "sleeves": dict.fromkeys(("run_id", "path", "parent", "kind", "spec"), "VARCHAR"),
    "decisions": {
        "run_id": "VARCHAR",
        "path": "VARCHAR",
        "date": "DATE",
        "item": "VARCHAR",
        "weight": "DOUBLE",
        "risk_contribution": "DOUBLE",
        "status": "VARCHAR",
        "reason": "VARCHAR",
    },
    "weights": {
        "run_id": "VARCHAR",
        "date": "DATE",
        "symbol": "VARCHAR",
        "before": "DOUBLE",
        "target": "DOUBLE",
        "trade": "DOUBLE",
    },
    "contributions": {
        "run_id": "VARCHAR",
        "date": "DATE",
        "path": "VARCHAR",
        "symbol": "VARCHAR",
        "weight": "DOUBLE",
    },
    "orders": {
        "run_id": "VARCHAR",
        "date": "DATE",
        "symbol": "VARCHAR",
        "held": "DOUBLE",
        "target": "DOUBLE",
        "trade": "DOUBLE",
        "pending": "BOOLEAN",
    },
    "returns": {
        "run_id": "VARCHAR",
        "path": "VARCHAR",
        "date": "DATE",
        **dict.fromkeys(("gross", "cost", "net", "turnover", "netting_benefit", "nav"), "DOUBLE"),
    },
    "risk": {
        "run_id": "VARCHAR",
        "path": "VARCHAR",
        "date": "DATE",
        "measure": "VARCHAR",
        "item": "VARCHAR",
        "contribution": "DOUBLE",
    },
    "metrics": {"run_id": "VARCHAR", "path": "VARCHAR", "metric": "VARCHAR", "value": "DOUBLE"},
    "stages": {
        **dict.fromkeys(("run_id", "path", "stage", "partition"), "VARCHAR"),
        "seconds": "DOUBLE",
        "rows": "BIGINT",
        "cache_hit": "BOOLEAN",
    },
}
"""Columns and SQL types of every table."""

IN_CATALOGUE = ("files", "seals", "searches")
"""Tables whose rows lie in the catalogue itself: what is known of files is in none of them, and of searches there are
few."""
INLINED = 1_000_000
"""Rows at once up to which that is so."""

DATED_TABLES = tuple(COLUMNS)
"""Names of the tables of what is dated beside prices (metabt.data.point_in_time.tables)."""
RUN_TABLES = tuple(name for name, columns in SCHEMA.items() if "run_id" in columns and name not in ("runs", "asked"))
"""Names of the tables that hold runs, besides `runs` itself; `asked` is about them."""

ARROW = {
    "VARCHAR": pa.string(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
    "DOUBLE": pa.float64(),
    "BIGINT": pa.int64(),
    "BOOLEAN": pa.bool_(),
}
"""The Arrow type of every SQL type in use."""

NUMPY = {
    "DATE": "datetime64[D]",
    "TIMESTAMP": "datetime64[us]",
    "DOUBLE": "float64",
    "BIGINT": "int64",
    "BOOLEAN": "bool",
}
"""The NumPy type of every SQL type in use, text aside."""
FEW = 20_000
"""Rows up to which texts are coded here: `pyarrow.compute`, which codes more of them faster, takes longer to import."""


def create_tables(con: duckdb.DuckDBPyConnection) -> None:
    """Make every table; `prices` is partitioned by dataset and year."""
    for name, kinds in SCHEMA.items():
        columns = ", ".join(f'"{column}" {kind}' for column, kind in kinds.items())
        con.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns})")
    con.execute("ALTER TABLE prices SET PARTITIONED BY (dataset, year(date))")


def existing_columns(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Return table and column of all that the attached lakehouse has.

    The catalogue is asked: duckdb_columns() would look at the columns of its own tables too, one after another.
    """
    return con.execute(
        f"SELECT t.table_name, c.column_name FROM {META}.ducklake_column c "
        f"JOIN {META}.ducklake_table t USING (table_id) JOIN {META}.ducklake_schema s USING (schema_id) "
        "WHERE s.schema_name = 'main' "
        "AND c.end_snapshot IS NULL AND t.end_snapshot IS NULL AND s.end_snapshot IS NULL"
    ).fetchall()


def keep_in_catalogue(con: duckdb.DuckDBPyConnection) -> None:
    """Have the catalogue itself keep the rows of some tables, unless it does; the tables must be committed."""
    sql = f"SELECT count(*) FROM {META}.ducklake_metadata WHERE key = 'data_inlining_row_limit' AND scope = 'table'"
    ((told,),) = con.execute(sql).fetchall()
    if told >= len(IN_CATALOGUE):
        return
    for name in IN_CATALOGUE:
        con.execute(f"CALL lake.set_option('data_inlining_row_limit', {INLINED}, table_name => '{name}')")


def insert(con: duckdb.DuckDBPyConnection, name: str, rows: pa.Table | pa.RecordBatchReader, order: str = "") -> None:
    """Append Arrow rows to table `name`; `order` is empty or a clause such as ``"ORDER BY date"``."""
    lend(con, "incoming_rows", rows)
    columns = ", ".join(f'"{column}"' for column in rows.schema.names)
    con.execute(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM incoming_rows {order}")
    con.unregister("incoming_rows")


def lend(con: duckdb.DuckDBPyConnection, name: str, rows: pa.Table | pa.RecordBatchReader) -> None:
    """Register Arrow rows as table `name` for one statement: a stream, since DuckDB would import pyarrow.dataset."""
    con.register(name, rows.__arrow_c_stream__())


def to_arrow(name: str, table: Table, constants: Mapping[str, str]) -> pa.Table:
    """Return `table` as Arrow, under the schema of the lakehouse's table `name`.

    `constants` are text columns that have the same value in every row.

    Raises
    ------
    ValueError
        When columns are missing, unknown or of unequal length.
    """
    wanted = SCHEMA[name]
    if set(table) | set(constants) != set(wanted):
        differing = sorted((set(table) | set(constants)) ^ set(wanted))
        raise ValueError(f"table '{name}': columns {differing} are missing or unknown; wanted {list(wanted)}")
    n_rows = len(next(iter(table.values())))
    columns: dict[str, Column] = {**table, **{key: Coded.constant(text, n_rows) for key, text in constants.items()}}
    return pa.table({column: _arrow_column(columns[column], kind) for column, kind in wanted.items()})


def from_arrow(name: str, rows: pa.Table) -> Table:
    """Return Arrow rows of the lakehouse's table `name` as NumPy and coded columns; NULL becomes NaN, or code -1."""
    columns = dict(zip(rows.column_names, rows.columns, strict=True))
    del rows  # where nobody else has it, each column goes once it is turned into a plain one
    return {column: _plain_column(columns.pop(column).combine_chunks(), SCHEMA[name][column]) for column in [*columns]}


def _arrow_column(column: Column, kind: str) -> pa.Array:
    if isinstance(column, Coded):
        numbers = np.asarray(column.codes, np.int32)
        codes = from_numpy(numbers, missing=numbers < 0)
        return pa.DictionaryArray.from_arrays(codes, from_texts(column.values))
    values = np.asarray(column, NUMPY[kind])
    return from_numpy(values, missing=np.isnan(values) if kind == "DOUBLE" else None)


def _plain_column(column: pa.Array, kind: str) -> Column:
    if kind == "VARCHAR":
        if len(column) <= FEW:
            return _coded(column.to_pylist())
        coded = column.dictionary_encode()
        codes = to_numpy(coded.indices) if not coded.null_count else to_numpy(coded.indices.fill_null(-1))
        return Coded(codes, tuple(coded.dictionary.to_pylist()))
    return to_numpy(column)


def _coded(column: list[str | None]) -> Coded:
    """Return texts as codes, numbered as they appear, as `dictionary_encode` does."""
    numbers: dict[str, int] = {}
    codes = [-1 if text is None else numbers.setdefault(text, len(numbers)) for text in column]
    return Coded(np.array(codes, np.int32), tuple(numbers))
