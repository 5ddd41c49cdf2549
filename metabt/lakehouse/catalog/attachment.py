"""Attach a lakehouse: DuckLake tables over Parquet files, with the catalogue that `catalog_location` finds.

1. `check_writable` probes for permission with a real write, so that it is known before an hour is spent on computing.
2. `opened` is a connection with DuckDB's extensions (metabt.lakehouse.catalog.connections).
3. `attach_lake` attaches the catalogue over `<lakehouse>/data/`; with `create` it makes what is missing. Files of a
   commit whose answer was lost are put back (metabt.lakehouse.folder.in_doubt).

The data path is always given anew, so a lakehouse may be moved as a directory, and each machine may mount it elsewhere.
"""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from pathlib import Path

import duckdb

from metabt.errors import StoreError, passing
from metabt.lakehouse.catalog.catalog_location import Catalogue, existing, located, require, settle
from metabt.lakehouse.catalog.connection_loss import close, may_pass, whole
from metabt.lakehouse.catalog.connections import opened
from metabt.lakehouse.catalog.schema import SCHEMA, create_tables, existing_columns, keep_in_catalogue
from metabt.lakehouse.catalog.sqlite import UNLOCKABLE, SqliteCatalogue
from metabt.lakehouse.catalog.statements import quoted
from metabt.lakehouse.catalog.views import create_views, missing_views
from metabt.lakehouse.folder.in_doubt import restore
from metabt.lakehouse.folder.lost_catalogue import DATA, remains
from metabt.lakehouse.storage.place import storage_of
from metabt.lakehouse.storage.port import Root
from metabt.values.bucket_address import Address

LONG_AGO = 3600.0
"""Seconds after which a catalogue that is being made is nobody's."""


def attach(
    path: str | Path | Address, *, read_only: bool = False, create: bool = False, catalog: str | None = None
) -> duckdb.DuckDBPyConnection:
    """Return a connection in which the lakehouse's tables are reachable by name.

    Parameters
    ----------
    path : str or Path
        Directory of the lakehouse.
    read_only : bool
        Refuse every statement that writes.
    create : bool
        Make the directory, the catalogue and the tables where they are missing.
    catalog : str, optional
        Where a new lakehouse's catalogue is made, ``postgres:host=HOST dbname=NAME``; METABT_CATALOG by default, and a
        SQLite file in the directory where that is not set either. A lakehouse that is there must have it.

    Returns
    -------
    duckdb.DuckDBPyConnection
        One of its own, with the lakehouse as the database `lake` in use. The caller closes it.

    Raises
    ------
    StoreError
        When there is no lakehouse at `path`, it cannot be written (and should be), or it is something else.
    """
    if create:
        check_folder(path)
    where = settle(path, catalog) if create else require(path)
    if not (create or read_only):
        check_folder(path)
    con = opened(where.extensions)
    storage_of(where.root).enter(con)
    try:
        attach_lake(con, where, read_only=read_only, create=create)
    except StoreError:
        close(con)
        raise
    return con


def attach_lake(
    con: duckdb.DuckDBPyConnection, where: Catalogue, *, read_only: bool = False, create: bool = False
) -> None:
    """Attach the lakehouse to `con` as the database `lake`, and use it.

    Where `con` has it for reading, it is attached anew for writing. Where it has it for writing, nothing is done.

    Raises
    ------
    StoreError
        When the catalogue cannot be opened, or is something else.
    """
    try:
        attached = con.execute("SELECT readonly FROM duckdb_databases() WHERE database_name = 'lake'").fetchall()
        if attached == [(False,)]:
            return
        if attached:
            con.execute("USE memory")
            con.execute("DETACH lake")
        new = create and remains(where.root) is None  # a catalogue that was lost is not replaced
        storage_of(where.root).open_to(con)
        if create and isinstance(where.root, Path):
            (where.root / DATA).mkdir(parents=True, exist_ok=True)
        if new and isinstance(where, SqliteCatalogue) and not where.is_there():
            _make(con, where)
        _attach(con, where, read_only, new)
        con.execute("USE lake")
        if not attached:
            _complete(con, where.root, create)
        if not isinstance(where, SqliteCatalogue):
            restore(con, where.root)
    except duckdb.Error as error:
        raise passing(StoreError(where.unreadable(str(error))), may_pass(str(error))) from error


