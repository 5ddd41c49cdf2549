"""Table layout: which columns of a source are which of a table's, and their cells in the table's kinds.

1. Names decide (`table_words`). Each column of a table is named once; what is unknown is refused, but for columns that
   stand beside, such as weights and company names, which are left out and named.
2. Members may also come as a list of changes (`change_lists`) or as a matrix of 0 and 1 (`membership_matrix`), signals
   as a matrix of weights (`weight_matrix`).
3. Columns that a source does not have are empty; those that every row needs are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from metabt.data.point_in_time.tables import COLUMNS, DATE, NUMBER, TEXT
from metabt.errors import DataError, nearest
from metabt.lakehouse.ingestion.column_names import without_nameless
from metabt.lakehouse.ingestion.column_words import plain
from metabt.lakehouse.ingestion.columns import Table as Source
from metabt.lakehouse.ingestion.columns import flat, listed
from metabt.lakehouse.ingestion.number_texts import NumberFormat, is_text, number_format
from metabt.lakehouse.ingestion.options import Options
from metabt.lakehouse.ingestion.tables import change_lists, membership_matrix, table_cells, weight_matrix
from metabt.lakehouse.ingestion.tables.table_words import CHANGES, KIND_WORDS, LEFT_OUT, SYNONYMS, column_of
from metabt.lakehouse.point_in_time.incoming import Incoming, empty_column
from metabt.lakehouse.point_in_time.rules import REQUIRED
from metabt.values.tables import Coded, Column, Table

Named = dict[str, tuple[str, pa.Array]]
"""Column of a table -> its name in the source, and its cells."""


def laid_out(name: str, source: Source, options: Options) -> Incoming | change_lists.Changes:
    """Return what a source says of a table.

    Raises
    ------
    DataError
        For an empty source, columns that are missing, unknown or named twice, and cells that cannot be read.
    """
    columns, notes = without_nameless(source.columns)
    named = flat(columns)
    if not named or not len(named[0][1]):
        raise DataError("no rows beneath the header; check the file")
    _refuse_repeats([title for title, _ in named])
    if name == "members" and not _is_rows(named):
        if _found(named, CHANGES, {"date", "action", "asset"}):
            own, left = _named(name, named, CHANGES)
            universe = _universe(own, len(named[0][1]), options)
            return change_lists.read(own, universe, options, (*source.notes, *notes, *left))
        if membership_matrix.is_matrix(named, options):
            found = membership_matrix.read(named, options)
            universe = _universe({}, len(found.rows), options)
            return _with(found, {"universe": universe}, (*source.notes, *notes))
    if name == "signals" and weight_matrix.is_matrix(named, options):
        found = weight_matrix.read(named, options, source.continental)
        return _with(found, {"name": _signal({}, len(found.rows), options)}, (*source.notes, *notes))
    own, left = _named(name, named, SYNONYMS[name])
    n_rows = len(named[0][1])
    table = _table(name, own, n_rows, options, source.continental)
    if name == "members":
        table["universe"] = _universe(own, n_rows, options)
    if name == "signals":
        table["name"] = _signal(own, n_rows, options)
    _refuse_missing(name, table, own, named)
    rows = np.arange(1, n_rows + 1)
    return Incoming(name, _whole(name, table, n_rows), rows, n_rows, notes=(*source.notes, *notes, *left))


def _is_rows(named: list[tuple[str, pa.Array]]) -> bool:
    """Return whether columns are those of a row for each membership."""
    return _found(named, SYNONYMS["members"], {"asset", "first_date"})


def _found(named: list[tuple[str, pa.Array]], synonyms: Mapping[str, tuple[str, ...]], wanted: set[str]) -> bool:
    return wanted <= {column_of(title, synonyms) for title, _ in named}


def _named(
    name: str, named: list[tuple[str, pa.Array]], synonyms: Mapping[str, tuple[str, ...]]
) -> tuple[Named, tuple[str, ...]]:
    """Return the columns of a source by what they are, and a note of those that are left out."""
    own: Named = {}
    left: list[str] = []
    unknown: list[str] = []
    for title, cells in named:
        column = column_of(title, synonyms)
        if column is None:
            (left if plain(title) in LEFT_OUT else unknown).append(title)
        elif column in own:
            raise DataError(f"columns '{own[column][0]}' and '{title}' are both the {column}; keep one of them")
        else:
            own[column] = title, cells
    if unknown:
        raise DataError(
            f"table '{name}' has no column '{unknown[0][:60]}'{nearest(unknown[0], synonyms)}; its columns are "
            f"{', '.join(synonyms)}; rename {listed([title[:60] for title in unknown])}, or leave it out of the file"
        )
    return own, (f"left out: {listed(left)}",) if left else ()


def _table(name: str, own: Named, n_rows: int, options: Options, continental: bool) -> Table:
    """Return the columns that a source has, in the kinds of the table."""
    kinds = COLUMNS[name]
    ready = {column: table_cells.prepared(cells) for column, (_, cells) in own.items() if kinds[column] == NUMBER}
    written = number_format([cells for cells in ready.values() if is_text(cells)], options, continental)
    return {
        column: _cells(name, column, title, ready.get(column, cells), options, written)
        for column, (title, cells) in own.items()
    }


def _cells(
    name: str, column: str, title: str, cells: pa.Array, options: Options, written: NumberFormat | None
) -> Column:
    kind = COLUMNS[name][column]
    if kind == TEXT:
        return _kinds(name, table_cells.names(cells)) if column == "kind" else table_cells.names(cells)
    if kind == DATE:
        return table_cells.dates(cells, title, options)
    return table_cells.numbers(cells, title, written) if kind == NUMBER else table_cells.flags(cells, title)


def _kinds(name: str, column: Coded) -> Coded:
    """Return kinds as the table calls them."""
    words = KIND_WORDS.get(name, {})
    lower = [text.lower().replace("_", " ") for text in column.values]
    return table_cells.recoded(column.codes, [words.get(text, text) for text in lower])


def _universe(own: Named, n_rows: int, options: Options) -> Coded:
    """Return the universe of every row: that of its column, or the stated one.

    Raises
    ------
    DataError
        Where nothing names it, and where both do.
    """
    if "universe" in own and options.universe is not None:
        raise DataError(f"column '{own['universe'][0]}' names universes; leave out {options.say(universe='NAME')}")
    if "universe" in own:
        return table_cells.names(own["universe"][1])
    if options.universe is None:
        raise DataError(
            f"no column 'universe' says of what they are members; add one, or say {options.say(universe='NAME')}"
        )
    return Coded.constant(options.universe.strip(), n_rows)


def _signal(own: Named, n_rows: int, options: Options) -> Coded:
    """Return the signal of every row: that of its column, or the stated one.

    Raises
    ------
    DataError
        Where nothing names it, and where both do.
    """
    if "name" in own and options.name is not None:
        raise DataError(f"column '{own['name'][0]}' names signals; leave out {options.say(name='NAME')}")
    if "name" in own:
        return table_cells.names(own["name"][1])
    if options.name is None:
        raise DataError(f"nothing names the signal; add a column 'name', or say {options.say(name='NAME')}")
    return Coded.constant(options.name.strip(), n_rows)


def _refuse_missing(name: str, table: Table, own: Named, named: list[tuple[str, pa.Array]]) -> None:
    missing = [column for column in REQUIRED[name] if column not in table]
    if missing:
        words = SYNONYMS[name][missing[0]][:4]
        raise DataError(
            f"table '{name}' needs a column '{missing[0]}' (or {', '.join(words)}), and the source has "
            f"{listed([title for title, _ in named])}; its columns are {', '.join(COLUMNS[name])}"
        )


def _whole(name: str, table: Table, n_rows: int) -> Table:
    """Return a table with all its columns, empty where the source has none, in their order."""
    return {column: table.get(column, empty_column(kind, n_rows)) for column, kind in COLUMNS[name].items()}


def _with(found: Incoming, more: Table, notes: tuple[str, ...]) -> Incoming:
    table = _whole(found.name, {**found.columns, **more}, len(found.rows))
    return Incoming(found.name, table, found.rows, found.read, found.duplicates, (*notes, *found.notes))


def _refuse_repeats(titles: list[str]) -> None:
    repeated = [title for title in dict.fromkeys(titles) if titles.count(title) > 1]
    if repeated:
        raise DataError(f"column '{repeated[0]}' occurs {titles.count(repeated[0])} times; keep one of each name")
