"""Dataset facts: what is known of a dataset without reading one of its prices.

1. `datasets` says which there are and whether they are closed.
2. `calendars` has their sessions.
3. `symbols` has their symbols.
4. `digests` has what each observed in every partition.
5. Each of them is compared with its seal (metabt.lakehouse.prices.seals), and refused where it differs.

One statement each, for all wanted datasets together: a statement costs far more than the rows it brings.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import duckdb
import numpy as np
import pyarrow as pa

from metabt.data.facts import Cell, Facts
from metabt.errors import ConfigError, nearest
from metabt.lakehouse.catalog.connection_loss import reported
from metabt.lakehouse.catalog.damage import COPY, damage
from metabt.lakehouse.prices.calendars import read_calendars
from metabt.lakehouse.prices.seals import INPUTS, ROW, Seals, calendar_seal, cells_seal, contents_seal, row_seal
from metabt.lakehouse.prices.snapshots import read_at

Wanted = Mapping[str, tuple[str, ...] | None]
"""Dataset -> symbols, or None for all that it has."""

ROWS = f"SELECT {', '.join((*ROW, 'digest'))} FROM datasets{{at}} WHERE list_contains($1::VARCHAR[], dataset)"
NAMES = "SELECT dataset FROM datasets{at}"
SYMBOLS = "SELECT dataset, symbol, inputs, bars FROM symbols{at} WHERE list_contains($1::VARCHAR[], dataset)"
DIGESTS = (
    "SELECT dataset, symbol, partition, field, digest FROM digests{at} "
    "WHERE list_contains($4::VARCHAR[], field) AND (list_contains($1::VARCHAR[], dataset) "
    "OR (dataset, symbol) IN (SELECT (unnest($2::VARCHAR[]), unnest($3::VARCHAR[]))))"
)


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
    rows = read_datasets(con, list(wanted), at)
    if len(rows) < len(wanted):
        chosen(dataset_symbols(con, at), next(name for name in wanted if name not in rows), None)
    known = read_symbols(con, rows, at)
    held = {name: chosen(known, name, symbols) for name, symbols in wanted.items()}
    calendars = sound_calendars(con, rows, at)
    digests = read_digests(con, wanted, at)
    for name in wanted:
        _check_cells(con, name, {symbol: known[name][symbol][0] for symbol in held[name]}, digests[name], at)
    return {
        name: Facts.stated(name, calendars[name], held[name], bool(rows[name]["closed"]), digests[name], _panel(row))
        for name, row in ((name, rows[name]) for name in wanted)
    }


def _panel(row: Mapping[str, object]) -> str | None:
    return None if row["panel"] is None else str(row["panel"])


def read_datasets(
    con: duckdb.DuckDBPyConnection, names: Sequence[str], at: int | None = None
) -> dict[str, dict[str, object]]:
    """Return dataset -> its row of `datasets`, of those that there are, compared with its digest."""
    found: dict[str, dict[str, object]] = {}
    for row in read_at(con, ROWS, at, list(names)).to_arrow_table().to_pylist():
        if row["digest"] != row_seal(row) or row["dataset"] in found:
            raise damage(con, f"dataset '{row['dataset']}': its row is not what was recorded", ["datasets"], COPY, at)
        found[row["dataset"]] = row
    return found


def sound_calendars(
    con: duckdb.DuckDBPyConnection, rows: Mapping[str, Mapping[str, object]], at: int | None = None
) -> dict[str, np.ndarray]:
    """Return dataset -> its sessions, compared with the datasets' rows, which `read_datasets` returned."""
    found = read_calendars(con, list(rows), at)
    for name, dates in found.items():
        if calendar_seal(dates) != rows[name]["calendar"]:
            raise damage(con, f"dataset '{name}': its calendar is not the one of its prices", ["calendars"], COPY, at)
    return found


