"""Attach a lakehouse: DuckLake tables over Parquet files, with a SQLite file as the catalogue.

1. `check_writable` probes for permission with a real write, so that nobody computes for an hour to find out.
2. `connection` has DuckDB's extensions loaded (metabt.lakehouse.extensions).
3. `attach` opens `<lakehouse>/catalog.sqlite` over `<lakehouse>/data/`; with `create` it makes what is missing.
4. The catalogue runs in WAL mode, so that readers see whole commits while another process writes.

The data path is always given anew, so a lakehouse may be moved or copied as a directory.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import duckdb

from metabt.errors import StoreError
from metabt.lakehouse.extensions import connection
from metabt.lakehouse.statements import quoted
from metabt.lakehouse.tables import SCHEMA, complete_tables

CATALOG = "catalog.sqlite"
"""File name of the catalogue inside a lakehouse."""
DATA = "data"
"""Directory of the Parquet files inside a lakehouse."""
BUSY_TIMEOUT = 10_000
"""Milliseconds that SQLite waits for another process's lock before it gives up."""


def attach(path: str | Path, *, read_only: bool = False, create: bool = False) -> duckdb.DuckDBPyConnection:
    """Return a connection in which the lakehouse's tables are reachable by name.

    Parameters
    ----------
    path : str or Path
        Directory of the lakehouse.
    read_only : bool
        Refuse every statement that writes.
    create : bool
        Make the directory, the catalogue and the tables where they are missing.

    Raises
    ------
    StoreError
        When there is no lakehouse at `path`, it cannot be written (and should be), or it is something else.
    """
    root = located(path)
    if create:
        check_writable(root)
        (root / DATA).mkdir(parents=True, exist_ok=True)
    else:
        require(root)
        if not read_only:
            check_writable(root)
    con = connection()
    try:
        con.execute(_attach_statement(root, read_only, create))
        con.execute("USE lake")
        _complete(con, root, create)
    except duckdb.Error as error:
        con.close()
        raise StoreError(_unreadable(root, str(error))) from error
    except StoreError:
        con.close()
        raise
    return con


def reattach(con: duckdb.DuckDBPyConnection, path: str | Path) -> duckdb.DuckDBPyConnection:
    """Return `con`, which has read the lakehouse, fit for writing: its extensions need no second signature check.

    One that was attached for writing is so already, and still knows the tables.

    Raises
    ------
    StoreError
        When the lakehouse cannot be written.
    """
    root = located(path)
    try:
        if con.execute("SELECT readonly FROM duckdb_databases() WHERE database_name = 'lake'").fetchall() == [(False,)]:
            return con
        con.execute("USE memory")
        con.execute("DETACH lake")
        con.execute(_attach_statement(root, read_only=False, create=False))
        con.execute("USE lake")
    except duckdb.Error as error:
        con.close()
        raise StoreError(_unreadable(root, str(error))) from error
    return con


def require(path: str | Path) -> None:
    """Raise StoreError unless there is a catalogue at `path`."""
    # only its size is asked: opening the file here and closing it would drop the POSIX locks that
    # another connection of this very process holds on it
    catalog = located(path) / CATALOG
    if not catalog.is_file() or catalog.stat().st_size == 0:
        raise StoreError(
            f"no lakehouse at '{path}'; make one with `metabt ingest` or `make demo`, or name another path"
        )


def check_writable(path: str | Path) -> None:
    """Raise StoreError unless a lakehouse at `path` can be written or made; nothing is left behind.

    Permission bits alone do not tell (root ignores them, a mount may be read-only), so a file is written.
    """
    root = located(path)
    for place in (root, root / DATA):
        _probe(place, root)
    catalog = root / CATALOG
    if catalog.is_dir() or (catalog.exists() and not os.access(catalog, os.W_OK)):
        raise StoreError(_write_protected(root, f"'{catalog}' is not a writable file"))


def located(path: str | Path) -> Path:
    """Return the absolute directory of a lakehouse, with ~ expanded."""
    return Path(os.path.abspath(Path(path).expanduser()))


def _attach_statement(root: Path, read_only: bool, create: bool) -> str:
    options = [
        f"DATA_PATH {quoted(str(root / DATA) + '/')}",
        "OVERRIDE_DATA_PATH TRUE",
        f"CREATE_IF_NOT_EXISTS {create}",
        "META_JOURNAL_MODE 'WAL'",
        f"META_BUSY_TIMEOUT {BUSY_TIMEOUT}",
    ]
    if read_only:
        options.append("READ_ONLY")
    return f"ATTACH {quoted(f'ducklake:sqlite:{root / CATALOG}')} AS lake ({', '.join(options)})"


def _complete(con: duckdb.DuckDBPyConnection, root: Path, create: bool) -> None:
    rows = con.execute("SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = 'lake'").fetchall()
    missing = {(name, column) for name, columns in SCHEMA.items() for column in columns} - set(rows)
    if missing and not create:
        name, column = min(missing)
        what = f"column {name}.{column}" if name in {row[0] for row in rows} else f"table {name}"
        raise StoreError(
            f"'{root}' is a DuckLake without metabt's {what}; `metabt ingest` adds what is missing, "
            "or name another path"
        )
    if missing:
        complete_tables(con, missing)


def _probe(place: Path, root: Path) -> None:
    existing = next(p for p in (place, *place.parents) if p.exists())
    if not existing.is_dir():
        raise StoreError(_write_protected(root, f"'{existing}' is a file, not a directory"))
    try:
        with tempfile.TemporaryFile(dir=existing) as file:
            file.write(b"metabt")
            file.flush()
    except OSError as error:
        raise StoreError(_write_protected(root, f"'{existing}': {error.strerror}")) from error


def _write_protected(root: Path, reason: str) -> str:
    return f"lakehouse '{root}' cannot be written: {reason}; restore write permission, or name another path"


def _unreadable(root: Path, reason: str) -> str:
    first = reason.partition("\n")[0]
    if "readonly database" in reason:
        return (
            f"lakehouse '{root}' cannot be opened: {first}; SQLite keeps a lock file beside the catalogue even for "
            "readers: restore write permission on the directory, or copy the lakehouse to one of your own"
        )
    return (
        f"'{root / CATALOG}' cannot be opened as a lakehouse's catalogue: {first}; "
        "name another path, or restore the file from a copy"
    )
