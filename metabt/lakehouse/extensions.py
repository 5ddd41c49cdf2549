"""Extensions: what DuckDB needs for a lakehouse, loaded from installed wheels: nothing is downloaded at run time.

1. `connection` returns a connection with those that a catalogue needs, to nothing yet.
2. `begin` has one made in the background: DuckDB checks the signatures of extensions, which takes longer than most of
   what a command does, while another processor imports the rest.
3. Which catalogue it will be is a guess then: whoever takes the connection has what it lacks loaded as well.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from metabt.errors import MetabtError, StoreError
from metabt.lakehouse.statements import quoted

if TYPE_CHECKING:
    import duckdb

EXTRAS = {"postgres_scanner": "pip install 'metabt[postgres]', or "}
"""What to say first where an extension comes with an extra of metabt."""

_begun: list[Future[duckdb.DuckDBPyConnection]] = []
"""A connection that is being made and that nobody has taken."""


def begin(likely: Callable[[], Iterable[str]]) -> None:
    """Have a connection made, for whoever asks for one first; `likely`, asked in the background, says what it needs."""
    if not _begun:
        pool = ThreadPoolExecutor(1)
        _begun.append(pool.submit(lambda: _made(likely())))
        pool.shutdown(wait=False)


def connection(names: Iterable[str]) -> duckdb.DuckDBPyConnection:
    """Return a connection with these extensions loaded.

    Raises
    ------
    StoreError
        If they are not installed, or DuckDB refuses them.
    """
    begun = _taken()
    return _made(names) if begun is None else _equipped(begun, names)


def load_extensions(con: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
    """Load extensions from their wheels, or from DuckDB's own directory where a platform has no wheel.

    Raises
    ------
    StoreError
        For one that is in neither and cannot be downloaded, or that DuckDB refuses.
    """
    import duckdb

    for name in names:
        wheel = _extension_wheel(name)
        if wheel is None:
            _load_installed(con, name)
            continue
        try:
            con.execute(f"LOAD {quoted(str(wheel))}")
        except duckdb.Error as error:
            raise StoreError(_refused(name, str(error))) from error


def _taken() -> duckdb.DuckDBPyConnection | None:
    """Return the connection that was begun; none where that failed, for whoever asks may need something else."""
    try:
        return _begun.pop().result() if _begun else None
    except MetabtError:
        return None


def _made(names: Iterable[str]) -> duckdb.DuckDBPyConnection:
    import duckdb

    # a statement costs dozens of tiny ones on the catalogue: further threads would only wait, and cost half again;
    # secrets that DuckDB has stored on this machine have no say in who connects to a server
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "secret_directory": os.devnull,
        "threads": 1,
        **_spill(),
    }
    con = duckdb.connect(":memory:", config=config)
    con.execute("SET enable_progress_bar = false")  # it would go to standard output, among the results
    return _equipped(con, names)


def _equipped(con: duckdb.DuckDBPyConnection, names: Iterable[str]) -> duckdb.DuckDBPyConnection:
    try:
        load_extensions(con, names)  # those that it has are loaded by doing nothing
    except BaseException:
        con.close()
        raise
    return con


def _spill() -> dict[str, str]:
    """Return where DuckDB puts what memory has no room for: the working directory may be read-only, or a user's own."""
    # each connection has a folder of its own, made when it is needed: two would write to the same files in it
    return {"temp_directory": os.path.join(tempfile.gettempdir(), f"metabt-duckdb-{secrets.token_hex(8)}")}


def _extension_wheel(name: str) -> Path | None:
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


def _refused(name: str, reason: str) -> str:
    return f"DuckDB refuses its extension '{name}': {reason.partition(chr(10))[0]}; install its wheel again"


def _not_installed(name: str, reason: str, version: str) -> str:
    return (
        f"DuckDB extension '{name}' for DuckDB {version} is neither installed nor downloadable "
        f"({reason.partition(chr(10))[0]}); {EXTRAS.get(name, '')}install the wheel "
        f"duckdb-extension-{name.replace('_', '-')}=={version}, "
        f"or, where a platform has none, copy {name}.duckdb_extension from a connected machine to "
        f"~/.duckdb/extensions/v{version}/<platform>/"
    )
