"""Which catalogue a lakehouse has: its folder says, and another one that is named is refused.

1. `catalog.sqlite` in the folder is the catalogue itself; `catalog.postgres` says in one line where it is.
2. A new lakehouse gets what its founder names, or METABT_CATALOG, or a SQLite file. In PostgreSQL it gets a schema of
   its own, named at random unless the text states one, and that must be free.
3. Where the folder holds files of a lakehouse and no catalogue, it was lost, and no other takes its place.
4. Afterwards the folder alone is asked. What is named and is not that catalogue would be ignored, so it is refused.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from metabt.errors import ConfigError, StoreError
from metabt.lakehouse.catalog.connection_string import VARIABLE, ConnectionString, parse_connection_string
from metabt.lakehouse.catalog.job_folder import refuse_job_folder
from metabt.lakehouse.catalog.local_paths import refuse_remote
from metabt.lakehouse.catalog.postgres import PostgresCatalogue
from metabt.lakehouse.catalog.sqlite import SqliteCatalogue
from metabt.lakehouse.folder.lost_catalogue import lost, remains

FILE = "catalog.postgres"
"""File inside a lakehouse that says where its catalogue is."""
COMMENT = "# The catalogue of this lakehouse. The folder may be moved; a copy of it needs a catalogue of its own.\n"
"""First line of that file."""

Catalogue = SqliteCatalogue | PostgresCatalogue


def located(path: str | Path, catalog: str | None = None) -> Path:
    """Return the absolute directory of a lakehouse, with ~ expanded; `catalog` is the catalogue that is named, if any.

    Raises
    ------
    StoreError
        For an address such as s3://bucket/prefix, and for a folder that a Ray job deletes.
    """
    refuse_remote(path, catalog)
    found = Path(path).expanduser()
    refuse_job_folder(found)
    return Path(os.path.abspath(found))


def require(path: str | Path) -> Catalogue:
    """Return the catalogue of the lakehouse at `path`.

    Raises
    ------
    StoreError
        Unless there is one, and it is the one that METABT_CATALOG names, if that names any.
    """
    found = existing(located(path))
    if found is None:
        _refuse_remains(located(path))
        raise StoreError(
            f"no lakehouse at '{path}'; make one with `metabt ingest` or `make demo`, or name another path"
        )
    return found


def confirm(path: str | Path, catalog: str) -> None:
    """Raise StoreError where a lakehouse is there and has another catalogue than the one that is named.

    Parameters
    ----------
    path : str or Path
        Directory of the lakehouse.
    catalog : str
        ``postgres:host=HOST dbname=NAME``, as for `attach`.

    Raises
    ------
    ConfigError
        For a text that names no catalogue.
    StoreError
        For a lakehouse with another catalogue.
    """
    found = existing(located(path, catalog))
    if found is not None:
        _compare(found, "catalog", parse_connection_string(catalog))


def settle(path: str | Path, catalog: str | None = None) -> Catalogue:
    """Return the catalogue of the lakehouse at `path`; where there is none, choose one and record it in the folder.

    A new one is where `catalog` says, else METABT_CATALOG, else a SQLite file in the folder.

    Raises
    ------
    StoreError
        For a lakehouse with another catalogue than `catalog`, a schema that is in use, a server that is out of reach.
    """
    root = located(path, catalog)
    named = [] if catalog is None else [("catalog", parse_connection_string(catalog))]
    found = existing(root)
    if found is None:
        _refuse_remains(root)
        found = _decided(root, [*named, *_environment()])
    for source, place in named:
        _compare(found, source, place)
    return found


def existing(root: Path) -> Catalogue | None:
    """Return the catalogue of the lakehouse in a folder; None where there is no lakehouse.

    Raises
    ------
    StoreError
        If the folder has two catalogues, or another one than METABT_CATALOG names.
    """
    inside, file, named = SqliteCatalogue(root), root / FILE, _environment()
    if not file.is_file():
        found: Catalogue | None = inside if inside.is_there() else None
    elif inside.is_there():
        raise StoreError(f"lakehouse '{root}' has two catalogues, {inside.file.name} and {FILE}; move one of them away")
    else:
        found = PostgresCatalogue(root, _read(file))
    for source, place in named if found is not None else ():
        _compare(found, source, place)
    return found


def likely(path: str | Path) -> Catalogue:
    """Return the catalogue of the lakehouse at `path`; where there is none, the SQLite one that it would get."""
    root = located(path)
    return existing(root) or SqliteCatalogue(root)


def _refuse_remains(root: Path) -> None:
    """Raise StoreError where a lakehouse was, unless another driver has founded it meanwhile."""
    place = remains(root)
    if place is not None and existing(root) is None:
        raise lost(root, place, f"'{SqliteCatalogue(root).file}'")


def _environment() -> list[tuple[str, ConnectionString]]:
    text = os.environ.get(VARIABLE)
    if not text:
        return []
    try:
        return [(VARIABLE, parse_connection_string(text))]
    except ConfigError as error:
        raise ConfigError(f"{VARIABLE}: {error}") from None


def _compare(found: Catalogue | None, source: str, place: ConnectionString) -> None:
    if isinstance(found, PostgresCatalogue) and found.place.agrees(place):
        return
    assert found is not None
    raise StoreError(
        f"lakehouse '{found.root}' has its catalogue in {found}, but {source} names '{place}'; "
        f"leave {source} out, or name another lakehouse"
    )


def _decided(root: Path, named: list[tuple[str, ConnectionString]]) -> Catalogue:
    if not named:
        root.mkdir(parents=True, exist_ok=True)
        return SqliteCatalogue(root)
    source, place = named[0]
    wanted = PostgresCatalogue(root, place.within(place.schema or f"metabt_{secrets.token_hex(8)}"))
    for other, stated in named[1:]:
        if not place.agrees(stated):
            raise StoreError(f"{source} names '{place}', but {other} names '{stated}'; name one catalogue")
    with wanted.founding() as free:
        found = existing(root)  # another driver may have been first
        if found is not None:
            return found
        if not free:
            raise StoreError(
                f"lakehouse '{root}' cannot be made: {wanted} is the catalogue of another one; state another schema, "
                f"or none, or put that lakehouse's folder, with its {FILE}, in this place"
            )
        _write(root, wanted.place)
    return wanted


def _write(root: Path, place: ConnectionString) -> None:
    root.mkdir(parents=True, exist_ok=True)
    temporary = root / f".{FILE}.{secrets.token_hex(8)}.tmp"
    with temporary.open("x", encoding="utf-8") as file:
        file.write(f"{COMMENT}{place}\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(root / FILE)


def _read(file: Path) -> ConnectionString:
    try:
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
        place = parse_connection_string(lines[0] if len(lines) == 1 else "")
    except (OSError, ValueError) as error:
        raise StoreError(f"'{file}' does not say where the catalogue is: {error}; restore it from a copy") from None
    if place.schema is None:
        raise StoreError(f"'{file}' states no schema; restore it from a copy")
    return place
