"""DuckDB's extensions, from installed wheels by path: nothing is downloaded at run time where there is a wheel."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from metabt.errors import StoreError
from metabt.lakehouse.catalog.statements import quoted

if TYPE_CHECKING:
    import duckdb

EXTRAS = {"postgres_scanner": "pip install 'metabt[postgres]', or "}
"""Extension -> how a message begins where it is missing and comes with an extra of metabt."""


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
            continue
        try:
            con.execute(f"LOAD {quoted(str(wheel))}")
        except duckdb.Error as error:
            raise StoreError(_refused(name, str(error))) from error


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
