"""DuckDB's extensions, from installed wheels by path: nothing is downloaded at run time where there is a wheel.

DuckDB checks the signature of an extension each time that a database loads it, which takes a tenth of a second, and
longer than most of what a command does. `connect` has it done once in a process: what was loaded before, from a file
that has not changed since, is loaded into further databases unchecked.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metabt.errors import StoreError
from metabt.lakehouse.catalog.statements import quoted

if TYPE_CHECKING:
    import duckdb

EXTRAS = {"postgres_scanner": "pip install 'metabt[postgres]', or ", "httpfs": "pip install 'metabt[s3]', or "}
"""Extension -> how a message begins where it is missing and comes with an extra of metabt."""

_checked: dict[Path, tuple[int, ...]] = {}
"""Files whose signature DuckDB has checked in this process -> what they were."""


def connect(names: Iterable[str], config: Mapping[str, Any]) -> duckdb.DuckDBPyConnection:
    """Return a connection to a database in memory of its own, with extensions loaded.

    Raises
    ------
    StoreError
        For an extension that cannot be had, or that DuckDB refuses.
    """
    import duckdb

    names = tuple(names)
    known = all((file := _extension_wheel(name)) and _checked.get(file) == _identity(file) for name in names)
    con = duckdb.connect(":memory:", config={**config, "allow_unsigned_extensions": known})
    try:
        load_extensions(con, names)
        if known:  # for nothing else; DuckDB lets nobody take this back
            con.execute("SET allow_unsigned_extensions = false")
    except BaseException:
        con.close()
        raise
    return con


def load_extensions(con: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
    """Load extensions into a connection: from their wheels, or from DuckDB's own directory where there is no wheel.

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
        else:
            found = _identity(wheel)
            try:
                con.execute(f"LOAD {quoted(str(wheel))}")
            except duckdb.Error as error:
                raise StoreError(_refused(name, str(error))) from error
            _checked.setdefault(wheel, found)
        if name == "httpfs":
            _forget_environment(con)


def _forget_environment(con: duckdb.DuckDBPyConnection) -> None:
    from metabt.lakehouse.storage.credentials import forget_environment

    forget_environment(con)


def _extension_wheel(name: str) -> Path | None:
    import duckdb

    spec = find_spec(f"duckdb_extension_{name}")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations)))
    file = folder / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    return file if file.is_file() else None


def _identity(file: Path) -> tuple[int, ...]:
    status = os.stat(file)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


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
