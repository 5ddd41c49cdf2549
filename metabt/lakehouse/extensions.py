"""Extensions: what DuckDB needs for a lakehouse, loaded from installed wheels: nothing is downloaded at run time.

1. `connection` returns a connection with them, to nothing yet.
2. `begin` has one made in the background: DuckDB checks the signatures of extensions, which takes longer than most of
   what a command does, while another processor imports the rest.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from metabt.errors import StoreError
from metabt.lakehouse.statements import quoted

if TYPE_CHECKING:
    import duckdb

EXTENSIONS = ("ducklake", "sqlite_scanner")
"""DuckDB extensions that a lakehouse needs."""

_begun: list[Future[duckdb.DuckDBPyConnection]] = []
"""A connection that is being made and that nobody has taken."""


def begin() -> None:
    """Have a connection made, for whoever asks for one first."""
    if not _begun:
        pool = ThreadPoolExecutor(1)
        _begun.append(pool.submit(_made))
        pool.shutdown(wait=False)


def connection() -> duckdb.DuckDBPyConnection:
    """Return a connection with the extensions loaded.

    Raises
    ------
    StoreError
        If they are not installed, or DuckDB refuses them.
    """
    return _begun.pop().result() if _begun else _made()


def _made() -> duckdb.DuckDBPyConnection:
    import duckdb

    # a statement costs dozens of tiny ones on the catalogue: further threads would only wait, and cost half again
    con = duckdb.connect(":memory:", config={"autoinstall_known_extensions": False, "threads": 1})
    try:
        for name in EXTENSIONS:
            _load(con, name)
    except duckdb.Error as error:
        con.close()
        raise StoreError(_refused(str(error))) from error
    except StoreError:
        con.close()
        raise
    return con


def _load(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load an extension from its wheel, or from DuckDB's own directory where a platform has no wheel."""
    wheel = _wheel(name)
    if wheel is not None:
        con.execute(f"LOAD {quoted(str(wheel))}")
    else:
        _load_installed(con, name)


def _wheel(name: str) -> Path | None:
    import duckdb

    spec = find_spec(f"duckdb_extension_{name}")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations)))
    file = folder / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    return file if file.is_file() else None


def _load_installed(con: duckdb.DuckDBPyConnection, name: str) -> None:
    import duckdb

    try:
        try:
            con.execute(f"LOAD {name}")
        except duckdb.Error:
            con.execute(f"INSTALL {name}")
            con.execute(f"LOAD {name}")
    except duckdb.Error as error:
        raise StoreError(_not_installed(name, str(error), duckdb.__version__)) from error


def _refused(reason: str) -> str:
    return f"DuckDB refuses an extension: {reason.partition(chr(10))[0]}; install its wheel again"


def _not_installed(name: str, reason: str, version: str) -> str:
    return (
        f"DuckDB extension '{name}' for DuckDB {version} is neither installed nor downloadable "
        f"({reason.partition(chr(10))[0]}); install the wheel duckdb-extension-{name.replace('_', '-')}=={version}, "
        f"or, where a platform has none, copy {name}.duckdb_extension from a connected machine to "
        f"~/.duckdb/extensions/v{version}/<platform>/"
    )