def read_symbols(
    con: duckdb.DuckDBPyConnection, rows: Mapping[str, Mapping[str, object]], at: int | None = None
) -> dict[str, Seals]:
    """Return dataset -> symbol -> its seals, compared with the datasets' rows, which `read_datasets` returned."""
    found: dict[str, dict[str, tuple[str, str]]] = {name: {} for name in rows}
    read = read_at(con, SYMBOLS, at, list(rows)).fetchall()
    for name, symbol, inputs, bars in read:
        found.setdefault(name, {})[symbol] = (inputs, bars)
    for name in found:
        if contents_seal(found[name]) != rows[name]["contents"]:
            raise damage(con, f"dataset '{name}': its symbols are not those of its prices", ["symbols"], COPY, at)
    if len(read) != sum(map(len, found.values())):
        raise damage(con, "a symbol is there twice", ["symbols"], COPY, at)
    return dict(found)


def _check_cells(
    con: duckdb.DuckDBPyConnection, name: str, seals: Mapping[str, str], digests: Mapping[Cell, str], at: int | None
) -> None:
    cells: dict[str, list[tuple[str, str, str]]] = {symbol: [] for symbol in seals}
    for (symbol, partition, field), digest in digests.items():
        cells[symbol].append((partition, field, digest))
    wrong = [symbol for symbol, own in cells.items() if cells_seal(own) != seals[symbol]]
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        what = f"dataset '{name}', symbol {wrong[0]}{more}: the digests of its prices are not those that were recorded"
        raise damage(con, what, ["digests"], COPY, at)


@reported
def read_digests(
    con: duckdb.DuckDBPyConnection, wanted: Wanted, at: int | None = None, fields: Sequence[str] = INPUTS
) -> dict[str, dict[Cell, str]]:
    """Return dataset -> cell -> digest, of some fields of those wanted symbols that the lakehouse has."""
    whole = [name for name, symbols in wanted.items() if symbols is None]
    pairs = [(name, symbol) for name, symbols in wanted.items() for symbol in symbols or ()]
    owners, symbols_of = [name for name, _ in pairs], [symbol for _, symbol in pairs]
    rows = read_at(con, DIGESTS, at, whole, owners, symbols_of, list(fields))
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
    names = [name for (name,) in read_at(con, NAMES, at).fetchall()]
    found = read_symbols(con, read_datasets(con, names, at), at)
    return {dataset: tuple(sorted(symbols)) for dataset, symbols in sorted(found.items())}


@reported
def datasets_with(con: duckdb.DuckDBPyConnection, table: str, at: int | None = None) -> list[str]:
    """Return the datasets that have rows of a table of what is dated beside prices.

    Parameters
    ----------
    con : connection
        An attached lakehouse.
    table : str
        Which table.
    at : int, optional
        Number of the snapshot to read; None is the current one.

    Returns
    -------
    list of str
        Their names, sorted.

    Raises
    ------
    StoreError
        For a snapshot that the lakehouse does not have.
    """
    sql = "SELECT dataset FROM datasets{at} WHERE contains(tables, $1) ORDER BY dataset"
    return [name for (name,) in read_at(con, sql, at, f'"{table}": ').fetchall()]


def chosen(known: Mapping[str, Collection[str]], dataset: str, symbols: Iterable[str] | None) -> tuple[str, ...]:
    """Return the wanted symbols of a dataset, sorted, each once.

    Parameters
    ----------
    known : mapping
        Dataset -> its symbols, of all datasets.
    dataset : str
        Its name.
    symbols : iterable of str, or None
        Those that are wanted; None is all.

    Returns
    -------
    tuple of str

    Raises
    ------
    ConfigError
        For an unknown dataset or symbol, with the nearest known one.
    """
    if dataset not in known:
        cure = nearest(dataset, known) or "; `metabt ingest` adds one"
        raise ConfigError(f"no dataset '{dataset}' in the lakehouse{cure}")
    if symbols is None:
        return tuple(sorted(known[dataset]))
    missing = sorted(set(symbols) - set(known[dataset]))
    if missing:
        others = f" (and {len(missing) - 1} more unknown ones)" if len(missing) > 1 else ""
        cure = nearest(missing[0], known[dataset])
        raise ConfigError(f"dataset '{dataset}' has no symbol '{missing[0]}'{others}{cure}")
    return tuple(sorted(set(symbols)))
