"""Dataset facts: what is known of a dataset without reading one of its prices.

1. `datasets` says which there are and whether they are closed.
2. `calendars` has their sessions.
3. `digests` has their symbols, and what each observed in every partition.

One statement each, for all wanted datasets together: a statement costs far more than the rows it brings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from metabt.errors import ConfigError, nearest
from metabt.lakehouse.catalog.connection_loss import reported
from metabt.lakehouse.prices.calendars import read_calendars
from metabt.lakehouse.prices.snapshots import read_at

Wanted = Mapping[str, tuple[str, ...] | None]
"""Dataset -> symbols, or None for all that it has."""
Cell = tuple[str, str, str]
"""What a digest covers: symbol, partition, field."""

DIGESTS = (
    "SELECT dataset, symbol, partition, field, digest FROM digests{at} WHERE list_contains($1::VARCHAR[], dataset) "
    "OR (dataset, symbol) IN (SELECT (unnest($2::VARCHAR[]), unnest($3::VARCHAR[])))"
)


@dataclass(frozen=True)
class Facts:
    """What is known of a dataset without reading a price."""

    name: str
    """The dataset's name."""
    dates: np.ndarray
    """(n_sessions,) datetime64[D], increasing: the dataset's own calendar, whichever symbols are wanted."""
    symbols: tuple[str, ...]
    """The wanted symbols, sorted, each once."""
    closed: bool
    """True when no more data will ever come."""
    digests: dict[Cell, str]
    """(symbol, partition, field) -> digest, of the wanted symbols."""

    @property
    def has_volume(self) -> bool:
        """Whether the dataset has volumes; every symbol of it has a digest of them then."""
        return any(field == "volume" for _, _, field in self.digests)


@reported
def load_facts(con: duckdb.DuckDBPyConnection, wanted: Wanted, at: int | None = None) -> dict[str, Facts]:
    """Return the facts of some datasets: calendars, symbols and digests, without reading prices.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    wanted : mapping
        Dataset -> symbols, or None for all that it has.
    at : int, optional
        Number of the snapshot to read; None is the current one.

    Returns
    -------
    dict of str to Facts
        By dataset, in the order of `wanted`.

    Raises
    ------
    ConfigError
        For a dataset or a symbol that the lakehouse does not have.
    StoreError
        For a snapshot that it does not have.
    """
    closed = dict(read_at(con, "SELECT dataset, closed FROM datasets{at}", at).fetchall())
    calendars = read_calendars(con, list(wanted), at)
    digests = read_digests(con, wanted, at)
    held = {name: {symbol for symbol, _, _ in cells} for name, cells in digests.items()}
    if any(name not in closed or set(symbols or ()) - held[name] for name, symbols in wanted.items()):
        known = dataset_symbols(con, at)
        held = {name: set(chosen(known, name, symbols)) for name, symbols in wanted.items()}
    return {
        name: Facts(name, calendars[name], tuple(sorted(held[name])), bool(closed[name]), digests[name])
        for name in wanted
    }


@reported
def read_digests(con: duckdb.DuckDBPyConnection, wanted: Wanted, at: int | None = None) -> dict[str, dict[Cell, str]]:
    """Return dataset -> cell -> digest, of those wanted symbols that the lakehouse has."""
    whole = [name for name, symbols in wanted.items() if symbols is None]
    pairs = [(name, symbol) for name, symbols in wanted.items() for symbol in symbols or ()]
    rows = read_at(con, DIGESTS, at, whole, [name for name, _ in pairs], [symbol for _, symbol in pairs])
    table = rows.to_arrow_table()
    datasets, *cells = (_shared_texts(table[name]) for name in ("dataset", "symbol", "partition", "field"))
    found: dict[str, dict[Cell, str]] = {name: {} for name in wanted}
    for dataset, cell, digest in zip(datasets, zip(*cells, strict=True), table["digest"].to_pylist(), strict=True):
        found[dataset][cell] = digest
    return found


def _shared_texts(column: pa.ChunkedArray) -> list[str]:
    """Return texts row by row, equal ones as one object: each is hashed once, however many cells it is part of."""
    shared: dict[str, str] = {}
    return [shared.setdefault(text, text) for text in column.to_pylist()]


@reported
def dataset_symbols(con: duckdb.DuckDBPyConnection, at: int | None = None) -> dict[str, tuple[str, ...]]:
    """Return the symbols of every dataset.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    at : int, optional
        Number of the snapshot to read; None is the current one.

    Returns
    -------
    dict of str to tuple of str
        Dataset -> its symbols; both are sorted.

    Raises
    ------
    StoreError
        For a snapshot that the lakehouse does not have.
    """
    found: dict[str, list[str]] = {}
    for dataset, symbol in read_at(con, "SELECT DISTINCT dataset, symbol FROM digests{at}", at).fetchall():
        found.setdefault(dataset, []).append(symbol)
    return {dataset: tuple(sorted(symbols)) for dataset, symbols in sorted(found.items())}


def chosen(known: Mapping[str, Sequence[str]], dataset: str, symbols: Iterable[str] | None) -> tuple[str, ...]:
    """Return the wanted symbols of a dataset, sorted, each once.

    Raises
    ------
    ConfigError
        For an unknown dataset or symbol, with the nearest known one.
    """
    if dataset not in known:
        cure = nearest(dataset, known) or "; `metabt ingest` adds one"
        raise ConfigError(f"no dataset '{dataset}' in the lakehouse{cure}")
    if symbols is None:
        return tuple(known[dataset])
    missing = sorted(set(symbols) - set(known[dataset]))
    if missing:
        others = f" (and {len(missing) - 1} more unknown ones)" if len(missing) > 1 else ""
        cure = nearest(missing[0], known[dataset])
        raise ConfigError(f"dataset '{dataset}' has no symbol '{missing[0]}'{others}{cure}")
    return tuple(sorted(set(symbols)))