def check_writable(path: str | Path) -> None:
    """Raise StoreError unless a lakehouse can be written, or made where there is none; nothing is left behind.

    Parameters
    ----------
    path : str or Path
        Directory of the lakehouse.

    Raises
    ------
    StoreError
        If its directory or its catalogue cannot be written.
    """
    check_folder(path)
    root = located(path)
    found = existing(root)
    if found is not None:
        found.check_writable()
    elif isinstance(root, Path):
        SqliteCatalogue(root).check_writable()


def check_folder(path: str | Path | Address) -> None:
    """Raise StoreError unless files can be written where a lakehouse lies; nothing is left behind."""
    root = located(path)
    for place in (root, root / DATA) if isinstance(root, Path) else (root,):
        try:
            storage_of(place).check_writable()
        except StoreError as error:
            cure = "; restore write permission, or name another path" if isinstance(root, Path) else ""
            raise StoreError(f"lakehouse '{root}' cannot be written: {error}{cure}") from error


def _attach(con: duckdb.DuckDBPyConnection, where: Catalogue, read_only: bool, create: bool) -> None:
    try:
        con.execute(_attach_statement(where, where.target, read_only, create))
    except duckdb.Error as error:
        if not (read_only and UNLOCKABLE in str(error) and isinstance(where, SqliteCatalogue)):
            raise
        try:
            con.execute(_attach_statement(where, where.copy_for(con), read_only, create))
        except OSError as failed:
            raise StoreError(f"{where.unreadable(str(error))} (a copy of the catalogue: {failed})") from error


def _make(con: duckdb.DuckDBPyConnection, where: SqliteCatalogue) -> None:
    """Make a catalogue under another name, and put it in its place: nobody sees it in part, whoever is killed when."""
    for left in where.root.glob(f"{where.draft('*')}*"):
        with suppress(FileNotFoundError):  # another one was faster
            if time.time() - left.stat().st_mtime > LONG_AGO:
                left.unlink()
    draft = where.root / where.draft(secrets.token_hex(8))
    try:
        con.execute(_attach_statement(where, where.target_of(draft), False, True))
        con.execute("USE lake")
        _complete(con, where.root, create=True)
        con.execute("USE memory")
        con.execute("DETACH lake")
        where.put(draft)
    finally:
        for left in where.root.glob(f"{draft.name}*"):
            left.unlink(missing_ok=True)


def _attach_statement(where: Catalogue, target: str, read_only: bool, create: bool) -> str:
    options = [
        f"DATA_PATH {quoted(storage_of(where.root / DATA).beneath)}",
        "OVERRIDE_DATA_PATH TRUE",
        f"CREATE_IF_NOT_EXISTS {create}",
        *where.options,
    ]
    if read_only:
        options.append("READ_ONLY")
    return f"ATTACH {quoted(f'ducklake:{target}')} AS lake ({', '.join(options)})"


def _complete(con: duckdb.DuckDBPyConnection, root: Root, create: bool) -> None:
    """Make what is missing of a new lakehouse; refuse one that nobody has finished, or of another format."""
    rows = existing_columns(con)
    if create and not rows:
        with whole(con):
            create_tables(con)
            create_views(con)
        keep_in_catalogue(con)
        return
    if not rows:
        raise StoreError(
            f"lakehouse '{root}' has no table yet: whoever makes it is not done, or was stopped; "
            "`metabt ingest FILE --dataset NAME --lakehouse FOLDER` goes on from there"
        )
    missing = {(name, column) for name, columns in SCHEMA.items() for column in columns} - set(rows)
    views = missing_views(con)
    if missing or views:
        name, column = min(missing, default=("", ""))
        what = f"column {name}.{column}" if name in {row[0] for row in rows} else f"table {name}"
        what = what if missing else f"view {views[0]}"
        raise StoreError(
            f"'{root}' is a lakehouse of an older format, or not one of metabt's: it has no {what}; make it anew with "
            "`metabt ingest FILE --dataset NAME --lakehouse ANOTHER_FOLDER`, and run its portfolios there"
        )
    if create:
        keep_in_catalogue(con)  # whoever made it may have been stopped before that
