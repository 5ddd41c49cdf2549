"""Which catalogue a lakehouse has: its folder says, and another one that is named is refused.

1. `catalog.sqlite` in the folder is the catalogue itself; `catalog.postgres` says in one line where it is.
2. A new lakehouse gets what its founder names, or METABT_CATALOG, or a SQLite file. In PostgreSQL it gets a schema of
   its own, named at random unless the text states one, and that must be free.
3. Where the folder holds files of a lakehouse and no catalogue, it was lost, and no other takes its place.
4. Afterwards the folder alone is asked. What is named and is not that catalogue would be ignored, so it is refused.
5. A prefix of an object store is such a folder, but for a SQLite file, which cannot be locked there.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from metabt.errors import ConfigError, StoreError
from metabt.lakehouse.catalog.connection_string import VARIABLE, ConnectionString, parse_connection_string
from metabt.lakehouse.catalog.job_folder import refuse_job_folder
from metabt.lakehouse.catalog.local_paths import remote
from metabt.lakehouse.catalog.postgres import PostgresCatalogue
from metabt.lakehouse.catalog.sqlite import SqliteCatalogue
from metabt.lakehouse.folder.lost_catalogue import lost, remains
from metabt.lakehouse.storage.place import storage_of
from metabt.lakehouse.storage.port import Root
from metabt.values.bucket_address import Address

FILE = "catalog.postgres"
"""File inside a lakehouse that says where its catalogue is."""
COMMENT = "# The catalogue of this lakehouse. The folder may be moved; a copy of it needs a catalogue of its own.\n"
"""First line of that file."""

Catalogue = SqliteCatalogue | PostgresCatalogue


def located(path: str | Path | Address) -> Root:
    """Return where a lakehouse lies: an absolute directory, with ~ expanded, or an address in an object store.

    Raises
    ------
    StoreError
        For an address such as gs://bucket/prefix, and for a folder that a Ray job deletes.
    """
    address = remote(path)
    if address is not None:
        return address
    found = Path(str(path)).expanduser()
    refuse_job_folder(found)
    return Path(os.path.abspath(found))


def require(path: str | Path | Address) -> Catalogue:
    """Return the catalogue of the lakehouse at `path`.

    Raises
    ------
    StoreError
        Unless there is one, and it is the one that METABT_CATALOG names, if that names any.
    """
    root = located(path)
    found = existing(root)
    if found is None:
        _refuse_remains(root)
        named = path if isinstance(root, Path) else root
        raise StoreError(
            f"no lakehouse at '{named}'; make one with `metabt ingest` or `make demo`, or name another path"
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
    found = existing(located(path))
    if found is not None:
        _compare(found, "catalog", parse_connection_string(catalog))


def settle(path: str | Path | Address, catalog: str | None = None) -> Catalogue:
    """Return the catalogue of the lakehouse at `path`; where there is none, choose one and record it in the folder.

    A new one is where `catalog` says, else METABT_CATALOG, else a SQLite file in the folder.

    Raises
    ------
    StoreError
        For a lakehouse with another catalogue than `catalog`, a schema that is in use, a server that is out of reach.
    """
    root = located(path)
    named = [] if catalog is None else [("catalog", parse_connection_string(catalog))]
    found = existing(root)
    if found is None:
        _refuse_remains(root)
        found = _decided(root, [*named, *_environment()])
    for source, place in named:
        _compare(found, source, place)
    return found


def existing(root: Root) -> Catalogue | None:
    """Return the catalogue of the lakehouse in a folder; None where there is no lakehouse.

    Raises
    ------
    StoreError
        If the folder has two catalogues, or another one than METABT_CATALOG names.
    """
    inside = SqliteCatalogue(root) if isinstance(root, Path) else None
    text, named = _noted(root), _environment()
    if text is None:
        found: Catalogue | None = inside if inside is not None and inside.is_there() else None
    elif inside is not None and inside.is_there():
        raise StoreError(f"lakehouse '{root}' has two catalogues, {inside.file.name} and {FILE}; move one of them away")
    else:
        found = PostgresCatalogue(root, _read(root, text))
    for source, place in named if found is not None else ():
        _compare(found, source, place)
    return found


def likely(path: str | Path) -> tuple[str, ...]:
    """Return the extensions of DuckDB that a lakehouse takes, judged by its place, without a request."""
    root = located(path)
    if isinstance(root, Path):
        return (existing(root) or SqliteCatalogue(root)).extensions
    return (*PostgresCatalogue.needed, *storage_of(root).extensions)


def _refuse_remains(root: Root) -> None:
    """Raise StoreError where a lakehouse was, unless another driver has founded it meanwhile."""
    place = remains(root)
    if place is not None and existing(root) is None:
        raise lost(root, place, f"'{SqliteCatalogue(root).file if isinstance(root, Path) else root / FILE}'")


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


def _decided(root: Root, named: list[tuple[str, ConnectionString]]) -> Catalogue:
    if not named and isinstance(root, Path):
        root.mkdir(parents=True, exist_ok=True)
        return SqliteCatalogue(root)
    if not named:
        raise StoreError(
            f"lakehouse '{root}' would have its catalogue in a SQLite file, which an object store cannot lock for "
            f"drivers on several machines; name a database, catalog=postgres:host=HOST dbname=NAME or {VARIABLE}"
        )
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


def _write(root: Root, place: ConnectionString) -> None:
    storage_of(root).put(FILE, f"{COMMENT}{place}\n".encode())  # the lock on founding is held: the name is free


def _noted(root: Root) -> str | None:
    """Return what the folder says of its catalogue; None where it says nothing."""
    try:
        return storage_of(root).read(FILE).decode()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except (OSError, ValueError) as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(
            f"'{root / FILE}' does not say where the catalogue is: {error}; restore it from a copy"
        ) from None


def _read(root: Root, text: str) -> ConnectionString:
    try:
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        place = parse_connection_string(lines[0] if len(lines) == 1 else "")
    except ValueError as error:
        raise StoreError(
            f"'{root / FILE}' does not say where the catalogue is: {error}; restore it from a copy"
        ) from None
    if place.schema is None:
        raise StoreError(f"'{root / FILE}' states no schema; restore it from a copy")
    return place
