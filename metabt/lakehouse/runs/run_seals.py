"""Seals of lists: what is recorded of all runs together, and of all askings, so that a lost or changed row shows.

1. The seal of `runs` has the number of all runs and the bitwise sum of their digests, which `sound_runs` compares.
2. The seal of `asked` has the number of its rows and the bitwise sum of a digest of each, which DuckDB works out:
   there may be very many of them.
3. Both are brought up to date by what comes and what goes alone: a seal is never made of rows that were not compared,
   but for what is left after damaged files were taken out (metabt.lakehouse.catalog.retirement).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from metabt.lakehouse.catalog.connection_loss import reported
from metabt.lakehouse.catalog.damage import AGAIN, ANYTHING, damage
from metabt.lakehouse.catalog.schema import SCHEMA, insert, lend
from metabt.lakehouse.catalog.statements import execute
from metabt.lakehouse.runs.run_digests import LARGE, ROW_DIGEST, bitwise_sum
from metabt.values.buffers import from_numpy, from_texts

OF_DIGESTS = ("trial", "ledger_head", "digests", "digest")
"""Columns of `runs` that are read to compare the others, and the ledger, with."""
LISTED = tuple(column for column in SCHEMA["runs"] if column not in (*LARGE, *OF_DIGESTS))
"""Columns of `runs` that lists have."""
SOUND = f"digest IS NOT DISTINCT FROM {ROW_DIGEST} AS sound"
"""What says of a row of `runs` whether it is what was stored."""
SUM = (
    "SELECT count(*) AS n, CAST(coalesce(bit_xor(md5_number(concat_ws('|', run_id, coalesce(sweep_id, '-'), "
    'epoch_us("at"), overrides))), 0) AS VARCHAR) AS total FROM {}'
)
"""What asks for number and bitwise sum of rows of `asked`."""
LEFT = "askings in damaged files are gone: what lacks one counts as asked for when it started"
"""What mends `asked`, and what that means."""


def sound_runs(con: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Return the rows of all runs without what is large, newest first, compared with their digests and the seal."""
    columns = (*LISTED, *OF_DIGESTS)
    rows = _compared(con, columns, "ORDER BY started_at DESC, run_id")
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _compared(con: duckdb.DuckDBPyConnection, columns: Sequence[str], order: str = "") -> list[tuple[Any, ...]]:
    """Return some columns of all runs; DuckDB compares each row with its digest, whichever columns are wanted."""
    # one statement: a commit between two would look like damage
    sql = (
        f"SELECT n, total, run_id, digest, sound, {', '.join(columns)} "
        "FROM (SELECT 1 AS one, rows AS n, digest AS total FROM seals WHERE name = 'runs') "
        f"FULL JOIN (SELECT 1 AS one, *, {SOUND} FROM runs) r USING (one) {order}"
    )
    rows = con.execute(sql).fetchall()
    found = [row for row in rows if row[2] is not None]
    for row in found:
        check_row(con, row[2], row[4])
    recorded = rows[0][:2] if rows else (0, "")
    if rows and (len(found), bitwise_sum(row[3] for row in found)) != recorded:
        what = f"the lakehouse holds {len(found)} runs, and recorded {recorded[0]}"
        raise damage(con, what, ["runs", "seals"], ANYTHING)
    return [row[5:] for row in found]


def check_row(con: duckdb.DuckDBPyConnection, run_id: str, sound: bool) -> None:
    """Raise StoreError for a row of `runs` that is not what was stored, which SOUND has said."""
    if not sound:
        raise damage(con, f"run {run_id[:12]}: its row is not what was stored", ["runs"], AGAIN)


@reported
def check_names(con: duckdb.DuckDBPyConnection) -> None:
    """Raise StoreError unless everything that says which run a name means is what was recorded."""
    _compared(con, ["run_id"])
    check_askings(con)


@reported
def check_askings(con: duckdb.DuckDBPyConnection) -> tuple[int, str]:
    """Return number and bitwise sum of the rows of `asked`; StoreError unless they are those that were recorded."""
    recorded = "(SELECT rows, digest FROM seals WHERE name = 'asked')"
    sql = f"SELECT a.n, a.total, s.rows, s.digest FROM ({SUM.format('asked')}) a LEFT JOIN {recorded} s ON true"
    n, total, rows, digest = con.execute(sql).fetchall()[0]
    if (n, total) != (rows or 0, digest or "0"):
        what = f"the lakehouse holds {n} askings, and recorded {rows or 0}: they are not those that were stored"
        raise damage(con, what, ["asked", "seals"], f"the next `metabt backtest` mends it; {LEFT}")
    return int(n), str(total)


def seal_runs(con: duckdb.DuckDBPyConnection, gone: list[str] | None, come: list[str]) -> None:
    """Bring the seal of all runs up to date: digests that have gone and come, or all anew where `gone` is None."""
    if not (gone or come):
        return
    if gone is None:
        everything = [text for (text,) in con.execute("SELECT digest FROM runs").fetchall()]
        rows, total = len(everything), bitwise_sum(everything)
    else:
        found = con.execute("SELECT rows, digest FROM seals WHERE name = 'runs'").fetchall()
        rows, total = found[0] if found else (0, "")
        rows, total = rows + len(come) - len(gone), bitwise_sum([*gone, *come], total)
    _write(con, "runs", rows, total)


def add_askings(con: duckdb.DuckDBPyConnection, rows: pa.Table, before: tuple[int, str]) -> None:
    """Append rows to `asked`, and bring its seal up to date; `before` is what `check_askings` has returned."""
    lend(con, "new_askings", rows)
    more, come = con.execute(SUM.format("new_askings")).fetchall()[0]
    con.unregister("new_askings")
    insert(con, "asked", rows)
    _write(con, "asked", before[0] + more, str(int(before[1]) ^ int(come)))


def seal_askings(con: duckdb.DuckDBPyConnection) -> None:
    """Make the seal of `asked` anew, of the rows that are left."""
    _write(con, "asked", *con.execute(SUM.format("asked")).fetchall()[0])


def _write(con: duckdb.DuckDBPyConnection, name: str, rows: int, digest: str) -> None:
    execute(con, "DELETE FROM seals WHERE name = $1", name)
    row = {"name": from_texts([name]), "rows": from_numpy(np.array([rows])), "digest": from_texts([digest])}
    insert(con, "seals", pa.table(row))
